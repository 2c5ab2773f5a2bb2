"""Fuzz `cbor.decode`: what is accepted is the one encoding of its value."""

from __future__ import annotations

from typing import Final

from amanah_protocol import cbor
from tests.fuzz.targets import known

SEEDS: Final = (
    *known("enrolment", "roster", "leaf", "transcript"),
    *(bytes.fromhex(text) for text in ("f4", "f6", "3bffffffffffffffff", "a20aa0186480", "8261618141ff")),
)


def run(data: bytes) -> None:
    """Decode, and encode again."""
    value = cbor.decode(data, max_bytes=1 << 16)
    assert cbor.encode(value) == data
