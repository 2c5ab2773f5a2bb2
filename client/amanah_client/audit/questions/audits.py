"""Who audited: what was read of the log, by whom and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import HOLDS, Case
from amanah_client.audit.questions.question import Cell, Column, Found, Parameter, Proof, Question, Takes, proof
from amanah_client.audit.report import Who
from amanah_protocol.audit import decode_order, order_device
from amanah_protocol.errors import PeerError
from amanah_protocol.log.leaf import LeafType, decode_leaf
from amanah_protocol.types import OrgName

# The first condition is that of the index over other leaves than envelopes (`copy_schema`).
_LEAVES: Final = """
    SELECT "index", entry FROM leaf WHERE substr(entry, 3, 1) <> x'01'
    AND substr(entry, 3, 1) IN (x'06', x'07', x'08', x'09') ORDER BY "index" """


@dataclass(frozen=True, slots=True, kw_only=True)
class MaybeNation:
    """Which nation; all without."""

    nation: Annotated[OrgName | None, Parameter(Takes.NATION, "only one nation, as cert.example.ma")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One act of auditing that stands in the log.

    Attributes:
        what: What was done.
        who: The device; None where it is not known.
        first: First log index of what was read.
        last: Last log index of it.
        claimed_ms: The auditor's time.
        accepted_ms: The relay's time.
        state: `holds`, or what is wrong.
        proof: The entry.
    """

    what: Annotated[str, Column("what")]
    who: Annotated[Who | None, Column("who", Cell.WHO)]
    first: Annotated[int | None, Column("from entry", Cell.ENTRY)]
    last: Annotated[int | None, Column("to entry", Cell.ENTRY)]
    claimed_ms: Annotated[int | None, Column("claimed", Cell.TIME)]
    accepted_ms: Annotated[int | None, Column("accepted", Cell.TIME)]
    state: Annotated[str, Column("state")]
    proof: Annotated[Proof, Column("proof", Cell.PROOF)]


def audits(case: Case, asked: MaybeNation) -> Found[Audited]:
    """Reading orders, in log order, and what else auditors and custodians left in the log."""
    rows = [_row(case, index, entry) for index, entry in case.record.select(_LEAVES)]
    wanted = [
        row for row in rows if asked.nation is None or (row.who is not None and row.who.organisation == asked.nation)
    ]
    reads = [row for row in wanted if row.first is not None and row.state == HOLDS]
    nations = sorted({row.who.organisation for row in reads if row.who is not None})
    bad = sum(row.state.startswith("DOES NOT HOLD") for row in wanted)
    said = [
        f"Orders to read the log: {len(reads)}, by auditors of {words.listed(nations)}."
        if reads
        else "Nobody in scope ordered to read the log."
    ]
    if bad:
        said.append(f"Orders that do not hold: {bad}. See the state.")
    return Found(
        said=tuple(said),
        rows=tuple(wanted[: case.limit]),
        left_out=max(0, len(wanted) - case.limit),
        limits=(
            "An order says what was asked for; how much of it the relay handed out is not in the log.",
            "Other organisations' orders are bare hashes, unless they are in this scope.",
            "What an auditor does with a copy on its own machine, exports included, leaves nothing in the log.",
            words.ENDS,
        ),
    )


def _row(case: Case, index: int, entry: bytes) -> Audited:
    leaf = None
    try:
        leaf = decode_leaf(entry)
        if leaf.type is LeafType.AUDIT_READ:
            order = decode_order(leaf.object)
            return Audited(
                what="ordered to read",
                who=case.named(order_device(leaf.object)),
                first=order.first,
                last=order.until - 1,
                claimed_ms=order.ordered_at_ms,
                accepted_ms=leaf.accepted_at_ms,
                state=case.state_of(index),
                proof=proof(index),
            )
    except PeerError:
        pass  # the examination says what is wrong with it
    return Audited(
        what="no entry" if leaf is None else leaf.type.name.lower().replace("_", " "),
        who=None,
        first=None,
        last=None,
        claimed_ms=None,
        accepted_ms=None if leaf is None else leaf.accepted_at_ms,
        state=case.state_of(index),
        proof=proof(index),
    )


AUDITS: Final = Question(
    name="audits",
    sentence="Who audited: who read how much of the log, and when?",
    params=MaybeNation,
    row=Audited,
    run=audits,
)
