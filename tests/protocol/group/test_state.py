from __future__ import annotations

import pytest

from amanah_protocol.errors import Code, DecodeError, PeerError
from amanah_protocol.group.suites import CLASSICAL, POST_QUANTUM
from amanah_protocol.mls.stored import VERSION
from tests.protocol.group.circle import (
    AAD,
    COMMIT,
    CREATE,
    ENGINES,
    Circle,
    changed,
    circle,
    joined,
    key_package,
    restored,
    staged,
)
from tests.protocol.group.devices import accept, device, randomness
from tests.protocol.group.rogue import both, refuses

SEED_BYTES = 34
"""In front of the engine's own state while a commit is pending: present, length, the seed."""


@pytest.fixture(name="room")
def _room(suite: int) -> Circle:
    """Devices 0, 1 and 2, who have all sent something."""
    room = circle(1, 2, suite=suite)
    for by in range(3):
        room.send(by)
    return room


def test_a_stored_group_goes_on_where_it_was(room: Circle) -> None:
    before = {number: both(group) for number, group in room.groups.items()}
    room.restart()
    assert {number: both(group) for number, group in room.groups.items()} == before
    room.send(1)
    room.commit(2, adds=(3,))
    room.restart()
    room.send(3)
    room.check_agreement()


def test_a_message_changes_the_small_part_alone(room: Circle) -> None:
    before = {number: both(group) for number, group in room.groups.items()}
    room.send(0)
    for number, group in room.groups.items():
        assert group.epoch_state() == before[number][0]
        assert group.message_state() != before[number][1]


def test_a_message_part_of_the_same_epoch_fits_an_epoch_part_written_before_it(room: Circle) -> None:
    epoch_state = room.groups[1].epoch_state()
    sealed = room.send(0)
    group = ENGINES[room.suite].restore(epoch_state, room.groups[1].message_state(), device(1).key)
    with refuses(group, Code.REPLAY):
        group.open(sealed, sender=device(0).id, aad=room.aad)
    room.groups[1] = group
    room.send(2)


@pytest.mark.parametrize("newer", ["epoch part", "message part"])
def test_parts_of_different_epochs_are_refused(room: Circle, newer: str) -> None:
    old = both(room.groups[0])
    room.commit(0)
    new = both(room.groups[0])
    parts = (new[0], old[1]) if newer == "epoch part" else (old[0], new[1])
    assert ENGINES[room.suite].restore(*new, device(0).key).epoch == 2
    with refuses(None, Code.MALFORMED, DecodeError):
        ENGINES[room.suite].restore(*parts, device(0).key)


@pytest.mark.parametrize(("suite", "other"), [(CLASSICAL, POST_QUANTUM), (POST_QUANTUM, CLASSICAL)])
def test_a_state_of_another_suite_is_refused(suite: int, other: int) -> None:
    with refuses(None, Code.SUITE, DecodeError):
        ENGINES[other].restore(*both(circle(1, suite=suite).groups[0]), device(0).key)


@pytest.mark.parametrize("number", [1, 9], ids=["a member's", "a stranger's"])
def test_a_state_of_another_device_is_refused(room: Circle, number: int) -> None:
    with refuses(None, Code.KEY_ID, DecodeError):
        ENGINES[room.suite].restore(*both(room.groups[0]), device(number).key)


def test_a_state_of_a_newer_version_is_refused(room: Circle) -> None:
    epoch_state, message_state = both(room.groups[0])
    assert epoch_state[:2] == bytes([0, VERSION])
    newer = bytes([0, VERSION + 1]) + epoch_state[2:]
    with refuses(None, Code.UNKNOWN_VERSION, DecodeError):
        ENGINES[room.suite].restore(newer, message_state, device(0).key)


def test_a_state_that_ends_early_or_goes_on_is_refused(room: Circle) -> None:
    staged(room.groups[0], adds=(key_package(3, suite=room.suite).public,))
    epoch_state, message_state = both(room.groups[0])
    step = 3 if room.suite == CLASSICAL else 23
    damaged = [(epoch_state[:length], message_state) for length in range(0, len(epoch_state), step)]
    damaged += [(epoch_state, message_state[:length]) for length in range(len(message_state))]
    damaged += [(epoch_state + b"\0", message_state), (epoch_state, message_state + b"\0")]
    for parts in damaged:
        with pytest.raises(PeerError):
            ENGINES[room.suite].restore(*parts, device(0).key)


def test_a_pending_commit_outlives_a_restart(room: Circle) -> None:
    package = key_package(3, suite=room.suite)
    own = staged(room.groups[0], adds=(package.public,))
    again = restored(room.groups[0], 0, suite=room.suite)
    assert again.pending is not None
    assert (again.pending.sealed, again.pending.tree) == (own.sealed, own.tree)
    for number in (1, 2):
        room.groups[number].process(
            own.sealed, sender=device(0).id, aad=AAD, expected=changed(added=(3,)), check=accept
        )
    welcome = again.pending.welcome(CREATE, COMMIT, random=randomness("welcome"))
    room.groups[3] = joined(welcome, again.pending.tree, 3, package, suite=room.suite)
    again.merge()
    room.groups[0] = again
    room.check_agreement()


def test_the_seed_of_a_pending_commits_tree_is_gone_with_the_commit(room: Circle) -> None:
    for end in ("merge", "discard"):
        own = staged(room.groups[0], adds=(key_package(3 + (end == "discard"), suite=room.suite).public,))
        assert room.groups[0].epoch_state()[:SEED_BYTES].endswith(own.seed)
        getattr(room.groups[0], end)()
        assert own.seed not in room.groups[0].epoch_state()


@pytest.mark.parametrize("pending", [True, False])
def test_a_pending_commit_without_its_seed_or_a_seed_without_one_is_refused(room: Circle, *, pending: bool) -> None:
    if pending:
        staged(room.groups[0])
    epoch_state, message_state = both(room.groups[0])
    damaged = b"\x00" + epoch_state[SEED_BYTES:] if pending else b"\x01\x20" + bytes(32) + epoch_state[1:]
    with refuses(None, Code.MALFORMED, DecodeError):
        ENGINES[room.suite].restore(damaged, message_state, device(0).key)


def test_a_seed_of_another_length_is_refused(room: Circle) -> None:
    staged(room.groups[0])
    epoch_state, message_state = both(room.groups[0])
    shorter = b"\x01\x1f" + epoch_state[3:]
    with refuses(None, Code.MALFORMED, DecodeError):
        ENGINES[room.suite].restore(shorter, message_state, device(0).key)


def test_no_secret_shows_in_a_repr(room: Circle) -> None:
    own = staged(room.groups[0], adds=(key_package(3, suite=room.suite).public,))
    shown = f"{room.groups[0]!r} {own!r} {key_package(3, suite=room.suite)!r}"
    assert "seed=" not in shown
    assert own.seed.hex() not in shown
    assert str(own.seed)[2:-1] not in shown
