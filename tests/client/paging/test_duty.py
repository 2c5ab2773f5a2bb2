"""Who is on duty when: by order, across midnight, across the change of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from amanah_client.paging.duty import Duty, Rota, Shift
from tests.client.paging.calls import ANALYST, BACKUP, HOOK

DAYS = frozenset(range(5))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ms(text: str) -> int:
    return round(at(text).timestamp() * 1000)


def shift(begins: str, ends: str, *, days: frozenset[int] = DAYS, zone: str = "UTC") -> Shift:
    return Shift(days=days, begins=time.fromisoformat(begins), ends=time.fromisoformat(ends), zone=ZoneInfo(zone))


def duty(name: str, *shifts: Shift) -> Duty:
    return Duty(name=name, hooks=(HOOK,), shifts=shifts)


@pytest.mark.parametrize(
    ("of", "when", "turn"),
    [
        (shift("08:00", "16:00"), "2026-11-25T08:00", ("2026-11-25T08:00", "2026-11-25T16:00")),
        (shift("08:00", "16:00"), "2026-11-25T15:59", ("2026-11-25T08:00", "2026-11-25T16:00")),
        (shift("08:00", "16:00"), "2026-11-25T16:00", ("2026-11-26T08:00", "2026-11-26T16:00")),
        # Friday evening: the next one is on Monday.
        (shift("08:00", "16:00"), "2026-11-27T16:00", ("2026-11-30T08:00", "2026-11-30T16:00")),
        # Friday's night lasts into Saturday.
        (shift("22:00", "06:00"), "2026-11-28T05:59", ("2026-11-27T22:00", "2026-11-28T06:00")),
        (shift("22:00", "06:00"), "2026-11-28T06:00", ("2026-11-30T22:00", "2026-12-01T06:00")),
        # A whole day, once a week.
        (shift("08:00", "08:00", days=frozenset({2})), "2026-11-26T08:00", ("2026-12-02T08:00", "2026-12-03T08:00")),
        (shift("08:00", "16:00", zone="Africa/Tunis"), "2026-11-25T07:00", ("2026-11-25T07:00", "2026-11-25T15:00")),
        # The night in which clocks go back has nine hours.
        (
            shift("22:00", "06:00", days=frozenset(range(7)), zone="Europe/Rome"),
            "2026-10-25T04:59",
            ("2026-10-24T20:00", "2026-10-25T05:00"),
        ),
    ],
)
def test_a_shift_is_the_one_that_lasts_or_comes_next(of: Shift, when: str, turn: tuple[str, str]) -> None:
    assert of.around(at(when)) == tuple(map(at, turn))


DAY, NIGHT = duty("Day", shift("08:00", "20:00")), duty("Night", shift("20:00", "08:00"))
ROTA = Rota(people=(NIGHT, DAY), backup=BACKUP)


def test_who_is_on_duty_is_paged_first_then_who_comes_next_then_the_backup_team() -> None:
    assert [step.whom for step in ROTA.steps(ms("2026-11-25T12:00"))] == ["the desk", "Day", "Night", "Backup team"]
    assert [step.whom for step in ROTA.steps(ms("2026-11-25T21:00"))] == ["the desk", "Night", "Day", "Backup team"]
    assert ROTA.on_duty(ms("2026-11-25T12:00")) == (
        (DAY, ms("2026-11-25T12:00")),
        (NIGHT, ms("2026-11-25T20:00")),
    )


def test_of_several_on_duty_the_order_counts_and_of_those_who_come_the_first() -> None:
    second, later = duty("Second", shift("09:00", "10:00")), duty("Later", shift("23:00", "23:30"))
    rota = Rota(people=(later, ANALYST, NIGHT, DAY, second))
    whom = [step.whom for step in rota.steps(ms("2026-11-25T09:30"))]
    assert whom == ["the desk", "Analyst on duty", "Day", "Second", "Night"]
    assert [step.number for step in rota.steps(ms("2026-11-25T09:30"))] == [0, 1, 2, 3, 4]


def test_on_a_day_without_anybody_the_next_to_come_is_paged() -> None:
    assert [step.whom for step in ROTA.steps(ms("2026-11-29T12:00"))] == ["the desk", "Day", "Backup team"]


def test_without_people_the_backup_team_alone_and_without_both_nobody() -> None:
    backup = structs.replace(ROTA, people=())
    assert [step.whom for step in backup.steps(0)] == ["the desk", "Backup team"]
    assert backup.pages
    assert [step.whom for step in Rota().steps(0)] == ["the desk"]
    assert not Rota().pages
