"""Attacks 11 and 12: a room's members are led apart, or some of them are left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from amanah_client import model
from amanah_client.model import MessageState, RoomStatus
from amanah_protocol import frames
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code
from amanah_protocol.heads import RoomHead, sign_room_head, verify_room_head
from amanah_protocol.kinds import Kind
from amanah_protocol.types import DeviceId, LeafHash, RoomId
from tests.adversary.attack import Attack, Heads, Out
from tests.adversary.evil import EvilRelay
from tests.adversary.outcomes import control, defended
from tests.adversary.stage import Stage

Play = Callable[..., Stage]
VICTIM: Final = "ma-1"
LEAVING: Final = "sn-2"


class Behind(Attack):
    """Shows some devices nothing more of a room from a commit on, and signs for them that there is nothing more."""

    def __init__(self) -> None:
        super().__init__()
        self.room = RoomId(b"")
        self.victims: set[DeviceId] = set()
        self.until = 2**40
        self.leaf = LeafHash(bytes(32))
        self.published: list[frames.Publish] = []

    def aim(self, stage: Stage, *victims: str) -> None:
        """From the next entry of the first room on."""
        self.room = stage.rooms[0]
        self.until, self.leaf = stage.row(victims[0]).head_seq, stage.row(victims[0]).head_leaf
        self.victims = {stage.device(name).id for name in victims}

    def on_receive(self, relay: EvilRelay, sender: DeviceId | None, data: bytes) -> bool:
        if sender in self.victims:
            frame = frames.decode_client_frame(data)
            if isinstance(frame, frames.Publish) and decode_envelope(frame.items[0].envelope).header.room == self.room:
                self.published.append(frame)
        return True

    def on_deliver(self, relay: EvilRelay, to: DeviceId, frame: frames.Delivery) -> Iterable[Out]:
        hidden = to in self.victims and frame.room == self.room and frame.room_seq > self.until
        return () if hidden else (frame,)

    def on_checkpoint(self, relay: EvilRelay, to: DeviceId, frame: Heads) -> Iterable[Out]:
        if to not in self.victims:
            return (frame,)
        match frame:
            case frames.PageEnd(room=room, request=request) if room == self.room:
                return (frames.PageEnd(request=request, room=room, next=self.until, live=True, head=self._head(relay)),)
            case frames.Head(head=head) if self._is_ours(relay, head):
                return (frames.Head(head=self._head(relay)),)
        return (frame,)

    def _is_ours(self, relay: EvilRelay, head: bytes) -> bool:
        return self.room in head and verify_room_head(head, relay.key.public).value.room == self.room

    def _head(self, relay: EvilRelay) -> bytes:
        head = RoomHead(
            room=self.room,
            room_seq=self.until,
            leaf=self.leaf,
            size=relay.books.state.size,
            time_ms=relay.clock_ms,
        )
        return sign_room_head(head, relay.key)


def leave_one_behind(play: Play) -> tuple[Stage, Behind]:
    """A device is removed; ma-1 is not shown it, and goes on writing for a circle in which it still is."""
    attack = Behind()
    stage = play(attack)
    stage.wait(35)
    attack.aim(stage, VICTIM)
    gone = stage.device(LEAVING).id
    assert stage.do("sn-1", model.Remove(room=stage.rooms[0], devices=(gone,))).state is model.IntentState.DONE
    stage.wait(5)
    for number in range(4):
        stage.say(VICTIM, f"for those who are in, {number}")
        stage.wait(25)
    return stage, attack


def sealed_for_the_old(stage: Stage, attack: Behind) -> int:
    """How many messages were sealed with keys that the removed device holds."""
    epoch = stage.circle(VICTIM, stage.row(VICTIM)).epoch
    headers = [decode_envelope(item.envelope).header for frame in attack.published for item in frame.items]
    return sum(header.kind is Kind.MESSAGE and header.epoch == epoch for header in headers)


@defended(12)
def test_who_is_left_behind_stops_at_the_first_refusal_and_raises_an_alarm_within_a_minute(play: Play) -> None:
    stage, attack = leave_one_behind(play)
    (alarm,) = stage.alarms(VICTIM)
    assert (alarm.code, alarm.room) == (Code.GAP, stage.rooms[0])
    assert "delivers no commit that ends it" in alarm.detail
    assert alarm.at_ms <= attack_began(attack) + 70_000
    # The first could not be known to be one too many; nothing was sealed after the relay had refused it.
    assert sealed_for_the_old(stage, attack) == 1
    assert stage.texts("tn-1") == stage.texts(VICTIM) == []
    assert all(row.state is not MessageState.STORED or row.kind != Kind.MESSAGE for row in sent_by(stage, VICTIM))
    # As soon as it is shown the commit, all that waited is said, to those who are in now.
    attack.victims.clear()
    stage.relay.cut(stage.device(VICTIM).id)
    stage.settle()
    assert stage.texts("tn-1") == [f"for those who are in, {number}" for number in range(4)]
    assert LEAVING not in stage.circle(VICTIM, stage.row(VICTIM)).members
    assert stage.all_alarms().keys() == {VICTIM}
    assert stage.crashes() == []


def attack_began(attack: Behind) -> int:
    """When the victim first wrote."""
    return min(decode_envelope(item.envelope).header.sent_at_ms for frame in attack.published for item in frame.items)


def sent_by(stage: Stage, name: str) -> list[model.MessageRow]:
    """What a device has written behind the commit that it was not shown."""
    me, until = stage.device(name).id, stage.row(name).head_seq
    return [row for row in stage.messages(name) if row.sender == me and (row.room_seq or until + 1) > until]


@control(12, "epochs that are over")
def test_without_the_look_at_refused_epochs_a_device_goes_on_sealing_for_who_was_removed(play: Play) -> None:
    stage, attack = leave_one_behind(play)
    assert stage.alarms(VICTIM) == []
    assert sealed_for_the_old(stage, attack) > 3
    assert stage.row(VICTIM).status is RoomStatus.OPEN
