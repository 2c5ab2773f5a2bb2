from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from amanah_protocol import cbor, cose, limits, revocation
from amanah_protocol.cose import Typ
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.types import KeyId
from tests.protocol.refusal import refused
from tests.vectors import examples as x

NATION: Final = x.nation(x.TN)
OTHER: Final = x.nation(x.NAMES[0])
REVOCATION: Final = x.device_revocation()
WITHDRAWAL: Final = x.enrolment_revocation()


def test_a_revocation_is_read_back_and_verified() -> None:
    assert revocation.decode_revocation(REVOCATION.encoded) == REVOCATION
    assert (REVOCATION.device, REVOCATION.issuer) == (x.KID, NATION.enrolment_key.key_id)
    assert REVOCATION.compromised_since_ms == x.NOW_MS - 3_600_000
    revocation.verify_revocation(REVOCATION, NATION.enrolment_key.public)


def test_the_time_of_the_theft_may_be_unknown() -> None:
    issued = revocation.issue_revocation(
        NATION.enrolment_key, organisation=x.TN, device=x.KID, now_ms=x.NOW_MS, reason=""
    )
    assert issued.compromised_since_ms is None


WRONG: Final[list[tuple[int, object]]] = [
    (0, "Cert.example.tn"),
    (1, bytes(31)),
    (2, -1),
    (2, None),
    (3, "yesterday"),
    (3, False),
    (4, "x" * 254),
    (4, None),
]


@pytest.mark.parametrize(("place", "wrong"), WRONG)
def test_a_revocation_with_another_field_is_refused_though_its_signature_holds(place: int, wrong: object) -> None:
    row: Any = cbor.decode(cose.decode_sign1(REVOCATION.encoded, max_bytes=4_096).payload, max_bytes=4_096)
    revocation.decode_revocation(cose.sign(Typ.REVOCATION, row, NATION.enrolment_key))
    row[place] = wrong
    with refused(Code.BAD_TYPE, DecodeError):
        revocation.decode_revocation(cose.sign(Typ.REVOCATION, row, NATION.enrolment_key))


def test_another_organisations_key_revokes_nothing_here() -> None:
    with refused(Code.KEY_ID, VerifyError):
        revocation.verify_revocation(REVOCATION, OTHER.enrolment_key.public)
    parts = cose.decode_sign1(REVOCATION.encoded, max_bytes=4_096)
    forged = cose.encode_sign1(parts.protected, parts.payload, OTHER.enrolment_key.sign(parts.signed_bytes))
    with refused(Code.SIGNATURE, VerifyError):
        revocation.verify_revocation(revocation.decode_revocation(forged), NATION.enrolment_key.public)


def test_a_revocation_is_bounded() -> None:
    with refused(Code.TOO_LARGE, DecodeError):
        revocation.decode_revocation(bytes(4 * limits.KIB + 1))


def test_the_withdrawal_of_an_enrolment_key_is_read_back_and_verified() -> None:
    assert revocation.decode_enrolment_revocation(WITHDRAWAL.endorsed.encode()) == WITHDRAWAL
    assert WITHDRAWAL.enrolment == KeyId(NATION.enrolment_key.key_id)
    revocation.verify_enrolment_revocation(WITHDRAWAL, NATION.member)


WRONG_WITHDRAWALS: Final[list[tuple[int, object]]] = [
    (0, "amanah/enrolment/1"),
    (1, "tn"),
    (2, bytes(31)),
    (3, "now"),
]


@pytest.mark.parametrize(("place", "wrong"), WRONG_WITHDRAWALS)
def test_a_withdrawal_with_another_field_is_refused(place: int, wrong: object) -> None:
    row: Any = cbor.decode(WITHDRAWAL.endorsed.document, max_bytes=4_096)
    row[place] = wrong
    with refused(Code.BAD_TYPE, DecodeError):
        revocation.decode_enrolment_revocation(replace(WITHDRAWAL.endorsed, document=cbor.encode(row)).encode())


def test_one_custodian_of_two_withdraws_nothing() -> None:
    alone = replace(WITHDRAWAL, endorsed=x.endorsed(WITHDRAWAL.endorsed.document, NATION.custodians[0]))
    with refused(Code.THRESHOLD, VerifyError):
        revocation.verify_enrolment_revocation(alone, NATION.member)


def test_a_root_withdraws_keys_of_its_own_organisation_only() -> None:
    document = WITHDRAWAL.endorsed.document
    foreign = revocation.decode_enrolment_revocation(x.endorsed(document, *x.custodians(OTHER.name)).encode())
    with refused(Code.THRESHOLD, VerifyError):
        revocation.verify_enrolment_revocation(foreign, NATION.member)
    with refused(Code.CERTIFICATE, VerifyError):
        revocation.verify_enrolment_revocation(foreign, OTHER.member)


def test_a_withdrawal_is_bounded() -> None:
    with refused(Code.TOO_LARGE, DecodeError):
        revocation.decode_enrolment_revocation(bytes(limits.MAX_CONTROL_BYTES + 1))
