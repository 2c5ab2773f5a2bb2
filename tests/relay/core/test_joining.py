"""What a newcomer is given of a room from before its time: the `create` and the commits, bare."""

from __future__ import annotations

from amanah_protocol import frames
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Kind, Message
from amanah_protocol.limits import MAX_MEMBERSHIP, MAX_MEMBERSHIP_BYTES
from amanah_relay.effects import ReadMembership
from amanah_relay.inputs import MembershipRead
from amanah_relay.quotas import RelayLimits
from tests.relay.world import MA, SN, Peer, RoomModel, World, code_of, device_of


def ask(peer: Peer, room: RoomModel, after: int = 0) -> int:
    """Ask for the membership behind a place; gives the request's number."""
    request = peer.next_request()
    peer.send(frames.GetMembership(request=request, room=room.id, after=after))
    return request


def places(peer: Peer, room: RoomModel, after: int = 0) -> list[tuple[int, Kind]]:
    """What a device is given: room sequences and kinds."""
    request = ask(peer, room, after)
    answer = peer.one(frames.Membership)
    assert answer.request == request
    return [(entry.room_seq, decode_envelope(entry.envelope).header.kind) for entry in answer.entries]


def grown(limits: RelayLimits | None = None) -> tuple[World, Peer, Peer, Peer, RoomModel]:
    """A room of three: 1 create, 2 commit, 3 welcome, 4 message, 5 commit, 6 welcome, 7 message."""
    world = World(limits)
    first, second, third = world.officer("first"), world.officer("second", of=MA), world.officer("third", of=SN)
    room = world.open_room(first, device_of(second))
    for added in ((device_of(third),), ()):
        first.publish(world.envelope(device_of(first), room, Message()))
        first.one(frames.Stored)
        if added:
            world.commit(first, room, added=added)
    return world, first, second, third, room


def test_a_newcomer_is_given_create_and_commits_before_its_own() -> None:
    _, _, second, third, room = grown()
    assert places(third, room) == [(1, Kind.CREATE), (2, Kind.COMMIT)]
    assert places(second, room) == [(1, Kind.CREATE)]


def test_the_creator_is_given_nothing_because_nothing_was_before_it() -> None:
    _, first, _, _, room = grown()
    assert places(first, room) == []


def test_each_entry_has_its_place_in_the_log_as_it_was_delivered() -> None:
    world, first, _, third, room = grown()
    first.subscribe(room.id)
    delivered = {entry.room_seq: entry for entry in first.take(frames.Delivery)}
    ask(third, room)
    for entry in third.one(frames.Membership).entries:
        same = delivered[entry.room_seq]
        assert (entry.index, entry.accepted_at_ms) == (same.index, same.accepted_at_ms)
        assert (entry.previous, entry.envelope) == (same.previous, same.envelope)
    assert world.store.entries[-1].room_seq == 7


def test_it_goes_on_behind_the_place_that_is_named() -> None:
    _, _, _, third, room = grown()
    assert places(third, room, after=1) == [(2, Kind.COMMIT)]
    for after in (2, 5, 2**40):
        assert places(third, room, after=after) == []


def test_one_answer_is_bounded_so_that_it_fits_a_frame() -> None:
    world, _, _, third, room = grown()
    world.holding = True
    ask(third, room)
    (wanted,) = world.waiting
    assert isinstance(wanted, ReadMembership)
    assert (wanted.limit, wanted.max_bytes) == (MAX_MEMBERSHIP, MAX_MEMBERSHIP_BYTES)


def test_a_device_that_was_removed_is_given_no_more_than_before() -> None:
    world, first, _, third, room = grown()
    world.commit(first, room, removed=(device_of(third),))
    assert places(third, room) == [(1, Kind.CREATE), (2, Kind.COMMIT)]


def test_a_device_that_was_added_again_is_given_what_it_missed() -> None:
    world, first, _, third, room = grown()
    world.commit(first, room, removed=(device_of(third),))
    world.commit(first, room, added=(device_of(third),))
    assert [seq for seq, _ in places(third, room)] == [1, 2, 5, 8]


def test_who_was_never_in_the_room_learns_nothing() -> None:
    world, _, _, _, room = grown()
    stranger = world.officer("stranger", of=MA)
    ask(stranger, room)
    assert code_of(stranger.one(frames.Refused)) is Code.UNKNOWN_ROOM


def test_a_room_that_does_not_exist_is_refused_alike() -> None:
    world, first, _, _, _ = grown()
    other = world.new_room(device_of(first), nonce=bytes(15) + b"\x01")
    ask(first, other)
    assert code_of(first.one(frames.Refused)) is Code.UNKNOWN_ROOM


def test_who_does_not_read_asks_for_nothing_more() -> None:
    world, _, _, third, room = grown()
    world.congest(third)
    ask(third, room)
    assert code_of(third.one(frames.Refused)) is Code.SLOW


def test_only_so_many_are_read_at_a_time() -> None:
    world, _, _, third, room = grown(RelayLimits(reads_in_flight=1))
    world.holding = True
    ask(third, room)
    ask(third, room)
    assert code_of(third.one(frames.Refused)) is Code.RATE
    world.release()
    assert third.one(frames.Membership).entries


def test_nothing_is_begun_while_the_relay_stops() -> None:
    world, first, _, third, room = grown()
    world.holding = True
    first.publish(world.envelope(device_of(first), room, Message()))
    world.stop()
    ask(third, room)
    assert code_of(third.one(frames.Refused)) is Code.STOPPING


def test_a_read_that_fails_is_refused_for_now() -> None:
    world, _, _, third, room = grown()
    world.store.reads_fail = True
    request = ask(third, room)
    refused = third.one(frames.Refused)
    assert (refused.request, code_of(refused)) == (request, Code.STORE)


def test_an_answer_for_who_has_left_goes_nowhere() -> None:
    world, _, _, third, room = grown()
    world.holding = True
    ask(third, room)
    world.drop(third)
    world.release()
    assert third.take(frames.Membership) == []


def test_an_answer_to_nothing_is_passed_over() -> None:
    world, _, _, third, _ = grown()
    world.give(MembershipRead(token=99_999, entries=()))
    assert third.take(frames.Membership) == []
