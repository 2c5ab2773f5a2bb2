"""A window that is kept while its room goes on shows what it would show if it were read anew, and so does a page."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from amanah_client import feed as feeds
from amanah_client.desk.frames import Frames
from amanah_client.directory import Party
from amanah_client.feed import Feed
from amanah_client.message import Message, event_of
from amanah_client.model import Cause, MessageState, RoomRow, RoomStatus, Struck
from amanah_client.room import Room
from amanah_client.view.conversation import QUIET, conversation
from amanah_client.view.entries import Item
from amanah_client.view.people import Seat
from amanah_protocol import kinds
from amanah_protocol.content.alert import Alert, Severity
from amanah_protocol.content.bodies import AlertBatch, Body
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import EnvelopeId, Milliseconds, OrgName
from tests.client.incident.test_board import BODIES, IDS, LABELS, SHOWN
from tests.client.test_feed import Stored
from tests.client.view.told import A_MA, A_SN, A_TN, BOT, MINUTE_MS, NOW_MS, ROOM, Told, party, seat

FEW = {"ROWS": 6, "LEAST": 3, "MOST": 8, "_STEP": 3, "_PAGES": 3}
"""As the constants of the feed, so that a short room is trimmed and scrolled through."""
B_TN = party(OrgName("cert.example.tn"), 1)
PARTIES = (A_TN, B_TN, A_MA, A_SN, BOT)


class World:
    """A room that goes on: entries arrive, come back, are repaired and erased, own ones wait for their place."""

    def __init__(self) -> None:
        self.told = Told()
        self.stored = Stored(self.told)
        self.seq = 0
        self.epoch = 0
        self.number = 0
        self.waits: list[Message] = []
        self.unread: dict[int, Message] = {}
        self.told.messages = []

    def made(self, who: Party, body: Body | None, specific: kinds.Specific | None, label: Label, gap: int) -> Message:
        self.number += 1
        written = Told()
        written.say(who, body, specific, label=label)
        at_ms = NOW_MS - 3_600 * MINUTE_MS + self.number * gap
        entry = EnvelopeId(self.number.to_bytes(32))
        return replace(
            written.messages[0], id=entry, room_seq=None, written_at_ms=at_ms, sent_at_ms=at_ms, accepted_at_ms=at_ms
        )

    def _sort(self) -> None:
        self.told.messages.sort(key=lambda one: (one.room_seq is None, one.room_seq or 0))

    def arrives(self, message: Message, *, readable: bool = True) -> Message:
        self.seq += 1
        placed = replace(message, room_seq=self.seq, state=MessageState.STORED)
        if not readable:
            self.unread[self.seq] = placed
            placed = replace(placed, body=None, state=MessageState.UNREADABLE, cause=Cause.STATE_LOST)
        return self._put(placed)

    def queued(self, message: Message) -> Message:
        own = replace(message, sender=A_TN, state=MessageState.SENT)
        self.waits.append(own)
        return self._put(own)

    def _put(self, message: Message) -> Message:
        self.told.messages = [one for one in self.told.messages if one.id != message.id]
        self.told.messages.append(message)
        self._sort()
        return message

    def changes(self, change: str, data: st.DataObject) -> Message | None:
        """What becomes of an entry that is there; None where nobody is told."""
        match change:
            case "placed" if self.waits:
                return self.arrives(self.waits.pop(0))
            case "dropped" if self.waits:
                gone = self.waits.pop(0)
                self.told.messages = [one for one in self.told.messages if one.id != gone.id]
            case "repaired" if self.unread:
                return self._put(self.unread.pop(data.draw(st.sampled_from(sorted(self.unread)))))
            case "erased" if self.seq:
                place = data.draw(st.integers(1, self.seq))
                found = next(one for one in self.told.messages if one.room_seq == place)
                self.unread.pop(found.room_seq or 0, None)
                row = found.row
                if found.body is not None:
                    struck = Struck(pap=found.pap or Pap.CLEAR, corrects=event_of(found).corrects)
                    row = replace(row, struck=struck)
                return self._put(replace(found, state=MessageState.ERASED, body=None, cause=None, row=row))
            case _:
                pass
        return None

    def fresh(self, kept: Feed, eyes: Seat) -> tuple[Item, ...]:
        """What the places of a window show that reads everything now."""
        last = 2**60 if kept.last is None else kept.last
        messages = [
            one
            for one in self.told.messages
            if one.kind not in QUIET and (kept.first <= one.room_seq <= last if one.room_seq else kept.last is None)
        ]
        stored: dict[OrgName, int] = {}
        for one in self.told.messages:
            if isinstance(one.specific, kinds.Delivered) and one.room_seq:
                nation = one.sender.organisation
                stored[nation] = max(one.specific.room_seq, stored.get(nation, 0))
        anew = Feed(cast("Room", self.stored))
        return conversation(messages, structs.replace(anew.seen(messages, eyes), stored=stored))


ALERT = Alert(
    source="a", dedupe_id="a", observed_at_ms=Milliseconds(1), severity=Severity.LOW, title="a", category="",
    signature_id="", source_address="", source_port=0, destination_address="", destination_port=0, protocol="",
    original=b"", original_hash=bytes(32),
)  # fmt: skip
MORE: st.SearchStrategy[Body] = st.one_of(
    st.builds(
        Text,
        text=st.sampled_from(("a", "b")),
        reply_to=st.none() | IDS,
        thread=st.none() | IDS,
        asks=st.none() | st.sampled_from(Grade),
    ),
    st.just(AlertBatch(source="a", alerts=(ALERT,))),
)
HEADS: st.SearchStrategy[kinds.Specific] = st.one_of(
    SHOWN,
    st.builds(kinds.Delivered, room_seq=st.integers(1, 12)),
    st.just(kinds.Counts(accepted=1, merged=0, dropped=0)),
)
SENDERS = st.sampled_from(PARTIES)
STEPS = st.sampled_from(
    ("says", "says", "says", "shows", "shows", "queued", "placed", "dropped", "repaired", "erased", "row", "members",
     "older", "newer", "newest", "around", "names")
)  # fmt: skip


def step(world: World, feed: Feed, data: st.DataObject) -> None:
    """One thing that happens, told to the feed as the desk tells it."""
    heard: Message | None = None
    match data.draw(STEPS):
        case "says":
            body, readable = data.draw(BODIES | MORE), data.draw(st.integers(0, 4)) > 0
            specific = kinds.Alert(count=1) if isinstance(body, AlertBatch) else None
            written = world.made(data.draw(SENDERS), body, specific, data.draw(LABELS), data.draw(GAPS))
            heard = world.arrives(written, readable=readable)
        case "shows":
            heard = world.arrives(world.made(data.draw(SENDERS), None, data.draw(HEADS), Label.AMBER, MINUTE_MS))
        case "queued":
            heard = world.queued(world.made(A_TN, data.draw(BODIES | MORE), None, data.draw(LABELS), MINUTE_MS))
        case "row":
            feed.room_changed(RoomRow(room=ROOM, status=RoomStatus.OPEN, group=b"%d" % world.epoch))
        case "members":
            world.epoch += 1
            world.stored.inside = data.draw(st.lists(SENDERS, unique_by=lambda one: one.device))
            feed.room_changed(RoomRow(room=ROOM, status=RoomStatus.OPEN, group=b"%d" % world.epoch))
        case "older" | "newer" | "newest" | "names" as way:
            {"older": feed.older, "newer": feed.newer, "newest": feed.newest, "names": feed.read_anew}[way]()
        case "around":
            feed.around(data.draw(st.integers(0, world.seq)))
        case change:
            heard = world.changes(change, data)
            if change == "dropped":
                # Of it nobody is told; the row of the room changes with it.
                feed.room_changed(RoomRow(room=ROOM, status=RoomStatus.OPEN, group=b"%d" % world.epoch))
    if heard is not None:
        feed.take(heard)


GAPS = st.sampled_from((MINUTE_MS, 600 * MINUTE_MS))


class Model:
    """What a page holds, by the frames that it was sent."""

    def __init__(self) -> None:
        self.items: dict[str, Any] = {}

    def take(self, frame: dict[str, object]) -> None:
        heard = json.loads(msgspec.json.encode(frame))
        self.items = {key: heard["items"].get(key, self.items.get(key)) for key in heard["order"]}

    def shows(self, items: Sequence[Item]) -> bool:
        """Whether it holds what a page holds that was sent all of it."""
        other = Model()
        other.take(Frames().push(items, anyway=True) or {})
        return list(self.items.items()) == list(other.items.items())


@pytest.fixture(autouse=True, scope="module")
def short() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in FEW.items():
            patch.setattr(feeds, name, value)
        yield


@settings(max_examples=100 * int(os.environ.get("AMANAH_SCALE", "1")))
@given(st.data())
def test_a_window_that_is_kept_and_the_page_that_is_told_of_it_show_what_is_there(data: st.DataObject) -> None:
    world = World()
    feed, frames, page, now_ms = Feed(cast("Room", world.stored)), Frames(), Model(), NOW_MS
    for _ in range(data.draw(st.integers(1, 30))):
        step(world, feed, data)
        if data.draw(st.integers(0, 3)) == 0:
            continue  # several things at once
        now_ms += data.draw(st.sampled_from((0, 24 * 60 * MINUTE_MS)))
        eyes = seat(parties=PARTIES, now_ms=now_ms)
        shown = feed.items(eyes, ())
        assert shown == world.fresh(feed, eyes)
        if (frame := frames.push(shown)) is not None:
            page.take(frame)
        assert page.shows(shown)
