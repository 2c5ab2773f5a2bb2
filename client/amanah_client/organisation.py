"""An organisation's own acts: root, enrolment key, certificates, revocations, its vote on rosters.

All of it works on files and needs no network. The keys lie in the profile's keystore under the
names `root` and `enrolment`; who was certified stands in the profile's encrypted store.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Final

from amanah_client.home import Profile
from amanah_client.lookalikes import likeness
from amanah_protocol import identity, revocation
from amanah_protocol.cards import OrganisationCard, Reply, decode_organisation_card
from amanah_protocol.endorse import Endorsed, decode_endorsed, endorse
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Label
from amanah_protocol.roster import Organisation, decode_roster, verify_enrolment, verify_roster
from amanah_protocol.types import DeviceId, OrgName

_ROOT: Final = "root"
_ENROLMENT: Final = "enrolment"
_CARD: Final = "organisation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A device that this organisation certified.

    Attributes:
        device: The device.
        name: The person's or machine's name.
        certificate: Its certificate.
        revoked: Whether it was revoked here.
    """

    device: DeviceId
    name: str
    certificate: identity.Certificate
    revoked: bool


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def create_organisation(profile: Profile, name: OrgName) -> OrganisationCard:
    """Make root and enrolment key, and the card that goes into rosters.

    Raises:
        UsageError: `USAGE` when this profile is an organisation already.
    """
    root = profile.make_key(_ROOT)
    enrolment_key = profile.make_key(_ENROLMENT)
    document = identity.enrolment_document(name, enrolment_key.public, now_ms=_now_ms())
    endorsed = Endorsed(document=document, signatures=(endorse(document, root),))
    organisation = Organisation(name=name, threshold=1, roots=(root.public,))
    card = OrganisationCard(organisation=organisation, enrolment=endorsed.encode())
    profile.store.put_value(_CARD, card.encode())
    return card


def own_card(profile: Profile) -> OrganisationCard:
    """This organisation's card.

    Raises:
        UsageError: `NO_PROFILE` when this profile is no organisation.
    """
    data = profile.store.value(_CARD)
    if data is None:
        raise UsageError(
            Code.NO_PROFILE, "this profile is not an organisation's", hint="`amanah org init NAME` makes one."
        )
    return decode_organisation_card(data)


def namesakes(profile: Profile, request: identity.DeviceRequest, name: str) -> list[Issued]:
    """Devices in force that carry a name, or one that looks like it, for somebody else than the one who asks now.

    A second device of one person has the pseudonym of the first, so it is none of these.
    """
    now_ms = _now_ms()
    said = likeness(name)
    return [
        item
        for item in issued(profile)
        if likeness(item.name) == said
        and item.certificate.subject != request.subject
        and not item.revoked
        and item.certificate.not_after_ms > now_ms
    ]


def certify(
    profile: Profile,
    request: identity.DeviceRequest,
    *,
    name: str,
    ceiling: Label,
    roster: bytes,
    machine: identity.MachineLimits | None = None,
) -> Reply:
    """Certify a device under this organisation's name.

    Args:
        profile: The organisation's profile.
        request: The device's own request, decoded and thereby verified.
        name: What people call the officer or machine; goes into the sealed profile only.
        ceiling: Highest label for this device.
        roster: The encoded roster that the device is to trust.
        machine: Limits of a bot or sensor.

    Raises:
        UsageError: `USAGE` when the request is for another organisation.
        VerifyError: The roster does not hold or does not name this organisation's root.
    """
    card = own_card(profile)
    if request.organisation != card.organisation.name:
        detail = f"the device asks {request.organisation}, this is {card.organisation.name}"
        raise UsageError(Code.USAGE, detail, hint="Hand the request to the organisation that it names.")
    now_ms = _now_ms()
    trusted = verify_roster(decode_roster(roster), None, now_ms=now_ms)
    verify_enrolment(identity.decode_enrolment(card.enrolment), trusted, at_ms=now_ms)
    key = profile.key(_ENROLMENT)
    shown = identity.issue_profile(
        key, organisation=request.organisation, subject=request.subject, name=name, salt=secrets.token_bytes(16)
    )
    certificate = identity.issue_certificate(
        request, key, now_ms=now_ms, ceiling=ceiling, profile_mac=shown.mac, machine=machine
    )
    profile.store.put_issued(certificate.device_id, name, certificate.encoded)
    return Reply(certificate=certificate.encoded, enrolment=card.enrolment, profile=shown.encoded, roster=roster)


def issued(profile: Profile) -> list[Issued]:
    """Everybody this organisation certified."""
    return [
        Issued(
            device=device,
            name=name,
            certificate=identity.decode_certificate(certificate),
            revoked=gone is not None,
        )
        for device, name, certificate, gone in profile.store.issued()
    ]


def find_issued(profile: Profile, reference: str) -> Issued:
    """A certified device by its id, first digits of it, or its name.

    Raises:
        UsageError: `NOT_FOUND` when none or several fit.
    """
    wanted = reference.strip()
    everybody = issued(profile)
    found = [item for item in everybody if item.name == wanted or item.device.hex().startswith(wanted.lower())]
    if len(found) != 1:
        hint = "`amanah org show` lists them."
        raise UsageError(Code.NOT_FOUND, f"{len(found)} devices fit {reference!r}", hint=hint)
    return found[0]


def revoke(profile: Profile, item: Issued, *, reason: str, compromised_since_ms: int | None) -> revocation.Revocation:
    """Revoke a device; it counts from the moment the log has it."""
    key = profile.key(_ENROLMENT)
    made = revocation.issue_revocation(
        key,
        organisation=item.certificate.organisation,
        device=item.device,
        now_ms=_now_ms(),
        reason=reason,
        compromised_since_ms=compromised_since_ms,
    )
    profile.store.put_issued(item.device, item.name, item.certificate.encoded, made.encoded)
    return made


def sign_roster(profile: Profile, roster: bytes) -> bytes:
    """Add this organisation's root signature to a roster.

    Raises:
        DecodeError: It is not a roster.
        UsageError: `USAGE` when the roster does not name this root, which would be signed in vain.
    """
    root = profile.key(_ROOT)
    decoded = decode_roster(roster)
    if not any(root.public in organisation.roots for organisation in decoded.organisations):
        hint = "Have a roster made from the card that `amanah org card` prints."
        raise UsageError(Code.USAGE, "this roster does not name this organisation's root key", hint=hint)
    endorsed = decode_endorsed(roster)
    return endorsed.with_signature(endorse(endorsed.document, root)).encode()
