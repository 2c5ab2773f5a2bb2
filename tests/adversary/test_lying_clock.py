"""Attack 40 in the audit: a relay whose times of acceptance lie by a day, in either direction.

Order and signatures hold, so nothing but the cosignatures of witnesses can tell.
"""

from __future__ import annotations

from typing import Final

import pytest

from amanah_client.audit.record import Report
from amanah_protocol import kinds
from amanah_protocol.errors import Code
from tests.adversary.outcomes import control, defended
from tests.client.audit.test_times import WITNESSED, at, published
from tests.client.audit.world import OFFICER_MA, OFFICER_TN, Incident, examined, faults, incident

DAY_S: Final = 24 * 3_600
DAY_MS: Final = DAY_S * 1_000
HONEST_S: Final = 3
"""How long after a leaf a witness sees it."""


def lying(shift_ms: int) -> tuple[Incident, int]:
    """An incident at whose end the relay dates one entry wrong, so that no time runs backwards; gives its index."""
    told = incident()
    now_ms = told.log.now_ms
    index = told.log.post(
        OFFICER_TN, told.room, kinds.Message(), sent_at_ms=now_ms, leaf_accepted_at_ms=now_ms + shift_ms
    )
    return told, index


def audited(told: Incident, index: int, *before_s: int) -> Report:
    """The record under the checkpoints that one witness cosigned: before the entry, and after it."""
    notes = [published(told.log, index, [time_s]) for time_s in before_s]
    head = published(told.log, told.log.size, [at(index) + HONEST_S])
    return examined(told.log, anchor=WITNESSED, published=notes, checkpoint=head)


@defended(40)
def test_an_entry_that_is_dated_a_day_ahead_is_found() -> None:
    told, index = lying(DAY_MS)
    assert faults(audited(told, index, at(index))) == [(index, "CLOCK")]


@defended(40)
def test_an_entry_that_is_dated_a_day_back_is_found() -> None:
    """The relay's times run on; it is the witness's that tells that all of them lie a day back."""
    told, index = lying(0)
    notes = [published(told.log, index, [at(index) + DAY_S])]
    head = published(told.log, told.log.size, [at(index) + DAY_S + HONEST_S])
    found = faults(examined(told.log, anchor=WITNESSED, published=notes, checkpoint=head))
    assert found == [(index, "CLOCK")]


@defended(40)
def test_honest_times_are_no_fault() -> None:
    told, index = lying(0)
    assert faults(audited(told, index, at(index))) == []


@control(40, "witnesses bound the times")
def test_without_the_bounds_a_day_ahead_is_believed() -> None:
    told, index = lying(DAY_MS)
    assert faults(audited(told, index, at(index))) == []


@control(40, "witnesses bound the times")
def test_without_the_bounds_a_day_back_is_believed() -> None:
    told, index = lying(0)
    notes = [published(told.log, index, [at(index) + DAY_S])]
    head = published(told.log, told.log.size, [at(index) + DAY_S + HONEST_S])
    assert faults(examined(told.log, anchor=WITNESSED, published=notes, checkpoint=head)) == []


@pytest.mark.parametrize("shift_ms", [DAY_MS, -DAY_MS])
@defended(40)
def test_a_sender_that_claims_another_day_is_remarked_beside_the_relays_word(shift_ms: int) -> None:
    told = incident()
    index = told.log.post(OFFICER_MA, told.room, kinds.Message(), sent_at_ms=told.log.now_ms + shift_ms)
    report = examined(told.log)
    assert faults(report) == []
    assert (index, Code.CLOCK) in {(found.index, found.code) for found in report.findings}
    (entry,) = (entry for entry in report.record.entries() if entry.index == index)
    assert abs(entry.sent_at_ms - entry.accepted_at_ms) == DAY_MS


@defended(40)
def test_a_witness_that_lies_moves_no_bound_while_three_tell_the_truth() -> None:
    told, index = lying(0)
    for lie_s in (-DAY_S, DAY_S):
        honest = at(index) + HONEST_S
        head = published(told.log, told.log.size, [honest, honest + 1, honest + 2, honest + lie_s])
        assert faults(examined(told.log, anchor=WITNESSED, checkpoint=head)) == []
        alone = published(told.log, told.log.size, [honest - DAY_S])
        assert faults(examined(told.log, anchor=WITNESSED, checkpoint=alone))
