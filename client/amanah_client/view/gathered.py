"""What the entries of a room come to beside their board: what is quoted, stored by whom, counted by machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from amanah_client.directory import Party
from amanah_client.incident.board import Board
from amanah_client.log_rows import Nations
from amanah_client.message import Message
from amanah_client.view.people import Seat
from amanah_protocol import kinds
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What a window is seen against.

    Attributes:
        board: The fold of the room's entries.
        seat: Whose eyes see it.
        ceiling: The room's label.
        owner: The organisation that owns the room; None while its creation is not known.
        nations: Who is in it now.
        times: Since when they are.
        messages: Entries by id, as far as they are at hand: what is quoted, what corrects and withdraws what is shown
            (`amanah_client.room.Room.beside`).
        stored: Nation -> up to which place one of its devices has stored the room.
        counts: Entry with alerts -> what its machine counted behind it.
        most: So many characters of a text are shown until more is asked for, and as little of what else has no end;
            None for all: whoever fills a room must not make it slow to look at.
    """

    board: Board
    seat: Seat
    ceiling: Label
    owner: OrgName | None
    nations: tuple[OrgName, ...]
    messages: Mapping[EnvelopeId, Message]
    times: Nations = msgspec.field(default_factory=Nations)
    stored: Mapping[OrgName, int] = msgspec.field(default_factory=dict)
    counts: Mapping[EnvelopeId, kinds.Counts] = msgspec.field(default_factory=dict)
    most: int | None = None

    def sealed_for(self, message: Message) -> tuple[OrgName, ...]:
        """Which of the nations that are in now have been able to read an entry from the beginning."""
        return self.times.sealed_for(self.nations, message.row.index)


@dataclass(slots=True)
class Gathered:
    """What is gathered from entries while they arrive, in the order of the room."""

    messages: dict[EnvelopeId, Message] = field(default_factory=dict)
    stored: dict[OrgName, int] = field(default_factory=dict)
    counts: dict[EnvelopeId, kinds.Counts] = field(default_factory=dict)
    _batches: dict[DeviceId, EnvelopeId] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        """Take the next entry, or one anew that has changed."""
        is_known = message.id in self.messages
        self.messages[message.id] = message
        sender = message.sender
        match message.specific:
            case kinds.Delivered(room_seq=room_seq):
                self.stored[sender.organisation] = max(room_seq, self.stored.get(sender.organisation, 0))
            case kinds.Counts() as counted if sender.device in self._batches:
                self.counts[self._batches.pop(sender.device)] = counted
            case kinds.Alert() if not is_known:
                self._batches[sender.device] = message.id
            case _:  # the others count nothing
                pass

    def seen(
        self, board: Board, seat: Seat, ceiling: Label, members: Iterable[Party], owner: OrgName | None = None
    ) -> Room:
        """What a window is seen against."""
        return Room(
            board=board,
            seat=seat,
            ceiling=ceiling,
            owner=owner,
            nations=tuple(sorted({party.organisation for party in members})),
            messages=self.messages,
            stored=self.stored,
            counts=self.counts,
        )


def against(board: Board, messages: Iterable[Message], seat: Seat, ceiling: Label, members: Iterable[Party]) -> Room:
    """What a window is seen against, from the room's entries in their order, as far as they are at hand."""
    gathered = Gathered()
    for message in messages:
        gathered.take(message)
    return gathered.seen(board, seat, ceiling, members)
