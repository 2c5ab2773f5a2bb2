"""Fuzz `decode_policy` of a room."""

from __future__ import annotations

from typing import Final

from amanah_protocol.custody import retention
from amanah_protocol.errors import Code, DecodeError
from tests.fuzz.targets import known

SEEDS: Final = known("room_policy")


def run(data: bytes) -> None:
    """Decode; one policy has one encoding."""
    decoded = retention.decode_policy(data)
    if decoded is None:
        raise DecodeError(Code.BAD_TYPE, "no bytes are no policy")
    assert decoded.encode() == data
