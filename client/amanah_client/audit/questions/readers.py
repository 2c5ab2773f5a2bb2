"""Who could read a message, and who fetched it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import Case, Stay
from amanah_client.audit.questions.question import Cell, Column, Found, Parameter, Proof, Question, Takes, proof
from amanah_client.audit.register import CONTENT, EntryRow
from amanah_client.audit.report import Who
from amanah_client.language import N_
from amanah_protocol import kinds
from amanah_protocol.egress import TakenOut, read_form
from amanah_protocol.kinds import Grade, Kind

WROTE: Final = N_("wrote it")
INSIDE: Final = N_("was in the room")
GRANTED: Final = N_("was granted the history")
REPAIRED: Final = N_("was sent it again")
OUTSIDE: Final = N_("was disclosed to, outside")
REPORTED: Final = N_("may have it in a report that was taken out")
CLAIMS: Final = N_("acknowledged it, though nothing here let it read it")


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageOf:
    """Which message is meant."""

    message: Annotated[EntryRow, Parameter(Takes.MESSAGE, N_("first digits of an envelope's id, or a log index"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One who could read a message.

    Attributes:
        nation: The reader's; None outside of the community.
        reader: The device; None outside.
        outside: To whom it was disclosed, as the discloser wrote it.
        how: What made it readable.
        since_ms: When that was accepted.
        fetched_ms: When the device's first word was accepted that it has stored the room up to here.
        grade: The highest grade in which the device acknowledged it.
        acknowledged_ms: When its first acknowledgement was accepted.
        state: `holds`, or what is wrong with the entry that made it readable.
        proof: Entries: what let it in, its delivery, its acknowledgements.
    """

    nation: Annotated[str | None, Column("nation")]
    reader: Annotated[Who | None, Column("reader", Cell.WHO)]
    outside: Annotated[str | None, Column("outside")]
    how: Annotated[str, Column("how")]
    since_ms: Annotated[int, Column("since", Cell.TIME)]
    fetched_ms: Annotated[int | None, Column("stored by it", Cell.TIME)]
    grade: Annotated[str | None, Column("acknowledged")]
    acknowledged_ms: Annotated[int | None, Column("first acknowledged", Cell.TIME)]
    state: Annotated[str, Column("state")]
    proof: Annotated[Proof, Column("proof", Cell.PROOF)]


def who_could_read(case: Case, asked: MessageOf) -> Found[Reader]:
    """Devices in the room at its place, grants and repairs that covered it, and disclosures of it."""
    message = asked.message
    rows = list(readers_of(case, message))
    nations = sorted({row.nation for row in rows if row.nation and row.how != CLAIMS})
    inside = sum(row.reader is not None and row.how in {WROTE, INSIDE} for row in rows)
    later = sum(row.how in {GRANTED, REPAIRED} for row in rows)
    fetched = sorted({row.nation for row in rows if row.nation and (row.fetched_ms or row.acknowledged_ms)})
    outside = sum(row.how == OUTSIDE for row in rows)
    reported = sum(row.how == REPORTED for row in rows)
    said = [
        (
            f"{words.named(case, message).capitalize()}, accepted {words.moment(message.accepted_ms)}, could be read "
            f"by {words.counted(inside, 'device')} in the room at its place. Handed on inside: {words.often(later)}; "
            f"disclosed outside: {words.often(outside)}{_in_reports(reported)}. All in all by "
            f"devices of {words.listed(nations)}."
        ),
        f"That they have it, devices of {words.listed(fetched)} have said themselves."
        if fetched
        else N_("No device has said that it has it."),
    ]
    if kinds.kind_of(case.specific(message)) in kinds.HEADER_ONLY:
        said.append(N_("It is a header alone: nothing was sealed in it."))
    if not message.held:
        said.append(f"The entry {case.state(message)}.")
    if claims := sum(row.how == CLAIMS for row in rows):
        said.append(f"Nothing in the record let those read it who claim to have it: {words.counted(claims, 'device')}.")
    return Found(
        said=tuple(said),
        rows=tuple(rows[: case.limit]),
        left_out=max(0, len(rows) - case.limit),
        limits=(
            N_("A device that could read it need not have: only what it signed shows that it did."),
            words.RECIPIENTS,
            words.OUTSIDE,
            words.ENDS,
        ),
    )


def _in_reports(count: int) -> str:
    return f"; reports were taken out that may hold it: {words.often(count)}" if count else ""


def readers_of(case: Case, message: EntryRow) -> Iterator[Reader]:
    """All who could read a message: who was in, then who was handed it, then who only claims it."""
    stays = [stay for stay in case.stays(room=message.room) if stay.covers(message.seq)]
    acks = acknowledgements(case, message)
    seen = {stay.device for stay in stays}
    for stay in stays:
        how = WROTE if stay.device == message.sender else INSIDE
        yield _inside(case, message, stay, how, acks.get(stay.device, []))
    for row, device in handed_on(case, message):
        number = case.record.number(device.device)
        how = GRANTED if row.kind == Kind.GRANT else REPAIRED
        if number is not None:
            seen.add(number)
        yield _handed(case, message, row, device, how, acks.get(number or 0, []))
    for row in case.of_kind(Kind.EGRESS, None):
        specific = case.specific(row)
        if not isinstance(specific, kinds.Egress) or row.room != message.room:
            continue
        taken = read_form(specific.form)
        if specific.envelope == message.envelope if taken is None else _may_stand(case, message, row, taken):
            yield Reader(
                nation=None,
                reader=None,
                outside=f"{specific.recipient} ({specific.form}), by {case.who(row.sender).text}",
                how=OUTSIDE if taken is None else REPORTED,
                since_ms=row.accepted_ms,
                fetched_ms=None,
                grade=None,
                acknowledged_ms=None,
                state=case.state(row),
                proof=proof(row.at),
            )
    for number, said in acks.items():
        if number not in seen:
            yield _claimed(case, number, said)


def _may_stand(case: Case, message: EntryRow, row: EntryRow, taken: TakenOut) -> bool:
    """Whether a file made of a room may hold a message: it stood there by then, under a label up to the file's."""
    newest = max((target.seq for target in case.targets(row)), default=row.seq)
    return message.kind in CONTENT and message.seq <= newest and case.label_at(message, row.at) <= taken.label


def _inside(case: Case, message: EntryRow, stay: Stay, how: str, acks: list[EntryRow]) -> Reader:
    (added,) = case.entries('WHERE "index" = ?', stay.added)
    return _reader(case, case.who(stay.device), how, added, stored(case, stay.device, message), acks)


def _handed(case: Case, message: EntryRow, row: EntryRow, who: Who, how: str, acks: list[EntryRow]) -> Reader:
    number = case.record.number(who.device)
    # What it has stored of the room says nothing of a message from before it was in.
    later = None if number is None or how == GRANTED else stored(case, number, message)
    return _reader(case, who, how, row, later, acks)


def _reader(case: Case, who: Who, how: str, by: EntryRow, kept: EntryRow | None, acks: list[EntryRow]) -> Reader:
    return Reader(
        nation=who.organisation or None,
        reader=who,
        outside=None,
        how=how,
        since_ms=by.accepted_ms,
        fetched_ms=None if kept is None else kept.accepted_ms,
        grade=highest(acks),
        acknowledged_ms=acks[0].accepted_ms if acks else None,
        state=case.state(by),
        proof=proof(by.at, None if kept is None else kept.at, *(ack.at for ack in acks)),
    )


def _claimed(case: Case, number: int, acks: list[EntryRow]) -> Reader:
    who = case.who(number)
    return Reader(
        nation=who.organisation or None,
        reader=who,
        outside=None,
        how=CLAIMS,
        since_ms=acks[0].accepted_ms,
        fetched_ms=None,
        grade=highest(acks),
        acknowledged_ms=acks[0].accepted_ms,
        state=case.state(acks[0]),
        proof=proof(*(ack.at for ack in acks)),
    )


def handed_on(case: Case, message: EntryRow) -> Iterator[tuple[EntryRow, Who]]:
    """Grants whose range covers a message, and repairs that name it, each with one addressee, in log order.

    Those that do not hold are given too: that they were tried is part of the answer.
    """
    covering = case.entries(
        "WHERE kind = ? AND kind <> 4 AND room = ? AND seq > ? AND upto >= ? ORDER BY seq",
        int(Kind.GRANT), message.room, message.seq, message.seq,
    )  # fmt: skip
    repairs = case.entries(
        "WHERE kind = ? AND kind <> 4 AND room = ? AND seq > ? ORDER BY seq",
        int(Kind.REPAIR), message.room, message.seq,
    )  # fmt: skip
    for row in sorted((*covering, *repairs)):
        match case.specific(row):
            case kinds.Grant(from_seq=first, addressees=addressees) if first <= message.seq:
                yield from ((row, case.named(device)) for device in addressees)
            case kinds.Repair(envelopes=envelopes, addressees=addressees) if message.envelope in envelopes:
                yield from ((row, case.named(device)) for device in addressees)
            case _:  # it speaks of others
                pass


def stored(case: Case, device: int, message: EntryRow) -> EntryRow | None:
    """The device's first word that it has stored everything of the room up to a message."""
    where = "WHERE sender = ? AND room = ? AND kind = ? AND seq > ? AND upto >= ? AND held = 1 ORDER BY seq LIMIT 1"
    found = case.entries(where, device, message.room, int(Kind.DELIVERED), message.seq, message.seq)
    return found[0] if found else None


def acknowledgements(case: Case, message: EntryRow) -> dict[int, list[EntryRow]]:
    """Acknowledgements of a message that hold, by device, in log order."""
    found: dict[int, list[EntryRow]] = {}
    for row in case.speaking_of(message.at, Kind.ACK):
        found.setdefault(row.sender, []).append(row)
    return found


def grade_of(row: EntryRow) -> Grade:
    """In which grade an entry acknowledges: the first field behind the head of its array."""
    return Grade(row.specific[1])


def highest(acks: list[EntryRow]) -> str | None:
    """The highest grade among acknowledgements, in words."""
    return max(map(grade_of, acks)).name.lower() if acks else None


WHO_COULD_READ: Final = Question(
    name="who-could-read",
    sentence=N_("Who could read this message, and who fetched it?"),
    params=MessageOf,
    row=Reader,
    run=who_could_read,
)
