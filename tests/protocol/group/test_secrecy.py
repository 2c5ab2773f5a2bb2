"""What somebody can do who copied everything that a device stored, and what it cannot do any more."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from amanah_protocol.group.room_group import RoomGroup, StagedCommit
from amanah_protocol.mls.group_context import GroupContext
from amanah_protocol.mls.key_package import decode_key_package
from amanah_protocol.mls.proposals import Add, Commit
from amanah_protocol.mls.rules import Rule
from amanah_protocol.mls.secret_tree import RatchetKind
from tests.protocol.group.circle import (
    AAD,
    COMMIT,
    CREATE,
    SUITES,
    Circle,
    changed,
    circle,
    joined,
    key_package,
    restored,
    staged,
)
from tests.protocol.group.devices import accept, device, randomness, seed_of
from tests.protocol.group.rogue import both, lawless, refuses
from tests.protocol.group.thief import Thief, bytes_in, epoch_secrets, inside, opens_with, private, secrets, state_of

LEAF_OF_3 = 6


@pytest.fixture(name="room")
def _room(suite: int) -> Circle:
    """Devices 0 to 3, who have all committed and sent."""
    room = circle(1, 2, 3, suite=suite)
    for by in range(4):
        room.commit(by)
        room.send(by)
    return room


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A commit of device `by` that everybody followed, as a thief is shown it."""

    own: StagedCommit
    commit: Commit
    before: GroupContext
    after: GroupContext
    authenticator: bytes

    def entered_by(self, thief: Thief) -> bool:
        return thief.enters(self.commit, self.before, self.after, self.authenticator)


def follow(room: Circle, by: int, *, adds: tuple[bytes, ...] = (), removes: tuple[int, ...] = ()) -> Step:
    """Device `by` commits; who reads it is the first other member that stays."""
    reader = next(number for number in room.groups if number not in (by, *removes))
    own, before = staged(room.groups[by], by, adds=adds, removes=removes), state_of(room.groups[by]).epoch.context
    opened, _ = inside(room.groups[reader], own.sealed)
    assert isinstance(opened.content.body, Commit)
    expected = changed(added=(4,) if adds else (), removed=removes)
    for number, group in room.groups.items():
        if number != by:
            group.process(own.sealed, sender=device(by).id, aad=AAD, expected=expected, check=accept)
    room.groups[by].merge()
    for number in removes:
        del room.groups[number]
    after = state_of(room.groups[by]).epoch
    return Step(
        own=own,
        commit=opened.content.body,
        before=before,
        after=after.context,
        authenticator=after.secrets.epoch_authenticator,
    )


def seal(group: RoomGroup, seed: object = 0) -> bytes:
    return group.seal(b"incident", aad=AAD, random=randomness(("seal", seed)))


# ---- removed


def test_what_a_removed_device_stored_opens_nothing_afterwards(room: Circle) -> None:
    package = key_package(4, suite=room.suite)
    removed = Thief.of(room.groups[3], more=[seed_of(3)])
    member = Thief.of(room.groups[1])
    step = follow(room, 0, adds=(package.public,), removes=(3,))
    assert step.entered_by(member)
    assert not step.entered_by(removed)
    sealed = seal(room.groups[0])
    _, data = inside(room.groups[1], sealed)
    assert Thief.of(room.groups[1]).opens(sealed, data)
    assert not removed.opens(sealed, data)


def test_what_a_removed_device_stored_opens_no_welcome_and_no_tree(room: Circle) -> None:
    package = key_package(4, suite=room.suite)
    removed = Thief.of(room.groups[3], more=[seed_of(3)])
    step = follow(room, 0, adds=(package.public,), removes=(3,))
    welcome = step.own.welcome(CREATE, COMMIT, random=randomness("welcome"))
    newcomer = Thief(suite=removed.suite, loot=frozenset(stored_keys(package.private)))
    assert newcomer.joins(welcome)
    assert not removed.joins(welcome)
    assert Thief(suite=removed.suite, loot=frozenset({step.own.seed})).sees_tree(step.own.tree)
    assert not removed.sees_tree(step.own.tree)


def stored_keys(stored: bytes) -> tuple[bytes, bytes]:
    """The private keys of init key and leaf, at the end of a stored key package, 32 bytes each behind their lengths."""
    return stored[-65:-33], stored[-32:]


def test_a_removed_device_that_goes_on_from_its_copy_is_told_nothing(room: Circle) -> None:
    copy = restored(room.groups[3], 3, suite=room.suite)
    follow(room, 0, removes=(3,))
    later = seal(room.groups[0])
    own = staged(room.groups[0])
    with refuses(copy, Rule.EPOCH):
        copy.open(later, sender=device(0).id, aad=AAD)
    with refuses(copy, Rule.EPOCH):
        copy.process(own.sealed, sender=device(0).id, aad=AAD, expected=changed(), check=accept)


def test_a_device_that_learns_of_its_removal_holds_no_secret_of_the_room(room: Circle) -> None:
    group = room.groups[3]
    held = secrets(state_of(group))
    assert len(held) > 10
    assert held & bytes_in(group) > set(state_of(group).epoch.privates.values())
    follow(room, 0, removes=(3,))
    assert not held & bytes_in(group)


# ---- healed


def test_a_thief_that_stays_passive_is_shut_out_by_the_owners_next_commit(room: Circle) -> None:
    thief = Thief.of(room.groups[1], more=[seed_of(1)])
    copy = restored(room.groups[1], 1, suite=room.suite)
    of_another = follow(room, 2)
    assert of_another.entered_by(thief)
    copy.process(of_another.own.sealed, sender=device(2).id, aad=AAD, expected=changed(), check=accept)
    thief = Thief.of(copy, more=thief.loot)
    sealed = seal(room.groups[0])
    _, data = inside(room.groups[2], sealed)
    assert thief.opens(sealed, data)

    another = Thief.of(room.groups[0])
    healing = follow(room, 1)
    assert healing.entered_by(another)
    assert not healing.entered_by(thief)
    with refuses(copy, Rule.SENDER_SELF):
        copy.process(healing.own.sealed, sender=device(1).id, aad=AAD, expected=changed(), check=accept)
    sealed = seal(room.groups[0], "later")
    _, data = inside(room.groups[2], sealed)
    assert Thief.of(room.groups[2]).opens(sealed, data)
    assert not thief.opens(sealed, data)


def test_a_commit_without_a_path_would_heal_nothing(room: Circle) -> None:
    """Why rooms refuse one: the thief's control, by the RFC's rules a valid commit."""
    thief = Thief.of(room.groups[0])
    rogue = lawless(room.groups[0], 0, room.suite)
    before = rogue.context
    add = Add(decode_key_package(key_package(4, suite=room.suite).public))
    for with_path in (False, True):
        made = rogue.commit([add], random=randomness(1), with_path=with_path)
        opened, _ = inside(room.groups[1], made.message)
        assert isinstance(opened.content.body, Commit)
        after = made.entry.epoch
        entered = thief.enters(opened.content.body, before, after.context, after.secrets.epoch_authenticator)
        assert entered is not with_path
        rogue.discard()


# ---- deleted


def test_nothing_secret_of_an_epoch_is_stored_in_the_next(room: Circle) -> None:
    room.send(1)
    held = {number: state_of(group) for number, group in room.groups.items()}
    stored = {number: b"".join(both(group)) for number, group in room.groups.items()}
    assert all(secret in stored[number] for number in held for secret in epoch_secrets(held[number]))
    follow(room, 0)
    for number, group in room.groups.items():
        now = b"".join(both(group))
        assert not any(secret in now for secret in epoch_secrets(held[number]))


def test_a_committer_stores_none_of_its_old_keys(room: Circle) -> None:
    """Who only followed keeps its leaf's key until it commits itself."""
    held, other = secrets(state_of(room.groups[0])), state_of(room.groups[3]).epoch.privates
    follow(room, 0)
    assert not any(secret in b"".join(both(room.groups[0])) for secret in held)
    assert state_of(room.groups[3]).epoch.privates[LEAF_OF_3] == other[LEAF_OF_3]


def test_a_pending_commits_secrets_are_stored_until_it_is_answered_and_no_longer(room: Circle) -> None:
    group = room.groups[0]
    staged(group, adds=(key_package(4, suite=room.suite).public,))
    state = state_of(group)
    ahead = secrets(state) - secrets(replace(state, pending=None))
    assert len(ahead) > 10
    assert all(secret in group.epoch_state() for secret in ahead)
    group.discard()
    assert not any(secret in b"".join(both(group)) for secret in ahead)


def test_who_joined_stores_nothing_that_opens_its_welcome_again(room: Circle) -> None:
    package = key_package(4, suite=room.suite)
    step = follow(room, 0, adds=(package.public,))
    welcome = step.own.welcome(CREATE, COMMIT, random=randomness("welcome"))
    newcomer = joined(welcome, step.own.tree, 4, package, suite=room.suite)
    init, leaf = stored_keys(package.private)
    stored = b"".join(both(newcomer))
    assert leaf in stored
    assert init not in stored
    assert Thief(suite=SUITES[room.suite], loot=frozenset({init})).joins(welcome)
    assert not Thief.of(newcomer, more=[seed_of(4)]).joins(welcome)


def test_a_message_key_is_gone_once_it_was_used(room: Circle) -> None:
    for number, use in ((0, "sealed"), (1, "opened")):
        before = Thief.of(room.groups[number])
        sealed = seal(room.groups[0], use)
        message = inside(room.groups[2], sealed)[1]
        step = state_of(room.groups[2]).messages.find(message.leaf, RatchetKind.APPLICATION, message.generation)
        if use == "opened":
            assert room.groups[1].open(sealed, sender=device(0).id, aad=AAD) == b"incident"
        assert opens_with(before.suite, step.key, private(sealed), message)
        assert before.opens(sealed, message)
        assert step.key.key not in b"".join(both(room.groups[number]))
        assert not Thief.of(room.groups[number]).opens(sealed, message)


def test_the_key_of_a_message_that_was_passed_over_is_kept_until_it_came(room: Circle) -> None:
    reader = room.groups[1]
    early, late = seal(room.groups[0], 1), seal(room.groups[0], 2)
    _, data = inside(room.groups[2], early)
    reader.open(late, sender=device(0).id, aad=AAD)
    assert Thief.of(reader).opens(early, data)
    reader.open(early, sender=device(0).id, aad=AAD)
    assert not Thief.of(reader).opens(early, data)


def test_a_commits_key_is_gone_once_it_was_sealed(room: Circle) -> None:
    before = Thief.of(room.groups[0])
    own = staged(room.groups[0])
    _, data = inside(room.groups[1], own.sealed)
    assert before.opens(own.sealed, data)
    room.groups[0].discard()
    assert not Thief.of(room.groups[0]).opens(own.sealed, data)


def test_one_disclosed_message_key_opens_no_neighbour(room: Circle) -> None:
    sealed = [seal(room.groups[0], number) for number in range(3)]
    data = [inside(room.groups[1], message)[1] for message in sealed]
    messages = state_of(room.groups[1]).messages
    key = messages.find(data[1].leaf, RatchetKind.APPLICATION, data[1].generation).key
    opened = [
        opens_with(SUITES[room.suite], key, private(message), at) for message, at in zip(sealed, data, strict=True)
    ]
    assert opened == [False, True, False]
    given = Thief(suite=SUITES[room.suite], loot=frozenset({key.key, key.nonce}))
    assert [given.opens(message, at) for message, at in zip(sealed, data, strict=True)] == [False, True, False]
