"""The list of rooms: incidents by how bad they are, then what stands without one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from amanah_client.language import gettext as _
from amanah_client.model import Rekey, RoomRow, RoomStatus
from amanah_client.view import words
from amanah_client.view.board import BoardView
from amanah_client.visible import shown
from amanah_protocol.content.alert import Severity
from amanah_protocol.labels import Label

_ENDED: Final = frozenset({"resolved", "closed"})
_BY_SEVERITY: Final = {name.name.lower(): -int(name) for name in Severity}


class RoomLine(msgspec.Struct, frozen=True, kw_only=True):
    """A room in the list.

    Attributes:
        id: In hex.
        title: What people call it.
        label: Its ceiling, as FIRST writes it.
        group: Whether it is an incident.
        severity: low to critical; "" where nobody said.
        words: One line of how it stands.
        nations: How many nations are in.
        unread: How many messages were not read.
        pages: How many of them want an answer at once.
        drill: Whether all of it is an exercise.
        trouble: Why nothing comes from it, or nothing goes to it; "" where all is well.
        writable: Whether something can be sent to it.
        closed: Whether it is over.
    """

    id: str
    title: str
    label: str
    group: Literal["incident", "standing"]
    severity: str
    words: str
    nations: int
    unread: int = 0
    pages: int = 0
    drill: bool = False
    trouble: str = ""
    writable: bool = True
    closed: bool = False


def room_line(
    row: RoomRow,
    board: BoardView,
    *,
    ceiling: Label,
    nations: int,
    unread: int = 0,
    pages: int = 0,
    drill: bool = False,
) -> RoomLine:
    """A room in the list.

    Args:
        row: The room, as it is stored.
        board: Its board.
        ceiling: The highest label allowed in it.
        nations: How many nations are in.
        unread: How many messages were not read.
        pages: How many of them want an answer at once.
        drill: Whether it is an exercise.
    """
    trouble = trouble_of(row)
    counted = words.nations(nations)
    status = board.status_words.lower()
    if board.closing is not None and not board.closing.recorded:
        status = _("sign-off under way")
    elif board.closing is not None:
        status = _("signed off")
    said = words.joined((counted, status)) if status else counted
    return RoomLine(
        id=row.room.hex(),
        title=shown(row.title or row.room.hex()[:8]).replace("\n", " "),
        label=ceiling.text,
        group="incident" if board.is_incident else "standing",
        severity=board.severity,
        words=trouble or said,
        nations=nations,
        unread=unread,
        pages=pages,
        drill=drill,
        trouble=trouble,
        writable=row.successor is not None or row.status in {RoomStatus.OPEN, RoomStatus.OPENING},
        closed=board.status in _ENDED or row.successor is not None,
    )


def in_order(lines: Iterable[RoomLine]) -> tuple[RoomLine, ...]:
    """Incidents first, the worst first; what is over last; within these by title, so that nothing jumps at night."""
    return tuple(sorted(lines, key=_rank))


def _rank(line: RoomLine) -> tuple[bool, bool, int, str, str]:
    return line.group != "incident", line.closed, _BY_SEVERITY.get(line.severity, 1), line.title.casefold(), line.id


def trouble_of(row: RoomRow) -> str:
    """Why nothing more comes from a room, or nothing goes to it, and what happens; "" where all is well."""
    if row.successor is not None:
        return _("Closed: a change of it was refused. It goes on in a new room, and what you write here goes there.")
    if row.status is RoomStatus.OPEN and row.rekey is not Rekey.NONE:
        return _("This profile is an old copy: it sends here when others are online and its keys are renewed.")
    return {
        RoomStatus.OPENING: _("Being opened: it is there when the relay has taken it."),
        RoomStatus.REMOVED: _("This device was removed from the room. What was read stays; nothing later reaches it."),
        RoomStatus.HALTED: _("Halted: what the relay told does not hold. Reading stays, sending does not."),
        RoomStatus.BEHIND: _("This device cannot follow the room any more: it waits to be removed and added again."),
        RoomStatus.LOST: _("This device's keys of the room are gone: it asked to be removed and added again."),
        RoomStatus.JOINING: _("This device was added to the room and waits for its welcome."),
    }.get(row.status, "")
