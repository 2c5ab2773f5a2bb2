"""Ends of pages: go on, go live, and hold what we have against the relay's signed head."""

from __future__ import annotations

from amanah_client.core import control, custody, heads, login
from amanah_client.core.context import Context, patience
from amanah_client.core.place import ask_once_more, stop
from amanah_client.core.room import Room
from amanah_client.core.subscribe import open_room, page, resubscribe
from amanah_client.effects import FlashAnnounced
from amanah_client.model import RoomStatus
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.frames import Flash, PageEnd, Refused, RoomState
from amanah_protocol.identity import MEMBER_ROLES
from amanah_protocol.types import CONTROL, RoomId


def receive_control_page(ctx: Context, frame: PageEnd) -> None:
    """The control stream up to here; the next page, or live.

    Raises:
        VerifyError: `FRAME` for a page of something else, or what a head's check raises.
    """
    if frame.room != CONTROL:
        raise VerifyError(Code.FRAME, "a page of a room in answer to the control stream")
    ctx.control.page = None
    if not frame.live:
        control.subscribe(ctx)
        return
    ctx.control.live = True
    heads.receive_head(ctx, frame.head)
    if _is_asked(ctx):
        return  # the head names more than we were given: it was asked for again
    login.control_live(ctx)
    for room in sorted(ctx.rooms.values(), key=lambda room: room.id not in ctx.session.flashes):
        if room.link.parked:
            room.link.parked = False
            resubscribe(ctx, room)


def _is_asked(ctx: Context) -> bool:
    return ctx.control.page is not None


def receive_room_page(ctx: Context, room: Room, frame: PageEnd, request: int) -> None:
    """A room up to here; the next page, or live.

    Raises:
        VerifyError: `FRAME` for a page of something else, or what a head's check raises.
    """
    if frame.room != room.id:
        raise VerifyError(Code.FRAME, "a page of another room than was asked for")
    link = room.link
    if request != link.page or room.broken:
        return  # the end of a page that was asked for before something was missing
    link.page = None
    if frame.head:
        heads.receive_head(ctx, frame.head)
    elif not _is_outside(ctx, room):
        raise VerifyError(Code.FRAME, "a page of a room without its signed head")
    if link.waits or link.page is not None:
        return
    if _is_outside(ctx, room) and room.row.head_seq >= (ctx.session.states[room.id].removed_seq or 0):
        _leave(ctx, room)
        return
    if not frame.live:
        _go_on(ctx, room, frame)
        return
    if room.awaited is not None:
        _missing(ctx, room, room.awaited.room_seq, room.awaited.head)
        return
    link.resync, link.live = False, True
    custody.refresh(ctx, room)


def _is_outside(ctx: Context, room: Room) -> bool:
    """Whether the relay says that this device was removed; such a one gets no heads."""
    state = ctx.session.states.get(room.id)
    return state is not None and state.removed_seq is not None


def _leave(ctx: Context, room: Room) -> None:
    room.link.subscribed = room.link.resync = False
    if room.row.status is not RoomStatus.REMOVED:
        # The relay may say so; only a commit that we verified makes it true.
        stop(ctx, room, Code.GAP, "the relay says that this device was removed, and shows no such commit", ())
    ctx.session.catching_up.discard(room.id)
    login.check_caught_up(ctx)


def _go_on(ctx: Context, room: Room, frame: PageEnd) -> None:
    # Where the relay leaves out what lies before a joiner's time, it says from where to ask.
    behind = room.row.head_seq
    joining = room.group is None and room.row.status in (RoomStatus.JOINING, RoomStatus.REMOVED)
    if not joining and frame.next > behind:
        _missing(ctx, room, frame.next, frame.head)
        return
    after = max(behind, frame.next) if joining else behind
    if after <= room.link.after:
        raise VerifyError(Code.FRAME, "a page that holds nothing and is not the last")
    room.link.resync = False
    page(ctx, room, after)


def _missing(ctx: Context, room: Room, named: int, head: bytes) -> None:
    """A page ended before what it should have held: once more, then it is a gap (attack 1)."""
    detail = f"entry {room.row.head_seq + 1} is withheld; the relay names {named}"
    # With the relay's own signature: that it has more than it gives is proven, not said.
    ask_once_more(ctx, room, Code.GAP, detail, (head, room.row.head_leaf))
    login.check_caught_up(ctx)


def receive_room_state(ctx: Context, state: RoomState) -> None:
    """The relay's word of a room, at any time: this device was added to it, or removed."""
    ctx.session.states[RoomId(state.room)] = state
    if ctx.session.phase in (login.Phase.ROOMS, login.Phase.ONLINE) and ctx.certificate.role in MEMBER_ROLES:
        room = ctx.rooms.get(RoomId(state.room))
        if room is not None and room.row.status is RoomStatus.REMOVED and state.removed_seq is None:
            room.link.subscribed = False  # added again: what ended with the removal is asked for anew
        open_room(ctx, state)


def receive_flash(ctx: Context, frame: Flash) -> None:
    """The relay's word of a `flash`: its room is asked for first, and without waiting.

    It may be a lie, so it costs little: nothing is kept of a room that is not ours, and the faces are
    told once until the record of the room has come to the place that was named.
    """
    room_id = RoomId(frame.room)
    room, states, flashes = ctx.rooms.get(room_id), ctx.session.states, ctx.session.flashes
    head_seq = 0 if room is None else room.row.head_seq
    if (room is None and room_id not in states) or frame.room_seq <= head_seq or flashes.get(room_id, 0) > head_seq:
        return
    flashes[room_id] = frame.room_seq
    ctx.effect(FlashAnnounced(room=room_id, room_seq=frame.room_seq))
    if room is not None and room.link.again_at_ms is not None:
        room.link.again_at_ms = None
        resubscribe(ctx, room)


def page_refused(ctx: Context, room: Room, frame: Refused) -> None:
    """A page was refused: later, or the relay does not know what it had shown us."""
    if frame.request != room.link.page:
        return
    room.link.page = None
    if frame.code in (Code.UNKNOWN_ROOM, Code.NOT_FOUND):
        if room.row.head_seq:
            detail = f"the relay no longer has entry {room.row.head_seq} of this room: {frame.detail}"
            stop(ctx, room, Code.GAP, detail, (room.row.head_leaf,))
        room.link.subscribed = False
        ctx.session.catching_up.discard(room.id)
        login.check_caught_up(ctx)
    else:
        room.link.again_at_ms = ctx.timer_ms + patience(frame)


def control_refused(ctx: Context, frame: Refused) -> None:
    """A page of the control stream was refused: later, or the relay has less of it than it had shown us."""
    control_record = ctx.control
    control_record.page = None
    if frame.code == Code.NOT_FOUND:
        detail = f"the relay no longer has entry {control_record.sequence} of the control stream"
        ctx.alarm(Code.FORK, detail, evidence=(control_record.leaf,))
        ctx.stop(Code.FORK, detail)
    else:
        control_record.again_at_ms = ctx.timer_ms + patience(frame)
