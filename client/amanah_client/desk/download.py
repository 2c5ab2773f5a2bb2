"""What a browser is given to keep: always as a file, never as a page, under a name that says where it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote

from starlette.concurrency import iterate_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from amanah_protocol.content.file import OCTETS, safe_name
from amanah_protocol.errors import AmanahError

_KEPT: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ()+,-._[]@~")
_ATTR: Final = "!#$&+-.^_`|~"
"""RFC 8187 section 3.2.1, attr-char beside letters and digits."""
HEADERS: Final = {
    "Content-Type": OCTETS,
    # Where a browser showed it all the same, nothing in it could run, and it would be of no origin.
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def disposition(name: str) -> str:
    """How a browser is told what to call a file (RFC 6266): for any of them, and in full for those that read UTF-8.

    Args:
        name: Whatever somebody called it.
    """
    safe = safe_name(name)
    # A percent sign is read as UTF-8 by programs that guess; a quote, a backslash, a semicolon end the name for some.
    plain = "".join(one if one in _KEPT else "_" for one in safe)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe=_ATTR)}"


class Download(Response):
    """A file on its way into a browser.

    It goes as long as `goes_on`; where it is cut or does not hold, the connection is closed before its end, which no
    browser takes for a whole file. Where the browser goes before its end, it was not given: nothing is told, and what
    was fetched for it stays. What the system has taken to send counts as given: nobody says how much of it arrived.
    """

    def __init__(
        self,
        name: str,
        pieces: Iterator[bytes],
        *,
        size: int | None,
        goes_on: Callable[[], bool] = lambda: True,
        ended: Callable[[AmanahError | OSError | None], None] = lambda _problem: None,
    ) -> None:
        """Give nothing yet.

        Args:
            name: Whatever somebody called it.
            pieces: Its bytes; may raise, and then there is no such file.
            size: How many; None where that shows at the end alone.
            goes_on: Asked before each piece.
            ended: Told when all of it went, or what did not hold; not where it was cut or broken off.
        """
        super().__init__()
        self._name = name
        self._pieces = pieces
        self._size = size
        self._goes_on = goes_on
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        """Answer."""
        gone = asyncio.create_task(_leave(receive))
        try:
            await self._give(send, gone)
        finally:
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone

    async def _give(self, send: Send, gone: asyncio.Task[None]) -> None:
        headers = MutableHeaders(HEADERS | {"Content-Disposition": disposition(self._name)})
        if self._size is not None:
            headers["Content-Length"] = str(self._size)
        await send({"type": "http.response.start", "status": 200, "headers": headers.raw})
        try:
            async for piece in iterate_in_threadpool(self._pieces):
                if not self._goes_on():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                # Asked at once: behind the last piece a browser may go as soon as it has all.
                if gone.done():
                    return
        except (AmanahError, OSError) as problem:
            self._ended(problem)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        self._ended(None)


async def _leave(receive: Receive) -> None:
    """Until the browser has gone: to one that has, a server sends without a word."""
    while (await receive())["type"] != "http.disconnect":
        pass
