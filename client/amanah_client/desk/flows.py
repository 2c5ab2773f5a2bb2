"""What takes an officer more than one step: each first step looks, and changes nothing."""

from __future__ import annotations

from typing import assert_never

from amanah_client.desk import wire
from amanah_client.desk.circle import closing_of, readers_of
from amanah_client.desk.desk import Desk
from amanah_client.desk.opening import open_room, plan, whom_to_invite
from amanah_client.desk.paged import duty
from amanah_client.desk.passing import forward, grant, plan_grant, relabel, targets
from amanah_client.ending import ask_nations, record_closing, sign_off
from amanah_client.language import gettext as _
from amanah_client.view.closing import facts
from amanah_protocol.identity import parse_organisation
from amanah_protocol.types import EnvelopeId, RoomId


async def flow(desk: Desk, asked: wire.Flow) -> tuple[str, object]:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    """Do what a frame asks for; gives what to tell, and what was asked for.

    Raises:
        AmanahError: It is refused, and nothing is queued.
    """
    match asked:
        # What shows a form is built on the form that is sent, and comes first.
        case wire.PlanRoom():
            return "", plan(desk, asked)
        case wire.WhomToInvite():
            return "", whom_to_invite(desk, RoomId(bytes.fromhex(asked.room)))
        case wire.NewRoom():
            return await open_room(desk, asked), None
        case wire.GrantHistory():
            return await grant(desk, asked), None
        case wire.PlanGrant():
            return "", plan_grant(desk, asked)
        case wire.ForwardTargets():
            return "", targets(desk, asked)
        case wire.Forward():
            return await forward(desk, asked), None
        case wire.Relabel():
            return await relabel(desk, asked), None
        case wire.AskToSign(nations=nations, days=days):
            room = desk.client.room(RoomId(bytes.fromhex(asked.room)))
            circle = readers_of(room, asked)
            await ask_nations(desk.client, room, tuple(map(parse_organisation, nations)), days, circle=circle)
            return _("Asked. Who has signed stands on the board."), None
        case wire.SignOff(anyway=anyway):
            return await sign(desk, asked, anyway=anyway)
        case wire.RecordClosing():
            return await record(desk, asked)
        case wire.Dismiss(intent=intent):
            desk.outcomes.dismiss(intent)
            return "", None
        case wire.AnswerPage(entry=entry):
            await desk.ringer.answer(EnvelopeId(bytes.fromhex(entry)))
            return "", None
        case wire.Duty():
            return "", duty(desk)
        case _:
            assert_never(asked)


async def record(desk: Desk, asked: wire.Type | wire.RecordClosing) -> tuple[str, object]:
    """Record that the closing stands which the page has shown."""
    room = desk.client.room(RoomId(bytes.fromhex(asked.room)))
    await record_closing(desk.client, room, shown=closing_of(asked), circle=readers_of(room, asked))
    return "", None


async def sign(desk: Desk, asked: wire.Type | wire.SignOff, *, anyway: bool) -> tuple[str, object]:
    """Sign for the own nation, or say in what this device differs."""
    room = desk.client.room(RoomId(bytes.fromhex(asked.room)))
    shown, circle = closing_of(asked), readers_of(room, asked)
    differs = await sign_off(desk.client, room, anyway=anyway, shown=shown, circle=circle)
    if not differs:
        return _("Signed for your nation."), None
    if anyway:
        return _("Signed with the facts of this device; it does not count as agreement."), None
    named = facts(differs)
    return "", {
        "differs": _(
            "This device has other facts than were asked: %(facts)s. Nothing was signed. Compare the reports of both, "
            "above all what cannot be read here.",
            facts=named,
        )
    }
