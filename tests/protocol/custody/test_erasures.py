from __future__ import annotations

from typing import Any

import pytest

from amanah_protocol import cbor, cose
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.erasures import (
    CONTENT_PURPOSE,
    PERSON_PURPOSE,
    Cause,
    ContentErasure,
    PersonErasure,
    decode_person_erasure,
    erased_digest,
    person_erasure_document,
    sign_erasure,
    verify_erasure,
    verify_person_erasure,
)
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.limits import MAX_ERASED_PLACES
from amanah_protocol.types import OrgName
from tests.protocol.custody.parties import CUSTODIAN, OFFICER, ROSTER, TN, signed
from tests.protocol.refusal import refused
from tests.vectors import examples as x

SUBJECT = x.request().subject
STATEMENT = ContentErasure(
    room=x.ROOM, places=(4, 7), digest=x.fixed("digest"), cause=Cause.ROOM, erased_at_ms=x.NOW_MS
)


def test_a_statement_of_the_relay_is_what_it_signed() -> None:
    assert verify_erasure(sign_erasure(STATEMENT, x.RELAY_KEY), x.RELAY_KEY.public).value == STATEMENT


def test_nobody_but_the_relay_says_what_it_dropped() -> None:
    with refused(Code.KEY_ID):
        verify_erasure(sign_erasure(STATEMENT, OFFICER), x.RELAY_KEY.public)
    with refused(Code.SIGNATURE):
        verify_erasure(sign_erasure(STATEMENT, x.RELAY_KEY)[:-1] + b"\0", x.RELAY_KEY.public)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, PERSON_PURPOSE),
        (1, bytes(15)),
        (2, []),
        (2, [0]),
        (2, [2, 1]),
        (2, [1, 1]),
        (2, list(range(1, MAX_ERASED_PLACES + 2))),
        (3, bytes(31)),
        (4, 0),
        (4, 5),
        (5, None),
    ],
)
def test_a_statement_that_makes_no_sense_is_refused(place: int, value: object) -> None:
    fields: list[Any] = [CONTENT_PURPOSE, x.ROOM, [4, 7], x.fixed("digest"), 1, x.NOW_MS]
    assert cose.sign(Typ.ERASURE, fields, x.RELAY_KEY) == sign_erasure(STATEMENT, x.RELAY_KEY)
    fields[place] = value
    with refused(Code.BAD_TYPE, DecodeError):
        verify_erasure(cose.sign(Typ.ERASURE, fields, x.RELAY_KEY), x.RELAY_KEY.public)


def test_the_digest_binds_places_and_what_stood_there() -> None:
    one, other = sha256(b"one"), sha256(b"other")
    digests = {
        erased_digest(erased)
        for erased in ([(1, one)], [(2, one)], [(1, other)], [(1, one), (2, other)], [(2, one), (1, other)], [])
    }
    assert len(digests) == 6


def gone(*signers: SigningKey, typ: Typ = Typ.ERASURE, organisation: OrgName = x.TN) -> PersonErasure:
    """TN has forgotten the officer, by its two parties or by these."""
    document = person_erasure_document(organisation=organisation, subject=SUBJECT, now_ms=x.NOW_MS)
    return decode_person_erasure(signed(document, typ, *(signers or (OFFICER, CUSTODIAN))).encode())


def test_an_organisation_says_whose_name_it_has_forgotten() -> None:
    made = gone()
    assert (made.organisation, made.subject, made.erased_at_ms) == (x.TN, SUBJECT, x.NOW_MS)
    assert decode_person_erasure(made.endorsed.encode()) == made
    verify_person_erasure(made, TN.enrolment, ROSTER)


@pytest.mark.parametrize("signers", [(OFFICER,), (CUSTODIAN,), (OFFICER, TN.custodians[0])])
def test_one_party_forgets_nobody(signers: tuple[SigningKey, ...]) -> None:
    with refused(Code.THRESHOLD):
        verify_person_erasure(gone(*signers), TN.enrolment, ROSTER)


def test_a_person_is_forgotten_by_the_own_organisation_in_a_statement_of_that_type() -> None:
    with refused(Code.BAD_HEADER):
        verify_person_erasure(gone(typ=Typ.LEGAL_HOLD), TN.enrolment, ROSTER)
    for name in (x.NAMES[0], OrgName("cert.example.org")):
        with refused(Code.CERTIFICATE):
            verify_person_erasure(gone(organisation=name), TN.enrolment, ROSTER)


@pytest.mark.parametrize(("place", "value"), [(0, CONTENT_PURPOSE), (1, "TN"), (2, bytes(15)), (3, None)])
def test_a_statement_about_a_person_that_makes_no_sense_is_refused(place: int, value: object) -> None:
    fields: Any = cbor.decode(gone().endorsed.document, max_bytes=4_096)
    fields[place] = value
    with refused(Code.BAD_TYPE, DecodeError):
        decode_person_erasure(Endorsed(document=cbor.encode(fields), signatures=()).encode())


def test_each_room_has_a_custody_chain_of_its_own() -> None:
    chain = custody_chain(x.ROOM)
    assert len(chain) == 16
    assert len({chain, custody_chain(chain), x.ROOM}) == 3
