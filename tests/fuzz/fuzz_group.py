"""Fuzz a group with what other members sealed: messages, commits, welcomes, and a damaged state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from amanah_protocol.errors import PeerError
from amanah_protocol.group.flat.group import FlatGroup
from tests.protocol.group.circle import (
    AAD,
    COMMIT,
    CREATE,
    ENGINE,
    ROOM,
    Circle,
    changed,
    created,
    joined,
    key_package,
)
from tests.protocol.group.devices import accept, device, randomness

_CIRCLE: Final = Circle()
_CIRCLE.commit(0, adds=(1, 2))
_READER: Final = _CIRCLE.groups[1]
_STATE: Final = _READER.state()
_COMMITTER: Final = ENGINE.restore(_CIRCLE.groups[0].state(), device(0).key)
_COMMIT: Final = _COMMITTER.stage_commit(
    adds=(key_package(3).public,), removes=(), aad=AAD, random=randomness("commit")
).sealed
_PACKAGE: Final = key_package(3)
_STAGED: Final = created().stage_commit(adds=(_PACKAGE.public,), removes=(), aad=AAD, random=randomness("fuzz"))
_WELCOME: Final = _STAGED.welcome(CREATE, COMMIT)
assert joined(_WELCOME, 3, _PACKAGE).epoch == 1
SEEDS: Final = (
    _CIRCLE.groups[0].seal(b"plaintext", aad=AAD, random=randomness("message")),
    _COMMIT,
    _WELCOME.sealed,
    _STATE,
)


def run(data: bytes) -> None:
    """Some part of the engine takes it, or all refuse it and the state is unchanged."""
    attempts = (_restore, _process, _open, _join)
    refusals = [refusal for attempt in attempts if (refusal := _refusal(attempt, data)) is not None]
    if len(refusals) == len(attempts):
        raise refusals[-1]


def _refusal(attempt: Callable[[FlatGroup, bytes], object], data: bytes) -> PeerError | None:
    reader = ENGINE.restore(_STATE, device(1).key)
    try:
        attempt(reader, data)
    except PeerError as error:
        assert reader.state() == _STATE
        return error
    return None


def _restore(_: FlatGroup, data: bytes) -> None:
    ENGINE.restore(data, device(1).key)


def _process(reader: FlatGroup, data: bytes) -> None:
    reader.process(data, sender=device(0).id, aad=AAD, expected=changed(added=(3,)), check=accept)


def _open(reader: FlatGroup, data: bytes) -> None:
    reader.open(data, sender=device(0).id, aad=AAD)


def _join(_: FlatGroup, data: bytes) -> None:
    ENGINE.join(
        data, None, room=ROOM, create_id=CREATE, commit_id=COMMIT, sender=device(0).id,
        privates={_PACKAGE.reference: _PACKAGE.private}, key=device(3).key, check=accept,
    )  # fmt: skip
