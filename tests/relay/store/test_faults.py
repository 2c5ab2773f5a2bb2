"""What is durable stays durable: kills, a full disk, a sync that fails, a commit that fails."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from amanah_relay.store import Store
from tests.conftest import ROOT

PROGRAM: Final = (sys.executable, "-m", "tests.relay.store.writing")
FIRST_SYNC_OF_A_LARGE_APPEND: Final = 20


def run(url: str, mode: str, *before: str) -> list[str]:
    """What the program says, line by line."""
    done = subprocess.run([*before, *PROGRAM, url, mode], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_kill_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path: Path, scale: int) -> None:
    url = f"sqlite:///{tmp_path / 'relay.db'}"
    moments = random.Random(7)
    acknowledged = 0
    for _ in range(4 * scale):
        writing = subprocess.Popen([*PROGRAM, url, "append"], cwd=ROOT, stdout=subprocess.PIPE)
        assert writing.stdout is not None
        line = writing.stdout.readline()
        time.sleep(moments.uniform(0, 0.15))
        writing.send_signal(signal.SIGKILL)
        said = (line + writing.stdout.read()).decode().splitlines(keepends=True)
        writing.wait()
        writing.stdout.close()
        acknowledged = max(int(word) for word in said if word.endswith("\n"))
        store = Store.open(url)
        stored = store.load().size
        # At most the one batch that was under way is there although nobody was told so.
        assert acknowledged <= stored <= acknowledged + 7
        assert store.verify_log().size == stored
        store.close()
    # Each life said at least one; how many more is a matter of how fast the machine is.
    assert acknowledged >= 4 * scale


def test_after_a_commit_that_failed_nothing_is_written_until_the_store_was_loaded(tmp_path: Path) -> None:
    first, second, read, verified = run(f"sqlite:///{tmp_path / 'relay.db'}", "limited")
    assert first.startswith("STORE ")
    assert second == first
    assert (read, verified) == ("read 0", "verified 0")


def test_after_a_sync_that_failed_nothing_is_written_until_the_store_was_loaded(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    fault = f"inject=fdatasync,fsync:error=EIO:when={FIRST_SYNC_OF_A_LARGE_APPEND}"
    traced = (strace, "-f", "-o", str(tmp_path / "trace"), "-e", "trace=fdatasync,fsync", "-e", fault)
    if subprocess.run([*traced, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace here")
    first, second, read, verified = run(f"sqlite:///{tmp_path / 'relay.db'}", "sync", *traced)
    assert "INJECTED" in (tmp_path / "trace").read_text()
    assert first.startswith("STORE ")
    assert second == first
    assert (read, verified) == ("read 0", "verified 0")


def test_a_full_disk_stops_appends_alone_and_they_go_on_when_there_is_room(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=3m none {tmp_path}"
    own_mounts = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
    if (
        shutil.which("unshare") is None
        or subprocess.run([*own_mounts, mount], capture_output=True, check=False).returncode
    ):
        pytest.skip("no file system of its own may be mounted here")
    said = run(f"sqlite:///{tmp_path / 'relay.db'}", "full", *own_mounts, f'{mount} && exec "$@"', "sh")
    full = "DISK_FULL the store cannot grow: database or disk is full"
    assert said == [full, full, "read 0", "loaded 0", full, "loaded 0", full, "verified 0"]
