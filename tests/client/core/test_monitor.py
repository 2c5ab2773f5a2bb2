"""One log for everybody: what members and heads say of it is held against proofs."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from amanah_client import inputs, model
from amanah_client.core import monitor
from amanah_client.core.conflicts import MEMBER_LAZY_MS
from amanah_client.core.requests import Claim
from amanah_protocol import frames
from amanah_protocol.content.sealed import View
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.conflict import (
    Conflict,
    Judged,
    OtherPrefix,
    Sighting,
    Verdict,
    Way,
    decode_evidence,
    verify_conflict,
)
from amanah_protocol.log.cose_receipt import sign_root, split_root_line, with_root_line
from amanah_protocol.log.statement import Form, Statement, log_signature
from amanah_protocol.types import RoomId
from tests.client.core.forge import control_head, delivery, message, push, room_of
from tests.client.core.rooms import create, two
from tests.client.core.world import Client, Stage, keep
from tests.relay.people import LOG_SIGNER, ORIGIN, RELAY_KEY


def seen(victim: Client, sender: Client, room: RoomId, size: int, root: bytes) -> None:
    """A message of a sender who has seen this log."""
    row = room_of(sender, room).row
    view = View(
        log_size=size,
        log_root=root,
        log_signature=signature(size, root),
        room_seq=row.head_seq,
        room_head=row.head_leaf,
    )
    push(victim, delivery(victim, *message(sender, room, content={"view": view})))
    victim.stage.wait(MEMBER_LAZY_MS)


def signature(size: int, root: bytes) -> bytes:
    """The log's own over this checkpoint, whatever it says."""
    return signed_by_log(size, root) if size else b""


def signed_by_log(size: int, root: bytes) -> bytes:
    """Signature lines are key id and signature."""
    return log_signature(signed_note(size, root), LOG_SIGNER.verifier.vkey)


def signed_note(size: int, root: bytes) -> bytes:
    """A checkpoint by the log."""
    return sign_checkpoint(Checkpoint(origin=ORIGIN, size=size, root=root), LOG_SIGNER)


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


def kept(client: Client) -> tuple[tuple[Conflict, ...], Judged]:
    """The evidence that a client keeps, and what the newest comes to for somebody who has the roster alone."""
    found = tuple(one for row in client.store.conflicts.values() for one in decode_evidence(row.evidence))
    return found, verify_conflict(found[-1], client.stage.relay.roster.relays[0])


def test_views_that_lie_on_one_line_are_no_alarm(stage: Stage) -> None:
    a, b, room = two(stage)
    seen(a, b, room, 6, root_at(stage, 6))
    assert a.store.alarms == []
    assert a.core._ctx.watch.proven[6] == root_at(stage, 6)  # noqa: SLF001 - what is tested


def test_a_view_that_is_no_prefix_of_ours_is_a_fork(stage: Stage) -> None:
    a, b, room = two(stage)
    seen(a, b, room, 6, bytes(32))
    assert a.codes() == ["FORK"]
    assert "amanah audit evidence FILE` writes down the proof" in a.store.alarms[0].detail
    (conflict,), judged = kept(a)
    assert (judged.verdict, judged.second.size) == (Verdict.OTHER_PREFIX, 6)
    assert (conflict.second.way, conflict.second.device, conflict.second.room) == (Way.MEMBER, b.device.id, room)
    assert conflict.proof == OtherPrefix(root=root_at(stage, 6), path=conflict.proof.path)  # type: ignore[union-attr]  # as the verdict says
    assert not a.disconnects[-1].again


def test_a_view_of_a_size_that_is_proven_already_needs_no_proof(stage: Stage) -> None:
    a, b, room = two(stage)
    view = a.store.base.log
    assert view is not None
    seen(a, b, room, view.size, bytes(32))
    assert a.codes() == ["FORK"]
    assert kept(a)[1].verdict is Verdict.SAME_SIZE


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
    assert kept(a)[1].verdict is Verdict.UNEXPLAINED
    assert not a.disconnects[-1].again


def test_an_empty_view_says_nothing(stage: Stage) -> None:
    a, b, room = two(stage)
    seen(a, b, room, 0, bytes(32))
    assert a.store.alarms == []


def test_a_checkpoint_that_the_log_did_not_sign_is_its_senders_doing(stage: Stage) -> None:
    a, b, room = two(stage)
    row = room_of(b, room).row
    view = View(log_size=6, log_root=bytes(32), log_signature=bytes(64), room_seq=row.head_seq, room_head=row.head_leaf)
    push(a, delivery(a, *message(b, room, content={"view": view})))
    stage.run()
    assert a.codes() == ["SIGNATURE"]
    assert b.device.id.hex()[:12] in a.store.alarms[0].detail
    assert a.store.conflicts == {}
    assert a.peer is not None
    assert a.texts(room) == ["forged"]


def test_one_proof_is_asked_for_at_a_time_and_a_larger_view_stands_for_the_smaller_ones_of_its_sender(
    stage: Stage,
) -> None:
    a, _b, _room = two(stage)
    asked: list[frames.Frame] = []
    a.outward = keep(asked, frames.GetConsistency)
    ctx = a.core._ctx  # noqa: SLF001 - claims without messages
    ctx.watch.proven.clear()
    ctx.watch.claims.clear()
    for size in range(2, 8):
        monitor.note_claim(ctx, claim(size, root_at(stage, size), line=b"one"))
        a.tick()
    assert [frame.old for frame in asked if isinstance(frame, frames.GetConsistency)] == [2]
    assert [waiting.size for waiting in ctx.watch.claims.values()] == [7]
    monitor.note_claim(ctx, claim(3, root_at(stage, 3), line=b"one"))
    assert [waiting.size for waiting in ctx.watch.claims.values()] == [7]


def test_claims_of_all_lines_are_compared_in_the_end_in_their_order(stage: Stage) -> None:
    a, _b, _room = two(stage)
    ctx = a.core._ctx  # noqa: SLF001 - claims without messages
    ctx.watch.proven.clear()
    ctx.watch.claims.clear()
    for size in (6, 3, 5):
        monitor.note_claim(ctx, claim(size, root_at(stage, size), line=b"%d" % size))
    assert len(ctx.watch.claims) == 3
    a.tick()
    stage.wait(1_000)
    assert ctx.watch.claims == {}
    assert ctx.watch.proven.keys() >= {6, 3, 5}
    assert a.store.alarms == []


def test_a_claim_outlives_the_connection_on_which_its_proof_was_asked_for(stage: Stage) -> None:
    a, _b, _room = two(stage)
    ctx = a.core._ctx  # noqa: SLF001 - claims without messages
    a.outward = keep([], frames.GetConsistency)
    monitor.note_claim(ctx, claim(6, bytes(32)))
    a.tick()
    a.disconnect()
    assert a.store.alarms == []
    a.outward = None
    a.connect()
    stage.run()
    stage.wait(1_000)
    assert a.codes() == ["FORK"]


def test_two_words_of_one_size_are_a_fork_before_either_is_compared(stage: Stage) -> None:
    a, _b, _room = two(stage)
    ctx = a.core._ctx  # noqa: SLF001 - claims without messages
    for root in (bytes(32), b"\1" * 32):
        monitor.note_claim(ctx, claim(6, root))
    a.tick()
    assert a.codes() == ["FORK"]
    assert kept(a)[1].verdict is Verdict.SAME_SIZE


def test_claims_are_bounded_and_what_is_left_out_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    a, _b, _room = two(stage)
    monkeypatch.setattr(monitor, "MAX_CLAIMS", 1)
    ctx = a.core._ctx  # noqa: SLF001 - claims without messages
    ctx.watch.claims.clear()
    for line in (b"one", b"two"):
        monitor.note_claim(ctx, claim(6, bytes(32), line=line))
    assert list(ctx.watch.claims) == [b"one"]
    a.tick()
    assert a.codes()[0] == "PROOF"


def test_one_fork_that_shows_at_many_sizes_is_told_once_and_kept_each_time(stage: Stage) -> None:
    a, _b, _room = two(stage)
    for size in (6, 7):
        monitor.note_claim(a.core._ctx, claim(size, bytes(32)))  # noqa: SLF001 - claims without messages
        a.tick()
        stage.run()
        a.restart()
        a.connect()
        stage.run()
    assert a.codes() == ["FORK"]
    assert [conflict.second.way for conflict in kept(a)[0]] == [Way.MEMBER, Way.MEMBER]


def claim(size: int, root: bytes, line: bytes = b"line") -> Claim:
    """The log's word, as a member passes it on."""
    note = sign_checkpoint(Checkpoint(origin=ORIGIN, size=size, root=root), LOG_SIGNER)
    statement = Statement(form=Form.CHECKPOINT, data=note)
    sighting = Sighting(statement=statement, way=Way.MEMBER, at_ms=0, device=bytes(32), room=bytes(16))
    return Claim(size=size, root=root, line=line, sighting=sighting, since_ms=0, due_ms=0)


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


def replace_answer(client: Client, kind: type[frames.Frame], make: Any) -> None:  # noqa: ANN401 - of any kind
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
    assert "ask the relay's operator for the proof" in a.store.alarms[0].detail
    assert a.peer is not None
    assert is_owed(a, 6)


def is_owed(client: Client, size: int) -> bool:
    """What is kept: no proof by itself, for anybody to ask the log about, and no reason to stop."""
    (conflict,), judged = kept(client)
    ways = conflict.first.way, conflict.second.way
    return judged.verdict is Verdict.UNEXPLAINED and judged.second.size == size and ways == (Way.OWN, Way.MEMBER)


def test_a_refusal_behind_what_was_owed_already_adds_nothing(stage: Stage) -> None:
    a, _b, _room = two(stage)
    ctx = a.core._ctx  # noqa: SLF001 - claims without messages
    kept_back: list[frames.Frame] = []
    a.outward = keep(kept_back, frames.GetConsistency)
    monitor.note_claim(ctx, claim(6, bytes(32)))
    a.tick()
    stage.wait(monitor.OWED_MS)
    (asked,) = kept_back
    assert isinstance(asked, frames.GetConsistency)
    push(a, frames.Refused(asked.request, "NOT_FOUND", "no"))
    assert a.codes() == ["PROOF"]
    assert len(a.store.conflicts) == 1


def claimed(stage: Stage, client: Client) -> None:
    """A member's word about the log, true and not yet proven."""
    ctx = client.core._ctx  # noqa: SLF001 - claims without messages
    ctx.watch.proven.pop(6, None)
    said = structs.replace(claim(6, root_at(stage, 6)), since_ms=ctx.timer_ms, due_ms=ctx.timer_ms)
    monitor.note_claim(ctx, said)
    client.tick()


def never_asked(client: Client) -> None:
    """The relay says nothing to the question for that proof."""
    client.outward = lambda frame: [] if isinstance(frame, frames.GetConsistency) and frame.old == 6 else [frame]


def put_off(client: Client) -> None:
    """The relay refuses the proof of that word for now, each time."""
    numbers: set[int] = set()

    def outward(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.GetConsistency) and frame.old == 6:
            numbers.add(frame.request)
        return [frame]

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Path) and frame.request in numbers:
            return [frames.Refused(frame.request, "STORE", "later")]
        return [frame]

    client.outward, client.toward = outward, toward


@pytest.mark.parametrize("stall", ["says nothing", "puts it off"])
def test_a_relay_that_never_gives_the_proof_owes_it(stage: Stage, stall: str) -> None:
    a, _b, _room = two(stage)
    if stall == "says nothing":
        never_asked(a)
    else:
        put_off(a)
    claimed(stage, a)
    stage.wait(monitor.OWED_MS - 2_000)
    assert a.store.alarms == []
    stage.wait(monitor.PATIENCE_MS + 3_000)
    assert a.codes() == ["PROOF"]
    assert is_owed(a, 6)
    assert a.peer is not None


def test_a_larger_claim_that_came_while_one_was_compared_has_its_own_time(stage: Stage) -> None:
    """A busy member always has one that waits: that is not one that waits for ever."""
    a, _b, _room = two(stage)
    ctx = a.core._ctx  # noqa: SLF001 - claims without messages
    put_off(a)
    claimed(stage, a)
    stage.wait(monitor.OWED_MS - 3_000)
    kept_back: list[frames.Frame] = []
    a.outward = keep(kept_back, frames.GetConsistency)
    stage.wait(1_000)
    ctx.watch.proven.clear()
    monitor.note_claim(ctx, claim(8, root_at(stage, 8)))
    assert a.peer is not None
    a.peer.send_bytes(frames.encode_frame(kept_back.pop()))
    stage.run()
    assert [one.size for one in ctx.watch.claims.values() if one.line == b"line"] == [8]
    stage.wait(monitor.OWED_MS - 5_000)
    assert a.codes() == []


@pytest.mark.parametrize(("slow", "silent"), [(True, False), (False, False), (False, True)])
def test_neither_a_slow_store_nor_a_dead_connection_is_a_debt_of_the_relay(
    stage: Stage, *, slow: bool, silent: bool
) -> None:
    """What a core takes late may have been there for long: it judges by ticks that are made after the question.

    Where nothing at all has come since, it is the connection that has died.
    """
    a, _b, _room = two(stage)
    ctx = a.core._ctx  # noqa: SLF001 - whether anything came
    never_asked(a)
    claimed(stage, a)
    asked_ms = a.now_ms
    ctx.session.received_ms = ctx.timer_ms + (0 if silent else 1)
    for _ in range((monitor.OWED_MS + monitor.PATIENCE_MS) // 1_000 + 2):
        stage.relay.tick(1_000)
        a.give(inputs.Tick(made_ms=asked_ms if slow else a.now_ms))
    assert a.codes() == ([] if slow or silent else ["PROOF"])
    a.tick()
    assert a.codes() == ([] if silent else ["PROOF"])


CLAIMS = 25


@pytest.mark.parametrize(("took_ms", "codes"), [(10_000, []), (15_000, ["PROOF"])])
def test_a_relay_that_answers_slowly_owes_nothing_until_it_drags_the_whole_line_out(
    stage: Stage, took_ms: int, codes: list[str]
) -> None:
    a, b, _room = two(stage)
    while len(stage.relay.store.entries) <= CLAIMS:
        create(b)
    ctx = a.core._ctx  # noqa: SLF001 - claims without messages
    kept_back: list[frames.Frame] = []
    a.outward = keep(kept_back, frames.GetConsistency)
    ctx.watch.proven.clear()
    for size in range(1, CLAIMS):
        one = claim(size, root_at(stage, size))
        monitor.note_claim(ctx, structs.replace(one, line=b"%d" % size, since_ms=ctx.timer_ms, due_ms=ctx.timer_ms))
    a.tick()
    while ctx.watch.claims and not a.codes():
        stage.wait(took_ms)
        assert a.peer is not None
        a.peer.send_bytes(frames.encode_frame(kept_back.pop()))
        stage.run()
    assert a.codes() == codes


def test_who_shows_a_larger_log_each_time_puts_no_comparison_off(stage: Stage) -> None:
    """A checkpoint is wanted again whenever one has come, and each comes a little late."""
    a, b, _room = two(stage)
    other = create(b)
    ctx = a.core._ctx  # noqa: SLF001 - claims without messages
    monitor.note_claim(ctx, structs.replace(claim(6, bytes(32)), since_ms=ctx.timer_ms, due_ms=ctx.timer_ms))
    late: list[frames.Frame] = []
    a.toward = keep(late, frames.Checkpoint)
    for number in range(20):
        b.say(other, f"leaf {number}")
        push(a, control_head(a, size=(size := len(stage.relay.store.entries)), root=root_at(stage, size)))
        ready, late[:] = late[:], []
        stage.wait(2 * monitor.REFRESH_MS)
        for frame in ready:
            push(a, frame)
    assert a.codes()[:1] == ["FORK"]


def test_a_relay_that_hangs_up_instead_of_showing_so_large_a_log_owes_the_proof(stage: Stage) -> None:
    a, _b, _room = two(stage)
    a.outward = keep([], frames.GetCheckpoint)
    ctx = a.core._ctx  # noqa: SLF001 - claims without messages
    monitor.note_claim(ctx, structs.replace(claim(99, bytes(32)), since_ms=ctx.timer_ms, due_ms=ctx.timer_ms))
    for _ in range(monitor.MAX_UNANSWERED):
        stage.wait(5_000)
        assert a.store.alarms == []
        a.disconnect()
        a.connect()
        stage.run()
    stage.wait(1_000)
    assert a.codes() == ["PROOF"]


def test_a_relay_that_hangs_up_instead_of_giving_the_proof_owes_it(stage: Stage) -> None:
    a, _b, _room = two(stage)
    never_asked(a)
    claimed(stage, a)
    for _ in range(monitor.MAX_UNANSWERED):
        stage.wait(5_000)
        assert a.store.alarms == []
        a.disconnect()
        a.connect()
        stage.run()
    stage.wait(1_000)
    assert a.codes() == ["PROOF"]
    assert is_owed(a, 6)


def test_a_device_that_was_away_for_long_gives_the_relay_its_time_anew(stage: Stage) -> None:
    a, _b, _room = two(stage)
    never_asked(a)
    claimed(stage, a)
    a.disconnect()
    stage.wait(10 * monitor.OWED_MS)
    a.connect()
    stage.run()
    stage.wait(monitor.OWED_MS - 2_000)
    assert a.store.alarms == []
    stage.wait(4_000)
    assert a.codes() == ["PROOF"]


def test_a_comparison_that_is_refused_for_now_is_asked_for_again(stage: Stage) -> None:
    a, b, room = two(stage)
    refusals = ["later"]

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Path) and refusals:
            return [frames.Refused(frame.request, "STORE", refusals.pop())]
        return [frame]

    a.toward = toward
    seen(a, b, room, 6, root_at(stage, 6))
    stage.wait(3_000)
    assert refusals == []
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


# ---- the root, signed for COSE receipts


def test_the_signature_of_the_root_is_kept_beside_the_checkpoint(stage: Stage) -> None:
    a = stage.online("A")
    grow(stage, a)
    stage.wait(2_000)
    view = a.store.snapshot().log
    assert view is not None
    assert view.root_signature == sign_root(view.root, RELAY_KEY)
    assert view.checkpoint == signed_note(view.size, view.root)


def test_a_checkpoint_whose_root_the_relay_signed_wrongly_is_not_taken(stage: Stage) -> None:
    a = stage.online("A")
    before = a.store.snapshot().log
    grow(stage, a)
    line = with_root_line(signed_note(6, bytes(32)), RELAY_KEY).split(b"\n")[-2] + b"\n"

    def wrong(frame: frames.Checkpoint) -> frames.Checkpoint:
        return frames.Checkpoint(frame.request, split_root_line(frame.note, RELAY_KEY.public)[0] + line)

    replace_answer(a, frames.Checkpoint, wrong)
    monitor.want(a.core._ctx, 6)  # noqa: SLF001 - whoever waits for a larger log
    stage.wait(2_000)
    assert a.codes()[:1] == ["SIGNATURE"]
    assert a.store.snapshot().log == before


def test_what_we_hold_ourselves_by_now_is_owed_by_nobody(stage: Stage) -> None:
    """A claim that waited behind an unanswered question, and was caught up with meanwhile."""
    a, _b, _room = two(stage)
    ctx = a.core._ctx  # noqa: SLF001 - a claim without a message
    view = ctx.log
    assert view is not None
    said = structs.replace(claim(view.size, view.root), since_ms=ctx.timer_ms, due_ms=ctx.timer_ms)
    ctx.watch.claims[said.line] = said
    ctx.watch.busy, ctx.watch.asked_ms = True, ctx.timer_ms
    stage.wait(monitor.OWED_MS + 5_000)
    assert a.codes() == []
    assert said.line not in ctx.watch.claims
