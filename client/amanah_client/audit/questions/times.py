"""The three times of an entry, kept apart: claimed, accepted and witnessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import Case
from amanah_client.audit.questions.question import Cell, Column, Found, Parameter, Proof, Question, Takes, proof
from amanah_client.audit.report import Bounds
from amanah_client.language import N_
from amanah_protocol.audit import decode_order
from amanah_protocol.errors import PeerError
from amanah_protocol.log.leaf import LeafType, decode_leaf


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyEntry:
    """Which entry."""

    entry: Annotated[int, Parameter(Takes.ENTRY, N_("a log index, or first digits of an envelope's id"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The times of one entry.

    Attributes:
        entry: Its log index.
        what: What it is.
        claimed_ms: What its sender says.
        accepted_ms: What the relay says.
        not_before_ms: The log as it was witnessed then did not hold it.
        not_after_ms: The log as it was witnessed then held it.
        stamped: By which time each time-stamping authority says that it existed; None for none.
        proof: The entry.
    """

    entry: Annotated[int, Column("entry", Cell.ENTRY)]
    what: Annotated[str, Column("what")]
    claimed_ms: Annotated[int | None, Column("claimed", Cell.TIME)]
    accepted_ms: Annotated[int | None, Column("accepted", Cell.TIME)]
    not_before_ms: Annotated[int | None, Column("witnessed without it", Cell.TIME)]
    not_after_ms: Annotated[int | None, Column("witnessed with it", Cell.TIME)]
    stamped: Annotated[str | None, Column("stamped not after")]
    proof: Annotated[Proof, Column("proof", Cell.PROOF)]


def times(case: Case, asked: AnyEntry) -> Found[Times]:
    """What sender, relay, witnesses and time-stamping authorities say."""
    what, claimed, accepted = _said(case, asked.entry)
    bounds = case.record.bounds(asked.entry)
    stamped = ", ".join(f"{words.moment(at)} by {name}" for name, at in case.record.stamped(asked.entry))
    row = Times(
        entry=asked.entry,
        what=what,
        claimed_ms=claimed,
        accepted_ms=accepted,
        not_before_ms=bounds.not_before_ms,
        not_after_ms=bounds.not_after_ms,
        stamped=stamped or None,
        proof=proof(asked.entry),
    )
    said = (
        f"Claimed by its sender {words.moment(claimed)}, accepted by the relay {words.moment(accepted)}.",
        _witnessed(bounds),
        *((f"Time-stamping authorities say that it existed not after {stamped}.",) if stamped else ()),
        *_contradictions(accepted, bounds),
    )
    return Found(
        said=said,
        rows=(row,),
        limits=(
            N_("Claimed and accepted are what sender and relay say of themselves; neither proves the other."),
            N_(
                "A witnessed log without it shows that it was not there yet; "
                "the relay may have had it and not shown it."
            ),
        ),
    )


def _said(case: Case, index: int) -> tuple[str, int | None, int | None]:
    row = case.entry(index)
    if row is not None:
        return words.kind_name(row.kind), row.sent_ms, row.accepted_ms
    leaf = case.record.copy.row(index)
    if leaf is None or leaf.entry is None:
        return "bare hash", None, None
    try:
        decoded = decode_leaf(leaf.entry)
        claimed = decode_order(decoded.object).ordered_at_ms if decoded.type is LeafType.AUDIT_READ else None
    except PeerError:
        return "no entry", None, None
    return decoded.type.name.lower().replace("_", " "), claimed, decoded.accepted_at_ms


def _witnessed(bounds: Bounds) -> str:
    after, before = bounds.not_after_ms, bounds.not_before_ms
    if after is None:
        return "No witnessed checkpoint of this copy holds it: nobody but sender and relay speaks of its time."
    first = "" if before is None else f"not before {words.moment(before)} (a log without it was witnessed then), "
    return f"It came into the log {first}not after {words.moment(after)} (a log with it was witnessed then)."


def _contradictions(accepted_ms: int | None, bounds: Bounds) -> tuple[str, ...]:
    """Where the relay's time lies outside of what witnesses say (attack 40)."""
    if accepted_ms is None:
        return ()
    if bounds.not_after_ms is not None and accepted_ms > bounds.not_after_ms + _GRACE_MS:
        return ("THE RELAY'S TIME IS WRONG: witnesses had seen the entry before the relay says that it accepted it.",)
    if bounds.not_before_ms is not None and accepted_ms < bounds.not_before_ms - _GRACE_MS:
        early = words.duration(bounds.not_before_ms - accepted_ms)
        # A witness that was away cosigns an old log late: this is a doubt, and no contradiction.
        return (
            (
                f"A log without it was still witnessed {early} after the relay's time: the witness was "
                "late, or that time is wrong."
            ),
        )
    return ()


_GRACE_MS: Final = 120_000
"""Clocks of witnesses and relays may differ by that much."""

TIMES: Final = Question(
    name="times",
    sentence=N_("What time has this entry, by its sender, by the relay and by witnesses?"),
    params=AnyEntry,
    row=Times,
    run=times,
)
