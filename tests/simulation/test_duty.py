"""Weeks go by and rooms change without end: nobody is lost who is there, nothing is lost that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from amanah_client.saying import saying
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Commit, Kind
from amanah_protocol.labels import Label
from amanah_protocol.limits import MAX_VOIDS
from amanah_relay.quotas import RelayLimits
from tests.simulation import workload
from tests.simulation.community import CAST, MA, SN
from tests.simulation.final import Outcome, collect
from tests.simulation.history import Raised
from tests.simulation.invariants import check
from tests.simulation.plan import Plan, Step
from tests.simulation.world import Build, World

Work = Callable[[World], None]
DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
CHURN: Final = RelayLimits(
    room_commits_per_second=1_000, room_commits_burst=1_000, device_commits_per_minute=6_000, device_commits_burst=6_000
)


def opening() -> list[tuple[int, str, Work]]:
    """Everybody starts, and room 0 is filled."""
    start = [(100, f"start {name}", workload._start(name)) for name, _, _ in CAST]  # noqa: SLF001 - its steps, in another order
    invited = [(6_500, f"invite {who}", workload._invite("tn-1", 0, who)) for who in (MA, SN, "tn-2", "tn-bot")]  # noqa: SLF001 - as above
    return [*start, (3_000, "create", workload._create("tn-1", 0)), *invited]  # noqa: SLF001 - as above


def say(name: str, text: str) -> Work:
    return workload._send(name, 0, text, Label.GREEN)  # noqa: SLF001 - as above


def run(steps: list[tuple[int, str, Work]], build: Build | None = None, *, seed: int = 1) -> Outcome:
    """Carry the steps out, in order of their time."""
    ordered = sorted(steps, key=lambda step: step[0])
    plan = Plan(seed=seed, storm_ms=ordered[-1][0] + 10_000, steps=tuple(Step(*step) for step in ordered))
    world = World(plan, build)
    world.run()
    return collect(world)


def changes(outcome: Outcome, who: str) -> list[tuple[str, str]]:
    """Who removed or added a device, in order."""
    found = []
    for entries in outcome.rooms.values():
        for logged in entries:
            header = logged.envelope.header
            if isinstance(header.specific, Commit):
                named = {"removed": header.specific.removed, "added": header.specific.added}
                by = outcome.names[header.kid]
                found += [(by, what) for what, devices in named.items() for d in devices if outcome.names[d] == who]
    return found


def sleep(days: int) -> Work:
    return lambda world: world.scheduler.jump(days * DAY_MS)


def leave(name: str, days: int) -> Work:
    """A device is switched off for so many days."""

    def work(world: World) -> None:
        world.stay_down(name, days * DAY_MS)
        world.clients[name].kill()

    return work


def weeks(away_days: int) -> list[tuple[int, str, Work]]:
    """Thirty-nine days in which sn-2 is away for some, and asks for something before it is back."""
    steps = [*opening(), (30_000, "leave", leave("sn-2", away_days))]
    at_ms = 40_000
    for number in range(13):
        steps += [(at_ms, f"sleep {number}", sleep(3)), (at_ms + 80_000, f"say {number}", say("ma-1", f"day {number}"))]
        at_ms += 2 * MINUTE_MS
    asked = lambda world: world.ask("sn-2", saying(world.room(0), Text(text="back"), label=Label.GREEN))  # noqa: E731 - one use
    end = at_ms + 35 * MINUTE_MS
    return [
        *steps,
        (at_ms - 3 * MINUTE_MS, "ask", asked),
        *((end, f"say {name}", say(name, name)) for name in ("sn-1", "tn-bot")),
    ]


def test_who_was_away_for_weeks_was_removed_by_its_nation_and_is_added_again() -> None:
    outcome = run(weeks(away_days=38))
    assert check(outcome) == {}
    assert changes(outcome, "sn-2") == [("tn-1", "added"), ("sn-1", "removed"), ("sn-1", "added")]
    for name in ("tn-2", "tn-bot", "ma-1", "ma-2", "sn-1"):
        assert changes(outcome, name) == [("tn-1", "added")], name


def test_who_missed_changes_that_are_kept_no_longer_says_so_and_is_added_again() -> None:
    missed = (33_000, "remove ma-2", workload._remove("tn-1", 0, "ma-2"))  # noqa: SLF001 - as above
    outcome = run([*weeks(away_days=38), missed])
    assert changes(outcome, "sn-2") == [("tn-1", "added"), ("sn-1", "removed"), ("sn-1", "added")]
    # It alone is alarmed, once, and all that it asked for is done.
    assert set(check(outcome)) == {"I10"}
    (alarm,) = outcome.history.of(Raised)
    assert (outcome.names[alarm.device], alarm.code) == ("sn-2", "BEHIND")


def test_who_was_away_for_less_stays() -> None:
    outcome = run(weeks(away_days=26))
    assert check(outcome) == {}
    assert changes(outcome, "sn-2") == [("tn-1", "added")]


def churn(seed: int) -> Outcome:
    """Half a minute in which officers change the room faster than a slow network carries a message."""
    steps = [*opening(), (12_000, "weather", lambda world: world.set_weather(150, 100, 0))]
    for number in range(90):
        who = ("sn-1", "sn-2", "ma-2")[number % 3]
        act = workload._remove if number // 3 % 2 == 0 else workload._invite  # noqa: SLF001 - as above
        steps.append((14_000 + 350 * number, f"change {number}", act(("tn-1", "tn-2")[number % 2], 0, who)))
    for number in range(20):
        steps.append((14_500 + 1_500 * number, f"alert {number}", workload._alerts("tn-bot", 0, number, 2)))  # noqa: SLF001 - as above
        steps.append((14_700 + 1_500 * number, f"say {number}", say("ma-1", f"meanwhile {number}")))
    return run(steps, Build(limits=CHURN), seed=seed)


def test_a_room_that_changes_without_end_loses_nothing_that_was_asked_for() -> None:
    outcome = churn(seed=2)
    assert check(outcome) == {}
    headers = [logged.envelope.header for entries in outcome.rooms.values() for logged in entries]
    voids = [len(header.voids) for header in headers]
    assert sum(voids) >= 50, "hardly a race was lost: the test would show nothing"
    assert max(voids) <= MAX_VOIDS
    assert sum(header.kind is Kind.ALERT for header in headers) == 20
