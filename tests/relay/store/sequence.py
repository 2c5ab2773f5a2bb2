"""Batches as a relay's core makes them, of real envelopes and control objects."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from amanah_protocol import envelope as envelopes
from amanah_protocol import kinds
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.errors import DecodeError
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Specific
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.types import CONTROL, ZERO_32, DeviceId, EnvelopeId, LeafHash, RoomId
from amanah_relay.effects import Append, Entry, Erasure, Held, MemberRow, RoomRow, Tree
from amanah_relay.state import RelayState
from tests.vectors import examples as x

SN: Final = x.NAMES[1]
OTHER: Final = x.device_key(Role.OFFICER, SN)
OTHER_KID: Final = DeviceId(OTHER.key_id)
NONCES: Final = {
    envelopes.derive_room_id(x.ORIGIN, x.KID, nonce): nonce for nonce in (x.NONCE, x.fixed("second room", 16))
}
SECOND_ROOM: Final = tuple(NONCES)[1]
CHAIN: Final = RoomId(x.fixed("a chain that is no room", 16))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A leaf before it has its place."""

    type: LeafType
    room: RoomId
    object: bytes
    envelope: EnvelopeId | None = None
    kid: DeviceId | None = None
    payload: bytes | None = None
    content: bytes | None = None
    addressees: tuple[DeviceId, ...] | None = None
    document: bytes | None = None
    membership: bool = False


def roster(version: int = 1) -> bytes:
    """A roster signed by two of three."""
    return x.roster_of(version).endorsed.encode()


@dataclass(slots=True, kw_only=True)
class Sequence:
    """The end of a log; makes the batches that follow."""

    frontier: Frontier
    heads: dict[RoomId, tuple[int, LeafHash]]
    now_ms: int = x.NOW_MS
    counters: dict[tuple[RoomId, DeviceId], int] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    batches: int = 0

    @classmethod
    def behind(cls, state: RelayState) -> Sequence:
        """Go on where a store ends."""
        heads = {CONTROL: (state.control.head_seq, state.control.head_leaf)}
        heads.update({room: (chain.head_seq, chain.head_leaf) for room, chain in state.chains.items()})
        heads.update({room.room: (room.head_seq, room.head_leaf) for room in state.rooms.values()})
        counters = {
            (room.room, member.device): member.last_counter
            for room in state.rooms.values()
            for member in room.members.values()
        }
        return cls(
            frontier=Frontier(state.size, state.edge), heads=heads, now_ms=state.last_accepted_ms, counters=counters
        )

    def envelope(
        self,
        specific: Specific | None = None,
        content: bytes | None = None,
        *,
        room: RoomId = x.ROOM,
        key: SigningKey = x.OFFICER,
        addressees: tuple[DeviceId, ...] | None = None,
        **changes: Any,  # noqa: ANN401 - any field of the header
    ) -> Draft:
        """A signed envelope; a message with a content of its own unless told otherwise."""
        what = kinds.Message() if specific is None else specific
        kid = DeviceId(key.key_id)
        counter = self.counters.get((room, kid), 0) + 1
        self.counters[room, kid] = counter
        sealed = content
        if sealed is None:
            header_only = kinds.kind_of(what) in kinds.HEADER_ONLY
            sealed = b"" if header_only else b"sealed %d for " % counter + room + kid
        header = x.header(what, room=room, kid=kid, counter=counter, voids=(), **changes)
        made = envelopes.sign_envelope(header, sealed, key)
        return Draft(
            type=LeafType.ENVELOPE,
            room=room,
            object=made.encoded,
            envelope=made.id,
            kid=kid,
            payload=made.payload,
            content=sealed,
            addressees=addressees,
            membership=isinstance(what, kinds.Create | kinds.Commit),
        )

    def messages(self, count: int, **options: Any) -> list[Draft]:  # noqa: ANN401 - as `envelope`
        """Distinct messages."""
        return [self.envelope(**options) for _ in range(count)]

    def create(self, room: RoomId = x.ROOM) -> Draft:
        """The first envelope of a room."""
        create = x.SPECIFICS[kinds.Kind.CREATE]
        assert isinstance(create, kinds.Create)
        return self.envelope(replace(create, nonce=NONCES[room]), room=room)

    def batch(
        self,
        *drafts: Draft,
        erasures: tuple[Erasure, ...] = (),
        trees: tuple[Tree, ...] = (),
        members: tuple[MemberRow, ...] = (),
    ) -> Append:
        """Give the drafts their places behind all others."""
        first = self.frontier.size
        self.now_ms += 1
        self.batches += 1
        entries = tuple(self._entry(draft) for draft in drafts)
        self.entries.extend(entries)
        rooms = {entry.room for entry in entries if entry.type is LeafType.ENVELOPE}
        placed = tuple(replace(staged, room_seq=self.heads[staged.room][0]) for staged in trees)
        size = sum(len(entry.content or b"") for entry in entries) + sum(len(staged.data) for staged in placed)
        return Append(
            batch=self.batches,
            first=first,
            root=self.frontier.root(),
            edge=self.frontier.edge,
            accepted_at_ms=self.now_ms,
            entries=entries,
            rooms=tuple(self._room_row(room) for room in sorted(rooms)),
            members=members + tuple(_member_row(entry) for entry in entries if entry.kid is not None),
            erasures=erasures,
            trees=placed,
            held=(Held(organisation=x.TN, size=size),) if size else (),
        )

    def _entry(self, draft: Draft) -> Entry:
        seq, previous = self.heads.get(draft.room, (0, LeafHash(ZERO_32)))
        leaf = Leaf(
            type=draft.type,
            accepted_at_ms=self.now_ms,
            room=draft.room,
            room_seq=seq + 1,
            previous=previous,
            object=draft.object,
        )
        index, leaf_hash = self.frontier.size, leaf.hash
        self.frontier.append(leaf_hash)
        self.heads[draft.room] = (seq + 1, leaf_hash)
        return Entry(
            index=index,
            type=draft.type,
            room=draft.room,
            room_seq=seq + 1,
            accepted_at_ms=self.now_ms,
            previous=previous,
            hash=leaf_hash,
            object=draft.object,
            envelope=draft.envelope,
            kid=draft.kid,
            payload=draft.payload,
            content=draft.content,
            addressees=draft.addressees,
            document=draft.document,
            membership=draft.membership,
        )

    def _room_row(self, room: RoomId) -> RoomRow:
        seq, leaf = self.heads[room]
        return RoomRow(room=room, create=b"", epoch=seq // 10, head_seq=seq, head_leaf=leaf)


def control(kind: LeafType, signed: bytes, document: bytes | None = None) -> Draft:
    """A leaf of the control stream."""
    return Draft(type=kind, room=CONTROL, object=signed, document=document)


def identities() -> tuple[Draft, ...]:
    """Two enrolled organisations with an officer's device each."""
    drafts = []
    for name in (x.TN, SN):
        enrolment = x.nation(name).enrolment.endorsed
        drafts.append(control(LeafType.ENROLMENT, enrolment.record, enrolment.encode()))
        drafts.append(control(LeafType.CERTIFICATE, x.certificate(Role.OFFICER, name).encoded))
    return tuple(drafts)


def tree(data: bytes, room: RoomId = x.ROOM) -> Tree:
    """A staged tree; `Sequence.batch` puts it to the last envelope of its room."""
    return Tree(hash=sha256(data), room=room, room_seq=0, data=data)


def _member_row(entry: Entry) -> MemberRow:
    try:
        counter = envelopes.decode_envelope(entry.object).header.counter
    except DecodeError:  # a test stores something else on purpose
        counter = 0
    return MemberRow(
        room=entry.room,
        device=entry.kid or OTHER_KID,
        organisation=x.TN,
        added_seq=1,
        removed_seq=None,
        cursor=0,
        last_counter=counter,
        last_id=entry.envelope or EnvelopeId(ZERO_32),
    )
