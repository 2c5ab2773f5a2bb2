"""Fuzz `decode_vkey`: verifier keys stand in rosters and policies."""

from __future__ import annotations

from typing import Final

from amanah_protocol.log.note_keys import decode_vkey
from tests.vectors import examples as x

SEEDS: Final = (x.LOG_SIGNER.verifier.vkey.encode(),)


def run(data: bytes) -> None:
    """What is accepted has one form."""
    text = data.decode("utf-8", "replace")
    assert decode_vkey(text).vkey == text
