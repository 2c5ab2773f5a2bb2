"""What a request to the relay was for: found again by its number when the answer comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from amanah_client.model import AuditRow
from amanah_protocol.log.checkpoint import Checkpoint
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.types import DeviceId, LeafHash, RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPage:
    """A page of the control stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomPage:
    """A page of a room."""

    room: RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The room's publish in flight."""

    room: RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedPiece:
    """A piece of a content of the room's publish in flight."""

    room: RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentWanted:
    """A piece of a content that did not fit its delivery."""

    room: RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipWanted:
    """The commits before the one that adds this device."""

    room: RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyWanted:
    """What follows in a room's custody chain."""

    room: RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """Own key packages of one suite."""

    suite: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Key packages for an invitation, in the order asked."""

    room: RoomId
    intent: str
    devices: tuple[DeviceId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """Key packages of absent devices, in the order asked: is one of them back?"""

    room: RoomId
    devices: tuple[DeviceId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Key packages of those who were in a wedged room, for its successor, in the order asked."""

    room: RoomId
    devices: tuple[DeviceId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A control object of an intent."""

    intent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointWanted:
    """The newest checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """The proof that a newer checkpoint continues the one held.

    Attributes:
        note: The newer checkpoint as signed.
        checkpoint: What it says; its signature was verified.
    """

    note: bytes
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Somebody's word that the log had this root at this size.

    Attributes:
        size: Log size.
        root: Root, 32 bytes.
        room: The room it was said in, or None.
        source: Who said it, for people.
        evidence: The bytes that say it.
        signed: Whether the relay signed it; else it is a member's word, who may lie.
    """

    size: int
    root: bytes
    room: RoomId | None
    source: str
    evidence: tuple[bytes, ...]
    signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """The proof that a claimed head is a prefix of the checkpoint held."""

    claim: Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The inclusion proof of a message that is disclosed, for the checkpoint held then."""

    intent: str
    note: bytes
    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored:
    """The inclusion proof of a room's commit, for the checkpoint held then."""

    room: RoomId
    leaf: LeafHash
    index: int
    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """A page of the log for the auditor's copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEdge:
    """The inclusion proof that gives the right edge of a copy that was begun before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPrefix:
    """The proof that the copy with these rows is a prefix of the checkpoint."""

    rows: tuple[AuditRow, ...]
    frontier: Frontier


Purpose: TypeAlias = (
    ControlPage | RoomPage | Published | StagedPiece | ContentWanted | MembershipWanted | Offered | Taken | Recalled
    | Gathered | Submitted | CheckpointWanted | Advance | Compare | Proof | Anchored | AuditPage | AuditEdge
    | AuditPrefix | CustodyWanted
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that is not answered: its purpose and when it was sent."""

    purpose: Purpose
    at_ms: int
