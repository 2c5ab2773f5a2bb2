"""A room while it is looked at: a window of its entries, and the board of these and of the incident.

Nothing here reads a whole room, however long it is: a window is read anew when something in it has changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from amanah_client.directory import Party
from amanah_client.incident.board import Board
from amanah_client.message import Message
from amanah_client.model import Intent
from amanah_client.room import Room
from amanah_client.view.conversation import conversation, is_page
from amanah_client.view.entries import Item
from amanah_client.view.gathered import against
from amanah_client.view.people import Seat
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.text import Text
from amanah_protocol.errors import UsageError
from amanah_protocol.kinds import Delivered, Kind
from amanah_protocol.types import EnvelopeId, OrgName

ROWS: Final = 150
"""Entries that are read at once."""
LEAST: Final = 60
"""Entries that people see of a page: what programs tell each other fills no screen."""
MOST: Final = 200
"""Likewise, that are drawn at most."""
_PAGES: Final = 10
"""Reads for one page, where programs had much to tell each other."""
_QUIET: Final = frozenset({Kind.WELCOME, Kind.DELIVERED, Kind.INTAKE_KEY, Kind.REPAIR, Kind.ACK})


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


@dataclass(frozen=True, slots=True)
class Made:
    """A conversation, and what it was made from beside the room."""

    key: object
    items: tuple[Item, ...]


@dataclass(slots=True)
class Feed:
    """A room's window.

    Attributes:
        room: The room.
        last: Up to which place it is shown; None for up to the newest, and what arrives.
        made: What faces made of it, by what it is; gone with the next change.
    """

    room: Room
    last: int | None = None
    made: dict[str, object] = field(default_factory=dict)
    _entries: dict[int, Message] = field(default_factory=dict)
    _own: dict[EnvelopeId, Message] = field(default_factory=dict)
    _is_read: bool = False
    _window: Window | None = None
    _incident: Board | None = None
    _members: list[Party] | None = None
    _stored: dict[OrgName, int] = field(default_factory=dict)

    # ---- keeping up

    def changed(self) -> None:
        """Something in the room is otherwise than it was."""
        self._window = self._incident = self._members = None
        self.made.clear()
        if self._own:
            # What was sealed anew is another envelope: the one before is gone without a word.
            newest = self.room.messages(newest=True, limit=len(self._own) + ROWS)
            self._own = {one.id: one for one in newest if one.room_seq is None}

    def read_anew(self) -> None:
        """Names were learned: who looks next reads what is here again."""
        newest = self.last is None and len(self._entries) <= ROWS
        if newest:
            self._entries.clear()
            self._is_read = False
        elif self._entries:
            span = max(self._entries) - min(self._entries) + 1
            self._put(self.room.messages(after=min(self._entries) - 1, limit=span))
        self.changed()

    def take(self, message: Message) -> None:
        """Take an entry that arrived, or one anew that has changed."""
        if message.room_seq is None:
            self._own[message.id] = message
        elif self._is_read:
            self._own.pop(message.id, None)
            newest = max(self._entries, default=0)
            is_in = message.room_seq > newest if self.last is None else False
            if is_in or min(self._entries, default=1) <= message.room_seq <= newest:
                self._put([message])
            self._trim(older=self.last is None)
        self.changed()

    def _put(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if message.room_seq is None:
                self._own[message.id] = message
                continue
            self._entries[message.room_seq] = message
            if isinstance(message.specific, Delivered):
                nation, seq = message.sender.organisation, message.specific.room_seq
                self._stored[nation] = max(seq, self._stored.get(nation, 0))

    def _trim(self, *, older: bool) -> None:
        """Drop what is more than is drawn, at one end."""
        told = [seq for seq in sorted(self._entries) if self._entries[seq].kind not in _QUIET]
        if len(told) <= MOST:
            return
        edge = told[-MOST] if older else told[MOST - 1]
        self._entries = {seq: one for seq, one in self._entries.items() if (seq >= edge if older else seq <= edge)}
        if not older:
            self.last = max(self._entries)

    # ---- what there is

    @property
    def members(self) -> list[Party]:
        """Who can read what is sent now."""
        if self._members is None:
            self._members = self.room.members()
        return self._members

    @property
    def window(self) -> Window:
        """What is looked at."""
        self._begin()
        if self._window is None:
            placed = [self._entries[seq] for seq in sorted(self._entries)]
            own = self._own.values() if self.last is None else ()
            self._window = self._seen(tuple(one for one in (*placed, *own) if one.kind not in _QUIET))
        return self._window

    @property
    def incident(self) -> Board:
        """What the incident comes to, without the conversation: for the list of rooms."""
        if self._window is not None:
            return self._window.board
        if self._incident is None:
            self._incident = self.room.board(about=())
        return self._incident

    def _begin(self) -> None:
        """Read the newest, where nothing was read yet."""
        if not self._is_read:
            self._is_read = True
            self._put(self._page(None))

    def _seen(self, messages: tuple[Message, ...]) -> Window:
        board = self.room.board(about=[message.id for message in messages])
        beside = {message.id: message for message in messages}
        return Window(messages, board, self.room.beside(messages, board) | beside)

    # ---- scrolling

    def _page(self, before: int | None) -> list[Message]:
        """The newest entries, or those before a place: as many as hold enough that people see."""
        found: list[Message] = []
        for _ in range(_PAGES):
            page = self.room.messages(newest=before is None, before=before, limit=ROWS)
            found[:0] = page
            placed = [one.room_seq for one in page if one.room_seq is not None]
            if len(page) < ROWS or not placed or sum(one.kind not in _QUIET for one in found) >= LEAST:
                break
            before = placed[0]
        return found

    def older(self) -> bool:
        """Go a page back; gives whether there was any."""
        self._begin()
        first = min(self._entries, default=0)
        page = self._page(first) if first > 1 else []
        self._put(page)
        self._trim(older=False)
        self.changed()
        return bool(page)

    def newer(self) -> bool:
        """Go a page on; gives whether there was any."""
        if self.last is None:
            return False
        page = self.room.messages(after=self.last, limit=ROWS)
        self._put(page)
        ended = len(page) < ROWS
        self._trim(older=True)
        self.last = None if ended else max(self._entries)
        self.changed()
        return True

    def newest(self) -> None:
        """Go back to the newest."""
        if self.last is not None:
            self.last = None
            self._entries.clear()
            self._is_read = False
            self.changed()

    def around(self, message: Message) -> None:
        """Go to where an entry stands."""
        seq = message.room_seq or 0
        if seq in self._entries or not seq:
            return
        self._entries.clear()
        self._put(self._page(seq + ROWS // 2))
        self._is_read, self.last = True, max(self._entries)
        self.changed()

    # ---- what is shown

    def items(self, seat: Seat, waiting: Sequence[Intent], thread: EnvelopeId | None = None) -> tuple[Item, ...]:
        """The window as a conversation, or a thread of the room."""
        window = self.window if thread is None else self._thread(thread)
        shown = {message.id for message in window.messages}
        queued = waiting if self.last is None and thread is None else ()
        key = (thread, tuple((one.id, one.state) for one in queued))
        made = self.made.get("items")
        if not isinstance(made, Made) or made.key != key:
            known = [*(one for one in window.beside.values() if one.id not in shown), *window.messages]
            seen = against(window.board, known, seat, self.room.ceiling, self.members)
            made = Made(key, conversation(window.messages, replace(seen, stored=self._stored), queued))
            self.made["items"] = made
        return made.items

    def _thread(self, root: EnvelopeId) -> Window:
        said = self.room.board(about=[root]).messages.get(root)
        known = self.room.entries(root, *(() if said is None else said.thread))
        placed = sorted((one for one in known.values() if one.room_seq is not None), key=lambda one: one.room_seq or 0)
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
        behind = self.room.messages(after=self.room.read_mark, limit=ROWS) if self.room.unread().entries else []
        paged = [one for one in behind if is_page(one, one.precedence) and not seat.is_me(one.sender)]
        said = self.room.board(about=[one.id for one in paged]).messages if paged else {}
        nation = seat.me.organisation
        return sum(one.id not in said or nation not in said[one.id].grades() for one in paged)

    def mark_read(self) -> int | None:
        """All that is here was read; gives up to where it was read before, or None where nothing was new."""
        if self.last is not None or not self.window.messages or not self.room.unread().entries:
            return None
        before = self.room.read_mark
        self.room.mark_read(max(self._entries, default=0))
        self.made.pop("line", None)
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
