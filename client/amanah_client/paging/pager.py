"""Paging for one profile, on the SDK: what every face that rings builds on.

    pager = Pager(client, tell=print)
    task = asyncio.create_task(pager.run())
    for ringing in pager.ringing: ...
    await pager.acknowledge(ringing.message)

Each device rings by itself. Hooks are run by the profile that has a rota, in one process of it; what a step did is told
to the room, so that another machine of the desk with the same rota goes on from there. Everything is read from the
store: a process that is started again rings for what nobody acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from typing import Final, TypeAlias, assert_never

import msgspec
from msgspec import structs

from amanah_client import actions, model
from amanah_client import effects as e
from amanah_client.engine import Event, NamesChanged
from amanah_client.home import ProfileLock
from amanah_client.paging import inputs as i
from amanah_client.paging.duty import Rota
from amanah_client.paging.hooks import Failure, check_hooks, notice_of, run_hooks
from amanah_client.paging.machine import Machine, State
from amanah_client.paging.reading import ANSWERS, Desk, Meaning, fits, is_over
from amanah_client.paging.settings import read_rota
from amanah_client.room import Room
from amanah_client.saying import Say
from amanah_client.sdk import Client
from amanah_protocol.content.page import Page, Result
from amanah_protocol.errors import AmanahError, Code, DecodeError, OperationalError, UsageError
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Precedence
from amanah_protocol.types import EnvelopeId, RoomId

TICK_S: Final = 0.2
SETTLE_S: Final = 10.0
"""An acknowledgement may be on its way: nobody is paged before this device has connected, or could not for so long."""


class Ringing(msgspec.Struct, frozen=True, kw_only=True):
    """A message that rings here.

    Attributes:
        room: Its room.
        message: Its envelope.
        precedence: How urgent it is.
        since_ms: When the relay accepted it.
        step: The step that was taken last; 0 while the desk alone rings.
        again: How often that step was taken before.
        whom: Whom it paged.
        state: Where the page stands; `repeating` when all steps are used.
        due_ms: When something more happens here.
    """

    room: RoomId
    message: EnvelopeId
    precedence: Precedence
    since_ms: int
    step: int
    again: int
    whom: str
    state: State
    due_ms: int | None = None


class Rings(msgspec.Struct, frozen=True, kw_only=True):
    """It rings."""

    ringing: Ringing


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """It rings no longer for a message.

    Attributes:
        room: Its room.
        message: Its envelope.
        answered: Whether somebody acknowledged it; else this device cannot do so any more.
    """

    room: RoomId
    message: EnvelopeId
    answered: bool


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """A step was taken.

    Attributes:
        room: The room.
        message: For which message.
        step: Which step.
        again: How often it was taken before.
        whom: Who was paged.
        result: What became of it.
        failures: Hooks that reached nobody.
    """

    room: RoomId
    message: EnvelopeId
    step: int
    again: int
    whom: str
    result: Result
    failures: tuple[Failure, ...] = ()


class NobodyElse(msgspec.Struct, frozen=True, kw_only=True):
    """All steps are used; the last one is taken again and again.

    Attributes:
        room: The room.
        message: For which message.
        whom: Whom the last step pages.
    """

    room: RoomId
    message: EnvelopeId
    whom: str


class NotRecorded(msgspec.Struct, frozen=True, kw_only=True):
    """A step was taken, and the room cannot be told.

    Attributes:
        room: The room.
        problem: Why.
    """

    room: RoomId
    problem: AmanahError


class Renamed(msgspec.Struct, frozen=True, kw_only=True):
    """A room that the rota names has another title; it pages as before.

    Attributes:
        room: The room.
        before: What it was called.
        title: What it is called now.
    """

    room: RoomId
    before: str
    title: str


Notification: TypeAlias = Rings | Ended | Called | NobodyElse | NotRecorded | Renamed


def _nothing(_: Notification) -> None:
    """For a face that looks at `Pager.ringing` alone."""


class Pager:
    """Pages for one profile while `run` runs."""

    def __init__(
        self, client: Client, rota: Rota | None = None, *, tell: Callable[[Notification], None] = _nothing
    ) -> None:
        """Read the rota.

        Args:
            client: The profile.
            rota: Who is paged; what the profile's `paging.toml` says by default.
            tell: Called for everything that happens, in the pager's task; must not block.

        Raises:
            UsageError: `CONFIG` for a rota that cannot be used, `NO_PROFILE` without a certificate.
        """
        self._client = client
        self._rota = read_rota(client.profile.home.rota) if rota is None else rota
        check_hooks(self._rota)
        self._me, self._desk = self._seat()
        self._machine = Machine(_alone(self._rota))
        self._lock = ProfileLock(client.profile.home, client.profile.home.paging_lock)
        self._has_lock = False
        self._tell = tell
        self._over: set[RoomId] = set()
        self._titles: dict[RoomId, str] = {}
        self._met: set[str] = set()
        for room in client.rooms() if self._rota.rooms else ():
            self._meet(room.row)
        self._failures: dict[EnvelopeId, tuple[Failure, ...]] = {}
        self._hooks: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Queue[i.Ran] = asyncio.Queue()

    def _seat(self) -> tuple[i.Person | None, Desk]:
        me = self._client.party(self._client.me)
        desk = Desk(nation=me.organisation, device=self._client.me, rota=self._rota)
        return None if me.role is not Role.OFFICER or me.subject is None else (me.organisation, me.subject), desk

    # ---- what faces look at

    @property
    def rota(self) -> Rota:
        """The rota."""
        return self._rota

    @property
    def ringing(self) -> tuple[Ringing, ...]:
        """What rings now, the oldest first."""
        return tuple(
            Ringing(
                room=page.call.room,
                message=page.call.message,
                precedence=page.call.precedence,
                since_ms=page.call.at_ms,
                step=page.step,
                again=page.again,
                whom=page.whom,
                state=page.state,
                due_ms=page.due_ms,
            )
            for page in self._machine.pages
        )

    @property
    def runs_hooks(self) -> bool:
        """Whether this process pages others; else it only rings."""
        return self._has_lock and self._rota.pages

    def unknown_rooms(self) -> tuple[str, ...]:
        """What the rota names as a room, and none fits: nothing pages by it."""
        return tuple(name for name in self._rota.rooms if name not in self._met)

    def _meet(self, room: model.RoomRow) -> None:
        """Once a name of the rota fits a room, it does for good."""
        self._met |= {name for name in self._rota.rooms if fits(name, room)}

    async def acknowledge(self, message: EnvelopeId, grade: Grade = Grade.UNDERSTOOD) -> model.Intent:
        """Acknowledge what rings: durable before this returns, and quiet here from then on.

        Should the relay refuse it, it rings again.

        Raises:
            UsageError: `NOT_FOUND` for what does not ring, `USAGE` for a grade that answers nothing.
        """
        page = self._machine.page(message)
        if page is None or not page.rings:
            raise UsageError(Code.NOT_FOUND, "this does not ring", hint="Look at what rings, and name that.")
        if grade < ANSWERS:
            detail = f"{grade.name.lower()} does not end a page"
            raise UsageError(Code.USAGE, detail, hint="Say read, understood or acting.")
        action = actions.Acknowledge(room=page.call.room, envelope=message, grade=int(grade))
        intent = await self._client.ask(action)
        if self._me is not None:
            await self._take(i.Acknowledged(message=message, by=self._me))
        return intent

    # ---- running

    async def run(self) -> None:
        """Page until cancelled."""
        try:
            with self._client.hearing() as events:
                self._me, self._desk = self._seat()
                await self._take_over()
                await self._load()
                with contextlib.suppress(OperationalError):
                    await self._client.online(SETTLE_S, patience=Client.PATIENCE)
                while True:
                    await self._hear_all(events)
                    while not self._ended.empty():
                        await self._take(self._ended.get_nowait())
                    await self._take_over()
                    await self._take(i.Tick())
        finally:
            for task in self._hooks:
                task.cancel()
            await asyncio.gather(*self._hooks, return_exceptions=True)
            self._lock.release()
            self._has_lock = False

    async def _take_over(self) -> None:
        """Page others as well, once no other process of this profile does."""
        if not self._has_lock and self._rota.pages and self._lock.acquire():
            self._has_lock = True
            await self._load_outbox()
            await self._take(i.RotaChanged(rota=self._rota))

    async def _hear_all(self, events: asyncio.Queue[Event]) -> None:
        """What was told since the last look, or in the next moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK_S):
                await self._hear(await events.get())
        while not events.empty():
            await self._hear(events.get_nowait())

    async def _hear(self, event: Event) -> None:
        match event:
            case e.MessageChanged(row=row):
                room = Room(self._client, row.room).row
                meaning = self._desk.meaning(self._client.read(row), room)
                if isinstance(meaning, i.Arrived):
                    # What is repaired or granted later arrives behind its acknowledgements.
                    for known in self._about(room, [meaning.call.message]):
                        await self._take(known)
                if meaning is not None:
                    await self._take(meaning)
            case e.RoomChanged(row=room):
                await self._hear_of_room(room)
            case e.IntentChanged(intent=intent):
                await self._hear_of_own(intent)
            case NamesChanged():
                await self._look_who()
            case _:  # alarms and the connection are told by others
                pass

    async def _hear_of_room(self, room: model.RoomRow) -> None:
        """A room that is left is quiet; one that is there again, or has a title of the rota, rings as after a start."""
        before = self._titles.get(room.room, room.title)
        self._titles[room.room] = room.title
        self._meet(room)
        if is_over(room):
            self._over.add(room.room)
            await self._take(i.Gone(room=room.room))
            return
        if before not in ("", room.title) and self._desk.names(room):
            self._tell(Renamed(room=room.room, before=before, title=room.title))
        if room.room in self._over or before != room.title:
            self._over.discard(room.room)
            await self._load(room.room)

    async def _look_who(self) -> None:
        """Whose desk this is: a new profile reads its own certificate while this runs, and was nobody's before."""
        before = self._desk.nation
        self._me, self._desk = self._seat()
        if self._desk.nation != before:
            await self._load()

    async def _hear_of_own(self, intent: model.Intent) -> None:
        """An own acknowledgement counts while it is on its way, and no longer when it was refused."""
        action = intent.action
        if not isinstance(action, actions.Acknowledge) or action.grade < ANSWERS or self._me is None:
            return
        if intent.state is model.IntentState.FAILED:
            await self._take(i.Unacknowledged(message=action.envelope, by=self._me))
        else:
            await self._take(i.Acknowledged(message=action.envelope, by=self._me))

    async def _load(self, of: RoomId | None = None) -> None:
        """Take up what is stored: who answered and who was paged first, so that nothing of it happens twice.

        Args:
            of: In which room; None for all.
        """
        calls: list[i.Arrived] = []
        for room in self._client.rooms():
            self._titles[room.id] = room.row.title
            if is_over(room.row):
                self._over.add(room.id)
            elif of is None or room.id == of:
                for meaning in self._stored(room.row):
                    if isinstance(meaning, i.Arrived):
                        calls.append(meaning)
                    else:
                        await self._take(meaning)
                # A face that rings answers its officer meanwhile.
                await asyncio.sleep(0)
        await self._load_outbox()
        for call in calls:
            await self._take(call)

    async def _load_outbox(self) -> None:
        """What is on its way: own answers, and records of steps, of another process of this profile too."""
        for intent in self._client.outbox():
            if isinstance(intent.action, Say):
                with contextlib.suppress(DecodeError):  # laid down by another version: its records are not ours
                    if isinstance(body := intent.action.body, Page):
                        await self._take(i.Told(page=body))
            await self._hear_of_own(intent)

    def _about(self, room: model.RoomRow, messages: Collection[EnvelopeId]) -> Iterator[Meaning]:
        """What is stored about some entries: who answered, and who was paged."""
        for row in self._client.profile.store.desk.about(room.room, messages):
            meaning = self._desk.meaning(self._client.read(row), room, fresh=False)
            if meaning is not None and not isinstance(meaning, i.Arrived):
                yield meaning

    def _stored(self, room: model.RoomRow) -> Iterator[Meaning]:
        """What is stored of a room's calls, and about them: nothing else of it is read."""
        calls = self._client.profile.store.desk.calling(room.room, self._desk.nation, self._rota.least)
        yield from self._about(room, [call.envelope for call in calls])
        for row in calls:
            meaning = self._desk.meaning(self._client.read(row), room, fresh=False)
            if meaning is not None:
                yield meaning

    # ---- effects

    async def _take(self, received: i.Input) -> None:
        for effect in self._machine.take(received, time.time_ns() // 1_000_000):
            await self._perform(effect)

    async def _perform(self, effect: i.Effect) -> None:
        match effect:
            case i.Ring(call=call):
                for ringing in self.ringing:
                    if ringing.message == call.message:
                        self._tell(Rings(ringing=ringing))
            case i.Quiet(call=call):
                answered = self._machine.page(call.message) is not None
                self._tell(Ended(room=call.room, message=call.message, answered=answered))
            case i.Run():
                task = asyncio.create_task(self._run(effect), name="amanah-paging-hooks")
                self._hooks.add(task)
                task.add_done_callback(self._hooks.discard)
            case i.Record():
                await self._record(effect)
            case i.Exhausted(call=call, whom=whom):
                self._tell(NobodyElse(room=call.room, message=call.message, whom=whom))
            case _:
                assert_never(effect)

    async def _run(self, run: i.Run) -> None:
        room, drill = run.call.room, self._client.is_drill(run.call.room)
        count = len(self._machine.pages)
        notice = notice_of(room, run.call.precedence, count=count, step=run.step.number, drill=drill)
        outcomes = await run_hooks(run.step.hooks, notice, self._rota)
        self._failures[run.call.message] = tuple(failure for failure in outcomes if failure is not None)
        reached = any(failure is None for failure in outcomes)
        ran = i.Ran(
            message=run.call.message, number=run.step.number, again=run.again, whom=run.step.whom, reached=reached
        )
        await self._ended.put(ran)

    async def _record(self, record: i.Record) -> None:
        call = record.call
        self._tell(
            Called(
                room=call.room,
                message=call.message,
                step=record.number,
                again=record.again,
                whom=record.whom,
                result=record.result,
                failures=self._failures.pop(call.message, ()),
            )
        )
        page = Page(
            message=call.message,
            step=record.number,
            again=record.again,
            whom=record.whom,
            result=record.result,
            at_ms=time.time_ns() // 1_000_000,
        )
        try:
            await self._client.ask(self._client.room(call.room).compose(page))
        except AmanahError as error:
            # People are paged all the same: the record comes second.
            self._tell(NotRecorded(room=call.room, problem=error))


def _alone(rota: Rota) -> Rota:
    """The same, with nobody to page: what a process does that only rings."""
    return structs.replace(rota, people=(), backup=None)
