"""Schedules of split views, played: `python -m tests.adversary.splits --first 0 --count 500`.

Each is detected when a member holds evidence against the log that anybody can judge, and no more than one side of the
fork has the cosignatures of a quorum.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from amanah_client import actions
from amanah_client.audit.evidence import evidence_file, judge
from amanah_client.model import Alarm
from amanah_protocol.errors import Code
from amanah_protocol.labels import Label
from amanah_protocol.log.conflict import Verdict
from amanah_protocol.roster import decode_roster
from tests.adversary.schedules import MEMBERS, OFFICERS, Begin, Manner, Schedule, make_schedule
from tests.adversary.stage import Setting, Stage
from tests.adversary.two_logs import OTHER, TRUE, TwoLogs

BOUND_MS: Final = 60_000
CODES: Final = (Code.FORK, Code.LOG_ROLLBACK, Code.RECEIPT, Code.PROOF)
STEP_MS: Final = 500
GIVE_UP_MS: Final = 150_000
"""Behind the moment at which both sides were shown; a split that takes longer goes undetected."""
LONGEST_MS: Final = 230_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a schedule came to.

    Attributes:
        schedule: The schedule.
        after_ms: From when both sides had been shown to somebody until the first alarm with evidence; 0 where it came
            before, None where none came.
        by: Whose alarm it was.
        code: Of the alarm.
        verdicts: What its evidence comes to.
        both_shown: Whether both sides were shown at all.
        quorums: For each side, whether a quorum has cosigned it behind the fork.
        findings: What honest witnesses found.
        crashes: Cores that ended by an exception.
        alarms: Codes of all alarms.
    """

    schedule: Schedule
    after_ms: int | None
    by: str
    code: str
    verdicts: tuple[Verdict, ...]
    both_shown: bool
    quorums: tuple[bool, bool]
    findings: int
    crashes: int
    alarms: tuple[str, ...]

    @property
    def fails(self) -> str:
        """What of it must not be; "" for nothing."""
        if self.after_ms is None:
            return "not detected"
        if all(self.quorums):
            return "both sides have a quorum"
        return "a core has crashed" if self.crashes else ""


def set_up(witnesses: int, quorum: int) -> Setting:
    """The stage of all schedules with so many witnesses."""
    return Setting(None, witnesses=witnesses, quorum=quorum)


def play(schedule: Schedule, setting: Setting) -> Played:
    """Play a schedule until somebody has evidence."""
    attack = TwoLogs(schedule)
    stage = setting.copy(None, attack)
    attack.aim(stage)
    _plan(stage, attack)
    begin_ms, found = stage.now_ms, None
    while found is None and stage.now_ms < begin_ms + LONGEST_MS:
        shown = [record.shown_ms for record in attack.records]
        if None not in shown and stage.now_ms > max(at_ms or 0 for at_ms in shown) + GIVE_UP_MS:
            break
        stage.wait(STEP_MS / 1000)
        found = _evidence(stage)
    return _judged(stage, attack, found)


def _judged(stage: Stage, attack: TwoLogs, found: tuple[str, Alarm, tuple[Verdict, ...]] | None) -> Played:
    shown = [record.shown_ms for record in attack.records]
    both_ms = None if None in shown else max(at_ms or 0 for at_ms in shown)
    forked_at = attack.forked_at
    cosigned = [
        forked_at is not None and any(size > forked_at for size in attack.quorums(stage.relay, side))
        for side in (TRUE, OTHER)
    ]
    after_ms = None
    if found is not None:
        after_ms = 0 if both_ms is None else max(0, found[1].at_ms - both_ms)
    return Played(
        schedule=attack.schedule,
        after_ms=after_ms,
        by=found[0] if found else "",
        code=found[1].code if found else "",
        verdicts=found[2] if found else (),
        both_shown=both_ms is not None,
        quorums=(cosigned[TRUE], cosigned[OTHER]),
        findings=len(attack.findings),
        crashes=len(stage.crashes()),
        alarms=tuple(sorted({code for codes in stage.all_alarms().values() for code in codes})),
    )


def _evidence(stage: Stage) -> tuple[str, Alarm, tuple[Verdict, ...]] | None:
    """The first alarm whose holder keeps evidence that somebody outside judges as holding, or as owed by the log."""
    relays = decode_roster(stage.world.community.roster).relays
    best: tuple[str, Alarm, tuple[Verdict, ...]] | None = None
    for name, client in stage.world.clients.items():
        rows = client.store.conflicts()
        first_ms = min((row.at_ms for row in rows), default=0)
        alarms = [alarm for alarm in stage.alarms(name, *CODES) if alarm.at_ms >= first_ms]
        if not rows or not alarms:
            continue
        verdicts = tuple(held.judged.verdict for held in judge(evidence_file(rows, every=True), relays))
        if best is None or alarms[0].at_ms < best[1].at_ms:
            best = name, alarms[0], verdicts
    return best


# ---- what happens


def _plan(stage: Stage, attack: TwoLogs) -> None:
    schedule, world = attack.schedule, stage.world
    world.set_weather(*schedule.weather)

    def say(name: str, text: str) -> None:
        stage.say(name, text)

    for number, (at_ms, name) in enumerate(schedule.says):
        world.scheduler.after(at_ms, partial(say, name, f"message {number}"))
    for at_ms, name in schedule.cuts:
        world.scheduler.after(at_ms, partial(world.cut, name))
    world.scheduler.after(schedule.moment_ms, lambda: _begin(stage, attack))


def _begin(stage: Stage, attack: TwoLogs) -> None:
    schedule, world, after = attack.schedule, stage.world, stage.world.scheduler.after
    attack.begin(stage.relay)
    if schedule.manner is Manner.HOLD:
        after(schedule.pause_ms, attack.release)

    def audit() -> None:
        stage.ask("auditor", actions.AuditSync(uncosigned=True))  # whoever waits for witnesses might leave no leaf

    def tell() -> None:
        stage.say(next(name for name in MEMBERS if name not in attack.led(stage)), "meanwhile")

    match schedule.begin:
        case Begin.LOGIN:
            for name in attack.led(stage):
                world.clients[name].kill()
                after(schedule.pause_ms, world.clients[name].start)
            after(schedule.pause_ms // 2, tell)
        case Begin.RESTART:
            stage.relay.kill()
            after(schedule.pause_ms, stage.relay.start)
        case Begin.CONTROL:
            audit()
        case Begin.ROOM:
            opener = next(name for name in (*schedule.group, *schedule.others) if name in OFFICERS)
            stage.ask(opener, actions.CreateRoom(title="among us", ceiling=Label.AMBER, classical=True))
    if schedule.manner is Manner.DROP and schedule.begin in (Begin.NEXT, Begin.LOGIN, Begin.RESTART):
        # Else no leaf comes that nobody would miss.
        after(schedule.pause_ms // 2, audit)


# ---- by hand


def percentile(times: Iterable[int], hundredths: int) -> int:
    """The nearest-rank percentile."""
    ordered = sorted(times)
    return ordered[max(0, -(-len(ordered) * hundredths // 100) - 1)]


def main() -> int:
    """Run what was asked for; 0 when all were detected in time."""
    parser = argparse.ArgumentParser(prog="python -m tests.adversary.splits", description="Play split views.")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--count", type=int, default=20, help="how many (default: 20)")
    parser.add_argument("--stalls", action="store_true", help="the relay stalls proofs about the other side")
    options = parser.parse_args()
    settings: dict[tuple[int, int], Setting] = {}
    all_played = []
    for seed in range(options.first, options.first + options.count):
        schedule = make_schedule(seed, stalls=options.stalls)
        key = schedule.witnesses, schedule.quorum
        settings[key] = settings.get(key) or set_up(*key)
        start = time.perf_counter()
        all_played.append(play(schedule, settings[key]))
        _say(f"{_line(all_played[-1])} ({time.perf_counter() - start:.1f} s)")
    return _tally(all_played)


def _line(played: Played) -> str:
    if played.after_ms is None:
        return f"{played.schedule.line()}: NOT DETECTED {played.alarms} both shown: {played.both_shown}"
    verdicts = ",".join(sorted(set(played.verdicts)))
    found = f"{played.code} at {played.by} after {played.after_ms / 1000:.1f} s: {verdicts}"
    return f"{played.schedule.line()}: {found}{', FAILS: ' + played.fails if played.fails else ''}"


def _tally(all_played: list[Played]) -> int:
    times = [played.after_ms for played in all_played if played.after_ms is not None]
    failed = [played for played in all_played if played.fails]
    early = sum(not played.both_shown for played in all_played if played.after_ms is not None)
    proofs = sum(any(verdict.is_proof for verdict in played.verdicts) for played in all_played)
    for what, count in Counter(played.code for played in all_played).most_common():
        _say(f"{count:5} {what or 'nothing'}")
    _say(
        f"{len(all_played)} schedules, {len(times)} detected, {len(failed)} failed; "
        f"{early} before both sides were shown; {proofs} by proof, the others owed by the log; "
        f"honest witnesses found something in {sum(played.findings > 0 for played in all_played)}"
    )
    if times:
        p50, p99 = percentile(times, 50) / 1000, percentile(times, 99) / 1000
        _say(f"p50 {p50:.1f} s, p99 {p99:.1f} s, worst {max(times) / 1000:.1f} s")
    return 0 if times and not failed and percentile(times, 99) <= BOUND_MS else 1


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - what was found is its result


if __name__ == "__main__":
    sys.exit(main())
