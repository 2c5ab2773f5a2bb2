"""Attack 36 in schedules that are drawn from seeds: whatever the relay does, a split view does not stay hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Final

import pytest

from amanah_protocol.errors import Code
from amanah_protocol.log.conflict import Verdict
from tests.adversary import splits
from tests.adversary.outcomes import control, defended
from tests.adversary.schedules import SPLITS, Answer, Begin, Manner, Schedule, make_schedule
from tests.adversary.splits import BOUND_MS, Played, percentile
from tests.adversary.stage import Setting

SHORT: Final = 10
LONG: Final = 500
"""How many schedules are played, and how many by a campaign of the usual length."""
STALL_MS: Final = 120_000

setting = cache(splits.set_up)
"""Set up without any defence switched off."""


@pytest.fixture(scope="session")
def settings() -> Callable[[Schedule], Setting]:
    """The stage of a schedule."""
    return lambda schedule: setting(schedule.witnesses, schedule.quorum)


@defended(36)
@pytest.mark.slow
def test_every_split_view_is_detected_and_no_quorum_cosigns_both_sides(
    settings: Callable[[Schedule], Setting], scale: int
) -> None:
    schedules = [make_schedule(seed) for seed in range(SHORT if scale == 1 else LONG * scale // 10)]
    played = [splits.play(schedule, settings(schedule)) for schedule in schedules]
    assert [f"{one.schedule.line()}: {one.fails} {one.alarms}" for one in played if one.fails] == []
    assert percentile((one.after_ms or 0 for one in played), 99) <= BOUND_MS


def test_the_schedules_hold_every_split_begin_manner_and_answer() -> None:
    schedules = [make_schedule(seed) for seed in range(LONG)]
    assert len({schedule.group for schedule in schedules}) == SPLITS
    assert {schedule.begin for schedule in schedules} == set(Begin)
    assert {schedule.manner for schedule in schedules} == set(Manner)
    stalls = [make_schedule(seed, stalls=True) for seed in range(LONG)]
    assert {schedule.answer for schedule in (*schedules, *stalls)} == set(Answer)
    assert all(2 * one.quorum - one.witnesses > one.colluding for one in schedules)
    assert any(one.colluding == 2 * one.quorum - one.witnesses - 1 > 0 for one in schedules)


# ---- a relay that gives no proof at all


STALLED: Final = (68, 10)
"""Seeds of a relay that hangs up and of one that says nothing; sizes of the sides never meet."""


@defended(36)
@pytest.mark.parametrize("seed", STALLED)
def test_a_relay_that_stalls_the_proof_owes_it(settings: Callable[[Schedule], Setting], seed: int) -> None:
    schedule = make_schedule(seed, stalls=True)
    played = splits.play(schedule, settings(schedule))
    assert not played.fails
    assert played.code == Code.PROOF
    assert set(played.verdicts) == {Verdict.UNEXPLAINED}
    assert (played.after_ms or 0) <= STALL_MS


@control(36, "proofs that are owed")
@pytest.mark.parametrize("seed", STALLED)
def test_without_patience_that_ends_the_stalling_relay_is_never_told_of(
    settings: Callable[[Schedule], Setting], seed: int
) -> None:
    schedule = make_schedule(seed, stalls=True)
    played = splits.play(schedule, settings(schedule))
    assert (played.after_ms, played.alarms, played.both_shown) == (None, (), True)


# ---- too many witnesses that cosign anything


def two_quorums(colluding: int) -> Schedule:
    """Four witnesses of which three have to cosign; the relay answers as each side would have it."""
    return replace(
        make_schedule(1),
        begin=Begin.SHARED,
        manner=Manner.REPLACE,
        answer=Answer.OWN,
        witnesses=4,
        quorum=3,
        colluding=colluding,
        weather=(20, 30, 0),
        cuts=(),
    )


def play_two(settings: Callable[[Schedule], Setting], colluding: int) -> Played:
    schedule = two_quorums(colluding)
    return splits.play(schedule, settings(schedule))


@control(36, "views are compared")
def test_with_two_that_collude_and_no_gossip_two_quorums_cosign_two_records_and_nobody_knows(
    settings: Callable[[Schedule], Setting],
) -> None:
    played = play_two(settings, colluding=2)
    assert (played.quorums, played.both_shown) == ((True, True), True)
    assert (played.after_ms, played.alarms) == (None, ())


@control(36, "views are compared")
def test_with_one_that_colludes_and_no_gossip_one_quorum_is_left_and_nobody_knows(
    settings: Callable[[Schedule], Setting],
) -> None:
    played = play_two(settings, colluding=1)
    assert sum(played.quorums) <= 1
    assert (played.after_ms, played.alarms, played.both_shown) == (None, (), True)


@defended(36)
def test_gossip_finds_what_two_quorums_have_cosigned(settings: Callable[[Schedule], Setting]) -> None:
    played = play_two(settings, colluding=2)
    assert played.code == Code.FORK
    assert (played.after_ms or 0) <= BOUND_MS
