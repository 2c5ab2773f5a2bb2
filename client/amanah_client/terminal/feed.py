"""A room while it is looked at: a window of its entries in memory, and the board of all of them."""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from amanah_client.incident.board import Board, Fold
from amanah_client.incident.event import Event
from amanah_client.message import Message, event_of
from amanah_client.model import Intent, MessageRow, MessageState
from amanah_client.room import Room
from amanah_client.view import conversation as view
from amanah_client.view.conversation import conversation, is_told
from amanah_client.view.entries import Item
from amanah_client.view.people import Seat
from amanah_protocol import kinds
from amanah_protocol.content.text import Text
from amanah_protocol.errors import UsageError
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName

PAGE: Final = 200
"""Entries that are read at once while somebody scrolls."""
MOST: Final = 800
"""Entries that are drawn at most: a room of any length scrolls through them."""
_READ: Final = 500


@dataclass(slots=True)
class Gathered:
    """What is gathered from entries in the order of the room, beside their board.

    Attributes:
        stored: Nation -> up to which place one of its devices has stored the room.
        counts: Entry with alerts -> what its machine counted behind it.
    """

    stored: dict[OrgName, int] = field(default_factory=dict)
    counts: dict[EnvelopeId, kinds.Counts] = field(default_factory=dict)
    _batches: dict[DeviceId, EnvelopeId] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        """Take the next entry."""
        sender = message.sender
        match message.specific:
            case kinds.Delivered(room_seq=room_seq):
                self.stored[sender.organisation] = max(room_seq, self.stored.get(sender.organisation, 0))
            case kinds.Counts() as counted if sender.device in self._batches:
                self.counts[self._batches.pop(sender.device)] = counted
            case kinds.Alert():
                self._batches[sender.device] = message.id
            case _:  # the others count nothing
                pass


@dataclass(frozen=True, slots=True)
class Whole:
    """What a room's entries come to, all of them."""

    fold: Fold
    gathered: Gathered
    head: int


class Feed:
    """A room's entries by their places, as far as they are looked at, and own ones that have no place yet."""

    def __init__(self, room: Room, name: Callable[[MessageRow], Message]) -> None:
        """Begin with nothing; `begin` reads the newest, `load` the whole for its board.

        Args:
            room: The room.
            name: Opens a stored row, with the names that are known now.
        """
        self.room = room
        self._name = name
        self._is_stale = False
        self.loaded = False
        self.fresh: list[Message] = []
        self._window: list[Message] = []
        self._follows = True
        self._own: dict[EnvelopeId, Message] = {}
        self._fold = Fold()
        self._seen = 0
        self._late: list[Message] = []
        self._gathered = Gathered()
        self._quoted: dict[EnvelopeId, Message | None] = {}

    @property
    def board(self) -> Board:
        """What the room's entries come to; empty until it is loaded."""
        return self._fold.board

    @property
    def head(self) -> int:
        """The last place that is known."""
        return max(self._seen, _seq(self._window[-1]) if self._window else 0)

    @property
    def messages(self) -> Sequence[Message]:
        """What is in the window, own ones without a place last."""
        if self._is_stale:
            self._is_stale = False
            self._window = [self._name(one.row) for one in self._window]
        return [*self._window, *self._own.values()] if self._follows else self._window

    # ---- reading

    def begin(self) -> None:
        """Read the newest entries: what is looked at first."""
        for message in self.room.messages(newest=True, limit=PAGE):
            self.take(message)

    def read(self) -> Whole:
        """Read every entry for the board; may take a moment in a long room, and touches nothing here."""
        events: list[Event] = []
        gathered = Gathered()
        after = 0
        while page := self.room.messages(after=after, limit=_READ):
            placed = [message for message in page if message.room_seq is not None]
            for message in placed:
                gathered.take(message)
            events += map(event_of, placed)
            if len(placed) < _READ:
                break
            after = _seq(placed[-1])
        return Whole(Fold(events), gathered, events[-1].seq if events else 0)

    def load(self, whole: Whole) -> None:
        """Take what `read` gave; what arrived meanwhile comes behind it."""
        self._fold, self._gathered, self.loaded = whole.fold, whole.gathered, True
        for message in self._late:
            if _seq(message) > whole.head:
                self._gathered.take(message)
                self._fold.add(event_of(message))
        self._late.clear()

    def take(self, message: Message) -> None:
        """Take an entry that arrived, or one anew that has changed."""
        if message.room_seq is None or message.state is MessageState.SENT:
            self._own[message.id] = message
            return
        self._own.pop(message.id, None)
        self._quoted.pop(message.id, None)
        self._place(message)
        self._seen = max(self._seen, message.room_seq)
        if self.loaded:
            self._gathered.take(message)
            self._fold.add(event_of(message))
        else:
            self._late.append(message)

    def name_anew(self) -> None:
        """Names were learned: whoever looks next sees them."""
        self._is_stale = True
        self._quoted.clear()

    def _place(self, message: Message) -> None:
        seq = _seq(message)
        last = _seq(self._window[-1]) if self._window else 0
        if seq > last:
            if self._follows:
                self._window.append(message)
            return
        at = bisect_left(self._window, seq, key=_seq)
        if at < len(self._window) and _seq(self._window[at]) == seq:
            self._window[at] = message
        elif at > 0:
            self._window.insert(at, message)

    # ---- scrolling

    def older(self) -> bool:
        """Read a page before the window; gives whether there was any."""
        if not self._window or (first := _seq(self._window[0])) <= 1:
            return False
        page = [one for one in self.room.messages(after=max(first - 1 - PAGE, 0), limit=PAGE)
                if one.room_seq is not None and one.room_seq < first]  # fmt: skip
        self._window[:0] = page
        if len(self._window) > MOST:
            del self._window[MOST:]
            self._follows = False
        return bool(page)

    def newer(self) -> bool:
        """Read a page behind the window; gives whether there was any."""
        if self._follows:
            return False
        page = [one for one in self.room.messages(after=_seq(self._window[-1]), limit=PAGE) if one.room_seq is not None]
        self._window += page
        del self._window[: max(len(self._window) - MOST, 0)]
        self._follows = len(page) < PAGE
        return bool(page)

    def newest(self) -> None:
        """Go back to the newest."""
        if not self._follows:
            self._follows = True
            self._window = [one for one in self.room.messages(newest=True, limit=PAGE) if one.room_seq is not None]

    # ---- what is shown

    def items(self, seat: Seat, waiting: Sequence[Intent], thread: EnvelopeId | None = None) -> tuple[Item, ...]:
        """The window as a conversation, or a thread of the room."""
        messages = self.messages if thread is None else self._thread(thread)
        shown = waiting if self._follows and thread is None else ()
        return conversation(messages, self._against(messages, seat), shown)

    def _thread(self, root: EnvelopeId) -> list[Message]:
        said = self.board.messages.get(root)
        wanted = [root, *(() if said is None else said.thread)]
        here = {message.id: message for message in self.messages}
        found = [here.get(one) or self._quote(one) for one in wanted]
        own = [one for one in self._own.values() if isinstance(one.body, Text) and one.body.thread == root]
        return [*(one for one in found if one is not None), *own]

    def _against(self, messages: Sequence[Message], seat: Seat) -> view.Room:
        board = self.board
        known = {message.id: message for message in (*self.messages, *messages)}
        wanted = {entry for message in messages for entry in self._named(message, board)}
        for entry in wanted - known.keys():
            if (found := self._quote(entry)) is not None:
                known[entry] = found
        return view.Room(
            board=board,
            seat=seat,
            ceiling=self.room.ceiling,
            nations=tuple(sorted({party.organisation for party in self.room.members()})),
            messages=known,
            stored=self._gathered.stored,
            counts=self._gathered.counts,
        )

    def _named(self, message: Message, board: Board) -> Iterable[EnvelopeId]:
        """Entries whose words stand at this one: what it answers, what corrected or withdrew it."""
        if isinstance(message.body, Text) and message.body.reply_to is not None:
            yield message.body.reply_to
        said = board.messages.get(message.id)
        if said is not None:
            yield from said.corrections
            if said.withdrawn is not None:
                yield said.withdrawn

    def _quote(self, entry: EnvelopeId) -> Message | None:
        if entry not in self._quoted:
            found = None
            with contextlib.suppress(UsageError):
                found = self.room.message(entry.hex())
            self._quoted[entry] = found
        return self._quoted[entry]

    def find(self, entry: EnvelopeId) -> Message | None:
        """An entry of the room, whether or not it is in the window."""
        return next((one for one in self.messages if one.id == entry), None) or self._quote(entry)

    # ---- what was not read

    def note(self, message: Message, seat: Seat) -> bool:
        """Count an entry that arrived as not read; gives whether it is new and says something to this reader."""
        if message.room_seq is None or message.room_seq <= self._seen or not is_told(message):
            return False
        if seat.is_me(message.sender):
            return False
        self.fresh.append(message)
        return True

    def mark_read(self) -> bool:
        """All of it was read; gives whether something had not been."""
        was, self.fresh = bool(self.fresh), []
        return was

    def last_own(self, seat: Seat) -> Message | None:
        """The last text that the reader wrote and may correct."""
        for message in reversed(self.messages):
            said = self.board.messages.get(message.id)
            withdrawn = said is not None and said.withdrawn is not None
            if isinstance(message.body, Text) and seat.is_me(message.sender) and message.room_seq and not withdrawn:
                return message
        return None

    def last_asking(self, seat: Seat) -> Message | None:
        """The last message that asks this nation for something it has not done: what a bare `/ack` means."""
        nation = seat.me.organisation
        for message in reversed(self.messages):
            said = self.board.messages.get(message.id)
            if said is None or said.asks is None or message.sender.organisation == nation:
                continue
            if said.grades().get(nation, 0) < said.asks:
                return message
        return None


def text_of(message: Message, board: Board) -> str:
    """What a message says now."""
    said = board.messages.get(message.id)
    return message.text or "" if said is None or said.text is None else said.text


def _seq(message: Message) -> int:
    return message.room_seq or 0
