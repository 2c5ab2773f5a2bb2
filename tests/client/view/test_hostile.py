"""Whatever others write: a face can show it as it gets it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from amanah_client.language import Language, speaking
from amanah_client.view import runs
from amanah_client.view.board import board_view
from amanah_client.view.runs import plain
from amanah_client.view.words import offset
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.file import File
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident
from amanah_protocol.content.proposal import Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Text
from amanah_protocol.types import EnvelopeId
from tests.client.view.told import A_MA, MA, NOW_MS, TN, Told

NAME = bytes(range(16))
HOSTILE = "a\u202eb\u2066c\x1b[2Jd"
SAID_BY_OTHERS: list[Said] = [
    Text(text=HOSTILE),
    Withdrawal(message=EnvelopeId((1).to_bytes(32)), reason=HOSTILE),
    Correction(message=EnvelopeId((1).to_bytes(32)), text=HOSTILE),
    Reaction(message=EnvelopeId((1).to_bytes(32)), sign=HOSTILE),
    Incident(title=HOSTILE),
    Task(id=NAME, what=HOSTILE, nation=MA),
    TaskMoved(id=NAME, state=TaskState.REFUSED, reason=HOSTILE),
    Proposal(ordinal=1, what=HOSTILE, object_until_ms=NOW_MS, quorum=1, nations=(MA,)),
    Clock(id=NAME, nature=Nature.ACTION, what=HOSTILE, at_ms=NOW_MS),
    Handover(text=HOSTILE),
    File(name=HOSTILE, size=1, digest=NAME * 2, key=NAME * 2, attachment=NAME * 2, text=HOSTILE),
]


@pytest.mark.parametrize("body", SAID_BY_OTHERS, ids=lambda body: type(body).__name__)
@pytest.mark.parametrize("spoken", ["en", "ar"])
def test_nothing_that_others_wrote_reorders_or_commands_what_a_face_shows(body: Said, spoken: str) -> None:
    told = Told()
    told.say(A_MA, Text(text="first"))
    told.say(A_MA, body)
    with speaking(Language(code=spoken)):
        room = told.room()
        shown = repr((told.items(), board_view(room.board, room.seat, (TN, MA))))
    # As `repr` writes what may not stand in a line.
    assert [one for one in ("\\u202e", "\\u2066", "\\x1b") if one in shown] == []


@pytest.mark.parametrize("at_ms", [253_402_214_399_999, 253_402_214_400_000, 253_402_300_799_999, 253_402_300_799_000])
def test_a_time_at_the_end_of_the_calendar_ends_no_board(at_ms: int) -> None:
    told = Told()
    told.say(A_MA, Clock(id=NAME, nature=Nature.ACTION, what="x", at_ms=at_ms))
    for zone in (ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Pacific/Pago_Pago")):
        room = told.room()
        seat = structs.replace(room.seat, zone=zone)
        (clock,) = board_view(room.board, seat, (TN, MA)).clocks
        assert clock.utc
        assert offset(at_ms, zone)


def test_a_text_of_any_length_is_read_and_a_long_one_is_not_kept() -> None:
    long, short = "*a* " * 16_000, "*a* *b*"
    assert plain(runs.parse(long)).startswith("a a")
    assert runs.parse(short) is runs.parse(short)
    assert runs.parse(long) is not runs.parse(long)
