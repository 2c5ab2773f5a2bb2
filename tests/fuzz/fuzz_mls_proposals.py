"""Fuzz the list of proposals of a commit, which a hostile member signs and seals rightly."""

from __future__ import annotations

from typing import Final

from amanah_protocol.mls.codec import decode
from amanah_protocol.mls.proposals import Add, Commit, GroupContextExtensions, PreSharedKey, ReInit, Remove
from amanah_protocol.mls.psk import ExternalPsk
from tests.protocol.mls.forged_commit import sealed_commit
from tests.protocol.mls.stage import CONTEXT_EXTENSIONS, KNOWN_PSK, handshake, make_stage

_STAGE: Final = make_stage()
_BOB: Final = _STAGE["bob"]
_ITEMS: Final = (
    Add(_STAGE.newcomer.public),
    Remove(3),
    PreSharedKey(ExternalPsk(KNOWN_PSK, bytes(32))),
    GroupContextExtensions(CONTEXT_EXTENSIONS),
)
SEEDS: Final = (Commit(_ITEMS, None).encode(), Commit((ReInit(b"next", 1, 3, ()),), None).encode())


def run(data: bytes) -> None:
    """Refused or taken, nothing has changed; what the forger himself cannot make counts as refused."""
    commit = decode(data, Commit.read)
    assert commit.encode() == data
    message = handshake(sealed_commit(_STAGE, "carol", *commit.proposals))
    before = _BOB.epoch_state(), _BOB.message_state()
    try:
        _BOB.take_commit(message)
    finally:
        assert (_BOB.epoch_state(), _BOB.message_state()) == before
