"""The shell around the relay core, in virtual time: it does what `amanah_relay.turns` and the store's worker do.

One writer, one reader and one verifier work behind it, each on one thing at a time and in order. The process may
end at any moment; what was handed to the store by then is stored or is not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias, assert_never

from amanah_protocol.errors import AmanahError
from amanah_protocol.session import NO_TLS
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
    Survey,
    TakeKeyPackages,
    Verify,
)
from amanah_relay.inputs import (
    Appended,
    AppendFailed,
    Checked,
    Congested,
    Connected,
    Cosigned,
    Disconnected,
    Drained,
    Input,
    Loaded,
    ReadFailed,
    Received,
    Stop,
    Tick,
)
from amanah_relay.quotas import RelayLimits
from tests.simulation.community import DIALLED, ORIGIN, Community
from tests.simulation.history import Failed
from tests.simulation.network import Connection
from tests.simulation.relay_record import RelayRecord
from tests.simulation.relay_store import RelayStore
from tests.simulation.scheduler import Scheduler
from tests.simulation.witnesses import Asking, Relayed, Witness

TICK_MS: Final = 1_000
STOP_MS: Final = 5_000
LOAD_MS: Final = 20
VERIFY_MS: Final = 3

Reading: TypeAlias = (
    ReadEntries
    | ReadMembership
    | ReadKnown
    | ReadContent
    | ReadLog
    | ReadProof
    | CountKeyPackages
    | ReadCheckpoints
    | ReadStamps
    | Survey
)
Change: TypeAlias = PutKeyPackages | TakeKeyPackages | Confirm | Purge | PutCheckpoint


@dataclass(slots=True, kw_only=True)
class Troubles:
    """What is about to happen to the relay.

    Attributes:
        appends: For each of the next appends that fail: whether it is stored all the same.
        full: Whether they fail for a full disk.
        reads: How many of the next reads fail.
        write_ms: The longest time that a write takes.
        read_ms: The longest time that a read takes.
        skew_ms: Its clock, ahead of true time.
    """

    appends: deque[bool] = field(default_factory=deque)
    full: bool = False
    reads: int = 0
    write_ms: int = 15
    read_ms: int = 5
    skew_ms: int = 0

    def calm(self) -> None:
        """Nothing happens any more; the clock stays as wrong as it is."""
        self.appends.clear()
        self.full, self.reads, self.write_ms, self.read_ms = False, 0, 15, 5


class Opener(Protocol):
    """Opens the store for a process that begins."""

    def __call__(self) -> RelayStore: ...


class RelayShell:
    """The relay: its store, which lasts, and its process, which need not."""

    def __init__(
        self,
        *,
        community: Community,
        open_store: Opener,
        scheduler: Scheduler,
        record: RelayRecord,
        limits: RelayLimits,
        core: type[RelayCore] = RelayCore,
        witnesses: tuple[Witness, ...] = (),
    ) -> None:
        """Switched off.

        Args:
            community: Whose relay it is.
            open_store: Opens the store, at each start of a process.
            scheduler: The world's time.
            record: Notes what the relay does.
            limits: What others may take.
            core: The core, or a mutant of it.
            witnesses: Who is asked to cosign.
        """
        self.troubles = Troubles()
        self._community = community
        self._open_store = open_store
        self._scheduler = scheduler
        self._record = record
        self._limits = limits
        self._core_type = core
        self._chance = scheduler.stream("relay")
        self._core: RelayCore | None = None
        self._life = 0
        self._serving = False
        self._stopping = False
        self.store = open_store()
        self._writing: deque[Append | Reload | Change] = deque()
        self._reading: deque[Reading] = deque()
        self._verifying: deque[Verify] = deque()
        self._stopped_writing = False
        self._sessions: dict[SessionId, Connection] = {}
        self._numbers: dict[int, SessionId] = {}
        self._last_session = 0
        self._held: dict[SessionId, deque[bytes]] = {}
        self._witnesses = witnesses
        self._asking: tuple[Asking, ...] = ()
        self.tick_ms = TICK_MS

    # ---- the process

    @property
    def is_serving(self) -> bool:
        """Whether connections are taken."""
        return self._serving and not self._stopping

    @property
    def clock_ms(self) -> int:
        """What its clock shows."""
        return self._scheduler.now_ms + self.troubles.skew_ms

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._core is not None

    def start(self) -> None:
        """A process begins: load the state, then listen."""
        if self._core is not None:
            return
        self._scheduler.note("relay starts")
        self._life += 1
        self.store = self._open_store()
        self._last_session = 0
        self._core = self._core_type(
            key=self._community.relay_key,
            log_signer=self._community.log_signer,
            origin=ORIGIN,
            addresses=frozenset({DIALLED}),
            limits=self._limits,
        )
        self._asking = tuple(self._ask_of(witness) for witness in self._witnesses)
        self._do(Reload())
        self._later(self.tick_ms, self._tick)

    def kill(self) -> None:
        """The process ends at once."""
        if self._core is None:
            return
        self._scheduler.note("relay dies")
        self._life += 1
        self._core = None
        self._serving = self._stopping = self._stopped_writing = False
        self._writing.clear()
        self._reading.clear()
        self._verifying.clear()
        self._held.clear()
        for session in tuple(self._sessions):
            self._part(session).close_by_relay()

    def stop(self) -> None:
        """The process is asked to end."""
        if self._core is None or self._stopping:
            return
        self._scheduler.note("relay stops")
        self._stopping = True
        self.handle(Stop())
        self._later(STOP_MS, self.kill)
        self._look_whether_done()

    def _look_whether_done(self) -> None:
        if self._sessions or self._writing or self._verifying:
            self._later(50, self._look_whether_done)
        else:
            self.kill()

    def _later(self, delay_ms: int, work: Callable[[], None]) -> None:
        """Do something, unless the process is another one by then."""
        life = self._life
        self._scheduler.after(delay_ms, lambda: work() if self._life == life else None)

    def _tick(self) -> None:
        self.handle(Tick())
        self._later(self.tick_ms, self._tick)

    def _ask_of(self, witness: Witness) -> Asking:
        relayed = Relayed(
            later=self._later,
            prove=lambda old, new: (
                self.store.read_proof(ReadProof(token=0, inclusion=False, old_or_index=old, size=new)).hashes
            ),
            tell=lambda size, lines: self.handle(Cosigned(size=size, lines=lines)),
        )
        return Asking(witness, relayed=relayed, scheduler=self._scheduler, history=self._record.history)

    # ---- connections

    def accept(self, connection: Connection) -> None:
        """A connection is open."""
        self._last_session += 1
        session = SessionId(self._last_session)
        self._sessions[session] = connection
        self._numbers[connection.number] = session
        self._scheduler.note("session", connection.number, session)
        opened = Connected(
            session=session,
            network=f"192.0.2.{connection.number % 250}",
            nonce=self._chance.randbytes(32),
            tls_hash=NO_TLS,
        )
        self.handle(opened)

    def receive(self, connection: Connection, data: bytes) -> None:
        """A message from a client; one of a session that is congested waits."""
        session = self._numbers.get(connection.number)
        if session is None:
            return
        if session in self._held:
            self._held[session].append(data)
        else:
            self._receive(session, data)

    def _receive(self, session: SessionId, data: bytes) -> None:
        self._scheduler.note("received", session, data)
        self._record.received(session, data)
        self.handle(Received(session=session, data=data))

    def lost(self, connection: Connection) -> None:
        """A connection is gone."""
        session = self._numbers.get(connection.number)
        if session is not None:
            self._part(session)
            self.handle(Disconnected(session=session))

    def congest(self, connection: Connection, duration_ms: int) -> None:
        """The client reads nothing for a while: its buffer here fills, nothing more of it is taken in."""
        session = self._numbers.get(connection.number)
        if session is None or session in self._held or self._core is None:
            return
        self._held[session] = deque()
        connection.hold_down(self._scheduler.now_ms + duration_ms)
        self.handle(Congested(session=session))
        self._later(duration_ms, lambda: self._drain(session))

    def _drain(self, session: SessionId) -> None:
        held = self._held.pop(session, None)
        if held is None or session not in self._sessions:
            return
        self.handle(Drained(session=session))
        for data in held:
            if session in self._sessions:
                self._receive(session, data)

    def _part(self, session: SessionId) -> Connection:
        connection = self._sessions.pop(session)
        del self._numbers[connection.number]
        self._held.pop(session, None)
        return connection

    # ---- the core

    def handle(self, what: Input) -> None:
        """Feed the core and do what it asks for."""
        if self._core is None:
            return
        try:
            effects = self._core.handle(what, self.clock_ms)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding and not the simulation's end
            detail = f"{type(error).__name__}: {error}"
            self._record.history.add(Failed(at_ms=self._scheduler.elapsed_ms, who="relay", detail=detail))
            self.kill()
            return
        for effect in effects:
            self._do(effect)

    def _do(self, effect: Effect) -> None:  # noqa: C901, PLR0912 - one case for each effect
        match effect:
            case Send():
                self._write(effect.session, (effect.data,))
            case FanOut():
                for session in effect.sessions:
                    self._write(session, effect.data)
            case Close():
                if effect.session in self._sessions:
                    self._part(effect.session).close_by_relay()
            case Append() | Reload() | PutKeyPackages() | TakeKeyPackages() | Confirm() | Purge() | PutCheckpoint():
                self._writing.append(effect)
                if len(self._writing) == 1:
                    self._begin_write()
            case (
                ReadEntries() | ReadMembership() | ReadKnown() | ReadContent() | ReadLog() | ReadProof()
                | CountKeyPackages() | ReadCheckpoints() | ReadStamps() | Survey()
            ):  # fmt: skip
                self._reading.append(effect)
                if len(self._reading) == 1:
                    self._begin_read()
            case PutPiece() | ReadPiece() | DropFile():
                raise AssertionError(effect)  # this shell tells of no files, so the core takes none
            case Cosign():
                self._cosign(effect)
            case Verify():
                self._verifying.append(effect)
                if len(self._verifying) == 1:
                    self._later(self._chance.randint(0, VERIFY_MS), self._verify)
            case _:
                assert_never(effect)

    def _cosign(self, wanted: Cosign) -> None:
        """Each witness is asked, in its own time."""
        for asking in self._asking:
            asking.want(wanted)

    def _verify(self) -> None:
        """All that was asked until now is answered at once, in order."""
        asked = tuple(self._verifying)
        self._verifying.clear()
        answers = tuple((effect.token, tuple(claim.holds for claim in effect.claims)) for effect in asked)
        self.handle(Checked(answers=answers))

    def _write(self, session: SessionId, data: tuple[bytes, ...]) -> None:
        connection = self._sessions.get(session)
        if connection is None:
            return
        for frame in data:
            self._record.writing(session, frame)
            connection.to_client(frame)

    # ---- the store's writer

    def _begin_write(self) -> None:
        whole = self._chance.randint(1, self.troubles.write_ms)
        first = self._chance.randint(1, whole)
        effect = self._writing[0]
        if isinstance(effect, Reload):
            self._later(LOAD_MS, lambda: self._written(self._load()))
        else:
            self._later(first, lambda: self._change(effect, whole - first))

    def _change(self, effect: Append | Change, rest_ms: int) -> None:
        """The moment at which it becomes durable, or does not; the answer comes later."""
        answer = self._perform_write(effect)
        self._later(rest_ms, lambda: self._written(answer))

    def _written(self, answer: Input) -> None:
        self._writing.popleft()
        if self._writing:
            self._begin_write()
        self.handle(answer)
        if isinstance(answer, Loaded):
            self._serving = True

    def _load(self) -> Input:
        self._stopped_writing = False
        return Loaded(state=self.store.load())

    def _perform_write(self, effect: Append | Change) -> Input:
        fails = isinstance(effect, Append) and bool(self.troubles.appends)
        stored_all_the_same = fails and self.troubles.appends.popleft()
        failed = self._failure_of(effect)
        if self._stopped_writing or (fails and not stored_all_the_same):
            return failed
        try:
            answer = self._apply(effect)
        except AmanahError as error:
            self._scheduler.note("store refuses", error.code)
            return failed
        if stored_all_the_same:
            # The commit itself failed: nothing is written any more until all is loaded anew.
            self._stopped_writing = True
            return failed
        return answer

    def _failure_of(self, effect: Append | Change) -> Input:
        if isinstance(effect, Append):
            return AppendFailed(batch=effect.batch, full=self.troubles.full)
        return ReadFailed(token=effect.token)

    def _apply(self, effect: Append | Change) -> Input:
        match effect:
            case Append():
                freed = self.store.append(effect)
                self._record.stored(effect)
                return Appended(batch=effect.batch, freed=freed)
            case PutKeyPackages():
                return self.store.put_key_packages(effect)
            case TakeKeyPackages():
                return self.store.take_key_packages(effect)
            case Confirm():
                return self.store.confirm(effect)
            case Purge():
                return self.store.purge(effect)
            case PutCheckpoint():
                return self.store.put_checkpoint(effect)
            case _:
                assert_never(effect)

    # ---- the store's reader

    def _begin_read(self) -> None:
        whole = self._chance.randint(1, self.troubles.read_ms)
        first = self._chance.randint(0, whole)
        self._later(first, lambda: self._read(whole - first))

    def _read(self, rest_ms: int) -> None:
        """What is read is as of now; the answer comes later."""
        answer = self._perform_read(self._reading[0])
        self._later(rest_ms, lambda: self._has_read(answer))

    def _has_read(self, answer: Input) -> None:
        self._reading.popleft()
        if self._reading:
            self._begin_read()
        self.handle(answer)

    def _perform_read(self, effect: Reading) -> Input:
        if self.troubles.reads:
            self.troubles.reads -= 1
            return ReadFailed(token=effect.token)
        try:
            return self._answer(effect)
        except AmanahError as error:
            self._scheduler.note("store refuses", error.code)
            return ReadFailed(token=effect.token)

    def _answer(self, effect: Reading) -> Input:  # noqa: C901, PLR0911 - one case for each read
        match effect:
            case ReadEntries():
                return self.store.read_entries(effect)
            case ReadMembership():
                return self.store.read_membership(effect)
            case ReadKnown():
                return self.store.read_known(effect)
            case ReadContent():
                return self.store.read_content(effect)
            case ReadLog():
                return self.store.read_log(effect)
            case ReadProof():
                return self.store.read_proof(effect)
            case CountKeyPackages():
                return self.store.count_key_packages(effect)
            case ReadCheckpoints():
                return self.store.read_checkpoints(effect)
            case ReadStamps():
                return self.store.read_stamps(effect)
            case Survey():
                return self.store.survey(effect)
            case _:
                assert_never(effect)
