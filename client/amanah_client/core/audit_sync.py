"""The auditor's copy of the log: read by a signed order, and nothing kept that is not proven.

Each page is proven to be a prefix of the checkpoint before it is stored: a copy never holds a row
that would have to be taken back. Behind the rows come the published checkpoints of their sizes, with what
witnesses have signed, and time stamps on them: that they are prefixes of the rows, and what the stamps are
worth, is found when the copy is examined.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from amanah_client import effects as e
from amanah_client.actions import Action, AuditSync
from amanah_client.core import quorum
from amanah_client.core.context import Context
from amanah_client.core.copying import Copying
from amanah_client.core.requests import Audit, AuditCheckpoints, AuditEdge, AuditPage, AuditPrefix, AuditStamps
from amanah_client.log_rows import AuditRow, LogView, StampRow
from amanah_client.model import Intent, IntentState
from amanah_protocol.audit import ReadingOrder, sign_order
from amanah_protocol.endorse import decode_endorsed
from amanah_protocol.errors import AmanahError, Code, VerifyError
from amanah_protocol.frames import (
    AuditRead,
    Checkpoints,
    GetCheckpoints,
    GetConsistency,
    GetInclusion,
    GetStamps,
    LogEntries,
    LogEntry,
    Path,
    Refused,
    Stamps,
)
from amanah_protocol.identity import Role
from amanah_protocol.limits import MAX_PAGE
from amanah_protocol.log.checkpoint import verify_checkpoint
from amanah_protocol.log.leaf import decode_leaf
from amanah_protocol.log.merkle import Frontier, leaf_hash, verify_consistency, verify_inclusion
from amanah_protocol.log.policy import policy_of_roster
from amanah_protocol.types import ZERO_32, GrantId, LeafHash

MOST_TOGETHER: Final = 4
"""Pages that wait for one proof at the most: some megabytes."""
QUICK_MS: Final = 10_000
"""Over a slower line pages come one by one: the answer behind two of them would come too late."""


def advance(ctx: Context, intent: Intent) -> None:
    """Take the copy a step further."""
    if ctx.certificate.role is not Role.AUDITOR:
        ctx.fail(intent, str(Code.ROLE), "only auditors copy the log")
        return
    if ctx.is_asking(lambda purpose: isinstance(purpose, Audit)):
        return
    if ctx.copying is None:
        _begin(ctx, intent)
    elif ctx.audit_size < ctx.copying.size:
        _read(ctx, ctx.copying)
    elif not ctx.copying.dated:
        after = max(ctx.audit_settled, ctx.copying.checkpoint)
        ctx.ask(AuditCheckpoints(after=after), lambda number: GetCheckpoints(request=number, after=after))
    elif not ctx.copying.stamped:
        newest = ctx.audit_stamps
        ctx.ask(AuditStamps(), lambda number: GetStamps(request=number, after=newest))
    else:
        ctx.copying = None
        ctx.finish_intent(intent)


def _begin(ctx: Context, intent: Intent) -> None:
    """Ask for the newest checkpoint, then order what is between it and the copy."""
    view = ctx.log
    if intent.state is IntentState.QUEUED:
        ctx.watch.refresh = True
        quorum.want(ctx)
        ctx.put_intent(replace(intent, state=IntentState.SENT))
        return
    if view is None or ctx.watch.busy or ctx.watch.refresh or quorum.is_awaited(ctx):
        return
    size, root = _end(ctx, view, intent.action)
    if size <= ctx.audit_size:
        # There is nothing to read; but witnesses may have cosigned since.
        ctx.copying = Copying(size=ctx.audit_size, root=b"", order=b"", frontier=None)
        advance(ctx, intent)
        return
    named = intent.action.grant if isinstance(intent.action, AuditSync) else None
    grant = None if named is None else GrantId(named)
    order = ReadingOrder(first=ctx.audit_size, until=size, ordered_at_ms=ctx.now_ms, nonce=ctx.random(16), grant=grant)
    ctx.copying = Copying(
        size=size,
        root=root,
        order=sign_order(order, ctx.key),
        frontier=Frontier() if ctx.audit_size == 0 else None,
    )
    _read(ctx, ctx.copying)


def _end(ctx: Context, view: LogView, action: Action) -> tuple[int, bytes]:
    """Size and root of the checkpoint to copy up to.

    Where the roster asks for witnesses it is the newest that their quorum has cosigned: behind that a copy could not
    be held against the community's policy.
    """
    row = quorum.cosigned(ctx)
    if not ctx.roster.value.quorum or (isinstance(action, AuditSync) and action.uncosigned):
        return view.size, view.root
    return (0, ZERO_32) if row is None else (row.size, row.root)


def _read(ctx: Context, copying: Copying) -> None:
    """Ask for the next page, and for the one behind it where that begins at a place that is known."""
    if copying.pages >= MOST_TOGETHER:
        return
    following = _held(ctx, copying)
    _ask(ctx, copying, following)
    if copying.is_quick:
        _ask(ctx, copying, following + MAX_PAGE)


def _ask(ctx: Context, copying: Copying, start: int) -> None:
    order, wanted = copying.order, AuditPage(start=start, asked_ms=ctx.timer_ms)
    if start < copying.size and not ctx.is_asking(lambda purpose: purpose == wanted):
        ctx.ask(wanted, lambda number: AuditRead(request=number, order=order, start=start))


def _held(ctx: Context, copying: Copying) -> int:
    """Index behind the last row that is here, proven or not."""
    return ctx.audit_size + len(copying.page) + len(copying.ahead)


def receive_entries(ctx: Context, purpose: AuditPage, frame: LogEntries) -> None:
    """A page: rows in order, each entry the one of its hash; kept once its prefix is proven.

    Raises:
        DecodeError: An entry does not parse.
        VerifyError: `PROOF`.
    """
    copying = ctx.copying
    # The page before this one may have come shorter than it was thought to be; then it is asked for from there.
    if copying is None or purpose.start != _held(ctx, copying):
        return
    start = purpose.start
    rows = [_row(entry) for entry in frame.entries[: copying.size - start]]
    if not rows or [row.index for row in rows] != list(range(start, start + len(rows))):
        raise VerifyError(Code.PROOF, "the log's entries do not follow each other")
    copying.ahead += rows
    copying.pages += 1
    copying.is_quick = len(rows) == MAX_PAGE and ctx.timer_ms - purpose.asked_ms <= QUICK_MS
    _go_on(ctx, copying)


def _go_on(ctx: Context, copying: Copying) -> None:
    """Prove what is here, once it is enough or all, and ask for more."""
    is_enough = copying.pages >= copying.together or _held(ctx, copying) == copying.size
    if copying.ahead and is_enough and not copying.page:
        copying.page, copying.ahead, copying.pages = tuple(copying.ahead), [], 0
        if copying.frontier is None:
            first = copying.page[0].index
            ctx.ask(AuditEdge(), lambda number: GetInclusion(request=number, index=first, size=copying.size))
        else:
            _prove(ctx, copying, copying.frontier)
    _read(ctx, copying)


def _row(entry: LogEntry) -> AuditRow:
    """A row whose bytes are those of its hash.

    Raises:
        DecodeError: It does not parse.
        VerifyError: `PROOF` or `CONTENT_HASH`.
    """
    if entry.entry is not None:
        if leaf_hash(entry.entry) != entry.hash:
            raise VerifyError(Code.PROOF, f"entry {entry.index} is not the one of its hash")
        # What the entry says is found when the copy is examined; only of a document the log does not hold the bytes.
        if entry.document is not None and decode_endorsed(entry.document).record != decode_leaf(entry.entry).object:
            raise VerifyError(Code.CONTENT_HASH, f"the document beside entry {entry.index} is another one")
    elif entry.document is not None:
        raise VerifyError(Code.PROOF, f"a document stands beside the bare hash {entry.index}")
    return AuditRow(index=entry.index, hash=entry.hash, entry=entry.entry, document=entry.document)


def receive_edge(ctx: Context, frame: Path) -> None:
    """The inclusion proof of our first new row: its left siblings are the right edge of what we have.

    They are the subtrees of the checkpoint's own tree, and that tree was proven to continue every one
    that this profile has accepted.

    Raises:
        VerifyError: `PROOF`.
    """
    copying = ctx.copying
    if copying is None or not copying.page:
        return
    first = copying.page[0]
    verify_inclusion(LeafHash(first.hash), first.index, copying.size, frame.hashes, copying.root)
    copying.frontier = Frontier(first.index, _left_siblings(first.index, copying.size, frame.hashes))
    _prove(ctx, copying, copying.frontier)


def _left_siblings(index: int, size: int, path: tuple[bytes, ...]) -> list[bytes]:
    """Of a verified path, the siblings on the left, largest first (RFC 9162 section 2.1.3.2)."""
    left: list[bytes] = []
    last = size - 1
    for sibling in path:
        if index & 1 or index == last:
            left.append(sibling)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        index, last = index >> 1, last >> 1
    return left[::-1]


def _prove(ctx: Context, copying: Copying, frontier: Frontier) -> None:
    grown = frontier.copy()
    for row in copying.page:
        grown.append(LeafHash(row.hash))
    if grown.size == copying.size:
        if grown.root() != copying.root:
            raise VerifyError(Code.PROOF, "the entries do not lead to the checkpoint")
        _keep(ctx, copying, grown)
        return
    purpose = AuditPrefix(rows=copying.page, frontier=grown)
    ctx.ask(purpose, lambda number: GetConsistency(request=number, old=grown.size, new=copying.size))


def receive_prefix(ctx: Context, purpose: AuditPrefix, frame: Path) -> None:
    """The proof that the copy with this page is a prefix of the checkpoint.

    Raises:
        VerifyError: `PROOF`.
    """
    copying = ctx.copying
    if copying is None:
        return
    grown = purpose.frontier
    verify_consistency(grown.size, grown.root(), copying.size, copying.root, frame.hashes)
    _keep(ctx, copying, grown)


def _keep(ctx: Context, copying: Copying, grown: Frontier) -> None:
    ctx.write(e.PutAuditRows(rows=copying.page))
    copying.frontier, copying.page = grown, ()
    ctx.audit_size = grown.size
    # One page at first: also over a line that never lasts for several, the copy grows.
    copying.together = min(2 * copying.together, MOST_TOGETHER)
    _go_on(ctx, copying)


def receive_checkpoints(ctx: Context, purpose: AuditCheckpoints, frame: Checkpoints) -> None:
    """Published checkpoints: ascending, signed by the log; those beyond the copy are left for another time.

    Raises:
        DecodeError: One of them is none.
        VerifyError: `CHECKPOINT`.
    """
    copying = ctx.copying
    if copying is None:
        return
    last, settled = purpose.after, ctx.audit_settled
    kept: list[tuple[int, bytes]] = []
    for note in frame.notes:
        size = verify_checkpoint(note, ctx.relay.log_vkey, ctx.relay.origin).value.size
        if size <= last:
            raise VerifyError(Code.CHECKPOINT, "the published checkpoints do not ascend")
        if size > copying.size:
            break
        kept.append((size, note))
        last = size
        settled = size if _is_witnessed(ctx, note) else settled
    if kept:
        ctx.write(e.PutCheckpoints(notes=tuple(kept), settled=settled))
    ctx.audit_settled, copying.checkpoint = settled, last
    copying.dated = len(kept) < len(frame.notes) or not kept


def receive_stamps(ctx: Context, frame: Stamps) -> None:
    """Time stamps: ascending by number, each on a checkpoint that the log signed.

    Those from the first one on whose checkpoint lies beyond the copy are left for another time.

    Raises:
        DecodeError: What was stamped is no checkpoint.
        VerifyError: `CHECKPOINT`.
    """
    copying = ctx.copying
    if copying is None:
        return
    kept: list[StampRow] = []
    last = ctx.audit_stamps
    for stamp in frame.stamps:
        size = verify_checkpoint(stamp.note, ctx.relay.log_vkey, ctx.relay.origin).value.size
        if stamp.number <= last or size != stamp.size:
            raise VerifyError(Code.CHECKPOINT, "the time stamps do not ascend, or stand beside another checkpoint")
        if size > copying.size:
            break
        kept.append(
            StampRow(number=stamp.number, size=size, authority=stamp.authority, note=stamp.note, token=stamp.token)
        )
        last = stamp.number
    if kept:
        ctx.write(e.PutStamps(stamps=tuple(kept)))
    ctx.audit_stamps = last
    copying.stamped = len(kept) < len(frame.stamps) or not kept


def _is_witnessed(ctx: Context, note: bytes) -> bool:
    try:
        policy_of_roster(ctx.roster.value).verify_note(note)
    except VerifyError:
        # Not yet, or never: it is kept as it is, and asked for again.
        return False
    return True


def lose(ctx: Context) -> None:
    """The connection has ended: a page whose proof was on its way is asked for again."""
    if ctx.copying is not None:
        ctx.copying.page, ctx.copying.ahead, ctx.copying.pages = (), [], 0
        ctx.copying.is_quick, ctx.copying.together = False, 1


def fail(ctx: Context, error: AmanahError) -> None:
    """What the relay gave does not hold: nothing of it was kept, and the auditor is told."""
    ctx.copying = None
    ctx.alarm(str(error.code), f"the log cannot be copied: {error.detail}")
    for intent in _running(ctx):
        ctx.fail(intent, str(error.code), error.detail)


def refused(ctx: Context, frame: Refused) -> None:
    """The relay gives nothing: later, or not at all."""
    ctx.copying = None
    for intent in _running(ctx):
        ctx.refuse(intent.id, frame)


def _running(ctx: Context) -> tuple[Intent, ...]:
    running = (intent for intent in ctx.apart.values() if isinstance(intent.action, AuditSync))
    return tuple(intent for intent in running if intent.state is IntentState.SENT)
