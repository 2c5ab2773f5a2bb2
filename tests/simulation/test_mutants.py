from __future__ import annotations

import pytest

from tests.simulation.invariants import INVARIANTS
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.runner import Run, run_seed

STORM_MS = 45_000


def runs_of(mutant: Mutant) -> list[Run]:
    """Seed after seed with a fault planted, until its invariant finds it."""
    runs: list[Run] = []
    for seed in range(mutant.first, mutant.first + mutant.seeds):
        with pytest.MonkeyPatch.context() as patch:
            runs.append(run_seed(seed, mutant.plant(patch), storm_ms=STORM_MS, wanted=mutant.faults))
        if mutant.breaks in runs[-1].violations:
            break
    return runs


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_a_planted_fault_is_found_by_the_invariant_that_it_breaks(mutant: Mutant) -> None:
    runs = runs_of(mutant)
    found = {name for run in runs for name in run.violations}
    assert mutant.breaks in found, f"{mutant.name}: {len(runs)} seeds violate {sorted(found) or 'nothing'}"


def test_every_invariant_is_broken_by_a_planted_fault() -> None:
    assert {mutant.breaks for mutant in MUTANTS.values()} == set(INVARIANTS)
