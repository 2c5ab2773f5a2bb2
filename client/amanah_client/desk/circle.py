"""Whom the page has shown as the readers of what is sealed: it goes to them, and to nobody who came meanwhile."""

from __future__ import annotations

from amanah_client.desk import wire
from amanah_client.language import gettext as _
from amanah_client.language.errors import SpokenError
from amanah_client.room import Room
from amanah_client.view.readers import digest_of
from amanah_protocol.types import DeviceId


class NotDoneError(SpokenError):
    """The desk itself refuses it; nothing is queued.

    Attributes:
        data: What the page is to do about it.
    """

    def __init__(self, detail: str, hint: str, data: object = None) -> None:
        super().__init__(detail, hint)
        self.data = data


def readers_of(room: Room, asked: wire.Sealing) -> tuple[DeviceId, ...]:
    """The devices that can read a room, as its page has shown them.

    What is queued names them too: who joins before it is sealed has it held (`core.hold`).

    Raises:
        NotDoneError: Others can, or not all of them any more.
    """
    return shown_as(room, asked.readers)


def shown_as(room: Room, readers: str) -> tuple[DeviceId, ...]:
    """The same by a digest of them; errors as `readers_of`."""
    members = room.members()
    if digest_of(members) != readers:
        detail = _("Who can read this room has changed: nothing was sent")
        raise NotDoneError(detail, _("Look again at who can read it, then send."), {"look": "readers"})
    return tuple(party.device for party in members)
