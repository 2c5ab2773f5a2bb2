"""Which decisions bound which nations."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Final

from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import Case
from amanah_client.audit.questions.membership import MaybeRoomAndNation
from amanah_client.audit.questions.question import Cell, Column, Found, Proof, Question, proof
from amanah_client.audit.register import EntryRow
from amanah_client.audit.report import Who
from amanah_client.language import N_
from amanah_protocol import kinds
from amanah_protocol.kinds import Kind, Outcome
from amanah_protocol.types import RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One recorded decision.

    Attributes:
        room: The room.
        ordinal: Number of the proposal.
        outcome: How it ended.
        nations: Nations that stood behind it, as its recorder wrote; with those marked that were not in the room.
        recorded_by: Who recorded it.
        accepted_ms: The relay's time.
        again: Whether the same proposal was recorded more than once in this room.
        state: `holds`, or what is wrong.
        proof: The entry.
    """

    room: Annotated[RoomId, Column("room", Cell.ROOM)]
    ordinal: Annotated[int, Column("proposal", Cell.NUMBER)]
    outcome: Annotated[str, Column("outcome")]
    nations: Annotated[str, Column("bound")]
    recorded_by: Annotated[Who, Column("recorded by", Cell.WHO)]
    accepted_ms: Annotated[int, Column("accepted", Cell.TIME)]
    again: Annotated[str | None, Column("again")]
    state: Annotated[str, Column("state")]
    proof: Annotated[Proof, Column("proof", Cell.PROOF)]


def decisions(case: Case, asked: MaybeRoomAndNation) -> Found[Decided]:
    """All decisions, by room and place."""
    found = [(row, case.specific(row)) for row in case.of_kind(Kind.DECISION, asked.room)]
    decided = [(row, said) for row, said in found if isinstance(said, kinds.Decision)]
    times = Counter((row.room, said.ordinal) for row, said in decided if row.held)
    rows = [
        _row(case, row, said, times[row.room, said.ordinal])
        for row, said in decided
        if asked.nation is None or asked.nation in said.nations
    ]
    good = [row for row in rows if row.state == "holds"]
    adopted = sum(row.outcome == Outcome.ADOPTED.name.lower() for row in good)
    about = "" if asked.nation is None else f" that name {asked.nation}"
    said = [f"Proposals{about} that were adopted: {adopted}; refused: {len(good) - adopted}."]
    if len(rows) > len(good):
        said.append(
            f"Records of a decision that do not hold as they are written: {len(rows) - len(good)}. See their state."
        )
    if any(count > 1 for count in times.values()):
        said.append(
            N_(
                "A proposal was recorded more than once: the records stand beside each other, "
                "and none outweighs the other."
            )
        )
    return Found(
        said=tuple(said),
        rows=tuple(rows[: case.limit]),
        left_out=max(0, len(rows) - case.limit),
        limits=(
            (
                N_(
                    "A decision is signed by the device that recorded it alone: that the nations stood "
                    "behind it is that member's word, "
                    "which all of them could see and contradict."
                )
            ),
            N_("What was proposed is sealed."),
            *words.bare(case.report),
            words.ENDS,
        ),
    )


def _row(case: Case, row: EntryRow, said: kinds.Decision, times: int) -> Decided:
    inside = dict(case.record.nations_at(row.room, row.seq))
    named = (name if name in inside else f"{name} (not in the room)" for name in said.nations)
    return Decided(
        room=case.room(row.room),
        ordinal=said.ordinal,
        outcome=said.outcome.name.lower(),
        nations=", ".join(named) or "nobody",
        recorded_by=case.who(row.sender),
        accepted_ms=row.accepted_ms,
        again=f"recorded {times} times" if times > 1 else None,
        state=case.state(row),
        proof=proof(row.at),
    )


DECISIONS: Final = Question(
    name="decisions",
    sentence=N_("Which decisions bound which nations?"),
    params=MaybeRoomAndNation,
    row=Decided,
    run=decisions,
)
