"""A stage on which files are attached and fetched: real spools, a real shelf, everything else in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from amanah_client import model
from amanah_client.attaching import Attach, Fetch
from amanah_client.saving import save
from amanah_client.spool import Spool
from amanah_protocol import limits
from amanah_protocol.content.file import File
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.crypto import sha256
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId, RoomId
from amanah_relay.effects import DropFile, PutPiece
from amanah_relay.quotas import RelayLimits
from amanah_relay.shelf import Shelf
from tests.client.core.rooms import create, invite
from tests.client.core.world import MA, TN, Client, Stage

CHUNK: Final = limits.ATTACHMENT_CHUNK_BYTES
DATA: Final = b"".join(sha256(b"%d" % number) for number in range(3 * CHUNK // 32)) + b"end"
"""Four chunks, no two alike."""


class FileStage(Stage):
    """Officers A and B of two nations in one room, whose relay has a shelf."""

    def __init__(self, folder: Path, limits: RelayLimits | None = None) -> None:
        super().__init__(limits)
        self.folder = folder
        self.shelf = Shelf(folder / "relay", reserve_bytes=0)
        self.shelving = True
        self.relay.give(self.shelf.look())
        self.a, self.b = self.file_client("A"), self.file_client("B", of=MA)
        self.room = create(self.a)
        invite(self.a, self.room, self.b)

    def file_client(self, name: str, *, of: str = TN, **options: Any) -> Client:  # noqa: ANN401 - as `client`
        """A client with a spool, online."""
        client = self.client(name, of=of, **options)
        home = self.folder / name
        home.mkdir()
        client.spool = Spool(home / "files")
        client.connect()
        self.run()
        return client

    def shelve(self) -> bool:
        """The relay's shell does what waits; a step at a time, so that frames come between."""
        if not self.shelving or not self.relay.shelving:
            return False
        effect = self.relay.shelving.popleft()
        if isinstance(effect, DropFile):
            self.shelf.drop(effect)
        else:
            self.relay.give(self.shelf.put(effect) if isinstance(effect, PutPiece) else self.shelf.read(effect))
        return True

    def attach(self, client: Client, data: bytes = DATA, *, room: RoomId | None = None, **changes: Any) -> str:  # noqa: ANN401 - fields of an action
        """Ask for a file to be attached; gives the intent's id."""
        client.asked += 1
        intent_id = sha256(f"{client.name} {client.asked}".encode())[:16].hex()
        path, key = self.folder / "source", sha256(f"key {intent_id}".encode())
        path.write_bytes(data)
        assert client.spool is not None
        sealed = client.spool.seal(path, key=key, message_id=bytes.fromhex(intent_id))
        fields: dict[str, Any] = {
            "room": room or self.room,
            "name": "source.bin",
            "size": sealed.size,
            "digest": sealed.digest,
            "key": key,
            "attachment": sealed.attachment,
            "label": Label.AMBER,
            **changes,
        }
        client.asked -= 1
        assert client.ask(Attach(**fields)) == intent_id
        return intent_id

    def sent(self, client: Client, data: bytes = DATA, **changes: Any) -> EnvelopeId:  # noqa: ANN401 - fields of an action
        """Attach a file, and have it in the room."""
        intent = self.attach(client, data, **changes)
        self.run()
        done = client.intent(intent)
        assert done.state is model.IntentState.DONE, done
        assert done.envelope is not None
        return done.envelope

    def fetch(self, client: Client, message: EnvelopeId) -> model.Intent:
        """Fetch the file of a message; gives what became of that."""
        return client.do(Fetch(room=self.room, envelope=message))

    def told(self, client: Client, message: EnvelopeId) -> tuple[File, bytes]:
        """What the message of a file says, and its id inside."""
        content = decode_content(client.store.messages[self.room, message].content)
        assert isinstance(content.body, File)
        return content.body, content.message_id

    def saved(self, client: Client, message: EnvelopeId) -> bytes:
        """Save what was fetched; gives it."""
        file, message_id = self.told(client, message)
        assert client.spool is not None
        folder = self.folder / f"saved by {client.name}"
        folder.mkdir(exist_ok=True)
        return save(client.spool.fetched(file.attachment), file, message_id, folder).read_bytes()

    def files(self, client: Client) -> list[str]:
        """What lies in a client's spool, by kind."""
        return sorted(path.suffix for path in (self.folder / client.name / "files").glob("*"))


Hook = Callable[[Any], list[Any]]
