"""What rings, and who is paged for it: the bar that stands over a face until somebody answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from amanah_client.language import gettext as _
from amanah_client.language import pgettext
from amanah_client.message import Message
from amanah_client.paging.duty import DESK, Rota
from amanah_client.paging.machine import State
from amanah_client.paging.pager import Ringing
from amanah_client.room import Room
from amanah_client.saying import USUAL_PAP
from amanah_client.view import words
from amanah_client.view.entries import AlertCard, Content, Entry, FileCard, Gone, Prose, StandingCard
from amanah_client.view.people import Seat
from amanah_client.view.runs import plain
from amanah_client.visible import shown

BEGINS_CHARS: Final = 160
"""So much of a message is read at a glance, and fills no telephone."""


def unmet(names: Iterable[str]) -> tuple[str, ...]:
    """What the rota names as a room, and none is called: nobody may take silence for quiet."""
    told = _("paging.toml names a room %(name)s, and there is none: nothing pages by that name")
    return tuple(told % {"name": words.value(name)} for name in names)


class RingLine(msgspec.Struct, frozen=True, kw_only=True):
    """A message that rings.

    Attributes:
        room: Its room, in hex.
        title: What people call the room.
        entry: The message, in hex.
        seq: Its place.
        chip: Of the nation that wrote it.
        name: Who wrote it.
        urgent: How urgent it is, in words.
        label: As FIRST writes it, as it is now; "" where the message is not shown.
        pap: What readers may do with it, where that is not the usual; "" where the message is not shown.
        begins: Its first words; "" where it is not shown.
        since_ms: Since when it waits.
        since: The same in words.
        words: Who is paged, and who is next.
        due_ms: Until when it is waited for an answer; None where another program counts.
        drill: Whether it is an exercise.
    """

    room: str
    title: str
    entry: str
    seq: int
    chip: str
    name: str
    urgent: str
    label: str
    pap: str
    begins: str
    since_ms: int
    since: str
    words: str
    due_ms: int | None
    drill: bool


class Rang(msgspec.Struct, frozen=True, kw_only=True):
    """What rings, for one page.

    Attributes:
        lines: The oldest first.
        sounds: Whether this page is the one that sounds.
        elsewhere: Whether it could, and another page or program does.
        trouble: Why nobody but this desk is paged; "" where the rota can be used.
    """

    lines: tuple[RingLine, ...]
    sounds: bool
    elsewhere: bool
    trouble: str


def ring_line(
    of: Ringing,
    rota: Rota,
    seat: Seat,
    room: Room,
    message: Message | None,
    *,
    pages_others: bool,
    entry: Entry | None = None,
) -> RingLine:
    """A message that rings.

    Args:
        of: What rings.
        rota: Who is paged.
        seat: Whose eyes see it.
        room: Its room.
        message: The message, if it is here.
        pages_others: Whether this program pages others.
        entry: The message as its conversation shows it; None where who rings is enough.
    """
    who = None if message is None else seat.who(message.sender)
    return RingLine(
        room=of.room.hex(),
        title=shown(room.title).replace("\n", " "),
        entry=of.message.hex(),
        seq=0 if message is None else message.room_seq or 0,
        chip="" if who is None else who.chip,
        name="" if who is None else who.name,
        urgent=words.precedence(of.precedence),
        label="" if entry is None else entry.the_label,
        pap="" if entry is None or entry.the_pap == USUAL_PAP.text else entry.the_pap,
        begins="" if entry is None else begins(entry.content),
        since_ms=of.since_ms,
        since=words.when(of.since_ms, seat.now_ms),
        words=" ".join(_words(of, rota, seat, pages_others=pages_others)),
        due_ms=of.due_ms if pages_others else None,
        drill=room.is_drill,
    )


def begins(content: Content) -> str:
    """The first words of what was said, in one line; of what is withdrawn or erased, that alone."""
    match content:
        case Gone(text=said):
            pass
        case Prose(blocks=blocks):
            said = plain(blocks)
        case StandingCard(title=title, lines=lines, blocks=blocks):
            said = pgettext("between", ": ").join(filter(None, (title, words.joined(lines), plain(blocks))))
        case AlertCard(title=said):
            pass
        case FileCard(title=title, name=name):
            said = pgettext("between", ": ").join((title, words.value(name)))
        case task_or_time:
            said = task_or_time.what
    line = " ".join(said.split())
    return line if len(line) <= BEGINS_CHARS else line[: BEGINS_CHARS - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _words(of: Ringing, rota: Rota, seat: Seat, *, pages_others: bool) -> Iterator[str]:
    yield _("This desk rings.") if of.whom == DESK else _("Paged: %(whom)s.", whom=words.value(of.whom))
    if not rota.pages:
        yield _("Nobody else is paged: paging.toml names nobody.")
        return
    if not pages_others:
        yield _("Another program of this profile pages the others.")
        return
    steps = rota.steps(seat.now_ms)
    again = of.state is State.REPEATING or of.step >= len(steps) - 1
    then = words.value(steps[-1 if again else of.step + 1].whom)
    at = "" if of.due_ms is None else words.when(of.due_ms, seat.now_ms)
    if again:
        yield _("All steps are used; %(whom)s again at %(time)s.", whom=then, time=at)
    else:
        yield _("Next: %(whom)s at %(time)s.", whom=then, time=at)
