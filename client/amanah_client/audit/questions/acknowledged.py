"""Who acknowledged what, how fast, and who has not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Final, NamedTuple

from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import Case, RoomRef, Stay
from amanah_client.audit.questions.contents import Contents, Span, spans_of
from amanah_client.audit.questions.question import (
    MAX_NAMED,
    Cell,
    Column,
    Found,
    Parameter,
    Proof,
    Question,
    Takes,
    proof,
)
from amanah_client.audit.questions.readers import acknowledgements, grade_of
from amanah_client.audit.register import CONTENT, EntryRow
from amanah_client.language import N_
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Grade
from amanah_protocol.types import OrgName, RoomId

_KINDS: Final = tuple(map(int, CONTENT))
_ACKS: Final = """
    SELECT room, seq, target, sent_ms, author, device, "index", said_ms, grade
    FROM acknowledged WHERE ?1 IS NULL OR room = ?1 ORDER BY room, seq, "index" """
_COUNTED: Final = 'SELECT "index" FROM acknowledged WHERE room = ? AND seq = ?'
_OWN: Final = f"SELECT seq FROM entry WHERE sender = ? AND room = ? AND kind IN {_KINDS}"  # noqa: S608 - the same
# Two counts that indices answer: of all, and of the few that do not hold.
_SENT: Final = f"""
    SELECT room, sender, count(*) FROM entry INDEXED BY entry_by_sender
    WHERE kind IN {_KINDS} AND (?1 IS NULL OR room = ?1) GROUP BY sender, room
    UNION ALL
    SELECT room, sender, -count(*) FROM entry INDEXED BY entry_refused
    WHERE held = 0 AND kind IN {_KINDS} AND (?1 IS NULL OR room = ?1) GROUP BY sender, room"""  # noqa: S608 - the same
_PLACES: Final = f"""
    SELECT seq, "index" FROM entry INDEXED BY entry_by_place
    WHERE room = ? AND seq >= ? AND seq < ? AND kind IN {_KINDS} AND held = 1 ORDER BY seq LIMIT {50_000}"""  # noqa: S608 - the same
_BOTS: Final = f"""
    SELECT count(*) FROM entry
    WHERE kind = 7 AND held = 1 AND sender IN (SELECT number FROM device WHERE role = {int(Role.BOT)})"""  # noqa: S608 - a number of ours
_FALSE: Final = """
    SELECT count(*) FROM finding JOIN entry ON entry."index" = finding."index" WHERE kind = 7 AND code = 'NOT_FOUND'"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaybeMessage:
    """Which message, room and nation; all without."""

    message: Annotated[
        EntryRow | None, Parameter(Takes.MESSAGE, N_("one message: who has acknowledged it, and who not"))
    ] = None
    room: Annotated[RoomRef | None, Parameter(Takes.ROOM, N_("only one room, by first digits of its id"))] = None
    nation: Annotated[
        OrgName | None, Parameter(Takes.NATION, N_("only one nation; with --room, each of its messages"))
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """What one nation acknowledged, of one message or of a room.

    Attributes:
        room: The room.
        message: Log index of the message; None for all of the room.
        nation: The nation.
        could_read: Messages of others that its devices were in for.
        acknowledged: Those of them that it acknowledged.
        not_yet: Those of them that it did not.
        grade: The highest grade it gave.
        fastest_ms: Of its first acknowledgements of each, the shortest delay after the message, by the relay's time.
        median_ms: The median of these delays.
        slowest_ms: The longest.
        proof: What let the nation in, the slowest acknowledgements and their messages.
    """

    room: Annotated[RoomId, Column("room", Cell.ROOM)]
    message: Annotated[int | None, Column("message", Cell.ENTRY)]
    nation: Annotated[str, Column("nation")]
    could_read: Annotated[int, Column("to it", Cell.NUMBER)]
    acknowledged: Annotated[int, Column("acknowledged", Cell.NUMBER)]
    not_yet: Annotated[int, Column("not", Cell.NUMBER)]
    grade: Annotated[str | None, Column("grade")]
    fastest_ms: Annotated[int | None, Column("fastest", Cell.DURATION)]
    median_ms: Annotated[int | None, Column("median", Cell.DURATION)]
    slowest_ms: Annotated[int | None, Column("slowest", Cell.DURATION)]
    proof: Annotated[Proof, Column("proof", Cell.PROOF)]


class _First(NamedTuple):
    """The first acknowledgement of a message by a nation, and the highest grade of all of them."""

    sent_ms: int
    sent_at: int
    said_ms: int
    said_at: int
    grade: int


_Told = dict[int, _First]
"""By place of the message in its room."""


def _take(told: _Told, seq: int, said: _First) -> None:
    """Take the next acknowledgement of a message, in log order."""
    known = told.get(seq)
    if known is None:
        told[seq] = said
    elif said.grade > known.grade:
        told[seq] = known._replace(grade=said.grade)


def acknowledged(case: Case, asked: MaybeMessage) -> Found[Acknowledged]:
    """By nation, of one message, of each message of a room, or of whole rooms."""
    if asked.message is not None and asked.room is not None:
        raise UsageError(Code.USAGE, "--message and --room exclude each other", hint="A message names its room itself.")
    if asked.message is not None:
        rows, left_out = list(_of_message(case, asked.message, asked.nation)), 0
    elif asked.room is not None and asked.nation is not None:
        rows, left_out = _each(case, asked.room, asked.nation)
    else:
        every = list(_by_room(case, asked.room))
        wanted = [row for row in every if asked.nation is None or row.nation == asked.nation]
        rows, left_out = wanted[: case.limit], max(0, len(wanted) - case.limit)
    ((false,),) = case.record.select(_FALSE)
    ((bots,),) = case.record.select(_BOTS)
    behind = sorted({row.nation for row in rows if row.not_yet})
    said = [
        N_("Nothing was acknowledged.")
        if behind and not any(row.acknowledged for row in rows)
        else f"Not everything was acknowledged by {words.listed(behind)}."
        if behind
        else N_("Everything was acknowledged.")
        if rows
        else N_("There is nothing to acknowledge."),
    ]
    if false:
        said.append(f"Acknowledgements of nothing that is in the record, and not counted: {false}.")
    if bots:
        said.append(f"Acknowledgements by bots, which count for no nation: {bots}.")
    return Found(
        said=tuple(said),
        rows=tuple(rows[: case.limit]),
        left_out=left_out,
        limits=(
            N_(
                "A nation counts as having acknowledged when an officer's device of it that could read the message did."
            ),
            N_("Delays run from the relay's time of the message to its time of the acknowledgement."),
            N_("Acknowledging is a person's choice: who did not may have read it all the same."),
            *words.bare(case.report),
            words.ENDS,
        ),
    )


def _of_message(case: Case, message: EntryRow, nation: OrgName | None) -> Iterator[Acknowledged]:
    own = case.who(message.sender).organisation
    inside = [stay for stay in case.stays(room=message.room) if stay.covers(message.seq)]
    acks = _officers(case, message)
    for name in sorted({case.who(stay.device).organisation for stay in inside} - {own}):
        if nation not in {None, name}:
            continue
        devices = {stay.device for stay in inside if case.who(stay.device).organisation == name}
        of_nation = sorted(ack for device in devices for ack in acks.get(device, []))
        told: _Told = {}
        for ack in of_nation:
            said = _First(message.accepted_ms, message.at, ack.accepted_ms, ack.at, grade_of(ack))
            _take(told, message.seq, said)
        came = [stay.added for stay in inside if stay.device in devices]
        yield _row(case, message.room, name, 1, told, message.at, came)


def _officers(case: Case, message: EntryRow) -> dict[int, list[EntryRow]]:
    """Acknowledgements of a message by those who were officers when they gave them."""
    every = acknowledgements(case, message)
    if message.kind not in CONTENT:  # of what tells members nothing no table is kept; nobody is asked for a word of it
        return {sender: acks for sender, acks in every.items() if case.who(sender).role is Role.OFFICER}
    counted = {at for (at,) in case.record.select(_COUNTED, message.room, message.seq)}
    return {sender: [ack for ack in acks if ack.at in counted] for sender, acks in every.items()}


def _rooms(case: Case, room: RoomRef | None) -> Iterator[tuple[int, dict[str, _Told]]]:
    """Of each room what each nation acknowledged."""
    stays: dict[int, dict[int, list[Stay]]] = {}
    for stay in case.stays(room=None if room is None else room.number):
        stays.setdefault(stay.room, {}).setdefault(stay.device, []).append(stay)
    told: dict[int, dict[str, _Told]] = {number: {} for number in stays}
    number = None if room is None else room.number
    nations = dict(case.record.select("SELECT number, organisation FROM device"))
    for place, seq, at, sent_ms, author, device, index, said_ms, grade in case.record.select(_ACKS, number):
        # The word of a device that was not in when the message stood there says nothing.
        for stay in stays[place].get(device, ()):
            if stay.covers(seq):
                break
        else:
            continue
        nation = nations[device]
        if nation != nations[author]:
            said = _First(sent_ms, at, said_ms, index, grade)
            _take(told[place].setdefault(nation, {}), seq, said)
    yield from told.items()


def _by_room(case: Case, only: RoomRef | None) -> Iterator[Acknowledged]:
    own: Counter[tuple[int, str]] = Counter()
    for place, device, count in case.record.select(_SENT, None if only is None else only.number):
        own[place, case.who(device).organisation] += count
    contents = Contents(case, only)
    for room, told in _rooms(case, only):
        inside: dict[str, list[Stay]] = {}
        for stay in case.stays(room=room):
            inside.setdefault(case.who(stay.device).organisation, []).append(stay)
        for nation, stays in sorted(inside.items()):
            could = sum(contents.count(room, spans_of(stays)).values()) - own[room, nation]
            if could > 0:
                came = [stay.added for stay in stays]
                yield _row(case, room, nation, could, told.get(nation, {}), None, came)


def _own(case: Case, room: int, nation: str) -> Iterator[int]:
    for device in case.devices_of(OrgName(nation)):
        yield from (seq for (seq,) in case.record.select(_OWN, device, room))


def _each(case: Case, room: RoomRef, nation: OrgName) -> tuple[list[Acknowledged], int]:
    """Each message of a room that a nation could read, those without its acknowledgement first."""
    told = next((of.get(nation, {}) for _, of in _rooms(case, room)), {})
    own = set(_own(case, room.number, nation))
    spans = spans_of(case.stays(room=room.number, devices=case.devices_of(nation)))
    open_: list[tuple[int, int]] = []
    done: list[tuple[int, int]] = []
    count = 0
    for seq, index in _places(case, room.number, spans):
        if seq in own:
            continue
        count += 1
        kept = done if seq in told else open_
        if len(kept) < case.limit:
            kept.append((seq, index))
    rows = []
    for seq, index in (*open_, *done)[: case.limit]:
        said = {seq: told[seq]} if seq in told else {}
        rows.append(_row(case, room.number, nation, 1, said, index, []))
    return rows, count - len(rows)


def _places(case: Case, room: int, spans: list[Span]) -> Iterator[tuple[int, int]]:
    for first, end in spans:
        at = first
        while rows := case.record.select(_PLACES, room, at, end):
            yield from rows
            at = rows[-1][0] + 1


def _row(
    case: Case, room: int, nation: str, could: int, told: _Told, message: int | None, came: list[int]
) -> Acknowledged:
    delays = sorted(first.said_ms - first.sent_ms for first in told.values())
    slowest = sorted(told.values(), key=lambda first: first.said_ms - first.sent_ms, reverse=True)
    half = MAX_NAMED // 3
    # That somebody has not is proven by what let him in, and by the whole record.
    named = proof(
        message, *came[:half], *(index for first in slowest[:half] for index in (first.sent_at, first.said_at))
    )
    return Acknowledged(
        room=case.room(room),
        message=message,
        nation=nation or "unknown",
        could_read=could,
        acknowledged=len(delays),
        not_yet=max(0, could - len(delays)),
        grade=Grade(max(first.grade for first in told.values())).name.lower() if told else None,
        fastest_ms=delays[0] if delays else None,
        median_ms=int(median(delays)) if delays else None,
        slowest_ms=delays[-1] if delays else None,
        proof=Proof(named.indices, 2 * max(0, len(slowest) - half) + max(0, len(came) - half)),
    )


ACKNOWLEDGEMENTS: Final = Question(
    name="acknowledgements",
    sentence=N_("Who acknowledged which message, in which grade and how fast, and who has not?"),
    params=MaybeMessage,
    row=Acknowledged,
    run=acknowledged,
)
