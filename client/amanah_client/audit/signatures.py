"""Verifies many signatures at once, on all processors where there are enough of them.

A signature's verification knows nothing but key, signature and bytes: processes that do it need no part
of the record, and what they answer is a bit for each.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from types import TracebackType
from typing import Final, Self

from amanah_protocol.crypto import SignatureClaim
from amanah_protocol.errors import Code, OperationalError

WORTHWHILE: Final = 4_000
"""Signatures from which on processes of their own are started: that takes about as long as so many."""

_NICE: Final = 19


class Signatures:
    """A verifier of signatures; a context, at whose end its processes end."""

    def __init__(self, expected: int) -> None:
        """Begin.

        Args:
            expected: About how many signatures are to be verified.
        """
        processors = len(os.sched_getaffinity(0))
        self._pool: ProcessPoolExecutor | None = None
        if expected >= WORTHWHILE and processors > 1:
            # Not forked: what this process holds, keys among it, is no business of theirs.
            self._pool = ProcessPoolExecutor(processors, mp_context=get_context("spawn"), initializer=_serve)

    def __enter__(self) -> Self:
        """Verify until the context ends."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes; what they have in hand is of no use any more."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def verify(self, claims: Sequence[SignatureClaim]) -> Future[list[bool]]:
        """Whether each of these holds; several calls are worked on side by side."""
        if self._pool is not None:
            return self._pool.submit(verify_all, [tuple(claim) for claim in claims])
        done: Future[list[bool]] = Future()
        done.set_result([claim.holds for claim in claims])
        return done


def _serve() -> None:
    # The parent goes first: it makes the work, and what it makes while it has a processor they do while it writes.
    os.nice(_NICE)
    # Of a parent that was killed no word comes: they would wait for their next work for ever.
    Thread(target=_outlive_nobody, name="parent", daemon=True).start()


def _outlive_nobody() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def verify_all(claims: Sequence[tuple[bytes, ...]]) -> list[bool]:
    """Whether each (key, signature, signed bytes) holds."""
    return [SignatureClaim._make(claim).holds for claim in claims]


def answer(future: Future[list[bool]]) -> list[bool]:
    """The answer of `Signatures.verify`.

    Raises:
        OperationalError: `INTERNAL` when a process ended before its time.
    """
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise OperationalError(
            Code.INTERNAL, "a process that verifies signatures was ended from outside", hint="Run it again."
        ) from error
