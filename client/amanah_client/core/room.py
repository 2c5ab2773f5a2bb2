"""One room while the core works on it: the stored row, its group, and what lasts only as long as we run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
from msgspec import structs

from amanah_client.core.requests import Debt, Pledge
from amanah_client.model import Circle, Intent, MessageRow, Owed, RoomRow, RoomStatus, SenderRow, Since, Stay
from amanah_client.reasons import Reason
from amanah_protocol.content.bodies import Body
from amanah_protocol.crypto import SigningKey
from amanah_protocol.custody.grants import AuditGrant
from amanah_protocol.custody.holds import LegalHold
from amanah_protocol.envelope import Envelope, audience_digest, decode_envelope
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.frames import Delivery
from amanah_protocol.group.engines import Engines
from amanah_protocol.group.seam import Engine, Group
from amanah_protocol.kinds import Create, Refuse
from amanah_protocol.log.receipt import Receipt
from amanah_protocol.types import ZERO_32, DeviceId, EnvelopeId, GrantId, HoldId, LeafHash, RoomId
from amanah_protocol.verified import Verified
from amanah_protocol.ways import Inside

MAX_KNOWN: Final = 1_024
"""Places of the record that are kept for comparison with heads and views."""
MAX_SEEN: Final = 8_192
"""Message ids that are kept to find doubles."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A place of the record that was processed."""

    leaf: LeafHash
    index: int
    accepted_at_ms: int


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt whose entry has not been delivered yet."""

    receipt: Verified[Receipt]
    encoded: bytes
    envelope: EnvelopeId
    index: int
    owed: Debt


@dataclass(slots=True, kw_only=True)
class Fetch:
    """A delivery whose content or tree comes in pieces; the room stands still meanwhile.

    Attributes:
        delivery: The delivery.
        wanted: Hashes still to be fetched, the first of them now.
        got: What is complete, by hash.
        buffer: Pieces of the first.
    """

    delivery: Delivery
    wanted: list[bytes]
    got: dict[bytes, bytes] = field(default_factory=dict)
    buffer: bytearray = field(default_factory=bytearray)


@dataclass(slots=True, kw_only=True)
class Replay:
    """A commit that adds this device and waits for those before it; the room stands still meanwhile.

    Attributes:
        delivery: The commit as delivered.
        circle: The circle as far as it was followed.
    """

    delivery: Delivery
    circle: Circle | None


@dataclass(slots=True, kw_only=True)
class Custody:
    """The custody chain of a room, as far as it is known.

    Attributes:
        sequence: Its newest entry.
        leaf: Hash of that.
        index: Its place in the log.
        grants: Audit grants by id, as they were last logged.
        holds: Legal holds by id, likewise.
        claimed: Holds that may be made up, as far as this device can tell; nothing that is proven is held against them.
    """

    sequence: int = 0
    leaf: LeafHash = LeafHash(ZERO_32)  # noqa: RUF009 - bytes are immutable
    index: int = -1
    grants: dict[GrantId, AuditGrant] = field(default_factory=dict)
    holds: dict[HoldId, LegalHold] = field(default_factory=dict)
    claimed: list[LegalHold] = field(default_factory=list)


class Awaited(msgspec.Struct, frozen=True, kw_only=True):
    """A place that a signed head names and that has not been delivered; `head` is that proof of it."""

    room_seq: int
    leaf: LeafHash
    until_ms: int
    head: bytes


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """A commit, until it is proven to be in the log.

    Attributes:
        leaf: Its log leaf.
        hash: Hash of that.
        index: Where the relay says that it stands.
        owed: Since when the first that is not proven waits.
        again_at_ms: No proof is asked for before this time.
        asked: Whether it was asked for yet: from then on its time counts anew.
        is_open: Whether it was, on this connection.
        newer: The newest one that was followed since, to be asked for next.
    """

    leaf: bytes
    hash: LeafHash
    index: int
    owed: Debt
    again_at_ms: int = 0
    asked: bool = False
    is_open: bool = False
    newer: Anchor | None = None

    def owing(self, debt: Debt) -> Anchor:
        """The same, waited for since then."""
        return structs.replace(self, owed=debt)

    def ask(self, at_ms: int) -> Anchor:
        """The same, asked for at that time."""
        owed = self.owed if self.asked else self.owed.put_off(at_ms)
        return structs.replace(self, owed=owed, asked=True, is_open=True)

    def hung_up(self) -> Anchor:
        """The same, owed still when the connection ended."""
        return structs.replace(self, owed=self.owed.hung_up(), is_open=False)

    def again(self, at_ms: int) -> Anchor:
        """The same, not asked for before that time."""
        return structs.replace(self, again_at_ms=at_ms)


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """Machine-made parts of the publish in flight: they are done when it is accepted."""

    bodies: int = 0
    refusals: int = 0


@dataclass(slots=True, kw_only=True)
class Dispute:
    """A commit that another device refuses.

    Attributes:
        refusing: Who refuses it, and since when.
        maker: Who made it, by our own record; None until the store has shown that it stands there.
        epoch: The epoch that it ended.
        following: Who has sent something behind it since.
    """

    refusing: dict[DeviceId, int] = field(default_factory=dict)
    maker: DeviceId | None = None
    epoch: int = 0
    following: set[DeviceId] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Answer:
    """Messages that are being read from the store, to be sent again to one device.

    Attributes:
        device: Who asked for them.
        wanted: Those that the store has not given yet.
        found: Those that it gave and that device may have.
    """

    device: DeviceId
    wanted: set[EnvelopeId]
    found: dict[EnvelopeId, MessageRow] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Asked:
    """A request to begin an epoch that was signed on this connection, so that no earlier life can have known it.

    Attributes:
        epoch: The epoch that is to end.
        at_ms: When it was signed, by our running time.
        envelope: Its id.
        logged: Whether it stands in the record.
    """

    epoch: int
    at_ms: int
    envelope: EnvelopeId
    logged: bool = False


@dataclass(slots=True, kw_only=True)
class Link:
    """What a room has on the connection; forgotten with it.

    Attributes:
        subscribed: Whether it was asked for.
        page: Number of the request that is being answered, or None.
        live: Whether the last page reached the head.
        resync: Whether deliveries are skipped until the next entry comes again.
        parked: Whether the room waits for the control stream.
        fetch: A large content that is being fetched.
        replay: The membership before this device that is being followed.
        flying: Whether the publish in flight was sent on this connection.
        asked_at_ms: When a page was asked for last.
        after: Sequence behind which it was asked for.
        again_at_ms: When to ask for a page that was refused, or None.
        confirmed_at_ms: When a signed head last covered all that we hold, by our clock.
        probed_at_ms: When silence behind that was first asked about.
        custody: Whether more of the room's custody was asked for.
        holds_known: Whether the room's custody was read to a signed head, so that what is held is known.
        asked: That the others were asked to begin an epoch, where this profile is an old copy.
    """

    subscribed: bool = False
    page: int | None = None
    live: bool = False
    resync: bool = False
    parked: bool = False
    fetch: Fetch | None = None
    replay: Replay | None = None
    flying: bool = False
    asked_at_ms: int = 0
    after: int = 0
    again_at_ms: int | None = None
    confirmed_at_ms: int = 0
    probed_at_ms: int = 0
    custody: bool = False
    holds_known: bool = False
    asked: Asked | None = None

    @property
    def waits(self) -> bool:
        """Whether the room stands still until something else has come."""
        return self.parked or self.fetch is not None or self.replay is not None


@dataclass(slots=True, kw_only=True, eq=False)
class Room:
    """A room.

    Attributes:
        row: As stored, or as it will be at the end of this step.
        create: The decoded create envelope, own ones also before they are delivered.
        engine: Engine of the room's suite.
        group: The group, None before joining and after removal.
        senders: Each sender's record.
        sent: Own envelopes that have no place yet, as stored.
        known: The newest places by room sequence.
        seen: Message ids by sender, the newest last.
        promised: Receipts by room sequence.
        pledge: What a receipt promises, until it is proven to be in the log.
        link: What holds for this connection only.
        line: Ids of the room's intents, in order.
        adding: The commit that added this device, until its welcome came.
        bodies: Machine-made messages to send: profile, title.
        introducing: Invitations whose introductions stand in `bodies`.
        refusals: Commits that members have to be told are refused.
        outer: After a refused commit: who is in by the headers alone, as the relay counts; else None.
        packages: Key packages taken and not used yet.
        left_out: By intent: devices that could not be invited, and why.
        pauses: By intent: how long it waited last for key packages that were not there, in ms.
        widened: Intents in flight that were written for a smaller circle -> who joined since.
        work: What machine-made is in flight: bodies or refusals, and how many.
        retry_at_ms: Nothing is published before this time.
        refused_in_a_row: Refusals since the last acceptance.
        voided_in_a_row: Those of them that made what was sealed void and were no lost race.
        lost_in_a_row: Races lost since anything but a report was accepted.
        stale_epoch: Epoch that the relay says is over and whose end was not delivered, or None.
        stale_since_ms: When it said so.
        retried_seq: Head at which a gap was already asked for again.
        refreshed_seq: Head at which the control stream was already asked for again.
        revoked_since_ms: When a revoked member was first seen in the room, or None.
        revoked: Revoked members, as of an epoch and a sequence of the control stream.
        readers: Members by person and their lowest ceiling, as of an epoch and a sequence of the control stream.
        active: Members and the time of their last sign of life, as `RoomRow.active`.
        absent: Devices removed for want of one, as `RoomRow.absent`.
        overdue: Members that this device is to remove -> since when it knows.
        looked: Epoch and time at which it looked for such last.
        duty_at_ms: No duty is done before this time.
        recall_at_ms: When to look next whether an absent device has come back, or None.
        awaited: What the relay says there is and has not delivered.
        anchor: The newest commit, until it is proven to be in the log.
        stranded: Devices of the own organisation that wait to be removed and added again, as `RoomRow.stranded`.
        disputes: Commits that others refuse, one of each.
        stays: Times of the own organisation's devices in the room, as `RoomRow.stays`.
        watched: Whether the stays of all members were looked at since this core was made.
        owed: What they asked to be sent again, as `RoomRow.owed`.
        owed_since: Since when this core knows that, by its running time; it may lie ahead, to wait.
        answer: What is being sent again.
        sent_again: What this device sent again, to whom, and when.
        entered: Where this continues another room: who was ever added, and the log index of the first time.
        missing: Messages that cannot be read and whose repair is not done.
        withheld: Those of them that the relay says are erased, and since when it says so; the record may still show it.
        asked_by: Who of the own organisation asks for one of them; this device, where another was sent it.
        ask_at_ms: Nothing is asked for before this time.
        tend_at_ms: These are not looked at before.
        refetched_seq: Place whose content was fetched once more.
        told: Alarms that are raised once: codes.
        noted: Code last written on the room's queued intents.
        broken: Whether its record cannot go on while this core lives.
        custody: Grants, granted reads, holds and erasures that concern it.
        expire_at_ms: Its policy is not applied here before this time.
    """

    row: RoomRow
    create: Envelope | None = None
    engine: Engine | None = None
    group: Group | None = None
    senders: dict[DeviceId, SenderRow] = field(default_factory=dict)
    sent: dict[EnvelopeId, MessageRow] = field(default_factory=dict)
    known: dict[int, Known] = field(default_factory=dict)
    seen: dict[tuple[DeviceId, bytes], None] = field(default_factory=dict)
    promised: dict[int, Promise] = field(default_factory=dict)
    pledge: Pledge | None = None
    link: Link = field(default_factory=Link)
    line: dict[str, Intent] = field(default_factory=dict)
    adding: Envelope | None = None
    bodies: list[Body] = field(default_factory=list)
    introducing: set[str] = field(default_factory=set)
    refusals: list[Refuse] = field(default_factory=list)
    outer: set[DeviceId] | None = None
    packages: dict[DeviceId, bytes] = field(default_factory=dict)
    left_out: dict[str, dict[DeviceId, Reason]] = field(default_factory=dict)
    pauses: dict[str, int] = field(default_factory=dict)
    widened: dict[str, tuple[Reason, ...]] = field(default_factory=dict)
    work: Work = field(default_factory=Work)
    retry_at_ms: int = 0
    stale_epoch: int | None = None
    stale_since_ms: int = 0
    refused_in_a_row: int = 0
    voided_in_a_row: int = 0
    lost_in_a_row: int = 0
    retried_seq: int = -1
    refreshed_seq: int = -1
    revoked_since_ms: int | None = None
    revoked: tuple[int, int, tuple[DeviceId, ...]] = (-1, -1, ())
    readers: tuple[tuple[int, int], Inside] | None = None
    active: dict[DeviceId, int] = field(default_factory=dict)
    absent: dict[DeviceId, int] = field(default_factory=dict)
    overdue: dict[DeviceId, int] = field(default_factory=dict)
    looked: tuple[int, int] | None = None
    duty_at_ms: int = 0
    recall_at_ms: int | None = None
    wanted: tuple[int, int] | None = None
    wedged_since_ms: int | None = None
    gather_at_ms: int = 0
    answered: dict[DeviceId, int] = field(default_factory=dict)
    awaited: Awaited | None = None
    anchor: Anchor | None = None
    stranded: dict[DeviceId, int] = field(default_factory=dict)
    disputes: dict[EnvelopeId, Dispute] = field(default_factory=dict)
    stays: list[Stay] = field(default_factory=list)
    watched: bool = False
    owed: dict[DeviceId, dict[EnvelopeId, None]] = field(default_factory=dict)
    owed_since: dict[DeviceId, int] = field(default_factory=dict)
    answer: Answer | None = None
    sent_again: dict[tuple[DeviceId, EnvelopeId], int] = field(default_factory=dict)
    entered: dict[DeviceId, int] = field(default_factory=dict)
    missing: dict[EnvelopeId, MessageRow] = field(default_factory=dict)
    withheld: dict[EnvelopeId, int] = field(default_factory=dict)
    asked_by: dict[EnvelopeId, DeviceId] = field(default_factory=dict)
    ask_at_ms: int = 0
    tend_at_ms: int = 0
    refetched_seq: int = -1
    told: set[str] = field(default_factory=set)
    noted: str = ""
    broken: bool = False
    custody: Custody = field(default_factory=Custody)
    expire_at_ms: int = 0
    _audience: tuple[int, bytes] = (-1, b"")
    _dirty: bool = False
    _group_moved: bool = False
    _keys_used: bool = False

    @property
    def id(self) -> RoomId:
        """Its id."""
        return self.row.room

    @property
    def spec(self) -> Create:
        """Its creation.

        Raises:
            VerifyError: `GAP` while the create envelope is not known.
        """
        if self.create is None or not isinstance(self.create.header.specific, Create):
            raise VerifyError(Code.GAP, "the room's creation is not known")
        return self.create.header.specific

    def audience(self) -> bytes:
        """Digest of the members of the current epoch.

        Raises:
            VerifyError: `NOT_MEMBER` where this device has no keys.
        """
        if self.group is None:
            raise VerifyError(Code.NOT_MEMBER, "this device has no keys of the room")
        if self._audience[0] != self.group.epoch:
            self._audience = (self.group.epoch, audience_digest(set(self.group.members)))
        return self._audience[1]

    def lags(self, epoch: int) -> bool:
        """Whether the group cannot follow to this epoch: a commit before it was refused, or is kept no longer."""
        stopped = self.row.status in (RoomStatus.HALTED, RoomStatus.BEHIND)
        return stopped and (self.group is None or epoch > self.group.epoch)

    def change(self, **fields: object) -> None:
        """Replace fields of the row; it is written at the end of the step."""
        self.row = replace(self.row, **fields)  # type: ignore[arg-type]  # names and types are RoomRow's
        self._dirty = True

    def touch(self) -> None:
        """What the row is packed from changed: it is written at the end of the step."""
        self._dirty = True

    def moved(self) -> None:
        """The group's state changed in memory."""
        self._group_moved = self._keys_used = self._dirty = True

    def used_key(self) -> None:
        """A message key was used up, and nothing else of the group changed."""
        self._keys_used = self._dirty = True

    def leave(self) -> None:
        """Drop the group with all its keys; who was in is kept, for what still waits was written for them."""
        if self.group is not None:
            self.change(left_among=tuple(self.group.members))
        self.group = None
        self._audience = (-1, b"")
        self.moved()

    def enter(self, devices: Iterable[DeviceId], index: int) -> None:
        """An authentic commit adds devices to a room; kept where it continues another, to compare those that do."""
        if self.spec.successor_of is not None:
            self.entered = dict.fromkeys(devices, index) | self.entered
            self._dirty = True

    def remember(self, room_seq: int, known: Known) -> None:
        """Keep a place of the record for comparison."""
        self.known[room_seq] = known
        if len(self.known) > MAX_KNOWN:
            del self.known[next(iter(self.known))]

    def note_message(self, sender: DeviceId, message_id: bytes) -> bool:
        """Keep a message id; False when its sender has used it already.

        Another's id says nothing: any member who has opened a message could use it, to have that message refused where
        it comes late.
        """
        if (sender, message_id) in self.seen:
            return False
        self.seen[sender, message_id] = None
        if len(self.seen) > MAX_SEEN:
            del self.seen[next(iter(self.seen))]
        return True

    def flush(self) -> RoomRow | None:
        """The row to write, if it changed since the last call."""
        if not self._dirty:
            return None
        group, keys = self.row.group, self.row.keys
        if self._group_moved:
            group = b"" if self.group is None else self.group.epoch_state()
        if self._keys_used:
            keys = b"" if self.group is None else self.group.message_state()
        senders = tuple(self.senders[device] for device in sorted(self.senders))
        self.row = replace(
            self.row,
            group=group,
            keys=keys,
            senders=senders,
            active=_since(self.active),
            absent=_since(self.absent),
            stranded=_since(self.stranded),
            stays=tuple(self.stays),
            entered=tuple(sorted(self.entered.items())),
            owed=tuple(Owed(device=device, envelopes=tuple(wanted)) for device, wanted in self.owed.items()),
        )
        self._dirty = self._group_moved = self._keys_used = False
        return self.row


def _since(times: dict[DeviceId, int]) -> tuple[Since, ...]:
    return tuple(Since(device=device, at_ms=times[device]) for device in sorted(times))


def load_room(row: RoomRow, sent: list[MessageRow], key: SigningKey, engines: Engines) -> Room:
    """A stored room.

    One that was being joined starts again from its creation: the commit that added this device is
    checked together with its welcome, so both have to be seen by one core.

    Raises:
        DecodeError: The stored creation is damaged.
        VerifyError: `SUITE`: its suite is not known here.
    """
    if row.status is RoomStatus.JOINING:
        own = tuple(sender for sender in row.senders if sender.device == key.key_id)
        row = replace(row, head_seq=0, head_leaf=LeafHash(ZERO_32), head_index=0, senders=own)
    room = Room(row=row, senders={sender.device: sender for sender in row.senders})
    room.sent = {message.envelope: message for message in sent}
    room.active = {since.device: since.at_ms for since in row.active}
    room.absent = {since.device: since.at_ms for since in row.absent}
    room.stranded = {since.device: since.at_ms for since in row.stranded}
    room.stays = list(row.stays)
    room.entered = dict(row.entered)
    room.owed = {owed.device: dict.fromkeys(owed.envelopes) for owed in row.owed}
    encoded = row.create
    if not encoded and row.in_flight is not None and row.status is RoomStatus.OPENING:
        encoded = row.in_flight.items[0][0]
    if encoded:
        room.create = decode_envelope(encoded)
        room.engine = engines[room.spec.suite]
        _restore(room, key)
    if row.wedge is not None and row.status is RoomStatus.HALTED:
        room.outer = set(row.wedge.outer)
        if key.key_id not in row.wedge.refused and row.in_flight is None:
            room.refusals.append(Refuse(commit=row.wedge.commit, code=row.wedge.code))
    return room


def _restore(room: Room, key: SigningKey) -> None:
    """Take up the group; one whose state is gone or damaged costs this room its keys and no other anything."""
    row = room.row
    if room.engine is not None and row.group:
        try:
            room.group = room.engine.restore(row.group, row.keys, key)
        except PeerError:
            room.moved()  # what does not load is not kept: it is never tried again
    # A room that is halted has a graver cause, which stays.
    if room.group is None and row.status in (RoomStatus.OPEN, RoomStatus.BEHIND):
        room.change(status=RoomStatus.LOST, left_among=tuple(sorted(room.active)), asked_at_ms=0)


def group_of(row: RoomRow, key: SigningKey) -> Group | None:
    """The group of a stored room, for faces that show who is in it; None where this device is not.

    Raises:
        DecodeError: The stored creation is damaged.
        VerifyError: `SUITE`: its suite is not known here.
    """
    return load_room(row, [], key, Engines()).group
