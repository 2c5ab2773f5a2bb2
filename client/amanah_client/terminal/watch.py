"""All rooms of a profile as the terminal shows them: values of `amanah_client.view`, kept up to date."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TypeAlias

from amanah_client import effects as e
from amanah_client import reading
from amanah_client.attaching import Attach
from amanah_client.engine import Event, NamesChanged
from amanah_client.feed import Feed
from amanah_client.model import Intent, IntentState
from amanah_client.reach import reach
from amanah_client.room import Room
from amanah_client.saying import Say
from amanah_client.sdk import Client
from amanah_client.standing import standing_of
from amanah_client.view.board import BoardView, board_view
from amanah_client.view.people import Seat, chips, seat_of
from amanah_client.view.readers import Offered, Readers, highest, offered, readers
from amanah_client.view.rooms import RoomLine, in_order, room_line
from amanah_client.view.trust import Line, Trust, line, trust
from amanah_protocol.errors import AmanahError
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


Heard: TypeAlias = Callable[[Event | AmanahError], None]


@dataclass(slots=True)
class Watch:
    """What one profile has, while its terminal is open.

    Attributes:
        client: The open client.
        heard: Told of every event, and of what could not be taken up.
        zone: The reader's zone; None for the machine's, as it is at each time: in summer another than in winter.
    """

    client: Client
    heard: Heard
    zone: tzinfo | None = None
    _feeds: dict[RoomId, Feed] = field(default_factory=dict)
    _drafts: dict[RoomId, Draft] = field(default_factory=dict)

    # ---- keeping up

    async def run(self) -> None:
        """Take what arrives, until cancelled."""
        with self.client.hearing() as events:
            while True:
                event = await events.get()
                try:
                    self._hear(event)
                except AmanahError as error:
                    self.heard(error)

    def _hear(self, event: Event) -> None:
        if isinstance(event, e.MessageChanged):
            self.feed(event.row.room).take(self.client.read(event.row))
        elif isinstance(event, e.RoomChanged):
            self.feed(event.row.room).room_changed(event.row)
        elif isinstance(event, NamesChanged):
            for feed in self._feeds.values():
                feed.read_anew()
        self.heard(event)

    def feed(self, room: RoomId) -> Feed:
        """A room's entries."""
        if room not in self._feeds:
            self._feeds[room] = Feed(Room(self.client, room))
        return self._feeds[room]

    # ---- who looks

    @property
    def now_ms(self) -> int:
        """The time."""
        return time.time_ns() // 1_000_000

    def seat(self) -> Seat:
        """Whose eyes see it."""
        client = self.client
        return seat_of(client, client.party(client.me), chips(self.organisations()), now_ms=self.now_ms, zone=self.zone)

    def organisations(self) -> tuple[OrgName, ...]:
        """All nations of the roster."""
        roster = self.client.profile.store.value("roster")
        return () if roster is None else tuple(map(parse_organisation, sorted(decode_roster(roster).by_name)))

    def invitable(self, feed: Feed) -> tuple[OrgName, ...]:
        """Nations that a room's ceiling may reach, where this nation lets them in."""
        room = feed.room
        if room.created is None or room.created.owner != self.client.certificate.organisation:
            return ()
        found = reach(self.client, feed.ceiling, self.now_ms)
        return tuple(one.organisation for one in found if one.why is None)

    # ---- what is shown

    def rooms(self, seat: Seat) -> tuple[RoomLine, ...]:
        """The list of rooms."""
        return in_order(self.line_of(self.feed(room.id), seat) for room in self.client.rooms())

    def line_of(self, feed: Feed, seat: Seat) -> RoomLine:
        """One room of it."""
        made = feed.made.get("line")
        if not isinstance(made, RoomLine):
            unread = feed.room.unread()
            view = board_view(feed.incident, seat, feed.nations, times=feed.times)
            made = feed.made["line"] = room_line(
                feed.row, view, ceiling=feed.ceiling, nations=len(feed.nations), unread=unread.entries,
                pages=feed.pages(seat, unread), drill=feed.room.is_drill,
            )  # fmt: skip
        return made

    def board(self, feed: Feed, seat: Seat) -> BoardView:
        """A room's board; of a minute ago at the most, where nothing has changed."""
        made = feed.made.get("board")
        if not isinstance(made, BoardView):
            made = feed.made["board"] = board_view(feed.window.board, seat, feed.nations, times=feed.times)
        return made

    def grow_old(self) -> None:
        """Time has passed: what tells of times is made anew."""
        for feed in self._feeds.values():
            feed.made.clear()

    def readers(self, feed: Feed, seat: Seat) -> Readers:
        """Who can read a room."""
        return readers(feed.members, seat)

    def offered(self, feed: Feed, seat: Seat) -> tuple[Offered, ...]:
        """The labels of a room."""
        return offered(feed.members, seat, feed.ceiling)

    def waiting(self, room: RoomId) -> tuple[Intent, ...]:
        """What stands in the outbox for a room, and was not signed yet."""
        return tuple(
            intent
            for intent in self.client.outbox()
            if isinstance(intent.action, Say | Attach)
            and intent.action.room == room
            and intent.state is not IntentState.SENT
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
        """What somebody is about to say in a room; with the highest label that is offered until they choose another."""
        found = self._drafts.get(feed.room.id)
        if found is None:
            found = self._drafts[feed.room.id] = Draft(label=self._begun_with(feed))
            if (kept := feed.room.draft) is not None:
                found.text, found.answers = kept.text, kept.reply_to
                found.label = found.label if kept.label is None else kept.label
        return found

    def keep_draft(self, feed: Feed, text: str) -> None:
        """Keep it, also for the next time that this program runs."""
        draft = self.draft(feed)
        draft.text = text
        said = reading.Draft(text=text, label=draft.label, reply_to=draft.answers)
        feed.room.keep_draft(said if text.strip() and draft.corrects is None else None)

    def forget_draft(self, feed: Feed) -> None:
        """It was said: the next goes out as the room has it."""
        self._drafts[feed.room.id] = Draft(label=self._begun_with(feed))
        feed.room.keep_draft(None)

    def _begun_with(self, feed: Feed) -> Label:
        return highest(self.offered(feed, self.seat()), feed.ceiling)
