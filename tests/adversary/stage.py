"""Where an attack is played: three organisations, eight devices, two rooms, and what can be said of them afterwards.

The world is the simulation's: real cores with real keys, the shells' order of writes and effects, a
virtual clock. The relay's store is the real one, on SQLite.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from amanah_client import actions, model
from amanah_client.core import group_of
from amanah_client.model import Alarm, MessageState
from amanah_client.saying import saying
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import sha256
from amanah_protocol.group.engines import Engines
from amanah_protocol.kinds import HEADER_ONLY, Kind
from amanah_protocol.labels import Label
from amanah_protocol.roster import decode_roster
from amanah_protocol.types import DeviceId, OrgName, RoomId
from amanah_relay.store import Store
from tests.adversary.attack import Attack
from tests.adversary.copying import Picture
from tests.adversary.evil import EvilRelay, bent_by
from tests.adversary.shown import Circle, Said, State, TellingStore, text_of
from tests.simulation import invariants
from tests.simulation.client_shell import ClientShell
from tests.simulation.client_store import ClientStore
from tests.simulation.community import MA, ORIGIN, SN, Device
from tests.simulation.final import EVERYTHING, collect
from tests.simulation.history import Failed
from tests.simulation.plan import Plan
from tests.simulation.scheduler import START_MS
from tests.simulation.world import Build, World

STEP_MS: Final = 100
PATIENCE_S: Final = 60
_HASH: Final = type(hashlib.sha256())
OFFICERS: Final = ("tn-1", "tn-2", "ma-1", "ma-2", "sn-1", "sn-2")
IN_BOTH: Final = ("ma-1", "ma-2", "sn-1", "sn-2")


class Stage:
    """A community at work under a relay; `close` it."""

    def __init__(
        self, folder: Path | None, attack: Attack | None = None, *, seed: int = 1, witnesses: int = 0, quorum: int = 0
    ) -> None:
        """Start everything and open both rooms; then the attack is armed.

        Args:
            folder: For the relay's store; None keeps it in memory.
            attack: What the relay does; nothing but its duty by default.
            seed: Of everything random.
            witnesses: How many the roster names.
            quorum: How many of them have to cosign.
        """
        self.attack = attack or Attack()
        self._folder = folder
        self._stores: list[Store] = []
        self._told: dict[str, TellingStore] = {}
        build = Build(
            relay_shell=bent_by(self.attack),
            relay_store=Build().relay_store if folder is None else self._open_store,
            client_store=self._make_store,
            witnesses=witnesses,
            quorum=quorum,
        )
        self.world = World(Plan(seed=seed, storm_ms=0, steps=()), build)
        assert isinstance(self.world.relay, EvilRelay)
        self.relay: EvilRelay = self.world.relay
        self.rooms: list[RoomId] = []
        self._begin()
        self.attack.armed = True

    def _open_store(self, roster: bytes) -> Callable[[], Store]:
        assert self._folder is not None
        path = self._folder / f"relay-{len(list(self._folder.iterdir()))}.db"
        store = Store.init(f"sqlite:///{path}", roster=roster, origin=ORIGIN, now_ms=START_MS - 60_000)
        self._stores.append(store)
        return lambda: store

    def _make_store(self, name: str, profile: model.Snapshot) -> TellingStore:
        self._told[name] = TellingStore(profile=profile)
        return self._told[name]

    def close(self) -> None:
        """Close the stores."""
        for store in self._stores:
            store.close()

    def _begin(self) -> None:
        self.relay.start()
        self.wait(1)
        for client in self.world.clients.values():
            client.start()
        self.until(lambda: all(client.online_since_ms is not None for client in self.world.clients.values()))
        tn, bot = (self.device(name).id for name in ("tn-2", "tn-bot"))
        self.rooms.append(self.open("tn-1", "wave of phishing", MA, SN, tn, bot))
        self.rooms.append(self.open("ma-1", "ransomware", self.device("ma-2").id, SN))
        self.settle()

    # ---- time

    @property
    def now_ms(self) -> int:
        """True time."""
        return self.world.scheduler.now_ms

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.world.scheduler.run(self.now_ms + int(seconds * 1000))

    def until(self, done: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
        """Time passes until something holds.

        Raises:
            AssertionError: It does not come about.
        """
        end_ms = self.now_ms + int(seconds * 1000)
        while not done():
            assert self.now_ms < end_ms, self.report()
            self.world.scheduler.run(self.now_ms + STEP_MS)

    def settle(self) -> None:
        """Wait until nothing is queued anywhere."""
        waiting = (model.IntentState.QUEUED, model.IntentState.SENT)
        self.until(lambda: not any(client.store.intents(*waiting) for client in self.world.clients.values()))
        self.wait(3)

    # ---- people

    def client(self, name: str) -> ClientShell:
        """A device's shell."""
        return self.world.clients[name]

    def device(self, name: str) -> Device:
        """A device with its key and certificate."""
        return self.world.community.devices[name]

    def name(self, device: bytes) -> str:
        """What the simulation calls a device."""
        return self.world.community.names.get(DeviceId(device), device.hex()[:8])

    def ask(self, name: str, action: actions.Action) -> str:
        """Somebody asks for something; gives the intent's id."""
        return self.client(name).ask(action).id

    def do(self, name: str, action: actions.Action) -> model.Intent:
        """Ask, and wait for the end of it."""
        intent = self.ask(name, action)
        ended = (model.IntentState.DONE, model.IntentState.FAILED)
        self.until(lambda: self.intent(name, intent).state in ended)
        return self.intent(name, intent)

    def intent(self, name: str, intent: str) -> model.Intent:
        """An intent as stored."""
        found = self.client(name).store.intent(intent)
        assert found is not None
        return found

    def open(self, name: str, title: str, *invited: str | DeviceId) -> RoomId:
        """Open a room and invite organisations and devices."""
        room = self.do(name, actions.CreateRoom(title=title, ceiling=Label.AMBER, classical=True)).room
        assert room is not None
        for who in invited:
            if isinstance(who, str):
                ended = self.do(name, actions.Invite(room=room, organisation=OrgName(who)))
            else:
                ended = self.do(name, actions.Invite(room=room, device=who))
            assert ended.state is model.IntentState.DONE, ended
        return room

    def say(self, name: str, text: str, room: int = 0, label: Label = Label.AMBER) -> str:
        """Queue a text."""
        return self.ask(name, saying(self.rooms[room], Text(text=text), label=label))

    def say_at_once(self, name: str, texts: list[str], room: int = 0) -> None:
        """Texts that leave in one publish: while another waits for its answer, they queue up behind it."""
        self.ask(name, actions.ReportCounts(room=self.rooms[room], accepted=1, merged=0, dropped=0))
        for text in texts:
            self.say(name, text, room)

    def put_back(self, name: str, copy: ClientStore) -> None:
        """Give a device that is switched off the store of an earlier time."""
        assert isinstance(copy, TellingStore)
        self.client(name).store = self._told[name] = copy

    # ---- what can be said of it

    def row(self, name: str, room: int = 0) -> model.RoomRow:
        """A room as a device has stored it."""
        return next(row for row in self.client(name).store.rooms() if row.room == self.rooms[room])

    def messages(self, name: str, room: int = 0) -> tuple[model.MessageRow, ...]:
        """Everything that a device has stored of a room, in its order."""
        return self.client(name).store.messages(self.rooms[room], limit=EVERYTHING)

    def said(self, name: str, room: RoomId) -> tuple[Said, ...]:
        """What a device shows of a room: what it has opened, and what headers say; reports of delivery are left out."""
        rows = self.client(name).store.messages(room, limit=EVERYTHING)
        return tuple(
            Said(sender=self.name(row.sender), kind=Kind(row.kind), label=row.label, text=text_of(row))
            for row in rows
            if row.state is MessageState.STORED and row.kind != Kind.DELIVERED
            if row.content or row.kind in HEADER_ONLY
        )

    def texts(self, name: str, room: int = 0) -> list[str]:
        """The texts that a device shows in a room."""
        said = [said.text for said in self.said(name, self.rooms[room]) if said.kind is Kind.MESSAGE]
        return [text for text in said if text and not text.startswith("[")]

    def alarms(self, name: str, *codes: str) -> list[Alarm]:
        """A device's alarms, of some codes only if any are given."""
        return [alarm for alarm in self._told[name].raised if not codes or alarm.code in codes]

    def all_alarms(self) -> dict[str, list[str]]:
        """Codes of all alarms, by device."""
        found = {name: [alarm.code for alarm in self.alarms(name)] for name in self.world.clients}
        return {name: codes for name, codes in found.items() if codes}

    def circle(self, name: str, row: model.RoomRow) -> Circle:
        """What a device holds of a room's group."""
        group = group_of(row, self.device(name).key) if row.group else None
        return Circle(
            status=row.status,
            title=row.title,
            epoch=-1 if group is None else group.epoch,
            members=() if group is None else tuple(sorted(self.name(device) for device in group.members)),
            secret=b"" if group is None else group.export("amanah adversary", row.room, 32),
        )

    def state(self, name: str) -> State:
        """What an attack must not change."""
        snapshot = self.client(name).store.snapshot()
        control = sha256(b"".join(row.hash for row in snapshot.control))
        return State(
            circles=tuple((row.room, self.circle(name, row)) for row in snapshot.rooms),
            roster=decode_roster(snapshot.roster).endorsed.hash,
            control=control,
            said=tuple((row.room, self.said(name, row.room)) for row in snapshot.rooms),
        )

    def states(self, *names: str) -> dict[str, State]:
        """The same of several, of everybody by default."""
        return {name: self.state(name) for name in names or tuple(self.world.clients)}

    def broken(self, *expected: str) -> dict[str, list[str]]:
        """Invariants of the simulation that do not hold, but for those that are expected to."""
        found = invariants.check(collect(self.world))
        return {name: lines for name, lines in found.items() if name not in expected}

    def crashes(self) -> list[Failed]:
        """Cores that ended by an exception: none may, whatever comes."""
        return list(self.world.history.of(Failed))

    def report(self) -> str:
        """For people who look at a failure."""
        lines = []
        for name, client in self.world.clients.items():
            lines += [f"{name} alarm {alarm.code} {alarm.detail}" for alarm in self.alarms(name)]
            lines += [
                f"{name} {intent.state} {intent.action} {intent.code}"
                for intent in client.store.intents(*model.IntentState)
                if intent.code
            ]
        return "\n".join(lines) or "nothing"


class Setting:
    """A stage that was set once, under an honest relay; each play gets a copy of it."""

    def __init__(self, folder: Path | None, *, witnesses: int = 0, quorum: int = 0) -> None:
        """Set it.

        Args:
            folder: For the relay's store; None keeps it in memory.
            witnesses: How many the roster names.
            quorum: How many of them have to cosign.
        """
        stage = Stage(folder, witnesses=witnesses, quorum=quorum)
        stage.attack.armed = False
        # The class of an attack is made for it alone.
        stage.relay.__class__ = EvilRelay
        self._picture = Picture(stage, Store, Engines, _HASH)
        stage.close()
        self._store = None if folder is None else next(folder.iterdir())

    def copy(self, folder: Path | None, attack: Attack | None = None) -> Stage:
        """A stage as after its making, but for an attack that looks on from the start: that one gets its own.

        Args:
            folder: For the relay's store; nothing else is in it. None where the setting has none.
            attack: As `Stage` takes it.
        """
        if attack is not None and attack.from_the_start:
            return Stage(folder, attack)
        store = None
        if folder is not None and self._store is not None:
            store = Store.open(f"sqlite:///{shutil.copy2(self._store, folder)}")
            store.load()

        def outside(thing: Any) -> Any:  # noqa: ANN401 - of the types that the picture left out
            match thing:
                case Store():
                    return store
                case Engines():  # they remember nothing of a room
                    return thing
                case _:
                    return thing.copy()

        stage: Stage = self._picture.copy(outside)
        stage._folder = folder
        stage.attack = attack or stage.attack
        stage.relay.__class__ = bent_by(stage.attack)
        stage.attack.armed = True
        return stage
