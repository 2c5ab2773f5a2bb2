"""The listening socket of a witness: uvicorn, with bounds on what a stranger can hold open.

A connection has so many seconds for the head of a request, at most so many are open, and none is told
what serves it. TLS is 1.3 only, from a certificate and a key file; without it, the witness listens on
loopback alone, for a proxy in front of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import re
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from amanah_protocol.errors import Code, OperationalError, UsageError

MAX_CONNECTIONS: Final = 256
HEAD_S: Final = 10.0
"""Within which the head of a request has come, from the first byte of a connection on."""
KEEP_ALIVE_S: Final = 90
"""A log asks every half minute, and need not connect anew."""
MAX_HEAD_BYTES: Final = 16 * 1024
_STOP_S: Final = 5
_PORT: Final = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a witness listens.

    Attributes:
        host: An address of this machine.
        port: 0 for any.
    """

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether nobody beyond this machine gets there."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback


def parse_address(text: str) -> Address:
    """Read `HOST:PORT`, with an address of IPv6 in brackets.

    Raises:
        UsageError: `CONFIG`.
    """
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not _is_host(bare) or _PORT.fullmatch(port) is None or int(port) > 65_535:
        hint = "Write an address of this machine and a port: 127.0.0.1:8088, [::1]:8088, 0.0.0.0:8443."
        raise UsageError(Code.CONFIG, f"{text!r} is no address to listen on", hint=hint)
    return Address(host=bare, port=int(port))


def _is_host(text: str) -> bool:
    try:
        return text == "localhost" or bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def load_tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """Load a certificate (its chain may follow it) and its private key, both PEM.

    Raises:
        UsageError: `CONFIG` for a file that is missing, unreadable, encrypted or does not fit.
    """
    # Not create_default_context(): it writes session keys to whatever file SSLKEYLOGFILE names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except (OSError, ValueError) as error:
        hint = "Name both by --tls-certificate and --tls-key, readable for this user, the key without a passphrase."
        detail = f"{certificate} and {key} are no certificate with its private key"
        raise UsageError(Code.CONFIG, detail, hint=hint) from error
    return context


def listen(address: Address) -> socket.socket:
    """Open the listening socket.

    Raises:
        OperationalError: `ADDRESS_IN_USE`, also for an address that is not this machine's.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=MAX_CONNECTIONS)
    except OSError as error:
        hint = None if error.errno == errno.EADDRINUSE else "Name an address of this machine that this user may use."
        detail = f"{address.host}:{address.port}: {error.strerror or 'unusable'}"
        raise OperationalError(Code.ADDRESS_IN_USE, detail, hint=hint) from error


async def serve(
    app: Starlette,
    opened: socket.socket,
    *,
    tls: ssl.SSLContext | None,
    ready: Callable[[], None] = lambda: None,
    head_s: float = HEAD_S,
    max_connections: int = MAX_CONNECTIONS,
) -> None:
    """Serve until SIGTERM, or until cancelled.

    Args:
        app: The application.
        opened: From `listen`; it is closed at the end.
        tls: From `load_tls`; None for plain HTTP.
        ready: Called when connections are taken.
        head_s: Seconds for the head of a request.
        max_connections: How many are open at once; further ones are closed at once.
    """
    guarded = type("_Bounded", (_Guarded,), {"head_s": head_s, "max_connections": max_connections})
    config = uvicorn.Config(
        app,
        http=guarded,
        ws="none",
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
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    server = _Server(config, ready)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, server.stop)
    try:
        await server.serve(sockets=[opened])
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        opened.close()


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
        if cycle is not None and not cycle.response_complete:
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.head_s, self.transport.abort)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _refuse_password() -> str:
    # Without this OpenSSL would ask on the terminal, and a service would hang at its start.
    message = "the private key is encrypted"
    raise ValueError(message)
