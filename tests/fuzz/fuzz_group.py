"""Fuzz a group with what other members sealed: messages, commits, welcomes, and both parts of a damaged state.

The first byte chooses the suite and what is tried; the rest is what is given to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from amanah_protocol.errors import Code, DecodeError, PeerError
from amanah_protocol.group.room_group import RoomGroup, StagedCommit
from amanah_protocol.group.seam import OwnKeyPackage
from amanah_protocol.group.suites import SUPPORTED
from tests.protocol.group.circle import (
    AAD,
    COMMIT,
    CREATE,
    ENGINES,
    binding,
    changed,
    circle,
    key_package,
    restored,
    staged,
)
from tests.protocol.group.devices import accept, device, randomness


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Devices 0 to 2 of a room; device 1 reads, device 0 has a commit in flight that adds device 3."""

    suite: int
    parts: tuple[bytes, bytes]
    pending: tuple[bytes, bytes]
    message: bytes
    commit: StagedCommit
    package: OwnKeyPackage
    welcome: bytes

    def reader(self) -> RoomGroup:
        """Device 1's group, restored."""
        return ENGINES[self.suite].restore(*self.parts, device(1).key)


@cache
def scene(suite: int) -> Scene:
    """A room of a suite."""
    room = circle(1, 2, suite=suite)
    owner, reader, package = room.groups[0], room.groups[1], key_package(3, suite=suite)
    message = owner.seal(b"plaintext", aad=AAD, random=randomness("message"))
    commit = staged(owner, adds=(package.public,))
    return Scene(
        suite=suite,
        parts=(reader.epoch_state(), reader.message_state()),
        pending=(owner.epoch_state(), owner.message_state()),
        message=message,
        commit=commit,
        package=package,
        welcome=commit.welcome(CREATE, COMMIT, random=randomness("welcome")),
    )


def _open(at: Scene, data: bytes) -> None:
    _tried(at, lambda group: group.open(data, sender=device(0).id, aad=AAD))


def _process(at: Scene, data: bytes) -> None:
    expected = changed(added=(3,))
    _tried(at, lambda group: group.process(data, sender=device(0).id, aad=AAD, expected=expected, check=accept))


def _tried(at: Scene, attempt: Callable[[RoomGroup], object]) -> None:
    group = at.reader()
    try:
        attempt(group)
    except PeerError:
        assert (group.epoch_state(), group.message_state()) == at.parts
        raise


def _join(at: Scene, data: bytes, tree: bytes | None = None) -> None:
    group, _ = ENGINES[at.suite].join(
        data,
        at.commit.tree if tree is None else tree,
        binding(),
        privates={at.package.reference: at.package.private},
        key=device(3).key,
        check=accept,
    )
    restored(group, 3, suite=at.suite)


def _join_by_tree(at: Scene, data: bytes) -> None:
    _join(at, at.welcome, data)


def _restore_epoch(at: Scene, data: bytes) -> None:
    group = ENGINES[at.suite].restore(data, at.pending[1], device(0).key)
    assert group.epoch_state() == data


def _restore_messages(at: Scene, data: bytes) -> None:
    group = ENGINES[at.suite].restore(at.pending[0], data, device(0).key)
    assert len(group.message_state()) <= len(data)


ATTEMPTS: Final = (_open, _process, _join, _join_by_tree, _restore_epoch, _restore_messages)


def _seeds(number: int, suite: int) -> tuple[bytes, ...]:
    at = scene(suite)
    inputs = (at.message, at.commit.sealed, at.welcome, at.commit.tree, *at.pending)
    return tuple(bytes([number * len(ATTEMPTS) + kind]) + data for kind, data in enumerate(inputs))


SEEDS: Final = tuple(seed for number, suite in enumerate(SUPPORTED) for seed in _seeds(number, suite))


def run(data: bytes) -> None:
    """It is taken whole, or refused and the state is unchanged."""
    if not data or data[0] >= len(ATTEMPTS) * len(SUPPORTED):
        raise DecodeError(Code.MALFORMED, "no such attempt")
    number, kind = divmod(data[0], len(ATTEMPTS))
    ATTEMPTS[kind](scene(SUPPORTED[number]), data[1:])
