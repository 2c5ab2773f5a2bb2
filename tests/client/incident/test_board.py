"""The fold of a room: each rule alone, and the same board whatever the order of arrival."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from amanah_client.incident import board
from amanah_client.incident.board import Board, Fold
from amanah_client.incident.event import Author, Event
from amanah_client.model import Struck
from amanah_protocol import kinds
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.bodies import Body, RoomInfo, Said, Unknown
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.closing import Closing, ClosingRecorded, SignOff
from amanah_protocol.content.file import File
from amanah_protocol.content.forwarded import Forwarded, Origin
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.page import Page, Result
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Text
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Grade, Outcome
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, PersonId, RoomId

TN, MA, SN = (OrgName(f"cert.example.{nation}") for nation in ("tn", "ma", "sn"))
OPENED_MS, CLOSES_MS = 1_000, 100_000


def author(nation: OrgName, person: int = 0, device: int = 0, role: Role | None = Role.OFFICER) -> Author:
    name = nation.encode().ljust(30, b".") + bytes((person, device))
    return Author(device=DeviceId(name), organisation=nation, person=PersonId(bytes(15) + bytes((person,))), role=role)


A_TN, B_TN, A_MA, A_SN = author(TN), author(TN, 1), author(MA), author(SN)
BOT_TN, BOT_MA = author(TN, 8, role=Role.BOT), author(MA, 9, role=Role.BOT)


def id_of(seq: int) -> EnvelopeId:
    return EnvelopeId(seq.to_bytes(32))


class Told:
    """Writes the entries of a room, one behind the other."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def say(
        self,
        who: Author,
        body: Body | None,
        specific: kinds.Specific | None = None,
        *,
        at_ms: int = OPENED_MS,
        label: Label = Label.AMBER,
        pap: Pap = Pap.AMBER,
    ) -> EnvelopeId:
        seq = len(self.events) + 1
        event = Event(
            seq=seq,
            id=id_of(seq),
            author=who,
            at_ms=at_ms,
            specific=specific or kinds.Message(),
            body=body,
            label_number=int(label),
            pap=pap,
        )
        self.events.append(event)
        return event.id

    def show(self, who: Author, specific: kinds.Specific, *, at_ms: int = OPENED_MS) -> EnvelopeId:
        return self.say(who, None, specific, at_ms=at_ms)

    @property
    def board(self) -> Board:
        return Fold(self.events).board

    def refused(self, entry: EnvelopeId) -> str | None:
        return self.board.without_effect.get(entry)


@pytest.fixture
def told() -> Told:
    return Told()


# ---- the conversation


def test_replies_and_threads_stand_at_what_they_speak_of(told: Told) -> None:
    first = told.say(A_TN, Text(text="who sees this?", asks=Grade.ACTING))
    reply = told.say(A_MA, Text(text="we do", reply_to=first, thread=first))
    spoken = told.board.messages[first]
    assert (spoken.replies, spoken.thread, spoken.asks) == ([reply], [reply], Grade.ACTING)
    assert told.board.without_effect == {}


def test_what_speaks_of_nothing_that_is_here_says_so(told: Told) -> None:
    nothing = id_of(99)
    spoken = [
        told.say(A_TN, Text(text="", reply_to=nothing)),
        told.say(A_TN, Text(text="", thread=nothing)),
        told.say(A_TN, Reaction(message=nothing, sign="a")),
        told.say(A_TN, Correction(message=nothing, text="")),
        told.say(A_TN, Withdrawal(message=nothing, reason="")),
        told.show(A_TN, kinds.Ack(grade=Grade.READ, envelope=nothing)),
        told.say(A_TN, Page(message=nothing, step=0, whom="a", result=Result.RANG, at_ms=1)),
        told.show(A_TN, kinds.Relabel(envelope=nothing, old=Label.AMBER, new=Label.RED)),
        told.say(A_TN, TaskMoved(id=bytes(16), state=TaskState.DONE)),
        told.say(A_TN, Position(proposal=nothing, agrees=True)),
        told.show(A_TN, kinds.Decision(ordinal=7, outcome=Outcome.ADOPTED, nations=(TN,))),
    ]
    assert told.board.without_effect == dict.fromkeys(spoken, board.NOT_THERE)


def test_a_reaction_stands_until_its_person_takes_it_back(told: Told) -> None:
    first = told.say(A_TN, Text(text=""))
    for who in (A_MA, A_SN):
        told.say(who, Reaction(message=first, sign="👀"))
    told.say(author(MA, device=1), Reaction(message=first, sign="👀", stands=False))
    assert told.board.messages[first].reactions == {("👀", SN, A_SN.person)}


def test_an_author_corrects_and_withdraws_and_nobody_else_does(told: Told) -> None:
    first = told.say(A_TN, Text(text="at 14:00"))
    corrected = told.say(author(TN, device=1), Correction(message=first, text="at 15:00"))
    others = [told.say(who, Correction(message=first, text="never")) for who in (B_TN, A_MA)]
    others.append(told.say(A_MA, Withdrawal(message=first, reason="")))
    spoken = told.board.messages[first]
    assert (spoken.corrected, spoken.corrections, spoken.withdrawn) == (corrected, [corrected], None)
    assert told.board.without_effect == dict.fromkeys(others, board.NOT_THEIRS)
    withdrawn = told.say(A_TN, Withdrawal(message=first, reason="wrong"))
    told.say(A_TN, Withdrawal(message=first, reason="again"))
    assert told.board.messages[first].withdrawn == withdrawn


def test_the_highest_grade_of_a_person_and_of_a_nation_counts(told: Told) -> None:
    first = told.say(A_TN, Text(text=""))
    for who, grade in ((A_MA, Grade.UNDERSTOOD), (A_MA, Grade.READ), (author(MA, 1), Grade.READ), (A_SN, Grade.READ)):
        told.show(who, kinds.Ack(grade=grade, envelope=first))
    spoken = told.board.messages[first]
    assert spoken.acknowledged[MA, A_MA.person].grade is Grade.UNDERSTOOD
    assert spoken.acknowledged[MA, author(MA, 1).person].grade is Grade.READ
    assert spoken.grades() == {MA: Grade.UNDERSTOOD, SN: Grade.READ}


def test_who_was_paged_stands_at_the_message_with_the_nation_that_says_so(told: Told) -> None:
    first = told.say(A_TN, Text(text=""))
    rang = Page(message=first, step=0, whom="the desk", result=Result.RANG, at_ms=1)
    reached = replace(rang, step=1, whom="Analyst on duty", result=Result.REACHED)
    for who, page in ((A_MA, rang), (A_SN, rang), (A_MA, reached)):
        told.say(who, page)
    assert told.board.messages[first].pages == [(MA, rang), (SN, rang), (MA, reached)]
    assert told.board.without_effect == {}


def test_a_label_is_lowered_by_its_authors_side_from_what_it_is(told: Told) -> None:
    first = told.say(A_TN, Text(text=""))
    theirs = told.show(A_MA, kinds.Relabel(envelope=first, old=Label.AMBER, new=Label.CLEAR))
    stale = told.show(A_TN, kinds.Relabel(envelope=first, old=Label.RED, new=Label.CLEAR))
    assert told.board.messages[first].label_number == Label.AMBER
    told.show(B_TN, kinds.Relabel(envelope=first, old=Label.AMBER, new=Label.GREEN))
    assert told.board.messages[first].label_number == Label.GREEN
    assert told.board.without_effect == {theirs: board.NOT_THEIRS_TO_LOWER, stale: board.LABEL}


def test_a_label_is_raised_by_everybody(told: Told) -> None:
    first = told.say(A_TN, Text(text=""))
    told.show(A_MA, kinds.Relabel(envelope=first, old=Label.AMBER, new=Label.AMBER_STRICT))
    told.show(A_SN, kinds.Relabel(envelope=first, old=Label.AMBER, new=Label.RED))
    assert told.board.messages[first].label_number == Label.RED
    assert told.board.without_effect == {}


def test_a_correction_is_under_the_label_of_what_it_corrects_or_a_stricter_one(told: Told) -> None:
    first = told.say(A_TN, Text(text="at 14:00"), label=Label.GREEN)
    corrected = told.say(A_TN, Correction(message=first, text="at 15:00"), label=Label.GREEN)
    told.show(A_MA, kinds.Relabel(envelope=first, old=Label.GREEN, new=Label.RED))
    below = told.say(A_TN, Correction(message=first, text="at 16:00"), label=Label.GREEN)
    assert [told.board.label_of(one) for one in (first, corrected, below)] == [Label.RED] * 3
    assert told.board.messages[first].corrections == [corrected]
    assert told.board.without_effect == {below: board.BELOW}
    told.show(A_TN, kinds.Relabel(envelope=first, old=Label.RED, new=Label.AMBER))
    assert [told.board.label_of(one) for one in (first, corrected)] == [Label.AMBER] * 2


def test_the_strictest_pap_of_a_message_and_its_corrections_counts_for_all_of_them(told: Told) -> None:
    first = told.say(A_TN, Text(text="the host of the panel"), pap=Pap.GREEN)
    stricter = told.say(A_TN, Correction(message=first, text="its second host"), pap=Pap.RED)
    laxer = told.say(A_TN, Correction(message=first, text="both hosts"), pap=Pap.CLEAR)
    nobodys = told.say(A_MA, Text(text="seen"), pap=Pap.GREEN)
    told.say(A_TN, Correction(message=nobodys, text="not its author's"), pap=Pap.RED)
    assert told.board.messages[first].corrections == [stricter, laxer]
    assert [told.board.pap_of(one) for one in (first, stricter, laxer, nobodys)] == [Pap.RED] * 3 + [Pap.GREEN]


def test_the_strictest_label_of_a_message_and_its_corrections_counts_for_all_of_them(told: Told) -> None:
    first = told.say(A_TN, Text(text="at 14:00"), label=Label.GREEN)
    corrected = told.say(A_TN, Correction(message=first, text="of the ministry"), label=Label.AMBER)
    theirs = told.say(A_MA, Correction(message=first, text="at 16:00"), label=Label.RED)
    again = told.say(A_TN, Correction(message=corrected, text="at 17:00"), label=Label.RED)
    lax = told.say(A_TN, Correction(message=first, text="at 18:00"), label=Label.GREEN)
    # Those that stand nowhere make nothing stricter, and are themselves no laxer.
    assert [told.board.label_of(one) for one in (first, corrected, lax)] == [Label.AMBER] * 3
    assert [told.board.label_of(one) for one in (theirs, again)] == [Label.RED] * 2
    reasons = {theirs: board.NOT_THEIRS, again: board.CORRECTS, lax: board.BELOW}
    assert (told.board.messages[first].corrections, told.board.without_effect) == ([corrected], reasons)
    told.show(A_SN, kinds.Relabel(envelope=corrected, old=Label.AMBER, new=Label.RED))
    assert told.board.label_of(first) is Label.RED
    answer = told.say(A_MA, Text(text="why?", reply_to=first), label=Label.AMBER)
    assert told.refused(answer) == board.BELOW


def test_what_is_forwarded_is_its_authors_to_lower_and_not_its_forwarders(told: Told) -> None:
    quoted = told.say(A_TN, Forwarded(text="", origin=ORIGIN))
    theirs = told.show(A_TN, kinds.Relabel(envelope=quoted, old=Label.AMBER, new=Label.CLEAR))
    assert told.refused(theirs) == board.NOT_THEIRS_TO_LOWER
    told.show(A_MA, kinds.Relabel(envelope=quoted, old=Label.AMBER, new=Label.CLEAR))
    assert told.board.messages[quoted].label_number == Label.CLEAR


def test_an_answer_under_a_laxer_label_than_what_it_answers_is_named_and_stands_nowhere(told: Told) -> None:
    first = told.say(A_TN, Text(text=""), label=Label.RED)
    lax = told.say(A_MA, Text(text="", reply_to=first), label=Label.AMBER)
    right = told.say(A_MA, Text(text="", reply_to=first), label=Label.RED)
    assert told.board.messages[first].replies == [right]
    assert told.board.without_effect == {lax: board.BELOW}


# ---- the incident


def test_the_last_word_on_each_thing_counts(told: Told) -> None:
    first = told.say(A_TN, Incident(title="phishing", severity=Severity.LOW, aware_at_ms=5))
    second = told.say(A_MA, Incident(severity=Severity.HIGH, status=Status.TRIAGE, type="fraud/phishing"))
    standing = told.board.standing
    assert (standing.title, standing.severity, standing.status) == ("phishing", Severity.HIGH, Status.TRIAGE)
    assert (standing.type, standing.aware_at_ms) == ("fraud/phishing", 5)
    assert dict(standing.said) == {
        "title": first, "aware_at_ms": first, "severity": second, "status": second, "type": second,
    }  # fmt: skip


def test_a_task_is_moved_by_its_nation_alone(told: Told) -> None:
    task = Task(id=bytes(16), what="block it", nation=MA)
    opened = told.say(A_TN, task)
    again = told.say(A_SN, replace(task, what="another"))
    theirs = told.say(A_TN, TaskMoved(id=task.id, state=TaskState.DONE))
    moved = told.say(A_MA, TaskMoved(id=task.id, state=TaskState.REFUSED, reason="no mandate"))
    found = told.board.tasks[task.id]
    assert (found.task, found.by, found.opened) == (task, A_TN, opened)
    assert (found.state, found.reason, found.moved) == (TaskState.REFUSED, "no mandate", moved)
    assert told.board.without_effect == {again: board.TAKEN, theirs: board.NOT_ASKED}


PROPOSAL = Proposal(ordinal=1, what="sinkhole", object_until_ms=CLOSES_MS, quorum=2, nations=(MA, SN, TN))


def test_a_proposal_that_enough_agree_to_and_none_objects_to_is_adopted(told: Told) -> None:
    proposed = told.say(A_TN, PROPOSAL)
    told.say(A_TN, Position(proposal=proposed, agrees=True))
    told.say(A_MA, Position(proposal=proposed, agrees=False, reason="too early"))
    told.say(A_MA, Position(proposal=proposed, agrees=True))
    other = told.say(author(OrgName("cert.example.fr")), Position(proposal=proposed, agrees=True))
    early = told.show(A_TN, kinds.Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=(MA, TN)))
    late = told.say(A_SN, Position(proposal=proposed, agrees=True), at_ms=CLOSES_MS + 1)
    wrong = [
        told.show(A_TN, kinds.Decision(ordinal=1, outcome=outcome, nations=nations), at_ms=CLOSES_MS + 1)
        for outcome, nations in ((Outcome.REFUSED, (MA, TN)), (Outcome.ADOPTED, (MA, SN, TN)))
    ]
    assert told.board.proposals[1].outcome is None
    decided = told.show(A_TN, kinds.Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=(MA, TN)), at_ms=CLOSES_MS + 1)
    behind = [
        told.show(A_TN, kinds.Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=(MA, TN)), at_ms=CLOSES_MS + 2),
        told.say(A_SN, Position(proposal=proposed, agrees=False, reason="no"), at_ms=CLOSES_MS),
    ]
    found = told.board.proposals[1]
    assert (found.outcome, found.decided, found.agreeing, found.objecting) == (Outcome.ADOPTED, decided, (MA, TN), ())
    assert told.board.without_effect == {
        other: board.NOT_ASKED, early: board.EARLY, late: board.LATE,
        **dict.fromkeys(wrong, board.UNFOUNDED), **dict.fromkeys(behind, board.DECIDED),
    }  # fmt: skip


def test_no_proposal_is_void_because_another_has_its_number(told: Told) -> None:
    first = told.say(A_TN, PROPOSAL)
    second = told.say(A_MA, replace(PROPOSAL, what="publish", quorum=1, nations=(MA,)))
    squatted = told.say(A_SN, replace(PROPOSAL, ordinal=4))
    third = told.say(A_MA, replace(PROPOSAL, ordinal=1, what="call the press"))
    # The author's where it is free; else its place, or what is free behind that.
    assert [(number, of.number, of.id) for number, of in told.board.proposals.items()] == [
        (1, 1, first), (2, 2, second), (4, 4, squatted), (5, 5, third),
    ]  # fmt: skip
    told.say(A_MA, Position(proposal=second, agrees=True))
    told.show(A_MA, kinds.Decision(ordinal=2, outcome=Outcome.ADOPTED, nations=(MA,)))
    found = told.board
    assert [of.outcome for of in found.proposals.values()] == [None, Outcome.ADOPTED, None, None]
    assert found.proposal(second) is found.proposals[2]
    assert found.proposal(told.say(A_TN, Text(text=""))) is None
    assert found.without_effect == {}


@pytest.mark.parametrize("is_behind", [True, False])
def test_a_number_behind_the_last_place_is_the_same_for_who_came_later(told: Told, is_behind: bool) -> None:  # noqa: FBT001 - and the control
    told.say(A_TN, PROPOSAL)
    made = told.say(A_MA, replace(PROPOSAL, ordinal=len(told.events) + 1 if is_behind else PROPOSAL.ordinal))
    numbers = [
        found.number for events in (told.events, told.events[1:]) if (found := Fold(events).board.proposal(made))
    ]
    assert numbers == ([2, 2] if is_behind else [2, 1])


def test_an_objection_refuses_and_when_all_have_spoken_nobody_waits(told: Told) -> None:
    proposed = told.say(A_TN, PROPOSAL)
    for who in (A_TN, A_MA):
        told.say(who, Position(proposal=proposed, agrees=True))
    told.say(A_SN, Position(proposal=proposed, agrees=False, reason="no"))
    decided = told.show(A_TN, kinds.Decision(ordinal=1, outcome=Outcome.REFUSED, nations=(MA, TN)))
    found = told.board.proposals[1]
    assert (found.outcome, found.decided, found.objecting) == (Outcome.REFUSED, decided, (SN,))


def test_a_clock_is_moved_and_called_off_by_an_entry_of_its_name(told: Told) -> None:
    clock = Clock(id=bytes(16), nature=Nature.EMBARGO, what="patch", at_ms=5)
    told.say(A_TN, clock)
    moved = told.say(A_MA, replace(clock, at_ms=9, stands=False))
    found = told.board.clocks[clock.id]
    assert (found.clock.at_ms, found.clock.stands, found.set, found.by) == (9, False, moved, A_MA)


def test_notes_of_a_handover_are_kept_in_order_and_what_machines_say_changes_nothing(told: Told) -> None:
    notes = [Handover(text="all quiet"), Handover(text="not quiet")]
    ids = [told.say(A_TN, note) for note in notes]
    told.say(A_TN, Unknown(type=99, raw=b"\x80"))
    told.show(A_TN, kinds.Delivered(room_seq=1))
    assert list(told.board.handovers.items()) == list(zip(ids, notes, strict=True))
    assert told.board.without_effect == {}


# ---- whatever the order of arrival

SCALE = int(os.environ.get("AMANAH_SCALE", "1"))
LONGEST = 12 if SCALE == 1 else 40
"""Entries of a room that is drawn; most of what goes wrong does so among few."""
AUTHORS = st.sampled_from((A_TN, B_TN, A_MA, A_SN, author(MA, device=1), BOT_TN, BOT_MA))
IDS = st.integers(1, LONGEST).map(id_of)
NAMES = st.sampled_from((bytes(16), b"a" * 16))
TEXTS = st.sampled_from(("", "one", "two"))
NATIONS = st.sampled_from((TN, MA, SN))
LABELS = st.sampled_from(Label)
ASCENDING = st.lists(NATIONS, unique=True).map(lambda names: tuple(sorted(names)))
FOUND = st.sampled_from((bytes(32), b"\1" * 32)).map(lambda one: (bytes(32),) * 5 + (one,))
ORIGIN = Origin(nation=MA, room=RoomId(bytes(16)), message=id_of(7), accepted_at_ms=1, label=Label.AMBER)
BODIES: st.SearchStrategy[Body] = st.one_of(
    st.builds(Text, text=TEXTS, reply_to=st.none() | IDS, thread=st.none() | IDS),
    st.builds(Reaction, message=IDS, sign=st.sampled_from("ab"), stands=st.booleans()),
    st.builds(Correction, message=IDS, text=TEXTS),
    st.builds(Withdrawal, message=IDS, reason=TEXTS),
    st.builds(
        Incident, title=TEXTS, severity=st.none() | st.sampled_from(Severity),
        status=st.none() | st.sampled_from(Status),
    ),
    st.builds(Task, id=NAMES, what=st.just("a"), nation=NATIONS),
    st.builds(TaskMoved, id=NAMES, state=st.sampled_from(TaskState), reason=st.just("a")),
    st.builds(replace, st.just(PROPOSAL), ordinal=st.integers(1, 2)),
    st.builds(Position, proposal=IDS, agrees=st.booleans(), reason=st.just("a")),
    st.builds(Clock, id=NAMES, nature=st.sampled_from(Nature), what=st.just("a"), at_ms=st.integers(0, 9)),
    st.builds(Handover, text=st.just("a")),
    st.builds(
        Page, message=IDS, step=st.integers(0, 2), whom=st.just("a"), result=st.sampled_from(Result), at_ms=st.just(1)
    ),
    st.builds(
        Closing, first=st.just(1), last=st.integers(1, LONGEST), facts=FOUND, sign_until_ms=st.just(CLOSES_MS),
        nations=ASCENDING.filter(bool),
    ),
    st.builds(SignOff, closing=IDS, first=st.integers(1, 2), facts=FOUND),
    st.builds(ClosingRecorded, closing=IDS, nations=ASCENDING),
    st.builds(Forwarded, text=TEXTS, origin=st.builds(replace, st.just(ORIGIN), nation=NATIONS)),
    st.just(File(name="a", size=1, digest=bytes(32), key=bytes(32), attachment=bytes(32))),
    st.just(RoomInfo(title="a", description="")),
    st.just(Unknown(type=99, raw=b"\x80")),
)  # fmt: skip
SHOWN: st.SearchStrategy[kinds.Specific] = st.one_of(
    st.builds(kinds.Ack, grade=st.sampled_from(Grade), envelope=IDS),
    st.builds(kinds.Relabel, envelope=IDS, old=LABELS, new=LABELS),
    st.builds(
        kinds.Decision,
        ordinal=st.integers(1, 2),
        outcome=st.sampled_from(Outcome),
        nations=ASCENDING,
    ),
    st.builds(kinds.Egress, envelope=IDS, form=st.just("forward"), recipient=st.just("a")),
    st.builds(kinds.Erase, envelopes=st.tuples(IDS)),
    st.builds(kinds.Grant, from_seq=st.just(1), to_seq=st.just(2), addressees=st.just((A_MA.device,))),
    st.just(kinds.Commit(added=(A_SN.device,))),
    st.just(kinds.Delivered(room_seq=1)),
)


@st.composite
def rooms(draw: st.DrawFn) -> list[Event]:
    """Entries of a room, by place."""
    told = Told()
    for sealed in draw(st.lists(st.booleans(), min_size=1, max_size=LONGEST)):
        at_ms, label = draw(st.sampled_from((OPENED_MS, CLOSES_MS, CLOSES_MS + 1))), draw(LABELS)
        if sealed:
            told.say(draw(AUTHORS), draw(BODIES), at_ms=at_ms, label=label, pap=draw(st.sampled_from(Pap)))
            if draw(st.integers(0, 9)) == 0:
                told.events[-1] = struck(told.events[-1])
        else:
            told.say(draw(AUTHORS), None, draw(SHOWN), at_ms=at_ms, label=label)
    return told.events


@settings(max_examples=300 * SCALE)
@given(rooms())
def test_a_message_and_what_counts_of_it_have_one_label_and_no_answer_a_laxer_one(events: list[Event]) -> None:
    before = Board()
    for event in events:
        known = {entry: before.label_of(entry) for entry in before.messages}
        before.apply(event)
        answered = event.body.reply_to if isinstance(event.body, Text) else None
        if answered in known and event.id in before.messages[answered].replies:
            assert event.label_number >= known[answered]
    for entry, said in before.messages.items():
        assert before.label_of(entry) >= said.label_number
        assert {before.label_of(one) for one in (entry, *said.corrections)} == {before.label_of(entry)}
        if said.corrects is not None:  # also where it does not count
            assert before.label_of(entry) >= before.label_of(said.corrects)


OFFICERS_WORDS = (Position, Proposal, TaskMoved, Clock, Handover, Page, Closing, SignOff, ClosingRecorded)


def silenced(event: Event) -> Event:
    """What a bot said for its nation, as something that says nothing."""
    status = event.body.status if isinstance(event.body, Incident) else None
    binding = isinstance(event.body, OFFICERS_WORDS) or status is not None
    if event.author.role is Role.OFFICER or not (
        binding or (event.body is None and isinstance(event.specific, kinds.Ack | kinds.Decision))
    ):
        return event
    return replace(event, specific=kinds.Message(), body=Unknown(type=99, raw=b"\x80"))


@settings(max_examples=300 * SCALE)
@given(rooms())
def test_a_board_is_as_if_bots_had_said_nothing_for_their_nations_and_names_each_time(events: list[Event]) -> None:
    found, expected = Fold(events).board, Fold(map(silenced, events)).board
    silent = {event.id for event in events if silenced(event) != event}
    assert {entry for entry, why in found.without_effect.items() if why == board.NO_OFFICER} == silent
    for entry in silent:
        del found.without_effect[entry]
        found.messages[entry].kind = expected.messages[entry].kind  # it stays what it is, of no effect
    assert found == expected


@settings(max_examples=100 * SCALE)
@given(rooms())
def test_every_proposal_of_an_officer_stands_on_the_board_under_one_number(events: list[Event]) -> None:
    found = Fold(events).board
    said = [one.id for one in events if isinstance(one.body, Proposal) and one.author.role is Role.OFFICER]
    assert [of.id for of in found.proposals.values()] == said
    assert all(of.number == number for number, of in found.proposals.items())


def struck(event: Event) -> Event:
    """An entry whose words are erased."""
    if event.body is None:
        return event
    origin = event.body.origin.nation if isinstance(event.body, Forwarded) else None
    return replace(event, body=None, struck=Struck(pap=event.pap, corrects=event.corrects, origin=origin))


@settings(max_examples=300 * SCALE)
@given(rooms(), st.sets(IDS))
def test_no_erasure_changes_a_label(events: list[Event], erased: set[EnvelopeId]) -> None:
    before = Fold(events).board
    after = Fold([struck(event) if event.id in erased else event for event in events]).board
    for entry, said in before.messages.items():
        assert (after.label_of(entry), after.pap_of(entry)) == (before.label_of(entry), before.pap_of(entry))
        assert after.messages[entry].source == said.source
        assert after.messages[entry].corrections == said.corrections
        assert after.messages[entry].corrected not in erased


@pytest.mark.parametrize("kept", [True, False])
def test_an_erased_correction_counts_by_what_is_kept_of_it_alone(told: Told, kept: bool) -> None:  # noqa: FBT001 - and the control
    first = told.say(A_TN, Text(text="at 14:00"), label=Label.GREEN, pap=Pap.GREEN)
    told.say(A_TN, Correction(message=first, text="at 15:00"), label=Label.GREEN, pap=Pap.GREEN)
    told.say(A_TN, Correction(message=first, text="of the ministry"), label=Label.RED, pap=Pap.RED)
    *before, last = told.events
    fold = Fold([*before, struck(last) if kept else replace(last, body=None)])
    assert (fold.board.label_of(first), fold.board.pap_of(first)) == (
        (Label.RED, Pap.RED) if kept else (Label.GREEN, Pap.GREEN)
    )
    # What it said is gone: the message says again what it said before.
    assert fold.board.messages[first].corrected == before[-1].id


@pytest.mark.parametrize("kept", [True, False])
def test_who_forwarded_does_not_lower_its_label_once_it_is_erased(told: Told, kept: bool) -> None:  # noqa: FBT001 - and the control
    origin = Origin(nation=MA, room=RoomId(bytes(16)), message=id_of(1), accepted_at_ms=1, label=Label.AMBER)
    first = told.say(A_TN, Forwarded(text="theirs", origin=origin))
    lowered = kinds.Relabel(envelope=first, old=Label.AMBER, new=Label.CLEAR)
    told.show(A_TN, lowered)
    (event, change) = told.events
    fold = Fold([struck(event) if kept else replace(event, body=None), change])
    assert fold.board.label_of(first) is (Label.AMBER if kept else Label.CLEAR)


def test_every_body_that_people_say_is_among_those_that_are_drawn() -> None:
    for kind in get_args(Said):
        found = find(BODIES, lambda body: isinstance(body, kind), settings=settings(max_examples=2_000))  # noqa: B023 - called at once
        assert isinstance(found, kind)


@settings(max_examples=200 * SCALE)
@given(st.data())
def test_whoever_receives_the_same_entries_in_any_order_shows_the_same(data: st.DataObject) -> None:
    events = data.draw(rooms())
    expected = Board()
    for event in events:
        expected.apply(event)
    assert Fold(data.draw(st.permutations(events))).board == expected
    assert arrived(data.draw(st.permutations(events))) == expected
    # What could not be read at first, and was repaired or granted later.
    unread = data.draw(st.sets(st.sampled_from(range(len(events)))))
    closed = [replace(event, body=None) if at in unread else event for at, event in enumerate(events)]
    assert arrived([*closed, *(events[at] for at in data.draw(st.permutations(sorted(unread))))]) == expected


def arrived(events: Sequence[Event]) -> Board:
    fold = Fold()
    for event in events:
        fold.add(event)
    return fold.board
