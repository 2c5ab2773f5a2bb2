"""What verbs share that ask the relay for something: the room, the wait, and how it ended."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from cyclopts import Parameter

from amanah_client import actions, model, terms
from amanah_client.cli import opening, terminal
from amanah_client.cli.showing import short
from amanah_client.cli.terminal import Options
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_client.message import Message
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_protocol.errors import AmanahError, Code, OperationalError, UsageError

RoomName = Annotated[str, Parameter(help="Its title, its id, or first digits of the id.")]
"""A room, as verbs take it."""
MessageName = Annotated[str, Parameter(help="The message's id, or first digits of it, as `read` shows them.")]
"""A message of it."""
_AS_STORED: Final = "Shown is what had arrived before; newer entries come with the next connection."


async def find_room(client: Client, reference: str, common: Options) -> Room:
    """A room; one that is not known yet may be known after catching up.

    Raises:
        UsageError: `UNKNOWN_ROOM`.
    """
    with contextlib.suppress(UsageError):
        return client.room(reference)
    if (problem := await catch_up(client, common)) is not None:
        detail = f"there is no room {reference!r} here, and {problem.detail}"
        raise UsageError(Code.UNKNOWN_ROOM, detail, hint="Try again when the relay is reached; nothing was sent.")
    return client.room(reference)


async def find_message(client: Client, within: Client | Room, reference: str, common: Options) -> Message:
    """A message; one that is not here yet may be after catching up.

    Raises:
        UsageError: `NOT_FOUND`.
    """
    try:
        return within.message(reference)
    except UsageError as error:
        if (problem := await catch_up(client, common)) is not None:
            hint = "Try again when the relay is reached; nothing was sent."
            raise UsageError(error.code, f"{error.detail}, and {problem.detail}", hint=hint) from error
    return within.message(reference)


async def catch_up(client: Client, common: Options) -> AmanahError | None:
    """Wait until everything is here; gives what is in the way, said by the caller."""
    try:
        await client.online(common.timeout, patience=Client.PATIENCE)
    except AmanahError as error:
        return error
    return None


async def settle(client: Client, action: actions.Action, common: Options) -> model.Intent:
    """Ask for something and wait for it; what is only kept for now is shown as such before the error.

    Raises:
        AmanahError: As `Client.do`.
    """
    intent = await client.ask(action)
    return await await_outcome(client, intent.id, common)


async def await_outcome(client: Client, intent_id: str, common: Options) -> model.Intent:
    """Wait for an intent; errors and output as `settle`."""
    try:
        return await client.outcome(intent_id, common.timeout, patience=Client.PATIENCE)
    except AmanahError:
        kept = client.intent(intent_id)
        if kept.state is not model.IntentState.FAILED:
            show_outcome(kept, common)
        raise


def show_outcome(intent: model.Intent, common: Options) -> None:
    """How something asked for stands: done, queued (also while it is on its way), or held."""
    state = model.IntentState.QUEUED if intent.state is model.IntentState.SENT else intent.state
    if common.json:
        terminal.show_line(outcome_json(intent))
    elif state is not model.IntentState.DONE:
        terminal.show(f"{terms.intent_state(state)}  {isolate(intent.id)}")
    elif intent.envelope is None:
        terminal.show(terms.intent_state(state))
    else:
        named = {"id": isolate(short(intent.envelope)), "place": intent.room_seq, "index": intent.index}
        terminal.show(_("done  %(id)s  room sequence %(place)s, log index %(index)s", **named))


def outcome_json(intent: model.Intent) -> dict[str, object]:
    """An intent that ended, or is kept for now."""
    state = model.IntentState.QUEUED if intent.state is model.IntentState.SENT else intent.state
    return {
        "intent": intent.id,
        "state": str(state),
        "code": intent.code or None,
        "room": None if intent.room is None else intent.room.hex(),
        "id": None if intent.envelope is None else intent.envelope.hex(),
        "envelope": None if intent.envelope is None else intent.envelope.hex(),
        "room_seq": intent.room_seq,
        "log_index": intent.index,
    }


def look(common: Options, work: Callable[[Client], Awaitable[None] | None], *, offline: bool) -> None:
    """Catch up, then show. Without the relay, what is stored is shown all the same, before the error.

    Args:
        common: The command's options.
        work: Shows what is stored, or begins to.
        offline: Do not connect at all.

    Raises:
        AmanahError: What kept this profile from catching up, or what `work` raises.
    """

    async def main(client: Client) -> None:
        problem = None if offline else await catch_up(client, common)
        if client.is_following:
            terminal.say(_("another program of this profile is connected; shown is what it has received so far"))
        work_on = work(client)
        if work_on is not None:
            await work_on
        if problem is not None:
            hint = _AS_STORED if problem.code is Code.OFFLINE else problem.hint
            raise OperationalError(problem.code, problem.detail, hint=hint)

    opening.with_client(common, main, connect=not offline)
