"""Rooms that claim to continue a wedged one and do not: the outbox stays where it is."""

from __future__ import annotations

import pytest

from amanah_client import actions, model
from amanah_client.core import apart, successor
from amanah_client.core.room import Room
from amanah_protocol.custody.retention import RoomPolicy
from amanah_protocol.kinds import Create
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId
from tests.client.core.forge import room_of
from tests.client.core.rooms import invite
from tests.client.core.wedged import (
    DONE,
    FAILED,
    OPEN,
    QUEUED,
    Victims,
    ask,
    change,
    four,
    ids,
    next_of,
    settle,
    spec_of,
    wedge,
)
from tests.client.core.world import MA, SN, TN, Client, Stage
from tests.relay.people import ORIGIN


def open_false(client: Client, room: RoomId, **changes: object) -> RoomId:
    """A room that says it continues another."""
    ctx, old = client.core._ctx, spec_of(client, room)  # noqa: SLF001 - a liar uses its own client
    fields: dict[str, object] = {
        "origin": ORIGIN,
        "nonce": bytes(16),
        "suite": old.suite,
        "ceiling": old.ceiling,
        "owner": ctx.certificate.organisation,
        "policy": old.policy,
        "successor_of": room,
    }
    made = Create(**(fields | changes))  # type: ignore[arg-type]  # fields of Create
    before = set(ctx.rooms)
    apart.open_room(ctx, made, title="Phishing wave", written_at_ms=0, intent=None)
    client.stage.tick()
    (new,) = set(ctx.rooms) - before
    return new


def lure(stage: Stage, victims: Victims, **changes: object) -> tuple[Client, Client, RoomId, RoomId, str]:
    """The committer opens a false successor, before there is a true one, and invites those whom it has locked out."""
    a, b, c, m, room = four(stage)
    wedge(victims, m, (a, b, c), room)
    false = open_false(m, room, **changes)
    invite(m, false, b, c)
    waits = ask(b, room, "not for the committer")
    stage.wait(10_000)
    assert b.row(false).status is OPEN
    return b, m, room, false, waits


def test_a_false_successor_by_the_committer_is_an_ordinary_invitation(stage: Stage, victims: Victims) -> None:
    b, m, room, false, waits = lure(stage, victims)
    assert b.intent(waits).state is QUEUED
    assert b.row(room).successor is None
    settle(stage)
    assert next_of(b, room) != false
    assert b.intent(waits).state is DONE
    assert m.texts(false) == b.texts(false) == []
    assert b.row(false).status is OPEN
    assert b.say(false, "asked for by hand").state is DONE


def test_without_the_check_a_false_successor_gets_the_outbox(
    stage: Stage, victims: Victims, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    monkeypatch.setattr(successor, "_is_valid", lambda *_: True)
    b, m, room, false, waits = lure(stage, victims)
    assert b.intent(waits).state is DONE
    assert next_of(b, room) == false
    assert m.texts(false) == ["not for the committer"]


def test_a_successor_with_an_outsider_is_an_ordinary_invitation(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    d, x = stage.online("D", of=SN), stage.online("X", of=SN)
    invite(a, room, d)
    wedge(victims, m, (a, b, c), room)
    false = open_false(d, room)
    invite(d, false, x, b)
    waits = ask(b, room, "not for X")
    stage.wait(10_000)
    assert b.row(false).status is OPEN
    assert b.intent(waits).state is QUEUED
    settle(stage)
    assert b.intent(waits).state is DONE
    assert x.texts(false) == []


def test_a_successor_that_leaves_members_out_draws_nobody_away(stage: Stage, victims: Victims) -> None:
    """An accomplice is the first in the log, and has room for some alone."""
    a, b, c, m, room = four(stage)
    d = stage.online("D", of=SN)
    invite(a, room, d)
    wedge(victims, m, (a, b, c), room)
    stage.wait(36_000)
    partial = open_false(d, room)
    invite(d, partial, b)
    waits = ask(b, room, "for all of us")
    stage.wait(2_000)
    assert next_of(b, room) == partial  # it is none but small
    settle(stage)
    new = next_of(b, room)
    assert next_of(a, room) == next_of(c, room) == new != partial
    assert b.row(partial).successor == new
    assert b.intent(waits).state is DONE
    assert b.say(room, "and with all of us").state is DONE
    assert a.texts(new)[-1] == c.texts(new)[-1] == "and with all of us"


def with_colleague(
    stage: Stage, victims: Victims, after_ms: int
) -> tuple[Client, Client, Client, Client, RoomId, RoomId]:
    """The committer's colleague, who refuses nothing, opens a successor before the owner's officer does."""
    a, b, c, m, room = four(stage)
    m2 = stage.online("M2", of=MA)
    invite(a, room, m2)
    wedge(victims, m, (a, b, c), room)
    stage.wait(after_ms)
    return a, b, c, m2, room, open_false(m2, room)


def test_nobody_becomes_the_owner_by_being_faster(stage: Stage, victims: Victims) -> None:
    """Opened at once, and with all who were in: the owner's officer has not had its turn."""
    a, b, c, m2, room, false = with_colleague(stage, victims, 0)
    invite(m2, false, a, b, c)
    waits = ask(a, room, "the owner speaks")
    m2.do(actions.Remove(room=false, devices=(a.device.id,)))
    settle(stage)
    new = next_of(a, room)
    assert next_of(b, room) == next_of(c, room) == new != false
    assert spec_of(c, new).owner == TN
    assert a.intent(waits).state is DONE
    assert m2.texts(false) == []


def test_without_the_look_at_the_time_the_first_is_the_successor(
    stage: Stage, victims: Victims, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    monkeypatch.setattr(successor, "EARLIEST_MS", 0)
    a, b, c, m2, room, false = with_colleague(stage, victims, 0)
    invite(m2, false, a, b, c)
    settle(stage)
    assert next_of(a, room) == next_of(b, room) == next_of(c, room) == false
    assert spec_of(a, false).owner == MA


def test_the_old_owners_device_that_is_put_out_opens_one_and_all_go_there(stage: Stage, victims: Victims) -> None:
    a, b, c, m2, room, false = with_colleague(stage, victims, 36_000)
    invite(m2, false, a, b, c)
    assert next_of(a, room) == false
    m2.do(actions.Remove(room=false, devices=(a.device.id,)))
    waits = ask(a, room, "the owner speaks")
    settle(stage)
    new = next_of(a, room)
    assert next_of(b, room) == next_of(c, room) == new != false
    assert spec_of(c, new).owner == TN
    assert a.intent(waits).state is DONE
    assert c.texts(new) == ["the owner speaks"]


def test_without_that_the_old_owners_device_is_left_without_one(
    stage: Stage, victims: Victims, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    monkeypatch.setattr(successor, "_is_put_out", lambda *_: False)
    a, b, c, m2, room, false = with_colleague(stage, victims, 36_000)
    invite(m2, false, a, b, c)
    m2.do(actions.Remove(room=false, devices=(a.device.id,)))
    waits = ask(a, room, "the owner speaks")
    settle(stage)
    assert next_of(a, room) == false
    assert (a.intent(waits).state, a.intent(waits).code) == (FAILED, "NOT_MEMBER")


def test_who_was_put_out_of_the_owners_successor_opens_none(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    wedge(victims, m, (a, b, c), room)
    settle(stage)
    new = next_of(b, room)
    a.do(actions.Remove(room=new, devices=(b.device.id,)))
    settle(stage)
    assert next_of(b, room) == next_of(a, room) == new
    assert len(b.store.rooms) == 2
    assert b.say(room, "is told").code == "NOT_MEMBER"


def test_the_owners_successor_is_not_displaced_by_one_that_is_filled_later(stage: Stage, victims: Victims) -> None:
    a, b, c, m2, room, false = with_colleague(stage, victims, 36_000)
    settle(stage)
    new = next_of(a, room)
    assert new != false
    assert (a.row(new).created_index, new) > (m2.row(false).created_index, false)
    invite(m2, false, a, b, c)
    stage.wait(5_000)
    assert next_of(a, room) == next_of(b, room) == next_of(c, room) == new
    assert (a.row(new).status, a.row(new).successor, a.row(false).successor) == (OPEN, None, new)
    assert b.say(room, "once more").state is DONE
    assert c.texts(new)[-1] == "once more"


def test_of_equal_successors_the_one_that_had_all_first_counts(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    d = stage.online("D", of=SN)
    invite(a, room, d)
    victims.of(m, (a, b, c), room)
    a.disconnect()
    change(m, room)
    stage.wait(36_000)
    early = open_false(d, room)
    invite(d, early, b)
    settle(stage)
    new = next_of(b, room)
    assert next_of(c, room) == new != early
    assert b.row(new).created_index > b.row(early).created_index
    invite(d, early, a, c)
    stage.wait(5_000)
    assert next_of(b, room) == next_of(c, room) == new
    a.connect()
    stage.run()
    settle(stage)
    assert next_of(a, room) == new


def test_who_is_away_and_added_again_counts_no_more_than_once(stage: Stage, victims: Victims) -> None:
    """The creator of a successor is in it without being added; that it is added again makes it no larger."""
    a, b, c, m2, room, false = with_colleague(stage, victims, 36_000)
    m3 = stage.online("M3", of=MA)
    settle(stage)
    new = next_of(a, room)
    invite(m2, false, a, b, c, m3)
    stage.wait(60_000)  # the relay takes so many commits at a time
    m3.do(actions.Remove(room=false, devices=(m2.device.id,)))
    invite(m3, false, m2)
    stage.wait(5_000)
    assert set(room_of(b, false).entered) == ids(a, b, c, m2, m3)
    assert next_of(a, room) == next_of(b, room) == next_of(c, room) == new


def test_a_successor_that_was_opened_in_advance_is_an_ordinary_invitation(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    d = stage.online("D", of=SN)
    invite(a, room, d)
    early = open_false(d, room)
    invite(d, early, a, b, c)
    wedge(victims, m, (a, b, c), room)
    settle(stage)
    assert next_of(a, room) == next_of(b, room) == next_of(c, room) != early


def test_a_successor_of_a_room_that_goes_on_is_an_ordinary_invitation(stage: Stage) -> None:
    a, b, _c, m, room = four(stage)
    false = open_false(m, room)
    invite(m, false, a, b)
    settle(stage)
    assert b.row(room).successor is None
    assert (b.row(room).status, b.row(false).status) == (OPEN, OPEN)
    assert b.say(room, "here").state is DONE
    assert b.texts(false) == []


@pytest.mark.parametrize(
    "changes", [{"ceiling": Label.RED}, {"policy": RoomPolicy(labels={Label.RED: 5}).encode()}, {"agreement": "other"}]
)
def test_the_relay_takes_no_successor_of_another_kind(
    stage: Stage, victims: Victims, changes: dict[str, object]
) -> None:
    a, b, c, m, room = four(stage)
    wedge(victims, m, (a, b, c), room)
    false = open_false(b, room, **changes)
    assert b.row(false).status is model.RoomStatus.REMOVED
    settle(stage)
    assert next_of(b, room) not in (false, None)


def test_one_that_the_relay_let_in_all_the_same_is_no_successor(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    wedge(victims, m, (a, b, c), room)
    held = Room(row=model.RoomRow(room=RoomId(bytes(16)), status=OPEN, created_index=1))
    assert not successor._is_valid(b.core._ctx, room_of(b, room), held)  # noqa: SLF001 - nothing of it is known
