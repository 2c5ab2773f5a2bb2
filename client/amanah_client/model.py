"""What a client remembers, as plain values for core and store: replaced, never changed but for own working copies."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum, unique
from typing import Final

from amanah_client.actions import Action
from amanah_client.log_rows import CustodyRow, LogView, Nations, WitnessedRow
from amanah_client.reasons import Reason
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import ZERO_32, DeviceId, EnvelopeId, LeafHash, OrgName, RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRow:
    """One verified entry of the control stream, as the relay delivered it."""

    sequence: int
    index: int
    type: int
    accepted_at_ms: int
    previous: LeafHash
    hash: LeafHash
    object: bytes
    document: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderRow:
    """The record of one sender in one room: what its next envelope must continue."""

    device: DeviceId
    counter: int
    last_id: EnvelopeId
    voided: tuple[int, ...] = ()
    """Counters that later envelopes declared void; appearing all the same is an alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Who is in a room as of a place of its record, verified commit by commit since its creation.

    Attributes:
        epoch: The epoch behind that place.
        members: Sorted.
        committers: What each device that changed the room has sent last, as far as it was shown.
        room_seq: The place.
        index: Its log index.
        leaf: Its leaf hash.
        accepted_at_ms: When it was accepted; 0 where that is not kept.
    """

    epoch: int
    members: tuple[DeviceId, ...]
    committers: tuple[SenderRow, ...]
    room_seq: int
    index: int
    leaf: LeafHash
    accepted_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """A device, and the time in ms from which something of it counts."""

    device: DeviceId
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A time that a device of the own organisation spent in a room, as far as this device saw it.

    Attributes:
        device: The device.
        from_seq: It could read what stands behind this place.
        until_seq: Up to this place; None while it is in.
        since_ms: When it came in.
    """

    device: DeviceId
    from_seq: int
    until_seq: int | None
    since_ms: int

    def covers(self, room_seq: int) -> bool:
        """Whether the device was in the audience of what stands at a place."""
        return self.from_seq < room_seq and (self.until_seq is None or room_seq < self.until_seq)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What a device of the own organisation asked to be sent again, and nobody sent it yet."""

    device: DeviceId
    envelopes: tuple[EnvelopeId, ...]


class RoomStatus(StrEnum):
    """Where a room stands for this device."""

    OPENING = "opening"
    """Own `create` is not acknowledged yet."""
    JOINING = "joining"
    """Added by a commit whose welcome has not been opened yet."""
    OPEN = "open"
    REMOVED = "removed"
    HALTED = "halted"
    """A commit was refused or the record forked: reading stays, sending is blocked."""
    BEHIND = "behind"
    """The relay no longer keeps what was missed: nothing is opened or sent until this device is added again."""
    LOST = "lost"
    """This device's keys of the room are gone: nothing is opened or sent until it is removed and added again."""


class Rekey(StrEnum):
    """What a device that goes on from an old copy of its profile still has to do in a room before it sends."""

    NONE = ""
    EPOCH = "epoch"
    """Nothing is sealed before another member has begun an epoch."""
    KEYS = "keys"
    """An own commit goes out before anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wedge:
    """A commit that this device refused, and what others make of it.

    Attributes:
        commit: Its envelope.
        code: Why.
        committer: Who made it.
        index: Its log index.
        epoch: The last good epoch, which it was to end.
        members: Who was in then, in order of their leaves.
        outer: Members by the headers that the relay accepted, refused ones included.
        refused: Who refuses it, by the log.
        followed: Who has sent something behind it.
        accepted_at_ms: When the relay took it.
    """

    commit: EnvelopeId
    code: str
    committer: DeviceId
    index: int
    epoch: int
    members: tuple[DeviceId, ...]
    outer: tuple[DeviceId, ...]
    refused: tuple[DeviceId, ...] = ()
    followed: tuple[DeviceId, ...] = ()
    accepted_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """A publish that was signed and is not answered: resent byte for byte until it is.

    Attributes:
        intents: Intents that it serves, in order of the items; a machine-made item has none ("").
        items: (envelope, content) as signed.
        first_counter: Counter of the first item.
    """

    intents: tuple[str, ...]
    items: tuple[tuple[bytes, bytes], ...]
    first_counter: int


@unique
class Namer(IntEnum):
    """Whose officer calls a room by a title: a later one of these counts before an earlier one."""

    OTHER = 0
    OWN = 1
    """Of the own organisation."""
    OWNER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRow:
    """A room as this device knows it.

    Attributes:
        room: Its id.
        status: Where it stands.
        title: Sealed title, known once its first RoomInfo was opened; "" before.
        titled_by: Who called it so.
        titles: What it was called before, in the order in which it was.
        create: Encoded create envelope; b"" while it is neither acknowledged nor delivered.
        head_seq: Room sequence processed up to.
        head_leaf: Leaf hash of that entry.
        head_index: Log index of that entry.
        added_seq: Room sequence of the commit that added this device (1 for the creator).
        counter: Own counter used last in this room (signed, whether accepted or not).
        last_id: Id of the own envelope accepted last.
        voids: Own counters that were refused since then.
        group: `Group.epoch_state()`, large, changed by commits alone; b"" before joining.
        keys: `Group.message_state()`, small, changed by every message; b"" before joining.
        in_flight: The unanswered publish, if any.
        senders: Record of each sender.
        delivered_seq, delivered_at_ms: Room sequence reported by the last own `delivered`, and when that was.
        adding_commit: Id of the commit that added this device, while joining.
        circle: Who was in, as far as it was verified, while this device is not.
        renew_at_ms: When the own keys are renewed by a commit; 0 at once.
        confirmed_seq, confirmed_at_ms: Newest room sequence that a signed room head covered, and time of that head.
        active: Members, with the time of their last commit or `delivered`, or since when they are watched.
        absent: Devices removed because they were silent or expired, with the time of that.
        left_among: Members when this device left the room; () while it is in.
        lapsed: Whether this device was removed because it was silent, expired or without keys: it is added again.
        stranded: Devices of the own organisation that asked to be removed and added again, since when.
        stays: Times of the own organisation's devices in the room.
        owed: What they asked to be sent again.
        asked_at_ms: When this device asked for anything last, here.
        rekey: What comes before sending, where this profile is an old copy.
        created_index, created_at_ms: Log index of the creation, and when the relay took it; -1 and 0 while not known.
        wedge: The commit that this device refused, if it did.
        successor: The room in which this one goes on; it is closed then.
        entered: Where this continues another room: who was ever added, and the log index of the first time.
        nations: Which organisations were in, and when.
    """

    room: RoomId
    status: RoomStatus
    title: str = ""
    create: bytes = b""
    head_seq: int = 0
    head_leaf: LeafHash = LeafHash(ZERO_32)  # noqa: RUF009 - bytes are immutable
    head_index: int = 0
    added_seq: int = 0
    counter: int = 0
    last_id: EnvelopeId = EnvelopeId(ZERO_32)  # noqa: RUF009 - bytes are immutable
    voids: tuple[int, ...] = ()
    group: bytes = field(default=b"", repr=False)
    keys: bytes = field(default=b"", repr=False)
    in_flight: InFlight | None = None
    senders: tuple[SenderRow, ...] = ()
    delivered_seq: int = 0
    delivered_at_ms: int = 0
    adding_commit: EnvelopeId | None = None
    circle: Circle | None = None
    renew_at_ms: int = 0
    confirmed_seq: int = 0
    confirmed_at_ms: int = 0
    active: tuple[Since, ...] = ()
    absent: tuple[Since, ...] = ()
    left_among: tuple[DeviceId, ...] = ()
    lapsed: bool = False
    stranded: tuple[Since, ...] = ()
    stays: tuple[Stay, ...] = ()
    owed: tuple[Owed, ...] = ()
    asked_at_ms: int = 0
    rekey: Rekey = Rekey.NONE
    created_index: int = -1
    wedge: Wedge | None = None
    successor: RoomId | None = None
    created_at_ms: int = 0
    entered: tuple[tuple[DeviceId, int], ...] = ()
    nations: Nations = field(default_factory=Nations)
    titled_by: Namer = Namer.OWNER
    titles: tuple[str, ...] = ()


class MessageState(StrEnum):
    """What became of an entry of a room."""

    SENT = "sent"
    """Own, signed, not yet acknowledged."""
    STORED = "stored"
    """In the log and opened (or header-only)."""
    UNREADABLE = "unreadable"
    """In the log, cannot be opened; `cause` says why."""
    ERASED = "erased"
    """In the log, content dropped; a tombstone stays."""


class Cause(StrEnum):
    """Why an entry cannot be read: a closed list, for people; the error's code stands beside."""

    EPOCH_TOO_OLD = "epoch-too-old"
    """It was sealed with keys that follow from changes which the relay keeps no longer."""
    NOT_MEMBER_THEN = "not-member-then"
    """This device was not in the room then."""
    STATE_LOST = "state-lost"
    """This device's keys are gone, or did not follow a change of the room."""
    SENDER_AT_FAULT = "sender-at-fault"
    """What its sender signed does not hold."""
    CORRUPTED = "corrupted"
    """What the relay gave is not what was signed, is missing, or does not open."""
    LABEL_BROKEN = "label-broken"
    """Its label breaks a rule: that of the room, of a certificate, of what it quotes, or its header says another."""


class Mending(StrEnum):
    """How far the repair of an entry is that cannot be read; none is possible where there is none."""

    WAITING = "waiting"
    """It is asked for, or is about to be."""
    NOBODY = "nobody"
    """No other device of the own organisation is in the room."""
    UNANSWERED = "unanswered"
    """It was asked for in vain; an answer that comes later counts all the same."""
    DONE = "done"
    """It can be read: a device of the own organisation sent it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """What counts on of a content whose words are gone, beside its label: none of it is a word of it.

    Attributes:
        pap: What its author let receivers do with it.
        corrects: What it corrected; None where it was no correction.
        origin: The organisation that it was forwarded from; None where it was not.
    """

    pap: Pap
    corrects: EnvelopeId | None = None
    origin: OrgName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retitled:
    """An entry calls the room otherwise than it was called.

    Attributes:
        before: What it was called.
        holds: Whether it is called otherwise from there on; else whoever said it may not rename it.
    """

    before: str = field(repr=False)
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """One entry of a room, of any kind.

    Attributes:
        room: The room.
        envelope: Its id.
        room_seq: Place in the room; None while SENT.
        index: Log index; None while SENT.
        accepted_at_ms: The relay's time; None while SENT.
        previous: Leaf hash before it in the room; None while SENT.
        encoded: The whole envelope as signed.
        sender: The device.
        organisation: Its organisation by its logged certificate.
        kind: `Kind` as a number.
        label: The label that counts: the sealed one where there is one.
        label_differs: Outer and sealed label differ (an alarm stands beside).
        sent_at_ms: Sender's time of sealing.
        written_at_ms: Sender's time of writing, sealed; None without content.
        state: What became of it.
        cause: Why, for UNREADABLE; else None.
        code: The error's code for UNREADABLE, else "".
        mending: How far its repair is; None where it needs none, or none is possible.
        asked_at_ms: When it was asked for last; 0 for never.
        asks: How often it was.
        repaired_by: Who sent it again.
        granted_by: Who gave it to this device, which came later.
        message_id: 16 bytes sealed by the writer; doubles show by it; None without content.
        content: Canonical content bytes (`content.sealed.encode_content`), b"" if none.
        key: Disclosure key k, b"" if none.
        struck: What counts on where its words were here, and are gone; else None.
        retitled: What it makes of the room's title, where it calls it otherwise.
    """

    room: RoomId
    envelope: EnvelopeId
    room_seq: int | None
    index: int | None
    accepted_at_ms: int | None
    previous: LeafHash | None
    encoded: bytes
    sender: DeviceId
    organisation: OrgName
    kind: int
    label: Label
    label_differs: bool
    sent_at_ms: int
    written_at_ms: int | None
    state: MessageState
    cause: Cause | None = None
    code: str = ""
    mending: Mending | None = None
    asked_at_ms: int = 0
    asks: int = 0
    repaired_by: DeviceId | None = None
    message_id: bytes | None = None
    content: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    granted_by: DeviceId | None = None
    struck: Struck | None = None
    retitled: Retitled | None = None


# ---- intents


class IntentState(StrEnum):
    """Life of an intent."""

    QUEUED = "queued"
    HELD = "held"
    """Waits for the officer's word: the circle widened since it was written (`detail` says who)."""
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"


class Wish(StrEnum):
    """What a person may decide of an intent that is not done."""

    RELEASE = "release"
    """Send a held one after all, to the circle as it is now."""
    WITHDRAW = "withdraw"
    """Never send a queued or held one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One thing asked for, in the outbox until it is done; holds plaintext, encrypted at rest.

    Attributes:
        id: 32 hex digits, random; also the key under which a face waits for it.
        action: What is asked.
        created_at_ms: When (the sealed `written_at`).
        state: Where it stands.
        code: Error code while HELD or FAILED, or of the last refusal; "" else.
        detail: For people, in English.
        reasons: The same as facts, where it is about who can read or be invited; () else.
        room: Room it led to (also for CreateRoom), or None.
        envelope: Envelope it became, or None.
        index: Log index, or None.
        room_seq: Room sequence, or None.
        result: Bytes that the action yields (Disclose), else b""; gone where what they hold was erased.
    """

    id: str
    action: Action
    created_at_ms: int
    state: IntentState = IntentState.QUEUED
    code: str = ""
    detail: str = ""
    room: RoomId | None = None
    envelope: EnvelopeId | None = None
    index: int | None = None
    room_seq: int | None = None
    result: bytes = field(default=b"", repr=False)
    reasons: tuple[Reason, ...] = ()


ALARM_AGAIN_MS: Final = 600_000
"""The same alarm is raised again after ten minutes at the earliest, in whatever process of the profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that must not be overlooked, with the code that says what.

    Attributes:
        at_ms: Local time.
        code: One of `errors.Code`.
        room: The room, if it is about one.
        detail: For people.
        evidence: Bytes that prove it (envelopes, heads), canonical CBOR array of byte strings; b"" if none.
        own: Whether it is what this device itself was refused for its label, before it was sent (`refusals`).
    """

    at_ms: int
    code: str
    room: RoomId | None
    detail: str
    evidence: bytes = b""
    own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that the core needs at start, as stored.

    Attributes:
        certificate: Own encoded certificate.
        enrolment: Own encoded enrolment certificate.
        profile: Own encoded profile.
        roster: Encoded roster installed from the own organisation (first trust) or newest accepted.
        first_roster: Encoded roster in force before the first that the log shows, b"" where that is not known.
        control: Verified entries of the control stream, in order.
        control_head: Newest encoded signed control head, b"" if none.
        log: Newest log view, or None.
        witnessed: What the witnesses have cosigned, or None before that was ever looked at.
        conflicts: (key, when it was found) of all evidence against the log that is kept.
        rooms: All rooms.
        sent: Own messages in state SENT: what was signed and has no place in the record yet.
        intents: Those not DONE or FAILED, in order of creation.
        key_packages: Secrets of own key packages by reference.
        profiles: Encoded profiles of others, seen sealed in rooms, by (organisation, subject).
        audit_size: Leaves in the auditor's copy.
        audit_settled: Size of the newest checkpoint in it that the quorum of witnesses had cosigned.
        audit_stamps: Number of the newest time stamp in it.
        alarms: The newest alarms, so that none is raised twice.
        missing: Messages whose repair is not done, the oldest first, so many at the most.
        custody: Entries of rooms' custody chains, each chain in its order.
    """

    certificate: bytes
    enrolment: bytes
    profile: bytes
    roster: bytes
    first_roster: bytes = b""
    control: tuple[ControlRow, ...] = ()
    control_head: bytes = b""
    log: LogView | None = None
    witnessed: WitnessedRow | None = None
    conflicts: tuple[tuple[bytes, int], ...] = ()
    rooms: tuple[RoomRow, ...] = ()
    sent: tuple[MessageRow, ...] = ()
    intents: tuple[Intent, ...] = ()
    key_packages: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    profiles: tuple[bytes, ...] = ()
    audit_size: int = 0
    audit_settled: int = 0
    audit_stamps: int = 0
    alarms: tuple[Alarm, ...] = ()
    missing: tuple[MessageRow, ...] = ()
    custody: tuple[CustodyRow, ...] = ()
