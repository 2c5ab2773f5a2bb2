"""Fuzz `decode_witness_keys`: what a witness hands to whoever makes a roster."""

from __future__ import annotations

from typing import Final

from amanah_protocol.cards import decode_witness_keys
from tests.vectors import examples as x

SEEDS: Final = tuple("\n".join(key.vkey for key in witness.keys).encode() for witness in x.WITNESSES)


def run(data: bytes) -> None:
    """What is accepted is the keys of one witness, and is read again from its own text."""
    read = decode_witness_keys(data.decode("utf-8", "replace"))
    assert decode_witness_keys("\n".join(key.vkey for key in read.keys)) == read
