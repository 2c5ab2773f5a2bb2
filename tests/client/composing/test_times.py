from __future__ import annotations

from datetime import UTC, datetime

import pytest

from amanah_client.composing.times import parse_time
from amanah_protocol.errors import Code, UsageError


def ms(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp() * 1_000)


NOW_MS = ms(2026, 11, 23, 14, 0)


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("14:01", ms(2026, 11, 23, 14, 1)),
        ("14:01Z", ms(2026, 11, 23, 14, 1)),
        ("14:00", ms(2026, 11, 24, 14, 0)),
        ("06:12", ms(2026, 11, 24, 6, 12)),
        ("2026-12-01T09:30", ms(2026, 12, 1, 9, 30)),
        ("2026-12-01T10:30+01:00", ms(2026, 12, 1, 9, 30)),
        ("2026-12-01", ms(2026, 12, 1)),
        ("+90m", ms(2026, 11, 23, 15, 30)),
        ("+2h", ms(2026, 11, 23, 16, 0)),
        ("+3d", ms(2026, 11, 26, 14, 0)),
    ],
)
def test_a_time_is_utc_and_the_next_one(typed: str, wanted: int) -> None:
    assert parse_time(typed, NOW_MS) == wanted


@pytest.mark.parametrize(("typed", "day"), [("06:12", 23), ("14:00", 23), ("14:01", 22)])
def test_what_somebody_became_aware_of_lies_behind_us(typed: str, day: int) -> None:
    assert parse_time(typed, NOW_MS, past=True) == ms(2026, 11, day, int(typed[:2]), int(typed[3:]))


@pytest.mark.parametrize(
    "typed", ["", "noon", "24:00", "14.00", "2pm", "+2", "+2y", "+9999999d", "+9999d1", "2026-13-01"]
)
def test_what_is_no_time_is_refused_with_the_forms(typed: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_time(typed, NOW_MS)
    assert refused.value.code is Code.USAGE
    assert "in UTC as 14:00" in refused.value.hint


def test_a_time_past_the_calendar_is_refused() -> None:
    with pytest.raises(UsageError):
        parse_time("+9999d", ms(9990, 1, 1))
