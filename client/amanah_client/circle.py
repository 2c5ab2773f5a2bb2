"""Whom a face has shown as the readers of what is sealed: it goes to them, and under no label that is not for them."""

from __future__ import annotations

from amanah_client.language import gettext as _
from amanah_client.language.errors import SpokenError
from amanah_client.room import Room
from amanah_client.view import words
from amanah_client.view.people import Seat
from amanah_client.view.readers import digest_of, offered
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Label
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


def check_offered(room: Room, seat: Seat, label: Label) -> None:
    """A label is offered for what is said in a room.

    Raises:
        UsageError: `LABEL` above the room's ceiling, or above what a device that can read it is certified for.
    """
    if label > room.ceiling:
        raise UsageError(Code.LABEL, f"{label.text} is above the room's ceiling {room.ceiling.text}")
    why = next(one.why for one in offered(room.members(), seat, room.ceiling) if one.label is label)
    if why:
        detail = _("%(label)s may not be said here", label=words.value(label.text))
        hint = _("Choose a lower label, or say it in a room of those who may read it.")
        raise SpokenError(detail, f"{why} {hint}", Code.LABEL)
