"""Attacks 9 and 10: what was sealed for one room or one epoch is shown in another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import pytest

from amanah_client import actions, model
from amanah_client.model import MessageState
from amanah_protocol import frames
from amanah_protocol.envelope import audience_digest, decode_envelope
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Ack, Counts, Grade, Kind
from amanah_protocol.log.leaf import decode_leaf
from amanah_protocol.types import DeviceId, EnvelopeId
from amanah_relay.core.checks import members_of
from amanah_relay.effects import Append
from tests.adversary.attack import Attack, Planted
from tests.adversary.evil import EvilRelay
from tests.adversary.forge import signed
from tests.adversary.outcomes import control, defended
from tests.adversary.shown import evidence
from tests.adversary.stage import IN_BOTH, Stage
from tests.simulation.final import EVERYTHING

Play = Callable[..., Stage]
TOLD: Final = ("I3", "I5", "I10")
"""What entries that nobody sent there break for whoever looks at the log alone: order, receipts, silence."""


class Collecting(Attack):
    """Keeps what is logged."""

    from_the_start = True

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Planted] = []

    def on_store(self, relay: EvilRelay, batch: Append) -> None:
        for entry in batch.entries:
            if entry.envelope is not None and entry.addressees is None:
                self.entries.append(Planted.of(decode_envelope(entry.object), entry.content or b""))

    def of(self, room: bytes, *kinds: Kind) -> list[Planted]:
        """Entries of a room, of some kinds."""
        headers = [(entry, entry.envelope.header) for entry in self.entries if entry.envelope is not None]
        return [entry for entry, header in headers if header.room == room and header.kind in kinds]


@defended(9)
def test_a_ciphertext_of_one_room_is_refused_in_the_other(play: Play) -> None:
    attack = Collecting()
    stage = play(attack)
    for number, name in enumerate(IN_BOTH * 2):
        stage.say(name, f"in the room {number % 2}", room=number % 2)
    stage.settle()
    stage.wait(35)
    before = stage.states()
    sealed = [attack.of(room, Kind.MESSAGE, Kind.COMMIT) for room in stage.rooms]
    assert all(len(found) > 8 for found in sealed)
    for room, other in ((0, 1), (1, 0)):
        for planted in sealed[other]:
            stage.relay.log(stage.rooms[room], planted)
    stage.wait(10)
    assert stage.states() == before
    for name in IN_BOTH:
        alarms = stage.alarms(name)
        assert {alarm.code for alarm in alarms} == {Code.BINDING}
        assert {alarm.room for alarm in alarms} == set(stage.rooms)
        for alarm in alarms:
            leaf = decode_leaf(evidence(alarm)[0])
            assert decode_envelope(leaf.object).header.room != leaf.room
    assert stage.broken(*TOLD, "I2", "I4", "I6", "I8", "sound") == {}
    _goes_on(stage)


def _goes_on(stage: Stage) -> None:
    for room in (0, 1):
        stage.say("sn-1", f"on in {room}", room=room)
        stage.wait(3)
        for name in IN_BOTH:
            assert stage.texts(name, room)[-1] == f"on in {room}"


@defended(9)
def test_the_content_of_one_envelope_is_refused_beside_another(play: Play) -> None:
    """The relay pairs a fresh envelope with what was sealed in the other room."""
    attack = Swapping()
    stage = play(attack)
    stage.say("sn-1", "of the other room", room=1)
    stage.wait(35)
    attack.sender = stage.device("sn-2").id
    attack.content = attack.collected[-1]
    stage.say("sn-2", "of this room")
    stage.wait(5)
    for name in ("tn-1", "ma-1", "sn-1"):
        (alarm,) = stage.alarms(name)
        assert alarm.code == Code.CONTENT_HASH
        assert evidence(alarm)
    for name in ("tn-1", "ma-1"):
        assert stage.texts(name) == []
        assert [row.code for row in stage.messages(name) if row.state is MessageState.UNREADABLE] == ["CONTENT_HASH"]
    # Its author is a colleague, and sends it again.
    assert stage.texts("sn-1") == ["of this room"]
    stage.say("tn-1", "and on")
    stage.wait(3)
    assert stage.texts("ma-1") == ["and on"]


class Swapping(Attack):
    """Delivers the next message of one sender with another content."""

    def __init__(self) -> None:
        super().__init__()
        self.sender: DeviceId | None = None
        self.content = b""
        self.collected: list[bytes] = []

    def on_store(self, relay: EvilRelay, batch: Append) -> None:
        for entry in batch.entries:
            if self.armed and entry.content and decode_envelope(entry.object).header.kind is Kind.MESSAGE:
                self.collected.append(entry.content)

    def on_deliver(self, relay: EvilRelay, to: DeviceId, frame: frames.Delivery) -> Iterable[frames.Frame]:
        header = decode_envelope(frame.envelope).header
        if header.kid != self.sender or header.kind is not Kind.MESSAGE:
            return (frame,)
        return (_with_content(frame, self.content),)

    def on_other(self, relay: EvilRelay, to: DeviceId, frame: frames.Frame) -> Iterable[frames.Frame]:
        """Nor is the right one given to who asks for it by its name."""
        if self.sender is None or not isinstance(frame, frames.ContentPiece):
            return (frame,)
        return (frames.Refused(request=frame.request, code=Code.NOT_FOUND, detail="no such content"),)


def _with_content(frame: frames.Delivery, content: bytes) -> frames.Delivery:
    return frames.Delivery(
        room=frame.room,
        room_seq=frame.room_seq,
        index=frame.index,
        accepted_at_ms=frame.accepted_at_ms,
        previous=frame.previous,
        envelope=frame.envelope,
        content=content,
    )


def splice_with_its_author(play: Play) -> tuple[Stage, Planted, int]:
    """sn-1 signs for the second room what goes on from its record in the first; the relay shows it there."""
    stage = play()
    stage.wait(35)
    first, second = stage.rooms
    record = stage.relay.member(first, stage.device("sn-1").id)
    room = stage.relay.room(first)
    spliced = signed(
        stage.relay,
        stage.device("sn-1").key,
        second,
        Counts(accepted=9, merged=0, dropped=0),
        counter=record.last_counter + 1,
        previous=record.last_id,
        epoch=room.epoch,
        audience=audience_digest(members_of(room)),
    )
    place = stage.relay.log(first, spliced)
    stage.wait(3)
    return stage, spliced, place


@defended(9)
def test_an_entry_of_another_room_is_refused_also_where_its_author_helps(play: Play) -> None:
    stage, spliced, _ = splice_with_its_author(play)
    for name in ("tn-1", "ma-1", "sn-2"):
        (alarm,) = stage.alarms(name)
        assert alarm.code == Code.BINDING
        assert decode_leaf(evidence(alarm)[0]).object == spliced.object
        assert _rows(stage, name, spliced) == []
    stage.say("tn-1", "and on")
    stage.wait(3)
    assert stage.texts("ma-1") == ["and on"]


@control(9, "envelopes name their room")
def test_without_the_look_at_the_room_an_entry_of_one_stands_in_the_other(play: Play) -> None:
    stage, spliced, place = splice_with_its_author(play)
    for name in ("tn-1", "ma-1", "sn-2"):
        (row,) = _rows(stage, name, spliced)
        assert (row.state, row.room_seq) == (MessageState.STORED, place)
        assert stage.alarms(name) == []


def _rows(stage: Stage, name: str, planted: Planted) -> list[model.MessageRow]:
    assert planted.envelope is not None
    store = stage.client(name).store
    found = [row for room in stage.rooms for row in store.messages(room, limit=EVERYTHING)]
    return [row for row in found if row.envelope == planted.envelope.id]


# ---- 10


class Holding(Attack):
    """Keeps the next publish of one sender, and says nothing to it."""

    def __init__(self) -> None:
        super().__init__()
        self.sender: DeviceId | None = None
        self.held: list[Planted] = []

    def on_receive(self, relay: EvilRelay, sender: DeviceId | None, data: bytes) -> bool:
        if sender is None or sender != self.sender:
            return True
        frame = frames.decode_client_frame(data)
        if not isinstance(frame, frames.Publish):
            return True
        self.held = self.held or [Planted.of(decode_envelope(i.envelope), i.content or b"") for i in frame.items]
        return False


@pytest.mark.parametrize("removed", [True, False])
@defended(10)
def test_a_message_of_an_epoch_that_is_over_is_refused_also_of_who_is_still_in(play: Play, removed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    attack = Holding()
    stage = play(attack)
    stage.wait(35)
    attack.sender = stage.device("sn-2").id
    stage.say("sn-2", "held back")
    stage.until(lambda: bool(attack.held))
    leaving = "sn-2" if removed else "sn-1"
    stage.do("tn-1", actions.Remove(room=stage.rooms[0], devices=(stage.device(leaving).id,)))
    stage.wait(3)
    readers = [name for name in ("tn-1", "tn-2", "ma-1", "ma-2") if name != leaving]
    before = stage.states(*readers)
    stage.relay.log(stage.rooms[0], *attack.held)
    stage.wait(5)
    assert stage.states(*readers) == before
    for name in readers:
        (alarm,) = stage.alarms(name)
        assert alarm.code == (Code.NOT_MEMBER if removed else Code.BINDING)
        assert decode_leaf(evidence(alarm)[0]).object == attack.held[0].object
        assert stage.texts(name) == []
    stage.say("tn-2", "and on")
    stage.wait(3)
    assert all(stage.texts(name) == ["and on"] for name in readers)


def acknowledge_after_removal(play: Play) -> Stage:
    """sn-2 was removed; with the relay's help it acknowledges a message as if it were still in."""
    stage = play()
    stage.say("tn-1", "not for sn-2 any more")
    stage.wait(3)
    stage.do("tn-1", actions.Remove(room=stage.rooms[0], devices=(stage.device("sn-2").id,)))
    stage.wait(35)
    target = next(row.envelope for row in stage.messages("tn-2") if row.content and row.kind == Kind.MESSAGE)
    forged = signed(
        stage.relay,
        stage.device("sn-2").key,
        stage.rooms[0],
        Ack(grade=Grade.ACTING, envelope=EnvelopeId(target)),
    )
    stage.relay.log(stage.rooms[0], forged)
    stage.wait(3)
    return stage


@defended(10)
def test_who_was_removed_signs_nothing_more_in_the_room(play: Play) -> None:
    stage = acknowledge_after_removal(play)
    for name in ("tn-1", "ma-1", "sn-1"):
        (alarm,) = stage.alarms(name)
        assert alarm.code == Code.NOT_MEMBER
        assert evidence(alarm)
        assert Kind.ACK not in {said.kind for said in stage.said(name, stage.rooms[0])}


@control(10, "senders are members")
def test_without_the_look_at_the_members_who_was_removed_still_speaks(play: Play) -> None:
    stage = acknowledge_after_removal(play)
    for name in ("tn-1", "ma-1", "sn-1"):
        assert stage.alarms(name) == []
        assert [said.sender for said in stage.said(name, stage.rooms[0]) if said.kind is Kind.ACK] == ["sn-2"]
