"""Before a welcome is opened: the commits before our own are fetched and followed, page by page.

Without them a newcomer would take from its welcome who was in the room, and an officer who never was,
together with the relay, could show it a circle of his own making (attack 16). Until all of them have
come and hold, the room stands still: nothing of it is opened, shown or answered.
"""

from __future__ import annotations

from amanah_client.core.checks import authenticate
from amanah_client.core.circle import circle_of, follow_commit
from amanah_client.core.context import AGAIN_MS, Context
from amanah_client.core.directory import NotLoggedError
from amanah_client.core.entry import Entry, read_entry
from amanah_client.core.place import ask_once_more, park, stop
from amanah_client.core.requests import MembershipWanted
from amanah_client.core.room import Known, Replay, Room
from amanah_client.model import Circle, RoomStatus
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code, PeerError
from amanah_protocol.frames import Delivery, GetMembership, Membership, MembershipEntry, Refused
from amanah_protocol.kinds import Commit


def stands_still(ctx: Context, room: Room, entry: Entry) -> bool:
    """Whether this entry adds our device and may not be judged yet, or never.

    Where it may, the circle that it was signed for follows from the room's creation, and what this
    device still held of an earlier time in the room is given up.
    """
    envelope = entry.envelope
    if envelope is None or not _enters(ctx, room, entry):
        return False
    replay, room.link.replay = room.link.replay, None
    circle = circle_of(room) if replay is None else replay.circle
    try:
        authenticate(ctx, entry, envelope)
    except PeerError:
        return False  # it is judged, and refused, like any other entry
    if circle is None or circle.epoch < envelope.header.epoch:
        _ask(ctx, room, entry.delivery, circle)
        return True
    try:
        after = follow_commit(ctx, room, circle, entry)
    except PeerError as error:
        _fail(ctx, room, circle, entry, error)
        return True
    if room.group is not None:
        _leave_unseen(room)
    # Also where the welcome does not open, it is known who is in: to be asked for another.
    room.active = dict.fromkeys(after.members, entry.accepted_at_ms)
    return False


def receive_membership(ctx: Context, room: Room, frame: Membership) -> Delivery | None:
    """Some of what was asked for; gives the commit that waited once nothing before it is missing."""
    replay, room.link.replay = room.link.replay, None
    if replay is None:
        return None
    waiting = read_entry(replay.delivery, None)
    until = decode_envelope(replay.delivery.envelope).header.epoch
    circle = replay.circle
    for placed in frame.entries:
        if circle is not None and circle.epoch >= until:
            break  # added again meanwhile: what lies behind this commit is asked for then
        entry = read_entry(_delivery(room, placed), None)
        try:
            circle = follow_commit(ctx, room, circle, entry)
        except PeerError as error:
            _keep(room, circle)
            _fail(ctx, room, circle, entry, error)
            return None
        # What members say of these places is compared with what we were shown.
        room.remember(
            entry.room_seq, Known(leaf=entry.leaf_hash, index=entry.index, accepted_at_ms=entry.accepted_at_ms)
        )
    _keep(room, circle)
    if circle is not None and circle.epoch >= until:
        room.link.replay = Replay(delivery=replay.delivery, circle=circle)
        return replay.delivery
    if frame.entries:
        _ask(ctx, room, replay.delivery, circle)
        return None
    detail = f"commits before entry {waiting.room_seq}, of epoch {until}, are withheld"
    ask_once_more(ctx, room, Code.GAP, detail, _evidence(circle, waiting))
    return None


def membership_refused(ctx: Context, room: Room, frame: Refused) -> None:
    """It is not given now, or the relay denies the room that it shows."""
    replay, room.link.replay = room.link.replay, None
    if replay is None:
        return
    if frame.code == Code.UNKNOWN_ROOM:
        waiting = read_entry(replay.delivery, None)
        ask_once_more(
            ctx, room, Code.GAP, f"the commits before ours are withheld: {frame.detail}", _evidence(None, waiting)
        )
    else:
        room.link.again_at_ms = ctx.timer_ms + (frame.retry_after_ms or AGAIN_MS)


def _enters(ctx: Context, room: Room, entry: Entry) -> bool:
    specific = None if entry.envelope is None else entry.envelope.header.specific
    outside = room.group is None or entry.room_seq > room.row.head_seq + 1
    return outside and isinstance(specific, Commit) and ctx.me in specific.added


def _ask(ctx: Context, room: Room, delivery: Delivery, circle: Circle | None) -> None:
    after = 0 if circle is None else circle.room_seq
    ctx.ask(MembershipWanted(room=room.id), lambda number: GetMembership(request=number, room=room.id, after=after))
    room.link.replay = Replay(delivery=delivery, circle=circle)


def _keep(room: Room, circle: Circle | None) -> None:
    """What was followed need not be followed again after a restart; a member's own group is better still."""
    if room.group is None:
        room.change(circle=circle)


def _fail(ctx: Context, room: Room, circle: Circle | None, entry: Entry, error: PeerError) -> None:
    if isinstance(error, NotLoggedError) and park(ctx, room):
        return
    detail = f"who is in this room does not follow from its record: {error.detail}"
    stop(ctx, room, error.code, detail, _evidence(circle, entry))


def _evidence(circle: Circle | None, entry: Entry) -> tuple[bytes, ...]:
    return (entry.leaf.encode(),) if circle is None else (entry.leaf.encode(), circle.leaf)


def _delivery(room: Room, placed: MembershipEntry) -> Delivery:
    return Delivery(
        room=room.id,
        room_seq=placed.room_seq,
        index=placed.index,
        accepted_at_ms=placed.accepted_at_ms,
        previous=placed.previous,
        envelope=placed.envelope,
        content=None,
    )


def _leave_unseen(room: Room) -> None:
    """What happened between is unknown, our own last envelopes there included: nothing of it counts on."""
    room.leave()
    room.senders.clear()
    room.change(status=RoomStatus.REMOVED)
