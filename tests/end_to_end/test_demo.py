"""`make demo`, as a new user runs it: it ends well, says what was delivered, and leaves nothing behind."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from amanah_client.audit.bundle import Bundle

ROOT: Final = Path(__file__).resolve().parents[2]
WAIT_S: Final = 600


def demo(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Play it, with a folder of its own for what it makes."""
    return subprocess.run(
        [sys.executable, "-m", "scripts.demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder), "COLUMNS": "160", **settings},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


def rows(out: str) -> dict[str, list[str]]:
    """The table at the end, by the first column."""
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    return {first: rest for first, *rest in cells}


def left_running(folder: Path) -> list[str]:
    """The command lines of processes that name the folder."""
    lines = (path / "cmdline" for path in Path("/proc").iterdir() if path.name.isdigit())
    found = []
    for path in lines:
        try:
            line = path.read_bytes().decode("utf-8", "replace")
        except OSError:  # it has ended meanwhile
            continue
        if str(folder) in line:
            found.append(line)
    return found


@pytest.mark.slow
def test_the_demo_delivers_and_verifies_everything_and_leaves_nothing_behind(tmp_path: Path) -> None:
    played = demo(tmp_path)
    assert played.returncode == 0, played.stdout[-4_000:]
    assert played.stderr == ""
    table = rows(played.stdout)
    assert table["messages"] == ["7", "7 to each of 3", "text by text"]
    assert table["alerts"] == ["108", "108 to each of 3", "hash by hash"]
    assert table["events, no alerts"][-1] == "counted: 5 dns, 6 flow, 3 http, 1 stats, 3 tls"
    assert table["missed while offline"][1] == "3 on return"
    assert table["after the removal"][1] == "0 to the removed"
    assert re.fullmatch(r"\d+ leaves", table["record"][0])
    assert table["disclosed"][-1] == "offline; forged copy refused"
    assert table["evidence"] == ["1 file", "demo/evidence.amanah", "offline; forged copy refused"]
    evidence = Bundle(io.BytesIO((ROOT / "build" / "demo" / "evidence.amanah").read_bytes()))
    assert (list(evidence.broken()), len(evidence.manifest.disclosed)) == ([], 1)
    for number, word in enumerate(("Peace", "Enrol", "incident", "converse", "bot", "offline", "removed"), start=1):
        assert re.search(rf"^{number}\. .*{word}", played.stdout, re.MULTILINE)
    assert "\x1b[" not in played.stdout
    assert list(tmp_path.iterdir()) == []
    assert left_running(tmp_path) == []


@pytest.mark.slow
def test_the_demo_delivers_every_alert_of_a_real_file(tmp_path: Path, data_dir: Path, scale: int) -> None:
    if scale == 1:
        pytest.skip("skipped: one play of the demo is enough here; `make campaign` plays this one")
    played = demo(tmp_path, DEMO_EVE=str(data_dir / "suricata" / "vast-eve-alerts-first-400.ndjson"))
    assert played.returncode == 0, played.stdout[-4_000:]
    assert rows(played.stdout)["alerts"] == ["400", "400 to each of 3", "hash by hash"]


def test_a_file_that_is_not_there_is_named_before_anything_is_done(tmp_path: Path) -> None:
    played = demo(tmp_path, DEMO_EVE=str(tmp_path / "missing"))
    assert (played.returncode, played.stdout) == (
        2,
        f"demo: there is no file {tmp_path / 'missing'}; DEMO_EVE names a Suricata EVE file\n",
    )


@pytest.mark.skipif(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="a job in the background hears no Ctrl-C")
def test_ctrl_c_ends_the_demo_and_all_that_it_started(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "scripts.demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "160", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while "roster show" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130
    assert err == ""
    assert "demo: interrupted at step 1" in out
    assert list(tmp_path.iterdir()) == []
    assert left_running(tmp_path) == []


def test_whoever_reads_the_demo_may_stop_at_any_time(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "scripts.demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as playing:
        assert playing.stdout is not None
        assert playing.stderr is not None
        assert playing.stdout.readline() == "\n"
        playing.stdout.close()
        assert playing.wait(WAIT_S) == 0
        assert playing.stderr.read() == ""
    assert left_running(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
