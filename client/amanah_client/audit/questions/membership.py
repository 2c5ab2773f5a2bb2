"""Who joined and who left, by whose act, and on which agreement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import Case, RoomRef
from amanah_client.audit.questions.question import Cell, Column, Found, Parameter, Proof, Question, Takes, proof
from amanah_client.audit.report import Who
from amanah_client.language import N_
from amanah_protocol.kinds import Kind
from amanah_protocol.types import OrgName, RoomId

_STAYS: Final = """
    SELECT stay.room, stay.device, stay.added, came.accepted_ms, came.sender, came.kind,
        stay.removed, went.accepted_ms, went.sender
    FROM stay JOIN device ON device.number = stay.device JOIN entry AS came ON came."index" = stay.added
    LEFT JOIN entry AS went ON went."index" = stay.removed
    WHERE (?1 IS NULL OR stay.room = ?1) AND (?2 IS NULL OR device.organisation = ?2)
    ORDER BY stay.added, stay.device"""
_REFUSED: Final = "WHERE held = 0 AND kind = ? AND (? IS NULL OR room = ?) ORDER BY 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaybeRoomAndNation:
    """Which room and which nation; all without."""

    room: Annotated[RoomRef | None, Parameter(Takes.ROOM, N_("only one room, by first digits of its id"))] = None
    nation: Annotated[OrgName | None, Parameter(Takes.NATION, N_("only one nation, as cert.example.ma"))] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """One stay of a device in a room, or a change that did not hold.

    Attributes:
        room: The room.
        who: Who was in; None for a change that did not hold.
        joined_ms: When the relay accepted what let it in.
        invited_by: Who let it in; the device itself when it opened the room.
        agreement: The agreement that the room was opened under, as its opener named it.
        left_ms: When the relay accepted its removal; None while it is in.
        removed_by: Who removed it.
        state: `holds`, or what is wrong.
        proof: The entries that let it in and removed it, and the room's creation.
    """

    room: Annotated[RoomId, Column("room", Cell.ROOM)]
    who: Annotated[Who | None, Column("who", Cell.WHO)]
    joined_ms: Annotated[int, Column("joined", Cell.TIME)]
    invited_by: Annotated[Who, Column("invited by", Cell.WHO)]
    agreement: Annotated[str | None, Column("agreement")]
    left_ms: Annotated[int | None, Column("left", Cell.TIME)]
    removed_by: Annotated[Who | None, Column("removed by", Cell.WHO)]
    state: Annotated[str, Column("state")]
    proof: Annotated[Proof, Column("proof", Cell.PROOF)]


def membership(case: Case, asked: MaybeRoomAndNation) -> Found[Membership]:
    """Every stay, and every change of a circle that did not hold."""
    number = None if asked.room is None else asked.room.number
    found, left_out = case.page(_STAYS, number, asked.nation)
    refused = case.entries(_REFUSED, int(Kind.COMMIT), number, number)
    rows = [_stay(case, row) for row in found]
    for commit in refused[: case.limit]:
        sender = case.who(commit.sender)
        rows.append(
            Membership(
                room=case.room(commit.room),
                who=None,
                joined_ms=commit.accepted_ms,
                invited_by=sender,
                agreement=_agreement(case, commit.room)[1],
                left_ms=None,
                removed_by=None,
                state=case.state(commit),
                proof=proof(commit.at),
            )
        )
    stays = len(found) + left_out
    gone = sum(row.left_ms is not None for row in rows)
    unagreed = sum(row.who is not None and row.agreement is None for row in rows)
    said = [f"Stays of a device in a room: {stays}; of those shown {gone} ended with a removal."]
    if unagreed:
        said.append(f"In rooms that name no agreement: {words.counted(unagreed, 'stay')}.")
    said.append(
        f"Changes of a circle that do not hold, and changed nothing: {len(refused)}."
        if refused
        else N_("Everybody was let in and removed by a member who may.")
    )
    return Found(
        said=tuple(said),
        rows=tuple(rows),
        left_out=left_out + max(0, len(refused) - case.limit),
        limits=(
            N_("The agreement is what the room's opener wrote; whether it was in force is not in the record."),
            N_("Which person a pseudonym is, its own organisation alone knows."),
            *words.bare(case.report),
            words.ENDS,
        ),
    )


def _stay(case: Case, row: tuple[int, int, int, int, int, int, int | None, int | None, int | None]) -> Membership:
    room, device, added, joined_ms, by, _, removed, left_ms, remover = row
    created, agreement = _agreement(case, room)
    return Membership(
        room=case.room(room),
        who=case.who(device),
        joined_ms=joined_ms,
        invited_by=case.who(by),
        agreement=agreement,
        left_ms=left_ms,
        removed_by=None if remover is None else case.who(remover),
        state="holds",
        proof=proof(added, removed, created),
    )


def _agreement(case: Case, room: int) -> tuple[int | None, str | None]:
    creation = case.creation(room)
    return (None, None) if creation is None else (creation[0], creation[1].agreement)


MEMBERSHIP: Final = Question(
    name="membership",
    sentence=N_("Who joined which room, who invited them and on which agreement; who left, and who removed them?"),
    params=MaybeRoomAndNation,
    row=Membership,
    run=membership,
)
