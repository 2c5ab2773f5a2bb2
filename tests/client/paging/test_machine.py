"""The paging machine: what nobody answered rings and goes on, what was answered is quiet."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from amanah_client.paging import inputs as i
from amanah_client.paging.duty import DESK, Rota
from amanah_client.paging.machine import CALL_TIMEOUT_MS, TABLE, Act, Event, Machine, State
from amanah_protocol.content.page import Result
from amanah_protocol.types import PersonId, RoomId
from tests.client.paging.calls import (
    ALONE,
    ANALYST,
    BACKUP,
    NOW_MS,
    OURS,
    ROOM,
    ROTA,
    THEIRS,
    TN,
    call,
    ended,
    message,
    told,
)


class Desk:
    """A machine, and a clock."""

    def __init__(self, rota: Rota = ROTA) -> None:
        self.machine = Machine(rota)
        self.now_ms = NOW_MS

    def take(self, received: i.Input) -> tuple[i.Effect, ...]:
        return self.machine.take(received, self.now_ms)

    def after(self, ms: int) -> tuple[i.Effect, ...]:
        self.now_ms += ms
        return self.take(i.Tick())

    def run(self, ms: int) -> i.Run:
        """The hooks that are run when so much time has passed."""
        effects = self.after(ms)
        (run,) = effects
        assert isinstance(run, i.Run)
        return run

    @property
    def states(self) -> list[State]:
        return [page.state for page in self.machine.pages]


def test_a_page_goes_from_the_desk_to_who_is_on_duty_to_the_backup_team_and_repeats_that() -> None:
    desk = Desk()
    rang = i.Record(call=call(), number=0, again=0, whom=DESK, result=Result.RANG)
    assert desk.take(i.Arrived(call=call())) == (i.Ring(call=call()), rang)
    assert desk.after(99) == ()
    first = desk.run(1)
    assert (first.step.whom, first.step.number, first.again) == (ANALYST.name, 1, 0)
    reached = i.Record(call=call(), number=1, again=0, whom=ANALYST.name, result=Result.REACHED)
    assert desk.take(ended(first, reached=True)) == (reached,)
    assert desk.after(199) == ()
    second = desk.run(1)
    assert (second.step.whom, second.step.number) == (BACKUP.name, 2)
    exhausted = i.Exhausted(call=call(), whom=BACKUP.name)
    recorded = i.Record(call=call(), number=2, again=0, whom=BACKUP.name, result=Result.REACHED)
    assert desk.take(ended(second, reached=True)) == (recorded, exhausted)
    assert desk.after(399) == ()
    for again in (1, 2):
        run = desk.run(400)
        assert (run.step.whom, run.step.number, run.again) == (BACKUP.name, 2, again)
        assert desk.take(ended(run, reached=True)) == (structs.replace(recorded, again=again), exhausted)
    assert desk.states == [State.REPEATING]


def test_after_a_failure_the_next_step_comes_at_once_and_the_last_one_waits() -> None:
    desk = Desk()
    desk.take(i.Arrived(call=call()))
    failed = desk.take(ended(desk.run(100), reached=False))
    assert failed == (i.Record(call=call(), number=1, again=0, whom=ANALYST.name, result=Result.FAILED),)
    last = desk.run(0)
    assert last.step.whom == BACKUP.name
    assert desk.take(ended(last, reached=False))[-1] == i.Exhausted(call=call(), whom=BACKUP.name)
    assert desk.after(399) == ()
    assert desk.run(1).again == 1


def test_hooks_whose_end_nobody_tells_count_as_failed_and_are_told_when_they_end_all_the_same() -> None:
    desk = Desk()
    desk.take(i.Arrived(call=call()))
    run = desk.run(100)
    assert desk.after(CALL_TIMEOUT_MS - 1) == ()
    assert isinstance(desk.after(1)[0], i.Record)
    assert desk.run(0).step.whom == BACKUP.name
    late = i.Record(call=call(), number=1, again=0, whom=ANALYST.name, result=Result.REACHED)
    assert desk.take(ended(run, reached=True)) == (late,)
    assert desk.take(i.Ran(message=message(9), number=1, again=0, whom="x", reached=True)) == ()


def test_an_answer_ends_it_in_every_state_and_who_was_paged_before_is_recorded() -> None:
    desk = Desk()
    desk.take(i.Arrived(call=call()))
    run = desk.run(100)
    answer = i.Acknowledged(message=call().message, by=OURS)
    assert desk.take(answer) == (i.Quiet(call=call()),)
    assert desk.take(answer) == ()
    assert isinstance(desk.take(ended(run, reached=True))[0], i.Record)
    assert desk.after(10**9) == ()
    assert desk.machine.pages == ()
    page = desk.machine.page(call().message)
    assert page is not None
    assert (page.state, page.due_ms) == (State.ANSWERED, None)


def test_an_answer_that_came_before_its_message_counts() -> None:
    desk = Desk()
    desk.take(i.Acknowledged(message=call().message, by=OURS))
    # Whoever starts the program hears nothing of what was answered long ago.
    assert desk.take(i.Arrived(call=call())) == ()
    assert desk.machine.pages == ()
    assert desk.take(i.Unacknowledged(message=call().message, by=OURS)) == (i.Ring(call=call()),)


def test_the_author_does_not_answer_the_own_call() -> None:
    desk = Desk()
    own = call(author=OURS)
    desk.take(i.Arrived(call=own))
    assert desk.take(i.Acknowledged(message=own.message, by=OURS)) == ()
    assert desk.states == [State.DESK]
    assert desk.take(i.Acknowledged(message=own.message, by=(TN, PersonId(b"c" * 16)))) == (i.Quiet(call=own),)


def test_an_answer_that_was_refused_rings_again_unless_somebody_else_answered() -> None:
    desk = Desk()
    desk.take(i.Arrived(call=call()))
    for by in (OURS, (TN, PersonId(b"c" * 16))):
        desk.take(i.Acknowledged(message=call().message, by=by))
    assert desk.take(i.Unacknowledged(message=call().message, by=OURS)) == ()
    refused = i.Unacknowledged(message=call().message, by=(TN, PersonId(b"c" * 16)))
    assert desk.take(refused) == (i.Ring(call=call()),)
    assert desk.run(0).step.whom == ANALYST.name
    assert desk.take(i.Unacknowledged(message=message(9), by=OURS)) == ()


def test_what_another_machine_of_the_desk_told_is_not_done_again() -> None:
    desk = Desk()
    desk.take(i.Arrived(call=call()))
    desk.now_ms += 50
    assert desk.take(told(1, at_ms=desk.now_ms)) == ()
    assert desk.after(199) == ()
    assert desk.run(1).step.whom == BACKUP.name
    # Its own are running now.
    assert desk.take(told(2, at_ms=desk.now_ms)) == ()
    assert desk.states == [State.CALLING]


def test_what_another_machine_failed_to_do_leads_on_at_once() -> None:
    desk = Desk()
    desk.take(i.Arrived(call=call()))
    desk.take(told(1, Result.FAILED))
    assert desk.run(0).step.whom == BACKUP.name


def test_a_machine_that_is_started_again_goes_on_where_the_record_ends() -> None:
    desk = Desk()
    desk.take(told(0, Result.RANG))
    desk.take(told(1, at_ms=NOW_MS + 100))
    desk.now_ms += 150
    # It is not recorded twice that the desk rang.
    assert desk.take(i.Arrived(call=call(), fresh=False)) == (i.Ring(call=call()),)
    assert desk.states == [State.WAITING]
    assert desk.after(149) == ()
    assert desk.run(1).step.whom == BACKUP.name


def test_a_machine_that_was_away_while_the_desk_had_time_pages_at_once() -> None:
    desk = Desk()
    desk.now_ms += 10_000
    desk.take(i.Arrived(call=call(), fresh=False))
    assert desk.run(0).step.whom == ANALYST.name
    other = Desk()
    other.now_ms += 10_000
    other.take(i.Arrived(call=call()))
    assert other.after(99) == ()


def test_a_record_of_the_last_step_is_repeated_and_a_clock_that_is_ahead_holds_up_nothing() -> None:
    desk = Desk()
    desk.take(i.Arrived(call=call(at_ms=NOW_MS + 10**9), fresh=False))
    desk.take(told(2, again=3, at_ms=NOW_MS + 10**9))
    assert desk.states == [State.REPEATING]
    assert desk.run(400).again == 4


def test_without_a_rota_the_desk_rings_on_and_says_that_nobody_else_is_paged() -> None:
    desk = Desk(ALONE)
    assert desk.take(i.Arrived(call=call())) == (i.Ring(call=call()),)
    assert desk.after(100) == (i.Exhausted(call=call(), whom=DESK),)
    assert desk.after(399) == ()
    assert desk.after(1) == (i.Ring(call=call()),)
    assert desk.states == [State.REPEATING]
    # Somebody is named now, and the desk has had its time.
    desk.take(i.RotaChanged(rota=ROTA))
    assert desk.run(0).step.whom == ANALYST.name


def test_a_rota_that_names_nobody_any_more_leaves_the_desk_ringing() -> None:
    desk = Desk()
    desk.take(i.Arrived(call=call()))
    desk.take(ended(desk.run(100), reached=True))
    desk.take(i.RotaChanged(rota=ALONE))
    assert desk.after(200) == (i.Exhausted(call=call(), whom=ANALYST.name),)
    assert desk.states == [State.REPEATING]


def test_a_room_that_this_device_left_rings_no_longer() -> None:
    desk = Desk()
    other = call(2, room=RoomId(b"o" * 16))
    for one in (call(), other):
        desk.take(i.Arrived(call=one))
    assert desk.take(i.Gone(room=ROOM)) == (i.Quiet(call=call()),)
    assert [page.call for page in desk.machine.pages] == [other]


def test_a_room_that_this_device_is_added_to_again_rings_as_before() -> None:
    desk = Desk()
    desk.take(i.Arrived(call=call()))
    desk.take(i.Gone(room=ROOM))
    for number in (1, 2):
        assert desk.take(i.Arrived(call=call(number)))[0] == i.Ring(call=call(number))
    assert desk.states == [State.DESK, State.DESK]


def test_a_message_that_arrives_twice_rings_once() -> None:
    desk = Desk()
    desk.take(i.Arrived(call=call()))
    assert desk.take(i.Arrived(call=call())) == ()


# ---- the table


def test_the_table_leaves_no_page_that_nobody_answered_without_a_next_moment() -> None:
    for (state, event), (after, acts) in TABLE.items():
        if after is State.ANSWERED:
            assert Act.QUIET in acts or state is State.ANSWERED, (state, event)
        else:
            assert {Act.NEXT, Act.AGAIN, Act.WAIT, Act.REST, Act.NOW} & set(acts), (state, event)
            assert Act.QUIET not in acts, (state, event)
    due = (Event.DUE, Event.DUE_LAST, Event.DUE_ALONE)
    unanswered = {State.WAITING, State.REPEATING}
    assert {(state, event) for state, event in product(unanswered, due)} <= set(TABLE)
    # At the desk there is a further step, or nobody at all.
    assert {(State.DESK, Event.DUE), (State.DESK, Event.DUE_ALONE)} <= set(TABLE)
    for state in State:
        assert state is State.ANSWERED or TABLE[state, Event.ANSWER] == (State.ANSWERED, (Act.QUIET,))


def test_the_page_draws_the_table_as_it_is() -> None:
    page = Path(__file__).parents[3] / "docs" / "paging.md"
    assert drawn() in page.read_text(encoding="utf-8")


def drawn() -> str:
    """The table for people."""
    rows = [
        f"| {state} | {event.name.lower().replace('_', ' ')} | {after} | {', '.join(act.value for act in acts)} |"
        for (state, event), (after, acts) in TABLE.items()
    ]
    return "\n".join(["| state | what happens | state then | what is done |", "| --- | --- | --- | --- |", *rows])


# ---- whatever happens

PEOPLE = st.sampled_from((OURS, (TN, PersonId(b"c" * 16)), THEIRS))
STEPS: st.SearchStrategy[tuple[str, Any]] = st.one_of(
    st.tuples(st.just("arrive"), st.tuples(st.integers(1, 3), st.sampled_from((OURS, THEIRS)), st.booleans())),
    st.tuples(st.just("answer"), st.tuples(st.integers(1, 3), st.sampled_from((OURS, (TN, PersonId(b"c" * 16)))))),
    st.tuples(st.just("refuse"), st.tuples(st.integers(1, 3), st.sampled_from((OURS, (TN, PersonId(b"c" * 16)))))),
    st.tuples(
        st.just("tell"),
        st.tuples(st.integers(1, 3), st.integers(0, 63), st.integers(0, 3), st.sampled_from(Result), st.integers(0, 9)),
    ),
    st.tuples(st.just("end"), st.booleans()),
    st.tuples(st.just("pass"), st.sampled_from((0, 1, 100, 200, 400, CALL_TIMEOUT_MS))),
    st.tuples(
        st.just("rota"),
        st.sampled_from((ROTA, ALONE, structs.replace(ROTA, backup=None), structs.replace(ROTA, people=()))),
    ),
)


@settings(max_examples=300)
@given(st.sampled_from((ROTA, ALONE)), st.lists(STEPS, max_size=40))
def test_what_nobody_answered_rings_and_has_a_next_moment_and_what_was_answered_is_quiet(
    rota: Rota, steps: Sequence[tuple[str, Any]]
) -> None:
    desk = Desk(rota)
    answers: dict[int, set[i.Person]] = {}
    authors: dict[int, i.Person] = {}
    running: list[i.Run] = []
    ringing: set[i.Call] = set()
    for step in steps:
        for effect in desk.take(_input(step, desk, answers, authors, running)):
            if isinstance(effect, i.Run):
                running.append(effect)
            elif isinstance(effect, i.Ring):
                ringing.add(effect.call)
            elif isinstance(effect, i.Quiet):
                ringing.remove(effect.call)
        unanswered = {number for number, author in authors.items() if not answers.get(number, set()) - {author}}
        rings = {page.call.message for page in desk.machine.pages}
        assert rings == {message(number) for number in unanswered} == {one.message for one in ringing}
        assert all(page.due_ms is not None for page in desk.machine.pages)
    # Each goes on at its time, for ever.
    for page in desk.machine.pages:
        for _ in range(5):
            assert page.due_ms is not None
            before = page.due_ms
            desk.now_ms = max(desk.now_ms, before)
            assert any(_concerns(effect, page.call) for effect in desk.take(i.Tick()))
            assert page.due_ms > before or page.due_ms == desk.now_ms


def _concerns(effect: i.Effect, of: i.Call) -> bool:
    return effect.call == of


def _input(  # noqa: PLR0911 - one for each kind of input
    step: tuple[str, Any],
    desk: Desk,
    answers: dict[int, set[i.Person]],
    authors: dict[int, i.Person],
    running: list[i.Run],
) -> i.Input:
    match step:
        case "arrive", (int(number), author, bool(fresh)):
            authors.setdefault(number, author)
            return i.Arrived(call=call(number, author=author), fresh=fresh)
        case "answer", (int(number), by):
            answers.setdefault(number, set()).add(by)
            return i.Acknowledged(message=message(number), by=by)
        case "refuse", (int(number), by):
            answers.get(number, set()).discard(by)
            return i.Unacknowledged(message=message(number), by=by)
        case "tell", (int(number), int(place), int(again), Result() as result, int(at)):
            return told(place, result, again=again, at_ms=NOW_MS + at, number=number)
        case "end", bool(reached) if running:
            return ended(running.pop(0), reached=reached)
        case "rota", Rota() as rota:
            return i.RotaChanged(rota=rota)
        case "pass", int(ms):
            desk.now_ms += ms
    return i.Tick()
