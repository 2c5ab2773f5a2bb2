"""Connections before login, clients after it, and how many of each there may be.

A login is a walk through `LOGIN`; a frame for which the table has no step closes the connection.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from amanah_protocol import frames
from amanah_protocol.errors import Code, RefusedError, VerifyError
from amanah_protocol.identity import Certificate
from amanah_protocol.session import Transcript
from amanah_protocol.types import DeviceId, OrgName, RoomId
from amanah_relay.effects import SessionId
from amanah_relay.inputs import Connected
from amanah_relay.quotas import Claim, Rate, RelayLimits, Scope


class Phase(Enum):
    """How far a login is."""

    OPENED = "opened"
    CHALLENGED = "challenged"
    LOGGING = "logging"
    COUNTING = "counting"
    READY = "ready"


class Step(Enum):
    """What takes a login further."""

    HELLO = "hello"
    PROOF = "proof"
    LOGGED = "logged"
    COUNTED = "counted"


LOGIN: Final[Mapping[tuple[Phase, Step], Phase]] = {
    (Phase.OPENED, Step.HELLO): Phase.CHALLENGED,  # the relay has signed
    (Phase.CHALLENGED, Step.PROOF): Phase.LOGGING,  # the client has signed, its chain holds
    (Phase.LOGGING, Step.LOGGED): Phase.COUNTING,  # its certificates are durable
    (Phase.COUNTING, Step.COUNTED): Phase.READY,  # its key packages are counted, `Ready` is sent
}
"""Login (`protocol.md` section 3). One attempt: there is no way back."""


@dataclass(slots=True)
class Progress:
    """Where a login stands.

    Attributes:
        phase: The phase.
    """

    phase: Phase = Phase.OPENED

    def advance(self, step: Step) -> None:
        """Take a step.

        Raises:
            VerifyError: `FRAME` when the table has no such step from here.
        """
        following = LOGIN.get((self.phase, step))
        if following is None:
            raise VerifyError(Code.FRAME, f"{step.value} does not follow {self.phase.value}")
        self.phase = following


@dataclass(slots=True, kw_only=True, eq=False)
class Connection:
    """Somebody who has not logged in.

    Attributes:
        session: Its number.
        network: IPv4 address or IPv6 /64.
        nonce: Our nonce for its login.
        tls_hash: SHA-256 of our TLS certificate.
        opened_ms: When it came.
        login: How far it is.
        transcript: Both halves of the login; there from `CHALLENGED` on.
    """

    session: SessionId
    network: str
    nonce: bytes
    tls_hash: bytes
    opened_ms: int
    login: Progress = field(default_factory=Progress)
    transcript: Transcript = field(init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """A page that a client asked for and that is not being read yet.

    Attributes:
        request: Number of the request.
        room: Room, or `CONTROL`.
        after: Sequence behind which it begins.
    """

    request: int
    room: RoomId
    after: int


@dataclass(slots=True, kw_only=True, eq=False)
class Client:
    """A device whose login proof held.

    Attributes:
        session: Number of its connection.
        device: Its id.
        organisation: Its organisation, for ever.
        public_key: Its Ed25519 key.
        requests: What each of its frames costs.
        login: How far it is; requests are taken from `READY` on.
        stock: Key packages left by suite, as the store last said.
        congested: Whether its outgoing buffer is full.
        behind: Rooms of which it missed live entries since it is.
        watched: Rooms with a live stream or a page being read for it.
        waiting: Pages asked for and not begun.
        reading: Pages being read.
        asked: Other questions of it that the store has not answered.
    """

    session: SessionId
    device: DeviceId
    organisation: OrgName
    public_key: bytes
    requests: Claim
    login: Progress
    stock: dict[int, int] = field(default_factory=dict)
    congested: bool = False
    behind: set[RoomId] = field(default_factory=set)
    watched: set[RoomId] = field(default_factory=set)
    waiting: OrderedDict[RoomId, PageRequest] = field(default_factory=OrderedDict)
    reading: int = 0
    asked: int = 0

    @property
    def ready(self) -> bool:
        """Whether `Ready` was sent."""
        return self.login.phase is Phase.READY

    def low_stock(self, suite: int, left: int, threshold: int) -> frames.Stock | None:
        """Note a stock; the frame that tells of it if it is low now."""
        self.stock[suite] = left
        return frames.Stock(suite=suite, left=left) if left <= threshold else None


class Clients:
    """Everybody who is connected."""

    def __init__(self, limits: RelayLimits) -> None:
        self._limits = limits
        self._request_rate = Rate(per_ms=limits.requests_per_second / 1000, burst=limits.requests_burst)
        self._networks: Counter[str] = Counter()
        self._organisations: Counter[OrgName] = Counter()
        self._devices: dict[DeviceId, Client] = {}
        self.connections: dict[SessionId, Connection] = {}
        self.by_session: dict[SessionId, Client] = {}

    def open(self, connected: Connected, now_ms: int) -> Connection:
        """Take a connection in.

        Raises:
            RefusedError: `RATE` when too many wait for their login.
        """
        if len(self.connections) >= self._limits.unauthenticated:
            raise RefusedError(Code.RATE, "too many connections before login", retry_after_ms=self._limits.login_ms)
        if self._networks[connected.network] >= self._limits.unauthenticated_per_network:
            raise RefusedError(
                Code.RATE, "too many connections of one network before login", retry_after_ms=self._limits.login_ms
            )
        connection = Connection(
            session=connected.session,
            network=connected.network,
            nonce=connected.nonce,
            tls_hash=connected.tls_hash,
            opened_ms=now_ms,
        )
        self.connections[connected.session] = connection
        self._networks[connected.network] += 1
        return connection

    def check_room_for(self, certificate: Certificate) -> None:
        """One more session of this organisation, or one in place of another, may be taken in.

        Raises:
            RefusedError: `QUOTA`.
        """
        if certificate.device_id in self._devices:
            return
        retry_ms = self._limits.login_ms
        if len(self.by_session) >= self._limits.sessions:
            raise RefusedError(Code.QUOTA, "the relay has no session left", retry_after_ms=retry_ms)
        if self._organisations[certificate.organisation] >= self._limits.sessions_per_organisation:
            raise RefusedError(Code.QUOTA, "the organisation has no session left", retry_after_ms=retry_ms)

    def of_device(self, device: DeviceId) -> Client | None:
        """The client of a device, ready or not."""
        return self._devices.get(device)

    def admit(self, connection: Connection, certificate: Certificate) -> Client:
        """Make a client of a connection whose proof held; no other of its device may be here."""
        self.drop(connection.session)
        client = Client(
            session=connection.session,
            device=certificate.device_id,
            organisation=certificate.organisation,
            public_key=certificate.public_key,
            requests=Claim(Scope.REQUESTS, certificate.device_id, self._request_rate),
            login=connection.login,
        )
        self.by_session[client.session] = client
        self._devices[client.device] = client
        self._organisations[client.organisation] += 1
        return client

    def drop(self, session: SessionId) -> None:
        """Forget a session, if it is known."""
        connection = self.connections.pop(session, None)
        if connection is not None:
            self._networks[connection.network] -= 1
            if not self._networks[connection.network]:
                del self._networks[connection.network]
        client = self.by_session.pop(session, None)
        if client is not None:
            del self._devices[client.device]
            self._organisations[client.organisation] -= 1

    def online(self, device: DeviceId) -> Client | None:
        """The client of a device, if `Ready` was sent to it."""
        client = self._devices.get(device)
        return client if client is not None and client.ready else None

    def ready(self) -> Iterator[Client]:
        """All clients to whom `Ready` was sent."""
        return (client for client in self.by_session.values() if client.ready)

    def overdue(self, now_ms: int) -> list[Connection]:
        """Connections whose time for login is over."""
        late = []
        for connection in self.connections.values():
            # A clock that was set back must not give anybody more time than there is.
            connection.opened_ms = min(connection.opened_ms, now_ms)
            if now_ms - connection.opened_ms >= self._limits.login_ms:
                late.append(connection)
        return late
