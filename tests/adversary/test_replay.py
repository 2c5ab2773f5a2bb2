"""Attacks 7 and 8: what was sent once is sent again, to the same, to others, to its author; answers are lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import pytest

from amanah_client import actions
from amanah_client.model import IntentState, MessageState, RoomStatus
from amanah_protocol import frames
from amanah_protocol.envelope import Envelope, decode_envelope
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Kind
from amanah_protocol.log.leaf import decode_leaf
from amanah_protocol.types import DeviceId, RoomId
from amanah_relay.effects import Append
from tests.adversary.attack import Attack, Out, Planted
from tests.adversary.evil import EvilRelay
from tests.adversary.outcomes import control, defended
from tests.adversary.shown import evidence
from tests.adversary.stage import Stage

Play = Callable[..., Stage]
READERS: Final = ("tn-1", "tn-2", "ma-1", "ma-2", "sn-1", "sn-2")
DAY_MS: Final = 86_400_000
REPLAYS: Final = 100


class Recording(Attack):
    """Keeps every entry of the first room and every frame, to show it again."""

    def __init__(self) -> None:
        super().__init__()
        self.room = RoomId(b"")
        self.entries: list[Planted] = []
        self.frames: list[frames.Frame] = []

    def on_store(self, relay: EvilRelay, batch: Append) -> None:
        for entry in batch.entries:
            if entry.room == self.room and entry.addressees is None:
                self.entries.append(Planted.of(decode_envelope(entry.object), entry.content or b""))

    def _keep(self, frame: frames.Frame) -> Iterable[Out]:
        if self.armed:
            self.frames.append(frame)
        return (frame,)

    def on_deliver(self, relay: EvilRelay, to: DeviceId, frame: frames.Delivery) -> Iterable[Out]:
        return self._keep(frame)

    def on_roster(self, relay: EvilRelay, to: DeviceId, frame: frames.ControlEntry) -> Iterable[Out]:
        return self._keep(frame)

    def on_checkpoint(self, relay: EvilRelay, to: DeviceId, frame: frames.Frame) -> Iterable[Out]:
        return self._keep(frame)

    def on_other(self, relay: EvilRelay, to: DeviceId, frame: frames.Frame) -> Iterable[Out]:
        return self._keep(frame)


def talk(stage: Stage, count: int, after: Callable[[int], None] = lambda _: None) -> list[str]:
    """Officers take turns; gives what they said."""
    assert isinstance(stage.attack, Recording)
    stage.attack.room = stage.rooms[0]
    said = []
    for number in range(count):
        name = READERS[number % len(READERS)]
        said.append(f"{number} by {name}")
        stage.say(name, said[-1])
        stage.wait(2)
        after(number)
    return said


@defended(7)
def test_an_entry_that_is_logged_again_at_any_later_point_is_shown_once(play: Play) -> None:
    attack = Recording()
    stage = play(attack)
    stage.wait(35)

    def again(number: int) -> None:
        entries = tuple(attack.entries)
        for turn in range(REPLAYS // 10):
            stage.relay.log(stage.rooms[0], entries[(7 * number + turn) % len(entries)])
        stage.wait(1)

    said = talk(stage, 10, again)
    for name in READERS:
        assert stage.texts(name) == said
        assert {alarm.code for alarm in stage.alarms(name)} == {Code.REPLAY}
        # What was stored first stays what it was, also where its author gets it back.
        assert all(row.state is MessageState.STORED for row in stage.messages(name) if row.content)
        assert stage.row(name).status is RoomStatus.OPEN
    replayed = {decode_leaf(evidence(alarm)[0]).object for alarm in stage.alarms("ma-1")}
    assert replayed <= {planted.object for planted in attack.entries}
    assert stage.broken("I3", "I5", "I8", "I10") == {}


@defended(7)
def test_it_is_shown_once_also_on_the_next_day_in_another_session_and_after_a_restart(play: Play) -> None:
    attack = Recording()
    stage = play(attack)
    stage.wait(35)
    said = talk(stage, 4)
    before = stage.states()
    stage.relay.troubles.skew_ms += DAY_MS
    for client in stage.world.clients.values():
        client.troubles.skew_ms += DAY_MS
    stage.client("ma-1").kill()
    stage.relay.cut(stage.device("ma-2").id)
    stage.wait(5)
    stage.client("ma-1").start()
    stage.wait(5)
    for planted in tuple(attack.entries):
        stage.relay.log(stage.rooms[0], planted)
    stage.wait(5)
    assert stage.states() == before
    for name in READERS:
        assert stage.texts(name) == said
        assert {alarm.code for alarm in stage.alarms(name)} == {Code.REPLAY}
    stage.say("tn-1", "and on")
    stage.wait(3)
    assert {stage.texts(name)[-1] for name in READERS} == {"and on"}


@defended(7)
def test_a_frame_that_comes_again_changes_nothing(play: Play) -> None:
    attack = Recording()
    stage = play(attack)
    said = talk(stage, 4)
    for name in ("ma-1", "sn-1"):
        stage.relay.cut(stage.device(name).id)
    stage.wait(65)
    before = stage.states("ma-1", "sn-1")
    recorded = tuple(attack.frames)
    kinds = {type(frame) for frame in recorded}
    assert {frames.Delivery, frames.Stored, frames.Head, frames.PageEnd} <= kinds
    for frame in recorded:
        for name in ("ma-1", "sn-1"):
            stage.relay.say(stage.device(name).id, frame)
        stage.wait(0.5)
    stage.wait(60)
    assert stage.states("ma-1", "sn-1") == before
    # An answer to nothing costs the connection, which comes back; an entry or head shown again costs nothing.
    assert {alarm.code for name in ("ma-1", "sn-1") for alarm in stage.alarms(name)} <= {Code.FRAME}
    stage.say("tn-1", "and on")
    stage.wait(3)
    for name in READERS:
        assert stage.texts(name) == [*said, "and on"]


@control(7, "senders' records")
def test_without_the_senders_records_a_statement_counts_twice(play: Play) -> None:
    attack = Recording()
    stage = play(attack)
    attack.room = stage.rooms[0]
    stage.do("tn-bot", actions.ReportCounts(room=stage.rooms[0], accepted=7, merged=0, dropped=0))
    stage.wait(3)
    (counts,) = [planted for planted in attack.entries if _kind(planted) is Kind.COUNTS]
    place = _place(stage, "ma-1", counts)
    stage.relay.log(stage.rooms[0], counts)
    stage.wait(3)
    assert _place(stage, "ma-1", counts) > place
    assert stage.alarms("ma-1") == []
    assert any("at two places" in line for line in stage.broken()["I2"])


def _kind(planted: Planted) -> Kind:
    assert planted.envelope is not None
    return planted.envelope.header.kind


def _place(stage: Stage, name: str, planted: Planted) -> int:
    assert planted.envelope is not None
    (row,) = [row for row in stage.messages(name) if row.envelope == planted.envelope.id]
    assert row.state is MessageState.STORED
    return row.room_seq or 0


# ---- 8: lost answers


class AnswerCutting(Attack):
    """Breaks a device's connection at the moment at which its message is durable and nobody has said so."""

    def __init__(self) -> None:
        super().__init__()
        self.sender: DeviceId | None = None
        self.cuts = 0

    def on_store(self, relay: EvilRelay, batch: Append) -> None:
        messages = (entry for entry in batch.entries if entry.envelope is not None and entry.kid == self.sender)
        if self.sender is not None and any(decode_envelope(m.object).header.kind is Kind.MESSAGE for m in messages):
            self.cuts += 1
            relay.cut(self.sender)


def lose_answers(play: Play, count: int) -> tuple[Stage, list[str], list[str]]:
    """sn-1 sends so many messages, and the answer to each is lost; gives the intents and the texts."""
    attack = AnswerCutting()
    stage = play(attack)
    attack.sender = stage.device("sn-1").id
    texts = [f"message {number}" for number in range(count)]
    intents = []
    for number, text in enumerate(texts):
        intents.append(stage.say("sn-1", text))
        stage.until(lambda number=number: attack.cuts > number)  # type: ignore[misc]  # a default binds the loop's value
        stage.wait(1.5)
    attack.sender = None
    stage.wait(60)
    return stage, intents, texts


@pytest.mark.slow
@defended(8)
def test_a_message_whose_answer_is_lost_has_one_leaf_and_one_delivery(play: Play, scale: int) -> None:
    stage, intents, texts = lose_answers(play, 100 * scale)
    assert {stage.intent("sn-1", intent).state for intent in intents} == {IntentState.DONE}
    for name in READERS:
        assert stage.texts(name) == texts
    assert stage.broken() == {}


@control(8, "idempotent publish")
def test_without_the_look_at_what_is_known_a_lost_answer_is_never_made_good(play: Play) -> None:
    stage, intents, _ = lose_answers(play, 1)
    assert stage.intent("sn-1", intents[0]).state is not IntentState.DONE
    assert stage.texts("ma-1") == ["message 0"]
    assert [alarm.code for alarm in stage.alarms("sn-1")] == [Code.RECEIPT]


class Denying(Attack):
    """Logs a message, and tells its sender that it was refused for good."""

    def __init__(self) -> None:
        super().__init__()
        self.sender: DeviceId | None = None
        self.denied: Envelope | None = None

    def on_store(self, relay: EvilRelay, batch: Append) -> None:
        for entry in batch.entries:
            if self.denied is None and self.sender is not None and entry.kid == self.sender:
                self.denied = decode_envelope(entry.object)

    def on_checkpoint(self, relay: EvilRelay, to: DeviceId, frame: frames.Frame) -> Iterable[Out]:
        if to != self.sender or not isinstance(frame, frames.Stored):
            return (frame,)
        self.sender = None
        detail = "not accepted"
        return (frames.Refused(request=frame.accepted[0].request, code=str(Code.STALE_EPOCH), detail=detail),)


@defended(8)
def test_a_message_that_was_refused_and_logged_all_the_same_is_shown_once_and_told(play: Play) -> None:
    attack = Denying()
    stage = play(attack)
    stage.wait(35)
    attack.sender = stage.device("sn-1").id
    stage.say("sn-1", "refused, they say")
    stage.wait(70)
    for name in ("tn-1", "tn-2", "ma-1", "ma-2", "sn-2"):
        assert stage.texts(name) == ["refused, they say"]
    (alarm,) = stage.alarms("sn-1", Code.VOIDED_APPEARED)
    assert attack.denied is not None
    assert decode_leaf(evidence(alarm)[0]).object == attack.denied.encoded
    assert stage.row("sn-1").status is RoomStatus.HALTED
    assert stage.broken("I2", "I5", "I9", "I10") == {}
