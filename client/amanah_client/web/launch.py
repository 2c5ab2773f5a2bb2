"""The way in: a link whose token stands in the fragment, which no server, proxy or log ever sees.

Only the terminal shows it, or a file for this user alone, which leads the browser there: what a program is
started with can be read by every user of the machine.
"""

from __future__ import annotations

import asyncio
import html
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from amanah_client.bodies import read_body
from amanah_client.keystore.durable import operational_errors
from amanah_client.web.gate import COOKIE, SESSION
from amanah_client.web.place import NAME_BYTES, Place, open_place
from amanah_client.web.sessions import IDLE_S, Sessions, running_s

LOCK: Final = "/lock"
_MAX_TOKEN_BYTES: Final = 256
_FILE_MODE: Final = 0o600


class Launch:
    """Offers links, and lets in whoever follows one."""

    def __init__(self, place: Place, sessions: Sessions, path: Path, tell: Callable[[str], None]) -> None:
        """Offer nothing yet.

        Args:
            place: Where the face is.
            sessions: Who is in.
            path: Where the file is written that leads a browser in.
            tell: Where a line goes that the user should see.
        """
        self.place = place
        self.sessions = sessions
        self._path = path
        self._tell = tell

    def offer(self) -> str:
        """A new link; one that was offered before is void.

        Raises:
            OperationalError: `STORE` or `DISK_FULL` when the file cannot be written.
        """
        link = f"{self.place.origin}/#{self.sessions.offer()}"
        self.withdraw()
        refresh = html.escape(f"0;url={link}", quote=True)
        page = (
            f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="{refresh}"><title>Amanah</title>'
        )
        with operational_errors(self._path):
            opened = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, _FILE_MODE)
            with os.fdopen(opened, "w", encoding="utf-8") as file:
                file.write(page)
        return link

    @property
    def leading(self) -> str:
        """The address of the file that leads a browser to the link."""
        return self._path.as_uri()

    def withdraw(self) -> None:
        """Take the file away."""
        with operational_errors(self._path):
            self._path.unlink(missing_ok=True)

    @property
    def routes(self) -> list[Route]:
        """In and out."""
        return [Route(SESSION, self._enter, methods=["POST"]), Route(LOCK, self._lock, methods=["POST"])]

    async def _enter(self, request: Request) -> Response:
        token = (await read_body(request, _MAX_TOKEN_BYTES)).decode("utf-8", "replace")
        cookie = self.sessions.take_up(token)
        if cookie is None:
            self._tell("a link was followed that is not the one offered last, or was used before: nobody was let in")
            return PlainTextResponse("this link is void\n", HTTPStatus.FORBIDDEN)
        self.withdraw()
        return let_in(Response(status_code=HTTPStatus.NO_CONTENT), cookie)

    async def _lock(self, _: Request) -> Response:
        self.sessions.lock()
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)


def let_in(response: Response, cookie: str) -> Response:
    """An answer that lets a browser in."""
    # No `Secure`: there is no TLS on loopback. No end: it lives as long as the browser, or this process.
    response.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", path="/")
    return response


@contextmanager
def offered(face: str, folder: Path, tell: Callable[[str], None], *, idle_s: float = IDLE_S) -> Iterator[Launch]:
    """Listen for a face while it lasts. Who comes before it is served waits: a browser may start meanwhile.

    Args:
        face: What its name, and that of the file that leads a browser in, begin with, for people.
        folder: Where that file is written: this user's alone.
        tell: Where a line goes that the user should see.
        idle_s: After which an unused session ends.

    Raises:
        OperationalError: `ADDRESS_IN_USE`.
    """
    place = open_place(secrets.token_bytes(NAME_BYTES), face)
    launch = Launch(place, Sessions(running_s, secrets.token_bytes, idle_s=idle_s), folder / f"{face}.html", tell)
    try:
        yield launch
    finally:
        launch.withdraw()
        for each in place.sockets:
            each.close()


@contextmanager
def asked_by_enter(offer: Callable[[], None]) -> Iterator[None]:
    """While it lasts, Enter in the terminal makes a new link."""
    if not sys.stdin.isatty():
        yield
        return
    loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()

    def typed() -> None:
        if os.read(terminal, 4096):
            offer()
        else:
            loop.remove_reader(terminal)

    loop.add_reader(terminal, typed)
    try:
        yield
    finally:
        loop.remove_reader(terminal)
