"""What every test stands on: sample data, repeatable randomness, and no network but loopback."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final

import pytest
from coverage import Coverage
from hypothesis import settings

from tests.screen import Screen

ROOT: Final = Path(__file__).resolve().parent.parent
LONG: Final = (
    *("adversary", "docs", "faults", "fuzz", "oracles", "simulation", "test_house.py", "test_startup.py"),
    *("client/core/test_asking.py", "client/core/test_duty.py", "client/core/test_false_successor.py"),
    *("client/core/test_hanging_up.py", "client/core/test_successor_circle.py", "client/core/test_ways_out.py"),
    *("protocol/group/test_secrecy.py", "protocol/mls/test_history.py", "protocol/test_verified.py"),
    "relay/store/test_faults.py",
)
UNCOUNTED: Final = tuple(ROOT / "tests" / name for name in LONG)
"""Worlds and programs run here for long: what they pass on their way is not counted as covered, nor what a test marked
`slow` passes. Others reach nearly all of it too, and to count it would have them take three times as long.
"""

# A failing example must fail again on the next machine, and no test may fail for being slow.
settings.register_profile("ci", derandomize=True, deadline=None, database=None, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# What commands say is asserted in English, whatever the developer's terminal speaks.
os.environ["AMANAH_LANG"] = "en"


class NotLoopbackError(AssertionError):
    """A test tried to reach something beyond this machine."""


def check_loopback(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: refuse any address that is not loopback.

    Sample indicators of compromise are live addresses, so a test that resolves or dials one would
    warn its owner. An audit hook also sees what goes around a patched `socket.socket`.

    Raises:
        NotLoopbackError: The address is neither in 127.0.0.0/8, nor `::1`, nor `localhost`, nor a
            Unix socket.
    """
    if event in {"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"}:
        opened, address = arguments[0], arguments[1]
        if opened.family not in {socket.AF_INET, socket.AF_INET6} or address is None:
            return
        host = address[0]
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = arguments[0]
    else:
        return
    if not is_loopback(host):
        message = f"{event} to {host!r}: tests reach loopback alone"
        raise NotLoopbackError(message)


def is_loopback(host: str | bytes | None) -> bool:
    """Whether a host, as the socket functions take it, is this machine's loopback."""
    if host is None:  # getaddrinfo's own word for loopback, or for a passive socket that bind then checks
        return True
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


sys.addaudithook(check_loopback)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take what runs for long out of the measured coverage."""
    for item in items:
        if item.get_closest_marker("slow") or any(item.path.is_relative_to(path) for path in UNCOUNTED):
            item.add_marker(pytest.mark.no_cover)


def pytest_configure(config: pytest.Config) -> None:
    """Have a worker measured once, by what pauses for a test that is not to be measured.

    A worker is measured as a program that was started, too, and once more as if it handed out the tests. Nothing of
    that is kept, but it goes on in each pause: the test that is not measured would take twice as long.
    """
    if hasattr(config, "workerinput"):
        while (started := Coverage.current()) is not None:
            started.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Programs that such a test starts are not measured either."""
    with pytest.MonkeyPatch.context() as patch:
        if item.get_closest_marker("no_cover") is not None:
            patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        return (yield)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of public sample data: `AMANAH_DATA`, else `../shared/data` beside the project.

    The samples are never copied into the project; without them the test is skipped and named.
    """
    folder = Path(os.environ.get("AMANAH_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("skipped: data absent (AMANAH_DATA names the folder of sample data)")
    return folder.resolve()


@pytest.fixture(scope="session")
def scale() -> int:
    """How many times as long a long test runs: 1, or what `make campaign` sets."""
    return int(os.environ.get("AMANAH_SCALE", "1"))


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Screen]:
    """Makes standard output and error a terminal of 60 columns; to be called in the test, behind pytest's capturing."""

    def make() -> Screen:
        made = Screen()
        monkeypatch.setenv("COLUMNS", "60")
        monkeypatch.setattr(sys, "stdout", made)
        monkeypatch.setattr(sys, "stderr", made)
        return made

    return make
