"""One-time addresses: what a page was promised over its websocket, and takes or brings over HTTP.

A browser keeps the addresses of downloads in its history. These name no room and no message, work once, and only for
the session that asked for them: the cookie alone, which every request of this origin has, gets nothing.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from amanah_protocol.crypto import same

PASS_BYTES: Final = 18
MOST: Final = 32
"""So many wait to be used; more than a person begins at once."""

T = TypeVar("T")


class Passes(Generic[T]):
    """What is promised and was not taken yet."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        """Begin with nothing.

        Args:
            random: Unguessable bytes, so many.
        """
        self._random = random
        self._given: dict[str, tuple[str, T]] = {}

    def give(self, cookie: str, what: T) -> str:
        """A pass for what the session of this cookie may take; of too many the oldest is void."""
        while len(self._given) >= MOST:
            self._given.pop(next(iter(self._given)))
        name = urlsafe_b64encode(self._random(PASS_BYTES)).decode()
        self._given[name] = cookie, what
        return name

    def take(self, cookie: str, name: str) -> T | None:
        """What a pass is for, once; None for any other, and for that of another session."""
        found = self._given.get(name)
        if found is None or not same(found[0].encode("utf-8", "replace"), cookie.encode("utf-8", "replace")):
            return None
        return self._given.pop(name)[1]
