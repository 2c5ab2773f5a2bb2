"""A room's policy on a member's device: when what is dropped, by which clock, and what holds it."""

from __future__ import annotations

import pytest

from amanah_client import actions
from amanah_client.core import expiry
from amanah_protocol import frames
from amanah_protocol.cose import Typ
from amanah_protocol.custody.holds import decode_hold, release_document
from amanah_protocol.custody.retention import RoomPolicy
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import RoomId
from tests.client.core.world import TN, Client, Stage
from tests.relay.people import DAY_MS

POLICY = RoomPolicy(after_last={Label.RED: 7}).encode()


@pytest.fixture
def client() -> Client:
    return Stage().online("A")


def opened(client: Client, policy: bytes = POLICY) -> RoomId:
    room = client.do(actions.CreateRoom(title="kept", ceiling=Label.RED, classical=True, policy=policy)).room
    assert room is not None
    return room


def test_a_room_with_a_policy_is_looked_at_from_time_to_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "PERIOD_MS", 10_000)
    room = opened(client)
    opened_too = opened(client, b"")
    client.stage.wait(3_000)
    assert [write.room for write in client.store.dropping] == [room]
    assert opened_too != room
    client.stage.wait(9_000)
    assert len(client.store.dropping) == 2


def test_what_is_over_is_told_by_the_older_clock(client: Client) -> None:
    opened(client)
    client.clock_ms = 30 * DAY_MS
    client.stage.wait(2_000)
    (write,) = client.store.dropping
    assert write.now_ms <= client.stage.relay.now_ms
    assert (write.policy, write.held_since_ms) == (POLICY, None)


def test_while_a_hold_stands_what_it_protects_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "PERIOD_MS", 1_000)
    room = opened(client)
    nation = client.stage.relay.nations[TN]
    placed = nation.hold(room, now_ms=client.stage.relay.now_ms, since_ms=5)
    client.stage.submit(client, LeafType.LEGAL_HOLD, placed)
    client.stage.wait(2_000)
    assert client.store.dropping[-1].held_since_ms == 5
    release = release_document(decode_hold(placed), now_ms=client.stage.relay.now_ms)
    client.stage.submit(client, LeafType.LEGAL_HOLD, nation.two_party(release, Typ.LEGAL_HOLD))
    client.stage.wait(2_000)
    assert client.store.dropping[-1].held_since_ms is None


def test_before_the_custody_of_a_room_is_read_nothing_is_dropped(client: Client) -> None:
    """A hold was placed while the device was off, and is read behind all else."""
    stage, other = client.stage, client.stage.online("B")
    room = opened(client)
    client.do(actions.Invite(room=room, device=other.device.id))
    stage.wait(3_000)
    client.disconnect()
    placed = stage.relay.nations[TN].hold(room, now_ms=stage.relay.now_ms, since_ms=5)
    stage.submit(other, LeafType.LEGAL_HOLD, placed)
    client.store.dropping.clear()
    client.restart()
    client.toward = lambda frame: [] if isinstance(frame, frames.Custody) else [frame]
    client.connect()
    stage.wait(5_000)
    assert client.store.dropping == []
    client.disconnect()
    client.toward = None
    client.connect()
    stage.wait(5_000)
    assert [write.held_since_ms for write in client.store.dropping] == [5]


def test_a_device_that_was_removed_drops_without_the_custody_that_it_is_not_shown(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "PERIOD_MS", 1_000)
    stage, other = client.stage, client.stage.online("B")
    room = opened(client)
    client.do(actions.Invite(room=room, device=other.device.id))
    stage.wait(3_000)
    client.do(actions.Remove(room=room, devices=(other.device.id,)))
    stage.wait(3_000)
    other.disconnect()
    other.connect()
    other.store.dropping.clear()
    stage.wait(3_000)
    assert {write.room for write in other.store.dropping} == {room}
