"""What somebody searches for: words, phrases, and where to look.

    phish "sinkhole the domain" room:"Phishing wave" from:cert.example.ma label:amber

Every word is the beginning of a word, all of them have to be there; a phrase is there as it stands. Of several filters
of one kind, one has to fit. There is nothing else to it, and nothing that is written can mean something to the store.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from amanah_client.search.folding import words
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId, RoomId

MAX_CHARS: Final = 1_000
MAX_PARTS: Final = 32
"""Words, phrases and filters of one query."""
EXCERPT_CHARS: Final = 160

ROOM_MARK, DEVICE_MARK, LABEL_MARK = "\ue000", "\ue001", "\ue002"
"""What the index's second column says of an entry begins with these, as no word does."""

_PART: Final = re.compile(r'(?:(room|from|label):)?(?:"([^"]*)"?|([^\s"]+))', re.IGNORECASE)
_FILTERS: Final = ("room", "from", "label")
_NOTHING: Final = "Give a word, a phrase in quotes, or room:, from: or label: with what it is to be."


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A word or a phrase.

    Attributes:
        words: Its words, folded.
        is_start: Whether the last of them may go on.
    """

    words: tuple[str, ...]
    is_start: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is searched for.

    Attributes:
        terms: All of them have to be there.
        rooms: Titles or ids, as they were written.
        senders: Organisations, names or ids of devices, likewise.
        labels: Labels.
    """

    terms: tuple[Term, ...] = ()
    rooms: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    labels: tuple[Label, ...] = ()


def parse_query(text: str) -> Query:
    """Read a query.

    Raises:
        UsageError: `USAGE` where nothing is searched for, or a filter says nothing; `LABEL` for a label that is none;
            `TOO_LARGE` for more than 1,000 characters or 32 parts.
    """
    if len(text) > MAX_CHARS:
        raise UsageError(Code.TOO_LARGE, f"a query has at most {MAX_CHARS} characters", hint="Search for less.")
    terms: list[Term] = []
    filters: dict[str, list[str]] = {name: [] for name in _FILTERS}
    for name, quoted, plain in _PART.findall(text):
        filtered = name.lower() or next((one for one in _FILTERS if plain.lower() == f"{one}:"), "")
        if filtered:
            filters[filtered].append(_filled(filtered, (quoted or plain) if name else ""))
        elif found := tuple(word for _, _, folded in words(quoted or plain) for word in folded.split()):
            terms.append(Term(words=found, is_start=bool(plain)))
    if not terms and not any(filters.values()):
        raise UsageError(Code.USAGE, "there is nothing to search for", hint=_NOTHING)
    if len(terms) + sum(map(len, filters.values())) > MAX_PARTS:
        raise UsageError(Code.TOO_LARGE, f"a query has at most {MAX_PARTS} words and filters", hint="Search for less.")
    labels = tuple(map(Label.parse, filters["label"]))
    return Query(terms=tuple(terms), rooms=tuple(filters["room"]), senders=tuple(filters["from"]), labels=labels)


def expression(query: Query, rooms: Iterable[RoomId], senders: Iterable[DeviceId]) -> str:
    """The query in the words of the index (FTS5), where rooms and senders are known by their ids."""
    marks = (
        [ROOM_MARK + room.hex() for room in rooms],
        [DEVICE_MARK + device.hex() for device in senders],
        [f"{LABEL_MARK}{int(label)}" for label in query.labels],
    )
    parts = [f"words : ({' AND '.join(map(_term, query.terms))})"] if query.terms else []
    parts += [f"marks : ({' OR '.join(map(_quoted, some))})" for some in marks if some]
    return " AND ".join(parts)


def marks(room: RoomId, sender: DeviceId, label: int) -> str:
    """What the index says of an entry beside its words."""
    return f"{ROOM_MARK}{room.hex()} {DEVICE_MARK}{sender.hex()} {LABEL_MARK}{label}"


def spans(text: str, query: Query) -> tuple[tuple[int, int], ...]:
    """Where a text says what is searched for: (start, end), ascending, none within another."""
    found = list(words(text))
    hits: list[tuple[int, int]] = []
    for term in query.terms:
        length = len(term.words)
        for at in range(len(found) - length + 1):
            run = found[at : at + length]
            if _fits(term, [folded for _, _, folded in run]):
                hits.append((run[0][0], run[-1][1]))
    return _joined(sorted(hits))


def excerpt(text: str, query: Query) -> tuple[str, tuple[tuple[int, int], ...]]:
    """A piece of a text around the first place that fits, and where it fits in the piece."""
    hits = spans(text, query)
    first = hits[0][0] if hits else 0
    start = max(0, min(first - EXCERPT_CHARS // 4, len(text) - EXCERPT_CHARS))
    end = start + EXCERPT_CHARS
    inside = ((max(low, start) - start, min(high, end) - start) for low, high in hits if low < end and high > start)
    return text[start:end], tuple(inside)


def _filled(name: str, said: str) -> str:
    if not said.strip():
        raise UsageError(Code.USAGE, f"{name}: says nothing", hint=_NOTHING)
    return said.strip()


def _fits(term: Term, said: list[str]) -> bool:
    last = said[-1].startswith(term.words[-1]) if term.is_start else said[-1] == term.words[-1]
    return last and tuple(said[:-1]) == term.words[:-1]


def _joined(hits: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    joined: list[tuple[int, int]] = []
    for low, high in hits:
        if joined and low < joined[-1][1]:
            joined[-1] = joined[-1][0], max(high, joined[-1][1])
        else:
            joined.append((low, high))
    return tuple(joined)


def _term(term: Term) -> str:
    return _quoted(" ".join(term.words)) + ("*" if term.is_start else "")


def _quoted(text: str) -> str:
    """A string of the index's language; within quotes nothing but the quote means anything."""
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
