"""What left the circle that it was written for: disclosures, reports, grants and repairs to others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from amanah_client.audit.egress import egress_fault
from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import Case, RoomRef, names
from amanah_client.audit.questions.contents import Contents, Span, spans_of, without
from amanah_client.audit.questions.question import Cell, Column, Found, Parameter, Proof, Question, Takes, proof
from amanah_client.audit.register import CONTENT, EntryRow
from amanah_client.audit.report import Who
from amanah_client.language import N_
from amanah_protocol import kinds
from amanah_protocol.egress import FORWARD, TakenOut, read_form
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId

DISCLOSED: Final = N_("disclosed outside")
REPORTED: Final = N_("taken out in a report")
FORWARDED: Final = N_("forwarded to another room")
GRANTED: Final = N_("history granted")
REPAIRED: Final = N_("sent to one it was not for")
_REMARKED: Final = """
    WHERE kind = ? AND kind <> 4 AND (? IS NULL OR room = ?)
    AND (held = 0 OR "index" IN (SELECT "index" FROM finding WHERE "index" IS NOT NULL)) ORDER BY room, seq"""
_AUTHORS: Final = f"""
    SELECT DISTINCT sender FROM entry WHERE room = ? AND seq >= ? AND seq < ? AND kind IN {tuple(map(int, CONTENT))}
    AND label = ? AND held = 1"""  # noqa: S608 - of numbers of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class MaybeRoomAndLabel:
    """Which room, and from which label on; all without."""

    room: Annotated[RoomRef | None, Parameter(Takes.ROOM, N_("only one room, by first digits of its id"))] = None
    label: Annotated[Label | None, Parameter(Takes.LABEL, N_("only from this label on, as TLP:AMBER+STRICT"))] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """One way in which content left its circle.

    Attributes:
        what: The way.
        room: The room.
        messages: How many messages and alerts it was; of a report, how many may stand in it.
        label: The strictest label among them; for a disclosure, that at its time; of a report its own, as
            its maker says.
        by: Who did it.
        to: To which device; None outside.
        outside: To whom outside, as the discloser wrote it.
        accepted_ms: The relay's time.
        against: The rule that it breaks; None for none.
        state: `holds`, or what is wrong with the entry.
        proof: The entries.
    """

    what: Annotated[str, Column("what")]
    room: Annotated[RoomId, Column("room", Cell.ROOM)]
    messages: Annotated[int, Column("messages", Cell.NUMBER)]
    label: Annotated[Label | None, Column("label", Cell.LABEL)]
    by: Annotated[Who, Column("by", Cell.WHO)]
    to: Annotated[Who | None, Column("to", Cell.WHO)]
    outside: Annotated[str | None, Column("outside")]
    accepted_ms: Annotated[int, Column("accepted", Cell.TIME)]
    against: Annotated[str | None, Column("against the rule")]
    state: Annotated[str, Column("state")]
    proof: Annotated[Proof, Column("proof", Cell.PROOF)]


def left_circle(case: Case, asked: MaybeRoomAndLabel) -> Found[Left]:
    """All that left, in log order, and how much of it by label."""
    found = sorted(departures(case, asked.room, Contents(case, asked.room)), key=lambda row: row.proof)
    wanted = asked.label
    rows = [row for row in found if wanted is None or (row.label is not None and row.label >= wanted)]
    held = [row for row in rows if row.state == "holds" or not row.state.startswith("DOES NOT HOLD")]
    by_label = {label: [row for row in held if row.label is label] for label in reversed(Label)}
    counts = [f"{label.text}: {_ways(of_label)}" for label, of_label in by_label.items() if of_label]
    said = [f"Left its circle, {'; '.join(counts)}." if counts else N_("Nothing is recorded to have left its circle.")]
    broken = sum(row.against is not None for row in held)
    if broken:
        said.append(f"Against the rule of its label: {words.often(broken)}.")
    if refused := len(rows) - len(held):
        said.append(f"Entries that claim so, do not hold and are not counted: {refused}.")
    return Found(
        said=tuple(said),
        rows=tuple(rows[: case.limit]),
        left_out=max(0, len(rows) - case.limit),
        limits=(words.RECIPIENTS, words.LABELS, words.OUTSIDE, *words.bare(case.report), words.ENDS),
    )


def _ways(rows: list[Left]) -> str:
    ways = {way: sum(row.what == way for row in rows) for way in (DISCLOSED, REPORTED, FORWARDED, GRANTED, REPAIRED)}
    return ", ".join(f"{count} {way}" for way, count in ways.items() if count)


def departures(case: Case, room: RoomRef | None, contents: Contents) -> Iterator[Left]:
    """Everything that left a circle, by kind; entries that do not hold too."""
    said = {kind: _read(case, kind, room) for kind in (Kind.EGRESS, Kind.REPAIR)}
    sent = case.sent({envelope for rows in said.values() for _, specific in rows for envelope in names(specific)})
    for row, egress in said[Kind.EGRESS]:
        assert isinstance(egress, kinds.Egress)  # noqa: S101 - narrows for mypy: the row is of that kind
        targets, taken = case.targets(row, egress, sent), read_form(egress.form)
        if taken is None:
            yield _disclosed(case, row, egress, targets)
        else:
            yield _reported(case, contents, row, egress, taken, targets)
    for row, grant in _read(case, Kind.GRANT, room):
        assert isinstance(grant, kinds.Grant)  # noqa: S101 - the same
        for device in grant.addressees:
            yield from _granted(case, contents, row, grant, case.named(device))
    for row, repair in said[Kind.REPAIR]:
        assert isinstance(repair, kinds.Repair)  # noqa: S101 - the same
        targets = case.targets(row, repair, sent)
        for device in repair.addressees:
            yield from _repaired(case, row, targets, case.named(device))


def _read(case: Case, kind: Kind, room: RoomRef | None) -> list[tuple[EntryRow, kinds.Specific]]:
    """Entries of a kind; of repairs those that send, and not those that ask."""
    rows = _remarked(case, room) if kind is Kind.REPAIR and case.keeps_all_findings else case.of_kind(kind, room)
    read = ((row, case.specific(row)) for row in rows)
    return [(row, said) for row, said in read if not isinstance(said, kinds.Repair) or said.addressees]


def _remarked(case: Case, room: RoomRef | None) -> list[EntryRow]:
    """Repairs that the examination remarked upon: among them is each that went to a device it was not for."""
    return case.entries(_REMARKED, int(Kind.REPAIR), *((None,) * 2 if room is None else (room.number,) * 2))


def _disclosed(case: Case, row: EntryRow, egress: kinds.Egress, targets: list[EntryRow]) -> Left:
    target = targets[0] if targets else None
    label = None if target is None else case.label_at(target, row.at)
    forwarded, by = egress.form == FORWARD, case.who(row.sender)
    author = None if target is None else case.who(target.sender)
    return Left(
        what=FORWARDED if forwarded else DISCLOSED,
        room=case.room(row.room),
        messages=int(target is not None),
        label=label,
        by=by,
        to=None,
        outside=f"{'room ' if forwarded else ''}{egress.recipient} ({egress.form})",
        accepted_ms=row.accepted_ms,
        against=None if label is None or author is None else egress_fault(label, egress, by=by, author=author),
        state=case.state(row),
        proof=proof(row.at, None if target is None else target.at),
    )


def _reported(
    case: Case, contents: Contents, row: EntryRow, egress: kinds.Egress, taken: TakenOut, targets: list[EntryRow]
) -> Left:
    """A file made of the room: what may stand in it is all up to the entry that it names, as far as its label goes.

    Of one that names none of the room, all that stood there by then.
    """
    newest = targets[0] if targets else None
    counts = contents.count(row.room, [(0, row.seq if newest is None else newest.seq + 1)])
    by = case.who(row.sender)
    return Left(
        what=REPORTED,
        room=case.room(row.room),
        messages=sum(count for label, count in counts.items() if label <= taken.label),
        label=taken.label,
        by=by,
        to=None,
        outside=f"{egress.recipient} ({egress.form})",
        accepted_ms=row.accepted_ms,
        against=egress_fault(taken.label, egress, by=by, author=by),
        state=case.state(row),
        proof=proof(row.at, None if newest is None else newest.at),
    )


def gaps(case: Case, row: EntryRow, grant: kinds.Grant, who: Who) -> list[Span]:
    """The places of a grant at which its addressee was not in the room itself."""
    number = case.record.number(who.device)
    stays = case.stays(room=row.room, devices=() if number is None else (number,))
    return without((grant.from_seq, grant.to_seq + 1), spans_of(stays))


def _granted(case: Case, contents: Contents, row: EntryRow, grant: kinds.Grant, who: Who) -> Iterator[Left]:
    spans = gaps(case, row, grant, who)
    if not spans:
        return  # what it was in for is nothing new to it
    counts = contents.count(row.room, spans)
    yield Left(
        what=GRANTED,
        room=case.room(row.room),
        messages=sum(counts.values()),
        label=max(counts, default=None),
        by=case.who(row.sender),
        to=who,
        outside=None,
        accepted_ms=row.accepted_ms,
        against=_against(case, row, who, spans, counts),
        state=case.state(row),
        proof=proof(row.at),
    )


def _against(case: Case, row: EntryRow, who: Who, spans: list[Span], counts: dict[Label, int]) -> str | None:
    """What a grant of history may not hold (protocol, section 5)."""
    by = case.who(row.sender)
    if Label.RED in counts and any(one.somebody != by.somebody for one in _authors(case, row, spans, Label.RED)):
        return f"{Label.RED.text} is granted by its author alone"
    if Label.AMBER_STRICT in counts:
        nations = {one.organisation for one in _authors(case, row, spans, Label.AMBER_STRICT)}
        if nations != {by.organisation} or who.organisation != by.organisation:
            return f"{Label.AMBER_STRICT.text} is granted inside the organisation alone"
    return None


def _authors(case: Case, row: EntryRow, spans: list[Span], label: Label) -> list[Who]:
    found = (case.record.select(_AUTHORS, row.room, first, end, int(label)) for first, end in spans)
    return [case.who(sender) for rows in found for (sender,) in rows]


def _repaired(case: Case, row: EntryRow, targets: list[EntryRow], who: Who) -> Iterator[Left]:
    number = case.record.number(who.device)
    stays = case.stays(room=row.room, devices=() if number is None else (number,))
    strange = [sent for sent in targets if not any(stay.covers(sent.seq) for stay in stays)]
    if strange:
        yield Left(
            what=REPAIRED,
            room=case.room(row.room),
            messages=len(strange),
            label=max(case.label_at(sent, row.at) for sent in strange),
            by=case.who(row.sender),
            to=who,
            outside=None,
            accepted_ms=row.accepted_ms,
            against="a repair goes to a device that a message was for",
            state=case.state(row),
            proof=proof(row.at, *(sent.at for sent in strange)),
        )


LEFT_CIRCLE: Final = Question(
    name="left-circle",
    sentence=N_("What left the circle that it was written for, under which label?"),
    params=MaybeRoomAndLabel,
    row=Left,
    run=left_circle,
)
