"""The SDK: what integrators and all faces build on. Asynchronous, one `Client` per profile.

    async with await Client.open() as client:
        room = await client.create_room("Phishing wave", label=Label.AMBER)
        await room.invite("cert.example.ma")
        await room.send("Seen at your side?")

Everything asked for is an intent in the outbox: durable before the call returns, sent as soon as
the relay is reached, by this process or by the one that holds the profile's connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

from amanah_client import actions, model
from amanah_client import effects as e
from amanah_client.asked import new_intent, with_room
from amanah_client.directory import Directory, Party
from amanah_client.effective import check_speaker
from amanah_client.engine import Engine, Event, NamesChanged, Offline, fault
from amanah_client.finding import search
from amanah_client.follower import Follower, decode_line, encode_line
from amanah_client.home import Profile, ProfileLock, find_home, open_profile
from amanah_client.members import Members
from amanah_client.message import Message, Opened
from amanah_client.outcome import ENDED, code_of, ended, next_change
from amanah_client.reading import Found, Reader, Unread
from amanah_client.room import Room
from amanah_client.store.store import INSTALL
from amanah_protocol import limits
from amanah_protocol.custody.retention import RoomPolicy
from amanah_protocol.errors import AmanahError, Code, OperationalError, UsageError
from amanah_protocol.group.seam import Group
from amanah_protocol.identity import Certificate, decode_certificate
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId, EnvelopeId, PersonId, RoomId

_AGAIN_S: Final = 1.0
_POLL_S: Final = 0.05
"""How often what another process writes is looked for: a desk shows what arrives within a tenth of a second."""
_ID_DIGITS: Final = 64


def _no_passphrase() -> str:
    raise UsageError(Code.PASSPHRASE, "this profile has a passphrase; give `ask_passphrase`")


class Client:
    """One profile, connected while it is open."""

    PREFIX_MIN: ClassVar[int] = 4
    """So many first digits of an id stand for it, if no other begins with them."""

    PATIENCE: ClassVar[int] = 4
    """Attempts to connect, about a second in all, after which a person is told instead of kept waiting."""

    def __init__(self, profile: Profile, *, lent: bool = False) -> None:
        """Use `open`; this does not connect."""
        self._profile = profile
        self._lent = lent
        self._lock = ProfileLock(profile.home)
        self._engine: Engine | None = None
        self._following: asyncio.Task[None] | None = None
        self._follower: Follower | None = None
        self._line: e.Online | Offline | None = None
        self._word = b""
        self._listeners: list[asyncio.Queue[Event]] = []
        self._directory: Directory | None = None
        self._opened = Opened()
        self._drills: dict[RoomId, bool] = {}
        self._members = Members(profile, self._loaded)

    # ---- opening and closing

    @classmethod
    async def open(
        cls,
        home: Path | None = None,
        *,
        ask_passphrase: Callable[[], str] = _no_passphrase,
        connect: bool = True,
    ) -> Client:
        """Unlock a profile and begin to connect.

        Args:
            home: The profile's folder; by default `AMANAH_HOME`, else the user's data folder.
            ask_passphrase: Called if the keystore has a passphrase.
            connect: False reads and queues only.

        Raises:
            UsageError: `NO_PROFILE` or `PASSPHRASE`.
            OperationalError: `STORE`.
        """
        return await cls.of(open_profile(find_home(home), ask_passphrase), connect=connect)

    @classmethod
    async def of(cls, profile: Profile, *, connect: bool = True, lent: bool = False) -> Client:
        """As `open`, with a profile that is unlocked already.

        Args:
            profile: The profile.
            connect: As in `open`.
            lent: Whether the profile stays open when the client is closed, or this fails.
        """
        client = cls(profile, lent=lent)
        try:
            if connect and client._lock.acquire():
                await client._start()
            elif connect:
                client._hear_other()
                client._following = asyncio.create_task(client._follow(), name="amanah-follower")
                client._following.add_done_callback(client._stopped_following)
        except BaseException:
            await client.close()
            raise
        return client

    async def _start(self) -> None:
        engine = Engine(self._profile, self._hear)
        try:
            await engine.start()
        except BaseException:
            await engine.stop()
            raise
        self._engine = engine

    async def _follow(self) -> None:
        """Another process is connected: read what it stores; connect when it has ended, as soon as the store lets."""
        while self._engine is None:
            try:
                follower = self._follower = self._follower or Follower(self._profile.store, self._hear)
                while not self._lock.acquire():
                    self._hear_other()
                    follower.look()
                    await asyncio.sleep(_POLL_S)
                self._line, self._word = None, b""
                follower.look()
                await self._start()
            except OperationalError as error:
                self._hear(Offline(problem=error, attempts=1))
                self._word = b""
                await asyncio.sleep(_AGAIN_S)
        self._follower = None

    def _hear_other(self) -> None:
        """Take up what the process that is connected says of its connection."""
        word = self._lock.told()
        line = decode_line(word) if word != self._word else None
        if line is not None:
            self._word = word
            self._hear(line)

    def _stopped_following(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._hear(Offline(problem=fault(error), attempts=0, final=True))

    async def close(self) -> None:
        """Disconnect and lock the profile; what is queued stays queued."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
        if self._engine is not None:
            await self._engine.stop()
        self._lock.release()
        if not self._lent:
            self._profile.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # ---- the connection

    @property
    def is_online(self) -> bool:
        """Whether this process is connected, and has caught up."""
        return isinstance(self._line, e.Online) and self._engine is not None

    @property
    def problem(self) -> AmanahError | None:
        """What keeps this profile from being connected, here or in the process that is followed, if that is known."""
        return self._line.problem if isinstance(self._line, Offline) else None

    @property
    def is_following(self) -> bool:
        """Whether another process of this profile holds the connection."""
        return self._following is not None and self._engine is None and not self._following.done()

    async def online(self, timeout_s: float = 10, *, patience: int | None = None) -> None:
        """Wait until connected and caught up; returns at once where another process is, as far as is known.

        Args:
            timeout_s: How long to wait.
            patience: Attempts to connect after which it is not waited any longer; None for no such bound.

        Raises:
            OperationalError: `OFFLINE` or what else is in the way; the client goes on trying.
        """
        with self.hearing() as events:
            try:
                async with asyncio.timeout(timeout_s):
                    while not self.is_online and (not self.is_following or self.problem is not None):
                        if self._is_hopeless(patience):
                            raise self._why_offline()
                        await events.get()
            except TimeoutError:
                raise self._why_offline() from None

    def _is_hopeless(self, patience: int | None) -> bool:
        """Whether waiting for the relay is of no use, or of no more use than somebody has patience for."""
        if isinstance(self._line, Offline):
            # A login that is refused is mended by a person, not by the next attempt.
            refused = self._line.problem.code is Code.LOGIN
            return self._line.final or (patience is not None and (refused or self._line.attempts >= patience))
        return self._engine is None and self._following is None

    def _why_offline(self) -> OperationalError:
        if isinstance(self._line, Offline):
            problem = self._line.problem
            return OperationalError(problem.code, problem.detail, hint=problem.hint)
        connects = self._engine is not None or self._following is not None
        detail = "the relay does not answer" if connects else "this client was opened without a connection"
        return OperationalError(Code.OFFLINE, detail)

    # ---- rooms

    def rooms(self) -> list[Room]:
        """All rooms of this device, newest activity last."""
        # A room whose record has not come yet is the newest.
        rows = sorted(self._profile.store.rooms(), key=lambda row: row.head_index or 2**63)
        return [Room(self, row.room) for row in rows]

    def room(self, reference: str | RoomId) -> Room:
        """A room by its id, the first digits of its id, or its title; of a closed room's title, its successor.

        Raises:
            UsageError: `UNKNOWN_ROOM` when none or more than one fit.
        """
        wanted = reference.hex() if isinstance(reference, bytes) else reference.strip()
        rows = self._profile.store.rooms()
        found = [row.room for row in rows if row.room.hex() == wanted.lower() or row.title == wanted]
        if not found and len(wanted) >= self.PREFIX_MIN:
            found = [row.room for row in rows if row.room.hex().startswith(wanted.lower())]
        if len(found) > 1:  # a closed room and its successor have one title
            closed = {row.room for row in rows if row.successor in found}
            found = [room for room in found if room not in closed]
        if len(found) != 1:
            many = f"{len(found)} rooms fit {wanted!r}" if found else f"there is no room {wanted!r}"
            hint = "Name it by its id, which `amanah room list` shows." if found else None
            raise UsageError(Code.UNKNOWN_ROOM, many, hint=hint)
        return Room(self, found[0])

    def new_room(
        self,
        title: str,
        *,
        label: Label,
        agreement: str | None = None,
        classical: bool = False,
        policy: RoomPolicy | None = None,
        drill: bool = False,
    ) -> actions.CreateRoom:
        """A room to be opened, for `ask`.

        Args:
            title: Its title, sealed; the relay never sees it. Normalised to NFC.
            label: The highest label allowed in it.
            agreement: Identifier of the agreement it is opened under, visible to auditors.
            classical: Seal with X25519 alone, for members whose devices cannot do more; traffic recorded today may
                then be opened by a quantum computer later. A room keeps its suite for its whole life.
            policy: How long the relay keeps its content, for the room's whole life; as the relay has it without one.
            drill: It is an exercise, for its whole life: everybody and the auditors see it on everything in it.

        Raises:
            UsageError: `USAGE` for an empty title or a policy that nobody would keep to, `TOO_LARGE` for a title
                above 253 characters.
        """
        said = unicodedata.normalize("NFC", title).strip()
        if not said:
            raise UsageError(Code.USAGE, "a room has a title", hint="Say what people will call it.")
        for text in (said, agreement or ""):
            if len(text) > limits.MAX_NAME_CHARS:
                detail = f"a title or agreement has at most {limits.MAX_NAME_CHARS} characters"
                raise UsageError(Code.TOO_LARGE, detail, hint="Choose a shorter one.")
        kept = b"" if policy is None else policy.encode()
        return actions.CreateRoom(
            title=said, ceiling=label, agreement=agreement, classical=classical, policy=kept, drill=drill
        )

    async def create_room(
        self,
        title: str,
        *,
        label: Label,
        agreement: str | None = None,
        classical: bool = False,
        drill: bool = False,
        timeout_s: float = 30,
    ) -> Room:
        """Open a room and wait until it is in the log; arguments as `new_room`.

        Raises:
            UsageError: As `new_room`.
            OperationalError: `OFFLINE` or `TIMEOUT`; the room is made when the relay is back.
            RefusedError: The relay refused it.
        """
        wanted = self.new_room(title, label=label, agreement=agreement, classical=classical, drill=drill)
        intent = await self.do(wanted, timeout_s)
        if intent.room is None:
            raise OperationalError(Code.INTERNAL, "the room was made, and its id is not known")
        return Room(self, intent.room)

    def is_drill(self, room: RoomId) -> bool:
        """Whether a room is an exercise, by its creation; kept, because each message is shown with it."""
        if room not in self._drills and (created := Room(self, room).created) is not None:
            self._drills[room] = created.drill
        return self._drills.get(room, False)

    # ---- intents

    async def ask(self, action: actions.Action, *, intent_id: str | None = None) -> model.Intent:
        """Queue an action, durably, under an id if that is settled; done at the relay. Errors as `check_speaker`."""
        return (await self._queue(new_intent(action, intent_id)))[0]

    async def ask_with_room(
        self, create: actions.CreateRoom, inside: Callable[[RoomId], Iterable[actions.Action]]
    ) -> tuple[model.Intent, ...]:
        """Queue a room and what goes into it, durably, all or nothing; its own intent first. Errors as `with_room`."""
        return await self._queue(*with_room(self._profile.store, self.me, create, inside))

    async def _queue(self, *intents: model.Intent) -> tuple[model.Intent, ...]:
        check_speaker(self._profile, *(intent.action for intent in intents))
        self._profile.store.add_intent(*intents)
        for intent in intents:
            if self._follower is not None:
                self._follower.expect(intent)
            if self._engine is not None:
                await self._engine.ask(intent)
        return intents

    async def do(self, action: actions.Action, timeout_s: float = 30) -> model.Intent:
        """Queue an action and wait until it is done.

        Raises:
            OperationalError: `OFFLINE` (or what else is in the way) when it is still queued after
                `timeout_s`; it stays queued and goes out by itself. `HELD` when it waits for the
                officer's word (`model.IntentState.HELD`).
            RefusedError: It was refused; nothing is queued any more.
        """
        intent = await self.ask(action)
        return await self.outcome(intent.id, timeout_s)

    def intent(self, intent_id: str) -> model.Intent:
        """An intent as it stands now, by its id or first digits of it.

        Raises:
            UsageError: `NOT_FOUND` when none of the outbox, or more than one, begins so.
        """
        wanted = intent_id.strip().lower()
        whole = self._profile.store.intent(wanted)
        found = [whole] if whole else [i for i in self.outbox() if wanted and i.id.startswith(wanted)]
        if len(found) != 1:
            detail = f"{len(found)} entries of the outbox begin with {intent_id!r}"
            raise UsageError(Code.NOT_FOUND, detail, hint="`amanah outbox list` shows what is in it.")
        return found[0]

    async def outcome(self, intent_id: str, timeout_s: float = 30, *, patience: int | None = None) -> model.Intent:
        """Wait until an intent is done; errors as `do`, `patience` as `online`.

        What was said is done when it stands in the room here too, so that whoever looks next finds it there.
        """
        deadline = time.monotonic() + timeout_s
        with self.hearing() as events:
            while (intent := self.intent(intent_id)).state not in ENDED or self._is_on_its_way_back(intent):
                left = deadline - time.monotonic()
                if left <= 0 or self._is_hopeless(patience):
                    if intent.state is model.IntentState.DONE:
                        break  # there is a receipt: what is late is our own copy
                    raise self._still_queued(intent)
                await next_change(events, intent, left if self._engine is not None else min(left, _POLL_S))
        return ended(intent)

    def _is_on_its_way_back(self, intent: model.Intent) -> bool:
        """Whether the relay has accepted what was said, and has not delivered it yet."""
        if intent.state is not model.IntentState.DONE or intent.envelope is None:
            return False
        rows = self._profile.store.messages_between(intent.envelope, intent.envelope)
        return any(row.room_seq is None for row in rows)

    def _still_queued(self, intent: model.Intent) -> OperationalError:
        if not self.is_online and (not self.is_following or self.problem is not None):
            return self._why_offline()
        detail = intent.detail or "no answer yet"
        hint = "It is kept and goes out by itself; do not ask for it again."
        return OperationalError(code_of(intent.code) if intent.code else Code.TIMEOUT, detail, hint=hint)

    def outbox(self) -> tuple[model.Intent, ...]:
        """What is queued, held or on its way, oldest first."""
        return self._profile.store.intents(model.IntentState.QUEUED, model.IntentState.HELD, model.IntentState.SENT)

    async def release(self, intent: model.Intent) -> None:
        """Send a held message after all, to the circle as it is now; `outcome` waits for it.

        Raises:
            UsageError: `USAGE` when it is not held.
        """
        if intent.state is not model.IntentState.HELD:
            raise UsageError(
                Code.USAGE, f"this is {intent.state}, not held", hint="Only what is held waits for a word."
            )
        await self._decide(intent, model.Wish.RELEASE)

    async def withdraw(self, intent: model.Intent) -> None:
        """Never send a queued or held intent; it is in vain for one that was signed already.

        Raises:
            UsageError: `USAGE` when it is on its way.
        """
        if intent.state is model.IntentState.SENT:
            detail = "this was signed and may have arrived; it cannot be withdrawn"
            raise UsageError(Code.USAGE, detail, hint="Connect, and `amanah read` shows whether it is in the room.")
        await self._decide(intent, model.Wish.WITHDRAW)

    async def _decide(self, intent: model.Intent, wish: model.Wish) -> None:
        self._profile.store.put_wish(intent.id, wish)
        if self._engine is not None:
            await self._engine.look_around()

    # ---- reading

    def directory(self) -> Directory:
        """Names and certificates as known now."""
        if self._directory is None:
            store = self._profile.store
            own = store.value("profile")
            self._directory = Directory(store.control_rows(), (*store.profiles(), *([own] if own else [])))
        return self._directory

    def party(self, device: DeviceId) -> Party:
        """Who a device is."""
        return self.directory().party(device)

    def members_of(self, row: model.RoomRow) -> list[Party]:
        """Who can read a room whose row this is, as `Room.members`."""
        return self._members.of(row, self.directory())

    def group_of(self, row: model.RoomRow) -> Group | None:
        """The group of a room whose row this is; None where this device is not in it. Not to be kept."""
        return self._members.group(row)

    def _loaded(self, row: model.RoomRow) -> Group | None:
        return None if self._engine is None else self._engine.group_of(row)

    def device(self, reference: str) -> DeviceId:
        """A device that the log knows, by its id or first digits of it.

        Raises:
            UsageError: `NOT_FOUND` when none or more than one fit.
        """
        digits = reference.strip().lower()
        known = self.directory().certificates
        found = [device for device in known if len(digits) >= self.PREFIX_MIN and device.hex().startswith(digits)]
        if len(found) != 1:
            detail = f"{len(found)} known devices begin with {reference!r}"
            hint = "Name an organisation, or more digits of a device that has connected once."
            raise UsageError(Code.NOT_FOUND, detail, hint=hint)
        return found[0]

    @property
    def me(self) -> DeviceId:
        """This device; errors as `certificate`."""
        return self.certificate.device_id

    @property
    def certificate(self) -> Certificate:
        """This device's own certificate, also before the log has shown it.

        Raises:
            UsageError: `NO_PROFILE` while it has none.
        """
        stored = self._profile.store.value("certificate")
        if stored is None:
            raise UsageError(Code.NO_PROFILE, "this profile has no certificate yet", hint=INSTALL)
        return decode_certificate(stored)

    def alarms(self) -> tuple[model.Alarm, ...]:
        """Everything that must not be overlooked, oldest first."""
        return self._profile.store.alarms()

    def message(self, reference: str) -> Message:
        """A message by its envelope id or its first digits (at least 4).

        Raises:
            UsageError: `NOT_FOUND` when none or more than one fit.
        """
        digits = reference.strip().lower()
        rows: tuple[model.MessageRow, ...] = ()
        if self.PREFIX_MIN <= len(digits) <= _ID_DIGITS and set(digits) <= set("0123456789abcdef"):
            first, last = (EnvelopeId(bytes.fromhex(digits.ljust(_ID_DIGITS, end))) for end in "0f")
            rows = self._profile.store.messages_between(first, last)
        if len(rows) != 1:
            many = "several messages begin" if rows else "no message begins"
            raise UsageError(Code.NOT_FOUND, f"{many} with {reference!r}", hint="`amanah read` shows each one's id.")
        return self.read(rows[0])

    def search(self, query: str, *, limit: int = 50, before: int | None = None) -> list[Found]:
        """What was said in all rooms and fits a query, what came to this device last first.

        Args:
            query: Words, which are beginnings of words; phrases in quotes; `room:`, `from:` and `label:`
                (`amanah_client.search.query`). A label is the one that an entry was sent with.
            limit: At most so many, up to 500.
            before: `Found.place` of the last one of the page before.

        Raises:
            UsageError: `USAGE`, `TOO_LARGE` or `LABEL` for a query that says nothing, too much or no label;
                `UNKNOWN_ROOM` or `NOT_FOUND` for a room or a sender that is not known here.
        """
        return search(self, query, room=None, limit=limit, before=before)

    def unread(self) -> dict[RoomId, Unread]:
        """What stands behind the read marks of all rooms; as `Room.unread`."""
        store = self._profile.store
        return store.desk.unread([row.room for row in store.rooms()], self.reader)

    @property
    def reader(self) -> Reader:
        """Whose unread entries are counted: the person behind this device.

        Raises:
            UsageError: `NO_PROFILE` while it has no certificate.
        """
        me = self.party(self.me)
        known = self.directory().certificates.items()
        mine = (device for device, one in known if (one.organisation, one.subject) == (me.organisation, me.subject))
        # Until the log has told of this device's certificate, the device is all that is known of its person.
        subject = PersonId(me.device[:16]) if me.subject is None else me.subject
        return Reader(organisation=me.organisation, person=subject, devices=(me.device, *mine))

    def read(self, row: model.MessageRow) -> Message:
        """A stored row, opened and named."""
        return self._opened.read(row, self.directory(), drill=self.is_drill(row.room))

    async def listen(self, *rooms: Room) -> AsyncIterator[Message]:
        """Messages as they arrive, of all rooms or of some; ends only with the client.

        Header-only entries (acknowledgements, changes of membership) come too; `Message.type` tells.
        """
        wanted = {room.id for room in rooms}
        async for event in self.events():
            if isinstance(event, e.MessageChanged) and (not wanted or event.row.room in wanted):
                yield self.read(event.row)

    async def events(self) -> AsyncIterator[Event]:
        """Every event: messages, rooms, intents, alarms, the connection."""
        with self.hearing() as events:
            while True:
                yield await events.get()

    @contextlib.contextmanager
    def hearing(self) -> Iterator[asyncio.Queue[Event]]:
        """Every event from here on, gathered until it is taken."""
        events: asyncio.Queue[Event] = asyncio.Queue()
        self._listeners.append(events)
        try:
            yield events
        finally:
            self._listeners.remove(events)

    def _hear(self, event: Event) -> None:
        if isinstance(event, NamesChanged):
            self._directory = None
        elif isinstance(event, e.MessageChanged):
            self._opened.forget(event.row)
        if isinstance(event, e.Online | Offline):
            self._line = event
            # Without the lock, nothing: who follows hears of the other one's line.
            self._lock.tell(encode_line(event))
        for listener in self._listeners:
            listener.put_nowait(event)

    @property
    def profile(self) -> Profile:
        """The unlocked profile, for faces that show or change what is in it."""
        return self._profile
