from __future__ import annotations

from dataclasses import replace

import pytest

from amanah_protocol import limits
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError, PeerError, UsageError, VerifyError
from amanah_protocol.group.leaves import identity_of
from amanah_protocol.group.room_group import RoomGroup, StagedCommit
from amanah_protocol.group.seam import Changed, CheckCredential, Credential
from amanah_protocol.group.suites import CLASSICAL, POST_QUANTUM
from amanah_protocol.mls.credential import Extension, ExtensionType
from amanah_protocol.mls.key_package import decode_key_package
from amanah_protocol.mls.leaf_node import Identity, LeafNode, Lifetime, Place
from amanah_protocol.mls.proposals import Add, GroupContextExtensions, PreSharedKey, Proposal, ReInit, Remove
from amanah_protocol.mls.psk import ExternalPsk
from amanah_protocol.mls.rules import Rule
from amanah_protocol.types import DeviceId, RoomId
from tests.protocol.group.circle import (
    AAD,
    COMMIT,
    CREATE,
    ENGINES,
    POLICY,
    ROOM,
    Circle,
    changed,
    circle,
    created,
    key_package,
    restored,
    staged,
)
from tests.protocol.group.devices import NOW_MS, accept, device, randomness
from tests.protocol.group.rogue import DAY_S, NOW_S, both, claiming, lawless, package, refuses

NOTHING = changed()


@pytest.fixture(name="room")
def _room(suite: int) -> Circle:
    """Devices 0 to 3."""
    return circle(1, 2, 3, suite=suite)


def process(
    group: RoomGroup,
    sealed: bytes,
    *,
    sender: int = 0,
    aad: bytes = AAD,
    expected: Changed = NOTHING,
    check: CheckCredential = accept,
) -> None:
    group.process(sealed, sender=device(sender).id, aad=aad, expected=expected, check=check)


# ---- an own one


def test_a_staged_commit_changes_nothing_before_it_is_merged(room: Circle) -> None:
    group = room.groups[0]
    members, secret = dict(group.members), group.export("amanah test", b"", 32)
    own = staged(group, removes=(3,))
    assert group.pending == own
    assert (group.epoch, dict(group.members), group.export("amanah test", b"", 32)) == (1, members, secret)
    group.merge()
    assert (group.epoch, len(group.members)) == (2, 3)
    assert device(3).id not in group.members
    assert group.export("amanah test", b"", 32) != secret


def test_a_discarded_commit_is_forgotten_and_another_one_can_be_made(room: Circle) -> None:
    group = room.groups[0]
    before = group.epoch_state()
    lost = staged(group, removes=(3,))
    group.discard()
    assert (group.pending, group.epoch_state()) == (None, before)
    group.discard()
    own = staged(group, aad=sha256(b"another"))
    assert own.sealed != lost.sealed
    process(room.groups[1], own.sealed, aad=sha256(b"another"))
    group.merge()
    assert group.export("amanah test", b"", 32) == room.groups[1].export("amanah test", b"", 32)


def test_a_second_commit_waits_for_the_first(room: Circle) -> None:
    staged(room.groups[0])
    with refuses(room.groups[0], Code.USAGE, UsageError):
        staged(room.groups[0])


def test_nothing_is_merged_where_nothing_is_pending(room: Circle) -> None:
    with refuses(room.groups[0], Code.USAGE, UsageError):
        room.groups[0].merge()


def test_only_a_member_can_be_removed(room: Circle) -> None:
    with refuses(room.groups[0], Code.MEMBERSHIP, UsageError):
        staged(room.groups[0], removes=(9,))


def test_nobody_removes_itself(room: Circle) -> None:
    with refuses(room.groups[0], Rule.REMOVE_OWN):
        staged(room.groups[0], removes=(0,))


def test_a_device_named_twice_is_removed_once(room: Circle) -> None:
    own = staged(room.groups[0], removes=(3, 3))
    process(room.groups[1], own.sealed, expected=changed(removed=(3,)))


def test_a_member_is_not_added_again(room: Circle) -> None:
    with refuses(room.groups[0], Rule.ADD_MEMBER):
        staged(room.groups[0], adds=(key_package(3, suite=room.suite).public,))


def test_a_device_is_not_added_twice(room: Circle) -> None:
    adds = tuple(key_package(4, seed, suite=room.suite).public for seed in range(2))
    with refuses(room.groups[0], Rule.ADD_TWICE):
        staged(room.groups[0], adds=adds)


def test_a_device_that_is_removed_can_be_added_by_the_same_commit(room: Circle) -> None:
    room.commit(0, adds=(3,), removes=(3,))
    room.check_agreement()


def test_a_damaged_key_package_is_not_added(room: Circle) -> None:
    with refuses(room.groups[0], Code.MALFORMED, DecodeError):
        staged(room.groups[0], adds=(key_package(4, suite=room.suite).public[:-1],))


@pytest.mark.parametrize(("suite", "other"), [(CLASSICAL, POST_QUANTUM), (POST_QUANTUM, CLASSICAL)])
def test_a_key_package_of_another_suite_is_not_added(suite: int, other: int) -> None:
    group = created(suite=suite)
    with refuses(group, Rule.KEY_PACKAGE_SUITE):
        staged(group, adds=(key_package(4, suite=other).public,))


def test_a_key_package_with_another_devices_certificate_is_not_added(room: Circle) -> None:
    forged = package(room.suite, claiming(device(4).key, device(5).credential))
    with refuses(room.groups[0], Code.KEY_ID, VerifyError):
        staged(room.groups[0], adds=(forged.public.encode(),))


def test_a_key_package_that_the_others_would_refuse_for_its_lifetime_is_not_added(room: Circle) -> None:
    own = claiming(device(4).key, device(4).credential)
    long = package(room.suite, own, lifetime=Lifetime(NOW_S, NOW_S + 84 * DAY_S + 1)).public.encode()
    with refuses(room.groups[0], Rule.LEAF_LIFETIME_RANGE):
        staged(room.groups[0], adds=(long,))
    rogue = lawless(room.groups[0], 0, room.suite)
    commit = rogue.commit([Add(decode_key_package(long))], random=randomness(1), authenticated_data=AAD)
    with refuses(room.groups[1], Rule.LEAF_LIFETIME_RANGE):
        process(room.groups[1], commit.message, expected=changed(added=(4,)))


def test_no_commit_is_made_with_another_devices_certificate(room: Circle) -> None:
    with refuses(room.groups[0], Code.KEY_ID, UsageError):
        staged(room.groups[0], credential=device(1).credential)


def test_a_commit_that_no_envelope_takes_is_not_pending(room: Circle) -> None:
    group = room.groups[0]
    before = group.epoch_state()
    with refuses(None, Code.TOO_LARGE, UsageError):
        staged(group, aad=bytes(limits.MAX_HANDSHAKE_BYTES))
    assert group.epoch_state() == before
    assert group.pending is None
    process(room.groups[1], staged(group).sealed)


def test_a_source_of_randomness_that_fails_leaves_no_commit_behind(room: Circle) -> None:
    def fails(_: int) -> bytes:
        raise OSError

    before = both(room.groups[0])
    with pytest.raises(OSError):  # noqa: PT011 - it is the source's own
        staged(room.groups[0], random=fails)
    assert both(room.groups[0]) == before
    assert staged(room.groups[0]).sealed


# ---- another's


def test_a_commit_renews_its_committers_keys_and_reaches_everybody(room: Circle) -> None:
    for by in (1, 0, 3, 2):
        room.commit(by)
        room.send(by)
    room.commit(2, adds=(4, 5), removes=(0, 1))
    room.send(4)
    room.check_agreement()


def test_an_own_commit_in_flight_is_forgotten_when_another_won(room: Circle) -> None:
    loser, winner = room.groups[1], room.groups[0]
    lost = staged(loser, 1, removes=(3,))
    won = staged(winner, removes=(2,))
    process(loser, won.sealed, expected=changed(removed=(2,)))
    assert loser.pending is None
    assert lost.seed not in loser.epoch_state()
    assert restored(loser, 1, suite=room.suite).epoch == loser.epoch == 2
    with refuses(loser, Code.USAGE, UsageError):
        loser.merge()


def test_a_commit_under_another_header_is_refused(room: Circle) -> None:
    own = staged(room.groups[0])
    with refuses(room.groups[1], Code.BINDING, VerifyError):
        process(room.groups[1], own.sealed, aad=sha256(b"another header"))
    process(room.groups[1], own.sealed)


def test_a_commit_of_another_device_than_the_envelope_says_is_refused(room: Circle) -> None:
    own = staged(room.groups[0])
    with refuses(room.groups[1], Code.BINDING, VerifyError):
        process(room.groups[1], own.sealed, sender=2)
    process(room.groups[1], own.sealed)


def test_a_commit_of_another_room_is_refused(room: Circle) -> None:
    creator = device(0)
    other = ENGINES[room.suite].create(
        RoomId(bytes(16)), creator.key, creator.credential, policy=POLICY, now_ms=NOW_MS, random=randomness(1)
    )
    other.stage_commit(adds=(), removes=(), credential=creator.credential, aad=AAD, random=randomness(2))
    other.merge()
    own = staged(other)
    with refuses(room.groups[1], Rule.GROUP_ID):
        process(room.groups[1], own.sealed)


def test_a_commit_of_a_past_epoch_is_refused(room: Circle) -> None:
    won, late = staged(room.groups[0]), staged(room.groups[2], 2)
    process(room.groups[1], won.sealed)
    with refuses(room.groups[1], Rule.EPOCH):
        process(room.groups[1], late.sealed, sender=2)


def test_a_commit_of_an_epoch_to_come_is_refused(room: Circle) -> None:
    staged(room.groups[0])
    room.groups[0].merge()
    early = staged(room.groups[0])
    with refuses(room.groups[1], Rule.EPOCH):
        process(room.groups[1], early.sealed)


def test_an_own_commit_that_comes_back_is_refused(room: Circle) -> None:
    own = staged(room.groups[0])
    with refuses(room.groups[0], Rule.SENDER_SELF):
        process(room.groups[0], own.sealed)


SAYS_OTHER = {
    "nobody added": changed(removed=(3,)),
    "nobody removed": changed(added=(4,)),
    "another added": changed(added=(5,), removed=(3,)),
    "another removed": changed(added=(4,), removed=(2,)),
    "one more added": changed(added=(4, 5), removed=(3,)),
    "one more removed": changed(added=(4,), removed=(2, 3)),
    "the other way round": changed(added=(3,), removed=(4,)),
    "nothing": changed(),
}


@pytest.mark.parametrize("said", SAYS_OTHER.values(), ids=SAYS_OTHER)
def test_a_commit_that_does_something_else_than_its_header_says_is_refused(room: Circle, said: Changed) -> None:
    own = staged(room.groups[0], adds=(key_package(4, suite=room.suite).public,), removes=(3,))
    with refuses(room.groups[1], Code.REFUSED_COMMIT, VerifyError):
        process(room.groups[1], own.sealed, expected=said)
    process(room.groups[1], own.sealed, expected=changed(added=(4,), removed=(3,)))


def test_a_commit_that_hides_its_own_readers_removal_is_refused(room: Circle) -> None:
    own = staged(room.groups[0], removes=(3,))
    with refuses(room.groups[3], Code.REFUSED_COMMIT, VerifyError):
        process(room.groups[3], own.sealed)


def test_a_newcomer_whose_chain_is_refused_is_not_taken_in(room: Circle) -> None:
    def check(credential: Credential) -> DeviceId:
        if credential == device(4).credential:
            raise VerifyError(Code.REVOKED, "revoked")
        return accept(credential)

    own = staged(room.groups[0], adds=(key_package(4, suite=room.suite).public,))
    with refuses(room.groups[1], Code.REVOKED, VerifyError):
        process(room.groups[1], own.sealed, expected=changed(added=(4,)), check=check)
    process(room.groups[1], own.sealed, expected=changed(added=(4,)))


def test_a_check_that_names_another_device_keeps_a_newcomer_out(room: Circle) -> None:
    own = staged(room.groups[0], adds=(key_package(4, suite=room.suite).public,))
    with refuses(room.groups[1], Code.KEY_ID, VerifyError):
        process(room.groups[1], own.sealed, expected=changed(added=(4,)), check=lambda _: device(0).id)


def test_the_check_of_one_commit_is_not_used_for_an_own_one_later(room: Circle) -> None:
    def check(_: Credential) -> DeviceId:
        raise VerifyError(Code.REVOKED, "revoked")

    with refuses(room.groups[1], Code.REVOKED, VerifyError):
        process(room.groups[1], staged(room.groups[0]).sealed, check=check)
    assert staged(room.groups[1], 1, adds=(key_package(4, suite=room.suite).public,)).sealed


def test_a_commit_without_an_update_path_is_refused(room: Circle) -> None:
    """Where the RFC allows it, too: whoever commits renews its own keys."""
    add = Add(decode_key_package(key_package(4, suite=room.suite).public))
    for with_path in (False, True):
        rogue = lawless(room.groups[0], 0, room.suite)
        commit = rogue.commit([add], random=randomness(1), with_path=with_path, authenticated_data=AAD)
        if with_path:
            process(room.groups[1], commit.message, expected=changed(added=(4,)))
        else:
            with refuses(room.groups[1], Rule.PATH_REQUIRED):
                process(room.groups[1], commit.message, expected=changed(added=(4,)))


ILLEGAL: dict[str, Proposal] = {
    "other context extensions": GroupContextExtensions((Extension(ExtensionType.ROOM_POLICY, b"laxer"),)),
    "a reinitialisation": ReInit(group_id=ROOM, version=1, suite=3, extensions=()),
    "a pre-shared key": PreSharedKey(ExternalPsk(b"id", bytes(32))),
}


@pytest.mark.parametrize("proposal", ILLEGAL.values(), ids=ILLEGAL)
def test_a_commit_with_anything_but_adds_and_removes_is_refused(room: Circle, proposal: Proposal) -> None:
    rogue = lawless(room.groups[0], 0, room.suite)
    rogue = rogue.with_application(replace(rogue._app, find_psk=lambda _: b"key"))  # noqa: SLF001 - a rogue's own
    commit = rogue.commit([proposal], random=randomness(1), authenticated_data=AAD)
    with refuses(room.groups[1], Rule.POLICY):
        process(room.groups[1], commit.message)


def test_a_proposal_by_itself_is_refused(room: Circle) -> None:
    rogue = lawless(room.groups[0], 0, room.suite)
    message = rogue.propose(Remove(3), random=randomness(1), authenticated_data=AAD)
    with refuses(room.groups[1], Rule.SENDER_CONTENT):
        process(room.groups[1], message)


def test_a_commit_by_reference_is_refused(room: Circle) -> None:
    rogue = lawless(room.groups[0], 0, room.suite)
    rogue.propose(Remove(3), random=randomness(1))
    commit = rogue.commit(random=randomness(2), authenticated_data=AAD)
    with refuses(room.groups[1], Rule.POLICY):
        process(room.groups[1], commit.message, expected=changed(removed=(3,)))


def test_a_message_is_no_commit(room: Circle) -> None:
    sealed = room.groups[0].seal(b"incident", aad=AAD, random=randomness(1))
    with refuses(room.groups[1], Rule.SENDER_CONTENT):
        process(room.groups[1], sealed)


def test_a_commit_that_is_not_sealed_is_refused(room: Circle) -> None:
    rogue = lawless(room.groups[0], 0, room.suite)
    commit = rogue.commit(random=randomness(1), public=True, authenticated_data=AAD)
    with refuses(room.groups[1], Code.BAD_TYPE, DecodeError):
        process(room.groups[1], commit.message)


def test_a_welcome_is_no_commit(room: Circle) -> None:
    own = staged(room.groups[0], adds=(key_package(4, suite=room.suite).public,))
    with refuses(room.groups[1], Code.BAD_TYPE, DecodeError):
        process(room.groups[1], own.welcome(CREATE, COMMIT, random=randomness(1)))


def test_a_commit_that_is_too_large_is_refused_before_it_is_read(room: Circle) -> None:
    with refuses(room.groups[1], Code.TOO_LARGE, DecodeError):
        process(room.groups[1], bytes(limits.MAX_HANDSHAKE_BYTES + 1))


def test_a_commit_with_one_bit_changed_is_refused_and_the_good_one_still_works(room: Circle) -> None:
    own = staged(room.groups[0], removes=(3,))
    before = both(room.groups[1])
    for at in range(0, len(own.sealed), 1 if room.suite == CLASSICAL else 11):
        mutant = bytearray(own.sealed)
        mutant[at] ^= 1 << at % 8
        for bad in (bytes(mutant), own.sealed[:at]):
            with pytest.raises(PeerError):
                process(room.groups[1], bad, expected=changed(removed=(3,)))
    assert both(room.groups[1]) == before
    process(room.groups[1], own.sealed, expected=changed(removed=(3,)))


# ---- a renewed certificate


def test_a_commit_brings_a_renewed_certificate_to_everybody(room: Circle) -> None:
    renewed = device(1, 30 * 86_400_000)
    own = staged(room.groups[1], 1, credential=renewed.credential)
    process(room.groups[0], own.sealed, sender=1)
    room.groups[1].merge()
    assert room.groups[0].members[device(1).id] == renewed.credential
    assert room.groups[1].members[device(1).id] == renewed.credential


def test_a_renewed_certificate_is_checked(room: Circle) -> None:
    renewed = device(1, 30 * 86_400_000).credential

    def check(credential: Credential) -> DeviceId:
        if credential == renewed:
            raise VerifyError(Code.REVOKED, "revoked")
        return accept(credential)

    own = staged(room.groups[1], 1, credential=renewed)
    with refuses(room.groups[0], Code.REVOKED, VerifyError):
        process(room.groups[0], own.sealed, sender=1, check=check)


def test_another_devices_certificate_in_the_committers_leaf_is_refused(room: Circle) -> None:
    rogue = lawless(room.groups[1], 1, room.suite)
    identity = claiming(device(1).key, device(2).credential)
    commit = rogue.commit(random=randomness(1), authenticated_data=AAD, identity=identity)
    with refuses(room.groups[0], Code.KEY_ID, VerifyError):
        process(room.groups[0], commit.message, sender=1)


class _Handover(Identity):
    """Signs its commit as device 1 and puts device 5 into its leaf."""

    __slots__ = ()

    def leaf_for_commit(self, encryption_key: bytes, parent_hash: bytes, place: Place) -> LeafNode:
        other = identity_of(device(5).key, device(5).credential)
        return other.leaf_for_commit(encryption_key, parent_hash, place)


def test_a_member_does_not_hand_its_place_to_another_device(room: Circle) -> None:
    own = identity_of(device(1).key, device(1).credential)
    for kind, reason in ((Identity, None), (_Handover, Code.KEY_ID)):
        rogue = lawless(room.groups[1], 1, room.suite)
        identity = kind(key=own.key, credential=own.credential, capabilities=own.capabilities)
        commit = rogue.commit(random=randomness(1), authenticated_data=AAD, identity=identity)
        reader = restored(room.groups[0], 0, suite=room.suite)
        if reason is None:
            process(reader, commit.message, sender=1)
        else:
            with refuses(reader, reason, VerifyError):
                process(reader, commit.message, sender=1)


# ---- out


def removed(room: Circle) -> tuple[RoomGroup, StagedCommit]:
    group, own = room.groups[3], staged(room.groups[0], removes=(3,))
    process(group, own.sealed, expected=changed(removed=(3,)))
    return group, own


def test_a_removed_device_can_do_nothing_more_in_the_room(room: Circle) -> None:
    group, own = removed(room)
    assert repr(group) == "RoomGroup(left)"
    uses = (
        lambda: group.seal(b"incident", aad=AAD, random=randomness(1)),
        lambda: group.open(own.sealed, sender=device(0).id, aad=AAD),
        lambda: process(group, own.sealed),
        lambda: staged(group, 3),
        lambda: group.export("amanah test", b"", 32),
        group.merge,
        group.discard,
        group.epoch_state,
        group.message_state,
        lambda: group.members,
        lambda: group.epoch,
        lambda: group.room,
        lambda: group.pending,
    )
    for use in uses:
        with refuses(None, Code.NOT_MEMBER, UsageError):
            use()
