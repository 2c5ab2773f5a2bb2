"""A wedged room goes on in a successor: who finds it wedged, who opens it, and where the outbox goes."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from amanah_client import actions, model
from amanah_client.core import apart, commits, successor
from amanah_client.core.batch import Batch
from amanah_client.core.context import Context
from amanah_protocol import frames
from amanah_protocol.errors import Code, RefusedError
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Kind, Refuse
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import RoomId
from tests.client.core.forge import room_of
from tests.client.core.rooms import create, invite
from tests.client.core.wedged import (
    DONE,
    FAILED,
    HALTED,
    OPEN,
    QUEUED,
    Victims,
    ask,
    change,
    four,
    ids,
    members,
    next_of,
    settle,
    spec_of,
    wedge,
)
from tests.client.core.world import MA, SN, TN, Client, Stage, keep


def test_all_who_refuse_a_commit_go_on_in_a_successor_and_nothing_is_lost(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    a.say(room, "before")
    wedge(victims, m, (a, b, c), room)
    asked = {client.name: ask(client, room, f"waits with {client.name}") for client in (a, b, c)}
    settle(stage)
    new = next_of(a, room)
    assert next_of(b, room) == next_of(c, room) == new != room
    for client in (a, b, c):
        assert client.intent(asked[client.name]).state is DONE
        assert (client.row(new).status, client.row(room).status) == (OPEN, HALTED)
        assert client.row(new).title == client.row(room).title == "Phishing wave"
        assert members(client, new) == ids(a, b, c)
        assert sorted(client.texts(new)) == ["waits with A", "waits with B", "waits with C"]
        assert client.texts(room) == ["before"]
        assert client.store.intents[asked[client.name]].room == new
    old, made = spec_of(a, room), spec_of(a, new)
    assert made.successor_of == room
    assert (made.suite, made.ceiling, made.owner, made.policy) == (old.suite, old.ceiling, old.owner, old.policy)
    assert new not in m.store.rooms
    assert [row.sender for row in b.rows(new, Kind.CREATE)] == [a.device.id]  # the owner's officer is the first
    assert len([row for row in b.store.rooms if row not in (room, new)]) == 0


def test_what_is_asked_of_the_closed_room_later_goes_out_in_its_successor(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    wedge(victims, m, (a, b, c), room)
    settle(stage)
    intent = b.say(room, "said to the old one")
    assert intent.state is DONE
    assert c.texts(next_of(c, room)) == ["said to the old one"]
    b.restart()
    b.connect()
    stage.run()
    assert b.say(room, "and after a restart").state is DONE
    assert c.texts(next_of(c, room))[-1] == "and after a restart"


def test_what_is_about_entries_of_the_closed_room_ends_there(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    a.say(room, "before")
    (row,) = b.rows(room, Kind.MESSAGE)[-1:]
    wedge(victims, m, (a, b, c), room)
    settle(stage)
    intent = b.do(actions.Acknowledge(room=room, envelope=row.envelope, grade=2))
    assert (intent.state, intent.code) == (FAILED, "REFUSED_COMMIT")
    assert next_of(b, room).hex() in intent.detail


def test_a_message_that_the_bad_commit_overtook_is_sent_in_the_successor(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    held: list[frames.Frame] = []
    b.outward = keep(held, frames.Publish)
    intent = ask(b, room, "overtaken")
    assert held
    victims.of(m, (a, b, c), room)
    change(m, room)
    b.outward = None
    b.disconnect()
    b.connect()
    stage.run()
    settle(stage)
    assert b.intent(intent).state is DONE
    assert a.texts(next_of(a, room)) == ["overtaken"]


def test_who_is_removed_behind_the_bad_commit_goes_on_all_the_same(stage: Stage, victims: Victims) -> None:
    """Its maker tries to get rid of those who refuse it; here it is of the owner's organisation, and may."""
    a, b, c, _m, room = four(stage)
    wedge(victims, a, (b, c), room)
    waits = ask(b, room, "waits")
    a.do(actions.Remove(room=room, devices=(b.device.id, c.device.id)))
    assert b.row(room).status is c.row(room).status is model.RoomStatus.REMOVED
    assert (b.intent(waits).state, b.intent(waits).code) == (QUEUED, "REFUSED_COMMIT")
    settle(stage)
    assert b.intent(waits).state is DONE
    assert c.texts(next_of(c, room)) == ["waits"]
    invite(a, room, b)
    assert b.row(room).successor is not None
    assert b.say(room, "what was closed stays closed").state is DONE
    assert c.texts(next_of(c, room))[-1] == "what was closed stays closed"


def removed_at_once(stage: Stage, victims: Victims, count: int) -> tuple[list[Client], Client, RoomId]:
    """The owner's one bad officer changes the room badly, and removes some before any refusal is in the log."""
    a, b, c, m, room = four(stage)
    bad = stage.online("MO", of=TN)
    invite(a, room, bad)
    stage.wait(2_000)
    others = [a, b, c, m]
    victims.of(bad, others[:count] if count < 3 else others, room)
    for client in others:
        client.disconnect()
    change(bad, room)
    removed = tuple(client.device.id for client in others[:count])
    assert bad.do(actions.Remove(room=room, devices=removed)).state is DONE
    for client in others:
        client.connect()
    stage.run()
    return others, bad, room


@pytest.mark.parametrize("count", [4, 3])
def test_who_is_removed_before_it_can_refuse_goes_on_all_the_same(stage: Stage, victims: Victims, count: int) -> None:
    others, bad, room = removed_at_once(stage, victims, count)
    waits = [ask(client, room, client.name) for client in others]
    settle(stage)
    settle(stage)
    new = next_of(others[0], room)
    for client, intent in zip(others, waits, strict=True):
        assert next_of(client, room) == new
        assert client.intent(intent).state is DONE
        assert members(client, new) == ids(*others)
    assert bad.device.id not in members(others[0], new)


def test_few_who_are_removed_behind_a_commit_that_fails_for_them_open_nothing(stage: Stage, victims: Victims) -> None:
    """The control: as many are left, who may go on."""
    others, _bad, room = removed_at_once(stage, victims, 2)
    settle(stage)
    assert [client.row(room).status for client in others] == [model.RoomStatus.REMOVED] * 2 + [OPEN] * 2
    assert [client.row(room).successor for client in others] == [None] * 4
    assert {len(client.store.rooms) for client in others} == {1}


# ---- when a room is wedged, and when not


def test_one_for_whom_alone_a_commit_fails_makes_no_successor(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    wedge(victims, m, (a,), room)
    settle(stage)
    assert a.row(room).successor is None
    assert len(a.store.rooms) == 1
    assert {client.row(room).status for client in (b, c, m)} == {OPEN}
    assert b.say(room, "we go on").state is DONE


def test_fewer_who_refuse_than_go_on_make_no_successor(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    others = [stage.online(name, of=SN) for name in ("D", "E", "F")]
    for other in others:
        stage.wait(5_000)  # the relay takes so many commits at a time
        invite(a, room, other)
    wedge(victims, m, (a, b), room)
    settle(stage)
    assert set(room_of(a, room).row.wedge.refused) == ids(a, b)  # type: ignore[union-attr]  # it refused
    assert set(room_of(a, room).row.wedge.followed) >= ids(c, *others)  # type: ignore[union-attr]  # it refused
    assert a.row(room).successor is None
    assert len(a.store.rooms) == len(c.store.rooms) == 1


def lie(client: Client, room: RoomId) -> None:
    """Say that the newest commit is refused, though it is not."""
    held = room_of(client, room)
    newest = client.rows(room, Kind.COMMIT)[-1].envelope
    batch = Batch(client.core._ctx, held)  # noqa: SLF001 - a liar uses its own client
    batch.add_bare(Refuse(commit=newest, code="OPEN"))
    batch.launch()
    client.stage.tick()


def test_a_word_of_refusal_moves_nobody_for_whom_the_commit_holds(stage: Stage) -> None:
    a, b, c, m, room = four(stage)
    change(a, room)
    lie(m, room)
    settle(stage)
    assert "REFUSED_COMMIT" in a.codes()
    for client in (a, b, c):
        assert (client.row(room).status, client.row(room).successor, len(client.store.rooms)) == (OPEN, None, 1)
    assert b.say(room, "still here").state is DONE


def test_a_liar_beside_one_for_whom_a_commit_fails_moves_nobody(stage: Stage, victims: Victims) -> None:
    """The committer and its accomplice against one: the others go on, and are more."""
    a, b, c, m, room = four(stage)
    d = stage.online("D", of=SN)
    invite(a, room, d)
    wedge(victims, m, (a,), room)
    lie(c, room)
    settle(stage)
    assert a.row(room).successor is None
    assert {client.row(room).status for client in (b, c, d)} == {OPEN}


# ---- who opens it


def test_somebody_else_takes_over_where_the_first_is_silent(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    a.disconnect()
    waits = ask(a, room, "from the silent one")
    wedge(victims, m, (b, c), room)
    victims.of(m, (a, b, c), room)
    settle(stage)
    new = next_of(b, room)
    assert spec_of(c, new).owner == MA  # owned by its creator's organisation, as any room
    assert members(b, new) == ids(a, b, c)
    a.connect()
    stage.run()
    settle(stage)
    assert next_of(a, room) == new
    assert a.intent(waits).state is DONE
    assert c.texts(new) == ["from the silent one"]


def test_a_committer_of_the_owners_is_left_out(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    wedge(victims, a, (b, c, m), room)
    settle(stage)
    assert members(b, next_of(b, room)) == ids(b, c, m)
    assert next_of(c, room) == next_of(m, room) == next_of(b, room)
    assert b.say(room, "on").state is DONE


def test_who_is_revoked_meanwhile_is_left_out(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    b.disconnect()
    wedge(victims, m, (a, c), room)
    stage.submit(m, LeafType.REVOCATION, stage.relay.nations[MA].revoke(b.device.id))
    settle(stage)
    assert members(a, next_of(a, room)) == ids(a, c)


def test_who_has_no_key_package_at_first_is_added_later_and_holds_nothing_up(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    b.disconnect()
    missing = True

    def without(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.KeyPackages) and missing:
            taken = tuple(
                frames.TakenPackage(one.device, None if one.device == b.device.id else one.package, one.last_resort)
                for one in frame.packages
            )
            return [frames.KeyPackages(request=frame.request, packages=taken)]
        return [frame]

    a.toward = without
    wedge(victims, m, (a, c), room)
    victims.of(m, (a, b, c), room)
    settle(stage)
    new = next_of(c, room)
    assert members(c, new) == ids(a, c)
    c.outward = keep([], frames.Publish)
    waits = ask(c, room, "written for all three")
    b.connect()
    missing = False
    settle(stage)
    assert members(a, new) == ids(a, b, c)
    c.outward = None
    c.disconnect()
    c.connect()
    stage.wait(5_000)
    # Who was in the closed room is nobody new to what waits.
    assert c.intent(waits).state is DONE
    assert b.texts(new) == ["written for all three"]
    a.do(actions.Remove(room=new, devices=(b.device.id,)))
    settle(stage)
    assert members(a, new) == ids(a, c)  # who was removed by hand is not brought in again


def test_successors_made_at_once_become_one(stage: Stage, victims: Victims, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, c, m, room = four(stage)
    monkeypatch.setattr(successor, "_rank", lambda _, held: 0 if held.id == room else None)
    wedge(victims, m, (a, b, c), room)
    waits = {client.name: ask(client, room, f"from {client.name}") for client in (a, b, c)}
    settle(stage)
    settle(stage)
    new = next_of(a, room)
    assert {next_of(client, room) for client in (a, b, c)} == {new}
    made = {one: client.row(one) for client in (a, b, c) for one in client.store.rooms if one != room}
    assert len(made) > 1
    for client in (a, b, c):
        assert client.intent(waits[client.name]).state is DONE
        for one in set(made) & set(client.store.rooms) - {new}:
            assert client.row(one).successor == new
        read = [text for one in set(client.store.rooms) for text in client.texts(one)]
        assert sorted(read) == ["from A", "from B", "from C"]


def test_a_bot_moves_too_and_opens_nothing(stage: Stage, victims: Victims) -> None:
    a, b = stage.online("A", of=TN), stage.online("B", of=MA)
    bot, m = stage.online("bot", of=TN, role=Role.BOT), stage.online("M", of=MA)
    room = create(a)
    invite(a, room, b, bot, m)
    a.disconnect()
    b.outward = keep([], frames.Publish)
    wedge(victims, m, (b, bot), room)
    settle(stage)
    assert len(bot.store.rooms) == 1
    b.outward = None
    b.disconnect()
    b.connect()
    stage.run()
    settle(stage)
    assert next_of(bot, room) == next_of(b, room)
    assert bot.say(room, "counted").state is DONE


def test_a_key_package_that_is_none_is_an_alarm_and_holds_nobody_up(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)

    def bend(frame: frames.Frame) -> list[frames.Frame]:
        if not isinstance(frame, frames.KeyPackages):
            return [frame]
        bent = tuple(
            frames.TakenPackage(one.device, b"none" if one.device == b.device.id else one.package, one.last_resort)
            for one in frame.packages
        )
        return [frames.KeyPackages(request=frame.request, packages=bent)]

    a.toward = bend
    wedge(victims, m, (a, b, c), room)
    stage.wait(41_000)
    assert "MALFORMED" in a.codes()
    assert members(c, next_of(c, room)) == ids(a, c)
    settle(stage)
    # Who was left out has opened one in which all are.
    assert next_of(a, room) == next_of(b, room) == next_of(c, room)
    assert members(c, next_of(c, room)) == ids(a, b, c)


@pytest.mark.parametrize("refused", ["open_room", "commit"])
def test_what_the_first_cannot_do_is_said_and_the_next_does_it(
    stage: Stage, victims: Victims, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    a, b, c, m, room = four(stage)
    module: Any = {"open_room": apart, "commit": commits}[refused]
    plain = getattr(module, refused)

    def hinder(ctx: Context, *given: Any, **named: Any) -> None:  # noqa: ANN401 - as the one that it stands for
        if ctx.me == a.device.id:
            raise RefusedError(Code.QUOTA, "hindered")
        plain(ctx, *given, **named)

    wedge(victims, m, (a, b, c), room)
    monkeypatch.setattr(module, refused, hinder)
    waits = ask(a, room, "not lost")
    settle(stage)
    assert any("hindered" in alarm.detail for alarm in a.store.alarms)
    assert next_of(a, room) == next_of(b, room) == next_of(c, room)
    assert a.intent(waits).state is DONE
    assert c.texts(next_of(c, room)) == ["not lost"]


# ---- after restarts


def test_a_restart_forgets_neither_the_refusal_nor_who_else_refuses(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    a.outward = keep([], frames.Publish)
    victims.of(m, (a, b, c), room)
    change(m, room)
    assert a.row(room).status is HALTED
    a.restart()
    a.outward = None
    a.connect()
    stage.run()
    assert ids(a, b, c) <= set(room_of(b, room).row.wedge.refused)  # type: ignore[union-attr]  # it refused
    for client in (b, c):
        client.restart()
        client.connect()
    stage.run()
    settle(stage)
    assert next_of(a, room) == next_of(b, room) == next_of(c, room)


def test_an_own_refusal_that_was_lost_before_it_was_signed_is_made_again(stage: Stage, victims: Victims) -> None:
    a, b, c, m, room = four(stage)
    victims.of(m, (a, b, c), room)
    a.disconnect()
    change(m, room)
    # It has read the commit, and not to the head.
    a.toward = lambda frame: [] if isinstance(frame, frames.PageEnd) and frame.room == room else [frame]
    a.connect()
    stage.run()
    assert (a.row(room).status, a.row(room).in_flight) == (HALTED, None)
    a.restart()
    a.toward = None
    a.connect()
    stage.run()
    assert a.device.id in room_of(b, room).row.wedge.refused  # type: ignore[union-attr]  # it refused
    settle(stage)
    assert next_of(a, room) == next_of(b, room)


def test_who_is_removed_and_added_again_is_in_the_same_room_again(stage: Stage, victims: Victims) -> None:
    a, b, _c, m, room = four(stage)
    wedge(victims, m, (b,), room)
    victims.of(m, (), room)
    a.do(actions.Remove(room=room, devices=(b.device.id,)))
    invite(a, room, b)
    assert (b.row(room).status, b.row(room).wedge) == (OPEN, None)
    change(a, room)
    assert b.say(room, "back").state is DONE
    assert a.texts(room) == ["back"]


def put_out_by_two(stage: Stage, victims: Victims) -> tuple[Client, Client, list[Client], RoomId]:
    """A commit fails for one alone and a liar refuses it too, while all others sleep; then these go on behind it."""
    a, b, c, m, room = four(stage)
    n, d, b2 = stage.online("N", of=SN), stage.online("D", of=SN), stage.online("B2", of=MA)
    for other in (n, d, b2):
        stage.wait(40_000)  # the relay takes so many commits at a time
        invite(a, room, other)
    sleeping = [a, c, d, b2]
    for client in sleeping:
        client.disconnect()
    wedge(victims, m, (b,), room)
    lie(n, room)
    settle(stage)
    assert next_of(b, room) in b.store.rooms
    for client in sleeping:
        client.connect()
    stage.run()
    return a, b, sleeping, room


def test_who_was_put_out_by_two_is_in_the_room_again_when_it_is_added(stage: Stage, victims: Victims) -> None:
    a, b, sleeping, room = put_out_by_two(stage, victims)
    stage.wait(180_000)  # a colleague removes it and adds it again, as one for which a commit fails alone
    assert (b.row(room).status, b.row(room).wedge, b.row(room).successor) == (OPEN, None, None)
    assert b.say(room, "back").state is DONE
    assert [client.texts(room) for client in sleeping] == [["back"]] * len(sleeping)
    assert a.row(room).successor is None


def test_who_is_added_again_while_the_room_is_wedged_stays_out_of_it(stage: Stage, victims: Victims) -> None:
    """The control: nobody has shown that he goes on."""
    a, b, c, m, room = four(stage)
    wedge(victims, a, (b, c, m), room)
    settle(stage)
    new = next_of(b, room)
    a.do(actions.Remove(room=room, devices=(b.device.id,)))
    victims.of(a, (), room)
    invite(a, room, b)
    stage.wait(20_000)
    assert (b.row(room).status, b.row(room).successor) == (OPEN, new)
    assert b.say(room, "not to the committer").state is DONE
    assert c.texts(new) == ["not to the committer"]


# ---- at random


LIVES = 5
"""Wedged rooms in the short form."""


@pytest.mark.slow
def test_whoever_is_there_when_all_reach_one_successor_and_nothing_is_lost(victims: Victims, scale: int) -> None:
    for seed in range(LIVES * scale):
        random, stage = Random(seed), Stage()
        victims.devices = set()  # the same devices again
        a, b, c, m, room = four(stage)
        b2 = stage.online("B2", of=MA)
        invite(a, room, b2)
        stage.wait(5_000)
        bad = random.choice((a, m))
        honest = [client for client in (a, b, c, b2, m) if client is not bad]
        away = random.sample(honest, random.randrange(3))
        for client in away:
            client.disconnect()
        victims.of(bad, honest, room)
        change(bad, room)
        waits = {client.name: ask(client, room, f"from {client.name}") for client in honest}
        for _ in range(12):
            stage.wait(random.choice((1_000, 7_000)))
            _disturb(random, random.choice(honest))
        for client in honest:
            if client.peer is None:
                client.connect()
        settle(stage)
        settle(stage)
        new = {next_of(client, room) for client in honest}
        assert len(new) == 1, seed
        (found,) = new
        for client in honest:
            assert client.intent(waits[client.name]).state is DONE, (seed, client.name)
            assert members(client, found) == ids(*honest), (seed, client.name)
        after = honest[0].say(found, f"after {seed}")
        assert after.state is DONE
        assert all(client.texts(found)[-1] == f"after {seed}" for client in honest)
        assert not [one for one in bad.store.rooms if one != room]
        for client in honest:
            own = {text for one in client.store.rooms for text in client.texts(one)}
            assert f"from {client.name}" in own
        # Each is read by all who were in when it was sent; nobody is left without one for good.
        sent = {text for one in honest[0].store.rooms for text in honest[0].texts(one)}
        assert f"after {seed}" in sent


def _disturb(random: Random, client: Client) -> None:
    match random.randrange(4):
        case 0 if client.peer is not None:
            client.disconnect()
        case 0 | 1 if client.peer is None:
            client.connect()
        case 2:
            client.restart()
            client.connect()
        case _:
            pass
