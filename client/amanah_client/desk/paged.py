"""Who is on duty, what a page would do now, and the record of who was paged and who answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from amanah_client.desk.desk import Desk
from amanah_client.language import gettext as _
from amanah_client.message import Message
from amanah_client.paging.duty import DESK, Rota, Step
from amanah_client.room import Room
from amanah_client.view import words
from amanah_client.view.people import Seat
from amanah_client.view.ringing import unmet
from amanah_client.visible import shown
from amanah_protocol import kinds
from amanah_protocol.content.page import Page, Result
from amanah_protocol.identity import Role
from amanah_protocol.types import EnvelopeId

_RECENT: Final = 500
"""Pages are looked for among so many of the newest entries of each room."""
_MOST: Final = 100


def duty(desk: Desk) -> dict[str, object]:
    """What `amanah duty show` tells, and what the rooms hold of pages."""
    seat, rota = desk.seat(), desk.ringer.rota
    known = rota.on_duty(seat.now_ms)
    here = [person.name for person, when in known if when <= seat.now_ms]
    coming = [(person, when) for person, when in known if when > seat.now_ms]
    return {
        "now": _("On duty: %(names)s.", names=words.listed(here)) if here else _("Nobody is on duty by the rota."),
        "next": [
            _("Next: %(whom)s at %(time)s.", whom=words.value(one.name), time=words.when(when, seat.now_ms))
            for one, when in coming
        ],
        "least": _(
            "What rings: %(precedence)s and above, and what calls your duty desk.",
            precedence=words.precedence(rota.least).lower(),
        ),
        "trouble": " ".join(filter(None, (desk.ringer.trouble, *unmet(desk.ringer.unknown_rooms)))),
        "elsewhere": ""
        if desk.ringer.pages_others or not rota.pages
        else _("Another program of this profile pages the others."),
        "steps": list(_steps(rota, seat)),
        "record": record(desk, seat),
    }


def _steps(rota: Rota, seat: Seat) -> Iterator[dict[str, str]]:
    after_ms = 0
    steps = rota.steps(seat.now_ms)
    for step in steps:
        after = _("after %(span)s", span=words.span(after_ms)) if after_ms else _("at once")
        yield {"when": after, "whom": _whom(step), "how": _how(step)}
        after_ms += step.wait_ms
    again = _("then every %(span)s, until somebody answers", span=words.span(rota.repeat_wait_ms))
    yield {"when": again, "whom": _whom(steps[-1]), "how": _how(steps[-1])}


def _whom(step: Step) -> str:
    return _("this desk") if step.whom == DESK else shown(step.whom)


def _how(step: Step) -> str:
    return words.joined(words.value(hook.text) for hook in step.hooks)


def record(desk: Desk, seat: Seat) -> list[dict[str, object]]:
    """Who was paged when, and who answered, in all rooms; the newest first."""
    found = [line for room in desk.client.rooms() for line in _of_room(room, seat)]
    return sorted(found, key=lambda line: -int(str(line["at_ms"])))[:_MOST]


def _of_room(room: Room, seat: Seat) -> Iterator[dict[str, object]]:
    # What others say of paging in the name of a nation is told in the room as what it is.
    newest = [one for one in room.messages(newest=True, limit=_RECENT) if one.sender.role is Role.OFFICER]
    paged = {one.body.message for one in newest if isinstance(one.body, Page)}
    for one in newest:
        told = _told(one, paged, seat)
        if told is not None:
            entry, at_ms, text = told
            yield {
                "at_ms": at_ms,
                "utc": words.when(at_ms, seat.now_ms),
                "chip": seat.who(one.sender).chip,
                "text": text,
                "room": room.id.hex(),
                "title": shown(room.title).replace("\n", " "),
                "entry": entry.hex(),
                "drill": room.is_drill,
            }


def _told(one: Message, paged: set[EnvelopeId], seat: Seat) -> tuple[EnvelopeId, int, str] | None:
    match one.specific, one.body:
        case _, Page() as page:
            return page.message, page.at_ms, _paged(page)
        case kinds.Ack(envelope=envelope, grade=grade), _ if envelope in paged:
            who = words.value(seat.who(one.sender).name)
            said = _("%(who)s answered: %(grade)s", who=who, grade=words.grade(grade))
            return envelope, one.accepted_at_ms or one.sent_at_ms, said
        case _:
            return None


def _paged(page: Page) -> str:
    whom = _("this desk") if page.whom == DESK else words.value(page.whom)
    said = {
        Result.RANG: _("%(whom)s: a device rang", whom=whom),
        Result.REACHED: _("%(whom)s was paged; the page was taken over", whom=whom),
        Result.FAILED: _("%(whom)s was paged; it reached nobody", whom=whom),
    }[page.result]
    if not page.again:
        return said
    return words.joined((said, _("time %(number)s", number=page.again + 1)))
