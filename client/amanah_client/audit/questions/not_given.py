"""That something was *not* given to somebody: said exactly as strongly as the evidence is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from amanah_client.audit.questions import leaving, words
from amanah_client.audit.questions.case import Case, RoomRef
from amanah_client.audit.questions.contents import Contents, spans_of
from amanah_client.audit.questions.leaving import Left, departures
from amanah_client.audit.questions.question import Cell, Column, Found, Parameter, Proof, Question, Takes, proof
from amanah_client.audit.questions.readers import (
    CLAIMS,
    GRANTED,
    INSIDE,
    OUTSIDE,
    REPAIRED,
    REPORTED,
    Reader,
    readers_of,
)
from amanah_client.audit.register import EntryRow
from amanah_client.audit.report import Who
from amanah_client.language import N_
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Label
from amanah_protocol.types import OrgName, RoomId

_ENTERED: Final = 'SELECT "index", accepted_ms FROM entry WHERE "index" IN (SELECT added FROM stay)'
_VOID: Final = "DOES NOT HOLD"
_NAMED: Final = 10
_HOW: Final = {
    leaving.DISCLOSED: OUTSIDE,
    leaving.FORWARDED: OUTSIDE,
    leaving.REPORTED: REPORTED,
    leaving.GRANTED: GRANTED,
    leaving.REPAIRED: REPAIRED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatToWhom:
    """What was not given: one of message, room and label; to whom: one of nation and device."""

    message: Annotated[EntryRow | None, Parameter(Takes.MESSAGE, N_("one message, by id or log index"))] = None
    room: Annotated[RoomRef | None, Parameter(Takes.ROOM, N_("all that was said in a room"))] = None
    label: Annotated[Label | None, Parameter(Takes.LABEL, N_("all from this label on, in every room in scope"))] = None
    nation: Annotated[OrgName | None, Parameter(Takes.NATION, N_("to a nation: none of its devices"))] = None
    device: Annotated[int | None, Parameter(Takes.DEVICE, N_("to one device"))] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One way in which somebody was given it: all of them together are everybody who was.

    Attributes:
        nation: The reader's; None outside.
        reader: The device; None outside.
        outside: To whom it was disclosed, as the discloser wrote it.
        room: The room.
        how: The way.
        messages: How many messages and alerts of those asked about; of what was handed on, of all labels.
        since_ms: When the relay accepted what made them readable.
        asked: Whether this is the one who is asked about.
        state: `holds`, or what is wrong with the entry.
        proof: The entries.
    """

    nation: Annotated[str | None, Column("nation")]
    reader: Annotated[Who | None, Column("reader", Cell.WHO)]
    outside: Annotated[str | None, Column("outside")]
    room: Annotated[RoomId, Column("room", Cell.ROOM)]
    how: Annotated[str, Column("how")]
    messages: Annotated[int, Column("messages", Cell.NUMBER)]
    since_ms: Annotated[int, Column("since", Cell.TIME)]
    asked: Annotated[str | None, Column("asked about")]
    state: Annotated[str, Column("state")]
    proof: Annotated[Proof, Column("proof", Cell.PROOF)]


def not_given(case: Case, asked: WhatToWhom) -> Found[Given]:
    """The complete roster of who was given it, and what that allows to be said of one of them."""
    if sum(one is not None for one in (asked.message, asked.room, asked.label)) != 1:
        raise UsageError(Code.USAGE, "not-given needs one thing", hint="Give one of --message, --room and --label.")
    if sum(one is not None for one in (asked.nation, asked.device)) != 1:
        raise UsageError(Code.USAGE, "not-given needs somebody", hint="Give one of --nation and --device.")
    rows = list(_everybody(case, asked))
    theirs = [row for row in rows if row.asked is not None]
    # Whom it concerns comes first, whatever the limit.
    rows.sort(key=lambda row: (row.asked is None, row.proof))
    return Found(
        said=tuple(_verdict(case, asked, rows, theirs)),
        rows=tuple(rows[: case.limit]),
        left_out=max(0, len(rows) - case.limit),
        limits=(
            words.OUTSIDE,
            words.RECIPIENTS,
            N_("The same matter may have been told in other words, or in another room."),
            (
                N_(
                    "A grant behind the last entry that is here of a room would not be seen: only members "
                    "know the room's signed head."
                )
            ),
            *((words.LABELS,) if asked.label is not None else ()),
            *words.bare(case.report),
        ),
    )


def _verdict(case: Case, asked: WhatToWhom, rows: list[Given], theirs: list[Given]) -> Iterator[str]:
    what, whom = _what(case, asked), _whom(case, asked)
    given = [row for row in theirs if row.how != CLAIMS and row.outside is None and not row.state.startswith(_VOID)]
    outside = [row for row in rows if row.outside is not None and not row.state.startswith(_VOID)]
    if given:
        ways = words.listed(sorted({row.how for row in given}))
        yield f"It CANNOT be said that {what} was not given to {whom}: it {ways} (rows: {len(given)})."
    elif case.report.faults:
        yield (
            f"It cannot be said, from a record that does not hold, that {what} was not given to "
            f"{whom}; this one shows no way in which it was."
        )
    elif _is_in_part(case, asked):
        yield (
            f"It cannot be said, from a selection of a room's entries, that {what} was not given to {whom}; "
            "these show no way in which it was."
        )
    else:
        yield (
            f"As far as this record reaches, {what} was not given to {whom} by any way that Amanah has: "
            f"{'no device of it was' if asked.device is None else 'it was not'} in the room then{_left(case, asked)}, "
            "and no grant and no repair named it."
        )
    if unknown := sum(row.reader is not None and row.nation is None for row in rows):
        yield f"Whose devices these are that were given it is not known: {unknown}."
    if outside:
        names = words.listed(sorted({row.outside or "" for row in outside})[:_NAMED])
        yield f"Disclosed outside: {words.often(len(outside))}, to {names}. Where it went from there is not known."
    if any(row.outside is not None for row in theirs):
        yield f"One who was disclosed to outside is called like {whom}."
    if claims := sum(row.how == CLAIMS for row in theirs):
        yield f"All the same {whom} acknowledged it, {words.often(claims)}: nothing in the record explains that."
    if void := sum(row.state.startswith(_VOID) for row in rows if row.asked is not None or row.outside is not None):
        yield f"Entries that do not hold and speak of giving it away, to {whom} or outside: {void}."


def _left(case: Case, asked: WhatToWhom) -> str:
    """What ended their stays before a message was sent: the entry that the answer hangs on."""
    if asked.message is None:
        return ""
    devices = case.devices_of(asked.nation) if asked.nation is not None else [asked.device or 0]
    ends = [stay.removed for stay in case.stays(room=asked.message.room, devices=devices) if stay.removed is not None]
    before = [removed for removed in ends if removed < asked.message.at]
    return f" (removed with entry {max(before)})" if before else ""


def _is_in_part(case: Case, asked: WhatToWhom) -> bool:
    """Whether a grant may have left out the entries that would tell."""
    room = asked.room or (None if asked.message is None else RoomRef(asked.message.room, case.room(asked.message.room)))
    part = case.record.rooms_in_part()
    return bool(part) if room is None else room.room in part


def _what(case: Case, asked: WhatToWhom) -> str:
    if asked.message is not None:
        return words.named(case, asked.message)
    if asked.room is not None:
        return f"what was said in room {asked.room.room.hex()[:8]}"
    assert asked.label is not None  # noqa: S101 - narrows for mypy: one of the three is given
    return (
        f"what was labelled {asked.label.text} or stricter in the "
        f"{words.counted(case.record.room_count, 'room')} in scope"
    )


def _whom(case: Case, asked: WhatToWhom) -> str:
    return case.who(asked.device).text if asked.device is not None else str(asked.nation)


def _is_asked(case: Case, asked: WhatToWhom, reader: Who | None, outside: str | None) -> str | None:
    if outside is not None:
        return "called so" if asked.nation is not None and asked.nation in outside.casefold() else None
    if reader is None:
        return None
    same = (
        reader.organisation == asked.nation if asked.device is None else reader.device == case.who(asked.device).device
    )
    return "yes" if same else None


def _everybody(case: Case, asked: WhatToWhom) -> Iterator[Given]:
    if asked.message is not None:
        yield from (_of_reader(case, asked, asked.message, row) for row in readers_of(case, asked.message))
        return
    wanted = Label.CLEAR if asked.label is None else asked.label
    contents = Contents(case, asked.room)
    entered = dict(case.record.select(_ENTERED))
    # Merged, so that one who left and came again is one row a stay, and nothing is counted twice.
    for stay in case.stays(room=None if asked.room is None else asked.room.number):
        counts = contents.count(stay.room, spans_of((stay,)))
        messages = sum(count for label, count in counts.items() if label >= wanted)
        if messages:
            who = case.who(stay.device)
            yield Given(
                nation=who.organisation or None,
                reader=who,
                outside=None,
                room=case.room(stay.room),
                how=INSIDE,
                messages=messages,
                since_ms=entered[stay.added],
                asked=_is_asked(case, asked, who, None),
                state="holds",
                proof=proof(stay.added, stay.removed),
            )
    for left in departures(case, asked.room, contents):
        # A disclosure whose message is not to be found may be of any; a grant without a message gives nothing.
        lost = left.what == leaving.DISCLOSED and left.label is None
        if lost or (left.label is not None and left.label >= wanted):
            yield _of_left(case, asked, left)


def _of_left(case: Case, asked: WhatToWhom, left: Left) -> Given:
    outside = None if left.outside is None else f"{left.outside}, by {left.by.text}"
    return Given(
        nation=None if left.to is None else left.to.organisation or None,
        reader=left.to,
        outside=outside,
        room=left.room,
        how=_HOW[left.what],
        messages=left.messages,
        since_ms=left.accepted_ms,
        asked=_is_asked(case, asked, left.to, left.outside),
        state=left.state,
        proof=left.proof,
    )


def _of_reader(case: Case, asked: WhatToWhom, message: EntryRow, row: Reader) -> Given:
    return Given(
        nation=row.nation,
        reader=row.reader,
        outside=row.outside,
        room=case.room(message.room),
        how=row.how,
        messages=1,
        since_ms=row.since_ms,
        asked=_is_asked(case, asked, row.reader, row.outside),
        state=row.state,
        proof=row.proof,
    )


NOT_GIVEN: Final = Question(
    name="not-given",
    sentence=N_("Can it be shown that this was not given to them?"),
    params=WhatToWhom,
    row=Given,
    run=not_given,
)
