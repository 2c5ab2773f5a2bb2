"""Which rooms a copy shows in part: by what the grant says that it was read under, and by who is in the room."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from amanah_client.audit.examination import examine_copy
from amanah_client.audit.export import selected_rooms
from amanah_client.audit.questions.case import Case
from amanah_client.audit.questions.completeness import completeness
from amanah_client.audit.questions.labels import MaybeRoom
from amanah_client.audit.record import Report
from amanah_client.log_rows import AuditRow
from amanah_client.store.copy import AuditCopy
from amanah_protocol import kinds
from amanah_protocol.custody.grants import AuditGrant
from amanah_protocol.labels import Label
from tests.client.audit.custodian import Held, parties
from tests.client.audit.world import MA, OFFICER_MA, OFFICER_TN, SN, anchor, faults

SELECTION: dict[str, Any] = {"labels": (Label.GREEN,)}


def read(held: Held, grant: AuditGrant | None, bare: Iterable[int] = ()) -> Report:
    """What an auditor finds in a copy in which these entries are bare hashes."""
    hidden = frozenset(bare)
    rows = [
        AuditRow(index=row.index, hash=row.hash, entry=None, document=None) if row.index in hidden else row
        for row in held.log.rows()
    ]
    copy = AuditCopy.in_memory()
    copy.append(tuple(rows))
    return examine_copy(copy, checkpoint=held.log.checkpoint(), anchor=anchor(), selection=grant)


def granted(held: Held, **changes: Any) -> AuditGrant:  # noqa: ANN401 - fields of a grant
    """A grant of the room `small`, which is TN's, to auditors of MA, which is not in it but in both others."""
    grant = held.grant(**changes)
    held.put(grant)
    return grant


@pytest.mark.parametrize(
    "changes", [SELECTION, {"since_ms": 1}, {"until_ms": 2**60}], ids=["labels", "from a time on", "up to a time"]
)
def test_a_room_is_in_part_also_where_all_that_is_hidden_stands_at_its_end(changes: dict[str, Any]) -> None:
    held = Held()
    grant = granted(held, **changes)
    small = held.found.small
    tail = [held.log.post(OFFICER_TN, small, kinds.Message()) for _ in range(2)]
    record = read(held, grant, tail).record
    assert record.rooms_with_gaps() == frozenset(), "a control: nothing is seen to be missing"
    assert record.rooms_in_part() == selected_rooms(record, grant) == {small}


def test_a_grant_without_bounds_shows_a_room_whole() -> None:
    held = Held()
    record = read(held, granted(held)).record
    assert record.rooms_in_part() == frozenset()
    assert read(held, None).record.rooms_in_part() == frozenset()


def test_completeness_does_not_take_it_for_the_whole() -> None:
    held = Held()
    grant = granted(held, **SELECTION)
    tail = held.log.post(OFFICER_TN, held.found.small, kinds.Message())
    for wanted, said in ((grant, "Of 1 room in scope a selection is here"), (None, "Nothing is missing")):
        case = Case(report=read(held, wanted, [tail]), anchor=anchor(), checkpoint=b"")
        assert completeness(case, MaybeRoom()).said[0].startswith(said)


def test_only_rooms_that_are_granted_and_of_others_are_in_part() -> None:
    held = Held()
    everywhere = granted(held, rooms=(), **SELECTION)
    assert read(held, everywhere).record.rooms_in_part() == {held.found.small}, "MA is in the others"
    other = held.grant(*parties(MA), of=MA, auditor=SN, rooms=(), **SELECTION)
    assert read(held, other).record.rooms_in_part() == frozenset(), "SN is in the only room of MA"


def left(held: Held) -> tuple[AuditGrant, int]:
    """MA was in the room, has left, and was granted a selection since; gives where the room goes on behind that."""
    small = held.found.small
    held.log.add(OFFICER_TN, small, OFFICER_MA)
    held.log.remove(OFFICER_TN, small, OFFICER_MA)
    grant = granted(held, **SELECTION)
    bare = held.log.post(OFFICER_TN, small, kinds.Message())
    held.log.post(OFFICER_TN, small, kinds.Message(), label=Label.GREEN)
    return grant, bare


def test_a_selection_of_a_room_that_was_left_is_no_gap_and_nothing_to_copy_anew() -> None:
    held = Held()
    grant, bare = left(held)
    report = read(held, grant, [bare])
    record = report.record
    assert faults(report) == []
    assert record.rooms_in_part() == {held.found.small}
    assert not record.rooms_with_gaps() & record.rooms_with(MA)


def test_what_is_missing_while_the_own_organisation_is_in_the_room_is_a_gap() -> None:
    """The control of the test above: the grant excuses nothing there."""
    held = Held()
    small = held.found.small
    held.log.add(OFFICER_TN, small, OFFICER_MA)
    grant = granted(held, **SELECTION)
    bare = held.log.post(OFFICER_TN, small, kinds.Message())
    index = held.log.post(OFFICER_TN, small, kinds.Message(), label=Label.GREEN)
    assert (index, "GAP") in faults(read(held, grant, [bare]))


def test_a_room_with_a_gap_that_the_own_organisation_is_in_again_is_to_be_copied_anew() -> None:
    held = Held()
    grant, bare = left(held)
    held.log.add(OFFICER_TN, held.found.small, OFFICER_MA)
    record = read(held, grant, [bare]).record
    assert record.rooms_with_gaps() & record.rooms_with(MA) == {held.found.small}
