"""Own keys in a room are renewed by a commit that changes nobody: when, and when not."""

from __future__ import annotations

from amanah_client import model
from amanah_client.core import renewal
from amanah_protocol import frames
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.group import suites
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Kind
from amanah_protocol.types import DeviceId, RoomId
from tests.client.core.forge import room_of
from tests.client.core.rooms import create, invite, two
from tests.client.core.test_duty import committers, days, jump, renew
from tests.client.core.world import MA, Client, Stage

DAY_MS = 86_400_000


def renewals(client: Client, room: RoomId) -> list[DeviceId]:
    """Who renewed its keys, in order."""
    return [kid for kid, commit in committers(client, room) if not commit.added and not commit.removed]


def credential_of(viewer: Client, room: RoomId, member: Client) -> bytes:
    """The certificate that a member's leaf shows."""
    group = room_of(viewer, room).group
    assert group is not None
    return group.members[member.device.id].certificate


def is_commit(frame: frames.Publish) -> bool:
    """Whether a publish changes a room's keys."""
    return decode_envelope(frame.items[0].envelope).header.kind is Kind.COMMIT


def test_nobody_renews_what_is_fresh(stage: Stage) -> None:
    a, b, room = two(stage)
    days(stage, 6)
    assert renewals(a, room) == renewals(b, room) == []


def test_everybody_renews_its_keys_each_week(stage: Stage) -> None:
    a, b, room = two(stage)
    days(stage, 9)
    assert sorted(renewals(a, room)) == sorted((a.device.id, b.device.id))
    days(stage, 9)
    assert sorted(renewals(a, room)) == sorted(2 * (a.device.id, b.device.id))
    assert a.say(room, "still here").state is model.IntentState.DONE
    assert b.texts(room)[-1] == "still here"
    assert a.store.alarms == b.store.alarms == []


def test_a_bot_renews_its_keys_too(stage: Stage) -> None:
    a, bot = stage.online("A"), stage.online("bot", role=Role.BOT)
    room = create(a)
    invite(a, room, bot)
    days(stage, 9)
    assert bot.device.id in renewals(a, room)


def test_what_somebody_wrote_goes_before_a_renewal_in_its_time(stage: Stage) -> None:
    a, _b, room = two(stage)
    held = room_of(a, room)
    held.change(renew_at_ms=1)
    intent = a.say(room, "first this")
    assert intent.state is model.IntentState.DONE
    stage.run()
    kinds = [row.kind for row in a.rows(room)][-2:]
    assert kinds == [Kind.MESSAGE, Kind.COMMIT]


def test_who_joined_by_a_last_resort_package_renews_at_once_and_keeps_its_secret(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    stock = stage.relay.store.stock[b.device.id, suites.CLASSICAL]
    stock.clear()
    first, second = create(a), create(a)
    before = dict(b.store.packages)
    invite(a, first, b)
    assert renewals(a, first) == [b.device.id]
    assert b.row(first).status is model.RoomStatus.OPEN
    # Another room may have been sealed to the same package: its secret opens that too.
    assert set(before) <= set(b.store.packages)
    stage.relay.now_ms += DAY_MS
    stage.wait(120_000, 2_000)
    stock.clear()
    invite(a, second, b)
    assert b.row(second).status is model.RoomStatus.OPEN
    assert renewals(a, second) == [b.device.id]


def test_a_package_that_is_no_last_resort_is_used_once(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)
    before = set(b.store.packages)
    invite(a, room, b)
    assert len(before - set(b.store.packages)) == 1
    assert renewals(a, room) == []


def test_a_renewed_certificate_reaches_the_room(stage: Stage) -> None:
    a, b, room = two(stage)
    old = credential_of(b, room, a)
    renew(stage, a, 3)
    assert a.device.id in renewals(b, room)
    assert credential_of(b, room, a) == a.device.certificate.encoded != old
    assert b.store.alarms == []


def test_a_renewal_that_the_relay_refuses_is_left_alone_for_a_while(stage: Stage) -> None:
    a, _b, room = two(stage)
    asked: list[frames.Frame] = []

    def refuse(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Publish) and is_commit(frame):
            asked.append(frame)
            a.peer.frames.append(frames.Refused(frame.request, "MEMBERSHIP", "no"))  # type: ignore[union-attr]  # it is connected
            return []
        return [frame]

    a.outward = refuse
    room_of(a, room).change(renew_at_ms=1)
    stage.wait(600_000, 2_000)
    assert len(asked) == 1
    a.outward = None
    stage.wait(3_600_000, 5_000)
    assert renewals(a, room) == [a.device.id]


def test_the_spread_lies_within_a_day(stage: Stage) -> None:
    a, _b, room = two(stage)
    held = room_of(a, room)
    late = held.row.renew_at_ms - stage.relay.now_ms - renewal.RENEW_MS
    assert -DAY_MS < late < renewal.SPREAD_MS
    jump(stage, 1)
