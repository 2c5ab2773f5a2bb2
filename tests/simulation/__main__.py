"""Run seeds by hand: `python -m tests.simulation --seed 7`.

A failure is printed with the shortest plan that still shows it, and with the command that runs just
that. `--first` and `--count` run many seeds, each with one line.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.faults import KINDS
from tests.simulation.plan import STORM_MS, make_plan
from tests.simulation.runner import Run, explain, run_plan


def main() -> int:
    """Run what was asked for; 0 when nothing was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Run seeds of the simulation.")
    parser.add_argument("--seed", type=int, help="one seed, explained")
    parser.add_argument("--keep", default="", help="run only these steps of its plan: numbers with commas")
    parser.add_argument("--first", type=int, default=0, help="the first of many seeds (default: 0)")
    parser.add_argument("--count", type=int, default=20, help="how many seeds (default: 20)")
    parser.add_argument("--storm-ms", type=int, default=STORM_MS, help=f"virtual time of work and faults ({STORM_MS})")
    parser.add_argument("--calm", action="store_true", help="no faults")
    parser.add_argument("--fault", action="append", choices=list(KINDS), help="only this kind, often; may be repeated")
    parser.add_argument("--plan", action="store_true", help="print the plan of the seed, and run nothing")
    parser.add_argument("--no-shorten", action="store_true", help="do not look for a shorter plan")
    options = parser.parse_args()
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.count)
    wanted = () if options.calm else None if options.fault is None else tuple(options.fault)
    fine = True
    for seed in seeds:
        plan = make_plan(seed, storm_ms=options.storm_ms, wanted=wanted)
        if options.keep:
            plan = plan.keep(frozenset(int(number) for number in options.keep.split(",")))
        if options.plan:
            for number, step in enumerate(plan.steps):
                _say(f"{number:>4} {step.at_ms:>7} {step.what}")
            continue
        start = time.perf_counter()
        run = run_plan(plan)
        _say(_line(run, time.perf_counter() - start))
        if run.violations:
            fine = False
            _say(run.report() if options.no_shorten or options.keep else explain(run))
    return 0 if fine else 1


def _line(run: Run, seconds: float) -> str:
    found = ", ".join(f"{name} {len(lines)}" for name, lines in run.violations.items()) or "nothing violated"
    return (
        f"seed {run.plan.seed}: {run.virtual_ms / 1000:.0f} virtual seconds in {seconds:.2f} s, "
        f"{run.leaves} leaves, trace {run.trace[:16]}, {found}"
    )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - what the run found is its result


if __name__ == "__main__":
    sys.exit(main())
