"""Evidence against the log: two of its signed statements that do not go together, kept, told once, and acted on.

Both are signed, so whatever they are they are the log's or its relay's doing: nothing is sent any more, unless only
a proof is owed.
"""

from __future__ import annotations

from typing import Final

from amanah_client import effects as e
from amanah_client.core.context import Context
from amanah_client.core.requests import Claim
from amanah_client.log_rows import ConflictRow
from amanah_client.model import ALARM_AGAIN_MS
from amanah_protocol import cbor
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code
from amanah_protocol.log.checkpoint import Checkpoint
from amanah_protocol.log.conflict import Conflict, Proof, Sighting, Way, encode_evidence
from amanah_protocol.log.statement import Form, Statement

LAZY_MS: Final = 15_000
"""Receipts come with each publish; what they say of the log is held together for so long."""
MEMBER_LAZY_MS: Final = 10_000
"""What a member's messages say of the log is held together for so long: one that writes a lot costs few proofs."""
_ASK: Final = "`amanah audit evidence FILE` writes down the proof of it"
_OWED: Final = "keep what `amanah audit evidence FILE` writes down, and ask the relay's operator for the proof"


def found(
    ctx: Context,
    code: Code,
    detail: str,
    claims: tuple[Claim, Claim],
    proof: Proof | None = None,
    *,
    stops: bool = True,
) -> None:
    """Keep two statements as evidence, raise the alarm, and stop.

    Args:
        ctx: The core's memory.
        code: What it is.
        detail: The same for people.
        claims: What was known first, and what does not go with it.
        proof: What makes a contradiction of two sizes, where the relay gave such a path.
        stops: False where the log owes a proof, and may have one.
    """
    first, second = claims
    conflict = Conflict(origin=ctx.relay.origin, first=first.sighting, second=second.sighting, proof=proof)
    key = sha256(cbor.encode([first.size, first.root, second.size, second.root]))
    known, newest = key in ctx.watch.conflicts, max(ctx.watch.conflicts.values(), default=0)
    if not known:
        ctx.watch.conflicts[key] = ctx.now_ms
        row = ConflictRow(key=key, at_ms=ctx.now_ms, evidence=encode_evidence((conflict,)))
        ctx.write(e.PutConflict(row=row))
    # One fork shows itself at every size: each is kept, one is told.
    if known or not 0 <= ctx.now_ms - newest < ALARM_AGAIN_MS:
        evidence = tuple(sighting.statement.data for sighting in (first.sighting, second.sighting))
        ctx.alarm(code, f"{detail}; {_ASK if stops else _OWED}", evidence=evidence)
    if stops:
        ctx.stop(code, detail)


def claim_of(ctx: Context, size: int, root: bytes, form: Form, data: bytes, way: Way) -> Claim:
    """A claim that the relay itself has handed over.

    Heads wait each by themselves: the relay that signed two need not hold that one continues the other. Receipts
    are many, and what they promise is proven leaf by leaf (`pledge`).
    """
    sighting = Sighting(statement=Statement(form=form, data=data), way=way, at_ms=ctx.now_ms)
    line = b"head %d" % size if way is Way.HEAD else b"receipt" if way is Way.RECEIPT else b"witnessed"
    due_ms = ctx.timer_ms + (LAZY_MS if way is Way.RECEIPT else 0)
    return Claim(size=size, root=root, line=line, sighting=sighting, since_ms=ctx.timer_ms, due_ms=due_ms)


def own_claim(ctx: Context) -> Claim:
    """The checkpoint that we hold, as a claim."""
    view = ctx.log
    assert view is not None  # noqa: S101 - nothing conflicts with what was never seen
    return _claim_of(view.size, view.root, view.checkpoint, Way.OWN, view.seen_at_ms)


def shown_claim(ctx: Context, note: bytes, checkpoint: Checkpoint) -> Claim:
    """A checkpoint that the relay has just shown, as a claim."""
    return _claim_of(checkpoint.size, checkpoint.root, note, Way.SHOWN, ctx.now_ms)


def who(sighting: Sighting) -> str:
    """Who has seen it, for people."""
    return {
        Way.OWN: "this device",
        Way.MEMBER: f"device {sighting.device.hex()[:12]}",
        Way.HEAD: "a control head of the relay",
        Way.RECEIPT: "a receipt of the relay",
        Way.WITNESSED: "the quorum of witnesses",
        Way.SHOWN: "the relay",
    }[sighting.way]


def _claim_of(size: int, root: bytes, note: bytes, way: Way, at_ms: int) -> Claim:
    statement = Statement(form=Form.CHECKPOINT, data=note)
    sighting = Sighting(statement=statement, way=way, at_ms=at_ms)
    return Claim(size=size, root=root, line=b"", sighting=sighting, since_ms=0, due_ms=0)
