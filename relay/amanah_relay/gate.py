"""How many strangers may be opening a websocket at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from amanah_relay.logs import Tally
from amanah_relay.sessions import network_of
from amanah_relay.wire import RelayConnection


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
