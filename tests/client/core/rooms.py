"""Rooms that tests begin with."""

from __future__ import annotations

from amanah_client import actions, model
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId
from tests.client.core.world import MA, TN, Client, Stage


def create(client: Client, ceiling: Label = Label.AMBER) -> RoomId:
    """A room of one."""
    intent = client.do(actions.CreateRoom(title="Phishing wave", ceiling=ceiling, classical=True))
    assert intent.state is model.IntentState.DONE, intent
    assert intent.room is not None
    return intent.room


def invite(client: Client, room: RoomId, *others: Client) -> None:
    """Add devices, one invitation each."""
    for other in others:
        intent = client.do(actions.Invite(room=room, device=other.device.id))
        assert (intent.state, intent.code) == (model.IntentState.DONE, ""), intent


def two(stage: Stage, of: str = MA) -> tuple[Client, Client, RoomId]:
    """Officers of two nations (or of one) in one room, both told of everything."""
    first, second = stage.online("A", of=TN), stage.online("B", of=of)
    room = create(first)
    invite(first, room, second)
    return first, second, room
