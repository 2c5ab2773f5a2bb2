"""`amanah audit retention`: what was erased when and why, and what should have been."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import Parameter

from amanah_client.audit.retention import CAUSES, Content, Gone, Held, Overdue, Retention, retention
from amanah_client.audit.table import counted
from amanah_client.cli import audit_json, terminal
from amanah_client.cli.audit_copy import examined
from amanah_client.cli.audit_words import raise_for
from amanah_client.cli.terminal import DEFAULTS, Options, clock, iso

_SHOWN: Final = 50
_SHORT: Final = 8


def show_retention(
    *, every: Annotated[bool, Parameter(name="--all", negative="")] = False, common: Options = DEFAULTS
) -> None:
    """Show what was erased, when and why; what a room's policy demanded and is not said to be gone; legal holds.

    The copy is verified first. That erased content is really gone is the relay's word alone, which it signs; what
    members copied is theirs.

    Parameters
    ----------
    every
        All lines, not the first fifty of each kind.
    """
    with examined(common) as (report, _, _):
        found = retention(report.record)
        if common.json:
            terminal.show_json({"format": audit_json.FORMAT, "holds": not report.faults, **_json(found)})
        else:
            _show(found, None if every else _SHOWN)
        raise_for(report)


def _show(found: Retention, limit: int | None) -> None:
    if found.as_of_ms is None:
        terminal.show("no entry of a room is in this copy, so it says of no content whether it was erased")
    else:
        terminal.show(f"as of {clock(found.as_of_ms)}, the newest entry of any room:")
        if found.without_policy:
            terminal.show(_without(found))
        _show_contents(found, limit)
    for held in found.holds:
        terminal.show(_hold(held))
    if all(held.released is not None or held.lapsed is not None for held in found.holds):
        terminal.show("no legal hold stands")
    for organisation, subject, index, at_ms in found.forgotten:
        terminal.show(f"{organisation} forgot the name of {subject.hex()[:_SHORT]} ({clock(at_ms)}, entry {index})")
    left = max(len(found.gone), len(found.overdue)) - (limit or len(found.gone) + len(found.overdue))
    if left > 0:
        terminal.say(f"{left} more; --all shows them")


def _show_contents(found: Retention, limit: int | None) -> None:
    if found.gone:
        terminal.show(f"the content of {counted(len(found.gone), 'entry', 'entries')} was erased:")
        terminal.show_table(
            ("log", "room", "place", "label", "accepted", "erased", "why"),
            (
                (*_cells(item), clock(item.accepted_at_ms), clock(item.erased_at_ms), _why(item))
                for item in found.gone[:limit]
            ),
        )
    else:
        terminal.show("no content was erased")
    if found.overdue:
        number = counted(len(found.overdue), "entry", "entries")
        terminal.show(f"by a room's policy the content of {number} should be gone, and nothing says that it is:")
        terminal.show_table(
            ("log", "room", "place", "label", "over since"),
            ((*_cells(item), clock(item.over_at_ms)) for item in found.overdue[:limit]),
        )
    elif found.with_policy:
        where = f"in {counted(len(found.with_policy), 'room')} with a policy " if found.without_policy else ""
        terminal.show(f"{where}nothing is there longer than its room's policy allows")


def _without(found: Retention) -> str:
    """Of what the log says nothing: first, so that nobody takes silence for keeping to a policy."""
    if not found.with_policy:
        return "no room here has a policy: the relay's configuration decides, which is not in the log"
    rooms = counted(len(found.without_policy), "room")
    return f"{rooms} without a policy: the relay's configuration decides there, which is not in the log"


def _cells(item: Content) -> tuple[str, str, str, str]:
    return str(item.index), item.room.hex()[:_SHORT], str(item.room_seq), item.label.text


def _hold(held: Held) -> str:
    until = "stands" if held.released_at_ms is None else f"released {clock(held.released_at_ms)}"
    if held.lapsed_at_ms is not None:
        until = f"ended {clock(held.lapsed_at_ms)}, when its organisation left the roster"
    rooms = ", ".join(room.hex()[:_SHORT] for room in held.hold.rooms)
    return (
        f"legal hold of {held.hold.organisation} on {rooms}, placed {clock(held.placed_at_ms)}, {until}; "
        f"reference {held.hold.reference.hex()}"
    )


def _why(item: Gone) -> str:
    if item.cause is None:
        return f"erased by {item.by.text}" if item.by is not None else "erased by a member"
    return CAUSES[item.cause] + (": BEFORE ITS TIME" if item.early else "")


def _json(found: Retention) -> dict[str, object]:
    return {
        "as_of": iso(found.as_of_ms),
        "erased": [_gone_json(item) for item in found.gone],
        "overdue": [_overdue_json(item) for item in found.overdue],
        "legal_holds": [_held_json(held) for held in found.holds],
        "forgotten": [
            {"organisation": organisation, "subject": subject.hex(), "log_index": index, "at": iso(at_ms)}
            for organisation, subject, index, at_ms in found.forgotten
        ],
        "without_policy": [room.hex() for room in found.without_policy],
    }


def _gone_json(item: Gone) -> dict[str, object]:
    return {
        **_content_json(item),
        "accepted": iso(item.accepted_at_ms),
        "erased": iso(item.erased_at_ms),
        "cause": "erase" if item.cause is None else item.cause.name.lower(),
        "by": None if item.by is None else item.by.device.hex(),
        "proof": item.proof,
        "before_its_time": item.early,
    }


def _overdue_json(item: Overdue) -> dict[str, object]:
    return {**_content_json(item), "over_since": iso(item.over_at_ms)}


def _content_json(item: Content) -> dict[str, object]:
    return {
        "log_index": item.index,
        "room": item.room.hex(),
        "room_seq": item.room_seq,
        "kind": item.kind.name.lower(),
        "label": item.label.text,
    }


def _held_json(held: Held) -> dict[str, object]:
    return {
        "id": held.hold.id.hex(),
        "organisation": held.hold.organisation,
        "rooms": [room.hex() for room in held.hold.rooms],
        "since": iso(held.hold.since_ms or None),
        "reference": held.hold.reference.hex(),
        "placed": held.placed,
        "placed_at": iso(held.placed_at_ms),
        "released": held.released,
        "released_at": iso(held.released_at_ms),
        "lapsed": held.lapsed,
        "lapsed_at": iso(held.lapsed_at_ms),
    }
