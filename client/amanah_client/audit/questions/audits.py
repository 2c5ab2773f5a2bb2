"""Who audited: what was read of the log, by whom, when and under which grant; and what else concerns the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import HOLDS, Case
from amanah_client.audit.questions.question import Cell, Column, Found, Parameter, Proof, Question, Takes, proof
from amanah_client.audit.report import Who
from amanah_client.audit.retention import CAUSES
from amanah_client.language import N_
from amanah_protocol.audit import decode_order, order_device
from amanah_protocol.custody.erasures import decode_person_erasure, read_erasure
from amanah_protocol.custody.grants import decode_grant
from amanah_protocol.custody.holds import decode_hold
from amanah_protocol.errors import PeerError
from amanah_protocol.log.leaf import Leaf, LeafType, decode_leaf
from amanah_protocol.types import CONTROL, OrgName, RoomId

_DIGITS: Final = 8

# The first condition is that of the index over other leaves than envelopes (`copy_schema`).
_LEAVES: Final = """
    SELECT "index", entry, document FROM leaf WHERE substr(entry, 3, 1) <> x'01'
    AND substr(entry, 3, 1) IN (x'06', x'07', x'08', x'09') ORDER BY "index" """
_LEAF: Final = _LEAVES.replace("WHERE", 'WHERE "index" = ? AND')


@dataclass(frozen=True, slots=True, kw_only=True)
class MaybeNation:
    """Which nation; all without."""

    nation: Annotated[OrgName | None, Parameter(Takes.NATION, N_("only one nation, as cert.example.ma"))] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One act of auditing that stands in the log, or one of those who allow it, hold content or drop it.

    Attributes:
        what: What was done.
        who: The device that read; None for what others did.
        room: The room in whose custody it stands; None for an organisation's own chain.
        words: Under which grant, who let whom read, who holds, what was dropped; None where that says it all.
        first: First log index of what was read.
        last: Last log index of it.
        claimed_ms: The auditor's time.
        accepted_ms: The relay's time.
        state: `holds`, or what is wrong.
        proof: The entry.
    """

    what: Annotated[str, Column("what")]
    who: Annotated[Who | None, Column("who", Cell.WHO)]
    room: Annotated[RoomId | None, Column("room", Cell.ROOM)]
    words: Annotated[str | None, Column("in words")]
    first: Annotated[int | None, Column("from entry", Cell.ENTRY)]
    last: Annotated[int | None, Column("to entry", Cell.ENTRY)]
    claimed_ms: Annotated[int | None, Column("claimed", Cell.TIME)]
    accepted_ms: Annotated[int | None, Column("accepted", Cell.TIME)]
    state: Annotated[str, Column("state")]
    proof: Annotated[Proof, Column("proof", Cell.PROOF)]


def audits(case: Case, asked: MaybeNation) -> Found[Audited]:
    """Reading orders, in log order, and what else auditors and custodians left in the log."""
    chains = case.record.custody_chains()
    rows = [_row(case, chains, *found) for found in case.record.select(_LEAVES)]
    wanted = [row for row, nations in rows if asked.nation is None or asked.nation in nations]
    reads = [row for row in wanted if row.first is not None and row.state == HOLDS]
    # An order stands in its auditor's chain, and once more with each room that was read under a grant.
    orders = {(row.who, row.first, row.last, row.claimed_ms) for row in reads}
    nations = sorted({who.organisation for who, *_ in orders if who is not None})
    told = [row for row in reads if row.room is not None]
    bad = sum(row.state.startswith("DOES NOT HOLD") for row in wanted)
    said = [
        f"Orders to read the log: {len(orders)}, by auditors of {words.listed(nations)}."
        if orders
        else N_("Nobody in scope ordered to read the log.")
    ]
    if told:
        rooms = words.counted(len({row.room for row in told}), "room")
        said.append(f"Under a grant the record of {rooms} in scope was read, {words.often(len(told))} in all.")
    if bad:
        said.append(f"Orders and documents that do not hold: {bad}. See the state.")
    return Found(
        said=tuple(said),
        rows=tuple(wanted[: case.limit]),
        left_out=max(0, len(wanted) - case.limit),
        limits=(
            N_("An order says what was asked for; how much of it the relay handed out is not in the log."),
            N_("Other organisations' orders are bare hashes, but for those under which rooms of this scope were read."),
            N_("What an auditor does with a copy on its own machine, exports included, leaves nothing in the log."),
            words.ENDS,
        ),
    )


def told(case: Case, index: int) -> Audited | None:
    """The row of one leaf; None where it is not of this question."""
    found = case.record.select(_LEAF, index)
    return _row(case, case.record.custody_chains(), *found[0])[0] if found else None


def _row(
    case: Case, chains: dict[RoomId, RoomId], index: int, entry: bytes, document: bytes | None
) -> tuple[Audited, frozenset[OrgName]]:
    """The row of a leaf, and whom it concerns."""
    leaf = read = None
    who = None
    what, said, nations = "no entry", "", frozenset[OrgName]()
    try:
        leaf = decode_leaf(entry)
        what = leaf.type.name.lower().replace("_", " ")
        if leaf.type is LeafType.AUDIT_READ:
            read = decode_order(leaf.object)
            who = case.named(order_device(leaf.object))
            what, nations = "ordered to read", frozenset({who.organisation})
            said = "" if read.grant is None else f"under grant {read.grant.hex()[:_DIGITS]}"
        else:
            said, nations = _said(leaf, document)
    except PeerError:
        read = None  # the examination says what is wrong with it
    row = Audited(
        what=what,
        who=who,
        room=None if leaf is None else chains.get(leaf.room),
        words=said or None,
        first=None if read is None else read.first,
        last=None if read is None else read.until - 1,
        claimed_ms=None if read is None else read.ordered_at_ms,
        accepted_ms=None if leaf is None else leaf.accepted_at_ms,
        state=case.state_of(index),
        proof=proof(index),
    )
    return row, nations


def _said(leaf: Leaf, document: bytes | None) -> tuple[str, frozenset[OrgName]]:
    """What a document or a statement says, and whom it concerns.

    Raises:
        DecodeError: It does not parse.
    """
    match leaf.type:
        case LeafType.AUDIT_GRANT:
            grant = decode_grant(document or b"")
            by = "the community" if grant.granting is None else grant.granting
            until = words.moment(grant.not_after_ms)
            said = (
                f"{grant.id.hex()[:_DIGITS]}: {by} lets auditors of {grant.auditor} read until {until}: {grant.purpose}"
            )
            return said, frozenset({grant.auditor} | ({grant.granting} if grant.granting else set()))
        case LeafType.LEGAL_HOLD:
            hold = decode_hold(document or b"")
            what = "releases" if hold.released else "holds"
            said = f"{hold.id.hex()[:_DIGITS]}: {hold.organisation} {what} {words.counted(len(hold.rooms), 'room')}"
            return said, frozenset({hold.organisation})
        case _ if leaf.room == CONTROL:
            person = decode_person_erasure(document or b"")
            said = f"{person.organisation} forgot the name of {person.subject.hex()[:_DIGITS]}"
            return said, frozenset({person.organisation})
        case _:
            erasure = read_erasure(leaf.object)
            dropped = words.counted(len(erasure.places), "content")
            return f"the relay dropped {dropped}: {CAUSES[erasure.cause]}", frozenset()


AUDITS: Final = Question(
    name="audits",
    sentence=N_("Who audited: who read how much of the log, and when?"),
    params=MaybeNation,
    row=Audited,
    run=audits,
)
