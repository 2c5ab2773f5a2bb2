"""Whom a face has shown as the readers of what is sealed: it goes to them, and to nobody who came meanwhile."""

from __future__ import annotations

from amanah_client.language import gettext as _
from amanah_client.language.errors import SpokenError
from amanah_client.room import Room
from amanah_client.view.readers import digest_of
from amanah_protocol.types import DeviceId


class ReadersChangedError(SpokenError):
    """Others can read a room than its officer was shown, or not all of them any more."""


def shown_as(room: Room, readers: str) -> tuple[DeviceId, ...]:
    """The devices that can read a room, as they were shown.

    What is queued names them too: who joins before it is sealed has it held (`core.hold`).

    Args:
        room: The room.
        readers: `Readers.digest` of those who were shown.

    Raises:
        ReadersChangedError: Others can, or not all of them any more.
    """
    members = room.members()
    if digest_of(members) != readers:
        detail = _("Who can read this room has changed: nothing was sent")
        raise ReadersChangedError(detail, _("Look again at who can read it, then do it again."))
    return tuple(party.device for party in members)
