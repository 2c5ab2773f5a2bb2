"""The room's policy on this device: what the relay has to drop is dropped here, too, unless a hold stands.

Whether one stands is known when the room's custody was read on this connection; who was removed is told of none.
By the older of two clocks, ours and the relay's signed one: neither alone can make a device forget before its time.
"""

from __future__ import annotations

from typing import Final

from amanah_client import effects as e
from amanah_client.core.behind import policy_of
from amanah_client.core.context import Context
from amanah_client.core.room import Room
from amanah_client.model import RoomStatus

PERIOD_MS: Final = 3_600_000
"""How often a room is looked at."""


def tick(ctx: Context) -> None:
    """Have each room that has a policy looked at, once an hour of our running time."""
    now_ms = min(ctx.now_ms, ctx.control.fresh_at_ms)
    for room in ctx.rooms.values():
        if room.create is None or not now_ms or ctx.timer_ms < room.expire_at_ms or policy_of(room.spec) is None:
            continue
        if not (room.link.holds_known or room.row.status is RoomStatus.REMOVED):
            continue
        room.expire_at_ms = ctx.timer_ms + PERIOD_MS
        ctx.write(
            e.DropOver(room=room.id, policy=room.spec.policy, now_ms=now_ms, held_since_ms=_held_since(ctx, room))
        )  # fmt: skip


def _held_since(ctx: Context, room: Room) -> int | None:
    members = ctx.roster.value.by_name  # the hold of one that has left the roster has ended with that, until it is back
    known = (*room.custody.holds.values(), *room.custody.claimed)
    return min((hold.since_ms for hold in known if not hold.released and hold.organisation in members), default=None)
