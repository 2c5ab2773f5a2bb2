"""Whether the record is whole: nothing missing, nothing twice, nothing in another order."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import Case
from amanah_client.audit.questions.labels import MaybeRoom
from amanah_client.audit.questions.question import MAX_NAMED, Cell, Column, Found, Proof, Question, proof
from amanah_client.audit.report import Who
from amanah_client.language import N_
from amanah_protocol.types import RoomId

_ROOMS: Final = """
    SELECT room, count(*), {places}, max(seq) FROM entry WHERE (?1 IS NULL OR room = ?1) GROUP BY room"""
_ENDS: Final = """
    SELECT (SELECT "index" FROM entry WHERE room = ?1 ORDER BY seq LIMIT 1),
        (SELECT "index" FROM entry WHERE room = ?1 ORDER BY seq DESC LIMIT 1)"""
_SENT: Final = """
    SELECT room, sender, count(*) FROM entry WHERE (?1 IS NULL OR room = ?1) GROUP BY sender, room"""
_SENDERS: Final = (
    "SELECT room, device, counter, voided FROM sender WHERE (?1 IS NULL OR room = ?1) ORDER BY room, device"
)
_FAULTS: Final = """
    SELECT entry.room, entry.sender, finding."index", code, text FROM finding
    JOIN entry ON entry."index" = finding."index" WHERE severity = 'fault' ORDER BY finding."index" """
_OF_SENDER: Final = 'SELECT min("index"), max("index") FROM entry WHERE sender = ? AND room = ?'
_BARE: Final = 'SELECT "index" FROM leaf WHERE entry IS NULL AND "index" >= ? ORDER BY "index" LIMIT ?'
_PAGE: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """One room, or one sender in a room.

    Attributes:
        room: The room.
        sender: The sender; None for the room as a whole.
        entries: Entries in the record.
        last: The last place of the room, or the sender's last counter.
        missing: Places or counters that are not accounted for.
        voided: Counters that the sender declared void: what was refused, and sent anew.
        between: Bare hashes between the room's first entry and its last.
        faults: How many entries of it do not hold.
        words: What that means.
        proof: The first and the last entry, and those that do not hold.
    """

    room: Annotated[RoomId, Column("room", Cell.ROOM)]
    sender: Annotated[Who | None, Column("sender", Cell.WHO)]
    entries: Annotated[int, Column("entries", Cell.NUMBER)]
    last: Annotated[int, Column("last place", Cell.NUMBER)]
    missing: Annotated[int, Column("missing", Cell.NUMBER)]
    voided: Annotated[int | None, Column("void", Cell.NUMBER)]
    between: Annotated[int | None, Column("bare between", Cell.NUMBER)]
    faults: Annotated[int, Column("faults", Cell.NUMBER)]
    words: Annotated[str, Column("in words")]
    proof: Annotated[Proof, Column("proof", Cell.PROOF)]


Faults = dict[tuple[int, int], list[tuple[int, str]]]
"""(room, sender or 0) -> (index, what is wrong)."""


def completeness(case: Case, asked: MaybeRoom) -> Found[Whole]:
    """Places of each room and counters of each sender, and what was found wrong with them."""
    number = None if asked.room is None else asked.room.number
    faults: Faults = {}
    for room, sender, index, code, text in case.record.select(_FAULTS):
        for key in ((room, 0), (room, sender)):
            faults.setdefault(key, []).append((index, f"{text} [{code}]"))
    bare = _bare(case)
    found = [*_rooms(case, number, faults), *_senders(case, number, faults)]
    rooms = sum(not part.sender for part in found)
    # Where there are more rows than are shown, those that are not whole come first.
    found.sort(key=lambda part: (not part.bad, part.order))
    rows = sorted(found[: case.limit], key=lambda part: part.order)
    voided = sum(part.voided for part in found)
    confirmed = case.report.control_confirmed
    said = [
        _verdict(case, rooms, sum(part.bad for part in found)),
        f"Counters that senders declared void, for what was refused and sent anew: {voided}.",
        f"The control stream is whole up to its entry {confirmed}, which the relay signed."
        if confirmed is not None
        else N_("No signed head confirms the end of the control stream."),
    ]
    return Found(
        said=tuple(said),
        rows=tuple(part.shown(case, bare) for part in rows),
        left_out=max(0, len(found) - case.limit),
        limits=(
            N_(
                "What may follow the last entry of a room is not shown by a copy: "
                "only its members know its signed head."
            ),
            N_(
                "Bare hashes that stand between belong to other rooms: "
                "each entry names the one before it in its own room."
            ),
            words.ENDS,
        ),
    )


def _verdict(case: Case, rooms: int, bad: int) -> str:
    if case.report.faults:
        return f"The record is NOT whole: {words.counted(case.report.faults, 'fault')} in all, in {bad} rows."
    part = len(case.record.rooms_in_part())
    if part:
        return (
            f"Of {words.counted(part, 'room')} in scope a selection is here, as it was granted: whether anything "
            "else is missing in it is NOT shown. See the rows; nothing in them is twice or in another order."
        )
    return (
        f"Nothing is missing, twice or in another order in {words.counted(rooms, 'room')} in scope: places and "
        "counters have no gap, and each entry names the one before it."
    )


def _bare(case: Case) -> array[int]:
    found: array[int] = array("q")
    first = 0
    while rows := case.record.select(_BARE, first, _PAGE):
        found.extend(index for (index,) in rows)
        first = rows[-1][0] + 1
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The numbers of a room, or of a sender in one.

    Attributes:
        room: Number of the room.
        sender: Number of the sender; 0 for the room as a whole.
        entries: Entries of it.
        last: Last place, or last counter.
        missing: Places or counters that are not accounted for.
        voided: Counters declared void.
        twice: Places that more than one entry has.
        faults: What is wrong, and where.
    """

    room: int
    sender: int
    entries: int
    last: int
    missing: int
    voided: int = 0
    twice: int = 0
    faults: list[tuple[int, str]]

    @property
    def order(self) -> tuple[int, int]:
        """Rooms by number, each before its senders."""
        return self.room, self.sender

    @property
    def bad(self) -> bool:
        """Whether it is not whole."""
        return bool(self.faults or self.missing or self.twice)

    def shown(self, case: Case, bare: array[int]) -> Whole:
        """The row of it."""
        query, values = (_OF_SENDER, (self.sender, self.room)) if self.sender else (_ENDS, (self.room,))
        ((first, last),) = case.record.select(query, *values)
        return Whole(
            room=case.room(self.room),
            sender=case.who(self.sender) if self.sender else None,
            entries=self.entries,
            last=self.last,
            missing=self.missing,
            voided=self.voided if self.sender else None,
            between=None if self.sender else bisect_left(bare, last) - bisect_left(bare, first),
            faults=len(self.faults),
            words=self._words(),
            proof=_ends(first, last, self.faults),
        )

    def _words(self) -> str:
        what = "counter" if self.sender else "place"
        parts = [
            f"{words.counted(self.missing, what)} missing" if self.missing else "",
            f"{words.counted(self.twice, what)} taken twice" if self.twice else "",
            _worst(self.faults),
        ]
        void = ", or declared void" if self.voided else ""
        return "; ".join(part for part in parts if part) or f"every {what} from 1 on is there once{void}"


def _rooms(case: Case, number: int | None, faults: Faults) -> Iterator[_Part]:
    # In a record without a fault no place is there twice: that was examined, and counting anew is dear.
    counting = "count(DISTINCT seq)" if case.report.faults else "count(*)"
    for room, entries, places, last in case.record.select(_ROOMS.format(places=counting), number):
        yield _Part(
            room=room,
            sender=0,
            entries=entries,
            last=last,
            missing=last - places,
            twice=entries - places,
            faults=faults.get((room, 0), []),
        )


def _senders(case: Case, number: int | None, faults: Faults) -> Iterator[_Part]:
    sent = {(room, device): count for room, device, count in case.record.select(_SENT, number)}
    for room, device, counter, voided in case.record.select(_SENDERS, number):
        entries = sent.get((room, device), 0)
        count = len(msgspec.msgpack.decode(voided, type=list[int]))
        yield _Part(
            room=room,
            sender=device,
            entries=entries,
            last=counter,
            # An entry that does not hold may or may not have counted; the faults say which.
            missing=max(0, counter - entries - count),
            voided=count,
            faults=faults.get((room, device), []),
        )


def _worst(faults: list[tuple[int, str]]) -> str:
    if not faults:
        return ""
    index, text = faults[0]
    more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
    return f"DOES NOT HOLD: entry {index}: {text}{more}"


def _ends(first: int, last: int, faults: list[tuple[int, str]]) -> Proof:
    wrong = [index for index, _ in faults]
    named = proof(first, last, *wrong[: MAX_NAMED - 2])
    return Proof(named.indices, max(0, len(wrong) - (MAX_NAMED - 2)))


COMPLETENESS: Final = Question(
    name="completeness",
    sentence=N_("Is the record whole: is anything missing, there twice, or in another order?"),
    params=MaybeRoom,
    row=Whole,
    run=completeness,
)
