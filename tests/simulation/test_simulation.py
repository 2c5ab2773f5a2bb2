"""The two real cores under one seed: every invariant holds, every planted mutant is caught."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.plan import make_plan
from tests.simulation.runner import explain, run_plan, run_seed

SEEDS = 24
"""A run of the long form multiplies this: `make campaign`."""
GROUPS = 8
TWICE = 20


@pytest.mark.slow
@pytest.mark.parametrize("group", range(GROUPS))
def test_no_seed_violates_an_invariant(group: int, scale: int) -> None:
    for seed in range(group, SEEDS * scale, GROUPS):
        run = run_seed(seed)
        assert run.leaves, "nothing happened: the run would show nothing"
        assert not run.violations, explain(run)


@pytest.mark.slow
@pytest.mark.parametrize("group", range(4))
def test_the_same_seed_gives_the_same_trace(group: int) -> None:
    for seed in range(1_000 + group, 1_000 + TWICE, 4):
        first, second = (run_plan(make_plan(seed, storm_ms=20_000)) for _ in range(2))
        assert first.trace == second.trace, f"seed {seed} does not repeat"


@pytest.mark.slow
@pytest.mark.parametrize("planted", MUTANTS.values(), ids=MUTANTS.keys())
def test_a_planted_mutant_is_caught_by_its_invariant(planted: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    build = planted.plant(monkeypatch)
    for seed in range(planted.seeds):
        if planted.breaks in run_seed(seed, build, wanted=planted.faults or None).violations:
            return
    pytest.fail(f"{planted.name}: {planted.breaks} is not violated in {planted.seeds} seeds")
