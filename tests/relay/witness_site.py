"""A witness on loopback, for a relay to ask: it decides as C2SP tlog-witness says, and can be told to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from amanah_protocol.log.checkpoint import Checkpoint, cosign_checkpoint
from amanah_protocol.log.note_keys import NoteSigner, NoteVerifier
from amanah_protocol.log.witnessing import (
    SIZE_TYPE,
    Accepted,
    Refusal,
    WitnessRequest,
    decide,
    decode_request,
    encode_answer,
    encode_size,
)

TEXT: Final = "text/plain"
Answer = tuple[int, str, bytes]


@dataclass(slots=True, kw_only=True, eq=False)
class WitnessSite:
    """One witness.

    Attributes:
        signer: Its key.
        log: The key of the log that it knows.
        known: What it cosigned last.
        faults: Answers that it gives instead of its own, first first; None breaks the connection off.
        requests: What it was asked.
        told: Set whenever it has answered.
        port: Where it listens.
        serving: Its connections.
    """

    signer: NoteSigner
    log: NoteVerifier
    known: Checkpoint | None = None
    faults: list[Answer | None] = field(default_factory=list)
    requests: list[WitnessRequest] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    serving: set[asyncio.Future[None]] = field(default_factory=set)

    @property
    def address(self) -> str:
        """Its submission prefix."""
        return f"http://127.0.0.1:{self.port}/cosign"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[WitnessSite]:
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
            while (answer := self._answer(*await _request(reader))) is not None:
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

    def _answer(self, path: str, body: bytes) -> Answer | None:
        if path != "/cosign/add-checkpoint":
            return 404, TEXT, b"no such page\n"
        request = decode_request(body)
        self.requests.append(request)
        if self.faults:
            return self.faults.pop(0)
        decided = decide(request, (self.log,), self.known)
        if isinstance(decided, Accepted):
            self.known = decided.checkpoint.value
            return 200, TEXT, encode_answer((cosign_checkpoint(decided.checkpoint, self.signer, time_s=1_800_000_000),))
        if decided.refusal is Refusal.STALE:
            return 409, SIZE_TYPE, encode_size(decided.known_size)
        return decided.refusal.status, TEXT, decided.refusal.words.encode()


async def _request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Path and body of the next request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lengths = (line.partition(":")[2] for line in head.lower().split("\r\n") if line.startswith("content-length"))
    return head.split()[1], await reader.readexactly(int(next(lengths)))
