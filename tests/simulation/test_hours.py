from __future__ import annotations

import random
from typing import Final

import pytest

from amanah_client.core import monitor
from amanah_protocol.errors import Code
from amanah_protocol.log.policy import policy_of_roster
from amanah_protocol.roster import decode_roster, verify_roster
from tests.simulation import hours, workload
from tests.simulation.history import Promised
from tests.simulation.hours import HOUR_MS, MINUTE_MS, run_hours, run_plan
from tests.simulation.plan import WITNESSES, Plan, Step, make_plan
from tests.simulation.world import World

SHORT: Final = 10
LONG: Final = 1_000
"""Virtual hours, and those of a campaign of the usual length."""
EACH: Final = 5
PARTS: Final = 4


def seeds(part: int, scale: int) -> range:
    """A part of the seeds, of five hours each."""
    return range(part, (SHORT if scale == 1 else LONG * scale // 10) // EACH, PARTS)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_an_honest_relay_is_accused_of_nothing(part: int, scale: int) -> None:
    runs = [run_hours(seed, EACH) for seed in seeds(part, scale)]
    assert [f"seed {run.seed}: {line}" for run in runs for line in run.false] == []
    assert all(run.virtual_ms >= EACH * HOUR_MS for run in runs)
    assert all(run.cosigned for run in runs)


def day(seed: int, leave_ms: int) -> Plan:
    """Forty minutes of sparse work, in which all witnesses are away for a while."""
    source = random.Random(seed)
    steps = [*workload.opening(source), *workload.work(source, MINUTE_MS, 40 * MINUTE_MS, 12)]

    def leave(world: World) -> None:
        for witness in world.witnesses:
            witness.leave(world.scheduler.now_ms, leave_ms)

    steps.append((2 * MINUTE_MS, "all witnesses leave", leave))
    ordered = sorted(steps, key=lambda step: step[0])
    plan = tuple(Step(*step) for step in ordered)
    return Plan(seed=seed, storm_ms=40 * MINUTE_MS, steps=plan, witnesses=3, quorum=2)


def test_witnesses_that_are_away_are_missed_and_nobody_else_is_blamed() -> None:
    run = run_plan(day(1, 20 * MINUTE_MS))
    assert run.false == ()
    assert run.remarks >= 2
    assert run_plan(day(1, MINUTE_MS)).remarks == 0


def test_a_remark_about_witnesses_that_were_there_is_false(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hours, "_is_missed", lambda *_: False)
    run = run_plan(day(1, 20 * MINUTE_MS))
    assert run.false
    assert all(Code.WITNESSES in line for line in run.false)


def test_a_client_without_patience_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "OWED_MS", 0)
    run = run_plan(day(1, MINUTE_MS))
    assert any(Code.PROOF in line for line in run.false)
    assert any("keeps evidence" in line for line in run.false)


# ---- the witnesses themselves


def test_seeds_of_the_simulation_have_witnesses_that_cosign() -> None:
    plans = [make_plan(seed, storm_ms=20_000, wanted=()) for seed in range(16)]
    assert {plan.witnesses for plan in plans} == set(WITNESSES)
    world = World(next(plan for plan in plans if plan.witnesses == 4))
    world.run()
    roster = decode_roster(world.community.roster)
    policy = policy_of_roster(verify_roster(roster, None, now_ms=roster.issued_ms).value)
    newest = world.relay.store.load().checkpoints[-1]
    assert policy.verify_note(newest).checkpoint.size > 40
    sources = {promised.source for promised in world.history.of(Promised)}
    assert sources >= {f"checkpoint at {signer.name}" for signer in world.community.witnesses}
