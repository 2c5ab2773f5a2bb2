"""The one owner of the core: takes inputs in turns, performs effects.

Everything here runs on the event loop's thread and nothing is locked. A turn takes all answers of
the store, then at most `TURN_INPUTS` inputs of sessions, organisation by organisation (`fairness`),
so that nobody gets ahead of another by sending faster or over more connections; then it writes what
came out, once a session.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, assert_never

from amanah_protocol import frames
from amanah_protocol.errors import AmanahError
from amanah_protocol.limits import MAX_FRAME_BYTES
from amanah_relay.core import RelayCore
from amanah_relay.effects import (
    Append,
    Close,
    Confirm,
    Cosign,
    CountKeyPackages,
    DropFile,
    Effect,
    FanOut,
    Purge,
    PutCheckpoint,
    PutKeyPackages,
    PutPiece,
    ReadCheckpoints,
    ReadContent,
    ReadEntries,
    ReadKnown,
    ReadLog,
    ReadMembership,
    ReadPiece,
    ReadProof,
    ReadStamps,
    Reload,
    Send,
    SessionId,
    ShelfEffect,
    Survey,
    TakeKeyPackages,
    Verify,
)
from amanah_relay.fairness import Line
from amanah_relay.inputs import Congested, Disconnected, Drained, Input, Received
from amanah_relay.sessions import HARD_BYTES, Session
from amanah_relay.store import StoreEffect, StoreInput
from amanah_relay.verifier import Verifier
from amanah_relay.wire import Chunk, Writer

Perform: TypeAlias = Callable[[StoreEffect], Awaitable[StoreInput]]
"""`StoreWorker.perform`: a fault of the store is an input like any other, and what is raised ends the relay."""

Shelve: TypeAlias = Callable[[ShelfEffect], Awaitable[Input | None]]
"""`ShelfWorker.perform`."""

TURN_INPUTS: Final = 16
"""The store's answer takes two or three rounds of the event loop to arrive, and each may hold a turn: were
turns long, the store would stand idle meanwhile."""
_READY: Final = frames.Ready.__struct_config__.tag
"""The second byte of the frame that ends a login: from then on a peer may send large frames."""
SLOW: Final = (1008, "SLOW")


class Turns:
    """Feeds the core and performs what it asks for."""

    def __init__(
        self,
        *,
        core: RelayCore,
        perform: Perform,
        shelve: Shelve,
        writer: Writer,
        clock_ms: Callable[[], int],
        close: Callable[[Session, int, str], None],
        cosign: Callable[[Cosign], None],
        logger: logging.Logger,
    ) -> None:
        """Own a core.

        Args:
            core: The core; nobody else may call it from now on.
            perform: The store.
            shelve: The files of attachments.
            writer: How frames are written.
            clock_ms: Wall clock, Unix time in ms.
            close: Closes a session's connection with a code and a reason.
            cosign: Asks the witnesses; what they answer is told as `Cosigned`.
            logger: Where a failure is said.
        """
        self._core = core
        self._perform = perform
        self._shelve = shelve
        self._writer = writer
        self._clock_ms = clock_ms
        self._close = close
        self._cosign = cosign
        self._logger = logger
        self._loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[None] = self._loop.create_future()
        """Set to the exception that ended all turns: a fault of the core or of the store's interface."""
        self.quiet = asyncio.Event()
        """Set while there is no session and nothing in the store's hands."""
        self.quiet.set()
        self.sessions: dict[SessionId, Session] = {}
        self.writing: set[Session] = set()
        """Sessions whose buffer may hold something; `server` watches their pace."""
        self._verifier = Verifier(self.tell, logger)
        self._answers: deque[Input] = deque()
        self._line = Line()
        self._scheduled = False
        self._store_tasks: set[asyncio.Task[None]] = set()
        self._touched: list[Session] = []
        self._closing: list[tuple[Session, int, str]] = []

    def open(self, session: Session, connected: Input) -> None:
        """A session begins."""
        self.sessions[session.number] = session
        self.quiet.clear()
        session.put(connected)
        self._enqueue(session)

    async def receive(self, session: Session, data: bytes) -> None:
        """A message arrived; returns when another may be read from this session."""
        if session.closing:
            return
        session.put(Received(session=session.number, data=data), len(data))
        self._enqueue(session)
        while session.full or session.congested:
            session.room = self._loop.create_future()
            try:
                await session.room
            finally:
                session.room = None

    def end(self, session: Session) -> None:
        """The connection is gone: what it sent whole is still handled, in order."""
        session.congested = False
        session.put(Disconnected(session=session.number))
        self._enqueue(session)

    def press(self, session: Session, *, high: bool) -> None:
        """The outgoing buffer rose above the high-water mark, or fell below the low one."""
        if session.congested == high or session.number not in self.sessions:
            return
        session.congested = high
        if high:
            self.tell(Congested(session=session.number))
        else:
            self.tell(Drained(session=session.number))
            session.release()
            if session.inbox:
                self._enqueue(session)

    def tell(self, what: Input) -> None:
        """An input that does not wait in a session's line."""
        self.quiet.clear()
        self._answers.append(what)
        self._wake()

    async def close(self) -> None:
        """Nothing is handled any more."""
        await self._verifier.close()

    def _enqueue(self, session: Session) -> None:
        if not session.queued and not session.congested:
            session.queued = True
            self._line.append(session)
        self._wake()

    def _wake(self) -> None:
        if not self._scheduled and not self.failed.done():
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        try:
            self._take_inputs()
            self._verifier.flush()
            self._flush()
        except Exception as error:
            # The core's picture may be half changed. To go on would mean to acknowledge from it; a new
            # process loads what is durable, and clients repeat what was not acknowledged.
            if not isinstance(error, AmanahError):
                self._logger.exception("the core failed")
            self.failed.set_exception(error)
            return
        if self._answers or (self._line and not self._verifier.is_full):
            self._wake()
        self._note_quiet()

    def _note_quiet(self) -> None:
        if not (self.sessions or self._store_tasks or self._answers or self._line or self._verifier.is_busy):
            self.quiet.set()

    def _take_inputs(self) -> None:
        now_ms = self._clock_ms()
        while self._answers:
            self._handle(self._answers.popleft(), now_ms)
        for _ in range(TURN_INPUTS):
            if not self._line or self._verifier.is_full:
                break
            session = self._line.take()
            session.queued = False
            if session.congested:
                continue
            what = session.take()
            if session.inbox:
                session.queued = True
                self._line.append(session)
            if isinstance(what, Disconnected):
                del self.sessions[session.number]
                self.writing.discard(session)
            self._handle(what, now_ms)

    def _handle(self, what: Input, now_ms: int) -> None:
        for effect in self._core.handle(what, now_ms):
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Verify():
                self._verifier.put(effect)
            case Cosign():
                self._cosign(effect)
            case Send():
                self._put(effect.session, self._writer.prepare((effect.data,)))
                self._note_login(effect)
            case FanOut():
                chunk = self._writer.prepare(effect.data)
                for number in effect.sessions:
                    self._put(number, chunk)
            case Close():
                session = self.sessions.get(effect.session)
                if session is not None and not session.closing:
                    session.closing = True
                    self._closing.append((session, effect.code, effect.reason))
            case (
                Append()
                | Reload()
                | ReadEntries()
                | ReadMembership()
                | ReadKnown()
                | ReadContent()
                | ReadLog()
                | ReadProof()
                | PutKeyPackages()
                | TakeKeyPackages()
                | CountKeyPackages()
                | Confirm()
                | Survey()
                | Purge()
                | PutCheckpoint()
                | ReadCheckpoints()
                | ReadStamps()
            ):
                self._ask_store(effect)
            case PutPiece() | ReadPiece() | DropFile():
                self._ask(self._shelve(effect))
            case _:
                assert_never(effect)

    def _put(self, number: SessionId, chunk: Chunk) -> None:
        session = self.sessions.get(number)
        if session is None:
            return
        if not session.chunks:
            self._touched.append(session)
        session.chunks.append(chunk)

    def _note_login(self, effect: Send) -> None:
        session = self.sessions.get(effect.session)
        if session is not None and session.guarded and effect.data[1] == _READY:
            session.guarded = False
            session.organisation = self._core.organisation(session.number)
            session.connection.limit_message(MAX_FRAME_BYTES)

    def _flush(self) -> None:
        for session in self._touched:
            session.written += self._writer.write(session.connection, session.chunks)
            session.chunks.clear()
            self.writing.add(session)
            if session.connection.buffered_bytes > HARD_BYTES:
                self._close(session, *SLOW)
        self._touched.clear()
        for session, code, reason in self._closing:
            self._close(session, code, reason)
        self._closing.clear()

    def _ask_store(self, effect: StoreEffect) -> None:
        self._ask(self._perform(effect))

    def _ask(self, asked: Awaitable[Input | None]) -> None:
        self.quiet.clear()
        task = self._loop.create_task(self._answer(asked))
        self._store_tasks.add(task)
        task.add_done_callback(self._answered)

    async def _answer(self, asked: Awaitable[Input | None]) -> None:
        answer = await asked
        if answer is not None:
            self.tell(answer)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._store_tasks.discard(task)
        self._note_quiet()
        if not task.cancelled() and (error := task.exception()) is not None and not self.failed.done():
            if not isinstance(error, AmanahError):
                self._logger.error("the store's interface failed", exc_info=error)
            self.failed.set_exception(error)
