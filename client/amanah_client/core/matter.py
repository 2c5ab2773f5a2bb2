"""Messages that an intent is about: read from the store before it is done, and anew when their label was changed.

The core holds no old messages. What it has read is used by one intent and forgotten with it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from amanah_client import effects as e
from amanah_client.actions import Action, Disclose, Forward, Relabel
from amanah_client.core.context import Context, Spoken
from amanah_client.model import Intent, IntentState, MessageRow, MessageState
from amanah_client.saying import Say
from amanah_protocol.content.forwarded import Forwarded
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.text import Text
from amanah_protocol.errors import AmanahError, Code, UsageError
from amanah_protocol.types import EnvelopeId, RoomId

_SPEAKING: Final = frozenset({8, 17, 21})
"""Numbers of bodies that may speak of a message: only these are decoded to look."""


class Place(NamedTuple):
    """Where a message stands."""

    room: RoomId
    envelope: EnvelopeId


def about(action: Action) -> Place | None:
    """The message whose content, or label, an action passes on."""
    match action:
        case Disclose() | Relabel() | Forward():
            return Place(action.room, action.envelope)
        case Say(number=number) if number in _SPEAKING:
            return _quoted(action)
        case _:
            return None


def _quoted(action: Say) -> Place | None:
    match action.body:
        case Text(reply_to=answered) | Correction(message=answered) if answered is not None:
            return Place(action.room, answered)
        case Forwarded(origin=origin):
            return Place(origin.room, origin.message)
        case _:
            return None


def is_ready(ctx: Context, intent: Intent) -> bool:
    """Whether nothing has to be read for an intent, or it was read, and no own change of its label is on its way."""
    if about(intent.action) is None:
        return True
    spoken = ctx.spoken.get(intent.id)
    return spoken is not None and all(row.room_seq is not None for row in spoken.relabels)


def want(ctx: Context, intent: Intent) -> None:
    """Ask the store for what an intent is about, once."""
    place = about(intent.action)
    if place is not None and intent.id not in ctx.reading and intent.id not in ctx.spoken:
        ctx.reading.add(intent.id)
        ctx.effect(e.ReadMessage(room=place.room, envelope=place.envelope))


def receive(
    ctx: Context, room: RoomId, envelope: EnvelopeId, row: MessageRow | None, relabels: tuple[MessageRow, ...]
) -> None:
    """The store has answered: for every intent about this message."""
    for intent_id in sorted(ctx.reading):
        intent = ctx.outbox.get(intent_id)
        place = None if intent is None else about(intent.action)
        if intent is None or place is None:
            ctx.reading.discard(intent_id)
        elif place == (room, envelope):
            ctx.reading.discard(intent_id)
            try:
                ctx.spoken[intent_id] = Spoken(row=_usable(intent.action, row), relabels=relabels)
            except AmanahError as error:
                ctx.fail(intent, str(error.code), error.detail)


def _usable(action: Action, row: MessageRow | None) -> MessageRow | None:
    """What an action needs to be there; an answer may be to what is not.

    Raises:
        UsageError: `NOT_FOUND`.
    """
    placed = row is not None and row.index is not None
    readable = row is not None and row.state is MessageState.STORED and bool(row.content and row.key)
    match action:
        case Relabel() if not placed:
            raise UsageError(Code.NOT_FOUND, "there is no such message here")
        case Disclose() | Forward() if row is None:
            raise UsageError(Code.NOT_FOUND, "there is no such message here")
        case Disclose() | Forward() if not (readable and placed):
            detail = "only a message that stands in the log and can be read can leave its room"
            raise UsageError(Code.NOT_FOUND, detail)
        case Say(number=21) if not readable:
            raise UsageError(Code.NOT_FOUND, "what is quoted is not here any more")
        case _:
            return row


def forget(ctx: Context, room: RoomId, envelope: EnvelopeId) -> None:
    """The label of a message was changed, or is not after all: what was read is old, unless it is on its way."""
    for intent_id, spoken in tuple(ctx.spoken.items()):
        row, intent = spoken.row, ctx.outbox.get(intent_id)
        same = row is not None and (row.room, row.envelope) == (room, envelope)
        if same and intent is not None and intent.state is not IntentState.SENT:
            del ctx.spoken[intent_id]
