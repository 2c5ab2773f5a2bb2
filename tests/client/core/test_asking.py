"""What is asked for, and how seldom; and what the relay alone says is erased."""

from __future__ import annotations

import pytest
from msgspec import structs

from amanah_client import actions, model
from amanah_client.core import opening, repair
from amanah_client.model import Cause, Mending
from amanah_protocol import frames, kinds
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.kinds import Kind
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId
from tests.client.core.forge import room_of
from tests.client.core.mending import ERASED, ask, missing, publish, repairs, spoiled, three
from tests.client.core.rooms import invite
from tests.client.core.world import MA, TN, Client, Stage

# ---- what the relay says is erased


def says_erased(frame: frames.Frame) -> list[frames.Frame]:
    """A hook by which the relay says that messages are erased."""
    if isinstance(frame, frames.Delivery) and decode_envelope(frame.envelope).header.kind is Kind.MESSAGE:
        return [structs.replace(frame, content=None, length=0, erased=True)]
    return [frame]


def test_what_only_the_relay_says_is_erased_is_withheld_and_repaired(stage: Stage) -> None:
    _a, a2, b, room = three(stage)
    stage.wait(5_000)
    a2.toward = says_erased
    b.say(room, "the words")
    stage.run()
    a2.toward = None
    (row,) = missing(a2, room)
    assert (row.cause, row.code, row.mending) == (Cause.CORRUPTED, "GAP", Mending.WAITING)
    assert a2.codes() == []  # its `erase` may be on its way
    stage.wait(80_000)
    assert a2.codes() == ["GAP"]
    assert "erased" in a2.store.alarms[-1].detail
    assert a2.texts(room) == ["the words"]


def test_if_that_were_a_tombstone_the_relay_could_suppress_any_message(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "may_be_dropped", lambda *_: True)
    _a, a2, b, room = three(stage)
    a2.toward = says_erased
    b.say(room, "the words")
    stage.wait(80_000)
    assert missing(a2, room) == []
    assert a2.codes() == a2.texts(room) == []


@pytest.mark.parametrize("away", [True, False])
def test_what_was_erased_while_a_device_was_away_is_a_tombstone_and_no_alarm(
    stage: Stage,
    away: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The relay has no content to give, and the record shows why, behind it."""
    _a, a2, b, room = three(stage)
    stage.wait(5_000)
    if away:
        a2.disconnect()
    else:
        a2.toward = says_erased
    b.say(room, "the words")
    said = b.rows(room, Kind.MESSAGE)[-1].envelope
    stage.wait(1_000)
    b.do(actions.EraseMessages(room=room, envelopes=(said,)))
    a2.connect() if away else None
    stage.wait(80_000)
    assert a2.store.messages[room, said].state is ERASED
    assert not missing(a2, room)
    assert not a2.codes()
    assert not repairs(b, room)


def test_what_was_erased_while_a_device_was_outside_is_no_alarm(stage: Stage) -> None:
    """The `erase` stands in the part of the record that it is not shown."""
    a, a2, b, room = three(stage)
    stage.wait(5_000)
    a2.toward = says_erased
    b.say(room, "the words")
    said = b.rows(room, Kind.MESSAGE)[-1].envelope
    stage.run()
    a2.disconnect()
    a2.toward = None
    a.do(actions.Remove(room=room, devices=(a2.device.id,)))
    b.do(actions.EraseMessages(room=room, envelopes=(said,)))
    invite(a, room, a2)
    a2.connect()
    stage.wait(80_000)
    assert a2.row(room).status is model.RoomStatus.OPEN
    assert (a2.codes(), a2.texts(room)) == ([], [])


def test_an_erase_of_who_may_not_does_not_excuse_the_relay(stage: Stage) -> None:
    _a, a2, b, room = three(stage)
    c = stage.online("C", of=MA)
    invite(_a, room, c)
    stage.wait(5_000)
    a2.toward = says_erased
    b.say(room, "the words")
    said = b.rows(room, Kind.MESSAGE)[-1].envelope
    publish(c, room, kinds.Erase(envelopes=(said,)))
    stage.run()
    a2.toward = None
    stage.wait(80_000)
    assert a2.codes() == ["GAP"]
    assert a2.texts(room) == ["the words"]


# ---- as few requests as there can be


def missed_by(stage: Stage, *clients: Client, by: Client, room: RoomId) -> EnvelopeId:
    """A message that these could not open."""
    stage.wait(60_000)
    for client in clients:
        client.toward = spoiled(decode_envelope)
        room_of(client, room).change(asked_at_ms=stage.relay.now_ms)  # so it asks in a minute, and not before
    by.say(room, "the words")
    stage.run()
    for client in clients:
        client.toward = None
        assert len(missing(client, room)) == 1
    return by.rows(room, Kind.MESSAGE)[-1].envelope


def askers(client: Client, room: RoomId) -> list[DeviceId]:
    return [kid for kid, one in repairs(client, room) if not one.addressees]


def of_one_nation(stage: Stage) -> tuple[list[Client], Client, RoomId]:
    """Five devices of one nation, and one of another."""
    a, a2, b, room = three(stage)
    more = [stage.online(name, of=TN) for name in ("A3", "A4", "A5")]
    invite(a, room, *more)
    return [a, a2, *more], b, room


def test_what_nobody_can_open_is_asked_for_once_by_an_organisation(stage: Stage) -> None:
    """It may be its sender's fault: a message that was sealed wrong would have everybody ask."""
    ours, b, room = of_one_nation(stage)
    missed_by(stage, *ours, by=b, room=room)
    stage.wait(120_000)
    assert len(askers(b, room)) == 1
    assert {row.mending for client in ours for row in missing(client, room)} == {Mending.WAITING}
    stage.relay.now_ms += repair.WAIT_MS
    stage.wait(5_000)
    assert {row.mending for client in ours for row in missing(client, room)} == {Mending.UNANSWERED}


def test_if_no_request_stood_for_others_all_would_ask(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "_is_asked_by_another", lambda *_: False)
    ours, b, room = of_one_nation(stage)
    missed_by(stage, *ours, by=b, room=room)
    stage.wait(120_000)
    assert len(askers(b, room)) == len(ours)


def test_what_one_of_us_has_all_get_that_miss_it(stage: Stage) -> None:
    ours, b, room = of_one_nation(stage)
    missed_by(stage, *ours[1:], by=b, room=room)
    stage.wait(180_000)
    assert all(client.texts(room) == ["the words"] for client in ours)


def test_when_who_asked_has_left_the_next_one_asks(stage: Stage) -> None:
    ours, b, room = of_one_nation(stage)
    missed_by(stage, *ours, by=b, room=room)
    stage.wait(80_000)
    (first,) = askers(b, room)
    left = next(client for client in ours if client.device.id == first)
    other = next(client for client in ours if client is not left)
    other.do(actions.Remove(room=room, devices=(first,)))
    stage.wait(60_000)
    assert len(askers(b, room)) == 2


def test_a_request_of_who_was_not_in_the_audience_stands_for_nobody(stage: Stage) -> None:
    ours, b, room = of_one_nation(stage)
    envelope = missed_by(stage, *ours, by=b, room=room)
    late = stage.online("A6", of=TN)
    invite(ours[0], room, late)
    ask(late, room, envelope)
    assert room_of(ours[1], room).asked_by == {}
    stage.wait(70_000)
    assert len(askers(b, room)) == 2
