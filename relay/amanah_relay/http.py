"""The three pages that a relay answers beside the websocket, on the same port.

They tell a monitor what it needs and a stranger nothing: whether the process lives, whether it
takes messages, and the log's newest checkpoint, which is public by design.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

Route = Callable[[ServerConnection, Request], Response | None]


def make_routes(*, ready: Callable[[], bool], checkpoint: Callable[[], bytes | None]) -> Route:
    """What decides over a request before the websocket handshake.

    Args:
        ready: Whether messages are taken now.
        checkpoint: The newest signed checkpoint, None before there is one.
    """

    def route(_: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path == "/" and request.headers.get("Upgrade", "").lower() == "websocket":
            return None
        if request.method != "GET":
            return _answer(HTTPStatus.NOT_FOUND, b"not found\n")
        if path == "/healthz":
            return _answer(HTTPStatus.OK, b"ok\n")
        if path == "/readyz":
            return _answer(HTTPStatus.OK, b"ready\n") if ready() else _unavailable()
        if path == "/log/checkpoint":
            note = checkpoint()
            return _unavailable() if note is None else _answer(HTTPStatus.OK, note)
        return _answer(HTTPStatus.NOT_FOUND, b"not found\n")

    return route


def _unavailable() -> Response:
    return _answer(HTTPStatus.SERVICE_UNAVAILABLE, b"not ready\n")


def _answer(status: HTTPStatus, body: bytes) -> Response:
    headers = Headers(
        {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }
    )
    return Response(status.value, status.phrase, headers, body)
