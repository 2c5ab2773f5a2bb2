"""Is everybody shown one log: checkpoints that continue each other, and what others say they saw.

At most one proof is on its way, and of the claims that wait the newest is kept: a member that sends
a new view with each message costs one proof at a time.
"""

from __future__ import annotations

from typing import Final

from amanah_client import effects as e
from amanah_client.core.context import MAX_PROVEN, Context, known_code
from amanah_client.core.requests import Advance, CheckpointWanted, Claim, Compare
from amanah_client.model import LogView
from amanah_protocol.errors import MEANINGS, Code, VerifyError
from amanah_protocol.frames import Checkpoint as CheckpointFrame
from amanah_protocol.frames import GetCheckpoint, GetConsistency, Path, Refused
from amanah_protocol.log.checkpoint import Checkpoint, verify_checkpoint
from amanah_protocol.log.merkle import verify_consistency

REFRESH_MS: Final = 1_000
"""A checkpoint is asked for at most once a second."""


def note_claim(ctx: Context, claim: Claim) -> None:
    """Compare somebody's word about the log with what we can prove."""
    if claim.size == 0:
        return
    known = ctx.watch.proven.get(claim.size)
    if known is None:
        ctx.watch.claim = claim
    elif known != claim.root:
        contradict(ctx, claim)


def contradict(ctx: Context, claim: Claim) -> None:
    """A head of the log that does not lie on one line with ours: the relay shows two records."""
    ours = ctx.log.checkpoint if ctx.log is not None else b""
    detail = f"{claim.source} saw another log of size {claim.size}"
    ctx.alarm(Code.FORK, detail, room=claim.room, evidence=(*claim.evidence, ours))
    if claim.signed:
        ctx.stop(Code.FORK, detail)


def want(ctx: Context, size: int) -> None:
    """Ask for a checkpoint of at least this size; `work` does it in time."""
    ctx.watch.wanted_size = max(ctx.watch.wanted_size, size)


def work(ctx: Context) -> None:
    """Send the next request, if one is due and none is on its way."""
    watch, view = ctx.watch, ctx.log
    if watch.busy or view is None:
        return
    claim = watch.claim
    needed = max(watch.wanted_size, 0 if claim is None else claim.size)
    if needed > view.size or watch.refresh:
        if ctx.timer_ms - watch.refreshed_at_ms >= REFRESH_MS:
            watch.busy, watch.refreshed_at_ms = True, ctx.timer_ms
            ctx.ask(CheckpointWanted(), lambda number: GetCheckpoint(request=number))
    elif claim is not None:
        watch.claim = None
        _compare(ctx, claim, view)


def _compare(ctx: Context, claim: Claim, view: LogView) -> None:
    known = ctx.watch.proven.get(claim.size)
    if known is not None:
        if known != claim.root:
            contradict(ctx, claim)
        return
    ctx.watch.busy = True
    ctx.ask(Compare(claim=claim), lambda number: GetConsistency(request=number, old=claim.size, new=view.size))


def receive_checkpoint(ctx: Context, frame: CheckpointFrame) -> None:
    """The newest checkpoint, as asked for."""
    ctx.watch.busy = ctx.watch.refresh = False
    consider(ctx, frame.note)
    view, claim = ctx.log, ctx.watch.claim
    if claim is None or view is None or ctx.watch.busy or claim.size <= view.size:
        return
    ctx.watch.claim = None
    if claim.signed:
        ctx.watch.claim = claim  # the relay's own word from a moment ago: the next checkpoint covers it
        return
    # A member has seen a larger checkpoint than the relay's newest one for us.
    detail = f"{claim.source} saw a log of size {claim.size}, the relay shows {view.size}"
    ctx.alarm(Code.LOG_ROLLBACK, detail, room=claim.room, evidence=(*claim.evidence, view.checkpoint))


def consider(ctx: Context, note: bytes) -> bool:
    """Take a checkpoint, if it is verified to continue the one that we hold.

    Returns:
        Whether it can be held against ours at once; else its proof is on its way.

    Raises:
        DecodeError: It is none.
        VerifyError: `CHECKPOINT`: not signed by the log of the roster.
    """
    relay, view = ctx.relay, ctx.log
    checkpoint = verify_checkpoint(note, relay.log_vkey, relay.origin).value
    if view is None or view.size == 0:
        _move(ctx, note, checkpoint)
        return True
    if checkpoint.size < view.size:
        detail = f"the relay shows a log of size {checkpoint.size} after one of {view.size}"
        ctx.alarm(Code.LOG_ROLLBACK, detail, evidence=(view.checkpoint, note))
        ctx.stop(Code.LOG_ROLLBACK, detail)
    elif checkpoint.size == view.size:
        if checkpoint.root != view.root:
            _forked(ctx, note, f"two different logs of size {view.size}", Code.FORK)
    else:
        ctx.watch.busy = True
        ctx.ask(
            Advance(note=note, checkpoint=checkpoint),
            lambda number: GetConsistency(request=number, old=view.size, new=checkpoint.size),
        )
        return False
    return True


def receive_advance(ctx: Context, purpose: Advance, frame: Path) -> None:
    """The proof for a newer checkpoint; without it the view does not move."""
    ctx.watch.busy = False
    view, checkpoint = ctx.log, purpose.checkpoint
    if view is None:
        return
    try:
        verify_consistency(view.size, view.root, checkpoint.size, checkpoint.root, frame.hashes)
    except VerifyError as error:
        _forked(ctx, purpose.note, f"the newer log does not continue ours: {error.detail}", Code.PROOF)
        return
    _move(ctx, purpose.note, checkpoint)


def receive_comparison(ctx: Context, purpose: Compare, frame: Path) -> None:
    """The proof that a claimed head is a prefix of ours; without one the claim is another record."""
    ctx.watch.busy = False
    view, claim = ctx.log, purpose.claim
    if view is None:
        return
    try:
        verify_consistency(claim.size, claim.root, view.size, view.root, frame.hashes)
    except VerifyError:
        contradict(ctx, claim)
        return
    _prove(ctx, claim.size, claim.root)


def proof_refused(ctx: Context, purpose: CheckpointWanted | Advance | Compare, frame: Refused) -> None:
    """The relay would not prove: later, if it says so; else it is worth an alarm, for a prefix can always be proven."""
    watch = ctx.watch
    watch.busy = False
    if not MEANINGS[known_code(frame.code)].final:
        if isinstance(purpose, Compare) and watch.claim is None:
            watch.claim, watch.refresh = purpose.claim, True
        if isinstance(purpose, Advance):
            ctx.disconnect(f"{frame.code}: {frame.detail}")
        return
    detail = f"the relay refused a proof of its log: {frame.detail}"
    ctx.alarm(Code.PROOF, detail, evidence=(purpose.note,) if isinstance(purpose, Advance) else ())
    if isinstance(purpose, Advance):
        ctx.stop(Code.PROOF, detail)


def _move(ctx: Context, note: bytes, checkpoint: Checkpoint) -> None:
    ctx.log = LogView(size=checkpoint.size, root=checkpoint.root, checkpoint=note, seen_at_ms=ctx.now_ms)
    if ctx.watch.wanted_size <= checkpoint.size:
        ctx.watch.wanted_size = 0
    _prove(ctx, checkpoint.size, checkpoint.root)
    ctx.write(e.PutLogView(view=ctx.log))


def _prove(ctx: Context, size: int, root: bytes) -> None:
    proven = ctx.watch.proven
    proven[size] = root
    if len(proven) > MAX_PROVEN:
        del proven[next(iter(proven))]


def _forked(ctx: Context, note: bytes, detail: str, code: Code) -> None:
    ours = ctx.log.checkpoint if ctx.log is not None else b""
    ctx.alarm(code, detail, evidence=(ours, note))
    ctx.stop(code, detail)
