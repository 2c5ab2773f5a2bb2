"""Fuzz the payloads of control and room heads under the relay's own signature: a hostile relay."""

from __future__ import annotations

from typing import Final

from amanah_protocol import cose, heads
from amanah_protocol.errors import PeerError
from tests.fuzz.targets import known
from tests.vectors import examples as x

SEEDS: Final = tuple(cose.decode_sign1(data, max_bytes=1_024).payload for data in known("control_head", "room_head"))


def run(data: bytes) -> None:
    """Verify as the one, then as the other."""
    try:
        heads.verify_control_head(x.signed_bytes(cose.Typ.CONTROL_HEAD, data, x.RELAY_KEY), x.RELAY_KEY.public)
    except PeerError:
        heads.verify_room_head(x.signed_bytes(cose.Typ.ROOM_HEAD, data, x.RELAY_KEY), x.RELAY_KEY.public)
