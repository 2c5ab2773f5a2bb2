from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanah_protocol import frames
from amanah_protocol.endorse import endorse
from amanah_protocol.errors import Code
from amanah_protocol.heads import verify_room_head
from amanah_protocol.kinds import Message
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import RoomId
from amanah_relay.effects import Append, ReadEntries
from amanah_relay.inputs import Input
from amanah_relay.quotas import RelayLimits
from tests.relay.memory_store import StoreEffect
from tests.relay.people import RELAY_KEY, key_of, make_roster
from tests.relay.world import MA, SEALED, Peer, RoomModel, World, code_of, device_of


def say(world: World, peer: Peer, room: RoomModel, number: int = 1, content: bytes = SEALED) -> None:
    """Publish messages, one by one."""
    for _ in range(number):
        peer.publish((world.envelope(device_of(peer), room, Message(), content), content))
    peer.take(frames.Stored)


def two(limits: RelayLimits | None = None) -> tuple[World, Peer, Peer, RoomModel]:
    """A writer and a reader in a room that ends at 3."""
    world = World(limits)
    writer, reader = world.officer("writer"), world.officer("reader", of=MA)
    return world, writer, reader, world.open_room(writer, device_of(reader))


def sequences(peer: Peer) -> list[int]:
    """Room sequences of what was delivered since."""
    return [delivery.room_seq for delivery in peer.take(frames.Delivery)]


def test_a_page_ends_with_a_signed_head() -> None:
    world, writer, _, room = two()
    request = writer.subscribe(room.id)
    assert sequences(writer) == [1, 2, 3]
    end = writer.one(frames.PageEnd)
    assert (end.request, end.room, end.next, end.live) == (request, room.id, 3, True)
    head = verify_room_head(end.head, RELAY_KEY.public).value
    assert (head.room, head.room_seq, head.size) == (room.id, 3, len(world.store.entries))
    assert head.leaf == world.store.entries[-1].hash


def test_who_is_at_the_head_needs_no_store() -> None:
    world, writer, _, room = two()
    world.holding = True
    writer.subscribe(room.id, 3)
    assert writer.one(frames.PageEnd).live
    assert not world.waiting


def test_a_page_is_bounded_by_entries_and_the_client_asks_for_the_next() -> None:
    world, writer, _, room = two(RelayLimits(page_entries=2))
    say(world, writer, room, 2)
    writer.subscribe(room.id)
    assert sequences(writer) == [1, 2]
    end = writer.one(frames.PageEnd)
    assert (end.next, end.live) == (2, False)
    say(world, writer, room)
    assert not sequences(writer)  # it is not live yet
    writer.subscribe(room.id, 2)
    writer.subscribe(room.id, 4)
    assert sequences(writer) == [3, 4, 5, 6]
    assert [end.live for end in writer.take(frames.PageEnd)] == [False, True]


def test_a_page_is_bounded_by_bytes() -> None:
    world, writer, _, room = two(RelayLimits(page_bytes=262_144))
    say(world, writer, room, 3, bytes(100_000))
    writer.subscribe(room.id, 3)
    assert sequences(writer) == [4, 5]
    assert not writer.one(frames.PageEnd).live


def test_documents_count_in_a_page_of_the_control_stream() -> None:
    world = World(RelayLimits(page_bytes=262_144, submissions_burst=1_000))
    officer = world.officer("a")
    for version in range(2, 9):
        made = make_roster(tuple(world.nations.values()), version=version)
        junk = tuple(endorse(bytes([number]), key_of("nobody")) for number in range(250))
        data = replace(made.endorsed, signatures=(*made.endorsed.signatures, *junk)).encode()
        officer.send(frames.Submit(request=version, type=LeafType.ROSTER, object=data))
    assert len(world.store.entries) == 9
    pages: list[frames.PageEnd] = []
    after = 0
    while not pages or not pages[-1].live:
        officer.send(frames.SubscribeControl(request=9, after=after))
        pages.append(officer.one(frames.PageEnd))
        after = pages[-1].next
    assert [entry.sequence for entry in officer.take(frames.ControlEntry)] == list(range(1, 10))
    assert len(pages) > 1


def test_what_becomes_durable_while_the_page_is_read_follows_it() -> None:
    world, writer, reader, room = two()
    say(world, writer, room)
    world.holding = True
    reader.subscribe(room.id, 1)
    read = world.waiting.popleft()
    say(world, writer, room)
    world.step()
    answer = world.store.perform(read)  # the store is ahead of what the core knew when it asked
    say(world, writer, room)
    world.step()
    world.handle(answer)
    assert sequences(reader) == [2, 3, 4, 5, 6]
    assert reader.one(frames.PageEnd).live
    world.holding = False
    say(world, writer, room)
    assert sequences(reader) == [7]


def test_a_tail_that_grew_too_long_is_read_from_the_store() -> None:
    world, writer, reader, room = two(RelayLimits(tail_bytes=2_000))
    world.holding = True
    reader.subscribe(room.id, 1)
    read = world.waiting.popleft()
    for _ in range(3):
        say(world, writer, room, 1, bytes(900))
        world.step()
    world.handle(world.store.perform(read))
    assert sequences(reader) == [2, 3]
    end = reader.one(frames.PageEnd)
    assert (end.next, end.live) == (3, False)
    world.holding = False
    reader.subscribe(room.id, 3)
    assert sequences(reader) == [4, 5, 6]
    assert reader.one(frames.PageEnd).live


def test_a_newcomer_sees_the_creation_and_what_begins_with_its_adding() -> None:
    world, writer, _, room = two()
    say(world, writer, room, 2)
    newcomer = world.officer("newcomer")
    world.commit(writer, room, added=(device_of(newcomer),))
    newcomer.subscribe(room.id)
    assert sequences(newcomer) == [1]
    end = newcomer.one(frames.PageEnd)
    assert (end.next, end.live) == (5, False)
    say(world, writer, room)
    newcomer.subscribe(room.id, end.next)
    assert sequences(newcomer) == [6, 7, 8]
    assert newcomer.one(frames.PageEnd).live
    newcomer.subscribe(room.id, 2)
    assert sequences(newcomer) == [6, 7, 8]


def test_a_tail_is_not_kept_for_a_page_that_does_not_reach_the_head() -> None:
    world, writer, _, room = two()
    newcomer = world.officer("newcomer")
    world.commit(writer, room, added=(device_of(newcomer),))
    world.holding = True
    newcomer.subscribe(room.id)
    read = world.waiting.popleft()
    say(world, writer, room)
    world.step()
    world.handle(world.store.perform(read))
    assert sequences(newcomer) == [1]


def test_a_removed_device_reads_up_to_its_removal_and_gets_no_head() -> None:
    world, writer, reader, room = two()
    say(world, writer, room)
    world.commit(writer, room, removed=(device_of(reader),))
    say(world, writer, room, 2)
    reader.subscribe(room.id, 1)
    assert sequences(reader) == [2, 3, 4, 5]
    end = reader.one(frames.PageEnd)
    assert (end.next, end.live, end.head) == (5, False, b"")
    reader.subscribe(room.id, 5)
    end = reader.one(frames.PageEnd)
    assert (end.next, end.live, end.head) == (5, False, b"")
    say(world, writer, room)
    assert not sequences(reader)


def test_a_device_removed_while_its_page_is_read_gets_its_removal_and_no_more() -> None:
    world, writer, reader, room = two()
    world.holding = True
    reader.subscribe(room.id, 1)
    read = world.waiting.popleft()
    say(world, writer, room)
    writer.publish(*world.change(writer, room, removed=(device_of(reader),)))
    say(world, writer, room)
    world.step()
    world.step()
    world.handle(world.store.perform(read))
    assert sequences(reader) == [2, 3, 4, 5]
    end = reader.one(frames.PageEnd)
    assert (end.next, end.live, end.head) == (5, False, b"")


@pytest.mark.parametrize(
    ("after", "who", "code"),
    [(4, "reader", Code.NOT_FOUND), (0, "outsider", Code.UNKNOWN_ROOM), (0, "nowhere", Code.UNKNOWN_ROOM)],
)
def test_only_what_is_there_for_the_device_is_served(after: int, who: str, code: Code) -> None:
    world, _, reader, room = two()
    peer = reader if who == "reader" else world.officer("outsider")
    peer.subscribe(RoomId(bytes([9]) * 16) if who == "nowhere" else room.id, after)
    assert code_of(peer.refused()) is code


def test_a_room_has_one_page_at_a_time() -> None:
    world, _, reader, room = two(RelayLimits(pages_in_flight=1))
    other = world.open_room(reader, nonce=bytes([1]) * 16)
    world.holding = True
    reader.subscribe(room.id, 1)
    second = reader.subscribe(room.id, 1)
    assert (reader.frames[0].request, code_of(reader.refused())) == (second, Code.RATE)
    reader.subscribe(other.id)
    reader.subscribe(other.id)
    assert code_of(reader.refused()) is Code.RATE
    world.release()
    assert len(reader.take(frames.PageEnd)) == 2


def test_so_many_pages_are_read_at_a_time_and_so_many_wait() -> None:
    world = World(RelayLimits(pages_in_flight=2, pages_waiting=2))
    peer = world.officer("a")
    rooms = [world.open_room(peer, nonce=bytes([number]) * 16) for number in range(5)]
    world.holding = True
    for room in rooms:
        peer.subscribe(room.id)
    assert len(world.waiting) == 2
    refused = peer.refused()
    assert (code_of(refused), refused.retry_after_ms) == (Code.RATE, world.limits.retry_ms)
    world.release()
    assert [end.room for end in peer.take(frames.PageEnd)] == [room.id for room in rooms[:4]]


def test_a_page_for_a_reader_that_does_not_read_waits_in_the_store() -> None:
    world, writer, reader, room = two()
    world.holding = True
    reader.subscribe(room.id, 1)
    world.congest(reader)
    world.step()
    assert not reader.frames
    say(world, writer, room)
    world.release()
    assert not reader.frames
    world.drain(reader)
    assert sequences(reader) == [2, 3, 4]
    assert reader.one(frames.PageEnd).live


def test_what_is_asked_for_by_a_reader_that_does_not_read_waits_too() -> None:
    world, _, reader, room = two()
    world.congest(reader)
    reader.subscribe(room.id, 1)
    assert not reader.frames
    world.drain(reader)
    assert sequences(reader) == [2, 3]


def test_who_asks_again_is_not_told_that_it_fell_behind() -> None:
    world, writer, reader, room = two()
    reader.subscribe(room.id, 3)
    world.congest(reader)
    say(world, writer, room)
    reader.frames.clear()
    reader.subscribe(room.id, 3)
    world.drain(reader)
    assert not reader.take(frames.Lagging)
    assert sequences(reader) == [4]


def test_a_page_that_cannot_be_read_is_refused_and_may_be_asked_for_again() -> None:
    world, _, reader, room = two(RelayLimits(pages_in_flight=1))
    other = world.open_room(reader, nonce=bytes([1]) * 16)
    world.holding = True
    reader.subscribe(room.id, 1)
    reader.subscribe(other.id)
    world.store.reads_fail = True
    world.step()
    world.store.reads_fail = False
    world.release()
    refused = reader.refused()
    assert (code_of(refused), refused.retry_after_ms) == (Code.STORE, world.limits.retry_ms)
    assert reader.one(frames.PageEnd).room == other.id
    reader.frames.clear()
    reader.subscribe(room.id, 1)
    assert sequences(reader) == [2, 3]


@pytest.mark.parametrize("fails", [False, True])
def test_a_page_for_somebody_who_left_comes_to_nothing(*, fails: bool) -> None:
    world, writer, reader, room = two()
    world.holding = True
    reader.subscribe(room.id, 1)
    world.drop(reader)
    world.store.reads_fail = fails
    world.release()
    assert not reader.frames
    world.store.reads_fail = False
    say(world, writer, room)
    assert not reader.frames


def test_a_store_that_gives_nothing_does_not_make_a_reader_live() -> None:
    world, _, reader, room = two()
    world.holding = True
    reader.subscribe(room.id, 1)
    read = world.waiting.popleft()
    assert isinstance(read, ReadEntries)
    world.store.entries, kept = [], world.store.entries
    world.handle(world.store.perform(read))
    world.store.entries = kept
    end = reader.one(frames.PageEnd)
    assert (end.next, end.live) == (1, False)


class Follower:
    """A client's side of reading: it takes each entry once, in order, or the test fails."""

    def __init__(self, world: World, peer: Peer, room: RoomModel) -> None:
        self.world, self.peer, self.room = world, peer, room
        self.last = 0
        self.seen: list[int] = []
        self.live = self.asked = False
        self.removed: int | None = None

    def read(self) -> None:
        """Take what has come; ask for more where the relay says so."""
        waiting, self.peer.frames = self.peer.frames, []
        for frame in waiting:
            match frame:
                case frames.Delivery():
                    assert frame.room_seq == self.last + 1, (frame.room_seq, self.last, self.seen)
                    self.last = frame.room_seq
                    self.seen.append(frame.room_seq)
                case frames.PageEnd():
                    assert frame.next >= self.last
                    self.last, self.live, self.asked = frame.next, frame.live, False
                case frames.RoomState():
                    self.removed = frame.removed_seq
                    self.last = max(self.last, frame.added_seq - 1) if self.removed is None else self.last
                    self.live = False
                case frames.Lagging():
                    self.live = False
                case frames.Refused():
                    self.asked = False
                case _:
                    pass
        if not self.live and not self.asked and self.removed is None:
            self.asked = True
            self.peer.subscribe(self.room.id, self.last)


class Schedule:
    """Does in any order what a shell may do in any order."""

    def __init__(self) -> None:
        self.world = World(
            RelayLimits(
                page_entries=3, pages_in_flight=1, tail_bytes=1_200, officer_burst=10_000, room_burst=10_000,
                organisation_burst=10_000, max_batch=16, room_commits_burst=100, device_commits_burst=100,
            )
        )  # fmt: skip
        self.writer = self.world.officer("writer")
        self.reader = self.world.officer("reader", of=MA)
        self.room = self.world.open_room(self.writer)
        self.world.holding = True
        self.follower = Follower(self.world, self.reader, self.room)
        self.follower.removed = 0
        self.answers: list[Input] = []
        self.change()
        self.settle()
        for _ in range(2):
            self.follower.read()
            self.settle()
        self.follower.read()
        assert self.follower.live

    def act(self, action: str, choice: int) -> None:
        """One step."""
        match action:
            case "say":
                self.say()
            case "change":
                self.change()
            case "perform":
                self.perform(choice)
            case "answer":
                self.answer(choice)
            case "congest":
                self.world.congest(self.reader)
            case "drain":
                self.world.drain(self.reader)
            case "read":
                self.follower.read()
            case _:
                self.world.store.append_fails = ("lost", "kept")[choice % 2]

    def say(self) -> None:
        """Publish a message; what the store lost is published no more."""
        if not self.busy():
            self.world.recall(device_of(self.writer), self.room.id)
        self.writer.publish(self.world.envelope(device_of(self.writer), self.room, Message()))

    def change(self) -> None:
        """Add the reader, or remove it, when nothing is in the store's hands."""
        if self.busy():
            return
        self.world.recall(device_of(self.writer), self.room.id)
        reader = device_of(self.reader)
        inside = reader.id in self.room.members
        changes = {"removed": (reader,)} if inside else {"added": (reader,)}
        self.writer.publish(*self.world.change(self.writer, self.room, **changes))
        self.settle(appends_only=True)

    def busy(self) -> bool:
        """Whether an append or its answer is on its way."""
        return any(isinstance(effect, Append) for effect in self.world.waiting) or any(
            not hasattr(answer, "token") for answer in self.answers
        )

    def perform(self, choice: int) -> None:
        """The store does one of the things asked of it; its answer is on its way."""
        if self.world.waiting:
            effects: list[StoreEffect] = list(self.world.waiting)
            effect = effects[choice % len(effects)]
            self.world.waiting.remove(effect)
            self.answers.append(self.world.store.perform(effect))

    def answer(self, choice: int) -> None:
        """One of the answers arrives."""
        if self.answers:
            self.world.handle(self.answers.pop(choice % len(self.answers)))

    def settle(self, *, appends_only: bool = False) -> None:
        """Let the store and all answers come to rest."""
        self.world.store.append_fails = None
        while self.answers or self.world.waiting:
            before = (len(self.answers), len(self.world.waiting))
            for index, answer in enumerate(self.answers):
                if not (appends_only and hasattr(answer, "token")):
                    self.world.handle(self.answers.pop(index))
                    break
            else:
                for effect in tuple(self.world.waiting):
                    if not (appends_only and isinstance(effect, ReadEntries)):
                        self.world.waiting.remove(effect)
                        self.answers.append(self.world.store.perform(effect))
                        break
            if before == (len(self.answers), len(self.world.waiting)):
                break


ACTIONS = ("say", "change", "perform", "answer", "congest", "drain", "read", "fail")
WEIGHTED = (*ACTIONS, "say", "say", "perform", "perform", "answer", "answer", "read", "read")


@settings(max_examples=250)
@given(steps=st.lists(st.tuples(st.sampled_from(WEIGHTED), st.integers(0, 7)), min_size=20, max_size=150))
def test_page_tail_and_live_stream_join_without_gap_and_without_double(steps: list[tuple[str, int]]) -> None:
    schedule = Schedule()
    for action, choice in steps:
        schedule.act(action, choice)
    schedule.world.drain(schedule.reader)
    for _ in range(200):
        schedule.settle()
        schedule.follower.read()
    follower, store = schedule.follower, schedule.world.store
    row = store.members.get((schedule.room.id, device_of(schedule.reader).id))
    if row is None:
        assert not follower.seen
        return
    end = store.rooms[schedule.room.id].head_seq if row.removed_seq is None else row.removed_seq
    inside = set(range(row.added_seq, end + 1))
    assert inside - set(follower.seen) <= (set() if row.removed_seq is None else inside)
    assert follower.live == (row.removed_seq is None)
    assert max(follower.seen, default=0) <= end


def test_every_step_of_a_schedule_can_be_taken() -> None:
    schedule = Schedule()
    for action in ACTIONS:
        schedule.act(action, 0)
    assert len(schedule.world.store.entries) > 4
