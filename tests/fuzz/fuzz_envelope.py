"""Fuzz `decode_envelope`, `check_content` and `verify_envelope`."""

from __future__ import annotations

from typing import Final

from amanah_protocol import envelope
from tests.fuzz.targets import known
from tests.vectors import examples as x

SEEDS: Final = known("envelope")
CONTENT: Final = {x.signed(specific).payload: x.sealed_content(kind) for kind, specific in x.SPECIFICS.items()}


def run(data: bytes) -> None:
    """Decode; what was decoded encodes to the bytes that were signed; then verify."""
    decoded = envelope.decode_envelope(data)
    assert decoded.header.encoded == decoded.parts.protected
    assert decoded.parts.encode() == data
    envelope.check_content(decoded, CONTENT.get(decoded.payload, b""))
    envelope.verify_envelope(decoded, x.OFFICER.public)
