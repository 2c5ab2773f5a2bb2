"""A lean client for the load: real frames over a raw websocket, so that the load costs little of its own.

It speaks just enough of RFC 6455 for a server that fragments nothing and compresses nothing. After
the login a recipient counts frames in the raw stream and verifies one in a thousand whole.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import ssl
from collections.abc import Callable
from time import perf_counter
from typing import Final, TypeVar

from websockets.frames import Frame as WebsocketFrame
from websockets.frames import Opcode

from amanah_protocol import frames
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import check_content, decode_envelope, verify_envelope
from amanah_protocol.roster import Relay
from amanah_protocol.session import (
    NO_TLS,
    SUBPROTOCOL,
    VERSIONS,
    Transcript,
    sign_as_client,
    verify_relay_proof,
)
from amanah_protocol.types import DeviceId
from bench.community import Device

DELIVERY_TAG: Final = 70
VERIFY_EVERY: Final = 1_000
PUSHED: Final = (frames.RoomState, frames.Head, frames.Stock)
"""What the relay says by itself."""
_BINARY, _CLOSE, _PING = 0x82, 0x88, 0x89

F = TypeVar("F", bound=frames.Frame)


def wire(frame: frames.Frame) -> bytes:
    """A frame as a masked websocket message, ready to be written."""
    return WebsocketFrame(Opcode.BINARY, frames.encode_frame(frame)).serialize(mask=True)


class Link(asyncio.Protocol):
    """One connection to the relay."""

    def __init__(self) -> None:
        """Before it is connected."""
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._upgraded = False
        self._inbox: asyncio.Queue[frames.RelayFrame] = asyncio.Queue()
        self.on_frame: Callable[[frames.RelayFrame], None] = self._inbox.put_nowait
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.close_code = 0
        self.counting = False
        self.deliveries = 0
        self.arrivals: list[tuple[float, int]] = []
        self.verified = 0
        self.public_keys: dict[DeviceId, bytes] = {}
        self.reason = "the relay closed a connection"
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected; ask for the websocket."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows for mypy
        self.transport = transport
        host, port = transport.get_extra_info("peername")[:2]
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        request = (
            f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
        )
        transport.write(request.encode())

    def connection_lost(self, _: Exception | None) -> None:
        """asyncio: gone."""
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        """asyncio: the raw stream."""
        if self._rest:
            data = self._rest + data
        position = 0 if self._upgraded else self._skip_upgrade(data)
        end, before = len(data), self.deliveries
        while end - position >= 2:
            length, start = data[position + 1], position + 2
            if length == 126:
                length, start = int.from_bytes(data[start : start + 2]) if end - start >= 2 else end, start + 2
            elif length == 127:
                length, start = int.from_bytes(data[start : start + 8]) if end - start >= 8 else end, start + 8
            if start + length > end:
                break
            if self.counting and data[position] == _BINARY and data[start + 1] == DELIVERY_TAG:
                self.deliveries += 1
                if self.deliveries % VERIFY_EVERY == 0:
                    self._verify(data[start : start + length])
            else:
                self._other(data[position], data[start : start + length])
            position = start + length
        self._rest = data[position:]
        if self.deliveries != before:
            self.arrivals.append((perf_counter(), self.deliveries - before))

    def _skip_upgrade(self, data: bytes) -> int:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return len(data)
        if not data.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError(data[:end].decode())
        self._upgraded = True
        return end + 4

    def _other(self, head: int, payload: bytes) -> None:
        if head == _BINARY:
            self.on_frame(frames.decode_relay_frame(payload))
        elif head == _CLOSE:
            self.close_code = int.from_bytes(payload[:2])
            self.transport.write(WebsocketFrame(Opcode.CLOSE, payload[:2]).serialize(mask=True))
        elif head == _PING:
            self.transport.write(WebsocketFrame(Opcode.PONG, payload).serialize(mask=True))

    def _verify(self, payload: bytes) -> None:
        delivery = frames.decode_relay_frame(payload)
        assert isinstance(delivery, frames.Delivery)  # noqa: S101 - by its tag
        envelope = decode_envelope(delivery.envelope)
        check_content(envelope, delivery.content or b"")
        verify_envelope(envelope, self.public_keys[envelope.header.kid])
        self.verified += 1

    def give_up(self, reason: str) -> None:
        """The relay refused something: cut the connection and remember why."""
        self.reason = reason
        self.transport.abort()

    def send(self, frame: frames.Frame) -> None:
        """Write one frame."""
        self.transport.write(wire(frame))

    async def next(self) -> frames.RelayFrame:
        """The next frame of any kind.

        Raises:
            ConnectionError: The connection is gone.
        """
        getting = asyncio.ensure_future(self._inbox.get())
        await asyncio.wait((getting, self.lost), return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            getting.cancel()
            raise ConnectionError(self.reason)
        return getting.result()

    async def expect(self, kind: type[F]) -> F:
        """The next frame that answers something, which must be of this kind.

        Raises:
            ConnectionError: It is another, or the connection is gone.
        """
        while True:
            frame = await self.next()
            if isinstance(frame, kind):
                return frame
            if not isinstance(frame, PUSHED):
                raise ConnectionError(f"{kind.__name__} is wanted, this is {frame}")


async def log_in(
    device: Device, relay: Relay, port: int, *, tls: ssl.SSLContext | None = None, tls_hash: bytes | None = None
) -> tuple[Link, frames.Ready]:
    """Connect and log in as a device, by real proofs of both sides.

    Args:
        device: Who logs in.
        relay: Whom the roster names.
        port: Where it listens on loopback.
        tls: How to check its certificate; None without TLS.
        tls_hash: What to take for the certificate's hash instead of the one seen.

    Raises:
        VerifyError: `LOGIN` when the relay's proof does not hold.
        ConnectionError: It refused.
    """
    _, link = await asyncio.get_running_loop().create_connection(Link, "127.0.0.1", port, ssl=tls)
    dialled, nonce = f"127.0.0.1:{port}", secrets.token_bytes(32)
    if tls is None:
        tls_hash = NO_TLS
    elif tls_hash is None:
        tls_hash = sha256(link.transport.get_extra_info("ssl_object").getpeercert(binary_form=True))
    link.send(
        frames.Hello(
            versions=VERSIONS,
            client_nonce=nonce,
            device=device.id,
            certificate_hash=device.certificate.hash,
            dialled=dialled,
        )
    )
    challenge = await link.expect(frames.Challenge)
    transcript = Transcript(
        offered=VERSIONS,
        chosen=challenge.chosen,
        relay=relay.relay_id,
        origin=relay.origin,
        dialled=dialled,
        tls_hash=tls_hash,
        client_nonce=nonce,
        relay_nonce=challenge.relay_nonce,
        device=device.id,
        certificate_hash=device.certificate.hash,
        control_sequence=challenge.control_sequence,
        time_ms=challenge.time_ms,
    )
    verify_relay_proof(transcript, challenge.signature, relay.key)
    link.send(
        frames.Proof(
            signature=sign_as_client(transcript, device.key),
            certificate=device.certificate.encoded,
            enrolment=device.enrolment,
        )
    )
    return link, await link.expect(frames.Ready)


async def publish(link: Link, request: int, items: tuple[frames.Item, ...]) -> frames.Stored:
    """Publish and wait for the receipt."""
    link.send(frames.Publish(request=request, items=items))
    return await link.expect(frames.Stored)
