"""A room while it is looked at: a window of its entries, and the board of these and of the incident.

Nothing here reads a whole room, however long it is: a window is read anew when something in it has changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from amanah_client.incident.board import Board
from amanah_client.message import Message
from amanah_client.model import Intent
from amanah_client.room import Room
from amanah_client.view.conversation import against, conversation, is_page
from amanah_client.view.entries import Item
from amanah_client.view.people import Seat
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.text import Text
from amanah_protocol.errors import UsageError
from amanah_protocol.types import EnvelopeId, OrgName

PAGE: Final = 150
"""Entries that are read at once, while somebody scrolls."""
MOST: Final = 600
"""Entries that are drawn at most."""


@dataclass(frozen=True, slots=True)
class Window:
    """Entries of a room, and what is known of them.

    Attributes:
        messages: In the order of the room, own ones without a place last.
        board: What these and the incident come to.
        beside: These, what they answer, what corrects and withdraws any of them.
    """

    messages: tuple[Message, ...]
    board: Board
    beside: Mapping[EnvelopeId, Message]


@dataclass(slots=True)
class Feed:
    """A room's window.

    Attributes:
        room: The room.
        first: From which place on it is shown; 0 for the newest page.
        last: Up to which place; None for up to the newest, and what arrives.
    """

    room: Room
    first: int = 0
    last: int | None = None
    _window: Window | None = None
    _incident: Board | None = None
    _pages: int | None = None
    _stored: dict[OrgName, int] = field(default_factory=dict)

    def changed(self) -> None:
        """Something in the room is otherwise than it was."""
        self._window = self._incident = self._pages = None

    @property
    def window(self) -> Window:
        """What is looked at."""
        if self._window is None:
            messages = tuple(self._read())
            self._window = self._seen(messages)
        return self._window

    @property
    def incident(self) -> Board:
        """What the incident comes to, without the conversation: for the list of rooms."""
        if self._window is not None:
            return self._window.board
        if self._incident is None:
            self._incident = self.room.board(about=())
        return self._incident

    def _read(self) -> Sequence[Message]:
        if self.last is not None:
            return self.room.messages(after=self.first - 1, before=self.last + 1, limit=MOST)
        if not self.first:
            return self.room.messages(newest=True, limit=PAGE)
        newest = self.room.messages(newest=True, limit=MOST)
        return [message for message in newest if message.room_seq is None or message.room_seq >= self.first]

    def _seen(self, messages: tuple[Message, ...]) -> Window:
        board = self.room.board(about=[message.id for message in messages])
        beside = {message.id: message for message in messages}
        return Window(messages, board, self.room.beside(messages, board) | beside)

    # ---- scrolling

    def older(self) -> bool:
        """Go a page back; gives whether there was any."""
        placed = _placed(self.window.messages)
        page = self.room.messages(before=_seq(placed[0]), limit=PAGE) if placed else []
        if not page:
            return False
        self.first = _seq(page[0])
        if len(page) + len(placed) > MOST:
            self.last = _seq([*page, *placed][MOST - 1])
        self.changed()
        return True

    def newer(self) -> bool:
        """Go a page on; gives whether there was any."""
        if self.last is None:
            return False
        page = _placed(self.room.messages(after=self.last, limit=PAGE))
        both = [*_placed(self.window.messages), *page]
        self.first = _seq(both[-MOST:][0])
        self.last = None if len(page) < PAGE else _seq(page[-1])
        self.changed()
        return bool(page)

    def newest(self) -> None:
        """Go back to the newest."""
        if self.first or self.last is not None:
            self.first, self.last = 0, None
            self.changed()

    def around(self, message: Message) -> None:
        """Go to where an entry stands."""
        seq = _seq(message)
        known = _placed(self.window.messages)
        if known and _seq(known[0]) <= seq <= _seq(known[-1]):
            return
        self.first, self.last = max(seq - PAGE // 2, 1), seq + PAGE // 2
        self.changed()

    # ---- what is shown

    def items(self, seat: Seat, waiting: Sequence[Intent], thread: EnvelopeId | None = None) -> tuple[Item, ...]:
        """The window as a conversation, or a thread of the room."""
        window = self.window if thread is None else self._thread(thread)
        shown = {message.id for message in window.messages}
        known = [*(one for one in window.beside.values() if one.id not in shown), *window.messages]
        seen = against(window.board, known, seat, self.room.ceiling, self.room.members())
        # What was stored once stays so, also where the report of it is not in the window.
        for nation, seq in seen.stored.items():
            self._stored[nation] = max(seq, self._stored.get(nation, 0))
        queued = waiting if self.last is None and thread is None else ()
        return conversation(window.messages, replace(seen, stored=self._stored), queued)

    def _thread(self, root: EnvelopeId) -> Window:
        said = self.room.board(about=[root]).messages.get(root)
        known = self.room.entries(root, *(() if said is None else said.thread))
        placed = sorted(_placed(known.values()), key=_seq)
        own = [one for one in self.window.messages
               if one.room_seq is None and isinstance(one.body, Text) and one.body.thread == root]  # fmt: skip
        return self._seen((*placed, *own))

    def find(self, entry: EnvelopeId) -> Message | None:
        """An entry of the room, whether or not it is in the window."""
        if entry in self.window.beside:
            return self.window.beside[entry]
        with contextlib.suppress(UsageError):
            return self.room.message(entry.hex())
        return None

    def text_of(self, message: Message) -> str:
        """What a message says now."""
        said = self.window.board.messages.get(message.id)
        corrected = None if said is None or said.corrected is None else self.find(said.corrected)
        body = message.body if corrected is None else corrected.body
        return body.text if isinstance(body, Text | Correction) else ""

    # ---- what was read

    def pages(self, seat: Seat) -> int:
        """How many pages were not read, and not acknowledged by the own nation."""
        if self._pages is None:
            behind = self.room.messages(after=self.room.read_mark, limit=PAGE) if self.room.unread().entries else []
            paged = [one for one in behind if is_page(one, one.precedence) and not seat.is_me(one.sender)]
            said = self.room.board(about=[one.id for one in paged]).messages if paged else {}
            nation = seat.me.organisation
            self._pages = sum(one.id not in said or nation not in said[one.id].grades() for one in paged)
        return self._pages

    def mark_read(self) -> int | None:
        """All that is here was read; gives up to where it was read before, or None where nothing was new."""
        placed = _placed(self.window.messages)
        if self.last is not None or not placed or not self.room.unread().entries:
            return None
        before = self.room.read_mark
        self.room.mark_read(_seq(placed[-1]))
        self._pages = None
        return before

    # ---- what a command means that names no message

    def last_own(self, seat: Seat) -> Message | None:
        """The last text that the reader wrote and may correct."""
        for message in reversed(self.window.messages):
            said = self.window.board.messages.get(message.id)
            is_mine = isinstance(message.body, Text) and seat.is_me(message.sender)
            if is_mine and said is not None and said.withdrawn is None:
                return message
        return None

    def last_asking(self, seat: Seat) -> Message | None:
        """The last message that asks the own nation for something which it has not done."""
        nation = seat.me.organisation
        for message in reversed(self.window.messages):
            said = self.window.board.messages.get(message.id)
            if said is None or said.asks is None or message.sender.organisation == nation:
                continue
            if said.grades().get(nation, 0) < said.asks:
                return message
        return None


def _placed(messages: Iterable[Message]) -> list[Message]:
    """Those that have a place in the room."""
    return [message for message in messages if message.room_seq is not None]


def _seq(message: Message) -> int:
    return message.room_seq or 0
