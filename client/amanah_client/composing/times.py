"""Times as people type them. UTC unless they say otherwise: a joint time must not depend on who reads it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from amanah_client.language import N_, isolate
from amanah_client.language import gettext as _
from amanah_client.language.errors import SpokenError

HINT: Final = N_("Write it in UTC as 14:00, 2026-11-23T14:00 or, from now on, +90m, +2h, +3d.")
_SPAN: Final = re.compile(r"\+(\d{1,4})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
_HOUR: Final = re.compile(r"(\d{2}):(\d{2})Z?")
_DAY: Final = timedelta(days=1)


def parse_time(text: str, now_ms: int, *, past: bool = False) -> int:
    """A time that was typed, in Unix milliseconds.

    Args:
        text: `14:00` (the next one in UTC), `2026-11-23T14:00` (in UTC, or with an offset), `+90m`, `+2h`, `+3d`.
        now_ms: Now.
        past: Whether `14:00` is the last one instead of the next.

    Raises:
        UsageError: `USAGE` when it is none of these.
    """
    now = datetime.fromtimestamp(now_ms / 1_000, UTC)
    try:
        if span := _SPAN.fullmatch(text):
            at = now + timedelta(**{_UNITS[span[2]]: int(span[1])})
        elif hour := _HOUR.fullmatch(text):
            at = _nearest(now, int(hour[1]), int(hour[2]), past=past)
        else:
            found = datetime.fromisoformat(text)
            at = found if found.tzinfo else found.replace(tzinfo=UTC)
        return int(at.timestamp() * 1_000)
    except (ValueError, OverflowError):
        detail = _("%(word)s is not a time; nothing was sent", word=isolate(repr(text)))
        raise SpokenError(detail, _(HINT)) from None


def _nearest(now: datetime, hour: int, minute: int, *, past: bool) -> datetime:
    at = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if past:
        return at if at <= now else at - _DAY
    return at if at > now else at + _DAY
