"""How far an own message has come: queued, signed, accepted by the relay, stored by so many nations."""

from __future__ import annotations

from amanah_client.language import gettext as _
from amanah_client.language import ngettext, number
from amanah_client.message import Message
from amanah_client.model import Intent, IntentState, MessageState
from amanah_client.view.entries import Delivery
from amanah_client.view.gathered import Room
from amanah_client.view.why import why


def delivery(message: Message, room: Room) -> Delivery:
    """Of an own message that was signed; only nations that it was sealed for are counted and waited for."""
    seat, stored = room.seat, room.stored
    if message.state is MessageState.SENT or message.room_seq is None:
        return Delivery(state="sent", text=_("sent, not accepted yet"))
    own = seat.me.organisation
    others = [nation for nation in room.sealed_for(message) if nation != own]
    waiting = tuple(sorted(seat.chip(one) for one in others if stored.get(one, 0) < message.room_seq))
    if not others and any(nation != own for nation in room.nations):
        # What they have stored of the room reaches beyond this message, and says nothing of it.
        return Delivery(state="accepted", text=_("accepted by the relay; the other nations came later"))
    if not others:
        return Delivery(state="accepted", text=_("accepted by the relay; no other nation is here"))
    count = len(others) - len(waiting)
    said = ngettext(
        "delivered to the other nation", "delivered to %(some)s of %(count)s nations", len(others), some=number(count)
    )
    if not count:
        return Delivery(state="accepted", text=_("accepted by the relay"), waiting=waiting)
    return Delivery(state="delivered", text=said, waiting=waiting)


def intent_delivery(intent: Intent) -> Delivery:
    """Of what stands in the outbox."""
    if intent.state is IntentState.HELD:
        found = why(intent)
        said = _("held: %(why)s. Release it or drop it.", why=found.text)
        return Delivery(state="held", text=said, english=found.english)
    return Delivery(state="queued", text=_("queued; it goes out by itself"))
