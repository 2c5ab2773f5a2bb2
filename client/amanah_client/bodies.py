"""The body of a request: it comes whole and in time, or not at all."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

BODY_S: Final = 10.0
"""Within which a request has come whole."""
_CLOSE: Final = {"Connection": "close"}
"""Where a body is not read to its end, what follows on the connection is no request."""


async def read_body(request: Request, max_bytes: int, *, within_s: float = BODY_S) -> bytes:
    """The body of a request, whole.

    Raises:
        HTTPException: It is too large or too slow, or nobody is left to answer; the connection is closed.
    """
    if int(request.headers.get("Content-Length", "0")) > max_bytes:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, headers=_CLOSE)
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, headers=_CLOSE)
    except TimeoutError:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, headers=_CLOSE) from None
    except ClientDisconnect:
        # Nobody is left to read this.
        raise HTTPException(HTTPStatus.BAD_REQUEST, headers=_CLOSE) from None
    return bytes(body)
