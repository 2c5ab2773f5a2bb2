"""The board of a part of a room says of that part what the board of the room says."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanah_client.incident.about import INCIDENT, part_of_board, speaks_of
from amanah_client.incident.board import Board, Fold
from amanah_client.incident.event import Event
from amanah_protocol import kinds
from amanah_protocol.content.bodies import Unknown
from amanah_protocol.content.file import File
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Grade
from amanah_protocol.types import EnvelopeId
from tests.client.incident.test_board import A_MA, A_TN, B_TN, IDS, Told, id_of, rooms


def about(events: Collection[Event], named: Collection[EnvelopeId]) -> dict[EnvelopeId, Event]:
    """As the store finds them by its index."""
    return {event.id: event for event in events if {*speaks_of(event.specific, event.body)} & {*named}}


def part(events: Collection[Event], shown: Collection[EnvelopeId]) -> tuple[Board, set[EnvelopeId]]:
    """As `Room.board` reads it; gives the entries of which it tells everything, too."""
    return part_of_board(
        shown,
        entries=lambda named: {event.id: event for event in events if event.id in named},
        about=lambda named: about(events, named),
    )


@settings(max_examples=300 * int(os.environ.get("AMANAH_SCALE", "1")))
@given(st.data())
def test_a_part_of_the_board_is_that_part_of_the_whole(data: st.DataObject) -> None:
    events = data.draw(rooms())
    shown = data.draw(st.sets(IDS))
    whole = Fold(events).board
    found, named = part(events, shown)
    for field in fields(Board):
        if field.name not in ("messages", "without_effect"):
            assert getattr(found, field.name) == getattr(whole, field.name), field.name
    assert found.messages == {name: spoken for name, spoken in whole.messages.items() if name in named}
    told = {*shown, *about(events, [INCIDENT])}
    assert found.without_effect == {name: why for name, why in whole.without_effect.items() if name in told}
    assert shown & set(whole.messages) <= set(found.messages)
    for name in shown & set(whole.messages):
        assert found.label_of(name) is whole.label_of(name)


@pytest.mark.parametrize("left_out", ["targets", "about"])
def test_without_what_it_speaks_of_or_what_speaks_of_it_a_part_would_say_something_else(left_out: str) -> None:
    told = Told()
    first = told.say(A_TN, Text(text="first"))
    for number in range(3):
        told.say(A_TN, Text(text=f"between, {number}"))
    answer = told.say(A_MA, Text(text="answer", reply_to=first))
    told.say(B_TN, Reaction(message=answer, sign="a"))
    whole = told.board
    found, _ = part(told.events, [answer])
    assert (found.messages[answer], found.without_effect) == (whole.messages[answer], {})
    by_id = {event.id: event for event in told.events}
    wrong, _ = part_of_board(
        [answer],
        entries=lambda named: {one: by_id[one] for one in named if left_out == "about" or one == answer},
        about=lambda named: {} if left_out == "about" else about(told.events, named),
    )
    assert (wrong.messages[answer], wrong.without_effect) != (whole.messages[answer], {})


def test_what_changes_no_board_is_about_nothing() -> None:
    assert speaks_of(kinds.Message(), Unknown(type=99, raw=b"\x80")) == ()
    assert speaks_of(kinds.Delivered(room_seq=1), None) == ()
    assert speaks_of(None, None) == ()
    assert speaks_of(kinds.Ack(grade=Grade.READ, envelope=id_of(1)), None) == (id_of(1),)
    assert speaks_of(kinds.Message(), Handover(text="a")) == (INCIDENT,)
    file = File(name="a", size=1, digest=bytes(32), key=bytes(32), attachment=bytes(32))
    assert speaks_of(kinds.Message(attachment=bytes(32)), file) == ()
