"""The chain of a room: place, hash of the one before, log index."""

from __future__ import annotations

from amanah_client.core import control
from amanah_client.core.checks import authenticate
from amanah_client.core.context import Context
from amanah_client.core.directory import NotLoggedError
from amanah_client.core.entry import Entry
from amanah_client.core.room import Room
from amanah_client.core.subscribe import resubscribe
from amanah_client.model import RoomStatus
from amanah_protocol.errors import Code, PeerError
from amanah_protocol.kinds import Commit


def follows(ctx: Context, room: Room, entry: Entry) -> bool:
    """Whether this is the next entry of the record; what is not is skipped, asked for again, or an alarm.

    Raises:
        NotLoggedError: It would begin the record anew, by a device that is not in the control stream as far
            as we have it.
    """
    row = room.row
    if entry.room_seq <= row.head_seq:
        _compare_known(ctx, room, entry)
        return False
    if entry.room_seq == row.head_seq + 1:
        linked = entry.leaf.previous == row.head_leaf
        if (linked and (entry.index > row.head_index or row.head_seq == 0)) or _enters(ctx, room, entry):
            return True
        _broken(ctx, room, entry, Code.FORK, "does not continue the one before it")
        return False
    if _enters(ctx, room, entry):
        return True
    if not room.link.resync:
        _broken(ctx, room, entry, Code.GAP, f"came after {row.head_seq}")
    return False


def _enters(ctx: Context, room: Room, entry: Entry) -> bool:
    """A commit that adds this device, anew: what lies before it is not for us to see.

    Whoever signed it, and every member that accepts it, holds that we were out; so we were, also
    where the relay no longer shows us the removal.
    """
    envelope = entry.envelope
    outside = room.row.status in (RoomStatus.JOINING, RoomStatus.REMOVED) or entry.room_seq > room.row.head_seq + 1
    if envelope is None or not outside or entry.index <= room.row.head_index:
        return False
    specific = envelope.header.specific
    if not isinstance(specific, Commit) or ctx.me not in specific.added:
        return False
    try:
        # Before anything is given up for it: else the relay alone could take a member's keys.
        authenticate(ctx, entry, envelope)
    except NotLoggedError:
        raise
    except PeerError:
        return False
    return True


def _compare_known(ctx: Context, room: Room, entry: Entry) -> None:
    """An entry that we have comes again after a reconnect; it must be the same."""
    known = room.known.get(entry.room_seq)
    leaf = room.row.head_leaf if entry.room_seq == room.row.head_seq else None if known is None else known.leaf
    if leaf is not None and leaf != entry.leaf_hash:
        detail = f"two entries {entry.room_seq} of this room"
        ctx.alarm(Code.FORK, detail, room=room.id, evidence=(entry.leaf.encode(), leaf))
        ctx.halt(room)


def _broken(ctx: Context, room: Room, entry: Entry, code: Code, what: str) -> None:
    ask_once_more(ctx, room, code, f"entry {entry.room_seq} {what}", (entry.leaf.encode(), room.row.head_leaf))


def ask_once_more(ctx: Context, room: Room, code: Code, detail: str, evidence: tuple[bytes, ...]) -> None:
    """The record does not go on from here: ask again, and when that gives the same, stop."""
    if room.retried_seq != room.row.head_seq:
        room.retried_seq = room.row.head_seq
        resubscribe(ctx, room)
    else:
        stop(ctx, room, code, detail, evidence)


def park(ctx: Context, room: Room) -> bool:
    """Wait for the control stream once: an unknown device may just be ahead of its certificate."""
    if room.refreshed_seq == room.row.head_seq:
        return False
    room.refreshed_seq = room.row.head_seq
    room.link.parked = True
    if ctx.control.page is None:
        control.subscribe(ctx)
    return True


def stop(ctx: Context, room: Room, code: Code, detail: str, evidence: tuple[bytes, ...]) -> None:
    """The record cannot go on: say so, send nothing more there, and read no further on this core."""
    ctx.alarm(code, detail, room=room.id, evidence=evidence)
    ctx.halt(room)
    room.broken = True
    room.link.live = False
    ctx.session.catching_up.discard(room.id)
