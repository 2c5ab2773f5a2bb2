"""What became of something that was asked for, for those who wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from amanah_client import effects as e
from amanah_client import model
from amanah_client.engine import Event, Offline
from amanah_protocol.errors import Code, OperationalError, RefusedError, UsageError

ENDED: Final = (model.IntentState.DONE, model.IntentState.FAILED, model.IntentState.HELD)


def code_of(text: str) -> Code:
    """The code of a stored refusal; one that a newer relay made up counts as a fault."""
    return Code(text) if text in Code.__members__ else Code.INTERNAL


async def next_change(events: asyncio.Queue[Event], intent: model.Intent, pause_s: float) -> None:
    """Wait for word of the intent, its message or the connection; another process tells through the store only."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(pause_s):
            while True:
                match await events.get():
                    case e.Online() | Offline():
                        return
                    case e.IntentChanged(intent=changed) if changed.id == intent.id:
                        return
                    case e.MessageChanged(row=row) if row.envelope == intent.envelope:
                        return


def ended(intent: model.Intent) -> model.Intent:
    """An intent that was done.

    Raises:
        OperationalError: `HELD`: it waits for the officer's word.
        RefusedError: It was refused.
    """
    if intent.state is model.IntentState.DONE:
        return intent
    if intent.state is model.IntentState.HELD:
        raise OperationalError(Code.HELD, intent.detail)
    raise RefusedError(code_of(intent.code), intent.detail)


def result_of(intent: model.Intent) -> bytes:
    """What an action that was done yields.

    Raises:
        UsageError: `NOT_FOUND` where it was erased before it was taken.
    """
    if not intent.result:
        raise UsageError(Code.NOT_FOUND, "the message was erased before its disclosure was written")
    return intent.result
