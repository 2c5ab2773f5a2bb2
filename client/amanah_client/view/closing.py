"""How far the end of an incident is: who was asked to sign off, who has, and whether it is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from amanah_client.incident.board import Board
from amanah_client.incident.closing import ShownClosing
from amanah_client.incident.on_board import ClosingOnBoard
from amanah_client.language import N_, ngettext
from amanah_client.language import gettext as _
from amanah_client.view import words
from amanah_client.view.people import Seat
from amanah_protocol.content.closing import FACTS, Closing, ClosingRecorded, SignOff
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.types import EnvelopeId, OrgName

_FACTS = {
    "entries": N_("which entries there are"),
    "incident": N_("where the incident stands"),
    "decisions": N_("decisions"),
    "tasks": N_("tasks"),
    "times": N_("joint times"),
    "messages": N_("what became of messages"),
}


class ClosingLine(msgspec.Struct, frozen=True, kw_only=True):
    """The newest closing of a room.

    Attributes:
        entry: Its entry, in hex.
        last: Up to which place the entries are signed.
        signed: Chips of the nations that have signed what was asked.
        agreeing: These nations, ascending: with `entry`, what is recorded by whoever sees it.
        differs: (chip, in which facts) of those that have others.
        waiting: Chips of those that have not signed, or not that.
        asked: How many were asked.
        words: All of it in words.
        recorded: Whether it stands.
        mine: Where the reader's nation stands.
        open: Whether it may still be signed.
        recordable: Whether it can be recorded now.
    """

    entry: str
    last: int
    signed: tuple[str, ...]
    agreeing: tuple[OrgName, ...]
    differs: tuple[tuple[str, str], ...]
    waiting: tuple[str, ...]
    asked: int
    words: str
    recorded: bool
    mine: Literal["", "waiting", "signed", "differs"]
    open: bool
    recordable: bool


def closing_line(board: Board, seat: Seat) -> ClosingLine | None:
    """The newest closing; None where nobody asked for one, or it was withdrawn."""
    if (of := board.closing) is None:
        return None
    own, recorded = seat.me.organisation, of.recorded is not None
    in_time = seat.now_ms <= of.closing.sign_until_ms
    differs = tuple((seat.chip(one), facts(of.differs(one))) for one in sorted(of.signed) if of.differs(one))
    return ClosingLine(
        entry=of.id.hex(),
        last=of.closing.last,
        signed=_chips(of.agreeing, seat),
        agreeing=of.agreeing,
        differs=differs,
        waiting=_chips(of.outstanding, seat),
        asked=len(of.closing.nations),
        words=" ".join(_words(of, seat, differs, in_time=in_time)),
        recorded=recorded,
        mine=_mine(of, own),
        open=in_time and not recorded,
        recordable=not recorded and (not of.outstanding or not in_time),
    )


def shown_closing(line: ClosingLine | None) -> ShownClosing:
    """What whoever saw it signs or records."""
    if line is None:
        return ShownClosing(entry=None, signed=())
    return ShownClosing(entry=EnvelopeId(bytes.fromhex(line.entry)), signed=line.agreeing)


def left_open(board: Board, now_ms: int) -> tuple[str, ...]:
    """What a closing now would leave behind, a line for each: tasks, proposals, joint times that are ahead."""
    tasks = (of.task for of in board.tasks.values() if of.is_open)
    proposals = (of for of in board.proposals.values() if of.is_open)
    clocks = (of.clock for of in board.clocks.values() if of.stands and of.clock.at_ms > now_ms)
    lines = [
        _("Task of %(nation)s: %(what)s", nation=words.value(one.nation), what=words.title(one.what)) for one in tasks
    ]
    lines += [
        _("Proposal %(number)s, not decided: %(what)s", number=one.number, what=words.title(one.proposal.what))
        for one in proposals
    ]
    lines += [
        _("Joint time %(time)s: %(what)s", time=words.when(one.at_ms, now_ms), what=words.title(one.what))
        for one in clocks
    ]
    return tuple(lines)


def closes(body: object) -> bool:
    """Whether what is said closes the incident: of what that leaves behind, whoever says it is told first."""
    return isinstance(body, Incident) and body.status is Status.CLOSED


def closing_words(body: Closing | SignOff | ClosingRecorded, board: Board, seat: Seat) -> str:
    """What one entry does for the end of an incident."""
    match body:
        case Closing(nations=nations, last=last, sign_until_ms=until_ms):
            named, until = words.listed(_chips(nations, seat)), words.when(until_ms, seat.now_ms)
            asked = {"nations": named, "last": last, "time": until}
            return _("Asks %(nations)s to sign off the entries up to %(last)s until %(time)s.", **asked)
        case SignOff(closing=closing, first=first):
            known = board.closings.get(closing)
            if known is None:
                return _("Signs off the entries from %(first)s on.", first=first)
            return _("Signs off the entries from %(first)s to %(last)s.", first=first, last=known.closing.last)
        case ClosingRecorded(nations=nations):
            if not nations:
                return _("Records the end; nobody has signed off.")
            named = words.listed(_chips(nations, seat))
            return _("Records the end, signed off by %(nations)s.", nations=named)


def facts(names: Iterable[str]) -> str:
    """Facts that differ, in words."""
    return words.listed(_(_FACTS[name]) for name in FACTS if name in set(names))


def _mine(of: ClosingOnBoard, own: OrgName) -> Literal["", "waiting", "signed", "differs"]:
    if own not in of.closing.nations:
        return ""
    if own not in of.signed:
        return "waiting"
    return "differs" if of.differs(own) else "signed"


def _words(of: ClosingOnBoard, seat: Seat, differs: tuple[tuple[str, str], ...], *, in_time: bool) -> Iterator[str]:
    signed, until = _chips(of.agreeing, seat), words.when(of.closing.sign_until_ms, seat.now_ms)
    if of.recorded is not None:
        if signed:
            yield _("Closed and signed off by %(nations)s.", nations=words.listed(signed))
        else:
            yield _("Closed; nobody has signed off.")
    elif signed:
        yield ngettext(
            "%(nations)s has signed off.", "%(nations)s have signed off.", len(signed), nations=words.listed(signed)
        )
    for chip, named in differs:
        yield _("%(nation)s signed other facts: %(facts)s.", nation=words.value(chip), facts=named)
    told = {chip for chip, _facts in differs}
    waiting = tuple(chip for chip in _chips(of.outstanding, seat) if chip not in told)
    if of.recorded is not None and waiting:
        yield _("Not signed: %(nations)s.", nations=words.listed(waiting))
    elif of.recorded is None and waiting and in_time:
        yield ngettext(
            "%(nations)s has until %(time)s to sign.",
            "%(nations)s have until %(time)s to sign.",
            len(waiting),
            nations=words.listed(waiting),
            time=until,
        )
    elif of.recorded is None and not in_time:
        yield _("The time for signing was over at %(time)s.", time=until)


def _chips(nations: Iterable[OrgName], seat: Seat) -> tuple[str, ...]:
    return tuple(sorted(seat.chip(nation) for nation in nations))
