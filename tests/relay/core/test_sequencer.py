from __future__ import annotations

from amanah_protocol import frames
from amanah_protocol.kinds import Ack, Delivered, Grade, Message
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.types import EnvelopeId
from amanah_relay.core.sequencer import Draft, Sequencer, Unit
from amanah_relay.inputs import Appended, AppendFailed
from amanah_relay.quotas import RelayLimits
from tests.relay.people import DAY_MS, NOW_MS
from tests.relay.world import MA, Peer, RoomModel, World


def quiet_world(limits: RelayLimits | None = None) -> tuple[World, Peer, RoomModel]:
    """A world whose store has all it was asked for."""
    world = World(limits)
    officer = world.officer("a")
    return world, officer, world.open_room(officer)


def publish(world: World, peer: Peer, room: RoomModel, number: int = 1, content: bytes = b"x") -> None:
    """Publish so many messages as one."""
    assert peer.device is not None
    peer.publish(*[(world.envelope(peer.device, room, Message(), content), content) for _ in range(number)])


def test_what_comes_while_the_store_works_becomes_one_batch() -> None:
    world, officer, room = quiet_world()
    world.holding = True
    before = len(world.appends)
    for _ in range(5):
        publish(world, officer, room)
    assert len(world.waiting) == 1
    world.release()
    assert [len(append.entries) for append in world.appends[before:]] == [1, 4]


def test_batches_are_numbered_and_follow_each_other_in_the_log() -> None:
    world, officer, room = quiet_world()
    world.store.append_fails = "lost"
    publish(world, officer, room)
    world.store.append_fails = "kept"
    publish(world, officer, room)
    assert officer.device is not None
    world.recall(officer.device, room.id)
    publish(world, officer, room)
    numbers = [append.batch for append in world.appends]
    assert numbers == sorted(set(numbers))
    frontier = Frontier()
    for append in world.store.batches:
        assert append.first == frontier.size
        for entry in append.entries:
            frontier.append(entry.hash)
        assert (append.root, append.edge) == (frontier.root(), frontier.edge)


def test_a_batch_is_bounded_by_leaves_and_never_cuts_a_list() -> None:
    world, officer, room = quiet_world(RelayLimits(max_batch=16))
    world.holding = True
    before = len(world.appends)
    for number in (1, 10, 6, 1, 9):
        publish(world, officer, room, number)
    world.release()
    assert [len(append.entries) for append in world.appends[before:]] == [1, 16, 10]


def test_a_batch_is_bounded_by_bytes_and_holds_one_unit_at_least() -> None:
    world, officer, room = quiet_world(RelayLimits(max_batch_bytes=10_000))
    world.holding = True
    before = len(world.appends)
    for size in (1, 4_000, 4_000, 4_000, 60_000, 1):
        publish(world, officer, room, content=bytes(size))
    world.release()
    assert [len(append.entries) for append in world.appends[before:]] == [1, 2, 1, 1, 1]


def test_rows_are_as_they_are_after_the_batch_even_if_more_waits() -> None:
    world, officer, room = quiet_world(RelayLimits(max_batch=16))
    assert officer.device is not None
    world.holding = True
    publish(world, officer, room)
    for _ in range(2):
        publish(world, officer, room, 10)
    world.step()
    first = world.appends[-1]
    assert (first.rooms[0].head_seq, first.members[0].last_counter) == (12, 12)
    assert first.members[0].last_id == first.entries[-1].envelope
    assert first.rooms[0].head_leaf == first.entries[-1].hash
    world.release()
    assert (world.appends[-1].rooms[0].head_seq, world.appends[-1].members[0].last_counter) == (22, 22)


def test_each_member_and_room_changed_has_one_row() -> None:
    world, officer, room = quiet_world()
    other = world.open_room(officer, nonce=bytes([1]) * 16)
    guest = world.officer("b", of=MA)
    assert guest.device is not None
    world.commit(officer, room, added=(guest.device,))
    world.holding = True
    publish(world, officer, room)
    for peer, where in ((officer, room), (guest, room), (officer, other), (guest, room)):
        publish(world, peer, where)
    world.release()
    append = world.appends[-1]
    assert len(append.entries) == 4
    assert len({(row.room, row.device) for row in append.members}) == len(append.members) == 3
    assert {row.room for row in append.rooms} == {room.id, other.id}
    assert all(row.create == b"" for row in append.rooms)


def test_the_row_of_a_new_room_holds_its_creation() -> None:
    world, officer, room = quiet_world()
    assert world.appends[-1].rooms[0].create == room.create.encoded
    publish(world, officer, room)
    assert world.appends[-1].rooms[0].create == b""


def test_acceptance_never_goes_back_in_time() -> None:
    world, officer, room = quiet_world()
    world.now_ms += 100_000
    publish(world, officer, room)
    world.now_ms -= 60_000
    publish(world, officer, room)
    world.restart()
    assert officer.device is not None
    officer = world.login(officer.device)
    publish(world, officer, room)
    times = [append.accepted_at_ms for append in world.store.batches]
    assert times[-3:] == [NOW_MS + 100_000] * 3


def test_a_batch_is_accepted_before_any_of_its_certificates_ends() -> None:
    world = World()
    short = world.certify("short", lifetime_ms=DAY_MS)
    officer, guest = world.login(short), world.officer("guest")
    room = world.open_room(officer, guest.device)  # type: ignore[arg-type]  # it is logged in
    end_ms = short.certificate.not_after_ms
    world.holding = True
    world.now_ms = end_ms - 5
    publish(world, guest, room)
    publish(world, officer, room)
    world.now_ms = end_ms
    publish(world, guest, room)
    world.now_ms = end_ms + 5
    publish(world, guest, room)
    world.release()
    times = [(len(append.entries), append.accepted_at_ms - end_ms) for append in world.store.batches[-3:]]
    assert times == [(1, -5), (2, 0), (1, 5)]


def test_an_added_device_is_certified_when_its_adding_is_accepted() -> None:
    world = World()
    short = world.certify("short", lifetime_ms=DAY_MS)
    world.login(short)
    officer = world.officer("officer")
    room = world.open_room(officer)
    end_ms = short.certificate.not_after_ms
    world.holding = True
    world.now_ms = end_ms
    publish(world, officer, room)
    officer.publish(*world.change(officer, room, added=(short,)))
    world.now_ms = end_ms + 1
    assert officer.device is not None
    ack = world.envelope(officer.device, room, Ack(grade=Grade.READ, envelope=EnvelopeId(bytes(32))))
    officer.publish(ack)
    world.release()
    times = [(len(append.entries), append.accepted_at_ms - end_ms) for append in world.store.batches[-3:]]
    assert times == [(1, 0), (2, 0), (1, 1)]


def test_answers_about_other_batches_are_passed_over() -> None:
    world, officer, room = quiet_world()
    world.holding = True
    publish(world, officer, room)
    number = world.appends[-1].batch
    for wrong in (number - 1, number + 1):
        assert world.core.handle(Appended(batch=wrong), world.now_ms) == []
        assert world.core.handle(AppendFailed(batch=wrong, full=False), world.now_ms) == []
    world.release()
    officer.one(frames.Stored)
    assert world.core.handle(Appended(batch=number), world.now_ms) == []
    assert world.core.handle(AppendFailed(batch=number, full=False), world.now_ms) == []


def test_indices_of_what_waits_are_known_in_advance() -> None:
    world, officer, room = quiet_world()
    sequencer = Sequencer(world.store.state(), world.limits)
    assert sequencer.idle
    draft = world.appends[-1].entries[0]
    unit = Unit(at_ms=NOW_MS, until_ms=NOW_MS)
    unit.drafts.append(
        Draft(key=b"key", type=draft.type, room=room.id, room_seq=2, object=b"object", content=b"", document=None)
    )
    first = sequencer.next_index
    sequencer.enqueue(unit)
    assert (sequencer.next_index, sequencer.queued_bytes, sequencer.idle) == (first + 1, 6, False)
    append = sequencer.next_batch()
    assert append is not None
    assert (append.entries[0].index, sequencer.next_index) == (first, first + 1)
    assert sequencer.next_batch() is None
    assert sequencer.settle(append.batch) is not None
    assert sequencer.idle
    assert officer.is_open


def test_a_cursor_is_stored_with_the_report_that_moved_it() -> None:
    world, officer, room = quiet_world()
    assert officer.device is not None
    officer.publish(world.envelope(officer.device, room, Delivered(room_seq=1)))
    assert world.appends[-1].members[0].cursor == 1
