"""A store in memory that keeps the contract of `amanah_relay.effects`, and fails when it is told to.

It trusts nothing of what it is given: indices, chains, leaf hashes and roots are made anew here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from amanah_protocol import identity, revocation, roster
from amanah_protocol.cose import TAG
from amanah_protocol.crypto import sha256
from amanah_protocol.custody.erasures import decode_person_erasure
from amanah_protocol.custody.grants import decode_grant
from amanah_protocol.custody.holds import decode_hold
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.kinds import HANDSHAKE, Create, Kind
from amanah_protocol.log import merkle
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.types import CONTROL, ZERO_32, DeviceId, EnvelopeId, LeafHash, OrgName, RoomId
from amanah_protocol.verified import Verified
from amanah_relay.effects import (
    Append,
    Attached,
    Confirm,
    CountKeyPackages,
    Entry,
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
    Reload,
    RoomRow,
    Survey,
    TakeKeyPackages,
    Tree,
)
from amanah_relay.inputs import (
    Appended,
    AppendFailed,
    CheckpointPut,
    CheckpointsRead,
    Confirmed,
    ContentRead,
    EntriesRead,
    Input,
    KeyPackagesCounted,
    KeyPackagesPut,
    KeyPackagesTaken,
    Known,
    KnownRead,
    Loaded,
    LogRead,
    MembershipRead,
    ProofRead,
    Purged,
    ReadFailed,
    StampsRead,
    StoredEntry,
    StoredStamp,
)
from amanah_relay.purging import Standing
from amanah_relay.state import Chain, Device, Member, RelayState, Room
from tests.relay.surveying import surveyed

StoreEffect = (
    Append
    | Reload
    | ReadEntries
    | ReadMembership
    | ReadKnown
    | ReadContent
    | ReadLog
    | ReadProof
    | PutKeyPackages
    | TakeKeyPackages
    | CountKeyPackages
    | Confirm
    | Survey
    | Purge
    | PutCheckpoint
    | ReadCheckpoints
    | ReadStamps
)


@dataclass(slots=True, kw_only=True)
class MemoryStore:
    """Everything a relay has stored.

    Attributes:
        roster: The first roster, which stands before the log here.
        append_fails: "lost" or "kept": the next append fails, before or after it is durable.
        full: Whether failures are of a full disk.
        reads_fail: Whether every read fails.
    """

    roster: Verified[roster.Roster]
    entries: list[Entry] = field(default_factory=list)
    batches: list[Append] = field(default_factory=list)
    rooms: dict[RoomId, RoomRow] = field(default_factory=dict)
    members: dict[tuple[RoomId, DeviceId], MemberRow] = field(default_factory=dict)
    erased: set[bytes] = field(default_factory=set)
    withheld: set[bytes] = field(default_factory=set)
    """Of what is erased, the contents that a hold keeps."""
    trees: dict[tuple[RoomId, bytes], Tree] = field(default_factory=dict)
    stock: dict[tuple[DeviceId, int], list[bytes]] = field(default_factory=dict)
    last_resort: dict[tuple[DeviceId, int], bytes] = field(default_factory=dict)
    marks: dict[RoomId, int] = field(default_factory=dict)
    attachments: dict[EnvelopeId, Attached] = field(default_factory=dict)
    checkpoints: dict[int, bytes] = field(default_factory=dict)
    stamps: list[StoredStamp] = field(default_factory=list)
    purges: list[Purge] = field(default_factory=list)
    append_fails: str | None = None
    full: bool = False
    reads_fail: bool = False

    def perform(self, effect: StoreEffect) -> Input:  # noqa: C901, PLR0911, PLR0912 - one case for each effect
        """Do what an effect asks for and give its answer."""
        if self.reads_fail and not isinstance(effect, Append | Reload):
            return ReadFailed(token=effect.token, full=self.full)
        match effect:
            case Append():
                return self._append(effect)
            case Reload():
                return Loaded(state=self.state())
            case ReadEntries():
                return self._read_entries(effect)
            case ReadMembership():
                return self._read_membership(effect)
            case ReadKnown():
                return KnownRead(token=effect.token, known=self._known(effect.envelope))
            case ReadContent():
                return self._read_content(effect)
            case ReadLog():
                bare = [
                    replace(entry, content=None, payload=None) for entry in self.entries[effect.first : effect.until]
                ]
                return LogRead(token=effect.token, entries=tuple(bare))
            case ReadProof():
                return self._prove(effect)
            case PutKeyPackages():
                held = self.stock.setdefault((effect.device, effect.suite), [])
                held.extend(effect.packages)
                if effect.last_resort is not None:
                    self.last_resort[effect.device, effect.suite] = effect.last_resort
                return KeyPackagesPut(token=effect.token, left=len(held))
            case TakeKeyPackages():
                taken = tuple(self._take(device, effect.suite) for device in effect.devices)
                return KeyPackagesTaken(token=effect.token, taken=taken)
            case CountKeyPackages():
                stock = [(suite, len(held)) for (device, suite), held in self.stock.items() if device == effect.device]
                return KeyPackagesCounted(token=effect.token, stock=tuple(stock))
            case Confirm():
                return self._confirm(effect)
            case Survey():
                return self._survey(effect)
            case Purge():
                self.purges.append(effect)
                return Purged(token=effect.token, dropped=0, freed=())
            case PutCheckpoint():
                self.checkpoints[effect.size] = effect.note
                return CheckpointPut(token=effect.token)
            case ReadCheckpoints():
                notes = [self.checkpoints[size] for size in sorted(self.checkpoints) if size > effect.after]
                return CheckpointsRead(token=effect.token, notes=tuple(notes[: effect.limit]))
            case ReadStamps():
                later = [stamp for stamp in self.stamps if stamp.number > effect.after]
                return StampsRead(token=effect.token, stamps=tuple(later[: effect.limit]))

    def state(self) -> RelayState:
        """The state as a restarted relay would load it."""
        frontier = merkle.Frontier()
        for entry in self.entries:
            frontier.append(entry.hash)
        state = RelayState(roster=self.roster, size=frontier.size, edge=frontier.edge)
        if self.batches:
            state.last_accepted_ms = self.batches[-1].accepted_at_ms
        for entry in self.entries:
            self._replay(state, entry)
        for row in self.rooms.values():
            create = decode_envelope(row.create).header.specific
            assert isinstance(create, Create)
            room = Room(room=row.room, create=create, epoch=row.epoch, head_seq=row.head_seq, head_leaf=row.head_leaf)
            room.confirmed_seq = self.marks.get(row.room, 0)
            state.rooms[row.room] = room
        places = {(entry.room, entry.room_seq): entry.index for entry in self.entries}
        for member in self.members.values():
            fields = {name: getattr(member, name) for name in Member.__slots__ if name != "removed_index"}
            removed = None if member.removed_seq is None else places[member.room, member.removed_seq]
            state.rooms[member.room].members[member.device] = Member(**fields, removed_index=removed)
        state.attachments = dict(self.attachments)
        state.attached = {(found.room, found.attachment): found.envelope for found in self.attachments.values()}
        state.held = self.held()
        state.checkpoints = tuple(self.checkpoints[size] for size in sorted(self.checkpoints)[-16:])
        return state

    def held(self) -> dict[OrgName, int]:
        """What is held, counted anew."""
        sizes: Counter[OrgName] = Counter()
        for entry in self.entries:
            if entry.kid is not None and (entry.hash not in self.erased or entry.hash in self.withheld):
                self._count(sizes, entry.room, entry.room_seq, len(entry.content or b""))
        for tree in self.trees.values():
            self._count(sizes, tree.room, tree.room_seq, len(tree.data))
        return dict(sizes)

    def _count(self, sizes: Counter[OrgName], room: RoomId, room_seq: int, size: int) -> None:
        kid = next(entry.kid for entry in self.entries if (entry.room, entry.room_seq) == (room, room_seq))
        if size and room_seq > self.marks.get(room, 0) and kid is not None:
            sizes[OrgName(self.members[room, kid].organisation)] += size

    def _freed(self, before: dict[OrgName, int]) -> tuple[Held, ...]:
        now = self.held()
        shares = {organisation: size - now.get(organisation, 0) for organisation, size in before.items()}
        return tuple(Held(organisation=organisation, size=size) for organisation, size in shares.items() if size)

    def _confirm(self, confirm: Confirm) -> Input:
        before = self.held()
        for mark in confirm.marks:
            assert self.marks.get(mark.room, 0) < mark.room_seq <= self.rooms[mark.room].head_seq
            self.marks[mark.room] = mark.room_seq
        return Confirmed(token=confirm.token, freed=self._freed(before))

    def _survey(self, survey: Survey) -> Input:
        there = [
            entry
            for entry in self.entries
            if entry.content and (entry.hash not in self.erased or entry.hash in self.withheld)
        ]
        return surveyed(survey, there, self._standing)

    def _standing(self, entry: Entry) -> Standing:
        return Standing(
            accepted_at_ms=entry.accepted_at_ms,
            last_at_ms=max(other.accepted_at_ms for other in self.entries if other.room == entry.room),
            confirmed=entry.room_seq <= self.marks.get(entry.room, 0),
            erased=entry.hash in self.erased,
        )

    def _replay(self, state: RelayState, entry: Entry) -> None:
        if entry.type is LeafType.ENVELOPE:
            return
        chain = state.control if entry.room == CONTROL else state.chains.setdefault(entry.room, Chain())
        chain.head_seq, chain.head_leaf = entry.room_seq, entry.hash
        if entry.type is LeafType.AUDIT_GRANT:
            grant = decode_grant(_document(entry))
            state.grants[grant.id] = grant
        elif entry.type is LeafType.LEGAL_HOLD:
            hold = decode_hold(_document(entry))
            state.holds[hold.id] = hold
        elif entry.type is LeafType.ERASURE and entry.room == CONTROL:
            forgotten = decode_person_erasure(_document(entry))
            state.forgotten.add((forgotten.organisation, forgotten.subject))
        elif entry.type is LeafType.CERTIFICATE:
            certificate = identity.decode_certificate(entry.object)
            state.devices[certificate.device_id] = Device(certificate=certificate)
        elif entry.type is LeafType.REVOCATION and entry.object[:1] == TAG:
            revoked = revocation.decode_revocation(entry.object)
            device = state.devices[revoked.device]
            device.revoked_index = entry.index if device.revoked_index is None else device.revoked_index
        elif entry.document is not None:
            self._replay_document(state, entry, entry.document)

    def _replay_document(self, state: RelayState, entry: Entry, document: bytes) -> None:
        if entry.type is LeafType.ENROLMENT:
            enrolment = identity.decode_enrolment(document)
            state.add_enrolment(enrolment)
        elif entry.type is LeafType.REVOCATION:
            state.revoked_enrolments.add(revocation.decode_enrolment_revocation(document).enrolment)
        else:
            found = roster.decode_roster(document)
            state.roster = roster.verify_roster(found, state.roster, now_ms=found.issued_ms)

    def _append(self, append: Append) -> Input:
        failure, self.append_fails = self.append_fails, None
        before = self.held()
        if failure != "lost":
            self._commit(append)
        if failure is not None:
            return AppendFailed(batch=append.batch, full=self.full)
        for part in append.held:
            before[part.organisation] = before.get(part.organisation, 0) + part.size
        return Appended(batch=append.batch, freed=self._freed(before))

    def _commit(self, append: Append) -> None:
        assert append.first == len(self.entries)
        assert not self.batches or append.accepted_at_ms >= self.batches[-1].accepted_at_ms
        for entry in append.entries:
            self._check_entry(entry, append)
            self.entries.append(entry)
        frontier = merkle.Frontier()
        for entry in self.entries:
            frontier.append(entry.hash)
        assert (frontier.root(), frontier.edge) == (append.root, append.edge)
        self.batches.append(append)
        for row in append.rooms:
            create = self.rooms[row.room].create if row.room in self.rooms else row.create
            self.rooms[row.room] = replace(row, create=create)
        self.members.update({(row.room, row.device): row for row in append.members})
        self.attachments.update({found.envelope: found for found in append.attachments})
        for tree in append.trees:
            assert sha256(tree.data) == tree.hash
            self.trees.setdefault((tree.room, tree.hash), tree)
        for erasure in append.erasures:
            for entry in self.entries:
                ours = entry.room == erasure.room and entry.envelope in erasure.envelopes
                kept = ours and decode_envelope(entry.object).header.kind in HANDSHAKE
                if ours and not kept and erasure.by in (None, entry.kid):
                    self.erased.add(entry.hash)
                    if erasure.held_since_ms is not None and entry.accepted_at_ms >= erasure.held_since_ms:
                        self.withheld.add(entry.hash)
        for index in append.purges:
            self.erased.add(self.entries[index].hash)
            self.withheld.discard(self.entries[index].hash)

    def _check_entry(self, entry: Entry, append: Append) -> None:
        before = [known for known in self.entries if known.room == entry.room]
        assert entry.index == len(self.entries)
        assert entry.accepted_at_ms == append.accepted_at_ms
        assert entry.room_seq == len(before) + 1
        assert entry.previous == (before[-1].hash if before else LeafHash(ZERO_32))
        leaf = Leaf(
            type=entry.type,
            accepted_at_ms=entry.accepted_at_ms,
            room=entry.room,
            room_seq=entry.room_seq,
            previous=entry.previous,
            object=entry.object,
        )
        assert leaf.hash == entry.hash
        changes = entry.type is LeafType.ENVELOPE and decode_envelope(entry.object).header.kind in (
            Kind.CREATE,
            Kind.COMMIT,
        )
        assert entry.membership == changes
        assert (entry.type is LeafType.ENVELOPE) == (entry.envelope is not None) == (entry.content is not None)
        if entry.content is not None:
            assert sha256(entry.content) == entry.payload

    def _read_entries(self, read: ReadEntries) -> Input:
        found: list[StoredEntry] = []
        size = 0
        there = [entry for entry in self.entries if entry.room == read.room and entry.room_seq > read.after]
        for entry in there[: read.limit]:
            erased = entry.hash in self.erased
            size += len(entry.object) + (0 if erased else len(entry.content or b""))
            if found and size > read.max_bytes:
                break
            found.append(StoredEntry(entry=replace(entry, content=None) if erased else entry, erased=erased))
        more = len(found) < min(read.limit, len(there))
        return EntriesRead(token=read.token, room=read.room, entries=tuple(found), more=more)

    def _read_membership(self, read: ReadMembership) -> Input:
        found: list[Entry] = []
        for entry in self.entries:
            between = entry.room == read.room and read.after < entry.room_seq < read.until
            if between and decode_envelope(entry.object).header.kind in (Kind.CREATE, Kind.COMMIT):
                found.append(replace(entry, content=None, payload=None, addressees=None))
        size, kept = 0, found[: read.limit]
        for number, entry in enumerate(kept):
            size += len(entry.object)
            if number and size > read.max_bytes:
                kept = kept[:number]
                break
        return MembershipRead(token=read.token, entries=tuple(kept))

    def _known(self, envelope: bytes) -> Known | None:
        for batch in self.batches:
            for entry in batch.entries:
                if entry.envelope == envelope:
                    return Known(
                        index=entry.index,
                        room_seq=entry.room_seq,
                        batch_first=batch.first,
                        batch_size=batch.first + len(batch.entries),
                        batch_root=batch.root,
                        accepted_at_ms=batch.accepted_at_ms,
                        leaves=tuple(leaf.hash for leaf in batch.entries),
                    )
        return None

    def _read_content(self, read: ReadContent) -> Input:
        for entry in self.entries:
            if entry.room == read.room and entry.payload == read.payload and entry.hash not in self.erased:
                return ContentRead(token=read.token, data=entry.content, addressees=entry.addressees)
        tree = self.trees.get((read.room, read.payload))
        return ContentRead(token=read.token, data=None if tree is None else tree.data, addressees=None)

    def _prove(self, read: ReadProof) -> Input:
        def node(level: int, index: int) -> bytes:
            leaves = [entry.hash for entry in self.entries[index << level : (index + 1) << level]]
            frontier = merkle.Frontier()
            for leaf in leaves:
                frontier.append(leaf)
            return frontier.root()

        if read.inclusion:
            hashes = merkle.inclusion_path(node, read.old_or_index, read.size)
            return ProofRead(token=read.token, leaf=self.entries[read.old_or_index].hash, hashes=hashes)
        return ProofRead(
            token=read.token, leaf=None, hashes=merkle.consistency_path(node, read.old_or_index, read.size)
        )

    def _take(self, device: DeviceId, suite: int) -> tuple[bytes | None, bool, int]:
        held = self.stock.get((device, suite), [])
        if held:
            return held.pop(), False, len(held)
        return self.last_resort.get((device, suite)), True, 0


def _document(entry: Entry) -> bytes:
    assert entry.document is not None
    return entry.document
