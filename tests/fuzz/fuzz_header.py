"""Fuzz `decode_header` under a valid frame of CBOR: the body of a header, without a signature in the way."""

from __future__ import annotations

from typing import Final

from amanah_protocol import envelope
from tests.vectors import examples as x

SEEDS: Final = tuple(x.signed(specific).parts.protected for specific in x.SPECIFICS.values())


def run(data: bytes) -> None:
    """Decode; the header encodes to the same bytes."""
    assert envelope.decode_header(data).encoded == data
