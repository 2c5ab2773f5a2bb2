"""All rooms of a profile as the page shows them: values of `amanah_client.view`, kept up to date by what arrives."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Final, TypeAlias

from amanah_client import effects as e
from amanah_client.attaching import Attach
from amanah_client.desk.feed import SHOWN_CHARS, Feed, Read, Window
from amanah_client.desk.pending import Outcomes, Pending
from amanah_client.desk.ringing import Ringer
from amanah_client.desk.transfers import Transfers
from amanah_client.directory import Party
from amanah_client.engine import Event, NamesChanged
from amanah_client.language import Language, spoken
from amanah_client.model import Intent, IntentState
from amanah_client.reading import Draft
from amanah_client.room import Room
from amanah_client.saying import Say
from amanah_client.sdk import Client
from amanah_client.standing import standing_of
from amanah_client.view.board import BoardView, board_view
from amanah_client.view.conversation import conversation, is_page
from amanah_client.view.entries import Item
from amanah_client.view.people import Seat, chips, seat_of
from amanah_client.view.readers import Readers, readers
from amanah_client.view.rooms import RoomLine, in_order, room_line
from amanah_client.view.trust import Line, Trust, Warned, line, trust, warnings
from amanah_protocol import kinds
from amanah_protocol.content.file import File
from amanah_protocol.identity import parse_organisation
from amanah_protocol.roster import decode_roster
from amanah_protocol.types import EnvelopeId, OrgName, RoomId

Listener: TypeAlias = Callable[[RoomId | None], None]
_NEWEST: Final = 200
"""So many of the newest entries are looked through for pages."""


@dataclass(frozen=True, slots=True)
class _Summary:
    """What the list of rooms says of one, beside what was not read; kept until something of it changes."""

    line: RoomLine
    pages: int


class Desk:
    """What one profile has, while its page is open or not."""

    def __init__(self, client: Client, zone: tzinfo | None = None) -> None:
        """Over an open client.

        Args:
            client: The client.
            zone: The reader's zone; the machine's by default.
        """
        self.client = client
        self._zone = zone or datetime.now().astimezone().tzinfo
        self._feeds: dict[RoomId, Feed] = {}
        self._summaries: dict[RoomId, dict[Language, _Summary]] = {}
        self._members: dict[RoomId, list[Party]] = {}
        self._rooms: dict[RoomId, Room] | None = None
        self._chips: tuple[bytes, Mapping[str, str]] = (b"", {})
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
            while True:
                event = await events.get()
                if self.transfers.hear(event):
                    self.tell_moved()
                # A piece of a file changes nothing else; a page would be drawn anew for each.
                if not isinstance(event, e.TransferChanged):
                    self._hear(event)

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
                if (feed := self._feeds.get(row.room)) is not None:
                    feed.hear(self.client.read(row))
            case e.RoomChanged(row=room):
                changed = room.room
                self._members.pop(room.room, None)
                if self._rooms is not None and room.room not in self._rooms:
                    self._rooms = None
            case e.IntentChanged(intent=intent):
                changed = intent.room or getattr(intent.action, "room", None)
                self.outcomes.hear(intent)
            case NamesChanged():
                self._summaries.clear()
                self._members.clear()
            case _:  # the others change nothing that is kept
                pass
        if changed is not None:
            self._summaries.pop(changed, None)
        self.changed(changed)

    def changed(self, room: RoomId | None) -> None:
        """Tell who listens."""
        for listener, _moved in tuple(self._listeners):
            listener(room)

    # ---- who looks

    @property
    def now_ms(self) -> int:
        """The time."""
        return time.time_ns() // 1_000_000

    def seat(self) -> Seat:
        """Whose eyes see it."""
        return seat_of(self.client, self._named(), now_ms=self.now_ms, zone=self._zone or UTC)

    def _named(self) -> Mapping[str, str]:
        roster = self.client.profile.store.value("roster") or b""
        if self._chips[0] != roster:
            self._chips = roster, chips(self.organisations())
        return self._chips[1]

    def organisations(self) -> tuple[OrgName, ...]:
        """All of the roster."""
        roster = self.client.profile.store.value("roster")
        return () if roster is None else tuple(map(parse_organisation, sorted(decode_roster(roster).by_name)))

    # ---- what is shown

    def feed(self, room: RoomId) -> Feed:
        """A room's windows.

        Raises:
            UsageError: `UNKNOWN_ROOM`.
        """
        if room not in self._feeds:
            self._feeds[room] = Feed(self.client.room(room))
        return self._feeds[room]

    def rooms(self, seat: Seat) -> tuple[RoomLine, ...]:
        """The list of rooms."""
        if self._rooms is None:
            self._rooms = {room.id: room for room in self.client.rooms()}
        # Of the ids that are known already: a room's row holds its whole state, and is not read for this.
        unread = self.client.profile.store.desk.unread(list(self._rooms), self.client.reader)
        return in_order(self._line(room, seat, unread[room.id].entries) for room in self._rooms.values())

    def line_of(self, room: Room, seat: Seat) -> RoomLine:
        """One room of it."""
        return self._line(room, seat, room.unread().entries)

    def _line(self, room: Room, seat: Seat, unread: int) -> RoomLine:
        # A line is words, and two pages may speak two languages.
        summaries = self._summaries.setdefault(room.id, {})
        known = summaries.get(spoken())
        if known is None:
            line = room_line(room, self.board(room, seat), nations=len(_nations(self.members(room))))
            known = summaries[spoken()] = _Summary(line, _pages(room, seat) if unread else 0)
        return replace(known.line, unread=unread, pages=known.pages if unread else 0)

    def members(self, room: Room) -> list[Party]:
        """Who is in a room: kept until that changes, since it takes the room's whole state to tell."""
        if room.id not in self._members:
            self._members[room.id] = room.members()
        return self._members[room.id]

    def board(self, room: Room, seat: Seat) -> BoardView:
        """A room's board."""
        return board_view(room.board(about=()), seat, _nations(self.members(room)), most=SHOWN_CHARS)

    def readers(self, room: Room, seat: Seat) -> Readers:
        """Who can read a room."""
        return readers(self.members(room), seat)

    def read(self, room: Room, window: Window, seat: Seat) -> Read:
        """A window of a room."""
        return self.feed(room.id).read(window, seat, self.members(room))

    def items(self, read: Read) -> tuple[Item, ...]:
        """A window as a conversation; with what waits in the outbox where it is the newest."""
        waiting = self._waiting(read.messages[0].room) if read.window.is_newest and read.messages else []
        return conversation(read.messages, read.seen, waiting)

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
        return warnings(self.client.alarms())

    def pending(self, seat: Seat) -> Pending:
        """What was asked for and is not done, or was refused."""
        return self.outcomes.pending(seat)

    # ---- what was read, and was about to be said

    def mark_read(self, room: RoomId, seq: int) -> None:
        """The room was read up to here."""
        self.feed(room).room.mark_read(seq)
        self._summaries.pop(room, None)

    def keep_draft(self, room: RoomId, text: str) -> None:
        """Keep what somebody was about to say."""
        self.feed(room).room.keep_draft(Draft(text=text) if text else None)


def _nations(members: list[Party]) -> tuple[OrgName, ...]:
    return tuple(sorted({party.organisation for party in members}))


def _pages(room: Room, seat: Seat) -> int:
    """How many of the newest that were not read want an answer at once, and have none of the own nation."""
    fresh = [one for one in room.messages(newest=True, limit=_NEWEST) if (one.room_seq or 0) > room.read_mark]
    asked = {one.id for one in fresh if is_page(one, one.precedence) and not seat.is_me(one.sender)}
    own = (one.specific for one in fresh if one.sender.organisation == seat.me.organisation)
    return len(asked - {specific.envelope for specific in own if isinstance(specific, kinds.Ack)})
