"""Frames between client and relay: a closed union of typed MessagePack arrays.

Frames are not signed and need no canonical form; what is signed travels inside as byte strings and
is never re-encoded. Lengths are checked while decoding. A `request` number is the client's own and
comes back in the answer. Tags up to 63 go from client to relay, those from 64 on from relay to
client.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from amanah_protocol import limits
from amanah_protocol.errors import Code, DecodeError

Bytes16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Bytes64 = Annotated[bytes, Meta(min_length=64, max_length=64)]
Uint = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Name = Annotated[str, Meta(max_length=limits.MAX_NAME_CHARS)]
Text = Annotated[str, Meta(max_length=limits.MAX_TEXT_CHARS)]
EnvelopeBytes = Annotated[bytes, Meta(max_length=limits.MAX_ENVELOPE_BYTES)]
ContentBytes = Annotated[bytes, Meta(max_length=limits.MAX_CONTENT_BYTES)]
CertificateBytes = Annotated[bytes, Meta(max_length=2 * limits.KIB)]
KeyPackageBytes = Annotated[bytes, Meta(max_length=limits.MAX_KEY_PACKAGE_BYTES)]
NoteBytes = Annotated[bytes, Meta(max_length=128 * limits.KIB)]
ControlBytes = Annotated[bytes, Meta(max_length=limits.MAX_CONTROL_BYTES)]
Devices = Annotated[tuple[Bytes32, ...], Meta(max_length=limits.MAX_NAMED_DEVICES)]


class Frame(msgspec.Struct, tag_field="frame", frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of all frames; each has its own integer tag, never reused.

    `frozen` stands again at each class: it is inherited, but type checkers do not know that.
    """


class Part(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of what stands inside frames."""


class Hello(Frame, frozen=True, tag=1):
    """Begins a login (see `session.Transcript` for the fields)."""

    versions: Annotated[tuple[Uint, ...], Meta(max_length=16)]
    client_nonce: Bytes32
    device: Bytes32
    certificate_hash: Bytes32
    dialled: Name


class Proof(Frame, frozen=True, tag=2):
    """Ends a login: the client's signature and its chain, which the relay logs if it is new."""

    signature: Bytes64
    certificate: CertificateBytes
    enrolment: CertificateBytes


class Item(Part, frozen=True):
    """One envelope to publish; `content` is None when it was staged under its payload hash."""

    envelope: EnvelopeBytes
    content: ContentBytes | None


class Publish(Frame, frozen=True, tag=3):
    """Envelopes that are accepted or refused as one transaction, in this order."""

    request: Uint
    items: Annotated[tuple[Item, ...], Meta(min_length=1, max_length=limits.MAX_PUBLISH)]


class Stage(Frame, frozen=True, tag=4):
    """A piece of content too large for one frame; pieces come in order, within 60 s."""

    request: Uint
    payload_hash: Bytes32
    total: Annotated[int, Meta(ge=1, le=limits.MAX_TREE_BYTES)]
    offset: Uint
    data: Annotated[bytes, Meta(min_length=1, max_length=limits.STAGE_CHUNK_BYTES)]


class Subscribe(Frame, frozen=True, tag=5):
    """Everything in a room behind `after`: one page, then live where the page reaches the head.

    Asking again from the last sequence received is the client's credit for the next page.
    """

    request: Uint
    room: Bytes16
    after: Uint


class FetchContent(Frame, frozen=True, tag=6):
    """A piece of a content that does not fit a frame (commit, welcome, tree), by payload hash."""

    request: Uint
    room: Bytes16
    payload_hash: Bytes32
    offset: Uint


class OfferKeyPackages(Frame, frozen=True, tag=7):
    """Fills the stock of one suite; `last_resort` replaces the one that is kept."""

    request: Uint
    suite: Uint
    packages: Annotated[tuple[KeyPackageBytes, ...], Meta(max_length=limits.MAX_KEY_PACKAGES)]
    last_resort: KeyPackageBytes | None


class TakeKeyPackages(Frame, frozen=True, tag=8):
    """Asks for one key package of each device; each is handed out once."""

    request: Uint
    suite: Uint
    devices: Annotated[Devices, Meta(min_length=1)]


class SubscribeControl(Frame, frozen=True, tag=9):
    """The control stream behind `after`, in pages, then live; as `Subscribe`."""

    request: Uint
    after: Uint


class Submit(Frame, frozen=True, tag=10):
    """A control object for the log: `type` is a `LeafType`, `object` its encoding."""

    request: Uint
    type: Uint
    object: Annotated[bytes, Meta(max_length=128 * limits.KIB)]


class GetInclusion(Frame, frozen=True, tag=11):
    """Asks for the proof that leaf `index` is in the tree of `size`."""

    request: Uint
    index: Uint
    size: Uint


class GetConsistency(Frame, frozen=True, tag=12):
    """Asks for the proof that the tree of `old` is a prefix of the tree of `new`."""

    request: Uint
    old: Uint
    new: Uint


class GetCheckpoint(Frame, frozen=True, tag=13):
    """Asks for the newest signed checkpoint, or for the newest that the quorum of witnesses has cosigned."""

    request: Uint
    witnessed: bool = False


class AuditRead(Frame, frozen=True, tag=14):
    """An auditor's signed reading order (COSE_Sign1 of `typ` audit-read), logged before it is served.

    `start` is where this page begins; pages of one order are asked for with the same bytes, which
    are logged once.
    """

    request: Uint
    order: ControlBytes
    start: Uint


class GetMembership(Frame, frozen=True, tag=15):
    """Asks a room for its `create` and its commits behind `after` and before this device's own adding."""

    request: Uint
    room: Bytes16
    after: Uint


class Challenge(Frame, frozen=True, tag=64):
    """The relay's half of the transcript and its signature over the whole."""

    chosen: Uint
    relay: Bytes32
    origin: Name
    relay_nonce: Bytes32
    control_sequence: Uint
    time_ms: Uint
    signature: Bytes64


class RoomState(Frame, frozen=True, tag=65):
    """What the relay knows of a room of this device; sent at login and when it changes.

    `counter` and `last` are of this device's newest envelope there, also where that is not shown to it.
    """

    room: Bytes16
    head: Uint
    added_seq: Uint
    removed_seq: Uint | None
    counter: Uint
    last: Bytes32


class Ready(Frame, frozen=True, tag=66):
    """The login is accepted."""

    control_head: ControlBytes
    checkpoint: ControlBytes
    rooms: tuple[RoomState, ...]
    stock: tuple[tuple[Uint, Uint], ...]
    """Key packages left, as (suite, number)."""


class Refused(Frame, frozen=True, tag=67):
    """A request (0: the connection itself) was refused; `code` is one of `errors.Code`."""

    request: Uint
    code: Name
    detail: Text
    retry_after_ms: Uint | None = None
    position: Uint = 0
    """Index of the item of a `publish` that was refused; the others are void with it."""
    time_ms: Uint | None = None
    """The relay's time, with `CLOCK`."""


class Accepted(Part, frozen=True):
    """One accepted `publish` or `submit`: its request and the leaves' log indices, room sequences."""

    request: Uint
    indices: tuple[Uint, ...]
    sequences: tuple[Uint, ...]
    accepted_at_ms: Uint
    """Time of first acceptance: a repeated `publish` gets what it got at first."""


class Stored(Frame, frozen=True, tag=68):
    """Durable: a signed receipt of the batch and which of this connection's requests are in it."""

    receipt: Annotated[bytes, Meta(max_length=192 * limits.KIB)]
    accepted: tuple[Accepted, ...]


class Done(Frame, frozen=True, tag=69):
    """A request without other result is done."""

    request: Uint


class Delivery(Frame, frozen=True, tag=70):
    """One entry of a room.

    `content` is None when it is not for this device, too large for a frame (`length` > 0: fetch it)
    or erased (`erased`).
    """

    room: Bytes16
    room_seq: Uint
    index: Uint
    accepted_at_ms: Uint
    previous: Bytes32
    envelope: EnvelopeBytes
    content: ContentBytes | None
    length: Uint = 0
    erased: bool = False


class PageEnd(Frame, frozen=True, tag=71):
    """The end of a page: next `after` to ask for; `live` when nothing is left and entries will be pushed."""

    request: Uint
    room: Bytes16
    next: Uint
    live: bool
    head: ControlBytes
    """The signed room head (`heads.RoomHead`); the signed control head for the control stream."""


class Lagging(Frame, frozen=True, tag=72):
    """This connection read too slowly to stay live in a room; subscribe again from the last received."""

    room: Bytes16


class ContentPiece(Frame, frozen=True, tag=73):
    """A piece of a large content."""

    request: Uint
    total: Uint
    offset: Uint
    data: Annotated[bytes, Meta(max_length=limits.STAGE_CHUNK_BYTES)]


class TakenPackage(Part, frozen=True):
    """One device's key package, or None where there is none to give."""

    device: Bytes32
    package: KeyPackageBytes | None
    last_resort: bool


class KeyPackages(Frame, frozen=True, tag=74):
    """Answer to `TakeKeyPackages`, in the order asked."""

    request: Uint
    packages: tuple[TakenPackage, ...]


class Stock(Frame, frozen=True, tag=75):
    """Key packages left of one suite; pushed when they run low."""

    suite: Uint
    left: Uint


class ControlEntry(Frame, frozen=True, tag=76):
    """One entry of the control stream.

    `document` is the endorsed document for types with several signatures (the leaf holds its
    hash), else None.
    """

    sequence: Uint
    index: Uint
    type: Uint
    accepted_at_ms: Uint
    previous: Bytes32
    object: ControlBytes
    document: Annotated[bytes, Meta(max_length=128 * limits.KIB)] | None


class Head(Frame, frozen=True, tag=77):
    """A freshly signed room head or control head (told apart by its `typ`), pushed every 60 s."""

    head: ControlBytes


class Path(Frame, frozen=True, tag=78):
    """An inclusion or consistency proof; `leaf` is the leaf hash for an inclusion proof."""

    request: Uint
    leaf: Bytes32 | None
    hashes: Annotated[tuple[Bytes32, ...], Meta(max_length=128)]


class Checkpoint(Frame, frozen=True, tag=79):
    """The checkpoint that was asked for, a C2SP signed note."""

    request: Uint
    note: NoteBytes


class LogEntry(Part, frozen=True):
    """One leaf: its entry where it is in scope, else the bare hash; a document beside it as above."""

    index: Uint
    hash: Bytes32
    entry: Annotated[bytes, Meta(max_length=65_535)] | None
    document: Annotated[bytes, Meta(max_length=128 * limits.KIB)] | None


class LogEntries(Frame, frozen=True, tag=80):
    """Answer to `AuditRead`: at most 500 entries from the order's first index."""

    request: Uint
    entries: tuple[LogEntry, ...]
    size: Uint
    """Tree size that the entries are part of."""


class Closing(Frame, frozen=True, tag=81):
    """The relay closes the connection and says why."""

    code: Name
    detail: Text
    retry_after_ms: Uint | None = None


class MembershipEntry(Part, frozen=True):
    """A `create` or a commit in its place: header and signature, no sealed content."""

    room_seq: Uint
    index: Uint
    accepted_at_ms: Uint
    previous: Bytes32
    envelope: EnvelopeBytes


class Membership(Frame, frozen=True, tag=82):
    """Answer to `GetMembership`: entries in room order, as many as fit; none when nothing is left."""

    request: Uint
    entries: Annotated[tuple[MembershipEntry, ...], Meta(max_length=limits.MAX_MEMBERSHIP)]


class Flash(Frame, frozen=True, tag=83):
    """An envelope of precedence `flash` stands at a place of a room, before anything of it comes.

    Unsigned and without content: a hint which room to read first, and nothing more.
    """

    room: Bytes16
    room_seq: Uint


class GetCheckpoints(Frame, frozen=True, tag=16):
    """Asks for published checkpoints of more than `after` leaves, with their cosignatures."""

    request: Uint
    after: Uint


class Checkpoints(Frame, frozen=True, tag=84):
    """Published checkpoints, ascending by size; none when there is no later one."""

    request: Uint
    notes: Annotated[tuple[NoteBytes, ...], Meta(max_length=limits.MAX_PAGE)]


class GetCustody(Frame, frozen=True, tag=17):
    """Asks for the custody chain of a room that this device is in, behind `after`."""

    request: Uint
    room: Bytes16
    after: Uint


class CustodyEntry(Part, frozen=True):
    """One entry of a custody chain; `document` as in `ControlEntry`."""

    sequence: Uint
    index: Uint
    type: Uint
    accepted_at_ms: Uint
    previous: Bytes32
    object: ControlBytes
    document: Annotated[bytes, Meta(max_length=128 * limits.KIB)] | None


class Custody(Frame, frozen=True, tag=85):
    """Answer to `GetCustody`: entries in their order, as many as fit; none when nothing is left.

    `head` is a signed `heads.RoomHead` of the chain, empty while more entries are left.
    """

    request: Uint
    entries: Annotated[tuple[CustodyEntry, ...], Meta(max_length=limits.MAX_CUSTODY)]
    head: ControlBytes


class CustodyGrown(Frame, frozen=True, tag=86):
    """The custody chain of a room has a new entry at this place: a hint to ask for it, unsigned."""

    room: Bytes16
    sequence: Uint


class GetStamps(Frame, frozen=True, tag=18):
    """Asks for time stamps on published checkpoints that were recorded behind the one of number `after`."""

    request: Uint
    after: Uint


class FindAttachment(Frame, frozen=True, tag=19):
    """Asks how far the upload of an attachment is, by the SHA-256 of all of it."""

    request: Uint
    room: Bytes16
    attachment: Bytes32


class PutAttachment(Frame, frozen=True, tag=20):
    """The next piece of an attachment of `total` bytes; pieces come in order, over as many connections as it takes."""

    request: Uint
    room: Bytes16
    attachment: Bytes32
    total: Annotated[int, Meta(ge=1, le=limits.MAX_SEALED_BYTES)]
    offset: Uint
    data: Annotated[bytes, Meta(min_length=1, max_length=limits.SEALED_CHUNK_BYTES)]


class AttachmentState(Frame, frozen=True, tag=88):
    """How many bytes of an attachment the relay has; `whole` once it has them all, durably, and their hash is right."""

    request: Uint
    size: Uint
    whole: bool


class FetchAttachment(Frame, frozen=True, tag=21):
    """Asks for a piece of an attachment of a message in a room that this device is in."""

    request: Uint
    room: Bytes16
    attachment: Bytes32
    offset: Uint


class AttachmentPiece(Frame, frozen=True, tag=89):
    """A piece of an attachment of `total` bytes: a sealed chunk's length, but for the last."""

    request: Uint
    total: Uint
    offset: Uint
    data: Annotated[bytes, Meta(max_length=limits.SEALED_CHUNK_BYTES)]


class Stamp(Part, frozen=True):
    """A time-stamp token (RFC 3161) on the checkpoint of a size.

    `note` is the checkpoint as it was when the authority was asked: what is published of it since begins so.
    """

    number: Uint
    size: Uint
    authority: Name
    note: NoteBytes
    token: Annotated[bytes, Meta(max_length=limits.MAX_TOKEN_BYTES)]


class Stamps(Frame, frozen=True, tag=87):
    """Time stamps, ascending by the number under which they were recorded; none when there is no later one."""

    request: Uint
    stamps: Annotated[tuple[Stamp, ...], Meta(max_length=limits.MAX_PAGE)]


ClientFrame: TypeAlias = (
    Hello | Proof | Publish | Stage | Subscribe | FetchContent | OfferKeyPackages | TakeKeyPackages
    | SubscribeControl | Submit | GetInclusion | GetConsistency | GetCheckpoint | AuditRead
    | GetMembership | GetCheckpoints | GetCustody | GetStamps
    | FindAttachment | PutAttachment | FetchAttachment
)  # fmt: skip
LoginFrame: TypeAlias = Hello | Proof
RelayFrame: TypeAlias = (
    Challenge | RoomState | Ready | Refused | Stored | Done | Delivery | PageEnd | Lagging | ContentPiece
    | KeyPackages | Stock | ControlEntry | Head | Path | Checkpoint | LogEntries | Closing
    | Membership | Flash | Checkpoints | Custody | CustodyGrown | Stamps
    | AttachmentState | AttachmentPiece
)  # fmt: skip

_encoder: Final = msgspec.msgpack.Encoder()
_client_decoder: Final[msgspec.msgpack.Decoder[ClientFrame]] = msgspec.msgpack.Decoder(ClientFrame)
_login_decoder: Final[msgspec.msgpack.Decoder[LoginFrame]] = msgspec.msgpack.Decoder(LoginFrame)
_relay_decoder: Final[msgspec.msgpack.Decoder[RelayFrame]] = msgspec.msgpack.Decoder(RelayFrame)

T = TypeVar("T")


def encode_frame(frame: Frame) -> bytes:
    """Encode any frame."""
    return _encoder.encode(frame)


def decode_client_frame(data: bytes) -> ClientFrame:
    """Decode what a logged-in client sent.

    Raises:
        DecodeError: `TOO_LARGE` or `FRAME`.
    """
    return _decode(_client_decoder, data, limits.MAX_FRAME_BYTES)


def decode_login_frame(data: bytes) -> LoginFrame:
    """Decode what a client sent before it is logged in: 4 KiB, two types.

    Raises:
        DecodeError: `TOO_LARGE` or `FRAME`.
    """
    return _decode(_login_decoder, data, limits.MAX_PRE_AUTH_FRAME_BYTES)


def decode_relay_frame(data: bytes) -> RelayFrame:
    """Decode what a relay sent.

    Raises:
        DecodeError: `TOO_LARGE` or `FRAME`.
    """
    return _decode(_relay_decoder, data, limits.MAX_FRAME_BYTES)


def _decode(decoder: msgspec.msgpack.Decoder[T], data: bytes, max_bytes: int) -> T:
    if len(data) > max_bytes:
        raise DecodeError(Code.TOO_LARGE, f"a frame of {len(data)} bytes where {max_bytes} are allowed")
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(Code.FRAME, "the frame does not parse") from error
