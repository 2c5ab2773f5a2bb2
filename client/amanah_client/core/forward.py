"""A message quoted into another room: the egress is logged where it was, then it is said where it goes."""

from __future__ import annotations

from amanah_client import effects as e
from amanah_client.actions import Forward
from amanah_client.core import matter, ways
from amanah_client.core.context import Context
from amanah_client.core.hold import hold_behind
from amanah_client.model import Intent
from amanah_client.saying import saying
from amanah_protocol.errors import AmanahError


def go_on(ctx: Context, intent: Intent, action: Forward) -> None:
    """The egress is in the log: from here on it is something to say in the other room, and waits there as such."""
    spoken = matter.one(ctx, intent)
    if spoken is None or spoken.row is None:
        matter.want(ctx, intent)
        return
    try:
        body = ways.forwarded(ctx, action, spoken)
    except AmanahError as error:
        ctx.fail(intent, str(error.code), error.detail)
        return
    pap = ways.weigh(ctx, spoken).pap
    said = saying(action.to, body, label=action.label, pap=pap, circle=action.circle)
    moved = Intent(id=intent.id, action=said, created_at_ms=intent.created_at_ms)
    del ctx.apart[intent.id], ctx.spoken[intent.id]
    ctx.outbox[intent.id] = ctx.rooms[action.to].line[intent.id] = moved
    ctx.write(e.PutAction(intent=moved))
    ctx.put_intent(moved)
    hold_behind(ctx, ctx.rooms[action.to], moved)
