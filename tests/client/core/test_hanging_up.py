"""A relay that hangs up before it is late: what it owes is counted over its connections (attacks 11, 37, 38)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from msgspec import structs

from amanah_client.core import monitor, quorum, requests
from amanah_client.core.requests import Anchored, CheckpointWanted, Pledged, RoomPage
from amanah_client.log_rows import Quorum
from amanah_client.model import RoomStatus
from amanah_protocol import frames
from amanah_protocol.log.conflict import Sighting, Way
from amanah_protocol.log.statement import Form, Statement
from tests.client.core.forge import push
from tests.client.core.rooms import invite, two
from tests.client.core.test_monitor import claim
from tests.client.core.test_pledge import ctx_of, settled
from tests.client.core.test_quorum import W1, W2, W3, WITNESSES, busy, row_of, wait
from tests.client.core.world import TN, Client, Stage

COUNTED = pytest.mark.parametrize("counted", [True, False], ids=["counted", "begun anew"])
"""Each is controlled by a client that begins anew with each connection: it never says a word."""


def ignore_hang_ups(monkeypatch: pytest.MonkeyPatch, *, counted: bool) -> None:
    if not counted:
        monkeypatch.setattr(requests, "MAX_HANG_UPS", 10**9)


def hang_up(stage: Stage, client: Client, times: int, *, after_ms: int) -> None:
    """The relay ends each connection before anything is late on it."""
    for _ in range(times):
        stage.wait(after_ms, 2_000)
        client.disconnect()
        client.connect()
        stage.run()


def leave_unanswered(client: Client, *purposes: type) -> None:
    """Questions for these purposes never reach the relay."""
    ctx = ctx_of(client)

    def outward(frame: frames.Frame) -> list[frames.Frame]:
        asked = ctx.session.requests.get(getattr(frame, "request", -1))
        return [] if asked is not None and isinstance(asked.purpose, purposes) else [frame]

    client.outward = outward


def put_off(client: Client, *purposes: type) -> None:
    """The relay answers questions for these purposes by a word that it does so later."""
    ctx = ctx_of(client)

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        number = getattr(frame, "request", -1)
        asked = ctx.session.requests.get(number)
        is_asked = asked is not None and isinstance(asked.purpose, purposes)
        return [frames.Refused(request=number, code="STORE", detail="later")] if is_asked else [frame]

    client.toward = toward


WAYS: Final = pytest.mark.parametrize("answer", [leave_unanswered, put_off])


@WAYS
@COUNTED
def test_hanging_up_proves_nothing_that_was_acknowledged(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, answer: Callable[..., None], *, counted: bool
) -> None:
    ignore_hang_ups(monkeypatch, counted=counted)
    a, _b, room = settled(stage)
    answer(a, Pledged)
    a.say(room, "is it there")
    stage.wait(16_000)
    hang_up(stage, a, 10, after_ms=20_000)
    assert a.codes() == []
    stage.wait(8_000)
    assert a.codes() == (["RECEIPT"] if counted else [])


@COUNTED
def test_hanging_up_at_once_is_counted_too(stage: Stage, monkeypatch: pytest.MonkeyPatch, *, counted: bool) -> None:
    """Shorter than any time that one connection could be late by."""
    ignore_hang_ups(monkeypatch, counted=counted)
    a, _b, room = settled(stage)
    leave_unanswered(a, Pledged)
    a.say(room, "is it there")
    stage.wait(16_000)
    hang_up(stage, a, 19, after_ms=4_000)
    assert a.codes() == []
    hang_up(stage, a, 2, after_ms=4_000)
    assert a.codes() == (["RECEIPT"] if counted else [])


@COUNTED
def test_hanging_up_delivers_nothing_that_was_acknowledged(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, counted: bool
) -> None:
    ignore_hang_ups(monkeypatch, counted=counted)
    a, _b, room = settled(stage)
    ends: list[frames.PageEnd] = []

    def note(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.PageEnd) and frame.room == room:
            ends.append(frame)
        return [frame]

    a.toward = note
    hang_up(stage, a, 1, after_ms=1_000)
    (end,) = ends

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Delivery | frames.Head):
            return []
        if isinstance(frame, frames.PageEnd) and frame.room == room:
            return [frames.PageEnd(request=frame.request, room=room, next=end.next, live=True, head=end.head)]
        return [frame]

    a.toward = toward
    hang_up(stage, a, 1, after_ms=1_000)
    a.say(room, "is it there")
    hang_up(stage, a, 10, after_ms=50_000)
    assert a.codes() == []
    stage.wait(6_000)
    assert a.codes() == (["RECEIPT"] if counted else [])


@WAYS
@COUNTED
def test_hanging_up_does_not_lead_members_apart(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, answer: Callable[..., None], *, counted: bool
) -> None:
    ignore_hang_ups(monkeypatch, counted=counted)
    a, b, room = settled(stage)
    answer(b, Anchored)
    invite(a, room, stage.online("C", of=TN))
    assert ctx_of(b).rooms[room].anchor is not None
    hang_up(stage, b, 10, after_ms=20_000)
    assert b.codes() == []
    stage.wait(8_000)
    assert b.codes() == (["GAP"] if counted else [])
    assert b.row(room).status is (RoomStatus.HALTED if counted else RoomStatus.OPEN)


@COUNTED
def test_hanging_up_over_the_log_does_not_hide_that_it_lacks_a_commit(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, counted: bool
) -> None:
    ignore_hang_ups(monkeypatch, counted=counted)
    a, b, room = settled(stage)
    monkeypatch.setattr(monitor, "note_claim", lambda *_: None)  # what others saw would tell it otherwise
    leave_unanswered(b, CheckpointWanted)
    view = ctx_of(b).log
    assert view is not None
    note = view.checkpoint
    b.toward = lambda frame: [structs.replace(frame, checkpoint=note) if isinstance(frame, frames.Ready) else frame]
    invite(a, room, stage.online("C", of=TN))
    hang_up(stage, b, 10, after_ms=20_000)
    assert b.codes() == []
    stage.wait(8_000)
    assert b.codes() == (["GAP"] if counted else [])


@COUNTED
def test_a_room_that_is_read_anew_behind_each_commit_hides_none(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, counted: bool
) -> None:
    ignore_hang_ups(monkeypatch, counted=counted)
    a, b, room = settled(stage)
    leave_unanswered(b, Anchored)
    invite(a, room, stage.online("first", of=TN))
    for number in range(10):
        stage.wait(4_000)
        invite(a, room, stage.online(f"C{number}", of=TN))
        push(b, frames.Lagging(room=room))
    assert b.codes() == []
    stage.wait(10_000)
    assert b.codes() == (["GAP"] if counted else [])


@COUNTED
def test_a_commit_that_comes_while_the_room_is_read_hides_none(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, counted: bool
) -> None:
    ignore_hang_ups(monkeypatch, counted=counted)
    a, b, room = settled(stage)
    put_off(b, Anchored)
    invite(a, room, stage.online("first", of=TN))
    for number in range(12):
        stage.wait(4_000)
        put_off(b, Anchored, RoomPage)
        push(b, frames.Lagging(room=room))
        invite(a, room, stage.online(f"C{number}", of=TN))
        put_off(b, Anchored)
    stage.wait(10_000)
    assert b.codes() == (["GAP"] if counted else [])


def test_a_connection_that_is_lost_counts_once_whatever_comes_with_the_next(stage: Stage) -> None:
    a, b, room = settled(stage)
    leave_unanswered(b, Anchored)
    invite(a, room, stage.online("first", of=TN))
    for number in range(1, 8):
        stage.wait(4_000)
        b.disconnect()
        invite(a, room, stage.online(f"C{number}", of=TN))
        b.connect()
        stage.run()
        anchor = ctx_of(b).rooms[room].anchor
        assert anchor is not None
        assert anchor.owed.hang_ups == number
    assert b.codes() == []


@COUNTED
def test_hanging_up_shows_no_log_that_the_relay_has_signed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, counted: bool
) -> None:
    if not counted:
        monkeypatch.setattr(monitor, "MAX_UNANSWERED", 10**9)
    a, _b, _room = settled(stage)
    ctx = ctx_of(a)
    leave_unanswered(a, CheckpointWanted)
    sighting = Sighting(statement=Statement(form=Form.RECEIPT, data=b"signed"), way=Way.RECEIPT, at_ms=a.now_ms)
    said = structs.replace(claim(9_999, bytes(32)), line=b"receipt", sighting=sighting)
    monitor.note_claim(ctx, structs.replace(said, since_ms=ctx.timer_ms, due_ms=ctx.timer_ms))
    hang_up(stage, a, 9, after_ms=20_000)
    assert a.codes() == []
    hang_up(stage, a, 2, after_ms=20_000)
    assert a.codes() == (["PROOF"] if counted else [])


@COUNTED
def test_hanging_up_does_not_hide_that_witnesses_are_late(monkeypatch: pytest.MonkeyPatch, *, counted: bool) -> None:
    ignore_hang_ups(monkeypatch, counted=counted)
    stage = Stage(witnesses=WITNESSES, quorum=3)
    a, _b, room = two(stage)
    busy(stage, a, room, 120, W1, W2, W3)
    for _ in range(10):
        busy(stage, a, room, 60)
        hang_up(stage, a, 1, after_ms=60_000)
    assert a.codes() == []
    stage.wait(10_000, 1_000)
    assert a.codes() == (["WITNESSES"] if counted else [])
    busy(stage, a, room, 360, W1, W2, W3)
    assert [alarm.detail[:10] for alarm in a.store.alarms[1:]] == (["taken back"] if counted else [])


@COUNTED
def test_hanging_up_over_what_is_cosigned_says_that_nothing_is(
    monkeypatch: pytest.MonkeyPatch, *, counted: bool
) -> None:
    ignore_hang_ups(monkeypatch, counted=counted)
    stage = Stage(witnesses=WITNESSES, quorum=3)
    a, _b, _room = two(stage)
    a.outward = lambda frame: [] if isinstance(frame, frames.GetCheckpoint) and frame.witnessed else [frame]
    hang_up(stage, a, 10, after_ms=20_000)
    assert a.codes() == []
    stage.wait(8_000)
    assert a.codes() == (["WITNESSES"] if counted else [])


def test_a_line_that_breaks_before_a_device_has_its_turn_accuses_no_witnesses() -> None:
    """Whose connections end so soon asks at once; else it would never hear what they have cosigned."""
    stage = Stage(witnesses=WITNESSES, quorum=3)
    _a, b, _room = two(stage)
    assert int.from_bytes(b.device.id[:2], "big") % quorum.FIRST_MS > 6_000
    b.disconnect()
    wait(stage, 60, W1, W2, W3)
    b.connect()
    stage.run()
    hang_up(stage, b, 10, after_ms=6_000)
    stage.wait(6_000)
    assert b.codes() == []
    assert row_of(b).state is Quorum.SEEN
