"""What the shell tells the client core: a closed union."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from amanah_client.model import Intent, MessageRow
from amanah_protocol.errors import Code
from amanah_protocol.types import EnvelopeId, RoomId


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A websocket to a relay is open.

    Attributes:
        dialled: host:port that was dialled, as in the roster's address.
        tls_hash: SHA-256 of the server certificate's DER; zeros on loopback without TLS.
    """

    dialled: str
    tls_hash: bytes


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A binary message from the relay."""

    data: bytes


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """The connection is gone."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """An intent that is already durable in the store (or a HELD one that was released)."""

    intent: Intent


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """A queued or held intent that a person withdrew; its id."""

    intent: str


class MessageRead(msgspec.Struct, frozen=True, kw_only=True):
    """Answers `effects.ReadMessage`.

    Attributes:
        room, envelope: What was asked for.
        row: The message; None when the store has none.
        labelling: The entries from which its label follows (`incident.labelled`), in the order of their places.
    """

    room: RoomId
    envelope: EnvelopeId
    row: MessageRow | None
    labelling: tuple[MessageRow, ...] = ()


class SealedRead(msgspec.Struct, frozen=True, kw_only=True):
    """Answers `effects.ReadSealed`; `data` is None when it is not there as it was sealed."""

    intent: str
    offset: int
    data: bytes | None


class FetchedFound(msgspec.Struct, frozen=True, kw_only=True):
    """Answers `effects.FindFetched`: whole chunks that are here, and whether that is all, under its own hash."""

    intent: str
    chunks: int
    whole: bool


class PieceKept(msgspec.Struct, frozen=True, kw_only=True):
    """Answers `effects.KeepPiece`.

    Attributes:
        intent: For which it is.
        size: Bytes that are here.
        whole: Whether that is all, and has its hash.
        problem: Why it is not kept: `CONTENT_HASH`, after which nothing of it is here, or what the disk says.
        detail: The same for people.
    """

    intent: str
    size: int = 0
    whole: bool = False
    problem: Code | None = None
    detail: str = ""


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """Time has passed; at least once a second.

    Attributes:
        made_ms: When that was noticed, in Unix milliseconds: whatever came before it was taken before it, and a core
            whose store is slow takes it late.
    """

    made_ms: int


Input: TypeAlias = (
    Opened | Received | Lost | Asked | Withdrawn | MessageRead | Tick | SealedRead | FetchedFound | PieceKept
)
