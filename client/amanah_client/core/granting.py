"""History for members who came later: messages of the record, each with the path that proves its entry.

The paths are fetched before anything is sealed, and lead to one checkpoint: whoever is given them asks for no less
(`granted`).
"""

from __future__ import annotations

from amanah_client.actions import GrantHistory
from amanah_client.core import matter, monitor, ways
from amanah_client.core.context import AGAIN_MS, Context, Granting
from amanah_client.core.requests import GrantProof
from amanah_client.model import Intent, MessageRow
from amanah_protocol.content.history import Grant, Granted
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.frames import GetInclusion, Path
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.log.merkle import verify_inclusion


def is_proven(ctx: Context, intent: Intent) -> bool:
    """Whether the paths of all messages of a grant are here; nothing else is a grant."""
    action, granting = intent.action, ctx.granting.get(intent.id)
    if not isinstance(action, GrantHistory):
        return True
    return granting is not None and granting.paths.keys() >= set(action.envelopes)


def prove(ctx: Context, intent: Intent) -> None:
    """Get the next path, one at a time."""
    rows = [spoken.row for spoken in matter.found(ctx, intent) if spoken.row is not None]
    granting = ctx.granting.get(intent.id)
    if granting is None:
        reached = max((row.index or 0 for row in rows), default=0)
        view = monitor.view_of(ctx)
        if view is None or view[0] <= reached:
            monitor.want(ctx, reached + 1)
            return
        granting = ctx.granting[intent.id] = Granting(size=view[0], root=view[1], signature=view[2])
    if ctx.is_asking(lambda purpose: isinstance(purpose, GrantProof) and purpose.intent == intent.id):
        return
    row = next((row for row in rows if row.envelope not in granting.paths), None)
    if row is not None:
        index, size = row.index or 0, granting.size
        purpose = GrantProof(intent=intent.id, envelope=row.envelope, leaf=leaf_of(row).hash, index=index)
        ctx.ask(purpose, lambda number: GetInclusion(request=number, index=index, size=size))


def receive_path(ctx: Context, purpose: GrantProof, frame: Path) -> None:
    """The path has to lead from our own copy of the entry to the checkpoint: who is given it will ask no less."""
    intent, granting = ctx.outbox.get(purpose.intent), ctx.granting.get(purpose.intent)
    if intent is None or granting is None:
        return
    try:
        verify_inclusion(purpose.leaf, purpose.index, granting.size, frame.hashes, granting.root)
    except VerifyError as error:
        ctx.alarm(str(error.code), f"a message cannot be proven to others: {error.detail}", room=None)
        ctx.fail(intent, str(error.code), error.detail)
        return
    granting.paths[purpose.envelope] = frame.hashes


def refused(ctx: Context, purpose: GrantProof) -> None:
    """Later, and from another checkpoint."""
    ctx.granting.pop(purpose.intent, None)
    if (intent := ctx.outbox.get(purpose.intent)) is not None:
        ctx.wait(intent, ctx.timer_ms + AGAIN_MS)


def leaf_of(row: MessageRow) -> Leaf:
    """The log leaf of a stored entry that has its place.

    Raises:
        UsageError: `NOT_FOUND` for one that has none.
    """
    if row.accepted_at_ms is None or row.room_seq is None or row.previous is None:
        raise UsageError(Code.NOT_FOUND, "the message has no place in the log")
    return Leaf(
        type=LeafType.ENVELOPE,
        accepted_at_ms=row.accepted_at_ms,
        room=row.room,
        room_seq=row.room_seq,
        previous=row.previous,
        object=row.encoded,
    )


def make(ctx: Context, intent: Intent) -> tuple[Grant, Label]:
    """The body of a proven grant, and the strictest label in it."""
    granting, found = ctx.granting[intent.id], matter.found(ctx, intent)
    rows = sorted((spoken.row for spoken in found if spoken.row is not None), key=lambda row: row.index or 0)
    items = tuple(
        Granted(
            entry=leaf_of(row).encode(),
            index=row.index or 0,
            path=granting.paths[row.envelope],
            content=row.content,
            k=row.key,
        )
        for row in rows
    )
    body = Grant(log_size=granting.size, log_root=granting.root, log_signature=granting.signature, items=items)
    return body, max(ways.granted(ctx, spoken).label for spoken in found)
