"""From what a person types to what a question is asked with; whatever the record does not know is said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from amanah_client.audit.questions.case import Case, RoomRef
from amanah_client.audit.questions.question import Question, Takes
from amanah_client.audit.register import EntryRow
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.labels import Label
from amanah_protocol.types import OrgName, RoomId

MIN_DIGITS: Final = 4
"""First digits of an id, at the least."""
_SHOWN: Final = 10
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_HEX: Final = re.compile(r"[0-9a-f]{4,64}")

P = TypeVar("P")
R = TypeVar("R")


def read_parameters(question: Question[P, R], case: Case, given: Mapping[str, str]) -> P:
    """Read what a question was given, by the names of its parameters.

    Raises:
        UsageError: `USAGE` for a parameter that it does not take, or lacks, or that is malformed; `NOT_FOUND` or
            `UNKNOWN_ROOM` for what the record does not speak of.
    """
    known = question.parameters
    takes = ", ".join(f"--{name}" for name in known) or "nothing"
    if unknown := sorted(set(given) - set(known)):
        raise UsageError(Code.USAGE, f"{question.name} does not take --{unknown[0]}", hint=f"It takes {takes}.")
    if missing := [name for name in question.required if name not in given]:
        hint = f"--{missing[0]} is {known[missing[0]].help}."
        raise UsageError(Code.USAGE, f"{question.name} needs --{missing[0]}", hint=hint)
    values: dict[str, Any] = {name: _read(case, known[name].takes, text.strip()) for name, text in given.items()}
    return question.params(**values)


def _read(case: Case, takes: Takes, text: str) -> object:  # noqa: PLR0911 - one for each of what is taken
    match takes:
        case Takes.NATION:
            return find_nation(case, text)
        case Takes.ROOM:
            return find_room(case, text)
        case Takes.MESSAGE:
            return find_message(case, text)
        case Takes.ENTRY:
            return find_entry(case, text)
        case Takes.DEVICE:
            return find_device(case, text)
        case Takes.LABEL:
            return Label.parse(text)
        case Takes.TIME:
            return _read_time(text)


def find_nation(case: Case, text: str) -> OrgName:
    """A nation of the record or of a roster that is trusted.

    Raises:
        UsageError: `NOT_FOUND`, or as `parse_organisation`.
    """
    name = parse_organisation(text)
    rows = case.record.select("SELECT DISTINCT organisation FROM device WHERE organisation <> '' ORDER BY 1")
    known = sorted(
        {row[0] for row in rows} | {known for roster in case.anchor.rosters for known in roster.value.by_name}
    )
    if name not in known:
        listed = ", ".join(known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
        hint = f"It speaks of {listed}." if known else "It speaks of none."
        raise UsageError(Code.NOT_FOUND, f"the record does not speak of {name}", hint=hint)
    return name


def find_room(case: Case, text: str) -> RoomRef:
    """A room in scope, by first digits of its id.

    Raises:
        UsageError: `UNKNOWN_ROOM` for none, `USAGE` for several.
    """
    rows = rooms_by_prefix(case, text)
    hint = "`amanah audit verify` lists the rooms in scope; a room outside of it is bare hashes here."
    if not rows:
        raise UsageError(Code.UNKNOWN_ROOM, f"no room in scope begins with {text!r}", hint=hint)
    if len(rows) > 1:
        raise UsageError(Code.USAGE, f"several rooms begin with {text!r}", hint="Give more digits.")
    return rows[0]


def find_message(case: Case, text: str) -> EntryRow:
    """An envelope in scope, by its log index or by first digits of its id.

    A number is a log index if the log has such an entry.

    Raises:
        UsageError: `NOT_FOUND` for none, `USAGE` for several.
    """
    hint = "`amanah audit list` shows the entries in scope."
    if _NUMBER.fullmatch(text) and int(text) < case.report.size:
        row = case.entry(int(text))
        if row is None:
            raise UsageError(Code.NOT_FOUND, f"entry {int(text)} of the log is no envelope in scope", hint=hint)
        return row
    rows = entries_by_prefix(case, text)
    if not rows:
        raise UsageError(Code.NOT_FOUND, f"no envelope in scope begins with {text!r}", hint=hint)
    if len(rows) > 1:
        raise UsageError(Code.USAGE, f"several envelopes begin with {text!r}", hint="Give more digits.")
    return rows[0]


def find_entry(case: Case, text: str) -> int:
    """The log index of any entry: a number, or first digits of an envelope's id.

    Raises:
        UsageError: As `find_message`.
    """
    return int(text) if _NUMBER.fullmatch(text) and int(text) < case.report.size else find_message(case, text).at


def find_device(case: Case, text: str) -> int:
    """A device, by first digits of its id, or of the pseudonym of whose only device it is.

    Raises:
        UsageError: `NOT_FOUND` for none, `USAGE` for several.
    """
    found = devices_by_prefix(case, text)
    if not found:
        hint = "`amanah audit ask membership --json` names the devices of every room in scope."
        raise UsageError(Code.NOT_FOUND, f"the record speaks of no device that begins with {text!r}", hint=hint)
    if len(found) > 1:
        listed = ", ".join(case.who(number).device.hex()[:12] for number in found[:_SHOWN])
        raise UsageError(Code.USAGE, f"several devices begin with {text!r}", hint=f"They are {listed}.")
    return found[0]


def rooms_by_prefix(case: Case, text: str) -> list[RoomRef]:
    """Rooms in scope whose id begins so; at most ten."""
    digits = text.lower()
    if _HEX.fullmatch(digits) is None:
        return []
    query = f"SELECT number, room FROM room WHERE hex(room) LIKE ? || '%' LIMIT {_SHOWN}"  # noqa: S608 - a number of ours
    return [RoomRef(number, RoomId(room)) for number, room in case.record.select(query, digits.upper())]


def entries_by_prefix(case: Case, text: str) -> list[EntryRow]:
    """Envelopes in scope whose id begins so; at most ten."""
    digits = text.lower()
    if _HEX.fullmatch(digits) is None:
        return []
    # As bounds of the blob: the index over envelopes finds them.
    first, last = (bytes.fromhex(digits.ljust(64, filler)) for filler in "0f")
    begun = "substr(envelope, 1, 8) BETWEEN substr(?1, 1, 8) AND substr(?2, 1, 8)"
    return case.entries(f"WHERE {begun} AND envelope BETWEEN ?1 AND ?2 LIMIT ?3", first, last, _SHOWN)


def devices_by_prefix(case: Case, text: str) -> list[int]:
    """Numbers of devices whose id or pseudonym begins so; at most ten."""
    digits = text.lower()
    if _HEX.fullmatch(digits) is None:
        return []
    query = "SELECT number FROM device WHERE hex(device) LIKE ?1 || '%' OR hex(subject) LIKE ?1 || '%'"
    return [number for (number,) in case.record.select(f"{query} ORDER BY number LIMIT {_SHOWN}", digits.upper())]


def _read_time(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        hint = "Write it as 2026-11-23 or 2026-11-23T12:00, in UTC."
        raise UsageError(Code.USAGE, f"{text!r} is not a time", hint=hint) from None
    moment = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
