"""A relay's store in memory, with the methods and the contract of `amanah_relay.store.Store`.

What is kept survives whoever uses it; every method gives what the durable one would. It is there
for speed: `test_simulation` holds it against the real store by running one seed on both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol, Self, TypeAlias

from amanah_protocol import limits
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.log import merkle
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.roster import decode_roster
from amanah_protocol.types import CONTROL, ZERO_32, DeviceId, EnvelopeId, LeafHash, OrgName, RoomId
from amanah_relay.effects import (
    Append,
    Attached,
    Confirm,
    CountKeyPackages,
    Entry,
    Erasure,
    Held,
    MemberRow,
    Purge,
    PutCheckpoint,
    PutKeyPackages,
    ReadCheckpoints,
    ReadContent,
    ReadEntries,
    ReadKnown,
    ReadLog,
    ReadMembership,
    ReadProof,
    ReadStamps,
    RoomRow,
    Survey,
    TakeKeyPackages,
    Tree,
)
from amanah_relay.inputs import (
    CheckpointPut,
    CheckpointsRead,
    Confirmed,
    ContentRead,
    EntriesRead,
    KeyPackagesCounted,
    KeyPackagesPut,
    KeyPackagesTaken,
    Known,
    KnownRead,
    LogRead,
    MembershipRead,
    ProofRead,
    Purged,
    StampsRead,
    StoredEntry,
    Surveyed,
)
from amanah_relay.purging import Standing
from amanah_relay.state import RelayState
from tests.relay.surveying import surveyed
from tests.simulation.relay_state import state_of

Part: TypeAlias = tuple[Entry, int]
"""Bytes that stand for an envelope: its content, or the tree of a welcome."""


class RelayStore(Protocol):
    """What the relay's shell needs of a store: `amanah_relay.store.Store` has it too."""

    def load(self) -> RelayState: ...
    def append(self, batch: Append) -> tuple[Held, ...]: ...
    def confirm(self, wanted: Confirm) -> Confirmed: ...
    def survey(self, wanted: Survey) -> Surveyed: ...
    def purge(self, wanted: Purge) -> Purged: ...
    def put_key_packages(self, offer: PutKeyPackages) -> KeyPackagesPut: ...
    def take_key_packages(self, request: TakeKeyPackages) -> KeyPackagesTaken: ...
    def put_checkpoint(self, wanted: PutCheckpoint) -> CheckpointPut: ...
    def read_checkpoints(self, wanted: ReadCheckpoints) -> CheckpointsRead: ...
    def read_stamps(self, wanted: ReadStamps) -> StampsRead: ...
    def read_entries(self, wanted: ReadEntries) -> EntriesRead: ...
    def read_membership(self, wanted: ReadMembership) -> MembershipRead: ...
    def read_known(self, wanted: ReadKnown) -> KnownRead: ...
    def read_content(self, wanted: ReadContent) -> ContentRead: ...
    def read_log(self, wanted: ReadLog) -> LogRead: ...
    def read_proof(self, wanted: ReadProof) -> ProofRead: ...
    def count_key_packages(self, wanted: CountKeyPackages) -> KeyPackagesCounted: ...


@dataclass(slots=True, kw_only=True)
class KeptPackage:
    """A key package; `data` is None once it was handed out."""

    device: DeviceId
    suite: int
    hash: bytes
    last_resort: bool
    data: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBatch:
    """A batch, for its receipt."""

    first: int
    size: int
    root: bytes
    accepted_at_ms: int


@dataclass(slots=True, kw_only=True)
class MemoryRelayStore:
    """The tables.

    Attributes:
        entries: The log; an erased entry has no content.
        erased: Indices of erased entries.
        withheld: Contents of erased entries that a hold keeps.
        batches: By the index of their first leaf, ascending.
        rooms: Newest row of each room.
        members: Newest row of each member.
        trees: By room and hash.
        marks: Up to where each room is confirmed.
        packages: In the order in which they were offered.
        checkpoints: Published ones, by size.
        attachments: By the envelope of their message.
        edge: Right edge of the log.
        accepted_at_ms: Time of the newest batch.
    """

    entries: list[Entry] = field(default_factory=list)
    erased: set[int] = field(default_factory=set)
    withheld: dict[int, bytes] = field(default_factory=dict)
    batches: list[KeptBatch] = field(default_factory=list)
    rooms: dict[RoomId, RoomRow] = field(default_factory=dict)
    members: dict[tuple[RoomId, DeviceId], MemberRow] = field(default_factory=dict)
    trees: dict[tuple[RoomId, bytes], Tree] = field(default_factory=dict)
    marks: dict[RoomId, int] = field(default_factory=dict)
    packages: list[KeptPackage] = field(default_factory=list)
    checkpoints: dict[int, bytes] = field(default_factory=dict)
    attachments: dict[EnvelopeId, Attached] = field(default_factory=dict)
    edge: tuple[bytes, ...] = ()
    accepted_at_ms: int = 0
    _chains: dict[RoomId, list[int]] = field(default_factory=dict)
    _places: dict[bytes, int] = field(default_factory=dict)
    _nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)

    @classmethod
    def begun_with(cls, roster: bytes, now_ms: int) -> Self:
        """A store whose log begins with the roster, as `Store.init` makes it."""
        record = decode_roster(roster).endorsed.record
        leaf = Leaf(
            type=LeafType.ROSTER,
            accepted_at_ms=now_ms,
            room=CONTROL,
            room_seq=1,
            previous=LeafHash(ZERO_32),
            object=record,
        )
        frontier = Frontier()
        frontier.append(leaf.hash)
        entry = Entry(
            index=0,
            type=leaf.type,
            room=leaf.room,
            room_seq=1,
            accepted_at_ms=now_ms,
            previous=leaf.previous,
            hash=leaf.hash,
            object=record,
            document=roster,
        )
        store = cls()
        store.append(
            Append(batch=0, first=0, root=frontier.root(), edge=frontier.edge, accepted_at_ms=now_ms, entries=(entry,))
        )
        return store

    # ---- writing

    def load(self) -> RelayState:
        """The state as stored, made anew."""
        state = state_of(self.entries, self.rooms.values(), self.members.values(), self.edge, self.accepted_at_ms)
        for room, room_seq in self.marks.items():
            state.rooms[room].confirmed_seq = room_seq
        state.attachments = dict(self.attachments)
        state.attached = {(found.room, found.attachment): found.envelope for found in self.attachments.values()}
        state.held = self.held()
        state.checkpoints = tuple(self.checkpoints[size] for size in sorted(self.checkpoints)[-16:])
        return state

    def append(self, batch: Append) -> tuple[Held, ...]:
        """All of a batch, if it continues the log and stores nothing twice."""
        if batch.first != len(self.entries):
            raise OperationalError(Code.STORE, f"the log has not {batch.first} leaves")
        if self.has_any_of(batch):
            raise OperationalError(Code.STORE, "an envelope is stored already")
        frontier = Frontier(len(self.entries), self.edge)
        for entry in batch.entries:
            self._nodes.update({(node.level, node.place): node.root for node in frontier.append(entry.hash)})
            self._append_entry(entry)
        if (frontier.root(), frontier.edge) != (batch.root, batch.edge):
            raise UsageError(Code.USAGE, "root or edge are not those of the entries")
        self.edge, self.accepted_at_ms = batch.edge, batch.accepted_at_ms
        if batch.entries:
            size = len(self.entries)
            kept = KeptBatch(first=batch.first, size=size, root=batch.root, accepted_at_ms=batch.accepted_at_ms)
            self.batches.append(kept)
        self.rooms.update({row.room: row for row in batch.rooms})
        self.members.update({(row.room, row.device): row for row in batch.members})
        self.attachments.update({found.envelope: found for found in batch.attachments})
        placed = [(tree, self.trees.setdefault((tree.room, tree.hash), tree)) for tree in batch.trees]
        known = [(self._welcome(tree), len(tree.data)) for tree, stored in placed if stored is not tree]
        erased = [part for erasure in batch.erasures for part in self._erase(erasure)]
        for index in batch.purges:
            entry = self.entries[index]
            erased.append((entry, len(self._data(entry))))
            self.withheld.pop(index, None)
            self._drop(entry)
        return self._freed([*known, *erased])

    def confirm(self, wanted: Confirm) -> Confirmed:
        """Move marks."""
        passed: list[Part] = []
        for mark in wanted.marks:
            behind = self.marks.get(mark.room, 0)
            entries = [self.entries[index] for index in self._chains[mark.room][behind : mark.room_seq]]
            passed += [(entry, len(self._data(entry))) for entry in entries]
            trees = [(self._welcome(tree), len(tree.data)) for tree in self.trees.values() if tree.room == mark.room]
            passed += [(entry, size) for entry, size in trees if behind < entry.room_seq <= mark.room_seq]
        freed = self._freed(passed)
        self.marks.update({mark.room: max(mark.room_seq, self.marks.get(mark.room, 0)) for mark in wanted.marks})
        return Confirmed(token=wanted.token, freed=freed)

    def survey(self, wanted: Survey) -> Surveyed:
        """Which contents are over."""
        return surveyed(wanted, (entry for entry in self.entries if self._data(entry)), self._standing)

    def _standing(self, entry: Entry) -> Standing:
        newest = self.entries[self._chains[entry.room][-1]]
        return Standing(
            accepted_at_ms=entry.accepted_at_ms,
            last_at_ms=newest.accepted_at_ms,
            confirmed=entry.room_seq <= self.marks.get(entry.room, 0),
            erased=entry.index in self.erased,
        )

    def purge(self, wanted: Purge) -> Purged:
        """Drop trees that are over."""
        trees = [tree for tree in self.trees.values() if self._is_over(self._welcome(tree), wanted)]
        trees = [tree for tree in trees if not _is_held(self._welcome(tree), wanted)][: wanted.limit]
        dropped = [(self._welcome(tree), len(tree.data)) for tree in trees]
        for tree in trees:
            del self.trees[tree.room, tree.hash]
        return Purged(token=wanted.token, dropped=len(dropped), freed=self._freed(dropped))

    def held(self) -> dict[OrgName, int]:
        """What is held."""
        parts = [(entry, len(self._data(entry))) for entry in self.entries if self._data(entry)]
        parts += [(self._welcome(tree), len(tree.data)) for tree in self.trees.values()]
        return {part.organisation: part.size for part in self._freed(parts)}

    def _freed(self, parts: Iterable[Part]) -> tuple[Held, ...]:
        """What of these is held, by the sender's organisation; what a member did not send is of nobody."""
        sizes: Counter[OrgName] = Counter()
        for entry, size in parts:
            sender = None if entry.kid is None else self.members.get((entry.room, entry.kid))
            if sender is not None and size and entry.room_seq > self.marks.get(entry.room, 0):
                sizes[OrgName(sender.organisation)] += size
        return tuple(Held(organisation=organisation, size=size) for organisation, size in sorted(sizes.items()))

    def _welcome(self, tree: Tree) -> Entry:
        return self.entries[self._chains[tree.room][tree.room_seq - 1]]

    def _is_over(self, entry: Entry, wanted: Purge) -> bool:
        if entry.room_seq <= self.marks.get(entry.room, 0):
            return entry.accepted_at_ms <= wanted.delivered_ms
        return entry.accepted_at_ms <= wanted.handshake_ms

    def put_checkpoint(self, wanted: PutCheckpoint) -> CheckpointPut:
        """Record a published checkpoint."""
        self.checkpoints[wanted.size] = wanted.note
        return CheckpointPut(token=wanted.token)

    def read_checkpoints(self, wanted: ReadCheckpoints) -> CheckpointsRead:
        """Published checkpoints behind a size; never so many here that a page is too small."""
        notes = tuple(self.checkpoints[size] for size in sorted(self.checkpoints) if size > wanted.after)
        return CheckpointsRead(token=wanted.token, notes=notes[: wanted.limit])

    def read_stamps(self, wanted: ReadStamps) -> StampsRead:
        """There are none: nobody here is asked."""
        return StampsRead(token=wanted.token, stamps=())

    def put_key_packages(self, offer: PutKeyPackages) -> KeyPackagesPut:
        """Keep an offer; packages that were here before, handed out or not, are passed over."""
        known = {kept.hash for kept in self._of(offer.device, offer.suite) if not kept.last_resort}
        fresh = {sha256(package): package for package in offer.packages}
        new = [(hash_, data, False) for hash_, data in fresh.items() if hash_ not in known]
        if offer.last_resort is not None:
            gone = [kept for kept in self._of(offer.device, offer.suite) if kept.last_resort]
            self.packages = [kept for kept in self.packages if kept not in gone]
            new.append((sha256(offer.last_resort), offer.last_resort, True))
        self.packages += [
            KeptPackage(device=offer.device, suite=offer.suite, hash=hash_, last_resort=last_resort, data=data)
            for hash_, data, last_resort in new
        ]
        held = [kept for kept in self._of(offer.device, offer.suite) if not kept.last_resort and kept.data]
        surplus = held[: max(0, len(held) - limits.MAX_KEY_PACKAGES)]
        self.packages = [kept for kept in self.packages if kept not in surplus]
        return KeyPackagesPut(token=offer.token, left=len(held) - len(surplus))

    def take_key_packages(self, request: TakeKeyPackages) -> KeyPackagesTaken:
        """Hand out the newest package of each device, the last resort when there is no other."""
        return KeyPackagesTaken(
            token=request.token, taken=tuple(self._take(device, request.suite) for device in request.devices)
        )

    def _take(self, device: DeviceId, suite: int) -> tuple[bytes | None, bool, int]:
        held = [kept for kept in self._of(device, suite) if kept.data]
        one_time = [kept for kept in held if not kept.last_resort]
        if not one_time:
            return (held[-1].data, True, 0) if held else (None, False, 0)
        return self.hand_out(one_time[-1]), False, len(one_time) - 1

    def hand_out(self, kept: KeptPackage) -> bytes | None:
        """Give a package away for good."""
        data, kept.data = kept.data, None
        return data

    def has_any_of(self, batch: Append) -> bool:
        """Whether an envelope of a batch is stored already, or stands in it twice."""
        ids = [entry.envelope for entry in batch.entries if entry.envelope is not None]
        return len(set(ids)) != len(ids) or any(envelope in self._places for envelope in ids)

    # ---- reading

    def read_entries(self, wanted: ReadEntries) -> EntriesRead:
        """A page of a room or chain."""
        indices = self._chains.get(wanted.room, [])[wanted.after :]
        found: list[StoredEntry] = []
        left, more = wanted.max_bytes, False
        for index in indices:
            entry = self.entries[index]
            left -= len(entry.object) + len(entry.content or b"") + len(entry.document or b"")
            if found and (left < 0 or len(found) == wanted.limit):
                more = True
                break
            found.append(StoredEntry(entry=entry, erased=index in self.erased))
        return EntriesRead(token=wanted.token, room=wanted.room, entries=tuple(found), more=more)

    def read_membership(self, wanted: ReadMembership) -> MembershipRead:
        """The `create` and commits of a room between two places."""
        found: list[Entry] = []
        left = wanted.max_bytes
        for index in self._chains.get(wanted.room, [])[wanted.after : wanted.until - 1]:
            entry = self.entries[index]
            if not entry.membership:
                continue
            left -= len(entry.object)
            if found and (left < 0 or len(found) == wanted.limit):
                break
            found.append(replace(entry, content=None))
        return MembershipRead(token=wanted.token, entries=tuple(found))

    def read_known(self, wanted: ReadKnown) -> KnownRead:
        """Where an envelope stands."""
        index = self._places.get(wanted.envelope)
        if index is None:
            return KnownRead(token=wanted.token, known=None)
        batch = next(kept for kept in reversed(self.batches) if kept.first <= index)
        known = Known(
            index=index,
            room_seq=self.entries[index].room_seq,
            batch_first=batch.first,
            batch_size=batch.size,
            batch_root=batch.root,
            accepted_at_ms=batch.accepted_at_ms,
            leaves=tuple(entry.hash for entry in self.entries[batch.first : batch.size]),
        )
        return KnownRead(token=wanted.token, known=known)

    def read_content(self, wanted: ReadContent) -> ContentRead:
        """A content or tree of a room by its hash."""
        places = (self.entries[index] for index in self._chains.get(wanted.room, []))
        kept = [entry for entry in places if entry.payload == wanted.payload and entry.content]
        if not kept:
            tree = self.trees.get((wanted.room, wanted.payload))
            return ContentRead(token=wanted.token, data=None if tree is None else tree.data, addressees=None)
        named = {device for entry in kept for device in entry.addressees or ()}
        everybody = any(entry.addressees is None for entry in kept)
        addressees = None if everybody else tuple(sorted(named))
        return ContentRead(token=wanted.token, data=kept[0].content, addressees=addressees)

    def read_log(self, wanted: ReadLog) -> LogRead:
        """Leaves by index, without contents."""
        found = self.entries[wanted.first : wanted.until]
        return LogRead(token=wanted.token, entries=tuple(replace(entry, content=None) for entry in found))

    def read_proof(self, wanted: ReadProof) -> ProofRead:
        """A proof for any size up to that of the log."""
        if wanted.size > len(self.entries):
            raise UsageError(Code.NOT_FOUND, f"the log has no size {wanted.size} yet")
        if wanted.inclusion:
            hashes = merkle.inclusion_path(self._node, wanted.old_or_index, wanted.size)
            return ProofRead(token=wanted.token, leaf=self.entries[wanted.old_or_index].hash, hashes=hashes)
        hashes = merkle.consistency_path(self._node, wanted.old_or_index, wanted.size)
        return ProofRead(token=wanted.token, leaf=None, hashes=hashes)

    def count_key_packages(self, wanted: CountKeyPackages) -> KeyPackagesCounted:
        """A device's one-time packages by suite."""
        stock: dict[int, int] = {}
        for kept in self.packages:
            if kept.device == wanted.device:
                stock[kept.suite] = stock.get(kept.suite, 0) + (not kept.last_resort and kept.data is not None)
        return KeyPackagesCounted(token=wanted.token, stock=tuple(sorted(stock.items())))

    # ---- inside

    def _append_entry(self, entry: Entry) -> None:
        self._chains.setdefault(entry.room, []).append(entry.index)
        if entry.envelope is not None:
            self._places[entry.envelope] = entry.index
        self.entries.append(entry)

    def _erase(self, erasure: Erasure) -> list[Part]:
        gone: list[Part] = []
        for envelope in erasure.envelopes:
            index = self._places.get(envelope)
            if index is None:
                continue
            entry = self.entries[index]
            own = erasure.by is None or entry.kid == erasure.by
            if entry.room == erasure.room and own and entry.content:
                if erasure.held_since_ms is not None and entry.accepted_at_ms >= erasure.held_since_ms:
                    self.withheld[index] = entry.content
                else:
                    gone.append((entry, len(entry.content)))
                self._drop(entry)
        return gone

    def _data(self, entry: Entry) -> bytes:
        """The content of an entry, one that a hold keeps included."""
        return entry.content or self.withheld.get(entry.index, b"")

    def _drop(self, entry: Entry) -> None:
        self.entries[entry.index] = replace(entry, content=None)
        self.erased.add(entry.index)

    def _of(self, device: DeviceId, suite: int) -> Iterable[KeptPackage]:
        return [kept for kept in self.packages if kept.device == device and kept.suite == suite]

    def _node(self, level: int, place: int) -> bytes:
        return self._nodes[level, place]


def _is_held(welcome: Entry, wanted: Purge) -> bool:
    since_ms = wanted.held.get(welcome.room)
    return since_ms is not None and welcome.accepted_at_ms >= since_ms
