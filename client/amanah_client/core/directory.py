"""Who is who by the verified control stream: what every check of a sender stands on.

Nothing here verifies signatures; `control` does so before it records. A device belongs to one
organisation for ever, and what counts for an entry of a room is what the log held *before* it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.group.seam import CheckCredential, Credential
from amanah_protocol.identity import Certificate, Enrolment, decode_certificate, decode_enrolment
from amanah_protocol.rooms import Standing
from amanah_protocol.roster import Roster
from amanah_protocol.types import DeviceId, KeyId, OrgName, PersonId
from amanah_protocol.verified import Verified


class NotLoggedError(VerifyError):
    """A certificate is needed that the control stream, as far as it is known here, does not hold.

    The control stream and a room travel side by side: the stream may just be late, so the room waits
    for it once before this counts as an attack (attack 15).
    """

    def __init__(self, detail: str) -> None:
        super().__init__(Code.CERTIFICATE, detail)


class Certified(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate and its place in the log."""

    index: int
    certificate: Certificate


@dataclass(slots=True, kw_only=True)
class Device:
    """A device as logged.

    Attributes:
        organisation: The one that certified it first, for ever.
        certificates: In log order.
        revoked_index: Log index of its revocation, or None.
    """

    organisation: OrgName
    certificates: list[Certified] = field(default_factory=list)
    revoked_index: int | None = None


@dataclass(slots=True, kw_only=True)
class LoggedEnrolment:
    """An enrolment key as logged.

    Attributes:
        enrolment: The record of the newest validity.
        records: (log index, record) in log order, each knowing who has endorsed the key up to it.
        revoked_index: Log index of its withdrawal, if there is one.
    """

    enrolment: Enrolment
    records: list[tuple[int, Enrolment]] = field(default_factory=list)
    revoked_index: int | None = None

    def before(self, index: int) -> Enrolment | None:
        """The newest record that stands in the log before an index."""
        return next((record for at, record in reversed(self.records) if at < index), None)


@dataclass(slots=True, kw_only=True)
class Rosters:
    """Rosters by their place in the log.

    The log shows none before the first that replaced another. So a device that was handed a later one never learns what
    was in force before: whatever a relay showed of that, nothing would lead to it from a roster that is trusted here.

    Attributes:
        first: In force before the first that is placed; None where that is not known.
        placed: (log index, roster) in log order, as they were accepted.
    """

    first: Verified[Roster] | None = None
    placed: list[tuple[int, Verified[Roster]]] = field(default_factory=list)

    def place(self, roster: Verified[Roster], index: int, held: Verified[Roster]) -> None:
        """Record a roster of the log; `held` was the newest before it."""
        if not self.placed and roster.value.version > held.value.version:
            self.first = held
        self.placed.append((index, roster))

    def at(self, index: int, held: Verified[Roster]) -> tuple[Verified[Roster], bool]:
        """The roster to hold an entry of the log against, and whether it was certainly in force there.

        Args:
            index: Place of the entry.
            held: The newest accepted roster, which may not have been seen in the log yet.
        """
        if not self.placed:
            return held, True
        behind = [roster for at, roster in self.placed if at >= index] or [held]
        before = next((roster for at, roster in reversed(self.placed) if at < index), self.first)
        if before is None:
            return behind[0], False
        # One between the two was passed over here, if it was not the next version that came.
        whole = behind[0].value.version - before.value.version <= 1
        return (before, True) if whole else (behind[0], False)


class Directory:
    """Devices and enrolment keys, and the rosters that they stood under."""

    def __init__(self) -> None:
        self.devices: dict[DeviceId, Device] = {}
        self.enrolments: dict[KeyId, LoggedEnrolment] = {}
        self.rosters = Rosters()
        self.forgotten: set[tuple[OrgName, PersonId]] = set()
        """Persons whose organisation has dropped their profile: no name of theirs is kept here."""
        self._subjects: dict[tuple[OrgName, PersonId], list[DeviceId]] = {}

    def add_certificate(self, certificate: Certificate, index: int) -> None:
        """Record a certificate.

        Raises:
            VerifyError: `FOREIGN_DEVICE`: the key belongs to another organisation, or to another person, already.
        """
        device = self.devices.get(certificate.device_id)
        if device is None:
            device = self.devices[certificate.device_id] = Device(organisation=certificate.organisation)
        if device.organisation != certificate.organisation:
            raise VerifyError(
                Code.FOREIGN_DEVICE, f"{certificate.organisation} certified a key of {device.organisation}"
            )
        if any(known.certificate.subject != certificate.subject for known in device.certificates[:1]):
            text = f"{certificate.organisation} certified a key of one person for another"
            raise VerifyError(Code.FOREIGN_DEVICE, text)
        device.certificates.append(Certified(index=index, certificate=certificate))
        known = self._subjects.setdefault((certificate.organisation, certificate.subject), [])
        if certificate.device_id not in known:
            known.append(certificate.device_id)

    def add_enrolment(self, enrolment: Enrolment, index: int) -> None:
        """Record an enrolment key; of one that is known, the newest validity counts.

        Raises:
            VerifyError: `FOREIGN_DEVICE`: the key is another organisation's already.
        """
        known = self.enrolments.setdefault(enrolment.key_id, LoggedEnrolment(enrolment=enrolment))
        if known.enrolment.organisation != enrolment.organisation:
            owner = known.enrolment.organisation
            raise VerifyError(Code.FOREIGN_DEVICE, f"{enrolment.organisation} claims the enrolment key of {owner}")
        known.enrolment = max(known.enrolment, enrolment, key=lambda one: one.not_after_ms)
        # A record that names fewer custodians must not make one of them a second party (`custody.parties`).
        last = known.records[-1][1] if known.records else enrolment
        known.records.append((index, enrolment.with_endorsers_of(last)))

    def revoke_device(self, device: DeviceId, index: int) -> None:
        """Record a device's revocation; the first one counts."""
        known = self.devices[device]
        if known.revoked_index is None:
            known.revoked_index = index

    def revoke_enrolment(self, key: KeyId, index: int) -> None:
        """Record the withdrawal of an enrolment key; the first one counts."""
        known = self.enrolments[key]
        if known.revoked_index is None:
            known.revoked_index = index

    def enrolment(self, key: KeyId) -> Enrolment:
        """An enrolment key that is not withdrawn.

        Raises:
            VerifyError: `CERTIFICATE` or `REVOKED`.
        """
        known = self.enrolments.get(key)
        if known is None:
            raise VerifyError(Code.CERTIFICATE, "the enrolment key is not in the log")
        if known.revoked_index is not None:
            raise VerifyError(Code.REVOKED, "the enrolment key was withdrawn by its organisation")
        return known.enrolment

    def standing(self, device: DeviceId, before: int | None = None) -> Standing | None:
        """What the log says of a device, as of all of it or of what lies before an index."""
        known = self.devices.get(device)
        if known is None:
            return None
        fitting = [c.certificate for c in known.certificates if before is None or c.index < before]
        if not fitting:
            return None
        # Who holds a withdrawn enrolment key could have made any of its certificates.
        issuer = self.enrolments.get(fitting[-1].issuer)
        ends = (known.revoked_index, None if issuer is None else issuer.revoked_index)
        revoked = any(index is not None and (before is None or index < before) for index in ends)
        return Standing(certificate=fitting[-1], revoked=revoked)

    def standings(self, devices: Iterable[DeviceId], before: int | None = None) -> dict[DeviceId, Standing]:
        """The same for several; those without a certificate are left out."""
        found = ((device, self.standing(device, before)) for device in devices)
        return {device: standing for device, standing in found if standing is not None}

    def organisation(self, device: DeviceId) -> OrgName:
        """The organisation of a device, "" when it is not known."""
        known = self.devices.get(device)
        return OrgName("") if known is None else known.organisation

    def devices_of(self, organisation: OrgName, subject: PersonId) -> tuple[DeviceId, ...]:
        """The devices of one pseudonym, in log order."""
        return tuple(self._subjects.get((organisation, subject), ()))

    def credential_check(self, before: int | None = None) -> CheckCredential:
        """The check that the group engine calls: the very certificate is one of the verified log.

        Whether a device may be *added* is the room's policy; this says who it is.
        """

        def check(credential: Credential) -> DeviceId:
            certificate = decode_certificate(credential.certificate)
            known = self.devices.get(certificate.device_id)
            logged = () if known is None else known.certificates
            if not any(
                c.certificate.encoded == credential.certificate and (before is None or c.index < before) for c in logged
            ):
                raise NotLoggedError(f"the certificate of {certificate.device_id.hex()[:16]} is not in the log")
            if decode_enrolment(credential.enrolment).key_id != certificate.issuer:
                raise VerifyError(Code.CERTIFICATE, "the chain names another enrolment key than the certificate")
            return certificate.device_id

        return check
