"""A small HTTP server on uvicorn, with bounds on what strangers can hold open: for witnesses and pages on loopback.

A connection has so many seconds for the head of a request, at most so many are open, and none is told what serves it.
Bodies come by `amanah_client.bodies`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

MAX_CONNECTIONS: Final = 256
HEAD_S: Final = 10.0
"""Within which the head of a request has come, from the first byte of a connection on."""
KEEP_ALIVE_S: Final = 90
"""A log asks a witness every half minute, and need not connect anew."""
MAX_HEAD_BYTES: Final = 16 * 1024
MAX_MESSAGE_BYTES: Final = 64 * 1024
_STOP_S: Final = 5


async def serve(
    app: ASGIApp,
    opened: Sequence[socket.socket],
    *,
    tls: ssl.SSLContext | None = None,
    ready: Callable[[], None] = lambda: None,
    head_s: float = HEAD_S,
    max_connections: int = MAX_CONNECTIONS,
    max_head_bytes: int = MAX_HEAD_BYTES,
    websockets: Literal["none", "websockets-sansio"] = "none",
    max_message_bytes: int = MAX_MESSAGE_BYTES,
) -> None:
    """Serve until SIGTERM, or until cancelled.

    Args:
        app: The application.
        opened: Listening sockets; they are closed at the end.
        tls: None for plain HTTP.
        ready: Called when connections are taken.
        head_s: Seconds for the head of a request.
        max_connections: How many are open at once; further ones are closed at once.
        max_head_bytes: Of the head of a request, its address in it.
        websockets: Whether the application takes any.
        max_message_bytes: Of one message over a websocket.
    """
    guarded = type("_Bounded", (_Guarded,), {"head_s": head_s, "max_connections": max_connections})
    config = uvicorn.Config(
        app,
        http=guarded,
        ws=websockets,
        ws_max_size=max_message_bytes,
        # What goes no further than this machine is not packed for it.
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        # Below this, strangers would write our log.
        log_level=logging.ERROR,
        access_log=False,
        server_header=False,
        # A header that anybody may send would name the address that is counted.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=_STOP_S,
        h11_max_incomplete_event_size=max_head_bytes,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    server = _Server(config, ready)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, server.stop)
    try:
        await server.serve(sockets=list(opened))
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        for each in opened:
            each.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    def stop(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn raises a signal again after it has stopped, and a service that stopped in order would have failed.
        yield


class _Guarded(H11Protocol):
    """uvicorn's own protocol, which waits for the first request of a connection for ever."""

    head_s: float
    max_connections: int
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            transport.abort()
            return
        # An answer goes in two pieces, head and body, and a page's frames go one after another: each would wait for
        # the other side's acknowledgement, which that holds back (RFC 896, section 3; RFC 9293, section 3.8.6.3).
        opened: socket.socket = transport.get_extra_info("socket")
        if opened.family in {socket.AF_INET, socket.AF_INET6}:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Where no request is under way, its head is waited for; a byte now and then does not prolong that."""
        cycle: RequestResponseCycle | None = self.cycle
        if self.transport.get_protocol() is not self or (cycle is not None and not cycle.response_complete):
            # The second is a request under way; the first a websocket, which has a protocol of its own by now.
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.head_s, self.transport.abort)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
