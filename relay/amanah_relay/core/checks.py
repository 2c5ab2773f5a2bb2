"""The single checks of an envelope against what the relay knows; each refuses with its own code.

The order in which they stand here is that of `protocol.md` section 4; `admission` calls them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from amanah_protocol import rooms
from amanah_protocol.envelope import Header
from amanah_protocol.errors import Code, RefusedError
from amanah_protocol.identity import Certificate, Enrolment, Role
from amanah_protocol.kinds import Kind, MediaType
from amanah_protocol.limits import CLOCK_WINDOW_MS
from amanah_protocol.rooms import Standing
from amanah_protocol.types import DeviceId, EnvelopeId
from amanah_relay.state import Device, Member, RelayState, Room


class Standings(Mapping[DeviceId, Standing]):
    """Certified devices as the room policy wants to see them; made when asked for."""

    def __init__(self, state: RelayState) -> None:
        self._state = state

    def __getitem__(self, device: DeviceId) -> Standing:
        found = self._state.devices[device]
        out = is_revoked(self._state, found) or not is_rooted(self._state, found.certificate)
        return Standing(certificate=found.certificate, revoked=out)

    def __iter__(self) -> Iterator[DeviceId]:
        return iter(self._state.devices)

    def __len__(self) -> int:
        return len(self._state.devices)


def is_revoked(state: RelayState, device: Device) -> bool:
    """Whether a revocation names a certified device or the enrolment key that certified it."""
    return device.revoked_index is not None or device.certificate.issuer in state.revoked_enrolments


def is_rooted(state: RelayState, certificate: Certificate) -> bool:
    """Whether the organisation is in the newest roster, with roots that endorsed the key that certified."""
    return certificate.organisation in state.roster.value.by_name and certificate.issuer not in state.unrooted


def check_valid(state: RelayState, device_id: DeviceId, at_ms: int) -> Certificate:
    """The device's newest logged certificate allows it to sign something now.

    Raises:
        RefusedError: `REVOKED`, `CERTIFICATE` or `EXPIRED`.
    """
    device = state.devices[device_id]
    certificate = device.certificate
    if is_revoked(state, device):
        raise RefusedError(Code.REVOKED, "the device was revoked")
    if not is_rooted(state, certificate):
        raise RefusedError(Code.CERTIFICATE, "the device's certificate no longer chains to the roster")
    if not certificate.not_before_ms <= at_ms <= certificate.not_after_ms:
        raise RefusedError(Code.EXPIRED, "the certificate is not valid now")
    return certificate


def check_enrolment_key(state: RelayState, enrolment: Enrolment) -> None:
    """The enrolment key is its organisation's, and was not withdrawn.

    Raises:
        RefusedError: `REVOKED` or `FOREIGN_DEVICE`.
    """
    if enrolment.key_id in state.revoked_enrolments:
        raise RefusedError(Code.REVOKED, "the enrolment key was withdrawn")
    known = state.enrolments.get(enrolment.key_id)
    # Else one organisation could take another's key for its own and stand in the way of its revocations.
    if known is not None and known.organisation != enrolment.organisation:
        raise RefusedError(Code.FOREIGN_DEVICE, f"the enrolment key belongs to {known.organisation}")


def check_issued(issued_ms: int, at_ms: int) -> None:
    """A document that was signed offline, days ago perhaps, was not made in the future.

    Raises:
        RefusedError: `CLOCK`.
    """
    if issued_ms > at_ms + CLOCK_WINDOW_MS:
        raise RefusedError(Code.CLOCK, "the document was made later than now")


def check_role(certificate: Certificate, header: Header, kind: Kind) -> None:
    """Role and machine limits allow this kind, here, with this label.

    Raises:
        RefusedError: `ROLE` or `LABEL`.
    """
    if certificate.role is Role.SENSOR or header.media_type is MediaType.ALERT_HPKE:
        raise RefusedError(Code.ROLE, "alerts of post-only sensors are not served by this version")
    rooms.check_kind(certificate, kind, header.label)
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
    if header.epoch > epoch or (header.epoch != epoch and header.is_sealed):
        raise RefusedError(Code.STALE_EPOCH, f"the room is in epoch {epoch}, not {header.epoch}")


def check_counter(header: Header, last_counter: int, last_id: EnvelopeId) -> None:
    """The envelope continues the device's record, and `voids` names all that was skipped and nothing else.

    Raises:
        RefusedError: `COUNTER`.
    """
    if header.counter <= last_counter or header.previous != last_id:
        raise RefusedError(Code.COUNTER, f"the device's last accepted counter here is {last_counter}")
    # The length first: a range over a peer's number could fill the memory.
    skipped = header.counter - last_counter - 1
    if skipped != len(header.voids) or header.voids != tuple(range(last_counter + 1, header.counter)):
        raise RefusedError(Code.COUNTER, f"voids must be the counters from {last_counter + 1} on")


def check_audience(header: Header, digest: bytes) -> None:
    """The sender's picture of who can read this is ours.

    Raises:
        RefusedError: `AUDIENCE`.
    """
    if header.audience != digest:
        raise RefusedError(Code.AUDIENCE, "the audience is not the digest of the room's members")


def members_of(room: Room) -> set[DeviceId]:
    """The devices in a room now."""
    return {device for device, member in room.members.items() if member.removed_seq is None}
