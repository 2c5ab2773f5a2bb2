"""What the shell tells the core: a closed union."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from amanah_protocol.custody.erasures import Cause
from amanah_protocol.types import DeviceId, EnvelopeId, LeafHash, OrgName, RoomId
from amanah_relay.effects import Entry, Held, SessionId
from amanah_relay.state import RelayState


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A websocket is open.

    Attributes:
        session: A fresh number.
        network: The peer's IPv4 address or IPv6 /64, for limits before login.
        nonce: 32 random bytes for this login.
        tls_hash: SHA-256 of our TLS certificate, zeros on loopback without TLS.
    """

    session: SessionId
    network: str
    nonce: bytes
    tls_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A binary message arrived."""

    session: SessionId
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """The connection is gone."""

    session: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Congested:
    """The session's outgoing buffer is above 4 MiB: live delivery to it stops."""

    session: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """The session's outgoing buffer is small again."""

    session: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Answers one `Verify` or several: the token of each, and whether its claims hold, in their order.

    Several at once, so that what was waiting for them goes into one batch.
    """

    answers: tuple[tuple[int, tuple[bool, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """The batch is durable; `freed` is what of contents and trees did not need to be stored, or was erased by it."""

    batch: int
    freed: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendFailed:
    """The batch failed; it may or may not be durable. `full` when the disk is full."""

    batch: int
    full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The state as stored; answers `Reload`, and is the first input."""

    state: RelayState


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Where a known envelope stands, and its batch for the receipt; `batch_size` is the tree's after it."""

    index: int
    room_seq: int
    batch_first: int
    batch_size: int
    batch_root: bytes
    accepted_at_ms: int
    leaves: tuple[LeafHash, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRead:
    """Answers `ReadKnown`."""

    token: int
    known: Known | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """An entry as stored; `erased` when its content was dropped (then `entry.content` is None)."""

    entry: Entry
    erased: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EntriesRead:
    """Answers `ReadEntries`; `more` when entries are left behind these.

    Fewer than asked for means that nothing is left or that `max_bytes` was reached.
    """

    token: int
    room: RoomId
    entries: tuple[StoredEntry, ...]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipRead:
    """Answers `ReadMembership`: entries without payload, content and addressees."""

    token: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRead:
    """Answers `ReadContent`; None when it is empty, not there or erased.

    `addressees` as in `Entry`, of all envelopes in the room that carry it.
    """

    token: int
    data: bytes | None
    addressees: tuple[DeviceId, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRead:
    """Answers `ReadLog`: entries with documents, and without payload, content and addressees."""

    token: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRead:
    """Answers `ReadProof`; `leaf` for inclusion proofs."""

    token: int
    leaf: LeafHash | None
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPackagesPut:
    """Answers `PutKeyPackages` with the number left now."""

    token: int
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPackagesTaken:
    """Answers `TakeKeyPackages`: (package or None, last resort, number left) in the order asked."""

    token: int
    taken: tuple[tuple[bytes | None, bool, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPackagesCounted:
    """Answers `CountKeyPackages`: (suite, number)."""

    token: int
    stock: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """Answers `Confirm` with what is held no longer."""

    token: int
    freed: tuple[Held, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """A content whose time is over.

    Attributes:
        index: Log index of its envelope.
        room: Its room.
        room_seq: Its place there.
        envelope: The envelope's id.
        accepted_at_ms: When it was accepted.
        cause: What demands that it goes.
    """

    index: int
    room: RoomId
    room_seq: int
    envelope: EnvelopeId
    accepted_at_ms: int
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """Answers `Survey`.

    Attributes:
        token: Of the question.
        after: Where to go on; None at the end of the pass.
        over: What may go, in log order.
    """

    token: int
    after: int | None
    over: tuple[Over, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """Answers `Purge`.

    Attributes:
        token: Of the question.
        dropped: How many trees went.
        freed: What of it was still held.
    """

    token: int
    dropped: int
    freed: tuple[Held, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointPut:
    """Answers `PutCheckpoint`."""

    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointsRead:
    """Answers `ReadCheckpoints`: signed notes, ascending by size."""

    token: int
    notes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStamp:
    """A time stamp as stored.

    Attributes:
        number: In the order in which they were recorded, from 1.
        size: Of its checkpoint.
        authority: Who made it.
        note: The checkpoint as it was covered: what is recorded of it now begins so.
        data: The time-stamp token.
    """

    number: int
    size: int
    authority: str
    note: bytes
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StampsRead:
    """Answers `ReadStamps`, ascending by number."""

    token: int
    stamps: tuple[StoredStamp, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StampPut:
    """Answers `PutStamp` with the number under which it is kept."""

    token: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A checkpoint of whose time stamps one has a certificate that ends.

    Attributes:
        size: Its size.
        note: The checkpoint as recorded.
        tokens: All its time-stamp tokens, in order.
        upto: Number of the last of them.
        ends_ms: When the last of those certificates ends that are the reason.
    """

    size: int
    note: bytes
    tokens: tuple[bytes, ...]
    upto: int
    ends_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndingRead:
    """Answers `ReadEnding`, ascending by size; `newest` is the largest size that the authority has stamped, else 0."""

    token: int
    newest: int
    ending: tuple[Ending, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """A witness has answered `Cosign`: its lines, unverified, for the checkpoint of this size."""

    size: int
    lines: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PiecePut:
    """Answers `PutPiece`.

    Attributes:
        token: Of the question.
        size: Bytes that are there now.
        whole: Whether they are all, durable, and of the right hash.
        damaged: Whether they were all and of another hash, so that nothing is there any more.
    """

    token: int
    size: int
    whole: bool = False
    damaged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceRead:
    """Answers `ReadPiece`; None when there is no such file."""

    token: int
    data: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelvedFile:
    """A file of an attachment.

    Attributes:
        room: Its room.
        organisation: Whose it is.
        attachment: Its name, the SHA-256 that it has when it is whole.
        total: Bytes that it has then.
        size: Bytes that are there.
        whole: Whether it is.
        touched_ms: When it was written to last.
    """

    room: RoomId
    organisation: OrgName
    attachment: bytes
    total: int
    size: int
    whole: bool
    touched_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """All files of attachments that there are; told at the start and from time to time."""

    files: tuple[ShelvedFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFailed:
    """Any read failed, `PutPiece`, or a change of key packages, `Confirm`, `Purge`, `PutCheckpoint` or `PutStamp`."""

    token: int
    full: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time has passed; at least once a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Stop gracefully: refuse what is new, finish what is in the store's hands, close sessions."""


Input: TypeAlias = (
    Connected | Received | Disconnected | Congested | Drained | Checked | Appended | AppendFailed | Loaded | KnownRead
    | EntriesRead | MembershipRead | ContentRead | LogRead | ProofRead | KeyPackagesPut | KeyPackagesTaken
    | KeyPackagesCounted | Confirmed | Surveyed | Purged | CheckpointPut | CheckpointsRead | StampsRead | Cosigned
    | PiecePut | PieceRead | Shelved | ReadFailed | Tick | Stop
)  # fmt: skip
