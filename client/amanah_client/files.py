"""Files in a room, as integrators and faces hold them: attach, list, save."""

from __future__ import annotations

import asyncio
import mimetypes
import secrets
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import msgspec

from amanah_client import effects as e
from amanah_client.attaching import Attach, Fetch
from amanah_client.message import Message
from amanah_client.model import Intent, MessageState
from amanah_client.saving import check_place, save
from amanah_client.spool import Sealed
from amanah_protocol import kinds
from amanah_protocol.content.file import MAX_NAME_CHARS, OCTETS, File
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.content.text import MAX_CHARS
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import DeviceId, EnvelopeId

if TYPE_CHECKING:
    from amanah_client.room import Room
    from amanah_client.sdk import Client

Tell = Callable[[int, int], None]
"""Told of bytes done, and of how many."""


def nobody(_done: int, _of: int) -> None:
    """Nobody wants to know."""


_SUFFIXES: Final = {".pcap": "application/vnd.tcpdump.pcap", ".yar": "text/x-yara", ".yara": "text/x-yara"}


class RoomFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that somebody attached.

    Attributes:
        message: Its message.
        attachment: SHA-256 of its sealed bytes, as all can see.
        file: What is sealed about it; None where it cannot be read or was erased.
        here: Whether all its sealed bytes are in this profile.
    """

    message: Message
    attachment: bytes
    file: File | None
    here: bool

    @property
    def state(self) -> str:
        """`sending`, `sent`, `here`, `erased` or `unreadable`."""
        match self.message.state:
            case MessageState.SENT:
                return "sending"
            case MessageState.STORED:
                return "here" if self.here else "sent"
            case other:
                return str(other)


def list_files(client: Client, messages: list[Message]) -> list[RoomFile]:
    """The files among messages, in their order."""
    found = []
    for message in messages:
        specific = message.specific
        if isinstance(specific, kinds.Message) and specific.attachment is not None:
            file = message.body if isinstance(message.body, File) else None
            here = client.profile.spool.fetched(specific.attachment).exists()
            found.append(RoomFile(message=message, attachment=specific.attachment, file=file, here=here))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """What is said of a file before any byte of it is read.

    Attributes:
        name: Its name.
        text: What is said of it.
        label: Its label; None for the room's ceiling.
        pap: What receivers may do with it.
        precedence: How urgent it is.
        sample: Whether it may be harmful.
        circle: Whom its author was shown as its readers: it is held where others have joined before it is sealed.

    Raises:
        UsageError: `TOO_LARGE` for name or text.
    """

    name: str
    text: str = ""
    label: Label | None = None
    pap: Pap = Pap.AMBER
    precedence: Precedence = Precedence.ROUTINE
    sample: bool = False
    circle: tuple[DeviceId, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= MAX_NAME_CHARS or len(self.text) > MAX_CHARS:
            detail = f"a name has at most {MAX_NAME_CHARS} characters, a text {MAX_CHARS}"
            raise UsageError(Code.TOO_LARGE, detail, hint="Rename the file, or say it in a message of its own.")

    def attach(self, room: Room, sealed: Sealed, key: bytes) -> Attach:
        """What is asked once it is sealed."""
        return Attach(
            room=room.id,
            name=self.name.encode(errors="replace").decode(),
            type=media_type(Path(self.name)),
            size=sealed.size,
            digest=sealed.digest,
            key=key,
            attachment=sealed.attachment,
            sample=self.sample,
            text=unicodedata.normalize("NFC", self.text),
            label=room.ceiling if self.label is None else self.label,
            pap=self.pap,
            precedence=self.precedence,
            circle=tuple(sorted(self.circle)),
        )


async def prepare(room: Room, path: Path, said: Announced, tell: Tell) -> tuple[str, Attach]:
    """Seal a file; gives the id that its intent has to have, and what is asked.

    Raises:
        UsageError: As `Spool.seal`.
        OperationalError: `STORE` or `DISK_FULL`.
    """
    intent, key = secrets.token_hex(16), secrets.token_bytes(32)
    spool, message_id = room.client.profile.spool, bytes.fromhex(intent)
    sealed = await asyncio.to_thread(spool.seal, path, key=key, message_id=message_id, tell=tell)
    return intent, said.attach(room, sealed, key)


class Incoming:
    """A file that comes in pieces, as from another program: sealed as it comes, queued when all of it is here.

    async with room.incoming(Announced(name="capture.pcap"), size) as file:
        await file.feed(data)
        intent = await file.finish()
    """

    def __init__(self, room: Room, size: int, said: Announced) -> None:
        """Use `Room.incoming`."""
        self._room = room
        self._said = said
        self._intent, self._key = secrets.token_hex(16), secrets.token_bytes(32)
        spool = room.client.profile.spool
        self._sealing = spool.sealing(size, key=self._key, message_id=bytes.fromhex(self._intent))

    async def __aenter__(self) -> Self:
        """Begin.

        Raises:
            OperationalError: `STORE` or `DISK_FULL`.
        """
        await asyncio.to_thread(self._sealing.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take away what was not finished."""
        self._sealing.__exit__(kind, error, trace)

    async def feed(self, data: bytes) -> None:
        """The next piece, of any length; errors as `Sealing.feed`."""
        await asyncio.to_thread(self._sealing.feed, data)

    async def finish(self) -> Intent:
        """All of it came: queue its message, durably; errors as `Sealing.finish`."""
        sealed = await asyncio.to_thread(self._sealing.finish)
        action = self._said.attach(self._room, sealed, self._key)
        return await self._room.client.ask(action, intent_id=self._intent)


def media_type(path: Path) -> str:
    """What a file is by its name."""
    guessed = mimetypes.guess_type(path.name)[0]
    return _SUFFIXES.get(path.suffix.lower(), (guessed or OCTETS).lower())


async def follow(client: Client, intent: Intent, timeout_s: float, tell: Tell, *, patience: int | None) -> Intent:
    """Wait for an intent that moves a file: as long as something of it moves, `timeout_s` begins anew.

    Raises:
        AmanahError: As `Client.do`.
    """
    action = intent.action
    wanted = action.attachment if isinstance(action, Attach) else None
    outcome = asyncio.create_task(client.outcome(intent.id, _EVER_S, patience=patience))
    with client.hearing() as events:
        moved = time.monotonic()
        while not outcome.done() and time.monotonic() - moved < timeout_s:
            heard = asyncio.ensure_future(events.get())
            await asyncio.wait((outcome, heard), timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
            if not heard.done():
                heard.cancel()
            elif isinstance(event := heard.result(), e.TransferChanged) and wanted in (None, event.attachment):
                moved = time.monotonic()
                tell(event.done, event.total)
    if outcome.done():
        return outcome.result()
    outcome.cancel()
    return await client.outcome(intent.id, 0, patience=patience)


_EVER_S: Final = 1e9


async def begin_fetch(client: Client, message: Message) -> Intent | None:
    """Ask for the sealed bytes of a file; None where they are here.

    Raises:
        UsageError: `NOT_FOUND` for a message without a file, `USAGE` for one that is still on its way.
    """
    if await asyncio.to_thread(client.profile.spool.has_fetched, file_of(message).attachment):
        return None
    action = Fetch(room=message.room, envelope=EnvelopeId(message.id))
    # One that was asked for before, also by a program that ended, goes on.
    begun = next((intent for intent in client.outbox() if intent.action == action), None)
    return begun or await client.ask(action)


def file_of(message: Message) -> File:
    """What a message says of its file; errors as `begin_fetch`."""
    if not isinstance(message.body, File):
        detail = f"there is no file in the message {message.id.hex()[:12]}, or it was erased or cannot be read"
        raise UsageError(Code.NOT_FOUND, detail, hint="`amanah files ROOM` lists the files.")
    if message.room_seq is None:
        raise UsageError(Code.USAGE, "this file is still on its way to the room", hint="`amanah outbox list` shows it.")
    return message.body


async def fetch(
    client: Client, message: Message, timeout_s: float, tell: Tell, *, patience: int | None
) -> tuple[Path, File, bytes]:
    """Have the sealed bytes of a file here; gives where, what its message says, and the message's id inside.

    Raises:
        UsageError: As `begin_fetch`.
        AmanahError: As `Client.do`.
    """
    intent, file = await begin_fetch(client, message), file_of(message)
    if intent is not None:
        await follow(client, intent, timeout_s, tell, patience=patience)
    return client.profile.spool.fetched(file.attachment), file, decode_content(message.row.content).message_id


async def save_file(
    client: Client,
    message: Message,
    folder: Path,
    *,
    container: bool,
    timeout_s: float,
    tell: Tell,
    patience: int | None = None,
) -> Path:
    """Fetch and save a file; errors as `fetch` and `saving.save`."""
    if isinstance(message.body, File):
        check_place(folder, container=container or message.body.sample)
    sealed, file, message_id = await fetch(client, message, timeout_s, tell, patience=patience)
    try:
        made = await asyncio.to_thread(save, sealed, file, message_id, folder, container=container)
    except FileNotFoundError:
        detail = "another program of this profile took the fetched file away"
        raise OperationalError(Code.STORE, detail, hint="Save it again.") from None
    client.profile.spool.drop_fetched(file.attachment)
    return made
