"""The shell around a client core, in virtual time: it does what `amanah_client.engine` does, and can fail anywhere.

Order of a step: writes in one transaction, then effects. A transaction that fails costs the core,
whether or not it was stored. A process may end at any moment, between write and effects too.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from amanah_client import actions, inputs, model
from amanah_client import effects as e
from amanah_client.core import ClientCore
from amanah_protocol.errors import OperationalError
from amanah_protocol.session import NO_TLS
from amanah_protocol.types import EnvelopeId, RoomId
from tests.engines import ENGINES
from tests.simulation.client_record import ClientRecord
from tests.simulation.client_store import ClientStore
from tests.simulation.community import DIALLED, Device
from tests.simulation.history import Failed
from tests.simulation.network import Connection
from tests.simulation.scheduler import Scheduler

TICK_MS: Final = 1_000
FIRST_PAUSE_MS: Final = 200
LONGEST_PAUSE_MS: Final = 30_000


@dataclass(slots=True, kw_only=True)
class Troubles:
    """What is about to happen to one client.

    Attributes:
        commits: For each of the next commits that fail: whether it is stored all the same.
        die_after_write: The process ends when the next commit is stored, before its effects.
        die_before_write: The process ends when the next commit is asked for.
        die_in_effects: The process ends between the effects of the next step that has several.
        write_ms: The longest time that a commit takes.
        skew_ms: Its clock, ahead of true time.
    """

    commits: deque[bool] = field(default_factory=deque)
    die_after_write: bool = False
    die_before_write: bool = False
    die_in_effects: bool = False
    write_ms: int = 5
    skew_ms: int = 0

    def calm(self) -> None:
        """Nothing happens any more; the clock stays as wrong as it is."""
        self.commits.clear()
        self.die_after_write = self.die_before_write = self.die_in_effects = False
        self.write_ms = 5


class ClientShell:
    """One device: its store, which lasts, and its process, which need not."""

    def __init__(
        self,
        *,
        device: Device,
        store: ClientStore,
        scheduler: Scheduler,
        record: ClientRecord,
        dial: Callable[[ClientShell], None],
        core: type[ClientCore] = ClientCore,
    ) -> None:
        """Switched off.

        Args:
            device: Whose shell it is.
            store: Its store, with everything that enrolment leaves in it.
            scheduler: The world's time.
            record: Notes what this client does.
            dial: Called to connect; it answers by `connected` or `refused`.
            core: The core, or a mutant of it.
        """
        self.device = device
        self.store = store
        self.troubles = Troubles()
        self.online_since_ms: int | None = None
        self.connected_ms: int | None = None
        self.final = ""
        self._scheduler = scheduler
        self._record = record
        self._dial = dial
        self._core_type = core
        self._chance = scheduler.stream("client", device.name)
        # One source for all lives: no process draws what an earlier one drew.
        self._secrets: random.Random = scheduler.stream("secrets", device.name)
        self._core: ClientCore | None = None
        self._life = 0
        self._alive = False
        self._busy = False
        self._inbox: deque[tuple[int, inputs.Input]] = deque()
        self._effects: deque[e.Effect] = deque()
        self._known: set[str] = set()
        self._handed: set[str] = set()
        self._link: Connection | None = None
        self._dialling = False
        self._pause_ms = FIRST_PAUSE_MS
        self._attempts = 0
        self._again = True
        self.tick_ms = TICK_MS

    # ---- the process

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._alive

    @property
    def clock_ms(self) -> int:
        """What its clock shows."""
        return self._scheduler.now_ms + self.troubles.skew_ms

    def start(self) -> None:
        """A process begins; nothing happens if there is one."""
        if self._alive:
            return
        self._alive, self._again, self.final = True, True, ""
        self._attempts, self._pause_ms, self._dialling = 0, FIRST_PAUSE_MS, False
        self._scheduler.note("start", self.device.name)
        self._life += 1
        self._later(self._chance.randint(1, 50), self._load)
        self._later(self.tick_ms, self._tick)

    def kill(self) -> None:
        """The process ends at once."""
        if not self._alive:
            return
        self._scheduler.note("kill", self.device.name)
        self._alive = False
        self._life += 1
        self._forget()
        if self._link is not None:
            self._link.close_by_client()
            self._link = None

    def _forget(self) -> None:
        self._core = None
        self._busy = False
        self.online_since_ms = self.connected_ms = None
        self._inbox.clear()
        self._effects.clear()

    def _later(self, delay_ms: int, work: Callable[[], None]) -> None:
        """Do something, unless the process or its core is another one by then."""
        life = self._life
        self._scheduler.after(delay_ms, lambda: work() if self._life == life else None)

    def _load(self) -> None:
        self._life += 1
        snapshot = self.store.snapshot()
        self._core = self._core_type(snapshot, key=self.device.key, random=self._secrets.randbytes, engines=ENGINES)
        self._known = {intent.id for intent in snapshot.intents}
        self._handed = set()
        self._later(self.tick_ms, self._tick)
        self._connect()

    def _tick(self) -> None:
        self.put(inputs.Tick(made_ms=self.clock_ms))
        self.look_around()
        self._later(self.tick_ms, self._tick)

    def _recover(self) -> None:
        """The store failed: the core in memory is worth nothing now."""
        self._scheduler.note("recover", self.device.name)
        self._life += 1
        self._forget()
        self._drop_link()
        self._attempts += 1
        self._dialling = False
        self._later(FIRST_PAUSE_MS, self._load)

    # ---- inputs and steps

    def put(self, received: inputs.Input) -> None:
        """Queue an input for the core of now."""
        if self._core is not None:
            self._inbox.append((self._life, received))
            self._pump()

    def look_around(self) -> None:
        """Take up intents and wishes that stand in the store and were not handed over."""
        if self._core is None:
            return
        for intent in self.store.intents(model.IntentState.QUEUED):
            if intent.id not in self._known:
                self._known.add(intent.id)
                self.put(inputs.Asked(intent=intent))
        for intent_id, wish in self.store.wishes():
            if intent_id in self._handed:
                continue
            self._handed.add(intent_id)
            held = self.store.intent(intent_id)
            if wish is model.Wish.WITHDRAW:
                self.put(inputs.Withdrawn(intent=intent_id))
            elif held is not None and held.state is model.IntentState.HELD:
                self.put(inputs.Asked(intent=held))
            else:
                self.store.commit((e.DropWish(intent=intent_id),))
                self._handed.discard(intent_id)

    def _pump(self) -> None:
        while self._core is not None and not self._busy:
            if self._effects:
                self._perform(self._effects.popleft())
            elif self._inbox:
                life, received = self._inbox.popleft()
                if life == self._life:
                    self._step(received)
                    if isinstance(received, inputs.Lost):
                        # Not earlier: what the core still had to say to the old connection is not for the new one.
                        self._connect_later()
            else:
                return

    def _step(self, received: inputs.Input) -> None:
        assert self._core is not None
        try:
            step = self._core.handle(received, self.clock_ms)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding and not the simulation's end
            self._fail(error)
            return
        self._begin(step)

    def _begin(self, step: e.Step) -> None:
        """Writes first, then effects."""
        if not step.writes:
            self._effects.extendleft(reversed(step.effects))
            return
        if self.troubles.die_before_write:
            self.troubles.die_before_write = False
            self.kill()
            return
        self._busy = True
        whole = self._chance.randint(1, self.troubles.write_ms)
        self._later(self._chance.randint(1, whole), lambda: self._commit(step, whole))

    def _fail(self, error: Exception) -> None:
        detail = f"{type(error).__name__}: {error}"
        at_ms = self._scheduler.elapsed_ms
        self._record.history.add(Failed(at_ms=at_ms, who=self.device.name, detail=detail))
        self.kill()

    def _commit(self, step: e.Step, whole_ms: int) -> None:
        fails = bool(self.troubles.commits)
        if not fails or self.troubles.commits[0]:
            try:
                self.store.commit(step.writes)
            except OperationalError:
                self._recover()
                return
            self._record.stored(step.writes)
            self._handed -= {write.intent for write in step.writes if isinstance(write, e.DropWish)}
        else:
            self._fail_commit(step)
        if fails:
            self.troubles.commits.popleft()
            self._recover()
        elif self.troubles.die_after_write:
            self.troubles.die_after_write = False
            self.kill()
        else:
            self._later(max(0, whole_ms - 1), lambda: self._committed(step))

    def _fail_commit(self, step: e.Step) -> None:
        """The store made nothing of a transaction durable."""

    def _committed(self, step: e.Step) -> None:
        self._busy = False
        self._effects.extendleft(reversed(step.effects))
        if self.troubles.die_in_effects and len(step.effects) > 1:
            self.troubles.die_in_effects = False
            for _ in range(len(step.effects) // 2):
                if self._effects and self._core is not None:
                    self._perform(self._effects.popleft())
            self.kill()
            return
        self._pump()

    def _perform(self, effect: e.Effect) -> None:
        match effect:
            case e.SendFrame(data=data):
                if self._link is not None:
                    self._record.sending(data)
                    self._link.to_relay(data)
            case e.ReadMessage(room=room, envelope=envelope):
                self._busy = True
                self._later(self._chance.randint(1, 5), lambda: self._read(room, envelope))
            case e.Disconnect(reason=reason, again=again):
                self._again = again
                self.final = "" if again else reason
                self._drop_link()
            case e.Online():
                self._attempts, self._pause_ms = 0, FIRST_PAUSE_MS
                self.online_since_ms = self._scheduler.now_ms
            case e.MessageChanged() | e.RoomChanged() | e.IntentChanged() | e.AlarmRaised():
                self._record.told(effect)
            case e.FlashAnnounced() | e.ReadSealed() | e.DropSealed() | e.FindFetched() | e.KeepPiece():
                pass  # the relay's word alone, on which no invariant rests; and nobody attaches files in these worlds
            case e.TransferChanged():
                raise AssertionError(effect)
            case _:
                assert_never(effect)

    def _read(self, room: RoomId, envelope: EnvelopeId) -> None:
        self._busy = False
        row, found = self.store.message(room, envelope), self.store.labelling(room, envelope)
        self._step(inputs.MessageRead(room=room, envelope=envelope, row=row, labelling=found))
        self._pump()

    # ---- the connection

    def _connect(self) -> None:
        if self._link is None and not self._dialling and self._again and self._core is not None:
            self._dialling = True
            self._dial(self)

    def _connect_later(self) -> None:
        self._pause_ms = min(self._pause_ms * 2, LONGEST_PAUSE_MS) if self._attempts else FIRST_PAUSE_MS
        self._later(self._chance.randint(0, self._pause_ms), self._connect)

    def connected(self, connection: Connection, life: int) -> None:
        """A dialled connection is open; one that was dialled for an earlier life is closed at once."""
        if life != self._life or self._core is None:
            connection.close_by_client()
            return
        self._dialling = False
        self._link = connection
        self.connected_ms = self._scheduler.now_ms
        self.put(inputs.Opened(dialled=DIALLED, tls_hash=NO_TLS))

    def refused(self, life: int) -> None:
        """Nobody answered."""
        if life == self._life:
            self._dialling = False
            self._attempts += 1
            self._connect_later()

    @property
    def life(self) -> int:
        """Changes with every process and every core."""
        return self._life

    def receive(self, connection: Connection, data: bytes) -> None:
        """A message from the relay."""
        if connection is self._link:
            self._scheduler.note("down", connection.number, data)
            self.put(inputs.Received(data=data))

    def lost(self, connection: Connection) -> None:
        """The connection is gone."""
        if connection is self._link:
            self._scheduler.note("lost", self.device.name, connection.number)
            self._gone()

    def _drop_link(self) -> None:
        if self._link is not None:
            self._link.close_by_client()
            self._gone()

    def _gone(self) -> None:
        self._link = self.online_since_ms = self.connected_ms = None
        self._attempts += 1
        self.put(inputs.Lost())

    # ---- persons

    def ask(self, action: actions.Action) -> model.Intent:
        """Somebody asks for something: durable before this returns, also while no process runs."""
        intent = model.Intent(id=self._chance.randbytes(16).hex(), action=action, created_at_ms=self._scheduler.now_ms)
        self.store.add_intent(intent)
        self._record.asked(intent)
        self.look_around()
        return replace(intent)

    def decide(self, intent: model.Intent, wish: model.Wish) -> None:
        """Somebody decides about a held intent."""
        self.store.put_wish(intent.id, wish)
        self.look_around()
