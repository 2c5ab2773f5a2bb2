"""The pages that a relay answers beside the websocket, on the same port.

They tell a monitor what it needs and a stranger nothing: whether the process lives, whether it takes
messages, and the log as far as it is public by design: its checkpoint and its hashes (C2SP
tlog-tiles). Entries are for those who are entitled to them, by a signed order over the websocket.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from amanah_protocol.log.tiles import TILE_WIDTH, Tile, decode_tile_path

Route = Callable[[ServerConnection, Request], Awaitable[Response | None]]
ReadHashes = Callable[[Tile], Awaitable[bytes | None]]
"""The hashes of a tile, concatenated; None where the published log has no such tile."""

LOG: Final = "/log/"
_BUNDLES: Final = "tile/entries/"
_NOT_FOUND: Final = b"not found\n"
_ENTITLED: Final = b"entries are for auditors who may see them: amanah audit sync\n"
_TEXT: Final = "text/plain; charset=utf-8"
_BINARY: Final = "application/octet-stream"
_NEVER: Final = "no-store"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_A_WHILE: Final = "public, max-age=3600"


def make_routes(*, ready: Callable[[], bool], checkpoint: Callable[[], bytes | None], hashes: ReadHashes) -> Route:
    """What decides over a request before the websocket handshake.

    Args:
        ready: Whether messages are taken now.
        checkpoint: The newest signed checkpoint, None before there is one.
        hashes: Reads a tile.
    """

    async def route(_: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path == "/" and request.headers.get("Upgrade", "").lower() == "websocket":
            return None
        if request.method != "GET":
            return _answer(HTTPStatus.NOT_FOUND, _NOT_FOUND)
        if path.startswith(LOG):
            return await log(path.removeprefix(LOG))
        if path == "/healthz" or (path == "/readyz" and ready()):
            return _answer(HTTPStatus.OK, b"ok\n" if path == "/healthz" else b"ready\n")
        return _unavailable() if path == "/readyz" else _answer(HTTPStatus.NOT_FOUND, _NOT_FOUND)

    async def log(path: str) -> Response:
        if path == "checkpoint":
            note = checkpoint()
            return _unavailable() if note is None else _answer(HTTPStatus.OK, note)
        if path.startswith(_BUNDLES):
            return _answer(HTTPStatus.FORBIDDEN, _ENTITLED)
        tile = decode_tile_path(path)
        found = None if tile is None else await hashes(tile)
        if tile is None or found is None:
            return _answer(HTTPStatus.NOT_FOUND, _NOT_FOUND)
        # A full tile never changes; a partial one may go when it is full.
        cached = _FOR_EVER if tile.width == TILE_WIDTH else _A_WHILE
        return _answer(HTTPStatus.OK, found, kind=_BINARY, cached=cached)

    return route


def _unavailable() -> Response:
    return _answer(HTTPStatus.SERVICE_UNAVAILABLE, b"not ready\n")


def _answer(status: HTTPStatus, body: bytes, *, kind: str = _TEXT, cached: str = _NEVER) -> Response:
    headers = Headers(
        {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": cached,
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }
    )
    return Response(status.value, status.phrase, headers, body)
