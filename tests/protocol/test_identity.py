from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from amanah_protocol import cbor, cose, identity, limits
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey, hmac_sha256, sha256
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.identity import Certificate, MachineLimits, Role
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.types import OrgName, PersonId, RoomId
from tests.protocol.refusal import refused
from tests.vectors import examples as x

ISSUER: Final = x.nation(x.TN).enrolment_key
REQUEST: Final = x.request()
CERTIFICATE: Final = x.certificate()
MA: Final = x.NAMES[0]

Payload = Any  # a decoded payload that a test takes apart and spoils


def payload(encoded: bytes) -> Payload:
    return cbor.decode(cose.decode_sign1(encoded, max_bytes=4_096).payload, max_bytes=4_096)


def signed(typ: Typ, value: object, key: SigningKey) -> bytes:
    return cose.sign(typ, value, key)


def test_a_request_is_read_back() -> None:
    found = identity.decode_request(REQUEST.encoded)
    assert found == REQUEST
    assert found.device_id == sha256(x.OFFICER.public) == x.KID
    assert (found.organisation, found.role, found.suites) == (x.TN, Role.OFFICER, (x.SUITE,))


WRONG_REQUESTS: Final[list[tuple[int, object, Code]]] = [
    (0, "CERT.example.tn", Code.BAD_TYPE),
    (0, "tn", Code.BAD_TYPE),
    (1, bytes(15), Code.BAD_TYPE),
    (2, 0, Code.BAD_TYPE),
    (2, 7, Code.BAD_TYPE),
    (2, True, Code.BAD_TYPE),
    (3, bytes(17), Code.BAD_TYPE),
    (4, bytes(31), Code.BAD_TYPE),
    (4, x.RELAY_KEY.public, Code.KEY_ID),
    (5, [], Code.BAD_TYPE),
    (5, [2, 1], Code.BAD_TYPE),
    (5, [1, 1], Code.BAD_TYPE),
    (5, [0x10000], Code.BAD_TYPE),
    (5, list(range(9)), Code.BAD_TYPE),
]


@pytest.mark.parametrize(("place", "wrong", "code"), WRONG_REQUESTS)
def test_a_request_with_another_field_is_refused_though_its_signature_holds(
    place: int, wrong: object, code: Code
) -> None:
    row = payload(REQUEST.encoded)
    identity.decode_request(signed(Typ.REQUEST, row, x.OFFICER))
    row[place] = wrong
    with refused(code):
        identity.decode_request(signed(Typ.REQUEST, row, x.OFFICER))


@pytest.mark.parametrize("row", [[], {}, payload(REQUEST.encoded)[:-1], [*payload(REQUEST.encoded), 0]])
def test_a_request_of_another_length_is_refused(row: Payload) -> None:
    with refused(Code.BAD_TYPE, DecodeError):
        identity.decode_request(signed(Typ.REQUEST, row, x.OFFICER))


def test_a_request_for_anothers_key_is_refused() -> None:
    # The kid names the victim's key, as the payload does; the signature is the thief's.
    parts = cose.decode_sign1(REQUEST.encoded, max_bytes=4_096)
    stolen = cose.encode_sign1(parts.protected, parts.payload, x.key("thief").sign(parts.signed_bytes))
    with refused(Code.SIGNATURE, VerifyError):
        identity.decode_request(stolen)


@pytest.mark.parametrize("role", [Role.OFFICER, Role.BOT, Role.SENSOR, Role.AUDITOR, Role.WITNESS, Role.OPERATOR])
def test_a_certificate_is_read_back_and_verified(role: Role) -> None:
    certificate = x.certificate(role)
    assert identity.decode_certificate(certificate.encoded) == certificate
    identity.verify_certificate_signature(certificate, ISSUER.public)
    request = x.request(role)
    assert certificate.device_id == request.device_id
    assert (certificate.organisation, certificate.subject, certificate.role) == (x.TN, request.subject, role)
    assert certificate.issuer == ISSUER.key_id
    assert certificate.hash == sha256(certificate.encoded)
    assert (certificate.machine is None) == (role not in identity.MACHINE_ROLES)


def test_a_certificate_is_valid_for_ninety_days_from_a_minute_back() -> None:
    assert CERTIFICATE.not_before_ms == x.NOW_MS - 60_000
    assert CERTIFICATE.not_after_ms - CERTIFICATE.not_before_ms == limits.CERTIFICATE_MS


def test_a_certificate_holds_no_name() -> None:
    assert x.profile().name.encode() not in CERTIFICATE.encoded


def test_the_limits_of_a_machine_are_read_back_in_order() -> None:
    rooms = (RoomId(b"\2" * 16), RoomId(b"\1" * 16), RoomId(b"\2" * 16))
    issued = identity.issue_certificate(
        x.request(Role.BOT),
        ISSUER,
        now_ms=x.NOW_MS,
        ceiling=Label.AMBER,
        profile_mac=bytes(32),
        machine=MachineLimits(rooms=rooms, kinds=(Kind.COUNTS, Kind.ALERT), per_second=1_000),
        lifetime_ms=86_400_000,
    )
    assert issued.machine == MachineLimits(
        rooms=(rooms[1], rooms[0]), kinds=(Kind.ALERT, Kind.COUNTS), per_second=1_000
    )
    assert issued.not_after_ms - issued.not_before_ms == 86_400_000


def certificate_with(claims: Payload, key: SigningKey = ISSUER) -> bytes:
    return signed(Typ.CERTIFICATE, claims, key)


OFFICER_CLAIMS: Final[dict[Any, Any]] = payload(CERTIFICATE.encoded)
BOT_CLAIMS: Final[dict[Any, Any]] = payload(x.certificate(Role.BOT).encoded)
COSE_KEY: Final[dict[Any, Any]] = OFFICER_CLAIMS[8][1]

WRONG_CLAIMS: Final[dict[str, dict[Any, Any]]] = {
    **{f"without {claim}": {k: v for k, v in OFFICER_CLAIMS.items() if k != claim} for claim in OFFICER_CLAIMS},
    "an audience": OFFICER_CLAIMS | {3: "relay.example"},
    "an unknown claim": OFFICER_CLAIMS | {"admin": True},
    "issuer in upper case": OFFICER_CLAIMS | {1: "Cert.example.tn"},
    "issuer with a trailing dot": OFFICER_CLAIMS | {1: "cert.example.tn."},
    "subject in upper case": OFFICER_CLAIMS | {2: "AB" * 16},
    "subject with spaces": OFFICER_CLAIMS | {2: "ab " * 10 + "ab"},
    "subject of 15 bytes": OFFICER_CLAIMS | {2: "ab" * 15},
    "subject of 17 bytes": OFFICER_CLAIMS | {2: "ab" * 17},
    "subject of half bytes": OFFICER_CLAIMS | {2: "abc"},
    "subject not hexadecimal": OFFICER_CLAIMS | {2: "zz" * 16},
    "subject as bytes": OFFICER_CLAIMS | {2: bytes(16)},
    "expiry as text": OFFICER_CLAIMS | {4: "tomorrow"},
    "expiry beyond all time": OFFICER_CLAIMS | {4: 2**40 + 1},
    "negative start": OFFICER_CLAIMS | {5: -1},
    "start beyond all time": OFFICER_CLAIMS | {5: 2**40 + 1},
    "cnf without a key": OFFICER_CLAIMS | {8: {}},
    "cnf with an encrypted key": OFFICER_CLAIMS | {8: {2: b""}},
    "cnf with a kid beside": OFFICER_CLAIMS | {8: {1: COSE_KEY, 3: b""}},
    "cnf as bytes": OFFICER_CLAIMS | {8: x.OFFICER.public},
    "cnf key as bytes": OFFICER_CLAIMS | {8: {1: x.OFFICER.public}},
    "cnf key with a private part": OFFICER_CLAIMS | {8: {1: COSE_KEY | {-4: bytes(32)}}},
    "cnf key of EC2": OFFICER_CLAIMS | {8: {1: COSE_KEY | {1: 2}}},
    "cnf key type true": OFFICER_CLAIMS | {8: {1: COSE_KEY | {1: True}}},
    "cnf key on X25519": OFFICER_CLAIMS | {8: {1: COSE_KEY | {-1: 4}}},
    "cnf key of 31 bytes": OFFICER_CLAIMS | {8: {1: COSE_KEY | {-2: bytes(31)}}},
    "cnf key as text": OFFICER_CLAIMS | {8: {1: COSE_KEY | {-2: "x" * 32}}},
    "role 0": OFFICER_CLAIMS | {-70002: 0},
    "role 7": OFFICER_CLAIMS | {-70002: 7},
    "role true": OFFICER_CLAIMS | {-70002: True},
    "no suites": OFFICER_CLAIMS | {-70003: []},
    "label 5": OFFICER_CLAIMS | {-70004: 5},
    "profile of 31 bytes": OFFICER_CLAIMS | {-70005: bytes(31)},
    "limits of a machine for an officer": OFFICER_CLAIMS | {-70006: [[], [], 1]},
    "request above 2 KiB": OFFICER_CLAIMS | {-70007: None},
    "limits of two fields": BOT_CLAIMS | {-70006: [[], []]},
    "limits as a map": BOT_CLAIMS | {-70006: {}},
    "limits false": BOT_CLAIMS | {-70006: False},
    "rooms descending": BOT_CLAIMS | {-70006: [[b"\2" * 16, b"\1" * 16], [], 1]},
    "room of 15 bytes": BOT_CLAIMS | {-70006: [[bytes(15)], [], 1]},
    "unknown kind": BOT_CLAIMS | {-70006: [[], [17], 1]},
    "kinds descending": BOT_CLAIMS | {-70006: [[], [5, 4], 1]},
    "kind twice": BOT_CLAIMS | {-70006: [[], [5, 5], 1]},
    "rate above 1,000": BOT_CLAIMS | {-70006: [[], [], 1_001]},
}


@pytest.mark.parametrize("claims", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
def test_a_certificate_with_another_claim_is_refused_though_its_signature_holds(claims: dict[Any, Any]) -> None:
    identity.decode_certificate(certificate_with(OFFICER_CLAIMS))
    identity.decode_certificate(certificate_with(BOT_CLAIMS))
    with refused(Code.BAD_TYPE, DecodeError):
        identity.decode_certificate(certificate_with(claims))


def test_claims_that_are_no_map_are_refused() -> None:
    with refused(Code.BAD_TYPE, DecodeError):
        identity.decode_certificate(certificate_with([]))


def test_a_bot_may_be_certified_without_limits() -> None:
    assert identity.decode_certificate(certificate_with(BOT_CLAIMS | {-70006: None})).machine is None


DIFFERING: Final[dict[str, dict[Any, Any]]] = {
    "another organisation": {1: MA},
    "another person": {2: "ab" * 16},
    "another role": {-70002: int(Role.OPERATOR)},
    "another suite": {-70003: [1]},
    "another device's key": {8: {1: COSE_KEY | {-2: x.RELAY_KEY.public}}},
}


@pytest.mark.parametrize("change", DIFFERING.values(), ids=DIFFERING)
def test_nobody_is_certified_for_what_the_device_did_not_ask(change: dict[Any, Any]) -> None:
    identity.verify_certificate_signature(identity.decode_certificate(certificate_with(OFFICER_CLAIMS)), ISSUER.public)
    certificate = identity.decode_certificate(certificate_with(OFFICER_CLAIMS | change))
    with refused(Code.CERTIFICATE, VerifyError):
        identity.verify_certificate_signature(certificate, ISSUER.public)


def test_anothers_key_is_not_certified_under_the_own_name() -> None:
    # An organisation has only seen the victim's request, made for the victim's own organisation.
    stolen = identity.issue_certificate(
        replace(x.request(Role.OFFICER, MA), organisation=x.TN),
        ISSUER,
        now_ms=x.NOW_MS,
        ceiling=Label.RED,
        profile_mac=bytes(32),
    )
    with refused(Code.CERTIFICATE, VerifyError):
        identity.verify_certificate_signature(stolen, ISSUER.public)


@pytest.mark.parametrize(
    ("request_bytes", "code"),
    [(b"", Code.MALFORMED), (x.profile().encoded, Code.BAD_HEADER), (REQUEST.encoded[:-1] + b"\0", Code.SIGNATURE)],
    ids=["none", "a profile", "a bad signature"],
)
def test_a_certificate_without_a_valid_request_inside_is_refused(request_bytes: bytes, code: Code) -> None:
    certificate = identity.decode_certificate(certificate_with(OFFICER_CLAIMS | {-70007: request_bytes}))
    with refused(code):
        identity.verify_certificate_signature(certificate, ISSUER.public)


def test_a_certificate_is_verified_by_the_key_that_issued_it_alone() -> None:
    with refused(Code.KEY_ID, VerifyError):
        identity.verify_certificate_signature(CERTIFICATE, x.nation(MA).enrolment_key.public)
    parts = cose.decode_sign1(CERTIFICATE.encoded, max_bytes=4_096)
    forged = cose.encode_sign1(parts.protected, parts.payload, x.key("thief").sign(parts.signed_bytes))
    with refused(Code.SIGNATURE, VerifyError):
        identity.verify_certificate_signature(identity.decode_certificate(forged), ISSUER.public)


@pytest.mark.parametrize("encoded", [REQUEST.encoded, x.profile().encoded, x.message().encoded])
def test_another_signed_object_is_no_certificate(encoded: bytes) -> None:
    with refused(Code.BAD_HEADER, DecodeError):
        identity.decode_certificate(encoded)


def test_a_certificate_is_at_most_two_kibibytes() -> None:
    with refused(Code.TOO_LARGE, DecodeError):
        identity.decode_certificate(bytes(2 * limits.KIB + 1))


@pytest.mark.parametrize("at_ms", [1_000, 1_500, 2_000])
def test_a_validity_includes_both_its_ends(at_ms: int) -> None:
    identity.check_validity(1_000, 2_000, 1_000, at_ms)


def test_a_validity_of_a_millisecond_is_one() -> None:
    identity.check_validity(1_000, 1_001, 1_000, 1_000)


@pytest.mark.parametrize("at_ms", [999, 2_001])
def test_outside_its_validity_a_certificate_is_expired(at_ms: int) -> None:
    with refused(Code.EXPIRED, VerifyError):
        identity.check_validity(1_000, 2_000, 1_000, at_ms)


@pytest.mark.parametrize(("start", "end"), [(1_000, 2_001), (1_000, 1_000), (2_000, 1_000)])
def test_a_validity_that_is_too_long_or_empty_is_refused(start: int, end: int) -> None:
    with refused(Code.CERTIFICATE, VerifyError):
        identity.check_validity(start, end, 1_000, 1_000)


def test_an_enrolment_certificate_is_read_back() -> None:
    enrolment = x.nation(x.TN).enrolment
    assert identity.decode_enrolment(enrolment.endorsed.encode()) == enrolment
    assert enrolment.key_id == sha256(enrolment.public_key)
    assert enrolment.not_after_ms - enrolment.not_before_ms == limits.ENROLMENT_MS
    assert enrolment.not_before_ms == x.NOW_MS - 60_000


WRONG_ENROLMENTS: Final[list[tuple[int, object]]] = [
    (0, "amanah/roster/1"),
    (0, 1),
    (1, "Cert.example.tn"),
    (2, bytes(31)),
    (3, -1),
    (4, None),
]


@pytest.mark.parametrize(("place", "wrong"), WRONG_ENROLMENTS)
def test_an_enrolment_certificate_with_another_field_is_refused(place: int, wrong: object) -> None:
    endorsed = x.nation(x.TN).enrolment.endorsed
    row: Payload = cbor.decode(endorsed.document, max_bytes=4_096)
    row[place] = wrong
    with refused(Code.BAD_TYPE, DecodeError):
        identity.decode_enrolment(replace(endorsed, document=cbor.encode(row)).encode())


def test_an_enrolment_certificate_is_bounded() -> None:
    with refused(Code.TOO_LARGE, DecodeError):
        identity.decode_enrolment(bytes(limits.MAX_CONTROL_BYTES + 1))
    endorsed = replace(x.nation(x.TN).enrolment.endorsed, document=bytes(2 * limits.KIB + 1))
    with refused(Code.TOO_LARGE, DecodeError):
        identity.decode_enrolment(endorsed.encode())


def test_a_profile_is_read_back_and_belongs_to_its_certificate() -> None:
    profile = x.profile()
    assert identity.decode_profile(profile.encoded) == profile
    assert profile.mac == hmac_sha256(profile.salt, cbor.encode([x.TN, REQUEST.subject, "Officer A"]))
    identity.verify_profile(profile, CERTIFICATE, ISSUER.public)


def issue(
    *, organisation: OrgName = x.TN, subject: PersonId = REQUEST.subject, name: str = "Officer A", salt: bytes
) -> identity.Profile:
    return identity.issue_profile(ISSUER, organisation=organisation, subject=subject, name=name, salt=salt)


def test_a_profile_with_another_name_or_salt_is_refused() -> None:
    salt = x.profile().salt
    for profile in (issue(name="Officer B", salt=salt), issue(salt=bytes(16))):
        with refused(Code.BINDING, VerifyError):
            identity.verify_profile(profile, CERTIFICATE, ISSUER.public)


@pytest.mark.parametrize("change", [{"organisation": MA}, {"subject": PersonId(bytes(16))}])
def test_a_certificate_cannot_commit_to_a_profile_of_somebody_else(change: dict[str, Any]) -> None:
    profile = issue(salt=bytes(16), **change)
    certificate: Certificate = replace(CERTIFICATE, profile_mac=profile.mac)
    with refused(Code.BINDING, VerifyError):
        identity.verify_profile(profile, certificate, ISSUER.public)


def test_a_profile_by_another_organisation_is_refused() -> None:
    other = x.nation(MA).enrolment_key
    profile = identity.issue_profile(
        other, organisation=x.TN, subject=REQUEST.subject, name="Officer A", salt=x.profile().salt
    )
    with refused(Code.KEY_ID, VerifyError):
        identity.verify_profile(profile, CERTIFICATE, ISSUER.public)


WRONG_PROFILES: Final[list[tuple[int, object]]] = [(0, "tn"), (1, bytes(15)), (2, "x" * 254), (2, b"x"), (3, bytes(17))]


@pytest.mark.parametrize(("place", "wrong"), WRONG_PROFILES)
def test_a_profile_with_another_field_is_refused(place: int, wrong: object) -> None:
    row = payload(x.profile().encoded)
    row[place] = wrong
    with refused(Code.BAD_TYPE, DecodeError):
        identity.decode_profile(signed(Typ.PROFILE, row, ISSUER))


@pytest.mark.parametrize("text", ["cert.example.tn", " CERT.Example.TN\n"])
def test_an_organisation_is_read_as_typed(text: str) -> None:
    assert identity.parse_organisation(text) == x.TN


@pytest.mark.parametrize("text", ["", "tn", "cert example.tn", "http://cert.example.tn"])
def test_what_is_no_organisation_is_the_callers_mistake(text: str) -> None:
    with refused(Code.USAGE, UsageError):
        identity.parse_organisation(text)


def test_the_numbers_of_roles_do_not_change() -> None:
    assert [(role.name, int(role)) for role in Role] == [
        ("OFFICER", 1),
        ("BOT", 2),
        ("SENSOR", 3),
        ("AUDITOR", 4),
        ("WITNESS", 5),
        ("OPERATOR", 6),
    ]
    assert {Role.OFFICER, Role.BOT} == identity.MEMBER_ROLES
