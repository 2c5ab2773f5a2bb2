"""Signed heads: how a client knows that it has the newest of a room and of the control stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanah_protocol import cbor, cose
from amanah_protocol.crypto import SigningKey
from amanah_protocol.types import LeafHash, RoomId
from amanah_protocol.verified import Verified

_MAX_BYTES: Final = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlHead:
    """The newest place of the control stream; its time bounds freshness.

    Attributes:
        sequence: Newest sequence of the control stream, 0 when it is empty.
        leaf: Leaf hash of that entry.
        size: Log size of the checkpoint that covers it.
        root: Root at that size.
        time_ms: The relay's time of signing.
    """

    sequence: int
    leaf: LeafHash
    size: int
    root: bytes
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomHead:
    """The newest place of a room.

    Attributes:
        room: The room.
        room_seq: Newest sequence there.
        leaf: Leaf hash of that entry.
        size: Log size of the checkpoint that covers it.
        time_ms: The relay's time of signing.
    """

    room: RoomId
    room_seq: int
    leaf: LeafHash
    size: int
    time_ms: int


def sign_control_head(head: ControlHead, key: SigningKey) -> bytes:
    """Sign by the relay's key."""
    return cose.sign(cose.Typ.CONTROL_HEAD, [head.sequence, head.leaf, head.size, head.root, head.time_ms], key)


def verify_control_head(data: bytes, relay_key: bytes) -> Verified[ControlHead]:
    """Verify by the relay's key of the roster.

    Raises:
        DecodeError: It does not parse.
        VerifyError: `KEY_ID` or `SIGNATURE`.
    """
    opened = cose.decode(data, cose.Typ.CONTROL_HEAD, max_bytes=_MAX_BYTES)
    cose.verify_opened(opened, relay_key)
    f = cbor.Fields(opened.payload, 5, "control head")
    return Verified(
        ControlHead(sequence=f.uint(), leaf=LeafHash(f.fixed(32)), size=f.uint(), root=f.fixed(32), time_ms=f.uint())
    )


def sign_room_head(head: RoomHead, key: SigningKey) -> bytes:
    """Sign by the relay's key."""
    return cose.sign(cose.Typ.ROOM_HEAD, [head.room, head.room_seq, head.leaf, head.size, head.time_ms], key)


def verify_room_head(data: bytes, relay_key: bytes) -> Verified[RoomHead]:
    """Verify by the relay's key of the roster.

    Raises:
        DecodeError: It does not parse.
        VerifyError: `KEY_ID` or `SIGNATURE`.
    """
    opened = cose.decode(data, cose.Typ.ROOM_HEAD, max_bytes=_MAX_BYTES)
    cose.verify_opened(opened, relay_key)
    f = cbor.Fields(opened.payload, 5, "room head")
    return Verified(
        RoomHead(
            room=RoomId(f.fixed(16)),
            room_seq=f.uint(),
            leaf=LeafHash(f.fixed(32)),
            size=f.uint(),
            time_ms=f.uint(),
        )
    )
