"""What a device is refused for its label is kept by it, whatever became of it; it rouses nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanah_client import actions, model
from amanah_client import effects as e
from amanah_client.core import ways
from amanah_client.core.context import MAX_ALARMS
from amanah_client.model import ALARM_AGAIN_MS, IntentState
from amanah_client.refusals import refusal
from amanah_client.saying import saying
from amanah_protocol import frames
from amanah_protocol.content.text import Text
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId
from tests.client.core.forge import delivery, message, push
from tests.client.core.test_labels import cleared, red_room, relabel, said
from tests.client.core.test_machine import alert
from tests.client.core.world import Client, Stage

WORDS = "the victim is berth 4"


def refused(client: Client) -> list[tuple[str, str]]:
    return [(alarm.code, alarm.detail) for alarm in client.store.refused]


def test_what_is_refused_when_it_is_sealed_is_kept_without_its_words(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, room = red_room(stage)
    assert a.say(room, WORDS, Label.AMBER).state is IntentState.DONE
    assert refused(a) == []  # what is let through is no event
    cleared(stage, b, Label.GREEN)
    assert a.say(room, WORDS, Label.AMBER).state is IntentState.FAILED
    rule = "TLP:AMBER is above a device's ceiling TLP:GREEN"
    assert refused(a) == [("LABEL", f"a message: {rule}")]
    (kept,) = a.store.refused
    assert (kept.room, kept.own, kept.evidence) == (room, True, b"")
    assert a.store.alarms == []
    action = actions.PostAlerts(room=room, source_name="eve", alerts=(alert(),), label=Label.AMBER)
    assert a.do(action).state is IntentState.FAILED
    assert refused(a)[1:] == [("LABEL", f"alerts: {rule}")]
    # Control: without the check it is sent, and no event is there.
    monkeypatch.setattr(ways, "check_way", lambda *_, **__: None)
    assert a.do(replace(action, label=Label.AMBER)).state is IntentState.DONE
    assert len(refused(a)) == 2


def test_it_rouses_nobody_and_is_kept_again_after_a_while_only(stage: Stage) -> None:
    a, b, room = red_room(stage)
    cleared(stage, b, Label.GREEN)
    for _ in range(3):
        intent = a.ask(saying(room, Text(text=WORDS), label=Label.AMBER))
        stage.run()
        assert a.intent(intent).state is IntentState.FAILED
    assert len(refused(a)) == 1
    assert not [effect for effect in a.effects if isinstance(effect, e.AlarmRaised)]
    stage.wait(ALARM_AGAIN_MS)
    a.say(room, WORDS, Label.AMBER)
    assert len(refused(a)) == 2


def test_who_lowers_what_is_not_theirs_is_kept_and_what_is_not_there_is_no_refusal_of_a_label(stage: Stage) -> None:
    a, b, room = red_room(stage)
    first = said(a, room, "one", Label.AMBER)
    assert relabel(b, room, first, Label.AMBER, Label.GREEN).state is IntentState.FAILED
    assert [(code, detail.split(":", 1)[0]) for code, detail in refused(b)] == [("ROLE", "another label")]
    assert relabel(b, room, EnvelopeId(bytes(32)), Label.RED, Label.GREEN).code == "NOT_FOUND"
    assert len(refused(b)) == 1


def test_what_hands_nothing_on_and_what_the_relay_refuses_is_not_refused_here(stage: Stage) -> None:
    a, _, room = red_room(stage)
    intent = a.do(actions.AuditSync())
    assert (intent.state, intent.code) == (IntentState.FAILED, "ROLE")

    def outward(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Publish):
            push(a, frames.Refused(request=frame.request, code="ROLE", detail="the relay's own words"))
            return []
        return [frame]

    a.outward = outward
    intent = a.say(room, WORDS, Label.AMBER)
    assert (intent.state, intent.code) == (IntentState.FAILED, "ROLE")
    assert refused(a) == []


def test_however_much_is_refused_here_what_others_send_is_alarmed(stage: Stage) -> None:
    a, b, room = red_room(stage)
    cleared(stage, b, Label.GREEN)
    ctx = b.core._ctx  # noqa: SLF001 - as many different refusals as there can be
    for number in range(2 * MAX_ALARMS):
        ctx._keep(refusal(ctx.now_ms, "LABEL", f"rule {number}", room=room, what="a message"))  # noqa: SLF001 - the same
    push(b, delivery(b, *message(a, room, label=Label.AMBER)))
    assert len(refused(b)) == MAX_ALARMS
    assert b.codes() == ["LABEL"]
    assert [row.cause for row in b.rows(room)][-1] is model.Cause.LABEL_BROKEN
