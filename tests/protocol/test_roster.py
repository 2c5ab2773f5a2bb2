"""The roster and the chain below it: rollback (attack 30), thresholds (31), mixes of versions (32)."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from typing import Any, Final

import pytest

from amanah_protocol import cbor, identity, limits, roster
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import AmanahError, Code, DecodeError, VerifyError
from amanah_protocol.identity import Role
from amanah_protocol.labels import Label
from amanah_protocol.log.mldsa import mldsa44_public
from amanah_protocol.log.note_keys import NoteSigner, NoteVerifier, SignatureType, decode_vkey
from amanah_protocol.roster import Organisation, Roster, Witness, decode_roster, default_quorum, verify_roster
from amanah_protocol.types import OrgName
from amanah_protocol.verified import Verified
from tests.protocol.refusal import refused
from tests.vectors import examples as x

MA, SN, TN = x.NAMES
YEAR_MS: Final = limits.ROSTER_MS
LOG: Final = x.LOG_SIGNER


def vkey_of(number: int, *, kind: SignatureType = SignatureType.COSIGNATURE, key: str = "") -> str:
    """The key of a witness by number; `key` gives it another's."""
    name = f"witness{number}.example"
    return NoteSigner(name=name, key=x.key(key or name), kind=kind).verifier.vkey


def pq_vkey(number: int, key: int = 0) -> str:
    """A key of ML-DSA-44 for it."""
    public = mldsa44_public(bytes([key or number]) * 32)
    return NoteVerifier(name=f"witness{number}.example", public=public, kind=SignatureType.ML_DSA_44).vkey


def witness(number: int, *vkeys: str) -> Witness:
    """A witness by number, with one key of Ed25519 or with these."""
    keys = tuple(decode_vkey(vkey) for vkey in vkeys or (vkey_of(number),))
    return Witness(name=f"witness{number}.example", keys=keys)


def row(number: int, *vkeys: str) -> list[Any]:
    """A witness as it stands in the document."""
    return [f"witness{number}.example", list(vkeys or (vkey_of(number),))]


def made(document: bytes, *signers: SigningKey) -> Roster:
    return decode_roster(x.endorsed(document, *signers).encode())


def first() -> Verified[Roster]:
    return verify_roster(x.roster_of(1), None, now_ms=x.NOW_MS)


def refused_or_none(candidate: Roster, previous: Verified[Roster] | None) -> Code | None:
    """The code of the refusal, None where it is accepted."""
    try:
        verify_roster(candidate, previous, now_ms=x.NOW_MS)
    except AmanahError as error:
        return error.code
    return None


def test_a_roster_is_read_back_and_verified() -> None:
    witnesses = (witness(1), witness(2, pq_vkey(2)), witness(3, vkey_of(3), pq_vkey(3)))
    document = x.roster_document(witnesses=witnesses, quorum=2)
    found = made(document, *x.custodians(MA, TN))
    assert verify_roster(found, None, now_ms=x.NOW_MS).value is found
    assert (found.version, found.threshold, found.quorum) == (1, 2, 2)
    assert [organisation.name for organisation in found.organisations] == sorted(x.NAMES)
    assert found.relays == (x.relay(),)
    assert found.witnesses == witnesses
    assert found.endorsed.document == document
    assert found.expires_ms - found.issued_ms == YEAR_MS


def test_organisations_and_relays_are_found_by_name_and_id() -> None:
    found = x.roster_of()
    assert found.organisation(TN) == x.nation(TN).member
    assert found.relay(sha256(x.RELAY_KEY.public)) == x.relay()
    with refused(Code.CERTIFICATE, VerifyError):
        found.organisation(OrgName("cert.example.org"))
    with refused(Code.LOGIN, VerifyError):
        found.relay(bytes(32))


def test_organisations_and_keys_are_sorted_by_who_makes_the_document() -> None:
    members = tuple(x.nation(name).member for name in x.NAMES)
    jumbled = tuple(replace(member, roots=tuple(reversed(member.roots))) for member in reversed(members))
    assert x.roster_document(organisations=jumbled) == x.roster_document(organisations=members)


# Where each field stands in the document.
PURPOSE, VERSION, COMMUNITY, ISSUED, EXPIRES, THRESHOLD, ORGANISATIONS, RELAYS, WITNESSES, QUORUM = range(10)


def fields(document: bytes) -> list[Any]:
    """The ten fields of a roster's document."""
    value = cbor.decode(document, max_bytes=limits.MAX_ROSTER_BYTES)
    assert isinstance(value, list)
    return value


ROW: Final = fields(x.roster_document())
ORGS: Final[list[Any]] = ROW[ORGANISATIONS]
RELAY: Final[list[Any]] = ROW[RELAYS][0]
KEY_OF_TWO: Final = ORGS[0][2][0]


def spoiled(row: list[Any], place: int, value: object) -> list[Any]:
    return [*row[:place], value, *row[place + 1 :]]


def organisation(place: int, value: object) -> list[Any]:
    """The organisations, the first with one field replaced."""
    return [spoiled(ORGS[0], place, value), *ORGS[1:]]


def a_relay(place: int, value: object) -> list[Any]:
    """The one relay with one field replaced."""
    return [spoiled(RELAY, place, value)]


def vkey(name: str = x.ORIGIN, kind: SignatureType = SignatureType.ED25519) -> str:
    return NoteSigner(name=name, key=x.key("log"), kind=kind).verifier.vkey


def many(number: int) -> list[bytes]:
    """Different hashes, ascending."""
    return sorted(sha256(bytes([item])) for item in range(number))


WRONG: Final[dict[str, tuple[int, object, Code]]] = {
    "another purpose": (PURPOSE, "amanah/enrolment/1", Code.BAD_TYPE),
    "negative version": (VERSION, -1, Code.BAD_TYPE),
    "version of 33 bits": (VERSION, 2**32 + 1, Code.BAD_TYPE),
    "version true": (VERSION, True, Code.BAD_TYPE),
    "community of 254 characters": (COMMUNITY, "x" * 254, Code.BAD_TYPE),
    "expiry before issue": (EXPIRES, x.NOW_MS, Code.BAD_TYPE),
    "expiry after more than a year": (EXPIRES, x.NOW_MS + YEAR_MS + 1, Code.BAD_TYPE),
    "threshold 0": (THRESHOLD, 0, Code.BAD_TYPE),
    "threshold above all": (THRESHOLD, 4, Code.BAD_TYPE),
    "no organisations": (ORGANISATIONS, [], Code.BAD_TYPE),
    "organisations descending": (ORGANISATIONS, ORGS[::-1], Code.BAD_TYPE),
    "organisation twice": (ORGANISATIONS, [ORGS[0], ORGS[0], ORGS[1]], Code.BAD_TYPE),
    "organisation without threshold": (ORGANISATIONS, [ORGS[0][:2], *ORGS[1:]], Code.BAD_TYPE),
    "organisation without a name": (ORGANISATIONS, organisation(0, ""), Code.BAD_TYPE),
    "organisation in upper case": (ORGANISATIONS, organisation(0, "CERT.example.ma"), Code.BAD_TYPE),
    "custodians' threshold 0": (ORGANISATIONS, organisation(1, 0), Code.BAD_TYPE),
    "custodians' threshold above all": (ORGANISATIONS, organisation(1, 4), Code.BAD_TYPE),
    "no custodians": (ORGANISATIONS, organisation(2, []), Code.BAD_TYPE),
    "sixty-five custodians": (ORGANISATIONS, organisation(2, many(65)), Code.BAD_TYPE),
    "custodians' threshold of 65": (ORGANISATIONS, organisation(1, 65), Code.BAD_TYPE),
    "257 organisations": (ORGANISATIONS, ORGS * 86, Code.BAD_TYPE),
    "257 relays": (RELAYS, [RELAY] * 257, Code.BAD_TYPE),
    "seventeen TLS hashes": (RELAYS, a_relay(4, many(17)), Code.BAD_TYPE),
    "custodians descending": (ORGANISATIONS, organisation(2, ORGS[0][2][::-1]), Code.BAD_TYPE),
    "custodian twice": (ORGANISATIONS, organisation(2, [KEY_OF_TWO, KEY_OF_TWO]), Code.BAD_TYPE),
    "custodian of two organisations": (
        ORGANISATIONS,
        organisation(2, sorted([ORGS[1][2][0], KEY_OF_TWO])),
        Code.BAD_TYPE,
    ),
    "no relay": (RELAYS, [], Code.BAD_TYPE),
    "relay key of 31 bytes": (RELAYS, a_relay(0, bytes(31)), Code.BAD_TYPE),
    "relay twice": (RELAYS, [RELAY, RELAY], Code.BAD_TYPE),
    "log key that is none": (RELAYS, a_relay(1, "log"), Code.BAD_TYPE),
    "log key with another's id": (
        RELAYS,
        a_relay(1, vkey().replace(LOG.verifier.key_id.hex(), "00000000")),
        Code.KEY_ID,
    ),
    "log key under another origin": (RELAYS, a_relay(1, vkey("other.example/log")), Code.BAD_TYPE),
    "log key that cosigns": (RELAYS, a_relay(1, vkey(kind=SignatureType.COSIGNATURE)), Code.BAD_TYPE),
    "seventeen addresses": (RELAYS, a_relay(3, ["wss://relay.example:443"] * 17), Code.BAD_TYPE),
    "address as a number": (RELAYS, a_relay(3, [443]), Code.BAD_TYPE),
    "TLS hashes descending": (RELAYS, a_relay(4, [b"\2" * 32, b"\1" * 32]), Code.BAD_TYPE),
    "witness without a field of keys": (WITNESSES, [["witness1.example"]], Code.BAD_TYPE),
    "witness without a key": (WITNESSES, [["witness1.example", []]], Code.BAD_TYPE),
    "witness with a key outside of a list": (WITNESSES, [["witness1.example", vkey_of(1)]], Code.BAD_TYPE),
    "witness that signs as a log": (WITNESSES, [row(1, vkey_of(1, kind=SignatureType.ED25519))], Code.BAD_TYPE),
    "witness that also signs as a log": (
        WITNESSES,
        [row(1, vkey_of(1, kind=SignatureType.ED25519), pq_vkey(1))],
        Code.BAD_TYPE,
    ),
    "witness with two keys of Ed25519": (WITNESSES, [row(1, vkey_of(1), vkey_of(1, key="another"))], Code.BAD_TYPE),
    "witness with two keys of ML-DSA-44": (WITNESSES, [row(1, pq_vkey(1), pq_vkey(1, 2))], Code.BAD_TYPE),
    "witness with its keys the other way round": (WITNESSES, [row(1, pq_vkey(1), vkey_of(1))], Code.BAD_TYPE),
    "witness with three keys": (WITNESSES, [row(1, vkey_of(1), pq_vkey(1), pq_vkey(1, 2))], Code.BAD_TYPE),
    "witness with a key of 2,049 characters": (WITNESSES, [row(1, "w" * 2_049)], Code.BAD_TYPE),
    "witness twice": (WITNESSES, [row(1), row(1, vkey_of(2))], Code.BAD_TYPE),
    "witness under two names": (WITNESSES, [row(1), row(2, vkey_of(2, key="witness1.example"))], Code.BAD_TYPE),
    "witness under two names of ML-DSA-44": (
        WITNESSES,
        [row(1, pq_vkey(1)), row(2, vkey_of(2), pq_vkey(2, 1))],
        Code.BAD_TYPE,
    ),
    "quorum above all": (QUORUM, 1, Code.BAD_TYPE),
}


@pytest.mark.parametrize(("place", "value", "code"), WRONG.values(), ids=WRONG)
def test_a_roster_whose_parts_do_not_agree_is_refused(place: int, value: object, code: Code) -> None:
    signers = x.custodians(*x.NAMES)
    made(cbor.encode(ROW), *signers)
    with refused(code, DecodeError):
        made(cbor.encode(spoiled(ROW, place, value)), *signers)


# No text form of a key is longer.
LONGEST: Final = NoteVerifier(name="n" * 255, public=mldsa44_public(bytes(32)), kind=SignatureType.ML_DSA_44).vkey

RIGHT: Final[list[tuple[int, object]]] = [
    (VERSION, 2**32),
    (COMMUNITY, "x" * 253),
    (EXPIRES, x.NOW_MS + 1),
    (THRESHOLD, 3),
    (ORGANISATIONS, organisation(1, 3)),
    (ORGANISATIONS, [["cert.example.dz", 64, many(64)], *ORGS]),
    (ORGANISATIONS, [[f"a{number:03}.tn", 1, [key]] for number, key in enumerate(many(256))]),
    (RELAYS, a_relay(3, ["wss://relay.example:443"] * 16)),
    (RELAYS, a_relay(4, many(16))),
    (RELAYS, a_relay(4, [])),
    (WITNESSES, [row(1, vkey_of(1), pq_vkey(1)), row(2, pq_vkey(2))]),
    (WITNESSES, [["w", [LONGEST]]]),
]


@pytest.mark.parametrize(("place", "value"), RIGHT)
def test_a_roster_at_its_bounds_is_read(place: int, value: object) -> None:
    document = cbor.encode(spoiled(ROW, place, value))
    assert made(document).endorsed.document == document


@pytest.mark.parametrize(
    ("witnesses", "quorum"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (7, 5), (10, 7), (256, 171)]
)
def test_the_default_quorum_is_the_least_of_which_two_overlap_in_an_honest_witness(witnesses: int, quorum: int) -> None:
    hostile = max(witnesses - 1, 0) // 3
    assert default_quorum(witnesses) == quorum
    assert 2 * quorum - witnesses > hostile or not witnesses
    assert 2 * (quorum - 1) - witnesses <= hostile


def test_a_roster_that_asks_for_fewer_witnesses_is_read() -> None:
    document = x.roster_document(witnesses=tuple(witness(number) for number in range(1, 5)), quorum=1)
    assert made(document).quorum == 1 < default_quorum(4)


def test_a_roster_is_bounded() -> None:
    with refused(Code.BAD_TYPE, DecodeError):
        made(bytes(limits.MAX_ROSTER_BYTES + 1))


SIGNERS: Final[dict[str, tuple[SigningKey, ...]]] = {
    "nobody": (),
    "one organisation": x.custodians(MA),
    "one organisation, all custodians": x.nation(MA).custodians,
    "one organisation twice": (*x.custodians(MA), *x.custodians(MA)),
    "one custodian of each": tuple(x.nation(name).custodians[0] for name in x.NAMES),
    "one organisation and half of another": (*x.custodians(MA), x.nation(SN).custodians[0]),
    "enrolment keys": tuple(x.nation(name).enrolment_key for name in x.NAMES),
    "strangers": tuple(x.key(f"stranger {number}") for number in range(4)),
}


@pytest.mark.parametrize("signers", SIGNERS.values(), ids=SIGNERS)
def test_a_roster_needs_the_thresholds_of_its_organisations(signers: tuple[SigningKey, ...]) -> None:
    document = x.roster_document()
    verify_roster(made(document, *x.custodians(MA, SN)), None, now_ms=x.NOW_MS)
    with refused(Code.THRESHOLD, VerifyError):
        verify_roster(made(document, *signers), None, now_ms=x.NOW_MS)


def test_a_signature_of_another_version_counts_for_nothing() -> None:
    other = x.roster_of(2).endorsed
    mixed = replace(x.roster_of(1).endorsed, signatures=other.signatures)
    with refused(Code.BINDING, VerifyError):
        verify_roster(decode_roster(mixed.encode()), None, now_ms=x.NOW_MS)


def test_a_successor_needs_the_threshold_of_the_old_and_of_the_new() -> None:
    joining = tuple(x.nation(OrgName(f"cert.example.{end}")) for end in ("dz", "eg", "jo"))
    members = (*(nation.member for nation in joining), x.nation(TN).member)
    document = x.roster_document(2, organisations=members, threshold=3)
    new = tuple(custodian for nation in joining for custodian in nation.custodians[:2])
    old = x.custodians(MA, SN)
    assert refused_or_none(made(document, *new, *old), first()) is None
    assert refused_or_none(made(document, *new), first()) is Code.THRESHOLD
    assert refused_or_none(made(document, *old), first()) is Code.THRESHOLD
    assert refused_or_none(made(document, *new, *x.custodians(MA)), first()) is Code.THRESHOLD


def test_a_successor_cannot_lower_the_old_threshold() -> None:
    document = x.roster_document(2, threshold=1)
    assert refused_or_none(made(document, *x.custodians(MA)), first()) is Code.THRESHOLD
    assert refused_or_none(made(document, *x.custodians(MA, SN)), first()) is None


def test_every_older_version_is_refused() -> None:
    versions = [x.roster_of(version) for version in range(5)]
    for held, offered in permutations(range(5), 2):
        previous = verify_roster(versions[held], None, now_ms=x.NOW_MS)
        expected = Code.ROLLBACK if offered < held else None
        assert refused_or_none(versions[offered], previous) is expected


def test_an_older_version_is_refused_after_any_number_of_updates() -> None:
    accepted = first()
    for version in (2, 3, 7):
        accepted = verify_roster(x.roster_of(version), accepted, now_ms=x.NOW_MS)
    for version in (0, 1, 2, 3, 4, 5, 6):
        assert refused_or_none(x.roster_of(version), accepted) is Code.ROLLBACK


def test_another_document_of_the_same_version_is_refused() -> None:
    twin = made(x.roster_document(community="A twin"), *x.custodians(*x.NAMES))
    assert refused_or_none(twin, first()) is Code.ROLLBACK


def test_the_same_document_with_other_signatures_is_accepted_again() -> None:
    again = made(x.roster_document(), *x.custodians(SN, TN))
    assert refused_or_none(again, first()) is None


def test_parts_of_two_versions_do_not_make_a_third() -> None:
    # Attack 32: everything that is trusted stands in one signed document, so no mix has signatures.
    documents = [x.roster_document(version, threshold=1 + version % 2) for version in range(4)]
    rows = [fields(document) for document in documents]
    mixes = 0
    for (one, two), cut in product(permutations(range(4), 2), range(1, 10)):
        document = cbor.encode([*rows[one][:cut], *rows[two][cut:]])
        if document in documents:
            continue
        mixes += 1
        signatures = x.endorsed(documents[one], *x.custodians(MA, SN)).signatures
        mixed = decode_roster(Endorsed(document=document, signatures=signatures).encode())
        assert refused_or_none(mixed, None) is Code.BINDING
    assert mixes > 0


def test_a_roster_expires() -> None:
    found = x.roster_of()
    verify_roster(found, None, now_ms=found.expires_ms)
    with refused(Code.EXPIRED, VerifyError):
        verify_roster(found, None, now_ms=found.expires_ms + 1)
    with refused(Code.EXPIRED, VerifyError):
        verify_roster(found, first(), now_ms=found.expires_ms + 1)


ENROLMENT: Final = x.nation(TN).enrolment
CERTIFICATE: Final = x.certificate()


def test_the_whole_chain_is_verified() -> None:
    for role in Role:
        certificate = x.certificate(role)
        verified = roster.verify_certificate(certificate, ENROLMENT, first(), at_ms=x.NOW_MS)
        assert verified.value is certificate


def test_an_enrolment_key_needs_the_threshold_of_its_root() -> None:
    alone = replace(ENROLMENT, endorsed=x.endorsed(ENROLMENT.endorsed.document, x.nation(TN).custodians[0]))
    foreign = replace(ENROLMENT, endorsed=x.endorsed(ENROLMENT.endorsed.document, *x.custodians(MA)))
    for enrolment in (alone, foreign):
        with refused(Code.THRESHOLD, VerifyError):
            roster.verify_enrolment(enrolment, first(), at_ms=x.NOW_MS)


def test_a_certificate_is_no_better_than_the_enrolment_key_above_it() -> None:
    alone = replace(ENROLMENT, endorsed=x.endorsed(ENROLMENT.endorsed.document, x.nation(TN).custodians[0]))
    with refused(Code.THRESHOLD, VerifyError):
        roster.verify_certificate(CERTIFICATE, alone, first(), at_ms=x.NOW_MS)
    over = replace(ENROLMENT, not_after_ms=x.NOW_MS - 1)
    with refused(Code.EXPIRED, VerifyError):
        roster.verify_certificate(CERTIFICATE, over, first(), at_ms=x.NOW_MS)


def test_an_organisation_outside_the_roster_certifies_nobody() -> None:
    outside = x.nation(OrgName("cert.example.org"))
    with refused(Code.CERTIFICATE, VerifyError):
        roster.verify_enrolment(outside.enrolment, first(), at_ms=x.NOW_MS)


def test_an_enrolment_key_certifies_its_own_organisation_only() -> None:
    # A certificate for an officer of TN, signed by MA's enrolment key: the name is a constraint (attack 15).
    issuer = x.nation(MA)
    forged = identity.issue_certificate(
        x.request(), issuer.enrolment_key, now_ms=x.NOW_MS, ceiling=Label.RED, profile_mac=bytes(32)
    )
    identity.verify_certificate_signature(forged, issuer.enrolment_key.public)
    with refused(Code.CERTIFICATE, VerifyError):
        roster.verify_certificate(forged, issuer.enrolment, first(), at_ms=x.NOW_MS)
    with refused(Code.KEY_ID, VerifyError):
        roster.verify_certificate(forged, ENROLMENT, first(), at_ms=x.NOW_MS)


@pytest.mark.parametrize("late", [ENROLMENT.not_before_ms - 1, ENROLMENT.not_after_ms + 1])
def test_outside_its_year_an_enrolment_key_certifies_nobody(late: int) -> None:
    roster.verify_enrolment(ENROLMENT, first(), at_ms=ENROLMENT.not_before_ms)
    roster.verify_enrolment(ENROLMENT, first(), at_ms=ENROLMENT.not_after_ms)
    with refused(Code.EXPIRED, VerifyError):
        roster.verify_enrolment(ENROLMENT, first(), at_ms=late)


@pytest.mark.parametrize("late", [CERTIFICATE.not_before_ms - 1, CERTIFICATE.not_after_ms + 1])
def test_outside_its_ninety_days_a_certificate_is_expired(late: int) -> None:
    roster.verify_certificate(CERTIFICATE, ENROLMENT, first(), at_ms=CERTIFICATE.not_before_ms)
    roster.verify_certificate(CERTIFICATE, ENROLMENT, first(), at_ms=CERTIFICATE.not_after_ms)
    with refused(Code.EXPIRED, VerifyError):
        roster.verify_certificate(CERTIFICATE, ENROLMENT, first(), at_ms=late)


def test_a_certificate_for_longer_than_ninety_days_is_refused() -> None:
    issued = identity.issue_certificate(
        x.request(),
        x.nation(TN).enrolment_key,
        now_ms=x.NOW_MS,
        ceiling=Label.RED,
        profile_mac=bytes(32),
        lifetime_ms=limits.CERTIFICATE_MS + 1_000,
    )
    with refused(Code.CERTIFICATE, VerifyError):
        roster.verify_certificate(issued, ENROLMENT, first(), at_ms=x.NOW_MS)


def test_the_organisations_that_signed_are_named() -> None:
    endorsed = x.endorsed(x.roster_document(), *x.custodians(MA, TN), x.nation(SN).custodians[2])
    assert roster.signing_organisations(endorsed, x.roster_of()) == {MA, TN}


def test_an_organisation_of_one_custodian_signs_alone() -> None:
    alone = Organisation(name=TN, threshold=1, roots=(x.key("root").public,))
    document = x.roster_document(organisations=(alone,), threshold=1)
    assert refused_or_none(made(document, x.key("root")), None) is None
