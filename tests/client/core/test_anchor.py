"""Each commit that was followed stands in the log that everybody is shown, or its room stops (attack 11)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import structs

from amanah_client.core import anchor, monitor
from amanah_client.core.requests import Anchored, CheckpointWanted
from amanah_client.model import RoomStatus
from amanah_protocol import frames
from amanah_protocol.types import RoomId
from tests.client.core.forge import push
from tests.client.core.rooms import invite
from tests.client.core.test_hanging_up import leave_unanswered
from tests.client.core.test_monitor import claim
from tests.client.core.test_pledge import ctx_of, settled
from tests.client.core.world import TN, Client, Stage

Change = Callable[[frames.Frame], list[frames.Frame]]


def answered(client: Client, purpose: type, change: Callable[[frames.Path], frames.Frame]) -> None:
    """Answers to questions for this purpose are changed."""
    ctx = ctx_of(client)

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        asked = ctx.session.requests.get(getattr(frame, "request", -1))
        changed = asked is not None and isinstance(asked.purpose, purpose) and isinstance(frame, frames.Path)
        return [change(frame) if changed and isinstance(frame, frames.Path) else frame]

    client.toward = toward


def commit(stage: Stage, client: Client, room: RoomId, name: str) -> None:
    invite(client, room, stage.online(name, of=TN))


def test_a_path_that_leads_elsewhere_stops_the_room(stage: Stage) -> None:
    a, b, room = settled(stage)
    answered(b, Anchored, lambda path: frames.Path(request=path.request, leaf=path.leaf, hashes=()))
    commit(stage, a, room, "C")
    stage.wait(10_000)
    assert b.codes() == ["PROOF"]
    assert b.row(room).status is RoomStatus.HALTED


def test_a_proof_that_is_put_off_is_overdue_in_time(stage: Stage) -> None:
    a, b, room = settled(stage)
    answered(b, Anchored, lambda path: frames.Refused(request=path.request, code="STORE", detail="later"))
    commit(stage, a, room, "C")
    stage.wait(40_000)
    assert b.codes() == []
    stage.wait(10_000)
    assert b.codes() == ["GAP"]
    assert b.row(room).status is RoomStatus.HALTED


def test_a_question_without_an_answer_is_overdue_in_time(stage: Stage) -> None:
    a, b, room = settled(stage)
    leave_unanswered(b, Anchored)
    commit(stage, a, room, "C")
    stage.wait(50_000)
    assert b.codes() == ["GAP"]


def test_a_room_that_the_relay_has_read_anew_again_and_again_puts_nothing_off(stage: Stage) -> None:
    a, b, room = settled(stage)
    leave_unanswered(b, Anchored)
    commit(stage, a, room, "C")
    for _ in range(5):
        stage.wait(10_000)
        push(b, frames.Lagging(room=room))
    assert b.codes() == ["GAP"]


def test_who_is_outside_of_a_room_waits_for_no_proof_of_it(stage: Stage) -> None:
    a, b, room = settled(stage)
    leave_unanswered(b, Anchored)
    commit(stage, a, room, "C")
    here = ctx_of(b).rooms[room]
    group, here.group = here.group, None
    stage.wait(50_000)
    here.group = group
    stage.wait(5_000)
    assert b.codes() == []


def test_a_commit_that_comes_while_the_room_is_read_has_its_own_time(stage: Stage) -> None:
    """The one before it could not be asked for: that the log was short of both meanwhile is nobody's fault."""
    a, b, room = settled(stage)
    ctx = ctx_of(b)

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.PageEnd) and frame.room == room:
            return [frames.Refused(request=frame.request, code="STORE", detail="later")]
        return [frame]

    b.toward = toward
    push(b, frames.Lagging(room=room))
    commit(stage, a, room, "C")
    for _ in range(15):
        a.say(room, "on it")
        stage.wait(10_000)
    first = ctx.rooms[room].anchor
    assert first is not None
    assert ctx.watch.shown_at_ms - first.owed.at_ms >= anchor.WITHIN_MS
    commit(stage, a, room, "D")
    b.toward = None
    stage.wait(5_000)
    assert ctx.rooms[room].anchor is None
    assert b.codes() == []


def short(client: Client) -> None:
    """The relay shows the log as it was, for ever."""
    ctx = ctx_of(client)
    view = ctx.log
    assert view is not None
    note = view.checkpoint

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Checkpoint):
            return [frames.Checkpoint(request=frame.request, note=note)]
        return [frame]

    client.toward = toward


@pytest.mark.parametrize("judged", [True, False])
def test_a_log_that_never_reaches_the_commit_stops_the_room(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, judged: bool
) -> None:
    """Controlled by a client that judges by no time: the room goes on."""
    if not judged:
        monkeypatch.setattr(anchor, "WITHIN_MS", 10**9)
    a, b, room = settled(stage)
    short(b)
    monkeypatch.setattr(monitor, "note_claim", lambda *_: None)  # what others saw would tell it sooner
    commit(stage, a, room, "C")
    stage.wait(115_000)
    assert b.codes() == []
    stage.wait(10_000)
    assert b.codes() == (["GAP"] if judged else [])
    assert (b.row(room).status is RoomStatus.HALTED) is judged


@pytest.mark.parametrize("judged", [True, False])
def test_a_log_that_is_put_off_for_ever_is_short(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, judged: bool
) -> None:
    """Controlled as above: to say "later" costs a relay nothing."""
    if not judged:
        monkeypatch.setattr(monitor, "DRAGGED_MS", 10**9)
    a, b, room = settled(stage)
    ctx = ctx_of(b)

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        asked = ctx.session.requests.get(getattr(frame, "request", -1))
        if asked is None or not isinstance(asked.purpose, CheckpointWanted):
            return [frame]
        return [frames.Refused(request=getattr(frame, "request", 0), code="STORE", detail="later")]

    b.toward = toward
    monkeypatch.setattr(monitor, "note_claim", lambda *_: None)  # as above
    commit(stage, a, room, "C")
    stage.wait(290_000)
    assert b.codes() == []
    stage.wait(40_000)
    assert b.codes() == (["GAP"] if judged else [])


def test_what_a_member_saw_is_owed_where_a_larger_log_is_put_off_for_ever(stage: Stage) -> None:
    a, _b, _room = settled(stage)
    ctx = ctx_of(a)
    a.toward = lambda frame: (
        [frames.Refused(request=frame.request, code="STORE", detail="later")]
        if isinstance(frame, frames.Checkpoint)
        else [frame]
    )
    said = claim(9_999, bytes(32))
    monitor.note_claim(ctx, structs.replace(said, since_ms=ctx.timer_ms, due_ms=ctx.timer_ms))
    stage.wait(200_000)
    assert a.codes() == []
    stage.wait(150_000)
    assert a.codes() == ["PROOF"]


def test_a_log_that_was_not_asked_for_is_not_short(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has much else to compare asks late, which is nobody's fault."""
    a, b, room = settled(stage)
    ctx = ctx_of(b)
    with monkeypatch.context() as busy:
        busy.setattr(monitor, "work", lambda _: None)
        commit(stage, a, room, "C")
        stage.wait(150_000)
    assert b.codes() == []
    assert ctx.rooms[room].anchor is not None
    stage.wait(10_000)
    assert ctx.rooms[room].anchor is None
    assert b.codes() == []


def test_commits_that_come_faster_than_proofs_put_nothing_off(stage: Stage) -> None:
    a, b, room = settled(stage)
    ctx, held = ctx_of(b), list[frames.Frame]()

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        asked = ctx.session.requests.get(getattr(frame, "request", -1))
        if asked is not None and isinstance(asked.purpose, Anchored):
            held.append(frame)
            return []
        return [frame]

    b.toward = toward
    commit(stage, a, room, "C")
    stage.wait(5_000)
    (first,) = (asked.purpose for asked in ctx.session.requests.values() if isinstance(asked.purpose, Anchored))
    for name in ("D", "E"):
        commit(stage, a, room, name)
        stage.wait(5_000)
    waiting = ctx.rooms[room].anchor
    assert waiting is not None
    assert waiting.newer is not None
    assert waiting.newer.index > waiting.index == first.index
    b.toward = None
    assert b.peer is not None
    b.peer.frames += held
    stage.wait(5_000)
    assert ctx.rooms[room].anchor is None
    assert b.codes() == []
