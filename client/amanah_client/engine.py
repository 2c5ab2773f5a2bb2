"""The shell around the core: one task owns it, performs its steps and keeps the connection.

Order of a step: writes in one durable transaction, then effects. A transaction that fails costs the
core: it is made anew from the store, the connection is dropped, and nothing has left the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias, TypeVar, assert_never

import msgspec
from websockets.exceptions import ConnectionClosed

from amanah_client import effects as e
from amanah_client import inputs, model
from amanah_client.attaching import Attach
from amanah_client.core import ClientCore
from amanah_client.encapsulation import encapsulate
from amanah_client.home import Profile
from amanah_client.spool import Spool
from amanah_client.transport import Link, dial, roster_address
from amanah_protocol.errors import AmanahError, Code, OperationalError, UsageError
from amanah_protocol.group.engines import Engines
from amanah_protocol.group.seam import Group
from amanah_protocol.limits import SEALED_CHUNK_BYTES
from amanah_protocol.roster import Relay, decode_roster

_TICK_S: Final = 0.25
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 15.0
_LOGIN_SLOWER: Final = 8
_QUEUE: Final = 256
_MANY: Final = 10_000
"""Erased messages of a step of which faces are told; the rest of a large room that is over they see when they read."""

_ERASED: Final = model.MessageState.ERASED

T = TypeVar("T")


class Offline(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the faces: not connected.

    Attributes:
        problem: What is in the way.
        attempts: How many times in a row it was tried in vain.
        final: Trying again is of no use (revoked, replaced), so it is not done.
    """

    problem: AmanahError
    attempts: int
    final: bool = False


class NamesChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the faces: certificates, revocations or names were learned."""


Event: TypeAlias = (
    e.MessageChanged | e.RoomChanged | e.IntentChanged | e.AlarmRaised | e.FlashAnnounced | e.Online | Offline
    | NamesChanged | e.TransferChanged
)  # fmt: skip
Listener: TypeAlias = Callable[[Event], None]


class _Queued(msgspec.Struct, frozen=True, kw_only=True):
    """An input on its way to the core.

    Attributes:
        life: The life of the core that it is for.
        received: The input.
        taken: Set when the core has taken it, or is not there any more to take it.
    """

    life: int
    received: inputs.Input
    taken: asyncio.Event | None = None


class Engine:
    """Runs one profile's connection. Only the process that holds the profile's lock has one."""

    def __init__(self, profile: Profile, tell: Listener) -> None:
        """Take over a profile whose lock this process holds.

        Args:
            profile: The unlocked profile.
            tell: Called for every event, in the engine's task; must not block.
        """
        self._profile = profile
        self._tell = tell
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="amanah-store")
        self._inputs: asyncio.Queue[_Queued] = asyncio.Queue(_QUEUE)
        self._tasks: list[asyncio.Task[None]] = []
        self._link: Link | None = None
        self._known: set[str] = set()
        self._handed: set[str] = set()
        self._version = -1
        # Everything queued for a lost core dies with it: what came over its connection is delivered
        # again, and intents stand in the store.
        self._life = 0
        self._of_core = threading.get_ident()
        self._loaded = asyncio.Event()
        self._attempts = 0
        self._refusal: AmanahError = OperationalError(Code.OFFLINE, "not connected yet")
        self._again = True
        self._over = False

    async def start(self) -> None:
        """Load the core and begin to connect.

        Raises:
            AmanahError: The store does not load.
        """
        await self._load()
        self._begin("core", self._work)
        # Before anything can go out: what was dropped while nothing ran is not sent.
        await self.look_around()
        self._begin("connection", self._connect)
        self._begin("clock", self._clock)

    def _begin(self, name: str, work: Callable[[], Coroutine[object, object, None]]) -> None:
        task = asyncio.create_task(work(), name=f"amanah-{name}")
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    async def stop(self) -> None:
        """End the connection; what is queued stays queued."""
        link = self._link
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if link is not None:
            await link.socket.close()
        self._thread.shutdown(wait=True)

    def group_of(self, row: model.RoomRow) -> Group | None:
        """The group of a room as the core has it, where the row is of the same state; it may move on.

        None in another thread than the core's: there the group could move on while it is read, and keep for itself
        what was read of the state before.
        """
        return self._core.group_of(row) if threading.get_ident() == self._of_core else None

    async def ask(self, intent: model.Intent) -> None:
        """Hand over an intent that is durable in the store."""
        if intent.id not in self._known:
            self._known.add(intent.id)
            await self._put(inputs.Asked(intent=intent))

    async def _put(self, received: inputs.Input, life: int | None = None) -> None:
        if self._over:
            return  # an intent stands in the store; the next process takes it up
        await self._inputs.put(_Queued(life=self._life if life is None else life, received=received))

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that ends by itself has met a fault of the program: say so instead of standing still."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        self._again, self._over = False, True
        for other in self._tasks:
            other.cancel()
        # Whoever waits for a place in the queue would wait for ever: nobody takes anything from it now.
        while not self._inputs.empty():
            self._inputs.get_nowait()
        self._tell(Offline(problem=fault(error), attempts=self._attempts, final=True))

    # ---- the core's task

    async def _load(self) -> None:
        snapshot = await self._in_thread(self._profile.store.snapshot)
        sending = {intent.action.attachment for intent in snapshot.intents if isinstance(intent.action, Attach)}
        await self._in_thread(lambda: self._profile.spool.tidy(sending))
        # Nothing is waited for from here on: what is asked for meanwhile is for the life before, and known to this
        # core it would be handed to none.
        self._core = ClientCore(
            snapshot, key=self._profile.device_key, random=secrets.token_bytes, engines=Engines(encapsulate)
        )
        self._relays = decode_roster(snapshot.roster).relays
        self._known = {intent.id for intent in snapshot.intents}
        self._handed = set()
        self._version = -1
        self._life += 1
        self._loaded.set()

    async def _work(self) -> None:
        while True:
            queued = await self._inputs.get()
            try:
                if queued.life == self._life:
                    await self._step(queued.received)
            except OperationalError as error:
                await self._recover(error)
            finally:
                if queued.taken is not None:
                    queued.taken.set()

    async def _step(self, received: inputs.Input) -> None:
        step = self._core.handle(received, _now_ms())
        if step.writes:
            writes = step.writes
            changed = await self._in_thread(lambda: self._commit(writes))
            for row in changed:
                self._tell(e.MessageChanged(row=row))
            self._handed -= {write.intent for write in writes if isinstance(write, e.DropWish)}
            if any(isinstance(write, e.PutControl | e.PutProfile | e.PutRoster) for write in writes):
                self._tell(NamesChanged())
        for effect in step.effects:
            await self._perform(effect)

    def _commit(self, writes: tuple[e.Write, ...]) -> list[model.MessageRow]:
        """Commit a step; gives the messages that it erased or was granted, of which the store alone knows."""
        store = self._profile.store
        granted = {(write.row.room, write.row.envelope) for write in writes if isinstance(write, e.PutGranted)}
        if not granted and not any(isinstance(write, e.EraseContent | e.DropOver | e.ForgetPerson) for write in writes):
            store.commit(writes)
            return []
        before, _ = store.desk.turns()
        store.commit(writes)
        changed = store.desk.changed(before, _MANY)
        return [row for _, row in changed if row.state is _ERASED or (row.room, row.envelope) in granted]

    async def _recover(self, error: OperationalError) -> None:
        """The store failed: the core in memory is ahead of the disk, so it is worth nothing now."""
        self._loaded.clear()
        self._refusal = error
        await self._drop_link()
        pause = _FIRST_PAUSE_S
        while not self._loaded.is_set():
            self._offline(self._refusal)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)
            try:
                await self._load()
            except OperationalError as again:
                self._refusal = again

    async def _perform(self, effect: e.Effect) -> None:
        match effect:
            case e.SendFrame(data=data):
                await self._send(data)
            case e.ReadMessage(room=room, envelope=envelope):
                store = self._profile.store
                row = await self._in_thread(lambda: store.message(room, envelope))
                found = await self._in_thread(lambda: store.labelling(room, envelope))
                await self._step(inputs.MessageRead(room=room, envelope=envelope, row=row, labelling=found))
            case e.Disconnect(reason=reason, again=again, hint=hint):
                self._again = again
                self._refusal = _refusal(reason, hint)
                await self._drop_link()
            case e.ReadSealed() | e.DropSealed() | e.FindFetched() | e.KeepPiece():
                await self._move(effect)
            case e.Online():
                self._attempts = 0
                self._tell(effect)
            case (
                e.MessageChanged() | e.RoomChanged() | e.IntentChanged() | e.AlarmRaised() | e.FlashAnnounced()
                | e.TransferChanged()
            ):  # fmt: skip
                self._tell(effect)
            case _:
                assert_never(effect)

    async def _move(self, effect: e.ReadSealed | e.DropSealed | e.FindFetched | e.KeepPiece) -> None:
        """Something of a file; what the disk does to it is said to the core, whose own store may be well."""
        answer = await self._in_thread(lambda: moved(self._profile.spool, effect))
        if answer is not None:
            await self._step(answer)

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
        while self._again:
            await self._loaded.wait()
            for relay in self._relays:
                await self._serve(relay)
            # Somebody has to mend a login that is not accepted, or another relay at the address.
            slower = _LOGIN_SLOWER if self._refusal.code is Code.LOGIN else 1
            longest_s = slower * min(_FIRST_PAUSE_S * 2 ** min(self._attempts, 10), _LONGEST_PAUSE_S)
            # Full jitter: after an outage the clients of a nation must not come back in one instant.
            await asyncio.sleep(random.uniform(0, longest_s))  # noqa: S311 - spreads load, keeps no secret

    async def _serve(self, relay: Relay) -> None:
        link = await self._dial(relay)
        if link is None:
            return
        self._link, life = link, self._life
        self._refusal = OperationalError(Code.OFFLINE, f"the connection to {link.dialled} ended")
        await self._put(inputs.Opened(dialled=link.dialled, tls_hash=link.tls_hash), life)
        try:
            async for data in link.socket:
                if isinstance(data, bytes):
                    await self._put(inputs.Received(data=data), life)
        except ConnectionClosed:
            pass  # the core hears `Lost`, whichever way it ended
        finally:
            self._link = None
        # What came before the end may say why it ended, and whether to come back: the core hears it first.
        taken = asyncio.Event()
        await self._inputs.put(_Queued(life=life, received=inputs.Lost(), taken=taken))
        await taken.wait()
        self._offline(self._refusal)

    async def _dial(self, relay: Relay) -> Link | None:
        problem: AmanahError = UsageError(Code.CONFIG, f"the roster names no address of {relay.origin}")
        for url in relay.addresses:
            try:
                return await dial(relay, roster_address(relay, url))
            except AmanahError as error:
                problem = error
        self._offline(problem)
        return None

    def _offline(self, problem: AmanahError) -> None:
        self._attempts += 1
        self._tell(Offline(problem=problem, attempts=self._attempts, final=not self._again))

    async def _clock(self) -> None:
        """Ticks, and looks for what other processes of this profile asked for."""
        while True:
            await asyncio.sleep(_TICK_S)
            await self._put(inputs.Tick(made_ms=_now_ms()))
            # A store that fails here fails the core's next step too, which starts it anew: no more than look again.
            with contextlib.suppress(OperationalError):
                version = await self._in_thread(self._profile.store.data_version)
                if version != self._version:
                    self._version = version
                    await self._look_again()

    async def _look_again(self) -> None:
        try:
            await self.look_around()
        except OperationalError:
            self._version = -1
            raise

    async def look_around(self) -> None:
        """Take up what stands in the store and was not handed over: intents, decisions on them."""
        store = self._profile.store
        for intent in await self._in_thread(lambda: store.intents(model.IntentState.QUEUED)):
            await self.ask(intent)
        for intent_id, wish in await self._in_thread(store.wishes):
            if intent_id in self._handed:
                continue  # twice, it could release what was held anew for others who joined meanwhile
            self._handed.add(intent_id)
            try:
                await self._carry_out(intent_id, wish)
            except OperationalError:
                self._handed.discard(intent_id)
                raise

    async def _carry_out(self, intent_id: str, wish: model.Wish) -> None:
        store = self._profile.store
        held = await self._in_thread(lambda: store.intent(intent_id))
        if wish is model.Wish.WITHDRAW:
            await self._put(inputs.Withdrawn(intent=intent_id))
        elif held is not None and held.state is model.IntentState.HELD:
            await self._put(inputs.Asked(intent=held))
        else:
            await self._in_thread(lambda: store.commit((e.DropWish(intent=intent_id),)))
            self._handed.discard(intent_id)


def moved(
    spool: Spool, effect: e.ReadSealed | e.DropSealed | e.FindFetched | e.KeepPiece
) -> inputs.SealedRead | inputs.FetchedFound | inputs.PieceKept | None:
    """Do something to a file of the spool; gives the input that answers it."""
    match effect:
        case e.ReadSealed():
            data = spool.read(effect.attachment, effect.offset, effect.length)
            return inputs.SealedRead(intent=effect.intent, offset=effect.offset, data=data)
        case e.DropSealed():
            spool.drop_sealed(effect.attachment)
            return None
        case e.FindFetched():
            found = spool.find(effect.attachment, effect.total)
            chunks = found.size // SEALED_CHUNK_BYTES
            return inputs.FetchedFound(intent=effect.intent, chunks=chunks, whole=found.whole)
        case e.KeepPiece():
            return _kept(spool, effect)
        case _:
            assert_never(effect)


def _kept(spool: Spool, effect: e.KeepPiece) -> inputs.PieceKept:
    try:
        kept = spool.keep(effect.attachment, effect.index, effect.data, effect.total)
    except OperationalError as error:
        return inputs.PieceKept(intent=effect.intent, problem=error.code, detail=error.detail)
    if kept.damaged:
        detail = "what was fetched is not the file that its message names; fetch it again"
        return inputs.PieceKept(intent=effect.intent, problem=Code.CONTENT_HASH, detail=detail)
    return inputs.PieceKept(intent=effect.intent, size=kept.size, whole=kept.whole)


def fault(error: BaseException) -> AmanahError:
    """What ended a task, for people; of a fault of the program its type alone: its text could quote what was sealed."""
    if isinstance(error, AmanahError):
        return error
    return OperationalError(Code.INTERNAL, f"{type(error).__name__} in the program")


def _refusal(reason: str, hint: str | None) -> AmanahError:
    """Why the core disconnected: `CODE: detail`."""
    code, _, detail = reason.partition(": ")
    if code in Code.__members__ and detail:
        return UsageError(Code(code), detail, hint=hint)
    return UsageError(Code.LOGIN, reason, hint=hint)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
