"""A site on loopback that says what a test wants it to say, over HTTP/1.1 and as little of that as clients need."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Self

Answer = tuple[int, str, bytes]
"""Status, media type and body."""


@dataclass(slots=True, kw_only=True, eq=False)
class Site(ABC):
    """One site.

    Attributes:
        told: Set whenever it has answered.
        port: Where it listens.
        serving: Its connections.
    """

    told: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    serving: set[asyncio.Future[None]] = field(default_factory=set)

    @abstractmethod
    async def answer(self, path: str, body: bytes) -> Answer | None:
        """What is said to a request; None breaks the connection off."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Serve; a port that was taken once is taken again."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for serving in tuple(self.serving):
                serving.cancel()
            await asyncio.gather(*self.serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.ensure_future(self._serve(reader, writer))
        self.serving.add(serving)
        serving.add_done_callback(self.serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (answer := await self.answer(*await _request(reader))) is not None:
                status, kind, body = answer
                start = f"HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(start.encode() + body)
                await writer.drain()
                self.told.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def _request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Path and body of the next request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lengths = (line.partition(":")[2] for line in head.lower().split("\r\n") if line.startswith("content-length"))
    return head.split()[1], await reader.readexactly(int(next(lengths)))
