"""The witness's two addresses over HTTP: `POST /add-checkpoint` and `GET /<hash of the origin>/checkpoint`.

There are no redirects, no cookies and nothing to log in to: a request is worth what the log's signature
in it is worth.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from amanah_client.bodies import BODY_S, read_body
from amanah_client.witness.limits import Rate
from amanah_client.witness.witness import TEXT, Witness
from amanah_protocol.errors import OperationalError
from amanah_protocol.log.witnessing import MAX_REQUEST_BYTES

_Asked = TypeVar("_Asked")
_Found = TypeVar("_Found")


def make_app(
    witness: Witness, tell: Callable[[str], None], *, body_s: float = BODY_S, rate: Rate | None = None
) -> Starlette:
    """The application.

    Args:
        witness: Who decides; its calls run in a thread of their own.
        tell: Where a line goes that the operator should see.
        body_s: Seconds within which a body comes.
        rate: What one address may ask for.
    """
    routes = _Routes(witness, tell, body_s, rate or Rate(time.monotonic))
    app = Starlette(
        routes=[
            Route("/add-checkpoint", routes.add_checkpoint, methods=["POST"]),
            Route("/{origin_hash}/checkpoint", routes.newest, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _refusal},
    )
    app.router.redirect_slashes = False
    return app


class _Routes:
    def __init__(self, witness: Witness, tell: Callable[[str], None], body_s: float, rate: Rate) -> None:
        self._witness = witness
        self._tell = tell
        self._body_s = body_s
        self._rate = rate
        # One is enough, because decisions are one after the other; and nobody else's work keeps them waiting.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="witness")

    async def add_checkpoint(self, request: Request) -> Response:
        self._count(request)
        body = await read_body(request, MAX_REQUEST_BYTES, within_s=self._body_s)
        answer = await self._run(self._witness.add_checkpoint, body)
        return _text(answer.status, answer.body, media_type=answer.media_type)

    async def newest(self, request: Request) -> Response:
        self._count(request)
        note = await self._run(self._witness.newest_note, request.path_params["origin_hash"])
        if note is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return _text(HTTPStatus.OK, note)

    def _count(self, request: Request) -> None:
        if request.client is not None and not self._rate.take(request.client.host):
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, headers={"Retry-After": "1", "Connection": "close"})

    async def _run(self, work: Callable[[_Asked], _Found], asked: _Asked) -> _Found:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, asked)
        except OperationalError as error:
            self._tell(f"nothing was answered: {error.detail}. {error.hint} [{error.code}]")
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": "10"}) from error


async def _refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - narrows for mypy: it is called for these alone
    return _text(error.status_code, f"{error.detail.lower()}\n".encode(), headers=dict(error.headers or {}))


def _text(status: int, body: bytes, *, media_type: str = TEXT, headers: dict[str, str] | None = None) -> Response:
    always = {"Content-Type": media_type, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(body, status_code=status, headers={**always, **(headers or {})})
