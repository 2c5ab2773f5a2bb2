from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.simulation.durable import durable_build
from tests.simulation.plan import make_plan
from tests.simulation.runner import explain, run_plan, run_seed, shorten
from tests.simulation.world import Build

ROOT: Final = Path(__file__).resolve().parent.parent.parent
SEEDS: Final = 16
SHORT: Final = 8
PARTS: Final = 8
REPEATED: Final = 4
"""Seeds that are run twice; a run of the long form multiplies this, as it does `SEEDS`: `make campaign`."""
SHORT_MS: Final = 15_000
WITNESSED_MS: Final = 480_000


def seeds(part: int, scale: int) -> range:
    """A part of the seeds; a campaign goes on where the test ends."""
    return range(part, SHORT if scale == 1 else SEEDS * scale, PARTS)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_invariant_holds_whatever_goes_wrong(part: int, scale: int) -> None:
    for seed in seeds(part, scale):
        run = run_seed(seed)
        assert not run.violations, explain(run)


def test_every_invariant_holds_where_nothing_goes_wrong() -> None:
    run = run_seed(0, storm_ms=2 * SHORT_MS, wanted=())
    assert run.violations == {}
    assert run.leaves > 40


@pytest.mark.slow
def test_honest_witnesses_are_never_missed_whatever_else_goes_wrong(scale: int) -> None:
    # Longer than witnesses may take, so that what would be late is told.
    for seed in range(scale):
        build = Build(witnesses=4, quorum=3)
        run = run_seed(seed, build, storm_ms=WITNESSED_MS)
        assert not run.violations, explain(run, build)


def traces_elsewhere(first: int, count: int, hash_seed: str) -> dict[int, str]:
    """The traces of some seeds, run by a process of its own that orders its sets in another way."""
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "tests.simulation", "--storm-ms", str(SHORT_MS)),
            *("--first", str(first), "--count", str(count)),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
        text=True,
    )
    found = re.findall(r"^seed (\d+): .* trace ([0-9a-f]+),", ran.stdout, re.MULTILINE)
    return {int(seed): trace for seed, trace in found}


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_a_seed_gives_the_same_trace_in_every_process(part: int, scale: int) -> None:
    count = REPEATED * scale // 4
    first = part * count
    here = {seed: run_seed(seed, storm_ms=SHORT_MS).trace[:16] for seed in range(first, first + count)}
    assert traces_elsewhere(first, count, hash_seed=str(part + 1)) == here


@pytest.mark.slow
def test_the_real_stores_give_the_same_trace_as_the_stores_in_memory(tmp_path: Path, scale: int) -> None:
    for seed in range(scale):
        folder = tmp_path / str(seed)
        folder.mkdir()
        with durable_build(folder) as build:
            durable = run_seed(seed, build, storm_ms=SHORT_MS)
        assert durable.violations == {}
        assert durable.trace == run_seed(seed, storm_ms=SHORT_MS).trace


def test_another_seed_gives_another_trace() -> None:
    assert len({run_seed(seed, storm_ms=8_000).trace for seed in range(3)}) == 3


def test_a_plan_is_shortened_to_the_steps_that_matter() -> None:
    plan = make_plan(1, storm_ms=SHORT_MS)
    wanted = {3, 17}
    kept = shorten(plan, lambda shorter: {plan.steps[number] for number in wanted} <= set(shorter.steps), runs=200)
    assert kept == wanted


def test_a_plan_that_is_cut_to_some_of_its_steps_runs() -> None:
    plan = make_plan(2, storm_ms=SHORT_MS)
    assert run_plan(plan.keep(frozenset(range(12)))).leaves < run_plan(plan).leaves
