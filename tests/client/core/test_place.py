"""The chain of a room: one order, nothing left out, nothing exchanged."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from amanah_client import model
from amanah_protocol import frames
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.kinds import Kind
from tests.client.core.forge import delivery, message, push, room_of
from tests.client.core.rooms import create, invite, two
from tests.client.core.world import SN, Client, Stage

HALTED, OPEN = model.RoomStatus.HALTED, model.RoomStatus.OPEN


def hold_back(client: Client, wanted: int) -> list[frames.Frame]:
    """Keep this many message deliveries back; gives the list that they gather in."""
    held: list[frames.Frame] = []

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        message_came = (
            isinstance(frame, frames.Delivery) and decode_envelope(frame.envelope).header.kind is Kind.MESSAGE
        )
        if message_came and len(held) < wanted:
            held.append(frame)
            return []
        return [frame]

    client.toward = hook
    return held


def test_a_dropped_entry_is_asked_for_and_comes(stage: Stage) -> None:
    a, b, room = two(stage)
    held = hold_back(b, 1)
    for text in ("one", "two", "three"):
        a.say(room, text)
    assert len(held) == 1
    assert b.texts(room) == ["one", "two", "three"]
    assert b.store.alarms == []


def test_a_dropped_entry_that_never_comes_stops_the_room(stage: Stage) -> None:
    a, b, room = two(stage)
    missing = b.row(room).head_seq + 1
    b.toward = lambda frame: [] if isinstance(frame, frames.Delivery) and frame.room_seq == missing else [frame]
    for text in ("one", "two", "three"):
        a.say(room, text)
    assert b.texts(room) == []
    assert b.codes() == ["GAP"]
    assert b.row(room).status is HALTED
    assert b.say(room, "blocked").state is model.IntentState.QUEUED


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_reordered_entries_are_shown_in_the_rooms_order(stage: Stage, order: tuple[int, ...]) -> None:
    a, b, room = two(stage)
    held = hold_back(b, 3)
    for number in range(3):
        a.say(room, f"number {number}")
    push(b, *[held[index] for index in order])
    stage.run()
    assert b.texts(room) == ["number 0", "number 1", "number 2"]
    assert b.store.alarms == []


@pytest.mark.parametrize(
    ("changes", "code"), [({"previous": bytes(32)}, "FORK"), ({"index": 1}, "FORK"), ({"accepted_at_ms": 1}, "FORK")]
)
def test_an_entry_that_does_not_continue_the_record_is_asked_for_once_more_and_then_stops_the_room(
    stage: Stage, changes: dict[str, Any], code: str
) -> None:
    a, b, room = two(stage)
    target = b.row(room).head_seq + (2 if "accepted_at_ms" in changes else 1)

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Delivery) and frame.room_seq == target - ("accepted_at_ms" in changes):
            values = {name: getattr(frame, name) for name in frame.__struct_fields__}
            return [frames.Delivery(**(values | changes))]
        return [frame]

    b.toward = hook
    a.say(room, "one")
    a.say(room, "two")
    assert code in b.codes()
    assert b.row(room).status is HALTED


def test_two_entries_for_one_place_are_an_alarm(stage: Stage) -> None:
    a, b, room = two(stage)
    a.say(room, "one")
    row = b.row(room)
    entry = delivery(b, message(a, room)[0], room_seq=row.head_seq, index=row.head_index)
    push(b, entry)
    assert b.codes() == ["FORK"]
    assert b.row(room).status is HALTED
    assert b.store.alarms[0].evidence


def test_two_entries_for_an_older_place_are_an_alarm(stage: Stage) -> None:
    a, b, room = two(stage)
    a.say(room, "one")
    push(b, delivery(b, message(a, room)[0], room_seq=b.row(room).head_seq - 1))
    assert b.codes() == ["FORK"]


def test_entries_older_than_what_is_kept_are_passed_over(stage: Stage) -> None:
    a, b, room = two(stage)
    a.say(room, "one")
    room_of(b, room).known.clear()
    push(b, delivery(b, message(a, room)[0], room_seq=b.row(room).head_seq - 1))
    assert b.store.alarms == []


def test_a_stopped_room_is_read_again_by_the_next_core(stage: Stage) -> None:
    a, b, room = two(stage)
    missing = b.row(room).head_seq + 1
    b.toward = lambda frame: [] if isinstance(frame, frames.Delivery) and frame.room_seq == missing else [frame]
    a.say(room, "one")
    a.say(room, "two")
    assert b.row(room).status is HALTED
    b.toward = None
    b.restart()
    b.connect()
    stage.run()
    assert b.texts(room) == ["one", "two"]
    assert b.row(room).status is HALTED
    assert b.codes() == ["GAP"]


def test_other_rooms_go_on_beside_a_stopped_one(stage: Stage) -> None:
    a, b, room = two(stage)
    other = create(a)
    invite(a, other, b)
    missing = b.row(room).head_seq + 1
    b.toward = lambda frame: (
        [] if isinstance(frame, frames.Delivery) and (frame.room, frame.room_seq) == (room, missing) else [frame]
    )
    a.say(room, "one")
    a.say(room, "two")
    a.say(other, "still here")
    assert b.texts(other) == ["still here"]
    assert b.say(other, "indeed").state is model.IntentState.DONE


def test_a_joiner_sees_nothing_older_than_its_adding(stage: Stage) -> None:
    a, b, room = two(stage)
    a.say(room, "before")
    c = stage.online("C", of=SN)
    invite(a, room, c)
    a.say(room, "after")
    assert c.texts(room) == ["after"]
    assert c.row(room).added_seq > 1
    assert b.texts(room) == ["before", "after"]


def test_a_member_is_not_taken_past_entries_by_a_commit_that_adds_another(stage: Stage) -> None:
    a, b, room = two(stage)
    first = b.row(room).head_seq + 1
    b.toward = lambda frame: [] if isinstance(frame, frames.Delivery) and frame.room_seq == first else [frame]
    a.say(room, "hidden")
    invite(a, room, stage.online("C", of=SN))
    assert b.codes() == ["GAP"]
    assert b.row(room).status is HALTED


def test_pages_of_any_length_give_the_same_record(stage: Stage) -> None:
    stage.relay.limits = type(stage.relay.limits)(page_entries=2)
    stage.relay.restart()
    a, b, room = two(stage)
    b.disconnect()
    for number in range(7):
        a.say(room, f"number {number}")
        stage.tick()
    b.connect()
    stage.run()
    assert b.texts(room) == [f"number {number}" for number in range(7)]
    c = stage.online("C", of=SN)
    invite(a, room, c)
    assert c.row(room).status is OPEN
    assert [client.store.alarms for client in (a, b, c)] == [[], [], []]
