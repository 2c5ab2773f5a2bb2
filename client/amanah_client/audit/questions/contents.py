"""How many messages and alerts stand where, by label: what was to be read at which places of a room."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final, NamedTuple

from amanah_client.audit.questions.case import CONTENT, Case, Stay
from amanah_protocol.labels import Label

LAST: Final = 2**62
"""A place behind all others."""
Span = tuple[int, int]
"""Places from the first up to, and without, the second."""
Counts = tuple[int, ...]
"""One for each label."""

_SHORT: Final = 1_024
"""So few of them are counted as they stand; of more, those before both ends are remembered."""
_KINDS: Final = tuple(map(int, CONTENT))
_CONTENTS: Final = f"""
    SELECT seq, label FROM entry INDEXED BY entry_by_place
    WHERE room = ? AND kind IN {_KINDS} AND held = 1 ORDER BY seq"""  # noqa: S608 - of numbers of ours


class _Room(NamedTuple):
    """What a room holds: places, ascending, and the label of what stands at each; nine bytes a message."""

    places: array[int]
    labels: bytes

    def count(self, at: int, end: int) -> Counts:
        """How many of each label are from one number of them up to another."""
        return tuple(self.labels.count(label, at, end) for label in Label)


class Contents:
    """Counts messages and alerts that hold; each under the strictest label that it ever had."""

    def __init__(self, case: Case) -> None:
        """Read a room when it is first asked for."""
        self._case = case
        self._rooms: dict[int, _Room] = {}
        self._below: dict[tuple[int, int], Counts] = {}
        self._moved: dict[int, list[tuple[int, Label, Label]]] | None = None

    def count(self, room: int, spans: Iterable[Span]) -> dict[Label, int]:
        """How many of each label stand at these places, which do not overlap; labels without any are left out."""
        found = [0] * len(Label)
        held = self._room(room)
        for first, end in spans:
            at, until = (bisect_left(held.places, place) for place in (first, end))
            if until - at <= _SHORT:
                counts = held.count(at, until)
            else:
                below, above = self._before(room, at), self._before(room, until)
                counts = tuple(more - less for more, less in zip(above, below, strict=True))
            for label, count in enumerate(counts):
                found[label] += count
            for seq, was, became in self._raised().get(room, ()):
                if first <= seq < end:
                    found[was] -= 1
                    found[became] += 1
        return {label: found[label] for label in Label if found[label]}

    def _before(self, room: int, at: int) -> Counts:
        """How many of each label stand before one of them."""
        known = self._below.get((room, at))
        if known is None:
            known = self._below[room, at] = self._room(room).count(0, at)
        return known

    def _room(self, room: int) -> _Room:
        known = self._rooms.get(room)
        if known is None:
            rows = self._case.record.select(_CONTENTS, room)
            known = _Room(array("q", [seq for seq, _ in rows]), bytes([label for _, label in rows]))
            self._rooms[room] = known
        return known

    def _raised(self) -> dict[int, list[tuple[int, Label, Label]]]:
        """Of each room (place, label as it was sent, strictest label after) of what was given a stricter label."""
        if self._moved is None:
            self._moved = {}
            for changes in self._case.relabelled().values():
                strictest = max((change.became for change in changes), default=0)
                if changes and strictest > changes[0].label:
                    moved = self._moved.setdefault(changes[0].room, [])
                    moved.append((changes[0].seq, Label(changes[0].label), Label(strictest)))
        return self._moved


def spans_of(stays: Iterable[Stay]) -> list[Span]:
    """The places at which at least one of these stays, all in one room, was in; merged and ascending."""
    merged: list[Span] = []
    for first, end in sorted((stay.from_seq, LAST if stay.to_seq is None else stay.to_seq) for stay in stays):
        if merged and first <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((first, end))
    return merged


def without(span: Span, taken: Iterable[Span]) -> list[Span]:
    """What is left of a span without those that are taken, which are ascending."""
    at, left = span[0], []
    for first, end in taken:
        if first > at:
            left.append((at, min(first, span[1])))
        at = max(at, end)
    left.append((at, span[1]))
    return [(first, end) for first, end in left if first < end]
