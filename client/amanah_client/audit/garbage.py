"""Garbage collection, where many rows are made that hold no circles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Iterator[None]:
    """Look for no circles meanwhile: again and again through all that was read, it takes a fifth of the time or more.

    Threads may use it side by side: the first to leave may turn collections on again, and none leaves them off.
    """
    collected = gc.isenabled()
    if collected:
        gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()
