"""The whole world of one seed: a relay, eight devices, the network between them, and what is done to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from amanah_client import actions, model
from amanah_client.core import ClientCore
from amanah_protocol.kinds import Kind
from amanah_protocol.types import RoomId
from amanah_relay.core import RelayCore
from amanah_relay.quotas import RelayLimits
from tests.simulation import liveness
from tests.simulation.client_record import ClientRecord, Published
from tests.simulation.client_shell import ClientShell
from tests.simulation.client_store import ClientStore, MemoryClientStore
from tests.simulation.community import Community, make_community
from tests.simulation.history import Fault, History
from tests.simulation.network import Connection, Weather
from tests.simulation.plan import Plan
from tests.simulation.relay_record import RelayRecord
from tests.simulation.relay_shell import RelayShell
from tests.simulation.relay_store import MemoryRelayStore, RelayStore
from tests.simulation.scheduler import START_MS, Scheduler
from tests.simulation.witnesses import Witness

LOOK_MS: Final = 500
DIAL_TIMEOUT_MS: Final = 10_000
CONNECT_MS: Final = 60_000
"""After healing, everybody is connected by then: the longest pause between attempts, and a dial that hangs."""
LIVENESS_MS: Final = 30_000
"""I9: so long after that, nothing is pending any more."""
QUIET_MS: Final = 120_000
SETTLE_MS: Final = 2_000
DECIDE_MS: Final = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What the world is made of; a mutant replaces a part.

    Attributes:
        client_core: The client core.
        client_shell: The shell around it.
        client_store: Makes the store of a device from what enrolment leaves.
        relay_core: The relay core.
        relay_shell: The shell around it.
        relay_store: Makes the relay's store from the roster; gives what opens it at each start.
        limits: What others may take of the relay.
        witnesses: How many the roster names, where the plan has none.
        quorum: How many of them have to cosign.
    """

    client_core: type[ClientCore] = ClientCore
    client_shell: type[ClientShell] = ClientShell
    client_store: Callable[[str, model.Snapshot], ClientStore] = lambda _, profile: MemoryClientStore(profile=profile)
    relay_core: type[RelayCore] = RelayCore
    relay_shell: type[RelayShell] = RelayShell
    relay_store: Callable[[bytes], Callable[[], RelayStore]] = lambda roster: _memory(roster)  # noqa: PLW0108 - defined further down
    limits: RelayLimits = field(default_factory=RelayLimits)
    witnesses: int = 0
    quorum: int = 0


def _memory(roster: bytes) -> Callable[[], RelayStore]:
    store = MemoryRelayStore.begun_with(roster, START_MS - 60_000)
    return lambda: store


class World:
    """One run."""

    def __init__(self, plan: Plan, build: Build | None = None) -> None:
        """Everything switched off.

        Args:
            plan: What will be done to it.
            build: What it is made of.
        """
        build = build or Build()
        self.plan = plan
        self.scheduler = Scheduler(plan.seed)
        self.history = History()
        self.community: Community = make_community(
            plan.seed, witnesses=plan.witnesses or build.witnesses, quorum=plan.quorum or build.quorum
        )
        log = self.community.log_signer.verifier
        self.witnesses = tuple(Witness(signer, log) for signer in self.community.witnesses)
        self.created: dict[int, tuple[str, str]] = {}
        self.connections: dict[str, Connection] = {}
        self.pending: list[str] = []
        """What was still pending when nothing should have been (I9)."""
        self.weather = Weather()
        self.look_ms = LOOK_MS
        self._published = Published()
        self._offline_until: dict[str, int] = {}
        self._down_until: dict[str, int] = {}
        self._decided: dict[str, int] = {}
        self._started: set[str] = set()
        self._opened = 0
        self._chance = self.scheduler.stream("world")
        self.clients = {name: self._client(name, build) for name in self.community.devices}
        record = RelayRecord(
            scheduler=self.scheduler,
            history=self.history,
            published=self._published,
            relay_key=self.community.relay_key.public,
        )
        self.relay = build.relay_shell(
            community=self.community,
            open_store=build.relay_store(self.community.roster),
            scheduler=self.scheduler,
            record=record,
            limits=build.limits,
            core=build.relay_core,
            witnesses=self.witnesses,
        )

    def _client(self, name: str, build: Build) -> ClientShell:
        device = self.community.devices[name]
        record = ClientRecord(scheduler=self.scheduler, history=self.history, published=self._published, key=device.key)
        return build.client_shell(
            device=device,
            store=build.client_store(name, self.community.snapshot(name)),
            scheduler=self.scheduler,
            record=record,
            dial=self._dial,
            core=build.client_core,
        )

    # ---- running

    def run(self) -> None:
        """Carry out the plan, heal, and wait until everything is quiet."""
        self.relay.start()
        for step in self.plan.steps:
            self.scheduler.at(START_MS + step.at_ms, lambda step=step: self._take(step.what, step.work))  # type: ignore[misc]  # a default binds the loop's value
        self.scheduler.after(self.look_ms, self._look)
        self.scheduler.run(START_MS + self.plan.storm_ms)
        self.heal()
        self._wait(CONNECT_MS, lambda: not liveness.find_unconnected(self))
        self.pending = liveness.find_unconnected(self)
        self.scheduler.run(self.scheduler.now_ms + LIVENESS_MS)
        self.pending += liveness.find_pending(self)
        self.scheduler.run(self.scheduler.now_ms + SETTLE_MS)
        # A world that is stuck does not get quiet either: there is nothing to wait for.
        self._wait(0 if self.pending else QUIET_MS, lambda: not liveness.find_unrest(self))
        self.pending += liveness.find_unrest(self)

    def _take(self, what: str, work: Callable[[World], None]) -> None:
        self.note(what)
        work(self)

    def note(self, what: str) -> None:
        """Something is done to the world."""
        self.scheduler.note(what)
        self.history.add(Fault(at_ms=self.scheduler.elapsed_ms, what=what))

    def _wait(self, most_ms: int, done: Callable[[], bool]) -> None:
        until_ms = self.scheduler.now_ms + most_ms
        while self.scheduler.now_ms < until_ms and not done():
            self.scheduler.run(self.scheduler.now_ms + LOOK_MS)

    def _look(self) -> None:
        """Whoever looks after machines starts what died; officers decide about what is held."""
        now_ms = self.scheduler.now_ms
        if not self.relay.is_running and self._down_until.get("relay", 0) <= now_ms:
            self.relay.start()
        for name, client in self.clients.items():
            if client.is_running:
                self._started.add(name)
            elif name in self._started and self._down_until.get(name, 0) <= now_ms:
                client.start()
            self._decide(client)
        self.scheduler.after(self.look_ms, self._look)

    def _decide(self, client: ClientShell) -> None:
        for intent in client.store.intents(model.IntentState.HELD):
            since = self._decided.setdefault(intent.id, self.scheduler.now_ms)
            if self.scheduler.now_ms - since >= DECIDE_MS:
                del self._decided[intent.id]
                wish = model.Wish.WITHDRAW if int(intent.id, 16) % 5 == 0 else model.Wish.RELEASE
                client.decide(intent, wish)

    def heal(self) -> None:
        """Nothing goes wrong any more: whoever is down begins, whatever is slow is quick."""
        self.note("heal")
        for client in self.clients.values():
            client.troubles.calm()
            client.start()
        self.relay.troubles.calm()
        for witness in self.witnesses:
            witness.calm(self.scheduler.now_ms)
        self._offline_until.clear()
        self._down_until.clear()
        self.set_weather(20, 30, 0)
        for connection in self.connections.values():
            connection.thaw()

    # ---- what is done to it

    def cut(self, name: str) -> None:
        """A connection breaks."""
        if name in self.connections:
            self.connections[name].cut()

    def freeze(self, name: str, *, up: bool, down: bool) -> None:
        """A connection goes silent."""
        if name in self.connections:
            self.connections[name].freeze(up=up, down=down)

    def take_offline(self, name: str, duration_ms: int) -> None:
        """A device has no network for a while."""
        self._offline_until[name] = self.scheduler.now_ms + duration_ms
        if name in self.connections:
            self.connections[name].freeze(up=True, down=True)

    def stay_down(self, name: str, duration_ms: int) -> None:
        """A process that ends is not started again for a while."""
        self._down_until[name] = self.scheduler.now_ms + duration_ms

    def congest(self, name: str, duration_ms: int) -> None:
        """A client stops reading for a while."""
        if name in self.connections:
            self.relay.congest(self.connections[name], duration_ms)

    def set_weather(self, delay_ms: int, jitter_ms: int, stall_percent: int) -> None:
        """How long messages take from now on."""
        weather = self.weather
        weather.delay_ms, weather.jitter_ms, weather.stall_percent = delay_ms, jitter_ms, stall_percent

    def _dial(self, shell: ClientShell) -> None:
        """A client dials: there and back."""
        name, life = shell.device.name, shell.life
        there, back = self.weather.draw(self._chance), self.weather.draw(self._chance)

        def arrive() -> None:
            if self._offline_until.get(name, 0) > self.scheduler.now_ms:
                self.scheduler.after(DIAL_TIMEOUT_MS, lambda: shell.refused(life))
            elif not self.relay.is_serving:
                self.scheduler.after(back, lambda: shell.refused(life))
            else:
                connection = self._open(name, shell)
                self.scheduler.after(back, lambda: self._answer(shell, connection, life))

        self.scheduler.after(there, arrive)

    @staticmethod
    def _answer(shell: ClientShell, connection: Connection, life: int) -> None:
        if connection.is_over:
            shell.refused(life)
        else:
            shell.connected(connection, life)

    def _open(self, name: str, shell: ClientShell) -> Connection:
        self._opened += 1
        connection = Connection(self.scheduler, self.weather, number=self._opened, client=shell, relay=self.relay)
        self.connections[name] = connection
        self.relay.accept(connection)
        return connection

    # ---- what persons do

    def ask(self, name: str, action: actions.Action) -> None:
        """Somebody asks for something."""
        self.clients[name].ask(action)

    def room(self, number: int) -> RoomId | None:
        """The room that was opened by the plan's `create` of this number, once it has an id."""
        if number not in self.created:
            return None
        name, intent = self.created[number]
        found = self.clients[name].store.intent(intent)
        return None if found is None else found.room

    def is_in(self, name: str, room: RoomId) -> bool:
        """Whether a device knows a room and was not removed from it."""
        rows = self.clients[name].store.rooms()
        return any(row.room == room and row.status is not model.RoomStatus.REMOVED for row in rows)

    def pick_message(
        self, name: str, room: RoomId, pick: int, *, own: bool = False, kind: Kind | None = None
    ) -> model.MessageRow | None:
        """One of the messages that a device could show, if there is any."""
        kinds = (Kind.MESSAGE, Kind.ALERT) if kind is None else (kind,)
        me = self.clients[name].device.id
        rows = [
            row
            for row in self.clients[name].store.messages(room)
            if row.state is model.MessageState.STORED and row.kind in kinds and row.content
            if not own or row.sender == me
        ]
        return rows[pick % len(rows)] if rows else None
