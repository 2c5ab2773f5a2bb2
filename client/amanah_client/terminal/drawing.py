"""Entries of a conversation as lines.

The first seven cells of a line are ours: the mark, the time, the rule of a card, the corner before what others made of
a message. What somebody wrote begins behind them, in every line of it; so no text looks like a line of the system, like
a card, or like another's acknowledgement, whatever is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from amanah_client.language import gettext as _
from amanah_client.language import list_of, ngettext
from amanah_client.terminal.lines import Part, Row, cells, cut, part, said, wrap
from amanah_client.view import words
from amanah_client.view.board import ClockLine, DecisionLine, TaskLine
from amanah_client.view.entries import (
    Acknowledged,
    AlertCard,
    Content,
    DayBreak,
    Delivery,
    Entry,
    FileCard,
    Gone,
    Item,
    Notice,
    Prose,
    Quote,
    Reactions,
    StandingCard,
)  # fmt: skip
from amanah_client.view.runs import Block, Run, plain

EDGE: Final = 7
"""Cells of a line that are ours."""
FOLDED: Final = 18
"""So many lines of a message are shown before somebody asks for all of them."""
_DIGITS: Final = 8
Parts: TypeAlias = tuple[Part, ...]
_NOTHING: Final = Part(" " * EDGE)
_CARD: Final = "     \N{BOX DRAWINGS HEAVY VERTICAL} "
_CORNER: Final = "     \N{BOX DRAWINGS LIGHT UP AND RIGHT}\N{BOX DRAWINGS LIGHT HORIZONTAL}"
_ABOVE: Final = "     \N{BOX DRAWINGS LIGHT DOWN AND RIGHT}\N{BOX DRAWINGS LIGHT HORIZONTAL}"
_LINE: Final = "\N{BOX DRAWINGS LIGHT HORIZONTAL}"
_WAITS: Final = frozenset({"queued", "held", "sent"})
_OF_SEVERITY: Final = {"critical": "worst", "high": "bad", "medium": "bold", "low": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Something that can be marked.

    Attributes:
        id: What it is known by; "" for what cannot be marked.
        rows: Its lines.
    """

    id: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How an item is looked at.

    Attributes:
        width: Cells of a line.
        marked: Whether it is the marked one: its particulars are shown.
        opened: Whether all of it is shown, and what it said before.
        newest: Whether it is the reader's own newest: how far it has come is shown.
        parted: Whether a card is parted from what stands above it.
    """

    width: int
    marked: bool = False
    opened: bool = False
    newest: bool = False
    parted: bool = True


def draw(item: Item, look: Look) -> Drawn:
    """An item of a conversation."""
    match item:
        case DayBreak(text=text):
            return Drawn(id="", rows=(ruled(text, look.width),))
        case Notice():
            return Drawn(id=item.id, rows=tuple(_notice(item, look)))
        case Entry():
            return Drawn(id=item.id, rows=tuple(_entry(item, look)))
        case _:
            assert_never(item)


def ruled(text: str, width: int, style: str = "dim") -> Row:
    """A line that parts what is above it from what is below."""
    told = cut(said(text, style), max(width - 8, 1))
    rest = max(width - cells(told) - 5, 0)
    return Row(edge=(Part(f" {_LINE * 2} ", style),), parts=told, end=(Part(f" {_LINE * rest}", style),))


def _notice(notice: Notice, look: Look) -> Iterator[Row]:
    style = {"quiet": "dim", "readers": "bold", "alarm": "worst"}[notice.tone]
    lead = (Part(f" {_LINE}{_LINE} ", style), Part(f"{notice.utc} ", "dim"))
    indent = cells(lead)
    for number, line in enumerate(wrap(said(notice.text, style), look.width - indent)):
        yield Row(edge=lead if number == 0 else (Part(" " * indent),), parts=line)
    if look.marked:
        place = _("#%(digits)s, place %(place)s in the room", digits=notice.id[:_DIGITS], place=notice.seq)
        yield Row(edge=(Part(" " * indent),), parts=said(place, "dim"))


def _entry(entry: Entry, look: Look) -> Iterator[Row]:
    head = _head(entry)
    if head is not None:
        yield Row()
        yield head
    elif look.parted and not isinstance(entry.content, Prose | Gone):
        yield Row()
    if entry.root is not None:
        yield from _root(entry.root, look)
    if entry.reply is not None:
        yield from _reply(entry, look)
    yield from _content(entry.content, look)
    yield from _below(entry, look)


def _head(entry: Entry) -> Row | None:
    # Of an exercise each message has a head: none of them is taken for real by whoever sees it alone.
    shows = entry.first or entry.label or entry.pap or entry.urgent or entry.calls or entry.repaired or entry.drill
    if not shows:
        return None
    end: list[Part] = []
    if entry.drill:
        end += [*said(_("Drill"), "drill"), Part("  ")]
    if entry.urgent:
        end += [Part(f" {entry.urgent} ", "page" if entry.pages else "bold"), Part(" ")]
    if entry.pap:
        end += [Part(entry.pap, "bold"), Part("  ")]
    if entry.label:
        end.append(Part(f" {entry.label} ", entry.label))
    who = entry.who
    # The name comes last but for our words at the far end: whatever it holds, it names no other nation or time.
    parts: list[Part] = [part(who.chip, "chip"), Part(" "), part(who.name, "bold")]
    if who.note:
        parts += [Part("  "), *said(who.note, "bad" if who.revoked else "dim")]
    if who.machine:
        parts += [Part("  "), *said(_("machine"), "dim")]
    if entry.calls:
        whom = list_of(entry.calls)
        told = _("calls you: %(whom)s", whom=whom) if entry.calls_me else _("calls %(whom)s", whom=whom)
        parts += [Part("  "), *said(told, "here" if entry.calls_me else "bold")]
    if entry.repaired:
        parts += [Part("  "), *said(_("sent again by %(name)s", name=words.value(entry.repaired)), "dim")]
    return Row(edge=(Part(f" {entry.utc} "),), parts=tuple(parts), end=(Part(" "), *end) if end else ())


def _root(root: Quote, look: Look) -> Iterator[Row]:
    told = _("in thread: %(text)s", text=words.value(root.text))
    yield Row(edge=(Part(_ABOVE, "dim"),), parts=cut(said(told, "dim"), look.width - EDGE))


def _reply(entry: Entry, look: Look) -> Iterator[Row]:
    quote = entry.reply
    if quote is None:
        return
    if quote.name:
        whom, text = words.value(f"{quote.chip} {quote.name}"), words.value(quote.text)
        told = _("answers %(whom)s: %(text)s", whom=whom, text=text)
    else:
        told = _("answers %(text)s", text=quote.text)
    yield Row(edge=(Part(_ABOVE, "dim"),), parts=cut(said(told, "dim"), look.width - EDGE))


# ---- what was said


def _content(content: Content, look: Look) -> Iterator[Row]:
    match content:
        case Prose(blocks=blocks):
            yield from _text(blocks, look)
        case Gone(text=text, why=why, code=code, was=was):
            told = f"{text} [{code}]" if code else text
            yield from _ours(said(told, "bad" if why == "unreadable" else "dim"), look)
            if was is not None and look.opened:
                yield from _content(was, look)
        case _:
            style, parts = card(content)
            for line in parts:
                for folded in wrap(line, look.width - EDGE):
                    yield Row(edge=(Part(_CARD, style),), parts=folded)
            if isinstance(content, StandingCard | FileCard):
                for row in _text(content.blocks, look):
                    yield Row(edge=(Part(_CARD, style),), parts=row.parts)


def _ours(parts: Iterable[Part], look: Look) -> Iterator[Row]:
    """Words of ours in the place of a text: behind the mark that no text has."""
    for number, line in enumerate(wrap(parts, look.width - EDGE)):
        yield Row(edge=(Part(_CORNER if number == 0 else " " * EDGE, "dim"),), parts=line)


def _text(blocks: tuple[Block, ...], look: Look) -> Iterator[Row]:
    count = 0
    for block in blocks:
        for line in _block(block, look.width - EDGE, None if look.opened else FOLDED + 1 - count):
            if count >= FOLDED and not look.opened:
                yield from _ours(said(_("There is more. Mark it and press Space to see all of it."), "bold"), look)
                return
            yield Row(edge=(_NOTHING,), parts=line)
            count += 1


def _block(block: Block, width: int, most: int | None) -> Iterator[Parts]:
    lead = {
        "quote": Part("\N{BOX DRAWINGS LIGHT VERTICAL} ", "dim"),
        "bullets": Part("\N{BULLET} "),
        "code": Part("  "),
    }.get(block.kind)
    style = "dim" if block.kind == "quote" else ""
    for runs in block.lines:
        indent = 0 if lead is None else 2
        folded = wrap((_run(run, style) for run in runs), width - indent, most)
        for number, line in enumerate(folded):
            if lead is None:
                yield line
            else:
                yield (Part("  ") if number and block.kind == "bullets" else lead, *line)


def _run(run: Run, style: str) -> Part:
    if run.indicator or run.code:
        return Part(run.text, "code", apart=True)
    return Part(run.text, "bold" if run.bold else "italic" if run.italic else style)


# ---- cards


def card(content: AlertCard | TaskLine | DecisionLine | ClockLine | StandingCard | FileCard) -> tuple[str, list[Parts]]:
    """A card: the style of its rule, and its lines."""
    match content:
        case AlertCard():
            return _OF_SEVERITY[content.severity], list(_alerts(content))
        case TaskLine():
            return "worst" if content.late else "chip", list(task(content))
        case DecisionLine():
            return "chip" if content.outcome == "" else "dim", list(decision(content))
        case ClockLine():
            return "chip" if content.stands and not content.ended else "dim", list(clock(content))
        case StandingCard(title=title, lines=lines) | FileCard(title=title, lines=lines):
            return "chip", [(*said(title, "bold"), Part("  "), *said(words.joined(lines)))]
        case _:
            assert_never(content)


def _alerts(content: AlertCard) -> Iterator[Parts]:
    yield said(content.title, "bold")
    for group in content.groups:
        count = ngettext("%(count)s time", "%(count)s times", group.count)
        severity = Part(group.severity_words, _OF_SEVERITY[group.severity])
        yield (severity, Part("  "), part(group.title), Part("  "), *said(count, "dim"))
        for flow in group.flows:
            yield (Part("  "), Part(flow, "code", apart=True))
    if content.sum:
        yield said(content.sum, "dim" if content.adds_up else "bad")


def task(content: TaskLine) -> Iterator[Parts]:
    """A task: whose it is and by when first, then what somebody wrote."""
    due = (
        (Part("  "), *said(_("by %(time)s", time=content.due), "bad" if content.late else "dim")) if content.due else ()
    )
    yield (*said(_("Task"), "bold"), Part(f" {content.id[:_DIGITS]} ", "dim"), part(content.chip, "chip"), *due)
    yield tuple(_run(run, "") for run in content.runs)
    style = "bad" if content.absent else "good" if content.state == "done" else "dim"
    yield said(content.words, "worst" if content.late else style)


def decision(content: DecisionLine) -> Iterator[Parts]:
    """A proposal and how it stands."""
    yield said(_("Decision %(number)s", number=content.ordinal), "bold")
    yield tuple(_run(run, "") for run in content.runs)
    ended = {"adopted": "good", "withdrawn": "dim"}.get(content.outcome)
    yield said(content.words, ended or ("bad" if content.object else ""))
    if content.mine == "waiting" and content.open:
        yield said(_("Your nation has not said where it stands."), "bold")
    elif content.closable:
        yield said(_("Its end can be recorded now."), "bold")


def clock(content: ClockLine) -> Iterator[Parts]:
    """A joint time: in UTC, on the reader's clock, at every party's place."""
    head = (*said(content.title, "bold"), Part(f" {content.id[:_DIGITS]}  ", "dim"))
    over = content.past or content.ended
    yield (*head, *said(content.utc, "dim" if over else "bold"))
    if content.own:
        yield said(content.own, "dim" if over else "bold")
    yield tuple(_run(run, "") for run in content.runs)
    zones = words.joined(f"{zone.text} {zone.place}" for zone in content.zones)
    if zones:
        yield (part(zones, "dim"),)
    if not content.stands:
        yield said(_("Called off."), "bad")
        return
    yield said(content.words, "dim")
    if content.waiting and not over:
        yield said(_("Not acknowledged by %(nations)s", nations=words.listed(content.waiting)), "bold")


# ---- what others made of it


def _below(entry: Entry, look: Look) -> Iterator[Row]:
    for parts in _remarks(entry, look):
        for number, line in enumerate(wrap(parts, look.width - EDGE)):
            yield Row(edge=(Part(_CORNER if number == 0 else " " * EDGE, "dim"),), parts=line)


def _remarks(entry: Entry, look: Look) -> Iterator[Parts]:
    if isinstance(entry.content, Prose) and entry.content.before:
        yield from _before(entry.content, look)
    if entry.acks is not None:
        yield from _acks(entry.acks, look)
    if entry.reactions:
        yield tuple(piece for one in entry.reactions for piece in _sign(one))
    if entry.threads:
        yield said(ngettext("%(count)s answer in its thread", "%(count)s answers in its thread", entry.threads), "bold")
    if entry.sent:
        yield said(entry.sent, "dim")
    if entry.relay_time:
        yield said(_("Its author's clock says %(time)s; %(relay)s.", time=entry.utc, relay=entry.relay_time), "bad")
    # Of all own ones that have arrived, the newest says it for those before it.
    if entry.delivery is not None and (look.marked or look.newest or entry.delivery.state in _WAITS):
        yield from _delivered(entry.delivery)
    if look.marked:
        yield _particulars(entry)


def _sign(of: Reactions) -> Parts:
    return part(of.sign, "bold" if of.mine else ""), Part(" "), part(words.joined(of.chips), "dim"), Part("  ")


def _before(content: Prose, look: Look) -> Iterator[Parts]:
    yield said(ngettext("corrected once", "corrected %(count)s times", len(content.before)), "dim")
    if look.opened:
        for text in content.before:
            yield said(_("before: %(text)s", text=words.value(plain(text))), "dim")


def _acks(acks: Acknowledged, look: Look) -> Iterator[Parts]:
    parts: list[Part] = []
    for chip, _grade, how in acks.by:
        parts += [part(chip, "good"), Part(" "), *said(how, "good"), Part("  ")]
    for chip, how in acks.waiting:
        parts += [part(chip, "bold"), Part(" "), *said(how, "bold"), Part("  ")]
    if parts:
        yield tuple(parts)
    elif acks.asks:
        yield said(acks.asks, "dim")
    if look.marked:
        yield from (said(one, "dim") for one in acks.people)
        if acks.ours:
            yield said(acks.ours, "bold")


def _delivered(delivery: Delivery) -> Iterator[Parts]:
    style = "worst" if delivery.state == "held" else "bold" if delivery.state in _WAITS else "dim"
    told = delivery.text
    if delivery.waiting and delivery.state == "delivered":
        told = _("%(delivered)s; not yet %(nations)s", delivered=told, nations=words.listed(delivery.waiting))
    english = said(f" ({delivery.english})", "dim") if delivery.english else ()
    yield (*said(told, style), *english)


def _particulars(entry: Entry) -> Parts:
    """What a command names it by, and what is sealed with it."""
    place = _("place %(place)s", place=entry.seq) if entry.seq else _("no place in the room yet")
    called = (_("calls %(whom)s", whom=whom) for whom in entry.calls)
    known = (f"#{entry.id[:_DIGITS]}", place, entry.the_label, entry.the_pap, *called)
    return said(words.joined(one for one in known if one), "dim")
