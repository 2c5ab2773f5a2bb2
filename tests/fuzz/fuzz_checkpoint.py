"""Fuzz `decode_checkpoint` and `verify_checkpoint`."""

from __future__ import annotations

from typing import Final

from amanah_protocol.log.checkpoint import decode_checkpoint, verify_checkpoint
from tests.fuzz.fuzz_note import SEEDS as NOTES
from tests.vectors import examples as x

SEEDS: Final = NOTES


def run(data: bytes) -> None:
    """What verifies is what decodes."""
    checkpoint, _ = decode_checkpoint(data)
    assert verify_checkpoint(data, x.LOG_SIGNER.verifier, x.ORIGIN).value == checkpoint
