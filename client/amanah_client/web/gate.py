"""What stands before every page: whose request it is, and what every answer says to the browser.

The order is that of what costs least: host, then where it comes from, then who it is.
"""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from amanah_client.web.sessions import Sessions

COOKIE: Final = "amanah"
SESSION: Final = "/session"
"""Where a token is exchanged for a cookie."""
LANGUAGE: Final = "/language"
"""Where a reader chooses a language, also before the door."""
STATIC: Final = "/static/"
"""Files that hold nothing of anybody's."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_OPEN: Final = frozenset({SESSION, LANGUAGE})
_SAFE: Final = frozenset({"GET", "HEAD"})
_OWN: Final = frozenset({"same-origin", "none"})
"""`none`: somebody typed the address, or a program handed it over."""


class Gate:
    """An ASGI application around a face's own."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        authority: str,
        sessions: Sessions,
        door: ASGIApp,
        ways_in: Collection[str] = (),
        led: tuple[str, ...] = (),
    ) -> None:
        """Stand before `app`.

        Args:
            app: The pages.
            authority: The only host, with its port, that is answered.
            sessions: Who is in.
            door: The page for everybody else, at any address.
            ways_in: Where else whoever is not in may post, to come in.
            led: Beginnings of addresses to which a page leads its browser by itself, as to a file that has arrived.
        """
        self._app = app
        self._authority = authority
        self._sessions = sessions
        self._door = door
        self._ways_in = _OPEN | frozenset(ways_in)
        self._led = led

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the pages do so."""

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, dressed)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, dressed)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        if headers.getlist("host") != [self._authority]:
            # Says nothing of what is here: whoever came by another name was led (DNS rebinding) or guesses.
            return PlainTextResponse("misdirected request\n", HTTPStatus.MISDIRECTED_REQUEST)
        is_upgrade = scope["type"] == "websocket"
        is_safe = not is_upgrade and scope["method"] in _SAFE
        if not (self._may_read(headers) if is_safe else self._comes_from_here(headers, is_upgrade=is_upgrade)):
            return PlainTextResponse("this comes from another site\n", HTTPStatus.FORBIDDEN)
        path: str = scope["path"]
        if not is_upgrade and (path.startswith(STATIC) or (path in self._ways_in and not is_safe)):
            return None
        # What a page does by itself, such as connecting again, keeps nobody in.
        goes = not is_upgrade and headers.get("sec-fetch-mode") in {None, "navigate"}
        used = goes and not path.startswith(self._led)
        lets_in = self._sessions.admits if used else self._sessions.holds
        return None if lets_in(cookie_of(headers)) else self._door

    def _comes_from_here(self, headers: Headers, *, is_upgrade: bool) -> bool:
        """What changes something names its origin, and the browser says that it is ours.

        Of a form on a page without referrer, such as ours, browsers give the origin as `null` (Fetch, section
        3.1). Then their word that it is ours stands alone; a page of another site cannot make them say so.
        A websocket has an origin always (RFC 6455, section 10.2), and Chromium says nothing more of it.
        """
        origins, is_form = headers.getlist("origin"), headers.get("sec-fetch-mode") == "navigate"
        # Exactly one: of two, another program may read the other.
        origin = origins[0] if len(origins) == 1 else None
        named = origin == f"http://{self._authority}" or (origin == "null" and is_form and not is_upgrade)
        site = headers.get("sec-fetch-site")
        return named and (site == "same-origin" or (is_upgrade and site is None))

    @staticmethod
    def _may_read(headers: Headers) -> bool:
        """Another site may lead here, and may take nothing from here into its own pages."""
        site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "navigate")
        return site in _OWN or (mode == "navigate" and headers.get("sec-fetch-dest", "document") == "document")


def door_status(scope: Scope) -> HTTPStatus:
    """With what the door is shown: to a browser that goes there it is a page, and to all else a refusal.

    A page that is refused stands as an error in the browser's console, at each start; there, an error must mean one.
    """
    goes = Headers(scope=scope).get("sec-fetch-mode") == "navigate"
    return HTTPStatus.OK if goes else HTTPStatus.FORBIDDEN


def cookie_of(headers: Headers) -> str:
    """The cookie of a request; "" for none."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value
