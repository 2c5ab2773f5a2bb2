"""Who is let in: whoever holds the one link that the terminal showed, once, until nobody has used it for a while.

The link's token and the cookie that it is exchanged for live in this process alone and end with it.
"""

from __future__ import annotations

import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Final

IDLE_S: Final = 15 * 60
"""After which a face is locked that nobody looked at."""
TOKEN_BYTES: Final = 32


class Sessions:
    """One session at a time; an offer that was taken up ends the one before."""

    def __init__(self, now_s: Callable[[], float], random: Callable[[int], bytes], *, idle_s: float = IDLE_S) -> None:
        """Begin with nobody in and nothing offered.

        Args:
            now_s: A clock that only goes forward, in seconds.
            random: Unguessable bytes, so many.
            idle_s: After which an unused session ends.
        """
        self._now_s = now_s
        self._random = random
        self.idle_s = idle_s
        self._offered: str | None = None
        self._cookie: str | None = None
        self._used_s = 0.0

    def offer(self) -> str:
        """A token that lets somebody in, once; one that was offered before is void."""
        self._offered = self._secret()
        return self._offered

    def take_up(self, token: str) -> str | None:
        """The cookie for an offered token; None for any other, also for one that was taken up already."""
        if self._offered is None or not _same(token, self._offered):
            return None
        return self.enter()

    def enter(self) -> str:
        """The cookie for somebody who has shown otherwise that they may come in; ends the session before."""
        self._offered, self._cookie, self._used_s = None, self._secret(), self._now_s()
        return self._cookie

    def admits(self, cookie: str) -> bool:
        """Whether this is the cookie of the session; to ask is to use it."""
        if self.is_locked or self._cookie is None or not _same(cookie, self._cookie):
            return False
        self._used_s = self._now_s()
        return True

    def holds(self, cookie: str) -> bool:
        """Whether this is the cookie of the session, without using it: what a page only shows keeps nobody in."""
        return not self.is_locked and self._cookie is not None and _same(cookie, self._cookie)

    @property
    def is_locked(self) -> bool:
        """Whether nobody is in; a session that was not used for too long ends here."""
        if self._cookie is not None and self._now_s() - self._used_s > self.idle_s:
            self._cookie = None
        return self._cookie is None

    @property
    def is_open(self) -> bool:
        """Whether an offer waits to be taken up."""
        return self._offered is not None

    def lock(self) -> None:
        """End the session."""
        self._cookie = None

    def _secret(self) -> str:
        return urlsafe_b64encode(self._random(TOKEN_BYTES)).decode().rstrip("=")


def _same(given: str, kept: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), kept.encode())


def running_s() -> float:
    """Seconds that only go forward, also while the machine sleeps: a lid closed for a night finds it locked."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
