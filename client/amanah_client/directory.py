"""Names for people: which officer of which organisation a device id is.

Certificates come from the verified control stream, names from profiles that were verified when they
arrived sealed in a room. The relay knows neither name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import msgspec

from amanah_client.lookalikes import likeness
from amanah_client.model import ControlRow
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import Certificate, Profile, Role, decode_certificate, decode_profile
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.revocation import decode_revocation
from amanah_protocol.types import DeviceId, OrgName, PersonId


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """Who a device is, as far as this client knows.

    Attributes:
        device: The device.
        organisation: Its organisation, "" if no certificate is known.
        role: Its role, None if unknown.
        name: The person's or machine's name, or the first digits of the pseudonym.
        revoked: Whether a revocation was logged.
        subject: The person's pseudonym, which the organisation alone resolves; None if unknown.
        namesakes: Whether somebody else of the organisation has this name, or one that looks like it.
        ceiling: The highest label that it is certified for; None if unknown.
    """

    device: DeviceId
    organisation: OrgName
    role: Role | None
    name: str
    revoked: bool
    subject: PersonId | None = None
    namesakes: bool = False
    ceiling: Label | None = None

    @property
    def text(self) -> str:
        """`name (organisation)`."""
        return f"{self.name} ({self.organisation})" if self.organisation else self.name

    def may_erase(self, sender: DeviceId, owner: OrgName | None) -> bool:
        """Whether an `erase` of this device drops what that one sent (`docs/protocol.md`, section 5).

        A device erases what it sent itself, and not what another one of the same person did; an officer of the
        organisation that owns the room erases anything.
        """
        return sender == self.device or (self.role is Role.OFFICER and self.organisation == owner)


class Directory:
    """A view over control rows and profiles; made anew when they change."""

    def __init__(self, control: tuple[ControlRow, ...], profiles: tuple[bytes, ...]) -> None:
        self.certificates: dict[DeviceId, Certificate] = {}
        self._roles: dict[DeviceId, list[tuple[int, Role]]] = {}
        self._revoked: set[DeviceId] = set()
        for row in control:
            if row.type == LeafType.CERTIFICATE:
                certificate = decode_certificate(row.object)
                self.certificates[certificate.device_id] = certificate
                self._roles.setdefault(certificate.device_id, []).append((row.index, certificate.role))
            elif row.type == LeafType.REVOCATION and row.document is None:
                self._revoked.add(decode_revocation(row.object).device)
        self._profiles = {(p.organisation, p.subject): p for p in map(decode_profile, profiles)}
        self._names = Counter((profile.organisation, likeness(profile.name)) for profile in self._profiles.values())

    def profile(self, organisation: OrgName, subject: PersonId) -> Profile | None:
        """The verified profile of a pseudonym, if it was seen."""
        return self._profiles.get((organisation, subject))

    def party(self, device: DeviceId, *, before: int | None = None) -> Party:
        """Who a device is.

        Args:
            device: The device.
            before: A log index: the role is then that of its certificate there. Else a newer certificate would change
                what an entry came to, and a nation could take back what it said by a certificate for its device.
        """
        certificate = self.certificates.get(device)
        if certificate is None:
            return Party(device=device, organisation=OrgName(""), role=None, name=device.hex()[:16], revoked=False)
        profile = self.profile(certificate.organisation, certificate.subject)
        return Party(
            device=device,
            organisation=certificate.organisation,
            role=certificate.role if before is None else self._role(device, before),
            name=profile.name if profile else certificate.subject.hex()[:8],
            revoked=device in self._revoked,
            subject=certificate.subject,
            namesakes=profile is not None and self._names[profile.organisation, likeness(profile.name)] > 1,
            ceiling=certificate.ceiling,
        )

    def _role(self, device: DeviceId, before: int) -> Role | None:
        logged = [role for index, role in self._roles[device] if index < before]
        return logged[-1] if logged else None


def find_devices(members: Collection[Party], reference: str, where: str, *, prefix_min: int) -> tuple[DeviceId, ...]:
    """The members' devices that an organisation, a name or first digits of a device id name.

    Args:
        members: Who is in.
        reference: What was typed.
        where: In what, for the error.
        prefix_min: So many first digits stand for an id.

    Raises:
        UsageError: `NOT_FOUND` when nobody fits; `USAGE` when digits or a name fit several parties.
    """
    wanted = reference.strip()
    if whole := tuple(party.device for party in members if party.organisation == wanted.lower()):
        return whole
    found = [party for party in members if party.name == wanted or party.device.hex() == wanted.lower()]
    if not found and len(wanted) >= prefix_min:
        found = [party for party in members if party.device.hex().startswith(wanted.lower())]
    if not found:
        hint = "`amanah room show` lists who is in."
        raise UsageError(Code.NOT_FOUND, f"nobody in {where!r} is called {reference!r}", hint=hint)
    # By the pseudonym: one person may have several devices, and two may have one name.
    if len({(party.organisation, party.subject) for party in found}) > 1:
        hint = "Name the device, which `amanah room show` lists."
        raise UsageError(Code.USAGE, f"{len(found)} members are called {reference!r}", hint=hint)
    return tuple(party.device for party in found)
