"""The histogram: bars without gaps, of a width that people know, that add up to what is wanted."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amanah_client.audit.record import Record, Report
from amanah_client.audit.report import Scope
from amanah_client.audit.stamps import Stamps
from amanah_client.console.entries import histogram
from amanah_client.console.selection import read_time, select, time_text
from amanah_client.console.state import Examined, head_of
from amanah_client.store.copy import AuditCopy
from amanah_protocol.content.alert import MAX_OBSERVED_AT_MS
from tests.client.audit.world import anchor

MOST_BARS = 60
DAY_MS = 86_400_000


def examined(times_ms: list[int], refused: int = 0) -> Examined:
    """A register with an entry at each time, the first of them refused."""
    copy = AuditCopy.in_memory()
    copy.prepare_questions()
    with copy.writing() as connection:
        connection.execute("INSERT INTO room VALUES (1, x'00', NULL, NULL, NULL, 0, 0, 0, 0)")
        connection.executemany(
            "INSERT INTO entry VALUES (?, 1, ?, 4, 1, ?, 0, 2, 0, 1, 0, x'00', x'', NULL, NULL, ?)",
            [(index, index, at, int(index >= refused)) for index, at in enumerate(times_ms)],
        )
    report = Report(
        origin="", size=0, root=b"", anchor="x", witnesses=(), scope=Scope(), control_confirmed=None,
        compromised={}, withdrawn=frozenset(),
        findings=(), faults=0, record=Record(copy),
    )  # fmt: skip
    return Examined(
        report=report, stamps=Stamps(), anchor=anchor(), checkpoint=b"", head=head_of(report, None, 0), verified_at_ms=0
    )  # fmt: skip


@pytest.mark.parametrize(
    "times",
    [
        [], [0], [5, 5, 5], [0, 59_999], [0, 60_000], [0, DAY_MS], [0, 400 * DAY_MS], [0, MAX_OBSERVED_AT_MS],
        [MAX_OBSERVED_AT_MS], [2**62], [1, 2**62], [0, 1, 2, 100 * DAY_MS, 100 * DAY_MS + 1],
    ],
)  # fmt: skip
def test_the_bars_add_up(times: list[int]) -> None:
    check(times)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 2**43), max_size=20), st.integers(0, 3))
def test_the_bars_of_any_times_add_up(times: list[int], refused: int) -> None:
    check(times, refused)


def check(times: list[int], refused: int = 0) -> None:
    made = examined(times, refused)
    found = histogram(made, select(made.record, {}))
    dated = [at for at in times if at <= MAX_OBSERVED_AT_MS]
    assert (found.total, found.untimed) == (len(times), len(times) - len(dated))
    assert len(found.bars) <= MOST_BARS
    assert sum(bar.count for bar in found.bars) == len(dated)
    assert all(before.to_ms == after.from_ms for before, after in zip(found.bars, found.bars[1:], strict=False))
    for bar in found.bars:
        assert bar.count == sum(bar.from_ms <= at < bar.to_ms for at in dated)
    assert sum(bar.refused for bar in found.bars) == sum(at <= MAX_OBSERVED_AT_MS for at in times[:refused])
    if dated:
        assert (found.first_ms, found.last_ms) == (min(dated), max(dated))
    assert found.highest == max((bar.count for bar in found.bars), default=0)


def test_what_lies_close_together_gets_fine_bars() -> None:
    close = [500 * DAY_MS + second * 1000 for second in range(30)]
    made = examined([0, *close, 1000 * DAY_MS])
    begin, end = time_text(500 * DAY_MS), time_text(500 * DAY_MS + 30_000)
    found = histogram(made, select(made.record, {"from": begin, "to": end}))
    assert (found.total, len(found.bars)) == (30, 30)


@pytest.mark.parametrize("at_ms", [0, 1, 999, 86_400_000, 1_790_000_000_123, MAX_OBSERVED_AT_MS])
def test_a_time_is_read_as_it_is_written(at_ms: int) -> None:
    assert read_time(time_text(at_ms)) == at_ms


def test_a_time_with_a_zone_is_read_as_its_zone_says() -> None:
    assert read_time("2026-11-23T13:00+01:00") == read_time("2026-11-23T12:00")
