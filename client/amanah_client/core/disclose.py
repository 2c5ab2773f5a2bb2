"""Disclosure: the egress is logged first, then one message gets its proof.

What is disclosed is verified here as whoever receives it will verify it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from amanah_client.core import matter, monitor, quorum, ways
from amanah_client.core.context import AGAIN_MS, Context
from amanah_client.core.granting import leaf_of
from amanah_client.core.requests import Proof
from amanah_client.model import Intent, IntentState, MessageRow
from amanah_protocol.errors import AmanahError, Code, RefusedError, VerifyError
from amanah_protocol.frames import GetInclusion, Path
from amanah_protocol.log.disclosure import Disclosure, verify_disclosure

COSIGNED_MS: Final = 10_000
"""So long a disclosure waits for the witnesses to cosign what it discloses."""


def prove(ctx: Context, intent: Intent) -> None:
    """The egress is in the log: get checkpoint and path, one step at a time."""
    spoken = matter.one(ctx, intent)
    row = None if spoken is None else spoken.row
    if row is None:
        matter.want(ctx, intent)
        return
    if ctx.is_asking(lambda purpose: isinstance(purpose, Proof) and purpose.intent == intent.id):
        return
    view, index, egress = ctx.log, row.index or 0, intent.index or 0
    if view is None or view.size <= max(index, egress):
        monitor.want(ctx, max(index, egress) + 1)
        return
    purpose = _cosigned(ctx, intent, index)
    if purpose is None:
        if _waits_for_witnesses(ctx, intent):
            return
        purpose = Proof(intent=intent.id, note=view.checkpoint, size=view.size, root=view.root)
    size = purpose.size
    ctx.ask(purpose, lambda number: GetInclusion(request=number, index=index, size=size))
    if intent.state is not IntentState.SENT:
        ctx.put_intent(replace(intent, state=IntentState.SENT))


def _cosigned(ctx: Context, intent: Intent, index: int) -> Proof | None:
    """The proof under what the quorum of witnesses has cosigned, if that reaches so far: readers want no less."""
    row = quorum.cosigned(ctx)
    if row is None or row.size <= index:
        return None
    return Proof(intent=intent.id, note=row.note, size=row.size, root=row.root)


def _waits_for_witnesses(ctx: Context, intent: Intent) -> bool:
    """They may need a while for what was just said; without them it is proven all the same, and says so."""
    if not ctx.roster.value.quorum:
        return False
    since_ms = ctx.proving.setdefault(intent.id, ctx.timer_ms)
    if ctx.timer_ms - since_ms >= COSIGNED_MS:
        return False
    if not quorum.is_awaited(ctx) and ctx.timer_ms - ctx.witnesses.asked_at_ms >= AGAIN_MS:
        quorum.want(ctx)
    return True


def receive_path(ctx: Context, purpose: Proof, frame: Path) -> None:
    """The path has to lead from our own copy of the entry to the checkpoint; then the file is made."""
    intent = ctx.outbox.get(purpose.intent)
    spoken = None if intent is None else matter.one(ctx, intent)
    row = None if spoken is None else spoken.row
    try:
        if intent is not None and row is not None:
            _finish(ctx, purpose, intent, row, frame)
    finally:
        ctx.spoken.pop(purpose.intent, None)
        ctx.proving.pop(purpose.intent, None)


def _finish(ctx: Context, purpose: Proof, intent: Intent, row: MessageRow, frame: Path) -> None:
    room = ctx.rooms.get(row.room)
    try:
        if room is not None:  # its label may have been raised since the egress was logged
            ways.check(ctx, room, intent)
        disclosure = _make(ctx, purpose, row, frame)
        verify_disclosure(disclosure, roster=ctx.roster)
    except RefusedError as error:
        ctx.fail(intent, str(error.code), error.detail)
    except AmanahError as error:
        ctx.alarm(str(error.code), f"a disclosure cannot be proven: {error.detail}", room=row.room)
        ctx.fail(intent, str(error.code), error.detail)
    else:
        ctx.finish_intent(intent, result=disclosure.encode())


def _make(ctx: Context, purpose: Proof, row: MessageRow, frame: Path) -> Disclosure:
    leaf, index = leaf_of(row), row.index or 0
    standing = ctx.directory.standing(row.sender, before=index)
    if standing is None:
        raise VerifyError(Code.CERTIFICATE, "the sender's certificate is not in the log")
    enrolment = ctx.directory.enrolments[standing.certificate.issuer].enrolment
    return Disclosure(
        envelope=row.encoded,
        k=row.key,
        content=row.content,
        entry=leaf.encode(),
        index=index,
        size=purpose.size,
        path=frame.hashes,
        checkpoint=purpose.note,
        certificate=standing.certificate.encoded,
        enrolment=enrolment.endorsed.encode(),
    )
