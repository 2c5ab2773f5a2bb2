"""The main job between client cores and the real relay core."""

from __future__ import annotations

import pytest

from amanah_client import actions, inputs, model
from amanah_client import effects as e
from amanah_client.core import ClientCore, group_of
from amanah_client.saying import saying
from amanah_protocol import frames
from amanah_protocol.content.alert import Alert, Severity
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import VerifyError
from amanah_protocol.identity import Role, decode_profile
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from tests.client.core.rooms import create, invite, two
from tests.client.core.world import MA, SN, TN, Client, Stage, seeded
from tests.engines import ENGINES
from tests.relay.people import ADDRESS

DONE, QUEUED, FAILED = model.IntentState.DONE, model.IntentState.QUEUED, model.IntentState.FAILED


def alert() -> Alert:
    """One alert."""
    original = b"{}"
    return Alert(
        source="suricata",
        dedupe_id="1",
        observed_at_ms=1,
        severity=Severity.HIGH,
        title="scan",
        category="recon",
        signature_id="1",
        original=original,
        original_hash=sha256(original),
    )


def quiet(*clients: Client) -> bool:
    """Whether nobody had any alarm."""
    return [client.store.alarms for client in clients] == [[] for _ in clients]


def test_three_nations_talk_in_one_room(stage: Stage) -> None:
    a, b, c = stage.online("A", of=TN), stage.online("B", of=MA), stage.online("C", of=SN)
    room = create(a)
    invite(a, room, b, c)
    assert a.say(room, "hello").state is DONE
    assert b.say(room, "bonjour").state is DONE
    assert c.say(room, "مرحبا").state is DONE
    for client in (a, b, c):
        assert client.texts(room) == ["hello", "bonjour", "مرحبا"]
        assert client.row(room).title == "Phishing wave"
        assert client.row(room).status is model.RoomStatus.OPEN
    assert quiet(a, b, c)


def test_every_member_knows_every_name(stage: Stage) -> None:
    a, b, c = stage.online("A", of=TN), stage.online("B", of=MA), stage.online("C", of=SN)
    room = create(a)
    invite(a, room, b, c)
    for client, others in ((a, {"B", "C"}), (b, {"A", "C"}), (c, {"A", "B"})):
        names = {decode_profile(profile).name for profile in client.store.profiles}
        assert {f"officer {name}" for name in others} <= names


def test_an_organisation_is_invited_with_all_its_valid_member_devices(stage: Stage) -> None:
    a = stage.online("A", of=TN)
    b1, b2 = stage.online("B1", of=MA), stage.online("B2", of=MA, role=Role.BOT)
    stage.online("auditor", of=MA, role=Role.AUDITOR)
    room = create(a)
    assert a.do(actions.Invite(room=room, organisation=a.stage.relay.nations[MA].name)).state is DONE
    group = group_of(a.row(room), a.device.key)
    assert group is not None
    assert set(group.members) == {a.device.id, b1.device.id, b2.device.id}
    a.say(room, "hello")
    assert b1.texts(room) == b2.texts(room) == ["hello"]


def test_a_member_who_was_away_gets_everything_in_order(stage: Stage) -> None:
    a, b, room = two(stage)
    b.disconnect()
    for number in range(20):
        assert a.say(room, f"number {number}").state is DONE
        stage.tick()
    b.connect()
    stage.run()
    assert b.texts(room) == [f"number {number}" for number in range(20)]
    assert quiet(a, b)


def test_what_is_sent_offline_is_kept_and_goes_out_by_itself(stage: Stage) -> None:
    a, b, room = two(stage)
    a.disconnect()
    assert a.say(room, "written in the tunnel").state is QUEUED
    a.connect()
    stage.run()
    assert b.texts(room) == ["written in the tunnel"]
    assert a.rows(room)[-1].state is model.MessageState.STORED


def test_queued_messages_leave_in_order_and_share_a_publish(stage: Stage) -> None:
    a, b, room = two(stage)
    a.disconnect()
    intents = [a.ask(saying(room, Text(text=f"number {n}"), label=Label.AMBER)) for n in range(20)]
    published: list[int] = []

    def count(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Publish):
            published.append(len(frame.items))
        return [frame]

    a.outward = count
    a.connect()
    stage.run()
    assert b.texts(room) == [f"number {n}" for n in range(20)]
    assert {a.intent(intent).state for intent in intents} == {DONE}
    assert max(published) > 1


def test_a_removed_member_reads_nothing_from_then_on(stage: Stage) -> None:
    a, b, room = two(stage)
    a.say(room, "before")
    assert a.do(actions.Remove(room=room, devices=(b.device.id,))).state is DONE
    a.say(room, "after")
    assert b.texts(room) == ["before"]
    assert b.row(room).status is model.RoomStatus.REMOVED
    assert b.row(room).group == b""
    assert b.say(room, "let me in").code == "NOT_MEMBER"
    assert group_of(b.row(room), b.device.key) is None
    assert quiet(a, b)


def test_a_removed_member_comes_back_by_a_new_invitation(stage: Stage) -> None:
    a, b, room = two(stage)
    b.say(room, "one")
    a.do(actions.Remove(room=room, devices=(b.device.id,)))
    a.say(room, "without you")
    invite(a, room, b)
    assert b.say(room, "two").state is DONE
    a.say(room, "three")
    assert a.texts(room) == ["one", "without you", "two", "three"]
    assert b.texts(room) == ["one", "two", "three"]
    assert quiet(a, b)


def test_a_member_removed_and_added_again_while_away_catches_up(stage: Stage) -> None:
    a, b, room = two(stage)
    b.disconnect()
    a.do(actions.Remove(room=room, devices=(b.device.id,)))
    a.say(room, "without you")
    invite(a, room, b)
    a.say(room, "welcome back")
    b.connect()
    stage.run()
    assert b.texts(room) == ["welcome back"]
    assert b.say(room, "thanks").state is DONE
    assert quiet(a, b)


def test_a_bot_posts_alerts_as_a_member(stage: Stage) -> None:
    a, bot = stage.online("A", of=TN), stage.online("bot", of=TN, role=Role.BOT)
    room = create(a)
    invite(a, room, bot)
    posted = bot.do(actions.PostAlerts(room=room, source_name="sensor 1", alerts=(alert(),) * 3, label=Label.GREEN))
    assert posted.state is DONE
    assert bot.do(actions.ReportCounts(room=room, accepted=3, merged=1, dropped=0)).state is DONE
    kinds = [row.kind for row in a.rows(room)]
    assert Kind.ALERT in kinds
    assert Kind.COUNTS in kinds
    assert quiet(a, bot)


def test_an_acknowledgement_and_an_erasure_reach_all(stage: Stage) -> None:
    a, b, room = two(stage)
    sent = a.say(room, "by mistake")
    assert sent.envelope is not None
    assert b.do(actions.Acknowledge(room=room, envelope=sent.envelope, grade=3)).state is DONE
    assert a.do(actions.EraseMessages(room=room, envelopes=(sent.envelope,))).state is DONE
    assert a.texts(room) == b.texts(room) == []
    assert b.store.messages[room, sent.envelope].state is model.MessageState.ERASED
    assert quiet(a, b)


def test_reports_of_delivery_come_to_rest(stage: Stage) -> None:
    a, b, room = two(stage)
    a.say(room, "hello")
    stage.wait(70_000)
    before = len(a.rows(room))
    assert {row.sender for row in a.rows(room, Kind.DELIVERED)} == {a.device.id, b.device.id}
    stage.wait(120_000, step_ms=5_000)
    assert len(a.rows(room)) == before
    assert quiet(a, b)


def test_the_same_inputs_give_the_same_steps() -> None:
    steps: list[list[e.Effect]] = []
    for _ in range(2):
        stage = Stage()
        a, b, room = two(stage)
        b.say(room, "hello")
        stage.wait(3_000)
        steps.append([*a.effects, *b.effects])
    assert steps[0] == steps[1]


def test_a_core_made_anew_from_the_store_goes_on(stage: Stage) -> None:
    a, b, room = two(stage)
    for number in range(3):
        for client in (a, b):
            client.restart()
            client.connect()
            stage.run()
            assert client.say(room, f"{client.name} {number}").state is DONE
    assert a.texts(room) == b.texts(room) == ["A 0", "B 0", "A 1", "B 1", "A 2", "B 2"]
    assert quiet(a, b)


def test_a_store_that_fails_costs_the_core_and_nothing_else(stage: Stage) -> None:
    a, b, room = two(stage)
    a.store.fails = 1
    intent = a.ask(saying(room, Text(text="hello"), label=Label.AMBER))
    assert a.peer is None
    a.connect()
    stage.run()
    assert a.intent(intent).state is DONE
    assert b.texts(room) == ["hello"]
    assert quiet(a, b)


def test_a_damaged_roster_does_not_load(stage: Stage) -> None:
    base = stage.client("A").store.base
    broken = base.roster[:-1] + bytes([base.roster[-1] ^ 1])
    snapshot = model.Snapshot(
        certificate=base.certificate, enrolment=base.enrolment, profile=base.profile, roster=broken
    )
    with pytest.raises(VerifyError):
        ClientCore(snapshot, key=stage.clients[0].device.key, random=seeded("x"), engines=ENGINES)


def test_a_frame_that_does_not_parse_ends_the_connection(stage: Stage) -> None:
    a = stage.online("A")
    a.give(inputs.Received(data=b"\xff"))
    assert a.codes() == ["FRAME"]
    assert [effect.again for effect in a.disconnects] == [True]
    assert a.peer is None


def test_what_arrives_after_a_disconnect_is_passed_over(stage: Stage) -> None:
    a = stage.online("A")
    step = a.core.handle(inputs.Received(data=b"\xff"), stage.relay.now_ms)
    assert any(isinstance(effect, e.Disconnect) for effect in step.effects)
    assert a.core.handle(inputs.Received(data=b"\xff"), stage.relay.now_ms).effects == ()


def test_a_request_without_answer_ends_the_connection(stage: Stage) -> None:
    a, b, room = two(stage)
    a.outward = lambda frame: [] if isinstance(frame, frames.Publish) else [frame]
    a.ask(saying(room, Text(text="hello"), label=Label.AMBER))
    stage.wait(61_000)
    assert [effect.reason for effect in a.disconnects] == ["TIMEOUT: the relay did not answer"]
    a.outward = None
    a.connect()
    stage.run()
    assert b.texts(room) == ["hello"]


def test_an_answer_to_nothing_ends_the_connection(stage: Stage) -> None:
    a = stage.online("A")
    a.give(inputs.Received(data=frames.encode_frame(frames.Done(request=99))))
    assert a.codes() == ["FRAME"]
    assert a.disconnects


def test_a_withdrawn_intent_is_not_sent(stage: Stage) -> None:
    a, b, room = two(stage)
    a.disconnect()
    intent = a.ask(saying(room, Text(text="no"), label=Label.AMBER))
    a.give(inputs.Withdrawn(intent=intent))
    a.give(inputs.Withdrawn(intent=intent))
    a.connect()
    stage.run()
    assert (a.intent(intent).state, a.intent(intent).code) == (FAILED, "USAGE")
    assert b.texts(room) == []


def test_an_intent_for_no_room_fails(stage: Stage) -> None:
    a = stage.online("A")
    assert a.say(create(stage.online("B")), "hello").code == "UNKNOWN_ROOM"


def test_asking_twice_sends_once(stage: Stage) -> None:
    a, b, room = two(stage)
    a.disconnect()
    intent = a.ask(saying(room, Text(text="once"), label=Label.AMBER))
    a.give(inputs.Asked(intent=a.intent(intent)))
    a.connect()
    stage.run()
    assert b.texts(room) == ["once"]


def test_a_halted_core_dials_no_more(stage: Stage) -> None:
    a = stage.online("A")
    a.core._ctx.halted = "FORK"  # noqa: SLF001 - as after a fork
    a.disconnect()
    a.give(inputs.Opened(dialled=ADDRESS, tls_hash=bytes(32)))
    assert not a.disconnects[-1].again
