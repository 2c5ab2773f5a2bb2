"""What a page names as shown when it has something sealed, held against what is so now."""

from __future__ import annotations

from amanah_client import circle
from amanah_client.desk import wire
from amanah_client.incident.closing import ShownClosing
from amanah_client.language.errors import SpokenError
from amanah_client.room import Room
from amanah_protocol.identity import parse_organisation
from amanah_protocol.types import DeviceId, EnvelopeId


class NotDoneError(SpokenError):
    """The desk itself refuses it; nothing is queued.

    Attributes:
        data: What the page is to do about it.
    """

    def __init__(self, detail: str, hint: str, data: object = None) -> None:
        super().__init__(detail, hint)
        self.data = data


def readers_of(room: Room, asked: wire.Sealing) -> tuple[DeviceId, ...]:
    """The devices that can read a room, as its page has shown them; errors as `shown_as`."""
    return shown_as(room, asked.readers)


def shown_as(room: Room, readers: str) -> tuple[DeviceId, ...]:
    """As `circle.shown_as`.

    Raises:
        NotDoneError: Others can, or not all of them any more: the page draws who can.
    """
    try:
        return circle.shown_as(room, readers)
    except circle.ReadersChangedError as error:
        raise NotDoneError(error.detail, error.hint, {"look": "readers"}) from error


def closing_of(asked: wire.Type | wire.SignOff | wire.RecordClosing) -> ShownClosing:
    """The newest closing, as its page has shown it."""
    entry = None if asked.closing is None else EnvelopeId(bytes.fromhex(asked.closing))
    return ShownClosing(entry=entry, signed=tuple(map(parse_organisation, asked.signed)))
