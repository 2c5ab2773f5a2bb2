"""A device's own part of enrolment: the request it signs and the reply it installs."""

from __future__ import annotations

import secrets
import time
from typing import Final

from mnemonic import Mnemonic

from amanah_client.audit.local import remember_roster
from amanah_client.home import Profile
from amanah_protocol.cards import Reply, fingerprint
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.group.suites import SUPPORTED
from amanah_protocol.identity import (
    Certificate,
    DeviceRequest,
    Role,
    decode_certificate,
    decode_enrolment,
    decode_profile,
    decode_request,
    make_request,
    verify_profile,
)
from amanah_protocol.roster import Roster, decode_roster, verify_certificate, verify_roster
from amanah_protocol.types import OrgName, PersonId
from amanah_protocol.verified import Verified

_DEVICE: Final = "device"
_REQUEST: Final = "request"


def request_device(
    profile: Profile, *, organisation: OrgName, role: Role, subject: PersonId | None = None
) -> DeviceRequest:
    """Make the device key, which never leaves, and the signed request for a certificate.

    Args:
        profile: A profile without a device key.
        organisation: Whom to ask.
        role: As what.
        subject: The pseudonym of an officer who has another device already; random by default.

    Raises:
        UsageError: `USAGE` when this profile has a device key already.
    """
    key = profile.make_key(_DEVICE)
    request = make_request(
        key,
        organisation=organisation,
        subject=subject or PersonId(secrets.token_bytes(16)),
        role=role,
        nonce=secrets.token_bytes(16),
        suites=tuple(sorted(SUPPORTED)),
    )
    profile.store.put_value(_REQUEST, request.encoded)
    return request


def own_request(profile: Profile) -> DeviceRequest:
    """The request made in this profile.

    Raises:
        UsageError: `NO_PROFILE`.
    """
    data = profile.store.value(_REQUEST)
    if data is None:
        raise UsageError(Code.NO_PROFILE, "no device was requested here")
    return decode_request(data)


def install_reply(profile: Profile, reply: Reply) -> Verified[Certificate]:
    """Verify everything in a reply against this device's own request, and keep it.

    The roster in it is this device's first trust: it comes from the own organisation by hand, and
    two people compare `words` of it; a relay never gives it.

    Raises:
        UsageError: `USAGE` when the reply is for another device or organisation.
        VerifyError: Something in it does not hold.
    """
    request = own_request(profile)
    certificate = decode_certificate(reply.certificate)
    if certificate.public_key != request.public_key or certificate.organisation != request.organisation:
        hint = "Name by --home the profile whose request was certified."
        raise UsageError(Code.USAGE, "this reply is for another device", hint=hint)
    now_ms = time.time_ns() // 1_000_000
    enrolment = decode_enrolment(reply.enrolment)
    roster = verify_roster(decode_roster(reply.roster), None, now_ms=now_ms)
    verified = verify_certificate(certificate, enrolment, roster, at_ms=now_ms)
    verify_profile(decode_profile(reply.profile), certificate, enrolment.public_key)
    profile.store.install(
        certificate=reply.certificate, enrolment=reply.enrolment, profile=reply.profile, roster=reply.roster
    )
    remember_roster(profile, reply.roster)
    return verified


def install_roster(profile: Profile, data: bytes) -> Verified[Roster]:
    """Replace the roster by a newer one that the old and the new organisations signed.

    Raises:
        VerifyError: `THRESHOLD`, `ROLLBACK`, `EXPIRED`, `SIGNATURE` or `BINDING`.
    """
    now_ms = time.time_ns() // 1_000_000
    stored = profile.store.value("roster")
    previous = None
    if stored:
        held = decode_roster(stored)
        # An expired roster still says who must sign its successor, so it is judged at its own time.
        previous = verify_roster(held, None, now_ms=held.issued_ms)
    verified = verify_roster(decode_roster(data), previous, now_ms=now_ms)
    profile.store.put_value("roster", data)
    remember_roster(profile, data)
    return verified


def words(data: bytes) -> str:
    """Eight words of a file's fingerprint, for two people to compare by voice (88 bits)."""
    listed = Mnemonic("english").wordlist
    return " ".join(listed[number] for number in fingerprint(data))
