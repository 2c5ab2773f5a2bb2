"""A room while it is looked at: a window of its entries, the board of these, and what faces show of them.

Nothing here reads a whole room, however long it is. What arrives behind all others is taken into what is there, and
of the conversation that alone is made anew which it changes; where anything else changes, the window is read anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import structs

from amanah_client.directory import Party
from amanah_client.incident.about import Part, targets
from amanah_client.incident.board import Board
from amanah_client.language import spoken
from amanah_client.log_rows import Nations
from amanah_client.message import Message, counts, event_of
from amanah_client.model import Intent, RoomRow
from amanah_client.reading import Unread
from amanah_client.room import Room
from amanah_client.view.conversation import QUIET, Kept, conversation, is_page
from amanah_client.view.entries import Entry, Item
from amanah_client.view.gathered import Gathered
from amanah_client.view.gathered import Room as Seen
from amanah_client.view.people import Seat
from amanah_protocol import kinds
from amanah_protocol.content.bodies import AlertBatch
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.text import Text
from amanah_protocol.errors import UsageError
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId, OrgName

ROWS: Final = 100
"""Entries that are read at once."""
LEAST: Final = 60
"""Entries that people see of a page: what programs tell each other fills no screen."""
MOST: Final = 140
"""Likewise, that are drawn at most."""
_STEP: Final = 40
"""So many leave the window at once which follows what arrives: it is read anew then."""
_PAGES: Final = 10
"""Reads for one page, where programs had much to tell each other."""
_BEHIND_ALL: Final = 2**60
"""Behind every place of a room; own entries that have none yet stand there."""


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
        most: So many characters of a text are shown until more is asked for; None for all.
        last: Up to which place it is shown; None for up to the newest, and what arrives.
        made: What faces made of it, by what it is; gone with the next change.
    """

    room: Room
    most: int | None = None
    last: int | None = None
    made: dict[str, object] = field(default_factory=dict)
    _entries: dict[int, Message] = field(default_factory=dict)
    _own: dict[EnvelopeId, Message] = field(default_factory=dict)
    _own_is_old: bool = False
    _from: int = 0
    _head: int = 0
    _is_read: bool = False
    _window: Window | None = None
    _part: Part | None = None
    _gathered: Gathered = field(default_factory=Gathered)
    _named: set[EnvelopeId] = field(default_factory=set)
    _incident: Part | None = None
    _members: list[Party] | None = None
    _row: RoomRow | None = None
    _made_as: tuple[Label, OrgName | None] | None = None
    _stored: dict[OrgName, int] = field(default_factory=dict)
    _kept: Kept = field(default_factory=Kept)
    _kept_for: object = None

    # ---- keeping up

    def room_changed(self, row: RoomRow) -> None:
        """The room's row has changed, as it does with each entry; who is in it changes with its group alone."""
        self.made.clear()
        self._own_is_old = bool(self._own)
        before, self._row = self._row, row
        if before is None or (before.status, before.group) != (row.status, row.group):
            self._members = None
        if before is None or before.create != row.create:
            self._made_as = None

    def read_anew(self) -> None:
        """Names were learned: who looks next reads what is here again."""
        self._members = None
        newest = self.last is None and len(self._entries) <= ROWS
        if newest:
            self._entries.clear()
            self._is_read = False
        elif self._entries:
            span = max(self._entries) - min(self._entries) + 1
            self._put(self.room.messages(after=min(self._entries) - 1, limit=span))
        self._changed()

    def take(self, message: Message) -> None:
        """Take an entry that arrived, or one anew that has changed."""
        self.made.clear()
        if not self._follow_incident(message):
            self._incident = None
        if not self._is_read or self._follow(message):
            return
        if message.room_seq is not None and self._from <= message.room_seq <= (self.last or self._head):
            self._put([message])
        self._changed()

    def _changed(self) -> None:
        """Something in the window is otherwise than it was, and it is not known what."""
        self._window = self._part = self._incident = None
        self.made.clear()
        self._own_is_old = bool(self._own)

    def _follow_incident(self, message: Message) -> bool:
        """Take an entry into the board of the incident alone; False where that has to be read anew."""
        part = self._incident
        if part is None or message.room_seq is None:
            return True
        event = event_of(message)
        if counts(message) and part.concerns(event):
            return part.add(event, shown=False)
        return part.is_behind(event)

    def _follow(self, message: Message) -> bool:
        """Take what is new into what is there; False where the window has to be read anew."""
        if message.room_seq is None:
            return self._follow_own(message)
        self._keep_stored(message)
        arrives, follows = message.room_seq > self._head, self.last is None
        self._head = max(self._head, message.room_seq)
        part, is_shown = self._part, follows and message.kind not in QUIET
        if isinstance(message.specific, kinds.Create):
            self._made_as = None
        if part is None or not arrives or not counts(message) or isinstance(message.specific, kinds.Create):
            return arrives and not is_shown and not counts(message)
        if message.id in self._named:
            return False  # it was spoken of before it came: a sender may name what it has not sent yet
        event, about = event_of(message), _named_by([message])
        if not is_shown and not part.concerns(event):
            return True
        is_at_hand = follows and (not is_shown or about <= self._gathered.messages.keys())
        if not is_at_hand or not part.add(event, shown=is_shown):
            return False
        self._forget(part.touched(event))
        self._window = None
        if is_shown:
            self._show_more(message)
        return True

    def _show_more(self, message: Message) -> None:
        self._put([message])
        self._named |= _named_by([message])
        self._gathered.take(message)
        if isinstance(message.specific, kinds.Counts):
            self._kept.forget({one.id for one in self._entries.values() if isinstance(one.body, AlertBatch)})
        if len(self._entries) > MOST:
            self._from = sorted(self._entries)[_STEP]
            self._entries = {seq: one for seq, one in self._entries.items() if seq >= self._from}
            self._part = None

    def _follow_own(self, message: Message) -> bool:
        self._own[message.id] = message
        self._own_is_old = True
        if self._part is None or not _named_by([message]) <= self._gathered.messages.keys():
            return False
        self._forget({message.id})
        self._gathered.take(message)
        self._named |= _named_by([message])
        self._window = None
        return True

    def _forget(self, changed: set[EnvelopeId]) -> None:
        """What these are shown as is made anew, and what quotes them."""
        self._kept.forget(changed)
        for one in (*self._entries.values(), *self._own.values()):
            if isinstance(one.body, Text) and not changed.isdisjoint({one.body.reply_to, one.body.thread}):
                self._kept.forget((one.id,))

    def _put(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if message.room_seq is None:
                self._own[message.id] = message
                continue
            self._own.pop(message.id, None)
            if self.last is None:
                self._head = max(self._head, message.room_seq)
            if message.kind not in QUIET:
                self._entries[message.room_seq] = message
            self._keep_stored(message)

    def _put_page(self, page: Sequence[Message]) -> None:
        self._put(page)
        self._from = min((one.room_seq for one in page if one.room_seq is not None), default=self._from)

    def _keep_stored(self, message: Message) -> None:
        if not isinstance(message.specific, kinds.Delivered):
            return
        nation, seq = message.sender.organisation, message.specific.room_seq
        known = self._stored.get(nation, 0)
        if seq > known:
            self._stored[nation] = seq
            self._kept.forget({one.id for place, one in self._entries.items() if known < place <= seq})

    def _trim(self, *, older: bool) -> None:
        """Drop what is more than is drawn, at one end."""
        places = sorted(self._entries)
        if len(places) <= MOST:
            return
        edge = places[-MOST] if older else places[MOST - 1]
        self._entries = {seq: one for seq, one in self._entries.items() if (seq >= edge if older else seq <= edge)}
        if older:
            self._from = edge
        else:
            self.last = edge

    # ---- what there is

    @property
    def row(self) -> RoomRow:
        """The room as it is stored: all of its state, and so read no more often than it changes."""
        if self._row is None:
            self._row = self.room.row
        return self._row

    @property
    def ceiling(self) -> Label:
        """The highest label allowed in the room; the strictest while its creation is not known."""
        return self._laws[0]

    @property
    def owner(self) -> OrgName | None:
        """The organisation that owns the room; None while its creation is not known."""
        return self._laws[1]

    @property
    def _laws(self) -> tuple[Label, OrgName | None]:
        if self._made_as is None:
            created = self.room.created
            self._made_as = (self.room.ceiling, None) if created is None else (created.ceiling, created.owner)
        return self._made_as

    @property
    def members(self) -> list[Party]:
        """Who can read what is sent now."""
        if self._members is None:
            self._members = self.room.members()
        return self._members

    @property
    def nations(self) -> tuple[OrgName, ...]:
        """The same by nation, each once."""
        return tuple(sorted({party.organisation for party in self.members}))

    @property
    def times(self) -> Nations:
        """Since when they are in."""
        return self.row.nations

    @property
    def window(self) -> Window:
        """What is looked at."""
        self._begin()
        self._look_after_own()
        if self._window is None:
            placed = [self._entries[seq] for seq in sorted(self._entries)]
            messages = (*placed, *(self._own.values() if self.last is None else ()))
            if self._part is None:
                self._part, self._gathered = _look(self.room, messages)
                self._named = _named_by(messages)
                self._kept.clear()
            self._window = Window(messages, self._part.board, self._gathered.messages)
        return self._window

    @property
    def incident(self) -> Board:
        """What the incident comes to, without the conversation: for the list of rooms."""
        if self._part is not None:
            return self._part.board
        if self._incident is None:
            self._incident = self.room.part(())
        return self._incident.board

    @property
    def first(self) -> int:
        """From which place on it is shown; 0 while nothing was read."""
        return self._from

    def _begin(self) -> None:
        """Read the newest, where nothing was read yet."""
        if not self._is_read:
            self._is_read = True
            self._put_page(self._page(None))

    def _look_after_own(self) -> None:
        """What was sealed anew is another envelope: the one before is gone without a word."""
        if not self._own_is_old:
            return
        self._own_is_old = False
        own = {one.id: one for one in self.room.messages(after=_BEHIND_ALL)}
        if own != self._own:
            self._own, self._window, self._part = own, None, None

    # ---- scrolling

    def _page(self, before: int | None) -> list[Message]:
        """The newest entries, or those before a place: as many as hold enough that people see."""
        found: list[Message] = []
        for _ in range(_PAGES):
            page = self.room.messages(newest=before is None, before=before, limit=ROWS)
            found[:0] = page
            placed = [one.room_seq for one in page if one.room_seq is not None]
            if len(page) < ROWS or not placed or sum(one.kind not in QUIET for one in found) >= LEAST:
                break
            before = placed[0]
        return found

    def older(self) -> bool:
        """Go a page back; gives whether there was any."""
        self._begin()
        page = self._page(self._from) if self._from > 1 else []
        self._put_page(page)
        self._trim(older=False)
        self._changed()
        return bool(page)

    def newer(self) -> bool:
        """Go a page on; gives whether there was any."""
        if self.last is None:
            return False
        page = self.room.messages(after=self.last, limit=ROWS)
        placed = [one.room_seq for one in page if one.room_seq is not None]
        self._put(page)
        self._trim(older=True)
        self.last = None if len(page) < ROWS else max(placed)
        self._head = max([self._head, *placed])
        self._changed()
        return True

    def newest(self) -> None:
        """Go back to the newest."""
        if self.last is not None:
            self.last = None
            self._entries.clear()
            self._is_read = False
            self._changed()

    def around(self, seq: int) -> None:
        """Go to where an entry stands."""
        self._begin()
        if seq in self._entries or not seq:
            return
        self._entries.clear()
        page = self._page(seq + ROWS // 2)
        self.last = max((one.room_seq or 0 for one in page), default=0)
        self._put_page(page)
        self._changed()

    # ---- what is shown

    def items(self, seat: Seat, waiting: Sequence[Intent], thread: EnvelopeId | None = None) -> tuple[Item, ...]:
        """The window as a conversation, or a thread of the room."""
        if thread is not None:
            messages = self._thread(thread)
            shown = conversation(messages, self.seen(messages, seat))
            # In its thread, that it stands there need not be said.
            return tuple(structs.replace(one, root=None) if isinstance(one, Entry) else one for one in shown)
        window, kept_for = self.window, (spoken(), seat.me, seat.chips, seat.zone, self.members, self.times)
        if self._kept_for != kept_for:
            self._kept.clear()
            self._kept_for = kept_for
        seen = self._seen(window.board, self._gathered, seat)
        return conversation(window.messages, seen, waiting if self.last is None else (), self._kept)

    def seen(self, messages: Sequence[Message], seat: Seat) -> Seen:
        """What some entries of the room are seen against."""
        part, gathered = _look(self.room, messages)
        return self._seen(part.board, gathered, seat)

    def _seen(self, board: Board, gathered: Gathered, seat: Seat) -> Seen:
        seen = gathered.seen(board, seat, self.ceiling, self.members, self.owner)
        return structs.replace(seen, times=self.times, stored=self._stored, most=self.most)

    def _thread(self, root: EnvelopeId) -> list[Message]:
        said = self.room.board(about=[root]).messages.get(root)
        known = self.room.entries(root, *(() if said is None else said.thread))
        placed = sorted((one for one in known.values() if one.room_seq is not None), key=lambda one: one.room_seq or 0)
        own = [one for one in self.window.messages
               if one.room_seq is None and isinstance(one.body, Text) and one.body.thread == root]  # fmt: skip
        return [*placed, *own]

    def entry(self, message: Message, seat: Seat) -> Entry | None:
        """One entry as the conversation shows it, by itself; None for what stands nowhere in it."""
        found = conversation([message], self.seen([message], seat))
        return next((one for one in found if isinstance(one, Entry)), None)

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

    def pages(self, seat: Seat, unread: Unread) -> int:
        """How many of the unread are pages, and not acknowledged by the own nation."""
        if not unread.urgent:
            return 0
        paged = [one for one in self.room.entries(*unread.urgent).values() if is_page(one, one.precedence)]
        said = self.room.board(about=[one.id for one in paged]).messages
        nation = seat.me.organisation
        return sum(one.id not in said or nation not in said[one.id].grades() for one in paged)

    def mark_read(self) -> int | None:
        """All that is here was read; gives up to where it was read before, or None where nothing was new."""
        if self.last is not None or not self.window.messages or not self.room.unread().entries:
            return None
        before = self.room.read_mark
        self.room.mark_read(self._head)
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
            if said is None or said.asks is None or said.withdrawn is not None or message.sender.organisation == nation:
                continue
            if said.grades().get(nation, 0) < said.asks:
                return message
        return None


def _look(room: Room, messages: Sequence[Message]) -> tuple[Part, Gathered]:
    """The board of some entries, and these with what is shown beside them: what they answer, corrects or withdraws."""
    part = room.part([message.id for message in messages])
    board, shown = part.board, {message.id for message in messages}
    named = shown | _named_by(messages)
    spoken_of = [said for name in named if (said := board.messages.get(name)) is not None]
    told = {entry for said in spoken_of for entry in (*said.corrections, said.withdrawn) if entry is not None}
    gathered = Gathered()
    for message in (*room.entries(*((named | told) - shown)).values(), *messages):
        gathered.take(message)
    return part, gathered


def _named_by(messages: Iterable[Message]) -> set[EnvelopeId]:
    """What is at hand where these are shown: what they speak of, and what they erase."""
    shown = tuple(messages)
    erasing = (one.specific.envelopes for one in shown if isinstance(one.specific, kinds.Erase))
    return targets(map(event_of, shown)).union(*erasing)
