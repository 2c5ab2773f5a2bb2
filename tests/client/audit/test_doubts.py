"""Names that were forgotten behind a hold: what a record shows of whether it still stood."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from amanah_client.audit.examination import examine_copy
from amanah_client.audit.record import Report
from amanah_client.store.copy import AuditCopy
from amanah_protocol import kinds
from amanah_protocol.audit import audit_chain
from amanah_protocol.cose import Typ
from amanah_protocol.custody.holds import LegalHold, decode_hold, release_document
from amanah_protocol.types import OrgName
from tests.client.audit.custodian import Held, forgotten, parties, signed
from tests.client.audit.world import (
    AUDITOR_TN,
    MA,
    OFFICER_MA,
    OFFICER_TN,
    TN,
    anchor,
    certified,
    examined,
    faults,
    remarks,
)

DAY_MS = 86_400_000
Step = Callable[[Held], object]


@pytest.fixture
def held() -> Held:
    return Held()


def released(held: Held, hold: LegalHold, by: OrgName) -> int:
    release = signed(release_document(hold, now_ms=held.log.now_ms), Typ.LEGAL_HOLD, *parties(by))
    return held.put(decode_hold(release.encode()))


def late_hold(held: Held) -> LegalHold:
    """A hold of MA on a room where the officer of TN wrote, under which the relay may drop what stands there now."""
    hold = held.hold(of=MA, since_ms=held.log.now_ms + DAY_MS)
    held.put(hold)
    return hold


def unknown(report: Report) -> list[int | None]:
    """Where names were forgotten, while it is not shown whether a hold stood."""
    return [remark.index for remark in remarks(report) if remark.code == "RECORD"]


@pytest.mark.parametrize(
    "step", [lambda h: h.read(grant=None), lambda h: h.erasure(6)], ids=["of the organisation", "of the room"]
)
def test_the_next_entry_of_a_chain_of_the_hold_shows_that_it_stood_when_a_name_was_forgotten(
    held: Held, step: Step
) -> None:
    late_hold(held)
    index = forgotten(held)
    before = examined(held.log)
    assert (faults(before), unknown(before)) == ([], [index])
    step(held)
    held.read(grant=None)
    after = examined(held.log)
    assert (faults(after), unknown(after)) == ([(index, "RECORD")], [])


def test_the_next_entry_of_another_chain_shows_nothing_of_the_hold(held: Held) -> None:
    late_hold(held)
    index = forgotten(held)
    held.read(AUDITOR_TN, grant=None)
    held.log.post(OFFICER_TN, held.found.room, kinds.Message())
    report = examined(held.log)
    assert (faults(report), unknown(report)) == ([], [index])


def test_a_name_that_is_forgotten_behind_a_release_that_is_not_shown_accuses_nobody(held: Held) -> None:
    """MA has left the room: it is shown TN's hold, and not that it ended, nor what stands in these chains then."""
    hold = held.hold()
    held.put(hold)
    held.log.remove(OFFICER_TN, held.found.room, OFFICER_MA)
    left = held.log.size
    released(held, hold, TN)
    index = forgotten(held)
    held.erasure(6)
    hidden = {audit_chain(TN), held.found.small}
    rows = [
        replace(row, entry=None, document=None)
        if leaf.room in hidden or (row.index >= left and leaf.room == held.custody("room"))
        else row
        for row, leaf in zip(held.log.rows(), held.log.leaves, strict=True)
    ]
    report = examined(held.log, rows)
    assert (faults(report), unknown(report)) == ([], [index])
    whole = examined(held.log)
    assert (faults(whole), unknown(whole)) == ([], [])


def test_what_stands_behind_a_gap_shows_nothing_of_the_hold(held: Held) -> None:
    """The release may stand in the gap, which is a fault of its own."""
    hold = late_hold(held)
    released(held, hold, MA)
    forgotten(held)
    gap = held.read(grant=None)
    held.read(grant=None)
    release = {held.log.size - 5, held.log.size - 4}
    rows = [replace(row, entry=None, document=None) if row.index in release else row for row in held.log.rows()]
    assert faults(examined(held.log, rows)) == [(gap, "GAP")]


def test_one_name_that_several_holds_keep_is_one_fault(held: Held) -> None:
    late_hold(held)
    held.put(held.hold(hold=b"o" * 16))
    index = forgotten(held)
    held.read(grant=None)
    held.read(AUDITOR_TN, grant=None)
    report = examined(held.log)
    assert (faults(report), unknown(report)) == ([(index, "RECORD")], [])


def test_the_name_is_the_first_thing_that_is_wrong_even_if_that_is_seen_behind_another(held: Held) -> None:
    late_hold(held)
    index = forgotten(held)
    other = held.read(OFFICER_TN, grant=None)
    held.read(grant=None)
    report = examined(held.log)
    assert faults(report) == [(other, "ROLE"), (index, "RECORD")]
    assert report.first_bad is not None
    assert report.first_bad.index == index


def test_a_person_who_wrote_what_is_held_is_found_under_another_pseudonym_too(held: Held) -> None:
    late_hold(held)
    held.log.certify(certified("somebody else", key=OFFICER_TN.key))
    renamed, index = held.log.last, forgotten(held)
    held.read(grant=None)
    assert faults(examined(held.log)) == [(renamed, "FOREIGN_DEVICE"), (index, "RECORD")]


def test_what_is_not_known_of_a_hold_is_known_when_an_examination_goes_on(held: Held) -> None:
    late_hold(held)
    index = forgotten(held)
    copy = AuditCopy.in_memory()
    seen = []
    for step in (lambda: None, lambda: held.read(AUDITOR_TN, grant=None), lambda: held.read(grant=None)):
        step()
        copy.append(tuple(held.log.rows()[copy.size :]))
        report = examine_copy(copy, checkpoint=held.log.checkpoint(), anchor=anchor())
        whole = examined(held.log)
        assert (faults(report), unknown(report)) == (faults(whole), unknown(whole))
        seen.append((faults(report), unknown(report)))
    assert seen == [([], [index]), ([], [index]), ([(index, "RECORD")], [])]
