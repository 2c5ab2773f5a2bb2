"""What the entries of a room mean for paging: who is called, who answered, who was paged."""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from amanah_client.message import Message, event_of
from amanah_client.model import Namer, RoomRow, RoomStatus
from amanah_client.paging import inputs as i
from amanah_client.paging.duty import Rota
from amanah_client.search.words import mentions_of
from amanah_protocol import kinds
from amanah_protocol.content.page import Page
from amanah_protocol.content.text import Called
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Grade, Kind
from amanah_protocol.types import DeviceId, OrgName

ANSWERS: Final = Grade.READ
"""`received` answers nothing: a program can say that, and nobody need have looked."""
_CALLING: Final = frozenset({Kind.MESSAGE, Kind.ALERT})

Meaning: TypeAlias = i.Arrived | i.Acknowledged | i.Told


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """The desk that is paged.

    Attributes:
        nation: Its organisation.
        device: The device that rings.
        rota: What it is paged for.
    """

    nation: OrgName
    device: DeviceId
    rota: Rota

    def meaning(self, message: Message, room: RoomRow, *, fresh: bool = True) -> Meaning | None:
        """What an entry is to this desk; None for nothing."""
        if message.room_seq is None:
            return None  # own, and not in the record yet
        match message.specific, message.body:
            case kinds.Ack(grade=grade, envelope=envelope), _:
                counts = grade >= ANSWERS and self._is_person(message)
                return i.Acknowledged(message=envelope, by=_author(message)) if counts else None
            case _, Page() as page:
                # Of another nation's paging, or a bot's word, nothing follows for ours: it must not be able to end it.
                return i.Told(page=page) if self._is_person(message) else None
        if not self._is_called(message, room):
            return None
        call = i.Call(
            room=message.room,
            message=message.id,
            author=_author(message),
            at_ms=message.accepted_at_ms or 0,
            precedence=message.precedence,
        )
        return i.Arrived(call=call, fresh=fresh)

    def _is_person(self, message: Message) -> bool:
        return message.sender.organisation == self.nation and message.sender.role is Role.OFFICER

    def _is_called(self, message: Message, room: RoomRow) -> bool:
        if message.kind not in _CALLING or not self._heard(message.room_seq or 0, room) or not self._is_in(room):
            return False
        if any(one.called is Called.DESK and one.organisation == self.nation for one in mentions_of(message.body)):
            return True
        # Whoever of the own nation wrote it knows of it; they call their desk by a mention.
        return message.precedence >= self.rota.least and message.sender.organisation != self.nation

    def _heard(self, room_seq: int, room: RoomRow) -> bool:
        """Whether it was said while this device was in, now or before it was removed and added again.

        That mends a device that fell behind, and what it fell behind of has rung nowhere else.
        """
        before = (stay for stay in room.stays if stay.device == self.device)
        return room_seq > room.added_seq or any(stay.covers(room_seq) for stay in before)

    def _is_in(self, room: RoomRow) -> bool:
        """Whether a room pages; one that cannot be acknowledged in does not.

        One that nobody named yet whose word of that counts may be any of those of the rota: rather once too often.
        """
        is_named = room.title != "" and room.titled_by is not Namer.OTHER
        return not is_over(room) and (not self.rota.rooms or not is_named or self.names(room))

    def names(self, room: RoomRow) -> bool:
        """Whether the rota names a room."""
        return any(fits(name, room) for name in self.rota.rooms)


def is_over(room: RoomRow) -> bool:
    """Whether nothing can be acknowledged in a room any more from here."""
    return room.status is RoomStatus.REMOVED or room.successor is not None


def fits(name: str, room: RoomRow) -> bool:
    """Whether a room is meant by a title, also one that it had before, or first digits of an id.

    Else whoever may rename a room would take it out of what another nation is paged for.
    """
    return name in (room.title, *room.titles) or (len(name) >= 4 and room.room.hex().startswith(name.lower()))


def _author(message: Message) -> i.Person:
    author = event_of(message).author
    return author.organisation, author.person
