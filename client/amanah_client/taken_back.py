"""What became of messages of a room since they were said, for faces that list them one by one."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, TypeAlias

from amanah_client.incident.board import Spoken
from amanah_client.message import Message
from amanah_client.reading import UNCHANGED, Since
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.types import EnvelopeId

if TYPE_CHECKING:
    from amanah_client.room import Room

_Told: TypeAlias = tuple[EnvelopeId | None, EnvelopeId | None]


def since(room: Room, messages: Collection[Message]) -> dict[EnvelopeId, Since]:
    """What became of each of some messages of a room; of one of which nobody says anything, no more is read.

    A correction goes with what it corrects: withdrawn with it, and itself corrected by the next.
    """
    client, roots = room.client, {one.id: _root(one) for one in messages}
    named = set(roots.values())
    about = map(client.read, client.profile.store.desk.about(room.id, named))
    asked = named & {one.body.message for one in about if isinstance(one.body, Withdrawal | Correction)}
    spoken = room.board(about=asked).messages if asked else {}
    told = {one: _told(one, root, spoken.get(root)) for one, root in roots.items()}
    found = room.entries(*{by for both in told.values() for by in both if by is not None})

    def of(withdrawn: EnvelopeId | None, corrected: EnvelopeId | None) -> Since:
        return Since(
            withdrawn=None if withdrawn is None else found.get(withdrawn),
            corrected=None if corrected is None else found.get(corrected),
        )

    return {one: UNCHANGED if both == (None, None) else of(*both) for one, both in told.items()}


def _root(message: Message) -> EnvelopeId:
    return message.body.message if isinstance(message.body, Correction) else message.id


def _told(entry: EnvelopeId, root: EnvelopeId, said: Spoken | None) -> _Told:
    """What withdraws an entry, or what it corrects, and what tells in its place; of what had no effect, neither."""
    if said is None or (entry != root and entry not in said.corrections):
        return None, None
    return said.withdrawn, None if said.corrected == entry else said.corrected
