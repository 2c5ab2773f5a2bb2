"""A witness on loopback, for a relay to ask: it decides as C2SP tlog-witness says, and can be told to misbehave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from amanah_protocol.log.checkpoint import Checkpoint, cosign_checkpoint
from amanah_protocol.log.note_keys import NoteSigner, NoteVerifier
from amanah_protocol.log.witnessing import (
    SIZE_TYPE,
    Accepted,
    Refusal,
    WitnessRequest,
    decide,
    decode_request,
    encode_answer,
    encode_size,
)
from tests.site import Answer, Site

TEXT: Final = "text/plain"


@dataclass(slots=True, kw_only=True, eq=False)
class WitnessSite(Site):
    """One witness.

    Attributes:
        signer: Its key.
        log: The key of the log that it knows.
        known: What it cosigned last.
        faults: Answers that it gives instead of its own, first first; None breaks the connection off.
        requests: What it was asked.
    """

    signer: NoteSigner
    log: NoteVerifier
    known: Checkpoint | None = None
    faults: list[Answer | None] = field(default_factory=list)
    requests: list[WitnessRequest] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Its submission prefix."""
        return f"http://127.0.0.1:{self.port}/cosign"

    async def answer(self, path: str, body: bytes) -> Answer | None:
        """As C2SP tlog-witness says, or a fault."""
        if path != "/cosign/add-checkpoint":
            return 404, TEXT, b"no such page\n"
        request = decode_request(body)
        self.requests.append(request)
        if self.faults:
            return self.faults.pop(0)
        decided = decide(request, (self.log,), self.known)
        if isinstance(decided, Accepted):
            self.known = decided.checkpoint.value
            return 200, TEXT, encode_answer((cosign_checkpoint(decided.checkpoint, self.signer, time_s=1_800_000_000),))
        if decided.refusal is Refusal.STALE:
            return 409, SIZE_TYPE, encode_size(decided.known_size)
        return decided.refusal.status, TEXT, decided.refusal.words.encode()
