"""Signed heads: do we have all of a room and of the control stream, and does the relay still say so.

A head is the relay's signed word; two that cannot both be true are evidence against it.
"""

from __future__ import annotations

from typing import Final

from amanah_client import effects as e
from amanah_client.core import control as control_stream
from amanah_client.core import monitor
from amanah_client.core.conflicts import claim_of
from amanah_client.core.context import Context
from amanah_client.core.room import Awaited, Room
from amanah_client.core.subscribe import resubscribe
from amanah_client.model import RoomStatus
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.heads import ControlHead, RoomHead, verify_control_head, verify_room_head
from amanah_protocol.limits import CLOCK_WINDOW_MS, HEAD_INTERVAL_MS
from amanah_protocol.log.conflict import Way
from amanah_protocol.log.statement import Form

PROBE_MS: Final = 2 * HEAD_INTERVAL_MS
"""A room or stream that was not confirmed for so long is asked for its head."""
STALE_MS: Final = 3 * HEAD_INTERVAL_MS
"""After so long its silence is an alarm (attack 2)."""
DURABLE_MS: Final = HEAD_INTERVAL_MS
"""So much later an honest relay's head names what it accepted: it is written first."""
OVERDUE_MS: Final = 60_000
"""What a signed head names has to be delivered within this time (attack 1)."""


def receive_head(ctx: Context, data: bytes) -> None:
    """A freshly signed head of either sort.

    Raises:
        DecodeError: It is neither.
        VerifyError: `KEY_ID` or `SIGNATURE`.
    """
    try:
        head = verify_control_head(data, ctx.relay.key).value
    except DecodeError as error:
        if error.code is not Code.BAD_HEADER:
            raise
        receive_room_head(ctx, data)
    else:
        take_control_head(ctx, head, data)


def take_control_head(ctx: Context, head: ControlHead, data: bytes) -> None:
    """Compare a verified head with the stream; it bounds freshness once we hold all that it names."""
    control, session = ctx.control, ctx.session
    flaw = _control_flaw(ctx, head)
    if flaw:
        ctx.alarm(Code.FORK, flaw, evidence=(data, control.leaf))
        ctx.stop(Code.FORK, flaw)
        return
    session.head_at_ms = max(session.head_at_ms, _signed_at_ms(ctx, head))
    session.skew_ms = ctx.now_ms - ctx.timer_ms - session.ahead_ms
    monitor.note_claim(ctx, claim_of(ctx, head.size, head.root, Form.HEAD, data, Way.HEAD))
    if head.sequence > control.sequence:
        _ask_for_missing(ctx)
    elif not _is_ahead(ctx, head) and (
        head.sequence == control.sequence and (control.head is None or head.time_ms > control.head.time_ms)
    ):
        control.head = head
        # A relay whose clock runs ahead must not buy freshness for tomorrow.
        control.fresh_at_ms = min(head.time_ms, ctx.now_ms)
        ctx.write(e.PutControlHead(head=data))


def _signed_at_ms(ctx: Context, head: ControlHead | RoomHead) -> int:
    """When a head was signed, in our running time: what is held back or shown again breaks no silence (attack 2).

    The relay's clock is compared with itself, from the login on: neither our clock nor a way that takes
    longer is mistaken for it. A head from a future of its own counts as long past.
    """
    session = ctx.session
    ahead_ms = head.time_ms - ctx.timer_ms
    if ahead_ms > session.ahead_ms and not _is_ahead(ctx, head):
        session.ahead_ms = ahead_ms
    age_ms = session.ahead_ms - ahead_ms
    return 0 if age_ms < -HEAD_INTERVAL_MS else ctx.timer_ms - max(0, age_ms)


def _is_ahead(ctx: Context, head: ControlHead | RoomHead) -> bool:
    """Whether a head's time is one that only a wrong clock gives, the relay's or ours.

    Kept, it would make every honest head after it an old one, and the client stale for good.
    """
    return head.time_ms > ctx.now_ms + CLOCK_WINDOW_MS


def _control_flaw(ctx: Context, head: ControlHead) -> str:
    control = ctx.control
    known = control.leaves.get(head.sequence)
    if known is not None and known[0] != head.leaf:
        return f"a head names another entry {head.sequence} of the control stream"
    omitted = control.leaves.get(head.sequence + 1)
    if omitted is not None and head.time_ms > omitted[1]:
        return f"a head omits entry {head.sequence + 1} of the control stream, which we hold"
    older = control.head
    if older is not None and head.sequence < older.sequence and head.time_ms > older.time_ms:
        return "a later head of the control stream is shorter than an earlier one"
    return ""


def _ask_for_missing(ctx: Context) -> None:
    """A head is ahead of us: ask once at the place where we are, then it is a gap."""
    control = ctx.control
    if control.page is not None or not control.live:
        return  # on its way
    if control.retried == control.sequence:
        ctx.alarm(Code.GAP, f"the relay does not deliver the control stream behind entry {control.sequence}")
        return
    control.retried = control.sequence
    control_stream.subscribe(ctx)


def receive_room_head(ctx: Context, data: bytes) -> None:
    """A head of a room.

    Raises:
        DecodeError: It does not parse.
        VerifyError: `KEY_ID` or `SIGNATURE`.
    """
    head = verify_room_head(data, ctx.relay.key).value
    room = ctx.rooms.get(head.room)
    if room is None or room.broken:
        return
    flaw = _room_flaw(room, head)
    if flaw:
        ctx.alarm(Code.FORK, flaw, room=room.id, evidence=(data, room.row.head_leaf))
        ctx.halt(room)
        return
    row = room.row
    if head.room_seq < row.head_seq:
        return
    if head.time_ms > row.confirmed_at_ms:
        if not _is_ahead(ctx, head):
            room.change(confirmed_seq=head.room_seq, confirmed_at_ms=head.time_ms)
        at_ms = _signed_at_ms(ctx, head)
        if at_ms > room.link.confirmed_at_ms:
            room.link.confirmed_at_ms = at_ms
            room.told.discard(Code.STALE_HEAD)
    if row.status is RoomStatus.REMOVED:
        return
    if head.room_seq > row.head_seq and (room.awaited is None or room.awaited.room_seq <= row.head_seq):
        until_ms = ctx.timer_ms + OVERDUE_MS
        room.awaited = Awaited(room_seq=head.room_seq, leaf=head.leaf, until_ms=until_ms, head=data)


def _room_flaw(room: Room, head: RoomHead) -> str:
    known = room.known.get(head.room_seq)
    if known is not None and known.leaf != head.leaf:
        return f"a head names another entry {head.room_seq} of the room"
    omitted = room.known.get(head.room_seq + 1)
    if omitted is not None and head.time_ms > omitted.accepted_at_ms:
        return f"a head omits entry {head.room_seq + 1} of the room, which we hold"
    row = room.row
    if head.room_seq < row.confirmed_seq and head.time_ms > row.confirmed_at_ms:
        return "a later head of the room is shorter than an earlier one"
    return ""


def check_awaited(ctx: Context, room: Room) -> None:
    """An entry has come: a head that named it named the same, and none left it out that was signed long after it."""
    row = room.row
    newest = room.known.get(row.head_seq)
    if newest is not None and row.head_seq > row.confirmed_seq:
        late_ms = row.confirmed_at_ms - newest.accepted_at_ms
        if late_ms > DURABLE_MS and Code.FORK not in room.told:
            room.told.add(Code.FORK)
            detail = f"a head left out entry {row.head_seq} of the room, which was accepted {late_ms // 1000} s before"
            ctx.alarm(Code.FORK, detail, room=room.id, evidence=(newest.leaf,))
    awaited = room.awaited
    if awaited is None or room.row.head_seq < awaited.room_seq:
        return
    room.awaited = None
    known = room.known.get(awaited.room_seq)
    if known is not None and known.leaf != awaited.leaf:
        detail = f"a head named another entry {awaited.room_seq} of the room"
        ctx.alarm(Code.FORK, detail, room=room.id, evidence=(awaited.head, known.leaf))
        ctx.halt(room)


def tick(ctx: Context) -> None:
    """Look for what is overdue: silent streams, rooms that were not confirmed, entries not delivered."""
    session = ctx.session
    if not session.online:
        return
    silent = ctx.heard_ms - session.head_at_ms
    # Silence counts where it was asked for the head in time: a core whose store is slow asks late.
    probed = session.probed_at_ms > session.head_at_ms
    if silent >= STALE_MS and probed and ctx.heard_ms - session.probed_at_ms >= HEAD_INTERVAL_MS:
        ctx.alarm(Code.STALE_HEAD, "no signed head of the control stream for three minutes")
    if silent >= PROBE_MS:
        session.probed_at_ms = session.probed_at_ms if probed else ctx.timer_ms
        if ctx.control.page is None:
            control_stream.subscribe(ctx)
    for room in ctx.rooms.values():
        if room.link.subscribed and not room.broken and room.row.status is not RoomStatus.REMOVED:
            _tick_room(ctx, room)


def _tick_room(ctx: Context, room: Room) -> None:
    link, awaited = room.link, room.awaited
    if awaited is not None and ctx.heard_ms >= awaited.until_ms:
        room.awaited = None
        detail = f"entry {room.row.head_seq + 1} is not delivered; the relay's signed head names {awaited.room_seq}"
        ctx.alarm(Code.GAP, detail, room=room.id, evidence=(awaited.head,))
        resubscribe(ctx, room)
    silent = ctx.heard_ms - link.confirmed_at_ms
    # As above. That it was asked for on other grounds since, by whomever, puts nothing off.
    probed = link.probed_at_ms > link.confirmed_at_ms
    unanswered = silent >= STALE_MS and probed and ctx.heard_ms - link.probed_at_ms >= HEAD_INTERVAL_MS
    if unanswered and Code.STALE_HEAD not in room.told:
        room.told.add(Code.STALE_HEAD)
        ctx.alarm(Code.STALE_HEAD, "no signed head of the room for three minutes", room=room.id)
    if silent >= PROBE_MS:
        link.probed_at_ms = link.probed_at_ms if probed else ctx.timer_ms
        if link.page is None and ctx.heard_ms - link.asked_at_ms >= HEAD_INTERVAL_MS:
            resubscribe(ctx, room)
