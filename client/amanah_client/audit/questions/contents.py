"""How many messages and alerts stand where, by label: what was to be read at which places of a room."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

from amanah_client.audit.questions.case import CONTENT, Case, Stay
from amanah_protocol.labels import Label

LAST: Final = 2**62
"""A place behind all others."""
Span = tuple[int, int]
"""Places from the first up to, and without, the second."""
Counts = tuple[int, ...]
"""One for each label."""

_BLOCK: Final = 8
"""Places are counted in blocks of 2**8: few rows to read, and few places to look at beside them."""
_SHORT: Final = 1_024
"""So many places are looked at one by one."""
_NONE: Final = (0,) * len(Label)
_KINDS: Final = tuple(map(int, CONTENT))
_BLOCKS: Final = f"""
    SELECT room, seq >> {_BLOCK}, label, count(*) FROM entry INDEXED BY entry_by_place
    WHERE kind IN {_KINDS} AND held = 1 {{room}} GROUP BY 1, 2, 3 ORDER BY 1, 2"""  # noqa: S608 - of numbers of ours
_BESIDE: Final = f"""
    SELECT label, count(*) FROM entry INDEXED BY entry_by_place
    WHERE room = ? AND seq >= ? AND seq < ? AND kind IN {_KINDS} AND held = 1 GROUP BY label"""  # noqa: S608 - the same


class Contents:
    """Counts messages and alerts that hold; each under the strictest label that it ever had."""

    def __init__(self, case: Case, *, whole: bool = False) -> None:
        """Read a room when it is first asked for.

        Args:
            case: The record.
            whole: Read all rooms at once: cheaper for who asks of most of them.
        """
        self._case = case
        self._blocks: dict[int, tuple[list[int], list[Counts]]] = {}
        """Room -> numbers of blocks, ascending, and for each how many of each label stand before its end."""
        self._below: dict[tuple[int, int], Counts] = {}
        self._moved: dict[int, list[tuple[int, Label, Label]]] | None = None
        self._whole = whole
        if whole:
            self._read("")

    def count(self, room: int, spans: Iterable[Span]) -> dict[Label, int]:
        """How many of each label stand at these places, which do not overlap; labels without any are left out."""
        found = list(_NONE)
        for first, end in spans:
            self._add(found, room, first, end)
            for seq, was, became in self._raised().get(room, ()):
                if first <= seq < end:
                    found[was] -= 1
                    found[became] += 1
        return {label: found[label] for label in Label if found[label]}

    def _add(self, found: list[int], room: int, first: int, end: int) -> None:
        if end - first <= _SHORT:
            for label, count in self._case.record.select(_BESIDE, room, first, end):
                found[label] += count
            return
        below, above = self._before(room, first), self._before(room, end)
        for label in Label:
            found[label] += above[label] - below[label]

    def _before(self, room: int, seq: int) -> Counts:
        """How many of each label stand before a place."""
        known = self._below.get((room, seq))
        if known is None:
            if room not in self._blocks:
                self._blocks[room] = [], []
                if not self._whole:
                    self._read(f"AND room = {room:d}")
            numbers, sums = self._blocks[room]
            at = bisect_left(numbers, seq >> _BLOCK)
            counts = list(sums[at - 1] if at else _NONE)
            if at < len(numbers) and numbers[at] == seq >> _BLOCK:
                for label, count in self._case.record.select(_BESIDE, room, numbers[at] << _BLOCK, seq):
                    counts[label] += count
            known = self._below[room, seq] = tuple(counts)
        return known

    def _read(self, room: str) -> None:
        blocks: dict[int, dict[int, list[int]]] = {}
        for number, block, label, count in self._case.record.select(_BLOCKS.format(room=room)):
            blocks.setdefault(number, {}).setdefault(block, list(_NONE))[label] = count
        for number, of in blocks.items():
            sums = accumulate(of.values(), lambda sum_, counts: [a + b for a, b in zip(sum_, counts, strict=True)])
            self._blocks[number] = list(of), [tuple(counts) for counts in sums]

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
