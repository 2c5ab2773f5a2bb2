"""The checks of an envelope, in the order of `protocol.md` section 4.

Size, canonical form, types, content hash, `kid` and signature need no state and stand in `publish`;
so does the question whether the id is known. Here follow certificate and role, clock, membership,
epoch, counter, what the kind asks for, audience, quota. All of it works on the state as if everything
queued had been stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from amanah_protocol import kinds, rooms
from amanah_protocol.envelope import Envelope, Header, audience_digest, derive_room_id
from amanah_protocol.errors import Code, OperationalError, RefusedError
from amanah_protocol.group import suites
from amanah_protocol.identity import Certificate, MachineLimits, Role
from amanah_protocol.kinds import Commit, Create, Delivered, Grant, Kind, MediaType, Repair, Welcome
from amanah_protocol.labels import Precedence
from amanah_protocol.limits import CLOCK_WINDOW_MS, DELIVERED_INTERVAL_MS
from amanah_protocol.rooms import Standing
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId
from amanah_protocol.verified import Verified
from amanah_relay.core.transaction import Transaction
from amanah_relay.quotas import Claim, Quotas, Rate, RelayLimits, Scope
from amanah_relay.state import Member, RelayState, Room

MEDIA: Final[Mapping[int, MediaType]] = {suites.FLAT: MediaType.FLAT}
"""What a room's sealed content is of, by its suite; every suite that has no entry uses MLS."""

_DELIVERED: Final = Rate(per_ms=1 / DELIVERED_INTERVAL_MS, burst=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """An envelope whose signature holds.

    Attributes:
        envelope: The envelope.
        content: Its sealed content, whose hash was checked; None when it should have been staged and was not.
        tree: The staged tree that it names; None when it names none or it was not staged.
    """

    envelope: Verified[Envelope]
    content: bytes | None
    tree: bytes | None


class Standings(Mapping[DeviceId, Standing]):
    """Certified devices as the room policy wants to see them; made when asked for."""

    def __init__(self, state: RelayState) -> None:
        self._state = state

    def __getitem__(self, device: DeviceId) -> Standing:
        found = self._state.devices[device]
        return Standing(certificate=found.certificate, revoked=is_revoked(self._state, device))

    def __iter__(self) -> Iterator[DeviceId]:
        return iter(self._state.devices)

    def __len__(self) -> int:
        return len(self._state.devices)


def is_revoked(state: RelayState, device: DeviceId) -> bool:
    """Whether a revocation names a certified device or the enrolment key that certified it."""
    found = state.devices[device]
    return found.revoked_index is not None or found.certificate.issuer in state.revoked_enrolments


def check_valid(state: RelayState, device: DeviceId, at_ms: int) -> Certificate:
    """The device's newest logged certificate allows it to sign something now.

    Raises:
        RefusedError: `REVOKED`, `CERTIFICATE` or `EXPIRED`.
    """
    certificate = state.devices[device].certificate
    if is_revoked(state, device):
        raise RefusedError(Code.REVOKED, "the device was revoked")
    if certificate.organisation not in state.roster.value.by_name:
        raise RefusedError(Code.CERTIFICATE, f"{certificate.organisation} is not in the roster")
    if not certificate.not_before_ms <= at_ms <= certificate.not_after_ms:
        raise RefusedError(Code.EXPIRED, "the certificate is not valid now")
    return certificate


def check_role(certificate: Certificate, header: Header) -> None:
    """Role and machine limits allow this kind, here, with this label.

    Raises:
        RefusedError: `ROLE` or `LABEL`.
    """
    if certificate.role is Role.SENSOR or header.media_type is MediaType.ALERT_HPKE:
        raise RefusedError(Code.ROLE, "alerts of post-only sensors are not served by this version")
    rooms.check_kind(certificate, header.kind, header.label)
    machine = certificate.machine
    if machine is not None and (machine.per_second == 0 or (machine.rooms and header.room not in machine.rooms)):
        raise RefusedError(Code.ROLE, "the certificate does not allow the machine to publish here")


def check_clock(sent_at_ms: int, at_ms: int) -> None:
    """The sender's clock is within ten minutes of ours.

    Raises:
        RefusedError: `CLOCK`.
    """
    if abs(sent_at_ms - at_ms) > CLOCK_WINDOW_MS:
        raise RefusedError(Code.CLOCK, f"sealed {abs(sent_at_ms - at_ms) // 1000} s away from the relay's time")


def check_member(room: Room | None, device: DeviceId) -> tuple[Room, Member]:
    """The room is there and the device is in it.

    Whoever never was in it gets the same answer as for no room at all: that it exists is its members'
    business.

    Raises:
        RefusedError: `UNKNOWN_ROOM`, or `NOT_MEMBER` after a removal.
    """
    member = None if room is None else room.members.get(device)
    if room is None or member is None:
        raise RefusedError(Code.UNKNOWN_ROOM, "there is no such room for this device")
    if member.removed_seq is not None:
        raise RefusedError(Code.NOT_MEMBER, f"the device was removed at {member.removed_seq}")
    return room, member


def check_epoch(header: Header, epoch: int) -> None:
    """What is sealed is of the current epoch; what is not may name an earlier one.

    Raises:
        RefusedError: `STALE_EPOCH`.
    """
    sealed = header.kind not in kinds.HEADER_ONLY
    if header.epoch > epoch or (sealed and header.epoch != epoch):
        raise RefusedError(Code.STALE_EPOCH, f"the room is in epoch {epoch}, not {header.epoch}")


def check_counter(header: Header, last_counter: int, last_id: EnvelopeId) -> None:
    """The envelope continues the device's record, and `voids` names all that was skipped and nothing else.

    Raises:
        RefusedError: `COUNTER`.
    """
    if header.counter <= last_counter or header.previous != last_id:
        raise RefusedError(Code.COUNTER, f"the device's last accepted counter here is {last_counter}")
    if header.counter > last_counter + 1 + len(header.voids) or header.voids != tuple(
        range(last_counter + 1, header.counter)
    ):
        raise RefusedError(Code.COUNTER, f"voids must be the counters from {last_counter + 1} on")


def check_media(header: Header, create: Create) -> None:
    """Sealed content is of the room's suite.

    Raises:
        RefusedError: `SUITE`.
    """
    if header.media_type not in (MediaType.NONE, MEDIA.get(create.suite, MediaType.MLS)):
        raise RefusedError(Code.SUITE, f"the room's suite does not seal {header.media_type.value}")


def check_audience(header: Header, digest: bytes) -> None:
    """The sender's picture of who can read this is ours.

    Raises:
        RefusedError: `AUDIENCE`.
    """
    if header.audience != digest:
        raise RefusedError(Code.AUDIENCE, "the audience is not the digest of the room's members")


class Admission:
    """Holds envelopes against the state."""

    def __init__(self, *, state: RelayState, origin: str, limits: RelayLimits, quotas: Quotas) -> None:
        """Admit to this state.

        Args:
            state: The picture.
            origin: Origin of our log, which room ids are bound to.
            limits: Rates.
            quotas: Their buckets.
        """
        self._state = state
        self._origin = origin
        self._limits = limits
        self._quotas = quotas
        self._standings = Standings(state)
        self._audiences: dict[RoomId, bytes] = {}
        self._owned = Counter(room.create.owner for room in state.rooms.values())
        self._of_organisation = Rate(per_ms=limits.organisation_per_second / 1000, burst=limits.organisation_burst)
        self._of_room = Rate(per_ms=limits.room_per_second / 1000, burst=limits.room_burst)
        self._flash = Rate(per_ms=limits.flash_per_minute / 60_000, burst=limits.flash_burst)

    def begin(self, device: DeviceId, at_ms: int) -> Transaction:
        """Begin a publish of a logged-in device."""
        certificate = self._state.devices[device].certificate
        return Transaction(
            self._state,
            sender=device,
            organisation=certificate.organisation,
            at_ms=at_ms,
            until_ms=certificate.not_after_ms,
        )

    def admit(self, transaction: Transaction, incoming: Incoming, now_ms: int) -> None:
        """Check one envelope of a publish and apply it.

        Args:
            transaction: What `begin` gave.
            incoming: The envelope.
            now_ms: Time for the token buckets; what is judged by time goes by the transaction's.

        Raises:
            RefusedError: The reason; the caller rolls the transaction back.
        """
        envelope = incoming.envelope.value
        header = envelope.header
        at_ms = transaction.unit.at_ms
        if incoming.content is None:
            raise OperationalError(Code.STAGING, "the content was not staged, or no longer is")
        certificate = check_valid(self._state, header.kid, at_ms)
        check_role(certificate, header)
        check_clock(header.sent_at_ms, at_ms)
        if isinstance(header.specific, Create):
            room = self._check_create(transaction, header, header.specific)
        else:
            room = self._check_in_room(transaction, incoming)
        rooms.check_label(header.label, room.create)
        self._charge(transaction, certificate, header, now_ms)
        transaction.apply(room, envelope, incoming.content, incoming.tree)

    def _check_create(self, transaction: Transaction, header: Header, create: Create) -> Room:
        if header.room in self._state.rooms:
            raise RefusedError(Code.ROOM_EXISTS, "the room exists already")
        check_counter(header, 0, EnvelopeId(bytes(32)))
        if create.origin != self._origin or header.room != derive_room_id(create.origin, header.kid, create.nonce):
            raise RefusedError(Code.BAD_HEADER, "the room's id is not that of this log, creator and nonce")
        if create.suite not in suites.SUPPORTED:
            raise RefusedError(Code.SUITE, f"rooms of suite {create.suite:#06x} are not served by this version")
        rooms.check_create(create, self._standings[header.kid])
        check_audience(header, audience_digest({header.kid}))
        if self._owned[create.owner] >= self._limits.rooms_per_organisation:
            raise RefusedError(Code.QUOTA, "the organisation owns as many rooms as it may")
        transaction.put(self._owned, create.owner, self._owned[create.owner] + 1)
        transaction.put(self._audiences, header.room, header.audience)
        return transaction.open_room(header.room, create)

    def _check_in_room(self, transaction: Transaction, incoming: Incoming) -> Room:
        header = incoming.envelope.value.header
        room, member = check_member(self._state.rooms.get(header.room), header.kid)
        check_epoch(header, room.epoch)
        check_counter(header, member.last_counter, member.last_id)
        check_media(header, room.create)
        if isinstance(header.specific, Commit):
            self._check_commit(transaction, room, header, header.specific)
        else:
            check_audience(header, self._audience(transaction, room))
            self._check_specific(transaction, room, incoming)
        return room

    def _check_commit(self, transaction: Transaction, room: Room, header: Header, commit: Commit) -> None:
        inside = members_of(room)
        rooms.check_commit(
            commit,
            create=room.create,
            committer=header.kid,
            members=inside,
            standings=self._standings,
            at_ms=transaction.unit.at_ms,
        )
        check_audience(header, audience_digest((inside | set(commit.added)) - set(commit.removed)))
        transaction.put(self._audiences, room.room, header.audience)
        for device in commit.added:
            transaction.rest_on(self._state.devices[device].certificate.not_after_ms)

    def _check_specific(self, transaction: Transaction, room: Room, incoming: Incoming) -> None:
        header = incoming.envelope.value.header
        match header.specific:
            case Welcome(addressees=addressees, tree_hash=tree_hash):
                if not addressees or not set(addressees) <= transaction.unwelcomed(room.room):
                    raise RefusedError(Code.MEMBERSHIP, "a welcome is for devices that its own publish added")
                if tree_hash is not None and incoming.tree is None:
                    raise OperationalError(Code.STAGING, "the tree was not staged, or no longer is")
            case Grant(addressees=addressees) | Repair(addressees=addressees):
                if not addressees or not set(addressees) <= members_of(room):
                    raise RefusedError(Code.MEMBERSHIP, "history goes to devices that are in the room")
            case Delivered(room_seq=room_seq):
                if room_seq > room.head_seq:
                    raise RefusedError(Code.NOT_FOUND, f"the room ends at {room.head_seq}")
            case _:  # the other kinds say nothing that the relay could hold against its state
                pass

    def _audience(self, transaction: Transaction, room: Room) -> bytes:
        digest = self._audiences.get(room.room)
        if digest is None:
            digest = audience_digest(members_of(room))
            transaction.put(self._audiences, room.room, digest)
        return digest

    def _charge(self, transaction: Transaction, certificate: Certificate, header: Header, now_ms: int) -> None:
        limits = self._limits
        organisation = certificate.organisation
        share = self._reserve(transaction, organisation, header.precedence, now_ms)
        claims = [
            Claim(Scope.DEVICE, header.kid, device_rate(certificate.machine, limits)),
            Claim(Scope.ORGANISATION, organisation, self._of_organisation, 1, share * limits.organisation_burst),
            Claim(Scope.ROOM, header.room, self._of_room, 1, share * limits.room_burst),
        ]
        if header.kind is Kind.COMMIT:
            in_room = Rate(per_ms=limits.room_commits_per_second / 1000, burst=limits.room_commits_burst)
            of_device = Rate(per_ms=limits.device_commits_per_minute / 60_000, burst=limits.device_commits_burst)
            claims.append(Claim(Scope.ROOM_COMMITS, header.room, in_room))
            claims.append(Claim(Scope.DEVICE_COMMITS, header.kid, of_device))
        elif header.kind is Kind.DELIVERED:
            claims.append(Claim(Scope.DELIVERED, header.room + header.kid, _DELIVERED))
        transaction.charge(self._quotas.charge(claims, now_ms))

    def _reserve(self, transaction: Transaction, organisation: OrgName, precedence: Precedence, now_ms: int) -> float:
        """The share of the common buckets that this envelope may not touch."""
        if precedence is Precedence.FLASH:
            flash = Claim(Scope.FLASH, organisation, self._flash)
            # Above its own rate a flash is an envelope like any other: else all traffic would be flash.
            if self._quotas.has(flash, now_ms):
                transaction.charge(self._quotas.charge([flash], now_ms))
                return 0
        return self._limits.flash_reserve_percent / 100


def members_of(room: Room) -> set[DeviceId]:
    """The devices in a room now."""
    return {device for device, member in room.members.items() if member.removed_seq is None}


def device_rate(machine: MachineLimits | None, limits: RelayLimits) -> Rate:
    """How fast a device may publish; a machine's certificate can only lower it."""
    if machine is None:
        return Rate(per_ms=limits.officer_per_second / 1000, burst=limits.officer_burst)
    per_second = min(machine.per_second, limits.machine_per_second)
    return Rate(per_ms=per_second / 1000, burst=limits.machine_burst)
