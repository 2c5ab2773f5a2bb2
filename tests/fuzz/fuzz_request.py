"""Fuzz `decode_request`, also below a signature that holds."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from amanah_protocol import cose, identity
from amanah_protocol.errors import PeerError
from tests.fuzz.targets import known
from tests.vectors import examples as x

SEEDS: Final = known("request")


def run(data: bytes) -> None:
    """Decode the input, and the input's payload under the device's own signature."""
    parts = cose.decode_sign1(data, max_bytes=4_096)
    with suppress(PeerError):
        identity.decode_request(x.signed_bytes(cose.Typ.REQUEST, parts.payload, x.OFFICER))
    assert identity.decode_request(data).encoded == data
