"""Signed heads: two that cannot both be true, entries that are named and not delivered, silence."""

from __future__ import annotations

from typing import Any

import pytest

from amanah_client import inputs, model
from amanah_protocol import frames, heads
from amanah_protocol.log.leaf import LeafType
from tests.client.core.forge import control_head, push, room_head
from tests.client.core.rooms import create, two
from tests.client.core.test_control import entry, newcomer
from tests.client.core.world import MA, TN, Client, Stage, keep
from tests.relay.people import key_of

HALTED, OPEN = model.RoomStatus.HALTED, model.RoomStatus.OPEN


def drop(client: Client, *kinds: type[frames.Frame]) -> None:
    """Let frames of these types not arrive."""
    client.toward = lambda frame: [] if isinstance(frame, kinds) else [frame]


def test_an_honest_head_confirms_the_room(stage: Stage) -> None:
    a, _b, room = two(stage)
    stage.relay.now_ms += 5
    push(a, room_head(a, room))
    assert a.row(room).confirmed_seq == a.row(room).head_seq
    assert a.row(room).confirmed_at_ms == stage.relay.now_ms
    assert a.store.alarms == []


@pytest.mark.parametrize(
    "changes", [{"leaf": bytes(32)}, {"room_seq": 3, "time_ms": 2**60}, {"room_seq": 4, "leaf": bytes(32)}]
)
def test_a_head_that_contradicts_the_record_halts_the_room(stage: Stage, changes: dict[str, Any]) -> None:
    a, _b, room = two(stage)
    push(a, room_head(a, room, **changes))
    assert a.codes() == ["FORK"]
    assert a.row(room).status is HALTED
    assert a.store.alarms[0].evidence


def test_an_older_head_is_no_contradiction(stage: Stage) -> None:
    a, _b, room = two(stage)
    before = a.row(room)
    older = [entry for entry in stage.relay.store.entries if entry.room == room][2]
    push(a, room_head(a, room, room_seq=3, leaf=older.hash, time_ms=older.accepted_at_ms))
    assert a.store.alarms == []
    assert a.row(room) == before


def test_a_later_head_that_is_shorter_than_an_earlier_one(stage: Stage) -> None:
    a, _b, room = two(stage)
    stage.relay.now_ms += 5
    push(a, room_head(a, room))
    a.restart()
    a.connect()
    stage.run()
    stage.relay.now_ms += 5
    push(a, room_head(a, room, room_seq=2, leaf=bytes(32)))
    assert a.codes() == ["FORK"]


@pytest.mark.parametrize(("later_ms", "codes"), [(60_000, []), (60_001, ["FORK"])])
def test_an_entry_that_a_head_left_out_long_after_it_was_accepted_is_an_alarm(
    stage: Stage, later_ms: int, codes: list[str]
) -> None:
    """A head may be signed while what was accepted is being written, not long after that."""
    a, b, room = two(stage)
    held: list[frames.Frame] = []
    before = room_head(b, room, time_ms=stage.relay.now_ms + later_ms)
    b.toward = keep(held, frames.Delivery)
    a.say(room, "left out")
    push(b, before)
    b.toward = None
    push(b, *held)
    assert b.codes() == codes
    assert (b.row(room).status, b.texts(room)) == (OPEN, ["left out"])


def test_a_head_by_another_key_ends_the_connection(stage: Stage) -> None:
    a, _b, room = two(stage)
    head = heads.RoomHead(room=room, room_seq=1, leaf=a.row(room).head_leaf, size=1, time_ms=1)
    push(a, frames.Head(head=heads.sign_room_head(head, key_of("x"))))
    assert a.codes() == ["KEY_ID"]
    assert a.peer is None


def test_a_head_of_no_room_is_passed_over(stage: Stage) -> None:
    a, _b, room = two(stage)
    push(a, room_head(a, room, room=b"r" * 16, room_seq=99))
    assert a.store.alarms == []


def test_garbage_is_no_head(stage: Stage) -> None:
    a = stage.online("A")
    push(a, frames.Head(head=b"\xd2\x80"))
    assert a.peer is None
    assert len(a.codes()) == 1


def test_an_entry_that_a_head_names_and_that_is_not_delivered_is_an_alarm(stage: Stage) -> None:
    a, b, room = two(stage)
    drop(b, frames.Delivery)
    a.say(room, "hidden")
    stage.wait(59_000)
    assert b.store.alarms == []
    stage.wait(70_000)
    assert "GAP" in b.codes()
    b.toward = None
    stage.wait(5_000)
    assert b.texts(room) == [] or b.texts(room) == ["hidden"]


def test_an_entry_that_comes_in_time_is_no_alarm(stage: Stage) -> None:
    a, b, room = two(stage)
    held: list[frames.Frame] = []

    def late(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Delivery):
            held.append(frame)
            return []
        return [frame]

    b.toward = late
    a.say(room, "late")
    push(b, room_head(b, room, room_seq=b.row(room).head_seq + 1, leaf=stage.relay.store.entries[-1].hash))
    b.toward = None
    push(b, *held)
    stage.wait(70_000)
    assert b.texts(room) == ["late"]
    assert b.store.alarms == []


def test_another_entry_than_the_head_had_named(stage: Stage) -> None:
    a, b, room = two(stage)
    push(b, room_head(b, room, room_seq=b.row(room).head_seq + 1, leaf=bytes(32)))
    a.say(room, "other")
    assert b.codes() == ["FORK"]
    assert b.row(room).status is HALTED


def test_a_page_that_ends_before_the_head_it_signs(stage: Stage) -> None:
    a, b, room = two(stage)
    b.disconnect()
    a.say(room, "one")
    a.say(room, "two")
    last = a.row(room).head_seq
    b.toward = lambda frame: [] if isinstance(frame, frames.Delivery) and frame.room_seq >= last else [frame]
    b.connect()
    stage.run()
    assert b.codes() == ["GAP"]
    assert b.row(room).status is HALTED
    assert b.online()


def test_a_silent_room_is_asked_and_then_alarmed(stage: Stage) -> None:
    a, b, room = two(stage)
    stage.wait(70_000)
    drop(b, frames.Delivery, frames.PageEnd)
    b.toward = lambda frame: (
        []
        if isinstance(frame, frames.Delivery)
        or (isinstance(frame, frames.PageEnd) and frame.room == room)
        or (isinstance(frame, frames.Head) and not is_control(frame))
        else [frame]
    )
    a.say(room, "never shown")
    stage.wait(240_000, step_ms=2_000)
    assert "STALE_HEAD" in b.codes()


def test_to_have_a_silent_room_asked_about_again_and_again_puts_no_alarm_off(stage: Stage) -> None:
    a, b, room = two(stage)
    stage.wait(70_000)
    asked: set[int] = set()

    def outward(frame: frames.Frame) -> list[frames.Frame]:
        asked.update({frame.request} if isinstance(frame, frames.Subscribe) and frame.room == room else ())
        return [frame]

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Delivery) or (isinstance(frame, frames.Head) and not is_control(frame)):
            return []
        if isinstance(frame, frames.PageEnd) and frame.request in asked:
            return [frames.Refused(frame.request, "STORE", "later")]
        return [frame]

    b.outward, b.toward = outward, toward
    a.say(room, "never shown")
    stage.wait(240_000, step_ms=2_000)
    assert "STALE_HEAD" in b.codes()
    assert len(asked) > 5


def is_control(frame: frames.Head) -> bool:
    """Whether a head is one of the control stream."""
    return b"control-head" in frame.head


def test_an_idle_room_of_an_honest_relay_is_never_alarmed(stage: Stage) -> None:
    a, b, room = two(stage)
    stage.wait(900_000, step_ms=5_000)
    assert a.store.alarms == b.store.alarms == []
    assert a.row(room).status is OPEN
    assert a.peer is not None


def test_a_silent_control_stream_is_alarmed(stage: Stage) -> None:
    a = stage.online("A")
    a.toward = lambda frame: [] if isinstance(frame, frames.Head | frames.PageEnd) else [frame]
    stage.wait(185_000, step_ms=1_000)
    assert "STALE_HEAD" in a.codes() or a.disconnects


def test_a_core_that_was_late_asks_before_it_calls_the_relay_silent(stage: Stage) -> None:
    """Its store was slow for minutes: nobody asked for a head in that time, and an idle relay sends none unasked."""
    a, _b, _room = two(stage)
    stage.wait(70_000)
    made_ms = a.now_ms
    for _ in range(200):
        stage.relay.tick(1_000)
        a.give(inputs.Tick(made_ms=made_ms))
    stage.wait(5_000)
    assert a.codes() == []
    a.toward = lambda frame: [] if isinstance(frame, frames.Head | frames.PageEnd) else [frame]
    for _ in range(200):
        stage.relay.tick(1_000)
        a.give(inputs.Tick(made_ms=made_ms))
    a.tick()
    assert a.codes() == []
    stage.wait(59_000)
    assert a.codes() == []
    stage.wait(2_000)
    assert set(a.codes()) == {"STALE_HEAD"}


def test_a_fresh_control_head_is_stored(stage: Stage) -> None:
    a = stage.online("A")
    stage.relay.now_ms += 5
    head = control_head(a)
    push(a, head)
    assert a.store.base.control_head == head.head
    assert a.store.alarms == []


@pytest.mark.parametrize(
    ("changes", "alarms"),
    [
        ({}, []),
        ({"leaf": bytes(32)}, ["FORK"]),
        ({"sequence": 1, "leaf": None, "time_ms": 2**60}, ["FORK"]),
        ({"sequence": 1, "leaf": None, "time_ms": 1}, []),
    ],
)
def test_a_control_head_is_held_against_the_stream(stage: Stage, changes: dict[str, Any], alarms: list[str]) -> None:
    a, _b = stage.online("A"), stage.online("B", of=MA)
    if changes.get("leaf", b"") is None:
        changes = changes | {"leaf": a.store.control[0].hash}
    push(a, control_head(a, **changes))
    assert a.codes() == alarms
    assert [effect.again for effect in a.disconnects] == [False] * len(alarms)


def test_a_later_control_head_that_is_shorter_stops_the_client(stage: Stage) -> None:
    a, _b = stage.online("A"), stage.online("B", of=MA)
    push(a, control_head(a))
    a.restart()
    a.core._ctx.control.leaves.clear()  # noqa: SLF001 - as far as only heads are known
    a.connect()
    stage.run()
    stage.relay.now_ms += 50
    push(a, control_head(a, sequence=1))
    assert a.codes() == ["FORK"]


def test_a_control_head_that_is_ahead_is_followed(stage: Stage) -> None:
    a = stage.online("A")
    lost: list[frames.Frame] = []

    def lose(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.ControlEntry):
            lost.append(frame)
            return []
        return [frame]

    a.toward = lose
    stage.online("B", of=MA)
    a.toward = None
    assert lost
    stage.wait(61_000)
    assert len(a.core._ctx.directory.devices) == 2  # noqa: SLF001 - what is tested
    assert a.store.alarms == []


def test_a_control_entry_that_is_withheld_is_an_alarm(stage: Stage) -> None:
    a = stage.online("A")
    drop(a, frames.ControlEntry)
    stage.online("B", of=MA)
    stage.wait(190_000, step_ms=2_000)
    assert "GAP" in a.codes()


def test_nothing_is_sent_when_the_newest_head_is_a_day_old(stage: Stage) -> None:
    a, b, room = two(stage)
    a.core._ctx.control.fresh_at_ms -= 24 * 3_600_000 + 1  # noqa: SLF001 - as when heads were withheld for a day
    intent = a.say(room, "too old")
    assert (intent.state, intent.code) == (model.IntentState.QUEUED, "STALE_HEAD")
    stage.relay.now_ms += 5
    push(a, control_head(a))
    stage.run()
    assert a.intent(intent.id).state is model.IntentState.DONE
    assert a.intent(intent.id).code == ""
    assert b.texts(room) == ["too old"]


def test_a_head_from_the_future_buys_no_freshness(stage: Stage) -> None:
    a = stage.online("A")
    push(a, control_head(a, time_ms=stage.relay.now_ms + 86_400_000))
    assert a.core._ctx.control.fresh_at_ms == stage.relay.now_ms  # noqa: SLF001 - what is tested


def test_freshness_survives_a_restart(stage: Stage) -> None:
    a = stage.online("A")
    create(a)
    a.restart()
    assert a.core._ctx.control.fresh_at_ms == stage.relay.now_ms  # noqa: SLF001 - what is tested


def test_a_head_of_a_relay_that_is_no_longer_in_the_roster_counts_for_nothing(stage: Stage) -> None:
    a = stage.online("A")
    head = heads.ControlHead(sequence=1, leaf=a.store.control[0].hash, size=1, root=bytes(32), time_ms=1)
    a.store.base = type(a.store.base)(
        **{
            **{name: getattr(a.store.base, name) for name in a.store.base.__slots__},
            "control_head": heads.sign_control_head(head, key_of("x")),
        }
    )
    a.restart()
    assert a.core._ctx.control.fresh_at_ms == 0  # noqa: SLF001 - what is tested
    assert a.core._ctx.control.head is None  # noqa: SLF001 - what is tested
    assert entry(a, LeafType.CERTIFICATE, newcomer(stage, TN)).sequence == 3
