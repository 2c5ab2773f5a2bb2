"""What the client core asks of its shell.

A `Step` has two parts, and the order between them is the client's promise: *all* writes are made in
one transaction first, and only when it is durable are the effects performed. If the transaction
fails, no effect is performed, the core is thrown away and made anew from the store; nothing that was
sealed with the lost state has left the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from amanah_client.log_rows import AuditRow, ConflictRow, CustodyRow, LogView, StampRow, WitnessedRow
from amanah_client.model import Alarm, ControlRow, Intent, MessageRow, RoomRow
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, PersonId, RoomId

# ---- writes


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRoom:
    """Insert or replace a room."""

    row: RoomRow


@dataclass(frozen=True, slots=True, kw_only=True)
class PutMessage:
    """Insert or replace a message by (room, envelope).

    A message that has its place is replaced by a STORED row only: an id does not cover the signature,
    so a relay could otherwise undo what was read by a copy that does not verify.
    """

    row: MessageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class PutGranted:
    """Insert a message that this device was granted; what is there gives way for some causes (`causes.GIVING_WAY`).

    So nothing comes back that was erased here. What was erased before it came, by whom `EraseContent` lets, comes as
    a tombstone. The core cannot know what becomes of it: who commits it tells it as the store then has it.
    """

    row: MessageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class DropMessage:
    """Forget an own message that was sealed and then refused; it will be sealed anew."""

    room: RoomId
    envelope: EnvelopeId


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseContent:
    """Drop content and key of those messages that `by` sent (of all, if it is None), keep tombstones.

    The core does not hold old messages, so the store compares their sender; a member erases nobody
    else's words that way. Of a message that is not here it keeps that it was erased, and by whom.
    """

    room: RoomId
    envelopes: tuple[EnvelopeId, ...]
    by: DeviceId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutIntent:
    """Replace an intent."""

    intent: Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAction:
    """Replace the action of an unfinished intent: it is about another room now."""

    intent: Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class DropWish:
    """What a person decided of an intent was carried out, or came too late; its id."""

    intent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PutControl:
    """Append a verified control entry."""

    row: ControlRow


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRoster:
    """A newer roster was accepted; encoded.

    Attributes:
        roster: The roster.
        first: The one that it replaced, where that stands in the log nowhere; else b"".
    """

    roster: bytes
    first: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutControlHead:
    """A newer signed control head; encoded."""

    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PutLogView:
    """A newer verified checkpoint."""

    view: LogView


@dataclass(frozen=True, slots=True, kw_only=True)
class PutWitnessed:
    """What the witnesses have cosigned, or whether they are missed, changed."""

    row: WitnessedRow


@dataclass(frozen=True, slots=True, kw_only=True)
class PutConflict:
    """Keep evidence against the log; what is kept already by this key stays as it is."""

    row: ConflictRow


@dataclass(frozen=True, slots=True, kw_only=True)
class PutKeyPackage:
    """Keep the secret of an own key package, before its public half leaves."""

    reference: bytes
    private: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DropKeyPackage:
    """Delete a used or expired secret."""

    reference: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PutProfile:
    """A verified profile of a member; encoded."""

    profile: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAlarm:
    """Keep an alarm."""

    alarm: Alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class PutCustody:
    """Append to what is known of a room's custody."""

    row: CustodyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPerson:
    """An organisation has forgotten a person: drop the profile, and the contents of messages that hold it."""

    organisation: OrgName
    subject: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class DropOver:
    """Drop the contents of a room whose time is over, as an `erase` would.

    Attributes:
        room: The room.
        policy: Its policy, encoded.
        now_ms: As of this time.
        held_since_ms: What was accepted then or later stays: a hold stands.
    """

    room: RoomId
    policy: bytes
    now_ms: int
    held_since_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAuditRows:
    """Append to the auditor's copy."""

    rows: tuple[AuditRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PutCheckpoints:
    """Keep published checkpoints in the auditor's copy; one of a size that is there takes its place.

    Attributes:
        notes: (size, signed note).
        settled: Size of the newest that the quorum of witnesses has cosigned: those behind it are asked for again.
    """

    notes: tuple[tuple[int, bytes], ...]
    settled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PutStamps:
    """Keep time stamps in the auditor's copy, and of their checkpoints what the copy does not have yet."""

    stamps: tuple[StampRow, ...]


Write: TypeAlias = (
    PutRoom | PutMessage | PutGranted | DropMessage | EraseContent | PutIntent | PutAction | DropWish | PutControl
    | PutRoster | PutControlHead | PutLogView | PutWitnessed | PutConflict | PutKeyPackage | DropKeyPackage | PutProfile
    | PutAlarm | PutAuditRows | PutCheckpoints | PutStamps | PutCustody | ForgetPerson | DropOver
)  # fmt: skip

# ---- effects


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFrame:
    """Write one encoded frame to the relay."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMessage:
    """Read one message of the store, and what its label follows from, and give both as `inputs.MessageRead`."""

    room: RoomId
    envelope: EnvelopeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect:
    """Close the connection.

    Attributes:
        reason: `CODE: detail`.
        again: Whether to connect again (False: replaced, revoked).
        hint: What a person does next, where that is not what the code says.
    """

    reason: str
    again: bool = True
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageChanged:
    """Tell the faces: a message arrived or changed its state."""

    row: MessageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomChanged:
    """Tell the faces: a room appeared or changed."""

    row: RoomRow


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentChanged:
    """Tell the faces: an intent changed its state."""

    intent: Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRaised:
    """Tell the faces: an alarm."""

    alarm: Alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class Online:
    """Tell the faces: logged in, control stream and all rooms caught up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlashAnnounced:
    """Tell the faces: the relay says that a `flash` stands at a place of a room; it is not here yet.

    Nobody signed that: what counts is the message, when it comes.
    """

    room: RoomId
    room_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSealed:
    """Read a piece of a sealed file that is to be uploaded and give it as `inputs.SealedRead`."""

    intent: str
    attachment: bytes
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DropSealed:
    """The sealed copy of a file is not needed any more: it is at the relay with its message, or is never sent."""

    attachment: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FindFetched:
    """Look how many chunks of an attachment of `total` bytes are here, and say it as `inputs.FetchedFound`."""

    intent: str
    attachment: bytes
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepPiece:
    """Keep a verified chunk behind those that are here; with the last one, compare the hash: `inputs.PieceKept`."""

    intent: str
    attachment: bytes
    index: int
    data: bytes
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferChanged:
    """Tell the faces: so many bytes of an attachment of `total` are at the relay, or here."""

    attachment: bytes
    upload: bool
    done: int
    total: int


Effect: TypeAlias = (
    SendFrame | ReadMessage | Disconnect | MessageChanged | RoomChanged | IntentChanged | AlarmRaised | Online
    | FlashAnnounced | ReadSealed | DropSealed | FindFetched | KeepPiece | TransferChanged
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Writes first, as one durable transaction; then effects, in order."""

    writes: tuple[Write, ...] = ()
    effects: tuple[Effect, ...] = ()
