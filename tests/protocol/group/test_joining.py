from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from amanah_protocol import limits
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.errors import Code, DecodeError, PeerError, UsageError, VerifyError
from amanah_protocol.group.leaves import identity_of
from amanah_protocol.group.room_group import RoomGroup, StagedCommit, seal_tree
from amanah_protocol.group.seam import Binding, CheckCredential, Credential, OwnKeyPackage
from amanah_protocol.group.suites import CLASSICAL, POST_QUANTUM
from amanah_protocol.kinds import MediaType
from amanah_protocol.mls import joining
from amanah_protocol.mls.credential import Extension, ExtensionType
from amanah_protocol.mls.group import Application, Group
from amanah_protocol.mls.key_package import decode_key_package
from amanah_protocol.mls.leaf_node import Lifetime
from amanah_protocol.mls.policy import EVERYTHING
from amanah_protocol.mls.proposals import Add
from amanah_protocol.mls.rules import Rule
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId
from tests.protocol.group.circle import (
    COMMIT,
    CREATE,
    ENGINES,
    POLICY,
    ROOM,
    SUITES,
    binding,
    circle,
    created,
    key_package,
    staged,
)
from tests.protocol.group.devices import NOW_MS, accept, device, randomness
from tests.protocol.group.rogue import DAY_S, NOW_S, refuses


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Device 3 is invited into a room of devices 0, 1 and 2."""

    suite: int
    committer: RoomGroup
    commit: StagedCommit
    package: OwnKeyPackage
    welcome: bytes

    @property
    def tree(self) -> bytes:
        return self.commit.tree

    def join(
        self,
        *,
        welcome: bytes | None = None,
        tree: bytes | None = None,
        bound: Binding | None = None,
        privates: Mapping[bytes, bytes] | None = None,
        key: SigningKey | None = None,
        check: CheckCredential = accept,
    ) -> RoomGroup:
        group, reference = ENGINES[self.suite].join(
            self.welcome if welcome is None else welcome,
            self.tree if tree is None else tree,
            bound or binding(),
            privates={self.package.reference: self.package.private} if privates is None else privates,
            key=key or device(3).key,
            check=check,
        )
        assert reference == self.package.reference
        return group


def invitation(suite: int) -> Invitation:
    room = circle(1, 2, suite=suite)
    package = key_package(3, suite=suite)
    commit = staged(room.groups[0], adds=(package.public,))
    welcome = commit.welcome(CREATE, COMMIT, random=randomness("welcome"))
    return Invitation(suite=suite, committer=room.groups[0], commit=commit, package=package, welcome=welcome)


@pytest.fixture(name="invited")
def _invited(suite: int) -> Invitation:
    return invitation(suite)


# ---- a room of one


def test_a_new_room_is_in_epoch_0_with_its_creator_alone(suite: int) -> None:
    group = created(suite=suite)
    assert (group.room, group.epoch) == (ROOM, 0)
    assert dict(group.members) == {device(0).id: device(0).credential}
    assert group.pending is None
    assert repr(group) == f"RoomGroup(room={ROOM.hex()}, epoch=0)"


def test_an_engine_names_its_suite_and_media_type(suite: int) -> None:
    assert ENGINES[suite].suite == suite
    assert ENGINES[suite].media_type is MediaType.MLS


def test_no_room_is_created_with_another_devices_certificate(suite: int) -> None:
    with refuses(None, Code.KEY_ID, UsageError):
        ENGINES[suite].create(
            ROOM, device(0).key, device(1).credential, policy=POLICY, now_ms=NOW_MS, random=randomness(0)
        )


def test_no_room_is_created_with_a_certificate_that_is_over(suite: int) -> None:
    with refuses(None, Code.EXPIRED, UsageError):
        ENGINES[suite].create(
            ROOM,
            device(0).key,
            device(0).credential,
            policy=POLICY,
            now_ms=NOW_MS + 91 * 86_400_000,
            random=randomness(0),
        )


# ---- a welcome


def test_who_joins_is_in_the_same_group_as_the_others(invited: Invitation) -> None:
    group = invited.join()
    invited.committer.merge()
    assert (group.room, group.epoch) == (ROOM, 2)
    assert dict(group.members) == {device(number).id: device(number).credential for number in range(4)}
    assert group.export("amanah test", b"", 32) == invited.committer.export("amanah test", b"", 32)
    assert group.own_device == device(3).id


def test_everybody_in_the_room_is_checked_who_joins_included(invited: Invitation) -> None:
    seen: list[DeviceId] = []

    def check(credential: Credential) -> DeviceId:
        seen.append(accept(credential))
        return seen[-1]

    invited.join(check=check)
    assert seen == [device(number).id for number in range(4)]


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_room_with_a_member_whose_chain_is_refused_is_not_joined(invited: Invitation, number: int) -> None:
    def check(credential: Credential) -> DeviceId:
        if credential == device(number).credential:
            raise VerifyError(Code.REVOKED, "revoked")
        return accept(credential)

    with refuses(None, Code.REVOKED, VerifyError):
        invited.join(check=check)


def test_a_member_with_another_devices_certificate_is_found_by_who_joins(invited: Invitation) -> None:
    with refuses(None, Code.KEY_ID, VerifyError):
        invited.join(check=lambda _: device(1).id)


WRONG = {
    "room": {"room": RoomId(bytes(16))},
    "policy": {"policy": b"another"},
    "create": {"create_id": EnvelopeId(bytes(32))},
    "commit": {"commit_id": EnvelopeId(bytes(32))},
    "sender": {"sender": device(1).id},
    "sender outside": {"sender": device(9).id},
}


@pytest.mark.parametrize("fields", WRONG.values(), ids=WRONG)
def test_a_welcome_that_belongs_to_something_else_is_refused(invited: Invitation, fields: dict[str, bytes]) -> None:
    assert invited.join(bound=binding()).epoch == 2
    with refuses(None, Code.BINDING, VerifyError):
        invited.join(bound=replace(binding(), **fields))  # type: ignore[arg-type]  # names and types are Binding's


def test_a_welcome_to_nobody_here_is_refused(invited: Invitation) -> None:
    other = key_package(3, "another", suite=invited.suite)
    with refuses(None, Rule.WELCOME_NOT_OURS):
        invited.join(privates={other.reference: other.private})


def test_a_key_package_is_good_for_one_welcome(invited: Invitation) -> None:
    privates = {invited.package.reference: invited.package.private}
    group, used = ENGINES[invited.suite].join(
        invited.welcome, invited.tree, binding(), privates=privates, key=device(3).key, check=accept
    )
    assert used is not None
    del privates[used]
    assert group.epoch == 2
    with refuses(None, Rule.WELCOME_NOT_OURS):
        invited.join(privates=privates)


def test_a_welcome_to_another_devices_key_package_is_refused(invited: Invitation) -> None:
    with refuses(None, Code.KEY_ID, VerifyError):
        invited.join(key=device(4).key)


def test_a_damaged_stored_key_package_is_refused(invited: Invitation) -> None:
    with refuses(None, Code.MALFORMED, DecodeError):
        invited.join(privates={invited.package.reference: invited.package.private[:-1]})


@pytest.mark.parametrize(("suite", "other"), [(CLASSICAL, POST_QUANTUM), (POST_QUANTUM, CLASSICAL)])
def test_a_welcome_of_another_suite_is_refused(suite: int, other: int) -> None:
    theirs = invitation(other)
    with refuses(None, Rule.WELCOME_SUITE):
        ENGINES[suite].join(theirs.welcome, theirs.tree, binding(), privates={}, key=device(3).key, check=accept)


def test_what_is_no_welcome_is_refused(invited: Invitation) -> None:
    with refuses(None, Code.BAD_TYPE, DecodeError):
        invited.join(welcome=invited.commit.sealed)


def test_a_welcome_that_is_too_large_is_refused_before_it_is_read(invited: Invitation) -> None:
    with refuses(None, Code.TOO_LARGE, DecodeError):
        invited.join(welcome=bytes(limits.MAX_HANDSHAKE_BYTES + 1))


def test_a_welcome_that_ends_early_is_refused(invited: Invitation) -> None:
    for length in range(len(invited.welcome)):
        with pytest.raises(PeerError):
            invited.join(welcome=invited.welcome[:length])


def test_a_welcome_with_one_bit_changed_is_refused(invited: Invitation) -> None:
    step = 1 if invited.suite == CLASSICAL else 7
    for at in range(0, len(invited.welcome), step):
        mutant = bytearray(invited.welcome)
        mutant[at] ^= 1 << at % 8
        with pytest.raises(PeerError):
            invited.join(welcome=bytes(mutant))


# ---- the tree beside it


def test_a_welcome_without_its_tree_is_refused(invited: Invitation) -> None:
    with refuses(None, Code.BINDING, VerifyError):
        ENGINES[invited.suite].join(
            invited.welcome,
            None,
            binding(),
            privates={invited.package.reference: invited.package.private},
            key=device(3).key,
            check=accept,
        )


def test_a_tree_beside_another_welcome_is_refused(invited: Invitation) -> None:
    invited.committer.discard()
    other = staged(invited.committer, adds=(invited.package.public,), random=randomness("other"))
    with refuses(None, Code.OPEN, VerifyError):
        invited.join(tree=other.tree)


def test_a_tree_with_one_bit_changed_is_refused(invited: Invitation) -> None:
    for at in range(0, len(invited.tree), 101):
        mutant = bytearray(invited.tree)
        mutant[at] ^= 1
        with refuses(None, Code.OPEN, VerifyError):
            invited.join(tree=bytes(mutant))


def test_a_committer_that_hands_out_another_tree_is_found_out(invited: Invitation) -> None:
    suite = SUITES[invited.suite]
    assert invited.tree == seal_tree(suite, invited.commit.seed, invited.commit.commit.tree.encode())
    other = created(suite=invited.suite)
    pending = staged(other, adds=(invited.package.public,))
    with refuses(None, Rule.TREE_HASH):
        invited.join(tree=seal_tree(suite, invited.commit.seed, pending.commit.tree.encode()))


BINDING = Extension(ExtensionType.ROOM_BINDING, CREATE + COMMIT)


@pytest.mark.parametrize("left_out", ["binding", "tree key", "half of the tree key"])
def test_a_welcome_that_lacks_what_binds_it_is_refused(invited: Invitation, left_out: str) -> None:
    seed = Extension(ExtensionType.ROOM_TREE_KEY, invited.commit.seed)
    extensions = {
        "binding": (seed,),
        "tree key": (BINDING,),
        "half of the tree key": (BINDING, seed._replace(data=seed.data[:16])),
    }[left_out]
    commit, source = invited.commit.commit, randomness("welcome")
    assert invited.join(welcome=commit.welcome((BINDING, seed), key=device(0).key, random=source)).epoch == 2
    with refuses(None, Code.BINDING, VerifyError):
        invited.join(welcome=commit.welcome(extensions, key=device(0).key, random=source))


def test_a_tree_inside_the_welcome_is_refused(invited: Invitation) -> None:
    commit = invited.commit.commit
    seed = Extension(ExtensionType.ROOM_TREE_KEY, invited.commit.seed)
    inside = (BINDING, seed, joining.ratchet_tree(commit.tree))
    with refuses(None, Code.BINDING, VerifyError):
        invited.join(welcome=commit.welcome(inside, key=device(0).key, random=randomness("welcome")))


@pytest.mark.parametrize("policies", [1, 2, 0])
def test_a_room_whose_context_has_other_extensions_than_its_policy_is_refused(suite: int, policies: int) -> None:
    """One policy alone is the control."""
    owner, package = device(0), key_package(3, suite=suite)
    policy = Extension(ExtensionType.ROOM_POLICY, POLICY)
    more = {0: (), 1: (policy,), 2: (policy, Extension(ExtensionType.LAST_RESORT, b""))}[policies]
    group = Group.create(
        SUITES[suite],
        ROOM,
        identity_of(owner.key, owner.credential),
        app=Application(key=owner.key, policy=EVERYTHING),
        lifetime=Lifetime(NOW_S, NOW_S + DAY_S),
        random=randomness("create"),
        extensions=more,
    )
    commit = group.commit([Add(decode_key_package(package.public))], random=randomness("commit"))
    made = StagedCommit(commit=commit, seed=sha256(b"seed"), key=owner.key)
    offered = Invitation(
        suite=suite,
        committer=created(suite=suite),
        commit=made,
        package=package,
        welcome=made.welcome(CREATE, COMMIT, random=randomness("welcome")),
    )
    if policies == 1:
        assert offered.join().epoch == 1
        return
    with refuses(None, Code.BINDING, VerifyError):
        offered.join()


def test_a_device_whose_certificate_was_renewed_joins_by_its_older_key_package(suite: int) -> None:
    """The chain in the key package counts, which is checked like everybody's."""
    renewed = device(3, 30 * 86_400_000)
    assert renewed.id == device(3).id
    assert renewed.credential != device(3).credential
    assert invitation(suite).join(key=renewed.key).members[renewed.id] == device(3).credential
