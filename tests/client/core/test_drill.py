"""Drills: everything said in one is marked, and nothing moves between a drill and what is real."""

from __future__ import annotations

from typing import Any

import pytest

from amanah_client import actions, model
from amanah_client.core import batch, granted, opening, repair
from amanah_protocol.content.sealed import Content, decode_content
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.kinds import Create
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId
from tests.client.core.forge import delivery, message, push
from tests.client.core.granting import do, grant, late
from tests.client.core.mending import three, unread
from tests.client.core.rooms import invite
from tests.client.core.world import MA, TN, Client, Stage


def skip(*_: object, **__: object) -> None:
    """Stands for the check, and does nothing."""


def two(stage: Stage, *, drill: bool) -> tuple[Client, Client, RoomId]:
    a, b = stage.online("A", of=TN), stage.online("B", of=MA)
    made = a.do(actions.CreateRoom(title="Exercise", ceiling=Label.AMBER, classical=True, drill=drill))
    assert made.room is not None
    invite(a, made.room, b)
    return a, b, made.room


@pytest.mark.parametrize("drill", [True, False])
def test_all_that_is_sealed_in_a_room_has_its_mark(stage: Stage, *, drill: bool) -> None:
    a, b, room = two(stage, drill=drill)
    a.say(room, "from A")
    b.say(room, "from B")
    for client in (a, b):
        created = decode_envelope(client.row(room).create).header.specific
        assert isinstance(created, Create)
        assert created.drill is drill
        sealed = [decode_content(row.content) for row in client.rows(room) if row.content]
        assert {content.drill for content in sealed} == {drill}
        assert client.store.alarms == []
    assert b.texts(room) == ["from A", "from B"]


@pytest.mark.parametrize("drill", [True, False])
def test_a_message_of_the_other_kind_is_refused_and_alarmed(stage: Stage, *, drill: bool) -> None:
    a, b, room = two(stage, drill=drill)
    forged = message(a, room, content={"drill": not drill})
    push(b, delivery(b, *forged))
    row = next(row for row in b.rows(room) if row.envelope == forged[0].id)
    assert (row.state, row.code, row.cause) == (model.MessageState.UNREADABLE, "DRILL", model.Cause.SENDER_AT_FAULT)
    assert [alarm.code for alarm in b.store.alarms] == ["DRILL"]
    assert b.texts(room) == []


def test_without_the_check_it_would_be_shown(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "check_drill", skip)
    a, b, room = two(stage, drill=False)
    push(b, delivery(b, *message(a, room, content={"drill": True})))
    assert b.texts(room) == ["forged"]


@pytest.mark.parametrize("checked", [True, False])
def test_what_is_sent_again_is_held_against_the_mark_too(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, checked: bool
) -> None:
    """Whoever sends it again does not check, nor did its author; the receiver's check stands by itself."""

    def marked(**fields: Any) -> Content:  # noqa: ANN401 - fields of a content
        return Content(**(fields | {"drill": fields["body"] == Text(text="the words")}))

    monkeypatch.setattr(batch, "Content", marked)
    monkeypatch.setattr(opening, "check_drill", skip)
    if not checked:
        monkeypatch.setattr(repair, "check_drill", skip)
    a, a2, b, room = three(stage)
    unread(stage, a, a2, b, room)
    stage.wait(70_000)
    assert a2.texts(room) == ([] if checked else ["the words"])
    assert ("DRILL" in a2.codes()) is checked


@pytest.mark.parametrize("checked", [True, False])
def test_what_is_granted_is_held_against_the_mark_too(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, checked: bool
) -> None:
    """Neither its author nor who grants it looks; who came later does, by itself."""
    monkeypatch.setattr(opening, "check_drill", skip)
    if not checked:
        monkeypatch.setattr(granted, "check_drill", skip)

    def marked(**fields: Any) -> Content:  # noqa: ANN401 - fields of a content
        return Content(**(fields | {"drill": fields["body"] == Text(text="message 0")}))

    with monkeypatch.context() as author:
        author.setattr(batch, "Content", marked)
        _a, b, c, room, said = late(stage, Label.AMBER)
    assert b.texts(room) == ["message 0"]
    assert do(stage, b, grant(b, room, said, c)).state is model.IntentState.DONE
    assert c.texts(room) == ([] if checked else ["message 0"])
    assert c.codes() == (["DRILL"] if checked else [])
