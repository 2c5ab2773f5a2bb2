"""A log for a witness to watch, and its evil twin: two trees under one key."""

from __future__ import annotations

from typing import Final

from amanah_client.witness.state import State
from amanah_client.witness.witness import Witness
from amanah_protocol.crypto import SigningKey
from amanah_protocol.log.checkpoint import Checkpoint, encode_body
from amanah_protocol.log.merkle import Frontier, consistency_path
from amanah_protocol.log.note import Note
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.log.witnessing import encode_request
from tests.protocol.log.trees import StoredTree, entries

ORIGIN: Final = "log.example/incidents"
WITNESS: Final = NoteSigner(
    name="witness.example/w", key=SigningKey.from_seed(b"w" * 32), kind=SignatureType.COSIGNATURE
)
NOW_S: Final = 1_790_000_000


class Log:
    """A log of 40 leaves whose checkpoints are signed as they are asked for."""

    def __init__(self, origin: str = ORIGIN, *, first: bytes = b"", key: str = "", name: str = "") -> None:
        self.origin = origin
        self.signer = NoteSigner(name=name or origin, key=SigningKey.from_seed((key or "log").encode().ljust(32, b".")))
        self._tree = StoredTree([first, *entries(40)[1:]])

    def head(self, size: int) -> Checkpoint:
        return Checkpoint(origin=self.origin, size=size, root=Frontier.load(self._tree.read, size).root())

    def note(self, size: int) -> bytes:
        text = encode_body(self.head(size))
        return Note(text=text, signatures=(self.signer.sign(text),)).encode()

    def request(self, old: int, new: int) -> bytes:
        """An honest request."""
        path = consistency_path(self._tree.read, old, new) if 0 < old < new else ()
        return encode_request(old, path, self.note(new))


LOG: Final = Log()
TWIN: Final = Log(first=b"another history")
FOREIGN: Final = Log("sum.example.net/modules", key="foreign", name="key-of-2026")


def witness(state: State, now_s: int = NOW_S) -> Witness:
    """A witness with a clock that stands still."""
    return Witness(state, (WITNESS,), lambda: now_s)
