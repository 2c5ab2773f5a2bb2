"""Attacks 1 and 2: the relay leaves entries out, or falls silent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import pytest

from amanah_client.model import RoomStatus
from amanah_protocol import frames
from amanah_protocol.envelope import Envelope, decode_envelope
from amanah_protocol.errors import Code, PeerError
from amanah_protocol.frames import Accepted, Stored
from amanah_protocol.heads import verify_room_head
from amanah_protocol.kinds import Kind
from amanah_protocol.log.leaf import Leaf, LeafType, decode_leaf
from amanah_protocol.log.receipt import Receipt, sign_receipt, verify_receipt
from amanah_protocol.types import CONTROL, DeviceId, RoomId
from tests.adversary.attack import Attack, Out
from tests.adversary.evil import EvilRelay
from tests.adversary.outcomes import control, defended
from tests.adversary.shown import evidence
from tests.adversary.stage import Stage

Play = Callable[..., Stage]
LOST: Final = ("I2", "I9", "I10")
"""What cannot hold where something is withheld: delivery, liveness, silence."""


class Withholding(Attack):
    """Keeps what one sender says from one member, however often it asks."""

    def __init__(self) -> None:
        super().__init__()
        self.room = RoomId(b"")
        self.victim = self.sender = DeviceId(b"")
        self.dropped: set[int] = set()
        self.asked = 0

    def aim(self, stage: Stage, *, victim: str, sender: str) -> None:
        """From now on."""
        self.room = stage.rooms[0]
        self.victim, self.sender = stage.device(victim).id, stage.device(sender).id

    def on_receive(self, relay: EvilRelay, sender: DeviceId | None, data: bytes) -> bool:
        if sender == self.victim and self.dropped:
            frame = frames.decode_client_frame(data)
            self.asked += isinstance(frame, frames.Subscribe) and frame.room == self.room
        return True

    def on_deliver(self, relay: EvilRelay, to: DeviceId, frame: frames.Delivery) -> Iterable[Out]:
        if (to, frame.room) == (self.victim, self.room):
            header = decode_envelope(frame.envelope).header
            if (header.kid, header.kind) == (self.sender, Kind.MESSAGE):
                self.dropped.add(frame.room_seq)
                return ()
        return (frame,)


def lose_one(play: Play) -> tuple[Stage, Withholding]:
    """ma-1 never gets a message of sn-1; then tn-1 says something."""
    attack = Withholding()
    stage = play(attack)
    attack.aim(stage, victim="ma-1", sender="sn-1")
    stage.say("sn-1", "the one that is dropped")
    stage.wait(3)
    stage.say("tn-1", "the next one")
    stage.wait(6)
    return stage, attack


@defended(1)
def test_a_dropped_message_is_a_gap_when_the_next_arrives_and_the_relays_own_head_proves_it(play: Play) -> None:
    stage, attack = lose_one(play)
    (dropped,) = attack.dropped
    assert attack.asked >= 1
    (alarm,) = stage.alarms("ma-1")
    assert alarm.code == Code.GAP
    proof = verify_room_head(evidence(alarm)[0], stage.relay.key.public).value
    assert (proof.room, proof.room_seq) >= (stage.rooms[0], dropped)
    # It halts loudly there, shows nothing behind the gap, and goes on elsewhere; so do the others here.
    assert stage.row("ma-1").status is RoomStatus.HALTED
    assert stage.texts("ma-1") == []
    stage.say("ma-1", "still heard", room=1)
    stage.wait(3)
    assert stage.texts("sn-2", room=1) == ["still heard"]
    for name in ("tn-1", "tn-2", "ma-2", "sn-2"):
        assert stage.texts(name) == ["the one that is dropped", "the next one"]
    assert stage.all_alarms().keys() == {"ma-1"}
    assert stage.broken(*LOST) == {}


@control(1, "places in a room")
def test_without_the_check_of_places_a_dropped_message_is_missed_by_nobody(play: Play) -> None:
    stage, _ = lose_one(play)
    assert stage.texts("ma-1") == ["the next one"]
    assert stage.texts("sn-2") == ["the one that is dropped", "the next one"]
    assert stage.all_alarms() == {}


class Omitting(Attack):
    """Acknowledges one publish with a signed receipt, and never logs it."""

    def __init__(self) -> None:
        super().__init__()
        self.sender: DeviceId | None = None
        self.omitted: Envelope | None = None

    def on_receive(self, relay: EvilRelay, sender: DeviceId | None, data: bytes) -> bool:
        if sender is None or sender != self.sender:
            return True
        frame = frames.decode_client_frame(data)
        if not isinstance(frame, frames.Publish):
            return True
        self.sender = None
        self.omitted = decode_envelope(frame.items[-1].envelope)
        relay.say(sender, self._receipt(relay, frame, self.omitted))
        return False

    @staticmethod
    def _receipt(relay: EvilRelay, frame: frames.Publish, envelope: Envelope) -> Stored:
        assert len(frame.items) == 1
        room, index, now_ms = relay.room(envelope.header.room), relay.books.ledger.size - 1, relay.clock_ms
        leaf = Leaf(
            type=LeafType.ENVELOPE,
            accepted_at_ms=now_ms,
            room=room.room,
            room_seq=room.head_seq + 1,
            previous=room.head_leaf,
            object=envelope.encoded,
        )
        # A root that the log does have at this size: that the receipt lies is seen by its leaf alone.
        root = relay.books.ledger.root
        receipt = Receipt(first_index=index, size=index + 1, root=root, accepted_at_ms=now_ms, leaves=(leaf.hash,))
        relay.remember(room.room, envelope)
        accepted = Accepted(request=frame.request, indices=(index,), sequences=(leaf.room_seq,), accepted_at_ms=now_ms)
        return Stored(receipt=sign_receipt(receipt, relay.key), accepted=(accepted,))


def omit_one(play: Play) -> tuple[Stage, Envelope]:
    """sn-1 gets a receipt for a message that nobody else ever gets; then it says something more."""
    attack = Omitting()
    stage = play(attack)
    stage.wait(35)
    attack.sender = stage.device("sn-1").id
    stage.say("sn-1", "acknowledged and gone")
    stage.wait(3)
    stage.say("sn-1", "the next one")
    stage.wait(3)
    stage.say("sn-1", "and one more")
    stage.wait(3)
    assert attack.omitted is not None
    return stage, attack.omitted


@defended(1)
def test_a_message_that_was_acknowledged_and_not_logged_is_missed_by_all_and_the_receipt_proves_it(play: Play) -> None:
    stage, omitted = omit_one(play)
    for name in ("tn-1", "tn-2", "tn-bot", "ma-1", "ma-2", "sn-2"):
        (alarm,) = stage.alarms(name)
        assert alarm.code == Code.GAP
        shown = decode_envelope(decode_leaf(evidence(alarm)[0]).object).header
        assert (shown.kid, shown.counter) == (stage.device("sn-1").id, omitted.header.counter + 1)
        assert shown.previous == omitted.id
        assert stage.texts(name) == ["and one more"]
    first, second = (verify_receipt(data, stage.relay.key.public).value for data in _receipts(stage)[0])
    assert first.leaves != second.leaves
    promised, found = _receipts(stage)[1]
    assert decode_leaf(found).hash not in verify_receipt(promised, stage.relay.key.public).value.leaves
    assert stage.alarms("sn-1", Code.GAP)
    assert stage.broken("I1", "I9", *LOST) == {}


def _receipts(stage: Stage) -> list[list[bytes]]:
    """What proves the relay's broken promises to who got them."""
    return [evidence(alarm) for alarm in stage.alarms("sn-1", Code.RECEIPT)]


@control(1, "senders' records")
def test_without_the_senders_records_an_omitted_message_is_missed_by_no_reader(play: Play) -> None:
    stage, _ = omit_one(play)
    for name in ("tn-1", "ma-1", "sn-2"):
        assert stage.texts(name) == ["the next one", "and one more"]
        assert stage.alarms(name) == []


# ---- 2: silence


class Silent(Attack):
    """Says nothing more to one device, and takes what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.victim: DeviceId | None = None

    def _pass(self, to: DeviceId, frame: frames.Frame) -> Iterable[Out]:
        return () if to == self.victim else (frame,)

    def on_deliver(self, relay: EvilRelay, to: DeviceId, frame: frames.Delivery) -> Iterable[Out]:
        return self._pass(to, frame)

    def on_roster(self, relay: EvilRelay, to: DeviceId, frame: frames.ControlEntry) -> Iterable[Out]:
        return self._pass(to, frame)

    def on_checkpoint(self, relay: EvilRelay, to: DeviceId, frame: frames.Frame) -> Iterable[Out]:
        return self._pass(to, frame)

    def on_other(self, relay: EvilRelay, to: DeviceId, frame: frames.Frame) -> Iterable[Out]:
        return self._pass(to, frame)


class TailCutting(Attack):
    """Holds a room at what one member has of it: its last honest head is shown for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.victim: DeviceId | None = None
        self.room: RoomId | None = None
        self.until = 0
        self.head = b""

    def on_deliver(self, relay: EvilRelay, to: DeviceId, frame: frames.Delivery) -> Iterable[Out]:
        return () if (to, frame.room) == (self.victim, self.room) else (frame,)

    def on_checkpoint(self, relay: EvilRelay, to: DeviceId, frame: frames.Frame) -> Iterable[Out]:
        data = frame.head if isinstance(frame, frames.Head | frames.PageEnd) else b""
        if to != self.victim or _room_of(relay, data) != self.room:
            return (frame,)
        if isinstance(frame, frames.PageEnd):
            return (frames.PageEnd(request=frame.request, room=frame.room, next=self.until, live=True, head=self.head),)
        return ()

    def cut_off(self, stage: Stage, victim: str) -> None:
        """From now on."""
        self.victim, self.room = stage.device(victim).id, stage.rooms[0]
        self.until = stage.row(victim).head_seq
        self.head = stage.relay.books.ledger.room_head(self.room, stage.now_ms)


def _room_of(relay: EvilRelay, data: bytes) -> RoomId | None:
    """The room that a signed head is of, if it is one of a room."""
    try:
        return verify_room_head(data, relay.key.public).value.room
    except PeerError:
        return None


class Freezing(Attack):
    """Holds the control stream at what one device has of it: its last honest head is shown again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.victim: DeviceId | None = None
        self.until = 0
        self.head = b""

    def on_roster(self, relay: EvilRelay, to: DeviceId, frame: frames.ControlEntry) -> Iterable[Out]:
        return () if to == self.victim else (frame,)

    def on_checkpoint(self, relay: EvilRelay, to: DeviceId, frame: frames.Frame) -> Iterable[Out]:
        if to != self.victim:
            return (frame,)
        if isinstance(frame, frames.PageEnd) and frame.room == CONTROL:
            end = frames.PageEnd(request=frame.request, room=CONTROL, next=self.until, live=True, head=self.head)
            return (end,)
        if isinstance(frame, frames.Head) and _room_of(relay, frame.head) is None:
            return (frames.Head(head=self.head),)
        return (frame,)

    def freeze(self, stage: Stage, victim: str) -> None:
        """From now on."""
        ledger = stage.relay.books.ledger
        self.victim = stage.device(victim).id
        self.until, self.head = ledger.control.head_seq, ledger.control_head(stage.now_ms)


def fall_silent(stage: Stage, victim: str) -> RoomId | None:
    """From now on, in the way of the attack; gives what is silent: a room, or the control stream."""
    match stage.attack:
        case TailCutting() as attack:
            attack.cut_off(stage, victim)
            return stage.rooms[0]
        case Freezing() as attack:
            attack.freeze(stage, victim)
            return None
        case Silent() as attack:
            attack.victim = stage.device(victim).id
            return stage.rooms[0]
    raise AssertionError(stage.attack)


@pytest.mark.parametrize("attack", [Silent, TailCutting, Freezing])
@defended(2)
def test_a_silent_relay_is_an_alarm_within_three_minutes(play: Play, attack: type[Attack]) -> None:
    stage = play(attack())
    stage.wait(70)
    silent = fall_silent(stage, "ma-1")
    began_ms = stage.now_ms
    stage.say("tn-1", "behind its back")
    stage.until(lambda: silent in {alarm.room for alarm in stage.alarms("ma-1", Code.STALE_HEAD)}, seconds=182)
    alarm = stage.alarms("ma-1", Code.STALE_HEAD)[-1]
    assert alarm.at_ms - began_ms <= 182_000  # clients look once a second, and a head is some time on its way
    assert stage.texts("ma-1") == (["behind its back"] if silent is None else [])
    for name in ("tn-2", "sn-1"):
        assert stage.texts(name) == ["behind its back"]
    assert stage.all_alarms().keys() == {"ma-1"}
    assert stage.broken(*LOST) == {}


@defended(2)
def test_an_idle_community_raises_no_alarm(play: Play) -> None:
    stage = play()
    stage.wait(400)
    assert stage.all_alarms() == {}


@control(2, "confirmed by a fresh head")
def test_without_the_bound_on_silence_a_tail_is_cut_unnoticed(play: Play) -> None:
    attack = TailCutting()
    stage = play(attack)
    stage.wait(70)
    attack.cut_off(stage, "ma-1")
    stage.say("tn-1", "not for ma-1")
    stage.wait(400)
    assert stage.texts("sn-1") == ["not for ma-1"]
    assert stage.texts("ma-1") == []
    assert stage.row("ma-1").status is RoomStatus.OPEN
    assert stage.alarms("ma-1") == []
