"""The custody chain of a room: grants, granted reads, holds and erasures that concern its record."""

from __future__ import annotations

from amanah_protocol.crypto import sha256
from amanah_protocol.types import RoomId


def custody_chain(room: RoomId) -> RoomId:
    """The reserved room id under which a room's custody stands in the log.

    A chain of its own: members follow the room's own chain by MLS, entry by entry, and what is no envelope
    has no place there; beside it, nothing has to be read in order before a message can be.
    """
    return RoomId(sha256(b"amanah/custody/1" + room)[:16])
