"""From admitted units to batches: order, log indices, leaf hashes, tree size and root.

What was admitted waits here until the store is free; then all of it, up to a bound, becomes one
transaction (group commit). One batch is in the store's hands at a time.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from amanah_protocol.crypto import sha256
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.types import CONTROL, DeviceId, EnvelopeId, OrgName, RoomId
from amanah_relay.core.replies import Waiter
from amanah_relay.effects import Append, Attached, Entry, Erasure, Held, MemberRow, RoomRow, Tree
from amanah_relay.quotas import Charge, RelayLimits
from amanah_relay.state import Chain, Member, RelayState, Room


def object_key(data: bytes) -> bytes:
    """What makes a repetition of an object known that is no envelope.

    An envelope's id is a plain SHA-256 too, of bytes that whoever knows its header can submit as an object; the
    prefix keeps the receipts of envelopes from them.
    """
    return sha256(b"amanah/relay/object/1" + data)


@dataclass(slots=True, kw_only=True)
class Draft:
    """An admitted leaf; its index and hash follow when its batch is made.

    Attributes:
        key: Envelope id, or `object_key` of another object: what makes a repetition known.
        type: Leaf type.
        room: Room or reserved chain.
        room_seq: Sequence there.
        object: The leaf's object.
        envelope: Id of the envelope, else None.
        kid: Sender of the envelope, else None.
        payload: SHA-256 of the sealed content, else None.
        content: Sealed content, None for leaves that are no envelopes.
        addressees: Who gets the content; None means every member.
        document: Endorsed document beside the leaf.
        added: Devices that it adds to the room.
        removed: Devices that it removes.
        membership: Whether it is a `create` or a commit.
        flash: Whether members are told of it before it comes.
    """

    key: bytes
    type: LeafType
    room: RoomId
    room_seq: int
    object: bytes
    envelope: EnvelopeId | None = None
    kid: DeviceId | None = None
    payload: bytes | None = None
    content: bytes | None = None
    addressees: tuple[DeviceId, ...] | None = None
    document: bytes | None = None
    added: tuple[DeviceId, ...] = ()
    removed: tuple[DeviceId, ...] = ()
    membership: bool = False
    flash: bool = False

    @property
    def size(self) -> int:
        """Bytes that the store has to write for it, nearly."""
        return len(self.object) + len(self.content or b"") + len(self.document or b"")


@dataclass(slots=True, kw_only=True, eq=False)
class Unit:
    """What is stored whole or not at all: the leaves of one request.

    Attributes:
        at_ms: Time of admission.
        until_ms: Until when everything holds that it was admitted on (certificates, roster).
        drafts: Its leaves.
        rooms: Epochs of the rooms it changes, as they are after it.
        creates: Objects of the create envelopes among its leaves.
        members: Members it changes, as they are after it; these objects are never changed again.
        erasures: Contents to drop.
        purges: Log indices of contents to drop because their time is over.
        trees: Trees that its welcomes name.
        held: Sizes of its contents and trees by organisation.
        attachments: Attachments of messages, as they stand after it.
        charges: What it took from quotas; given back if the store fails.
        waiters: Who is to hear how it ends.
    """

    at_ms: int
    until_ms: int
    drafts: list[Draft] = field(default_factory=list)
    rooms: dict[RoomId, int] = field(default_factory=dict)
    creates: dict[RoomId, bytes] = field(default_factory=dict)
    members: dict[tuple[RoomId, DeviceId], Member] = field(default_factory=dict)
    erasures: list[Erasure] = field(default_factory=list)
    purges: list[int] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    held: Counter[OrgName] = field(default_factory=Counter)
    attachments: list[Attached] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    waiters: list[Waiter] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes that the store has to write for it, nearly."""
        return sum(draft.size for draft in self.drafts) + sum(len(tree.data) for tree in self.trees)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch in the store's hands.

    Attributes:
        append: What the store was asked.
        units: Its units in order; their drafts are `append.entries` in order.
        members: Members changed, as they are after it.
    """

    append: Append
    units: tuple[Unit, ...]
    members: dict[tuple[RoomId, DeviceId], Member]

    @property
    def drafts(self) -> list[Draft]:
        """All drafts, in the order of the entries."""
        return [draft for unit in self.units for draft in unit.drafts]


Place: TypeAlias = "tuple[Unit, int]"
"""A unit that is not durable yet, and the position of a draft in it."""


class Sequencer:
    """The queue before the store, and the end of the log as it will be."""

    def __init__(self, state: RelayState, limits: RelayLimits, *, batches: int = 0) -> None:
        """Go on behind what is stored; `batches` is the number of this process's last batch."""
        self._state = state
        self._limits = limits
        self._frontier = Frontier(state.size, state.edge)
        self._queue: deque[tuple[Unit, int]] = deque()
        self._queued_leaves = 0
        self._in_flight: Batch | None = None
        self.batches = batches
        self.queued_bytes = 0
        self.pending: dict[bytes, Place] = {}
        """By key, all that is admitted and not durable."""

    @property
    def next_index(self) -> int:
        """Log index of the next leaf admitted: the order of the queue is final."""
        return self._frontier.size + self._queued_leaves

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is in the store's hands."""
        return self._in_flight is None and not self._queue

    def chain(self, room: RoomId) -> Room | Chain:
        """The chain of leaves that stands under a room id, reserved ones included."""
        if room == CONTROL:
            return self._state.control
        found = self._state.rooms.get(room)
        return found if found is not None else self._state.chains.setdefault(room, Chain())

    def enqueue(self, unit: Unit) -> None:
        """Put a unit behind all others."""
        size = unit.size
        self._queue.append((unit, size))
        self._queued_leaves += len(unit.drafts)
        self.queued_bytes += size
        for position, draft in enumerate(unit.drafts):
            self.pending[draft.key] = (unit, position)

    def next_batch(self) -> Append | None:
        """Make the next transaction, if the store is free and something waits."""
        if self._in_flight is not None or not self._queue:
            return None
        units = self._take_units()
        # The time at which the last of them was admitted: no unit is accepted before it came, and
        # none after a certificate that it was admitted on has ended (`_take_units`).
        accepted_at_ms = units[-1].at_ms
        first = self._frontier.size
        entries = tuple(self._entry(draft, accepted_at_ms) for unit in units for draft in unit.drafts)
        self._state.size, self._state.edge = self._frontier.size, self._frontier.edge
        members = {key: member for unit in units for key, member in unit.members.items()}
        new = {entry.envelope for entry in entries}
        self.batches += 1
        append = Append(
            batch=self.batches,
            first=first,
            root=self._frontier.root(),
            edge=self._frontier.edge,
            accepted_at_ms=accepted_at_ms,
            entries=entries,
            rooms=_room_rows(units, entries),
            members=tuple(_member_row(room, member) for (room, _), member in members.items()),
            erasures=tuple(erasure for unit in units for erasure in unit.erasures),
            purges=tuple(index for unit in units for index in unit.purges),
            trees=tuple(tree for unit in units for tree in unit.trees),
            held=_held(units),
            # Of one that changes twice the last word counts; the batch's time is the one that the log names.
            attachments=tuple(
                replace(found, accepted_at_ms=accepted_at_ms) if found.envelope in new else found
                for found in _last_of(units)
            ),
        )
        self._in_flight = Batch(append=append, units=units, members=members)
        return append

    def settle(self, number: int) -> Batch | None:
        """Take the batch of this number out of flight; None when it is not the one in flight."""
        batch = self._in_flight
        if batch is None or batch.append.batch != number:
            return None
        self._in_flight = None
        for draft in batch.drafts:
            # Not `del`: no object that is admitted a second time before it is durable may stop the relay.
            self.pending.pop(draft.key, None)
        return batch

    def unsettled(self, number: int) -> list[Unit] | None:
        """All units that are not durable, when the batch of this number failed; None when it is not in flight."""
        if self._in_flight is None or self._in_flight.append.batch != number:
            return None
        return [*self._in_flight.units, *(unit for unit, _ in self._queue)]

    def _take_units(self) -> tuple[Unit, ...]:
        units: list[Unit] = []
        leaves = size = 0
        until_ms = self._queue[0][0].until_ms
        while self._queue:
            unit, unit_size = self._queue[0]
            leaves, size = leaves + len(unit.drafts), size + unit_size
            full = leaves > self._limits.max_batch or size > self._limits.max_batch_bytes
            # The batch's one time of acceptance would lie behind the end of an earlier unit's certificate.
            if units and (full or unit.at_ms > until_ms):
                break
            units.append(unit)
            until_ms = min(until_ms, unit.until_ms)
            self._queue.popleft()
            self._queued_leaves -= len(unit.drafts)
            self.queued_bytes -= unit_size
        return tuple(units)

    def _entry(self, draft: Draft, accepted_at_ms: int) -> Entry:
        chain = self.chain(draft.room)
        leaf = Leaf(
            type=draft.type,
            accepted_at_ms=accepted_at_ms,
            room=draft.room,
            room_seq=draft.room_seq,
            previous=chain.head_leaf,
            object=draft.object,
        )
        leaf_hash = leaf.hash
        entry = Entry(
            index=self._frontier.size,
            type=draft.type,
            room=draft.room,
            room_seq=draft.room_seq,
            accepted_at_ms=accepted_at_ms,
            previous=chain.head_leaf,
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
        self._frontier.append(leaf_hash)
        # `head_seq` counts what was admitted; the leaf hash can only be that of what has its batch.
        chain.head_leaf = leaf_hash
        return entry


def _held(units: tuple[Unit, ...]) -> tuple[Held, ...]:
    sizes: Counter[OrgName] = Counter()
    for unit in units:
        sizes.update(unit.held)
    return tuple(Held(organisation=organisation, size=size) for organisation, size in sizes.items() if size)


def _last_of(units: tuple[Unit, ...]) -> Iterable[Attached]:
    return {found.envelope: found for unit in units for found in unit.attachments}.values()


def _room_rows(units: tuple[Unit, ...], entries: tuple[Entry, ...]) -> tuple[RoomRow, ...]:
    last = {entry.room: entry for entry in entries}
    epochs = {room: epoch for unit in units for room, epoch in unit.rooms.items()}
    creates = {room: create for unit in units for room, create in unit.creates.items()}
    return tuple(
        RoomRow(
            room=room,
            create=creates.get(room, b""),
            epoch=epoch,
            head_seq=last[room].room_seq,
            head_leaf=last[room].hash,
        )
        for room, epoch in epochs.items()
    )


def _member_row(room: RoomId, member: Member) -> MemberRow:
    return MemberRow(
        room=room,
        device=member.device,
        organisation=member.organisation,
        added_seq=member.added_seq,
        removed_seq=member.removed_seq,
        cursor=member.cursor,
        last_counter=member.last_counter,
        last_id=member.last_id,
    )
