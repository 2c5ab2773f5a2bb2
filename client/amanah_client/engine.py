"""The shell around the core: one task owns it, performs its steps and keeps the connection.

Order of a step: writes in one durable transaction, then effects. A transaction that fails costs the
core: it is made anew from the store, the connection is dropped, and nothing has left the machine.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias, TypeVar, assert_never

from websockets.exceptions import ConnectionClosed

from amanah_client import effects as e
from amanah_client import inputs, model
from amanah_client.core import ClientCore
from amanah_client.home import Profile, ProfileLock
from amanah_client.transport import Link, dial, parse_address
from amanah_protocol.errors import AmanahError, Code, OperationalError, UsageError
from amanah_protocol.roster import Relay, decode_roster

_TICK_S: Final = 0.25
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 30.0

Event: TypeAlias = e.MessageChanged | e.RoomChanged | e.IntentChanged | e.AlarmRaised | e.Online
Listener: TypeAlias = Callable[[Event], None]

T = TypeVar("T")


class Engine:
    """Runs one profile's connection. Only the process that holds the profile's lock has one."""

    def __init__(self, profile: Profile, lock: ProfileLock, tell: Listener) -> None:
        """Take over a locked profile.

        Args:
            profile: The unlocked profile.
            lock: Its lock, held.
            tell: Called for every event, in the engine's task; must not block.
        """
        self._profile = profile
        self._lock = lock
        self._tell = tell
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="amanah-store")
        self._inputs: asyncio.Queue[tuple[Link | None, inputs.Input]] = asyncio.Queue(maxsize=256)
        self._link: Link | None = None
        self._dead: Link | None = None
        self._known: set[str] = set()
        self._again = True
        self._tasks: list[asyncio.Task[None]] = []
        self._version = 0
        self.problem: AmanahError | None = None
        """Why the connection is down, for people; None while it is up."""

    async def start(self) -> None:
        """Load the core and begin to connect.

        Raises:
            AmanahError: The store does not load.
        """
        await self._load()
        self._tasks = [
            asyncio.create_task(self._work(), name="amanah-core"),
            asyncio.create_task(self._connect(), name="amanah-connection"),
            asyncio.create_task(self._clock(), name="amanah-clock"),
        ]

    async def stop(self) -> None:
        """End the connection and give the lock back; what is queued stays queued."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._link is not None:
            await self._link.socket.close()
        self._thread.shutdown(wait=True)
        self._lock.release()

    async def ask(self, intent: model.Intent) -> None:
        """Hand over an intent that is durable in the store."""
        if intent.id not in self._known:
            self._known.add(intent.id)
            await self._inputs.put((None, inputs.Asked(intent=intent)))

    async def release(self, intent: model.Intent) -> None:
        """Hand over a HELD intent that the officer released."""
        await self._inputs.put((None, inputs.Asked(intent=intent)))

    async def withdraw(self, intent_id: str) -> None:
        """Withdraw a queued or held intent."""
        await self._inputs.put((None, inputs.Withdrawn(intent=intent_id)))

    # ---- the core's task

    async def _load(self) -> None:
        snapshot = await self._in_thread(self._profile.store.snapshot)
        self._core = ClientCore(snapshot, key=self._profile.device_key, random=secrets.token_bytes)
        self._relays = decode_roster(snapshot.roster).relays
        self._known = {intent.id for intent in snapshot.intents}

    async def _work(self) -> None:
        while True:
            link, received = await self._inputs.get()
            if link is not None and link is self._dead:
                continue  # a new core knows nothing of a connection that the lost one had
            try:
                await self._step(received)
            except OperationalError as error:
                await self._recover(error)

    async def _step(self, received: inputs.Input) -> None:
        step = self._core.handle(received, time.time_ns() // 1_000_000)
        if step.writes:
            writes = step.writes
            await self._in_thread(lambda: self._profile.store.commit(writes))
        for effect in step.effects:
            await self._perform(effect)

    async def _recover(self, error: OperationalError) -> None:
        """The store failed: the core in memory is ahead of the disk, so it is worth nothing now."""
        self.problem = error
        self._dead = self._link
        pause = _FIRST_PAUSE_S
        await self._drop_link()
        while True:
            await asyncio.sleep(pause)
            try:
                await self._load()
            except OperationalError as again:
                self.problem = again
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                return

    async def _perform(self, effect: e.Effect) -> None:
        match effect:
            case e.SendFrame(data=data):
                await self._send(data)
            case e.Disconnect(reason=reason, again=again):
                self._again = again
                self.problem = UsageError(Code.LOGIN, reason)
                await self._drop_link()
            case e.Online():
                self.problem = None
                self._tell(effect)
            case e.MessageChanged() | e.RoomChanged() | e.IntentChanged() | e.AlarmRaised():
                self._tell(effect)
            case _:
                assert_never(effect)

    async def _send(self, data: bytes) -> None:
        link = self._link
        if link is None:
            return  # the core hears `Lost` next and sends again after the next login
        try:
            await link.socket.send(data)
        except ConnectionClosed:
            return  # as above

    async def _drop_link(self) -> None:
        if self._link is not None:
            await self._link.socket.close()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # ---- the connection

    async def _connect(self) -> None:
        pause = _FIRST_PAUSE_S
        while self._again:
            for relay in self._relays:
                if await self._serve(relay):
                    pause = _FIRST_PAUSE_S
            # Full jitter: after an outage the clients of a nation must not come back in one instant.
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 - spreads load, keeps no secret
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _serve(self, relay: Relay) -> bool:
        link = await self._dial(relay)
        if link is None:
            return False
        self._link = link
        await self._inputs.put((link, inputs.Opened(dialled=link.dialled, tls_hash=link.tls_hash)))
        try:
            async for data in link.socket:
                if isinstance(data, bytes):
                    await self._inputs.put((link, inputs.Received(data=data)))
        except ConnectionClosed as error:
            self.problem = self.problem or OperationalError(Code.OFFLINE, f"the connection ended: {error}")
        finally:
            self._link = None
            await self._inputs.put((link, inputs.Lost()))
        return True

    async def _dial(self, relay: Relay) -> Link | None:
        for url in relay.addresses:
            try:
                return await dial(relay, parse_address(url))
            except AmanahError as error:
                self.problem = error
        return None

    async def _clock(self) -> None:
        """Ticks, and looks for intents that other processes of this profile queued."""
        while True:
            await asyncio.sleep(_TICK_S)
            await self._inputs.put((None, inputs.Tick()))
            version = await self._in_thread(self._profile.store.data_version)
            if version != self._version:
                self._version = version
                for intent in await self._in_thread(self._queued):
                    await self.ask(intent)

    def _queued(self) -> tuple[model.Intent, ...]:
        return self._profile.store.intents(model.IntentState.QUEUED)
