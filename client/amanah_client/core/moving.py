"""How far uploads and downloads of attachments are, as long as a connection lasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanah_protocol.content.file import File
from amanah_protocol.types import EnvelopeId, RoomId

WINDOW: Final = 4
"""Pieces of one attachment that are on their way at a time."""
MOST: Final = 2
"""Attachments that are moved at a time, each way; the others wait in line."""


@dataclass(slots=True, kw_only=True, eq=False)
class Upload:
    """An attachment on its way to the relay.

    Attributes:
        next: Where the next piece begins.
        flying: Pieces that are read or sent and not answered.
        found: Whether the relay has said how far it is.
        whole: Whether it has all of it.
    """

    next: int = 0
    flying: int = 0
    found: bool = False
    whole: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Download:
    """An attachment on its way here.

    Attributes:
        room: Its room.
        envelope: Its message.
        file: What the message says, once it was read.
        message_id: What its chunks are sealed under.
        index: The chunk that comes next.
        asked: The chunk that is asked for next.
        found: Whether it is known how much is here.
    """

    room: RoomId
    envelope: EnvelopeId
    file: File | None = None
    message_id: bytes = b""
    index: int = 0
    asked: int = 0
    found: bool = False
