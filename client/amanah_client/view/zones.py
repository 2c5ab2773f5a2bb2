"""A time on the reader's own clock, and at every party's place.

A party's is the zone of its nation's capital or largest city, from the system's table of zones.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable
from datetime import datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from amanah_client.language import gettext as _
from amanah_client.view import words

_TABLES: Final = ("zone.tab", "zone1970.tab")
_COMMENT: Final = "#"
_FIELDS: Final = 3
_AS_DOMAIN: Final = {"GB": "UK"}
"""Where the domain of a country is not its code of ISO 3166."""


class Local(msgspec.Struct, frozen=True, kw_only=True):
    """A time where a party is.

    Attributes:
        place: The city that the zone is named by.
        text: `15:00`, with its date where that is another than in UTC.
    """

    place: str
    text: str


@cache
def _zones() -> dict[str, str]:
    """Country -> its first zone: the table puts the most populous first."""
    for name in (Path(folder) / table for folder in zoneinfo.TZPATH for table in _TABLES):
        if name.is_file():
            found: dict[str, str] = {}
            for line in name.read_text(encoding="utf-8").splitlines():
                fields = line.split("\t")
                if not line.startswith(_COMMENT) and len(fields) >= _FIELDS:
                    for country in fields[0].split(","):
                        found.setdefault(_AS_DOMAIN.get(country, country), fields[2])
            return found
    return {}


def own_time(at_ms: int, zone: tzinfo | None) -> str:
    """A time on the reader's clock as that stands then, in summer time or not; "" where it shows UTC.

    Args:
        at_ms: The time.
        zone: The reader's zone; None for that of this machine.
    """
    at = words.moment_of(at_ms)
    there = None if at is None else at.astimezone(zone)
    if at is None or there is None or not there.utcoffset():
        return ""
    named = {"time": words.value(_there(at, there)), "zone": words.value(words.offset(at_ms, zone))}
    return _("%(time)s on your clock (%(zone)s)", **named)


def _there(at: datetime, there: datetime) -> str:
    return f"{there:%H:%M}" if there.date() == at.date() else f"{there:%Y-%m-%d %H:%M}"


def local_times(at_ms: int, organisations: Iterable[str]) -> tuple[Local, ...]:
    """A time at each party's place; a party whose place is not known has UTC alone."""
    at = words.moment_of(at_ms)
    if at is None:
        return ()
    found: dict[str, Local] = {}
    for organisation in organisations:
        name = _zones().get(organisation.rpartition(".")[2].upper())
        if name is None or name in found:
            continue
        try:
            there = at.astimezone(zoneinfo.ZoneInfo(name))
        except zoneinfo.ZoneInfoNotFoundError:
            continue
        found[name] = Local(place=name.rpartition("/")[2].replace("_", " "), text=_there(at, there))
    return tuple(found[name] for name in sorted(found, key=lambda name: found[name].place))
