"""An auditor's reading order is the auditor's alone and names its range."""

from __future__ import annotations

from amanah_protocol import audit, cose
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.types import CONTROL, OrgName
from tests.protocol.refusal import refused
from tests.vectors import examples as x

AUDITOR = SigningKey(b"a" * 32)
ORDER = audit.ReadingOrder(first=0, until=100, ordered_at_ms=1, nonce=bytes(16))


def test_an_order_is_verified_by_its_auditors_key() -> None:
    data = audit.sign_order(ORDER, AUDITOR)
    assert audit.verify_order(data, AUDITOR.public).value == ORDER
    assert audit.order_device(data) == AUDITOR.key_id
    with refused(Code.KEY_ID, VerifyError):
        audit.verify_order(data, SigningKey(b"b" * 32).public)


def test_something_else_that_the_auditor_signed_is_no_order() -> None:
    with refused(Code.BAD_HEADER, DecodeError):
        audit.verify_order(cose.sign(cose.Typ.RECEIPT, [0, 100, 1, bytes(16)], AUDITOR), AUDITOR.public)


def test_each_organisation_has_an_audit_chain_of_its_own() -> None:
    ours, theirs = audit.audit_chain(OrgName("cert.example.tn")), audit.audit_chain(OrgName("cert.example.ma"))
    assert len({ours, theirs, CONTROL}) == 3
    assert len(ours) == len(CONTROL)


def test_what_an_order_says_is_read_without_a_key() -> None:
    for order in (x.reading_order(), x.granted_order()):
        assert audit.decode_order(audit.sign_order(order, x.OFFICER)) == order
    with refused(Code.BAD_HEADER, DecodeError):
        audit.decode_order(cose.sign(cose.Typ.RECEIPT, [0, 100, 1, bytes(16)], AUDITOR))
