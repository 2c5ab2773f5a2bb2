"""Invitations: whom a name stands for, whose key packages hold, and who is left out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from amanah_client import actions, model
from amanah_client.core import invite as invitations
from amanah_client.core.requests import Taken
from amanah_client.reasons import NO_PACKAGE, english
from amanah_protocol import frames
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import VerifyError
from amanah_protocol.group import suites
from amanah_protocol.group.room_engine import RoomEngine
from amanah_protocol.group.seam import Credential, KeyPackageInfo
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Commit, Kind
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.mls.suites import X25519_CHACHA20POLY1305
from amanah_protocol.types import DeviceId, OrgName, PersonId, RoomId
from amanah_relay.quotas import RelayLimits
from tests.client.core.forge import room_of
from tests.client.core.rooms import create, invite, two
from tests.client.core.world import MA, SN, TN, Client, Stage, certify, seeded
from tests.engines import ENGINES

DONE, QUEUED, FAILED = model.IntentState.DONE, model.IntentState.QUEUED, model.IntentState.FAILED


def members(client: Client, room: RoomId) -> set[DeviceId]:
    """Who is in, as the client sees it."""
    group = room_of(client, room).group
    assert group is not None
    return set(group.members)


def commits_of(client: Client, room: RoomId) -> list[Commit]:
    """The commits of a room."""
    found = [decode_envelope(row.encoded).header.specific for row in client.rows(room, Kind.COMMIT)]
    return [specific for specific in found if isinstance(specific, Commit)]


def substitute(client: Client, make: Any) -> None:  # noqa: ANN401 - a function of a taken package
    """Give other key packages than were taken."""
    client.toward = lambda frame: (
        [frames.KeyPackages(frame.request, tuple(make(taken) for taken in frame.packages))]
        if isinstance(frame, frames.KeyPackages)
        else [frame]
    )


def test_a_person_is_invited_with_all_devices(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)
    subject = b.device.certificate.subject
    assert a.do(actions.Invite(room=room, subject=subject)).state is DONE
    assert members(a, room) == {a.device.id, b.device.id}


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ({"organisation": OrgName("cert.example.zz")}, "cert.example.zz is not in the community's roster"),
        ({"organisation": OrgName(SN)}, f"no device of {SN} has connected yet: a device connects once before"),
        ({"subject": PersonId(b"s" * 16)}, "no device of this person has connected yet"),
        ({"device": DeviceId(b"d" * 32)}, f"device {b'd'.hex() * 8} has not connected yet"),
        ({"organisation": OrgName(MA)}, f"{MA}: all that is known is an auditor's, and auditors are in no room"),
    ],
)
def test_why_nobody_can_be_invited_by_a_name_is_said(stage: Stage, action: dict[str, Any], said: str) -> None:
    a = stage.online("A")
    stage.online("auditor", of=MA, role=Role.AUDITOR)
    intent = a.do(actions.Invite(room=create(a), **action))
    assert (intent.state, intent.code) == (FAILED, "NOT_FOUND")
    assert intent.detail.startswith(said)
    assert english(intent.reasons) == intent.detail


def test_an_auditors_device_and_one_that_was_revoked_are_not_invited(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    auditor = stage.online("auditor", of=MA, role=Role.AUDITOR)
    room = create(a)
    intent = a.do(actions.Invite(room=room, device=auditor.device.id))
    assert (intent.state, "auditors are in no room" in intent.detail) == (FAILED, True)
    stage.submit(a, LeafType.REVOCATION, stage.relay.nations[MA].revoke(b.device.id))
    intent = a.do(actions.Invite(room=room, device=b.device.id))
    assert (intent.state, "no certificate of an officer or bot is in force" in intent.detail) == (FAILED, True)


def test_an_invitation_of_those_who_are_in_is_done(stage: Stage) -> None:
    a, b, room = two(stage)
    counter = a.row(room).counter
    assert a.do(actions.Invite(room=room, device=b.device.id)).state is DONE
    assert a.row(room).counter == counter


def test_who_has_no_key_package_left_is_named_and_the_others_are_added(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    c, _ = certify(stage.relay.nations[MA], "C", Role.OFFICER)
    stage.submit(b, LeafType.CERTIFICATE, c.certificate.encoded)
    room = create(a)
    intent = a.do(actions.Invite(room=room, organisation=OrgName(MA)))
    assert (intent.state, intent.code) == (DONE, "NO_KEY_PACKAGE")
    assert c.id.hex()[:16] in intent.detail
    assert [(one.why, one.device) for one in intent.reasons] == [(NO_PACKAGE, c.id.hex()[:16])]
    assert members(a, room) == {a.device.id, b.device.id}


def test_an_invitation_without_any_key_package_waits_and_says_for_whom(stage: Stage) -> None:
    a = stage.online("A")
    b = stage.client("B", of=MA)
    stage.submit(a, LeafType.ENROLMENT, stage.relay.nations[MA].enrolment.endorsed.encode())
    stage.submit(a, LeafType.CERTIFICATE, b.device.certificate.encoded)
    room = create(a)
    intent = a.do(actions.Invite(room=room, device=b.device.id))
    assert (intent.state, intent.code) == (QUEUED, "NO_KEY_PACKAGE")
    assert MA in intent.detail
    assert a.say(room, "meanwhile").state is DONE
    b.connect()
    stage.run()
    # A device puts its key packages there right after it has come.
    stage.wait(1_000)
    assert a.intent(intent.id).state is DONE
    assert b.row(room).status is model.RoomStatus.OPEN
    assert a.store.alarms == []


def test_key_packages_that_stay_away_are_asked_for_ever_more_seldom_and_for_ever(stage: Stage) -> None:
    a = stage.online("A")
    b, _ = certify(stage.relay.nations[MA], "B", Role.OFFICER)
    stage.submit(a, LeafType.ENROLMENT, stage.relay.nations[MA].enrolment.endorsed.encode())
    stage.submit(a, LeafType.CERTIFICATE, b.certificate.encoded)
    room, asked_ms = create(a), list[int]()

    def noted(frame: Any) -> list[Any]:  # noqa: ANN401 - a frame of the client
        if isinstance(frame, frames.TakeKeyPackages):
            asked_ms.append(stage.relay.now_ms)
        return [frame]

    a.outward = noted
    intent = a.do(actions.Invite(room=room, device=b.id))
    stage.wait(130_000, 500)
    pauses = [later - earlier for earlier, later in pairwise(asked_ms)]
    assert pauses == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]
    assert a.intent(intent.id).state is QUEUED


def test_a_key_package_of_another_device_is_an_alarm(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    c = stage.online("C", of=MA)
    room = create(a)
    other = stage.relay.store.stock[c.device.id, suites.CLASSICAL][0]
    substitute(a, lambda taken: frames.TakenPackage(taken.device, other, last_resort=False))
    intent = a.do(actions.Invite(room=room, device=b.device.id))
    assert (intent.state, intent.code) == (QUEUED, "NO_KEY_PACKAGE")
    assert "BINDING" in intent.detail
    assert a.codes() == ["BINDING"]
    assert members(a, room) == {a.device.id}


def test_a_key_package_made_by_the_relay_is_an_alarm(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    thief, _ = certify(stage.relay.nations[SN], "B2", Role.OFFICER)
    credential = Credential(certificate=thief.certificate.encoded, enrolment=thief.enrolment.endorsed.encode())
    forged = ENGINES[suites.CLASSICAL].make_key_package(
        thief.key, credential, now_ms=stage.relay.now_ms, last_resort=False, random=seeded("thief")
    )
    room = create(a)
    substitute(a, lambda taken: frames.TakenPackage(taken.device, forged.public, last_resort=False))
    a.do(actions.Invite(room=room, device=b.device.id))
    assert a.codes() == ["CERTIFICATE"]


def test_a_broken_key_package_is_an_alarm(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)
    substitute(a, lambda taken: frames.TakenPackage(taken.device, taken.package[:-1] + b"\x00", last_resort=False))
    a.do(actions.Invite(room=room, device=b.device.id))
    assert a.codes() == ["SIGNATURE"]
    assert members(a, room) == {a.device.id}


class Lying(RoomEngine):
    """The real engine, whose key packages say something else."""

    __slots__ = ("_changes",)

    def __init__(self, **changes: Any) -> None:  # noqa: ANN401 - fields of the info
        super().__init__(X25519_CHACHA20POLY1305)
        self._changes = changes

    def key_package_info(self, public: bytes) -> KeyPackageInfo:
        """What a key package says, changed."""
        return replace(super().key_package_info(public), **self._changes)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"suite": 1}, "SUITE"),
        ({"not_after_ms": 1}, "EXPIRED"),
        ({"not_before_ms": 2**60}, "EXPIRED"),
        ({"not_after_ms": 2**60}, "EXPIRED"),
    ],
)
def test_a_key_package_of_another_suite_or_time_is_an_alarm(stage: Stage, changes: dict[str, Any], code: str) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)
    room_of(a, room).engine = Lying(**changes)
    a.do(actions.Invite(room=room, device=b.device.id))
    assert a.codes() == [code]


def test_key_packages_of_others_than_were_asked_for_end_the_connection(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)
    substitute(a, lambda taken: frames.TakenPackage(bytes(32), taken.package, last_resort=False))
    a.do(actions.Invite(room=room, device=b.device.id))
    assert a.codes() == ["FRAME"]
    assert a.peer is None


def test_key_packages_that_come_in_parts_are_put_together(stage: Stage) -> None:
    a = stage.online("A")
    others = [stage.online(f"B{n}", of=MA) for n in range(3)]
    room = create(a)
    a.toward = lambda frame: (
        [frames.KeyPackages(frame.request, (taken,)) for taken in frame.packages]
        if isinstance(frame, frames.KeyPackages)
        else [frame]
    )
    assert a.do(actions.Invite(room=room, organisation=OrgName(MA))).state is DONE
    assert members(a, room) == {a.device.id, *(client.device.id for client in others)}


def test_a_device_without_the_rooms_suite_is_refused_by_name(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA, device_suites=(0x0001,))
    intent = a.do(actions.Invite(room=create(a), device=b.device.id))
    assert (intent.state, intent.code) == (QUEUED, "NO_KEY_PACKAGE")
    assert "0x0003" in intent.detail


def test_a_bot_invites_nobody(stage: Stage) -> None:
    a, bot = stage.online("A"), stage.online("bot", role=Role.BOT)
    room = create(a)
    invite(a, room, bot)
    intent = bot.do(actions.Invite(room=room, device=stage.online("C").device.id))
    assert (intent.state, intent.code) == (FAILED, "ROLE")


def test_a_guest_does_not_bring_a_new_organisation(stage: Stage) -> None:
    a, b, room = two(stage)
    intent = b.do(actions.Invite(room=room, device=stage.online("C", of=SN).device.id))
    assert (intent.state, intent.code) == (FAILED, "MEMBERSHIP")
    assert members(a, room) == {a.device.id, b.device.id}
    assert b.say(room, "fine").state is DONE


@pytest.mark.parametrize(("code", "state"), [("RATE", QUEUED), ("ROLE", FAILED)])
def test_a_relay_that_gives_no_key_packages(stage: Stage, code: str, state: model.IntentState) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)
    a.toward = lambda frame: (
        [frames.Refused(frame.request, code, "no", retry_after_ms=2_000)]
        if isinstance(frame, frames.KeyPackages)
        else [frame]
    )
    intent = a.do(actions.Invite(room=room, device=b.device.id))
    assert (intent.state, intent.code) == (state, code)
    a.toward = None
    stage.wait(3_000)
    assert a.intent(intent.id).state is (DONE if state is QUEUED else FAILED)


def test_two_officers_who_change_a_room_at_once_both_succeed(stage: Stage) -> None:
    a, b, room = two(stage)
    c, d = stage.online("C", of=TN), stage.online("D", of=MA)
    first = a.ask(actions.Invite(room=room, device=c.device.id))
    second = b.ask(actions.Invite(room=room, device=d.device.id))
    stage.wait(5_000)
    assert a.intent(first).state is DONE
    assert b.intent(second).state is DONE
    assert members(a, room) == members(b, room) == {client.device.id for client in (a, b, c, d)}
    a.say(room, "all here")
    assert [client.texts(room) for client in (b, c, d)] == [["all here"]] * 3
    assert [client.store.alarms for client in (a, b, c, d)] == [[], [], [], []]


def test_more_than_ninety_six_devices_need_several_commits() -> None:
    stage = Stage(
        RelayLimits(
            sessions_per_organisation=300,
            unauthenticated_per_network=300,
            control_burst=2_000,
            control_per_minute=60_000,
        )
    )
    a = stage.online("A")
    others = [stage.client(f"B{n}", of=MA) for n in range(100)]
    for other in others:
        stage.relay.login(other.device)
        package = ENGINES[suites.CLASSICAL].make_key_package(
            other.device.key,
            other.core._ctx.credential,  # noqa: SLF001 - as the client itself makes one
            now_ms=stage.relay.now_ms,
            last_resort=False,
            random=seeded(other.name),
        )
        stage.relay.store.stock[other.device.id, suites.CLASSICAL] = [package.public]
    stage.clients = [a]
    stage.run()
    room = create(a)
    intent = a.ask(actions.Invite(room=room, organisation=OrgName(MA)))
    stage.wait(6_000)
    assert a.intent(intent).state is DONE, a.intent(intent)
    assert len(members(a, room)) == 101
    assert [len(commit.added) for commit in commits_of(a, room)] == [96, 4]
    devices = tuple(other.device.id for other in others)
    removal = a.ask(actions.Remove(room=room, devices=devices))
    stage.wait(6_000)
    assert a.intent(removal).state is DONE
    assert members(a, room) == {a.device.id}
    assert [len(commit.removed) for commit in commits_of(a, room)] == [0, 0, 96, 4]
    assert a.store.alarms == []


def test_a_removal_of_nobody_is_done(stage: Stage) -> None:
    a, _b, room = two(stage)
    assert a.do(actions.Remove(room=room, devices=(DeviceId(bytes(32)),))).state is DONE


def test_a_removal_of_oneself_fails(stage: Stage) -> None:
    a, _b, room = two(stage)
    intent = a.do(actions.Remove(room=room, devices=(a.device.id,)))
    assert (intent.state, intent.code) == (FAILED, "MEMBERSHIP")


def test_an_organisation_removes_its_own(stage: Stage) -> None:
    a, b, room = two(stage)
    b2 = stage.online("B2", of=MA)
    invite(b, room, b2)
    assert b.do(actions.Remove(room=room, devices=(b2.device.id,))).state is DONE
    assert members(a, room) == {a.device.id, b.device.id}


def test_a_refused_commit_is_discarded_and_the_invitation_fails(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)

    def refuse(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Publish) and a.peer is not None:
            a.peer.frames.append(frames.Refused(frame.request, "MEMBERSHIP", "no"))
            return []
        return [frame]

    a.outward = refuse
    intent = a.do(actions.Invite(room=room, device=b.device.id))
    assert (intent.state, intent.code) == (FAILED, "MEMBERSHIP")
    group = room_of(a, room).group
    assert group is not None
    assert group.pending is None
    a.outward = None
    invite(a, room, b)
    assert members(a, room) == {a.device.id, b.device.id}


def test_an_answer_for_a_room_that_is_gone_is_passed_over(stage: Stage) -> None:
    a = stage.online("A")
    ctx = a.core._ctx  # noqa: SLF001 - what is tested
    purpose = Taken(room=RoomId(bytes(16)), intent="x", devices=(DeviceId(bytes(32)),))
    taken = frames.TakenPackage(bytes(32), None, last_resort=False)
    assert invitations.receive_packages(ctx, purpose, frames.KeyPackages(1, (taken,))) is None
    with pytest.raises(VerifyError):
        invitations.receive_packages(ctx, purpose, frames.KeyPackages(1, ()))


def test_a_room_that_cannot_be_made_fails(stage: Stage) -> None:
    a = stage.online("A")
    intent = a.do(actions.CreateRoom(title="x" * 300, ceiling=Label.AMBER, classical=True))
    assert (intent.state, intent.code) == (FAILED, "TOO_LARGE")
    bot = stage.online("bot", role=Role.BOT)
    assert bot.do(actions.CreateRoom(title="x", ceiling=Label.AMBER, classical=True)).code == "ROLE"
    other = stage.online("other", device_suites=(0x0001,))
    assert other.do(actions.CreateRoom(title="x", ceiling=Label.AMBER, classical=True)).code == "SUITE"


def test_a_room_that_the_relay_refuses_leads_nowhere(stage: Stage) -> None:
    a = stage.online("A")

    def refuse(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Publish) and a.peer is not None:
            a.peer.frames.append(frames.Refused(frame.request, "QUOTA2", "no"))
            return []
        return [frame]

    a.outward = refuse
    intent = a.do(actions.CreateRoom(title="x", ceiling=Label.AMBER, classical=True))
    assert intent.state is FAILED
    assert intent.room is not None
    assert a.row(intent.room).status is model.RoomStatus.REMOVED


def test_a_room_refused_at_the_wrong_moment_is_made_under_the_same_id(stage: Stage) -> None:
    a = stage.online("A")
    refused: list[frames.Publish] = []

    def refuse(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Publish) and not refused and a.peer is not None:
            refused.append(frame)
            a.peer.frames.append(frames.Refused(frame.request, "CLOCK", "no", time_ms=stage.relay.now_ms))
            return []
        return [frame]

    a.outward = refuse
    intent = a.ask(actions.CreateRoom(title="x", ceiling=Label.AMBER, classical=True))
    stage.wait(5_000)
    done = a.intent(intent)
    assert done.state is DONE
    assert done.room == decode_envelope(refused[0].items[0].envelope).header.room
    assert done.room is not None
    assert a.row(done.room).title == "x"
    assert a.store.alarms == []
