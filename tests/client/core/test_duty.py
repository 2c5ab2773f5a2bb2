"""Removal duty: who is removed when and by whom, just below each bound and just above it; and the way back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanah_client import actions, model
from amanah_client.core import duty
from amanah_client.saying import saying
from amanah_protocol import frames
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Commit, Kind
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId, RoomId
from tests.client.core.forge import room_of
from tests.client.core.rooms import create, invite, two
from tests.client.core.test_outbox import refuse
from tests.client.core.world import MA, SN, TN, Client, Hook, Stage, certify, keep

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
OPEN, REMOVED = model.RoomStatus.OPEN, model.RoomStatus.REMOVED
QUEUED, DONE = model.IntentState.QUEUED, model.IntentState.DONE


def jump(stage: Stage, ms: int) -> None:
    """Machines sleep for so long; then two minutes pass, in which all heads come and all are told."""
    stage.relay.now_ms += ms
    stage.wait(120_000, 2_000)


def days(stage: Stage, number: int) -> None:
    """So many days pass, in which everybody who is there looks in each three days."""
    for _ in range(number // 3):
        jump(stage, 3 * DAY_MS)
    jump(stage, number % 3 * DAY_MS)


def members(client: Client, room: RoomId) -> set[DeviceId]:
    """Who is in, as a client sees it."""
    group = room_of(client, room).group
    return set() if group is None else set(group.members)


def committers(client: Client, room: RoomId) -> list[tuple[DeviceId, Commit]]:
    """All commits that changed who is in, with who made them."""
    headers = [decode_envelope(row.encoded).header for row in client.rows(room, Kind.COMMIT)]
    return [(header.kid, header.specific) for header in headers if isinstance(header.specific, Commit)]


def removals(client: Client, room: RoomId) -> list[tuple[DeviceId, tuple[DeviceId, ...]]]:
    """Who removed whom."""
    return [(kid, commit.removed) for kid, commit in committers(client, room) if commit.removed]


def silent_for(client: Client, room: RoomId, device: Client, ms: int) -> None:
    """The member's last sign of life lies so far back, as this client has it."""
    held = room_of(client, room)
    held.active[device.device.id] = client.stage.relay.now_ms - ms
    held.looked = None


def no_alarms(*clients: Client) -> bool:
    return [client.store.alarms for client in clients] == [[] for _ in clients]


# ---- silent


@pytest.mark.parametrize(("short_ms", "removed"), [(60_000, False), (0, True)])
def test_a_device_is_silent_after_thirty_days_and_not_before(stage: Stage, short_ms: int, removed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    a, b = stage.online("A"), stage.online("A2", of=TN)
    room = create(a)
    invite(a, room, b)
    stage.wait(80_000)
    b.disconnect()
    silent_for(a, room, b, duty.SILENT_MS - short_ms)
    stage.wait(30_000)
    assert (removals(a, room) == [(a.device.id, (b.device.id,))]) is removed
    assert no_alarms(a)


def test_a_device_that_is_silent_for_thirty_days_is_removed_as_they_pass(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("A2", of=TN)
    room = create(a)
    invite(a, room, b)
    stage.wait(80_000)
    b.disconnect()
    days(stage, 29)
    assert b.device.id in members(a, room)
    jump(stage, DAY_MS)
    assert members(a, room) == {a.device.id}
    assert removals(a, room) == [(a.device.id, (b.device.id,))]
    assert no_alarms(a)


def test_who_is_there_is_never_silent_though_nobody_says_anything(stage: Stage) -> None:
    a, b, room = two(stage)
    bot = stage.online("bot", of=MA, role=Role.BOT)
    invite(b, room, bot)
    stage.wait(80_000)
    before = len(a.rows(room))
    days(stage, 36)
    assert members(a, room) == {a.device.id, b.device.id, bot.device.id}
    reports = a.rows(room)[before:]
    assert {row.kind for row in reports} <= {Kind.DELIVERED, Kind.COMMIT}
    assert {row.sender for row in reports} == members(a, room)
    assert len(reports) <= 3 * (6 + 6)
    assert no_alarms(a, b, bot)


def test_when_all_come_back_at_once_nobody_is_removed(stage: Stage) -> None:
    a, b, room = two(stage)
    stage.wait(80_000)
    for client in (a, b):
        client.disconnect()
    stage.relay.now_ms += 40 * DAY_MS
    for client in (a, b):
        client.connect()
    stage.run()
    stage.wait(180_000)
    assert removals(a, room) == []
    assert members(a, room) == {a.device.id, b.device.id}
    assert no_alarms(a, b)


def test_a_silent_device_is_its_own_organisations_first_and_then_the_owners(stage: Stage) -> None:
    a, b, room = two(stage)
    b2, c = stage.online("B2", of=MA), stage.online("C", of=SN)
    invite(a, room, b2, c)
    stage.wait(80_000)
    b2.disconnect()
    for client in (a, b, c):
        silent_for(client, room, b2, duty.SILENT_MS)
        client.outward = lambda frame: [] if isinstance(frame, frames.Publish) else [frame]
        client.tick()
    assert (b.row(room).in_flight is None, a.row(room).in_flight is None) == (False, True)
    stage.wait(1_500, 500)
    assert a.row(room).in_flight is None
    stage.wait(1_000, 500)
    assert a.row(room).in_flight is not None
    stage.wait(20_000)
    assert c.row(room).in_flight is None, "a valid device is removed by its organisation or the owner"


def test_one_acts_and_the_others_stand_back(stage: Stage) -> None:
    officers = [stage.online(f"A{number}", of=TN) for number in range(4)]
    gone = stage.online("gone", of=TN)
    room = create(officers[0])
    invite(officers[0], room, *officers[1:], gone)
    stage.wait(80_000)
    gone.disconnect()
    for client in officers:
        silent_for(client, room, gone, duty.SILENT_MS)
    stage.wait(60_000)
    for client in officers:
        assert removals(client, room) == [(officers[0].device.id, (gone.device.id,))]
        assert client.row(room).voids == ()
    assert no_alarms(*officers)


def test_when_the_first_is_away_the_next_one_acts(stage: Stage) -> None:
    officers = [stage.online(f"A{number}", of=TN) for number in range(3)]
    gone = stage.online("gone", of=TN)
    room = create(officers[0])
    invite(officers[0], room, *officers[1:], gone)
    stage.wait(80_000)
    for client in (gone, officers[0]):
        client.disconnect()
    for client in officers[1:]:
        silent_for(client, room, gone, duty.SILENT_MS)
    stage.wait(60_000)
    assert removals(officers[1], room) == [(officers[1].device.id, (gone.device.id,))]


def test_two_who_act_at_once_remove_it_once(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("A2", of=TN)
    gone = stage.online("gone", of=TN)
    room = create(a)
    invite(a, room, b, gone)
    stage.wait(80_000)
    gone.disconnect()
    held: list[frames.Frame] = []
    a.outward = keep(held, frames.Publish)
    for client in (a, b):
        silent_for(client, room, gone, duty.SILENT_MS)
    stage.wait(10_000)
    assert removals(b, room) == [(b.device.id, (gone.device.id,))]
    a.outward = None
    for frame in held:
        a._give_relay(frames.encode_frame(frame))  # noqa: SLF001 - what was under way arrives late
    stage.wait(30_000)
    assert removals(a, room) == [(b.device.id, (gone.device.id,))]
    assert a.say(room, "all well").state is DONE
    assert no_alarms(a, b)


def test_a_bot_removes_and_adds_nobody(stage: Stage) -> None:
    a, bot = stage.online("A"), stage.online("bot", role=Role.BOT)
    gone = stage.online("gone", of=TN)
    room = create(a)
    invite(a, room, bot, gone)
    stage.wait(80_000)
    for client in (a, gone):
        client.disconnect()
    silent_for(bot, room, gone, 2 * duty.SILENT_MS)
    room_of(bot, room).absent[a.device.id] = 0
    counter = bot.row(room).counter
    stage.wait(120_000)
    assert bot.row(room).counter == counter


def test_a_wrong_clock_removes_nobody(stage: Stage) -> None:
    a, b, room = two(stage)
    stage.wait(80_000)
    a.disconnect()
    a.clock_ms = 31 * DAY_MS
    a.connect()
    stage.wait(200_000)
    assert members(a, room) == {a.device.id, b.device.id}
    a.disconnect()
    a.clock_ms = 0
    a.connect()
    stage.wait(200_000)
    assert members(a, room) == {a.device.id, b.device.id}


def test_a_sign_of_life_from_the_future_counts_as_one_of_today(stage: Stage) -> None:
    a, b, room = two(stage)
    held = room_of(a, room)
    real = stage.relay.now_ms
    stage.relay.now_ms += 5 * 60_000
    a.clock_ms = -5 * 60_000
    b.tick()
    b.say(room, "news from tomorrow")
    stage.run()
    a.tick()
    assert max(held.active.values()) <= real + 5 * 60_000


def test_a_duty_that_the_relay_refuses_is_left_alone_for_an_hour(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("A2", of=TN)
    room = create(a)
    invite(a, room, b)
    stage.wait(80_000)
    b.disconnect()
    sent = refuse(a, "MEMBERSHIP", times=99)
    silent_for(a, room, b, duty.SILENT_MS)
    stage.wait(1_800_000, 5_000)
    commits = [frame for frame in sent if decode_envelope(frame.items[0].envelope).header.kind is Kind.COMMIT]
    assert len(commits) == 1
    a.outward = None
    assert a.say(room, "meanwhile").state is DONE
    stage.wait(3_600_000, 5_000)
    assert members(a, room) == {a.device.id}


# ---- expired


def test_an_expired_device_reads_cannot_send_and_is_removed_fourteen_days_later(stage: Stage) -> None:
    a, b, room = two(stage)
    stage.wait(80_000)
    renew(stage, a, 80)
    end_ms = b.device.certificate.not_after_ms
    keep_reading(stage, b, room, end_ms + HOUR_MS)
    assert a.say(room, "for you too").state is DONE
    assert b.texts(room)[-1] == "for you too"
    intent = b.say(room, "not mine to say")
    assert (intent.state, intent.code) == (QUEUED, "EXPIRED")
    keep_reading(stage, b, room, end_ms + duty.EXPIRED_MS - HOUR_MS)
    assert b.device.id in members(a, room)
    jump(stage, end_ms + duty.EXPIRED_MS - stage.relay.now_ms + 1)
    assert members(a, room) == {a.device.id}
    assert b.intent(intent.id).state is QUEUED
    assert no_alarms(a)


def renew(stage: Stage, client: Client, after_days: int) -> None:
    """Time passes, and the client's certificate is renewed: the same key for another ninety days."""
    days(stage, after_days)
    nation = stage.relay.nations[TN if client.device.certificate.organisation == TN else MA]
    device, _ = certify(nation, client.name, client.device.certificate.role, now_ms=stage.relay.now_ms)
    client.disconnect()
    client.device = device
    client.store.base = replace(client.store.base, certificate=device.certificate.encoded)
    client.restart()
    client.connect()
    stage.run()


def keep_reading(stage: Stage, client: Client, room: RoomId, until_ms: int) -> None:
    """Days pass up to a time; the client is connected at its end."""
    while until_ms - stage.relay.now_ms > 3 * DAY_MS:
        jump(stage, 3 * DAY_MS)
    stage.relay.now_ms = until_ms
    if client.peer is None:
        client.connect()
    stage.wait(120_000, 2_000)
    assert client.row(room).status is OPEN


# ---- the way back


def lapse(stage: Stage) -> tuple[Client, Client, Client, RoomId]:
    """Two officers of one nation and one of another, of whom the second of the first nation fell silent."""
    a, b, room = two(stage)
    a2 = stage.online("A2", of=TN)
    invite(a, room, a2)
    stage.wait(80_000)
    a2.disconnect()
    days(stage, 30)
    assert a2.device.id not in members(a, room)
    return a, a2, b, room


def test_who_fell_silent_and_comes_back_is_added_again_by_its_organisation(stage: Stage) -> None:
    a, a2, b, room = lapse(stage)
    stage.wait(HOUR_MS, 5_000)
    assert a2.device.id not in members(a, room), "its old key packages are no sign of life"
    a2.connect()
    stage.wait(HOUR_MS, 5_000)
    assert a2.row(room).status is OPEN
    assert a2.device.id in members(b, room)
    assert [kid for kid, commit in committers(b, room) if commit.added == (a2.device.id,)] == [a.device.id] * 2
    assert a2.say(room, "I am back").state is DONE
    assert b.texts(room) == ["I am back"]
    assert no_alarms(a, a2, b)


def test_what_it_had_queued_waits_until_it_is_added_again(stage: Stage) -> None:
    a, a2, b, room = lapse(stage)
    intent = a2.ask(saying(room, Text(text="written on the way"), label=Label.AMBER))
    a2.connect()
    stage.run()
    assert a2.row(room).status is REMOVED
    assert (a2.intent(intent).state, a2.intent(intent).code) == (QUEUED, "NOT_MEMBER")
    stage.wait(HOUR_MS, 5_000)
    assert a2.intent(intent).state is DONE
    assert b.texts(room) == ["written on the way"]
    assert no_alarms(a, a2, b)


def test_what_was_in_flight_when_it_fell_silent_is_sent_when_it_is_back(stage: Stage) -> None:
    a, b, room = two(stage)
    a2 = stage.online("A2", of=TN)
    invite(a, room, a2)
    stage.wait(80_000)
    a2.outward = lambda frame: [] if isinstance(frame, frames.Publish) else [frame]
    intent = a2.ask(saying(room, Text(text="on its way for long"), label=Label.AMBER))
    a2.disconnect()
    a2.outward = None
    days(stage, 30)
    a2.connect()
    stage.wait(HOUR_MS, 5_000)
    assert a2.intent(intent).state is DONE
    assert b.texts(room) == ["on its way for long"]
    assert no_alarms(a, a2, b)


def test_who_was_removed_by_somebody_is_not_added_again_by_itself(stage: Stage) -> None:
    a, b, room = two(stage)
    a2 = stage.online("A2", of=TN)
    invite(a, room, a2)
    stage.wait(80_000)
    a.do(actions.Remove(room=room, devices=(a2.device.id,)))
    assert a2.say(room, "why?").state is model.IntentState.FAILED
    stage.wait(HOUR_MS, 5_000)
    assert a2.row(room).status is REMOVED
    assert members(b, room) == {a.device.id, b.device.id}


def test_a_revoked_device_is_not_added_again(stage: Stage) -> None:
    a, a2, _b, _room = lapse(stage)
    stage.submit(a, LeafType.REVOCATION, stage.relay.nations[TN].revoke(a2.device.id))
    asked: list[frames.Frame] = []
    a.outward = keep(asked, frames.TakeKeyPackages)
    stage.wait(HOUR_MS, 5_000)
    assert asked == []


def test_another_organisation_and_the_owner_add_nobody_by_themselves(stage: Stage) -> None:
    a, b, room = two(stage)
    b2 = stage.online("B2", of=MA)
    invite(a, room, b2)
    stage.wait(80_000)
    for client in (b, b2):
        client.disconnect()
    days(stage, 31)
    assert members(a, room) == {a.device.id}
    b.connect()
    stage.wait(HOUR_MS, 5_000)
    assert b.row(room).status is REMOVED
    assert members(a, room) == {a.device.id}
    invite(a, room, b)
    assert b.row(room).status is OPEN


def test_looking_for_who_is_absent_costs_few_key_packages(stage: Stage) -> None:
    a, a2, _b, room = lapse(stage)
    others = [stage.online(f"A{number}", of=TN) for number in range(3, 6)]
    invite(a, room, *others)
    absent = room_of(a, room).absent
    asked: dict[str, int] = {}

    def count(client: Client) -> Hook:
        def hook(frame: frames.Frame) -> list[frames.Frame]:
            if isinstance(frame, frames.TakeKeyPackages):
                asked[client.name] = asked.get(client.name, 0) + 1
            return [frame]

        return hook

    for client in (a, *others):
        room_of(client, room).absent = dict(absent)
        client.outward = count(client)
    stage.wait(4 * HOUR_MS, 5_000)
    assert 14 <= asked["A"] <= 16
    assert asked["A3"] <= asked["A"] // 2
    assert asked["A4"] <= asked["A"] // 3
    assert asked["A5"] <= asked["A"] // 4
    assert a2.device.id not in members(a, room)


def test_an_absent_device_is_forgotten_after_ninety_days(stage: Stage) -> None:
    a, a2, _b, room = lapse(stage)
    assert a2.device.id in room_of(a, room).absent
    assert [since.device for since in a.row(room).absent] == [a2.device.id]
    room_of(a, room).absent[a2.device.id] = stage.relay.now_ms - duty.FORGET_MS
    stage.wait(2_000)
    assert room_of(a, room).absent == {}
    assert a.row(room).absent == ()


def test_what_is_known_of_silence_survives_a_restart(stage: Stage) -> None:
    a, b, room = two(stage)
    stage.wait(80_000)
    before = dict(room_of(a, room).active)
    assert set(before) == {a.device.id, b.device.id}
    a.restart()
    assert room_of(a, room).active == before


# ---- revoked


def test_each_revocation_is_waited_for_by_rank_anew(stage: Stage) -> None:
    a, b, room = two(stage)
    c, d = stage.online("C", of=SN), stage.online("D", of=SN)
    invite(a, room, c, d)
    stage.wait(80_000)
    stage.submit(a, LeafType.REVOCATION, stage.relay.nations[SN].revoke(c.device.id))
    stage.wait(60_000)
    assert c.device.id not in members(b, room)
    for client in (a, b):
        client.outward = lambda frame: [] if isinstance(frame, frames.Publish) else [frame]
    stage.submit(a, LeafType.REVOCATION, stage.relay.nations[SN].revoke(d.device.id))
    stage.tick(500)
    assert a.row(room).in_flight is not None
    assert b.row(room).in_flight is None, "the second in rank waits two seconds, each time"
