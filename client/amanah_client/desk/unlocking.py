"""Back in by the profile's passphrase, after the page was locked: slowly, so that nobody can try many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from amanah_client.bodies import read_body
from amanah_client.web.launch import let_in
from amanah_client.web.sessions import Sessions
from amanah_protocol.errors import AmanahError, Code

UNLOCK: Final = "/unlock"
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 300.0
_DOUBLINGS: Final = 20
"""More reach the longest pause anyhow, and no number ends."""
_MAX_BODY_BYTES: Final = 4096


class Unlocking:
    """Takes a passphrase; each wrong one doubles the time until the next is looked at."""

    def __init__(
        self,
        sessions: Sessions,
        check: Callable[[str], None],
        now_s: Callable[[], float],
        door: Callable[[int, bool], Response],
        tell: Callable[[str], None],
    ) -> None:
        """Begin with no wrong one.

        Args:
            sessions: Who is in.
            check: Raises for a passphrase that does not open the profile; takes a while.
            now_s: A clock that only goes forward, in seconds.
            door: The page, with the seconds until the next try, and whether one was wrong.
            tell: Where a line goes that the user should see.
        """
        self._sessions = sessions
        self._check = check
        self._now_s = now_s
        self._door = door
        self._tell = tell
        self._wrong = 0
        self._next_s = 0.0
        self._turn = asyncio.Lock()

    @property
    def route(self) -> Route:
        """Where it is posted."""
        return Route(UNLOCK, self._unlock, methods=["POST"])

    @property
    def wait_s(self) -> int:
        """Seconds until the next try is looked at."""
        return max(0, round(self._next_s - self._now_s() + 0.5))

    async def _unlock(self, request: Request) -> Response:
        form = parse_qs((await read_body(request, _MAX_BODY_BYTES)).decode("utf-8", "replace"), keep_blank_values=True)
        passphrase = form.get("passphrase", [""])[0]
        # One after the other: many at once would be as many tries, and as much memory.
        async with self._turn:
            if self._now_s() < self._next_s:
                return self._door(self.wait_s, False)  # noqa: FBT003 - positional by the type
            try:
                await asyncio.to_thread(self._check, passphrase)
            except AmanahError as error:
                if error.code is not Code.PASSPHRASE:
                    raise
                pause_s = min(FIRST_PAUSE_S * 2 ** min(self._wrong, _DOUBLINGS), LONGEST_PAUSE_S)
                self._wrong += 1
                self._next_s = self._now_s() + pause_s
                self._tell("somebody at this machine tried to unlock the desk with a wrong passphrase")
                return self._door(self.wait_s, True)  # noqa: FBT003 - as above
            self._wrong, self._next_s = 0, 0.0
            return let_in(RedirectResponse("/", HTTPStatus.SEE_OTHER), self._sessions.enter())
