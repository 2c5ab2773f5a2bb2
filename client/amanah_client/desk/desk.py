"""All rooms of a profile as the page shows them: values of `amanah_client.view`, kept up to date by what arrives."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import tzinfo
from typing import Final, TypeAlias

from amanah_client import effects as e
from amanah_client.attaching import Attach
from amanah_client.desk.pending import Outcomes, Pending
from amanah_client.desk.ringing import Ringer
from amanah_client.desk.transfers import Transfers
from amanah_client.directory import Directory, Party
from amanah_client.engine import Event, NamesChanged
from amanah_client.feed import Feed
from amanah_client.language import spoken
from amanah_client.model import Intent, IntentState
from amanah_client.reading import Draft
from amanah_client.saying import Say
from amanah_client.sdk import Client
from amanah_client.standing import standing_of
from amanah_client.view.board import BoardView, board_view
from amanah_client.view.entries import Item
from amanah_client.view.people import Seat, chips, seat_of
from amanah_client.view.rooms import RoomLine, in_order, room_line
from amanah_client.view.trust import Line, Trust, Warned, line, trust, warnings
from amanah_protocol.content.file import File
from amanah_protocol.errors import AmanahError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.roster import decode_roster
from amanah_protocol.types import EnvelopeId, OrgName, RoomId

Listener: TypeAlias = Callable[[RoomId | None], None]
SHOWN_CHARS: Final = 2_000
"""So many characters of a text are shown until all of it is asked for."""


class Desk:
    """What one profile has, while its page is open or not."""

    def __init__(self, client: Client, zone: tzinfo | None = None) -> None:
        """Over an open client.

        Args:
            client: The client.
            zone: The reader's zone; None for the machine's, as it is at each time: in summer another than in winter.
        """
        self.client = client
        self._zone = zone
        self._feeds: dict[RoomId, Feed] = {}
        self._opened: list[Feed] = []
        self._rooms: list[RoomId] | None = None
        self._names: tuple[Directory, Party, Mapping[str, str]] | None = None
        self._listeners: list[tuple[Listener, Callable[[], None]]] = []
        self.looked: RoomId | None = None
        """The room that a page looked at last: who unlocks it is there again."""
        self.outcomes = Outcomes(client)
        self.ringer = Ringer(client, lambda: self.changed(None))
        self.transfers = Transfers(self._attachment_of)

    # ---- keeping up

    async def run(self) -> None:
        """Take what arrives, until cancelled."""
        with self.client.hearing() as events:
            await self._read_ahead()
            while True:
                event = await events.get()
                try:
                    if self.transfers.hear(event):
                        self.tell_moved()
                    # A piece of a file changes nothing else; a page would be drawn anew for each.
                    if not isinstance(event, e.TransferChanged):
                        self._hear(event)
                except AmanahError:
                    # A store that cannot be read now is told where a page draws; what rings goes on.
                    self.changed(None)

    async def _read_ahead(self) -> None:
        """Read what the list of rooms says while a browser still loads the page; others have their turn in between."""
        with contextlib.suppress(AmanahError):  # it is told where a page draws
            seat = self.seat()
            for room in self.client.rooms():
                self.line_of(room.id, seat)
                await asyncio.sleep(0)

    def listen(self, listener: Listener, moved: Callable[[], None]) -> Callable[[], None]:
        """Be told what changes; gives what ends that.

        Args:
            listener: Told which room changed, or None for what is about none.
            moved: Called when files are further on their way, and nothing else has changed.
        """
        told = (listener, moved)
        self._listeners.append(told)
        return lambda: self._listeners.remove(told)

    def tell_moved(self) -> None:
        """Files are further on their way, or back."""
        for _listener, moved in tuple(self._listeners):
            moved()

    def _attachment_of(self, room: RoomId, envelope: EnvelopeId) -> bytes | None:
        row = self.client.profile.store.message(room, envelope)
        body = None if row is None else self.client.read(row).body
        return body.attachment if isinstance(body, File) else None

    def _hear(self, event: Event) -> None:
        changed: RoomId | None = None
        match event:
            case e.MessageChanged(row=row):
                changed = row.room
                for feed in self._feeds_of(row.room):
                    feed.take(self.client.read(row))
            case e.RoomChanged(row=room):
                changed = room.room
                for feed in self._feeds_of(room.room):
                    feed.room_changed(room)
                if room.room not in self._feeds:
                    self._rooms = None
            case e.IntentChanged(intent=intent):
                changed = intent.room or getattr(intent.action, "room", None)
                self.outcomes.hear(intent)
            case NamesChanged():
                self._names = None
                for feed in (*self._feeds.values(), *self._opened):
                    feed.read_anew()
            case _:  # the others change nothing that is kept
                pass
        self.changed(changed)

    def changed(self, room: RoomId | None) -> None:
        """Tell who listens."""
        for listener, _moved in tuple(self._listeners):
            listener(room)

    def _feeds_of(self, room: RoomId) -> Iterator[Feed]:
        if room in self._feeds:
            yield self._feeds[room]
        yield from (feed for feed in self._opened if feed.room.id == room)

    def grow_old(self) -> None:
        """Time has passed, and other programs of this profile may have read on: what is kept is made anew."""
        for feed in self._feeds.values():
            feed.made.clear()

    # ---- who looks

    @property
    def now_ms(self) -> int:
        """The time."""
        return time.time_ns() // 1_000_000

    def seat(self) -> Seat:
        """Whose eyes see it."""
        client = self.client
        directory = client.directory()
        if self._names is None or self._names[0] is not directory:
            self._names = directory, client.party(client.me), chips(self.organisations())
        _, me, named = self._names
        return seat_of(client, me, named, now_ms=self.now_ms, zone=self._zone)

    def organisations(self) -> tuple[OrgName, ...]:
        """All of the roster."""
        roster = self.client.profile.store.value("roster")
        return () if roster is None else tuple(map(parse_organisation, sorted(decode_roster(roster).by_name)))

    # ---- what is shown

    def feed(self, room: RoomId) -> Feed:
        """A room as the list of rooms shows it.

        Raises:
            UsageError: `UNKNOWN_ROOM`.
        """
        if room not in self._feeds:
            self._feeds[room] = Feed(self.client.room(room), most=SHOWN_CHARS)
        return self._feeds[room]

    def open(self, room: RoomId) -> Feed:
        """A room for one page, which scrolls through it by itself; the page gives it back by `close`.

        Raises:
            UsageError: `UNKNOWN_ROOM`.
        """
        feed = Feed(self.feed(room).room, most=SHOWN_CHARS)
        self._opened.append(feed)
        return feed

    def close(self, feed: Feed) -> None:
        """A page looks at it no more."""
        self._opened = [other for other in self._opened if other is not feed]

    def rooms(self, seat: Seat) -> tuple[RoomLine, ...]:
        """The list of rooms."""
        if self._rooms is None:
            rooms = self.client.rooms()
            self._feeds = {room.id: self._feeds.get(room.id) or Feed(room, most=SHOWN_CHARS) for room in rooms}
            self._rooms = [room.id for room in rooms]
        return in_order(self.line_of(room, seat) for room in self._rooms)

    def line_of(self, room: RoomId, seat: Seat) -> RoomLine:
        """One room of it."""
        feed = self.feed(room)
        # A line is words, and two pages may speak two languages.
        name = f"line {spoken().code}"
        made = feed.made.get(name)
        if not isinstance(made, RoomLine):
            board, unread = self.board(feed, seat), feed.room.unread()
            made = room_line(
                feed.row, board, ceiling=feed.ceiling, nations=len(feed.nations), unread=unread.entries,
                pages=feed.pages(seat, unread), drill=feed.room.is_drill,
            )  # fmt: skip
            feed.made[name] = made
        return made

    def board(self, feed: Feed, seat: Seat) -> BoardView:
        """A room's board."""
        return board_view(feed.incident, seat, feed.nations, times=feed.times, most=SHOWN_CHARS)

    def items(self, feed: Feed, seat: Seat, thread: EnvelopeId | None) -> tuple[Item, ...]:
        """What a page shows of a room, or a thread of it; with what waits in the outbox, where that belongs to it."""
        return feed.items(seat, self._waiting(feed.room.id), thread)

    def _waiting(self, room: RoomId) -> list[Intent]:
        return [
            intent
            for intent in self.client.outbox()
            if isinstance(intent.action, Say | Attach)
            and intent.action.room == room
            and intent.state is not IntentState.SENT
        ]

    def line(self) -> Line:
        """How the connection stands."""
        client = self.client
        return line(
            client.problem, online=client.is_online, following=client.is_following, waiting=len(client.outbox())
        )

    def trust(self) -> Trust:
        """How the log stands."""
        return trust(standing_of(self.client.profile.store))

    def alarms(self) -> tuple[Warned, ...]:
        """What must not be overlooked."""
        return *warnings(self.client.alarms()), *warnings(self.client.profile.store.refused())

    def pending(self, seat: Seat) -> Pending:
        """What was asked for and is not done, or was refused."""
        return self.outcomes.pending(seat)

    # ---- what was read, and was about to be said

    def mark_read(self, room: RoomId, seq: int) -> None:
        """The room was read up to here."""
        feed = self.feed(room)
        feed.room.mark_read(seq)
        feed.made.clear()

    def keep_draft(self, room: RoomId, text: str) -> None:
        """Keep what somebody was about to say."""
        self.feed(room).room.keep_draft(Draft(text=text) if text else None)
