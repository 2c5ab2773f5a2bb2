"""The circle widened: what was written for a smaller one waits for the officer's word."""

from __future__ import annotations

from dataclasses import replace

from amanah_client.core.context import Context
from amanah_client.core.room import Room
from amanah_client.model import Intent, IntentState, PostAlerts, SendText
from amanah_protocol.errors import Code
from amanah_protocol.identity import Role
from amanah_protocol.types import OrgName


def widen(ctx: Context, room: Room, newcomers: frozenset[OrgName]) -> None:
    """Organisations joined the room by another's commit: hold what an officer wrote before knowing it.

    A machine has nobody to ask, and an alert that waits for nobody is a lost alert: it sends on.
    """
    if ctx.certificate.role is not Role.OFFICER:
        return
    detail = f"joined since this was written: {', '.join(sorted(newcomers))}"
    for intent in tuple(room.line.values()):
        if not isinstance(intent.action, SendText | PostAlerts):
            continue
        if intent.state is IntentState.QUEUED:
            hold(ctx, intent, detail)
        elif intent.state is IntentState.SENT:
            # It may be accepted all the same, for the epoch before; if not, it is held then. On the
            # intent itself, so that a restart does not forget it.
            room.widened[intent.id] = detail
            ctx.note(intent, str(Code.STALE_EPOCH), detail)


def hold(ctx: Context, intent: Intent, detail: str) -> None:
    """Wait for the officer's word."""
    ctx.put_intent(replace(intent, state=IntentState.HELD, code=str(Code.STALE_EPOCH), detail=detail))
