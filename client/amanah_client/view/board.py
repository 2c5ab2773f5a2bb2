"""An incident's board: joint times, duties to notify, tasks with their lateness, decisions, notes of a handover."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, Literal

import msgspec

from amanah_client.incident import duties
from amanah_client.incident.board import Board
from amanah_client.incident.duties import due_ms
from amanah_client.incident.on_board import ClockOnBoard, ProposalOnBoard, TaskOnBoard
from amanah_client.language import gettext as _
from amanah_client.language import ngettext
from amanah_client.log_rows import Nations
from amanah_client.view import words
from amanah_client.view.closing import ClosingLine, closing_line, left_open
from amanah_client.view.indicators import defang
from amanah_client.view.people import Seat
from amanah_client.view.runs import Block, Run, begun, titled
from amanah_client.view.zones import Local, local_times, own_time
from amanah_client.visible import shown
from amanah_protocol.content.clock import Nature
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Status
from amanah_protocol.content.task import TaskState
from amanah_protocol.kinds import Outcome
from amanah_protocol.types import EnvelopeId, OrgName

NO_TIMES: Final = Nations()
"""Where it is not known since when nations are in a room: all of them count."""


class TaskLine(msgspec.Struct, frozen=True, kw_only=True):
    """A task.

    Attributes:
        id: The task's, in hex.
        entry: The entry that opened it, in hex.
        chip: Whose it is.
        mine: Whether it is the reader's nation's.
        what: What is to be done; addresses in it are defanged.
        runs: The same in stretches.
        absent: Whether it waits for a nation that is not in the room, and hears nothing of it.
        state: open, taken, done, refused or withdrawn.
        words: What is to be said of its state.
        due_at_ms: By when; None for no deadline.
        due: The same in words.
        late: Whether that is over and it is not done, in an incident that is not closed.
    """

    kind: Literal["task"] = "task"
    id: str
    entry: str
    chip: str
    mine: bool
    what: str
    runs: tuple[Run, ...]
    absent: bool
    state: str
    words: str
    due_at_ms: int | None
    due: str
    late: bool


class DecisionLine(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal, or what was decided.

    Attributes:
        ordinal: Its number.
        entry: The entry that proposed it, in hex.
        what: What is proposed; addresses in it are defanged.
        runs: The same in stretches.
        agree: Chips of the nations that agree.
        object: (chip, reason) of those that object.
        waiting: Chips of those that have not said where they stand.
        asked: How many are asked.
        quorum: How many have to agree.
        until_ms: When the window for objections closes.
        words: How it stands.
        open: Whether a position still counts.
        outcome: adopted, refused, withdrawn, or "" while it is not decided.
        mine: agree, object, waiting, or "" where the reader's nation is not asked.
        closable: Whether its end can be recorded now.
    """

    kind: Literal["decision"] = "decision"
    ordinal: int
    entry: str
    what: str
    runs: tuple[Run, ...]
    agree: tuple[str, ...]
    object: tuple[tuple[str, str], ...]
    waiting: tuple[str, ...]
    asked: int
    quorum: int
    until_ms: int
    words: str
    open: bool
    outcome: str
    mine: str
    closable: bool


class ClockLine(msgspec.Struct, frozen=True, kw_only=True):
    """A joint time.

    Attributes:
        id: Its id, in hex.
        entry: The entry that set it, which is acknowledged, in hex.
        nature: action, embargo or deadline.
        title: What it is for, in words.
        what: What happens then, or until then; addresses in it are defanged.
        runs: The same in stretches.
        at_ms: When.
        utc: The same in words.
        own: The same on the reader's clock; "" where that shows UTC.
        zones: At every party's place.
        stands: False where it was called off or withdrawn.
        past: Whether it is over.
        ended: Whether the incident was closed before it came: nobody waits for it any more.
        acknowledged: Chips of the nations that acknowledged it.
        waiting: Chips of those that did not.
        words: How many did.
        label: Under what it was set, and so goes when it is moved.
        pap: The same of what its readers may do with it.
    """

    kind: Literal["clock"] = "clock"
    id: str
    entry: str
    nature: str
    title: str
    what: str
    runs: tuple[Run, ...]
    at_ms: int
    utc: str
    own: str
    zones: tuple[Local, ...]
    stands: bool
    past: bool
    ended: bool
    acknowledged: tuple[str, ...]
    waiting: tuple[str, ...]
    words: str
    label: str
    pap: str


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """A duty to notify, that runs from when the first party became aware.

    Attributes:
        title: Which.
        due_at_ms: By when.
        words: The same in words, or how late it is.
        late: Whether it is over, in an incident that is not closed.
        share: How much of its time is gone, 0 to 100.
    """

    title: str
    due_at_ms: int
    words: str
    late: bool
    share: int


class HandoverLine(msgspec.Struct, frozen=True, kw_only=True):
    """A note at a change of shift.

    Attributes:
        entry: Its entry, in hex.
        blocks: What it says.
        left_out: How many characters are not in the blocks.
    """

    entry: str
    blocks: tuple[Block, ...]
    left_out: int = 0


class BoardView(msgspec.Struct, frozen=True, kw_only=True):
    """What a room's entries come to.

    Attributes:
        is_incident: Whether anybody said where an incident stands.
        title: What it is called; "" for what nobody said, here and below.
        severity: low, medium, high, critical.
        severity_words: The same in words.
        status: triage, ... closed.
        status_words: The same in words.
        type: By the taxonomy.
        aware_at_ms: When the first party became aware, or None.
        closed: Whether the incident is closed: what is left of it presses nobody.
        clocks: Joint times that stand, the next first.
        duties: Duties to notify.
        tasks: Those that are late first, those that are over last.
        decisions: Open ones first.
        handovers: Newest first.
        closing: How far the sign-off is; None where nobody asked for it.
        left_open: What a closing now would leave behind.
        without_effect: (entry in hex, why) of what may not do what it says.
    """

    is_incident: bool
    title: str
    severity: str
    severity_words: str
    status: str
    status_words: str
    type: str
    aware_at_ms: int | None
    closed: bool
    clocks: tuple[ClockLine, ...]
    duties: tuple[Duty, ...]
    tasks: tuple[TaskLine, ...]
    decisions: tuple[DecisionLine, ...]
    handovers: tuple[HandoverLine, ...]
    closing: ClosingLine | None
    left_open: tuple[str, ...]
    without_effect: tuple[tuple[str, str], ...]


def _note(entry: EnvelopeId, note: Handover, most: int | None) -> HandoverLine:
    blocks, left_out = begun(note.text, most)
    return HandoverLine(entry=entry.hex(), blocks=blocks, left_out=left_out)


def board_view(
    board: Board, seat: Seat, nations: Iterable[OrgName], *, times: Nations = NO_TIMES, most: int | None = None
) -> BoardView:
    """A room's board.

    Args:
        board: The fold of its entries.
        seat: Whose eyes see it.
        nations: Who is in the room.
        times: Since when they are.
        most: The newest note alone is shown, and so many characters of it; None for all of all.
    """
    inside, standing = tuple(nations), board.standing
    clocks = (clock_line(of, board, seat, inside, times) for of in board.clocks.values())
    tasks = (task_line(of, board, seat, inside) for of in board.tasks.values())
    decisions = (decision_line(of, seat) for of in board.proposals.values())
    left = list(reversed(board.handovers.items()))[: None if most is None else 1]
    notes = (_note(entry, note, most) for entry, note in left)
    return BoardView(
        is_incident=bool(standing.said),
        title=shown(defang(standing.title or "")).replace("\n", " "),
        severity="" if standing.severity is None else standing.severity.name.lower(),
        severity_words=words.severity(standing.severity),
        status="" if standing.status is None else standing.status.name.lower(),
        status_words=words.status(standing.status),
        type=standing.type or "",
        aware_at_ms=standing.aware_at_ms,
        closed=is_closed(board),
        clocks=tuple(sorted((line for line in clocks if line.stands), key=lambda line: (line.past, line.at_ms))),
        duties=() if standing.aware_at_ms is None else _duties(standing.aware_at_ms, board, seat.now_ms),
        tasks=tuple(sorted(tasks, key=lambda line: (line.state in {"done", "refused", "withdrawn"}, not line.late))),
        decisions=tuple(sorted(decisions, key=lambda line: (line.outcome != "", -line.ordinal))),
        handovers=tuple(notes),
        closing=closing_line(board, seat),
        left_open=left_open(board, seat.now_ms),
        without_effect=tuple((entry.hex(), words.without_effect(why)) for entry, why in board.without_effect.items()),
    )


def is_closed(board: Board) -> bool:
    """Whether the incident was said to be closed, and not taken up again since."""
    return board.standing.status is Status.CLOSED


def task_line(of: TaskOnBoard, board: Board, seat: Seat, nations: Collection[OrgName]) -> TaskLine:
    """A task as a line."""
    due_at_ms, ended = of.task.until_ms, is_closed(board) or not of.is_open
    absent = not ended and is_absent(of, nations)
    late = due_at_ms is not None and not ended and due_at_ms < seat.now_ms
    said = words.task_state(None if of.withdrawn else of.state)
    if of.reason and not of.withdrawn:
        said = _("%(state)s: %(reason)s", state=said, reason=words.title(of.reason))
    if late and due_at_ms is not None:
        lateness = _("late by %(span)s", span=words.span(seat.now_ms - due_at_ms))
        said = lateness if of.state is TaskState.OPEN else words.joined((lateness, said))
    if absent:
        said = words.joined((said, _("its nation is not in this room")))
    return TaskLine(
        id=of.task.id.hex(),
        entry=of.opened.hex(),
        chip=seat.chip(of.task.nation),
        mine=of.task.nation == seat.me.organisation,
        what="".join(run.text for run in titled(of.task.what)),
        runs=titled(of.task.what),
        absent=absent,
        state=of.state.name.lower() if of.withdrawn is None else "withdrawn",
        words=said,
        due_at_ms=due_at_ms,
        due="" if due_at_ms is None else words.when(due_at_ms, seat.now_ms),
        late=late,
    )


def is_absent(of: TaskOnBoard, nations: Collection[OrgName]) -> bool:
    """Whether a task waits for who is not in the room; of a room that this device is not in, nobody knows.

    Nothing is sent to somebody who is not there (`effective.check_present`), but others may send it, and may leave.
    """
    return bool(nations) and of.task.nation not in nations and of.is_open


def decision_line(of: ProposalOnBoard, seat: Seat) -> DecisionLine:
    """A proposal as a line."""
    proposal, own = of.proposal, seat.me.organisation
    waiting = tuple(nation for nation in proposal.nations if nation not in of.positions)
    in_time = seat.now_ms <= proposal.object_until_ms
    mine = "" if own not in proposal.nations else "waiting"
    if own in of.positions:
        mine = "agree" if of.positions[own][0].agrees else "object"
    return DecisionLine(
        ordinal=of.number,
        entry=of.id.hex(),
        what="".join(run.text for run in titled(proposal.what)),
        runs=titled(proposal.what),
        agree=_chips(of.agreeing, seat),
        object=tuple((seat.chip(nation), shown(defang(of.positions[nation][0].reason))) for nation in of.objecting),
        waiting=_chips(waiting, seat),
        asked=len(proposal.nations),
        quorum=proposal.quorum,
        until_ms=proposal.object_until_ms,
        words=_stands(of, waiting, seat, in_time=in_time),
        open=in_time and of.is_open,
        outcome=_outcome(of),
        mine=mine,
        closable=of.is_open and (not in_time or not waiting),
    )


def _outcome(of: ProposalOnBoard) -> str:
    if of.withdrawn is not None:
        return "withdrawn"
    return "" if of.outcome is None else of.outcome.name.lower()


def _stands(of: ProposalOnBoard, waiting: Sequence[OrgName], seat: Seat, *, in_time: bool) -> str:
    if of.withdrawn is not None:
        return _("Withdrawn: nothing is decided.")
    proposal = of.proposal
    said: list[str] = []
    if of.agreeing:
        said.append(
            ngettext(
                "%(nations)s agrees.",
                "%(nations)s agree.",
                len(of.agreeing),
                nations=words.listed(_chips(of.agreeing, seat)),
            )
        )
    for nation in of.objecting:
        reason = words.title(of.positions[nation][0].reason)
        said.append(_("%(nation)s objects: %(reason)s.", nation=words.value(seat.chip(nation)), reason=reason))
    if of.outcome is not None:
        adopted = of.outcome is Outcome.ADOPTED
        return " ".join((_("Adopted.") if adopted else _("Not adopted."), *said))
    until = words.when(proposal.object_until_ms, seat.now_ms)
    if waiting and in_time:
        named = words.listed(_chips(waiting, seat))
        said.append(
            ngettext(
                "%(nations)s has until %(time)s to object.",
                "%(nations)s have until %(time)s to object.",
                len(waiting),
                nations=named,
                time=until,
            )
        )
    elif not in_time:
        said.append(_("The window for objections closed at %(time)s.", time=until))
    need = _("%(count)s of %(all)s have to agree.", count=proposal.quorum, all=len(proposal.nations))
    return " ".join((*said, need))


def clock_line(
    of: ClockOnBoard, board: Board, seat: Seat, nations: Sequence[OrgName], times: Nations = NO_TIMES
) -> ClockLine:
    """A joint time as a line; who set it has acknowledged it by that, and who cannot read it is not waited for."""
    entry = board.messages[of.set]
    known = {of.by.organisation, *entry.grades()}
    asked = times.sealed_for(nations, entry.index)
    waiting = tuple(nation for nation in asked if nation not in known)
    # A nation that came later acknowledges what it was granted.
    acknowledged = tuple(nation for nation in nations if nation in known)
    count = len(acknowledged)
    said = _("acknowledged by %(count)s of %(all)s", count=count, all=count + len(waiting))
    past = of.clock.at_ms < seat.now_ms
    return ClockLine(
        id=of.clock.id.hex(),
        entry=of.set.hex(),
        nature=of.clock.nature.name.lower(),
        title=words.nature(Nature(of.clock.nature)),
        what="".join(run.text for run in titled(of.clock.what)),
        runs=titled(of.clock.what),
        at_ms=of.clock.at_ms,
        utc=words.when(of.clock.at_ms, seat.now_ms),
        own=own_time(of.clock.at_ms, seat.zone),
        zones=local_times(of.clock.at_ms, nations),
        stands=of.stands,
        past=past,
        ended=is_closed(board) and not past,
        acknowledged=_chips(acknowledged, seat),
        waiting=_chips(waiting, seat),
        words=said,
        label=board.label_of(of.set).text,
        pap=board.pap_of(of.set).text,
    )


def _duties(aware_at_ms: int, board: Board, now_ms: int) -> tuple[Duty, ...]:
    titles = (_("24 h early warning"), _("72 h notification"), _("One month final report"))
    return tuple(
        _duty(title, aware_at_ms, due_ms(duty, aware_at_ms), now_ms, closed=is_closed(board))
        for title, duty in zip(titles, duties.Duty, strict=True)
    )


def _duty(title: str, aware_at_ms: int, due_at_ms: int, now_ms: int, *, closed: bool) -> Duty:
    over = due_at_ms < now_ms
    late = over and not closed
    if over and closed:
        # What became of it is not known here, and nobody who looks back is told how long ago that was.
        said = _("was due %(time)s", time=words.when(due_at_ms, now_ms))
    elif late:
        said = _("over since %(span)s", span=words.span(now_ms - due_at_ms))
    else:
        left = words.span(due_at_ms - now_ms)
        said = _("due %(time)s, %(span)s left", time=words.when(due_at_ms, now_ms), span=left)
    share = max(0, min(100, 100 * (now_ms - aware_at_ms) // max(1, due_at_ms - aware_at_ms)))
    return Duty(title=title, due_at_ms=due_at_ms, words=said, late=late, share=share)


def _chips(nations: Iterable[OrgName], seat: Seat) -> tuple[str, ...]:
    return tuple(sorted(seat.chip(nation) for nation in nations))
