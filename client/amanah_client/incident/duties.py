"""Duties to notify, and by when: Article 23(4) of NIS2, whose first two clocks Article 14 of the CRA shares.

They run from when the first party became aware. The final report is due a month after the notification was submitted,
which no room knows; said is the latest time, as if that went out when it was due.
"""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from amanah_client.language import N_
from amanah_protocol.content.alert import MAX_OBSERVED_AT_MS

_HOUR_MS: Final = 3_600_000


class Duty(StrEnum):
    """A notice that is due; the value is how it is asked for."""

    EARLY_WARNING = "24h"
    NOTIFICATION = "72h"
    FINAL_REPORT = "month"

    @property
    def called(self) -> str:
        """What it is called."""
        return _TITLES[self]

    @property
    def article(self) -> str:
        """Where it is laid down."""
        return _ARTICLES[self]


_TITLES: Final = {
    Duty.EARLY_WARNING: N_("24 h early warning"),
    Duty.NOTIFICATION: N_("72 h incident notification"),
    Duty.FINAL_REPORT: N_("final report"),
}
_ARTICLES: Final = {
    Duty.EARLY_WARNING: "NIS2, Article 23(4)(a)",
    Duty.NOTIFICATION: "NIS2, Article 23(4)(b)",
    Duty.FINAL_REPORT: "NIS2, Article 23(4)(d)",
}


def due_ms(duty: Duty, aware_at_ms: int) -> int:
    """By when a notice has to be given; never later than the year 9999, in which a made-up time would end."""
    if duty is Duty.EARLY_WARNING:
        due = aware_at_ms + 24 * _HOUR_MS
    elif duty is Duty.NOTIFICATION:
        due = aware_at_ms + 72 * _HOUR_MS
    else:
        due = _month_later_ms(aware_at_ms + 72 * _HOUR_MS)
    return min(due, MAX_OBSERVED_AT_MS)


def _month_later_ms(at_ms: int) -> int:
    """The same day of the next month, or its last (Regulation 1182/71, Article 3(2)(c))."""
    if at_ms > MAX_OBSERVED_AT_MS:
        return at_ms
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    first = (at.replace(day=1) + timedelta(days=32)).replace(day=1) if at.year < 9999 or at.month < 12 else None
    if first is None:
        return MAX_OBSERVED_AT_MS
    day = min(at.day, calendar.monthrange(first.year, first.month)[1])
    return int(first.replace(day=day).timestamp()) * 1000 + at_ms % 1000
