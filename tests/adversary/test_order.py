"""Attack 5: the relay puts what one device has said into another order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import permutations
from typing import Final

import pytest

from amanah_protocol import frames
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code
from amanah_protocol.types import DeviceId
from amanah_relay.core.replies import Publisher
from tests.adversary.attack import Attack, Out, Planted
from tests.adversary.evil import EvilRelay
from tests.adversary.outcomes import control, defended
from tests.adversary.shown import evidence
from tests.adversary.stage import Stage

Play = Callable[..., Stage]

FIVE: Final = ("one", "two", "three", "four", "five")
ORDERS: Final = tuple(permutations(range(5)))


class Shuffling(Attack):
    """Pushes the next five messages to one member in another order, with their true places."""

    def __init__(self) -> None:
        super().__init__()
        self.victim: DeviceId | None = None
        self.order: tuple[int, ...] = ()
        self._held: list[frames.Delivery] = []

    def on_deliver(self, relay: EvilRelay, to: DeviceId, frame: frames.Delivery) -> Iterable[Out]:
        if to != self.victim or not self.order:
            return (frame,)
        self._held.append(frame)
        if len(self._held) < len(self.order):
            return ()
        held, order = self._held, self.order
        self._held, self.order = [], ()
        return [held[place] for place in order]


@pytest.mark.slow
@defended(5)
def test_messages_that_arrive_in_any_order_are_shown_in_the_one_they_were_sent_in(play: Play, scale: int) -> None:
    attack = Shuffling()
    stage = play(attack)
    stage.wait(35)
    attack.victim = stage.device("ma-1").id
    sent: list[str] = []
    for order in ORDERS[:: 1 if scale > 1 else 5]:
        attack.order = order
        for word in FIVE:
            sent.append(f"{word} of {order}")
            stage.say("sn-1", sent[-1], room=1)
        stage.wait(2.5)
    stage.settle()
    assert stage.texts("ma-1", 1) == stage.texts("sn-2", 1) == sent
    assert stage.all_alarms() == {}
    assert stage.broken() == {}


class Reordering(Attack):
    """Logs the five messages of one publish in another order, and acknowledges each at its place."""

    def __init__(self) -> None:
        super().__init__()
        self.sender: DeviceId | None = None
        self.order: tuple[int, ...] = ()

    def on_receive(self, relay: EvilRelay, sender: DeviceId | None, data: bytes) -> bool:
        if sender is None or sender != self.sender:
            return True
        frame = frames.decode_client_frame(data)
        if not isinstance(frame, frames.Publish) or len(frame.items) != len(self.order):
            return True
        planted = [Planted.of(decode_envelope(item.envelope), item.content or b"") for item in frame.items]
        places = tuple(self.order.index(number) for number in range(len(planted)))
        (session,) = relay.sessions_of(sender)
        waiter = Publisher(session=session, request=frame.request, positions=places)
        room = decode_envelope(frame.items[0].envelope).header.room
        relay.log(room, *(planted[place] for place in self.order), waiter=waiter)
        return False


def reorder(play: Play, orders: Iterable[tuple[int, ...]]) -> tuple[Stage, list[list[str]]]:
    """sn-1 publishes five messages at once, for each order; gives what was sent."""
    attack = Reordering()
    stage = play(attack)
    stage.wait(35)
    attack.sender = stage.device("sn-1").id
    sent = []
    for order in orders:
        attack.order = order
        sent.append([f"{word} of {order}" for word in FIVE])
        # Asked for in one moment, so that they leave in one publish.
        stage.say_at_once("sn-1", sent[-1], room=1)
        stage.wait(2.5)
    return stage, sent


@defended(5)
def test_messages_that_are_logged_in_another_order_are_never_shown_in_it(play: Play, scale: int) -> None:
    orders = ORDERS[1 :: 1 if scale > 1 else 5]
    stage, sent = reorder(play, orders)
    for name in ("ma-1", "ma-2", "sn-2"):
        shown = stage.texts(name, 1)
        for five in sent:
            part = [text for text in shown if text in five]
            assert part == [text for text in five if text in part]
        assert stage.alarms(name)
        assert {alarm.code for alarm in stage.alarms(name)} <= {Code.GAP, Code.FORK, Code.REPLAY}
        assert all(evidence(alarm) for alarm in stage.alarms(name))
    # Who sent them is told too, from the record itself.
    assert stage.alarms("sn-1")
    stage.say("sn-1", "and on", room=1)
    stage.wait(3)
    assert stage.texts("ma-1", 1)[-1] == "and on"
    assert stage.broken("I2", "I3", "I5", "I9", "I10") == {}


@control(5, "senders' records")
def test_without_the_senders_records_messages_are_shown_in_the_relays_order(play: Play) -> None:
    stage, _ = reorder(play, [(4, 2, 0, 3, 1)])
    shown = [text.split()[0] for text in stage.texts("ma-1", 1)]
    assert shown == ["five", "three", "one", "four", "two"]
    assert stage.alarms("ma-1") == []
