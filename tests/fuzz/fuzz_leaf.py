"""Fuzz `decode_leaf`: what is accepted is the one encoding of its entry."""

from __future__ import annotations

from typing import Final

from amanah_protocol.log.leaf import decode_leaf
from tests.fuzz.targets import known

SEEDS: Final = known("leaf")


def run(data: bytes) -> None:
    """Decode, and encode again."""
    assert decode_leaf(data).encode() == data
