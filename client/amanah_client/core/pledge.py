"""Is what the relay acknowledged in the log: a receipt is a signed promise, due within 60 s (attack 38).

Asked for is the newest own envelope of each room, and the next one behind the proof of it: a question that would
change with each message of a busy writer could stay without an answer. As an entry names the one before it in its
room, it vouches for the earlier ones, which are in our record by then, or overdue there.
"""

from __future__ import annotations

from typing import Final

from msgspec import structs

from amanah_client.core import conflicts, monitor
from amanah_client.core.conflicts import LAZY_MS, claim_of
from amanah_client.core.context import AGAIN_MS, Context
from amanah_client.core.requests import Pledge, Pledged
from amanah_client.core.room import Promise, Room
from amanah_client.log_rows import LogView
from amanah_client.model import RoomStatus
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.frames import GetInclusion, Path
from amanah_protocol.log.checkpoint import Checkpoint
from amanah_protocol.log.conflict import OtherLeaf, Way
from amanah_protocol.log.merkle import verify_inclusion
from amanah_protocol.log.receipt import Receipt
from amanah_protocol.log.statement import Form
from amanah_protocol.types import LeafHash

WITHIN_MS: Final = 60_000
"""What was acknowledged is delivered within this time of one connection (`Debt`), or it is an alarm."""
OVERDUE_MS: Final = WITHIN_MS - LAZY_MS
"""So long behind the first question it is proven, too. How long the relay takes to show a log that reaches so far is
the matter of its receipt as a claim: what else is slow must not make an honest relay look like a false one."""


def note(ctx: Context, room: Room, receipt: Receipt, encoded: bytes, index: int) -> None:
    """The relay acknowledged an own envelope at a place."""
    claim = claim_of(ctx, receipt.size, receipt.root, Form.RECEIPT, encoded, Way.RECEIPT)
    monitor.note_claim(ctx, claim)
    asked = room.pledge if room.pledge is not None and room.pledge.asked is not None else None
    waiting = room.pledge if asked is None else asked.newer
    pledge = Pledge(
        leaf=receipt.leaves[index - receipt.first_index],
        index=index,
        receipt=encoded,
        # Who writes a lot asks for one proof of it all.
        again_at_ms=ctx.timer_ms + LAZY_MS if waiting is None else waiting.again_at_ms,
    )
    room.pledge = pledge if asked is None else structs.replace(asked, newer=pledge)


def work(ctx: Context) -> None:
    """Ask for the next proof that is due, one at a time, and say what is overdue."""
    for room in ctx.rooms.values():
        _check_delivered(ctx, room)
    view = ctx.log
    if view is None:
        return
    is_asking = ctx.is_asking(lambda purpose: isinstance(purpose, Pledged))
    for room in ctx.rooms.values():
        pledge = room.pledge
        if pledge is None or (pledge.asked is None and ctx.timer_ms < pledge.again_at_ms):
            continue
        if pledge.asked is not None and ctx.is_overdue(pledge.asked, OVERDUE_MS):
            room.pledge = pledge.newer
            detail = "what the relay acknowledged is not proven to be in the log"
            ctx.alarm(Code.RECEIPT, detail, room=room.id, evidence=(pledge.receipt, view.checkpoint))
        elif pledge.index >= view.size:
            monitor.want(ctx, pledge.index + 1)
        elif not is_asking and ctx.timer_ms >= pledge.again_at_ms:
            is_asking = True
            _ask(ctx, room, pledge, view)


def _ask(ctx: Context, room: Room, pledge: Pledge, view: LogView) -> None:
    if pledge.asked is None:
        pledge = room.pledge = structs.replace(pledge, asked=ctx.owe())
    purpose = Pledged(room=room.id, pledge=pledge, size=view.size, root=view.root, note=view.checkpoint)
    ctx.ask(purpose, lambda number: GetInclusion(request=number, index=pledge.index, size=view.size))


def _check_delivered(ctx: Context, room: Room) -> None:
    """Entries that were acknowledged have to come, as everybody else's do."""
    if not room.link.live or room.row.status is not RoomStatus.OPEN or Code.RECEIPT in room.told:
        return
    for room_seq, promise in room.promised.items():
        if ctx.is_overdue(promise.owed, WITHIN_MS):
            room.told.add(Code.RECEIPT)
            detail = f"entry {room_seq} was acknowledged and is not delivered"
            ctx.alarm(Code.RECEIPT, detail, room=room.id, evidence=_evidence(ctx, promise))
            return


def _evidence(ctx: Context, promise: Promise) -> tuple[bytes, ...]:
    return (promise.encoded, b"" if ctx.log is None else ctx.log.checkpoint)


def receive_path(ctx: Context, purpose: Pledged, frame: Path) -> None:
    """The path has to lead from the leaf of the receipt to our checkpoint; if from another, that is the proof."""
    room, pledge = ctx.rooms[purpose.room], purpose.pledge
    if room.pledge is not None and room.pledge.leaf == pledge.leaf:
        room.pledge = room.pledge.newer
    try:
        verify_inclusion(pledge.leaf, pledge.index, purpose.size, frame.hashes, purpose.root)
    except VerifyError:
        _broken(ctx, room, purpose, frame)


def lose(ctx: Context) -> None:
    """The connection has ended, perhaps over the question, or before what was acknowledged was delivered."""
    purposes = [asked.purpose for asked in ctx.session.requests.values()]
    over = {purpose.room for purpose in purposes if isinstance(purpose, Pledged)}
    for room in ctx.rooms.values():
        pledge = room.pledge
        # Asked, and put off: to hang up then is no answer either.
        if pledge is not None and pledge.asked and (room.id in over or pledge.again_at_ms > ctx.timer_ms):
            room.pledge = structs.replace(pledge, asked=pledge.asked.hung_up(), again_at_ms=ctx.timer_ms)
        if room.link.live:
            room.promised = {at: structs.replace(held, owed=held.owed.hung_up()) for at, held in room.promised.items()}


def _broken(ctx: Context, room: Room, purpose: Pledged, frame: Path) -> None:
    pledge, detail = purpose.pledge, "what the relay acknowledged is not in the log where it says that it stands"
    stands = LeafHash(frame.leaf or b"")
    try:
        verify_inclusion(stands, pledge.index, purpose.size, frame.hashes, purpose.root)
    except VerifyError:
        ctx.alarm(Code.RECEIPT, detail, room=room.id, evidence=(pledge.receipt, purpose.note))
        return
    receipt = claim_of(ctx, pledge.index, pledge.leaf, Form.RECEIPT, pledge.receipt, Way.RECEIPT)
    tree = Checkpoint(origin=ctx.relay.origin, size=purpose.size, root=purpose.root)
    shown = conflicts.shown_claim(ctx, purpose.note, tree)
    proof = OtherLeaf(index=pledge.index, leaf=stands, path=frame.hashes)
    conflicts.found(ctx, Code.RECEIPT, detail, (receipt, shown), proof)


def refused(ctx: Context, purpose: Pledged) -> None:
    """Later; what is never proven is overdue in time."""
    room = ctx.rooms[purpose.room]
    if room.pledge is not None:
        room.pledge = structs.replace(room.pledge, again_at_ms=ctx.timer_ms + AGAIN_MS)
