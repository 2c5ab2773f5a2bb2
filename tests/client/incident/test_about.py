"""The board of a part of a room says of that part what the board of the room says."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanah_client.incident.about import INCIDENT, Part, Read, read_part, speaks_of, targets
from amanah_client.incident.board import Board, Fold
from amanah_client.incident.event import Event
from amanah_protocol import kinds
from amanah_protocol.content.bodies import Unknown
from amanah_protocol.content.file import File
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId
from tests.client.incident.test_board import A_MA, A_TN, B_TN, IDS, MA, Told, id_of, rooms


class Stored:
    """Entries as the store finds them, by their ids and by its index."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = list(events)

    def entries(self, named: Collection[EnvelopeId]) -> dict[EnvelopeId, Event]:
        return {event.id: event for event in self.events if event.id in named}

    def about(self, named: Collection[EnvelopeId]) -> dict[EnvelopeId, Event]:
        return {
            event.id: event
            for event in self.events
            if {*speaks_of(event.specific, event.body, event.struck)} & {*named}
        }

    def part(self, shown: Collection[EnvelopeId]) -> Part:
        return read_part(shown, entries=self.entries, about=self.about)

    def check(self, part: Part, shown: Collection[EnvelopeId]) -> None:
        """Of what is shown, what that speaks of, and the incident it says what the board of everything says."""
        whole, found = Fold(self.events).board, part.board
        for field in fields(Board):
            if field.name not in ("messages", "without_effect"):
                assert getattr(found, field.name) == getattr(whole, field.name), field.name
        told = {*self.entries(shown), *self.about([INCIDENT])}
        spoken = told | targets(self.entries(told).values())
        assert set(found.messages) >= spoken & set(whole.messages)
        assert found.messages == {name: of for name, of in whole.messages.items() if name in found.messages}
        for name in spoken & set(whole.messages):
            assert found.label_of(name) is whole.label_of(name)
        # A part that was kept tells of what was shown before, too.
        assert found.without_effect.items() <= whole.without_effect.items()
        assert {name for name in whole.without_effect if name in told} <= set(found.without_effect)


@settings(max_examples=300 * int(os.environ.get("AMANAH_SCALE", "1")))
@given(st.data())
def test_a_part_of_the_board_is_that_part_of_the_whole(data: st.DataObject) -> None:
    stored, shown = Stored(data.draw(rooms())), data.draw(st.sets(IDS))
    part = stored.part(shown)
    stored.check(part, shown)
    told = {*shown, *stored.about([INCIDENT])}
    assert set(part.board.without_effect) <= told


@settings(max_examples=300 * int(os.environ.get("AMANAH_SCALE", "1")))
@given(st.data())
def test_a_part_that_is_kept_while_entries_arrive_is_the_part_that_would_be_read(data: st.DataObject) -> None:
    events = data.draw(rooms())
    begun = data.draw(st.integers(0, len(events)))
    stored, shown = Stored(events[:begun]), data.draw(st.sets(IDS))
    part = stored.part(shown)
    for event in events[begun:]:
        stored.events.append(event)
        shown.add(event.id)
        if not part.add(event, shown=True):
            part = stored.part(shown)
        stored.check(part, shown)


def test_what_speaks_of_something_that_was_not_read_is_not_taken() -> None:
    told = Told()
    first, second = (told.say(A_TN, Text(text="")) for _ in range(2))
    part = Stored(told.events).part([second])
    told.say(A_MA, Reaction(message=first, sign="a"))
    assert not part.add(told.events[-1], shown=True)
    told.say(A_MA, Reaction(message=second, sign="a"))
    assert part.add(told.events[-1], shown=True)
    assert not part.add(told.events[0], shown=True)
    assert part.board.messages[second].reactions == {("a", MA, A_MA.person)}


def test_an_answer_in_a_thread_counts_by_the_label_of_what_it_answers_and_of_what_that_corrects() -> None:
    told = Told()
    root, first, begun = (told.say(A_TN, Text(text=""), label=Label.GREEN) for _ in range(3))
    corrected = told.say(A_TN, Correction(message=first, text="a"), label=Label.GREEN)
    for name in (corrected, begun):
        told.show(A_MA, kinds.Relabel(envelope=name, old=Label.GREEN, new=Label.RED))
    for name in (first, begun):
        told.say(A_MA, Text(text="b", reply_to=name, thread=root), label=Label.AMBER)
    right = told.say(A_MA, Text(text="c", reply_to=begun, thread=root), label=Label.RED)
    stored = Stored(told.events)
    assert stored.part([root]).board.messages[root].thread == [right]
    stored.check(stored.part([root]), [root])


@pytest.mark.parametrize("left_out", ["entries", "about"])
def test_without_what_it_speaks_of_or_what_speaks_of_it_a_part_would_say_something_else(left_out: str) -> None:
    told = Told()
    first = told.say(A_TN, Text(text="first"))
    for number in range(3):
        told.say(A_TN, Text(text=f"between, {number}"))
    answer = told.say(A_MA, Text(text="answer", reply_to=first))
    told.say(B_TN, Reaction(message=answer, sign="a"))
    stored, whole = Stored(told.events), told.board
    found = stored.part([answer]).board
    assert (found.messages[answer], found.without_effect) == (whole.messages[answer], {})
    finds: dict[str, Read] = {"entries": stored.entries, "about": stored.about}
    finds[left_out] = (lambda named: stored.entries({*named} & {answer})) if left_out == "entries" else (lambda _: {})
    wrong = read_part([answer], **finds).board
    assert (wrong.messages[answer], wrong.without_effect) != (whole.messages[answer], {})


def test_what_changes_no_board_is_about_nothing() -> None:
    assert speaks_of(kinds.Message(), Unknown(type=99, raw=b"\x80")) == ()
    assert speaks_of(kinds.Delivered(room_seq=1), None) == ()
    assert speaks_of(None, None) == ()
    assert speaks_of(kinds.Ack(grade=Grade.READ, envelope=id_of(1)), None) == (id_of(1),)
    assert speaks_of(kinds.Message(), Handover(text="a")) == (INCIDENT,)
    file = File(name="a", size=1, digest=bytes(32), key=bytes(32), attachment=bytes(32))
    assert speaks_of(kinds.Message(attachment=bytes(32)), file) == ()
