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
import secrets
import time
import unicodedata
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from amanah_client import effects as e
from amanah_client import model
from amanah_client.directory import Directory, Party
from amanah_client.engine import Engine, Event
from amanah_client.home import Profile, ProfileLock, find_home, open_profile
from amanah_client.message import Message, read_message
from amanah_protocol.content.alert import Alert
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code, OperationalError, PeerError, UsageError
from amanah_protocol.identity import decode_certificate, parse_organisation
from amanah_protocol.kinds import Create
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId

_POLL_S: Final = 0.1
_PREFIX_MIN: Final = 4
_ENDED: Final = (model.IntentState.DONE, model.IntentState.FAILED, model.IntentState.HELD)


def _no_passphrase() -> str:
    raise UsageError(Code.PASSPHRASE, "this profile has a passphrase; give `ask_passphrase`")


class Client:
    """One profile, connected while it is open."""

    def __init__(self, profile: Profile) -> None:
        """Use `open`; this does not connect."""
        self._profile = profile
        self._engine: Engine | None = None
        self._listeners: list[asyncio.Queue[Event]] = []
        self._online = asyncio.Event()
        self._directory: Directory | None = None

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
    async def of(cls, profile: Profile, *, connect: bool = True) -> Client:
        """As `open`, with a profile that is unlocked already."""
        client = cls(profile)
        lock = ProfileLock(profile.home)
        if connect and lock.acquire():
            client._engine = Engine(profile, lock, client._hear)
            try:
                await client._engine.start()
            except BaseException:
                lock.release()
                profile.close()
                raise
        return client

    async def close(self) -> None:
        """Disconnect and lock the profile; what is queued stays queued."""
        if self._engine is not None:
            await self._engine.stop()
        self._profile.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def online(self, timeout_s: float = 10) -> None:
        """Wait until logged in and caught up.

        Raises:
            OperationalError: `OFFLINE` or what is in the way; the client goes on trying.
        """
        if self._engine is None:
            return
        try:
            await asyncio.wait_for(self._online.wait(), timeout_s)
        except TimeoutError:
            raise self._why_offline() from None

    def _why_offline(self) -> OperationalError:
        problem = self._engine.problem if self._engine else None
        if problem is None:
            return OperationalError(Code.OFFLINE, "the relay does not answer")
        return OperationalError(problem.code, problem.detail)

    # ---- rooms

    def rooms(self) -> list[Room]:
        """All rooms of this device, newest activity last."""
        rows = sorted(self._profile.store.rooms(), key=lambda row: row.head_index)
        return [Room(self, row) for row in rows]

    def room(self, reference: str | RoomId) -> Room:
        """A room by its id, the first digits of its id, or its title.

        Raises:
            UsageError: `UNKNOWN_ROOM` when none or more than one fit.
        """
        wanted = reference.hex() if isinstance(reference, bytes) else reference.strip()
        rooms = self.rooms()
        found = [r for r in rooms if r.id.hex() == wanted.lower() or r.title == wanted]
        if not found and len(wanted) >= _PREFIX_MIN:
            found = [r for r in rooms if r.id.hex().startswith(wanted.lower())]
        if len(found) != 1:
            many = f"{len(found)} rooms are called {wanted!r}; use the id" if found else f"there is no room {wanted!r}"
            raise UsageError(Code.UNKNOWN_ROOM, many)
        return found[0]

    async def create_room(
        self, title: str, *, label: Label, agreement: str | None = None, timeout_s: float = 30
    ) -> Room:
        """Open a room and wait until it is in the log.

        Args:
            title: Its title, sealed; the relay never sees it.
            label: The highest label allowed in it.
            agreement: Identifier of the agreement it is opened under, visible to auditors.
            timeout_s: How long to wait.

        Raises:
            OperationalError: `OFFLINE` or `TIMEOUT`; the room is made when the relay is back.
            PeerError: The relay refused it.
        """
        intent = await self.do(model.CreateRoom(title=_nfc(title), ceiling=label, agreement=agreement), timeout_s)
        if intent.room is None:
            raise OperationalError(Code.INTERNAL, "the room was made, and its id is not known")
        return self.room(intent.room)

    # ---- intents

    async def ask(self, action: model.Action) -> model.Intent:
        """Queue an action, durably; it is done as soon as the relay is reached."""
        intent = model.Intent(id=secrets.token_hex(16), action=action, created_at_ms=time.time_ns() // 1_000_000)
        self._profile.store.add_intent(intent)
        if self._engine is not None:
            await self._engine.ask(intent)
        return intent

    async def do(self, action: model.Action, timeout_s: float = 30) -> model.Intent:
        """Queue an action and wait until it is done.

        Raises:
            OperationalError: `OFFLINE` (or what is in the way) when it is still queued after
                `timeout_s`; it stays queued and goes out by itself.
            PeerError: It was refused; nothing is queued any more.
            UsageError: `STALE_EPOCH`-like holds: the officer's word is needed (`model.IntentState.HELD`).
        """
        intent = await self.ask(action)
        return await self.outcome(intent.id, timeout_s)

    async def outcome(self, intent_id: str, timeout_s: float = 30) -> model.Intent:
        """Wait until an intent is done; errors as `do`."""
        deadline = time.monotonic() + timeout_s
        events = self._listen()
        try:
            while True:
                intent = self._profile.store.intent(intent_id)
                if intent is None:
                    raise UsageError(Code.NOT_FOUND, f"there is no intent {intent_id}")
                if intent.state in _ENDED:
                    return _ended(intent)
                left = deadline - time.monotonic()
                if left <= 0:
                    raise self._still_queued(intent)
                await self._next_change(events, intent_id, left)
        finally:
            self._listeners.remove(events)

    def _still_queued(self, intent: model.Intent) -> OperationalError:
        if self._engine is not None and self._online.is_set():
            detail = intent.detail or "no answer yet; it is kept and goes out by itself"
            return OperationalError(Code(intent.code) if intent.code else Code.TIMEOUT, detail)
        return self._why_offline()

    async def _next_change(self, events: asyncio.Queue[Event], intent_id: str, left: float) -> None:
        """Wait for word of the intent; another process's engine tells through the store only."""
        pause = left if self._engine is not None else min(left, _POLL_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                while True:
                    event = await events.get()
                    if isinstance(event, e.IntentChanged) and event.intent.id == intent_id:
                        return

    def outbox(self) -> tuple[model.Intent, ...]:
        """What is queued, held or on its way."""
        return self._profile.store.intents(model.IntentState.QUEUED, model.IntentState.HELD, model.IntentState.SENT)

    async def release(self, intent: model.Intent) -> None:
        """Send a held message after all, to the circle as it is now.

        Raises:
            OperationalError: `STORE` when another process holds the connection: release it there.
        """
        await self._own_engine().release(intent)

    async def withdraw(self, intent: model.Intent) -> None:
        """Withdraw a queued or held intent."""
        await self._own_engine().withdraw(intent.id)

    def _own_engine(self) -> Engine:
        if self._engine is None:
            raise OperationalError(Code.STORE, "another program of this profile holds the connection; use that one")
        return self._engine

    # ---- reading

    def directory(self) -> Directory:
        """Names and certificates as known now."""
        if self._directory is None:
            self._directory = Directory(
                self._profile.store.control_rows(), (*self._profile.store.profiles(), self._own_profile())
            )
        return self._directory

    def _own_profile(self) -> bytes:
        return self._profile.store.value("profile") or b""

    def party(self, device: DeviceId) -> Party:
        """Who a device is."""
        return self.directory().party(device)

    @property
    def me(self) -> DeviceId:
        """This device."""
        return decode_certificate(self._profile.store.snapshot().certificate).device_id

    def alarms(self) -> tuple[model.Alarm, ...]:
        """Everything that must not be overlooked, oldest first."""
        return self._profile.store.alarms()

    def message(self, reference: str) -> Message:
        """A message by its envelope id or its first digits (at least 4).

        Raises:
            UsageError: `NOT_FOUND` when none or more than one fit.
        """
        digits = reference.strip().lower()
        try:
            prefix = bytes.fromhex(digits[: len(digits) // 2 * 2])
        except ValueError:
            prefix = b""
        rows = self._profile.store.message(prefix) if len(digits) >= _PREFIX_MIN and prefix else ()
        found = [row for row in rows if row.envelope.hex().startswith(digits)]
        if len(found) != 1:
            raise UsageError(Code.NOT_FOUND, f"{len(found)} messages begin with {reference!r}")
        return read_message(found[0], self.directory())

    async def listen(self, *rooms: Room) -> AsyncIterator[Message]:
        """Messages as they arrive, of all rooms or of some; ends only with the client.

        Header-only entries (acknowledgements, changes of membership) come too; `Message.type` tells.
        """
        wanted = {room.id for room in rooms}
        events = self._listen()
        try:
            while True:
                event = await events.get()
                if isinstance(event, e.MessageChanged) and (not wanted or event.row.room in wanted):
                    yield read_message(event.row, self.directory())
        finally:
            self._listeners.remove(events)

    async def events(self) -> AsyncIterator[Event]:
        """Every event: messages, rooms, intents, alarms."""
        events = self._listen()
        try:
            while True:
                yield await events.get()
        finally:
            self._listeners.remove(events)

    def _listen(self) -> asyncio.Queue[Event]:
        events: asyncio.Queue[Event] = asyncio.Queue()
        self._listeners.append(events)
        return events

    def _hear(self, event: Event) -> None:
        self._directory = None
        if isinstance(event, e.Online):
            self._online.set()
        for listener in self._listeners:
            listener.put_nowait(event)

    @property
    def profile(self) -> Profile:
        """The unlocked profile, for faces that show or change what is in it."""
        return self._profile


class Room:
    """A room of this device, as of when it was asked for."""

    def __init__(self, client: Client, row: model.RoomRow) -> None:
        self._client = client
        self.row = row

    @property
    def id(self) -> RoomId:
        """Its id."""
        return self.row.room

    @property
    def title(self) -> str:
        """Its title, or the first digits of the id until it is known."""
        return self.row.title or self.id.hex()[:8]

    async def send(
        self,
        text: str,
        *,
        label: Label | None = None,
        pap: Pap = Pap.AMBER,
        precedence: Precedence = Precedence.ROUTINE,
        timeout_s: float = 30,
    ) -> model.Intent:
        """Send a message and wait for the receipt; errors as `Client.do`.

        Args:
            text: What to say; normalised to NFC.
            label: Its label; the room's ceiling by default.
            pap: What receivers may do with it.
            precedence: How urgent it is.
            timeout_s: How long to wait for the receipt.
        """
        action = model.SendText(room=self.id, text=_nfc(text), label=self._label(label), pap=pap, precedence=precedence)
        return await self._client.do(action, timeout_s)

    async def post_alerts(
        self, alerts: Sequence[Alert], *, source_name: str, label: Label | None = None, timeout_s: float = 30
    ) -> model.Intent:
        """Post 1 to 100 alerts in one envelope; errors as `Client.do`."""
        action = model.PostAlerts(room=self.id, source_name=source_name, alerts=tuple(alerts), label=self._label(label))
        return await self._client.do(action, timeout_s)

    async def invite(self, organisation: str, *, timeout_s: float = 30) -> model.Intent:
        """Add all valid devices of an organisation's officers and bots; errors as `Client.do`."""
        action = model.Invite(room=self.id, organisation=parse_organisation(organisation))
        return await self._client.do(action, timeout_s)

    async def remove(self, *devices: DeviceId, timeout_s: float = 30) -> model.Intent:
        """Remove devices; errors as `Client.do`."""
        return await self._client.do(model.Remove(room=self.id, devices=devices), timeout_s)

    async def disclose(self, message: Message, *, recipient: str, timeout_s: float = 30) -> bytes:
        """Log the egress of one message and get its proof, an encoded `Disclosure`; errors as `Client.do`."""
        action = model.Disclose(room=self.id, envelope=message.id, recipient=recipient)
        return (await self._client.do(action, timeout_s)).result

    async def erase(self, *messages: EnvelopeId, timeout_s: float = 30) -> model.Intent:
        """Drop the content of own messages everywhere; the record stays; errors as `Client.do`."""
        return await self._client.do(model.EraseMessages(room=self.id, envelopes=tuple(sorted(messages))), timeout_s)

    def messages(self, *, after: int = 0, limit: int = 500, newest: bool = False) -> list[Message]:
        """Stored messages in room order."""
        directory = self._client.directory()
        rows = self._client.profile.store.messages(self.id, after=after, limit=limit, newest=newest)
        return [read_message(row, directory) for row in rows]

    @property
    def ceiling(self) -> Label:
        """The highest label allowed here; the strictest while the room's creation is not known."""
        return ceiling_of(self.row)

    def _label(self, label: Label | None) -> Label:
        if label is not None and label > self.ceiling:
            raise UsageError(Code.LABEL, f"{label.text} is above the room's ceiling {self.ceiling.text}")
        return self.ceiling if label is None else label


def ceiling_of(row: model.RoomRow) -> Label:
    """The ceiling from a room's create envelope."""
    if not row.create:
        return Label.RED
    specific = decode_envelope(row.create).header.specific
    return specific.ceiling if isinstance(specific, Create) else Label.RED


def _ended(intent: model.Intent) -> model.Intent:
    if intent.state is model.IntentState.DONE:
        return intent
    error = UsageError if intent.state is model.IntentState.HELD else PeerError
    raise error(Code(intent.code), intent.detail)


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
