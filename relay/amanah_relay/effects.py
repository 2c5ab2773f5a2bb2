"""What the core asks of its shell: a closed union. A returned list cannot be forgotten.

The shell performs effects in order, except that all `Send` and `FanOut` bytes for one session out
of one `handle` call are joined into one write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NewType, TypeAlias

from amanah_protocol.crypto import SignatureClaim
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId, EnvelopeId, LeafHash, OrgName, RoomId
from amanah_relay.purging import RoomRule, Terms

SessionId = NewType("SessionId", int)


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Write one encoded frame to one session."""

    session: SessionId
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOut:
    """Write the same encoded frames to each of these sessions, in one write a session."""

    sessions: tuple[SessionId, ...]
    data: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Close the connection after what was sent is written; `code` is a websocket close code."""

    session: SessionId
    code: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Verify the signatures of a publish: `Checked`. Answers come in the order in which they were asked for."""

    token: int
    claims: tuple[SignatureClaim, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One leaf to store, with what lies beside it.

    Attributes:
        index: Log index.
        type: Leaf type.
        room: Room or reserved chain.
        room_seq: Sequence there.
        accepted_at_ms: Time of acceptance (the batch's).
        previous: Leaf hash of the entry before it there.
        hash: Its own leaf hash.
        object: The leaf's object (whole COSE_Sign1, or record of an endorsed document).
        envelope: Id of the envelope, else None.
        kid: Sender of the envelope, else None.
        payload: SHA-256 of the sealed content, else None.
        content: Sealed content; b"" for header-only kinds; None for leaves that are no envelopes.
        addressees: Who gets the content; None means every member.
        document: Endorsed document beside the leaf, else None.
        membership: Whether it makes a room or changes its members: a `create` or a commit. Told
            to the store and not read back, hence not compared.
    """

    index: int
    type: LeafType
    room: RoomId
    room_seq: int
    accepted_at_ms: int
    previous: LeafHash
    hash: LeafHash
    object: bytes
    envelope: EnvelopeId | None = None
    kid: DeviceId | None = None
    payload: bytes | None = None
    content: bytes | None = None
    addressees: tuple[DeviceId, ...] | None = None
    document: bytes | None = None
    membership: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """A member's row as it is after the batch (`state.Member`)."""

    room: RoomId
    device: DeviceId
    organisation: str
    added_seq: int
    removed_seq: int | None
    cursor: int
    last_counter: int
    last_id: EnvelopeId


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRow:
    """A room's row as it is after the batch (`state.Room`).

    `create` is its create envelope's object in the batch that holds it; it is not stored beside the leaf.
    """

    room: RoomId
    create: bytes
    epoch: int
    head_seq: int
    head_leaf: LeafHash


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """Drop content: of these envelopes in this room, where `by` sent them, or any if `by` is None.

    Commits and welcomes keep theirs: without it members that lag behind could not follow the room. What was
    accepted at or after `held_since_ms` is erased for everybody and given to nobody, but stays until the hold
    is released.
    """

    room: RoomId
    envelopes: tuple[EnvelopeId, ...]
    by: DeviceId | None
    held_since_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A staged ratchet tree that a welcome names, by its SHA-256; `room_seq` is the welcome's place."""

    hash: bytes
    room: RoomId
    room_seq: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Bytes of contents and trees that devices of an organisation sent.

    They are *held* from the batch that stores them until every member has confirmed their place
    (`Confirm`) or they are dropped.
    """

    organisation: OrgName
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A place of a room."""

    room: RoomId
    room_seq: int


class Standing(IntEnum):
    """What of an attachment is given to whom; the number is the stored form."""

    KEPT = 1
    HIDDEN = 2
    """Erased, and kept for a legal hold alone."""
    DROPPED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """The attachment of a message.

    Attributes:
        room: Its room.
        attachment: SHA-256 of it.
        envelope: The message.
        sender: Who sent that.
        organisation: Whose device that is; the file lies in its share.
        accepted_at_ms: When it was accepted.
        standing: What became of it.
    """

    room: RoomId
    attachment: bytes
    envelope: EnvelopeId
    sender: DeviceId
    organisation: OrgName
    accepted_at_ms: int
    standing: Standing = Standing.KEPT


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """ONE transaction: leaves, contents, rooms, members, erasures, tree size, root and edge.

    Contract of whoever performs it: all of it or nothing is durable (power-cut durable) before
    `Appended` is given back; it fails, with nothing stored, when the stored size is not `first`
    (another process wrote); batches come one at a time.

    Attributes:
        batch: Number of the batch, ascending within a process.
        first: Log size before, and index of the first entry.
        root: Root after the batch; the size after is `first + len(entries)`.
        edge: Right edge after the batch.
        accepted_at_ms: Time of acceptance of the whole batch.
        entries: In log order.
        rooms: Rooms changed.
        members: Members changed.
        erasures: Contents to drop.
        purges: Log indices of contents to drop because their time is over; entries of this batch say so.
        trees: Trees staged.
        held: By organisation, the sizes of contents and trees in it.
        attachments: Attachments of messages, as they stand after it, by envelope; replaced where they are known.
    """

    batch: int
    first: int
    root: bytes
    edge: tuple[bytes, ...]
    accepted_at_ms: int
    entries: tuple[Entry, ...]
    rooms: tuple[RoomRow, ...] = ()
    members: tuple[MemberRow, ...] = ()
    erasures: tuple[Erasure, ...] = ()
    purges: tuple[int, ...] = ()
    trees: tuple[Tree, ...] = ()
    held: tuple[Held, ...] = ()
    attachments: tuple[Attached, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """Load the whole state anew and give it as `Loaded`; appends before it have ended, well or badly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEntries:
    """Read entries of a room or chain behind `after` in order: `EntriesRead`."""

    token: int
    room: RoomId
    after: int
    limit: int
    max_bytes: int
    """Stop before the page's objects and contents exceed this; at least one entry is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMembership:
    """Read the `create` and the commits of a room behind `after` and before `until`, in order: `MembershipRead`."""

    token: int
    room: RoomId
    after: int
    until: int
    limit: int
    max_bytes: int
    """Stop before the objects exceed this; at least one entry is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadKnown:
    """Look an envelope id up: `KnownRead`."""

    token: int
    envelope: EnvelopeId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadContent:
    """Read a content or tree of a room by its hash: `ContentRead`."""

    token: int
    room: RoomId
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLog:
    """Read leaves by index, first included, until excluded: `LogRead`."""

    token: int
    first: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadProof:
    """Prove inclusion of `old_or_index` in `size`, or consistency of two sizes: `ProofRead`."""

    token: int
    inclusion: bool
    old_or_index: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PutKeyPackages:
    """Store key packages durably: `KeyPackagesPut`. `last_resort` replaces the stored one.

    What was stored before, handed out or not, is passed over; of more than `limits.MAX_KEY_PACKAGES` the
    oldest are dropped.
    """

    token: int
    device: DeviceId
    suite: int
    packages: tuple[bytes, ...]
    last_resort: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeKeyPackages:
    """Take the newest key package of each device, durably, so that none is handed out twice: `KeyPackagesTaken`."""

    token: int
    suite: int
    devices: tuple[DeviceId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountKeyPackages:
    """Count a device's stock by suite: `KeyPackagesCounted`."""

    token: int
    device: DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """Every member has confirmed these rooms up to these places; what stands there is held no longer: `Confirmed`.

    Durable, like an append. A mark that does not lie behind the stored one changes nothing.
    """

    token: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Find contents whose time is over, and change nothing: `Surveyed`. An append drops them (`Append.purges`).

    Attributes:
        token: For the answer.
        after: Log index behind which to look; -1 begins a pass.
        until_ms: Nothing that was accepted later can be over.
        terms: The relay's own times.
        rules: What is particular to single rooms.
        limit: How many contents are looked at.
    """

    token: int
    after: int
    until_ms: int
    terms: Terms
    rules: Mapping[RoomId, RoomRule]
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """Drop trees whose time is over, durably: `Purged`. No leaf speaks of a tree alone, so none says that it went.

    Attributes:
        token: For the answer.
        delivered_ms: What was accepted by then goes where every member has confirmed it.
        handshake_ms: What was accepted by then goes in any case.
        limit: How many go at most.
        held: Room -> since when a legal hold keeps what it accepted: without its tree a welcome admits nobody.
    """

    token: int
    delivered_ms: int
    handshake_ms: int
    limit: int
    held: Mapping[RoomId, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PutCheckpoint:
    """Record a signed checkpoint durably, with what cosignatures it has: `CheckpointPut`.

    One of the same size is replaced: its cosignatures stand in the new one too. The size is one that a
    batch ended with, and is durable.
    """

    token: int
    size: int
    note: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCheckpoints:
    """Read recorded checkpoints of more than `after` leaves, ascending: `CheckpointsRead`."""

    token: int
    after: int
    limit: int
    max_bytes: int
    """Stop before the notes exceed this; at least one is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStamps:
    """Read time stamps on recorded checkpoints behind the number `after`, ascending: `StampsRead`."""

    token: int
    after: int
    limit: int
    max_bytes: int
    """Stop before notes and tokens exceed this; at least one is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutStamp:
    """Record a time stamp on a recorded checkpoint durably: `StampPut`. The shell asks for it, not the core.

    Attributes:
        token: For the answer.
        size: Of the checkpoint.
        authority: Who made it.
        covered: How many bytes of the checkpoint's note it covers, from the first on.
        upto: Number of the newest time stamp of this size that it covers, and with it all before; 0 for none.
        ends_ms: When its certificate ends.
        data: The time-stamp token.
    """

    token: int
    size: int
    authority: str
    covered: int
    upto: int
    ends_ms: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEnding:
    """Read what an authority has to renew: `EndingRead`. The shell asks for it, not the core.

    Attributes:
        token: For the answer.
        authority: Which one. What it has not covered itself by a token that lasts longer is to be renewed.
        now_ms: Certificates that have ended by then are left alone.
        before_ms: Those that end before this are wanted.
        limit: How many checkpoints are given.
    """

    token: int
    authority: str
    now_ms: int
    before_ms: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosign:
    """Have the witnesses cosign this checkpoint: `Cosigned` for each answer. A newer one takes its place."""

    size: int
    note: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PutPiece:
    """Write a piece of an attachment behind what is there: `PiecePut`.

    Contract of whoever performs it: bytes behind `offset` are cut off first; a piece that lies behind the end is not
    written. What completes the attachment makes it whole, durably, if its hash is the right one, and drops it if not.
    """

    token: int
    room: RoomId
    organisation: OrgName
    attachment: bytes
    total: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPiece:
    """Read a piece of a whole attachment: `PieceRead`."""

    token: int
    room: RoomId
    organisation: OrgName
    attachment: bytes
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DropFile:
    """Remove an attachment, whole or not, if it is there; what fails is found by the next `Shelved`."""

    room: RoomId
    organisation: OrgName
    attachment: bytes


ShelfEffect: TypeAlias = PutPiece | ReadPiece | DropFile
Effect: TypeAlias = (
    Send | FanOut | Close | Verify | Append | Reload | ReadEntries | ReadMembership | ReadKnown | ReadContent | ReadLog
    | ReadProof | PutKeyPackages | TakeKeyPackages | CountKeyPackages | Confirm | Survey | Purge | PutCheckpoint
    | ReadCheckpoints | ReadStamps | Cosign | ShelfEffect
)  # fmt: skip
