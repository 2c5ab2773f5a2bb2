"""Fuzz `decode_message`: whatever travels as an `MLSMessage`."""

from __future__ import annotations

from typing import Final

from amanah_protocol.mls.framing import decode_message, encode_message
from amanah_protocol.mls.proposals import Remove
from tests.protocol.mls.stage import MAX_BYTES, make_stage

_STAGE: Final = make_stage()
_ALICE: Final = _STAGE["alice"]
SEEDS: Final = (
    _ALICE.propose(Remove(1), random=_STAGE.random, public=True),
    _ALICE.seal(b"said", random=_STAGE.random),
    _ALICE.commit(random=_STAGE.random, public=True).message,
    _ALICE.group_info(),
    encode_message(_STAGE.newcomer.public),
)


def run(data: bytes) -> None:
    """What is accepted has one form."""
    assert encode_message(decode_message(data, MAX_BYTES)) == data
