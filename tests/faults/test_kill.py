"""F1 and F3: SIGKILL of a real relay under load, at durable system calls and at random moments."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.community import Organisation
from tests.faults.load import Load, now_ms
from tests.faults.relay_home import RelayHome, make_relay

KILLS = 6
"""A run of the long form multiplies this: `make campaign`."""
ENOUGH = 120
"""Acknowledgements in one life: the log is verified whole after each, so its length is bounded."""


def strace_works() -> bool:
    """Whether strace is here and may trace."""
    if shutil.which("strace") is None:
        return False
    return (
        subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False, capture_output=True).returncode == 0
    )


def begin(folder: Path) -> tuple[RelayHome, Load]:
    """A relay with an open room, running."""
    organisation = Organisation("cert.example.tn", now_ms=now_ms())
    home = make_relay(folder, [organisation], now_ms=now_ms())
    assert home.start()
    return home, asyncio.run(Load.begin(home, organisation))


def restart_and_run(home: RelayHome, load: Load, seconds: float, prefix: Sequence[str] = ()) -> bool:
    """Start, load until it dies or the time is over; False when it died before it listened."""
    if not home.start(prefix):
        home.kill()
        return False
    asyncio.run(load.run(seconds, enough=ENOUGH))
    home.kill()
    return True


def end(home: RelayHome, load: Load) -> None:
    """One honest life at last: everything that was signed is answered, and all promises hold."""
    assert home.start()
    asyncio.run(load.settle())
    home.kill()
    home.verify()
    load.check(home)
    assert len(load.promises) == load.signed


@pytest.mark.slow
def test_a_relay_killed_at_random_moments_loses_and_doubles_nothing(tmp_path: Path, scale: int) -> None:
    home, load = begin(tmp_path)
    try:
        home.kill()
        moments = random.Random(3)
        for _ in range(KILLS * scale):
            restart_and_run(home, load, moments.uniform(0.02, 0.6))
            home.verify()
        load.check(home)
        assert load.promises, "nothing was acknowledged: the test would show nothing"
        end(home, load)
    finally:
        home.kill()


@pytest.mark.slow
def test_a_relay_killed_at_durable_system_calls_loses_and_doubles_nothing(tmp_path: Path, scale: int) -> None:
    if not strace_works():
        pytest.skip("skipped: strace is not here or may not trace; kills at random moments ran instead")
    home, load = begin(tmp_path)
    try:
        home.kill()
        places = random.Random(5)
        reached = 0
        for _ in range(KILLS * scale):
            call, when = places.choice(("pwrite64", "fdatasync", "fsync")), places.randint(1, 120)
            inject = f"inject={call}:signal=SIGKILL:when={when}"
            prefix = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64,fdatasync,fsync", "-e", inject)
            reached += restart_and_run(home, load, 1.5, prefix)
            home.verify()
        load.check(home)
        assert reached, "no life of the relay got as far as listening"
        end(home, load)
    finally:
        home.kill()
