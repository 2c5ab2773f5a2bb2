"""Grants, granted reads, holds, erasures: each as it should be, and with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from amanah_client.audit.examination import examine_copy
from amanah_client.audit.record import Report
from amanah_client.log_rows import AuditRow
from amanah_client.store.copy import AuditCopy
from amanah_protocol import identity, kinds
from amanah_protocol.audit import audit_chain
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.grants import AuditGrant, decode_grant, ending_document
from amanah_protocol.custody.holds import decode_hold, release_document
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.labels import Label
from amanah_protocol.limits import CLOCK_WINDOW_MS
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import GrantId, OrgName, PersonId, RoomId
from tests.client.audit.custodian import Held, forgotten, parties, roster_without, signed
from tests.client.audit.world import (
    AUDITOR_TN,
    MA,
    OFFICER_MA,
    OFFICER_TN,
    SN,
    TN,
    anchor,
    examined,
    faults,
    remarks,
)
from tests.vectors import examples as x

DAY_MS = 86_400_000
Row = tuple[Any, ...]


@pytest.fixture
def held() -> Held:
    return Held()


def select(report: Report, query: str) -> list[Row]:
    return report.record.select(query)


# ---- grants, and reads under them


def test_a_grant_and_what_is_read_under_it_hold_and_are_kept(held: Held) -> None:
    grant = held.grant()
    logged = held.put(grant)
    own = held.read()
    read = held.read(chain=held.custody())
    report = examined(held.log)
    assert faults(report) == []
    assert select(report, "SELECT id, logged FROM audit_grant") == [(b"g" * 16, logged)]
    rows = select(report, 'SELECT "index", room, audit_grant FROM audit_read WHERE audit_grant IS NOT NULL')
    assert [(index, room is None) for index, room, _ in rows] == [(own, True), (read, False)]
    assert report.scope.reads == 3, "the incident's two orders and this one; what a room is told is no other"


Step = Callable[[Held], object]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda h: h.put(h.grant(parties(TN)[0])), "THRESHOLD"),
        (lambda h: h.put(h.grant(parties(TN)[0], x.nation(TN).custodians[0])), "THRESHOLD"),
        (lambda h: h.put(h.grant(*parties(MA))), "CERTIFICATE"),
        (lambda h: h.put(h.grant(of=None, rooms=())), "THRESHOLD"),
        (lambda h: h.put(h.grant(*parties(MA), of=MA, auditor=TN)), "MEMBERSHIP"),
        (lambda h: h.put(h.grant(issued_ms=h.log.now_ms + CLOCK_WINDOW_MS + 1)), "CLOCK"),
        (lambda h: h.put(h.grant(not_after_ms=h.log.now_ms)), "EXPIRED"),
        (lambda h: h.put(h.grant(), audit_chain(SN)), "BINDING"),
        (lambda h: h.put(h.grant(), custody_chain(h.found.room)), "BINDING"),
        (lambda h: h.put(h.grant(rooms=()), custody_chain(h.found.hidden)), "MEMBERSHIP"),
        (lambda h: h.put(h.grant(rooms=()), custody_chain(RoomId(bytes(16)))), "BINDING"),
    ],
    ids=[
        "the enrolment key alone",
        "with who endorsed it",
        "another's parties",
        "one organisation for all",
        "a room of others",
        "from the future",
        "over",
        "another's chain",
        "another room's custody",
        "another owner's custody",
        "an unknown chain",
    ],
)
def test_a_grant_that_does_not_hold_is_a_fault_where_it_stands(held: Held, wrong: Step, code: str) -> None:
    index = wrong(held)
    assert held.refused_at(index) == {code}


def test_the_community_grants_any_room(held: Held) -> None:
    two = x.custodians(TN, SN)
    grant = held.grant(*two, of=None, rooms=())
    held.put(grant)
    held.put(grant, held.custody("hidden"))
    held.read()
    held.read(chain=held.custody("hidden"))
    assert held.codes() == []


def test_a_document_that_is_missing_or_another_is_a_fault(held: Held) -> None:
    index = held.put(held.grant())
    whole = held.log.rows()
    for document, code in ((None, "NOT_FOUND"), (held.grant(purpose="another").endorsed.encode(), "BINDING")):
        rows = [structs.replace(row, document=document) if row.index == index else row for row in whole]
        assert held.codes(rows=rows) == [(index, code)]


def test_an_end_of_a_grant_is_taken_and_ends_what_is_read_under_it(held: Held) -> None:
    grant = held.grant()
    held.put(grant)
    held.read()
    ending = signed(ending_document(grant, now_ms=held.log.now_ms), Typ.AUDIT_GRANT, *parties(TN))
    held.put(decode_grant(ending.encode()))
    assert held.codes() == []
    late = held.read()
    assert held.codes() == [(late, "EXPIRED")]


def test_a_second_grant_of_one_id_is_a_fault(held: Held) -> None:
    held.put(held.grant())
    again = held.put(held.grant(rooms=(held.found.room,), issued_ms=held.log.now_ms + 1))
    assert held.refused_at(again) == {"ROLLBACK"}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda h: h.read(grant=bytes(16)), "NOT_FOUND"),
        (lambda h: h.read(AUDITOR_TN), "ROLE"),
        (lambda h: h.read(OFFICER_MA), "ROLE"),
        (lambda h: h.read(chain=audit_chain(SN)), "BINDING"),
        (lambda h: h.read(chain=h.custody("room")), "BINDING"),
        (lambda h: h.read(grant=None, chain=h.custody()), "BINDING"),
    ],
    ids=["no such grant", "another's auditor", "an officer", "another's chain", "a room not named", "no grant at all"],
)
def test_a_read_that_was_not_granted_is_a_fault(held: Held, wrong: Step, code: str) -> None:
    held.put(held.grant())
    index = wrong(held)
    assert held.codes() == [(index, code)]


def test_a_grant_for_one_person_is_no_others(held: Held) -> None:
    held.put(held.grant(subject=PersonId(bytes(16))))
    index = held.read()
    assert held.codes() == [(index, "ROLE")]


def test_a_read_of_all_rooms_is_of_those_that_the_granting_organisation_owns(held: Held) -> None:
    grant = held.grant(rooms=())
    held.put(grant)
    held.put(grant, held.custody())
    held.read(chain=held.custody())
    assert held.codes() == []
    index = held.read(chain=held.custody("hidden"))
    assert held.codes() == [(index, "MEMBERSHIP")]


def test_a_room_that_was_named_before_it_was_there_is_read_by_its_owners_grant_alone() -> None:
    first, later = Held(), Held()
    room = first.log.open(OFFICER_MA, "later")
    held = later
    held.put(held.grant(rooms=(room,)))
    assert held.log.open(OFFICER_MA, "later") == room
    index = held.read(chain=custody_chain(room))
    assert held.codes() == [(index, "MEMBERSHIP")]


def renewed(held: Held, *endorsers: SigningKey) -> SigningKey:
    """Log a record of a second enrolment key of TN, endorsed by these custodians."""
    key = x.key("second enrolment")
    document = identity.enrolment_document(TN, key.public, now_ms=x.NOW_MS)
    held.log.endorsed(LeafType.ENROLMENT, x.endorsed(document, *endorsers))
    return key


def test_who_endorsed_the_enrolment_key_in_an_earlier_record_is_no_second_party(held: Held) -> None:
    first, second, third = x.nation(TN).custodians
    renewed(held, first, second, third)
    key = renewed(held, second, third)
    index = held.put(held.grant(key, first))
    assert held.refused_at(index) == {"THRESHOLD"}


def test_who_never_endorsed_it_is_one(held: Held) -> None:
    first, second, third = x.nation(TN).custodians
    held.put(held.grant(renewed(held, second, third), first))
    assert held.codes() == []


# ---- a selection of a room


def selected(held: Held, grant: AuditGrant, *, organisation: OrgName = MA) -> Report:
    """What an auditor of MA is shown of the room `small` under a grant of some labels, examined as its copy."""
    rows = [
        structs.replace(row, entry=None) if row.index in hidden(held) else row
        for row in held.log.rows(hidden=(held.found.room,))
    ]
    copy = AuditCopy.in_memory()
    copy.append(tuple(rows))
    return examine_copy(
        copy,
        checkpoint=held.log.checkpoint(),
        anchor=anchor(),
        selection=replace(grant, auditor=organisation),
    )


def hidden(held: Held) -> set[int]:
    """Messages of a label that was not granted."""
    small = [index for index, leaf in enumerate(held.log.leaves) if leaf.room == held.found.small]
    envelopes = {index: decode_envelope(held.log.leaves[index].object) for index in small}
    return {
        index
        for index, envelope in envelopes.items()
        if isinstance(envelope.header.specific, kinds.Message | kinds.Welcome)
        and envelope.header.label is not Label.GREEN
    }


def test_a_selection_that_was_granted_is_no_gap_and_says_so(held: Held) -> None:
    grant = held.grant(labels=(Label.GREEN,))
    held.put(grant)
    held.log.post(OFFICER_TN, held.found.small, kinds.Message())
    held.log.post(OFFICER_TN, held.found.small, kinds.Message(), label=Label.GREEN)
    report = selected(held, grant)
    assert faults(report) == []
    assert any("selection" in remark.text for remark in remarks(report))


@pytest.mark.parametrize("changes", [{}, {"rooms": "room", "labels": (Label.GREEN,)}])
def test_a_gap_that_no_grant_explains_is_a_fault(held: Held, changes: dict[str, Any]) -> None:
    if "rooms" in changes:
        changes = changes | {"rooms": (held.found.room,)}
    grant = held.grant(**changes)
    held.put(grant)
    held.log.post(OFFICER_TN, held.found.small, kinds.Message())
    held.log.post(OFFICER_TN, held.found.small, kinds.Message(), label=Label.GREEN)
    assert {code for _, code in faults(selected(held, grant))} >= {"GAP"}


def test_a_grant_explains_no_gap_in_a_room_of_the_auditors_own(held: Held) -> None:
    grant = held.grant(labels=(Label.GREEN,))
    held.put(grant)
    held.log.post(OFFICER_TN, held.found.small, kinds.Message())
    held.log.post(OFFICER_TN, held.found.small, kinds.Message(), label=Label.GREEN)
    assert {code for _, code in faults(selected(held, grant, organisation=TN))} >= {"GAP"}


# ---- holds


def test_a_hold_and_its_release_hold_and_are_kept(held: Held) -> None:
    hold = held.hold()
    placed = held.put(hold)
    release = signed(release_document(hold, now_ms=held.log.now_ms), Typ.LEGAL_HOLD, *parties(TN))
    report = examined(held.log)
    assert faults(report) == []
    assert select(report, "SELECT placed, released FROM legal_hold") == [(placed, None)]
    released = held.put(decode_hold(release.encode()))
    report = examined(held.log)
    assert faults(report) == []
    assert select(report, "SELECT placed, released FROM legal_hold") == [(placed, released)]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda h: h.put(h.hold(parties(TN)[0])), "THRESHOLD"),
        (lambda h: h.put(h.hold(parties(TN)[0], x.nation(TN).custodians[1])), "THRESHOLD"),
        (lambda h: h.put(h.hold(of=MA, rooms=(h.found.small,))), "MEMBERSHIP"),
        (lambda h: h.put(h.hold(), h.custody()), "BINDING"),
        (lambda h: h.put(h.hold(released=True)), "NOT_FOUND"),
        (lambda h: h.put(h.hold(issued_ms=h.log.now_ms + CLOCK_WINDOW_MS + 1)), "CLOCK"),
    ],
    ids=["one party", "one hand", "not inside", "another chain", "a release of nothing", "from the future"],
)
def test_a_hold_that_does_not_hold_is_a_fault(held: Held, wrong: Step, code: str) -> None:
    index = wrong(held)
    assert held.refused_at(index) == {code}


def test_a_second_hold_of_one_id_is_a_fault(held: Held) -> None:
    held.put(held.hold())
    again = held.put(held.hold(since_ms=5, issued_ms=held.log.now_ms))
    assert held.refused_at(again) == {"ROLLBACK"}


# ---- a chain that it concerns


def test_a_hold_that_is_kept_out_of_a_rooms_custody_is_a_fault(held: Held) -> None:
    held.put(held.hold(), audit_chain(TN))
    assert held.codes() == [(None, "GAP")]


def test_a_grant_that_is_kept_out_of_a_rooms_custody_is_a_fault(held: Held) -> None:
    held.put(held.grant(rooms=(held.found.room,)), audit_chain(MA), audit_chain(TN))
    assert held.codes() == [(None, "GAP")]


def test_a_hold_whose_room_is_left_out_of_one_custody_alone_is_a_fault(held: Held) -> None:
    held.put(held.hold(rooms=tuple(sorted((held.found.room, held.found.small)))), audit_chain(TN), held.custody())
    assert held.codes() == [(None, "GAP")]


def test_a_custody_chain_that_goes_on_without_a_hold_is_a_fault_there(held: Held) -> None:
    held.put(held.hold(since_ms=held.log.now_ms + DAY_MS), audit_chain(TN))
    index = held.erasure(6)
    assert held.codes() == [(index, "GAP")]


def test_an_organisations_chain_that_goes_on_without_its_grant_is_a_fault_there(held: Held) -> None:
    held.put(held.grant(), held.custody())
    index = held.read()
    assert held.codes() == [(index, "GAP")]


def test_a_release_that_is_kept_out_is_a_fault_too(held: Held) -> None:
    hold = held.hold()
    held.put(hold)
    release = signed(release_document(hold, now_ms=held.log.now_ms), Typ.LEGAL_HOLD, *parties(TN))
    held.put(decode_hold(release.encode()), audit_chain(TN))
    assert held.codes() == [(None, "GAP")]


def test_the_custody_of_a_room_that_is_out_of_scope_or_was_left_owes_nothing(held: Held) -> None:
    """Bare hashes: an organisation that has left a room sees no more of its custody."""
    held.put(held.hold(of=MA))
    custody = held.custody("room")
    assert held.codes(rows=held.log.rows(hidden=(custody,))) == [(None, "GAP")], "MA is in the room"
    assert held.codes(rows=held.log.rows(hidden=(custody, held.found.room))) == []
    held.log.remove(OFFICER_TN, held.found.room, OFFICER_MA)
    assert held.codes(rows=held.log.rows(hidden=(custody,))) == []


def test_a_custody_chain_with_a_gap_is_a_fault(held: Held) -> None:
    held.put(held.hold(since_ms=held.log.now_ms + DAY_MS))
    index = held.erasure(6)
    rows = [
        structs.replace(row, entry=None, document=None) if row.index == index - 1 else row for row in held.log.rows()
    ]
    assert held.codes(rows=rows) == [(index, "GAP"), (index, "GAP")], "of the link, and of the hold"


def test_a_read_under_a_grant_of_all_rooms_stands_behind_the_grant_in_the_custody_of_the_room(held: Held) -> None:
    held.put(held.grant(rooms=()))
    index = held.read(chain=held.custody())
    assert held.codes() == [(index, "NOT_FOUND")]


# ---- what was dropped


def test_what_the_relay_says_it_dropped_is_kept_and_breaks_nothing(held: Held) -> None:
    index = held.erasure(6, 7)
    report = examined(held.log)
    assert faults(report) == []
    assert select(report, 'SELECT seq, "index", cause FROM erasure') == [(6, index, 1), (7, index, 1)]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda h: h.erasure(6, by=parties(TN)[0]), "KEY_ID"),
        (lambda h: h.erasure(6, chain=h.custody()), "BINDING"),
        (lambda h: h.erasure(6, places=(7,)), "CONTENT_HASH"),
        (lambda h: h.erasure(6, places=(6, 99)), "CONTENT_HASH"),
    ],
    ids=["not the relay", "another chain", "another entry", "an entry that is not there"],
)
def test_a_statement_of_erasure_that_does_not_hold_is_a_fault(held: Held, wrong: Step, code: str) -> None:
    index = wrong(held)
    assert held.codes() == [(index, code)]


def test_content_that_is_erased_under_a_hold_is_a_fault_of_the_relay(held: Held) -> None:
    hold = held.hold()
    held.put(hold)
    index = held.erasure(6)
    assert held.codes() == [(index, "RECORD")]


def test_a_hold_protects_what_was_accepted_since_and_until_it_is_released(held: Held) -> None:
    held.put(held.hold(since_ms=held.log.now_ms + DAY_MS))
    held.erasure(6)
    hold = held.hold(hold=bytes(16))
    held.put(hold)
    release = signed(release_document(hold, now_ms=held.log.now_ms), Typ.LEGAL_HOLD, *parties(TN))
    held.put(decode_hold(release.encode()))
    held.erasure(7)
    assert held.codes() == []


def test_an_erasure_of_a_room_out_of_scope_is_passed_over(held: Held) -> None:
    held.erasure(6)
    report = examined(held.log, held.log.rows(hidden=(held.found.room,)))
    assert select(report, "SELECT * FROM erasure") == []


# ---- persons


def test_a_forgotten_person_leaves_the_proof_intact(held: Held) -> None:
    before = examined(held.log)
    index = forgotten(held)
    report = examined(held.log)
    assert faults(before) == faults(report) == []
    subject = OFFICER_TN.certificate.subject
    assert select(report, 'SELECT organisation, subject, "index" FROM forgotten') == [(TN, subject, index)]


def test_an_organisation_forgets_its_own_people_alone(held: Held) -> None:
    index = forgotten(held, by=MA)
    assert held.codes() == [(index, "CERTIFICATE")]


@pytest.mark.parametrize("signers", [parties(TN)[:1], (parties(TN)[0], x.nation(TN).custodians[1])])
def test_one_party_forgets_nobody(held: Held, signers: tuple[SigningKey, ...]) -> None:
    index = forgotten(held, *signers)
    assert held.codes() == [(index, "THRESHOLD")]


def test_a_name_that_is_forgotten_while_a_hold_keeps_its_room_is_a_fault(held: Held) -> None:
    """Whoever holds it; not where it never wrote, nor when the hold is released."""
    other = held.hold(of=MA, hold=b"o" * 16, rooms=(held.found.hidden,))
    held.put(other)
    hold = held.hold(of=MA)
    held.put(hold)
    index = forgotten(held)
    release = signed(release_document(hold, now_ms=held.log.now_ms), Typ.LEGAL_HOLD, *parties(MA))
    held.put(decode_hold(release.encode()))
    forgotten(held)
    assert held.codes() == [(index, "RECORD")]


def test_the_hold_of_an_organisation_ends_with_the_roster_that_does_not_name_it(held: Held) -> None:
    held.put(held.hold(of=MA))
    roster_without(held, MA)
    held.erasure(6)
    forgotten(held)
    assert held.codes() == []


def test_the_hold_of_another_organisation_stands_on(held: Held) -> None:
    """The control of the test above."""
    held.put(held.hold())
    roster_without(held, MA)
    index = held.erasure(6)
    assert held.codes() == [(index, "RECORD")]


def test_a_document_beside_what_has_none_is_a_fault(held: Held) -> None:
    index = held.erasure(6)
    rows = [structs.replace(row, document=b"words") if row.index == index else row for row in held.log.rows()]
    assert held.codes(rows=rows) == [(index, "BAD_TYPE")]


# ---- going on


def test_an_examination_that_goes_on_knows_what_it_knew(held: Held) -> None:
    grant, hold = held.grant(), held.hold()
    held.put(grant)
    held.put(hold)
    copy = AuditCopy.in_memory()
    everywhere = held.grant(id=GrantId(bytes(16)), rooms=())
    held.put(everywhere)
    held.put(everywhere, held.custody())
    held.put(held.hold(hold=bytes(16)), audit_chain(TN))
    first: tuple[AuditRow, ...] = tuple(held.log.rows())
    copy.append(first)
    examine_copy(copy, checkpoint=held.log.checkpoint(), anchor=anchor())
    held.read()
    held.read(chain=held.custody())
    held.put(
        decode_grant(signed(ending_document(grant, now_ms=held.log.now_ms), Typ.AUDIT_GRANT, *parties(TN)).encode())
    )
    held.read(grant=bytes(16), chain=held.custody())
    under_hold = held.erasure(6)
    copy.append(tuple(held.log.rows()[len(first) :]))
    report = examine_copy(copy, checkpoint=held.log.checkpoint(), anchor=anchor())
    whole = examined(held.log)
    assert faults(report) == faults(whole) == [(under_hold, code) for code in ("GAP", "RECORD", "RECORD")]
    for table in ("audit_grant", "legal_hold", "erasure", "audit_read"):
        query = f"SELECT * FROM {table}"  # noqa: S608 - a table of ours
        assert sorted(select(report, query), key=str) == sorted(select(whole, query), key=str)
