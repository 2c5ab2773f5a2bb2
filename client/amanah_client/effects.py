"""What the client core asks of its shell.

A `Step` has two parts, and the order between them is the client's promise: *all* writes are made in
one transaction first, and only when it is durable are the effects performed. If the transaction
fails, no effect is performed, the core is thrown away and made anew from the store; nothing that was
sealed with the lost state has left the machine.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from amanah_client.log_rows import AuditRow, ConflictRow, CustodyRow, LogView, StampRow, WitnessedRow
from amanah_client.model import Alarm, ControlRow, Intent, MessageRow, RoomRow
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, PersonId, RoomId

# ---- writes


class PutRoom(msgspec.Struct, frozen=True, kw_only=True):
    """Insert or replace a room."""

    row: RoomRow


class PutMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Insert or replace a message by (room, envelope).

    A message that has its place is replaced by a STORED row only: an id does not cover the signature,
    so a relay could otherwise undo what was read by a copy that does not verify.
    """

    row: MessageRow


class PutGranted(msgspec.Struct, frozen=True, kw_only=True):
    """Insert a message that this device was granted; what is there gives way for some causes (`causes.GIVING_WAY`).

    So nothing comes back that was erased here. What was erased before it came, by whom `EraseContent` lets, comes as
    a tombstone. The core cannot know what becomes of it: who commits it tells it as the store then has it.
    """

    row: MessageRow


class DropMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Forget an own message that was sealed and then refused; it will be sealed anew."""

    room: RoomId
    envelope: EnvelopeId


class EraseContent(msgspec.Struct, frozen=True, kw_only=True):
    """Drop content and key of those messages that `by` sent (of all, if it is None), keep tombstones.

    The core does not hold old messages, so the store compares their sender; a member erases nobody
    else's words that way. Of a message that is not here it keeps that it was erased, and by whom.
    """

    room: RoomId
    envelopes: tuple[EnvelopeId, ...]
    by: DeviceId | None


class PutIntent(msgspec.Struct, frozen=True, kw_only=True):
    """Replace an intent."""

    intent: Intent


class PutAction(msgspec.Struct, frozen=True, kw_only=True):
    """Replace the action of an unfinished intent: it is about another room now."""

    intent: Intent


class DropWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided of an intent was carried out, or came too late; its id."""

    intent: str


class PutControl(msgspec.Struct, frozen=True, kw_only=True):
    """Append a verified control entry."""

    row: ControlRow


class PutRoster(msgspec.Struct, frozen=True, kw_only=True):
    """A newer roster was accepted; encoded.

    Attributes:
        roster: The roster.
        first: The one that it replaced, where that stands in the log nowhere; else b"".
    """

    roster: bytes
    first: bytes = b""


class PutControlHead(msgspec.Struct, frozen=True, kw_only=True):
    """A newer signed control head; encoded."""

    head: bytes


class PutLogView(msgspec.Struct, frozen=True, kw_only=True):
    """A newer verified checkpoint."""

    view: LogView


class PutWitnessed(msgspec.Struct, frozen=True, kw_only=True):
    """What the witnesses have cosigned, or whether they are missed, changed."""

    row: WitnessedRow


class PutConflict(msgspec.Struct, frozen=True, kw_only=True):
    """Keep evidence against the log; what is kept already by this key stays as it is."""

    row: ConflictRow


class PutKeyPackage(msgspec.Struct, frozen=True, kw_only=True):
    """Keep the secret of an own key package, before its public half leaves."""

    reference: bytes
    private: bytes


class DropKeyPackage(msgspec.Struct, frozen=True, kw_only=True):
    """Delete a used or expired secret."""

    reference: bytes


class PutProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A verified profile of a member; encoded."""

    profile: bytes


class PutAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """Keep an alarm."""

    alarm: Alarm


class PutCustody(msgspec.Struct, frozen=True, kw_only=True):
    """Append to what is known of a room's custody."""

    row: CustodyRow


class ForgetPerson(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation has forgotten a person: drop the profile, and the contents of messages that hold it."""

    organisation: OrgName
    subject: PersonId


class DropOver(msgspec.Struct, frozen=True, kw_only=True):
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


class PutAuditRows(msgspec.Struct, frozen=True, kw_only=True):
    """Append to the auditor's copy."""

    rows: tuple[AuditRow, ...]


class PutCheckpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Keep published checkpoints in the auditor's copy; one of a size that is there takes its place.

    Attributes:
        notes: (size, signed note).
        settled: Size of the newest that the quorum of witnesses has cosigned: those behind it are asked for again.
    """

    notes: tuple[tuple[int, bytes], ...]
    settled: int


class PutStamps(msgspec.Struct, frozen=True, kw_only=True):
    """Keep time stamps in the auditor's copy, and of their checkpoints what the copy does not have yet."""

    stamps: tuple[StampRow, ...]


Write: TypeAlias = (
    PutRoom | PutMessage | PutGranted | DropMessage | EraseContent | PutIntent | PutAction | DropWish | PutControl
    | PutRoster | PutControlHead | PutLogView | PutWitnessed | PutConflict | PutKeyPackage | DropKeyPackage | PutProfile
    | PutAlarm | PutAuditRows | PutCheckpoints | PutStamps | PutCustody | ForgetPerson | DropOver
)  # fmt: skip

# ---- effects


class SendFrame(msgspec.Struct, frozen=True, kw_only=True):
    """Write one encoded frame to the relay."""

    data: bytes


class ReadMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Read one message of the store, and what its label follows from, and give both as `inputs.MessageRead`."""

    room: RoomId
    envelope: EnvelopeId


class Disconnect(msgspec.Struct, frozen=True, kw_only=True):
    """Close the connection.

    Attributes:
        reason: `CODE: detail`.
        again: Whether to connect again (False: replaced, revoked).
        hint: What a person does next, where that is not what the code says.
    """

    reason: str
    again: bool = True
    hint: str | None = None


class MessageChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the faces: a message arrived or changed its state."""

    row: MessageRow


class RoomChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the faces: a room appeared or changed."""

    row: RoomRow


class IntentChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the faces: an intent changed its state."""

    intent: Intent


class AlarmRaised(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the faces: an alarm."""

    alarm: Alarm


class Online(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the faces: logged in, control stream and all rooms caught up."""


class FlashAnnounced(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the faces: the relay says that a `flash` stands at a place of a room; it is not here yet.

    Nobody signed that: what counts is the message, when it comes.
    """

    room: RoomId
    room_seq: int


class ReadSealed(msgspec.Struct, frozen=True, kw_only=True):
    """Read a piece of a sealed file that is to be uploaded and give it as `inputs.SealedRead`."""

    intent: str
    attachment: bytes
    offset: int
    length: int


class DropSealed(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed copy of a file is not needed any more: it is at the relay with its message, or is never sent."""

    attachment: bytes


class FindFetched(msgspec.Struct, frozen=True, kw_only=True):
    """Look how many chunks of an attachment of `total` bytes are here, and say it as `inputs.FetchedFound`."""

    intent: str
    attachment: bytes
    total: int


class KeepPiece(msgspec.Struct, frozen=True, kw_only=True):
    """Keep a verified chunk behind those that are here; with the last one, compare the hash: `inputs.PieceKept`."""

    intent: str
    attachment: bytes
    index: int
    data: bytes
    total: int


class TransferChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the faces: so many bytes of an attachment of `total` are at the relay, or here."""

    attachment: bytes
    upload: bool
    done: int
    total: int


Effect: TypeAlias = (
    SendFrame | ReadMessage | Disconnect | MessageChanged | RoomChanged | IntentChanged | AlarmRaised | Online
    | FlashAnnounced | ReadSealed | DropSealed | FindFetched | KeepPiece | TransferChanged
)  # fmt: skip


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Writes first, as one durable transaction; then effects, in order."""

    writes: tuple[Write, ...] = ()
    effects: tuple[Effect, ...] = ()
