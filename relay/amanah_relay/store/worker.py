"""The store's asyncio face: an effect in, its input out, with one thread that writes and one that reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias, TypeVar, assert_never

from amanah_protocol.errors import AmanahError, Code
from amanah_relay.effects import (
    Append,
    Confirm,
    CountKeyPackages,
    Purge,
    PutCheckpoint,
    PutKeyPackages,
    PutStamp,
    ReadCheckpoints,
    ReadContent,
    ReadEnding,
    ReadEntries,
    ReadKnown,
    ReadLog,
    ReadMembership,
    ReadProof,
    ReadStamps,
    Reload,
    Survey,
    TakeKeyPackages,
)
from amanah_relay.inputs import (
    Appended,
    AppendFailed,
    CheckpointPut,
    CheckpointsRead,
    Confirmed,
    ContentRead,
    EndingRead,
    EntriesRead,
    KeyPackagesCounted,
    KeyPackagesPut,
    KeyPackagesTaken,
    KnownRead,
    Loaded,
    LogRead,
    MembershipRead,
    ProofRead,
    Purged,
    ReadFailed,
    StampPut,
    StampsRead,
    Surveyed,
)
from amanah_relay.store.store import Store

T = TypeVar("T")

IDLE_S: Final = 0.25
"""Without a write for so long, the WAL is moved into the database file."""

RETRY_S: Final = 1.0
"""Between two attempts to load a store that failed."""

ReadEffect: TypeAlias = (
    ReadEntries | ReadMembership | ReadKnown | ReadContent | ReadLog | ReadProof | CountKeyPackages | ReadCheckpoints
    | ReadStamps | Survey
)  # fmt: skip
ChangeEffect: TypeAlias = PutKeyPackages | TakeKeyPackages | Confirm | Purge | PutCheckpoint
StoreEffect: TypeAlias = Append | Reload | ReadEffect | ChangeEffect
ReadInput: TypeAlias = (
    EntriesRead | MembershipRead | KnownRead | ContentRead | LogRead | ProofRead | KeyPackagesCounted | CheckpointsRead
    | StampsRead | Surveyed
)  # fmt: skip
ChangeInput: TypeAlias = KeyPackagesPut | KeyPackagesTaken | Confirmed | Purged | CheckpointPut
StoreInput: TypeAlias = Appended | AppendFailed | Loaded | ReadInput | ChangeInput | ReadFailed


class StoreWorker:
    """Performs storage effects off the event loop.

    Contract: `Append`, `Reload` and all other changes are performed one after another in the
    order of the calls to `perform`, by one thread; reads by a second one, in theirs. A read that is asked
    for after `Appended` was given sees that batch. Cancelling a caller undoes nothing: what was handed to
    a thread is carried out.
    """

    def __init__(self, store: Store, *, on_error: Callable[[AmanahError], None]) -> None:
        """Take a store over; nobody else may use or close it from now on.

        Args:
            store: An open store.
            on_error: Called on the event loop, for the operator's log, with the cause of every `AppendFailed` and
                `ReadFailed`, of a failed checkpoint, and of a load that is tried again.
        """
        self._store = store
        self._on_error = on_error
        self._writing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-reader")
        self._idle: asyncio.TimerHandle | None = None
        self._checkpoints: set[asyncio.Task[None]] = set()
        self._closing = False
        self._loaded = False

    async def perform(self, effect: StoreEffect) -> StoreInput:
        """Perform one effect and give the input that answers it.

        A fault of the store is an input. `Reload` has none for that: the first one raises, because
        whoever starts a relay must hear at once that it cannot start; a later one is tried again until
        the store is back.

        Raises:
            OperationalError: The first `Reload` failed, or a later one found the store `DAMAGED`.
        """
        match effect:
            case Reload():
                return await self._load()
            case Append():
                return await self._append(effect)
            case PutKeyPackages() | TakeKeyPackages() | Confirm() | Purge() | PutCheckpoint():
                return await self._change(effect)
            case _:
                return await self._answer(effect.token, self._reading, lambda: self._read(effect))

    async def perform_stamp(self, effect: PutStamp | ReadEnding) -> StampPut | EndingRead | ReadFailed:
        """Perform what is asked for past the core, in turn with all else."""
        match effect:
            case PutStamp():
                answer = await self._answer(effect.token, self._writing, lambda: self._store.put_stamp(effect))
                self._plan_checkpoint()
                return answer
            case ReadEnding():
                return await self._answer(effect.token, self._reading, lambda: self._store.read_ending(effect))
            case _:
                assert_never(effect)

    async def read_tile(self, level: int, place: int, size: int) -> bytes | None:
        """The hashes of a tile of the tree of `size` leaves; None when the store failed, which was said then."""
        try:
            return await self._on(self._reading, lambda: self._store.read_tile(level, place, size))
        except AmanahError as error:
            self._on_error(error)
            return None

    async def close(self) -> None:
        """Finish what was handed over, then close the store."""
        self._closing = True
        if self._idle is not None:
            self._idle.cancel()
        while self._checkpoints:
            await asyncio.gather(*self._checkpoints)
        loop = asyncio.get_running_loop()
        for executor in (self._writing, self._reading):
            await loop.run_in_executor(None, executor.shutdown)
        self._store.close()

    async def _load(self) -> Loaded:
        while True:
            try:
                state = await self._on(self._writing, self._store.load)
            except AmanahError as error:
                if error.final or not self._loaded:
                    raise
                self._on_error(error)
                await asyncio.sleep(RETRY_S)
            else:
                self._loaded = True
                return Loaded(state=state)

    async def _append(self, effect: Append) -> Appended | AppendFailed:
        try:
            freed = await self._on(self._writing, lambda: self._store.append(effect))
        except AmanahError as error:
            self._on_error(error)
            return AppendFailed(batch=effect.batch, full=error.code is Code.DISK_FULL)
        finally:
            self._plan_checkpoint()
        return Appended(batch=effect.batch, freed=freed)

    async def _change(self, effect: ChangeEffect) -> ChangeInput | ReadFailed:
        def change() -> ChangeInput:
            match effect:
                case PutKeyPackages():
                    return self._store.put_key_packages(effect)
                case TakeKeyPackages():
                    return self._store.take_key_packages(effect)
                case Confirm():
                    return self._store.confirm(effect)
                case Purge():
                    return self._store.purge(effect)
                case PutCheckpoint():
                    return self._store.put_checkpoint(effect)
                case _:
                    assert_never(effect)

        answer = await self._answer(effect.token, self._writing, change)
        self._plan_checkpoint()
        return answer

    def _read(self, effect: ReadEffect) -> ReadInput:  # noqa: C901, PLR0911 - one case for each read
        match effect:
            case ReadEntries():
                return self._store.read_entries(effect)
            case Survey():
                return self._store.survey(effect)
            case ReadMembership():
                return self._store.read_membership(effect)
            case ReadKnown():
                return self._store.read_known(effect)
            case ReadContent():
                return self._store.read_content(effect)
            case ReadLog():
                return self._store.read_log(effect)
            case ReadProof():
                return self._store.read_proof(effect)
            case CountKeyPackages():
                return self._store.count_key_packages(effect)
            case ReadCheckpoints():
                return self._store.read_checkpoints(effect)
            case ReadStamps():
                return self._store.read_stamps(effect)
            case _:
                assert_never(effect)

    async def _answer(self, token: int, executor: ThreadPoolExecutor, work: Callable[[], T]) -> T | ReadFailed:
        try:
            return await self._on(executor, work)
        except AmanahError as error:
            self._on_error(error)
            return ReadFailed(token=token, full=error.code is Code.DISK_FULL)

    @staticmethod
    async def _on(executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        # Shielded: cancelling would take back what waits for its turn, while what comes behind it is performed.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(executor, work))

    def _plan_checkpoint(self) -> None:
        """After each write: now if much was written, else as soon as nothing is."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._closing:
            return
        if self._store.checkpoint_due:
            self._start_checkpoint()
        else:
            self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._start_checkpoint)

    def _start_checkpoint(self) -> None:
        self._idle = None
        task = asyncio.get_running_loop().create_task(self._checkpoint())
        self._checkpoints.add(task)
        task.add_done_callback(self._checkpoints.discard)

    async def _checkpoint(self) -> None:
        try:
            whole = await self._on(self._writing, self._store.checkpoint)
        except AmanahError as error:
            # The writer has stopped itself: the next append fails and the core loads anew.
            self._on_error(error)
            return
        if not whole and self._idle is None and not self._closing:
            self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._start_checkpoint)
