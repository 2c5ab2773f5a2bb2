"""Honest hours: days of sparse work at an honest relay, in which things go wrong and no alarm about the log may come.

By hand: `python -m tests.simulation.hours --first 0 --count 50` runs fifty times twenty virtual hours.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from amanah_protocol.errors import Code
from tests.simulation import faults, workload
from tests.simulation.faults import Planned
from tests.simulation.final import read_log
from tests.simulation.history import Failed, Raised
from tests.simulation.plan import Plan, Step
from tests.simulation.scheduler import START_MS
from tests.simulation.world import World

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
HOURS: Final = 20
TICK_MS: Final = 4_800
"""Hours are long: shells wake up less often than those of a storm, and still within the core's longest step."""
COUNTS: Final = (3, 4, 5, 7)
MISSED_MS: Final = 2 * MINUTE_MS
"""A remark about witnesses is founded when the quorum was away for so long lately."""
LATELY_MS: Final = 8 * MINUTE_MS
SAMPLE_MS: Final = 5_000
AT_HOME: Final = ("tn-2", "ma-1", "ma-2", "sn-2", "auditor")
"""On duty by night are the others."""
QUIET: Final = ("witness leaves", "witness is slow", "clock", "relay clock", "offline", "relay dies", "cut")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """What came of it.

    Attributes:
        seed: The seed.
        virtual_ms: How long it took, in virtual time.
        leaves: How many leaves the log has.
        cosigned: The largest size that a quorum has cosigned, as a client has it.
        remarks: Remarks about witnesses that were away.
        false: Everything that should not have come: alarms, evidence, faults of the program.
        trace: Hash over all that happened.
    """

    seed: int
    virtual_ms: int
    leaves: int
    cosigned: int
    remarks: int
    false: tuple[str, ...]
    trace: str


def make_plan(seed: int, hours: int = HOURS) -> Plan:
    """The plan of a seed: each hour is busy, sparse or of the night, and bad in its own way or good."""
    source = random.Random(f"{seed}/hours")
    witnesses = source.choice(COUNTS)
    quorum = source.randint(witnesses // 2 + 1, witnesses)
    steps = list(workload.opening(source))
    for hour in range(hours):
        steps += _hour(source, hour, witnesses)
    ordered = sorted(steps, key=lambda step: step[0])
    return Plan(
        seed=seed,
        storm_ms=hours * HOUR_MS,
        steps=tuple(Step(*step) for step in ordered),
        witnesses=witnesses,
        quorum=quorum,
    )


def _hour(source: random.Random, hour: int, witnesses: int) -> Iterator[Planned]:
    begin_ms = hour * HOUR_MS
    kind = source.choice(("busy", "sparse", "sparse", "night", "night", "night"))
    count = {"busy": 60, "sparse": 8, "night": 2}[kind]
    if kind == "night" and hour:
        yield begin_ms, "night", _night
    since_ms = begin_ms + source.randint(MINUTE_MS, HOUR_MS // 2)
    until_ms = begin_ms + HOUR_MS - MINUTE_MS if kind != "busy" else since_ms + 2 * MINUTE_MS
    yield from workload.work(source, since_ms, until_ms, count)
    # A storm in the midst of work, and else what happens on any day.
    wanted = None if kind == "busy" else QUIET
    span_ms = until_ms - since_ms
    for at_ms, what, work in faults.plan(source, span_ms, wanted):
        if kind == "busy" or source.randrange(4) == 0:
            yield since_ms + at_ms, what, work
    if source.randrange(8) == 0:
        yield since_ms, "witnesses are away", _leave(source, witnesses)
    yield until_ms + MINUTE_MS // 2, "heal", lambda world: world.heal()


def _night(world: World) -> None:
    """Who is not on duty switches off, until the hour's end."""
    for name in AT_HOME:
        world.stay_down(name, HOUR_MS)
        world.clients[name].kill()


def _leave(source: random.Random, witnesses: int) -> faults.Work:
    """Some or all witnesses are away for long, together."""
    away, duration_ms = source.sample(range(witnesses), source.randint(1, witnesses)), source.randint(5, 30) * MINUTE_MS

    def work(world: World) -> None:
        for number in away:
            world.witnesses[number].leave(world.scheduler.now_ms, duration_ms)

    return work


def run_hours(seed: int, hours: int = HOURS) -> Hours:
    """Run a seed."""
    return run_plan(make_plan(seed, hours))


def run_plan(plan: Plan) -> Hours:
    """Run a plan and look for what an honest relay must not be accused of."""
    world = World(plan)
    world.look_ms = world.relay.tick_ms = TICK_MS
    for client in world.clients.values():
        client.tick_ms = TICK_MS
    world.run()
    remarks, false = 0, [*world.pending]
    for raised in world.history.of(Raised):
        if raised.code == Code.WITNESSES and _is_founded(world, raised):
            remarks += 1
        else:
            false.append(f"{raised.at_ms} {world.community.names[raised.device]}: {raised.code} {raised.detail}")
    false += [f"{failed.at_ms} {failed.who}: {failed.detail}" for failed in world.history.of(Failed)]
    snapshots = {name: client.store.snapshot() for name, client in world.clients.items()}
    false += [f"{name} keeps evidence against the log" for name, snapshot in snapshots.items() if snapshot.conflicts]
    rows = [snapshot.witnessed for snapshot in snapshots.values() if snapshot.witnessed is not None]
    return Hours(
        seed=plan.seed,
        virtual_ms=world.scheduler.elapsed_ms,
        leaves=len(read_log(world.relay.store)),
        cosigned=max((row.size for row in rows), default=0),
        remarks=remarks,
        false=tuple(false),
        trace=world.scheduler.trace,
    )


def _is_founded(world: World, raised: Raised) -> bool:
    """Whether the quorum was really away for a while, before a remark that says so, or that takes it back."""
    now_ms = START_MS + raised.at_ms
    times = range(now_ms - LATELY_MS, now_ms, SAMPLE_MS)
    if raised.detail.startswith("taken back"):
        # Somebody who was away meanwhile hears of both ends later.
        times = range(now_ms - 2 * HOUR_MS, now_ms, SAMPLE_MS)
    return sum(_is_missed(world, at_ms) for at_ms in times) * SAMPLE_MS >= MISSED_MS


def _is_missed(world: World, at_ms: int) -> bool:
    spells = [(*witness.outages, *witness.late) for witness in world.witnesses]
    there = sum(not any(since <= at_ms < until for since, until in known) for known in spells)
    return there < world.plan.quorum


def main() -> int:
    """Run what was asked for; 0 when nobody was accused of anything."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.hours", description="Run honest hours.")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--count", type=int, default=1, help="how many seeds (default: 1)")
    parser.add_argument("--hours", type=int, default=HOURS, help=f"virtual hours of each ({HOURS})")
    options = parser.parse_args()
    runs: list[Hours] = []
    for seed in range(options.first, options.first + options.count):
        start = time.perf_counter()
        runs.append(run_hours(seed, options.hours))
        _say(f"{_line(runs[-1])}, {time.perf_counter() - start:.1f} s")
        for line in runs[-1].false:
            _say(f"  FALSE {line}")
    total = sum(run.virtual_ms for run in runs) / HOUR_MS
    false, remarks = sum(len(run.false) for run in runs), sum(run.remarks for run in runs)
    _say(f"{total:.0f} virtual hours, {false} false alarms, {remarks} remarks about witnesses that were away")
    return 1 if false else 0


def _line(run: Hours) -> str:
    return (
        f"seed {run.seed}: {run.virtual_ms / HOUR_MS:.1f} hours, {run.leaves} leaves, {run.cosigned} of them cosigned, "
        f"{run.remarks} remarks, {len(run.false)} false, trace {run.trace[:16]}"
    )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - what the run found is its result


if __name__ == "__main__":
    sys.exit(main())
