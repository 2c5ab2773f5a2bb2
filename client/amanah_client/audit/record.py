"""The examined record as it is read: entries, rooms, who could read what, and the report on the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from amanah_client.audit.report import (
    MAX_FINDINGS,
    UNBOUNDED,
    Bounds,
    Change,
    Entry,
    Finding,
    Nations,
    RoomSummary,
    Scope,
    Severity,
    Stamped,
    Who,
)
from amanah_client.store.copy import AuditCopy
from amanah_protocol import cbor, kinds
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.grants import AuditGrant
from amanah_protocol.errors import Code
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Commit, Create, Kind, Specific
from amanah_protocol.labels import Label, Precedence
from amanah_protocol.log.leaf import decode_leaf
from amanah_protocol.types import DeviceId, EnvelopeId, KeyId, OrgName, PersonId, RoomId

_PAGE: Final = 2_000
_ENTRIES: Final = """
    SELECT entry."index", room.room, entry.room, seq, kind, sender, accepted_ms, sent_ms, label, precedence, size_class,
        entry.epoch, envelope, entry.specific
    FROM entry JOIN room ON room.number = entry.room"""
_ROOMS: Final = "SELECT number, room, specific, opened_by, entries, first_ms, last_ms FROM room"


class Record:
    """What the register of an examined copy says."""

    def __init__(self, copy: AuditCopy, grant: AuditGrant | None = None) -> None:
        """Read from a register; nothing of it is kept but who is who.

        Args:
            copy: Where the register is.
            grant: What the copy was read under; None for the own scope alone.
        """
        self.copy: AuditCopy = copy
        self._grant = grant
        self._people: dict[int, Who] = {}
        self._numbers: dict[DeviceId, int] = {}
        self._stays: dict[int, list[tuple[int, int, int | None]]] = {}
        self._between: tuple[int, int, Bounds] = (0, 0, UNBOUNDED)
        self._stamped: tuple[int, int, tuple[Stamped, ...]] = (0, 0, ())
        self._stampers: list[str] | None = None

    def who(self, number: int) -> Who:
        """The device of a number."""
        found = self._people.get(number)
        if found is None:
            self._load_people()
            found = self._people[number]
        return found

    def number(self, device: DeviceId) -> int | None:
        """The number of a device; None when the record does not speak of it."""
        if device not in self._numbers:
            self._load_people()
        return self._numbers.get(device)

    def _load_people(self) -> None:
        query = "SELECT number, device, organisation, subject, role FROM device"
        for number, device, organisation, subject, role in self.select(query):
            self._people[number] = Who(
                device=DeviceId(device),
                organisation=OrgName(organisation),
                subject=None if subject is None else PersonId(subject),
                role=None if role is None else Role(role),
            )
            self._numbers[DeviceId(device)] = number

    def select(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.copy.reading() as connection:
            found: list[tuple[Any, ...]] = connection.execute(query, values).fetchall()
        return found

    def entries(self, *, room: str = "", kind: Kind | None = None, since_ms: int = 0) -> Iterator[Entry]:
        """Envelopes in log order, read a page at a time.

        Args:
            room: First digits of a room's id.
            kind: Only one kind.
            since_ms: Accepted at or after.
        """
        wanted = " AND hex(room.room) LIKE ? || '%' AND accepted_ms >= ?"
        wanted += "" if kind is None else f" AND kind = {int(kind)}"
        where = f'WHERE entry."index" >= ?{wanted} ORDER BY entry."index" LIMIT {_PAGE}'
        first = 0
        while found := self.read(where, first, room.upper(), since_ms):
            yield from found
            first = found[-1].index + 1

    def read(self, where: str, *values: object) -> list[Entry]:
        """Envelopes by what follows `FROM entry JOIN room`."""
        return [self._entry(row) for row in self.select(f"{_ENTRIES} {where}", *values)]

    def _entry(self, row: tuple[Any, ...]) -> Entry:
        index, room, number, seq, kind, sender, accepted, sent, label, precedence, size, epoch, envelope, specific = row
        return Entry(
            index=index,
            accepted_at_ms=accepted,
            sent_at_ms=sent,
            room=RoomId(room),
            room_seq=seq,
            envelope=EnvelopeId(envelope),
            sender=self.who(sender),
            specific=read_specific(Kind(kind), specific),
            label=Label(label),
            precedence=Precedence(precedence),
            size_class=size,
            epoch=epoch,
            readers=self.nations_at(number, seq),
            witnessed=self.bounds(index),
            stamped=self.stamped(index),
        )

    def bounds(self, index: int) -> Bounds:
        """Between which times of witnesses a leaf came to be."""
        low, high, found = self._between
        if not low <= index < high:
            query = "SELECT size, {} FROM bound WHERE latest_ms IS NOT NULL AND size {} ? ORDER BY size {} LIMIT 1"
            before = self.select(query.format("earliest_ms", "<=", "DESC"), index)
            after = self.select(query.format("latest_ms", ">", "ASC"), index)
            low, not_before = before[0] if before else (0, None)
            high, not_after = after[0] if after else (2**62, None)
            found = Bounds(not_before, not_after)
            # Entries are read in order of the log, and many lie between two checkpoints.
            self._between = low, high, found
        return found

    def stamped(self, index: int) -> tuple[Stamped, ...]:
        """By which time each authority had stamped a leaf, with the first checkpoint over it that it stamped."""
        low, high, found = self._stamped
        if not low <= index < high:
            rows = [row for authority in self._authorities() if (row := self._first_stamp(authority, index))]
            found = tuple(Stamped(authority, made_ms) for authority, _, made_ms in rows)
            high = min((size for _, size, _ in rows), default=2**62)
            self._stamped = index, high, found
        return found

    def _authorities(self) -> list[str]:
        if self._stampers is None:
            query = "SELECT DISTINCT authority FROM dated WHERE counts = 1 ORDER BY authority"
            self._stampers = [row[0] for row in self.select(query)]
        return self._stampers

    def _first_stamp(self, authority: str, index: int) -> tuple[str, int, int] | None:
        query = "SELECT size, made_ms FROM dated WHERE counts = 1 AND authority = ? AND size > ? ORDER BY size, made_ms"
        found = self.select(query + " LIMIT 1", authority, index)
        return (authority, found[0][0], found[0][1]) if found else None

    def members_at(self, room: int, seq: int) -> list[int]:
        """Numbers of the devices that were in a room at a place: who could read what stands there."""
        return [
            device
            for device, from_seq, to_seq in self._stays_of(room)
            if from_seq <= seq and (to_seq is None or seq < to_seq)
        ]

    def nations_at(self, room: int, seq: int) -> Nations:
        """The same by nation."""
        inside = Counter(self.who(device).organisation for device in self.members_at(room, seq))
        return tuple(sorted(inside.items()))

    def _stays_of(self, room: int) -> list[tuple[int, int, int | None]]:
        found = self._stays.get(room)
        if found is None:
            query = "SELECT device, from_seq, to_seq FROM stay WHERE room = ?"
            found = self._stays[room] = [(row[0], row[1], row[2]) for row in self.select(query, room)]
        return found

    @property
    def room_count(self) -> int:
        """How many rooms are in scope."""
        return int(self.select("SELECT count(*) FROM room")[0][0])

    def begins_late(self) -> bool:
        """Whether a room's first entry here is not its first one.

        An organisation that joins a room may see all of the room's record: what an older copy holds as bare hashes
        has to be copied again.
        """
        query = "SELECT 1 FROM room WHERE (SELECT min(seq) FROM entry WHERE entry.room = room.number) > 1 LIMIT 1"
        return bool(self.select(query))

    def rooms_in_part(self) -> frozenset[RoomId]:
        """Rooms of which a grant may have left out entries, and rooms with gaps."""
        return self.rooms_with_gaps() | self.selected_rooms(self._grant)

    def rooms_with_gaps(self) -> frozenset[RoomId]:
        """Rooms of which entries are missing between those that are here."""
        query = "SELECT room FROM room WHERE entries < (SELECT max(seq) FROM entry WHERE entry.room = room.number)"
        return frozenset(RoomId(row[0]) for row in self.select(query))

    def selected_rooms(self, grant: AuditGrant | None) -> frozenset[RoomId]:
        """Rooms that are shown in part for the sake of a grant.

        By what it says, not by what is seen to be missing: what it left out may have stood at the end.
        """
        if grant is None or not grant.is_partial:
            return frozenset()
        # What is missing of a room of one's own is no selection.
        own, rooms = self.rooms_with(grant.auditor), self.select("SELECT room, specific FROM room")
        return frozenset(
            RoomId(room) for room, create in rooms if room not in own and _is_granted(grant, RoomId(room), create)
        )

    def rooms_with(self, organisation: OrgName) -> frozenset[RoomId]:
        """Rooms in which a device of an organisation is, at their last entry that is here."""
        query = """SELECT DISTINCT room.room FROM stay JOIN device ON device.number = stay.device
            JOIN room ON room.number = stay.room WHERE device.organisation = ? AND to_seq IS NULL"""
        return frozenset(RoomId(row[0]) for row in self.select(query, organisation))

    def rooms_ever_with(self, organisation: OrgName) -> frozenset[RoomId]:
        """Rooms in which a device of an organisation is or was.

        Also where it was let in again by an entry that was refused, as entries before that are missing here.
        """
        query = """SELECT DISTINCT room.room FROM stay JOIN device ON device.number = stay.device
            JOIN room ON room.number = stay.room WHERE device.organisation = ?"""
        return frozenset(RoomId(row[0]) for row in self.select(query, organisation))

    def custody_chains(self) -> dict[RoomId, RoomId]:
        """Custody chain -> its room, of rooms in scope."""
        rooms = [RoomId(row[0]) for row in self.select("SELECT room FROM room")]
        return {custody_chain(room): room for room in rooms}

    def rooms(self) -> tuple[RoomSummary, ...]:
        """Rooms in scope, in order of their first entry."""
        return tuple(self._room(*row) for row in self.select(_ROOMS + " ORDER BY number"))

    def room(self, room: RoomId) -> RoomSummary | None:
        """One room in scope."""
        found = self.select(_ROOMS + " WHERE room = ?", room)
        return self._room(*found[0]) if found else None

    def _room(
        self, number: int, room: bytes, create: bytes | None, opener: int | None, entries: int, first: int, last: int
    ) -> RoomSummary:
        made = None if create is None else read_specific(Kind.CREATE, create)
        (newest,) = self.select("SELECT max(seq) FROM entry WHERE room = ?", number)[0]
        return RoomSummary(
            room=RoomId(room),
            create=made if isinstance(made, Create) else None,
            opened_by=None if opener is None else self.who(opener),
            first_ms=first,
            last_ms=last,
            entries=entries,
            changes=tuple(self._changes(number)),
            members=self.nations_at(number, newest),
        )

    def _changes(self, room: int) -> Iterator[Change]:
        query = 'SELECT "index", seq, sender, accepted_ms, epoch, specific FROM entry'
        where = " WHERE room = ? AND kind = ? AND held = 1 ORDER BY seq"
        for index, seq, sender, accepted, epoch, specific in self.select(query + where, room, int(Kind.COMMIT)):
            commit = read_specific(Kind.COMMIT, specific)
            assert isinstance(commit, Commit)  # noqa: S101 - narrows for mypy: the row is of that kind
            yield Change(
                index=index,
                accepted_at_ms=accepted,
                epoch=epoch + 1,
                by=self.who(sender),
                added=tuple(self.named(device) for device in commit.added),
                removed=tuple(self.named(device) for device in commit.removed),
                members=self.nations_at(room, seq),
            )

    def named(self, device: DeviceId) -> Who:
        """A device, also one that the record does not speak of."""
        number = self.number(device)
        if number is None:
            return Who(device=device, organisation=OrgName(""), subject=None, role=None)
        return self.who(number)

    def findings(self) -> Iterator[Finding]:
        """What was found of single entries, in the order in which it was found."""
        query = 'SELECT severity, "index", code, text FROM finding ORDER BY id'
        for severity, index, code, text in self.select(query):
            yield Finding(severity=Severity(severity), index=index, code=Code(code), text=text)
        yield from self.misdated()

    def misdated(self, indices: Sequence[int] | None = None) -> Iterator[Finding]:
        """Entries that were accepted, as the relay says, outside of what witnesses say.

        Args:
            indices: Only these; None for all, up to `MAX_FINDINGS`.
        """
        where = "" if indices is None else f'WHERE "index" IN ({", ".join("?" * len(indices))})'
        query = f'SELECT "index", accepted_ms, witnessed_ms FROM misdated {where} ORDER BY "index" LIMIT {MAX_FINDINGS}'  # noqa: S608 - marks alone
        for index, accepted, witnessed in self.select(query, *(indices or ())):
            how = (
                "after witnesses had seen it"
                if accepted > witnessed
                else "before witnesses had seen the log without it"
            )
            text = f"the relay says that it accepted this {abs(accepted - witnessed) // 1000} s {how}"
            yield Finding(severity=Severity.FAULT, index=index, code=Code.CLOCK, text=text)

    @property
    def misdated_count(self) -> int:
        """How many entries were accepted, as the relay says, outside of what witnesses say."""
        return int(self.select("SELECT count(*) FROM misdated")[0][0])


def _is_granted(grant: AuditGrant, room: RoomId, create: bytes | None) -> bool:
    if grant.rooms or grant.granting is None or create is None:
        # Of a room whose creation is not here nobody knows whose it is.
        return not grant.rooms or room in grant.rooms
    made = read_specific(Kind.CREATE, create)
    return isinstance(made, Create) and made.owner == grant.granting


def read_specific(kind: Kind, data: bytes) -> Specific:
    """What a header says for its kind, as the register keeps it: nothing for a message without an attachment."""
    value = cbor.decode(data, max_bytes=len(data)) if data else []
    return kinds.decode_specific(kind, value)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an examination found.

    Attributes:
        origin: The log's origin, as its checkpoint says.
        size: Leaves under the checkpoint.
        root: The checkpoint's root.
        anchor: What it was held against, in words; "" when that was nothing but itself.
        witnesses: (name, seconds of Unix time) of each known cosignature.
        scope: How far the record reaches.
        control_confirmed: Control sequence that a signed head confirmed; None without a head. What
            the relay logged later in the control stream, or what was left out after it, is not proven.
        withdrawn: Enrolment keys that a root has withdrawn, each by its organisation: those of others stand.
        compromised: Device -> the time since which its organisation says that its key was in wrong hands.
        findings: The first thousand findings of single entries, and those about the whole record.
        faults: How many faults there are in all.
        record: Rooms and entries.
        left_out: Rooms in whose custody a document does not stand that concerns them.
    """

    origin: str
    size: int
    root: bytes
    anchor: str
    witnesses: tuple[tuple[str, int], ...]
    scope: Scope
    control_confirmed: int | None
    withdrawn: frozenset[tuple[OrgName, KeyId]]
    compromised: Mapping[DeviceId, int]
    findings: tuple[Finding, ...]
    faults: int
    record: Record = field(repr=False)
    left_out: frozenset[RoomId] = frozenset()

    @property
    def first_bad(self) -> Finding | None:
        """The fault with the lowest index; one about the whole record only if no other was found."""
        faults = [finding for finding in self.findings if finding.severity is Severity.FAULT]
        placed = [finding for finding in faults if finding.index is not None]
        if placed:
            return min(placed, key=lambda finding: finding.index or 0)
        return faults[0] if faults else None

    def lacking(self) -> frozenset[RoomId]:
        """Rooms of which something is missing that should be here, in the room or in its custody."""
        rooms, chains = set(self.left_out), self.record.custody_chains()
        for finding in self.findings:
            if finding.severity is Severity.FAULT and finding.code is Code.GAP and finding.index is not None:
                row = self.record.copy.row(finding.index)
                leaf = None if row is None or row.entry is None else decode_leaf(row.entry)
                if leaf is not None:
                    rooms.add(chains.get(leaf.room, leaf.room))
        return frozenset(rooms)
