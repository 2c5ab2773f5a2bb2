"""What goes wrong, drawn from the seed: connections, processes, stores, clocks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from tests.simulation.community import CAST

if TYPE_CHECKING:
    from tests.simulation.world import World

Work: TypeAlias = "Callable[[World], None]"
Planned: TypeAlias = "tuple[int, str, Work]"

NAMES: Final = tuple(name for name, _, _ in CAST)
MAX_SKEW_MS: Final = 90_000


def plan(source: random.Random, storm_ms: int, wanted: tuple[str, ...] | None = None) -> Iterator[Planned]:
    """A random part of all kinds of faults, each several times.

    Args:
        source: Chance.
        storm_ms: Until when.
        wanted: These kinds and no others, each as often as it may be and again.
    """
    for kind, (most, make) in KINDS.items():
        if wanted is None and source.randrange(2):
            continue
        for _ in range(source.randint(1, most) if wanted is None else 2 * most * (kind in wanted)):
            at_ms = source.randint(4_000, storm_ms)
            name, pick = source.choice(NAMES), source.randrange(2**32)
            yield at_ms, f"{kind} {name} {pick}", make(name, random.Random(pick))


def _cut(name: str, _: random.Random) -> Work:
    return lambda world: world.cut(name)


def _freeze(name: str, source: random.Random) -> Work:
    up = bool(source.randrange(2))
    down = bool(source.randrange(2)) or not up
    return lambda world: world.freeze(name, up=up, down=down)


def _offline(name: str, source: random.Random) -> Work:
    duration_ms = source.randint(3_000, 40_000)
    return lambda world: world.take_offline(name, duration_ms)


def _crash(name: str, source: random.Random) -> Work:
    down_ms = source.choice((50, 1_000, 15_000))
    mode = source.randrange(4)

    def work(world: World) -> None:
        troubles = world.clients[name].troubles
        world.stay_down(name, down_ms)
        if mode == 0:
            world.clients[name].kill()
        else:
            troubles.die_before_write |= mode == 1
            troubles.die_after_write |= mode == 2
            troubles.die_in_effects |= mode == 3

    return work


def _client_store(name: str, source: random.Random) -> Work:
    outcomes = [bool(source.randrange(2)) for _ in range(source.randint(1, 3))]
    return lambda world: world.clients[name].troubles.commits.extend(outcomes)


def _slow_client_store(name: str, source: random.Random) -> Work:
    write_ms = source.choice((50, 400, 1_500))

    def work(world: World) -> None:
        world.clients[name].troubles.write_ms = write_ms

    return work


def _relay_dies(_: str, source: random.Random) -> Work:
    down_ms = source.choice((50, 800, 9_000))

    def work(world: World) -> None:
        world.stay_down("relay", down_ms)
        world.relay.kill()

    return work


def _relay_stops(_: str, source: random.Random) -> Work:
    down_ms = source.choice((500, 6_000))

    def work(world: World) -> None:
        world.stay_down("relay", down_ms)
        world.relay.stop()

    return work


def _appends_fail(_: str, source: random.Random) -> Work:
    outcomes = [bool(source.randrange(2)) for _ in range(source.randint(1, 4))]
    full = source.randrange(4) == 0

    def work(world: World) -> None:
        world.relay.troubles.full = full
        world.relay.troubles.appends.extend(outcomes)

    return work


def _reads_fail(_: str, source: random.Random) -> Work:
    count = source.randint(1, 4)

    def work(world: World) -> None:
        world.relay.troubles.reads += count

    return work


def _slow_relay_store(_: str, source: random.Random) -> Work:
    write_ms, read_ms = source.choice(((200, 20), (1_500, 50), (20, 800)))

    def work(world: World) -> None:
        world.relay.troubles.write_ms, world.relay.troubles.read_ms = write_ms, read_ms

    return work


def _congest(name: str, source: random.Random) -> Work:
    duration_ms = source.randint(200, 12_000)
    return lambda world: world.congest(name, duration_ms)


def _weather(_: str, source: random.Random) -> Work:
    delay_ms, jitter_ms, stall_percent = source.choice(((5, 5, 0), (60, 400, 2), (300, 1_000, 5)))
    return lambda world: world.set_weather(delay_ms, jitter_ms, stall_percent)


def _clock(name: str, source: random.Random) -> Work:
    skew_ms = source.randint(-MAX_SKEW_MS, MAX_SKEW_MS)

    def work(world: World) -> None:
        world.clients[name].troubles.skew_ms = skew_ms

    return work


def _relay_clock(_: str, source: random.Random) -> Work:
    skew_ms = source.randint(-2_000, 2_000)

    def work(world: World) -> None:
        world.relay.troubles.skew_ms = skew_ms

    return work


def _witness_leaves(_: str, source: random.Random) -> Work:
    number, duration_ms = source.randrange(8), source.randint(2_000, 60_000)

    def work(world: World) -> None:
        for witness in world.witnesses[number : number + 1]:
            witness.leave(world.scheduler.now_ms, duration_ms)

    return work


def _slow_witness(_: str, source: random.Random) -> Work:
    number, delay_ms, skew_ms = source.randrange(8), source.choice((300, 4_000, 9_000)), source.randint(-20_000, 20_000)

    def work(world: World) -> None:
        for witness in world.witnesses[number : number + 1]:
            witness.skew_ms = skew_ms
            witness.slow_down(world.scheduler.now_ms, delay_ms)

    return work


KINDS: Final[dict[str, tuple[int, Callable[[str, random.Random], Work]]]] = {
    "cut": (12, _cut),
    "freeze": (4, _freeze),
    "offline": (6, _offline),
    "crash": (8, _crash),
    "client store fails": (6, _client_store),
    "client store is slow": (3, _slow_client_store),
    "relay dies": (4, _relay_dies),
    "relay stops": (2, _relay_stops),
    "appends fail": (5, _appends_fail),
    "reads fail": (4, _reads_fail),
    "relay store is slow": (2, _slow_relay_store),
    "congest": (5, _congest),
    "weather": (3, _weather),
    "clock": (6, _clock),
    "relay clock": (2, _relay_clock),
    "witness leaves": (6, _witness_leaves),
    "witness is slow": (4, _slow_witness),
}
"""Each kind of fault: how often at most, and what makes one."""
