"""What stands around the conversation, as lines: rooms, board, head, the line above the composer, the foot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from amanah_client.language import gettext as _
from amanah_client.language import ngettext, pgettext
from amanah_client.terminal.drawing import Drawn, Parts, clock, decision, ruled, task
from amanah_client.terminal.lines import ELLIPSIS, Part, Row, cells, cut, part, said, wrap
from amanah_client.view import words
from amanah_client.view.board import BoardView, ClockLine
from amanah_client.view.people import Nation
from amanah_client.view.readers import Readers
from amanah_client.view.rooms import RoomLine
from amanah_client.view.runs import plain
from amanah_client.view.trust import Line, Trust
from amanah_protocol.content.alert import Severity
from amanah_protocol.labels import Label, Pap, Precedence

_OF_SEVERITY: Final = {"critical": "worst", "high": "bad", "medium": "bold", "low": "", "": "dim"}
_EDGE: Final = Part("  ")
_INDENT: Final = 2
_NOTE_CHARS: Final = 600
_NOTE_LINES: Final = 12


def folded(parts: Parts, width: int, edge: Part = _EDGE, most: int | None = None) -> Iterator[Row]:
    """Lines behind an edge of two cells."""
    for line in wrap(parts, width - _INDENT, most):
        yield Row(edge=(edge,), parts=line)


# ---- rooms


def rooms(lines: Sequence[RoomLine], width: int, here: str) -> tuple[Drawn, ...]:
    """The list of rooms; the open one stands out."""
    drawn: list[Drawn] = []
    group = ""
    for line in lines:
        if line.group != group:
            group = line.group
            title = _("Incidents") if group == "incident" else _("Standing")
            drawn.append(
                Drawn(id="", rows=(*((Row(),) if drawn else ()), Row(edge=(_EDGE,), parts=said(title, "dim"))))
            )
        drawn.append(Drawn(id=line.id, rows=tuple(_room(line, width, is_here=line.id == here))))
    if not lines:
        nothing = _("No room yet. Ctrl+K opens one; another nation's invitation brings one.")
        drawn.append(Drawn(id="", rows=tuple(folded(said(nothing, "dim"), width))))
    return tuple(drawn)


def _room(line: RoomLine, width: int, *, is_here: bool) -> Iterator[Row]:
    end: tuple[Part, ...] = ()
    if line.pages:
        pages = ngettext("%(count)s urgent", "%(count)s urgent", line.pages)
        end = (Part(" "), Part(f" {pages} ", "page"))
    elif line.unread:
        end = (Part(" "), Part(f" {line.unread} ", "here"))
    style = "here" if is_here else "dim" if line.closed else "bold"
    bar = Part("\N{LEFT HALF BLOCK} ", _OF_SEVERITY[line.severity])
    drill = (*said(_("Drill"), "drill"), Part(" ")) if line.drill else ()
    title = cut((*drill, part(line.title, style)), width - _INDENT - cells(end))
    yield Row(edge=(bar,), parts=title, end=end)
    severity = _severity(line.severity)
    told = words.joined((severity, line.words)) if severity and not line.trouble else line.words
    yield from folded(said(told, "worst" if line.trouble else "dim"), width, bar, None if is_here else 1)


def _severity(name: str) -> str:
    return words.severity(Severity[name.upper()]) if name else ""


# ---- the head


def head(line: RoomLine, board: BoardView, readers: Readers, width: int) -> tuple[Row, ...]:
    """What room this is, where it stands and who can read it: always in view."""
    label = (Part(" "), Part(f" {line.label} ", line.label), Part(" "))
    drill = (*said(_("Drill: nothing here is real"), "drill"), Part("  ")) if line.drill else ()
    title = Row(edge=(Part(" "),), parts=(*drill, part(board.title or line.title, "bold")), end=label)
    parts: list[Part] = []
    if board.severity_words:
        parts += [Part(board.severity_words, _OF_SEVERITY[board.severity]), Part("  ")]
    if board.status_words:
        parts += [*said(board.status_words), Part("  ")]
    for nation in readers.nations:
        parts += [part(nation.chip, "chip"), Part(" ")]
    rows = wrap((*parts, Part(" "), *said(readers.head, "dim")), width - 2, 2)
    return (title, *(Row(edge=(Part(" "),), parts=row) for row in rows))


def alarm(trust: Trust, width: int) -> tuple[Row, ...]:
    """A broken log takes over the whole head, with what to do."""
    if not trust.alarm:
        return ()
    rows = [*wrap(said(trust.alarm, "page"), width - 2), *wrap(said(trust.steps, "page"), width - 2)]
    blank = Part(" ", "page")
    filled = ((*row, Part(" " * (width - 1 - cells(row)), "page")) for row in rows)
    return tuple(Row(edge=(blank,), parts=row) for row in filled)


# ---- the board


def board(view: BoardView, nations: Iterable[Nation], now_ms: int, width: int) -> tuple[Drawn, ...]:
    """Joint times, duties, tasks, decisions, notes of the shift, who is here."""
    parts = (_closing(view, width), _clocks(view, now_ms, width), _tasks(view, width), _decisions(view, width))
    drawn = [one for part in (*parts, _notes(view, width)) for one in part]
    if not drawn:
        nothing = _("Nothing is on the board. /task, /decide, /clock and /incident put something there.")
        drawn.append(Drawn(id="", rows=tuple(folded(said(nothing, "dim"), width))))
    drawn.append(_title(_("Who is here"), width))
    drawn += [Drawn(id="", rows=tuple(_nation(nation, width))) for nation in nations]
    return tuple(drawn)


def _title(text: str, width: int) -> Drawn:
    return Drawn(id="", rows=(Row(), ruled(text, width)))


def _card(name: str, style: str, lines: Iterable[Parts], width: int) -> Drawn:
    bar = Part("\N{BOX DRAWINGS HEAVY VERTICAL} ", style)
    return Drawn(id=name, rows=tuple(row for line in lines for row in folded(line, width, bar)))


def _closing(view: BoardView, width: int) -> Iterator[Drawn]:
    if (one := view.closing) is None:
        return
    yield _title(_("Closing"), width)
    lines = [said(one.words, "dim" if one.recorded else "")]
    if one.open and one.mine in {"waiting", "differs"}:
        lines.append(said(_("/sign signs for your nation."), "bold"))
    if one.recordable:
        lines.append(said(_("/close record records that it stands."), "bold"))
    yield _card("", "dim" if one.recorded else "chip", lines, width)


def _clocks(view: BoardView, now_ms: int, width: int) -> Iterator[Drawn]:
    if view.clocks:
        yield _title(_("Joint times"), width)
    for one in view.clocks:
        over = one.past or one.ended
        lines = [said(_apart(one, now_ms), "dim" if over else "bold"), *clock(one)]
        yield _card(f"clock {one.id}", "dim" if over else "chip", lines, width)
    if view.duties:
        yield _title(_("Duties to notify"), width)
    for duty in view.duties:
        told = said(duty.words, "worst" if duty.late else "dim")
        yield _card("", "worst" if duty.late else "dim", ((*said(duty.title, "bold"), Part("  "), *told),), width)


def _apart(one: ClockLine, now_ms: int) -> str:
    if one.ended:
        return _("The incident was closed before this time")
    span = words.span(one.at_ms - now_ms)
    return _("%(span)s ago", span=span) if one.past else _("in %(span)s", span=span)


def _tasks(view: BoardView, width: int) -> Iterator[Drawn]:
    if view.tasks:
        yield _title(_("Tasks"), width)
    for one in view.tasks:
        yield _card(f"task {one.id}", "worst" if one.late else "chip" if one.mine else "dim", task(one), width)


def _decisions(view: BoardView, width: int) -> Iterator[Drawn]:
    if view.decisions:
        yield _title(_("Decisions"), width)
    for one in view.decisions:
        yield _card(f"decision {one.ordinal}", "chip" if one.outcome == "" else "dim", decision(one), width)


def _notes(view: BoardView, width: int) -> Iterator[Drawn]:
    if view.handovers:
        yield _title(_("Handover"), width)
    for note in view.handovers[:3]:
        text = plain(note.blocks)
        # The whole stands in the conversation.
        shown = text if len(text) <= _NOTE_CHARS else text[:_NOTE_CHARS] + ELLIPSIS
        yield _card("", "dim", ((part(line),) for line in shown.split("\n")[:_NOTE_LINES]), width)


def _nation(nation: Nation, width: int) -> Iterator[Row]:
    names: list[Part] = [part(nation.chip, "chip"), Part(" ")]
    for number, person in enumerate(nation.people):
        who, several = person.who, f" ({person.counted})" if len(person.devices) > 1 else ""
        told = _("you") if who.me else who.name
        style = "bad" if who.revoked else ""
        names += [Part(pgettext("between", ", ") if number else ""), part(told, style), *said(several, "dim")]
        if who.note:
            names += said(f" ({who.note})", "bad" if who.revoked else "dim")
    yield from folded(tuple(names), width)


# ---- above and below the composer


def composing(
    label: Label, pap: Pap, precedence: Precedence, readers: Readers, less: str, width: int
) -> tuple[Row, ...]:
    """With what the next message goes out, who can read it, and why not all labels of the room are offered."""
    urgent = words.precedence(precedence)
    style = "page" if precedence >= Precedence.IMMEDIATE else "bold" if precedence > Precedence.ROUTINE else ""
    parts: tuple[Part, ...] = (Part(f" {label.text} ", label.text), Part("  "), Part(f"{pap.text}  ", "dim"))
    parts = (*parts, Part(urgent, style), Part("  "), *said(readers.compose))
    if less:
        parts = (*parts, Part("  "), *said(less, "bold"))
    return tuple(Row(edge=(Part(" "),), parts=row) for row in wrap(parts, width - 2))


def foot(line: Line, trust: Trust, width: int) -> tuple[Row, ...]:
    """The connection and the log, in words; what to do where there is something to do."""
    keys = (Part("  "), *said(_("F1 keys"), "dim"), Part(" "))
    mark = Part("\N{BLACK CIRCLE} ", "good") if line.online else Part("\N{WHITE CIRCLE} ", "worst")
    if trust.tone == "broken":  # whatever the connection: nothing is well
        mark = Part("! ", "worst")
    tone = {"ok": "dim", "late": "bold", "broken": "worst"}[trust.tone]
    both = (*said(line.text, "" if line.online else "bold"), Part("  "), *said(trust.line, tone))
    edge = (Part(" "), mark)
    if cells(both) <= width - cells(edge) - cells(keys):
        rows = [Row(edge=edge, parts=both, end=keys)]
    else:
        first, *more = wrap(said(line.text, "" if line.online else "bold"), width - cells(edge) - cells(keys), 3)
        more += wrap(said(trust.line, tone), width - 4, 2)
        rows = [Row(edge=edge, parts=first, end=keys), *(Row(edge=(Part("   "),), parts=row) for row in more)]
    if line.hint:
        rows += [Row(edge=(Part("   "),), parts=row) for row in wrap(said(line.hint, "dim"), width - 4, 2)]
    return tuple(rows)
