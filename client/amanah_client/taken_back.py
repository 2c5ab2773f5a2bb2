"""What is withdrawn among messages of a room, for faces that list them one by one."""

from __future__ import annotations

from collections.abc import Collection

from amanah_client.message import Message
from amanah_client.room import Room
from amanah_protocol.content.revision import Withdrawal
from amanah_protocol.types import EnvelopeId


def withdrawals(room: Room, messages: Collection[Message]) -> dict[EnvelopeId, Message]:
    """The withdrawal of each message that is withdrawn, as the board counts it; of others nothing more is read."""
    client, named = room.client, {one.id for one in messages}
    about = map(client.read, client.profile.store.desk.about(room.id, named))
    asked = named & {one.body.message for one in about if isinstance(one.body, Withdrawal)}
    spoken = room.board(about=asked).messages if asked else {}
    taken = {one: spoken[one].withdrawn for one in asked if one in spoken}
    found = room.entries(*(by for by in taken.values() if by is not None))
    return {one: found[by] for one, by in taken.items() if by in found}
