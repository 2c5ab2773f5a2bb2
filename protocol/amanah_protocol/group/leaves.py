"""What a device puts into the leaves of rooms: its certificate as credential, its device key as signature key."""

from __future__ import annotations

from typing import Final

from amanah_protocol import limits
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.group.seam import CheckCredential, Credential
from amanah_protocol.group.suites import SUPPORTED
from amanah_protocol.identity import Certificate, decode_certificate
from amanah_protocol.mls.codec import Reader, decode, opaque
from amanah_protocol.mls.credential import Credential as MlsCredential
from amanah_protocol.mls.credential import CredentialType, ExtensionType
from amanah_protocol.mls.leaf_node import MLS10, Capabilities, Identity, LeafNode, Lifetime
from amanah_protocol.types import DeviceId

CAPABILITIES: Final = Capabilities(
    versions=(MLS10,),
    suites=SUPPORTED,
    extensions=(ExtensionType.LAST_RESORT, ExtensionType.ROOM_POLICY),
    credentials=(CredentialType.AMANAH,),
)
"""What a device of this version supports beyond the defaults."""


def identity_of(key: SigningKey, credential: Credential) -> Identity:
    """What a device says in its leaves."""
    value = opaque(credential.certificate) + opaque(credential.enrolment)
    return Identity(
        key=key,
        credential=MlsCredential(CredentialType.AMANAH, value),
        capabilities=CAPABILITIES,
    )


def credential_of(leaf: LeafNode) -> Credential:
    """The chain in a leaf.

    Raises:
        DecodeError: It does not parse.
        VerifyError: `CERTIFICATE` when the credential is of another type.
    """
    if leaf.credential.type != CredentialType.AMANAH:
        raise VerifyError(Code.CERTIFICATE, "a leaf without a device certificate")
    return decode(leaf.credential.value, _read_credential)


def _read_credential(reader: Reader) -> Credential:
    return Credential(certificate=reader.opaque(), enrolment=reader.opaque())


def device_of(leaf: LeafNode) -> DeviceId:
    """The device whose key signs a leaf."""
    return DeviceId(sha256(leaf.signature_key))


def check_device(leaf: LeafNode, check: CheckCredential) -> None:
    """The chain in a leaf is that of the device whose key signs it.

    Raises:
        DecodeError: It does not parse.
        VerifyError: `KEY_ID`, `CERTIFICATE`, or what `check` raises.
    """
    if check(credential_of(leaf)) != device_of(leaf):
        raise VerifyError(Code.KEY_ID, "a leaf with another device's certificate")


def check_own(key: SigningKey, credential: Credential) -> Certificate:
    """The own certificate, which is of the own key: with another one in its leaf, nobody would take this device.

    Raises:
        DecodeError: The certificate does not parse.
        UsageError: `KEY_ID`.
    """
    certificate = decode_certificate(credential.certificate)
    if certificate.public_key != key.public:
        raise UsageError(Code.KEY_ID, "the certificate is not of the device's key")
    return certificate


def lifetime_of(key: SigningKey, credential: Credential, now_ms: int) -> Lifetime:
    """From an hour back, at most 84 days in all, inside the certificate.

    Raises:
        DecodeError: The own certificate does not parse.
        UsageError: `KEY_ID` when it is not this key's, `EXPIRED` when it is not valid now.
    """
    certificate = check_own(key, credential)
    if not certificate.not_before_ms <= now_ms < certificate.not_after_ms:
        raise UsageError(Code.EXPIRED, "no leaf is made outside the certificate's time of validity")
    not_before_ms = max(now_ms - limits.KEY_PACKAGE_BACKDATE_MS, certificate.not_before_ms)
    not_after_ms = min(not_before_ms + limits.KEY_PACKAGE_MS, certificate.not_after_ms)
    return Lifetime(not_before_ms // 1000, not_after_ms // 1000)
