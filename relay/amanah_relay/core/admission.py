"""The checks of an envelope, in the order of `protocol.md` section 4.

Size, canonical form, types, content hash, `kid` and signature need no state and stand in `publish`;
so does the question whether the id is known. Here follow certificate and role, clock, membership,
epoch, counter, what the kind asks for, audience, quota. All of it works on the state as if everything
queued had been stored.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from amanah_protocol import rooms
from amanah_protocol.envelope import Envelope, Header, audience_digest
from amanah_protocol.errors import Code, OperationalError, RefusedError
from amanah_protocol.group import suites
from amanah_protocol.identity import Certificate, MachineLimits
from amanah_protocol.kinds import Commit, Create, Delivered, Grant, Kind, Message, Repair, Welcome
from amanah_protocol.labels import Precedence
from amanah_protocol.limits import DELIVERED_INTERVAL_MS
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId
from amanah_protocol.verified import Verified
from amanah_relay.core.checks import (
    Standings,
    check_audience,
    check_clock,
    check_counter,
    check_epoch,
    check_member,
    check_role,
    check_valid,
    members_of,
)
from amanah_relay.core.shelf import Shelf
from amanah_relay.core.transaction import Transaction
from amanah_relay.quotas import Claim, Quotas, Rate, RelayLimits, Scope
from amanah_relay.state import RelayState, Room

_DELIVERED: Final = Rate(per_ms=1 / DELIVERED_INTERVAL_MS, burst=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What came with an envelope.

    Attributes:
        content: Its sealed content, whose hash was checked; None when it should have been staged and was not.
        tree: The staged tree that it names; None when it names none or it was not staged.
        staged: Hashes of what it takes from staging.
    """

    content: bytes | None
    tree: bytes | None
    staged: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """An envelope whose signature holds, and what came with it."""

    envelope: Verified[Envelope]
    beside: Beside


class Admission:
    """Holds envelopes against the state."""

    def __init__(self, *, state: RelayState, origin: str, limits: RelayLimits, quotas: Quotas, shelf: Shelf) -> None:
        """Admit to this state.

        Args:
            state: The picture.
            origin: Origin of our log, which room ids are bound to.
            limits: Rates.
            quotas: Their buckets.
            shelf: Files of attachments.
        """
        self._state = state
        self._shelf = shelf
        self._origin = origin
        self._limits = limits
        self._quotas = quotas
        self._standings = Standings(state)
        self._audiences: dict[RoomId, bytes] = {}
        self._owned = Counter(room.create.owner for room in state.rooms.values())
        self._flash = Rate(per_ms=limits.flash_per_minute / 60_000, burst=limits.flash_burst)
        self._reserve = limits.flash_reserve_percent / 100
        self._device_claims: dict[DeviceId, tuple[Certificate, Claim]] = {}
        self._organisation_claims: dict[OrgName, Claim] = {}
        self._room_claims: dict[RoomId, Claim] = {}

    def begin(self, device: DeviceId, first: int, at_ms: int) -> Transaction:
        """Begin a publish of a logged-in device; `first` is the log index of its first envelope."""
        certificate = self._state.devices[device].certificate
        return Transaction(
            self._state,
            sender=device,
            organisation=certificate.organisation,
            first=first,
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
        content, tree = incoming.beside.content, incoming.beside.tree
        if content is None:
            raise OperationalError(Code.STAGING, "the content was not staged, or no longer is")
        kind = header.kind
        certificate = check_valid(self._state, header.kid, at_ms)
        check_role(certificate, header, kind)
        check_clock(header.sent_at_ms, at_ms)
        if isinstance(header.specific, Create):
            room = self._check_create(transaction, header, header.specific)
        else:
            room = self._check_in_room(transaction, incoming)
        rooms.check_label(header.label, room.create)
        self._check_held(certificate.organisation, header, len(content) + len(tree or b""))
        self._charge(transaction, certificate, header, kind, now_ms)
        transaction.apply(room, envelope, content, tree)

    def _check_create(self, transaction: Transaction, header: Header, create: Create) -> Room:
        if header.room in self._state.rooms:
            raise RefusedError(Code.ROOM_EXISTS, "the room exists already")
        check_counter(header, 0, EnvelopeId(bytes(32)))
        # The room's id was recomputed from this origin when the header was decoded.
        if create.origin != self._origin:
            raise RefusedError(Code.BAD_HEADER, f"the room is one of the log {create.origin}")
        if create.suite not in suites.SUPPORTED:
            raise RefusedError(Code.SUITE, f"rooms of suite {create.suite:#06x} are not served by this version")
        rooms.check_create(create, self._standings[header.kid])
        before = None if create.successor_of is None else self._state.rooms.get(create.successor_of)
        if before is not None:  # one that is not here may be another relay's
            rooms.check_successor(create, creator=header.kid, before=before.create, members=before.members)
        check_audience(header, audience_digest({header.kid}))
        if self._owned[create.owner] >= self._limits.rooms_per_organisation:
            raise RefusedError(Code.QUOTA, "the organisation owns as many rooms as it may")
        transaction.put(self._owned, create.owner, self._owned[create.owner] + 1)
        return transaction.open_room(header.room, create)

    def _check_in_room(self, transaction: Transaction, incoming: Incoming) -> Room:
        header = incoming.envelope.value.header
        room, member = check_member(self._state.rooms.get(header.room), header.kid)
        check_epoch(header, room.epoch)
        check_counter(header, member.last_counter, member.last_id)
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
                if not set(addressees) <= transaction.unwelcomed(room.room):
                    raise RefusedError(Code.MEMBERSHIP, "a welcome is for devices that its own publish added")
                if tree_hash is not None and incoming.beside.tree is None:
                    raise OperationalError(Code.STAGING, "the tree was not staged, or no longer is")
            case Message(attachment=bytes(attachment)):
                place = (room.room, attachment)
                organisation = self._state.devices[header.kid].certificate.organisation
                self._shelf.check_attachable(place, organisation, self._state.attached)
            case Grant(addressees=addressees) | Repair(addressees=addressees):
                if not set(addressees) <= members_of(room):
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

    def _check_held(self, organisation: OrgName, header: Header, size: int) -> None:
        """What members have still to fetch takes no more of the store than the organisation may.

        What has no content passes, an `erase` or `delivered` above all, and so does a commit that only
        removes: they are what makes room again.
        """
        specific = header.specific
        removes = isinstance(specific, Commit) and bool(specific.removed) and not specific.added
        held = self._state.held.get(organisation, 0)
        if size and not removes and held + size > self._limits.held_bytes_per_organisation:
            detail = f"members have not confirmed {held} bytes of the organisation; remove those who are silent"
            raise RefusedError(Code.QUOTA, detail, retry_after_ms=DELIVERED_INTERVAL_MS)

    def _charge(
        self, transaction: Transaction, certificate: Certificate, header: Header, kind: Kind, now_ms: int
    ) -> None:
        limits = self._limits
        claims = self._claims(transaction, certificate, header)
        if header.precedence is Precedence.FLASH:
            flash = Claim(Scope.FLASH, certificate.organisation, self._flash)
            # Above its own rate a flash is an envelope like any other: else all traffic would be flash.
            if self._quotas.has(flash, now_ms):
                claims = [flash, *(claim._replace(floor=0) for claim in claims)]
        if kind is Kind.COMMIT:
            in_room = Rate(per_ms=limits.room_commits_per_second / 1000, burst=limits.room_commits_burst)
            of_device = Rate(per_ms=limits.device_commits_per_minute / 60_000, burst=limits.device_commits_burst)
            claims.append(Claim(Scope.ROOM_COMMITS, header.room, in_room))
            claims.append(Claim(Scope.DEVICE_COMMITS, header.kid, of_device))
        elif kind is Kind.DELIVERED:
            claims.append(Claim(Scope.DELIVERED, header.room + header.kid, _DELIVERED))
        transaction.charge(self._quotas.charge(claims, now_ms))

    def _claims(self, transaction: Transaction, certificate: Certificate, header: Header) -> list[Claim]:
        """What an envelope that is not `flash` costs; claims are made once, this is done for every envelope."""
        limits, organisation = self._limits, certificate.organisation
        of_device = self._device_claims.get(header.kid)
        if of_device is None or of_device[0] is not certificate:
            of_device = certificate, Claim(Scope.DEVICE, header.kid, device_rate(certificate.machine, limits))
            self._device_claims[header.kid] = of_device
        of_all = self._organisation_claims.get(organisation)
        if of_all is None:
            rate = Rate(per_ms=limits.organisation_per_second / 1000, burst=limits.organisation_burst)
            of_all = Claim(Scope.ORGANISATION, organisation, rate, 1, self._reserve * rate.burst)
            self._organisation_claims[organisation] = of_all
        in_room = self._room_claims.get(header.room)
        if in_room is None:
            rate = Rate(per_ms=limits.room_per_second / 1000, burst=limits.room_burst)
            in_room = Claim(Scope.ROOM, header.room, rate, 1, self._reserve * rate.burst)
            # Taken back with a refused `create`: its room's id is anybody's choice.
            transaction.put(self._room_claims, header.room, in_room)
        return [of_device[1], of_all, in_room]


def device_rate(machine: MachineLimits | None, limits: RelayLimits) -> Rate:
    """How fast a device may publish; a machine's certificate can only lower it."""
    if machine is None:
        return Rate(per_ms=limits.officer_per_second / 1000, burst=limits.officer_burst)
    per_second = min(machine.per_second, limits.machine_per_second)
    return Rate(per_ms=per_second / 1000, burst=limits.machine_burst)
