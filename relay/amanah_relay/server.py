"""The relay's shell: sockets in front of the core, the store behind it, signals from outside.

    TCP -> TLS 1.3 -> HTTP upgrade -> messages -> Turns -> RelayCore -> effects -> store, sockets

Limits of this layer (threat model, section 5): TLS 3 s and upgrade 2 s, compression off, messages
of 256 KiB (4 KiB before the login), ping after 20 s and dead after 40 s, 4 MiB of outgoing buffer,
1 KiB/s of progress. What a peer may *do* is the core's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from amanah_protocol.errors import AmanahError, Code, OperationalError, UsageError
from amanah_protocol.limits import MAX_FRAME_BYTES, MAX_PRE_AUTH_FRAME_BYTES
from amanah_protocol.log.merkle import HASH_BYTES
from amanah_protocol.log.tiles import TILE_HEIGHT, TILE_WIDTH, Tile
from amanah_protocol.session import NO_TLS, SUBPROTOCOL
from amanah_relay import stamps
from amanah_relay.core import RelayCore
from amanah_relay.effects import Cosign, Reload, SessionId
from amanah_relay.gate import Gate, GatedConnection
from amanah_relay.http import make_routes
from amanah_relay.inputs import Connected, Loaded, Stop, Tick
from amanah_relay.logs import Tally
from amanah_relay.sessions import HIGH_BYTES, LOW_BYTES, Session
from amanah_relay.shelf import ShelfWorker
from amanah_relay.stamps import NO_STAMPS, Authorities, Stamping
from amanah_relay.state import RelayState
from amanah_relay.tls import ServerTls
from amanah_relay.turns import SLOW, Perform, Turns
from amanah_relay.wire import RelayConnection, choose_writer
from amanah_relay.witnesses import NO_WITNESSES, Outward, Told, Witnesses

TLS_SECONDS: Final = 3
UPGRADE_SECONDS: Final = 2
PING_SECONDS: Final = 20
CLOSE_SECONDS: Final = 5
TICK_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 600.0
MAX_QUEUED_FRAMES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where and how to listen.

    Attributes:
        host: Address or name.
        port: 0 takes a free one.
        tls: None on loopback alone.
        stop_seconds: Bound of a graceful stop.
    """

    host: str
    port: int
    tls: ServerTls | None
    stop_seconds: float


MakeCore: TypeAlias = Callable[[RelayState, str], RelayCore]
"""From the state as loaded and the host:port that is listened on."""


ReadTile: TypeAlias = Callable[[int, int, int], Awaitable[bytes | None]]
"""`StoreWorker.read_tile`: what monitors ask for over HTTP, past the core."""


class RelayServer:
    """One relay on one event loop."""

    def __init__(
        self,
        *,
        make_core: MakeCore,
        perform: Perform,
        read_tile: ReadTile,
        endpoint: Endpoint,
        gate: Gate,
        logger: logging.Logger,
        perform_stamp: stamps.Perform,
        shelf: ShelfWorker,
        outward: Outward = NO_WITNESSES,
        stamping: Stamping = NO_STAMPS,
    ) -> None:
        """Put a core and a store together; nothing happens before `run`.

        Args:
            make_core: Makes the core; see `MakeCore`.
            perform: The store; see `turns.Perform`.
            read_tile: The store; see `ReadTile`.
            endpoint: Where to listen.
            gate: Bounds of connections whose websocket is not open yet.
            logger: For events.
            perform_stamp: The store, for time stamps; see `stamps.Perform`.
            shelf: The files of attachments.
            outward: The witnesses that are asked.
            stamping: The time-stamping authorities that are asked.
        """
        self._make_core = make_core
        self._perform = perform
        self._read_tile = read_tile
        self._endpoint = endpoint
        self._gate = gate
        self._logger = logger
        self._outward = outward
        self._stamping = stamping
        self._perform_stamp = perform_stamp
        self._shelf = shelf
        self._witnesses: Witnesses
        self._authorities: Authorities
        self._tally = Tally(logger)
        self._numbers = iter(range(1, 2**63))
        self._closers: set[asyncio.Task[None]] = set()
        self._taking = False
        self._stop = asyncio.Event()
        self._turns: Turns
        self._core: RelayCore

    def _cosign(self, effect: Cosign) -> None:
        self._witnesses.ask(effect)

    def stop(self) -> None:
        """Begin a graceful stop."""
        self._stop.set()

    async def run(self, listening: Callable[[str], None]) -> None:
        """Load the state, listen, serve until `stop`, finish what is in hand.

        Args:
            listening: Called once with the address, `wss://host:port`, when connections are taken.

        Raises:
            OperationalError: `ADDRESS_IN_USE`; `INTERNAL` when the core failed (the log says how); as
                the store raises it.
            UsageError: `CONFIG` when the host or port cannot be listened on.
        """
        loaded = await self._perform(Reload())
        assert isinstance(loaded, Loaded)  # noqa: S101 - narrows for mypy: `Reload` has no other answer
        found = await self._shelf.look()
        server = await self._listen()
        try:
            address = self._address(server)
            self._core = self._make_core(loaded.state, address.partition("://")[2])
            self._turns = Turns(
                core=self._core,
                perform=self._perform,
                shelve=self._shelf.perform,
                writer=choose_writer(),
                clock_ms=_now_ms,
                close=self._close,
                cosign=self._cosign,
                logger=self._logger,
            )
            self._turns.tell(loaded)
            self._turns.tell(found)
            self._witnesses = Witnesses(
                self._outward,
                told=Told(prove=self._perform, verify=self._core.verify_cosignatures, tell=self._turns.tell),
                logger=self._logger,
            )
            self._authorities = Authorities(
                self._stamping,
                told=stamps.Told(witnessed=lambda: self._core.witnessed, perform=self._perform_stamp, clock_ms=_now_ms),
                logger=self._logger,
            )
            await self._take_connections(server)
            await self._serve(server, lambda: listening(address))
        finally:
            server.close()
            await server.wait_closed()

    async def _serve(self, server: Server, listening: Callable[[], None]) -> None:
        ticker, looking = asyncio.ensure_future(self._tick()), asyncio.ensure_future(self._look())
        stopping = asyncio.ensure_future(self._stop.wait())
        self._taking = True
        try:
            listening()
            await asyncio.wait((stopping, self._turns.failed), return_when=asyncio.FIRST_COMPLETED)
            await self._finish(server)
        finally:
            self._taking = False
            stopping.cancel()
            ticker.cancel()
            looking.cancel()
            for session in self._turns.sessions.values():
                session.connection.pipe.abort()
            await self._witnesses.close()
            await self._authorities.close()
            await self._turns.close()
        if self._turns.failed.done():
            failure = self._turns.failed.exception()
            if isinstance(failure, AmanahError):  # of the store: it says by itself what is to be done
                raise failure
            raise OperationalError(Code.INTERNAL, "the relay stopped itself") from failure

    def _is_ready(self) -> bool:
        return self._taking and self._core.ready

    def _newest_checkpoint(self) -> bytes | None:
        return self._core.checkpoint(_now_ms())

    async def _read_hashes(self, tile: Tile) -> bytes | None:
        size = self._core.published
        width = (size >> TILE_HEIGHT * tile.level) - tile.index * TILE_WIDTH
        if width < tile.width:
            return None
        # Any partial one is a part of what the tree of the published size has there.
        found = await self._read_tile(tile.level, tile.index, size)
        return None if found is None else found[: HASH_BYTES * tile.width]

    async def _listen(self) -> Server:
        tls = self._endpoint.tls
        secure: dict[str, Any] = {} if tls is None else {"ssl": tls.context, "ssl_handshake_timeout": TLS_SECONDS}
        gated = type("Connection", (GatedConnection,), {"gate": self._gate, "tally": self._tally})
        quiet = logging.getLogger("websockets.server")
        try:
            return await serve(
                self._serve_connection,
                self._endpoint.host,
                self._endpoint.port,
                origins=[None],  # a browser page of another site has no business here
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                compression=None,
                process_request=make_routes(
                    ready=self._is_ready, checkpoint=self._newest_checkpoint, hashes=self._read_hashes
                ),
                start_serving=False,
                server_header=None,
                open_timeout=UPGRADE_SECONDS,
                ping_interval=PING_SECONDS,
                ping_timeout=PING_SECONDS,
                close_timeout=CLOSE_SECONDS,
                max_size=MAX_FRAME_BYTES,
                max_queue=MAX_QUEUED_FRAMES,
                write_limit=(HIGH_BYTES, LOW_BYTES),
                logger=quiet,
                create_connection=gated,
                **secure,
            )
        except OSError as error:
            raise _refusal(error, self._endpoint) from error

    async def _take_connections(self, server: Server) -> None:
        # Two programs can bind a port as long as neither listens; whoever listens second fails. uvloop keeps that
        # failure to itself, closes the socket and says that it serves: so it is listened here first.
        try:
            for bound in server.sockets:
                with socket.socket(fileno=os.dup(bound.fileno())) as same:
                    same.listen()
        except OSError as error:
            raise _refusal(error, self._endpoint) from error
        await server.start_serving()

    def _address(self, server: Server) -> str:
        host = self._endpoint.host
        port = server.sockets[0].getsockname()[1]
        scheme = "ws" if self._endpoint.tls is None else "wss"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    async def _serve_connection(self, connection: ServerConnection) -> None:
        assert isinstance(connection, GatedConnection)  # noqa: S101 - narrows for mypy: `create_connection` made it
        session = Session(number=SessionId(next(self._numbers)), connection=connection)
        connection.pressed = lambda high: self._turns.press(session, high=high)
        connected = Connected(
            session=session.number,
            network=connection.leave_gate(),
            nonce=secrets.token_bytes(32),
            tls_hash=NO_TLS if self._endpoint.tls is None else self._endpoint.tls.certificate_hash,
        )
        connection.limit_message(MAX_PRE_AUTH_FRAME_BYTES)
        self._turns.open(session, connected)
        try:
            while True:
                message = await connection.recv()
                if isinstance(message, str):
                    self._close(session, 1003, "text")
                    await connection.wait_closed()
                    break
                await self._turns.receive(session, message)
        except ConnectionClosed:
            pass
        finally:
            self._tally.count(f"closed-{connection.close_code}")
            self._turns.end(session)

    async def _tick(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._turns.tell(Tick())
            now_s = clock()
            for session in tuple(self._turns.writing):
                buffered = session.connection.buffered_bytes
                if session.progress.is_stalled(now_s, written=session.written, buffered=buffered):
                    self._tally.count("slow")
                    self._close(session, *SLOW)
                if not buffered:
                    self._turns.writing.discard(session)
            self._tally.flush()

    async def _look(self) -> None:
        """See from time to time whether a file is left that should be gone."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(OperationalError):  # it was said; the next look finds the same
                self._turns.tell(await self._shelf.look())

    def _close(self, session: Session, code: int, reason: str) -> None:
        session.closing = True
        closer = asyncio.ensure_future(_close_connection(session.connection, code, reason))
        self._closers.add(closer)
        closer.add_done_callback(self._closers.discard)

    async def _finish(self, server: Server) -> None:
        """Take nothing new, let the core end what is in hand, within the bound."""
        self._taking = False
        server.close(close_connections=False)
        if self._turns.failed.done():
            return
        self._logger.info("stopping sessions=%d", len(self._turns.sessions))
        self._turns.tell(Stop())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._endpoint.stop_seconds):
                await self._turns.quiet.wait()
        self._logger.info("stopped sessions-cut=%d", len(self._turns.sessions))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _close_connection(connection: RelayConnection, code: int, reason: str) -> None:
    # `close` first waits until its frame has left the buffer, without any bound: a peer that does not
    # read would keep connection and buffer for ever.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await connection.close(code, reason)
    connection.pipe.abort()


def _refusal(error: OSError, endpoint: Endpoint) -> AmanahError:
    where = f"{endpoint.host}:{endpoint.port}"
    if error.errno == errno.EADDRINUSE:
        return OperationalError(Code.ADDRESS_IN_USE, f"{where} is in use")
    return UsageError(Code.CONFIG, f"[listen] {where}: {error.strerror or 'cannot be listened on'}")
