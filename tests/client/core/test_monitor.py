"""One log for everybody: what members and heads say of it is held against proofs."""

from __future__ import annotations

from typing import Any

from amanah_client import model
from amanah_client.core import monitor
from amanah_client.core.requests import Claim
from amanah_protocol import frames
from amanah_protocol.content.sealed import View
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.types import RoomId
from tests.client.core.forge import control_head, delivery, message, push, room_of
from tests.client.core.rooms import create, two
from tests.client.core.world import Client, Stage, keep
from tests.relay.people import LOG_SIGNER, ORIGIN


def seen(victim: Client, sender: Client, room: RoomId, size: int, root: bytes) -> None:
    """A message of a sender who has seen this log."""
    row = room_of(sender, room).row
    view = View(log_size=size, log_root=root, room_seq=row.head_seq, room_head=row.head_leaf)
    push(victim, delivery(victim, *message(sender, room, content={"view": view})))
    victim.stage.run()


def root_at(stage: Stage, size: int) -> bytes:
    """The real root at a size."""
    from amanah_protocol.log.merkle import Frontier  # noqa: PLC0415 - one use

    frontier = Frontier()
    for entry in stage.relay.store.entries[:size]:
        frontier.append(entry.hash)
    return frontier.root()


def grow(stage: Stage, client: Client) -> None:
    """More leaves than the victim's view has."""
    for _ in range(3):
        create(client)


def test_views_that_lie_on_one_line_are_no_alarm(stage: Stage) -> None:
    a, b, room = two(stage)
    seen(a, b, room, 6, root_at(stage, 6))
    assert a.store.alarms == []
    assert a.core._ctx.watch.proven[6] == root_at(stage, 6)  # noqa: SLF001 - what is tested


def test_a_view_that_is_no_prefix_of_ours_is_a_fork(stage: Stage) -> None:
    a, b, room = two(stage)
    seen(a, b, room, 6, bytes(32))
    assert a.codes() == ["FORK"]
    assert a.store.alarms[0].room == room
    assert a.store.alarms[0].evidence
    assert a.peer is not None


def test_a_view_of_a_size_that_is_proven_already_needs_no_proof(stage: Stage) -> None:
    a, b, room = two(stage)
    view = a.store.base.log
    assert view is not None
    seen(a, b, room, view.size, bytes(32))
    assert a.codes() == ["FORK"]


def test_a_newer_view_makes_us_ask_for_a_checkpoint(stage: Stage) -> None:
    a, b, room = two(stage)
    before = a.store.base.log
    grow(stage, b)
    stage.relay.now_ms += 1_000
    seen(a, b, room, 16, root_at(stage, 16))
    after = a.store.base.log
    assert before is not None
    assert after is not None
    assert after.size >= 16 > before.size
    assert a.store.alarms == []


def test_a_newer_view_of_another_log_is_a_fork(stage: Stage) -> None:
    a, b, room = two(stage)
    grow(stage, b)
    stage.relay.now_ms += 1_000
    seen(a, b, room, 16, bytes(32))
    assert a.codes() == ["FORK"]


def test_a_larger_log_than_the_relay_shows_is_a_rollback(stage: Stage) -> None:
    a, b, room = two(stage)
    stage.relay.now_ms += 1_000
    seen(a, b, room, 9_999, bytes(32))
    stage.wait(3_000)
    assert a.codes() == ["LOG_ROLLBACK"]
    assert a.peer is not None


def test_an_empty_view_says_nothing(stage: Stage) -> None:
    a, b, room = two(stage)
    seen(a, b, room, 0, bytes(32))
    assert a.store.alarms == []


def test_of_many_views_one_is_proven_at_a_time_and_the_newest_is_kept(stage: Stage) -> None:
    a, b, _room = two(stage)
    asked: list[frames.Frame] = []
    a.outward = keep(asked, frames.GetConsistency)
    ctx = a.core._ctx  # noqa: SLF001 - claims without messages
    ctx.watch.proven.clear()
    for size in range(2, 8):
        monitor.note_claim(ctx, claim(size, root_at(stage, size)))
        a.give(tick())
    assert [frame.old for frame in asked if isinstance(frame, frames.GetConsistency)] == [2]
    assert ctx.watch.claim is not None
    assert ctx.watch.claim.size == 7
    assert b.store.alarms == []


def claim(size: int, root: bytes, *, signed: bool = False) -> Claim:
    """Somebody's word."""
    return Claim(size=size, root=root, room=None, source="somebody", evidence=(b"x",), signed=signed)


def tick() -> Any:  # noqa: ANN401 - an input
    """Time has passed."""
    from amanah_client.inputs import Tick  # noqa: PLC0415 - one use

    return Tick()


def test_a_control_head_over_another_log_stops_the_client(stage: Stage) -> None:
    a, _b, _room = two(stage)
    stage.relay.now_ms += 1_000
    push(a, control_head(a, size=3, root=bytes(32)))
    stage.run()
    assert a.codes() == ["FORK"]
    assert not a.disconnects[-1].again


def test_a_control_head_makes_the_view_follow(stage: Stage) -> None:
    a, b, _room = two(stage)
    grow(stage, b)
    stage.wait(61_000)
    view = a.store.base.log
    assert view is not None
    assert view.size >= 16
    assert a.store.alarms == []


def replace_answer(client: Client, kind: type[frames.Frame], make: Any) -> None:  # noqa: ANN401 - a function of the frame
    """Answer requests otherwise than the relay did."""
    client.toward = lambda frame: [make(frame)] if isinstance(frame, kind) else [frame]


def test_a_checkpoint_smaller_than_ours_stops_the_client(stage: Stage) -> None:
    a, b, room = two(stage)
    small = sign_checkpoint(Checkpoint(origin=ORIGIN, size=1, root=root_at(stage, 1)), LOG_SIGNER)
    replace_answer(a, frames.Checkpoint, lambda frame: frames.Checkpoint(frame.request, small))
    stage.relay.now_ms += 1_000
    seen(a, b, room, 99, bytes(32))
    assert a.codes()[0] == "LOG_ROLLBACK"
    assert not a.disconnects[-1].again


def test_a_refused_comparison_is_an_alarm(stage: Stage) -> None:
    a, b, room = two(stage)
    replace_answer(a, frames.Path, lambda frame: frames.Refused(frame.request, "NOT_FOUND", "no"))
    seen(a, b, room, 6, root_at(stage, 6))
    assert a.codes() == ["PROOF"]
    assert a.peer is not None


def test_a_comparison_that_is_refused_for_now_is_asked_for_again(stage: Stage) -> None:
    a, b, room = two(stage)
    replace_answer(a, frames.Path, lambda frame: frames.Refused(frame.request, "STORE", "later"))
    seen(a, b, room, 6, root_at(stage, 6))
    a.toward = None
    stage.wait(3_000)
    assert a.core._ctx.watch.proven[6] == root_at(stage, 6)  # noqa: SLF001 - what is tested
    assert a.store.alarms == []


def test_a_refused_checkpoint_is_asked_for_again(stage: Stage) -> None:
    a, b, room = two(stage)
    grow(stage, b)
    replace_answer(a, frames.Checkpoint, lambda frame: frames.Refused(frame.request, "STORE", "later"))
    stage.relay.now_ms += 1_000
    seen(a, b, room, 16, root_at(stage, 16))
    a.toward = None
    stage.wait(3_000)
    assert a.core._ctx.watch.proven[16] == root_at(stage, 16)  # noqa: SLF001 - what is tested
    assert a.store.alarms == []


def test_proven_heads_are_bounded(stage: Stage) -> None:
    a = stage.online("A")
    ctx = a.core._ctx  # noqa: SLF001 - what is tested
    for size in range(1_000):
        monitor._prove(ctx, size, bytes(32))  # noqa: SLF001 - what is tested
    assert len(ctx.watch.proven) == 256


def test_messages_carry_the_senders_view(stage: Stage) -> None:
    from amanah_protocol.content.sealed import decode_content  # noqa: PLC0415 - one use

    a, b, room = two(stage)
    log = a.store.base.log
    before = a.row(room)
    a.say(room, "hello")
    view = decode_content(b.rooms_content(room)[-1].content).view
    assert log is not None
    assert (view.log_size, view.log_root) == (log.size, log.root)
    assert (view.room_seq, view.room_head) == (before.head_seq, before.head_leaf)
    assert isinstance(before, model.RoomRow)
