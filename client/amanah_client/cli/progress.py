"""How far something is that takes long: one line on standard error, where a person looks on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

PERIOD_S: Final = 0.2
"""Between two changes of the line."""
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """A line that changes; nothing is shown where standard error is no terminal."""

    def __init__(self, what: str, total: int) -> None:
        """Begin.

        Args:
            what: What is done to how many, for example `leaves verified`.
            total: Of how many; 0 where that is not known.
        """
        self._what = what
        self._total = total
        self._begun = self._shown = monotonic()
        self._first: int | None = None
        self._is_shown = False

    def advance(self, done: int, total: int | None = None) -> None:
        """So many are done."""
        self._total = self._total if total is None else total
        now = monotonic()
        if self._first is None:
            self._first = done
        if now - self._shown < PERIOD_S or not sys.stderr.isatty():
            return
        self._shown, self._is_shown = now, True
        of = f" of {self._total:,}" if self._total else ""
        rate = (done - self._first) / (now - self._begun)
        left = f", {(self._total - done) / rate:,.0f} s left" if rate > 0 and self._total > done else ""
        sys.stderr.write(f"{_CLEAR}{done:,}{of} {self._what}, {rate:,.0f}/s{left}")
        sys.stderr.flush()

    def end(self) -> None:
        """Take the line away: what follows says what came of it."""
        if self._is_shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()


@contextmanager
def progress(what: str, total: int = 0) -> Iterator[Progress]:
    """A line that is taken away at the end, whatever that is."""
    shown = Progress(what, total)
    try:
        yield shown
    finally:
        shown.end()
