"""What questions are asked of: an examined record, what it is held against, and how its rows are found."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from amanah_client.audit import local
from amanah_client.audit.examination import Anchor, examine_copy
from amanah_client.audit.record import Record, Report, read_specific
from amanah_client.audit.register import EntryRow
from amanah_client.audit.report import MAX_FINDINGS, Severity, Who
from amanah_client.home import Profile
from amanah_protocol import kinds
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Create, Kind, Specific
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId

MAX_ROWS: Final = 1_000
"""Rows of an answer, unless more are asked for."""
HOLDS: Final = "holds"
"""The state of an entry with which nothing is wrong."""

_ENTRY: Final = (
    'SELECT entry."index", entry.room, entry.seq, entry.kind, entry.sender, entry.accepted_ms, entry.sent_ms,'
    " entry.label, entry.precedence, entry.size_class, entry.epoch, entry.envelope, entry.specific, entry.upto,"
    " entry.became, entry.held FROM entry"
)
# A relabelling is [envelope, old, new]: three bytes before the id, so that nothing has to be decoded.
_RELABELLED: Final = """
    SELECT sent."index", sent.room, sent.seq, sent.label, said."index", said.became
    FROM entry AS said INDEXED BY entry_by_kind
    CROSS JOIN entry AS sent INDEXED BY entry_by_envelope
    ON substr(sent.envelope, 1, 8) = substr(said.specific, 4, 8) AND sent.envelope = substr(said.specific, 4, 32)
    WHERE said.kind = 14 AND said.kind <> 4 AND said.became IS NOT NULL AND said.held = 1
    AND sent.room = said.room AND sent.held = 1 AND sent."index" < said."index" ORDER BY said."index" """
_READ: Final = -1
"""No log index: that a table was read."""
_LOOKED_UP: Final = 500


class RoomRef(NamedTuple):
    """A room of the record: its number in the register, and its id."""

    number: int
    room: RoomId


class Stay(NamedTuple):
    """A stay of a device in a room, by numbers; `to_seq` and `removed` are None while it is in."""

    room: int
    device: int
    from_seq: int
    added: int
    to_seq: int | None
    removed: int | None

    def covers(self, seq: int) -> bool:
        """Whether it was in at a place."""
        return self.from_seq <= seq and (self.to_seq is None or seq < self.to_seq)


class Relabelled(NamedTuple):
    """A change of a label that counts: of which message, which label that was sent with, and what became of it."""

    target: int
    room: int
    seq: int
    label: int
    at: int
    became: int


Sent = dict[tuple[int, bytes], EntryRow]
"""Envelopes by the number of their room and their id."""


def names(specific: Specific) -> tuple[EnvelopeId, ...]:
    """The envelopes that an entry speaks of, where questions go by them."""
    match specific:
        case kinds.Repair(envelopes=envelopes):
            return envelopes
        case kinds.Ack(envelope=envelope) | kinds.Egress(envelope=envelope) | kinds.Relabel(envelope=envelope):
            return (envelope,)
        case _:  # no question asks of the others
            return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An examined record.

    Attributes:
        report: What the examination found.
        anchor: What it was held against.
        checkpoint: The signed note of its newest checkpoint.
        limit: How many rows an answer has at most.
    """

    report: Report
    anchor: Anchor
    checkpoint: bytes
    limit: int = MAX_ROWS
    _rooms: dict[int, RoomId] = field(default_factory=dict)
    _stays: dict[int, dict[int, list[Stay]]] = field(default_factory=dict)
    _states: dict[int, str] = field(default_factory=dict)
    _relabelled: dict[int, list[Relabelled]] = field(default_factory=dict)

    @property
    def record(self) -> Record:
        """Its rows."""
        return self.report.record

    # ---- rows

    def entries(self, where: str, *values: object) -> list[EntryRow]:
        """Entries by what follows `FROM entry`."""
        return [EntryRow(*row) for row in self.record.select(f"{_ENTRY} {where}", *values)]

    def entry(self, index: int) -> EntryRow | None:
        """The envelope at a log index, if there is one in scope."""
        return next(iter(self.entries('WHERE "index" = ?', index)), None)

    def page(self, query: str, *values: object) -> tuple[list[tuple[Any, ...]], int]:
        """Rows of a query up to the limit, and how many there are beyond."""
        rows = self.record.select(f"{query} LIMIT {self.limit + 1}", *values)
        if len(rows) <= self.limit:
            return rows, 0
        (count,) = self.record.select(f"SELECT count(*) FROM ({query})", *values)[0]  # noqa: S608 - a query of ours
        return rows[: self.limit], count - self.limit

    def of_kind(self, kind: Kind, room: RoomRef | None = None) -> list[EntryRow]:
        """All entries of a kind other than messages, by room and place."""
        where = "WHERE kind = ? AND kind <> 4"
        if room is None:
            return self.entries(f"{where} ORDER BY room, seq", int(kind))
        return self.entries(f"{where} AND room = ? ORDER BY seq", int(kind), room.number)

    def speaking_of(self, index: int, kind: Kind) -> list[EntryRow]:
        """Entries of a kind that hold and speak of another, in log order."""
        where = 'JOIN mention ON mention."index" = entry."index" WHERE mention.target = ? AND kind = ? AND held = 1'
        return self.entries(f'{where} ORDER BY entry."index"', index, int(kind))

    def targets(self, row: EntryRow, specific: Specific | None = None, known: Sent | None = None) -> list[EntryRow]:
        """The entries of the same room that an entry names, whether it holds or not.

        Args:
            row: The entry.
            specific: What it says, where that was read already.
            known: Where they were looked up already (`sent`).
        """
        named = names(specific or self.specific(row))
        found = self.sent(named) if known is None else known
        targets = (found.get((row.room, envelope)) for envelope in named)
        return [target for target in targets if target is not None and target.at < row.at]

    def sent(self, envelopes: Collection[EnvelopeId]) -> Sent:
        """Envelopes that hold, and maybe others whose ids begin alike, by room and id; many are looked up at once."""
        found: Sent = {}
        wanted = list(envelopes)
        for first in range(0, len(wanted), _LOOKED_UP):
            some = wanted[first : first + _LOOKED_UP]
            marks = ", ".join("?" * len(some))
            begun = f"WHERE substr(envelope, 1, 8) IN ({marks}) AND held = 1"
            for row in self.entries(begun, *(envelope[:8] for envelope in some)):
                found[row.room, row.envelope] = row
        return found

    def specific(self, row: EntryRow) -> Specific:
        """What its header says for its kind."""
        return read_specific(Kind(row.kind), row.specific)

    # ---- who and where

    def who(self, number: int) -> Who:
        """A device by its number."""
        return self.record.who(number)

    def named(self, device: DeviceId) -> Who:
        """A device by its id, whether the record speaks of it or not."""
        number = self.record.number(device)
        if number is None:
            return Who(device=device, organisation=OrgName(""), subject=None, role=None)
        return self.who(number)

    def devices_of(self, nation: OrgName) -> list[int]:
        """Numbers of a nation's devices."""
        found = self.record.select("SELECT number FROM device WHERE organisation = ? ORDER BY number", nation)
        return [number for (number,) in found]

    def room(self, number: int) -> RoomId:
        """The id of a room."""
        if not self._rooms:
            rows = self.record.select("SELECT number, room FROM room")
            self._rooms.update((known, RoomId(room)) for known, room in rows)
        return self._rooms[number]

    def creation(self, number: int) -> tuple[int, Create] | None:
        """Index and content of the entry that opened a room; None when that did not hold."""
        ((created, specific),) = self.record.select("SELECT created, specific FROM room WHERE number = ?", number)
        made = None if specific is None else read_specific(Kind.CREATE, specific)
        return (created, made) if isinstance(made, Create) else None

    def stays(self, *, room: int | None = None, devices: Collection[int] | None = None) -> list[Stay]:
        """Stays in a room, of devices, or both; by room and place."""
        if not self._stays:
            query = "SELECT room, device, from_seq, added, to_seq, removed FROM stay ORDER BY room, from_seq, device"
            for row in self.record.select(query):
                self._stays.setdefault(row[0], {}).setdefault(row[1], []).append(Stay(*row))
        found: list[Stay] = []
        for of_room in self._stays.values() if room is None else [self._stays.get(room, {})]:
            for device in of_room if devices is None else devices:
                found += of_room.get(device, ())
        return sorted(found, key=lambda stay: (stay.room, stay.from_seq, stay.device))

    def relabelled(self) -> dict[int, list[Relabelled]]:
        """Changes of labels that count, in log order, by the log index of the message."""
        if not self._relabelled:
            self._relabelled[_READ] = []
            for row in self.record.select(_RELABELLED):
                change = Relabelled(*row)
                self._relabelled.setdefault(change.target, []).append(change)
        return self._relabelled

    def label_at(self, message: EntryRow, before: int) -> Label:
        """The label of a message when another entry came, after what its author had changed."""
        changes = [change.became for change in self.relabelled().get(message.at, ()) if change.at < before]
        return Label(changes[-1] if changes else message.label)

    # ---- what was found of an entry

    @property
    def keeps_all_findings(self) -> bool:
        """Whether each finding is there; of a record that is wrong throughout the first thousand are."""
        ((count,),) = self.record.select("SELECT count(*) FROM finding")
        return int(count) < MAX_FINDINGS

    def state(self, row: EntryRow) -> str:
        """`holds`, or what is wrong with an entry, in words."""
        said = self.state_of(row.at)
        # Beyond the first thousand, findings are counted and not kept.
        return said if row.held or said != HOLDS else "DOES NOT HOLD"

    def state_of(self, index: int) -> str:
        """The same of any leaf, as far as findings are kept."""
        if not self._states:
            self._states[_READ] = HOLDS
            query = 'SELECT severity, "index", code, text FROM finding WHERE "index" IS NOT NULL ORDER BY severity, id'
            for severity, at, code, text in self.record.select(query):
                # A clock that is off says nothing against what was done.
                if severity == Severity.FAULT or code != Code.CLOCK:
                    void = "DOES NOT HOLD: " if severity == Severity.FAULT else ""
                    self._states.setdefault(at, f"{void}{text} [{code}]")
        return self._states.get(index, HOLDS)


@contextmanager
def open_case(profile: Profile, limit: int = MAX_ROWS) -> Iterator[Case]:
    """The copy of a profile, examined as far as it reaches; its rows can be read until the block is left.

    Raises:
        UsageError: `NO_PROFILE`, or `NOT_FOUND` without a copy.
        OperationalError: The register cannot be written.
    """
    anchor = local.trusted(profile)
    note, _ = local.copied(profile.store)
    head = local.copied_head(profile.store)
    grant = local.grant_of(profile.store)
    report = examine_copy(profile.store.copy, checkpoint=note, anchor=anchor, control_head=head, selection=grant)
    report, _ = local.examined_stamps(profile.store, report, None, now_ms=time.time_ns() // 1_000_000)
    profile.store.copy.prepare_questions()
    yield Case(report=report, anchor=anchor, checkpoint=note, limit=limit)
