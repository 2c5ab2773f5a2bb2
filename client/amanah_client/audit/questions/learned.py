"""When a nation first learned of an incident."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import Case, RoomRef, Stay
from amanah_client.audit.questions.question import Cell, Column, Found, Parameter, Proof, Question, Takes, proof
from amanah_client.audit.questions.readers import grade_of
from amanah_client.audit.register import CONTENT, EntryRow
from amanah_client.audit.report import Who
from amanah_client.language import N_
from amanah_protocol import kinds
from amanah_protocol.egress import read_form
from amanah_protocol.kinds import Grade, Kind
from amanah_protocol.types import OrgName

_FROM_OTHERS: Final = f"""
    WHERE room = ? AND seq >= ? AND seq < ? AND kind IN {tuple(map(int, CONTENT))} AND held = 1
    AND sender NOT IN (SELECT number FROM device WHERE organisation = ?) ORDER BY seq LIMIT 1"""  # noqa: S608 - of numbers of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class NationAndRoom:
    """Which nation, and which incident."""

    nation: Annotated[OrgName, Parameter(Takes.NATION, N_("a nation, as cert.example.ma"))]
    room: Annotated[RoomRef, Parameter(Takes.ROOM, N_("first digits of the room's id"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """One step of learning.

    Attributes:
        step: What happened first, of its kind.
        who: The nation's device.
        by: Who did it, where that was another.
        claimed_ms: The sender's time.
        accepted_ms: The relay's time.
        not_before_ms: The log as it was witnessed then did not hold it.
        not_after_ms: The log as it was witnessed then held it.
        proof: The entry, and the message it is about.
    """

    step: Annotated[str, Column("first")]
    who: Annotated[Who | None, Column("who", Cell.WHO)]
    by: Annotated[Who | None, Column("by", Cell.WHO)]
    claimed_ms: Annotated[int, Column("claimed", Cell.TIME)]
    accepted_ms: Annotated[int, Column("accepted", Cell.TIME)]
    not_before_ms: Annotated[int | None, Column("witnessed without it", Cell.TIME)]
    not_after_ms: Annotated[int | None, Column("witnessed with it", Cell.TIME)]
    proof: Annotated[Proof, Column("proof", Cell.PROOF)]


def first_learned(case: Case, asked: NationAndRoom) -> Found[Learned]:
    """The first of each kind of sign that a nation knew of what was said in a room."""
    devices = case.devices_of(asked.nation)
    stays = case.stays(room=asked.room.number, devices=devices)
    steps = sorted(_steps(case, asked, stays, devices), key=lambda row: (row.accepted_ms, row.proof))
    short = asked.room.room.hex()[:8]
    if not steps:
        said = f"Nothing in this record shows that {asked.nation} learned of anything in room {short}."
    else:
        confirmed = next((row for row in steps if row.step.startswith(_SIGNED)), None)
        said = (
            f"{asked.nation} could know of room {short} from {words.moment(steps[0].accepted_ms)} on: {steps[0].step}."
        )
        said += (
            " Nothing that it signed shows that it had read or stored anything there."
            if confirmed is None
            else f" What it first signed itself was accepted {words.moment(confirmed.accepted_ms)}: {confirmed.step}."
        )
    return Found(
        said=(said,),
        rows=tuple(steps),
        limits=(
            N_(
                "The nation may have learned of it elsewhere: in another room, "
                "from another nation, or outside of Amanah."
            ),
            (
                N_(
                    "Accepted is the relay's word, claimed the sender's; where there are witnessed bounds "
                    "they hold against both."
                )
            ),
            *words.bare(case.report),
        ),
    )


ADDED: Final = N_("let into the room")
OPENED: Final = N_("opened the room")
_STORED: Final = "said that it has stored a message"
_ACKNOWLEDGED: Final = "acknowledged a message"
_OWN: Final = "sent a message of its own"
_SIGNED: Final = (OPENED, _STORED, _ACKNOWLEDGED, _OWN)


def _steps(case: Case, asked: NationAndRoom, stays: list[Stay], devices: list[int]) -> Iterator[Learned]:
    if stays:
        first = min(stays, key=lambda stay: stay.added)
        (row,) = case.entries('WHERE "index" = ?', first.added)
        opened = row.kind == Kind.CREATE
        by = None if opened else case.who(row.sender)
        yield _learned(case, OPENED if opened else ADDED, case.who(first.device), by, row)
    yield from _first(case, _deliveries(case, asked.nation, stays))
    yield from _first_acks(case, asked, devices)
    own = (_earliest(case, asked, device, kind) for device in devices for kind in CONTENT)
    yield from _first(case, ((_OWN, row, None) for row in own if row is not None))
    yield from _handed(case, asked)


def _first(case: Case, found: Iterator[tuple[str, EntryRow, int | None]]) -> Iterator[Learned]:
    first = min(found, key=lambda step: step[1].at, default=None)
    if first is not None:
        step, row, about = first
        yield _learned(case, step, case.who(row.sender), None, row, about)


def _deliveries(case: Case, nation: OrgName, stays: list[Stay]) -> Iterator[tuple[str, EntryRow, int | None]]:
    """Of each stay the first `delivered` that reaches another nation's message which it could read."""
    for stay in stays:
        end = 2**62 if stay.to_seq is None else stay.to_seq
        message = case.entries(_FROM_OTHERS, stay.room, stay.from_seq, end, nation)
        if message:
            reached = case.entries(
                (
                    "WHERE sender = ? AND room = ? AND kind = ? AND seq > ? AND upto >= ? AND held = 1 "
                    "ORDER BY seq LIMIT 1"
                ),
                stay.device, stay.room, int(Kind.DELIVERED), message[0].seq, message[0].seq,
            )  # fmt: skip
            yield from ((_STORED, row, message[0].at) for row in reached)


def _first_acks(case: Case, asked: NationAndRoom, devices: list[int]) -> Iterator[Learned]:
    """The first acknowledgement, and the first that says more than that it was received."""
    wanted = set(devices)
    more_needed = False
    for row in case.of_kind(Kind.ACK, asked.room):
        if row.sender not in wanted or not row.held or (more_needed and grade_of(row) is Grade.RECEIVED):
            continue
        # One that speaks of nothing in the record, or of what its device could not read, shows nothing.
        target = next((sent for sent in case.targets(row) if _could_read(case, row.sender, sent)), None)
        if target is None:
            continue
        step = f"{_ACKNOWLEDGED} ({grade_of(row).name.lower()})"
        yield _learned(case, step, case.who(row.sender), None, row, target.at)
        if grade_of(row) is not Grade.RECEIVED:
            return
        more_needed = True


def _could_read(case: Case, device: int, message: EntryRow) -> bool:
    return device in case.record.members_at(message.room, message.seq)


def _earliest(case: Case, asked: NationAndRoom, device: int, kind: Kind) -> EntryRow | None:
    where = "WHERE sender = ? AND room = ? AND kind = ? AND held = 1 ORDER BY seq LIMIT 1"
    found = case.entries(where, device, asked.room.number, int(kind))
    return found[0] if found else None


def _handed(case: Case, asked: NationAndRoom) -> Iterator[Learned]:
    """The first history that it was granted, and the first disclosure to somebody who is called like it."""
    for row in case.of_kind(Kind.GRANT, asked.room):
        specific = case.specific(row)
        if row.held and isinstance(specific, kinds.Grant):
            to = next((who for who in map(case.named, specific.addressees) if who.organisation == asked.nation), None)
            if to is not None:
                yield _learned(case, "granted earlier history", to, case.who(row.sender), row)
                break
    for row in case.of_kind(Kind.EGRESS, asked.room):
        specific = case.specific(row)
        if not row.held or not isinstance(specific, kinds.Egress) or asked.nation not in specific.recipient.casefold():
            continue
        by, taken = case.who(row.sender), read_form(specific.form)
        if taken is not None and specific.recipient == by.organisation:
            continue  # a report is for the nation of its maker, who is in the room
        way = "disclosed outside" if taken is None else f"taken out in a {taken.what}"
        yield _learned(case, f"{way} to {specific.recipient!r}, as its sender calls it", None, by, row)
        break


def _learned(
    case: Case, step: str, who: Who | None, by: Who | None, row: EntryRow, about: int | None = None
) -> Learned:
    bounds = case.record.bounds(row.at)
    return Learned(
        step=step,
        who=who,
        by=by,
        claimed_ms=row.sent_ms,
        accepted_ms=row.accepted_ms,
        not_before_ms=bounds.not_before_ms,
        not_after_ms=bounds.not_after_ms,
        proof=proof(row.at, about),
    )


FIRST_LEARNED: Final = Question(
    name="first-learned",
    sentence=N_("When did this nation first learn of this incident?"),
    params=NationAndRoom,
    row=Learned,
    run=first_learned,
)
