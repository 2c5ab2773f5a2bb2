"""Attack 24: more messages of epochs to come than anybody could keep."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from amanah_client import effects as e
from amanah_client import inputs
from amanah_client.model import Alarm, RoomStatus
from amanah_protocol import frames
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Kind, Message
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.types import EnvelopeId, LeafHash
from tests.adversary.forge import signed
from tests.adversary.outcomes import control, defended
from tests.adversary.stage import Stage

Play = Callable[..., Stage]
VICTIM: Final = "ma-1"
SENDER: Final = "sn-1"
FRAMES: Final = 20_000
"""Over five megabytes of content; a run of the long form multiplies this: `make campaign`."""
GROWTH: Final = 2**20
SIGNED: Final = 400
"""Those that a member signs are judged one by one; the long form multiplies this too."""


def pushed(stage: Stage, count: int) -> Iterator[bytes]:
    """A member's envelopes, said to stand ever farther behind what the victim has; the relay alone can do that."""
    row = stage.row(VICTIM)
    envelopes = [found.encoded for found in stage.messages(VICTIM) if found.kind == Kind.MESSAGE]
    for number in range(count):
        frame = frames.Delivery(
            room=row.room,
            room_seq=row.head_seq + 2 + number,
            index=row.head_index + 2 + number,
            accepted_at_ms=stage.now_ms,
            previous=sha256(b"%d" % number),
            envelope=envelopes[number % len(envelopes)],
            content=bytes(256),
        )
        yield frames.encode_frame(frame)


def feed(stage: Stage, data: Iterator[bytes]) -> tuple[int, list[Alarm]]:
    """Hand frames to the victim's core, which writes to nobody meanwhile; gives by how much it grew, and its alarms."""
    core, alarms = stage.client(VICTIM)._core, []
    assert core is not None
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for encoded in data:
        step = core.handle(inputs.Received(data=encoded), stage.client(VICTIM).clock_ms)
        alarms += [write.alarm for write in step.writes if isinstance(write, e.PutAlarm)]
    growth = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return growth, alarms


@pytest.mark.slow
@defended(24)
def test_any_number_of_frames_from_behind_the_head_fills_no_memory(play: Play, scale: int) -> None:
    stage = play()
    stage.say(SENDER, "an envelope")
    stage.wait(35)
    growth, alarms = feed(stage, pushed(stage, FRAMES * scale))
    assert growth < GROWTH
    assert len(alarms) <= 1
    # Its store was told nothing of it: it begins anew, asks, and goes on.
    stage.client(VICTIM).kill()
    stage.client(VICTIM).start()
    stage.say("tn-1", "and on")
    stage.wait(10)
    assert stage.texts(VICTIM) == ["an envelope", "and on"]
    assert stage.crashes() == []


def to_come(stage: Stage, count: int) -> Iterator[bytes]:
    """A member signs messages of ever later epochs, and the relay gives each the next place in the record."""
    row, key = stage.row(VICTIM), stage.device(SENDER).key
    member = stage.relay.member(row.room, stage.device(SENDER).id)
    previous, leaf = member.last_id, row.head_leaf
    for number in range(1, count + 1):
        made = signed(
            stage.relay,
            key,
            row.room,
            Message(),
            bytes(64),
            epoch=stage.relay.room(row.room).epoch + number,
            counter=member.last_counter + number,
            previous=EnvelopeId(previous),
        )
        previous = decode_envelope(made.object).id
        placed = frames.Delivery(
            room=row.room,
            room_seq=row.head_seq + number,
            index=row.head_index + 100 + number,
            accepted_at_ms=stage.now_ms,
            previous=leaf,
            envelope=made.object,
            content=made.content,
        )
        leaf = leaf_of(placed)
        yield frames.encode_frame(placed)


def leaf_of(placed: frames.Delivery) -> LeafHash:
    """What the next entry names."""
    return Leaf(
        type=LeafType.ENVELOPE,
        accepted_at_ms=placed.accepted_at_ms,
        room=placed.room,  # type: ignore[arg-type]  # frames hold plain bytes
        room_seq=placed.room_seq,
        previous=LeafHash(placed.previous),
        object=placed.envelope,
    ).hash


def flood_with_signed(play: Play, count: int) -> tuple[Stage, int, list[Alarm]]:
    """So many that a member has signed."""
    stage = play()
    stage.wait(35)
    growth, alarms = feed(stage, to_come(stage, count))
    return stage, growth, alarms


@defended(24)
def test_what_a_member_signs_for_epochs_to_come_raises_some_alarms_and_not_one_each(play: Play, scale: int) -> None:
    stage, growth, alarms = flood_with_signed(play, SIGNED * scale)
    assert growth < GROWTH
    assert {alarm.code for alarm in alarms} == {Code.BINDING}
    assert 1 <= len(alarms) <= 64
    assert stage.row(VICTIM).status is RoomStatus.OPEN
    assert stage.texts(VICTIM) == []
    assert stage.crashes() == []


@control(24, "alarms are counted")
def test_without_counting_alarms_each_of_them_is_kept_with_its_evidence(play: Play, scale: int) -> None:
    _, _, alarms = flood_with_signed(play, SIGNED * scale)
    assert len(alarms) == SIGNED * scale
