"""A publish that did not come about: its counters are void, its messages forgotten, its intents free."""

from __future__ import annotations

from dataclasses import replace

from amanah_client import effects as e
from amanah_client.core import matter
from amanah_client.core.context import Context
from amanah_client.core.hold import hold
from amanah_client.core.room import Room
from amanah_client.model import Circle, InFlight, Intent, IntentState, Rekey, RoomStatus
from amanah_client.reasons import english
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code


def void(ctx: Context, room: Room, flight: InFlight) -> list[Intent]:
    """Void a refused publish and queue its intents again; gives them in order.

    A counter that was signed is never used again: the next envelope names all of these as void.
    """
    own = room.senders.get(ctx.me)
    # What another life of this profile has put into the log stands above them: it has named them, or used them.
    first = max(flight.first_counter, 0 if own is None else own.counter + 1)
    counters = range(first, flight.first_counter + len(flight.items))
    room.change(in_flight=None, voids=(*room.row.voids, *counters))
    room.link.flying = False
    for encoded, _ in flight.items:
        envelope = decode_envelope(encoded)
        row = room.sent.pop(envelope.id, None)
        if row is not None:
            ctx.write(e.DropMessage(room=room.id, envelope=envelope.id))
            matter.note(ctx, row)
    if room.group is not None and room.group.pending is not None:
        room.group.discard()
        room.moved()
    intents = [ctx.outbox[intent] for intent in flight.intents if intent in ctx.outbox]
    return [_requeue(ctx, room, intent) for intent in intents]


def is_delivered(ctx: Context, room: Room, flight: InFlight) -> bool:
    """Whether the publish stands in the record already, whatever the relay's answer will be."""
    own = room.senders.get(ctx.me)
    reached = own is not None and own.counter >= flight.first_counter
    # Another life of this profile may have given the counter to something else.
    return reached and (room.row.rekey is Rekey.NONE or decode_envelope(flight.items[0][0]).id not in room.sent)


def _requeue(ctx: Context, room: Room, intent: Intent) -> Intent:
    ctx.spoken.pop(intent.id, None)  # what it is about may have another label since
    widened = room.widened.pop(intent.id, None)
    if widened is not None:
        hold(ctx, intent, english(widened), widened)
    elif intent.code == Code.STALE_EPOCH:
        hold(ctx, intent, intent.detail, intent.reasons)
    else:
        ctx.put_intent(replace(intent, state=IntentState.QUEUED, code="", detail="", reasons=()))
    return ctx.outbox[intent.id]


def expel(room: Room, circle: Circle | None) -> None:
    """This device is out of the room: its keys go, and who was in is kept as far as it was verified.

    A publish in flight stays until the relay answers: who was added again meanwhile may find it accepted.
    """
    room.leave()
    room.adding = None
    room.change(status=RoomStatus.REMOVED, circle=circle)
