"""Closing: the same entries give the same facts to all, a difference is named, what stands follows from the entries."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from amanah_client.incident import board as rules
from amanah_client.incident.board import Board
from amanah_client.incident.closing import ShownClosing, ask_to_sign, open_closing, record, sign
from amanah_client.incident.event import Author, Event
from amanah_client.incident.facts import differing, facts_of
from amanah_client.language.errors import SpokenError
from amanah_client.view.closing import left_open
from amanah_protocol import kinds
from amanah_protocol.content.bodies import Profile
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.closing import ClosingRecorded, SignOff
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.proposal import Proposal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.kinds import Grade
from amanah_protocol.types import EnvelopeId, OrgName
from tests.client.incident.test_board import A_MA, A_SN, A_TN, CLOSES_MS, MA, OPENED_MS, SN, TN, Told, id_of, rooms

NAME = bytes(16)
GOLDEN = ["09d71266", "e27a5a64", "2f959cc4", "f6d40831", "6f28e4fe", "9282013b"]
"""First digits, by FACTS: a change of these is a change of what nations have signed."""


@pytest.fixture
def told() -> Told:
    """A room with something in it."""
    room = Told()
    room.say(A_TN, Incident(title="Mailboxes", status=Status.TRIAGE))
    asked = room.say(A_TN, Text(text="Who sees this?"))
    room.show(A_MA, kinds.Ack(grade=Grade.READ, envelope=asked))
    room.say(A_TN, Task(id=NAME, what="Block it", nation=MA))
    room.say(A_MA, TaskMoved(id=NAME, state=TaskState.DONE))
    return room


def ask(told: Told, *nations: OrgName) -> EnvelopeId:
    return told.say(A_TN, ask_to_sign(told.events, nations=nations or (MA, TN), sign_until_ms=CLOSES_MS))


def sign_as(told: Told, who: Author, *, at_ms: int = OPENED_MS, **changed: object) -> EnvelopeId:
    made, differs = sign(told.events, told.board)
    assert differs == ()
    return told.say(who, replace(made, **changed), at_ms=at_ms)  # type: ignore[arg-type]  # fields of a sign-off


# ---- facts


@settings(max_examples=100 * int(os.environ.get("AMANAH_SCALE", "1")))
@given(rooms(), st.data())
def test_who_has_the_same_entries_computes_the_same_facts_in_whatever_order_they_came(
    events: list[Event], data: st.DataObject
) -> None:
    arrived = sorted(data.draw(st.permutations(events)), key=lambda event: event.seq)
    first = data.draw(st.integers(1, len(events)))
    expected = facts_of(events, first=first, last=len(events))
    assert facts_of(arrived, first=first, last=len(events)) == expected
    # What came behind changes nothing of them.
    more = [*events, replace(events[-1], seq=len(events) + 1, id=id_of(len(events) + 1))]
    assert facts_of(more, first=first, last=len(events)) == expected


def test_facts_have_known_answers(told: Told) -> None:
    found = facts_of(told.events, first=1, last=5)
    assert [one.hex()[:8] for one in found] == GOLDEN


def without_body(events: list[Event]) -> list[Event]:
    return [replace(events[0], body=None), *events[1:]]


def with_text(events: list[Event]) -> list[Event]:
    return [events[0], replace(events[1], body=Text(text="Who sees THIS?")), *events[2:]]


def with_time(events: list[Event]) -> list[Event]:
    return [*events[:4], replace(events[4], at_ms=OPENED_MS + 1)]


def without_ack(events: list[Event]) -> list[Event]:
    return [*events[:2], replace(events[2], specific=kinds.Delivered(room_seq=1)), *events[3:]]


def without_move(events: list[Event]) -> list[Event]:
    return [*events[:4], replace(events[4], body=None)]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (without_body, ("incident", "messages")),
        (with_text, ("messages",)),
        (with_time, ("entries",)),
        (without_ack, ("messages",)),
        (without_move, ("tasks", "messages")),
        (lambda events: events[:4], ("entries", "tasks", "messages")),
    ],
)
def test_a_difference_is_found_where_it_is(
    told: Told, change: Callable[[list[Event]], list[Event]], names: tuple[str, ...]
) -> None:
    ours, theirs = (facts_of(events, first=1, last=5) for events in (told.events, change(told.events)))
    assert differing(ours, theirs) == names
    assert differing(ours, ours) == ()


def test_what_a_program_introduces_a_person_with_is_not_compared(told: Told) -> None:
    told.say(A_TN, Profile(encoded=b"a name"))
    forgotten: list[Event] = [*told.events[:-1], replace(told.events[-1], body=None)]
    assert facts_of(told.events, first=1, last=6) == facts_of(forgotten, first=1, last=6)


# ---- what stands


def test_a_closing_stands_when_all_who_were_asked_have_signed(told: Told) -> None:
    asked = ask(told)
    for who in (A_MA, A_TN):
        with pytest.raises(UsageError) as early:
            record(told.board, now_ms=OPENED_MS)
        assert early.value.code is Code.USAGE
        sign_as(told, who)
    assert told.board.closings[asked].outstanding == ()
    done = told.say(A_MA, record(told.board, now_ms=OPENED_MS))
    assert told.board.closings[asked].recorded == done
    assert told.board.without_effect == {}
    with pytest.raises(UsageError) as over:
        open_closing(told.board)
    assert over.value.code is Code.NOT_FOUND


def test_it_stands_without_them_when_the_window_is_over(told: Told) -> None:
    asked = ask(told, MA, SN, TN)
    sign_as(told, A_MA)
    made = record(told.board, now_ms=CLOSES_MS + 1)
    assert made == ClosingRecorded(closing=asked, nations=(MA,))
    done = told.say(A_TN, made, at_ms=CLOSES_MS + 1)
    assert (told.board.closings[asked].recorded, told.board.closings[asked].outstanding) == (done, (SN, TN))


def test_who_has_other_facts_is_named_with_them_and_counts_for_nothing(told: Told) -> None:
    asked = ask(told)
    events, board = without_body(told.events), told.board
    made, differs = sign(events, board)
    assert differs == ("incident", "messages")
    told.say(A_MA, made)
    sign_as(told, A_TN)
    found = told.board.closings[asked]
    assert (found.differs(MA), found.agreeing, found.outstanding) == (("incident", "messages"), (TN,), (MA,))
    sign_as(told, A_MA)  # it was repaired: the last word counts
    assert told.board.closings[asked].agreeing == (MA, TN)


def test_who_came_later_signs_what_it_has(told: Told) -> None:
    asked = ask(told)
    # Of what was before, it has the creation alone.
    made, differs = sign([told.events[0], *told.events[2:]], told.board)
    assert (made.first, differs) == (3, ())
    assert made.facts == facts_of(told.events, first=3, last=5)
    told.say(A_MA, made)
    assert told.board.closings[asked].agreeing == (MA,)


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (lambda told, _: sign_as(told, A_SN), rules.NOT_ASKED),
        (lambda told, _: sign_as(told, A_MA, at_ms=CLOSES_MS + 1), rules.LATE),
        (lambda told, _: sign_as(told, A_MA, closing=id_of(99)), rules.NOT_THERE),
        (lambda told, asked: told.say(A_MA, ClosingRecorded(closing=asked, nations=())), rules.EARLY),
        (
            lambda told, asked: told.say(A_MA, ClosingRecorded(closing=asked, nations=(MA,)), at_ms=CLOSES_MS + 1),
            rules.UNFOUNDED,
        ),
        (lambda told, _: told.say(A_TN, replace(told.events[-1].body, last=99)), rules.NOT_THERE),
    ],
)
def test_what_may_not_be_changes_nothing(told: Told, act: Callable[[Told, EnvelopeId], EnvelopeId], why: str) -> None:
    asked = ask(told)
    entry = act(told, asked)
    assert told.refused(entry) == why
    assert told.board.closings[asked].signed == {}
    assert told.board.closings[asked].recorded is None


def test_nothing_is_signed_behind_what_was_recorded(told: Told) -> None:
    asked = ask(told, MA)
    sign_as(told, A_MA)
    made = SignOff(closing=asked, first=1, facts=told.board.closings[asked].closing.facts)
    told.say(A_TN, record(told.board, now_ms=OPENED_MS))
    assert told.refused(told.say(A_MA, made)) == rules.DECIDED


def test_what_is_signed_is_the_closing_that_was_shown(told: Told) -> None:
    seen = ShownClosing(entry=ask(told), signed=())
    assert sign(told.events, told.board, shown=seen)[0].closing == seen.entry
    sign_as(told, A_TN)  # another nation signs meanwhile, which changes nothing for ours
    assert sign(told.events, told.board, shown=seen)[0].closing == seen.entry
    ask(told)
    for shown in (seen, ShownClosing(entry=None, signed=())):
        with pytest.raises(SpokenError, match="is not what you were shown"):
            sign(told.events, told.board, shown=shown)


def test_what_is_recorded_is_the_closing_that_was_shown_with_the_signatures_that_were(told: Told) -> None:
    seen = ShownClosing(entry=ask(told), signed=(MA, TN))
    sign_as(told, A_MA)
    sign_as(told, A_TN)
    assert record(told.board, now_ms=OPENED_MS, shown=seen).nations == (MA, TN)
    # By the time it is over one of them says otherwise, or another closing was asked for: nobody has seen that.
    over_ms = CLOSES_MS + 1
    with pytest.raises(SpokenError, match="is not what you were shown"):
        record(told.board, now_ms=over_ms, shown=structs.replace(seen, signed=(MA,)))
    ask(told)
    with pytest.raises(SpokenError, match="is not what you were shown"):
        record(told.board, now_ms=over_ms, shown=structs.replace(seen, signed=()))
    assert record(told.board, now_ms=over_ms).nations == ()


def test_an_empty_room_is_not_closed() -> None:
    with pytest.raises(UsageError) as refused:
        ask_to_sign([], nations=(TN,), sign_until_ms=1)
    assert refused.value.code is Code.NOT_FOUND
    with pytest.raises(UsageError) as nothing:
        open_closing(Told().board)
    assert nothing.value.code is Code.NOT_FOUND


@pytest.mark.parametrize(("face", "hint"), [(False, "`amanah close ROOM`"), (True, "/close")])
def test_what_is_to_be_done_first_is_said_in_the_commands_of_the_face(face: bool, hint: str) -> None:  # noqa: FBT001 - a parameter of the test
    for act in (partial(sign, []), partial(record, now_ms=1)):
        with pytest.raises(UsageError) as error:
            act(Board(), typed=face)
        assert error.value.hint.startswith(f"{hint} asks")


def test_what_a_closing_would_leave_behind_is_named() -> None:
    told = Told()
    told.say(A_TN, Task(id=NAME, what="image the disks", nation=MA))
    told.say(A_TN, Task(id=b"\x01" * 16, what="is done", nation=MA))
    told.say(A_MA, TaskMoved(id=b"\x01" * 16, state=TaskState.DONE))
    told.say(A_TN, Proposal(ordinal=4, what="sinkhole", object_until_ms=2, quorum=1, nations=(MA,)))
    told.say(A_TN, Clock(id=NAME, nature=Nature.ACTION, what="all at once", at_ms=90_000))
    told.say(A_TN, Clock(id=b"\x01" * 16, nature=Nature.ACTION, what="is past", at_ms=1))
    told.say(A_TN, Clock(id=b"\x02" * 16, nature=Nature.ACTION, what="is off", at_ms=90_000, stands=False))
    assert left_open(told.board, 10) == (
        f"Task of {MA}: image the disks",
        "Proposal 4, not decided: sinkhole",
        "Joint time 00:01 UTC: all at once",
    )
    assert left_open(Board(), 10) == ()
