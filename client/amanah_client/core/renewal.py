"""A device renews its own keys in a room by a commit that changes nobody else (RFC 9420 section 12.4, an empty commit).

At once after it joined by a last-resort key package, whose secret others may have used too, and where its own or
another's profile is an old copy (`restored`); when its certificate was renewed, so that the room learns of it; and
every week, so that a thief who copied its state and stays passive is shut out again (post-compromise security). A
renewal in its time gives way to whatever a person has asked for.
"""

from __future__ import annotations

from typing import Final

from amanah_client.core import commits, restored
from amanah_client.core.context import Context
from amanah_client.core.room import Room
from amanah_client.model import Rekey
from amanah_protocol.errors import AmanahError

RENEW_MS: Final = 7 * 86_400_000
SPREAD_MS: Final = 86_400_000
"""Devices that joined together are spread over so long by their ids: one commit ends an epoch for all."""


def work(ctx: Context, room: Room) -> bool:
    """Publish the commit, if it is due; True when it was."""
    if room.group is None or ctx.timer_ms < room.duty_at_ms or not _is_due(ctx, room):
        return False
    try:
        commits.commit(ctx, room, packages={}, removes=(), intent=None)
    except AmanahError as error:
        room.duty_at_ms = ctx.timer_ms + commits.FRUITLESS_MS
        ctx.alarm(str(error.code), f"the own keys cannot be renewed: {error.detail}", room=room.id)
        return False
    return True


def _is_due(ctx: Context, room: Room) -> bool:
    group = room.group
    if group is None or ctx.me not in group.members:
        return False
    if room.row.rekey is Rekey.KEYS or restored.is_wanted(ctx, room):
        return True
    if room.row.renew_at_ms == 0 or group.members[ctx.me] != ctx.credential:
        return True
    return ctx.now_ms >= room.row.renew_at_ms and not room.line


def set_time(ctx: Context, room: Room, *, at_once: bool = False) -> None:
    """The own keys are fresh as of now, or shared and to be renewed at once."""
    spread = int.from_bytes(ctx.me[:4], "big") % SPREAD_MS
    room.change(renew_at_ms=0 if at_once else ctx.now_ms + RENEW_MS + spread)
