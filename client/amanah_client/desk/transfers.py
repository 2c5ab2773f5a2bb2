"""How far the files of a profile are on their way, for every open page."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from amanah_client import effects as e
from amanah_client.attaching import Attach, Fetch
from amanah_client.desk.telling import told
from amanah_client.engine import Event
from amanah_client.model import Intent, IntentState
from amanah_client.outcome import code_of
from amanah_protocol.errors import AmanahError, RefusedError
from amanah_protocol.types import EnvelopeId, RoomId

PAUSE_S: Final = 0.2
"""No more often is a page told how far something is: it comes in pieces of 128 KiB, and each would be told."""
_MOST: Final = 200
WITHDRAWN: Final = "withdrawn"


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """How far a file is.

    Attributes:
        up: Whether it is on its way to the relay.
        state: waiting, moving, here, failed.
        done: Bytes, as they are sealed.
        total: Of how many; 0 while that is not known.
        problem: What went wrong.
    """

    up: bool
    state: Literal["waiting", "moving", "here", "failed"]
    done: int = 0
    total: int = 0
    problem: AmanahError | None = None

    def told(self) -> dict[str, object]:
        """As a page is told."""
        text = "" if self.problem is None else told(self.problem)
        return {"up": self.up, "state": self.state, "done": self.done, "total": self.total, "text": text}


class Transfers:
    """What moves, by the attachment's hash."""

    def __init__(self, attachment_of: Callable[[RoomId, EnvelopeId], bytes | None]) -> None:
        """Begin with nothing.

        Args:
            attachment_of: The attachment of a message, as far as there is one.
        """
        self._attachment_of = attachment_of
        self._moves: dict[str, Move] = {}
        self._told_s = 0.0

    def value(self) -> dict[str, object]:
        """All of them, in the language that is spoken."""
        return {attachment: move.told() for attachment, move in self._moves.items()}

    def put(self, attachment: bytes, move: Move) -> None:
        """So far it is now; of too many, the one that changed first is forgotten."""
        self._moves.pop(attachment.hex(), None)
        self._moves[attachment.hex()] = move
        while len(self._moves) > _MOST:
            self._moves.pop(next(iter(self._moves)))

    def forget(self, attachment: bytes) -> None:
        """It does not move any more."""
        self._moves.pop(attachment.hex(), None)

    def hear(self, event: Event) -> bool:
        """Take what happened; gives whether pages are to be told now."""
        match event:
            case e.TransferChanged(attachment=attachment, upload=upload, done=done, total=total):
                self.put(attachment, Move(up=upload, state="moving", done=done, total=total))
                if done < total and time.monotonic() - self._told_s < PAUSE_S:
                    return False
                self._told_s = time.monotonic()
                return True
            case e.IntentChanged(intent=Intent(action=Fetch(room=room, envelope=envelope)) as intent):
                if (found := self._attachment_of(room, envelope)) is not None:
                    self._settle(found, intent, up=False)
                return True
            case e.IntentChanged(intent=Intent(action=Attach(attachment=found)) as intent):
                self._settle(found, intent, up=True)
                return True
            case _:
                return False

    def _settle(self, attachment: bytes, intent: Intent, *, up: bool) -> None:
        known = self._moves.get(attachment.hex())
        match intent.state:
            case IntentState.DONE if up:
                self.forget(attachment)
            case IntentState.DONE:
                self.put(attachment, Move(up=False, state="here"))
            case IntentState.FAILED if up or intent.detail == WITHDRAWN:
                # What could not be sent is told as all that was refused (`desk.pending`).
                self.forget(attachment)
            case IntentState.FAILED:
                self.put(attachment, Move(up=False, state="failed", problem=_why(intent)))
            case IntentState.QUEUED if known is None:
                self.put(attachment, Move(up=up, state="waiting"))
            case _:
                pass


def _why(intent: Intent) -> AmanahError:
    return RefusedError(code_of(intent.code), intent.detail)
