"""Revocations: of a device by its organisation's enrolment key, of an enrolment key by the root.

A revocation counts from its place in the log: what was accepted before stays valid, and is marked
where the revocation names the time since which the key was in wrong hands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanah_protocol import cbor, cose, endorse, limits
from amanah_protocol.crypto import SigningKey
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.names import decode_organisation
from amanah_protocol.roster import Organisation
from amanah_protocol.types import DeviceId, KeyId, OrgName

ENROLMENT_REVOCATION_PURPOSE: Final = "amanah/enrolment-revocation/1"
_MAX_BYTES: Final = 4 * limits.KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A device is no longer to be trusted.

    Attributes:
        organisation: The device's organisation.
        device: The device.
        revoked_at_ms: The organisation's time; the log's place decides.
        compromised_since_ms: Since when the key was in wrong hands, if known.
        reason: A word for people, up to 253 characters.
        issuer: SHA-256 of the enrolment key that signed.
        encoded: The COSE_Sign1 as signed.
    """

    organisation: OrgName
    device: DeviceId
    revoked_at_ms: int
    compromised_since_ms: int | None
    reason: str
    issuer: KeyId
    encoded: bytes


def issue_revocation(
    key: SigningKey,
    *,
    organisation: OrgName,
    device: DeviceId,
    now_ms: int,
    reason: str,
    compromised_since_ms: int | None = None,
) -> Revocation:
    """Sign a revocation by the enrolment key."""
    body = [organisation, device, now_ms, compromised_since_ms, reason]
    return decode_revocation(cose.sign(cose.Typ.REVOCATION, body, key))


def decode_revocation(data: bytes) -> Revocation:
    """Decode a revocation; `verify_revocation` holds it against the enrolment key.

    Raises:
        DecodeError: It does not parse.
    """
    opened = cose.decode(data, cose.Typ.REVOCATION, max_bytes=_MAX_BYTES)
    f = cbor.Fields(opened.payload, 5, "revocation")
    return Revocation(
        organisation=decode_organisation(f),
        device=DeviceId(f.fixed(32)),
        revoked_at_ms=f.uint(),
        compromised_since_ms=f.optional_uint(),
        reason=f.text(limits.MAX_NAME_CHARS),
        issuer=KeyId(opened.kid),
        encoded=data,
    )


def verify_revocation(revocation: Revocation, enrolment_public: bytes) -> None:
    """The enrolment key signed it; that key and device are of one organisation is the caller's check.

    Raises:
        VerifyError: `KEY_ID` or `SIGNATURE`.
    """
    cose.verify_opened(cose.decode(revocation.encoded, cose.Typ.REVOCATION, max_bytes=_MAX_BYTES), enrolment_public)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentRevocation:
    """The root withdraws an enrolment key; certificates by it are refused from its log place on.

    Attributes:
        organisation: The organisation.
        enrolment: SHA-256 of the enrolment key.
        revoked_at_ms: The root's time.
        endorsed: Document and root signatures.
    """

    organisation: OrgName
    enrolment: KeyId
    revoked_at_ms: int
    endorsed: Endorsed


def enrolment_revocation_document(organisation: OrgName, enrolment: KeyId, *, now_ms: int) -> bytes:
    """The document that the root endorses."""
    return cbor.encode([ENROLMENT_REVOCATION_PURPOSE, organisation, enrolment, now_ms])


def decode_enrolment_revocation(data: bytes) -> EnrolmentRevocation:
    """Decode the root's withdrawal of an enrolment key; signatures are not verified here.

    Raises:
        DecodeError: It does not parse.
    """
    endorsed = endorse.decode_endorsed(data, max_bytes=limits.MAX_CONTROL_BYTES)
    f = cbor.Fields(cbor.decode(endorsed.document, max_bytes=_MAX_BYTES), 4, "enrolment revocation")
    endorse.check_purpose(f, ENROLMENT_REVOCATION_PURPOSE)
    return EnrolmentRevocation(
        organisation=decode_organisation(f),
        enrolment=KeyId(f.fixed(32)),
        revoked_at_ms=f.uint(),
        endorsed=endorsed,
    )


def verify_enrolment_revocation(revocation: EnrolmentRevocation, organisation: Organisation) -> None:
    """The root threshold of the organisation that it names endorsed it.

    Raises:
        VerifyError: `CERTIFICATE` when `organisation` is another than it names; `THRESHOLD`,
            `SIGNATURE` or `BINDING`.
    """
    if organisation.name != revocation.organisation:
        raise VerifyError(Code.CERTIFICATE, "a root withdraws enrolment keys of its own organisation only")
    endorse.verify_threshold(revocation.endorsed, organisation.roots, organisation.threshold)
