"""Asking for rooms: pages, and asking again where something did not come."""

from __future__ import annotations

from typing import Final

from amanah_client.core.context import Context, room_of
from amanah_client.core.requests import RoomPage
from amanah_client.core.room import Room
from amanah_client.model import RoomRow, RoomStatus
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.frames import RoomState, Subscribe
from amanah_protocol.types import RoomId

MAX_NEW_ROOMS: Final = 256
"""Rooms that are taken on the relay's word alone, at one time: each costs memory."""


def open_room(ctx: Context, state: RoomState) -> Room | None:
    """The room of the relay's word, asked for if there is something of it that we lack.

    Returns:
        The room, or None when there is nothing to ask for.

    Raises:
        VerifyError: `QUOTA`: the relay names too many rooms of which it shows nothing.
    """
    room = ctx.rooms.get(RoomId(state.room))
    if room is None:
        if sum(is_unknown(one) for one in ctx.rooms.values()) >= MAX_NEW_ROOMS:
            raise VerifyError(Code.QUOTA, "the relay names ever more rooms and shows nothing of them")
        room = Room(row=RoomRow(room=RoomId(state.room), status=RoomStatus.JOINING))
        ctx.rooms[room.id] = room
        _adopt_intents(ctx, room)
    ended = state.removed_seq is not None and room.row.head_seq >= state.removed_seq
    if ended or room.broken or room.link.subscribed:
        return None
    page(ctx, room, room.row.head_seq)
    return room


def is_unknown(room: Room) -> bool:
    """Whether the relay's word is all that there is of a room: nothing of it was verified or asked for."""
    return room.row == RoomRow(room=room.id, status=RoomStatus.JOINING) and not room.line


def _adopt_intents(ctx: Context, room: Room) -> None:
    """Intents that were asked for before the room was known stand in its line from now on."""
    for intent in tuple(ctx.apart.values()):
        if room_of(intent.action) == room.id:
            room.line[intent.id] = ctx.apart.pop(intent.id)


def page(ctx: Context, room: Room, after: int) -> None:
    """Ask for the page behind a sequence."""
    link = room.link
    if not link.subscribed:
        link.confirmed_at_ms = ctx.timer_ms
    link.subscribed, link.live, link.asked_at_ms, link.after = True, False, ctx.timer_ms, after
    link.page = ctx.ask(RoomPage(room=room.id), lambda number: Subscribe(request=number, room=room.id, after=after))


def resubscribe(ctx: Context, room: Room) -> None:
    """Ask again from what we hold; until it comes, what the relay still pushes is skipped."""
    room.link.resync = True
    page(ctx, room, room.row.head_seq)
