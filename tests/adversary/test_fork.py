"""Attacks 11 and 12: a room's members are led apart, or some of them are left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import pytest

from amanah_client import actions, model
from amanah_client.model import MessageState, RoomStatus
from amanah_protocol import frames
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import Header, decode_envelope
from amanah_protocol.errors import Code
from amanah_protocol.heads import RoomHead, sign_room_head, verify_room_head
from amanah_protocol.kinds import Kind
from amanah_protocol.limits import HEAD_INTERVAL_MS
from amanah_protocol.log.leaf import decode_leaf
from amanah_protocol.log.receipt import Receipt, sign_receipt
from amanah_protocol.types import DeviceId, LeafHash, RoomId
from tests.adversary.attack import Attack, Heads, Out
from tests.adversary.defences import switched_off
from tests.adversary.evil import EvilRelay
from tests.adversary.outcomes import control, defended
from tests.adversary.shown import evidence
from tests.adversary.stage import Stage
from tests.client.core.forge import leaf_of

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
        return bytes(self.room) in head and verify_room_head(head, relay.key.public).value.room == self.room

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
    assert stage.do("sn-1", actions.Remove(room=stage.rooms[0], devices=(gone,))).state is model.IntentState.DONE
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


# ---- 11: two commits for one epoch

HALF: Final = ("ma-1", "ma-2", "sn-1", "sn-2")
"""Who is led astray; the others are shown what is logged."""
LED: Final = ("ma-1", "sn-1", "sn-2")
"""Those of them that are in after their half's commit."""


class Forking(Behind):
    """Takes what one half publishes, logs nothing of it, and shows it to that half, with receipts and heads."""

    from_the_start = True  # without the proof of commits, none was asked for while the rooms were opened either

    def __init__(self, ahead: int) -> None:
        super().__init__()
        self.ahead = ahead
        self.branch: list[frames.Delivery] = []

    def on_receive(self, relay: EvilRelay, sender: DeviceId | None, data: bytes) -> bool:
        if sender is None or sender not in self.victims:
            return True
        match frames.decode_client_frame(data):
            case frames.Publish() as frame if decode_envelope(frame.items[0].envelope).header.room == self.room:
                self.published.append(frame)
                self._take(relay, sender, frame)
                return False
            case frames.Subscribe(room=room, after=after, request=request) if room == self.room and after >= self.until:
                relay.say(
                    sender, *(entry for entry in self.branch if entry.room_seq > after), self._end(relay, request)
                )
                return False
        return True

    def _take(self, relay: EvilRelay, sender: DeviceId, frame: frames.Publish) -> None:
        first = len(self.branch)
        for item in frame.items:
            self.branch.append(self._next(relay, item))
        new = self.branch[first:]
        receipt = Receipt(
            first_index=new[0].index,
            size=new[-1].index + 1,
            root=sha256(b"any"),
            accepted_at_ms=new[0].accepted_at_ms,
            leaves=tuple(leaf_of(entry).hash for entry in new),
        )
        accepted = frames.Accepted(
            request=frame.request,
            indices=tuple(entry.index for entry in new),
            sequences=tuple(entry.room_seq for entry in new),
            accepted_at_ms=new[0].accepted_at_ms,
        )
        relay.say(sender, frames.Stored(receipt=sign_receipt(receipt, relay.key), accepted=(accepted,)))
        for device in self.victims:
            relay.say(device, *new)

    def _next(self, relay: EvilRelay, item: frames.Item) -> frames.Delivery:
        last = self.branch[-1] if self.branch else None
        index = relay.books.state.size + self.ahead if last is None else last.index + 1
        return frames.Delivery(
            room=self.room,
            room_seq=self.until + 1 if last is None else last.room_seq + 1,
            index=index,
            accepted_at_ms=relay.clock_ms,
            previous=self.leaf if last is None else leaf_of(last).hash,
            envelope=item.envelope,
            content=item.content,
        )

    def _end(self, relay: EvilRelay, request: int) -> frames.PageEnd:
        last = self.branch[-1].room_seq if self.branch else self.until
        return frames.PageEnd(request=request, room=self.room, next=last, live=True, head=self._head(relay))

    def on_deliver(self, relay: EvilRelay, to: DeviceId, frame: frames.Delivery) -> Iterable[Out]:
        hidden = to in self.victims and frame.room == self.room and frame.room_seq > self.until
        return () if hidden else (frame,)

    def _head(self, relay: EvilRelay) -> bytes:
        if not self.branch:
            return super()._head(relay)
        last = self.branch[-1]
        head = RoomHead(
            room=self.room,
            room_seq=last.room_seq,
            leaf=leaf_of(last).hash,
            size=max(relay.books.state.size, last.index + 1),
            time_ms=relay.clock_ms,
        )
        return sign_room_head(head, relay.key)


def lead_apart(play: Play, ahead: int) -> tuple[Stage, Forking, int]:
    """TN removes its bot and MA one of its officers, in one epoch; each half is shown one of the two commits."""
    attack = Forking(ahead)
    stage = play(attack)
    stage.wait(35)
    attack.aim(stage, *HALF)
    began_at_ms = stage.now_ms
    for name, leaving in (("tn-1", "tn-bot"), ("ma-1", "ma-2")):
        stage.do(name, actions.Remove(room=stage.rooms[0], devices=(stage.device(leaving).id,)))
    for number in range(9):
        stage.say("sn-1", f"to one half, {number}")
        stage.say("tn-1", f"to the other, {number}")
        stage.wait(20)
    return stage, attack, began_at_ms


@defended(11)
@pytest.mark.parametrize(("ahead", "code"), [(0, Code.PROOF), (10**6, Code.GAP)])
def test_a_half_that_is_led_apart_proves_it_within_two_intervals_and_says_no_more(
    play: Play, ahead: int, code: Code
) -> None:
    # Who writes is warned by its receipts as well; this is what is left to those who only read.
    with switched_off("receipts are redeemed"):
        stage, attack, began_at_ms = lead_apart(play, ahead)
        _all_of_a_half_stop(stage, attack, began_at_ms, code)


def _all_of_a_half_stop(stage: Stage, attack: Forking, began_at_ms: int, code: Code) -> None:
    ours, theirs = commit_of(stage, "tn-1"), attack.branch[0]
    for name in LED:
        (alarm,) = [found for found in stage.alarms(name) if found.room == stage.rooms[0]]
        assert alarm.code == code
        assert alarm.at_ms - began_at_ms <= 2 * HEAD_INTERVAL_MS + 10_000
        assert stage.row(name).status is RoomStatus.HALTED
        # Two signed commits for one epoch and one place: that which the log holds, and that which was shown here.
        shown = decode_leaf(evidence(alarm)[0])
        assert shown == leaf_of(theirs)
        first, second = decode_envelope(shown.object).header, decode_envelope(ours.encoded).header
        assert (first.kind, first.epoch, shown.room_seq) == (second.kind, second.epoch, ours.room_seq)
        assert first.kid != second.kid
        after = [header for header in headers(attack) if header.sent_at_ms > alarm.at_ms]
        assert [header for header in after if header.kid == stage.device(name).id] == []
    # The other half is shown what is logged, and goes on; so does the other room.
    assert stage.texts("tn-2") == [f"to the other, {number}" for number in range(9)]
    assert stage.alarms("tn-1") == stage.alarms("tn-2") == []
    stage.say("ma-1", "still heard", room=1)
    stage.wait(3)
    assert stage.texts("sn-2", room=1) == ["still heard"]
    assert stage.crashes() == []


@defended(11)
@pytest.mark.parametrize("ahead", [0, 10**6])
def test_who_writes_in_a_half_holds_receipts_that_prove_another_log(play: Play, ahead: int) -> None:
    stage, _, began_at_ms = lead_apart(play, ahead)
    for name in ("ma-1", "sn-1"):
        (alarm,) = stage.alarms(name, Code.FORK, Code.LOG_ROLLBACK)
        assert alarm.at_ms - began_at_ms <= 2 * HEAD_INTERVAL_MS
        assert stage.client(name).store.conflicts()
    assert stage.alarms("tn-1") == stage.alarms("tn-2") == []
    assert stage.crashes() == []


def headers(attack: Behind) -> list[Header]:
    """Of all that the led half has published."""
    return [decode_envelope(item.envelope).header for frame in attack.published for item in frame.items]


def commit_of(stage: Stage, name: str) -> model.MessageRow:
    """The newest commit of a room as a device has it."""
    return [row for row in stage.messages(name) if row.kind == Kind.COMMIT][-1]


class PuttingOff(Attack):
    """Gives one device the proof of a commit late: it refuses for now, or holds it back."""

    def __init__(self) -> None:
        super().__init__()
        self.victim: DeviceId | None = None
        self.refusals = 0
        self.hold = False
        self.held: list[frames.Path] = []

    def on_checkpoint(self, relay: EvilRelay, to: DeviceId, frame: Heads) -> Iterable[Out]:
        if to != self.victim or not isinstance(frame, frames.Path) or frame.leaf is None:
            return (frame,)
        if self.refusals:
            self.refusals -= 1
            return (frames.Refused(request=frame.request, code=Code.RATE, detail="later"),)
        if self.hold:
            self.held.append(frame)
            return ()
        return (frame,)


@defended(11)
def test_a_proof_that_comes_late_is_waited_for_and_the_next_commit_is_proven_too(play: Play) -> None:
    attack = PuttingOff()
    stage = play(attack)
    stage.wait(35)
    attack.victim, attack.refusals, attack.hold = stage.device("sn-2").id, 2, True
    for name, leaving in (("tn-1", "tn-bot"), ("ma-1", "ma-2")):
        stage.do(name, actions.Remove(room=stage.rooms[0], devices=(stage.device(leaving).id,)))
        stage.until(lambda: bool(attack.held))
    assert attack.refusals == 0
    (held,), attack.hold = attack.held, False
    stage.relay.say(attack.victim, held)
    stage.wait(3 * HEAD_INTERVAL_MS // 1000)
    assert stage.all_alarms() == {}
    core = stage.client("sn-2")._core
    assert core is not None
    assert core._ctx.rooms[stage.rooms[0]].anchor is None


@control(11, "commits are proven")
def test_without_the_proof_of_commits_two_halves_never_find_out(play: Play) -> None:
    stage, _, _ = lead_apart(play, 0)
    assert stage.texts("ma-1") == [f"to one half, {number}" for number in range(9)]
    assert stage.texts("tn-2") == [f"to the other, {number}" for number in range(9)]
    assert stage.all_alarms() == {}
