"""What is asked for in a room that is asked for too: it waits for the room, and ends with it."""

from __future__ import annotations

from amanah_client import actions, model
from amanah_client.saying import saying
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import derive_room_id
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId
from tests.client.core.world import MA, Client, Stage
from tests.relay.people import ORIGIN

QUEUED, DONE, FAILED = model.IntentState.QUEUED, model.IntentState.DONE, model.IntentState.FAILED


def ask(client: Client, ceiling: Label = Label.AMBER, title: str = "Wave") -> tuple[str, str, str, RoomId]:
    """A room, an invitation to it and something said in it, all before the room is there."""
    opening = client.ask(actions.CreateRoom(title=title, ceiling=ceiling, classical=True))
    room = derive_room_id(ORIGIN, client.device.id, bytes.fromhex(opening))
    invitation = client.ask(actions.Invite(room=room, device=client.stage.clients[1].device.id))
    said = client.ask(saying(room, Text(text="first"), label=Label.AMBER))
    return opening, invitation, said, room


def test_it_goes_out_behind_the_creation_and_who_is_invited_reads_it(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    a.disconnect()
    *asked, room = ask(a)
    assert [a.intent(one).state for one in asked] == [QUEUED] * 3
    a.connect()
    stage.run()
    assert [a.intent(one).state for one in asked] == [DONE] * 3
    assert b.texts(room) == ["first"]


def test_it_survives_a_restart(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    a.disconnect()
    *asked, room = ask(a)
    a.restart()
    a.connect()
    stage.run()
    assert [a.intent(one).state for one in asked] == [DONE] * 3
    assert b.texts(room) == ["first"]


def test_without_the_room_none_of_it_is_done(stage: Stage) -> None:
    a, _ = stage.online("A"), stage.online("B", of=MA)
    a.disconnect()
    opening, invitation, said, _ = ask(a, title="x" * 300)
    a.connect()
    stage.run()
    assert (a.intent(opening).state, a.intent(opening).code) == (FAILED, "TOO_LARGE")
    assert {(a.intent(one).state, a.intent(one).code) for one in (invitation, said)} == {(FAILED, "UNKNOWN_ROOM")}
