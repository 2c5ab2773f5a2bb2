"""A message and its corrections say the same in other words: the strictest of their labels counts for each of them."""

from __future__ import annotations

from typing import Final

import pytest

from amanah_client import actions, model
from amanah_client.core import ways
from amanah_client.incident.board import Board
from amanah_client.saying import saying
from amanah_protocol import frames
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId, RoomId
from tests.client.core.granting import grant
from tests.client.core.rooms import invite
from tests.client.core.test_labels import forward, label_now, other_room, quoted, red_room, relabel, said
from tests.client.core.world import SN, Client, Stage

DONE, FAILED, QUEUED = model.IntentState.DONE, model.IntentState.FAILED, model.IntentState.QUEUED
WAYS: Final = ("disclose", "forward", "grant", "quote")


def correct(client: Client, room: RoomId, message: EnvelopeId, text: str, label: Label) -> EnvelopeId:
    intent = client.do(saying(room, Correction(message=message, text=text), label=label))
    assert intent.state is DONE, intent
    assert intent.envelope is not None
    return intent.envelope


def pass_on(stage: Stage, client: Client, room: RoomId, message: EnvelopeId, way: str) -> model.Intent:
    """Pass a message on as what is AMBER may be."""
    if way == "disclose":
        action: actions.Action = actions.Disclose(room=room, envelope=message, recipient="a court")
    elif way == "forward":
        to = other_room(stage, client)
        action = actions.Forward(room=room, envelope=message, to=to, label=Label.AMBER, note="")
    elif way == "quote":
        action = saying(room, Text(text="re", reply_to=message), label=Label.AMBER)
    else:
        late = stage.online("late", of=SN)
        invite(client, room, late)
        stage.wait(1_000)
        action = grant(client, room, [message], late)
    intent = client.ask(action)
    stage.wait(4_000)
    return client.intent(intent)


def of_each_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if of each entry its own label counted: the control."""
    monkeypatch.setattr(Board, "label_of", lambda board, entry: Label.strictest(board.messages[entry].label_number))


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("way", ["disclose", "grant", "quote"])
def test_a_correction_goes_by_the_label_that_its_message_was_given(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    checked: bool,  # noqa: FBT001 - with the check, and the control without
) -> None:
    a, b, room = red_room(stage)
    first = said(b, room, "at 14:00", Label.AMBER)
    corrected = correct(b, room, first, "at 15:00", Label.AMBER)
    assert relabel(a, room, first, Label.AMBER, Label.RED).state is DONE
    assert {label_now(client, room, corrected) for client in (a, b)} == {Label.RED}
    stage.wait(1_000)
    if not checked:
        of_each_its_own(monkeypatch)
    intent = pass_on(stage, a, room, corrected, way)
    assert (intent.state, intent.code) == ((FAILED, "LABEL") if checked else (DONE, ""))
    if checked:
        assert relabel(b, room, first, Label.RED, Label.AMBER).state is DONE
        assert label_now(a, room, corrected) is Label.AMBER


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_a_message_goes_by_the_label_of_what_corrects_it(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    checked: bool,  # noqa: FBT001 - with the check, and the control without
) -> None:
    a, b, room = red_room(stage)
    first = said(b, room, "at 14:00", Label.AMBER)
    corrected = correct(b, room, first, "in the ministry", Label.RED)
    stage.wait(1_000)
    # A forward of what was corrected is refused for that alone, too.
    monkeypatch.setattr(ways, "_check_stands", lambda *_: None)
    if not checked:
        of_each_its_own(monkeypatch)
    intent = pass_on(stage, a, room, first, way)
    assert (intent.state, intent.code) == ((FAILED, "LABEL") if checked else (DONE, ""))
    if checked:
        assert relabel(b, room, corrected, Label.RED, Label.AMBER).state is DONE
        assert label_now(a, room, first) is Label.AMBER


def test_what_does_not_correct_a_message_gives_it_no_label(stage: Stage) -> None:
    a, b, room = red_room(stage)
    first = said(b, room, "at 14:00", Label.AMBER)
    theirs = correct(a, room, first, "at 15:00", Label.RED)
    assert (label_now(a, room, first), label_now(a, room, theirs)) == (Label.AMBER, Label.RED)


def test_what_corrects_a_correction_is_under_its_label_and_gives_none(stage: Stage) -> None:
    a, b, room = red_room(stage)
    first = said(b, room, "at 14:00", Label.AMBER)
    second = correct(b, room, first, "at 15:00", Label.AMBER)
    third = correct(b, room, second, "at 16:00", Label.AMBER)
    assert relabel(a, room, first, Label.AMBER, Label.RED).state is DONE
    assert label_now(a, room, third) is Label.RED
    fourth = correct(b, room, third, "at 17:00", Label.RED)
    assert relabel(b, room, first, Label.RED, Label.AMBER).state is DONE
    assert [label_now(a, room, one) for one in (first, second, third, fourth)] == [Label.AMBER] * 3 + [Label.RED]


def test_a_disclosure_that_is_asked_for_behind_a_stricter_correction_is_judged_by_it(stage: Stage) -> None:
    a, _b, room = red_room(stage)
    first = said(a, room, "at 14:00", Label.AMBER)
    stage.wait(1_000)
    a.disconnect()
    a.ask(saying(room, Correction(message=first, text="in the ministry"), label=Label.RED))
    intent = a.ask(actions.Disclose(room=room, envelope=first, recipient="a court"))
    a.connect()
    stage.wait(5_000)
    assert (a.intent(intent).state, a.intent(intent).code) == (FAILED, "LABEL")
    assert a.rows(room, Kind.EGRESS) == []


def test_a_stricter_correction_that_comes_while_a_disclosure_waits_stops_it(stage: Stage) -> None:
    a, b, room = red_room(stage)
    first = said(a, room, "at 14:00", Label.AMBER)
    stage.wait(1_000)
    b.outward = lambda frame: [] if isinstance(frame, frames.GetInclusion | frames.GetCheckpoint) else [frame]
    intent = b.ask(actions.Disclose(room=room, envelope=first, recipient="a court"))
    stage.run()
    correct(a, room, first, "in the ministry", Label.RED)
    b.outward = None
    b.disconnect()
    b.connect()
    stage.wait(5_000)
    assert (b.intent(intent).state, b.intent(intent).code, b.intent(intent).result) == (FAILED, "LABEL", b"")


# ---- what is forwarded is what stands there


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("taken_back", [True, False])
def test_what_its_author_said_before_is_forwarded_by_nobody(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    taken_back: bool,  # noqa: FBT001 - withdrawn, or corrected
    checked: bool,  # noqa: FBT001 - with the check, and the control without
) -> None:
    if not checked:
        monkeypatch.setattr(ways, "_check_stands", lambda *_: None)
    a, b, room = red_room(stage)
    there, first = other_room(stage, b), said(a, room, "victim: Bank X, 30 hosts", Label.AMBER)
    if taken_back:
        assert a.do(saying(room, Withdrawal(message=first, reason=""), label=Label.AMBER)).state is DONE
    else:
        correct(a, room, first, "30 hosts", Label.AMBER)
    intent = forward(stage, b, room, first, there, Label.AMBER)
    texts = [one.text for one in quoted(b, there)]
    if checked:
        assert (intent.state, intent.code, texts) == (FAILED, "USAGE", [])
        assert ("took it back" if taken_back else "corrected it") in intent.detail
    else:
        assert (intent.state, texts) == (DONE, ["victim: Bank X, 30 hosts"])


def test_a_correction_is_forwarded_as_what_its_message_says_now(stage: Stage) -> None:
    a, b, room = red_room(stage)
    there, first = other_room(stage, b), said(a, room, "victim: Bank X, 30 hosts", Label.AMBER)
    before = correct(a, room, first, "31 hosts", Label.AMBER)
    now = correct(a, room, first, "30 hosts", Label.AMBER)
    assert forward(stage, b, room, before, there, Label.AMBER).code == "USAGE"
    assert forward(stage, b, room, now, there, Label.AMBER).state is DONE
    assert [(one.text, one.origin.message) for one in quoted(b, there)] == [("30 hosts", now)]


def test_a_correction_that_comes_while_a_forward_waits_stops_it(stage: Stage) -> None:
    a, b, room = red_room(stage)
    there, first = other_room(stage, b), said(a, room, "victim: Bank X, 30 hosts", Label.AMBER)
    b.disconnect()
    intent = b.ask(actions.Forward(room=room, envelope=first, to=there, label=Label.AMBER))
    correct(a, room, first, "30 hosts", Label.AMBER)
    b.connect()
    stage.wait(5_000)
    assert (b.intent(intent).state, quoted(b, there)) == (FAILED, [])
