"""Times as people and programs read them: UTC, to the second or to the millisecond."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Final

from amanah_client.language import N_, gettext

BEYOND: Final = N_("beyond the year 9999")
_LAST_MS: Final = 253_402_300_799_999
"""The end of that year."""


def clock(at_ms: int | None) -> str:
    """A time in UTC, to the second."""
    at = _moment(at_ms)
    return "-" if at is None else at.strftime("%Y-%m-%d %H:%M:%SZ")


def iso(at_ms: int | None) -> str | None:
    """A time for JSON: RFC 3339 with milliseconds; None for one that has no such form."""
    at = _moment(at_ms)
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_there(at_ms: int | None, zone: tzinfo | None) -> str | None:
    """As `iso`, with the offset of a zone at that time; None is the zone of this machine."""
    at = _moment(at_ms)
    return None if at is None else at.astimezone(zone).isoformat(timespec="milliseconds")


def moment(at_ms: int | None) -> str:
    """As `clock`; what others claimed may lie beyond any calendar."""
    return gettext(BEYOND) if (at_ms or 0) > _LAST_MS else clock(at_ms)


def _moment(at_ms: int | None) -> datetime | None:
    """A time that a peer may have made up: one past the year 9999 must not end the reading of a room."""
    if at_ms is None or not 0 <= at_ms <= _LAST_MS:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC)
