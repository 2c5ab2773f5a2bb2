"""Whoever takes over paging goes on from the call and the record: no step comes later than from one that ran on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanah_client.paging import inputs as i
from amanah_client.paging.duty import Rota
from amanah_client.paging.machine import Machine, State
from amanah_protocol.content.page import Page, Result
from tests.client.paging.calls import ALONE, ANALYST, BACKUP, NOW_MS, ROTA, call, told

UNTIL_MS: Final = 2_000
ALWAYS: Final = Rota(people=(ANALYST, ANALYST), backup=BACKUP, desk_wait_ms=100, step_wait_ms=200, repeat_wait_ms=700)
_Position = tuple[int, int]


@dataclass(slots=True, kw_only=True)
class Hooks:
    """How long each step's hooks take, and whether they reach anybody."""

    lasts_ms: tuple[int, ...]
    reaches: tuple[bool, ...]

    def of(self, run: i.Run) -> tuple[int, bool]:
        number = run.step.number + run.again
        return self.lasts_ms[number % len(self.lasts_ms)], self.reaches[number % len(self.reaches)]


@dataclass(slots=True)
class Program:
    """A program that pages for the profile or, alone, rings beside one that does."""

    hooks: Hooks
    machine: Machine
    ran_ms: dict[_Position, int] = field(default_factory=dict)
    running: list[tuple[int, i.Ran]] = field(default_factory=list)
    record: list[i.Told] = field(default_factory=list)

    def take(self, received: i.Input, at_ms: int) -> None:
        for effect in self.machine.take(received, NOW_MS + at_ms):
            if isinstance(effect, i.Run):
                self.ran_ms.setdefault((effect.step.number, effect.again), at_ms)
                lasts_ms, reached = self.hooks.of(effect)
                self.running.append((at_ms + lasts_ms, _ran(effect, reached=reached)))
            elif isinstance(effect, i.Record):
                self.record.append(_told(effect, at_ms))

    def pass_to(self, at_ms: int) -> list[i.Told]:
        """What it tells the room at a moment."""
        self.record.clear()
        for over in [one for one in self.running if one[0] <= at_ms]:
            self.running.remove(over)
            self.take(over[1], at_ms)
        self.take(i.Tick(), at_ms)
        return list(self.record)


def _ran(run: i.Run, *, reached: bool) -> i.Ran:
    return i.Ran(message=run.call.message, number=run.step.number, again=run.again, whom=run.step.whom, reached=reached)


def _told(record: i.Record, at_ms: int) -> i.Told:
    page = Page(
        message=record.call.message,
        step=record.number,
        again=record.again,
        whom=record.whom,
        result=record.result,
        at_ms=NOW_MS + at_ms,
    )
    return i.Told(page=page)


def _beginning(rota: Rota, hooks: Hooks) -> Program:
    made = Program(hooks, Machine(rota))
    made.take(i.Arrived(call=call()), 0)
    return made


HOOKS: Final = st.builds(
    Hooks,
    lasts_ms=st.lists(st.integers(0, 15).map(lambda tens: tens * 10), min_size=1, max_size=4).map(tuple),
    reaches=st.lists(st.booleans(), min_size=1, max_size=4).map(tuple),
)


@settings(max_examples=200)
@given(HOOKS, st.integers(0, UNTIL_MS // 10), st.integers(0, 20), st.sampled_from((ROTA, ALWAYS)))
def test_no_step_comes_later_from_who_takes_over_than_from_one_that_ran_all_the_time(
    hooks: Hooks, dies: int, unseen: int, rota: Rota
) -> None:
    dies_ms, taken_ms = dies * 10, (dies + unseen) * 10
    ran_on, first, second = _beginning(rota, hooks), _beginning(rota, hooks), _beginning(ALONE, hooks)
    for at_ms in range(0, UNTIL_MS, 10):
        ran_on.pass_to(at_ms)
        for one in first.pass_to(at_ms) if at_ms < dies_ms else ():
            second.take(one, at_ms)
        if at_ms == taken_ms:
            second.take(i.RotaChanged(rota=rota), at_ms)
        second.pass_to(at_ms)
    # A step that was under way is taken once more, from its beginning: so much, and the time without anybody, is lost.
    lost_ms = taken_ms - (max(first.ran_ms.values()) if first.running else dies_ms)
    for position, at_ms in ran_on.ran_ms.items():
        if at_ms + lost_ms < UNTIL_MS:
            assert (second.ran_ms | first.ran_ms)[position] <= at_ms + lost_ms, position


def _later(program: Program, step: int, *, from_ms: int) -> int:
    """When it runs a step."""
    for at_ms in range(from_ms, UNTIL_MS, 10):
        program.pass_to(at_ms)
        if (step, 0) in program.ran_ms:
            return program.ran_ms[step, 0]
    raise AssertionError(step)


ENDLESS: Final = Hooks(lasts_ms=(100_000,), reaches=(True,))


def test_who_takes_over_pages_at_once_where_the_desk_has_had_its_time() -> None:
    desk = _beginning(ALONE, ENDLESS)
    for at_ms in range(0, 150, 10):
        desk.pass_to(at_ms)
    (page,) = desk.machine.pages
    assert page.state is State.REPEATING
    desk.take(i.RotaChanged(rota=ROTA), 150)
    assert _later(desk, 1, from_ms=150) == 150


@pytest.mark.parametrize(("result", "comes_ms"), [(Result.REACHED, 320), (Result.FAILED, 150)])
def test_who_takes_over_waits_out_a_step_that_was_told_and_goes_on_at_once_where_it_failed(
    result: Result, comes_ms: int
) -> None:
    desk = _beginning(ALONE, ENDLESS)
    for at_ms in range(0, 150, 10):
        desk.pass_to(at_ms)
    desk.take(told(1, result, at_ms=NOW_MS + 120), 140)
    desk.take(i.RotaChanged(rota=ROTA), 150)
    assert _later(desk, 2, from_ms=150) == comes_ms


def test_who_takes_over_before_the_desk_has_had_its_time_waits_for_it() -> None:
    desk = _beginning(ALONE, ENDLESS)
    desk.take(i.RotaChanged(rota=ROTA), 50)
    assert _later(desk, 1, from_ms=50) == 100


def test_who_takes_over_repeats_the_last_step_when_its_time_has_come() -> None:
    desk = _beginning(ALONE, ENDLESS)
    desk.take(told(2, at_ms=NOW_MS + 10), 20)
    desk.take(i.RotaChanged(rota=ROTA), 30)
    for at_ms in range(30, 500, 10):
        desk.pass_to(at_ms)
    assert desk.ran_ms == {(2, 1): 410}
