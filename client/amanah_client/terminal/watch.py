"""All rooms of a profile as the terminal shows them: values of `amanah_client.view`, kept up to date."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TypeAlias

from amanah_client import effects as e
from amanah_client.directory import Party
from amanah_client.engine import Event, NamesChanged
from amanah_client.message import Message
from amanah_client.model import Intent, IntentState
from amanah_client.room import Room
from amanah_client.saying import Say
from amanah_client.sdk import Client
from amanah_client.standing import standing_of
from amanah_client.terminal.feed import Feed
from amanah_client.view.board import BoardView, board_view
from amanah_client.view.conversation import is_page
from amanah_client.view.people import Seat, chips
from amanah_client.view.readers import Readers, readers
from amanah_client.view.rooms import RoomLine, in_order, room_line
from amanah_client.view.trust import Line, Trust, line, trust
from amanah_protocol.content.text import Mention
from amanah_protocol.identity import parse_organisation
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.roster import decode_roster
from amanah_protocol.types import EnvelopeId, OrgName, RoomId


@dataclass(slots=True, kw_only=True)
class Draft:
    """What somebody is about to say in a room.

    Attributes:
        text: As typed.
        label: With what label it goes out.
        pap: What readers may do with it.
        precedence: How urgent it is.
        answers: The message that it answers.
        corrects: The message whose text it replaces.
        asks: Up to which grade it asks for an acknowledgement.
    """

    text: str = ""
    label: Label
    pap: Pap = Pap.AMBER
    precedence: Precedence = Precedence.ROUTINE
    answers: EnvelopeId | None = None
    corrects: EnvelopeId | None = None
    asks: Grade | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """Something was said to this reader, just now."""

    room: RoomId
    message: Message
    pages: bool


Heard: TypeAlias = Callable[[Event | Arrived | RoomId], None]


@dataclass(slots=True)
class Watch:
    """What one profile has, while its terminal is open.

    Attributes:
        client: The open client.
        heard: Told of every event, of what was said to the reader, and of each room that was read.
        zone: The reader's zone.
    """

    client: Client
    heard: Heard
    zone: tzinfo = field(default_factory=lambda: datetime.now(UTC).astimezone().tzinfo or UTC)
    _feeds: dict[RoomId, Feed] = field(default_factory=dict)
    _drafts: dict[RoomId, Draft] = field(default_factory=dict)

    # ---- keeping up

    async def run(self, first: Callable[[], RoomId | None]) -> None:
        """Read the rooms, the one that is looked at before the others; then take what arrives, until cancelled."""
        with self.client.hearing() as events:
            reading = asyncio.create_task(self._read(first), name="amanah-boards")
            try:
                while True:
                    self._hear(await events.get())
                    if reading.done():
                        reading.result()  # a fault of it is the terminal's
                        reading = asyncio.create_task(self._read(first), name="amanah-boards")
            finally:
                reading.cancel()

    async def _read(self, first: Callable[[], RoomId | None]) -> None:
        """Read every room for its board, one after another, while the newest of each can be seen."""
        while True:
            waiting = [room.id for room in self.client.rooms() if not self.feed(room.id).loaded]
            if not waiting:
                return
            wanted = first()
            feed = self.feed(wanted if wanted in waiting and wanted is not None else waiting[-1])
            feed.load(await asyncio.to_thread(feed.read))
            self.heard(feed.room.id)

    def _hear(self, event: Event) -> None:
        if isinstance(event, e.MessageChanged):
            known = event.row.room in self._feeds
            feed, seat = self.feed(event.row.room), self.seat()
            message = self.client.read(event.row)
            if known and feed.note(message, seat):
                self.heard(Arrived(event.row.room, message, is_page(message, message.precedence)))
            feed.take(message)
        elif isinstance(event, e.RoomChanged):
            self.feed(event.row.room)
        elif isinstance(event, NamesChanged):
            for feed in self._feeds.values():
                feed.name_anew()
        self.heard(event)

    def feed(self, room: RoomId) -> Feed:
        """A room's entries; the newest are read when it is first asked for."""
        feed = self._feeds.get(room)
        if feed is None:
            feed = self._feeds[room] = Feed(Room(self.client, room), self.client.read)
            feed.begin()
            if not feed.head:  # what is not there yet needs no reading
                feed.load(feed.read())
        return feed

    # ---- who looks

    @property
    def now_ms(self) -> int:
        """The time."""
        return time.time_ns() // 1_000_000

    def seat(self) -> Seat:
        """Whose eyes see it."""
        client, directory = self.client, self.client.directory()

        def named(mention: Mention) -> str:
            person = mention.person
            known = None if person is None else directory.profile(mention.organisation, person)
            return known.name if known else (person or b"").hex()[:8]

        return Seat(
            me=client.party(client.me),
            chips=chips(self._organisations()),
            now_ms=self.now_ms,
            find=client.party,
            named=named,
            zone=self.zone,
        )

    def _organisations(self) -> tuple[OrgName, ...]:
        roster = self.client.profile.store.value("roster")
        return () if roster is None else tuple(map(parse_organisation, sorted(decode_roster(roster).by_name)))

    # ---- what is shown

    def rooms(self, seat: Seat) -> tuple[RoomLine, ...]:
        """The list of rooms."""
        return in_order(self.line_of(self.feed(room.id), seat) for room in self.client.rooms())

    def line_of(self, feed: Feed, seat: Seat) -> RoomLine:
        """One room of it."""
        fresh = feed.fresh
        pages = sum(is_page(one, one.precedence) and not _answered(one, feed, seat) for one in fresh)
        return room_line(feed.room, self.board(feed, seat), unread=len(fresh), pages=pages)

    def board(self, feed: Feed, seat: Seat) -> BoardView:
        """A room's board."""
        return board_view(feed.board, seat, nations(feed.room.members()))

    def readers(self, feed: Feed, seat: Seat) -> Readers:
        """Who can read a room."""
        return readers(feed.room.members(), seat)

    def waiting(self, room: RoomId) -> tuple[Intent, ...]:
        """What stands in the outbox for a room, and was not signed yet."""
        return tuple(
            intent
            for intent in self.client.outbox()
            if isinstance(intent.action, Say) and intent.action.room == room and intent.state is not IntentState.SENT
        )

    def held(self) -> tuple[Intent, ...]:
        """What waits for the officer's word, in whatever room."""
        return tuple(intent for intent in self.client.outbox() if intent.state is IntentState.HELD)

    def line(self) -> Line:
        """How the connection stands."""
        client = self.client
        return line(
            client.problem, online=client.is_online, following=client.is_following, waiting=len(client.outbox())
        )

    def trust(self) -> Trust:
        """How the log stands."""
        return trust(standing_of(self.client.profile.store))

    # ---- what is about to be said

    def draft(self, feed: Feed) -> Draft:
        """What somebody is about to say in a room; with the room's label until they choose another."""
        found = self._drafts.get(feed.room.id)
        if found is None:
            found = self._drafts[feed.room.id] = Draft(label=feed.room.ceiling)
        return found

    def forget_draft(self, feed: Feed) -> None:
        """It was said: the next goes out as the room has it."""
        self._drafts.pop(feed.room.id, None)


def nations(members: list[Party]) -> tuple[OrgName, ...]:
    """Of some devices, each once."""
    return tuple(sorted({party.organisation for party in members}))


def _answered(message: Message, feed: Feed, seat: Seat) -> bool:
    """Whether the own nation has acknowledged it."""
    said = feed.board.messages.get(message.id)
    return said is not None and seat.me.organisation in said.grades()
