"""May anything be sealed now: the conditions under which a client refuses to send and goes on reading."""

from __future__ import annotations

from typing import Final, NamedTuple

from amanah_client.core.context import Context
from amanah_client.core.room import Room
from amanah_client.model import Rekey, RoomStatus
from amanah_protocol.errors import Code
from amanah_protocol.limits import CLOCK_WINDOW_MS, HEAD_FRESHNESS_MS, MAX_VOIDS
from amanah_protocol.types import DeviceId

CLOCK_MARGIN_MS: Final = CLOCK_WINDOW_MS - 30_000
"""The relay refuses what was sealed ten minutes away from its time; a refusal would cost a counter."""


class Blocked(NamedTuple):
    """Why nothing is sealed: a code and a sentence for people."""

    code: str
    detail: str


def blocked(ctx: Context) -> Blocked | None:
    """What stands against sealing anything, in any room."""
    standing = ctx.directory.standing(ctx.me)
    if standing is None:
        return Blocked(Code.CERTIFICATE, "the certificate of this device is not in the log yet")
    skew_s = abs(ctx.session.skew_ms) // 1000
    reasons = (
        (bool(ctx.halted), ctx.halted, "this client has stopped; see the alarms"),
        (standing.revoked, Code.REVOKED, "this device was revoked"),
        (not standing.usable(ctx.now_ms), Code.EXPIRED, "the certificate of this device is not valid now"),
        (ctx.now_ms > ctx.roster.value.expires_ms, Code.EXPIRED, "the roster has expired"),
        # Who withholds revocations withholds the heads too (attack 28).
        (
            ctx.now_ms - ctx.control.fresh_at_ms > HEAD_FRESHNESS_MS,
            Code.STALE_HEAD,
            "no fresh word of the control stream for more than a day",
        ),
        (abs(ctx.session.skew_ms) > CLOCK_MARGIN_MS, Code.CLOCK, f"this clock is {skew_s} s away from the relay's"),
    )
    return next((Blocked(str(code), detail) for applies, code, detail in reasons if applies), None)


def blocked_in(ctx: Context, room: Room) -> Blocked | None:
    """What stands against sealing in a room that is read to its head."""
    stopped = _stopped(room)
    if stopped is not None:
        return stopped
    # Before the duty to remove: who may not send at all removes nobody either.
    own = blocked(ctx)
    if own is not None:
        return own
    revoked = revoked_members(ctx, room)
    return Blocked(Code.REVOKED, f"{len(revoked)} revoked device in the room: it is removed first") if revoked else None


def _stopped(room: Room) -> Blocked | None:  # noqa: PLR0911 - one for each reason
    """Why this device has stopped in a room."""
    row = room.row
    if row.successor is not None:
        return Blocked(Code.REFUSED_COMMIT, f"the room is closed; it goes on in {row.successor.hex()}")
    if row.status is RoomStatus.HALTED:
        return Blocked(Code.REFUSED_COMMIT, "the room is halted; see the alarms")
    if row.status is RoomStatus.BEHIND:
        return Blocked(Code.BEHIND, "this device cannot follow the room; it waits to be removed and added again")
    if row.status is RoomStatus.LOST:
        return Blocked(Code.STATE_LOST, "this device's keys of the room are gone; waits to be removed and added again")
    if row.rekey is Rekey.EPOCH:
        return Blocked(Code.FORK, "this profile is an old copy: before it sends, another member has to begin an epoch")
    if len(row.voids) > MAX_VOIDS:
        return Blocked(Code.COUNTER, "too many envelopes in a row were refused; this device cannot write here any more")
    return None


def revoked_members(ctx: Context, room: Room) -> tuple[DeviceId, ...]:
    """Members that a logged revocation names, in order of their leaves (attack 13)."""
    group = room.group
    if group is None:
        return ()
    key = (group.epoch, ctx.control.sequence)
    if room.revoked[:2] != key:
        standings = ctx.directory.standings(group.members)
        found = tuple(device for device in group.members if device in standings and standings[device].revoked)
        room.revoked = (*key, found)
    return room.revoked[2]
