from __future__ import annotations

from amanah_protocol import frames
from amanah_protocol.heads import verify_control_head, verify_room_head
from amanah_protocol.kinds import Erase, Grant, Message, Welcome
from amanah_protocol.limits import MAX_CONTENT_BYTES
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import CONTROL, RoomId
from amanah_relay.effects import FanOut
from tests.relay.people import RELAY_KEY
from tests.relay.world import MA, SEALED, SN, Peer, RoomModel, World, device_of


def follow(peer: Peer, room: RoomId) -> None:
    """Read a room to its end; what came is forgotten."""
    after, live = 0, False
    while not live:
        peer.subscribe(room, after)
        peer.take(frames.Delivery)
        end = peer.one(frames.PageEnd)
        after, live = end.next, end.live


def say(world: World, peer: Peer, room: RoomModel, content: bytes = SEALED) -> None:
    """Publish a message; the acknowledgement is forgotten."""
    peer.publish((world.envelope(device_of(peer), room, Message(), content), content))
    peer.take(frames.Stored)


def three() -> tuple[World, Peer, Peer, Peer, RoomModel]:
    """Officers of three nations who follow one room."""
    world = World()
    peers = world.officer("a"), world.officer("b", of=MA), world.officer("c", of=SN)
    room = world.open_room(peers[0], device_of(peers[1]), device_of(peers[2]))
    for peer in peers:
        follow(peer, room.id)
    return world, *peers, room


def sequences(peer: Peer) -> list[int]:
    """Room sequences of what was delivered since."""
    return [delivery.room_seq for delivery in peer.take(frames.Delivery)]


def test_a_durable_message_goes_to_all_who_are_live_and_to_its_sender() -> None:
    world, *peers, room = three()
    outsider = world.officer("d")
    say(world, peers[0], room)
    for peer in peers:
        delivery = peer.one(frames.Delivery)
        entry = world.store.entries[-1]
        assert (delivery.room, delivery.room_seq, delivery.index) == (room.id, 4, entry.index)
        assert (delivery.envelope, delivery.content, delivery.previous) == (entry.object, SEALED, entry.previous)
        assert (delivery.length, delivery.erased, delivery.accepted_at_ms) == (0, False, entry.accepted_at_ms)
    assert not outsider.frames


def test_nothing_is_delivered_before_it_is_durable() -> None:
    world, first, second, _, room = three()
    world.holding = True
    say(world, first, room)
    assert not second.frames
    world.release()
    assert sequences(second) == [4]


def test_a_batch_is_encoded_once_for_all_who_get_the_same() -> None:
    world, first, second, third, room = three()
    world.holding = True
    for _ in range(4):
        say(world, first, room)
    world.step()
    batch = world.waiting.popleft()
    effects = world.core.handle(world.store.perform(batch), world.now_ms)
    fans = [effect for effect in effects if isinstance(effect, FanOut)]
    assert [len(fan.data) for fan in fans] == [3]
    assert set(fans[0].sessions) == {peer.number for peer in (first, second, third)}


def test_only_addressees_get_the_content() -> None:
    world, first, second, third, room = three()
    grant = Grant(from_seq=1, to_seq=2, addressees=(device_of(second).id,))
    first.publish(world.envelope(device_of(first), room, grant))
    assert second.one(frames.Delivery).content == SEALED
    for peer in (first, third):
        delivery = peer.one(frames.Delivery)
        assert (delivery.content, delivery.length, delivery.erased) == (None, 0, False)


def test_a_welcome_is_content_for_the_newcomer_alone() -> None:
    world, first, second, _, room = three()
    newcomer = world.officer("d")
    world.commit(first, room, added=(device_of(newcomer),))
    commit, welcome = second.take(frames.Delivery)
    assert (commit.content, welcome.content) == (SEALED, None)
    newcomer.subscribe(room.id, 3)
    assert [delivery.content for delivery in newcomer.take(frames.Delivery)] == [SEALED, SEALED]


def test_content_too_large_for_a_frame_is_named_by_its_length() -> None:
    world, first, second, _, room = three()
    newcomer = device_of(world.officer("d"))
    commit, _ = world.change(first, room, added=(newcomer,))
    device_of(first).made[room.id] = (4, commit.id)
    large = bytes(MAX_CONTENT_BYTES + 1)
    welcome = world.envelope(device_of(first), room, Welcome(addressees=(newcomer.id,)), large)
    for offset in range(0, len(large), 131_072):
        piece = large[offset : offset + 131_072]
        first.send(frames.Stage(request=9, payload_hash=welcome.payload, total=len(large), offset=offset, data=piece))
    first.publish(commit, (welcome, None))
    delivered = second.take(frames.Delivery)
    assert [delivery.length for delivery in delivered] == [0, 0]
    peer = world.login(newcomer)
    peer.subscribe(room.id, 4)
    last = peer.take(frames.Delivery)[-1]
    assert (last.content, last.length) == (None, len(large))


def test_a_removed_device_gets_its_removal_and_nothing_behind_it() -> None:
    world, first, second, third, room = three()
    world.holding = True
    say(world, third, room)
    for step in ("say", "remove", "say", "add", "say"):
        if step == "say":
            say(world, first, room)
        elif step == "remove":
            first.publish(*world.change(first, room, removed=(device_of(second),)))
        else:
            first.publish(*world.change(first, room, added=(device_of(second),)))
    world.release()
    assert [entry.room_seq for entry in world.appends[-1].entries] == [5, 6, 7, 8, 9, 10]
    assert sequences(second) == [4, 5, 6]
    assert sequences(third) == [4, 5, 6, 7, 8, 9, 10]
    (state,) = second.take(frames.RoomState)
    assert (state.added_seq, state.removed_seq, state.head) == (8, None, 10)


def test_who_is_added_or_removed_is_told_so() -> None:
    world, first, second, third, room = three()
    newcomer = world.officer("d")
    world.commit(first, room, added=(device_of(newcomer),))
    state = newcomer.one(frames.RoomState)
    assert (state.room, state.added_seq, state.removed_seq, state.head) == (room.id, 4, None, 5)
    assert not third.take(frames.RoomState)
    world.commit(first, room, removed=(device_of(second),))
    state = second.one(frames.RoomState)
    assert (state.removed_seq, state.head) == (6, 6)
    say(world, first, room)
    again = world.begin_login(device_of(second))
    assert again.one(frames.Ready).rooms[0].head == 6


def test_who_is_added_again_learns_how_far_it_had_counted() -> None:
    """What it said before stands in no part of the record that it is shown."""
    world, first, second, _third, room = three()
    said = world.envelope(device_of(second), room, Message(), SEALED)
    second.publish((said, SEALED))
    second.take(frames.Stored)
    world.commit(first, room, removed=(device_of(second),))
    world.commit(first, room, added=(device_of(second),))
    state = second.take(frames.RoomState)[-1]
    assert (state.added_seq, state.counter, state.last) == (6, 1, said.id)


def test_who_was_added_while_it_was_away_learns_it_at_its_login() -> None:
    world, first, *_, room = three()
    newcomer = world.officer("d")
    world.drop(newcomer)
    world.commit(first, room, added=(device_of(newcomer),))
    assert not newcomer.frames
    (state,) = world.begin_login(device_of(newcomer)).one(frames.Ready).rooms
    assert (state.room, state.added_seq) == (room.id, 4)


def test_a_creator_learns_the_state_of_its_room() -> None:
    world = World()
    officer = world.officer("a")
    room = world.new_room(device_of(officer))
    officer.publish(room.create)
    state = officer.one(frames.RoomState)
    assert (state.room, state.head, state.added_seq) == (room.id, 1, 1)


def test_who_reads_too_slowly_misses_nothing_but_is_told_to_ask() -> None:
    world, first, second, third, room = three()
    other = world.open_room(first, device_of(second), nonce=bytes([1]) * 16)
    follow(second, other.id)
    world.congest(second)
    for _ in range(2):
        say(world, first, room)
    assert not second.frames
    assert sequences(third) == [4, 5]
    world.drain(second)
    assert [lagging.room for lagging in second.take(frames.Lagging)] == [room.id]
    say(world, first, other)
    assert sequences(second) == [4]  # there it had missed nothing
    say(world, first, room)
    assert not second.frames
    second.subscribe(room.id, 3)
    assert sequences(second) == [4, 5, 6]
    assert second.one(frames.PageEnd).live


def test_a_slow_reader_alone_in_a_room_is_passed_over() -> None:
    world = World()
    officer = world.officer("a")
    room = world.open_room(officer)
    follow(officer, room.id)
    world.congest(officer)
    say(world, officer, room)
    assert not officer.take(frames.Delivery)
    world.drain(officer)
    assert officer.one(frames.Lagging).room == room.id


def test_the_pace_of_somebody_who_left_is_of_no_interest() -> None:
    world, first, *_ = three()
    world.drop(first)
    world.congest(first)
    world.drain(first)
    assert not first.frames


def test_who_left_gets_nothing_more() -> None:
    world, first, second, third, room = three()
    world.drop(second)
    say(world, first, room)
    assert not second.frames
    assert sequences(third) == [4]


def test_the_control_stream_is_live_like_a_room() -> None:
    world = World()
    officer = world.officer("a")
    officer.send(frames.SubscribeControl(request=1, after=0))
    assert [entry.sequence for entry in officer.take(frames.ControlEntry)] == [1, 2]
    end = officer.one(frames.PageEnd)
    assert (end.room, end.next, end.live) == (CONTROL, 2, True)
    assert verify_control_head(end.head, RELAY_KEY.public).value.sequence == 2
    world.officer("b", of=MA)
    entries = officer.take(frames.ControlEntry)
    assert [(entry.sequence, entry.type) for entry in entries] == [(3, LeafType.ENROLMENT), (4, LeafType.CERTIFICATE)]
    assert entries[0].document == world.nations[MA].enrolment.endorsed.encode()
    assert (entries[1].document, entries[1].index) == (None, 3)
    stored = world.store.entries[3]
    assert (entries[1].object, entries[1].previous) == (stored.object, stored.previous)


def test_heads_are_signed_anew_every_minute() -> None:
    world, first, second, third, room = three()
    quiet = world.open_room(first, nonce=bytes([1]) * 16)
    follow(first, quiet.id)
    world.tick(60_000)
    for peer in (first, second, third):
        peer.frames.clear()
    say(world, third, room)
    world.drop(third)
    first.take(frames.Delivery)
    world.tick(59_999)
    assert not first.frames
    world.tick(1)
    control, head = (frame.head for frame in first.take(frames.Head))
    assert verify_control_head(control, RELAY_KEY.public).value.time_ms == world.now_ms
    said = verify_room_head(head, RELAY_KEY.public).value
    assert (said.room, said.room_seq, said.size) == (room.id, 4, len(world.store.entries))
    assert (said.leaf, said.time_ms) == (world.store.entries[-1].hash, world.now_ms)
    world.tick(60_000)
    assert len(first.take(frames.Head)) == 1  # no traffic, no room head


def test_a_room_that_nobody_follows_has_no_head_pushed() -> None:
    world = World()
    officer = world.officer("a")
    world.open_room(officer)
    world.tick(60_000)
    assert len(officer.take(frames.Head)) == 1
    world.drop(officer)
    world.tick(60_000)
    assert not officer.frames


def test_a_clock_set_back_does_not_silence_the_heads() -> None:
    world, first, *_ = three()
    world.tick(-3_600_000)
    head = first.take(frames.Head)[0].head
    assert verify_control_head(head, RELAY_KEY.public).value.time_ms == world.now_ms


def test_erased_content_is_delivered_as_erased() -> None:
    world, first, second, _, room = three()
    made = world.envelope(device_of(first), room, Message())
    first.publish(made)
    first.publish(world.envelope(device_of(first), room, Erase(envelopes=(made.id,))))
    second.frames.clear()
    second.subscribe(room.id, 3)
    message, erasure = second.take(frames.Delivery)
    assert (message.content, message.erased, message.length) == (None, True, 0)
    assert (erasure.content, erasure.erased) == (b"", False)
