"""Virtual time: one heap of events, one seed for all randomness, one hash over everything that happened."""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable
from typing import Final, TypeAlias

Work: TypeAlias = Callable[[], None]

START_MS: Final = 1_800_000_000_000
"""When every simulation begins, Unix time."""


class Scheduler:
    """Runs events in order of their time, and of their planning where times are equal."""

    def __init__(self, seed: int) -> None:
        """Begin at `START_MS` with nothing planned.

        Args:
            seed: Everything random is drawn from streams that begin with it.
        """
        self.seed = seed
        self.now_ms = START_MS
        self.handled = 0
        self._heap: list[tuple[int, int, Work]] = []
        self._planned = 0
        self._until_ms = START_MS
        self._trace = hashlib.sha256()

    @property
    def elapsed_ms(self) -> int:
        """Virtual time since the start."""
        return self.now_ms - START_MS

    @property
    def trace(self) -> str:
        """Hash over all that was noted so far, 64 hex digits."""
        return self._trace.hexdigest()

    def stream(self, *names: object) -> random.Random:
        """A source of randomness of its own: what one part draws shifts nothing for another."""
        return random.Random("/".join(str(part) for part in (self.seed, *names)))

    def at(self, when_ms: int, work: Work) -> None:
        """Plan work for a time; what lies in the past is done next."""
        self._planned += 1
        heapq.heappush(self._heap, (max(when_ms, self.now_ms), self._planned, work))

    def after(self, delay_ms: int, work: Work) -> None:
        """Plan work for later."""
        self.at(self.now_ms + delay_ms, work)

    def run(self, until_ms: int) -> None:
        """Do everything planned up to a time, which it then is; a jump on the way moves that time too."""
        self._until_ms = until_ms
        while self._heap and self._heap[0][0] <= self._until_ms:
            self.now_ms, _, work = heapq.heappop(self._heap)
            self.handled += 1
            work()
        self.now_ms = max(self.now_ms, self._until_ms)

    def jump(self, ms: int) -> None:
        """All machines sleep for so long: clocks go on, and what was planned is done so much later."""
        self.now_ms += ms
        self._until_ms += ms
        # Each by the same span, so the heap stays one.
        self._heap = [(when_ms + ms, number, work) for when_ms, number, work in self._heap]

    def note(self, *parts: object) -> None:
        """Add something that happened to the trace; bytes by their content, all else by its text."""
        line = b" ".join(part if isinstance(part, bytes) else str(part).encode() for part in (self.elapsed_ms, *parts))
        self._trace.update(len(line).to_bytes(4, "big") + line)
