"""Attack 22: another suite, another version, or less than a room requires."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

import pytest

from amanah_client.model import RoomStatus
from amanah_protocol import frames
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.group.leaves import CAPABILITIES, identity_of, lifetime_of
from amanah_protocol.group.room_group import RoomGroup, StagedCommit
from amanah_protocol.group.suites import CLASSICAL, SUPPORTED
from amanah_protocol.mls.codec import opaque, u16
from amanah_protocol.mls.credential import CredentialType, Extension, ExtensionType
from amanah_protocol.mls.framing import decode_message, encode_message
from amanah_protocol.mls.group import Application, Group
from amanah_protocol.mls.group_context import Welcome
from amanah_protocol.mls.key_package import decode_key_package
from amanah_protocol.mls.labelled import sign_with_label
from amanah_protocol.mls.leaf_node import MLS10, Capabilities
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.types import DeviceId
from amanah_relay.effects import TakeKeyPackages
from tests.adversary.attack import Attack, Out
from tests.adversary.evil import EvilRelay
from tests.adversary.forge import OwnRoom, certified, drawn, log_device, message, open_own_room
from tests.adversary.outcomes import control, defended
from tests.adversary.packages import SUITE, credential_of
from tests.adversary.sealed_room import (
    AAD,
    COMMIT,
    CREATE,
    ROOM,
    Invitation,
    binding,
    commit,
    device,
    join,
    open_room,
    package,
    refusal,
    room_of,
)
from tests.adversary.stage import Stage
from tests.engines import ENGINES
from tests.simulation.scheduler import START_MS

Play = Callable[..., Stage]
VICTIM: Final = "sn-1"
OTHERS: Final = tuple(number for number in range(2**16) if number not in SUPPORTED)
EDGES: Final = (0, 1, 2, 4, 5, 6, 7, 0x004D, 0xEFFF, 0xF000, 0xF002, 0xFFFF)


# ---- suites


@defended(22)
def test_no_other_suite_has_an_engine() -> None:
    for number in OTHERS:
        with pytest.raises(VerifyError) as raised:
            ENGINES[number]
        assert raised.value.code is Code.SUITE


def own_package(*, suite: int = SUITE.number, version: int = MLS10, capabilities: Capabilities = CAPABILITIES) -> bytes:
    """A device's own key package, signed as it must be, that says something else than it should."""
    own = device("sn-2")
    identity = replace(identity_of(own.key, credential_of(own)), capabilities=capabilities)
    node = identity.leaf_for_key_package(
        SUITE.kem.derive_key_pair(drawn(32)).public, lifetime_of(own.key, credential_of(own), START_MS)
    )
    init = SUITE.kem.derive_key_pair(drawn(32)).public
    unsigned = u16(version) + u16(suite) + opaque(init) + node.encoded + opaque(b"")
    return unsigned + opaque(sign_with_label(own.key, b"KeyPackageTBS", unsigned))


def rule_of(act: Callable[[], object]) -> Rule | None:
    """By which rule something is refused."""
    error = refusal(act)
    return error.rule if isinstance(error, InvalidError) else None


@defended(22)
@pytest.mark.parametrize("number", EDGES)
def test_a_key_package_of_another_suite_or_version_is_none(number: int) -> None:
    info = ENGINES[CLASSICAL].key_package_info
    info(own_package())
    assert rule_of(lambda: info(own_package(suite=number))) is Rule.KEY_PACKAGE_SUITE
    if number != MLS10:
        assert rule_of(lambda: info(own_package(version=number))) is Rule.KEY_PACKAGE_VERSION


def invitation(staged: StagedCommit, privates: dict[bytes, bytes], extensions: Iterable[Extension]) -> Invitation:
    """A welcome with these extensions of its group info."""
    sealed = staged.commit.welcome(tuple(extensions), key=device("tn-1").key, random=drawn)
    return Invitation(
        sealed=sealed, tree=staged.tree, binding=binding(device("tn-1")), privates=privates, guest=device("sn-2")
    )


def staged_for_the_guest(policy: bytes | None = b"a policy") -> tuple[StagedCommit, dict[bytes, bytes]]:
    """A commit that adds the guest to a room, of this policy or of none."""
    group = open_room(device("tn-1")) if policy is not None else open_without_policy()
    public, privates = package(device("sn-2"))
    staged = group.stage_commit(
        adds=(public,), removes=(), credential=credential_of(device("tn-1")), aad=AAD, random=drawn
    )
    return staged, privates


def open_without_policy() -> RoomGroup:
    """A group whose context has no extension."""
    own = device("tn-1")

    def make(app: Application) -> Group:
        lifetime = lifetime_of(own.key, credential_of(own), START_MS)
        identity = identity_of(own.key, credential_of(own))
        return Group.create(SUITE, ROOM, identity, app=app, lifetime=lifetime, random=drawn)

    return RoomGroup(make, own.key)


@defended(22)
@pytest.mark.parametrize("number", EDGES)
def test_a_welcome_or_message_of_another_suite_or_version_is_none(number: int) -> None:
    staged, privates = staged_for_the_guest()
    right = invitation(staged, privates, right_extensions(staged))
    welcome = decode_message(right.sealed, 2**20)
    assert isinstance(welcome, Welcome)
    changed = encode_message(replace(welcome, suite=number))
    assert rule_of(lambda: join(replace(right, sealed=changed))) is Rule.WELCOME_SUITE
    if number != MLS10:
        assert rule_of(lambda: join(replace(right, sealed=u16(number) + right.sealed[2:]))) is Rule.VERSION
    join(right)


# ---- what a room requires


def right_extensions(staged: StagedCommit) -> tuple[Extension, ...]:
    """What the group info of a room has to say."""
    return (
        Extension(ExtensionType.ROOM_BINDING, CREATE + COMMIT),
        Extension(ExtensionType.ROOM_TREE_KEY, staged.seed),
    )


@defended(22)
@pytest.mark.parametrize("left_out", [ExtensionType.ROOM_BINDING, ExtensionType.ROOM_TREE_KEY])
def test_a_welcome_without_a_required_extension_leads_nowhere(left_out: ExtensionType) -> None:
    staged, privates = staged_for_the_guest()
    some = [extension for extension in right_extensions(staged) if extension.type != left_out]
    error = refusal(lambda: join(invitation(staged, privates, some)))
    assert error is not None
    assert error.code is Code.BINDING


@defended(22)
def test_a_group_without_its_policy_is_not_the_room() -> None:
    staged, privates = staged_for_the_guest(policy=None)
    error = refusal(lambda: join(invitation(staged, privates, right_extensions(staged))))
    assert error is not None
    assert error.code is Code.BINDING


@control(22, "welcomes name their commit")
def test_without_the_look_at_it_a_group_without_policy_is_joined() -> None:
    staged, privates = staged_for_the_guest(policy=None)
    assert join(invitation(staged, privates, right_extensions(staged))).epoch == 1


LESS: Final = {
    "versions": CAPABILITIES._replace(versions=()),
    "suites": CAPABILITIES._replace(suites=(0xF001,)),
    "extensions": CAPABILITIES._replace(extensions=(ExtensionType.LAST_RESORT,)),
    "credentials": CAPABILITIES._replace(credentials=(CredentialType.AMANAH ^ 1,)),
}


@defended(22)
@pytest.mark.parametrize("what", LESS)
def test_who_supports_less_than_the_room_requires_is_not_added(what: str) -> None:
    groups = room_of("tn-1", "ma-1")
    less = own_package(capabilities=LESS[what])
    assert refusal(lambda: commit(groups, "tn-1", adds=(less,))) is not None
    assert decode_key_package(less).leaf_node.capabilities == LESS[what]
    commit(groups, "tn-1", adds=(own_package(),))
    assert device("sn-2").id in groups["ma-1"].members


# ---- through the relay


def open_a_weaker_room(play: Play, suite: int) -> tuple[Stage, OwnRoom]:
    """An officer of SN opens a room whose `create` names another suite than what it seals with."""
    stage = play()
    officer = certified(stage.device(VICTIM).organisation, "weak", now_ms=stage.now_ms)
    log_device(stage.relay, officer)
    stage.wait(2)
    victim = stage.device(VICTIM).id
    taken = stage.relay.store.take_key_packages(TakeKeyPackages(token=0, suite=CLASSICAL, devices=(victim,))).taken
    own = open_own_room(stage.relay, officer, victim, taken[0][0] or b"", suite=suite)
    stage.relay.log(own.room, message(stage.relay, officer.key, own.group, Text(text="weakly sealed")))
    stage.wait(5)
    return stage, own


@defended(22)
@pytest.mark.parametrize("suite", [0x0001, 0x0002, 0xF002, 0xFFFF])
def test_a_room_of_another_suite_is_refused_by_name(play: Play, suite: int) -> None:
    stage, own = open_a_weaker_room(play, suite)
    (row,) = [row for row in stage.client(VICTIM).store.rooms() if row.room == own.room]
    assert (row.status, row.group) == (RoomStatus.JOINING, b"")
    assert stage.alarms(VICTIM)[0].code == Code.SUITE
    assert "weakly sealed" not in {said.text for said in stage.said(VICTIM, own.room)}
    stage.say(VICTIM, "and on")
    stage.wait(3)
    assert stage.texts("tn-1") == ["and on"]


@control(22, "a room's suite is what it says")
def test_without_the_look_at_the_suite_a_room_is_not_what_its_creation_says(play: Play) -> None:
    stage, own = open_a_weaker_room(play, 0x0001)
    assert "weakly sealed" in {said.text for said in stage.said(VICTIM, own.room)}


class Choosing(Attack):
    """Chooses a protocol version that nobody offered."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 1
        self.proofs = 0

    def on_login(self, relay: EvilRelay, to: DeviceId, frame: frames.Challenge | frames.Ready) -> Iterable[Out]:
        if not self.armed or not isinstance(frame, frames.Challenge):
            return (frame,)
        names = [field for field in frame.__struct_fields__ if field != "chosen"]
        return (frames.Challenge(chosen=self.version, **{name: getattr(frame, name) for name in names}),)


@defended(22)
@pytest.mark.parametrize(("version", "code"), [(0, Code.UNKNOWN_VERSION), (2, Code.UNKNOWN_VERSION)])
def test_a_version_that_was_not_offered_is_not_spoken(play: Play, version: int, code: Code) -> None:
    attack = Choosing()
    stage = play(attack)
    attack.version = version
    stage.relay.cut(stage.device(VICTIM).id)
    stage.wait(10)
    assert stage.client(VICTIM).online_since_ms is None
    assert {alarm.code for alarm in stage.alarms(VICTIM)} == {code}
    attack.version = 1
    stage.until(lambda: stage.client(VICTIM).online_since_ms is not None, seconds=120)
