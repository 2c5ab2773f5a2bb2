"""Signatures of a long log are verified by processes of their own, which end with the one that asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from amanah_client.audit.signatures import WORTHWHILE, Signatures, answer

PATIENCE_S: Final = 30
ASKING: Final = """
import time
from amanah_client.audit.signatures import WORTHWHILE, Signatures, answer
if __name__ == "__main__":
    with Signatures(WORTHWHILE) as signatures:
        answer(signatures.verify(()))
        print("asked", flush=True)
        time.sleep(600)
"""


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(number) for path in found for number in path.read_text(encoding="ascii").split()]


def is_there(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not waited for yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


MANY: Final = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor verifies by itself")


@MANY
def test_processes_that_verify_end_with_one_that_was_killed(tmp_path: Path) -> None:
    program = tmp_path / "asking.py"
    program.write_text(ASKING, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == "asked\n"
        verifying = children(asking.pid)
        asking.send_signal(signal.SIGKILL)
    assert len(verifying) >= 2
    end = time.monotonic() + PATIENCE_S
    while (left := [pid for pid in verifying if is_there(pid)]) and time.monotonic() < end:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


@MANY
def test_processes_that_verify_give_way_to_the_one_that_asked() -> None:
    with Signatures(WORTHWHILE) as signatures:
        answer(signatures.verify(()))
        given_way = [pid for pid in children(os.getpid()) if os.getpriority(os.PRIO_PROCESS, pid) == 19]
    assert given_way
