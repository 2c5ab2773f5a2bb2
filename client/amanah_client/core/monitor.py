"""Is everybody shown one log: checkpoints that continue each other, and what others say they saw.

Whatever is said of the log is signed by it or by its relay, so a word that does not lie on one line with ours is
evidence. At most one proof is on its way. Claims wait by line, and none is left out: it is compared, or a larger
one stands for it of somebody who follows the log and so holds that one continues the other. A member that sends a
new view with each message costs one proof at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import structs

from amanah_client import effects as e
from amanah_client.core import conflicts, quorum
from amanah_client.core.context import MAX_PROVEN, Context, known_code
from amanah_client.core.requests import Advance, CheckpointWanted, Claim, Compare
from amanah_client.log_rows import LogView
from amanah_protocol.errors import MEANINGS, Code, VerifyError
from amanah_protocol.frames import Checkpoint as CheckpointFrame
from amanah_protocol.frames import Frame, GetCheckpoint, GetConsistency, Path, Refused
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint, verify_checkpoint
from amanah_protocol.log.conflict import Way, other_prefix
from amanah_protocol.log.cose_receipt import split_root_line
from amanah_protocol.log.merkle import verify_consistency
from amanah_protocol.log.statement import log_signature

REFRESH_MS: Final = 1_000
"""A checkpoint is asked for at most once a second."""
OVERDUE_MS: Final = 60_000
"""A size that the relay has signed for us alone has to be shown within this time."""
OWED_MS: Final = 45_000
"""So long the relay may leave one question unanswered. A connection that has died is found sooner."""
DRAGGED_MS: Final = 300_000
"""So long it may make a claim wait in all while it answers others: what is slow is not yet false."""
PATIENCE_MS: Final = 2_000
"""What an answer may take without counting as that: a long line of claims is nobody's fault."""
MAX_UNANSWERED: Final = 10
"""After so many questions for one claim the time counts from its beginning: neither "later" nor to hang up answers."""
MAX_CLAIMS: Final = 4_096
"""Claims that wait. Members have one line each; only a relay that signs more than it can prove gets there."""
_OF_RELAY: Final = (Way.HEAD, Way.RECEIPT)


def view_of(ctx: Context) -> tuple[int, bytes, bytes] | None:
    """Size and root of our newest checkpoint, and the log's signature over it; None where we have none of this log."""
    view = ctx.log
    if view is None or view.size == 0:
        return None
    # A roster may have brought another key since: what it did not sign is no word of the log any more.
    signature = log_signature(view.checkpoint, ctx.relay.log_vkey)
    return (view.size, view.root, signature) if signature else None


def note_claim(ctx: Context, claim: Claim) -> None:
    """Compare what the log has signed, for whomever, with what we can prove."""
    watch, waiting = ctx.watch, ctx.watch.claims.get(claim.line)
    if claim.size == 0:
        return  # every log continues the empty one
    if watch.proven.get(claim.size) == claim.root:
        quorum.proven(ctx, claim.size, claim.root)
    elif waiting is None and len(watch.claims) >= MAX_CLAIMS:
        ctx.alarm(Code.PROOF, "the relay signs more words about its log than can be compared; some were left out")
    elif waiting is None:
        watch.claims[claim.line] = claim
    elif claim.size > waiting.size:
        watch.claims[claim.line] = structs.replace(waiting, size=claim.size, root=claim.root, sighting=claim.sighting)
    elif claim.size == waiting.size and claim.root != waiting.root:
        _contradict(ctx, waiting, claim)


def _contradict(ctx: Context, first: Claim, second: Claim, path: Path | None = None) -> None:
    """Two signed words that do not lie on one line: the log shows two records."""
    older, newer = sorted((first, second), key=lambda claim: claim.size)
    proof = None if path is None else other_prefix(_said(ctx, older), _said(ctx, newer), path.hashes)
    detail = f"{conflicts.who(second.sighting)} saw another log of size {second.size}"
    conflicts.found(ctx, Code.FORK, detail, (first, second), proof)


def _said(ctx: Context, claim: Claim) -> Checkpoint:
    return Checkpoint(origin=ctx.relay.origin, size=claim.size, root=claim.root)


def want(ctx: Context, size: int) -> None:
    """Ask for a checkpoint of at least this size; `work` does it in time."""
    ctx.watch.wanted_size = max(ctx.watch.wanted_size, size)


def work(ctx: Context) -> None:
    """Send the next request, if one is due and none is on its way."""
    watch, view = ctx.watch, ctx.log
    if view is None or ctx.halted:
        return
    _check_owed(ctx, view)
    if watch.busy:
        return
    due = [claim for claim in watch.claims.values() if ctx.timer_ms >= claim.due_ms]
    ahead = tuple(claim for claim in due if claim.size > view.size)
    # They take turns: who shows a larger log each time would put off for ever what is compared below it.
    is_turn = watch.fetched and any(claim.size <= view.size for claim in due)
    if (ahead or watch.wanted_size > view.size or watch.refresh) and not is_turn:
        if ctx.timer_ms - watch.refreshed_at_ms >= REFRESH_MS:
            watch.refreshed_at_ms, watch.fetched = ctx.timer_ms, True
            _ask(ctx, CheckpointWanted(behind=ahead), lambda number: GetCheckpoint(request=number))
            return
        if watch.refresh:
            return  # a proof was put off: it is asked for behind the next checkpoint
    for claim in due:
        if claim.size <= view.size and not _is_settled(ctx, claim, view):
            _compare(ctx, claim, view)
            return


def _ask(ctx: Context, purpose: CheckpointWanted | Advance | Compare, frame: Callable[[int], Frame]) -> None:
    watch = ctx.watch
    # What an own store that is slow has cost until now is not the relay's time.
    watch.busy, watch.asked_ms, watch.counted_ms = True, ctx.timer_ms, ctx.timer_ms + PATIENCE_MS
    ctx.ask(purpose, frame)


def tick(ctx: Context) -> None:
    """Count how long the relay makes us wait for the answer that is on its way."""
    watch = ctx.watch
    if watch.busy and ctx.heard_ms > watch.counted_ms:
        watch.waited_ms += ctx.heard_ms - watch.counted_ms
        watch.counted_ms = ctx.heard_ms


def _check_owed(ctx: Context, view: LogView) -> None:
    """A relay that puts a proof off for ever hides a fork as well as one that refuses it."""
    watch = ctx.watch
    # Where nothing comes at all, the connection has died: that ends it, and is counted.
    is_silent = watch.busy and ctx.session.received_ms <= watch.asked_ms
    asked_ms = watch.asked_ms if watch.busy and not is_silent else ctx.heard_ms
    for line, claim in tuple(watch.claims.items()):
        is_ahead = claim.size > view.size and claim.sighting.way in _OF_RELAY and claim.unanswered < MAX_UNANSWERED
        if ctx.timer_ms < claim.due_ms or is_ahead:
            continue  # its own word may be ahead: that has another bound
        begun_ms = watch.waited_ms if claim.waited_ms < 0 else claim.waited_ms
        since_ms = claim.due_ms if claim.unanswered >= MAX_UNANSWERED else max(claim.due_ms, asked_ms)
        if ctx.heard_ms - since_ms < OWED_MS and watch.waited_ms - begun_ms < DRAGGED_MS:
            watch.claims[line] = claim if claim.waited_ms >= 0 else structs.replace(claim, waited_ms=begun_ms)
        elif not _is_settled(ctx, claim, view):
            _owe(ctx, claim, f"since {(ctx.heard_ms - claim.due_ms) // 1000} s")


def lose(ctx: Context) -> None:
    """The connection has ended, perhaps because of what was asked: what was to be compared is asked for again."""
    watch = ctx.watch
    watch.busy, watch.waited_ms = False, 0
    size = 0 if ctx.log is None else ctx.log.size
    for asked in ctx.session.requests.values():
        match asked.purpose:
            case Compare(claim=claim):
                _note_unanswered(ctx, claim.line)
            case CheckpointWanted(behind=ahead):
                for claim in ahead:
                    _note_unanswered(ctx, claim.line)
            case Advance():
                for line in [line for line, claim in watch.claims.items() if claim.size > size]:
                    _note_unanswered(ctx, line)
            case _:
                pass
    watch.claims = {line: structs.replace(claim, waited_ms=-1) for line, claim in watch.claims.items()}


def _note_unanswered(ctx: Context, line: bytes) -> None:
    """Whoever waits in that line by now: a larger claim stands for the one that was asked about."""
    claims = ctx.watch.claims
    if line in claims:
        claims[line] = structs.replace(claims[line], unanswered=claims[line].unanswered + 1)


def _owe(ctx: Context, claim: Claim, how: str) -> None:
    """The log does not show that a word of it lies on one line with ours: that is kept, for it to explain."""
    _settle(ctx, claim)
    detail = f"{conflicts.who(claim.sighting)} saw a log of size {claim.size}; the relay owes the proof {how}"
    conflicts.found(ctx, Code.PROOF, detail, (conflicts.own_claim(ctx), claim), stops=False)


def _compare(ctx: Context, claim: Claim, view: LogView) -> None:
    ctx.watch.fetched = False
    purpose = Compare(claim=claim)
    _ask(ctx, purpose, lambda number: GetConsistency(request=number, old=claim.size, new=view.size))


def _is_settled(ctx: Context, claim: Claim, view: LogView) -> bool:
    """Whether no proof is needed: the same was proven, or two roots of one size need none."""
    if ctx.watch.proven.get(claim.size) == claim.root:
        _settle(ctx, claim)
        quorum.proven(ctx, claim.size, claim.root)
    elif claim.size == view.size:
        _settle(ctx, claim)
        _contradict(ctx, conflicts.own_claim(ctx), claim)
    else:
        return False
    return True


def _settle(ctx: Context, claim: Claim) -> None:
    if ctx.watch.claims.get(claim.line) is claim:
        del ctx.watch.claims[claim.line]


def receive_checkpoint(ctx: Context, purpose: CheckpointWanted, frame: CheckpointFrame) -> None:
    """The newest checkpoint, as asked for."""
    ctx.watch.busy = ctx.watch.refresh = False
    asked_ms = ctx.watch.asked_ms
    consider(ctx, frame.note)
    checkpoint, _ = decode_checkpoint(frame.note)
    ctx.watch.shown_at_ms, ctx.watch.shown_size = asked_ms, checkpoint.size
    for claim in purpose.behind:
        if claim.size > checkpoint.size and ctx.watch.claims.get(claim.line) is claim and _is_overdue(ctx, claim):
            # Somebody was shown a larger log than the relay's newest one for us.
            _settle(ctx, claim)
            who = conflicts.who(claim.sighting)
            detail = f"{who} saw a log of size {claim.size}, the relay shows {checkpoint.size}"
            shown = conflicts.shown_claim(ctx, frame.note, checkpoint)
            conflicts.found(ctx, Code.LOG_ROLLBACK, detail, (claim, shown))


def _is_overdue(ctx: Context, claim: Claim) -> bool:
    """What others saw was durable then; the relay's own word from a moment ago may be ahead of its checkpoint."""
    if claim.sighting.way not in _OF_RELAY:
        return True
    return ctx.heard_ms - max(claim.since_ms, ctx.session.online_at_ms) >= OVERDUE_MS


def consider(ctx: Context, note: bytes) -> bool:
    """Take a checkpoint, if it is verified to continue the one that we hold.

    Returns:
        Whether it can be held against ours at once; else its proof is on its way.

    Raises:
        DecodeError: It is none.
        VerifyError: `CHECKPOINT`: not signed by the log of the roster; `SIGNATURE` of its root by the relay.
    """
    relay, view = ctx.relay, ctx.log
    note, root_signature = split_root_line(note, relay.key)
    checkpoint = verify_checkpoint(note, relay.log_vkey, relay.origin).value
    if view is None or view.size == 0:
        _move(ctx, Advance(note=note, checkpoint=checkpoint, root_signature=root_signature))
        return True
    if checkpoint.size < view.size:
        detail = f"the relay shows a log of size {checkpoint.size} after one of {view.size}"
        claims = conflicts.own_claim(ctx), conflicts.shown_claim(ctx, note, checkpoint)
        conflicts.found(ctx, Code.LOG_ROLLBACK, detail, claims)
    elif checkpoint.size == view.size:
        if checkpoint.root != view.root:
            claims = conflicts.own_claim(ctx), conflicts.shown_claim(ctx, note, checkpoint)
            conflicts.found(ctx, Code.FORK, f"two different logs of size {view.size}", claims)
    else:
        purpose = Advance(note=note, checkpoint=checkpoint, root_signature=root_signature)
        _ask(ctx, purpose, lambda number: GetConsistency(request=number, old=view.size, new=checkpoint.size))
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
        claims = conflicts.own_claim(ctx), conflicts.shown_claim(ctx, purpose.note, checkpoint)
        proof = other_prefix(_said(ctx, claims[0]), checkpoint, frame.hashes)
        detail = f"the newer log does not continue ours: {error.detail}"
        conflicts.found(ctx, Code.LOG_ROLLBACK, detail, claims, proof)
        return
    _move(ctx, purpose)


def receive_comparison(ctx: Context, purpose: Compare, frame: Path) -> None:
    """The proof that a claimed head is a prefix of ours; without one the claim is another record."""
    ctx.watch.busy = False
    view, claim = ctx.log, purpose.claim
    if view is None:
        return
    _settle(ctx, claim)
    try:
        # Nothing moves our checkpoint while this is on its way.
        verify_consistency(claim.size, claim.root, view.size, view.root, frame.hashes)
    except VerifyError:
        _contradict(ctx, conflicts.own_claim(ctx), claim, frame)
        return
    larger = ctx.watch.claims.get(claim.line)
    if larger is not None:
        # It came while this one was compared; its time begins now.
        fresh = structs.replace(larger, since_ms=ctx.timer_ms, due_ms=ctx.timer_ms, unanswered=0, waited_ms=-1)
        ctx.watch.claims[claim.line] = fresh
    _prove(ctx, claim.size, claim.root)


def proof_refused(ctx: Context, purpose: CheckpointWanted | Advance | Compare, frame: Refused) -> None:
    """The relay would not prove: later, if it says so; else it is worth an alarm, for a prefix can always be proven."""
    watch = ctx.watch
    watch.busy = False
    if not MEANINGS[known_code(frame.code)].final:
        _put_off(ctx, purpose, f"{frame.code}: {frame.detail}")
        return
    if isinstance(purpose, Compare):
        if watch.claims.get(purpose.claim.line) is purpose.claim:
            _owe(ctx, purpose.claim, f"and refuses it: {frame.detail}")
        return
    detail = f"the relay refused a proof of its log: {frame.detail}"
    evidence = (purpose.note,) if isinstance(purpose, Advance) else ()
    ctx.alarm(Code.PROOF, detail, evidence=evidence)
    if isinstance(purpose, Advance):
        ctx.stop(Code.PROOF, detail)


def _put_off(ctx: Context, purpose: CheckpointWanted | Advance | Compare, why: str) -> None:
    match purpose:
        case Compare(claim=claim):
            ctx.watch.refresh = True
            _note_unanswered(ctx, claim.line)
        case CheckpointWanted():
            # A relay whose store fails says so for a while; until it is asked again it makes us wait.
            ctx.watch.put_off_at_ms = ctx.watch.asked_ms
            ctx.watch.waited_ms += REFRESH_MS
        case Advance():
            ctx.disconnect(why)


def _move(ctx: Context, proven: Advance) -> None:
    checkpoint = proven.checkpoint
    ctx.log = LogView(
        size=checkpoint.size,
        root=checkpoint.root,
        checkpoint=proven.note,
        seen_at_ms=ctx.now_ms,
        root_signature=proven.root_signature,
    )
    if ctx.watch.wanted_size <= checkpoint.size:
        ctx.watch.wanted_size = 0
    quorum.note_growth(ctx, checkpoint.size)
    _prove(ctx, checkpoint.size, checkpoint.root)
    ctx.write(e.PutLogView(view=ctx.log))


def _prove(ctx: Context, size: int, root: bytes) -> None:
    proven = ctx.watch.proven
    proven[size] = root
    if len(proven) > MAX_PROVEN:
        del proven[next(iter(proven))]
    quorum.proven(ctx, size, root)
