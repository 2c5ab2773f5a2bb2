"""Entries of the record for a page: rows by key, the histogram above them, and what was found of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from amanah_client.audit.record import Record
from amanah_client.audit.report import Entry, Finding, Severity
from amanah_client.audit.table import changed, words
from amanah_client.console.selection import Selection, time_text
from amanah_client.console.state import Examined
from amanah_protocol.content.alert import MAX_OBSERVED_AT_MS
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Commit

PAGE: Final = 100
_BARS: Final = 60
_DAY_MS: Final = 86_400_000
_WIDTHS_MS: Final = (
    *(1_000 * seconds for seconds in (1, 5, 15, 60, 300, 900, 3_600, 10_800, 21_600)),
    *(_DAY_MS * days for days in (1, 7, 28, 364, 3_640, 36_400, 364_000)),
)
"""Each divides those that follow."""
_STRETCHES: Final = 4_000
_FEW: Final = 5
_LAST_INDEX: Final = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One entry in words.

    Attributes:
        entry: The entry.
        said: What was done, in words.
        findings: What was found of it.
        compromised: Whether its sender's key was in wrong hands by then, as its organisation says.
    """

    entry: Entry
    said: str
    findings: tuple[Finding, ...]
    compromised: bool

    @property
    def faults(self) -> tuple[Finding, ...]:
        """What does not hold of it."""
        return tuple(found for found in self.findings if found.severity is Severity.FAULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A page of rows, in log order.

    Attributes:
        rows: The rows.
        before: Index before which the page before ends; None on the first page.
        after: Index after which the next page begins; None on the last page.
    """

    rows: tuple[Row, ...]
    before: int | None
    after: int | None


def listing(examined: Examined, wanted: Selection, *, after: int | None, before: int | None) -> Listing:
    """A page of the wanted entries: by key, so that the last one comes as fast as the first.

    Args:
        examined: The record.
        wanted: Which entries.
        after: Only those behind this index.
        before: Only those before this index, the nearest of them; outweighs `after`.
    """
    record = examined.record
    if before is not None:
        where = f'WHERE {wanted.where} AND entry."index" < ? ORDER BY entry."index" DESC LIMIT {PAGE + 1}'
        found = record.read(where, *wanted.values, before)
        entries, more_before = list(reversed(found[:PAGE])), len(found) > PAGE
        more_after = before < _LAST_INDEX and _any(record, wanted, f'entry."index" >= {before}')
    else:
        start = -1 if after is None else after
        where = f'WHERE {wanted.where} AND entry."index" > ? ORDER BY entry."index" LIMIT {PAGE + 1}'
        found = record.read(where, *wanted.values, start)
        entries, more_after = found[:PAGE], len(found) > PAGE
        more_before = start >= 0 and _any(record, wanted, f'entry."index" <= {start}')
    return Listing(
        rows=rows(examined, entries),
        before=entries[0].index if entries and more_before else None,
        after=entries[-1].index if entries and more_after else None,
    )


def _any(record: Record, wanted: Selection, condition: str) -> bool:
    query = f"SELECT 1 FROM entry WHERE {wanted.where} AND {condition} LIMIT 1"  # noqa: S608 - conditions of ours
    return bool(record.select(query, *wanted.values))


def rows(examined: Examined, entries: list[Entry]) -> tuple[Row, ...]:
    """These entries in words."""
    found = findings_of(examined.record, [entry.index for entry in entries])
    return tuple(_row(examined, entry, tuple(found.get(entry.index, ()))) for entry in entries)


def _row(examined: Examined, entry: Entry, findings: tuple[Finding, ...]) -> Row:
    record, since = examined.record, examined.report.compromised.get(entry.sender.device)
    specific = entry.specific
    said = (
        changed(map(record.named, specific.added), map(record.named, specific.removed))
        if isinstance(specific, Commit)
        else words(specific)
    )
    return Row(
        entry=entry,
        said=said,
        findings=findings,
        compromised=since is not None and entry.accepted_at_ms >= since,
    )


def findings_of(record: Record, indices: list[int]) -> dict[int, list[Finding]]:
    """What was found of these entries."""
    found: dict[int, list[Finding]] = {}
    marks = ", ".join("?" * len(indices))
    query = f'SELECT severity, "index", code, text FROM finding WHERE "index" IN ({marks}) ORDER BY id'  # noqa: S608 - marks alone
    for severity, index, code, text in record.select(query, *indices):
        one = Finding(severity=Severity(severity), index=index, code=Code(code), text=text)
        found.setdefault(index, []).append(one)
    for finding in record.misdated(indices):
        found.setdefault(finding.index or 0, []).append(finding)
    return found


# ---- the histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A stretch of time in the histogram.

    Attributes:
        from_ms: Its first moment.
        to_ms: The moment behind it.
        count: Entries accepted in it.
        refused: Those of them that do not hold.
        link: The entries of it.
    """

    from_ms: int
    to_ms: int
    count: int
    refused: int
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many of the wanted entries were accepted when.

    Attributes:
        bars: Without gaps, ascending.
        total: Wanted entries.
        untimed: Those whose time lies beyond any calendar.
        first_ms: When the first of those in bars was accepted: within the first bar, and seldom where it begins.
        last_ms: When the last of them was.
    """

    bars: tuple[Bar, ...]
    total: int
    untimed: int
    first_ms: int = 0
    last_ms: int = 0

    @property
    def highest(self) -> int:
        """The largest count."""
        return max((bar.count for bar in self.bars), default=0)


def histogram(examined: Examined, wanted: Selection) -> Histogram:
    """Count the wanted entries by time of acceptance."""
    return examined.once(("histogram", wanted.where, wanted.values), lambda: _histogram(examined.record, wanted))


def _histogram(record: Record, wanted: Selection) -> Histogram:
    of = f"FROM entry INDEXED BY entry_by_time WHERE {wanted.where} AND accepted_ms"
    ((untimed,),) = record.select(f"SELECT count(*) {of} > {MAX_OBSERVED_AT_MS}", *wanted.values)
    ((first,),) = record.select("SELECT min(accepted_ms) FROM entry")
    ((last,),) = record.select("SELECT max(accepted_ms) FROM entry WHERE accepted_ms <= ?", MAX_OBSERVED_AT_MS)
    counts, width = _counted(record, wanted, of, first or 0, last or 0)
    if not counts:
        return Histogram(bars=(), total=untimed, untimed=untimed)
    low, high = min(counts), max(counts)
    coarse = next(coarse for coarse in _WIDTHS_MS if coarse >= width and high // coarse - low // coarse < _BARS)
    bars = dict.fromkeys(range(low // coarse, high // coarse + 1), (0, 0))
    for begin, (count, refused, *_) in counts.items():
        known = bars[begin // coarse]
        bars[begin // coarse] = known[0] + count, known[1] + refused
    return Histogram(
        bars=tuple(_bar(wanted, place * coarse, (place + 1) * coarse, *found) for place, found in bars.items()),
        total=untimed + sum(stretch.entries for stretch in counts.values()),
        untimed=untimed,
        first_ms=counts[low].first_ms,
        last_ms=counts[high].last_ms,
    )


class _Stretch(NamedTuple):
    """How many entries a stretch of time has, how many of them do not hold, and when the first and last came."""

    entries: int
    refused: int
    first_ms: int
    last_ms: int


def _counted(record: Record, wanted: Selection, of: str, first: int, last: int) -> tuple[dict[int, _Stretch], int]:
    """Begin of a stretch of time -> what it has; and its length.

    One pass over all entries in scope, in more stretches than there will be bars; where what is wanted
    lies close together, a second one over that time alone.
    """
    width = next((width for width in _WIDTHS_MS if (last - first) // width < _STRETCHES), _WIDTHS_MS[-1])
    told = f"accepted_ms / {width}, count(*), sum(held = 0), min(accepted_ms), max(accepted_ms)"
    query = f"SELECT {told} {of} BETWEEN {first} AND {last} GROUP BY 1"
    counts = {begin * width: _Stretch(*found) for begin, *found in record.select(query, *wanted.values)}
    if not counts or width == _WIDTHS_MS[0] or (max(counts) - min(counts)) // width >= _FEW:
        return counts, width
    return _counted(record, wanted, of, min(counts), max(counts) + width - 1)


def _bar(wanted: Selection, begin: int, end: int, count: int, refused: int) -> Bar:
    link = wanted.link(**{"from": time_text(begin), "to": time_text(min(end, MAX_OBSERVED_AT_MS))})
    return Bar(from_ms=begin, to_ms=end, count=count, refused=refused, link=link)
