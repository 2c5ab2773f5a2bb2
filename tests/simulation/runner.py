"""Runs seeds, says what was violated, and shortens the plan of a failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.simulation import invariants
from tests.simulation.final import collect
from tests.simulation.plan import STORM_MS, Plan, make_plan
from tests.simulation.world import Build, World

MAX_SHRINK_RUNS: Final = 60
MAX_LINES: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run.

    Attributes:
        plan: What was done.
        trace: Hash over all that happened.
        virtual_ms: How long it took, in virtual time.
        leaves: How many leaves its log has.
        violations: By invariant.
    """

    plan: Plan
    trace: str
    virtual_ms: int
    leaves: int
    violations: dict[str, list[str]]

    def report(self) -> str:
        """What was violated, and how to see it again."""
        lines = [f"seed {self.plan.seed}: {len(self.violations)} invariants violated"]
        for name, found in self.violations.items():
            what = (invariants.INVARIANTS[name].__doc__ or "").strip().splitlines()[0]
            lines += [f"  {name}: {what}", *(f"    {line}" for line in found[:MAX_LINES])]
            if len(found) > MAX_LINES:
                lines.append(f"    and {len(found) - MAX_LINES} more")
        return "\n".join(lines)


def run_plan(plan: Plan, build: Build | None = None) -> Run:
    """Run a plan to its end and check everything."""
    world = World(plan, build)
    world.run()
    outcome = collect(world)
    return Run(
        plan=plan,
        trace=world.scheduler.trace,
        virtual_ms=world.scheduler.elapsed_ms,
        leaves=len(outcome.log),
        violations=invariants.check(outcome),
    )


def run_seed(
    seed: int, build: Build | None = None, *, storm_ms: int = STORM_MS, wanted: tuple[str, ...] | None = None
) -> Run:
    """Run the plan of a seed; arguments as `make_plan`."""
    return run_plan(make_plan(seed, storm_ms=storm_ms, wanted=wanted), build)


def shorten(plan: Plan, violated: Callable[[Plan], bool], *, runs: int = MAX_SHRINK_RUNS) -> frozenset[int]:
    """Leave out as many steps as possible while the plan still violates the same invariant.

    Halves, quarters and so on are left out in turn (delta debugging), for so many runs.

    Args:
        plan: The plan.
        violated: Whether a shorter one still fails in the same way.
        runs: How often that may be asked.

    Returns:
        The places of the steps to keep.
    """
    kept = list(range(len(plan.steps)))
    size = len(kept) // 2
    while size and runs > 0:
        for start in range(0, len(kept), size):
            tried = kept[:start] + kept[start + size :]
            runs -= 1
            if violated(plan.keep(frozenset(tried))):
                kept = tried
                break
            if runs <= 0:
                break
        else:
            size //= 2
    return frozenset(kept)


def explain(run: Run, build: Build | None = None) -> str:
    """The report of a failed run, with the shortest plan that was found for its first violation."""
    name = next(iter(run.violations))

    def violated(plan: Plan) -> bool:
        return name in run_plan(plan, build).violations

    kept = shorten(run.plan, violated)
    steps = "\n".join(f"    {run.plan.steps[number].at_ms:>7} {run.plan.steps[number].what}" for number in sorted(kept))
    numbers = ",".join(str(number) for number in sorted(kept))
    again = f"python -m tests.simulation --seed {run.plan.seed} --storm-ms {run.plan.storm_ms} --keep {numbers}"
    return f"{run.report()}\n  {name} needs {len(kept)} of {len(run.plan.steps)} steps:\n{steps}\n  again: {again}"
