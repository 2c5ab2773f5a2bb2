"""What a person or machine asks for: a closed union, kept in the outbox until it is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from amanah_client.attaching import Attach, Fetch
from amanah_client.saying import Decide, Say
from amanah_protocol.content.alert import Alert
from amanah_protocol.egress import TakenOut
from amanah_protocol.labels import Label, Precedence
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRoom:
    """Open a room; the creator's profile and the title follow sealed.

    Attributes:
        title: Its title.
        ceiling: The highest label allowed in it.
        agreement: Identifier of the agreement it is opened under.
        classical: Its suite is 0x0003 instead of the post-quantum 0xF001.
        policy: How long its content stays, encoded (`amanah_protocol.custody.retention`); b"" as the relay has it.
        drill: Whether it is an exercise.
    """

    title: str
    ceiling: Label
    agreement: str | None = None
    classical: bool = False
    policy: bytes = b""
    drill: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """Add all valid member devices of an organisation, of a person, or one device."""

    room: RoomId
    organisation: OrgName | None = None
    subject: bytes | None = None
    device: DeviceId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Remove devices that are in the room."""

    room: RoomId
    devices: tuple[DeviceId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostAlerts:
    """One envelope of 1 to 100 alerts."""

    room: RoomId
    source_name: str
    alerts: tuple[Alert, ...]
    label: Label
    precedence: Precedence = Precedence.ROUTINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """A signed acknowledgement of one message."""

    room: RoomId
    envelope: EnvelopeId
    grade: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseMessages:
    """Drop the content of messages everywhere."""

    room: RoomId
    envelopes: tuple[EnvelopeId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCounts:
    """What an intake accepted, merged and dropped."""

    room: RoomId
    accepted: int
    merged: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclose:
    """Log the egress, then collect the proof; the result is an encoded `log.disclosure.Disclosure`."""

    room: RoomId
    envelope: EnvelopeId
    recipient: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabel:
    """Change the label of a message from what its reader saw to another."""

    room: RoomId
    envelope: EnvelopeId
    old: Label
    new: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Log the egress, then quote a message's text into another room; from then on it is a `Say` there.

    Attributes:
        room: The room that it stands in.
        envelope: The message.
        to: The room that it is quoted into.
        label: Its label there.
        note: What is said of it there.
        circle: Whom its author was shown as the readers there, device by device; () where nobody was shown any.
    """

    room: RoomId
    envelope: EnvelopeId
    to: RoomId
    label: Label
    note: str = field(default="", repr=False)
    circle: tuple[DeviceId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOut:
    """Log that a file was made of what a room holds, which is out by then; nothing follows from it.

    Attributes:
        room: The room.
        envelope: Its newest entry then.
        taken: What the file is.
        recipient: Whose organisation it is for, or for whose authority.
    """

    room: RoomId
    envelope: EnvelopeId
    taken: TakenOut
    recipient: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantHistory:
    """Give messages of a stretch of the record to members who came later, in one envelope.

    Attributes:
        room: The room.
        from_seq: Where the stretch begins.
        to_seq: Where it ends, included.
        envelopes: The messages of it, up to 96.
        devices: Whom they are for.
    """

    room: RoomId
    from_seq: int
    to_seq: int
    envelopes: tuple[EnvelopeId, ...]
    devices: tuple[DeviceId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitControl:
    """A control object for the log; `type` is a `LeafType`."""

    type: int
    object: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSync:
    """Copy the log as far as the quorum of witnesses has cosigned it, or all of it; under the grant of this id."""

    grant: bytes | None = None
    uncosigned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What is left of the action of a finished intent: its name. Its plaintext is not kept twice."""

    name: str


Action: TypeAlias = (
    CreateRoom | Invite | Remove | Say | PostAlerts | Acknowledge | EraseMessages | ReportCounts
    | Decide | Disclose | Relabel | Forward | GrantHistory | SubmitControl | AuditSync | Finished
    | Attach | Fetch | TakeOut
)  # fmt: skip
