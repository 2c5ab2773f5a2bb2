"""Who sits on the wire: a recorder of bytes, a relay in the middle, a server that speaks no protocol at all."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from amanah_protocol.session import SUBPROTOCOL

HOST: Final = "127.0.0.1"
GIB: Final = 2**30
AMANAH: Final = [Subprotocol(SUBPROTOCOL)]
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, section 1.3."""

Bend = Callable[[bytes], list[bytes]]


@dataclass(slots=True, kw_only=True)
class Wire:
    """The bytes of one TCP connection."""

    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)

    @property
    def messages(self) -> bytes:
        """What the client sent, unmasked: RFC 6455 masks it with a key beside it, which hides nothing."""
        protocol = ServerProtocol(max_size=None, subprotocols=AMANAH)
        protocol.receive_data(bytes(self.up))
        return b"".join(bytes(event.data) for event in protocol.events_received() if isinstance(event, Frame))


@contextlib.asynccontextmanager
async def recording(port: int, relay_port: int) -> AsyncIterator[list[Wire]]:
    """Pass connections on from one port to another, and keep every byte."""
    wires: list[Wire] = []
    tasks: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                kept += data
                writer.write(data)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire()
        wires.append(wire)
        try:
            relay_reader, relay_writer = await asyncio.open_connection(HOST, relay_port)
        except ConnectionError:
            writer.close()
            return
        pumps = copy(reader, relay_writer, wire.up), copy(relay_reader, writer, wire.down)
        tasks.update(asyncio.ensure_future(pump) for pump in pumps)

    server = await asyncio.start_server(accept, HOST, port)
    try:
        yield wires
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(slots=True, kw_only=True)
class Between:
    """A relay that is none: it passes every message on, or something else.

    Attributes:
        relay_port: Where the real one listens.
        up: What becomes of a client's message.
        down: What becomes of the relay's message.
        sent: What clients said.
        told: What the relay said.
        codes: With which close codes clients ended their connections.
    """

    relay_port: int
    up: Bend = lambda data: [data]
    down: Bend = lambda data: [data]
    sent: list[bytes] = field(default_factory=list)
    told: list[bytes] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def running(self, port: int) -> AsyncIterator[Server]:
        """Serve on a port."""
        options = {"subprotocols": AMANAH, "compression": None, "max_size": None}
        async with serve(self._serve, HOST, port, **options) as server:  # type: ignore[arg-type]  # options by name
            yield server

    async def _serve(self, client: ServerConnection) -> None:
        async with connect(f"ws://{HOST}:{self.relay_port}", subprotocols=AMANAH, compression=None) as relay:
            pumps = [
                asyncio.ensure_future(self._pump(client, relay, self.up, self.sent)),
                asyncio.ensure_future(self._pump(relay, client, self.down, self.told)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        await client.close()
        if client.protocol.close_rcvd is not None:
            self.codes.append(client.protocol.close_rcvd.code)

    @staticmethod
    async def _pump(
        source: ClientConnection | ServerConnection,
        sink: ClientConnection | ServerConnection,
        bend: Bend,
        kept: list[bytes],
    ) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in source:
                assert isinstance(message, bytes)
                kept.append(message)
                for changed in bend(message):
                    await sink.send(changed)


@dataclass(slots=True, kw_only=True)
class Raw:
    """A TCP peer that upgrades to a websocket as asked, then writes what it likes.

    Attributes:
        payload: What it writes.
        extensions: What it says to have agreed on.
        codes: Close codes of those who ended the connection with one.
        refused: Peers that went away without one.
        taken: Bytes that peers have read, at most.
    """

    payload: bytes
    more: bytes = b""
    extensions: str = ""
    codes: list[int] = field(default_factory=list)
    refused: int = 0
    taken: int = 0

    @contextlib.asynccontextmanager
    async def running(self, port: int) -> AsyncIterator[None]:
        """Serve on a port."""
        server = await asyncio.start_server(self._serve, HOST, port)
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._upgrade(reader, writer)
            writer.write(self.payload)
            await writer.drain()
            closed = asyncio.ensure_future(self._read_close(reader))
            while self.more and not closed.done() and self.taken < GIB:
                writer.write(self.more)
                self.taken += len(self.more)
                await writer.drain()
                await asyncio.sleep(0)
            await closed
        writer.close()

    async def _upgrade(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        lines = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if b": " in line)
        accept = base64.b64encode(hashlib.sha1(lines[b"Sec-WebSocket-Key"] + _GUID, usedforsecurity=False).digest())
        extensions = f"Sec-WebSocket-Extensions: {self.extensions}\r\n" if self.extensions else ""
        writer.write(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept.decode()}\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n{extensions}\r\n".encode()
        )

    async def _read_close(self, reader: asyncio.StreamReader) -> None:
        """Read masked frames until one is a close, or the end."""
        try:
            while True:
                head = await reader.readexactly(2)
                length = head[1] & 0x7F
                if length == 126:
                    length = int.from_bytes(await reader.readexactly(2))
                elif length == 127:
                    length = int.from_bytes(await reader.readexactly(8))
                mask, data = await reader.readexactly(4), await reader.readexactly(length)
                if head[0] & 0x0F == Opcode.CLOSE:
                    plain = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
                    self.codes.append(int.from_bytes(plain[:2]))
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            self.refused += 1


def head_of(length: int, *, opcode: int = 0x82, masked: bool) -> bytes:
    """The head of a websocket frame that says to be so long; nothing needs to follow."""
    mask = 0x80 if masked else 0
    if length < 126:
        said = bytes([mask | length])
    elif length < 2**16:
        said = bytes([mask | 126]) + length.to_bytes(2)
    else:
        said = bytes([mask | 127]) + length.to_bytes(8)
    return bytes([opcode]) + said + (bytes(4) if masked else b"")
