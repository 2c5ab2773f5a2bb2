"""One request to a witness: decoded, decided and remembered in one transaction, and only then answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from amanah_client.witness.rows import Evidence, Newest, Transaction
from amanah_client.witness.state import State
from amanah_protocol.errors import DecodeError
from amanah_protocol.log.checkpoint import cosign_checkpoint
from amanah_protocol.log.note import Note
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.log.witnessing import (
    SIZE_TYPE,
    Accepted,
    Refusal,
    Refused,
    WitnessRequest,
    decide,
    decode_request,
    encode_answer,
    encode_size,
)

TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back.

    Attributes:
        status: The HTTP status.
        body: Lines of text.
        media_type: Of the body.
    """

    status: int
    body: bytes
    media_type: str = TEXT


class Witness:
    """A witness at work; threads may share it."""

    def __init__(self, state: State, signers: Sequence[NoteSigner], now_s: Callable[[], int]) -> None:
        """Make a witness of its parts.

        Args:
            state: What it remembers.
            signers: Its keys; each cosigns.
            now_s: The clock, seconds of Unix time.
        """
        self._state = state
        self._signers = tuple(signers)
        self._now_s = now_s

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer an `add-checkpoint` request (C2SP tlog-witness).

        Raises:
            OperationalError: `STORE` or `DISK_FULL`: nothing was cosigned.
        """
        try:
            request = decode_request(body)
        except DecodeError as error:
            return Answer(status=400, body=f"{error.detail}\n".encode())
        # An answer leaves this block when the state behind it is durable, or else an error does.
        with self._state.deciding() as state:
            return self._answer(request, state)

    def newest_note(self, origin_hash: str) -> bytes | None:
        """The newest checkpoint of a log, with the log's signatures and ours; None when none was cosigned.

        Raises:
            OperationalError: `STORE`.
        """
        return self._state.newest_note(origin_hash)

    def _answer(self, request: WitnessRequest, state: Transaction) -> Answer:
        origin = request.checkpoint.origin
        newest = state.newest(origin)
        found = decide(request, state.keys(origin), None if newest is None else newest.checkpoint)
        match found:
            case Accepted(checkpoint=checkpoint, note=note):
                time_s = self._now_s()
                lines = [cosign_checkpoint(checkpoint, signer, time_s=time_s) for signer in self._signers]
                cosigned = Note(text=note.text, signatures=(*note.signatures, *lines)).encode()
                state.put_newest(Newest(checkpoint=checkpoint.value, note=cosigned, cosigned_at_s=time_s))
                return Answer(status=200, body=encode_answer(lines))
            case Refused(refusal=refusal, known_size=known_size):
                self._keep(found, request, newest, state)
                if refusal is Refusal.STALE:
                    return Answer(status=refusal.status, body=encode_size(known_size), media_type=SIZE_TYPE)
                return Answer(status=refusal.status, body=f"{refusal.words}\n".encode())
            case _:
                assert_never(found)

    def _keep(self, refused: Refused, request: WitnessRequest, newest: Newest | None, state: Transaction) -> None:
        if refused.finding is None or refused.note is None or newest is None:
            return
        state.put_evidence(
            Evidence(
                finding=refused.finding,
                checkpoint=request.checkpoint,
                note=refused.note.encode(),
                known=newest.note,
                first_seen_s=self._now_s(),
                times=1,
            )
        )
