"""Fuzz a group with what other members sealed: messages, commits, welcomes, and a damaged state."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from amanah_protocol.errors import PeerError
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
_PACKAGE: Final = key_package(3)
_STAGED: Final = created().stage_commit(adds=(_PACKAGE.public,), removes=(), aad=AAD, random=randomness("fuzz"))
_WELCOME: Final = _STAGED.welcome(CREATE, COMMIT)
assert joined(_WELCOME, 3, _PACKAGE).epoch == 1
SEEDS: Final = (
    _CIRCLE.groups[0].seal(b"plaintext", aad=AAD, random=randomness("message")),
    _STAGED.sealed,
    _WELCOME.sealed,
    _STATE,
)


def run(data: bytes) -> None:
    """Whatever it is, the state is unchanged unless it opened."""
    reader = ENGINE.restore(_STATE, device(1).key)
    before = reader.state()
    with suppress(PeerError):
        ENGINE.restore(data, device(1).key)
    try:
        reader.process(data, sender=device(0).id, aad=AAD, expected=changed(added=(3,)), check=accept)
    except PeerError:
        assert reader.state() == before
    else:
        return
    try:
        reader.open(data, sender=device(0).id, aad=AAD)
    except PeerError:
        assert reader.state() == before
    with suppress(PeerError):
        ENGINE.join(
            data, None, room=ROOM, create_id=CREATE, commit_id=COMMIT, sender=device(0).id,
            privates={_PACKAGE.reference: _PACKAGE.private}, key=device(3).key, check=accept,
        )  # fmt: skip
