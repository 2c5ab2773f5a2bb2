"""SIGKILL of a witness at each step, and two witnesses on one memory: no two histories are ever cosigned."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from amanah_client.witness.state import State
from amanah_protocol.log.note import decode_note
from amanah_protocol.log.note_keys import verify_note
from scripts.ports import free_port, free_ports
from tests.client.witness.logs import LOG, NOW_S, ORIGIN, TWIN, WITNESS, witness
from tests.client.witness.serving import Site
from tests.end_to_end.nations import PROGRAMS, WAIT_S

ROOT = Path(__file__).resolve().parents[3]


def killed(folder: Path, number: int) -> subprocess.CompletedProcess[bytes]:
    """A witness that is asked for one checkpoint and dies on the way, or does not."""
    return subprocess.run(
        [sys.executable, "-m", "tests.client.witness.kill_witness", str(folder), str(number)],
        cwd=ROOT, capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def memory(folder: Path) -> State:
    folder.mkdir()
    made = State.create(folder / "witness.db", (WITNESS.verifier,))
    made.add_log(ORIGIN, LOG.signer.verifier)
    return made


def test_a_witness_that_dies_between_commit_and_answer_remembers_what_nobody_was_told(tmp_path: Path) -> None:
    memory(tmp_path / "w").close()
    died = killed(tmp_path / "w", 0)
    assert (died.returncode, died.stdout) == (-signal.SIGKILL, b"")
    with closing(State(tmp_path / "w" / "witness.db", (WITNESS.verifier,))) as state:
        assert witness(state).add_checkpoint(TWIN.request(0, 7)).body == b"7\n"
        assert witness(state).add_checkpoint(TWIN.request(7, 7)).status == 409
        # The log, which was not answered, asks from the size that it is told.
        assert witness(state).add_checkpoint(LOG.request(7, 7)).status == 200


@pytest.mark.slow
def test_a_witness_that_dies_at_any_statement_has_answered_nothing_or_remembers_it(tmp_path: Path) -> None:
    outcomes: set[tuple[bool, bool]] = set()
    for number in range(1, 99):
        folder = tmp_path / str(number)
        memory(folder).close()
        end = killed(folder, number)
        with closing(State(folder / "witness.db", (WITNESS.verifier,))) as state:
            (log,) = state.logs()
            answered, remembered = end.stdout != b"", log.newest is not None
            outcomes.add((answered, remembered))
            assert remembered or not answered
            if remembered:
                assert witness(state).add_checkpoint(TWIN.request(7, 7)).status == 409
        if end.returncode == 0:
            break
    # It died before anything was kept, and it came to its end; nothing else came about.
    assert {(False, False), (True, True)} <= outcomes <= {(False, False), (False, True), (True, True)}


def program(*arguments: str) -> list[str]:
    return [str(PROGRAMS / "amanah"), "witness", *arguments]


def made(home: Path) -> Path:
    """A witness that knows the log, made by the program."""
    for arguments in (("init", "--name", "w.example/w"), ("add-log", LOG.signer.verifier.vkey)):
        subprocess.run(program(*arguments, "--home", str(home)), check=True, capture_output=True)
    return home


def started(home: Path, port: int) -> subprocess.Popen[str]:
    """The program, when it listens."""
    command = program("serve", "--listen", f"127.0.0.1:{port}", "--home", str(home))
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "listening on http://127.0.0.1:" in process.stderr.readline()
    return process


def ended(process: subprocess.Popen[str], number: signal.Signals) -> int:
    """End it; gives its exit code."""
    process.send_signal(number)
    code = process.wait(WAIT_S)
    assert process.stderr is not None
    process.stderr.close()
    return code


@pytest.fixture
def two_processes(tmp_path: Path) -> Iterator[tuple[Path, list[Site]]]:
    """Two `amanah witness serve` on one folder."""
    home, ports = made(tmp_path / "w"), free_ports(2)
    running = [started(home, port) for port in ports]
    yield home, [Site(port, [], None) for port in ports]
    assert [ended(process, signal.SIGTERM) for process in running] == [0, 0]


@pytest.mark.slow
async def test_two_processes_on_one_memory_cosign_one_history(two_processes: tuple[Path, list[Site]]) -> None:
    home, sites = two_processes
    asked = [(log, site) for log in (LOG, TWIN) for site in sites] * 10
    replies = await asyncio.gather(*(site.add(log.request(0, 7)) for log, site in asked))
    cosigned = [log for (log, _), reply in zip(asked, replies, strict=True) if reply.status == 200]
    assert len(cosigned) == 1
    with contextlib.closing(State(home / "witness.db")) as state:
        (known,) = state.logs()
        assert known.newest is not None
        assert known.newest.checkpoint == cosigned[0].head(7)
        verify_note(decode_note(known.newest.note), state.own)


@pytest.mark.slow
async def test_a_server_that_is_killed_in_its_work_never_cosigns_another_history(tmp_path: Path) -> None:
    home = made(tmp_path / "w")
    cosigned: list[tuple[int, bool]] = []
    for life in range(4):
        site = Site(free_port(), [], None)
        process = started(home, site.port)
        asked = [(log, size) for size in range(1 + 10 * life, 9 + 10 * life) for log in (LOG, TWIN)]
        tasks = [asyncio.create_task(_follow(site, log is LOG, size)) for log, size in asked]
        await _first_cosigned(tasks)
        assert ended(process, signal.SIGKILL) == -signal.SIGKILL
        cosigned += [done for done in await asyncio.gather(*tasks) if done is not None]
    assert len({is_first for _, is_first in cosigned}) == 1, cosigned
    with contextlib.closing(State(home / "witness.db")) as state:
        (known,) = state.logs()
        assert known.newest is not None
        assert known.newest.checkpoint.size >= max(size for size, _ in cosigned)
        assert known.newest.cosigned_at_s > NOW_S


async def _first_cosigned(tasks: list[asyncio.Task[tuple[int, bool] | None]]) -> None:
    """Wait until one of them got its cosignature; the others are on their way."""
    for done in asyncio.as_completed(tasks):
        if await done is not None:
            return
    pytest.fail("nothing was cosigned: the test would show nothing")


async def _follow(site: Site, is_first: bool, size: int) -> tuple[int, bool] | None:  # noqa: FBT001 - which of two
    """Ask for a checkpoint of one of two histories, from whatever size the witness tells; None when none came back."""
    log = LOG if is_first else TWIN
    old = 0
    # A server that dies in the middle of an answer leaves half of one.
    with contextlib.suppress(OSError, http.client.HTTPException):
        for _ in range(3):
            reply = await site.add(log.request(old, size))
            if reply.status == 200:
                return size, is_first
            if reply.status != 409 or not reply.body[:-1].isdigit() or int(reply.body) > size:
                return None
            old = int(reply.body)
    return None
