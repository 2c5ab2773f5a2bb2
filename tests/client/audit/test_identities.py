"""The control stream: each object as it should be, and with one thing wrong."""

from __future__ import annotations

import pytest

from amanah_protocol import cbor, kinds
from amanah_protocol.crypto import SigningKey
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code
from amanah_protocol.identity import enrolment_document
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.revocation import enrolment_revocation_document
from amanah_protocol.roster import Organisation
from amanah_protocol.types import CONTROL, KeyId, OrgName
from tests.client.audit.world import (
    MA,
    NOW_MS,
    OFFICER_MA,
    OFFICER_SN,
    OFFICER_TN,
    SN,
    TN,
    Log,
    anchor,
    certified,
    community,
    examined,
    faults,
    incident,
    remarks,
)
from tests.vectors import examples as x

NEW = OrgName("cert.example.dz")
LONG_AFTER_MS = NOW_MS + 100 * 86_400_000


def enrolment(name: OrgName, *signers: SigningKey, key: SigningKey | None = None, now_ms: int = NOW_MS) -> Endorsed:
    """The endorsed certificate of an organisation's enrolment key."""
    public = (key or x.nation(name).enrolment_key).public
    return x.endorsed(enrolment_document(name, public, now_ms=now_ms), *(signers or x.custodians(name)))


def roster(version: int, *signers: SigningKey, **changes: object) -> Endorsed:
    """A version of the roster."""
    return x.endorsed(x.roster_document(version, **changes), *(signers or x.custodians(*x.NAMES)))


def withdrawal(name: OrgName, *signers: SigningKey, key: KeyId | None = None) -> Endorsed:
    """The root withdraws an enrolment key."""
    wanted = key or KeyId(x.nation(name).enrolment_key.key_id)
    return x.endorsed(enrolment_revocation_document(name, wanted, now_ms=NOW_MS), *(signers or x.custodians(name)))


# ---- rosters


def test_a_successor_that_old_and_new_organisations_signed_is_taken() -> None:
    log = community()
    log.endorsed(
        LeafType.ROSTER, roster(2, organisations=(*(x.nation(n).member for n in x.NAMES), x.nation(NEW).member))
    )
    log.endorsed(LeafType.ENROLMENT, enrolment(NEW))
    log.certify(certified("officer dz", NEW))
    assert faults(examined(log)) == []


def test_a_successor_that_too_few_of_the_old_organisations_signed_is_found_and_not_used() -> None:
    log = community()
    mine = roster(2, *x.custodians(NEW, MA), organisations=(x.nation(MA).member, x.nation(NEW).member))
    index = log.endorsed(LeafType.ROSTER, mine)
    log.endorsed(LeafType.ENROLMENT, enrolment(NEW))
    assert faults(examined(log)) == [(index, "THRESHOLD"), (index + 1, "CERTIFICATE")]


def test_an_older_roster_after_a_newer_one_is_found() -> None:
    log = community()
    log.endorsed(LeafType.ROSTER, roster(3))
    index = log.endorsed(LeafType.ROSTER, roster(2))
    assert faults(examined(log)) == [(index, "ROLLBACK")]


def test_a_roster_whose_document_is_missing_is_found() -> None:
    log = community()
    del log.documents[0]
    assert (0, "NOT_FOUND") in faults(examined(log))


def test_a_document_with_other_signatures_than_the_logged_ones_is_found() -> None:
    log = community()
    log.documents[0] = x.endorsed(x.roster_document(1), *x.custodians(*x.NAMES)).encode()
    assert faults(examined(log))[0] == (0, "BINDING")


def test_the_trusted_roster_is_in_force_before_any_is_logged() -> None:
    log = Log()
    log.endorsed(LeafType.ENROLMENT, enrolment(TN))
    assert faults(examined(log)) == []


# ---- what links the log's rosters to a trusted one


def made_by_the_relay() -> tuple[Log, int]:
    """A log that begins with a roster of the relay's own making, which the true one follows."""
    fake = x.nation(OrgName("cert.example.xx"))
    first = x.roster_document(1, threshold=1, organisations=(fake.member,))
    log = Log()
    log.endorsed(LeafType.ROSTER, x.endorsed(first, *fake.custodians[:2]))
    index = log.endorsed(LeafType.ENROLMENT, fake.enrolment.endorsed)
    log.endorsed(LeafType.ROSTER, roster(2, *x.custodians(*x.NAMES), *fake.custodians[:2]))
    log.endorsed(LeafType.ENROLMENT, enrolment(TN))
    return log, index


def test_organisations_of_a_roster_that_leads_from_no_trusted_one_are_found() -> None:
    log, index = made_by_the_relay()
    trusted = roster(2, *x.custodians(*x.NAMES)).encode()
    assert faults(examined(log, anchor=anchor(trusted))) == [(index, "UNANCHORED")]


def test_an_older_roster_with_the_same_root_keys_needs_no_trust_of_its_own() -> None:
    log = community()
    log.endorsed(LeafType.ROSTER, roster(2))
    assert faults(examined(log, anchor=anchor(roster(2).encode()))) == []


def test_a_roster_that_was_trusted_once_still_speaks_for_its_time() -> None:
    gone = (x.nation(MA).member, x.nation(SN).member)
    second = roster(2, organisations=gone)
    log = community()
    log.endorsed(LeafType.ROSTER, second)
    both = anchor(second.encode(), x.roster_of().endorsed.encode())
    assert faults(examined(log, anchor=both)) == []
    assert faults(examined(log, anchor=anchor(second.encode()))) == [(3, "UNANCHORED")]


def test_other_root_keys_of_a_known_organisation_are_found() -> None:
    other = Organisation(name=TN, threshold=1, roots=(x.key("mine").public,))
    first = x.roster_document(1, threshold=1, organisations=(other,))
    log = Log()
    log.endorsed(LeafType.ROSTER, x.endorsed(first, x.key("mine")))
    index = log.endorsed(LeafType.ENROLMENT, enrolment(TN, x.key("mine")))
    assert faults(examined(log)) == [(index, "UNANCHORED")]


# ---- enrolment keys


def test_an_enrolment_key_that_one_custodian_of_two_endorsed_is_found() -> None:
    log = community()
    index = log.endorsed(LeafType.ENROLMENT, enrolment(TN, x.nation(TN).custodians[0], key=x.key("next year")))
    assert faults(examined(log)) == [(index, "THRESHOLD")]


def test_an_enrolment_key_of_an_organisation_outside_the_roster_is_found() -> None:
    log = community()
    index = log.endorsed(LeafType.ENROLMENT, enrolment(NEW))
    assert faults(examined(log)) == [(index, "CERTIFICATE")]


def test_an_enrolment_key_that_two_organisations_call_their_own_is_found() -> None:
    log = community()
    index = log.endorsed(LeafType.ENROLMENT, enrolment(SN, key=x.nation(TN).enrolment_key))
    assert faults(examined(log)) == [(index, "FOREIGN_DEVICE")]


def test_an_enrolment_key_that_was_endorsed_for_another_year_certifies_on() -> None:
    later_ms = NOW_MS + 400 * 86_400_000
    log = community()
    log.endorsed(LeafType.ROSTER, roster(2, issued_ms=later_ms), accepted_at_ms=later_ms)
    log.endorsed(LeafType.ENROLMENT, enrolment(TN, now_ms=later_ms), accepted_at_ms=later_ms)
    log.certify(certified("new officer", now_ms=later_ms), accepted_at_ms=later_ms)
    assert faults(examined(log)) == []


def test_an_enrolment_key_before_its_time_is_found() -> None:
    log = community()
    index = log.endorsed(LeafType.ENROLMENT, enrolment(TN, key=x.key("next year"), now_ms=LONG_AFTER_MS))
    assert faults(examined(log)) == [(index, "EXPIRED")]


# ---- certificates


def test_a_renewed_certificate_is_taken() -> None:
    log = community()
    log.certify(certified("officer tn", now_ms=NOW_MS + 60_000))
    assert faults(examined(log)) == []


def test_a_certificate_by_a_key_that_is_not_in_the_log_is_found() -> None:
    log = community()
    log.certify(certified("somebody", issuer=x.key("next year")))
    assert faults(examined(log)) == [(log.last, "CERTIFICATE")]


def test_a_certificate_by_another_organisations_key_is_found() -> None:
    log = community()
    log.certify(certified("somebody", TN, issuer=x.nation(SN).enrolment_key))
    assert faults(examined(log)) == [(log.last, "CERTIFICATE")]


def test_a_certificate_that_has_expired_when_it_is_logged_is_found() -> None:
    log = community()
    log.certify(certified("somebody", now_ms=NOW_MS - 91 * 86_400_000))
    assert faults(examined(log)) == [(log.last, "EXPIRED")]


def test_a_device_belongs_to_the_organisation_that_certified_it_first() -> None:
    log = community()
    log.certify(certified("officer tn", SN, key=OFFICER_TN.key))
    assert faults(examined(log)) == [(log.last, "FOREIGN_DEVICE")]


def test_a_device_belongs_to_the_person_it_was_certified_for_first() -> None:
    log = community()
    log.certify(certified("somebody else", key=OFFICER_TN.key))
    assert faults(examined(log)) == [(log.last, "FOREIGN_DEVICE")]


def test_a_device_that_is_certified_again_after_its_revocation_is_found() -> None:
    log = community()
    log.revoke(OFFICER_TN)
    log.certify(certified("officer tn", now_ms=NOW_MS + 60_000))
    assert faults(examined(log)) == [(log.last, "REVOKED")]


def test_a_document_beside_a_certificate_is_found() -> None:
    log = community()
    log.append(LeafType.CERTIFICATE, CONTROL, certified("somebody").certificate.encoded, b"words")
    assert faults(examined(log)) == [(log.last, "BAD_TYPE")]


# ---- revocations


def test_a_revocation_by_the_own_organisation_is_taken() -> None:
    log = community()
    log.revoke(OFFICER_SN)
    report = examined(log)
    assert (faults(report), remarks(report), report.compromised) == ([], [], {})


def test_a_revocation_by_another_organisations_key_is_found() -> None:
    log = community()
    index = log.revoke(OFFICER_SN, issuer=x.nation(TN).enrolment_key)
    assert faults(examined(log)) == [(index, "FOREIGN_DEVICE")]


def test_a_revocation_that_its_key_did_not_sign_is_found() -> None:
    log = community()
    log.revoke(OFFICER_SN)
    forged = bytearray(log.leaves[-1].object)
    forged[-1] ^= 1
    index = log.append(LeafType.REVOCATION, CONTROL, bytes(forged))
    assert faults(examined(log)) == [(index, "SIGNATURE")]


def test_a_document_beside_a_revocation_of_a_device_is_found() -> None:
    log = community()
    index = log.revoke(OFFICER_SN)
    log.documents[index] = b"words"
    assert faults(examined(log)) == [(index, "BAD_TYPE")]


def test_the_time_since_a_key_was_in_wrong_hands_is_kept_and_remarked() -> None:
    log = community()
    first = log.revoke(OFFICER_SN, since_ms=NOW_MS - 5)
    second = log.revoke(OFFICER_SN, since_ms=NOW_MS)
    report = examined(log)
    assert faults(report) == []
    assert [(remark.index, remark.code) for remark in remarks(report)] == [
        (first, Code.REVOKED),
        (second, Code.REVOKED),
    ]
    assert report.compromised == {OFFICER_SN.id: NOW_MS - 5}


@pytest.mark.parametrize(("by", "expected"), [(MA, ""), (TN, "REVOKED")])
def test_a_revocation_ahead_of_the_certificate_counts_if_its_own_organisation_made_it(
    by: OrgName, expected: str
) -> None:
    log, newcomer = community(), certified("newcomer")
    log.revoke(certified("newcomer", by, key=newcomer.key), since_ms=NOW_MS)
    log.certify(newcomer)
    certificate = log.last
    log.add(OFFICER_TN, log.open(OFFICER_TN), newcomer)
    report = examined(log)
    assert faults(report)[:1] == ([(certificate, expected)] if expected else [])
    assert report.compromised == ({newcomer.id: NOW_MS} if expected else {})
    row = report.record.select("SELECT certified, revoked, compromised_ms FROM device WHERE device = ?", newcomer.id)
    assert row == ([(None, certificate - 1, NOW_MS)] if expected else [(certificate, None, None)])


def test_a_certificate_that_is_refused_makes_a_device_nobodys() -> None:
    log, newcomer = community(), certified("newcomer")
    log.revoke(certified("newcomer", MA, key=newcomer.key))
    log.certify(certified("newcomer", MA, key=newcomer.key))
    refused = log.last
    log.certify(newcomer)
    assert faults(examined(log)) == [(refused, "REVOKED")]


def test_a_withdrawn_enrolment_key_certifies_and_revokes_nobody_any_more() -> None:
    log = community()
    log.endorsed(LeafType.REVOCATION, withdrawal(TN))
    assert faults(examined(log)) == []
    log.certify(certified("somebody"))
    index = log.revoke(OFFICER_TN)
    assert faults(examined(log)) == [(index - 1, "REVOKED"), (index, "REVOKED")]


def test_a_withdrawal_that_one_custodian_of_two_endorsed_is_found() -> None:
    log = community()
    index = log.endorsed(LeafType.REVOCATION, withdrawal(TN, x.nation(TN).custodians[0]))
    assert faults(examined(log)) == [(index, "THRESHOLD")]


def test_a_root_that_withdraws_another_organisations_key_is_found() -> None:
    log = community()
    key = KeyId(x.nation(SN).enrolment_key.key_id)
    index = log.endorsed(LeafType.REVOCATION, withdrawal(TN, key=key))
    assert faults(examined(log)) == [(index, "CERTIFICATE")]


def test_a_withdrawal_of_a_key_that_was_never_logged_is_taken() -> None:
    log = community()
    log.endorsed(LeafType.REVOCATION, withdrawal(TN, key=KeyId(x.key("never used").key_id)))
    assert faults(examined(log)) == []


@pytest.mark.parametrize(("by", "expected"), [(MA, ""), (TN, "REVOKED")])
def test_a_withdrawal_ahead_of_the_enrolment_counts_if_its_own_root_made_it(by: OrgName, expected: str) -> None:
    log, key = community(), x.key("second enrolment key of tn")
    log.endorsed(LeafType.REVOCATION, withdrawal(by, key=KeyId(key.key_id)))
    log.endorsed(LeafType.ENROLMENT, enrolment(TN, key=key))
    log.certify(certified("newcomer", issuer=key))
    assert faults(examined(log)) == ([(log.last, expected)] if expected else [])


def test_bytes_that_are_no_object_are_found() -> None:
    log = community()
    index = log.append(LeafType.CERTIFICATE, CONTROL, cbor.encode([1]))
    assert faults(examined(log)) == [(index, "MALFORMED")]


# ---- what the control stream means for rooms


@pytest.mark.parametrize("after", [False, True])
def test_an_envelope_counts_until_its_senders_revocation(after: bool) -> None:  # noqa: FBT001 - a parameter of the test
    found = incident()
    if after:
        found.log.revoke(OFFICER_MA)
    index = found.log.post(OFFICER_MA, found.room, kinds.Message())
    if not after:
        found.log.revoke(OFFICER_MA)
    assert faults(examined(found.log)) == ([(index, "REVOKED")] if after else [])


def test_an_envelope_after_the_withdrawal_of_the_key_that_certified_its_sender_is_found() -> None:
    found = incident()
    found.log.endorsed(LeafType.REVOCATION, withdrawal(MA))
    index = found.log.post(OFFICER_MA, found.room, kinds.Message())
    assert faults(examined(found.log)) == [(index, "REVOKED")]


def test_an_envelope_after_the_certificate_has_expired_is_found() -> None:
    found = incident()
    index = found.log.post(
        OFFICER_MA, found.room, kinds.Message(), sent_at_ms=LONG_AFTER_MS, leaf_accepted_at_ms=LONG_AFTER_MS
    )
    assert faults(examined(found.log)) == [(index, "EXPIRED")]


def test_an_envelope_of_an_organisation_that_left_the_roster_is_found() -> None:
    found = incident()
    found.log.endorsed(LeafType.ROSTER, roster(2, organisations=(x.nation(SN).member, x.nation(TN).member)))
    index = found.log.post(OFFICER_MA, found.room, kinds.Message())
    assert faults(examined(found.log)) == [(index, "CERTIFICATE")]
