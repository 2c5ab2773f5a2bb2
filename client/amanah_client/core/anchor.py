"""Is the newest commit of a room in the log: else the relay could lead members apart (attack 11).

Two halves of a room, each shown a commit of its own for one epoch, find nothing wrong in what they are
shown. So each asks for the proof that its commit stands where the relay said, in a checkpoint that is
everybody's. Only one of the two can. As an entry names the one before it in its room, the newest commit
vouches for all that lies before it.
"""

from __future__ import annotations

from typing import Final

from amanah_client.core import monitor
from amanah_client.core.context import AGAIN_MS, Context
from amanah_client.core.entry import Entry
from amanah_client.core.requests import Anchored
from amanah_client.core.room import Anchor, Room
from amanah_client.model import RoomStatus
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.frames import GetInclusion, Path
from amanah_protocol.limits import HEAD_INTERVAL_MS
from amanah_protocol.log.merkle import verify_inclusion

WITHIN_MS: Final = 2 * HEAD_INTERVAL_MS
"""A commit that was not proven for so long is taken for one that is not in the log."""


def note(ctx: Context, room: Room, entry: Entry) -> None:
    """A commit was followed; the proof of it stands for those before it that were not proven yet."""
    owed = ctx.owe() if room.anchor is None else room.anchor.owed
    room.anchor = Anchor(leaf=entry.leaf.encode(), hash=entry.leaf_hash, index=entry.index, owed=owed)


def work(ctx: Context) -> None:
    """Ask for the next proof that is due, one at a time; a room that is being read asks for its newest alone."""
    view = ctx.log
    if view is None or ctx.is_asking(lambda purpose: isinstance(purpose, Anchored)):
        return
    for room in ctx.rooms.values():
        anchor = room.anchor
        if anchor is None or ctx.timer_ms < anchor.again_at_ms:
            continue
        if room.group is None or not room.link.live:
            # Not asked for while this device is outside, or still reading: its time has not begun.
            room.anchor = anchor.owing(anchor.owed.put_off(ctx.timer_ms))
            continue
        if ctx.is_overdue(anchor.owed, WITHIN_MS):
            _stop(ctx, room, anchor, Code.GAP, "is not proven to be in the log")
        elif anchor.index >= view.size:
            monitor.want(ctx, anchor.index + 1)
        else:
            _ask(ctx, room, anchor, view.size, view.root)
            return


def _ask(ctx: Context, room: Room, anchor: Anchor, size: int, root: bytes) -> None:
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
    newer = anchor.hash != purpose.leaf
    room.anchor = anchor.owing(ctx.owe()) if newer else None


def refused(ctx: Context, purpose: Anchored) -> None:
    """Later; what is never proven is taken for missing in time."""
    room = ctx.rooms[purpose.room]
    if room.anchor is not None:
        room.anchor = room.anchor.again(ctx.timer_ms + AGAIN_MS)


def lose(ctx: Context) -> None:
    """The connection has ended, perhaps over the question."""
    for asked in ctx.session.requests.values():
        if isinstance(asked.purpose, Anchored):
            room = ctx.rooms[asked.purpose.room]
            if room.anchor is not None:
                room.anchor = room.anchor.owing(room.anchor.owed.hung_up())


def _stop(ctx: Context, room: Room, anchor: Anchor, code: Code, what: str) -> None:
    ours = b"" if ctx.log is None else ctx.log.checkpoint
    ctx.alarm(code, f"a commit that was shown here {what}", room=room.id, evidence=(anchor.leaf, ours))
    room.anchor = None
    if room.row.status is RoomStatus.OPEN:
        ctx.halt(room)
