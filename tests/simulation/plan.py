"""What is done to the world, and when: all of it follows from the seed, before anything happens.

A plan is a list of steps, so that a failure can be run again with fewer of them. Each seed draws a
part of the faults only (swarm testing): some weaknesses show where other faults do not drown them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from tests.simulation import faults, workload

if TYPE_CHECKING:
    from tests.simulation.world import World

Work: TypeAlias = "Callable[[World], None]"
STORM_MS: Final = 100_000
WITNESSES: Final = (0, 0, 1, 3, 4, 7)
"""How many there may be."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done.

    Attributes:
        at_ms: When, behind the start.
        what: For people, and part of the trace.
        work: Does it.
    """

    at_ms: int
    what: str
    work: Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All steps of a run in order of time.

    Attributes:
        seed: Where it comes from.
        storm_ms: How long work and faults go on; then the world heals.
        steps: The steps.
        witnesses: How many honest witnesses cosign the log.
        quorum: How many of them have to.
    """

    seed: int
    storm_ms: int
    steps: tuple[Step, ...]
    witnesses: int = 0
    quorum: int = 0

    def keep(self, numbers: frozenset[int]) -> Plan:
        """The same plan with these steps only, by their place in it."""
        kept = tuple(step for number, step in enumerate(self.steps) if number in numbers)
        return replace(self, steps=kept)


def make_plan(seed: int, *, storm_ms: int = STORM_MS, wanted: tuple[str, ...] | None = None) -> Plan:
    """The plan of a seed.

    Args:
        seed: The seed.
        storm_ms: How long work and faults go on.
        wanted: Kinds of faults, by their names in `faults.KINDS`; None draws a part of all, () means none.
    """
    source = random.Random(f"{seed}/plan")
    steps = [*workload.plan(source, storm_ms), *faults.plan(source, storm_ms, wanted)]
    ordered = sorted((step for step in steps if step[0] <= storm_ms), key=lambda step: step[0])
    # From a source of its own: who cosigns shifts nothing of what is done.
    witnesses = random.Random(f"{seed}/witnesses").choice(WITNESSES)
    quorum = witnesses // 2 + 1 if witnesses else 0
    return Plan(
        seed=seed, storm_ms=storm_ms, steps=tuple(Step(*step) for step in ordered), witnesses=witnesses, quorum=quorum
    )
