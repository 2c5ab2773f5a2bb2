from __future__ import annotations

import pytest
from msgspec.structs import replace

from amanah_protocol import frames
from amanah_protocol.envelope import Envelope
from amanah_protocol.errors import MEANINGS, Code
from amanah_protocol.kinds import Message
from amanah_protocol.log.receipt import check_in_receipt, verify_receipt
from amanah_protocol.types import RoomId
from amanah_relay.effects import Append, ReadKnown
from amanah_relay.quotas import RelayLimits
from tests.relay.people import RELAY_KEY, key_of
from tests.relay.world import MA, SEALED, Peer, RoomModel, World, as_item, code_of


def room_of_one(limits: RelayLimits | None = None) -> tuple[World, Peer, RoomModel]:
    """A world with one officer and its room."""
    world = World(limits)
    officer = world.officer("a")
    return world, officer, world.open_room(officer)


def message(world: World, peer: Peer, room: RoomModel, content: bytes = SEALED) -> Envelope:
    """The peer's next message."""
    assert peer.device is not None
    return world.envelope(peer.device, room, Message(), content)


def test_an_acknowledgement_names_leaves_of_a_signed_receipt() -> None:
    world, officer, room = room_of_one()
    made = [message(world, officer, room) for _ in range(3)]
    request = officer.publish(*made)
    stored = officer.one(frames.Stored)
    receipt = verify_receipt(stored.receipt, RELAY_KEY.public)
    (accepted,) = stored.accepted
    assert (accepted.request, accepted.sequences) == (request, (2, 3, 4))
    for envelope, index in zip(made, accepted.indices, strict=True):
        entry = world.store.entries[index]
        assert entry.envelope == envelope.id
        check_in_receipt(receipt, entry.hash, index)
    assert receipt.value.root == world.store.batches[-1].root


def test_nothing_is_acknowledged_before_the_store_has_it() -> None:
    world, officer, room = room_of_one()
    world.holding = True
    officer.publish(message(world, officer, room))
    assert not officer.take(frames.Stored)
    world.release()
    assert officer.take(frames.Stored)


def test_all_requests_of_a_connection_in_a_batch_are_answered_by_one_frame() -> None:
    world, officer, room = room_of_one()
    guest = world.officer("b", of=MA)
    world.commit(officer, room, added=(guest.device,))  # type: ignore[arg-type]  # it is logged in
    world.holding = True
    first = officer.publish(message(world, officer, room))
    others = [officer.publish(message(world, officer, room)) for _ in range(2)]
    guest.publish(message(world, guest, room))
    world.step()
    assert [accepted.request for accepted in officer.one(frames.Stored).accepted] == [first]
    world.step()
    assert [accepted.request for accepted in officer.one(frames.Stored).accepted] == others
    (accepted,) = guest.one(frames.Stored).accepted
    assert len(world.appends[-1].entries) == 3
    assert accepted.indices == (world.appends[-1].entries[2].index,)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_repetition_gets_the_same_receipt(*, restarted: bool) -> None:
    world, officer, room = room_of_one()
    made = [message(world, officer, room) for _ in range(2)]
    officer.publish(*made)
    first = officer.one(frames.Stored)
    officer.publish(message(world, officer, room))
    officer.one(frames.Stored)
    leaves = len(world.store.entries)
    if restarted:
        world.restart()
        assert officer.device is not None
        officer = world.login(officer.device)
    world.now_ms += 60_000
    request = officer.publish(*made)
    answers = officer.take(frames.Stored)
    assert {stored.receipt for stored in answers} == {first.receipt}
    (accepted,) = answers[0].accepted
    (before,) = first.accepted
    assert (accepted.request, accepted.indices, accepted.sequences) == (request, before.indices, before.sequences)
    assert accepted.accepted_at_ms == before.accepted_at_ms
    assert len(world.store.entries) == leaves


def test_a_repetition_while_the_first_is_on_its_way_waits_with_it() -> None:
    world, officer, room = room_of_one()
    world.holding = True
    made = message(world, officer, room)
    first, second = officer.publish(made), officer.publish(made)
    assert not officer.frames
    world.release()
    assert [accepted.request for accepted in officer.one(frames.Stored).accepted] == [first, second]
    assert len(world.appends[-1].entries) == 1


def test_a_repetition_needs_no_content_any_more() -> None:
    world, officer, room = room_of_one()
    made = message(world, officer, room)
    officer.publish(made)
    officer.one(frames.Stored)
    officer.publish((made, None))
    officer.one(frames.Stored)


def test_a_repetition_by_a_device_that_was_removed_meanwhile_is_still_acknowledged() -> None:
    world, officer, room = room_of_one()
    guest = world.officer("b", of=MA)
    assert guest.device is not None
    world.commit(officer, room, added=(guest.device,))
    made = message(world, guest, room)
    guest.publish(made)
    guest.one(frames.Stored)
    world.commit(officer, room, removed=(guest.device,))
    world.restart()
    guest = world.login(guest.device)
    guest.publish(made)
    assert guest.one(frames.Stored).accepted[0].sequences == (4,)


def test_a_list_that_is_partly_known_is_acknowledged_by_batches() -> None:
    world, officer, room = room_of_one()
    made = [message(world, officer, room) for _ in range(4)]
    for envelope in made[:2]:
        officer.publish(envelope)
    known = [stored.receipt for stored in officer.take(frames.Stored)]
    world.holding = True
    officer.publish(made[2])
    request = officer.publish(*made)
    told = officer.take(frames.Stored)
    assert [stored.receipt for stored in told] == known
    assert [stored.accepted[0].sequences for stored in told] == [(2,), (3,)]
    world.release()
    rest = [accepted for stored in officer.take(frames.Stored) for accepted in stored.accepted]
    assert [accepted.sequences for accepted in rest if accepted.request == request] == [(4,), (5,)]


def test_the_store_is_asked_only_for_counters_that_were_used() -> None:
    world, officer, room = room_of_one()
    made = message(world, officer, room)
    officer.publish(made)
    world.restart()
    assert officer.device is not None
    officer = world.login(officer.device)
    world.holding = True
    officer.publish(message(world, officer, room))
    assert [type(effect) for effect in world.waiting] == [Append]
    officer.publish(made)
    assert isinstance(world.waiting[-1], ReadKnown)


def test_another_envelope_under_a_used_counter_is_refused_when_the_store_does_not_know_it() -> None:
    world, officer, room = room_of_one()
    assert officer.device is not None
    officer.publish(message(world, officer, room))
    officer.one(frames.Stored)
    officer.device.made.pop(room.id)
    for _ in range(2):
        other = message(world, officer, room, b"other")
        officer.publish((other, b"other"))
        refused = officer.refused()
        assert (code_of(refused), refused.position) == (Code.COUNTER, 0)
        assert MEANINGS[code_of(refused)].final


def test_a_publish_whose_ids_cannot_be_looked_up_is_refused_once_and_may_come_again() -> None:
    world, officer, room = room_of_one()
    made = [message(world, officer, room) for _ in range(2)]
    officer.publish(*made)
    world.restart()
    assert officer.device is not None
    officer = world.login(officer.device)
    world.store.reads_fail = world.store.full = True
    officer.publish(*made)
    refused = officer.refused()
    assert (code_of(refused), refused.position) == (Code.DISK_FULL, 0)
    assert refused.retry_after_ms == world.limits.retry_ms
    world.store.reads_fail = False
    officer.publish(*made)
    assert officer.one(frames.Stored).accepted[0].sequences == (2, 3)


def test_a_publish_that_was_refused_is_not_admitted_by_a_later_answer() -> None:
    world, officer, room = room_of_one()
    made = [message(world, officer, room) for _ in range(2)]
    officer.publish(*made)
    world.restart()
    assert officer.device is not None
    officer = world.login(officer.device)
    world.holding = True
    officer.publish(*made)
    world.store.reads_fail = True
    world.step()
    assert code_of(officer.refused()) is Code.STORE
    world.store.reads_fail = False
    world.release()
    assert not officer.frames


@pytest.mark.parametrize("fails", [False, True])
def test_a_lookup_for_somebody_who_left_comes_to_nothing(*, fails: bool) -> None:
    world, officer, room = room_of_one()
    made = message(world, officer, room)
    officer.publish(made)
    world.restart()
    assert officer.device is not None
    officer = world.login(officer.device)
    world.holding = True
    officer.publish(made)
    world.drop(officer)
    world.store.reads_fail = fails
    world.release()
    assert not officer.frames


def test_the_store_is_asked_for_a_receipt_that_is_no_longer_kept() -> None:
    world, officer, room = room_of_one(RelayLimits(recent=2))
    made = [message(world, officer, room) for _ in range(3)]
    for envelope in made:
        officer.publish(envelope)
    receipts = [stored.receipt for stored in officer.take(frames.Stored)]
    world.holding = True
    for envelope, asked in zip(made, (1, 0, 0), strict=True):
        officer.publish(envelope)
        assert len(world.waiting) == asked
        world.release()
        world.holding = True
    assert [stored.receipt for stored in officer.take(frames.Stored)] == receipts


@pytest.mark.parametrize("broken", [b"", b"\xd2\x84", b"\xd2" * 5_000])
def test_an_envelope_that_does_not_decode_is_refused_and_the_connection_stays(broken: bytes) -> None:
    world, officer, room = room_of_one()
    good = as_item(message(world, officer, room))
    if len(broken) < 4_224:
        officer.send(frames.Publish(request=5, items=(good, frames.Item(envelope=broken, content=None))))
        refused = officer.refused()
        assert (refused.request, code_of(refused), refused.position) == (5, Code.MALFORMED, 1)
        assert officer.is_open
    else:
        officer.send(frames.Publish(request=5, items=(frames.Item(envelope=broken, content=None),)))
        assert officer.closed == (1002, "FRAME")


def test_an_envelope_of_another_device_is_refused() -> None:
    world, officer, room = room_of_one()
    guest = world.officer("b", of=MA)
    guest.publish(message(world, officer, room))
    assert code_of(guest.refused()) is Code.KEY_ID


def test_an_envelope_with_another_signature_is_refused() -> None:
    world, officer, room = room_of_one()
    assert officer.device is not None
    good = message(world, officer, room)
    forged = replace(good.parts, signature=key_of("thief").sign(good.parts.signed_bytes)).encode()
    officer.send(frames.Publish(request=5, items=(frames.Item(envelope=forged, content=SEALED),)))
    assert code_of(officer.refused()) is Code.SIGNATURE
    officer.publish(good)
    officer.one(frames.Stored)


def test_every_flipped_bit_of_an_envelope_is_refused() -> None:
    world, officer, room = room_of_one(RelayLimits(requests_burst=100_000))
    good = message(world, officer, room).encoded
    for bit in range(0, 8 * len(good), 7):
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        officer.send(frames.Publish(request=bit, items=(frames.Item(envelope=bytes(flipped), content=SEALED),)))
        assert officer.refused().request == bit
    assert len(world.store.entries) == 3


def test_publishing_is_refused_while_too_much_waits_for_the_store() -> None:
    world, officer, room = room_of_one(RelayLimits(queue_bytes=1_000, max_batch_bytes=1_000))
    world.holding = True
    for _ in range(3):
        officer.publish(message(world, officer, room))
    assert not officer.frames
    over = message(world, officer, room, bytes(800))
    officer.publish((over, bytes(800)))
    assert not officer.frames
    more = message(world, officer, room)
    officer.publish(more)
    refused = officer.refused()
    assert (code_of(refused), refused.retry_after_ms) == (Code.RATE, world.limits.retry_ms)
    world.release()
    officer.publish(more)
    assert not officer.take(frames.Refused)


def test_requests_of_a_device_have_a_rate() -> None:
    _, officer, _ = room_of_one(RelayLimits(requests_burst=3, requests_per_second=2))
    for request in range(2):  # the creation was one
        officer.send(frames.GetCheckpoint(request=request))
        officer.one(frames.Checkpoint)
    officer.send(frames.GetCheckpoint(request=9))
    refused = officer.refused()
    assert (refused.request, code_of(refused), refused.retry_after_ms) == (9, Code.RATE, 500)


def test_a_frame_that_does_not_parse_ends_the_session() -> None:
    for data, closed in ((b"\xc1", (1002, "FRAME")), (bytes(262_145), (1009, "TOO_LARGE"))):
        _, officer, _ = room_of_one()
        officer.send_bytes(data)
        assert officer.one(frames.Refused).request == 0
        officer.one(frames.Closing)
        assert officer.closed == closed


def test_the_control_stream_is_not_read_as_a_room() -> None:
    _, officer, _ = room_of_one()
    officer.subscribe(RoomId(bytes(16)))
    assert code_of(officer.refused()) is Code.BAD_TYPE
