"""Whether a label was right, and whether it was ever lowered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import Case, RoomRef
from amanah_client.audit.questions.question import Cell, Column, Found, Parameter, Proof, Question, Takes, proof
from amanah_client.audit.register import EntryRow
from amanah_client.audit.report import Who
from amanah_client.language import N_
from amanah_protocol import kinds
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId

_LOWERED: Final = "label lowered"
_RAISED: Final = "label raised"
_SAME: Final = "label left as it was"
_VOID: Final = "change of a label that counts for nothing"
_ABOVE: Final = "label above the ceiling"
_REFUSED: Final = """
    WHERE held = 0 AND (? IS NULL OR room = ?) AND EXISTS (
        SELECT 1 FROM finding WHERE finding."index" = entry."index" AND severity = 'fault' AND code = 'LABEL')
    ORDER BY 1"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaybeRoom:
    """Which room; all without."""

    room: Annotated[RoomRef | None, Parameter(Takes.ROOM, N_("only one room, by first digits of its id"))] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One change of a label, or one label that was not allowed.

    Attributes:
        what: What it is.
        room: The room.
        message: Log index of the message; None where it names none of this room.
        by: Who did it.
        was: The label before; for one above a ceiling, the ceiling of the room.
        became: The label after; for one above a ceiling, that label.
        accepted_ms: The relay's time.
        state: `holds`, or what is wrong.
        proof: The entries.
    """

    what: Annotated[str, Column("what")]
    room: Annotated[RoomId, Column("room", Cell.ROOM)]
    message: Annotated[int | None, Column("message", Cell.ENTRY)]
    by: Annotated[Who, Column("by", Cell.WHO)]
    was: Annotated[Label | None, Column("from", Cell.LABEL)]
    became: Annotated[Label, Column("to", Cell.LABEL)]
    accepted_ms: Annotated[int, Column("accepted", Cell.TIME)]
    state: Annotated[str, Column("state")]
    proof: Annotated[Proof, Column("proof", Cell.PROOF)]


def labels(case: Case, asked: MaybeRoom) -> Found[Labelled]:
    """Relabellings, and labels above what a room or a certificate allows."""
    number = None if asked.room is None else asked.room.number
    rows = [_relabelled(case, row) for row in case.of_kind(Kind.RELABEL, asked.room)]
    rows += [_above(case, row) for row in case.entries(_REFUSED, number, number)]
    rows.sort(key=lambda row: row.proof)
    lowered = sum(row.what == _LOWERED for row in rows)
    void = sum(row.what == _VOID for row in rows)
    above = sum(row.what == _ABOVE for row in rows)
    said = [f"Labels lowered: {lowered}, each by its author's side." if lowered else N_("No label was lowered.")]
    if void:
        said.append(f"Changes of a label that count for nothing, by who may not lower it or not fitting: {void}.")
    said.append(
        f"Entries with a label above the ceiling of room or certificate, which no relay may take: {above}."
        if above
        else N_("No entry had a label above the ceiling of its room or of its sender's certificate.")
    )
    return Found(
        said=tuple(said),
        rows=tuple(rows[: case.limit]),
        left_out=max(0, len(rows) - case.limit),
        limits=(words.LABELS, *words.bare(case.report), words.ENDS),
    )


def _relabelled(case: Case, row: EntryRow) -> Labelled:
    specific = case.specific(row)
    assert isinstance(specific, kinds.Relabel)  # noqa: S101 - narrows for mypy: the row is of that kind
    target = next(iter(case.targets(row)), None)
    was = specific.old
    if row.became is None or not row.held:
        what = _VOID
    else:
        # Who raises a label may not know that another has raised it meanwhile.
        was = was if target is None else case.label_at(target, row.at)
        what = _LOWERED if specific.new < was else _RAISED if specific.new > was else _SAME
    return Labelled(
        what=what,
        room=case.room(row.room),
        message=None if target is None else target.at,
        by=case.who(row.sender),
        was=was,
        became=specific.new,
        accepted_ms=row.accepted_ms,
        state=case.state(row),
        proof=proof(row.at, None if target is None else target.at),
    )


def _above(case: Case, row: EntryRow) -> Labelled:
    creation = case.creation(row.room)
    return Labelled(
        what=_ABOVE,
        room=case.room(row.room),
        message=row.at,
        by=case.who(row.sender),
        was=None if creation is None else creation[1].ceiling,
        became=Label(row.label),
        accepted_ms=row.accepted_ms,
        state=case.state(row),
        proof=proof(row.at, None if creation is None else creation[0]),
    )


LABELS: Final = Question(
    name="labels",
    sentence=N_("Was a label ever lowered, by whom, and was any label above what was allowed?"),
    params=MaybeRoom,
    row=Labelled,
    run=labels,
)
