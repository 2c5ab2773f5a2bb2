"""Dates, times, numbers and lists as the language that is spoken writes them (CLDR, through Babel).

Hours are told from 0 to 24 everywhere, and UTC comes first: what two nations compare has to read the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from amanah_client.language.spoken import Language, spoken

if TYPE_CHECKING:
    from babel import Locale

_Unit: TypeAlias = Literal["day", "hour", "minute", "second"]
_STEPS: Final[tuple[tuple[_Unit, int], ...]] = (
    ("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1000),
)  # fmt: skip
_ARABIC: Final = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


@lru_cache
def _locale(wanted: Language) -> Locale:
    from babel import Locale, UnknownLocaleError  # noqa: PLC0415 - whoever is shown no date does not wait for it

    try:
        return Locale.parse(wanted.tag, sep="-")
    except UnknownLocaleError:
        return Locale.parse(wanted.code)


def number(value: int) -> str:
    """`10,482`, in the numerals of the place."""
    wanted = spoken()
    if wanted.code == "en":
        return f"{value:,}"
    from babel.numbers import format_decimal  # noqa: PLC0415 - as above

    return _numerals(format_decimal(value, locale=_locale(wanted), numbering_system="default"))


def _numerals(text: str) -> str:
    """Babel knows the numerals of a place, and writes European ones: for `ar-EG` they are turned here."""
    wanted = spoken()
    is_arabic = wanted.region and _locale(wanted).default_numbering_system == "arab"
    return text.translate(_ARABIC) if is_arabic else text


def day(at_ms: int, zone: tzinfo = UTC) -> str:
    """`Monday 23 November 2026`."""
    from babel.dates import format_date  # noqa: PLC0415 - as above

    # One order for all: each language of ours writes it so, and CLDR's long English one is American.
    return _numerals(format_date(_at(at_ms, zone), "EEEE d MMMM y", locale=_locale(spoken())))


def time_of_day(at_ms: int, zone: tzinfo = UTC) -> str:
    """`06:12 UTC`, and the reader's beside it where that is another: `06:12 UTC (07:12 UTC+01:00)`.

    In European numerals everywhere, as ids and log indices: it is compared and copied.
    """
    utc = f"{_at(at_ms, UTC):%H:%M} UTC"
    own = _at(at_ms, zone)
    offset = own.utcoffset() or timedelta()
    if not offset:
        return utc
    sign, minutes = "-" if offset < timedelta() else "+", abs(offset) // timedelta(minutes=1)
    return f"{utc} ({own:%H:%M} UTC{sign}{minutes // 60:02}:{minutes % 60:02})"


def duration(length_ms: int) -> str:
    """`12 minutes`: in the largest unit that is whole."""
    return _timed(abs(length_ms), direction=0)


def ago(then_ms: int, now_ms: int) -> str:
    """`12 minutes ago`, `in 3 hours`."""
    return _timed(abs(then_ms - now_ms), direction=1 if then_ms > now_ms else -1)


def _timed(length_ms: int, *, direction: int) -> str:
    from babel.dates import format_timedelta  # noqa: PLC0415 - as above

    unit, step = next((one for one in _STEPS if length_ms >= one[1]), _STEPS[-1])
    whole = timedelta(milliseconds=length_ms // step * step * (-1 if direction < 0 else 1))
    told = format_timedelta(
        whole, granularity=unit, threshold=10**9, add_direction=direction != 0, locale=_locale(spoken())
    )
    return _numerals(told)


def list_of(items: Iterable[str]) -> str:
    """`TN, FR and JP`."""
    told = list(items)
    if len(told) < 2:
        return "".join(told)
    from babel.lists import format_list  # noqa: PLC0415 - as above

    wanted = spoken()
    # British, without the comma before "and".
    return format_list(told, locale="en_GB" if wanted.code == "en" else _locale(wanted))


def _at(at_ms: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, zone)
