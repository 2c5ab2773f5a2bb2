"""Are the commits of a room in the log: else the relay could lead members apart (attack 11).

Two halves of a room, each shown a commit of its own for one epoch, find nothing wrong in what they are
shown. So each asks for the proof that its commit stands where the relay said, in a checkpoint that is
everybody's. Only one of the two can. As an entry names the one before it in its room, a commit vouches for
all that lies before it, and the newest is asked for next.
"""

from __future__ import annotations

from typing import Final

from msgspec import structs

from amanah_client.core import monitor
from amanah_client.core.context import AGAIN_MS, Context
from amanah_client.core.entry import Entry
from amanah_client.core.requests import Advance, Anchored, CheckpointWanted
from amanah_client.core.room import Anchor, Room
from amanah_client.log_rows import LogView
from amanah_client.model import RoomStatus
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.frames import GetInclusion, Path
from amanah_protocol.limits import HEAD_INTERVAL_MS
from amanah_protocol.log.merkle import verify_inclusion

WITHIN_MS: Final = 2 * HEAD_INTERVAL_MS
"""So long the log that is shown may take to reach a commit; else that is taken for not logged."""
PROVEN_MS: Final = 45_000
"""So long the relay may take to prove it then."""


def note(ctx: Context, room: Room, entry: Entry) -> None:
    """A commit was followed; the proof of it stands for those before it that were not proven yet."""
    waiting = room.anchor
    owed = ctx.owe() if waiting is None else waiting.owed.put_off(ctx.timer_ms)
    if waiting is not None and waiting.is_open and not room.link.live:
        # That the relay has the room read anew is no answer, and nor is what it shows while it is read.
        owed = owed.hung_up()
    newest = Anchor(leaf=entry.leaf.encode(), hash=entry.leaf_hash, index=entry.index, owed=owed)
    # What is asked for stays so until it is proven: commits that come faster than proofs must not put it off.
    room.anchor = newest if waiting is None or not room.link.live else structs.replace(waiting, newer=newest)


def work(ctx: Context) -> None:
    """Ask for the next proof that is due, one at a time; a room that is being read asks for its newest alone."""
    view = ctx.log
    if view is None:
        return
    is_asking = ctx.is_asking(lambda purpose: isinstance(purpose, Anchored))
    for room in ctx.rooms.values():
        anchor = room.anchor
        if anchor is None:
            continue
        if room.group is None:
            # Not asked for while this device is outside: its time has not begun.
            room.anchor = anchor.owing(anchor.owed.put_off(ctx.timer_ms))
        elif not room.link.live:
            # A room that is read anew asks for its newest; that the relay has it read anew is no answer.
            if anchor.newer is not None:
                room.anchor = anchor.newer.owing(anchor.owed.hung_up().put_off(ctx.timer_ms))
        elif _is_overdue(ctx, anchor, view):
            _stop(ctx, room, anchor, Code.GAP, "is not proven to be in the log")
        elif anchor.index >= view.size:
            monitor.want(ctx, anchor.index + 1)
        elif not is_asking and ctx.timer_ms >= anchor.again_at_ms:
            is_asking = True
            _ask(ctx, room, anchor, view.size, view.root)


def _is_overdue(ctx: Context, anchor: Anchor, view: LogView) -> bool:
    if anchor.owed.is_worn or anchor.asked:
        return ctx.is_overdue(anchor.owed, PROVEN_MS)
    # The log falls short by what is shown of it: that this device has much to compare is not the relay's fault.
    begun_ms = max(anchor.owed.at_ms, ctx.session.online_at_ms)
    is_short = max(ctx.watch.shown_size, view.size) <= anchor.index
    return (is_short and ctx.watch.shown_at_ms - begun_ms >= WITHIN_MS) or (
        # Nor is any log that is put off for so long.
        anchor.index >= view.size and ctx.watch.put_off_at_ms - begun_ms >= monitor.DRAGGED_MS
    )


def _ask(ctx: Context, room: Room, anchor: Anchor, size: int, root: bytes) -> None:
    room.anchor = anchor.ask(ctx.timer_ms)
    purpose = Anchored(room=room.id, leaf=anchor.hash, index=anchor.index, size=size, root=root)
    ctx.ask(purpose, lambda number: GetInclusion(request=number, index=anchor.index, size=size))


def receive_path(ctx: Context, purpose: Anchored, frame: Path) -> None:
    """The path has to lead from the commit that we have followed to the checkpoint that we hold."""
    room = ctx.rooms[purpose.room]
    anchor = room.anchor
    if anchor is None:
        return
    try:
        verify_inclusion(purpose.leaf, purpose.index, purpose.size, frame.hashes, purpose.root)
    except VerifyError:
        _stop(ctx, room, anchor, Code.PROOF, "is not in the log where the relay says that it stands")
        return
    # Behind what is proven lies what was followed meanwhile; its time begins now.
    newer = anchor.newer if anchor.hash == purpose.leaf else anchor
    room.anchor = None if newer is None else newer.owing(ctx.owe())


def refused(ctx: Context, purpose: Anchored) -> None:
    """Later; what is never proven is taken for missing in time."""
    room = ctx.rooms[purpose.room]
    if room.anchor is not None:
        room.anchor = room.anchor.again(ctx.timer_ms + AGAIN_MS)


def lose(ctx: Context) -> None:
    """The connection has ended, perhaps over the question, or after it was put off."""
    purposes = [asked.purpose for asked in ctx.session.requests.values()]
    size = 0 if ctx.log is None else ctx.log.size
    is_growing = any(isinstance(purpose, CheckpointWanted | Advance) for purpose in purposes)
    for room in ctx.rooms.values():
        anchor = room.anchor
        if anchor is not None and (anchor.is_open or (is_growing and anchor.index >= size)):
            room.anchor = anchor.hung_up()


def _stop(ctx: Context, room: Room, anchor: Anchor, code: Code, what: str) -> None:
    ours = b"" if ctx.log is None else ctx.log.checkpoint
    ctx.alarm(code, f"a commit that was shown here {what}", room=room.id, evidence=(anchor.leaf, ours))
    room.anchor = None
    if room.row.status is RoomStatus.OPEN:
        ctx.halt(room)
