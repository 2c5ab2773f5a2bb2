"""What an author takes back is unsaid on every board, whatever it was; what was decided before stays."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanah_client.incident import board
from amanah_client.incident.board import Board, Fold
from amanah_client.incident.event import Author, Event
from amanah_client.incident.facts import facts_of
from amanah_protocol import kinds
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.bodies import Body, Unknown
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.closing import Closing, ClosingRecorded, SignOff
from amanah_protocol.content.file import File
from amanah_protocol.content.forwarded import Forwarded
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident
from amanah_protocol.content.page import Page, Result
from amanah_protocol.content.proposal import Position
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Grade, Outcome
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId
from tests.client.incident.test_board import (
    A_MA,
    A_SN,
    A_TN,
    CLOSES_MS,
    MA,
    OPENED_MS,
    ORIGIN,
    PROPOSAL,
    SN,
    TN,
    Told,
    rooms,
)  # fmt: skip

NAME = bytes(16)
TASK = Task(id=NAME, what="image the disks", nation=MA)
CLOCK = Clock(id=NAME, nature=Nature.ACTION, what="patch", at_ms=5)
FILE = File(name="a", size=1, digest=bytes(32), key=bytes(32), attachment=bytes(32))
FACTS = (bytes(32),) * 6


@pytest.fixture
def told() -> Told:
    return Told()


def withdraw(told: Told, entry: EnvelopeId, who: Author = A_TN, *, at_ms: int = OPENED_MS) -> EnvelopeId:
    return told.say(who, Withdrawal(message=entry, reason="wrong nation"), at_ms=at_ms)


@pytest.mark.parametrize(
    "body",
    [
        Text(text="a"), FILE, Forwarded(text="a", origin=ORIGIN), Handover(text="a"), TASK, PROPOSAL, CLOCK,
        Incident(title="a"), Closing(first=1, last=1, facts=FACTS, sign_until_ms=CLOSES_MS, nations=(TN,)),
        Unknown(type=99, raw=b"\x80"),
    ],
    ids=lambda body: type(body).__name__,
)  # fmt: skip
def test_whatever_somebody_said_is_taken_back_by_its_author_alone_and_once(told: Told, body: Body) -> None:
    told.say(A_MA, Text(text="before"))
    said = told.say(A_TN, body)
    others = withdraw(told, said, A_MA)
    withdrawn = withdraw(told, said)
    again = withdraw(told, said)
    assert told.board.messages[said].withdrawn == withdrawn
    assert told.board.without_effect == {others: board.NOT_THEIRS, again: board.WITHDRAWN}


def test_what_stands_nowhere_by_itself_is_not_withdrawn_and_that_is_said(told: Told) -> None:
    first = told.say(A_TN, Text(text="a"))
    said = [
        told.say(A_TN, Reaction(message=first, sign="a")),
        told.say(A_TN, Correction(message=first, text="b")),
        told.say(A_TN, Page(message=first, step=0, whom="a", result=Result.RANG, at_ms=1)),
        told.show(A_TN, kinds.Ack(grade=Grade.READ, envelope=first)),
    ]
    said.append(withdraw(told, first))
    refused = [withdraw(told, one) for one in said]
    assert told.board.without_effect == dict.fromkeys(refused, board.STAYS)
    assert all(told.board.messages[one].withdrawn is None for one in said)


def test_a_withdrawn_task_is_open_no_more_and_is_moved_no_more(told: Told) -> None:
    opened = told.say(A_TN, TASK)
    told.say(A_MA, TaskMoved(id=NAME, state=TaskState.TAKEN, reason=""))
    assert told.board.tasks[NAME].is_open
    withdrawn = withdraw(told, opened)
    late = told.say(A_MA, TaskMoved(id=NAME, state=TaskState.DONE, reason=""))
    found = told.board.tasks[NAME]
    assert (found.is_open, found.withdrawn, found.state) == (False, withdrawn, TaskState.TAKEN)
    assert told.board.without_effect == {late: board.WITHDRAWN}


@pytest.mark.parametrize("state", [TaskState.DONE, TaskState.REFUSED])
def test_what_a_nation_has_done_or_refused_stays_so(told: Told, state: TaskState) -> None:
    opened = told.say(A_TN, TASK)
    told.say(A_MA, TaskMoved(id=NAME, state=state, reason="a"))
    late = withdraw(told, opened)
    assert (told.board.tasks[NAME].state, told.board.tasks[NAME].withdrawn) == (state, None)
    assert told.board.without_effect == {late: board.DONE}
    # Taken up again, it is open again, and its asker may take it back.
    told.say(A_MA, TaskMoved(id=NAME, state=TaskState.OPEN, reason=""))
    assert told.board.tasks[NAME].is_open
    assert told.board.messages[opened].withdrawn is None
    withdrawn = withdraw(told, opened)
    assert told.board.tasks[NAME].withdrawn == withdrawn


def test_a_nation_takes_back_what_it_said_of_a_task_as_long_as_it_was_not_replaced(told: Told) -> None:
    told.say(A_TN, TASK)
    first = told.say(A_MA, TaskMoved(id=NAME, state=TaskState.TAKEN, reason=""))
    second = told.say(A_MA, TaskMoved(id=NAME, state=TaskState.REFUSED, reason="not ours"))
    withdraw(told, first, A_MA)
    assert told.board.tasks[NAME].state is TaskState.REFUSED
    withdraw(told, second, A_MA)
    found = told.board.tasks[NAME]
    assert (found.state, found.reason, found.moved, found.withdrawn) == (TaskState.OPEN, "", None, None)


def test_a_withdrawn_proposal_takes_no_position_and_is_never_decided(told: Told) -> None:
    proposed = told.say(A_TN, PROPOSAL)
    for who in (A_TN, A_MA, A_SN):
        told.say(who, Position(proposal=proposed, agrees=True))
    decision = kinds.Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=(MA, SN, TN))
    # The control: without the withdrawal it is adopted.
    assert (
        Fold([*told.events, replace(told.events[-1], seq=99, body=None, specific=decision)]).board.proposals[1].decided
    )
    withdrawn = withdraw(told, proposed)
    position = told.say(A_MA, Position(proposal=proposed, agrees=False, reason="a"))
    decided = told.show(A_TN, decision)
    found = told.board.proposals[1]
    assert (found.withdrawn, found.outcome, found.decided, found.is_open) == (withdrawn, None, None, False)
    assert told.board.without_effect == {position: board.WITHDRAWN, decided: board.WITHDRAWN}
    # Its number stays taken: who proposes it anew is not asked again under the same.
    again = told.say(A_TN, PROPOSAL)
    assert told.board.proposals[1].id == proposed
    assert told.board.proposal(again) is not None


def test_what_was_decided_before_stays_decided_and_its_withdrawal_is_too_late(told: Told) -> None:
    proposed = told.say(A_TN, PROPOSAL)
    said = [told.say(who, Position(proposal=proposed, agrees=True)) for who in (A_TN, A_MA, A_SN)]
    decided = told.show(A_TN, kinds.Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=(MA, SN, TN)))
    late = [withdraw(told, proposed), withdraw(told, said[0])]
    found = told.board.proposals[1]
    assert (found.outcome, found.decided, found.withdrawn) == (Outcome.ADOPTED, decided, None)
    assert found.agreeing == (MA, SN, TN)
    assert told.board.without_effect == dict.fromkeys(late, board.DECIDED)


def test_a_nation_takes_its_position_back_while_the_window_is_open_and_then_has_none(told: Told) -> None:
    proposed = told.say(A_TN, PROPOSAL)
    told.say(A_MA, Position(proposal=proposed, agrees=True))
    objects = told.say(A_MA, Position(proposal=proposed, agrees=False, reason="a"))
    theirs = told.say(A_SN, Position(proposal=proposed, agrees=True))
    withdraw(told, objects, A_MA, at_ms=CLOSES_MS)
    late = withdraw(told, theirs, A_SN, at_ms=CLOSES_MS + 1)
    # Nobody is taken at a word that they had replaced.
    assert (told.board.proposals[1].agreeing, told.board.proposals[1].objecting) == ((SN,), ())
    assert told.board.without_effect == {late: board.LATE}


def test_a_withdrawn_joint_time_stands_no_more_and_no_earlier_hour_comes_back(told: Told) -> None:
    first = told.say(A_TN, CLOCK)
    moved = told.say(A_TN, replace(CLOCK, at_ms=9))
    withdraw(told, first)
    assert told.board.clocks[NAME].stands
    withdrawn = withdraw(told, moved)
    found = told.board.clocks[NAME]
    assert (found.stands, found.withdrawn, found.clock.at_ms) == (False, withdrawn, 9)
    told.say(A_MA, replace(CLOCK, at_ms=12))
    assert told.board.clocks[NAME].stands


def test_a_withdrawn_note_is_not_left_to_the_next_shift(told: Told) -> None:
    kept, gone = told.say(A_TN, Handover(text="all quiet")), told.say(A_TN, Handover(text="not quiet"))
    withdraw(told, gone)
    assert list(told.board.handovers) == [kept]


def test_what_was_said_of_the_incident_is_unsaid_unless_it_was_said_anew(told: Told) -> None:
    told.say(A_MA, Incident(severity=Severity.LOW))
    wrong = told.say(A_TN, Incident(title="a", severity=Severity.CRITICAL))
    title = told.say(A_MA, Incident(title="b"))
    withdraw(told, wrong)
    found = told.board.standing
    assert (found.title, found.severity, found.said) == ("b", None, (("title", title),))


def test_a_withdrawn_closing_is_signed_and_recorded_no_more(told: Told) -> None:
    told.say(A_MA, Text(text="a"))
    asked = told.say(A_TN, Closing(first=1, last=1, facts=FACTS, sign_until_ms=CLOSES_MS, nations=(MA, TN)))
    first = told.say(A_MA, SignOff(closing=asked, first=1, facts=FACTS))
    withdraw(told, first, A_MA)
    assert told.board.closings[asked].signed == {}
    standing = told.board
    assert standing.closing == standing.closings[asked]
    withdraw(told, asked)
    late = [
        told.say(A_MA, SignOff(closing=asked, first=1, facts=FACTS)),
        told.say(A_TN, ClosingRecorded(closing=asked, nations=()), at_ms=CLOSES_MS + 1),
    ]
    assert told.board.closing is None
    assert told.board.without_effect == dict.fromkeys(late, board.WITHDRAWN)


def test_a_closing_that_is_recorded_and_a_signature_when_the_time_is_over_stay(told: Told) -> None:
    told.say(A_MA, Text(text="a"))
    asked = told.say(A_TN, Closing(first=1, last=1, facts=FACTS, sign_until_ms=CLOSES_MS, nations=(MA, TN)))
    signed = told.say(A_MA, SignOff(closing=asked, first=1, facts=FACTS))
    over = withdraw(told, signed, A_MA, at_ms=CLOSES_MS + 1)
    recorded = told.say(A_TN, ClosingRecorded(closing=asked, nations=(MA,)), at_ms=CLOSES_MS + 1)
    late = [withdraw(told, asked), withdraw(told, signed, A_MA)]
    assert told.board.closings[asked].recorded == recorded
    assert told.board.without_effect == {over: board.LATE} | dict.fromkeys(late, board.DECIDED)


@pytest.mark.parametrize("body", [FILE, TASK, PROPOSAL, CLOCK, Handover(text="a"), Forwarded(text="a", origin=ORIGIN)])
def test_a_correction_of_what_is_no_text_is_named_and_counts_for_the_label_alone(told: Told, body: Body) -> None:
    said = told.say(A_TN, body, label=Label.GREEN)
    corrected = told.say(A_TN, Correction(message=said, text="of the ministry"), label=Label.AMBER)
    assert told.refused(corrected) == board.NO_TEXT
    assert told.board.messages[said].corrected is None
    # What is erased cannot be told from a text: so no erasure lowers the label.
    assert told.board.label_of(said) is Label.AMBER


def test_facts_that_are_signed_tell_a_withdrawal(told: Told) -> None:
    opened = told.say(A_TN, TASK)
    other = told.say(A_TN, Text(text="a"))
    facts = []
    for one in (opened, other):
        events = [
            *told.events,
            replace(told.events[-1], seq=3, id=EnvelopeId(bytes(31) + b"\3"), body=Withdrawal(message=one, reason="")),
        ]
        facts.append(facts_of(events, first=1, last=3)[-1])
    assert facts[0] != facts[1]


BODIES: st.SearchStrategy[Body] = st.one_of(
    st.builds(Withdrawal, message=st.integers(1, 5).map(lambda seq: EnvelopeId(seq.to_bytes(32))), reason=st.just("")),
    st.builds(TaskMoved, id=st.just(NAME), state=st.sampled_from(TaskState), reason=st.just("a")),
    st.builds(Position, proposal=st.just(EnvelopeId((2).to_bytes(32))), agrees=st.booleans(), reason=st.just("a")),
    st.builds(replace, st.just(CLOCK), at_ms=st.integers(0, 9), stands=st.booleans()),
)


@st.composite
def taken_back(draw: st.DrawFn) -> list[Event]:
    """A room in which most is about one task, one proposal and one joint time."""
    told = Told()
    for body in (TASK, PROPOSAL, CLOCK):
        told.say(A_TN, body)
    for _ in range(draw(st.integers(1, 12))):
        who = draw(st.sampled_from((A_TN, A_MA, A_SN)))
        if draw(st.integers(0, 4)):
            told.say(who, draw(BODIES))
        else:
            told.show(who, kinds.Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=(MA, SN, TN)))
    return told.events


@settings(max_examples=300 * int(os.environ.get("AMANAH_SCALE", "1")))
@given(taken_back() | rooms(), st.data())
def test_what_is_withdrawn_is_not_open_and_nothing_is_done_with_it_in_whatever_order_it_arrives(
    events: list[Event], data: st.DataObject
) -> None:
    so_far, ended = Board(), dict[EnvelopeId, EnvelopeId]()
    for event in events:
        so_far.apply(event)
        withdrawn = [(of.opened, of.withdrawn) for of in so_far.tasks.values()]
        withdrawn += [(one.id, one.withdrawn) for one in so_far.proposals.values()]
        withdrawn += [(one.id, one.withdrawn) for one in so_far.closings.values()]
        for entry, by in withdrawn:
            assert by == so_far.messages[entry].withdrawn
            if by is not None:
                assert ended.setdefault(entry, by) == by
        assert {entry for entry in ended if so_far.messages[entry].withdrawn is None} == set()
        for proposal in so_far.proposals.values():
            assert proposal.withdrawn is None or proposal.decided is None
        for task in so_far.tasks.values():
            assert task.withdrawn is None or not task.is_open
        for clock in so_far.clocks.values():
            assert clock.stands == (clock.clock.stands and so_far.messages[clock.set].withdrawn is None)
    arrived = Fold()
    for event in data.draw(st.permutations(events)):
        arrived.add(event)
    assert arrived.board == so_far
