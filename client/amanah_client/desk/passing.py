"""A message on its way further: into another room, to who came later, under another label; each by its rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from amanah_client.desk import wire
from amanah_client.desk.circle import shown_as
from amanah_client.desk.desk import Desk
from amanah_client.desk.telling import told
from amanah_client.history import UNREADABLE, Plan
from amanah_client.language import gettext as _
from amanah_client.language import ngettext
from amanah_client.message import Message
from amanah_client.quoting import quote
from amanah_client.room import Room
from amanah_client.view import words
from amanah_client.view.people import Seat
from amanah_client.view.readers import digest_of, readers
from amanah_client.visible import shown
from amanah_protocol.errors import AmanahError, Code, UsageError
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId

_LEFT_OUT: Final = 20
"""So many of what is left out are named; the others are counted."""
_EXCERPT_CHARS: Final = 80


# ---- into another room


def targets(desk: Desk, asked: wire.ForwardTargets) -> dict[str, object]:
    """Every other room: whether the message may go there, and why not."""
    room = _room(desk, asked.room)
    message = room.message(asked.entry)
    label, seat = room.matter(message).label, desk.seat()
    others = [one for one in desk.client.rooms() if one.id != room.id]
    return {"label": label.text, "rooms": [_target(room, message, other, seat) for other in others]}


def _target(room: Room, message: Message, to: Room, seat: Seat) -> dict[str, object]:
    why = ""
    try:
        quote(room, message, to=to)
    except AmanahError as error:
        why = told(error)
    return {
        "room": to.id.hex(),
        "title": shown(to.title).replace("\n", " "),
        "label": to.ceiling.text,
        "drill": to.is_drill,
        "readers": readers(to.members(), seat).compose,
        "digest": digest_of(to.members()),
        "may": not why,
        "why": why,
    }


async def forward(desk: Desk, asked: wire.Forward) -> str:
    """Quote a message there; gives what to tell.

    Raises:
        AmanahError: As `Room.forwarding`; nothing is queued.
    """
    room, to = _room(desk, asked.room), _room(desk, asked.to)
    message = room.message(asked.entry)
    circle = tuple(sorted(shown_as(to, asked.readers)))
    forwarding = room.forwarding(message, to=to, label=Label.parse(asked.label), note=asked.note)
    await desk.client.ask(replace(forwarding, circle=circle))
    return _("The message is forwarded as soon as the relay has taken it. This room will show that.")


# ---- to who came later


def plan_grant(desk: Desk, asked: wire.PlanGrant) -> dict[str, object]:
    """What a grant would come to: how many messages, and which of them the label keeps back."""
    room = _room(desk, asked.room)
    plan = _plan(room, asked)
    given = sum(len(part.envelopes) for part in plan.grants)
    count = ngettext("%(count)s message will be given.", "%(count)s messages will be given.", given)
    return {
        "given": given,
        "words": count if given else _("There is nothing to give: begin earlier."),
        "left_out": list(_left_out(room, plan)),
        "more": max(0, len(plan.left_out) - _LEFT_OUT),
    }


async def grant(desk: Desk, asked: wire.GrantHistory) -> str:
    """Give it, in as many parts as it takes; gives what to tell.

    Raises:
        UsageError: `NOT_FOUND` where there is nothing to give; as `Room.granting`.
    """
    plan = _plan(_room(desk, asked.room), asked)
    if not plan.grants:
        raise UsageError(Code.NOT_FOUND, "there is nothing to give", hint="Begin at an earlier message.")
    for part in plan.grants:
        await desk.client.ask(part)
    return _(
        "The history is given as soon as the relay has taken it. Everybody in the room, and auditors, see who gave "
        "what."
    )


def _plan(room: Room, asked: wire.PlanGrant) -> Plan:
    whom = tuple(device for named in asked.devices for device in room.find_members(named))
    places = [one.room_seq or 0 for one in room.record() if _is_late(one, asked)]
    return room.granting(places[0], places[-1], whom) if places else Plan(grants=(), left_out=())


def _is_late(message: Message, asked: wire.PlanGrant) -> bool:
    return (message.room_seq or 0) >= asked.first and (message.accepted_at_ms or 0) >= asked.since_ms


def _left_out(room: Room, plan: Plan) -> Iterator[dict[str, str]]:
    known = room.entries(*(envelope for envelope, _why in plan.left_out[:_LEFT_OUT]))
    for envelope, why in plan.left_out[:_LEFT_OUT]:
        message = known.get(envelope)
        said = "" if message is None else message.text or ""
        text = shown(said).replace("\n", " ")[:_EXCERPT_CHARS]
        reason = _("It cannot be read here.") if why == UNREADABLE else _("Its label keeps it back.")
        yield {"entry": envelope.hex(), "text": text or envelope.hex()[:8], "why": reason, "detail": shown(why)}


# ---- under another label


async def relabel(desk: Desk, asked: wire.Relabel) -> str:
    """Give a message another label.

    Raises:
        AmanahError: As `Room.relabelling`; nothing is queued.
    """
    room = _room(desk, asked.room)
    for change in room.relabelling(room.message(asked.entry), Label.parse(asked.label)).actions:
        await desk.client.ask(change)
    return ""


def lowering(room: Room, message: Message, label: Label) -> dict[str, object] | None:
    """What is asked once more before a label is lowered; None where it is raised.

    Raises:
        AmanahError: As `Room.relabelling`.
    """
    change = room.relabelling(message, label)
    if change.new >= change.old:
        return None
    named = {"old": words.value(change.old.text), "new": words.value(change.new.text)}
    sure = _("Lower the label of this message from %(old)s to %(new)s? It may then go further.", **named)
    return {"entry": message.id.hex(), "label": label.text, "sure": sure}


def _room(desk: Desk, room: str) -> Room:
    return desk.client.room(RoomId(bytes.fromhex(room)))
