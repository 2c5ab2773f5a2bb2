"""Sentences that several questions share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from amanah_client.audit.questions.case import Case
from amanah_client.audit.record import Report
from amanah_client.audit.register import EntryRow
from amanah_client.language import N_
from amanah_protocol.kinds import Kind

_LAST_MS: Final = 253_402_300_799_999

OUTSIDE: Final = N_("What people did outside of Amanah, by voice, by hand or with a camera, stands in no record.")
BARE: Final = N_(
    "{count} of the log's entries are bare hashes here: what was said in rooms outside of this scope is not known."
)
ENDS: Final = N_("The record ends with its checkpoint: what came later, or is not in the log yet, is not known.")
LABELS: Final = N_("Labels are the outer ones. The sealed label counts, and no auditor sees it.")
RECIPIENTS: Final = N_("Recipients outside are named as the member who disclosed wrote them; nobody verified the name.")


def moment(at_ms: int | None) -> str:
    """A time in UTC, to the second; others may have claimed any."""
    if at_ms is None:
        return "-"
    if not 0 <= at_ms <= _LAST_MS:
        return "beyond the year 9999"
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def duration(ms: int | None) -> str:
    """`1 d 2 h`, `3 min 20 s`, `0 s`: the two largest parts."""
    if ms is None:
        return "-"
    rest, parts = abs(ms) // 1000, []
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, seconds)
        if count:
            parts.append(f"{count} {unit}")
    return ("-" if ms < 0 and parts else "") + (" ".join(parts[:2]) or "0 s")


def counted(number: int, noun: str, plural: str = "") -> str:
    """`no room`, `1 room`, `2 rooms`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number or 'no'} {plural or noun + 's'}"


def often(number: int) -> str:
    """`never`, `once`, `3 times`."""
    return {0: "never", 1: "once"}.get(number, f"{number} times")


def listed(items: Iterable[str]) -> str:
    """`a, b and c`."""
    *most, last = list(items) or ["nobody"]
    return f"{', '.join(most)} and {last}" if most else last


def kind_name(kind: int) -> str:
    """`intake key`."""
    return Kind(kind).name.lower().replace("_", " ")


def named(case: Case, row: EntryRow) -> str:
    """`message 3fa9c1d2 (entry 19) of room 1b2c3d4e`."""
    return f"{kind_name(row.kind)} {row.envelope.hex()[:8]} (entry {row.at}) of room {case.room(row.room).hex()[:8]}"


def trouble(report: Report) -> str:
    """What is said first when the record does not hold; "" when it holds."""
    bad = report.first_bad
    if bad is None:
        return ""
    where = "the whole record" if bad.index is None else f"first bad entry {bad.index}"
    return (
        f"THE RECORD DOES NOT HOLD ({where}: {bad.text} [{bad.code}]): what follows is what it says, "
        "and may be neither true nor all."
    )


def range_of(report: Report) -> str:
    """For what an answer speaks."""
    scope = report.scope
    if not scope.leaves or scope.first_ms is None:
        return f"This speaks for a record of {report.origin} in which nothing is in scope."
    return (
        f"This speaks for the entries 0 to {scope.leaves - 1} of the log {report.origin}, accepted from "
        f"{moment(scope.first_ms)} to {moment(scope.last_ms)} as the relay says: "
        f"{counted(scope.envelopes, 'envelope')} of {counted(report.record.room_count, 'room')} in scope, "
        f"{counted(scope.bare, 'bare hash', 'bare hashes')} outside of it.{_in_part(report)}"
    )


def _in_part(report: Report) -> str:
    part = 0 if report.faults else len(report.record.rooms_in_part())
    return f" OF {counted(part, 'ROOM')} A SELECTION IS HERE: what was left out may say otherwise." if part else ""


def bare(report: Report) -> tuple[str, ...]:
    """What bare hashes keep from being known, if there are any."""
    return (BARE.format(count=report.scope.bare),) if report.scope.bare else ()
