from __future__ import annotations

import pytest

from amanah_protocol import frames
from amanah_protocol.envelope import Envelope
from amanah_protocol.errors import Code, DecodeError, OperationalError, VerifyError
from amanah_protocol.kinds import Message
from amanah_protocol.log.checkpoint import decode_checkpoint, verify_checkpoint
from amanah_protocol.log.note import decode_note
from amanah_protocol.log.note_keys import NoteSigner
from amanah_relay.core.publication import KEPT
from amanah_relay.inputs import CheckpointsRead, Cosigned, StampsRead, StoredStamp
from amanah_relay.quotas import RelayLimits
from tests.relay.people import LOG_SIGNER, NOW_MS, ORIGIN, witness
from tests.relay.world import Peer, RoomModel, World, code_of

W1, W2, W3, STRANGER = (witness(name) for name in ("one", "two", "three", "stranger"))
TIME_S = NOW_MS // 1_000


def community(quorum: int = 2, **limits: int) -> tuple[World, Peer, RoomModel]:
    """A relay with three witnesses, an officer and a room: three leaves."""
    world = World(RelayLimits(**limits), witnesses=(W1, W2, W3), quorum=quorum)
    officer = world.officer("a")
    return world, officer, world.open_room(officer)


def published(quorum: int = 2, **limits: int) -> tuple[World, Peer, RoomModel]:
    """The same, half a minute later: its three leaves are published."""
    world, officer, room = community(quorum, **limits)
    world.tick(30_000)
    return world, officer, room


def grow(world: World, officer: Peer, room: RoomModel, count: int = 1) -> None:
    """So many messages more."""
    for _ in range(count):
        officer.publish(next_message(world, officer, room))


def next_message(world: World, officer: Peer, room: RoomModel) -> Envelope:
    """The officer's next message."""
    assert officer.device is not None
    return world.envelope(officer.device, room, Message())


def cosign(world: World, *signers: NoteSigner, size: int, time_s: int = TIME_S) -> None:
    """Witnesses answer for the published checkpoint of a size."""
    text = decode_note(world.store.checkpoints[size]).text
    lines = "".join(signer.sign(text, time_s=time_s).encode() for signer in signers)
    world.give(Cosigned(size=size, lines=lines.encode()))


def shown(world: World) -> int:
    """Size of the checkpoint that anybody is shown."""
    note = world.core.checkpoint(world.now_ms)
    assert note is not None
    return verify_checkpoint(note, LOG_SIGNER.verifier, ORIGIN).value.size


def test_a_log_that_grew_publishes_after_half_a_minute_and_is_silent_when_it_rests() -> None:
    world, officer, room = published()
    assert list(world.store.checkpoints) == [3]
    grow(world, officer, room)
    world.tick(29_999)
    assert list(world.store.checkpoints) == [3]
    world.tick(1)
    assert list(world.store.checkpoints) == [3, 4]
    world.tick(600_000)
    assert list(world.store.checkpoints) == [3, 4]


def test_a_log_that_grew_by_as_many_leaves_as_are_allowed_publishes_at_once() -> None:
    world, officer, room = published(checkpoint_leaves=5)
    grow(world, officer, room, 4)
    assert list(world.store.checkpoints) == [3]
    grow(world, officer, room)
    assert list(world.store.checkpoints) == [3, 8]


def test_a_clock_that_was_set_back_does_not_silence_the_log() -> None:
    world, officer, room = published()
    grow(world, officer, room)
    world.tick(-3_600_000)
    assert list(world.store.checkpoints) == [3, 4]


def test_a_checkpoint_is_recorded_before_it_is_shown_or_goes_to_the_witnesses() -> None:
    world, _, _ = community()
    world.holding = True
    world.tick(30_000)
    assert world.cosigning == []
    assert world.core.published == 0
    world.release()
    assert [(effect.size, effect.note) for effect in world.cosigning] == [(3, world.store.checkpoints[3])]
    assert world.core.published == shown(world) == 3


def test_what_the_store_could_not_record_is_published_with_the_next_tick() -> None:
    world, officer, room = community()
    world.store.reads_fail = True
    world.tick(30_000)
    assert (world.store.checkpoints, world.cosigning) == ({}, [])
    world.store.reads_fail = False
    grow(world, officer, room)
    world.tick(30_000)
    assert list(world.store.checkpoints) == [4]


def test_cosignatures_are_recorded_with_their_checkpoint_and_counted_against_the_quorum() -> None:
    world, officer, _ = published()
    officer.send(frames.GetCheckpoint(request=7, witnessed=True))
    assert code_of(officer.refused()) is Code.NOT_FOUND
    cosign(world, W1, size=3)
    officer.send(frames.GetCheckpoint(request=8, witnessed=True))
    assert code_of(officer.refused()) is Code.NOT_FOUND
    cosign(world, W3, size=3)
    officer.send(frames.GetCheckpoint(request=9, witnessed=True))
    note = officer.one(frames.Checkpoint).note
    assert note == world.store.checkpoints[3]
    assert [line.name for line in decode_note(note).signatures] == [ORIGIN, W1.name, W3.name]


def test_one_witness_is_counted_once_however_often_it_cosigns() -> None:
    world, officer, _ = published()
    for later in range(3):
        cosign(world, W1, size=3, time_s=TIME_S + later)
    officer.send(frames.GetCheckpoint(request=7, witnessed=True))
    assert code_of(officer.refused()) is Code.NOT_FOUND
    cosign(world, W2, size=3)
    officer.send(frames.GetCheckpoint(request=8, witnessed=True))
    officer.one(frames.Checkpoint)


def test_what_no_witness_of_the_roster_has_signed_changes_nothing() -> None:
    world, _, _ = published()
    note = world.store.checkpoints[3]
    text = decode_note(note).text
    good = W1.sign(text, time_s=TIME_S)
    bad = W2.sign(text.replace("3", "4", 1), time_s=TIME_S)
    for lines in (b"", b"no lines\n", bad.encode().encode(), (good.encode() + bad.encode()).encode()):
        world.give(Cosigned(size=3, lines=lines))
    cosign(world, STRANGER, size=3)
    world.give(Cosigned(size=99, lines=good.encode().encode()))
    assert world.store.checkpoints == {3: note}
    with pytest.raises(VerifyError):
        world.core.verify_cosignatures(note, bad.encode().encode())
    with pytest.raises(DecodeError):
        world.core.verify_cosignatures(note, b"")
    world.core.verify_cosignatures(note, good.encode().encode())


def test_cosignatures_that_the_store_could_not_record_are_recorded_later() -> None:
    world, _, _ = published()
    world.store.reads_fail = True
    cosign(world, W1, size=3)
    world.store.reads_fail = False
    assert len(decode_note(world.store.checkpoints[3]).signatures) == 1
    world.tick()
    assert len(decode_note(world.store.checkpoints[3]).signatures) == 2


def test_two_witnesses_that_answer_while_the_store_is_busy_are_both_recorded() -> None:
    world, _, _ = published()
    world.holding = True
    for signer in (W1, W2, W3):
        cosign(world, signer, size=3)
    world.release()
    assert len(decode_note(world.store.checkpoints[3]).signatures) == 4


def test_who_asks_is_shown_what_the_quorum_has_seen_unless_the_witnesses_are_late() -> None:
    world, officer, room = published()
    cosign(world, W1, W2, size=3)
    grow(world, officer, room)
    world.tick(30_000)
    assert world.core.published == 4
    assert shown(world) == 3
    world.now_ms += 10_001
    assert shown(world) == 4
    cosign(world, W2, W3, size=4)
    assert shown(world) == 4


def test_a_relay_without_a_quorum_shows_what_it_published() -> None:
    world, officer, room = community(quorum=0)
    assert shown(world) == 3
    world.tick(30_000)
    officer.send(frames.GetCheckpoint(request=7, witnessed=True))
    assert decode_checkpoint(officer.one(frames.Checkpoint).note)[0].size == 3
    grow(world, officer, room)
    assert shown(world) == 3


def test_a_restarted_relay_goes_on_with_what_was_published_and_asks_the_witnesses_again() -> None:
    world, officer, room = published()
    cosign(world, W1, W2, size=3)
    grow(world, officer, room)
    world.tick(30_000)
    world.cosigning.clear()
    world.restart()
    assert [effect.size for effect in world.cosigning] == [4]
    assert world.core.published == 4
    again = world.login(world.certify("b"))
    again.send(frames.GetCheckpoint(request=7, witnessed=True))
    assert decode_checkpoint(again.one(frames.Checkpoint).note)[0].size == 3


def test_late_cosignatures_are_taken_for_the_newest_checkpoints_alone_and_the_witnessed_one_is_kept() -> None:
    world, officer, room = published(checkpoint_leaves=1)
    cosign(world, W1, W2, size=3)
    grow(world, officer, room, KEPT + 2)
    newest = 3 + KEPT + 2
    assert list(world.store.checkpoints)[-KEPT - 3 :] == list(range(3, newest + 1))
    before = dict(world.store.checkpoints)
    cosign(world, W1, W2, size=4)
    assert world.store.checkpoints == before
    officer.send(frames.GetCheckpoint(request=7, witnessed=True))
    assert decode_checkpoint(officer.one(frames.Checkpoint).note)[0].size == 3
    cosign(world, W1, W2, size=newest)
    officer.send(frames.GetCheckpoint(request=8, witnessed=True))
    assert decode_checkpoint(officer.one(frames.Checkpoint).note)[0].size == newest


def test_published_checkpoints_are_read_in_pages_by_size() -> None:
    world, officer, room = published(checkpoint_leaves=1)
    grow(world, officer, room, 3)
    officer.send(frames.GetCheckpoints(request=7, after=4))
    answered = officer.one(frames.Checkpoints)
    assert (answered.request, [decode_checkpoint(note)[0].size for note in answered.notes]) == (7, [5, 6])
    officer.send(frames.GetCheckpoints(request=8, after=6))
    assert officer.one(frames.Checkpoints).notes == ()
    world.store.reads_fail = True
    officer.send(frames.GetCheckpoints(request=9, after=0))
    assert code_of(officer.refused()) is Code.STORE


def test_time_stamps_are_read_behind_a_number() -> None:
    world, officer, _ = published()
    note = world.store.checkpoints[3]
    for number in (1, 2, 3):
        stamp = StoredStamp(number=number, size=3, authority="tsa", note=note, data=b"token %d" % number)
        world.store.stamps.append(stamp)
    officer.send(frames.GetStamps(request=7, after=1))
    answered = officer.one(frames.Stamps)
    assert answered.request == 7
    assert [(stamp.number, stamp.size, stamp.authority, stamp.note, stamp.token) for stamp in answered.stamps] == [
        (2, 3, "tsa", note, b"token 2"),
        (3, 3, "tsa", note, b"token 3"),
    ]
    officer.send(frames.GetStamps(request=8, after=3))
    assert officer.one(frames.Stamps).stamps == ()
    world.store.reads_fail = True
    officer.send(frames.GetStamps(request=9, after=0))
    assert code_of(officer.refused()) is Code.STORE


def test_what_is_to_be_stamped_is_the_newest_recorded_checkpoint_that_the_quorum_has_cosigned() -> None:
    world, officer, room = published()
    seen = [world.core.witnessed]
    cosign(world, W1, size=3)
    seen.append(world.core.witnessed)
    world.holding = True
    cosign(world, W2, size=3)
    # Cosigned, and not durable yet: a time stamp would say more than the log can show after a power cut.
    seen.append(world.core.witnessed)
    world.release()
    seen.append(world.core.witnessed)
    grow(world, officer, room)
    world.tick(30_000)
    seen.append(world.core.witnessed)
    world.core = world.new_core()
    seen.append(world.core.witnessed)
    recorded = world.store.checkpoints[3]
    assert seen == [None, None, None, recorded, recorded, None]


def test_time_stamps_for_somebody_who_is_gone_go_nowhere() -> None:
    world, officer, _ = community()
    world.holding = True
    officer.send(frames.GetStamps(request=7, after=0))
    world.drop(officer)
    world.release()
    assert officer.take(frames.Stamps) == []


def test_an_answer_for_somebody_who_is_gone_goes_nowhere() -> None:
    world, officer, _ = community()
    world.holding = True
    officer.send(frames.GetCheckpoints(request=7, after=0))
    world.drop(officer)
    world.release()
    assert officer.take(frames.Checkpoints) == []


def test_a_failed_append_throws_away_what_was_to_be_published_and_the_log_goes_on() -> None:
    world, officer, room = community()
    world.holding = True
    world.tick(30_000)
    world.store.append_fails = "lost"
    grow(world, officer, room)
    world.release()
    assert (list(world.store.checkpoints), world.core.published) == ([3], 3)
    assert officer.device is not None
    world.recall(officer.device, room.id)
    grow(world, officer, room)
    world.tick(30_000)
    assert (list(world.store.checkpoints), world.core.published) == ([3, 4], 4)


def test_without_books_no_cosignature_is_judged_or_taken() -> None:
    world, _, _ = published()
    note = world.store.checkpoints[3]
    world.core = world.new_core()
    assert world.core.published == 0
    with pytest.raises(OperationalError):
        world.core.verify_cosignatures(note, b"")
    cosign(world, W1, size=3)
    assert world.store.checkpoints == {3: note}


def test_an_answer_of_which_a_line_is_there_twice_is_taken_once() -> None:
    world, _, _ = published()
    line = W1.sign(decode_note(world.store.checkpoints[3]).text, time_s=TIME_S).encode()
    world.give(Cosigned(size=3, lines=(line + line).encode()))
    assert len(decode_note(world.store.checkpoints[3]).signatures) == 2


def test_the_first_cosignature_of_a_witness_stays() -> None:
    world, _, _ = published()
    for later in range(5):
        cosign(world, W1, size=3, time_s=TIME_S + later)
    (_, line) = decode_note(world.store.checkpoints[3]).signatures
    assert int.from_bytes(line.signature[:8], "big") == TIME_S


def test_checkpoints_and_time_stamps_that_nobody_asked_for_go_nowhere() -> None:
    world, officer, _ = community()
    world.give(StampsRead(token=999, stamps=()))
    world.give(CheckpointsRead(token=999, notes=()))
    assert (officer.take(frames.Stamps), officer.take(frames.Checkpoints)) == ([], [])


def test_what_the_store_answers_for_books_that_were_thrown_away_finds_nothing() -> None:
    world, officer, room = community()
    world.holding = True
    world.store.append_fails = "lost"
    grow(world, officer, room)
    world.tick(30_000)
    world.step()
    assert world.core.published == 0
    world.release()
    assert list(world.store.checkpoints) == [3]
    assert world.core.published == 3
