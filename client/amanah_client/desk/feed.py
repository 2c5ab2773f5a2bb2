"""A room while it is looked at: a window of its entries, read from the store, and what stands beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from amanah_client.directory import Party
from amanah_client.incident.about import targets
from amanah_client.incident.board import Board
from amanah_client.message import Message, event_of
from amanah_client.room import Room
from amanah_client.view.gathered import Gathered
from amanah_client.view.gathered import Room as Seen
from amanah_client.view.people import Seat
from amanah_protocol import kinds
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId, OrgName

WINDOW: Final = 120
"""So many entries are drawn at once; a room of any length scrolls through them."""
MOST: Final = WINDOW + WINDOW // 2
"""A window that follows what arrives begins anew before it holds more."""
SHOWN_CHARS: Final = 2_000
"""So many characters of a text are shown until all of it is asked for."""
_STEP: Final = WINDOW // 2
_RECENT: Final = 500
"""Among so many of the newest entries it is looked how far each nation has stored the room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What of a room stands on a page.

    Attributes:
        first: The first place.
        last: The last one; None where it follows what arrives.
        thread: The entry that began the thread which is shown alone; None for the whole room.
    """

    first: int = 0
    last: int | None = None
    thread: EnvelopeId | None = None

    @property
    def is_newest(self) -> bool:
        """Whether what arrives belongs to it."""
        return self.last is None and self.thread is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A window as it was read.

    Attributes:
        window: Which.
        messages: Its entries, in the order of the room.
        seen: What they are seen against.
        more: Whether there are entries before them.
    """

    window: Window
    messages: list[Message]
    seen: Seen
    more: bool


class Feed:
    """A room's windows."""

    def __init__(self, room: Room) -> None:
        """Over a room; nothing is read yet."""
        self.room = room
        self._stored: dict[OrgName, int] | None = None
        self._label: Label | None = None

    def hear(self, message: Message) -> None:
        """An entry arrived, or has changed."""
        if self._stored is not None:
            _store(self._stored, message)

    def place(self, at: Literal["newest", "before", "after", "around"], seq: int) -> Window:
        """Where a window stands: at the newest, or with a place in its middle, to scroll to both sides."""
        newest = self.room.messages(limit=WINDOW, newest=True)
        if at == "newest":
            return Window(first=_first(newest))
        before = self.room.messages(before=seq, limit=_STEP) if seq > 1 else []
        behind = self.room.messages(after=seq - 1, limit=_STEP)
        last = max((message.room_seq or 0 for message in behind), default=0)
        head = max((message.room_seq or 0 for message in newest), default=0)
        return Window(first=_first([*before, *behind]), last=None if last >= head else last)

    def read(self, window: Window, seat: Seat, members: list[Party]) -> Read:
        """The entries of a window, and what is said of them.

        Args:
            window: Which.
            seat: Whose eyes see it.
            members: Who is in the room.
        """
        if window.thread is not None:
            messages = self._thread(window.thread)
        else:
            messages = self.room.messages(after=max(0, window.first - 1), limit=MOST + 1)
            if window.is_newest and len(messages) > MOST:
                window = self.place("newest", 0)
                messages = self.room.messages(after=max(0, window.first - 1), limit=MOST + 1)
            last = window.last
            messages = [one for one in messages if last is None or (one.room_seq is not None and one.room_seq <= last)]
        board = self.room.board(about=[message.id for message in messages])
        return Read(
            window=window,
            messages=messages,
            seen=self._seen(messages, board, seat, members),
            more=window.thread is None and window.first > 1,
        )

    def _thread(self, root: EnvelopeId) -> list[Message]:
        begun = self.room.board(about=[root]).messages.get(root)
        found = self.room.entries(root, *(() if begun is None else begun.thread))
        return sorted(found.values(), key=lambda message: message.room_seq or 0)

    def seen(self, messages: list[Message], seat: Seat, members: list[Party]) -> Seen:
        """What some of its entries are seen against."""
        board = self.room.board(about=[message.id for message in messages])
        return self._seen(messages, board, seat, members)

    def _seen(self, messages: list[Message], board: Board, seat: Seat, members: list[Party]) -> Seen:
        gathered = Gathered()
        for message in messages:
            gathered.take(message)
        for nation, place in self._known().items():
            gathered.stored[nation] = max(place, gathered.stored.get(nation, 0))
        named = targets(event_of(message) for message in messages)
        spoken = [said for name in (*gathered.messages, *named) if (said := board.messages.get(name)) is not None]
        told = {entry for said in spoken for entry in (*said.corrections, said.withdrawn) if entry is not None}
        # As `Room.beside`, without reading again what was just read.
        gathered.messages |= self.room.entries(*((named | told) - set(gathered.messages)))
        return replace(gathered.seen(board, seat, self._ceiling(), members), most=SHOWN_CHARS)

    def _ceiling(self) -> Label:
        if self._label is None:
            created = self.room.created
            self._label = None if created is None else created.ceiling
        return self.room.ceiling if self._label is None else self._label

    def _known(self) -> dict[OrgName, int]:
        if self._stored is None:
            self._stored = {}
            for message in self.room.messages(limit=_RECENT, newest=True):
                _store(self._stored, message)
        return self._stored


def _store(stored: dict[OrgName, int], message: Message) -> None:
    if isinstance(message.specific, kinds.Delivered):
        nation = message.sender.organisation
        stored[nation] = max(message.specific.room_seq, stored.get(nation, 0))


def _first(messages: list[Message]) -> int:
    return next((message.room_seq for message in messages if message.room_seq is not None), 0)
