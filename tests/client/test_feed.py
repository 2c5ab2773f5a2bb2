from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import cast

import pytest

from amanah_client.directory import Party
from amanah_client.feed import LEAST, MOST, ROWS, Feed
from amanah_client.incident.about import Part, read_part, speaks_of
from amanah_client.incident.board import Board
from amanah_client.message import Message, counts, event_of
from amanah_client.model import MessageState, RoomRow, RoomStatus
from amanah_client.room import Room
from amanah_client.view.entries import Entry, Notice, Prose
from amanah_client.view.runs import plain
from amanah_protocol import kinds
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId
from tests.client.view.told import A_MA, A_SN, A_TN, ROOM, Told, seat


class Stored:
    """A room as the store has it, that says how much was read of it."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.read = 0
        self.read_mark = 0
        self.ceiling = Label.AMBER
        self.created = None
        self.inside = [A_TN, A_MA, A_SN]
        self.row = RoomRow(room=ROOM, status=RoomStatus.OPEN)

    def messages(
        self, *, after: int = 0, before: int | None = None, limit: int = 500, newest: bool = False
    ) -> list[Message]:
        end = 2**62 if before is None else before
        found = [one for one in self.told.messages if after < (one.room_seq or 2**61) < end]
        found = found[-limit:] if newest or before is not None else found[:limit]
        self.read += len(found)
        return found

    def board(self, about: Collection[EnvelopeId]) -> Board:
        return self.part(about).board

    def part(self, shown: Collection[EnvelopeId]) -> Part:
        events = [event_of(one) for one in self.told.messages if one.room_seq is not None and counts(one)]
        return read_part(
            shown,
            entries=lambda named: {event.id: event for event in events if event.id in named},
            about=lambda named: {
                event.id: event for event in events if {*speaks_of(event.specific, event.body)} & {*named}
            },
        )

    def entries(self, *wanted: EnvelopeId) -> dict[EnvelopeId, Message]:
        return {one.id: one for one in self.told.messages if one.id in wanted}

    def message(self, reference: str) -> Message:
        found = [one for one in self.told.messages if one.id.hex() == reference]
        if not found:
            raise UsageError(Code.NOT_FOUND, "none")
        return found[0]

    def members(self) -> list[Party]:
        return list(self.inside)

    def unread(self) -> object:
        return SimpleNamespace(entries=sum((one.room_seq or 0) > self.read_mark for one in self.told.messages))

    def mark_read(self, seq: int) -> None:
        self.read_mark = max(self.read_mark, seq)


def feed_of(told: Told) -> tuple[Feed, Stored]:
    stored = Stored(told)
    return Feed(cast("Room", stored)), stored


def long_room(count: int) -> Told:
    """A room in which three of four entries are told by programs to each other."""
    told = Told()
    for number in range(count):
        told.say(A_MA, Text(text=f"text {number}"))
        for party in (A_TN, A_MA, A_SN):
            told.show(party, kinds.Delivered(room_seq=len(told.messages)))
    return told


def texts(feed: Feed) -> list[str]:
    return [
        plain(item.content.blocks)
        for item in feed.items(seat(), ())
        if isinstance(item, Entry) and isinstance(item.content, Prose)
    ]


@pytest.fixture(scope="module")
def told() -> Told:
    return long_room(400)


def test_the_newest_screens_are_read_and_not_the_room(told: Told) -> None:
    feed, stored = feed_of(told)
    shown = texts(feed)
    assert shown[-1] == "text 399"
    assert LEAST <= len(shown) <= LEAST + ROWS
    assert stored.read < 4 * ROWS


def test_scrolling_back_reads_page_by_page_and_draws_no_more_than_so_much(told: Told) -> None:
    feed, stored = feed_of(told)
    seen = set(texts(feed))
    while feed.older():
        before = stored.read
        shown = texts(feed)
        seen |= set(shown)
        assert len(shown) <= MOST
        assert stored.read - before <= ROWS
    assert texts(feed)[0] == "text 0"
    assert len(seen) == 400
    assert feed.last is not None


def test_scrolling_on_comes_back_to_the_newest_and_so_does_one_key(told: Told) -> None:
    feed, _ = feed_of(told)
    while feed.older():
        pass
    seen = set(texts(feed))
    while feed.newer():
        seen |= set(texts(feed))
    assert len(seen) == 400
    assert feed.last is None
    assert texts(feed)[-1] == "text 399"
    while feed.older():
        pass
    feed.newest()
    assert texts(feed)[-1] == "text 399"


def test_a_message_that_was_searched_for_is_shown_with_what_stands_around_it(told: Told) -> None:
    feed, _ = feed_of(told)
    wanted = next(one for one in told.messages if one.text == "text 100")
    feed.around(wanted.room_seq or 0)
    shown = texts(feed)
    assert "text 90" in shown
    assert "text 110" in shown
    assert "text 399" not in shown
    before = feed.last
    feed.around(wanted.room_seq or 0)
    assert feed.last == before


def test_what_arrives_comes_to_the_end_of_what_follows_and_not_into_what_is_scrolled_back() -> None:
    told = long_room(300)
    follows, _ = feed_of(told)
    back, _ = feed_of(told)
    assert texts(follows)[-1] == texts(back)[-1] == "text 299"
    while back.older():
        pass
    told.say(A_SN, Text(text="just now"))
    for feed in (follows, back):
        feed.take(told.messages[-1])
    assert texts(follows)[-1] == "just now"
    assert "just now" not in texts(back)


def test_an_own_message_that_is_sealed_anew_is_shown_once() -> None:
    told = Told()
    told.say(A_TN, Text(text="mine"), state=MessageState.SENT)
    feed, stored = feed_of(told)
    assert texts(feed) == ["mine"]
    told.messages.clear()
    told.say(A_MA, Text(text="somebody was faster"))
    feed.take(told.messages[-1])
    told.say(A_TN, Text(text="mine"), state=MessageState.SENT)
    feed.take(told.messages[-1])
    assert texts(feed) == ["somebody was faster", "mine"]
    assert stored.read


def test_names_that_were_learned_are_read_again_with_what_is_here(told: Told) -> None:
    feed, stored = feed_of(told)
    texts(feed)
    before = stored.read
    feed.read_anew()
    assert texts(feed)[-1] == "text 399"
    assert before < stored.read


def test_what_was_read_is_marked_once_and_where_it_began_is_told() -> None:
    told = Told()
    told.say(A_MA, Text(text="one"))
    feed, stored = feed_of(told)
    assert feed.mark_read() == 0
    assert feed.mark_read() is None
    told.say(A_MA, Text(text="two"))
    feed.take(told.messages[-1])
    assert feed.mark_read() == 1
    assert stored.read_mark == 2


def test_what_a_command_means_that_names_no_message() -> None:
    told = Told()
    mine = told.say(A_TN, Text(text="mine"))
    asked = told.say(A_MA, Text(text="asks", asks=Grade.READ))
    told.say(A_TN, Correction(message=mine, text="mine, corrected"))
    feed, _ = feed_of(told)
    last, asking = feed.last_own(seat()), feed.last_asking(seat())
    assert last is not None
    assert last.id == mine
    assert feed.text_of(last) == "mine, corrected"
    assert asking is not None
    assert asking.id == asked
    told.show(A_TN, kinds.Ack(grade=Grade.READ, envelope=asked))
    feed.take(told.messages[-1])
    assert feed.last_asking(seat()) is None


def test_a_thread_is_what_began_it_and_what_stands_in_it() -> None:
    told = Told()
    root = told.say(A_MA, Text(text="root"))
    told.say(A_MA, Text(text="elsewhere"))
    told.say(A_SN, Text(text="inside", thread=root))
    feed, _ = feed_of(told)
    items = feed.items(seat(), (), root)
    said = [plain(one.content.blocks) for one in items if isinstance(one, Entry) and isinstance(one.content, Prose)]
    assert said == ["root", "inside"]


def test_an_entry_says_which_thread_it_stands_in_as_that_begins_now_and_not_within_it() -> None:
    told = Told()
    root = told.say(A_TN, Text(text="begins"))
    told.say(A_SN, Text(text="inside", thread=root))
    feed, _ = feed_of(told)

    def roots(thread: EnvelopeId | None = None) -> list[str]:
        items = feed.items(seat(), (), thread)
        return [item.root.text for item in items if isinstance(item, Entry) and item.root is not None]

    assert roots() == ["begins"]
    told.say(A_TN, Correction(message=root, text="begins anew"))
    feed.take(told.messages[-1])
    assert roots() == ["begins anew"]
    assert roots(root) == []


def test_what_an_erasure_names_is_at_hand_however_far_above_it_stands() -> None:
    told = Told()
    first = told.say(A_TN, Text(text="ours"))
    for _ in range(3 * ROWS):
        told.say(A_TN, Text(text="x"))
    feed, _stored = feed_of(told)
    feed.items(seat(), ())
    told.show(A_MA, kinds.Erase(envelopes=(first,)))
    feed.take(told.messages[-1])
    last = feed.items(seat(), ())[-1]
    assert isinstance(last, Notice)
    assert "nothing was erased" in last.text


def test_what_is_not_here_is_not_found() -> None:
    told = Told()
    entry = told.say(A_MA, Text(text="one"))
    feed, _ = feed_of(told)
    found = feed.find(entry)
    assert found is not None
    assert found.text == "one"
    assert feed.find(EnvelopeId(b"\xff" * 32)) is None
