"""The network between clients and relay: websocket connections that delay, break, and stay half open.

Within one connection bytes arrive in order or not at all: once something is lost, so is all that
follows it in that direction. Between connections there is no order: what an old one still carries
may arrive after its successor was opened.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from tests.simulation.scheduler import Scheduler

PING_MS: Final = 20_000
"""A connection on which nothing arrives any more is given up after one to two of these."""


@dataclass(slots=True, kw_only=True)
class Weather:
    """How the network is.

    Attributes:
        delay_ms: The shortest time that a message takes.
        jitter_ms: What chance adds to it, at most.
        stall_percent: How many of a hundred messages take ten times as long; what follows waits.
    """

    delay_ms: int = 20
    jitter_ms: int = 30
    stall_percent: int = 0

    def draw(self, source: random.Random) -> int:
        """How long one message takes."""
        delay = self.delay_ms + source.randint(0, self.jitter_ms)
        return delay * 10 if source.randrange(100) < self.stall_percent else delay


class End(Protocol):
    """Who sits at one end of a connection."""

    def receive(self, connection: Connection, data: bytes) -> None:
        """A message arrived."""

    def lost(self, connection: Connection) -> None:
        """The connection is gone; told once."""


class Pipe:
    """One direction of a connection."""

    def __init__(self, scheduler: Scheduler, weather: Weather, source: random.Random) -> None:
        """Open, with nothing on its way."""
        self._scheduler = scheduler
        self._weather = weather
        self._source = source
        self._last_ms = scheduler.now_ms
        self._broken = False

    def send(self, deliver: Callable[[], None]) -> None:
        """Something enters; it comes out behind all that entered before."""
        if self._broken:
            return
        self._last_ms = max(self._last_ms, self._scheduler.now_ms + self._weather.draw(self._source))
        self._scheduler.at(self._last_ms, lambda: None if self._broken else deliver())

    def hold(self, until_ms: int) -> None:
        """What enters from now on comes out at this time at the earliest."""
        self._last_ms = max(self._last_ms, until_ms)

    def cut(self) -> None:
        """All that is on its way is lost, and all that would follow."""
        self._broken = True


class Connection:
    """One websocket."""

    def __init__(self, scheduler: Scheduler, weather: Weather, *, number: int, client: End, relay: End) -> None:
        """Open both ways.

        Args:
            scheduler: The world's time.
            weather: How long messages take.
            number: Of this connection, counted over the whole world.
            client: Who dialled.
            relay: Who listens.
        """
        self.number = number
        self._scheduler = scheduler
        self._source = scheduler.stream("connection", number)
        self._client, self._relay = client, relay
        self._up = Pipe(scheduler, weather, self._source)
        self._down = Pipe(scheduler, weather, self._source)
        self._client_gone = self._relay_gone = self._silent = False

    @property
    def is_over(self) -> bool:
        """Whether the client has nothing to hope of it."""
        return self._client_gone

    def to_relay(self, data: bytes) -> None:
        """The client writes a message."""
        if not self._client_gone:
            self._up.send(lambda: self._at_relay(data))

    def to_client(self, data: bytes) -> None:
        """The relay writes a message."""
        if not self._relay_gone:
            self._down.send(lambda: self._at_client(data))

    def hold_down(self, until_ms: int) -> None:
        """The client reads nothing until this time."""
        self._down.hold(until_ms)

    def close_by_client(self) -> None:
        """The client closes, or its process died: what it wrote may still arrive, what comes is not read."""
        self._client_gone = True
        self._down.cut()
        if self._source.randrange(2):
            self._up.cut()
            self._scheduler.after(self._source.randint(1, 400), self._tell_relay)
        else:
            self._up.send(self._tell_relay)

    def close_by_relay(self) -> None:
        """The relay closes, or its process died: what it wrote may still arrive, what comes is not read."""
        self._relay_gone = True
        self._up.cut()
        self._down.send(self._tell_client)

    def cut(self) -> None:
        """It breaks: everything on its way is lost, and each end hears of it in its own time."""
        self._up.cut()
        self._down.cut()
        self._scheduler.after(self._source.randint(0, 300), self._tell_client)
        self._scheduler.after(self._source.randint(0, 300), self._tell_relay)

    def freeze(self, *, up: bool, down: bool) -> None:
        """It goes silent in one or both directions; the ends find out by their pings."""
        self._silent = True
        if up:
            self._up.cut()
        if down:
            self._down.cut()
        # A ping needs both directions, so either silence is found by both ends.
        self._scheduler.after(self._source.randint(PING_MS, 2 * PING_MS), self._tell_client)
        self._scheduler.after(self._source.randint(PING_MS, 2 * PING_MS), self._tell_relay)

    def thaw(self) -> None:
        """The network is well again: who still writes into a silent connection is told that it is gone."""
        if self._silent:
            self.cut()

    def _at_relay(self, data: bytes) -> None:
        if not self._relay_gone:
            self._relay.receive(self, data)

    def _at_client(self, data: bytes) -> None:
        if not self._client_gone:
            self._client.receive(self, data)

    def _tell_relay(self) -> None:
        if not self._relay_gone:
            self._relay_gone = True
            self._up.cut()
            self._relay.lost(self)

    def _tell_client(self) -> None:
        if not self._client_gone:
            self._client_gone = True
            self._down.cut()
            self._client.lost(self)
