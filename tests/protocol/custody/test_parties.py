from __future__ import annotations

from typing import Final

import pytest

from amanah_protocol import identity
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey
from amanah_protocol.custody.parties import verify_two_parties
from amanah_protocol.endorse import named_signers, verified_signers
from amanah_protocol.errors import Code
from amanah_protocol.roster import Organisation
from tests.protocol.custody.parties import CUSTODIAN, OFFICER, TN, signed
from tests.protocol.refusal import refused
from tests.vectors import examples as x

DOCUMENT: Final = b"a document"
STRANGER: Final = x.key("stranger")


def verify(*signers: SigningKey, typ: Typ = Typ.LEGAL_HOLD, organisation: Organisation = TN.member) -> None:
    verify_two_parties(
        signed(DOCUMENT, typ, *signers), Typ.LEGAL_HOLD, enrolment=TN.enrolment, organisation=organisation
    )


def test_the_enrolment_key_and_a_custodian_who_did_not_endorse_it_are_two_parties() -> None:
    verify(OFFICER, CUSTODIAN)
    verify(CUSTODIAN, OFFICER)
    verify(OFFICER, CUSTODIAN, STRANGER)


@pytest.mark.parametrize(
    "signers",
    [
        (),
        (OFFICER,),
        (OFFICER, OFFICER),
        (CUSTODIAN,),
        (CUSTODIAN, TN.custodians[0]),
        TN.custodians,
        (OFFICER, STRANGER),
        (STRANGER, CUSTODIAN),
        (OFFICER, x.nation(x.NAMES[0]).custodians[2]),
        (OFFICER, x.nation(x.NAMES[0]).enrolment_key),
        (x.nation(x.NAMES[0]).enrolment_key, CUSTODIAN),
    ],
    ids=lambda signers: str(len(signers)),
)
def test_one_party_however_often_it_signs_is_not_two(signers: tuple[SigningKey, ...]) -> None:
    with refused(Code.THRESHOLD):
        verify(*signers)


@pytest.mark.parametrize("number", [0, 1])
def test_who_endorsed_the_enrolment_key_is_no_second_party(number: int) -> None:
    """Root and enrolment key may lie in one keystore: that hand has signed already."""
    endorser = TN.custodians[number]
    counted = verified_signers(
        signed(DOCUMENT, Typ.LEGAL_HOLD, OFFICER, endorser), (OFFICER.public, *TN.member.roots), Typ.LEGAL_HOLD
    )
    assert len(counted) == 2, "two keys have signed: counting keys alone would let it pass"
    with refused(Code.THRESHOLD):
        verify(OFFICER, endorser)
    verify(OFFICER, endorser, CUSTODIAN)


def test_who_endorsed_another_record_of_the_enrolment_key_is_no_second_party() -> None:
    """A record that names other custodians makes no stranger of the one in whose keystore the key lies."""
    document = TN.enrolment.endorsed.document
    stripped = identity.decode_enrolment(x.endorsed(document, *TN.custodians[1:]).encode())
    made = signed(DOCUMENT, Typ.LEGAL_HOLD, OFFICER, TN.custodians[0])
    verify_two_parties(made, Typ.LEGAL_HOLD, enrolment=stripped, organisation=TN.member)
    for known in (TN.enrolment, TN.enrolment.with_endorsers_of(stripped)):
        with refused(Code.THRESHOLD):
            verify_two_parties(
                made, Typ.LEGAL_HOLD, enrolment=stripped.with_endorsers_of(known), organisation=TN.member
            )


def test_an_enrolment_key_that_is_a_root_key_too_is_one_party() -> None:
    roots = tuple(sorted((OFFICER.public, *(key.public for key in TN.custodians))))
    with refused(Code.THRESHOLD):
        verify(OFFICER, OFFICER, organisation=Organisation(name=x.TN, threshold=2, roots=roots))


def test_a_signature_that_was_made_for_something_else_counts_for_nothing() -> None:
    for typ in (Typ.ENDORSEMENT, Typ.AUDIT_GRANT):
        with refused(Code.BAD_HEADER):
            verify(OFFICER, CUSTODIAN, typ=typ)


def test_both_are_of_one_organisation() -> None:
    with refused(Code.CERTIFICATE):
        verify(OFFICER, CUSTODIAN, organisation=x.nation(x.NAMES[0]).member)


def test_the_named_signers_are_those_of_the_signatures() -> None:
    made = signed(DOCUMENT, Typ.LEGAL_HOLD, OFFICER, CUSTODIAN)
    assert named_signers(made, Typ.LEGAL_HOLD) == (OFFICER.key_id, CUSTODIAN.key_id)
    with refused(Code.BAD_HEADER):
        named_signers(made, Typ.AUDIT_GRANT)


def test_the_example_enrolment_was_endorsed_by_the_other_two() -> None:
    assert isinstance(TN.enrolment, identity.Enrolment)
    endorsers = verified_signers(TN.enrolment.endorsed, TN.member.roots)
    assert endorsers == {key.public for key in TN.custodians[:2]}
