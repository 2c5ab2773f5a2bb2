"""Who is who: device requests, certificates, enrolment certificates, profiles.

The organisation's root endorses a yearly enrolment key, the enrolment key certifies the
organisation's own devices and nobody else's. A certificate is a CWT (RFC 8392) with a `cnf` key
(RFC 8747); it embeds the device's own signed request, so nobody certifies another's key under
its own name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from amanah_protocol import cbor, cose, endorse, limits
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey, hmac_sha256, same, sha256
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.names import decode_organisation, is_organisation
from amanah_protocol.types import DeviceId, KeyId, OrgName, PersonId, RoomId

ENROLMENT_PURPOSE: Final = "amanah/enrolment/1"

_ISS, _SUB, _EXP, _NBF, _CNF = 1, 2, 4, 5, 8
_ROLE, _SUITES, _CEILING, _PROFILE, _MACHINE, _REQUEST = -70002, -70003, -70004, -70005, -70006, -70007
_CLAIMS: Final = {_ISS, _SUB, _EXP, _NBF, _CNF, _ROLE, _SUITES, _CEILING, _PROFILE, _MACHINE, _REQUEST}
_OKP, _ED25519 = 1, 6
_MAX_SUITES: Final = 8
_MAX_CERTIFICATE_BYTES: Final = 2 * limits.KIB


class Role(IntEnum):
    """What a device may be; checked by members, never left to the relay."""

    OFFICER = 1
    BOT = 2
    SENSOR = 3
    AUDITOR = 4
    WITNESS = 5
    OPERATOR = 6


MEMBER_ROLES: Final = frozenset({Role.OFFICER, Role.BOT})
"""Roles that may be members of rooms."""

MACHINE_ROLES: Final = frozenset({Role.BOT, Role.SENSOR})
"""Roles whose certificates may hold `MachineLimits`."""


def parse_organisation(text: str) -> OrgName:
    """Check a DNS name of at least two labels, lower case.

    Raises:
        UsageError: `USAGE`.
    """
    name = text.strip().lower()
    if not is_organisation(name):
        raise UsageError(Code.USAGE, f"{text!r} is not a DNS name such as cert.example.tn")
    return OrgName(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRequest:
    """What a device asks to be certified as, signed by its own key.

    Attributes:
        organisation: The organisation asked.
        subject: The person's or machine's pseudonym, 16 bytes.
        role: The role asked for.
        nonce: 16 random bytes.
        public_key: The device's Ed25519 key.
        suites: Room suites that the device supports, ascending.
        encoded: The COSE_Sign1 as signed.
    """

    organisation: OrgName
    subject: PersonId
    role: Role
    nonce: bytes
    public_key: bytes
    suites: tuple[int, ...]
    encoded: bytes

    @property
    def device_id(self) -> DeviceId:
        """SHA-256 of the key."""
        return DeviceId(sha256(self.public_key))


def make_request(
    key: SigningKey, *, organisation: OrgName, subject: PersonId, role: Role, nonce: bytes, suites: tuple[int, ...]
) -> DeviceRequest:
    """Sign a request by the device's own key: proof of possession."""
    body = [organisation, subject, int(role), nonce, key.public, list(suites)]
    return decode_request(cose.sign(cose.Typ.REQUEST, body, key))


def decode_request(data: bytes) -> DeviceRequest:
    """Decode and verify a request against the key inside it.

    Raises:
        DecodeError: It does not parse.
        VerifyError: `KEY_ID` or `SIGNATURE`: it was not made with that key.
    """
    opened = cose.decode(data, cose.Typ.REQUEST, max_bytes=_MAX_CERTIFICATE_BYTES)
    f = cbor.Fields(opened.payload, 6, "device request")
    request = DeviceRequest(
        organisation=decode_organisation(f),
        subject=PersonId(f.fixed(16)),
        role=_role(f.uint()),
        nonce=f.fixed(16),
        public_key=f.fixed(32),
        suites=_suites(f),
        encoded=data,
    )
    cose.verify_opened(opened, request.public_key)
    return request


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineLimits:
    """What a machine may do, inside its certificate.

    Attributes:
        rooms: Rooms it may write to, ascending; empty means any it is a member of.
        kinds: Kinds it may send, ascending; empty means any that its role may.
        per_second: Envelopes a second, up to 1,000.
    """

    rooms: tuple[RoomId, ...] = ()
    kinds: tuple[Kind, ...] = ()
    per_second: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A device's certificate. Decoded is not verified: `verify_certificate` does that.

    Attributes:
        organisation: Issuer and only namespace.
        subject: Pseudonym of the person or machine.
        role: The one role.
        suites: Room suites supported.
        ceiling: Highest label that the device may send or receive.
        not_before_ms: Start of validity, whole seconds.
        not_after_ms: End of validity, at most 90 days later.
        public_key: The device's Ed25519 key.
        profile_mac: HMAC-SHA256(salt, profile): the name is not here.
        machine: Limits of a bot or sensor; None for other roles and where there are none.
        request: The device's own signed request.
        encoded: The COSE_Sign1 as signed.
        issuer: SHA-256 of the enrolment key.
    """

    organisation: OrgName
    subject: PersonId
    role: Role
    suites: tuple[int, ...]
    ceiling: Label
    not_before_ms: int
    not_after_ms: int
    public_key: bytes
    profile_mac: bytes
    machine: MachineLimits | None
    request: bytes
    encoded: bytes
    issuer: KeyId

    @property
    def device_id(self) -> DeviceId:
        """SHA-256 of the key."""
        return DeviceId(sha256(self.public_key))

    @property
    def hash(self) -> bytes:
        """SHA-256 of the encoded certificate."""
        return sha256(self.encoded)


def issue_certificate(
    request: DeviceRequest,
    enrolment_key: SigningKey,
    *,
    now_ms: int,
    ceiling: Label,
    profile_mac: bytes,
    machine: MachineLimits | None = None,
    lifetime_ms: int = limits.CERTIFICATE_MS,
) -> Certificate:
    """Certify a verified request for up to 90 days, from a minute back on."""
    start = now_ms // 1000 - 60
    limits_claim = None
    if machine is not None:
        limits_claim = [sorted(set(machine.rooms)), sorted(set(machine.kinds)), machine.per_second]
    claims = {
        _ISS: request.organisation, _SUB: request.subject.hex(), _EXP: start + lifetime_ms // 1000, _NBF: start,
        _CNF: {1: {1: _OKP, -1: _ED25519, -2: request.public_key}},
        _ROLE: int(request.role), _SUITES: list(request.suites), _CEILING: int(ceiling),
        _PROFILE: profile_mac, _MACHINE: limits_claim, _REQUEST: request.encoded,
    }  # fmt: skip
    return decode_certificate(cose.sign(cose.Typ.CERTIFICATE, claims, enrolment_key))


def decode_certificate(data: bytes) -> Certificate:
    """Decode a certificate; the issuer's signature is not verified here.

    Raises:
        DecodeError: It does not parse or has other claims than these.
    """
    opened = cose.decode(data, cose.Typ.CERTIFICATE, max_bytes=_MAX_CERTIFICATE_BYTES)
    claims = opened.payload
    if not isinstance(claims, dict) or set(claims) != _CLAIMS:
        raise DecodeError(Code.BAD_TYPE, "a certificate holds exactly its eleven claims")
    f = cbor.Fields(
        [claims[key] for key in (_ISS, _SUB, _EXP, _NBF, _ROLE, _SUITES, _CEILING, _PROFILE, _MACHINE, _REQUEST)],
        10,
        "certificate",
    )
    certificate = Certificate(
        organisation=decode_organisation(f),
        subject=_subject(f),
        not_after_ms=f.uint(2**40) * 1000,
        not_before_ms=f.uint(2**40) * 1000,
        role=_role(f.uint()),
        suites=_suites(f),
        ceiling=Label(f.uint(Label.RED)),
        profile_mac=f.fixed(32),
        machine=_machine(f.next()),
        request=f.blob(_MAX_CERTIFICATE_BYTES),
        public_key=_cnf_key(claims[_CNF]),
        encoded=data,
        issuer=KeyId(opened.kid),
    )
    if certificate.machine is not None and certificate.role not in MACHINE_ROLES:
        raise DecodeError(Code.BAD_TYPE, "limits of a machine stand in certificates of bots and sensors alone")
    return certificate


def verify_certificate_signature(certificate: Certificate, enrolment_public: bytes) -> None:
    """The enrolment key signed it, and the device's own request asks for just this.

    Raises:
        DecodeError: The embedded request does not parse.
        VerifyError: `KEY_ID`, `SIGNATURE`, or `CERTIFICATE` when request and claims differ.
    """
    cose.verify_opened(
        cose.decode(certificate.encoded, cose.Typ.CERTIFICATE, max_bytes=_MAX_CERTIFICATE_BYTES), enrolment_public
    )
    request = decode_request(certificate.request)
    asked = (request.organisation, request.subject, request.role, request.suites)
    given = (certificate.organisation, certificate.subject, certificate.role, certificate.suites)
    if asked != given or request.public_key != certificate.public_key:
        raise VerifyError(Code.CERTIFICATE, "the device did not ask for what the certificate says")


def check_validity(not_before_ms: int, not_after_ms: int, longest_ms: int, at_ms: int) -> None:
    """A validity of allowed length that includes `at_ms`.

    Raises:
        VerifyError: `CERTIFICATE` when it is too long, `EXPIRED` when the time is outside.
    """
    if not 0 < not_after_ms - not_before_ms <= longest_ms:
        raise VerifyError(Code.CERTIFICATE, "the validity is longer than allowed, or empty")
    if not not_before_ms <= at_ms <= not_after_ms:
        raise VerifyError(Code.EXPIRED, "outside its time of validity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """The yearly enrolment key of an organisation, endorsed by its root.

    Attributes:
        organisation: The organisation.
        public_key: The enrolment key.
        not_before_ms: Start of validity.
        not_after_ms: End, at most 366 days later.
        endorsed: Document and root signatures.
        earlier: SHA-256 of keys that are said to have endorsed the key in other records of it.
    """

    organisation: OrgName
    public_key: bytes
    not_before_ms: int
    not_after_ms: int
    endorsed: Endorsed
    earlier: frozenset[bytes] = frozenset()

    @property
    def key_id(self) -> KeyId:
        """SHA-256 of the enrolment key."""
        return KeyId(sha256(self.public_key))

    def with_endorsers_of(self, other: Enrolment) -> Enrolment:
        """This record, which knows besides who endorsed the key in another one, whose signatures were verified."""
        named = endorse.named_signers(other.endorsed, Typ.ENDORSEMENT)
        return replace(self, earlier=self.earlier | other.earlier | frozenset(named))


def enrolment_document(organisation: OrgName, public_key: bytes, *, now_ms: int) -> bytes:
    """The document that the root endorses; valid for a year, from a minute back on."""
    start = now_ms - 60_000
    return cbor.encode([ENROLMENT_PURPOSE, organisation, public_key, start, start + limits.ENROLMENT_MS])


def decode_enrolment(data: bytes) -> Enrolment:
    """Decode an endorsed enrolment certificate; signatures are not verified here.

    Raises:
        DecodeError: It does not parse.
    """
    endorsed = endorse.decode_endorsed(data, max_bytes=limits.MAX_CONTROL_BYTES)
    f = cbor.Fields(cbor.decode(endorsed.document, max_bytes=_MAX_CERTIFICATE_BYTES), 5, "enrolment certificate")
    endorse.check_purpose(f, ENROLMENT_PURPOSE)
    return Enrolment(
        organisation=decode_organisation(f),
        public_key=f.fixed(32),
        not_before_ms=f.uint(),
        not_after_ms=f.uint(),
        endorsed=endorsed,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The name behind a pseudonym, signed by the organisation, shown sealed inside rooms.

    Attributes:
        organisation: The organisation.
        subject: The pseudonym.
        name: What people call them, up to 253 characters.
        salt: 16 bytes; key of the certificate's `profile_mac`.
        encoded: The COSE_Sign1 as signed.
    """

    organisation: OrgName
    subject: PersonId
    name: str
    salt: bytes
    encoded: bytes

    @property
    def mac(self) -> bytes:
        """HMAC-SHA256(salt, profile): what the certificate holds."""
        return hmac_sha256(self.salt, cbor.encode([self.organisation, self.subject, self.name]))


def issue_profile(key: SigningKey, *, organisation: OrgName, subject: PersonId, name: str, salt: bytes) -> Profile:
    """Sign a profile by the enrolment key."""
    return decode_profile(cose.sign(cose.Typ.PROFILE, [organisation, subject, name, salt], key))


def decode_profile(data: bytes) -> Profile:
    """Decode a profile; `verify_profile` holds it against a certificate.

    Raises:
        DecodeError: It does not parse.
    """
    opened = cose.decode(data, cose.Typ.PROFILE, max_bytes=_MAX_CERTIFICATE_BYTES)
    f = cbor.Fields(opened.payload, 4, "profile")
    return Profile(
        organisation=decode_organisation(f),
        subject=PersonId(f.fixed(16)),
        name=f.text(limits.MAX_NAME_CHARS),
        salt=f.fixed(16),
        encoded=data,
    )


def verify_profile(profile: Profile, certificate: Certificate, enrolment_public: bytes) -> None:
    """The organisation signed this name for this certificate's subject.

    Raises:
        VerifyError: `KEY_ID`, `SIGNATURE`, or `BINDING` when the certificate is another's.
    """
    opened = cose.decode(profile.encoded, cose.Typ.PROFILE, max_bytes=_MAX_CERTIFICATE_BYTES)
    cose.verify_opened(opened, enrolment_public)
    # The key that signs profiles also fills in `profile_mac`: it could name another organisation.
    if (profile.organisation, profile.subject) != (certificate.organisation, certificate.subject):
        raise VerifyError(Code.BINDING, "the profile is of another organisation or person")
    if not same(profile.mac, certificate.profile_mac):
        raise VerifyError(Code.BINDING, "the profile is not the certificate's")


def _role(number: int) -> Role:
    try:
        return Role(number)
    except ValueError:
        raise DecodeError(Code.BAD_TYPE, "an unknown role") from None


def _subject(f: cbor.Fields) -> PersonId:
    """A CWT's `sub` is text (RFC 8392 section 3.1.2): 16 bytes in lower-case hex."""
    text = f.text(32)
    try:
        subject = bytes.fromhex(text)
    except ValueError:
        subject = b""
    # `fromhex` skips spaces and takes upper case: both would be a second spelling.
    if len(subject) != 16 or subject.hex() != text:
        raise DecodeError(Code.BAD_TYPE, "the subject is 16 bytes in hex")
    return PersonId(subject)


def _suites(f: cbor.Fields) -> tuple[int, ...]:
    items = f.array(_MAX_SUITES)
    suites = cbor.Fields(items, None, "suites")
    found = tuple(suites.uint(0xFFFF) for _ in items)
    if not found or list(found) != sorted(set(found)):
        raise DecodeError(Code.BAD_TYPE, "suites are named once each, ascending")
    return found


def _cnf_key(value: cbor.Value) -> bytes:
    key = value.get(1) if isinstance(value, dict) and set(value) == {1} else None
    if isinstance(key, dict) and set(key) == {1, -1, -2}:
        kty, crv, x = key[1], key[-1], key[-2]
        # Python holds `true` equal to 1: without the type there were two encodings of one key.
        curve = type(kty) is int and kty == _OKP and crv == _ED25519
        if curve and type(x) is bytes and len(x) == 32:
            return x
    raise DecodeError(Code.BAD_TYPE, "cnf holds one Ed25519 COSE_Key")


def _machine(value: cbor.Value) -> MachineLimits | None:
    if value is None:
        return None
    f = cbor.Fields(value, 3, "machine limits")
    rooms = tuple(RoomId(room) for room in f.sorted_array(16, limits.MAX_NAMED_DEVICES))
    items = f.array(len(Kind))
    numbers = cbor.Fields(items, None, "kinds")
    try:
        kinds = tuple(Kind(numbers.uint()) for _ in items)
    except ValueError:
        raise DecodeError(Code.BAD_TYPE, "an unknown kind") from None
    if list(kinds) != sorted(set(kinds)):
        raise DecodeError(Code.BAD_TYPE, "kinds are named once each, ascending")
    return MachineLimits(rooms=rooms, kinds=kinds, per_second=f.uint(1_000))
