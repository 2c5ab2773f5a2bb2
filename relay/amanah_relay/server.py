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
import functools
import logging
import secrets
import signal
import ssl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from amanah_protocol.errors import Code, OperationalError
from amanah_protocol.limits import MAX_FRAME_BYTES, MAX_PRE_AUTH_FRAME_BYTES
from amanah_protocol.session import NO_TLS, SUBPROTOCOL
from amanah_relay.core import RelayCore
from amanah_relay.effects import Reload, SessionId
from amanah_relay.http import make_routes
from amanah_relay.inputs import Connected, Stop, Tick
from amanah_relay.logs import Tally
from amanah_relay.sessions import HIGH_BYTES, LOW_BYTES, Session, network_of
from amanah_relay.tls import ServerTls
from amanah_relay.turns import SLOW, Perform, Turns
from amanah_relay.wire import RelayConnection, choose_writer

TLS_SECONDS: Final = 3
UPGRADE_SECONDS: Final = 2
PING_SECONDS: Final = 20
CLOSE_SECONDS: Final = 5
TICK_SECONDS: Final = 1.0
MAX_QUEUED_FRAMES: Final = 16


@dataclass(slots=True, kw_only=True)
class Gate:
    """Counts connections whose websocket is not open yet; the core counts those that are.

    Attributes:
        total: How many there may be.
        each: How many of one network.
        opening: By network.
    """

    total: int
    each: int
    opening: Counter[str] = field(default_factory=Counter)

    def enter(self, network: str) -> bool:
        """Whether one more may open its websocket."""
        if self.opening.total() >= self.total or self.opening[network] >= self.each:
            return False
        self.opening[network] += 1
        return True

    def leave(self, network: str) -> None:
        """Its websocket is open, or it is gone."""
        self.opening[network] -= 1
        if not self.opening[network]:
            del self.opening[network]


class GatedConnection(RelayConnection):
    """A connection that the gate lets in, or that is cut at once."""

    gate: Gate
    tally: Tally
    network: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: TCP and TLS stand."""
        super().connection_made(transport)
        network = network_of(str((transport.get_extra_info("peername") or ("",))[0]))
        if self.gate.enter(network):
            self.network = network
        else:
            self.tally.count("refused-at-gate")
            self.pipe.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: it is gone."""
        super().connection_lost(exc)
        self.leave_gate()

    def leave_gate(self) -> str:
        """Count it no longer; gives its network."""
        network, self.network = self.network, None
        if network is not None:
            self.gate.leave(network)
        return network or "unknown"
