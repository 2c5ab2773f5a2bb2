"""One successor for all who were in, whenever each looks, and nobody else reads what was written for them."""

from __future__ import annotations

import pytest

from amanah_client import inputs
from amanah_client.core import successor
from amanah_protocol.types import RoomId
from tests.client.core.forge import room_of
from tests.client.core.rooms import create, invite
from tests.client.core.wedged import (
    DONE,
    HALTED,
    HELD,
    OPEN,
    Victims,
    ask,
    change,
    four,
    next_of,
    settle,
    wedge,
)
from tests.client.core.world import MA, SN, TN, Client, Stage

# ---- who joined the successor is nobody that it was written for


def joined_by_a_stranger(stage: Stage, victims: Victims) -> tuple[Client, Client, Client, RoomId, RoomId]:
    """The owner's, another nation's, and one of a third that was never in the room and is in its successor."""
    a, b = stage.online("A", of=TN), stage.online("B", of=MA)
    b2, m = stage.online("B2", of=MA), stage.online("M", of=MA)
    room = create(a)
    invite(a, room, b, b2, m)
    wedge(victims, m, (a, b, b2), room)
    settle(stage)
    return a, b, stage.online("S", of=SN), room, next_of(b, room)


def test_what_was_written_for_the_old_circle_is_held_however_late_it_moves(stage: Stage, victims: Victims) -> None:
    a, b, s, room, new = joined_by_a_stranger(stage, victims)
    b.disconnect()
    old, control = ask(b, room, "typed offline, to the old room"), ask(b, new, "typed offline, to the successor")
    invite(a, new, s)
    b.connect()
    stage.run()
    later = ask(b, room, "asked of the old room by its id")
    stage.wait(3_000)
    for intent in (old, control, later):
        assert (b.intent(intent).state, b.intent(intent).code) == (HELD, "STALE_EPOCH")
        assert SN in b.intent(intent).detail
    assert s.texts(new) == []
    b.give(inputs.Asked(intent=b.intent(later)))  # the officer releases it
    stage.run()
    assert s.texts(new) == ["asked of the old room by its id"]


def test_without_the_look_at_who_is_there_a_stranger_reads_it(
    stage: Stage, victims: Victims, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    monkeypatch.setattr(successor, "widen", lambda *_: None)
    a, b, s, room, new = joined_by_a_stranger(stage, victims)
    invite(a, new, s)
    assert b.say(room, "for the old circle").state is DONE
    assert s.texts(new) == ["for the old circle"]


def test_what_moves_to_those_whom_it_was_written_for_is_not_held(stage: Stage, victims: Victims) -> None:
    a, b, _s, room, new = joined_by_a_stranger(stage, victims)
    another = stage.online("A2", of=TN)
    invite(a, new, another)
    assert b.say(room, "to the nations that were in").state is DONE
    assert another.texts(new) == ["to the nations that were in"]


# ---- one successor for all, whenever each looks


def test_who_reads_late_finds_the_successor_that_has_let_others_in(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    victims.of(m, (a, b, c), room)
    b.disconnect()
    change(m, room)
    settle(stage)
    new = next_of(a, room)
    late = stage.online("S", of=SN)
    invite(a, new, late)
    b.connect()
    stage.run()
    waits = ask(b, room, "from the late one")
    settle(stage)
    assert next_of(b, room) == next_of(a, room) == new
    assert b.intent(waits).state is DONE
    assert late.texts(new) == ["from the late one"]
    assert len(b.store.rooms) == len(a.store.rooms) == 2


def twice_wedged(stage: Stage, victims: Victims) -> tuple[Client, Client, Client, RoomId, RoomId]:
    """A room whose successor is wedged too; one of them is away all that time."""
    a, b, c, m, room = four(stage)
    d, e = stage.online("D", of=SN), stage.online("E", of=SN)
    stage.wait(5_000)
    invite(a, room, d, e)
    wedge(victims, m, (a, b, c, d, e), room)
    settle(stage)
    first = next_of(a, room)
    c.disconnect()
    wedge(victims, d, (a, b, e), first)
    victims.of(d, (a, b, c, e), first)
    settle(stage)
    return a, b, c, room, first


@pytest.mark.parametrize("turned", [False, True])
def test_a_successor_that_is_wedged_itself_stays_closed(stage: Stage, victims: Victims, turned: bool) -> None:  # noqa: FBT001 - a parameter of the test
    a, b, c, room, first = twice_wedged(stage, victims)
    last = next_of(a, first)
    if turned:  # the rooms in the other order
        b.disconnect()
        b.store.rooms = dict(reversed(b.store.rooms.items()))
        b.restart()
        b.connect()
        stage.run()
    assert b.say(room, "to the first").state is DONE
    assert b.say(first, "to the second").state is DONE
    c.connect()
    stage.run()
    settle(stage)
    assert c.say(room, "from one that was away").state is DONE
    for client in (a, b, c):
        assert (next_of(client, room), next_of(client, first)) == (first, last)
        assert (client.row(first).status, client.row(last).status) == (HALTED, OPEN)
        assert client.texts(first) == []
    assert a.texts(last) == ["to the first", "to the second", "from one that was away"]


def test_one_whose_record_forked_is_not_opened_again(stage: Stage, victims: Victims) -> None:
    """It was closed in favour of one that it has outgrown; that it forked stands in its way all the same."""
    a, b, c, m, room = four(stage)
    wedge(victims, m, (a, b, c), room)
    settle(stage)
    new = next_of(b, room)
    closed, held = room_of(b, new), room_of(b, room)
    closed.change(successor=RoomId(bytes(16)))
    held.change(successor=RoomId(bytes(16)))
    b.core._ctx.halt(closed)  # noqa: SLF001 - as for a head that forks
    stage.tick()
    assert b.row(new).status is HALTED
    assert next_of(b, new) == RoomId(bytes(16))


def test_one_that_was_closed_and_has_outgrown_the_other_is_opened_again(stage: Stage, victims: Victims) -> None:
    """The control."""
    a, b, c, m, room = four(stage)
    wedge(victims, m, (a, b, c), room)
    settle(stage)
    new = next_of(b, room)
    room_of(b, new).change(successor=RoomId(bytes(16)))
    room_of(b, room).change(successor=RoomId(bytes(16)))
    stage.tick()
    assert (b.row(new).status, b.row(new).successor, next_of(b, room)) == (OPEN, None, new)
    assert b.say(room, "on").state is DONE
