"""Fuzz `decode_armour`: a file that came by mail."""

from __future__ import annotations

from typing import Final

from amanah_protocol.cards import Armour, armour, decode_armour

SEEDS: Final = (
    armour(Armour.REPLY, b"reply").encode(),
    b"Dear colleague,\n" + armour(Armour.REPLY, bytes(99)).encode(),
)


def run(data: bytes) -> None:
    """It is unwrapped, or refused."""
    decode_armour(data.decode("utf-8", "replace"), Armour.REPLY)
