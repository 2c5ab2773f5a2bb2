"""A message quoted into another room: what may go there, and as what, before it is asked for."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from amanah_client.actions import Forward
from amanah_client.labels import somebody
from amanah_client.message import Message
from amanah_protocol.content.forwarded import Forwarded
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, RefusedError, UsageError
from amanah_protocol.labels import Label
from amanah_protocol.ways import Way, check_way

if TYPE_CHECKING:
    from amanah_client.room import Room


def quote(room: Room, message: Message, *, to: Room, label: Label | None = None, note: str = "") -> Forward:
    """A quotation of a message's text into another room, for `Client.ask`; arguments and errors as `Room.forwarding`.

    Who only looks whether it may go there asks this, and nothing is kept of it.
    """
    stands = room.stands(message)
    if stands is None:
        hint = "Ask its author, or say it in your own words."
        raise UsageError(Code.USAGE, "its author took this message back", hint=hint)
    message = message if stands == message.id else room.message(stands.hex())
    found = room.matter(message)
    if to.id == room.id or not isinstance(message.body, Text | Correction | Forwarded):
        what = "into another room" if to.id == room.id else "where it has a text"
        raise UsageError(Code.USAGE, f"a message is forwarded {what}", hint="`amanah read` shows what it holds.")
    if room.is_drill and not to.is_drill:
        # Quoted, it has no mark of its own any more.
        detail = "what was said in a drill does not go into a room that is real"
        raise RefusedError(Code.DRILL, detail, hint="Forward it into a drill, or say it anew in your own words.")
    there = found.label if label is None else label
    check_way(Way.FORWARD, found, by=somebody(room.client.certificate), to=to.reached(there))
    return Forward(
        room=room.id, envelope=message.id, to=to.id, label=there, note=unicodedata.normalize("NFC", note)
    )  # fmt: skip
