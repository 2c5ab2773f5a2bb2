"""Which entries a page is about: what stands in its address, as a condition of SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from amanah_client.audit.record import Record
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label

MIN_DIGITS: Final = 4
FILTERS: Final = ("room", "nation", "kind", "label", "sender", "from", "to", "faults")
"""Names in the address, in the order of the form."""

_HEX: Final = re.compile(r"[0-9a-f]{4,64}")
_FAULTY: Final = (
    """(entry."index" IN (SELECT "index" FROM finding WHERE severity = 'fault' AND "index" IS NOT NULL)"""
    """ OR entry."index" IN (SELECT "index" FROM misdated))"""
)
_READABLE: Final = (
    "EXISTS (SELECT 1 FROM stay WHERE stay.room = entry.room AND stay.device IN ({}) AND stay.from_seq <= entry.seq"
    " AND (stay.to_seq IS NULL OR entry.seq < stay.to_seq))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The wanted entries.

    Attributes:
        given: What was asked for, by the names in `FILTERS`; nothing empty.
        where: Conditions on `entry`, joined by AND; "1" for all.
        values: What they are bound to.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    where: str = "1"
    values: tuple[object, ...] = ()

    def link(self, path: str = "/entries", **changes: str | None) -> str:
        """The address of the same entries with some of what was asked for changed; None takes it away."""
        merged = {**self.given, **changes}
        kept = {name: value for name, value in merged.items() if value}
        return f"{path}?{urlencode(kept)}" if kept else path

    def without(self, name: str) -> str:
        """The address of the same entries without one of the filters."""
        changes: dict[str, str | None] = {name: None}
        return self.link("/entries", **changes)


def select(record: Record, query: Mapping[str, str]) -> Selection:
    """Read a page's address.

    Raises:
        UsageError: `USAGE`, `LABEL`, `NOT_FOUND` or `UNKNOWN_ROOM`: something in it is malformed, or not in the record.
    """
    given = {name: query[name].strip() for name in FILTERS if query.get(name, "").strip()}
    clauses: list[str] = []
    values: list[object] = []
    for name, text in given.items():
        clause, bound = _CLAUSES[name](record, text)
        clauses.append(clause)
        values.extend(bound)
    return Selection(given=given, where=" AND ".join(clauses) or "1", values=tuple(values))


_Clause = tuple[str, list[object]]


def _room(record: Record, text: str) -> _Clause:
    numbers = _numbers(record, "SELECT number FROM room WHERE hex(room) LIKE ?1 || '%'", text)
    if not numbers:
        hint = "The page of rooms lists those in scope; a room outside of it is bare hashes here."
        raise UsageError(Code.UNKNOWN_ROOM, f"no room in scope begins with {text!r}", hint=hint)
    return f"entry.room IN ({_marks(numbers)})", numbers


def _nation(record: Record, text: str) -> _Clause:
    name = parse_organisation(text.lower())
    devices: list[object] = [row[0] for row in record.select("SELECT number FROM device WHERE organisation = ?", name)]
    if not devices:
        hint = "The page of nations lists those that it speaks of."
        raise UsageError(Code.NOT_FOUND, f"the record does not speak of {name}", hint=hint)
    marks = _marks(devices)
    return f"(entry.sender IN ({marks}) OR {_READABLE.format(marks)})", devices * 2


def _kind(_: Record, text: str) -> _Clause:
    try:
        return "entry.kind = ?", [int(Kind[text.upper().replace("-", "_").replace(" ", "_")])]
    except KeyError:
        known = ", ".join(kind.name.lower().replace("_", "-") for kind in Kind)
        raise UsageError(Code.USAGE, f"{text!r} is not a kind", hint=f"Known are {known}.") from None


def _label(_: Record, text: str) -> _Clause:
    return "entry.label = ?", [int(Label.parse(text))]


def _sender(record: Record, text: str) -> _Clause:
    query = "SELECT number FROM device WHERE hex(device) LIKE ?1 || '%' OR hex(subject) LIKE ?1 || '%'"
    numbers = _numbers(record, query, text)
    if not numbers:
        hint = "Give the first digits of a device's id or of a pseudonym; the page of devices lists them."
        raise UsageError(Code.NOT_FOUND, f"the record speaks of no device that begins with {text!r}", hint=hint)
    return f"entry.sender IN ({_marks(numbers)})", numbers


def _from(_: Record, text: str) -> _Clause:
    return "entry.accepted_ms >= ?", [read_time(text)]


def _to(_: Record, text: str) -> _Clause:
    return "entry.accepted_ms < ?", [read_time(text)]


def _faults(_record: Record, _text: str) -> _Clause:
    return _FAULTY, []


_CLAUSES: Final[dict[str, Callable[[Record, str], _Clause]]] = {
    "room": _room, "nation": _nation, "kind": _kind, "label": _label, "sender": _sender, "from": _from, "to": _to,
    "faults": _faults,
}  # fmt: skip


def _numbers(record: Record, query: str, text: str) -> list[object]:
    digits = text.lower()
    if _HEX.fullmatch(digits) is None:
        hint = f"Give at least {MIN_DIGITS} first digits of an id, 0 to 9 and a to f."
        raise UsageError(Code.USAGE, f"{text!r} is no beginning of an id", hint=hint)
    return [row[0] for row in record.select(query, digits.upper())]


def _marks(values: list[Any]) -> str:
    return ", ".join("?" * len(values))


def read_time(text: str) -> int:
    """Milliseconds of Unix time of what a person types, in UTC.

    Raises:
        UsageError: `USAGE`.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        hint = "Write it as 2026-11-23 or 2026-11-23T12:00, in UTC."
        raise UsageError(Code.USAGE, f"{text!r} is not a time", hint=hint) from None
    moment = at if at.tzinfo else at.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def time_text(at_ms: int) -> str:
    """A time as `read_time` reads it: as short as it can be."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC).replace(tzinfo=None)
    return at.date().isoformat() if at_ms % 86_400_000 == 0 else at.isoformat(timespec="auto")
