"""Who talked with whom, how much on which day, and how fast it was acknowledged: in numbers, for SVG and tables."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Final

from amanah_client.audit.record import Record
from amanah_client.console.state import Examined
from amanah_protocol.content.alert import MAX_OBSERVED_AT_MS
from amanah_protocol.kinds import Kind
from amanah_protocol.types import OrgName

MAX_DAYS: Final = 366
MAX_NATIONS: Final = 40
"""Of a matrix: what is larger is no picture any more, and its table has the most talkative ones."""
_PAGE: Final = 50_000
_DAY_MS: Final = 86_400_000
_CONTENT: Final = f"kind IN ({int(Kind.MESSAGE)}, {int(Kind.ALERT)})"
_SENT: Final = f"""
    SELECT "index", room, seq, sender FROM entry WHERE {_CONTENT} AND held = 1 AND "index" > ?
    ORDER BY "index" LIMIT {_PAGE}"""  # noqa: S608 - numbers of ours
_DAYS: Final = f"""
    SELECT accepted_ms / {_DAY_MS}, kind, count(*) FROM entry INDEXED BY entry_by_time
    WHERE accepted_ms <= {MAX_OBSERVED_AT_MS}
    GROUP BY 1, 2"""  # noqa: S608 - the same
_ACKS: Final = "SELECT target, sent_ms, author, said_ms, device FROM acknowledged"


# ---- who talked with whom


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Messages and alerts by who sent them and who could read them.

    Attributes:
        nations: Rows and columns, by name.
        counts: (sender, reader) -> entries; a nation reads along with itself where it has a second device.
        left_out: Nations beyond those shown.
    """

    nations: tuple[OrgName, ...]
    counts: dict[tuple[OrgName, OrgName], int]
    left_out: int

    @property
    def highest(self) -> int:
        """The largest count."""
        return max(self.counts.values(), default=0)


def matrix(examined: Examined) -> Matrix:
    """Count, once."""
    return examined.once("matrix", lambda: _matrix(examined.record))


def _matrix(record: Record) -> Matrix:
    circles = {number: _Circles(record, number) for (number,) in record.select("SELECT number FROM room")}
    places: Counter[tuple[int, int, int]] = Counter()
    last = -1
    while found := record.select(_SENT, last):
        for _, room, seq, sender in found:
            places[room, circles[room].stretch(seq), sender] += 1
        last = found[-1][0]
    counts: Counter[tuple[OrgName, OrgName]] = Counter()
    for (room, stretch, sender), count in places.items():
        for reader in circles[room].readers(stretch, sender):
            counts[record.who(sender).organisation, reader] += count
    volume: Counter[OrgName] = Counter()
    for (sending, reading), count in counts.items():
        volume[sending] += count
        volume[reading] += count
    shown = sorted(name for name, _ in volume.most_common(MAX_NATIONS))
    kept = {pair: count for pair, count in counts.items() if set(pair) <= set(shown)}
    return Matrix(nations=tuple(shown), counts=kept, left_out=len(volume) - len(shown))


class _Circles:
    """The devices of a room, by stretches of places between which nobody comes or goes."""

    def __init__(self, record: Record, room: int) -> None:
        self._record = record
        stays = record.select("SELECT device, from_seq, to_seq FROM stay WHERE room = ?", room)
        ends = {end for _, begin, gone in stays for end in (begin, gone) if end is not None}
        self._begins = sorted(ends)
        self._inside = [
            frozenset(device for device, begin, gone in stays if begin <= at and (gone is None or at < gone))
            for at in self._begins
        ]

    def stretch(self, seq: int) -> int:
        return bisect_right(self._begins, seq) - 1

    def readers(self, stretch: int, sender: int) -> set[OrgName]:
        inside = self._inside[stretch] if stretch >= 0 else frozenset()
        return {self._record.who(device).organisation for device in inside if device != sender}


# ---- volume by day


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Entries that were accepted on one day (UTC)."""

    date: str
    messages: int
    alerts: int
    others: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.messages + self.alerts + self.others


def volume(examined: Examined) -> tuple[Day, ...]:
    """By day, without gaps; the newest `MAX_DAYS`."""
    return examined.once("volume", lambda: _volume(examined.record.select(_DAYS)))


def _volume(rows: Iterable[tuple[int, int, int]]) -> tuple[Day, ...]:
    by_day: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for day, kind, count in rows:
        by_day[day][kind] += count
    if not by_day:
        return ()
    newest = max(by_day)
    return tuple(
        Day(
            date=datetime.fromtimestamp(day * 86_400, UTC).date().isoformat(),
            messages=by_day[day][Kind.MESSAGE] if day in by_day else 0,
            alerts=by_day[day][Kind.ALERT] if day in by_day else 0,
            others=sum(count for kind, count in by_day.get(day, Counter()).items() if kind not in _TOLD),
        )
        for day in range(max(min(by_day), newest - MAX_DAYS + 1), newest + 1)
    )


_TOLD: Final = (Kind.MESSAGE, Kind.ALERT)


# ---- acknowledgements


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast a nation acknowledged: of each message its first acknowledgement, by the relay's times."""

    nation: OrgName
    count: int
    fastest_ms: int
    median_ms: int
    slowest_ms: int


def speeds(examined: Examined) -> tuple[Speed, ...]:
    """By nation; those that acknowledged nothing are left out."""
    return examined.once("speeds", lambda: _speeds(examined.record))


def _speeds(record: Record) -> tuple[Speed, ...]:
    first: dict[tuple[OrgName, int], int] = {}
    for index, sent_ms, sender, ack_ms, device in record.select(_ACKS):
        nation = record.who(device).organisation
        if nation != record.who(sender).organisation:
            delay = ack_ms - sent_ms
            first[nation, index] = min(delay, first.get((nation, index), delay))
    delays: defaultdict[OrgName, list[int]] = defaultdict(list)
    for (nation, _), delay in first.items():
        delays[nation].append(delay)
    return tuple(
        Speed(
            nation=nation,
            count=len(of),
            fastest_ms=min(of),
            median_ms=int(median(of)),
            slowest_ms=max(of),
        )
        for nation, of in sorted(delays.items())
    )
