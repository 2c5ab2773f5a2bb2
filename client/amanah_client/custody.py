"""Entries of a room's custody chain, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanah_protocol.types import RoomId

FLAWED: Final = 0
"""In place of a type: an entry of a custody chain that does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyRow:
    """An entry of a room's custody chain.

    Attributes:
        room: The room.
        sequence: Its place in the chain.
        index: Its place in the log.
        type: `LeafType` as a number, or `FLAWED`.
        accepted_at_ms: The relay's time.
        hash: Hash of its leaf.
        object: The leaf's object.
        document: The endorsed document beside it, or None.
    """

    room: RoomId
    sequence: int
    index: int
    type: int
    accepted_at_ms: int
    hash: bytes
    object: bytes
    document: bytes | None
