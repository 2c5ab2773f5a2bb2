"""A witness on loopback inside a test, behind uvicorn as in the world, and a client that a log could have."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

from amanah_client.bodies import BODY_S
from amanah_client.listener import HEAD_S, MAX_CONNECTIONS, serve
from amanah_client.witness.app import make_app
from amanah_client.witness.limits import Rate
from amanah_client.witness.server import Address, listen
from amanah_client.witness.witness import Witness


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back."""

    status: int
    body: bytes
    headers: dict[str, str]


class Site:
    """Where a witness serves, and what it told its operator."""

    def __init__(self, port: int, said: list[str], tls: ssl.SSLContext | None) -> None:
        self.port = port
        self.said = said
        self._tls = tls

    def connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        return http.client.HTTPSConnection("localhost", self.port, timeout=30, context=self._tls)

    async def ask(self, method: str, path: str, body: bytes | None = None) -> Reply:
        """One request on a connection of its own."""
        return await asyncio.to_thread(self._ask, method, path, body)

    def _ask(self, method: str, path: str, body: bytes | None) -> Reply:
        with contextlib.closing(self.connection()) as connection:
            return exchange(connection, method, path, body)

    async def add(self, body: bytes) -> Reply:
        return await self.ask("POST", "/add-checkpoint", body)

    def raw(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


def exchange(connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> Reply:
    """One request on an open connection."""
    connection.request(method, path, body)
    answer = connection.getresponse()
    return Reply(status=answer.status, body=answer.read(), headers=dict(answer.getheaders()))


@contextlib.asynccontextmanager
async def serving(
    witness: Witness,
    *,
    tls: ssl.SSLContext | None = None,
    trust: ssl.SSLContext | None = None,
    rate: Rate | None = None,
    body_s: float = BODY_S,
    head_s: float = HEAD_S,
    max_connections: int = MAX_CONNECTIONS,
) -> AsyncIterator[Site]:
    """Serve; ends by cancelling."""
    said: list[str] = []
    opened = listen(Address(host="127.0.0.1", port=0))
    ready = asyncio.Event()
    app = make_app(witness, said.append, body_s=body_s, rate=rate)
    port = opened.getsockname()[1]
    served = serve(app, [opened], tls=tls, ready=ready.set, head_s=head_s, max_connections=max_connections)
    task = asyncio.create_task(served)
    try:
        await ready.wait()
        yield Site(port, said, trust)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
