"""The quorum of witnesses: what it has cosigned is known once it lies on our line, and its absence stops nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from amanah_client.core import machine, quorum
from amanah_client.core.context import Context
from amanah_client.log_rows import Quorum, WitnessedRow
from amanah_client.model import RoomStatus
from amanah_protocol import frames
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.note import Note, decode_note
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.types import RoomId
from amanah_relay.inputs import Cosigned
from tests.client.core.rooms import create, two
from tests.client.core.test_monitor import root_at
from tests.client.core.world import Client, Stage
from tests.relay.people import LOG_SIGNER, ORIGIN, witness

W1, W2, W3, W4 = WITNESSES = tuple(witness(name) for name in ("one", "two", "three", "four"))
MINUTE_MS = 60_000


@pytest.fixture
def stage() -> Stage:
    """A community that asks for three witnesses of four."""
    return Stage(witnesses=WITNESSES, quorum=3)


def ctx_of(client: Client) -> Context:
    return client.core._ctx  # noqa: SLF001 - what is tested


def row_of(client: Client) -> WitnessedRow:
    row = client.store.base.witnessed
    assert row is not None
    return row


def attend(stage: Stage, *signers: NoteSigner, ahead_s: int = 0) -> None:
    """The witnesses cosign the newest published checkpoint."""
    published = stage.relay.store.checkpoints
    if not published:
        return
    size = max(published)
    text, time_s = decode_note(published[size]).text, stage.relay.now_ms // 1_000 + ahead_s
    lines = "".join(signer.sign(text, time_s=time_s).encode() for signer in signers)
    stage.relay.give(Cosigned(size=size, lines=lines.encode()))


def wait(stage: Stage, seconds: int, *signers: NoteSigner, ahead_s: int = 0) -> None:
    """Time passes, and so many witnesses attend to the log."""
    for second in range(seconds):
        stage.tick()
        if signers and second % 10 == 0:
            attend(stage, *signers, ahead_s=ahead_s)


def busy(stage: Stage, client: Client, room: RoomId, seconds: int, *signers: NoteSigner) -> None:
    """The same, while somebody writes."""
    for _ in range(seconds // 20):
        client.say(room, "on it")
        wait(stage, 20, *signers)


def test_what_a_quorum_has_cosigned_is_kept_with_names_and_times(stage: Stage) -> None:
    a, _b, _room = two(stage)
    wait(stage, 120, W1, W2, W4)
    row = row_of(a)
    assert (row.size, row.root) == (row.size, root_at(stage, row.size))
    assert row.size >= 10
    assert {name for name, _ in row.cosignatures} == {W1.name, W2.name, W4.name}
    assert all(abs(time_s - stage.relay.now_ms // 1_000) < 130 for _, time_s in row.cosignatures)
    assert (row.witnesses, row.state) == (4, Quorum.SEEN)
    assert a.store.alarms == []


def test_it_is_asked_for_once_a_minute_and_soon_after_the_login(stage: Stage) -> None:
    a, _b, _room = two(stage)
    asked: list[int] = []

    def count(frame: frames.Frame) -> list[frames.Frame]:
        asked.extend([stage.relay.now_ms] * (isinstance(frame, frames.GetCheckpoint) and frame.witnessed))
        return [frame]

    a.disconnect()
    a.outward = count
    a.connect()
    stage.run()
    began = stage.relay.now_ms
    wait(stage, 200)
    assert asked[0] - began <= quorum.FIRST_MS
    assert [later - sooner for sooner, later in pairwise(asked)] == [MINUTE_MS] * (len(asked) - 1)
    assert len(asked) == 4


def test_a_roster_without_witnesses_asks_for_none() -> None:
    stage = Stage()
    a, _b, _room = two(stage)
    asked: list[bool] = []

    def note(frame: frames.Frame) -> list[frames.Frame]:
        asked.append(isinstance(frame, frames.GetCheckpoint) and frame.witnessed)
        return [frame]

    a.outward = note
    wait(stage, 400)
    assert asked
    assert not any(asked)
    assert (a.store.base.witnessed, a.store.alarms) == (None, [])


def test_a_quorum_that_is_never_seen_is_told_once_and_taken_back_and_stops_nothing(stage: Stage) -> None:
    a, b, room = two(stage)
    wait(stage, 290, W1, W2)
    assert a.codes() == []
    wait(stage, 700, W1, W2)
    assert a.codes() == ["WITNESSES"]
    assert row_of(a).state is Quorum.MISSING
    a.say(room, "all the same")
    assert b.texts(room)[-1] == "all the same"
    assert a.row(room).status is RoomStatus.OPEN
    wait(stage, 120, W1, W2, W3)
    assert a.codes() == ["WITNESSES", "WITNESSES"]
    assert "taken back" in a.store.alarms[-1].detail
    assert row_of(a).state is Quorum.SEEN
    wait(stage, 300, W1, W2, W3)
    assert len(a.codes()) == 2


def test_witnesses_that_fall_behind_are_late_and_taken_back(stage: Stage) -> None:
    a, b, room = two(stage)
    busy(stage, b, room, 600, W1, W2, W3)
    assert a.codes() == []
    seen = row_of(a).size
    busy(stage, b, room, 240)
    assert a.codes() == []
    busy(stage, b, room, 180)
    assert a.codes() == ["WITNESSES"]
    assert f"cosigned {row_of(a).size}" in a.store.alarms[0].detail
    assert (row_of(a).state, row_of(a).size >= seen) == (Quorum.LATE, True)
    # What was said is not taken back by a new beginning.
    a.restart()
    a.connect()
    stage.run()
    busy(stage, b, room, 200)
    assert row_of(a).state is Quorum.LATE
    busy(stage, b, room, 200, W1, W2, W3)
    assert row_of(a).state is Quorum.SEEN
    assert a.codes() == ["WITNESSES", "WITNESSES"]


def test_a_log_that_rests_is_never_late(stage: Stage) -> None:
    a, _b, room = two(stage)
    busy(stage, a, room, 100, W1, W2, W3)
    wait(stage, 100, W1, W2, W3)
    wait(stage, 900)
    assert a.codes() == []


def offer(client: Client, make: Any) -> None:  # noqa: ANN401 - a function of the note
    """Give other notes as cosigned than the relay has."""
    numbers: set[int] = set()

    def outward(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.GetCheckpoint) and frame.witnessed:
            numbers.add(frame.request)
        return [frame]

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Refused | frames.Checkpoint) and frame.request in numbers:
            return [frames.Checkpoint(request=frame.request, note=make())]
        return [frame]

    client.outward, client.toward = outward, toward


def cosigned(stage: Stage, *signers: tuple[NoteSigner, int], size: int = 6, root: bytes = b"") -> bytes:
    """A checkpoint with these cosignatures, each so many seconds from now."""
    head = Checkpoint(origin=ORIGIN, size=size, root=root or root_at(stage, size))
    note = decode_note(sign_checkpoint(head, LOG_SIGNER))
    now_s = stage.relay.now_ms // 1_000
    lines = tuple(signer.sign(note.text, time_s=now_s + ahead_s) for signer, ahead_s in signers)
    return replace(note, signatures=(*note.signatures, *lines)).encode()


def test_a_fork_that_a_quorum_has_cosigned_is_evidence(stage: Stage) -> None:
    a, _b, _room = two(stage)
    offer(a, lambda: cosigned(stage, (W1, 0), (W2, 0), (W3, 0), root=bytes(32)))
    wait(stage, 20)
    assert a.codes() == ["FORK"]
    assert "the quorum of witnesses" in a.store.alarms[0].detail
    assert len(a.store.conflicts) == 1
    assert a.store.base.witnessed is None
    assert not a.disconnects[-1].again


@pytest.mark.parametrize(
    ("signers", "kept"),
    [
        (((W1, 0), (W2, 0), (W3, 119)), True),
        (((W1, 0), (W2, 0), (W3, 122)), False),
        (((W1, 0), (W2, 0), (W3, 86_400), (W4, 0)), True),
        (((W1, 0), (W2, -86_400), (W3, 0)), True),
        (((W1, 0), (W2, 0)), False),
        (((W1, 0), (W2, 0), (W2, 1)), False),
        (((W1, 0), (W2, 0), (witness("stranger"), 0)), False),
    ],
)
def test_a_cosignature_from_the_future_counts_for_nothing(
    stage: Stage,
    signers: tuple[tuple[NoteSigner, int], ...],
    kept: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    a, _b, _room = two(stage)
    offer(a, lambda: cosigned(stage, *signers))
    wait(stage, 20)
    row = a.store.base.witnessed
    assert (row is not None and row.size == 6) is kept
    assert a.codes() == ([] if kept else ["THRESHOLD"])


def test_a_checkpoint_of_another_log_is_not_ours(stage: Stage) -> None:
    a, _b, _room = two(stage)
    other = NoteSigner(name="other.example/log", key=LOG_SIGNER._key)  # noqa: SLF001 - the same key, another name
    note = sign_checkpoint(Checkpoint(origin=other.name, size=6, root=root_at(stage, 6)), other)
    offer(a, lambda: note)
    wait(stage, 20)
    assert a.codes() == ["CHECKPOINT"]


def test_an_older_cosigned_checkpoint_takes_nothing_back(stage: Stage) -> None:
    a, _b, _room = two(stage)
    sizes = [6]
    offer(a, lambda: cosigned(stage, (W1, 0), (W2, 0), (W3, 0), size=sizes[0]))
    wait(stage, 20)
    sizes[0] = 5
    wait(stage, 70)
    assert row_of(a).size == 6
    assert a.store.alarms == []


def test_more_cosignatures_of_one_size_are_kept_too(stage: Stage) -> None:
    a, _b, _room = two(stage)
    signers = [(W1, 0), (W2, 0), (W3, 0)]
    offer(a, lambda: cosigned(stage, *signers))
    wait(stage, 20)
    signers.append((W4, 0))
    wait(stage, 70)
    assert len(row_of(a).cosignatures) == 4


def test_a_cosigned_checkpoint_ahead_of_ours_makes_ours_follow(stage: Stage) -> None:
    a, b, _room = two(stage)
    for _ in range(3):
        create(b)
    log = a.store.base.log
    assert log is not None
    size = len(stage.relay.store.entries)
    assert log.size < size
    offer(a, lambda: cosigned(stage, (W1, 0), (W2, 0), (W3, 0), size=size))
    wait(stage, 20)
    assert row_of(a).size == size
    assert a.store.alarms == []


def test_marks_of_growth_are_bounded_and_the_oldest_stays(stage: Stage) -> None:
    a, _b, _room = two(stage)
    ctx = ctx_of(a)
    ctx.witnesses.grown.clear()
    for number in range(200):
        ctx.timer_ms += 10_000
        quorum.note_growth(ctx, 100 + number)
        quorum.note_growth(ctx, 1_000 + number)
    assert len(ctx.witnesses.grown) == 64
    assert min(ctx.witnesses.grown) == 100
    assert isinstance(decode_note(cosigned(stage, (W1, 0))), Note)


def test_witnesses_are_judged_by_what_was_asked_for_after_their_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that this core is late to take says nothing of how late they are."""
    monkeypatch.setattr(machine, "ANSWER_MS", 10**9)
    a, _b, room = two(stage)
    wait(stage, 120, W1, W2, W3)
    held: list[frames.GetCheckpoint] = []

    def hold(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.GetCheckpoint) and frame.witnessed:
            held.append(frame)
            return []
        return [frame]

    a.outward = hold
    busy(stage, a, room, 500)
    assert (a.codes(), len(held)) == ([], 1)
    a.outward = None
    assert a.peer is not None
    a.peer.send_bytes(frames.encode_frame(held[0]))
    wait(stage, 2)  # it asks once more, and is told the same
    assert a.codes() == ["WITNESSES"]
    assert row_of(a).state is Quorum.LATE
