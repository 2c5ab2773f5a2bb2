from __future__ import annotations

import pytest

from amanah_protocol import frames
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.kinds import Message
from amanah_protocol.log.checkpoint import verify_checkpoint
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.note_keys import NoteSigner
from amanah_relay.core import RelayCore
from amanah_relay.inputs import Tick
from amanah_relay.quotas import RelayLimits
from tests.relay.people import LOG_SIGNER, NOW_MS, ORIGIN, RELAY_KEY, key_of
from tests.relay.world import MA, Peer, RoomModel, World, code_of


def busy() -> tuple[World, Peer, RoomModel]:
    """An officer of whom two messages are on their way, one of them in the store's hands."""
    world = World()
    officer = world.officer("a")
    room = world.open_room(officer)
    world.holding = True
    for _ in range(2):
        assert officer.device is not None
        officer.publish(world.envelope(officer.device, room, Message()))
    return world, officer, room


def test_a_stop_acknowledges_what_was_admitted_and_then_closes_everybody() -> None:
    world, officer, _ = busy()
    waiting = world.connect()
    world.stop()
    assert not world.core.ready
    assert officer.is_open
    world.release()
    assert [len(stored.accepted) for stored in officer.take(frames.Stored)] == [1, 1]
    for peer in (officer, waiting):
        closing = peer.one(frames.Closing)
        assert (closing.code, closing.retry_after_ms) == (Code.STOPPING, world.limits.retry_ms)
        assert peer.closed == (1001, "STOPPING")


def test_a_stop_with_nothing_in_hand_closes_at_once() -> None:
    world = World()
    officer = world.officer("a")
    world.stop()
    assert officer.closed == (1001, "STOPPING")


def test_nothing_new_is_begun_while_stopping() -> None:
    world, officer, room = busy()
    hasty = world.connect()
    world.stop()
    assert officer.device is not None
    for request in (
        frames.Publish(request=7, items=(frames.Item(envelope=room.create.encoded, content=b""),)),
        frames.Stage(request=7, payload_hash=bytes(32), total=1, offset=0, data=b"x"),
        frames.Subscribe(request=7, room=room.id, after=0),
        frames.SubscribeControl(request=7, after=0),
        frames.FetchContent(request=7, room=room.id, payload_hash=bytes(32), offset=0),
        frames.OfferKeyPackages(request=7, suite=0x0003, packages=(), last_resort=None),
        frames.TakeKeyPackages(request=7, suite=0x0003, devices=(officer.device.id,)),
        frames.Submit(request=7, type=LeafType.ROSTER, object=b""),
        frames.GetInclusion(request=7, index=0, size=1),
        frames.GetConsistency(request=7, old=1, new=1),
        frames.GetCheckpoint(request=7),
        frames.AuditRead(request=7, order=b"", start=0),
    ):
        officer.send(request)
        refused = officer.refused()
        assert (refused.request, code_of(refused)) == (7, Code.STOPPING)
        assert refused.retry_after_ms == world.limits.retry_ms
    world.hello(hasty, officer.device)
    assert hasty.closed == (1001, "STOPPING")
    assert world.connect().closed == (1001, "STOPPING")


def test_what_the_store_was_asked_is_refused_by_a_stop() -> None:
    world, officer, room = busy()
    officer.subscribe(room.id)
    world.begin_login(world.certify("b", of=MA))
    world.stop()
    assert code_of(officer.refused()) is Code.STOPPING
    world.release()
    assert all(peer.closed is not None for peer in world.peers.values())


def test_a_stop_while_the_state_is_not_loaded_closes_everybody() -> None:
    world, officer, _ = busy()
    world.store.append_fails = "lost"
    world.step()
    world.stop()
    assert officer.closed == (1001, "STOPPING")


def test_a_relay_whose_log_key_is_anothers_does_not_start() -> None:
    with pytest.raises(UsageError) as caught:
        RelayCore(
            key=RELAY_KEY,
            log_signer=NoteSigner(name="other.example.org/log", key=key_of("log")),
            origin=ORIGIN,
            addresses=frozenset(),
            limits=RelayLimits(),
        )
    assert caught.value.code is Code.CONFIG


def test_the_checkpoint_is_that_of_the_durable_log() -> None:
    world = World()
    officer = world.officer("a")
    room = world.open_room(officer)
    assert officer.device is not None

    def size() -> int:
        officer.send(frames.GetCheckpoint(request=1))
        return verify_checkpoint(officer.one(frames.Checkpoint).note, LOG_SIGNER.verifier, ORIGIN).value.size

    assert size() == 3
    world.holding = True
    officer.publish(world.envelope(officer.device, room, Message()))
    assert size() == 3
    world.release()
    assert size() == 4


def test_an_empty_log_has_a_checkpoint_and_an_unloaded_relay_has_none() -> None:
    world = World()
    note = world.core.checkpoint(world.now_ms)
    assert note is not None
    assert verify_checkpoint(note, LOG_SIGNER.verifier, ORIGIN).value.size == 0
    fresh = world.new_core()
    assert fresh.checkpoint(NOW_MS) is None
    assert not fresh.ready
    assert fresh.handle(Tick(), NOW_MS + 60_000) == []
