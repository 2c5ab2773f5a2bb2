"""The reader's language: chosen on any page and kept in a cookie, else as this machine or the browser has it."""

from __future__ import annotations

from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from amanah_client.bodies import read_body
from amanah_client.language import Language, asked_for, language, speaking
from amanah_client.web.gate import LANGUAGE

COOKIE: Final = "amanah-language"
_MAX_FORM_BYTES: Final = 64 * 1024
"""An address with a pasted receipt stands in it."""


class Reader:
    """An ASGI application around the gate: it answers in the language of whoever asks."""

    def __init__(self, app: ASGIApp, usual: Language | None) -> None:
        """Stand before `app`.

        Args:
            app: The gate, and the pages behind it.
            usual: The language that was chosen for this program or profile; it outweighs what a browser asks for.
        """
        self._app = app
        self._usual = usual

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        chosen = language(_cookie(headers)) or self._usual
        with speaking(chosen or asked_for("", headers.get("accept-language", ""))):
            await self._app(scope, receive, send)


def route() -> Route:
    """Where a choice is taken: a form with `language`, and the page `next` to go back to."""
    return Route(LANGUAGE, _choose, methods=["POST"])


async def _choose(request: Request) -> Response:
    form = parse_qs((await read_body(request, _MAX_FORM_BYTES)).decode("utf-8", "replace"))
    wanted, back = language(form.get("language", [""])[0]), form.get("next", ["/"])[0]
    # Back to a page of ours alone: `//host` and `/\\host` are other places to a browser.
    here = back if back.startswith("/") and back[1:2] not in {"/", "\\"} and back.isprintable() else "/"
    answer = RedirectResponse(here, HTTPStatus.SEE_OTHER)
    if wanted is not None:
        answer.set_cookie(COOKIE, wanted.tag, httponly=True, samesite="strict", path="/")
    return answer


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value
