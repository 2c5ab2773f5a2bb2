"""How many messages and alerts stand where, by label: what was to be read at which places of a room."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from amanah_client.audit.questions.case import Case, RoomRef, Stay
from amanah_client.audit.register import BLOCK
from amanah_protocol.labels import Label

LAST: Final = 2**62
"""A place behind all others."""
Span = tuple[int, int]
"""Places from the first up to, and without, the second."""
Counts = tuple[int, ...]
"""One for each label."""

_NONE: Final = (0,) * len(Label)
_BLOCKS: Final = "SELECT room, block, labels FROM content WHERE ?1 IS NULL OR room = ?1 ORDER BY room, block"
_AGAIN: Final = "SELECT room, seq, label FROM content_again WHERE ?1 IS NULL OR room = ?1 ORDER BY room, seq"


@dataclass(slots=True, kw_only=True)
class _Room:
    """What a room holds.

    Attributes:
        numbers: Of its blocks that hold something, ascending.
        labels: Of each a byte a place: its label, if something stands there.
        below: How many of each label stand before each, and one more: before the end.
        again: Places of what claims one that is taken, ascending.
        again_labels: Of each its label.
    """

    numbers: list[int] = field(default_factory=list)
    labels: list[bytes] = field(default_factory=list)
    below: list[Counts] = field(default_factory=lambda: [_NONE])
    again: list[int] = field(default_factory=list)
    again_labels: bytearray = field(default_factory=bytearray)

    def add(self, number: int, labels: bytes) -> None:
        """The next block."""
        self.numbers.append(number)
        self.labels.append(labels)
        self.below.append(_sum(self.below[-1], _count(labels, 0, BLOCK)))

    def between(self, first: int, end: int) -> Counts:
        """How many of each label stand at the places of a span."""
        counts = self._between(first, end)
        if not self.again:
            return counts
        at, until = (bisect_left(self.again, place) for place in (first, end))
        return _sum(counts, _count(self.again_labels, at, until))

    def _between(self, first: int, end: int) -> Counts:
        if first // BLOCK == end // BLOCK:
            at = bisect_left(self.numbers, first // BLOCK)
            if at == len(self.numbers) or self.numbers[at] != first // BLOCK:
                return _NONE
            return _count(self.labels[at], first % BLOCK, end % BLOCK)
        return tuple(more - less for more, less in zip(self._before(end), self._before(first), strict=True))

    def _before(self, seq: int) -> Counts:
        number, at = divmod(seq, BLOCK)
        place = bisect_left(self.numbers, number)
        if place == len(self.numbers) or self.numbers[place] != number:
            return self.below[place]
        return _sum(self.below[place], _count(self.labels[place], 0, at))


class Contents:
    """Counts messages and alerts that hold; each under the strictest label that it ever had."""

    def __init__(self, case: Case, room: RoomRef | None = None) -> None:
        """Read what stands at which place, a byte each: of one room or of all."""
        self._case = case
        self._rooms: defaultdict[int, _Room] = defaultdict(_Room)
        only = None if room is None else room.number
        for number, block, labels in case.record.select(_BLOCKS, only):
            self._rooms[number].add(block, labels)
        for number, seq, label in case.record.select(_AGAIN, only):
            self._rooms[number].again.append(seq)
            self._rooms[number].again_labels.append(label)
        self._moved: dict[int, list[tuple[int, Label, Label]]] | None = None

    def count(self, room: int, spans: Iterable[Span]) -> dict[Label, int]:
        """How many of each label stand at these places, which do not overlap; labels without any are left out."""
        held = self._rooms.get(room)
        if held is None:
            return {}
        found = [0] * len(Label)
        for first, end in spans:
            for label, count in enumerate(held.between(first, end)):
                found[label] += count
            for seq, was, became in self._raised().get(room, ()):
                if first <= seq < end:
                    found[was] -= 1
                    found[became] += 1
        return {label: found[label] for label in Label if found[label]}

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


def _count(labels: bytes | bytearray, first: int, end: int) -> Counts:
    return tuple(labels.count(label, first, end) for label in Label)


def _sum(one: Counts, other: Counts) -> Counts:
    return tuple(a + b for a, b in zip(one, other, strict=True))


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
