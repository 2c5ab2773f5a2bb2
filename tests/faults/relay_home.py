"""A relay on disk that tests start, kill and start again."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from amanah_protocol.cards import Armour, armour
from amanah_protocol.roster import Relay
from amanah_relay.store import Store
from bench.community import Organisation, make_roster
from bench.relay import LIMITS, ORIGIN, command
from scripts.ports import free_port

START_S = 60


@dataclass
class RelayHome:
    """Keys, store and settings of a relay, and its process while it runs."""

    folder: Path
    relay: Relay
    port: int
    process: subprocess.Popen[bytes] | None = None
    group: int = field(default=0)

    def start(self, prefix: Sequence[str] = (), launcher: str = "") -> bool:
        """Start `serve`; False when it ended before it listened (it was killed early).

        Args:
            prefix: What to run it under (`strace ...`).
            launcher: Python that runs before the relay, in its process.
        """
        serve = command("serve", "--home", str(self.folder))
        if launcher:
            serve = [sys.executable, "-c", f"{launcher}\nfrom amanah_relay.cli import run; run()", *serve[3:]]
        self.process = subprocess.Popen(
            [*prefix, *serve], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        self.group = self.process.pid
        assert self.process.stderr is not None
        deadline, seen = time.monotonic() + START_S, b""
        while time.monotonic() < deadline:
            if select.select([self.process.stderr], [], [], 0.1)[0]:
                piece = os.read(self.process.stderr.fileno(), 4096)
                seen += piece
                if b"listening on " in seen:
                    return True
                if not piece:
                    self.process.wait()
                    return False
        raise AssertionError(f"the relay does not listen: {seen!r}")

    def kill(self) -> None:
        """SIGKILL to the process and whatever it runs under."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGKILL)
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()
        self.process = None

    def verify(self) -> dict[str, object]:
        """What `amanah-relay verify-log` says, as its user would ask."""
        asked = command("verify-log", "--home", str(self.folder), "--json")
        done = subprocess.run(asked, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        report: dict[str, object] = json.loads(done.stdout)
        return report

    def store(self) -> Store:
        """The store itself, while no relay runs."""
        return Store.open(f"sqlite:///{self.folder / 'relay.db'}")


def make_relay(folder: Path, organisations: list[Organisation], *, now_ms: int) -> RelayHome:
    """Make keys, settings and store; rates are raised, every check stays on."""
    port = free_port()
    settings = f'{LIMITS.read_text(encoding="utf-8")}\n[listen]\nport = {port}\n[log]\nlevel = "warning"\n'
    (folder / "relay.toml").write_text(settings, encoding="utf-8")
    home = ["--home", str(folder)]
    keys = ("keys", *home, "--origin", ORIGIN, "--address", f"ws://127.0.0.1:{port}", "--json")
    card = json.loads(subprocess.run(command(*keys), check=True, capture_output=True).stdout)
    relay = Relay(
        key=bytes.fromhex(card["key"]),
        log_vkey=card["log_vkey"],
        origin=card["origin"],
        addresses=tuple(card["addresses"]),
    )
    (folder / "roster").write_text(armour(Armour.ROSTER, make_roster(organisations, relay, now_ms=now_ms)))
    init = command("init", *home, "--roster", str(folder / "roster"))
    subprocess.run(init, check=True, capture_output=True)
    return RelayHome(folder, relay, port)
