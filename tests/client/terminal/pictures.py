"""What the terminal says at the main steps of an incident, as text: looked at once, kept beside the tests, compared.

Nothing in it depends on a clock, a network or chance, so a difference is one of wording, order, width or emphasis, and
whoever changes any of these reads in the difference what officers will read. What has a style that warns or calms
stands in braces behind its name. `python -m tests.client.terminal.pictures` writes them anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from msgspec import structs

from amanah_client.language import Language, speaking
from amanah_client.model import Cause, MessageState
from amanah_client.standing import Standing
from amanah_client.terminal import panels
from amanah_client.terminal.lines import Part, Row, cells
from amanah_client.terminal.showing import Showing
from amanah_client.view import words
from amanah_client.view.board import board_view
from amanah_client.view.readers import readers
from amanah_client.view.rooms import RoomLine
from amanah_client.view.trust import Line, Trust, line, trust
from amanah_protocol import kinds
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.closing import Closing, SignOff
from amanah_protocol.content.file import File
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Called, Mention, Text
from amanah_protocol.errors import Code, OperationalError
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import OrgName
from tests.client.view.told import A_MA, A_SN, A_TN, MA, MINUTE_MS, NOW_MS, SN, TN, Told, seat

WIDTH = 80
FOLDER = Path(__file__).with_name("pictures")
LANGUAGES = ("en", "fr", "ar")
MEMBERS = (A_TN, A_MA, A_SN)
NATIONS = (MA, SN, TN)
SHOWN = frozenset({"page", "worst", "bad", "drill", "good"})
CALM = Standing(log=None, witnessed=None, quorum=0, conflicts=0)
FACTS = tuple(bytes((number,)) * 32 for number in range(6))


def picture(code: str) -> str:
    """All steps in one language."""
    with speaking(Language(code=code)):
        steps = (*_rooms(), *_conversation(), *_board(), *_closing(), *_trouble())
        return "".join(f"{line}\n" for line in steps)


def _row(row: Row) -> str:
    used = cells((*row.edge, *row.parts, *row.end))
    assert used <= WIDTH, row.plain
    gap = (Part(" " * (WIDTH - used)),) if row.end and used < WIDTH else ()
    return "".join(map(_part, (*row.edge, *row.parts, *gap, *row.end))).rstrip()


def _part(part: Part) -> str:
    return f"{{{part.style} {part.text.strip()}}}" if part.style in SHOWN and part.text.strip() else part.text


def _step(title: str, *plates: Iterable[Row]) -> Iterator[str]:
    yield f"==== {title}"
    for plate in plates:
        yield from map(_row, plate)
    yield ""


def _talk(told: Told) -> list[Row]:
    return [row for block in Showing().blocks(told.items(), WIDTH) for row in block.rows]


def _room(**more: object) -> RoomLine:
    known = {"id": "00", "title": "Port authority", "label": "TLP:AMBER", "group": "incident", "severity": "critical"}
    return RoomLine(nations=3, words=words.devices(3), **(known | more))  # type: ignore[arg-type]  # each says what differs


def _rooms() -> Iterator[str]:
    lines = (
        _room(unread=3),
        _room(title="Payment portals", pages=1),
        _room(title="Night", group="standing", drill=True),
    )
    yield from _step("the rooms", [row for block in panels.rooms(lines, WIDTH, "") for row in block.rows])


def _head(told: Told, *, drill: bool = False) -> tuple[Row, ...]:
    view = board_view(told.board, seat(), NATIONS)
    return panels.head(_room(drill=drill), view, readers(MEMBERS, seat()), WIDTH)


def _bar(precedence: Precedence = Precedence.ROUTINE) -> tuple[Row, ...]:
    return panels.composing(Label.AMBER, Pap.AMBER, precedence, readers(MEMBERS, seat()), "", WIDTH)


def _foot(connection: Line, log: Trust) -> tuple[Row, ...]:
    return panels.foot(connection, log, WIDTH)


def _conversation() -> Iterator[str]:
    told = Told()
    opened = kinds.Create(origin="relay.example.org/log", nonce=bytes(16), suite=3, ceiling=Label.AMBER, owner=TN)
    told.show(A_TN, opened)
    asked = told.say(
        A_MA,
        Text(
            text="Two portals since **this morning**: 203.0.113.54. Who sees it?",
            mentions=(Mention(called=Called.DESK, organisation=TN),),
            asks=Grade.UNDERSTOOD,
        ),
        precedence=Precedence.IMMEDIATE,
    )
    told.show(A_TN, kinds.Ack(grade=Grade.ACTING, envelope=asked))
    answer = told.say(A_TN, Text(text="We do, at berth 4.", reply_to=asked))
    told.say(A_TN, Correction(message=answer, text="We do, at berth 5."))
    told.say(A_SN, None, state=MessageState.UNREADABLE, cause=Cause.CORRUPTED)
    told.say(A_SN, File(name="a.pcap", size=2_048, digest=FACTS[1], key=FACTS[2], attachment=FACTS[3]), pap=Pap.RED)
    told.say(A_TN, Text(text="For few."), label=Label.GREEN, state=MessageState.SENT)
    log = trust(CALM)
    connected = line(None, online=True, following=False, waiting=1)
    yield from _step("a conversation", _head(told), _talk(told), _bar(Precedence.FLASH), _foot(connected, log))


def _board() -> Iterator[str]:
    told = Told()
    told.say(A_TN, Incident(title="Port authority", severity=Severity.CRITICAL, status=Status.CONTAINING))
    told.say(A_TN, Task(id=FACTS[1][:16], what="Image the disks", nation=TN, until_ms=NOW_MS - 12 * MINUTE_MS))
    told.say(A_TN, Task(id=FACTS[2][:16], what="Ask the registrar", nation=OrgName("cert.example.gm")))
    told.say(A_TN, Task(id=FACTS[3][:16], what="Block 203.0.113.54", nation=MA))
    told.say(A_MA, TaskMoved(id=FACTS[3][:16], state=TaskState.DONE))
    told.say(A_TN, Clock(id=FACTS[4][:16], nature=Nature.ACTION, what="Sinkhole", at_ms=NOW_MS + 90 * MINUTE_MS))
    until_ms = NOW_MS + 30 * MINUTE_MS
    asked = told.say(A_TN, Proposal(ordinal=1, what="Sinkhole", object_until_ms=until_ms, quorum=2, nations=NATIONS))
    told.say(A_MA, Position(proposal=asked, agrees=True))
    told.say(A_SN, Position(proposal=asked, agrees=False, reason="not before noon"))
    told.say(A_SN, Handover(text="Netflow is asked for."))
    yield from _step("the board", _head(told), _sheet(told))


def _sheet(told: Told) -> list[Row]:
    view = board_view(told.board, structs.replace(seat(), zone=ZoneInfo("Africa/Tunis")), NATIONS)
    blocks = panels.board(view, readers(MEMBERS, seat()).nations, NOW_MS, WIDTH)
    return [row for block in blocks for row in block.rows]


def _closing() -> Iterator[str]:
    told = Told()
    told.say(A_TN, Incident(status=Status.CLOSED))
    until_ms = NOW_MS + 60 * MINUTE_MS
    asked = told.say(A_TN, Closing(first=1, last=1, facts=FACTS, sign_until_ms=until_ms, nations=NATIONS))
    told.say(A_MA, SignOff(closing=asked, first=1, facts=FACTS))
    told.say(A_SN, SignOff(closing=asked, first=1, facts=(*FACTS[:5], FACTS[0])))
    yield from _step("a closing", _talk(told), _sheet(told))


def _trouble() -> Iterator[str]:
    told = Told()
    told.say(A_MA, Text(text="The key is out."), precedence=Precedence.FLASH)
    broken = trust(replace(CALM, conflicts=1))
    connected = line(None, online=True, following=False, waiting=0)
    lost = line(OperationalError(Code.OFFLINE, "the relay does not answer"), online=False, following=False, waiting=2)
    yield from _step("a drill", _head(told, drill=True))
    yield from _step("a broken log", panels.alarm(broken, WIDTH), _talk(told), _foot(connected, broken))
    yield from _step("without the relay", _foot(lost, trust(CALM)))


def main() -> None:
    """Write them anew."""
    FOLDER.mkdir(exist_ok=True)
    for code in LANGUAGES:
        (FOLDER / f"{code}.txt").write_text(picture(code), encoding="utf-8")


if __name__ == "__main__":
    main()
