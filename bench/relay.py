"""A relay as its own process: keys, roster, store and `serve`, by its own command line."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amanah_protocol.cards import Armour, armour
from amanah_protocol.roster import Relay
from bench.community import Organisation, make_roster
from scripts.ports import free_port

LIMITS: Final = Path(__file__).with_name("limits.toml")
ORIGIN: Final = "relay.example.org/bench"
STOP_SECONDS: Final = 30
_STATUS: Final = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Running:
    """A relay that listens.

    Attributes:
        relay: What the roster says of it.
        port: On loopback.
        process: The process.
    """

    relay: Relay
    port: int
    process: subprocess.Popen[str]

    @property
    def peak_mib(self) -> float:
        """The most memory that was ever resident, MiB: of the relay and of the processes it has now."""
        folder = Path(f"/proc/{self.process.pid}")
        children = [child for task in folder.glob("task/*/children") for child in task.read_text().split()]
        return sum(_peak_kib(Path("/proc") / number / "status") for number in (folder.name, *children)) / 1_024


def _peak_kib(status: Path) -> int:
    found = _STATUS.search(status.read_text(encoding="ascii"))
    return int(found[1]) if found else 0


def command(*arguments: str) -> list[str]:
    """The relay's command line, of this very environment."""
    return [sys.executable, "-c", "from amanah_relay.cli import run; run()", *arguments]


def made_relay(folder: Path, organisations: list[Organisation], *, now_ms: int) -> tuple[Relay, int]:
    """Make keys, roster and store of a relay in an empty folder; gives what the roster says of it, and its port."""
    port = free_port()
    settings = f'{LIMITS.read_text(encoding="utf-8")}\n[listen]\nport = {port}\n[log]\nlevel = "warning"\n'
    (folder / "relay.toml").write_text(settings, encoding="utf-8")
    home = ["--home", str(folder)]
    keys = subprocess.run(
        command("keys", *home, "--origin", ORIGIN, "--address", f"ws://127.0.0.1:{port}", "--json"),
        check=True,
        capture_output=True,
    )
    card = json.loads(keys.stdout)
    relay = Relay(
        key=bytes.fromhex(card["key"]),
        log_vkey=card["log_vkey"],
        origin=card["origin"],
        addresses=tuple(card["addresses"]),
    )
    roster = make_roster(organisations, relay, now_ms=now_ms)
    (folder / "roster").write_text(armour(Armour.ROSTER, roster))
    subprocess.run(command("init", *home, "--roster", str(folder / "roster")), check=True, capture_output=True)
    return relay, port


@contextmanager
def serving(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the relay of a folder, and stop it.

    Raises:
        RuntimeError: It did not start, or did not stop by itself.
    """
    process = subprocess.Popen(command("serve", "--home", str(folder)), stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None  # noqa: S101 - narrows for mypy
        first = process.stderr.readline()
        if not first.startswith("listening on "):
            raise RuntimeError(f"the relay did not start: {first}{process.stderr.read()}")
        yield process
        process.send_signal(signal.SIGTERM)
        if process.wait(STOP_SECONDS) != 0:
            raise RuntimeError(f"the relay ended with {process.returncode}: {process.stderr.read()}")
    finally:
        process.kill()
        process.wait()


@contextmanager
def running_relay(folder: Path, organisations: list[Organisation], *, now_ms: int) -> Iterator[Running]:
    """Make a relay in an empty folder, start it, stop it.

    Raises:
        RuntimeError: It did not start, or did not stop by itself.
    """
    relay, port = made_relay(folder, organisations, now_ms=now_ms)
    with serving(folder) as process:
        yield Running(relay=relay, port=port, process=process)
