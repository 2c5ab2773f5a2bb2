"""The relay's picture of its store: loaded at start, changed by every admitted entry.

The core changes it *before* the store has answered; if the store fails, the whole picture is thrown
away and loaded again, whether or not the store had persisted the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from amanah_protocol.custody.grants import AuditGrant
from amanah_protocol.custody.holds import LegalHold
from amanah_protocol.identity import Certificate, Enrolment
from amanah_protocol.kinds import Create
from amanah_protocol.roster import Roster
from amanah_protocol.types import (
    ZERO_32,
    DeviceId,
    EnvelopeId,
    GrantId,
    HoldId,
    KeyId,
    LeafHash,
    OrgName,
    PersonId,
    RoomId,
)
from amanah_protocol.verified import Verified
from amanah_relay.effects import Attached, Held


@dataclass(slots=True, kw_only=True)
class Member:
    """A device's standing in a room, from headers alone.

    Attributes:
        device: The device.
        organisation: Its organisation.
        added_seq: Room sequence of the commit (or create) that added it last.
        removed_seq: Room sequence of its removal, or None while it is in.
        removed_index: Log index of that commit, up to which its organisation is shown what stands beside the room.
        cursor: Room sequence it reported as delivered.
        last_counter: Counter of its last accepted envelope; survives removal.
        last_id: Id of that envelope.
    """

    device: DeviceId
    organisation: OrgName
    added_seq: int
    removed_seq: int | None = None
    removed_index: int | None = None
    cursor: int = 0
    last_counter: int = 0
    last_id: EnvelopeId = EnvelopeId(ZERO_32)  # noqa: RUF009 - bytes are immutable


@dataclass(slots=True, kw_only=True)
class Room:
    """A room as the relay knows it.

    Attributes:
        room: Its id.
        create: Its creation.
        epoch: Current epoch.
        head_seq: Newest room sequence.
        head_leaf: Leaf hash of that entry.
        confirmed_seq: Up to where nothing is counted as held any more (`effects.Confirm`).
        members: By device, removed ones included.
    """

    room: RoomId
    create: Create
    epoch: int = 0
    head_seq: int = 0
    head_leaf: LeafHash = LeafHash(ZERO_32)  # noqa: RUF009 - bytes are immutable
    confirmed_seq: int = 0
    members: dict[DeviceId, Member] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Device:
    """A certified device.

    Attributes:
        certificate: The newest logged certificate.
        revoked_index: Log index of its revocation, or None.
    """

    certificate: Certificate
    revoked_index: int | None = None


@dataclass(slots=True, kw_only=True)
class Chain:
    """The newest place of a chain of leaves that is not a room (control stream, audit reads)."""

    head_seq: int = 0
    head_leaf: LeafHash = LeafHash(ZERO_32)  # noqa: RUF009 - bytes are immutable


@dataclass(slots=True, kw_only=True)
class RelayState:
    """Everything the core must know to admit and to sequence.

    Attributes:
        roster: The newest accepted roster.
        size: Leaves in the log.
        edge: Hashes of the complete subtrees at the right edge (`merkle.Frontier`), largest first.
        last_accepted_ms: Time of the newest batch; acceptance never goes backwards.
        control: The control stream's head.
        chains: Other chains by their reserved room id.
        rooms: By id.
        devices: By id.
        enrolments: Logged enrolment certificates by key id.
        revoked_enrolments: Withdrawn enrolment keys.
        unrooted: Logged enrolment keys that the roots in the newest roster did not endorse; the core finds them.
        held: Bytes held of each organisation (`effects.Held`).
        checkpoints: The newest published checkpoints, signed, ascending by size.
        grants: Audit grants by id, as they were ended.
        holds: Legal holds by id, released ones included.
        forgotten: Persons whose organisation has dropped their profile.
        attachments: By the envelope of their message, dropped ones included.
        attached: Envelope of the message that an attachment of a room belongs to.
    """

    roster: Verified[Roster]
    size: int = 0
    edge: tuple[bytes, ...] = ()
    last_accepted_ms: int = 0
    control: Chain = field(default_factory=Chain)
    chains: dict[RoomId, Chain] = field(default_factory=dict)
    rooms: dict[RoomId, Room] = field(default_factory=dict)
    devices: dict[DeviceId, Device] = field(default_factory=dict)
    enrolments: dict[KeyId, Enrolment] = field(default_factory=dict)
    revoked_enrolments: set[KeyId] = field(default_factory=set)
    unrooted: set[KeyId] = field(default_factory=set)
    held: dict[OrgName, int] = field(default_factory=dict)
    checkpoints: tuple[bytes, ...] = ()
    grants: dict[GrantId, AuditGrant] = field(default_factory=dict)
    holds: dict[HoldId, LegalHold] = field(default_factory=dict)
    forgotten: set[tuple[OrgName, PersonId]] = field(default_factory=set)
    attachments: dict[EnvelopeId, Attached] = field(default_factory=dict)
    attached: dict[tuple[RoomId, bytes], EnvelopeId] = field(default_factory=dict)

    def add_enrolment(self, enrolment: Enrolment) -> None:
        """A logged enrolment key; of one that was logged before, all who ever endorsed it stay known."""
        known = self.enrolments.get(enrolment.key_id)
        self.enrolments[enrolment.key_id] = enrolment if known is None else enrolment.with_endorsers_of(known)

    def held_since(self, room: RoomId) -> int | None:
        """What a room accepted then or later is held; None where no hold stands."""
        return min((hold.since_ms for hold in self.standing_holds() if room in hold.rooms), default=None)

    def held_rooms(self) -> dict[RoomId, int]:
        """Rooms under a hold, and since when what they accepted is held."""
        rooms = {room for hold in self.standing_holds() for room in hold.rooms}
        return {room: since_ms for room in rooms if (since_ms := self.held_since(room)) is not None}

    def standing_holds(self) -> Iterator[LegalHold]:
        """Holds that bind: not released, and of organisations of the roster in force.

        Who has left it could never release one; its holds end with it, and the roster in the log says when.
        """
        members = self.roster.value.by_name
        return (hold for hold in self.holds.values() if not hold.released and hold.organisation in members)

    def release(self, freed: Iterable[Held]) -> None:
        """The store holds this no longer."""
        for part in freed:
            self.held[part.organisation] = self.held.get(part.organisation, 0) - part.size
