"""The desk's record of who was paged and who answered."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from amanah_client.desk.desk import Desk
from amanah_client.desk.paged import record
from amanah_protocol import kinds
from amanah_protocol.content.page import Page, Result
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Grade
from tests.client.view.told import A_MA, A_TN, BOT, NOW_MS, ROOM, Told, seat


def test_what_a_bot_says_of_paging_stands_in_no_record() -> None:
    told = Told()
    called = told.say(A_MA, Text(text="now"))
    for who in (A_TN, BOT):
        told.say(who, Page(message=called, step=0, whom="Night", result=Result.REACHED, at_ms=NOW_MS))
        told.show(who, kinds.Ack(grade=Grade.READ, envelope=called))
    room = SimpleNamespace(id=ROOM, title="Wave", is_drill=False, messages=lambda **_: told.messages)
    desk = cast("Desk", SimpleNamespace(client=SimpleNamespace(rooms=lambda: [room])))
    entries = [line["entry"] for line in record(desk, seat())]
    assert len(entries) == 2
    texts = [str(line["text"]) for line in record(desk, seat())]
    assert not any(BOT.name in text for text in texts)
    assert sum(A_TN.name in text for text in texts) == 1
