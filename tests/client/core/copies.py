"""Profiles that go on from an old copy, and a look at each key that is used."""

from __future__ import annotations

from amanah_protocol import frames
from amanah_protocol.mls.secret_tree import MessageKey
from amanah_protocol.types import RoomId
from tests.client.core.forge import room_of
from tests.client.core.rooms import invite, two
from tests.client.core.world import SN, Client, Stage, Store


def check_no_key_twice(keys: list[MessageKey]) -> None:
    assert keys
    assert len(set(keys)) == len(keys), "a key and nonce were used twice"


def put_back(client: Client, copy: Store) -> None:
    """Go on from an old copy."""
    client.disconnect()
    client.outward = None
    client.store = copy
    client.restart()
    client.connect()
    client.stage.run()


def renew(client: Client, room: RoomId) -> None:
    """A member's commit that changes nobody."""
    room_of(client, room).change(renew_at_ms=0)
    client.stage.tick()
    client.stage.run()


def kinds_of(client: Client, room: RoomId) -> list[int]:
    """What a device sent to a room, in its order, as the store of another shows it."""
    viewer = next(one for one in client.stage.clients if one is not client and room in one.store.rooms)
    return [row.kind for row in viewer.rows(room) if row.sender == client.device.id]


def heal(stage: Stage) -> None:
    stage.wait(20_000)


def three(stage: Stage) -> tuple[Client, Client, Client, RoomId]:
    """Officers of three nations."""
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    invite(a, room, c)
    return a, b, c, room


def hold_commits(client: Client) -> None:
    """Nothing that it publishes reaches the relay."""
    client.outward = lambda frame: [] if isinstance(frame, frames.Publish) else [frame]
