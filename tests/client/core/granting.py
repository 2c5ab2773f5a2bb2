"""Who came later to a room, and what a member gives them of before."""

from __future__ import annotations

from amanah_client import actions, model
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId, RoomId
from tests.client.core.rooms import create, invite
from tests.client.core.world import MA, SN, TN, Client, Stage


def late(stage: Stage, *labels: Label) -> tuple[Client, Client, Client, RoomId, list[EnvelopeId]]:
    """Two members, what the first said under these labels, and a third who came later, of another nation."""
    a, b = stage.online("A", of=TN), stage.online("B", of=MA)
    room = create(a, Label.RED)
    invite(a, room, b)
    said = []
    for number, label in enumerate(labels):
        intent = a.say(room, f"message {number}", label)
        assert intent.envelope is not None
        said.append(intent.envelope)
    c = stage.online("C", of=SN)
    invite(a, room, c)
    stage.wait(1_000)
    assert c.texts(room) == []
    return a, b, c, room, said


def grant(client: Client, room: RoomId, said: list[EnvelopeId], *to: Client) -> actions.GrantHistory:
    places = [client.store.messages[room, envelope].room_seq or 0 for envelope in said]
    return actions.GrantHistory(
        room=room,
        from_seq=min(places, default=1),
        to_seq=max(places, default=1),
        envelopes=tuple(said),
        devices=tuple(other.device.id for other in to),
    )


def do(stage: Stage, client: Client, action: actions.Action) -> model.Intent:
    intent = client.ask(action)
    stage.wait(4_000)
    return client.intent(intent)
