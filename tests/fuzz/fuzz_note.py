"""Fuzz `decode_note` (C2SP signed-note)."""

from __future__ import annotations

from typing import Final

from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.merkle import EMPTY_ROOT
from amanah_protocol.log.note import decode_note
from tests.vectors import examples as x

SEEDS: Final = tuple(
    sign_checkpoint(Checkpoint(origin=x.ORIGIN, size=size, root=root), x.LOG_SIGNER)
    for size, root in ((0, EMPTY_ROOT), (7, bytes(32)))
)


def run(data: bytes) -> None:
    """What is accepted has one form."""
    assert decode_note(data).encode() == data
