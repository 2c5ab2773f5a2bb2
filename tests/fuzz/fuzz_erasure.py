"""Fuzz the payload of a statement of erasure under the relay's own signature."""

from __future__ import annotations

from typing import Final

from amanah_protocol import cose
from amanah_protocol.custody import erasures
from tests.vectors import examples as x

SEEDS: Final = (cose.decode_sign1(erasures.sign_erasure(x.content_erasure(), x.RELAY_KEY), max_bytes=1_024).payload,)


def run(data: bytes) -> None:
    """Verify; what is accepted is signed to the same bytes."""
    signed = x.signed_bytes(cose.Typ.ERASURE, data, x.RELAY_KEY)
    assert erasures.sign_erasure(erasures.verify_erasure(signed, x.RELAY_KEY.public).value, x.RELAY_KEY) == signed
