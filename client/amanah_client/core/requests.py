"""What a request to the relay was for: found again by its number when the answer comes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec
from msgspec import structs

from amanah_client.core.moving import Download, Upload
from amanah_client.log_rows import AuditRow
from amanah_protocol.log.checkpoint import Checkpoint
from amanah_protocol.log.conflict import Sighting
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.types import DeviceId, EnvelopeId, LeafHash, RoomId

MAX_HANG_UPS: Final = 10
"""What the relay owes is counted from the login, for so many of them: to hang up is no answer."""
WORN_MS: Final = 5_000
"""Time enough to answer what was owed on each of those. After as many again that are shorter still it is over."""


class Debt(msgspec.Struct, frozen=True, kw_only=True):
    """Since when the relay owes something.

    Attributes:
        at_ms: In our running time.
        hang_ups: How often a connection has ended over it.
    """

    at_ms: int
    hang_ups: int = 0

    @property
    def is_worn(self) -> bool:
        """Whether the relay has hung up too often for another connection to begin its time anew."""
        return self.hang_ups >= MAX_HANG_UPS

    @property
    def is_spent(self) -> bool:
        """Whether it hangs up before it could be late by any bound of one connection."""
        return self.hang_ups >= 2 * MAX_HANG_UPS

    def hung_up(self) -> Debt:
        """The same, owed still when the connection ended."""
        return structs.replace(self, hang_ups=self.hang_ups + 1)

    def put_off(self, at_ms: int) -> Debt:
        """The same, with its time from then on."""
        return structs.replace(self, at_ms=at_ms)


class Pledge(msgspec.Struct, frozen=True, kw_only=True):
    """What a receipt promises of an own envelope of a room, until it is proven to be in the log.

    Attributes:
        leaf: Its leaf hash, as the receipt names it.
        index: Its place.
        receipt: The receipt as signed.
        again_at_ms: No proof is asked for before this time, in our running time.
        asked: Since when one is asked for; None for not yet.
        newer: What was acknowledged since then, to be asked for next.
    """

    leaf: LeafHash
    index: int
    receipt: bytes
    again_at_ms: int
    asked: Debt | None = None
    newer: Pledge | None = None


class ControlPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the control stream."""


class RoomPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a room."""

    room: RoomId


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """The room's publish in flight."""

    room: RoomId


class StagedPiece(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a content of the room's publish in flight."""

    room: RoomId


class ContentWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a content that did not fit its delivery."""

    room: RoomId


class MembershipWanted(msgspec.Struct, frozen=True, kw_only=True):
    """The commits before the one that adds this device."""

    room: RoomId


class CustodyWanted(msgspec.Struct, frozen=True, kw_only=True):
    """What follows in a room's custody chain."""

    room: RoomId


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """Own key packages of one suite."""

    suite: int


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """Key packages for an invitation, in the order asked."""

    room: RoomId
    intent: str
    devices: tuple[DeviceId, ...]


class Recalled(msgspec.Struct, frozen=True, kw_only=True):
    """Key packages of absent devices, in the order asked: is one of them back?"""

    room: RoomId
    devices: tuple[DeviceId, ...]


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """Key packages of those who were in a wedged room, for its successor, in the order asked."""

    room: RoomId
    devices: tuple[DeviceId, ...]


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """A control object of an intent."""

    intent: str


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The log's own word, from whomever it came, that it had this root at this size.

    Attributes:
        size: Log size.
        root: Root, 32 bytes.
        line: Whose it is: of one who follows the log, a larger claim stands for the smaller ones before it.
        sighting: The signed statement, and how it came.
        since_ms: Since when the first of its line waits, in our running time.
        due_ms: It is not compared before this time.
        unanswered: How often its proof was asked for and put off, or the connection ended.
        waited_ms: How long the relay had made us wait when this became due; -1 before that.
    """

    size: int
    root: bytes
    line: bytes
    sighting: Sighting
    since_ms: int
    due_ms: int
    unanswered: int = 0
    waited_ms: int = -1


class CheckpointWanted(msgspec.Struct, frozen=True, kw_only=True):
    """The newest checkpoint.

    Attributes:
        behind: Claims that were known to be larger than ours when it was asked for: it has to reach them.
    """

    behind: tuple[Claim, ...] = ()


class Advance(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that a newer checkpoint continues the one held.

    Attributes:
        note: The newer checkpoint as signed.
        checkpoint: What it says; its signature was verified.
        root_signature: The relay's over its root, verified; b"" for none.
    """

    note: bytes
    checkpoint: Checkpoint
    root_signature: bytes


class WitnessedWanted(msgspec.Struct, frozen=True, kw_only=True):
    """The newest checkpoint that the quorum of witnesses has cosigned.

    Attributes:
        at_ms: When it was asked for, in our running time.
    """

    at_ms: int


class Compare(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that a claimed head is a prefix of the checkpoint held."""

    claim: Claim


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """The inclusion proof of a message that is disclosed, for the checkpoint held then."""

    intent: str
    note: bytes
    size: int
    root: bytes


class GrantProof(msgspec.Struct, frozen=True, kw_only=True):
    """The inclusion proof of one message of a grant, for the checkpoint that the grant was begun with."""

    intent: str
    envelope: EnvelopeId
    leaf: LeafHash
    index: int


class Anchored(msgspec.Struct, frozen=True, kw_only=True):
    """The inclusion proof of a room's commit, for the checkpoint held then."""

    room: RoomId
    leaf: LeafHash
    index: int
    size: int
    root: bytes


class Pledged(msgspec.Struct, frozen=True, kw_only=True):
    """The inclusion proof of an own envelope that a receipt promises, for the checkpoint held then.

    Attributes:
        room: Its room.
        pledge: What is to be proven.
        size: Size of the checkpoint.
        root: Its root.
        note: The checkpoint as signed.
    """

    room: RoomId
    pledge: Pledge
    size: int
    root: bytes
    note: bytes


class UploadFound(msgspec.Struct, frozen=True, kw_only=True):
    """How far the upload of an intent's attachment is."""

    intent: str
    upload: Upload


class PieceSent(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of that, which ends at `end`."""

    intent: str
    upload: Upload
    end: int


class PieceWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk of an attachment that an intent wants here."""

    intent: str
    download: Download
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """A page of the log for the auditor's copy, from an index on; asked for at that time."""

    start: int
    asked_ms: int = field(compare=False)


class AuditEdge(msgspec.Struct, frozen=True, kw_only=True):
    """The inclusion proof that gives the right edge of a copy that was begun before."""


class AuditPrefix(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that the copy with these rows is a prefix of the checkpoint."""

    rows: tuple[AuditRow, ...]
    frontier: Frontier


class AuditCheckpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Published checkpoints behind a size, for the auditor's copy."""

    after: int


class AuditStamps(msgspec.Struct, frozen=True, kw_only=True):
    """Time stamps on published checkpoints, for the auditor's copy."""


Audit: TypeAlias = AuditPage | AuditEdge | AuditPrefix | AuditCheckpoints | AuditStamps
"""What the auditor's copy asks for."""

Purpose: TypeAlias = (
    ControlPage | RoomPage | Published | StagedPiece | ContentWanted | MembershipWanted | Offered | Taken | Recalled
    | Gathered | Submitted | CheckpointWanted | WitnessedWanted | Advance | Compare | Proof | GrantProof | Anchored
    | Pledged | Audit | CustodyWanted | UploadFound | PieceSent | PieceWanted
)  # fmt: skip


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is not answered: its purpose and when it was sent."""

    purpose: Purpose
    at_ms: int
