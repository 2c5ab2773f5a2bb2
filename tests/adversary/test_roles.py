"""Attack 34: a device does what its certificate's role does not allow, and the relay lets it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import pytest

from amanah_client.model import MessageState, RoomStatus
from amanah_protocol import frames
from amanah_protocol.audit import ReadingOrder, sign_order
from amanah_protocol.envelope import audience_digest
from amanah_protocol.errors import Code
from amanah_protocol.group.suites import CLASSICAL
from amanah_protocol.identity import MachineLimits, Role
from amanah_protocol.kinds import HEADER_ONLY, Commit, Decision, Kind, Outcome
from amanah_protocol.types import DeviceId, EnvelopeId
from amanah_relay.core.checks import members_of
from amanah_relay.effects import TakeKeyPackages
from tests.adversary.attack import Attack, Out, Planted
from tests.adversary.evil import EvilRelay
from tests.adversary.forge import Rogue, certified, drawn, header, log_device, open_own_room, signed, stolen_group
from tests.adversary.outcomes import control, defended
from tests.adversary.packages import credential_of
from tests.adversary.shown import evidence
from tests.adversary.stage import OFFICERS, Stage
from tests.engines import ENGINES
from tests.simulation.community import MA, SN, TN, Device
from tests.vectors.examples import SPECIFICS

Play = Callable[..., Stage]
READERS: Final = ("tn-1", "tn-2", "ma-1", "ma-2", "sn-2")

ALLOWED: Final[dict[Role, frozenset[Kind]]] = {
    Role.OFFICER: frozenset(Kind),
    Role.BOT: frozenset({
        Kind.MESSAGE, Kind.ALERT, Kind.ACK, Kind.DELIVERED, Kind.COUNTS, Kind.COMMIT, Kind.REFUSE, Kind.REPAIR
    }),
    Role.SENSOR: frozenset({Kind.ALERT, Kind.COUNTS}),
}  # fmt: skip
"""Who may send what; roles that are not named, nothing."""
MATRIX: Final = frozenset(Kind) - {Kind.CREATE, Kind.COMMIT}
"""Kinds that stand for themselves; the other two change a room, and are played below."""


def everybody(stage: Stage) -> dict[Role, Rogue]:
    """A device of each role, duly certified by TN and logged."""
    organisation = stage.device("tn-1").organisation
    devices = {role: certified(organisation, role.name, role, now_ms=stage.now_ms) for role in Role}
    for device in devices.values():
        log_device(stage.relay, device)
    stage.wait(1)
    return devices


@defended(34)
def test_what_a_role_may_not_send_is_refused_by_every_member(play: Play) -> None:
    stage = play()
    stage.wait(35)
    devices = everybody(stage)
    before = stage.states()
    expected = {}
    for role, device in devices.items():
        previous = EnvelopeId(bytes(32))
        for counter, kind in enumerate(sorted(MATRIX), start=1):
            content = b"" if kind in HEADER_ONLY else b"sealed"
            planted = signed(
                stage.relay, device.key, stage.rooms[0], SPECIFICS[kind], content, counter=counter, previous=previous
            )
            stage.relay.log(stage.rooms[0], planted)
            assert planted.envelope is not None
            previous = planted.envelope.id
            expected[previous] = Code.NOT_MEMBER if kind in ALLOWED.get(role, ()) else Code.ROLE
        stage.wait(1)
    stage.wait(5)
    assert stage.states() == before
    for name in READERS:
        rows = {row.envelope: row for row in stage.messages(name) if row.envelope in expected}
        assert {envelope: row.code for envelope, row in rows.items()} == expected
        assert {row.state for row in rows.values()} == {MessageState.UNREADABLE}
        assert not any(row.content for row in rows.values())
        assert {alarm.code for alarm in stage.alarms(name)} == {Code.ROLE, Code.NOT_MEMBER}
    assert len(expected) == len(Role) * 14
    stage.say("tn-1", "and on")
    stage.wait(3)
    assert all(stage.texts(name) == ["and on"] for name in READERS)


@defended(34)
def test_a_room_is_opened_by_an_officer_or_not_at_all(play: Play) -> None:
    stage = play()
    stage.wait(35)
    devices = everybody(stage)
    victim = stage.device("ma-1").id
    before = stage.state("ma-1")
    for role, device in devices.items():
        if role is Role.OFFICER:
            continue
        wanted = TakeKeyPackages(token=0, suite=CLASSICAL, devices=(victim,))
        package = stage.relay.store.take_key_packages(wanted).taken[0][0]
        assert package is not None
        own = open_own_room(stage.relay, device, victim, package)
        stage.wait(3)
        row = next(row for row in stage.client("ma-1").store.rooms() if row.room == own.room)
        assert (row.status, row.group, row.title) == (RoomStatus.JOINING, b"", "")
        assert stage.said("ma-1", own.room) == ()
        assert [alarm for alarm in stage.alarms("ma-1", Code.ROLE) if alarm.room == own.room]
    assert set(before.circles) <= set(stage.state("ma-1").circles)
    stage.say("ma-1", "and on")
    stage.wait(3)
    assert stage.texts("tn-1") == ["and on"]


def add(stage: Stage, by: str, joiner: Rogue) -> Planted:
    """A member adds a device, with its own keys and all it knows; the relay logs it."""
    adder = stage.device(by)
    package = ENGINES[CLASSICAL].make_key_package(
        joiner.key,
        joiner.credential,
        now_ms=stage.now_ms,
        last_resort=False,
        random=drawn,
    )
    return change(stage, adder, Commit(added=(joiner.id,)), adds=(package.public,))


def change(stage: Stage, by: Device, commit: Commit, adds: tuple[bytes, ...] = ()) -> Planted:
    """A commit of a member, sealed with the keys that it has stored."""
    room = stage.rooms[0]
    audience = (members_of(stage.relay.room(room)) | set(commit.added)) - set(commit.removed)
    made = header(stage.relay, by.id, room, commit, audience=audience_digest(audience))
    group = stolen_group(stage, by.name)
    staged = group.stage_commit(
        adds=adds, removes=commit.removed, credential=credential_of(by), aad=made.aad, random=drawn
    )
    planted = signed(stage.relay, by.key, room, commit, staged.sealed, audience=made.audience, label=made.label)
    stage.relay.log(room, planted)
    stage.wait(5)
    return planted


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.SENSOR, Role.WITNESS, Role.OPERATOR])
@defended(34)
def test_a_role_that_cannot_be_a_member_is_not_let_in_by_an_officer_and_the_relay_together(
    play: Play, role: Role
) -> None:
    stage = play()
    stage.wait(35)
    joiner = everybody(stage)[role]
    members = stage.circle("ma-1", stage.row("ma-1")).members
    planted = add(stage, "tn-2", joiner)
    _refused_by_all(stage, planted, members, but="tn-2")


def _refused_by_all(stage: Stage, planted: Planted, members: tuple[str, ...], *, but: str) -> None:
    """The commit is evidence, nobody enters its epoch, and all stop sending there, loudly; elsewhere they go on."""
    for name in OFFICERS:
        if name == but:
            continue
        found = stage.alarms(name, Code.REFUSED_COMMIT)
        assert "ROLE" in found[0].detail
        assert planted.object in evidence(found[0])
        circle = stage.circle(name, stage.row(name))
        assert (circle.status, circle.members) == (RoomStatus.HALTED, members)
    assert stage.alarms(but)
    stage.say("ma-1", "elsewhere", room=1)
    stage.wait(3)
    assert stage.texts("sn-2", room=1) == ["elsewhere"]


def remove_by_bot(play: Play) -> tuple[Stage, Planted, tuple[str, ...]]:
    """The bot removes an officer; the relay logs it."""
    stage = play()
    stage.wait(35)
    members = stage.circle("ma-1", stage.row("ma-1")).members
    planted = change(stage, stage.device("tn-bot"), Commit(removed=(stage.device("sn-1").id,)))
    return stage, planted, members


@defended(34)
def test_a_bot_removes_nobody(play: Play) -> None:
    stage, planted, members = remove_by_bot(play)
    _refused_by_all(stage, planted, members, but="tn-bot")


@control(34, "officers change the circle")
def test_without_the_look_at_the_role_a_bot_puts_an_officer_out(play: Play) -> None:
    stage, _, members = remove_by_bot(play)
    for name in READERS:
        assert stage.circle(name, stage.row(name)).members == tuple(m for m in members if m != "sn-1")
        assert stage.alarms(name) == []
    assert stage.row("sn-1").status is RoomStatus.REMOVED


def decide_by_bot(play: Play) -> Stage:
    """The bot, a member, states that three nations have decided."""
    stage = play()
    stage.wait(35)
    decision = Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=tuple(sorted((MA, SN, TN))))
    stage.relay.log(stage.rooms[0], signed(stage.relay, stage.device("tn-bot").key, stage.rooms[0], decision))
    stage.wait(3)
    return stage


@defended(34)
def test_a_bot_decides_nothing(play: Play) -> None:
    stage = decide_by_bot(play)
    for name in READERS:
        (alarm,) = stage.alarms(name)
        assert alarm.code == Code.ROLE
        assert evidence(alarm)
        assert Kind.DECISION not in {said.kind for said in stage.said(name, stage.rooms[0])}


@control(34, "kinds of a role")
def test_without_the_look_at_the_kind_a_bot_decides_for_three_nations(play: Play) -> None:
    stage = decide_by_bot(play)
    for name in READERS:
        assert [said.sender for said in stage.said(name, stage.rooms[0]) if said.kind is Kind.DECISION] == ["tn-bot"]
        assert stage.alarms(name) == []


@defended(34)
def test_a_machine_for_one_room_writes_in_no_other(play: Play) -> None:
    """A bot whose certificate names the second room is brought into the first."""
    stage = play()
    stage.wait(35)
    organisation = stage.device("tn-1").organisation
    machine = MachineLimits(rooms=(stage.rooms[1],), kinds=(Kind.ALERT,))
    bot = certified(organisation, "bound", Role.BOT, now_ms=stage.now_ms, machine=machine)
    log_device(stage.relay, bot)
    stage.wait(1)
    stage.relay.log(stage.rooms[0], signed(stage.relay, bot.key, stage.rooms[0], SPECIFICS[Kind.COUNTS]))
    stage.wait(3)
    for name in READERS:
        assert [alarm.code for alarm in stage.alarms(name)] == [Code.ROLE]


class Listening(Attack):
    """Hears what the relay answers to one device, and keeps it from it."""

    def __init__(self) -> None:
        super().__init__()
        self.device: DeviceId | None = None
        self.heard: list[frames.Frame] = []

    def on_other(self, relay: EvilRelay, to: DeviceId, frame: frames.Frame) -> Iterable[Out]:
        if to != self.device or not isinstance(frame, frames.Refused | frames.LogEntries):
            return (frame,)
        self.heard.append(frame)
        return ()


@pytest.mark.parametrize("name", ["tn-1", "tn-bot"])
@defended(34)
def test_who_is_no_auditor_is_given_no_leaf(play: Play, name: str) -> None:
    attack = Listening()
    stage = play(attack)
    device = stage.device(name)
    attack.device = device.id
    order = ReadingOrder(first=0, until=10, ordered_at_ms=stage.now_ms, nonce=bytes(16))
    asked = frames.AuditRead(request=10_000, order=sign_order(order, device.key), start=0)
    stage.relay.hear(device.id, frames.encode_frame(asked))
    stage.wait(1)
    (refused,) = attack.heard
    assert isinstance(refused, frames.Refused)
    assert (refused.request, refused.code) == (10_000, Code.ROLE)
