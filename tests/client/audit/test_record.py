"""The tree, the links, the times and the heads of a copy: right, and with one thing wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from amanah_client.audit.examination import examine_copy
from amanah_client.audit.report import MAX_FINDINGS
from amanah_client.log_rows import AuditRow
from amanah_client.store.copy import AuditCopy
from amanah_protocol import kinds
from amanah_protocol.audit import audit_chain
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.log.merkle import Frontier, leaf_hash
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.types import CONTROL, ZERO_32, LeafHash
from tests.client.audit.world import (
    AUDITOR_MA,
    AUDITOR_TN,
    MA,
    OFFICER_MA,
    OFFICER_TN,
    STEP_MS,
    TN,
    Incident,
    Log,
    anchor,
    community,
    examined,
    faults,
    findings,
    incident,
    remarks,
)
from tests.vectors import examples as x


@pytest.fixture(scope="module")
def told() -> Incident:
    return incident()


def rehashed(rows: list[AuditRow]) -> bytes:
    """The checkpoint of a relay that wrote these rows itself."""
    frontier = Frontier()
    for row in rows:
        frontier.append(LeafHash(row.hash))
    return sign_checkpoint(Checkpoint(origin=x.ORIGIN, size=len(rows), root=frontier.root()), x.LOG_SIGNER)


def with_entry(rows: list[AuditRow], index: int, entry: bytes) -> list[AuditRow]:
    """The rows with another entry at one place, its hash recomputed."""
    row = replace(rows[index], entry=entry, hash=leaf_hash(entry))
    return [*rows[:index], row, *rows[index + 1 :]]


# ---- the whole


def test_an_honest_record_holds_in_an_auditors_scope(told: Incident) -> None:
    report = examined(told.log, told.rows(), control_head=told.log.control_head())
    assert faults(report) == []
    assert remarks(report) == []
    assert report.first_bad is None
    assert (report.origin, report.size, report.root) == (x.ORIGIN, told.log.size, told.log.root)


def test_an_honest_record_holds_as_a_whole(told: Incident) -> None:
    report = examined(told.log)
    assert faults(report) == []
    assert report.scope.bare == 0


def test_the_report_says_how_far_the_record_reaches(told: Incident) -> None:
    scope = examined(told.log, told.rows()).scope
    hidden = [leaf for leaf in told.log.leaves if leaf.room in (told.hidden, audit_chain(MA))]
    assert (scope.leaves, scope.bare) == (told.log.size, len(hidden))
    assert scope.control == sum(leaf.room == CONTROL for leaf in told.log.leaves)
    assert scope.envelopes + scope.control + scope.reads + scope.bare == scope.leaves
    assert scope.reads == 1
    assert scope.first_ms == x.NOW_MS
    assert scope.last_ms == told.log.leaves[-1].accepted_at_ms


def test_an_empty_log_holds_and_reaches_nowhere() -> None:
    report = examined(Log())
    assert faults(report) == []
    assert report.scope.first_ms is None


# ---- the tree


def test_an_entry_that_is_not_the_hashed_one_is_found_at_its_index(told: Incident) -> None:
    rows = told.rows()
    rows[19] = replace(rows[19], entry=rows[20].entry)
    report = examined(told.log, rows)
    assert report.first_bad is not None
    assert (report.first_bad.index, report.first_bad.code) == (19, Code.PROOF)


def test_a_bare_hash_that_was_changed_is_found(told: Incident) -> None:
    rows = told.rows()
    bare = next(row.index for row in rows if row.entry is None)
    rows[bare] = replace(rows[bare], hash=x.fixed("another hash"))
    assert faults(examined(told.log, rows)) == [(None, "PROOF")]


def test_a_record_that_a_relay_wrote_anew_does_not_lead_to_the_cosigned_root(told: Incident) -> None:
    assert faults(examined(told.log, checkpoint=told.log.checkpoint(root=x.fixed("root")))) == [(None, "PROOF")]


@pytest.mark.parametrize(("missing", "place"), [(slice(0, 1), 0), (slice(19, 20), 19), (slice(-1, None), 34)])
def test_a_missing_row_is_found_where_it_should_stand(told: Incident, missing: slice, place: int) -> None:
    rows = told.rows()
    del rows[missing]
    assert faults(examined(told.log, rows)) == [(place, "GAP")]


def test_two_rows_in_each_others_place_are_found(told: Incident) -> None:
    rows = told.rows()
    rows[19], rows[20] = rows[20], rows[19]
    assert faults(examined(told.log, rows)) == [(19, "GAP")]


def test_a_row_too_many_is_found(told: Incident) -> None:
    rows = told.rows()
    extra = replace(rows[-1], index=len(rows))
    assert faults(examined(told.log, [*rows, extra])) == [(None, "PROOF")]


def test_a_hash_of_another_length_is_found(told: Incident) -> None:
    rows = told.rows()
    rows[5] = replace(rows[5], hash=rows[5].hash[:31])
    assert faults(examined(told.log, rows)) == [(5, "GAP")]


def test_what_cannot_be_read_any_more_is_found_where_it_stands(told: Incident) -> None:
    def damaged() -> Iterator[AuditRow]:
        yield from told.rows()[:7]
        raise DecodeError(Code.MALFORMED, "the disk is damaged here")

    assert faults(examined(told.log, damaged())) == [(7, "MALFORMED")]


def test_a_document_beside_a_bare_hash_is_found(told: Incident) -> None:
    rows = told.rows()
    bare = next(row.index for row in rows if row.entry is None)
    rows[bare] = replace(rows[bare], document=b"words put into the record")
    assert faults(examined(told.log, rows)) == [(bare, "BAD_TYPE")]


def test_a_document_beside_an_envelope_is_found(told: Incident) -> None:
    rows = told.rows()
    rows[19] = replace(rows[19], document=b"words put into the record")
    assert (19, "BAD_TYPE") in faults(examined(told.log, rows))


def test_bytes_that_are_no_entry_are_found(told: Incident) -> None:
    rows = with_entry(told.rows(), told.log.last, b"no entry")
    report = examined(told.log, rows, checkpoint=rehashed(rows))
    assert faults(report) == [(told.log.last, "MALFORMED")]


# ---- the checkpoint


def test_a_checkpoint_of_another_log_key_is_found(told: Incident) -> None:
    signer = NoteSigner(name=x.ORIGIN, key=x.key("another log"))
    note = sign_checkpoint(Checkpoint(origin=x.ORIGIN, size=told.log.size, root=told.log.root), signer)
    assert faults(examined(told.log, checkpoint=note)) == [(None, "SIGNATURE")]


def test_a_checkpoint_that_is_none_ends_the_examination(told: Incident) -> None:
    with pytest.raises(DecodeError):
        examined(told.log, checkpoint=b"no note")


# ---- links and times


def test_an_entry_left_out_inside_the_scope_is_found(told: Incident) -> None:
    rows = told.rows()
    rows[19] = replace(rows[19], entry=None)
    assert (20, "GAP") in faults(examined(told.log, rows))


def test_the_entries_behind_a_gap_are_examined_all_the_same(told: Incident) -> None:
    rows = told.rows()
    rows[24] = replace(rows[24], entry=None)
    # 24 is a `delivered` of the sender who is then removed: nothing else depends on it.
    assert faults(examined(told.log, rows)) == [(31, "GAP")]


def test_an_entry_that_names_another_one_before_it_is_found() -> None:
    found = incident()
    index = found.log.post(OFFICER_TN, found.room, kinds.Message(), leaf_previous=LeafHash(x.fixed("elsewhere")))
    assert faults(examined(found.log)) == [(index, "FORK")]


def test_a_room_that_does_not_begin_with_its_first_entry_is_found() -> None:
    log = community()
    log.open(OFFICER_TN, leaf_room_seq=2)
    assert faults(examined(log)) == [(log.last, "GAP")]


def test_a_time_of_acceptance_that_goes_backwards_is_found() -> None:
    found = incident()
    before = found.log.leaves[-1].accepted_at_ms
    index = found.log.post(OFFICER_TN, found.room, kinds.Message(), leaf_accepted_at_ms=before - 1)
    assert faults(examined(found.log)) == [(index, "CLOCK")]


def test_one_early_time_does_not_make_the_next_ones_right() -> None:
    found = incident()
    before = found.log.leaves[-1].accepted_at_ms
    first = found.log.post(OFFICER_TN, found.room, kinds.Message(), leaf_accepted_at_ms=before - 10)
    second = found.log.post(OFFICER_TN, found.room, kinds.Message(), leaf_accepted_at_ms=before - 5)
    assert faults(examined(found.log)) == [(first, "CLOCK"), (second, "CLOCK")]


def test_a_time_of_acceptance_beyond_the_calendar_is_found() -> None:
    log = Log()
    log.endorsed(LeafType.ROSTER, x.roster_of().endorsed, accepted_at_ms=x.NOW_MS)
    log.append(LeafType.ERASURE, audit_chain(TN), b"x", accepted_at_ms=2**62)
    assert faults(examined(log)) == [(1, "CLOCK"), (1, "MALFORMED")]


def test_a_senders_clock_that_is_off_is_remarked_and_breaks_nothing() -> None:
    found = incident()
    at_ms = found.log.now_ms
    near = found.log.post(OFFICER_TN, found.room, kinds.Message(), sent_at_ms=at_ms - 120_000)
    far = found.log.post(OFFICER_TN, found.room, kinds.Message(), sent_at_ms=at_ms + STEP_MS + 120_001)
    report = examined(found.log)
    assert faults(report) == []
    assert [(remark.index, remark.code) for remark in remarks(report)] == [(far, Code.CLOCK)]
    assert near == far - 1


def test_a_record_that_is_wrong_throughout_does_not_fill_the_memory() -> None:
    log = Log()
    for _ in range(MAX_FINDINGS + 5):
        log.append(LeafType.CERTIFICATE, CONTROL, b"none")
    report = examined(log)
    assert report.faults == MAX_FINDINGS + 5
    assert len(findings(report)) == MAX_FINDINGS
    assert report.first_bad is not None
    assert report.first_bad.index == 0


# ---- the head of the control stream


def test_a_signed_head_confirms_the_control_stream(told: Incident) -> None:
    report = examined(told.log, control_head=told.log.control_head())
    assert faults(report) == []
    assert report.control_confirmed == 12


def test_without_a_head_nothing_is_confirmed(told: Incident) -> None:
    assert examined(told.log).control_confirmed is None


def test_the_head_of_an_empty_stream_is_confirmed() -> None:
    log = Log()
    report = examined(log, control_head=log.control_head())
    assert (faults(report), report.control_confirmed) == ([], 0)


def test_a_revocation_that_was_left_out_at_the_end_is_found_by_the_head() -> None:
    log = community()
    index = log.revoke(OFFICER_MA)
    rows = log.rows()
    rows[index] = replace(rows[index], entry=None)
    # Without the head the copy holds: a bare hash could be anybody's.
    assert faults(examined(log, rows)) == []
    assert faults(examined(log, rows, control_head=log.control_head())) == [(None, "GAP")]


def test_a_head_of_a_later_log_confirms_what_is_here_or_says_nothing(told: Incident) -> None:
    same = told.log.control_head(size=told.log.size + 9, root=x.fixed("later"))
    later = told.log.control_head(size=told.log.size + 9, root=x.fixed("later"), sequence=13, leaf=x.fixed("13"))
    assert examined(told.log, control_head=same).control_confirmed == 12
    assert faults(examined(told.log, control_head=later)) == []
    assert examined(told.log, control_head=later).control_confirmed is None


def test_a_head_of_another_control_stream_is_found(told: Incident) -> None:
    head = told.log.control_head(leaf=x.fixed("another entry"))
    assert faults(examined(told.log, control_head=head)) == [(None, "FORK")]


def test_two_logs_of_one_size_are_found(told: Incident) -> None:
    head = told.log.control_head(root=x.fixed("another log"))
    assert faults(examined(told.log, control_head=head)) == [(None, "FORK")]


def head_before(told: Incident, **changes: object) -> bytes:
    """The true head of when the last entry of the control stream was not there yet, but for `changes`."""
    leaves = dict(enumerate((leaf.hash for leaf in told.log.leaves if leaf.room == CONTROL), start=1))
    frontier = Frontier()
    for leaf in told.log.leaves[: told.revoked]:
        frontier.append(leaf.hash)
    fields: dict[str, Any] = {"sequence": 11, "size": frontier.size, "root": frontier.root(), **changes}
    return told.log.control_head(**{"leaf": leaves.get(fields["sequence"], ZERO_32), **fields})


OLDER_HEADS = pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({}, "", id="true"),
        pytest.param({"root": x.fixed("another log")}, "FORK", id="of another log"),
        pytest.param({"leaf": x.fixed("another entry")}, "FORK", id="another entry"),
        pytest.param({"sequence": 10}, "FORK", id="one entry hidden"),
        pytest.param({"sequence": 0}, "FORK", id="all hidden"),
        pytest.param({"sequence": 12}, "FORK", id="one that was not there yet"),
        pytest.param({"sequence": 13}, "GAP", id="one that never was there"),
        pytest.param({"sequence": 0, "size": 0, "root": sha256(b"")}, "", id="of the empty log"),
        pytest.param({"sequence": 0, "size": 0}, "FORK", id="of another empty log"),
        pytest.param({"size": 99, "root": x.fixed("later")}, "FORK", id="a later log with fewer"),
    ],
)


@OLDER_HEADS
def test_a_head_is_held_against_the_leaves_of_its_size(told: Incident, changes: dict[str, Any], code: str) -> None:
    report = examined(told.log, control_head=head_before(told, **changes))
    assert faults(report) == ([(None, code)] if code else [])
    assert report.control_confirmed == (None if code else changes.get("sequence", 11))


@OLDER_HEADS
def test_a_head_is_held_against_leaves_that_were_examined_before(
    told: Incident, changes: dict[str, Any], code: str
) -> None:
    copy, note = AuditCopy.in_memory(), told.log.checkpoint()
    copy.append(told.rows())
    examine_copy(copy, checkpoint=note, anchor=anchor())
    report = examine_copy(copy, checkpoint=note, anchor=anchor(), control_head=head_before(told, **changes))
    assert faults(report) == ([(None, code)] if code else [])
    assert report.control_confirmed == (None if code else changes.get("sequence", 11))


def test_a_head_of_leaves_that_cannot_be_read_confirms_nothing(told: Incident) -> None:
    rows, before = told.rows(), told.revoked
    assert examined(told.log, rows[:before], control_head=head_before(told)).control_confirmed == 11
    report = examined(told.log, rows[: before - 1], control_head=head_before(told))
    assert faults(report) == [(before - 1, "GAP")]
    assert report.control_confirmed is None


def test_a_head_that_no_relay_of_the_roster_signed_is_found(told: Incident) -> None:
    forged = bytearray(told.log.control_head())
    forged[-1] ^= 1
    assert faults(examined(told.log, control_head=bytes(forged))) == [(None, "SIGNATURE")]


# ---- audit reads


def test_an_auditors_order_stands_in_its_organisations_chain() -> None:
    log = community()
    log.read(AUDITOR_TN)
    log.read(AUDITOR_MA)
    log.read(AUDITOR_TN)
    assert faults(examined(log)) == []


def test_an_officer_who_reads_as_an_auditor_is_found() -> None:
    log = community()
    index = log.read(OFFICER_MA)
    assert faults(examined(log)) == [(index, "ROLE")]


def test_an_order_in_another_organisations_chain_is_found() -> None:
    log = community()
    index = log.read(AUDITOR_TN, chain=audit_chain(MA))
    assert faults(examined(log)) == [(index, "BINDING")]


def test_an_order_that_its_device_did_not_sign_is_found() -> None:
    log = community()
    log.read(AUDITOR_TN)
    signed = bytearray(log.leaves.pop().object)
    signed[-1] ^= 1
    forged = Log()
    for index, leaf in enumerate(log.leaves):
        forged.append(leaf.type, leaf.room, leaf.object, log.documents.get(index))
    index = forged.append(LeafType.AUDIT_READ, audit_chain(TN), bytes(signed))
    assert faults(examined(forged)) == [(index, "SIGNATURE")]


def test_an_order_of_a_device_that_is_not_in_the_log_is_found() -> None:
    log = Log()
    log.endorsed(LeafType.ROSTER, x.roster_of().endorsed)
    index = log.read(AUDITOR_TN)
    assert faults(examined(log)) == [(index, "CERTIFICATE")]


def test_the_first_link_of_a_chain_is_zeros() -> None:
    log = community()
    assert log.leaves[0] == Leaf(
        type=LeafType.ROSTER,
        accepted_at_ms=x.NOW_MS,
        room=CONTROL,
        room_seq=1,
        previous=LeafHash(ZERO_32),
        object=x.roster_of().endorsed.record,
    )
