"""Own envelopes: what this profile never signed, and what the relay said it had refused."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from amanah_client import actions, model
from amanah_client.saying import saying
from amanah_protocol import frames, kinds
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import audience_digest, decode_envelope
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from tests.client.core.forge import delivery, header_of, message, push, room_of, signed
from tests.client.core.rooms import create, invite, two
from tests.client.core.test_outbox import refuse
from tests.client.core.world import MA, SN, TN, Client, Stage, keep

HALTED, OPEN = model.RoomStatus.HALTED, model.RoomStatus.OPEN


def test_an_envelope_that_the_relay_said_it_had_refused_appears(stage: Stage) -> None:
    a, b, room = two(stage)
    sent = refuse(a, "LABEL")
    a.say(room, "refused")
    item = sent[0].items[0]
    push(a, delivery(a, decode_envelope(item.envelope), item.content))
    assert a.codes() == ["VOIDED_APPEARED"]
    assert a.row(room).status is HALTED
    assert b.store.alarms == []


def test_a_voided_envelope_that_appears_later_is_found_too(stage: Stage) -> None:
    a, b, room = two(stage)
    sent = refuse(a, "LABEL")
    a.say(room, "refused")
    a.say(room, "next")
    item = sent[0].items[0]
    for victim in (a, b):
        push(victim, delivery(victim, decode_envelope(item.envelope), item.content))
        assert victim.codes() == ["VOIDED_APPEARED"]
    assert a.row(room).status is HALTED
    assert b.row(room).status is OPEN
    assert b.texts(room) == ["next"]


def test_an_own_envelope_whose_row_the_store_does_not_know_is_taken_as_it_is(stage: Stage) -> None:
    a, b, room = two(stage)
    lost: list[frames.Frame] = []

    def lose(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Delivery):
            lost.append(frame)
            a.disconnect()
            return []
        return [frame]

    a.toward = lose
    a.say(room, "mine")
    a.toward = None
    before = a.row(room).head_seq
    a.store.messages = {key: row for key, row in a.store.messages.items() if row.room_seq is not None}
    a.restart()
    a.connect()
    stage.run()
    assert lost
    assert a.row(room).head_seq > before
    assert a.store.alarms == []
    assert b.texts(room) == ["mine"]


def test_an_own_commit_that_is_no_longer_held_is_refused(stage: Stage) -> None:
    a, _b, room = two(stage)
    c = stage.online("C", of=SN)
    held: list[frames.Frame] = []
    a.toward = keep(held, frames.Delivery)
    a.ask(actions.Invite(room=room, device=c.device.id))
    stage.run()
    group = room_of(a, room).group
    assert group is not None
    group.discard()
    a.toward = None
    push(a, *held)
    assert a.codes()[0] == "REFUSED_COMMIT"
    assert a.row(room).status is HALTED


def test_an_own_envelope_with_a_wrong_signature_is_no_own_envelope(stage: Stage) -> None:
    a, b, room = two(stage)
    envelope, sealed = message(a, room)
    push(a, delivery(a, signed(replace(envelope.header, counter=99), sealed, b.device.key), sealed))
    assert a.codes() == ["SIGNATURE"]
    assert a.row(room).status is OPEN


def test_a_creator_who_was_removed_and_added_again_reads_from_the_beginning(stage: Stage) -> None:
    a, b, room = two(stage)
    a2 = stage.online("A2", of=TN)
    invite(a, room, a2)
    assert a2.do(actions.Remove(room=room, devices=(a.device.id,))).state is model.IntentState.DONE
    a.toward = lambda frame: (
        []
        if isinstance(frame, frames.Delivery) and decode_envelope(frame.envelope).header.kind is Kind.WELCOME
        else [frame]
    )
    a2.do(actions.Invite(room=room, device=a.device.id))
    a.toward = None
    a.restart()
    a.connect()
    stage.run()
    assert a.row(room).status is OPEN
    assert "FORK" not in a.codes()
    assert b.say(room, "welcome back").state is model.IntentState.DONE
    assert a.texts(room)[-1] == "welcome back"
    assert a.say(room, "thanks").state is model.IntentState.DONE
    assert b.texts(room)[-1] == "thanks"


def test_what_was_accepted_before_an_unseen_removal_is_done(stage: Stage) -> None:
    a, b, room = two(stage)
    held: list[frames.Frame] = []
    b.toward = keep(held, frames.Stored, frames.Delivery)
    intent = b.ask(saying(room, Text(text="just in time"), label=Label.AMBER))
    stage.run()
    b.disconnect()
    a.do(actions.Remove(room=room, devices=(b.device.id,)))
    invite(a, room, b)
    b.toward = None
    b.connect()
    stage.run()
    assert held
    assert b.intent(intent).state is model.IntentState.DONE
    assert a.texts(room) == ["just in time"]
    assert b.say(room, "back").state is model.IntentState.DONE
    assert a.texts(room)[-1] == "back"
    assert a.store.alarms == b.store.alarms == []


def test_an_own_machine_made_entry_of_another_profile_is_found(stage: Stage) -> None:
    a, _b, room = two(stage)
    held = room_of(a, room)
    assert held.group is not None
    header = header_of(
        a,
        room,
        kinds.Delivered(room_seq=1),
        counter=held.row.counter + 1,
        audience=audience_digest(set(held.group.members)),
    )
    push(a, delivery(a, signed(header, b"", a.device.key)))
    assert a.codes() == ["FORK"]


@pytest.mark.parametrize("name", ["A", "B"])
def test_a_room_of_one_has_no_doubts(stage: Stage, name: str) -> None:
    a: Client = stage.online(name, of=MA)
    room = create(a)
    a.say(room, "hello?")
    assert a.texts(room) == ["hello?"]
    assert a.store.alarms == []
