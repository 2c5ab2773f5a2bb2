"""Key packages: COSE_Sign1 (`typ` key package) by the device's own key.

payload = [ suite: 0xF0FF, init: bstr .size 32, not_before_ms: uint, not_after_ms: uint,
            last_resort: bool, certificate: bstr, enrolment: bstr ]
"""

from __future__ import annotations

from dataclasses import dataclass

from amanah_protocol import cbor, cose, identity, limits
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.group.flat.keys import KeyPair, is_usable
from amanah_protocol.group.flat.members import Member
from amanah_protocol.group.seam import Credential, KeyPackageInfo, OwnKeyPackage, Random
from amanah_protocol.group.suites import FLAT


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPackage:
    """A key package whose signature verifies; its credential's chain is the caller's to check.

    Attributes:
        info: What the seam shows of it.
        member: The leaf it becomes: welcomes and epoch secrets are sealed to its one X25519 key.
    """

    info: KeyPackageInfo
    member: Member


def own_device(key: SigningKey, credential: Credential) -> identity.Certificate:
    """The certificate of a credential, which must be this key's.

    Raises:
        DecodeError: The certificate does not parse.
        UsageError: `KEY_ID`.
    """
    certificate = identity.decode_certificate(credential.certificate)
    if certificate.public_key != key.public:
        raise UsageError(Code.KEY_ID, "the certificate is not of the device's key")
    return certificate


def make_key_package(
    key: SigningKey, credential: Credential, *, now_ms: int, last_resort: bool, random: Random
) -> OwnKeyPackage:
    """A fresh key package: valid from an hour back, at most 84 days, inside the certificate.

    Raises:
        UsageError: `EXPIRED` when the certificate is not valid now, `KEY_ID` when it is another's.
    """
    certificate = own_device(key, credential)
    if not certificate.not_before_ms <= now_ms < certificate.not_after_ms:
        raise UsageError(Code.EXPIRED, "no key package is made outside the certificate's time of validity")
    start = max(now_ms - limits.KEY_PACKAGE_BACKDATE_MS, certificate.not_before_ms)
    end = min(start + limits.KEY_PACKAGE_MS, certificate.not_after_ms)
    init = KeyPair.generate(random)
    payload = [FLAT, init.public, start, end, last_resort, credential.certificate, credential.enrolment]
    public = cose.sign(cose.Typ.KEY_PACKAGE, payload, key)
    return OwnKeyPackage(public=public, private=init.private, reference=sha256(public))


def verify_key_package(public: bytes) -> KeyPackage:
    """Decode a key package and verify its signature by the device key of its own certificate.

    Whoever hands it out could otherwise put his own key under the device's name (attack 19).

    Raises:
        DecodeError: It does not parse, is of another suite (`SUITE`), its lifetime is too long or
            outside the certificate's, or its key is a low-order point.
        VerifyError: `SIGNATURE` or `KEY_ID`.
    """
    opened = cose.decode(public, cose.Typ.KEY_PACKAGE, max_bytes=limits.MAX_KEY_PACKAGE_BYTES)
    f = cbor.Fields(opened.payload, 7, "key package")
    if f.uint() != FLAT:
        raise DecodeError(Code.SUITE, "a key package of another suite")
    init, not_before_ms, not_after_ms, last_resort = f.fixed(32), f.uint(), f.uint(), f.next()
    credential = Credential(
        certificate=f.blob(limits.MAX_KEY_PACKAGE_BYTES), enrolment=f.blob(limits.MAX_KEY_PACKAGE_BYTES)
    )
    if not isinstance(last_resort, bool) or not is_usable(init):
        raise DecodeError(Code.BAD_TYPE, "key package: last_resort or key is not valid")
    certificate = identity.decode_certificate(credential.certificate)
    _check_lifetime(certificate, not_before_ms, not_after_ms)
    cose.verify_opened(opened, certificate.public_key)
    info = KeyPackageInfo(
        suite=FLAT,
        credential=credential,
        not_before_ms=not_before_ms,
        not_after_ms=not_after_ms,
        last_resort=last_resort,
        reference=sha256(public),
    )
    return KeyPackage(info=info, member=Member(device=certificate.device_id, credential=credential, leaf=init))


def _check_lifetime(certificate: identity.Certificate, not_before_ms: int, not_after_ms: int) -> None:
    if not 0 < not_after_ms - not_before_ms <= limits.KEY_PACKAGE_MS:
        raise DecodeError(Code.BAD_TYPE, "key package: it lives at most 84 days, and not less than nothing")
    if not_before_ms < certificate.not_before_ms or not_after_ms > certificate.not_after_ms:
        raise DecodeError(Code.BAD_TYPE, "key package: it lives no longer than the certificate")
