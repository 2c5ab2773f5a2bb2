"""A store that fails at any point: the core is made anew, nothing is lost, nothing is sent twice."""

from __future__ import annotations

import pytest

from amanah_client import actions, model
from amanah_client.saying import saying
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.frames import Delivery, Frame
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId
from tests.client.core.rooms import create, invite
from tests.client.core.world import MA, SN, TN, Client, Hook, Stage

DONE = model.IntentState.DONE


def settle(stage: Stage) -> None:
    """Whoever lost its core connects again; then everything runs out."""
    for _ in range(6):
        stage.run()
        for client in stage.clients:
            if client.peer is None:
                client.connect()
        stage.tick(2_000)


def story(stage: Stage, a: Client, b: Client, c: Client) -> RoomId:
    """What happens to a room, whoever fails meanwhile."""
    asked = a.ask(actions.CreateRoom(title="Wave", ceiling=Label.AMBER, classical=True))
    settle(stage)
    room = a.intent(asked).room
    assert room is not None
    for other in (b, c):
        a.ask(actions.Invite(room=room, device=other.device.id))
        settle(stage)
    for number in range(2):
        for client in (a, b, c):
            client.ask(saying(room, Text(text=f"{client.name} {number}"), label=Label.GREEN))
        settle(stage)
    a.ask(actions.Remove(room=room, devices=(c.device.id,)))
    settle(stage)
    a.ask(saying(room, Text(text="end"), label=Label.GREEN))
    settle(stage)
    return room


def check(a: Client, b: Client, c: Client, room: RoomId) -> None:
    """Everybody has all of it once, in one order, and nobody was alarmed."""
    for client in (a, b, c):
        assert client.store.alarms == [], client.name
        unfinished = [intent for intent in client.store.intents.values() if intent.state is not DONE]
        assert unfinished == [], client.name
    expected = [f"{client.name} {number}" for number in range(2) for client in (a, b, c)]
    assert sorted(a.texts(room)) == sorted([*expected, "end"])
    assert b.texts(room) == a.texts(room)
    assert c.texts(room) == a.texts(room)[:-1]
    assert a.row(room).title == b.row(room).title == c.row(room).title == "Wave"
    counters = [(row.sender, decode_envelope(row.encoded).header.counter) for row in a.rows(room)]
    assert len(counters) == len(set(counters))


@pytest.mark.slow
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("victim", [0, 1])
def test_a_failure_at_any_commit_changes_nothing_in_the_end(victim: int, kept: bool, scale: int) -> None:  # noqa: FBT001 - a parameter of the test
    # In the short form every other one, those that are kept and those that are not in turn.
    at, step = (1, 1) if scale > 1 else (1 + kept, 2)
    while True:
        stage = Stage()
        clients = [stage.online("A", of=TN), stage.online("B", of=MA), stage.online("C", of=SN)]
        store = clients[victim].store
        store.fails, store.kept = at, kept
        room = story(stage, *clients)
        check(clients[0], clients[1], clients[2], room)
        if store.fails > 0:
            break
        at += step if at < 24 else 6
    assert at > 24


def test_a_failed_login_step_is_repeated(stage: Stage) -> None:
    a = stage.client("A")
    for at in range(1, 8):
        a.store.fails = at
        a.connect()
        settle(stage)
        a.disconnect()
    assert a.store.alarms == []


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["toward", "outward"])
def test_a_lost_frame_and_a_new_connection_lose_nothing(direction: str) -> None:
    for at in range(0, 90, 5):
        stage = Stage()
        a, b, c = stage.online("A", of=TN), stage.online("B", of=MA), stage.online("C", of=SN)
        setattr(a, direction, cut(a, at))
        room = story(stage, a, b, c)
        check(a, b, c, room)


def cut(client: Client, at: int) -> Hook:
    """A hook that loses the connection at one frame."""
    count = 0

    def hook(frame: Frame) -> list[Frame]:
        nonlocal count
        count += 1
        if count == at:
            client.disconnect()
            return []
        return [frame]

    return hook


def test_a_room_that_was_being_joined_is_joined_after_a_restart(stage: Stage) -> None:
    a, b = stage.online("A", of=TN), stage.online("B", of=MA)
    room = create(a)

    def lose(frame: Frame) -> list[Frame]:
        if isinstance(frame, Delivery) and is_welcome(frame):
            b.disconnect()
            return []
        return [frame]

    b.toward = lose
    a.do(actions.Invite(room=room, device=b.device.id))
    assert b.row(room).status is model.RoomStatus.JOINING
    b.toward = None
    b.restart()
    b.connect()
    stage.run()
    assert b.row(room).status is model.RoomStatus.OPEN
    invite(a, room, stage.online("C", of=SN))
    assert b.say(room, "here").state is DONE
    assert a.texts(room) == ["here"]
    assert a.store.alarms == []


def is_welcome(frame: Delivery) -> bool:
    """Whether a delivery holds a welcome."""
    return decode_envelope(frame.envelope).header.kind is Kind.WELCOME
