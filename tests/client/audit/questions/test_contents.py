"""What stands where in a room, counted by label: as a plain list says it, however it is kept."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_client.audit.questions.case import Case, RoomRef
from amanah_client.audit.questions.contents import LAST, Contents
from amanah_client.audit.record import Record
from amanah_client.audit.register import BLOCK, Register
from amanah_client.store.copy import AuditCopy
from amanah_protocol import kinds
from amanah_protocol.labels import Label
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.types import RoomId
from tests.client.audit.asking import answered, case_of, cells
from tests.client.audit.world import MA, OFFICER_MA, OFFICER_TN, TN, anchor, community, incident

HERE, ELSEWHERE = 1, 2
WILD = 2**62
PLACES = st.one_of(
    st.integers(1, 3 * BLOCK),
    st.builds(lambda block, off: max(1, block * BLOCK + off), st.integers(1, 3), st.integers(-1, 1)),
    st.integers(WILD, WILD + BLOCK),
)
HELD = st.lists(st.tuples(PLACES, st.sampled_from(Label)), max_size=60)
"""What stands where, in log order; a relay may give one place to several."""
SPANS = st.lists(st.lists(st.one_of(PLACES, st.just(0), st.just(LAST)), min_size=2, max_size=2).map(sorted), max_size=4)


def register_of(copy: AuditCopy) -> Register:
    return Register(copy, anchor().digest)


@cache
def any_case() -> Case:
    """For what a question needs besides a register."""
    return case_of(incident().log)


def contents_of(copy: AuditCopy, room: int | None = None) -> Contents:
    case = any_case()
    only = None if room is None else RoomRef(room, RoomId(bytes(16)))
    return Contents(replace(case, report=replace(case.report, record=Record(copy))), only)


@given(held=HELD, elsewhere=HELD, cuts=st.sets(st.integers(1, 60)), spans=SPANS)
def test_counts_are_those_of_a_plain_list_wherever_the_writing_was_cut(
    held: list[tuple[int, Label]], elsewhere: list[tuple[int, Label]], cuts: set[int], spans: list[list[int]]
) -> None:
    copy = AuditCopy.in_memory()
    register = register_of(copy)
    for number, (seq, label) in enumerate(held):
        if number in cuts:
            register.save(Frontier())
            register = register_of(copy)  # as after a restart
        register.put_content(HERE, seq, label)
    for seq, label in elsewhere:
        register.put_content(ELSEWHERE, seq, label)
    register.save(Frontier())
    contents = contents_of(copy)
    for first, end in spans:
        expected = [label for seq, label in held if first <= seq < end]
        found = contents.count(HERE, [(first, end)])
        assert found == {label: expected.count(label) for label in Label if label in expected}
        assert contents_of(copy, HERE).count(HERE, [(first, end)]) == found
    assert contents.count(3, [(0, LAST)]) == {}


def test_a_message_is_not_hidden_behind_one_that_a_relay_gives_its_place() -> None:
    log = community()
    room = log.open(OFFICER_TN, "r")
    log.add(OFFICER_TN, room, OFFICER_MA)
    hidden = log.post(OFFICER_TN, room, kinds.Message(), label=Label.AMBER)
    place = log.leaves[hidden].room_seq
    log.post(OFFICER_MA, room, kinds.Message(), label=Label.CLEAR, leaf_room_seq=place)
    case = case_of(log)
    assert cells(answered(case, "not-given", nation=MA, label="amber"), "messages", "asked") == [(1, "yes"), (1, None)]
    assert cells(answered(case, "acknowledgements"), "nation", "could_read", "not_yet") == [(MA, 1, 1), (TN, 1, 1)]


@pytest.mark.parametrize("places", [range(1, 200), range(BLOCK - 1, 200 * BLOCK, BLOCK)], ids=["in a row", "wild"])
def test_a_relay_that_numbers_wildly_fills_no_disk(places: range) -> None:
    copy = AuditCopy.in_memory()
    register = register_of(copy)
    for seq in places:
        register.put_content(HERE, seq, Label.AMBER)
    register.save(Frontier())
    with copy.reading() as connection:
        (written,) = connection.execute("SELECT sum(length(labels)) FROM content").fetchone()
    assert len(places) <= written <= 300 * len(places)
