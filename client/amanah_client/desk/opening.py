"""A room that is to be opened: what it would come to, then all of it at once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Final

from amanah_client import actions
from amanah_client.desk import wire
from amanah_client.desk.desk import Desk
from amanah_client.desk.telling import told
from amanah_client.effective import check_invitation
from amanah_client.language import N_
from amanah_client.language import gettext as _
from amanah_client.language.errors import SpokenError
from amanah_client.reach import Reached, Why, check_reach, reach
from amanah_client.room import Room
from amanah_client.saying import Say
from amanah_client.templates.opening import Wanted, fill, open_filled
from amanah_client.templates.plan import Filled, planned
from amanah_client.templates.template import BUILT_IN, OWN, Template, built_in, decode_template
from amanah_client.view import words
from amanah_client.view.people import Seat
from amanah_protocol.content.clock import Clock
from amanah_protocol.content.incident import Incident
from amanah_protocol.content.task import Task
from amanah_protocol.content.text import Text
from amanah_protocol.errors import AmanahError, Code, UsageError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.labels import Label
from amanah_protocol.types import OrgName, RoomId

_NOWHERE: Final = RoomId(bytes(16))
"""The room of a preview."""
_ABOUT: Final = (
    N_("A wave of phishing or fraud across nations: sites to take down, victims to warn"),
    N_("Encrypted or extorted systems, with nations that are hit and nations that help"),
    N_("Coordinated disclosure of a vulnerability across nations, with one time to publish"),
    N_("opens the room and keeps the list of sites and senders"),
    N_("has victims: warns them and counts them"),
    N_("has the hosts or domains of the wave: takes them down"),
    N_("opens the room, keeps the overview, notifies for its constituents"),
    N_("has victims of the same campaign"),
    N_("brings analysis, decryptors or contacts to hosts"),
    N_("speaks with whoever found it and with the maker"),
    N_("has systems with it, and finds and warns their operators"),
    N_("is the nation of the maker: speaks with it about the mending"),
)
"""What the templates that come along say of themselves; what they put into a room stays as it is written."""


def templates() -> list[dict[str, object]]:
    """Those that come along, for the form."""
    found = (decode_template(built_in(name), name) for name in BUILT_IN)
    return [
        {
            "name": one.name,
            "about": _(one.about),
            "label": one.ceiling.text,
            "roles": [(role.name, _(role.about)) for role in one.role if role.name != OWN],
        }
        for one in found
    ]


def plan(desk: Desk, asked: wire.NewRoom) -> dict[str, object]:
    """What opening a room would come to: whom the label may reach, and everything that would stand in it."""
    seat, label = desk.seat(), Label.parse(asked.label)
    lines: list[dict[str, str]] = []
    notes: list[str] = []
    problem = ""
    try:
        _create, filled = _filled(desk, asked, title=asked.title.strip() or "?")
        lines = list(_lines(seat, _inside(filled, _NOWHERE)))
        notes = list(_notes(desk, asked, filled))
    except AmanahError as error:
        problem = told(error)
    return {
        "nations": [_nation(one, seat) for one in reach(desk.client, label, desk.now_ms)],
        "lines": lines,
        "notes": notes,
        "problem": problem,
    }


def whom_to_invite(desk: Desk, room_id: RoomId) -> list[dict[str, object]]:
    """The nations that are not in a room yet: whether its ceiling may reach them and this nation let them in.

    Raises:
        UsageError: `UNKNOWN_ROOM`.
    """
    room, seat = desk.client.room(room_id), desk.seat()
    found = [one for one in reach(desk.client, room.ceiling, desk.now_ms) if one.organisation not in room.nations()]
    return [_nation(one, seat) | _as_owner(room, one.organisation) for one in found]


def _as_owner(room: Room, nation: OrgName) -> dict[str, object]:
    try:
        check_invitation(room, nation)
    except SpokenError as error:
        return {"may": False, "why": f"{error.detail}. {error.hint}"}
    return {}


async def open_room(desk: Desk, asked: wire.NewRoom) -> str:
    """Ask for the room and everything in it, in one step; gives what to tell.

    Raises:
        AmanahError: It is refused, and nothing is queued.
    """
    create, filled = _filled(desk, asked, title=asked.title)
    if isinstance(filled, Filled):
        await open_filled(desk.client, create, filled)
    elif filled:
        await desk.client.ask_with_room(create, lambda room: _inside(filled, room))
    else:
        await desk.client.ask(create)
    return _("The room stands in the list as soon as the relay has taken it.")


def _filled(desk: Desk, asked: wire.NewRoom, *, title: str) -> tuple[actions.CreateRoom, Filled | tuple[OrgName, ...]]:
    """What is created; and the template as it is filled in, or whom a room without one is for."""
    client, label = desk.client, Label.parse(asked.label)
    named = [(part.role, parse_organisation(part.nation)) for part in asked.parts]
    agreement = asked.agreement.strip() or None
    if asked.template:
        wanted = Wanted(
            template=_template(asked.template),
            title=title,
            cast=tuple((role, nation) for role, nation in named if role),
            invited=tuple(nation for role, nation in named if not role),
            label=label,
            agreement=agreement,
            drill=asked.drill,
        )
        return fill(client, wanted)
    nations = tuple(sorted({nation for _role, nation in named}))
    check_reach(client, label, nations, desk.now_ms)
    return client.new_room(title, label=label, agreement=agreement, drill=asked.drill), nations


def _template(name: str) -> Template:
    # By its name alone: a page never makes this program open a file.
    if name not in BUILT_IN:
        hint = f"Those that come along are {', '.join(BUILT_IN)}."
        raise UsageError(Code.NOT_FOUND, f"there is no template {name!r}", hint=hint)
    return decode_template(built_in(name), name)


def _inside(filled: Filled | tuple[OrgName, ...], room: RoomId) -> tuple[actions.Action, ...]:
    if isinstance(filled, Filled):
        return planned(filled, room, secrets.token_bytes)
    return tuple(actions.Invite(room=room, organisation=nation) for nation in filled)


def _lines(seat: Seat, inside: tuple[actions.Action, ...]) -> Iterator[dict[str, str]]:
    now_ms = seat.now_ms
    for action in inside:
        match action:
            case actions.Invite(organisation=organisation) if organisation is not None:
                yield {"kind": "invite", "chip": seat.chip(organisation), "text": organisation, "when": ""}
            case Say(body=Incident() as body):
                stands = [words.severity(body.severity), words.status(body.status), body.type or ""]
                aware = "" if body.aware_at_ms is None else words.when(body.aware_at_ms, now_ms)
                when = _("First known: %(time)s", time=aware) if aware else ""
                yield {"kind": "incident", "chip": "", "text": words.joined(filter(None, stands)), "when": when}
            case Say(body=Task(nation=nation, what=what, until_ms=until_ms)):
                when = "" if until_ms is None else _("due %(time)s", time=words.when(until_ms, now_ms))
                yield {"kind": "task", "chip": seat.chip(nation), "text": what, "when": when}
            case Say(body=Clock(what=what, at_ms=at_ms)):
                yield {"kind": "clock", "chip": "", "text": what, "when": words.when(at_ms, now_ms)}
            case Say(body=Text(text=text)):
                yield {"kind": "text", "chip": "", "text": text, "when": ""}
            case _:  # nothing else goes into a room that is opened
                continue


def _notes(desk: Desk, asked: wire.NewRoom, filled: Filled | tuple[OrgName, ...]) -> Iterator[str]:
    title = asked.title.strip()
    if title and any(room.title == title for room in desk.client.rooms()):
        yield _("Another room has this title: on the command line both are named by their ids.")
    if isinstance(filled, Filled) and filled.uncast:
        own = words.value(desk.seat().chip(filled.own))
        yield _(
            "Nobody has the role %(roles)s: its tasks go to %(nation)s.", roles=words.listed(filled.uncast), nation=own
        )
    if isinstance(filled, Filled) and filled.template.agreement and not asked.agreement.strip():
        yield _("Agreement: %(name)s.", name=words.value(filled.template.agreement))


def _nation(found: Reached, seat: Seat) -> dict[str, object]:
    why = ""
    if found.why is Why.UNKNOWN:
        why = _("No device of it has connected yet.")
    elif found.why is Why.CLEARANCE and found.clearance is not None:
        why = _("A device of it is certified up to %(label)s.", label=words.value(found.clearance.text))
    chip = seat.chip(found.organisation)
    return {"organisation": found.organisation, "chip": chip, "may": found.why is None, "why": why}
