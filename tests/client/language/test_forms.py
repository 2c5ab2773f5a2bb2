"""Dates, times, numbers and lists by language: 24 hours, UTC first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta, timezone

import pytest

from amanah_client.language import ago, day, duration, language, list_of, number, speaking, time_of_day

AT_MS = 1_795_400_000_000
TUNIS = timezone(timedelta(hours=1))
BOGOTA = timezone(timedelta(hours=-5))
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
NARROW = "\u202f"


def told(tag: str, write: Callable[[], str]) -> str:
    wanted = language(tag)
    assert wanted is not None
    with speaking(wanted):
        return write()


@pytest.mark.parametrize(
    ("tag", "written"),
    [("en", "10,482"), ("fr", f"10{NARROW}482"), ("ar", "10,482"), ("ar-TN", "10.482"), ("ar-EG", "١٠٬٤٨٢")],
)
def test_a_number_has_the_numerals_of_its_place(tag: str, written: str) -> None:
    assert told(tag, lambda: number(10_482)) == written


@pytest.mark.parametrize(
    ("tag", "written"),
    [
        ("en", "Monday 23 November 2026"), ("fr", "lundi 23 novembre 2026"), ("ar", "الاثنين 23 نوفمبر 2026"),
        ("ar-MA", "الاثنين 23 نونبر 2026"), ("ar-EG", "الاثنين ٢٣ نوفمبر ٢٠٢٦"), ("fr-ZZ", "lundi 23 novembre 2026"),
    ],
)  # fmt: skip
def test_a_day_has_the_names_of_its_place(tag: str, written: str) -> None:
    assert told(tag, lambda: day(AT_MS)) == written


def test_a_day_is_that_of_the_zone() -> None:
    assert day(AT_MS, BOGOTA) == "Sunday 22 November 2026"


@pytest.mark.parametrize("tag", ["en", "fr", "ar", "ar-EG"])
def test_utc_stands_first_and_the_readers_zone_beside_it_in_every_language(tag: str) -> None:
    assert told(tag, lambda: time_of_day(AT_MS)) == "02:13 UTC"
    assert told(tag, lambda: time_of_day(AT_MS, TUNIS)) == "02:13 UTC (03:13 UTC+01:00)"
    assert told(tag, lambda: time_of_day(AT_MS, BOGOTA)) == "02:13 UTC (21:13 UTC-05:00)"


def test_no_hour_of_the_afternoon_begins_anew() -> None:
    assert time_of_day(AT_MS + 12 * HOUR_MS) == "14:13 UTC"


@pytest.mark.parametrize(
    ("tag", "length", "then"),
    [
        ("en", "12 minutes", "12 minutes ago"), ("fr", "12 minutes", "il y a 12 minutes"),
        ("ar", "12 دقيقة", "قبل 12 دقيقة"), ("ar-EG", "١٢ دقيقة", "قبل ١٢ دقيقة"),
    ],
)  # fmt: skip
def test_a_length_of_time(tag: str, length: str, then: str) -> None:
    assert told(tag, lambda: duration(12 * MINUTE_MS + 59_000)) == length
    assert told(tag, lambda: ago(AT_MS, AT_MS + 12 * MINUTE_MS)) == then


@pytest.mark.parametrize(
    ("length_ms", "written"),
    [(0, "0 seconds"), (999, "0 seconds"), (59_999, "59 seconds"), (25 * HOUR_MS, "1 day"), (400 * DAY_MS, "400 days")],
)
def test_a_length_is_told_in_the_largest_whole_unit(length_ms: int, written: str) -> None:
    assert duration(length_ms) == written


def test_what_is_to_come_is_told_so() -> None:
    assert ago(AT_MS + 2 * HOUR_MS, AT_MS) == "in 2 hours"
    assert told("ar", lambda: ago(AT_MS + 2 * HOUR_MS, AT_MS)) == "خلال ساعتين"


@pytest.mark.parametrize(("tag", "written"), [("en", "TN, FR and JP"), ("fr", "TN, FR et JP"), ("ar", "TN وFR وJP")])
def test_a_list(tag: str, written: str) -> None:
    assert told(tag, lambda: list_of(["TN", "FR", "JP"])) == written
    assert told(tag, lambda: list_of(["TN"])) == "TN"
    assert told(tag, lambda: list_of([])) == ""
