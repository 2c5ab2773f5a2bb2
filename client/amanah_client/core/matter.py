"""Messages that an intent is about: read from the store before it is done, and anew when their label was changed.

The core holds no old messages. What it has read is used by one intent and forgotten with it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from amanah_client import effects as e
from amanah_client.actions import Action, Disclose, Forward, GrantHistory, Relabel
from amanah_client.core.context import Context, Place, Spoken
from amanah_client.incident.labelled import labels_of
from amanah_client.model import Intent, IntentState, MessageRow, MessageState
from amanah_client.saying import Say
from amanah_protocol.content.forwarded import Forwarded
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.text import Text
from amanah_protocol.errors import AmanahError, Code, UsageError
from amanah_protocol.types import EnvelopeId, RoomId

_SPEAKING: Final = frozenset({8, 17, 21})
"""Numbers of bodies that may speak of a message: only these are decoded to look."""


def about(action: Action) -> tuple[Place, ...]:
    """The messages whose content, or label, an action passes on."""
    match action:
        case Disclose() | Relabel() | Forward():
            return (Place(action.room, action.envelope),)
        case GrantHistory(room=room, envelopes=envelopes):
            return tuple(Place(room, envelope) for envelope in envelopes)
        case Say(number=number) if number in _SPEAKING:
            return _quoted(action)
        case _:
            return ()


def _quoted(action: Say) -> tuple[Place, ...]:
    match action.body:
        case Text(reply_to=answered) | Correction(message=answered) if answered is not None:
            return (Place(action.room, answered),)
        case Forwarded(origin=origin):
            return (Place(origin.room, origin.message),)
        case _:
            return ()


def found(ctx: Context, intent: Intent) -> tuple[Spoken, ...]:
    """What was read for an intent, in the order of what it is about."""
    read = ctx.spoken.get(intent.id, {})
    return tuple(read[place] for place in about(intent.action) if place in read)


def one(ctx: Context, intent: Intent) -> Spoken | None:
    """The one message that an intent is about, once it was read."""
    return next(iter(found(ctx, intent)), None)


def is_ready(ctx: Context, intent: Intent) -> bool:
    """Whether all that an intent is about was read, and nothing own that changes a label of it is on its way."""
    read = found(ctx, intent)
    changes = (row for spoken in read for row in spoken.labelling if row is not spoken.row)
    return len(read) == len(about(intent.action)) and all(row.room_seq is not None for row in changes)


def changed(action: Action) -> tuple[Place, ...]:
    """The messages whose label an action may change: what it relabels or corrects."""
    match action:
        case Relabel(room=room, envelope=envelope):
            return (Place(room, envelope),)
        case Say(number=8, room=room) if isinstance(action.body, Correction):
            return (Place(room, action.body.message),)
        case _:
            return ()


def rests_on(ctx: Context, intent: Intent) -> set[Place]:
    """The messages whose labels say what becomes of an intent."""
    read = ctx.spoken.get(intent.id, {}).values()
    return set(about(intent.action)) | {Place(row.room, row.envelope) for one in read for row in one.labelling}


def want(ctx: Context, intent: Intent) -> None:
    """Ask the store for what an intent is about, once."""
    read = ctx.spoken.get(intent.id, {})
    for place in about(intent.action):
        if place not in read and (intent.id, place) not in ctx.reading:
            ctx.reading[intent.id, place] = None
            ctx.effect(e.ReadMessage(room=place.room, envelope=place.envelope))


def receive(
    ctx: Context, room: RoomId, envelope: EnvelopeId, row: MessageRow | None, labelling: tuple[MessageRow, ...]
) -> None:
    """The store has answered: for every intent about this message."""
    for intent_id, place in tuple(ctx.reading):
        intent = ctx.outbox.get(intent_id)
        if intent is not None and place != (room, envelope):
            continue
        del ctx.reading[intent_id, place]
        if intent is None:
            continue
        try:
            _check_usable(intent.action, row)
        except AmanahError as error:
            ctx.fail(intent, str(error.code), error.detail)
        else:
            ctx.spoken.setdefault(intent_id, {})[place] = Spoken(row=row, labelling=labelling)


def _check_usable(action: Action, row: MessageRow | None) -> None:
    """What an action needs is there; an answer may be to what is not.

    Raises:
        UsageError: `NOT_FOUND`.
    """
    placed = row is not None and row.index is not None
    readable = row is not None and row.state is MessageState.STORED and bool(row.content and row.key)
    match action:
        case Relabel() if not placed:
            raise UsageError(Code.NOT_FOUND, "there is no such message here")
        case Disclose() | Forward() | GrantHistory() if row is None:
            raise UsageError(Code.NOT_FOUND, "there is no such message here")
        case Disclose() | Forward() | GrantHistory() if not (readable and placed):
            detail = "only a message that stands in the log and can be read can be passed on"
            raise UsageError(Code.NOT_FOUND, detail)
        case Say(number=21) if not readable:
            raise UsageError(Code.NOT_FOUND, "what is quoted is not here any more")
        case _:
            pass


def note(ctx: Context, row: MessageRow) -> None:
    """An entry has come into the record, or is not there after all: labels that follow from it were read too early."""
    target = labels_of(row)
    if target is not None:
        forget(ctx, row.room, (target,))


def forget(ctx: Context, room: RoomId, envelopes: Collection[EnvelopeId]) -> None:
    """Messages have another label, or were erased: what was read of them is old, unless it is on its way."""
    changed = {Place(room, envelope) for envelope in envelopes}
    for intent_id, read in tuple(ctx.spoken.items()):
        intent = ctx.outbox.get(intent_id)
        # Of a disclosure only the egress is out: its proof is made of what is read last.
        if intent is not None and (intent.state is not IntentState.SENT or isinstance(intent.action, Disclose)):
            for place, spoken in tuple(read.items()):
                if not changed.isdisjoint({place, *(Place(row.room, row.envelope) for row in spoken.labelling)}):
                    del read[place]
