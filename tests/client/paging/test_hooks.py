"""Hooks reach people, say how they failed, and are told nothing that was sealed."""

from __future__ import annotations

import asyncio
import stat
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from amanah_client.paging import hooks
from amanah_client.paging.duty import Command, Duty, Hook, Mail, Rota, Webhook
from amanah_client.paging.hooks import Failure, Notice, Trouble, check_hooks, run_hooks
from amanah_protocol.errors import Code, UsageError
from scripts.ports import free_port
from tests.site import Answer, Site

NOTICE = Notice(room="0a1b2c3d", precedence="flash", count=2, step=1)
ROTA = Rota(mail_from="amanah@cert.example.tn")


@dataclass(slots=True, kw_only=True, eq=False)
class Receiver(Site):
    """What posts to it, and the statuses that it answers."""

    statuses: list[int] = field(default_factory=list)
    posted: list[tuple[str, bytes]] = field(default_factory=list)

    async def answer(self, path: str, body: bytes) -> Answer | None:
        self.posted.append((path, body))
        return self.statuses.pop(0) if self.statuses else 204, "text/plain", b""


def script(folder: Path, text: str) -> str:
    """A program that can be run."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def run(*wanted: Hook, rota: Rota = ROTA, timeout_s: float = 20) -> tuple[Failure | None, ...]:
    return asyncio.run(run_hooks(wanted, NOTICE, rota, timeout_s=timeout_s))


def test_a_command_is_told_its_arguments_and_four_values_and_inherits_nothing_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMANAH_PASSPHRASE", "a secret")
    out = tmp_path / "out"
    program = script(tmp_path, f'{{ printf "%s|" "$@"; echo; env; cat; pwd; }} > {out}')
    assert run(Command(argv=(program, "a b; exit 1", "$HOME"))) == (None,)
    told = out.read_text()
    assert told.startswith("a b; exit 1|$HOME|")
    for line in (
        "AMANAH_ROOM=0a1b2c3d",
        "AMANAH_PRECEDENCE=flash",
        "AMANAH_COUNT=2",
        "AMANAH_STEP=1",
        "AMANAH_DRILL=0",
        "/",
    ):
        assert line in told.splitlines()
    assert "secret" not in told


@pytest.mark.parametrize(
    ("text", "trouble", "detail"),
    [("exit 3", Trouble.REFUSED, "exit code 3"), ("kill -9 $$", Trouble.REFUSED, "exit code -9")],
)
def test_a_command_that_fails_says_how(tmp_path: Path, text: str, trouble: Trouble, detail: str) -> None:
    program = script(tmp_path, text)
    (failure,) = run(Command(argv=(program, "+21600000000")))
    assert failure == Failure(hook=f"command {program}", trouble=trouble, detail=detail)
    assert failure.hint


def test_a_command_that_is_not_there_says_so(tmp_path: Path) -> None:
    (failure,) = run(Command(argv=(str(tmp_path / "nothing"),)))
    assert failure is not None
    assert failure.trouble is Trouble.MISSING


def test_a_command_that_does_not_end_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = script(tmp_path, f"sleep 600 & echo $! > {pids}; wait")

    (failure,) = run(Command(argv=(program,)), timeout_s=5)
    assert failure is not None
    assert failure.trouble is Trouble.TIMEOUT
    # Its end is the kernel's, which may take a moment.
    end = time.monotonic() + 10
    while _lives(pid := int(pids.read_text())):
        assert time.monotonic() < end, pid
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_webhook_is_posted_four_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")

    async def main() -> tuple[tuple[Failure | None, ...], list[tuple[str, bytes]]]:
        async with Receiver().running() as site:
            hook = Webhook(url=f"http://127.0.0.1:{site.port}/page", host="127.0.0.1")
            return await run_hooks((hook,), NOTICE, ROTA), site.posted

    outcome, posted = asyncio.run(main())
    assert outcome == (None,)
    ((path, body),) = posted
    assert path == "/page"
    assert msgspec.json.decode(body) == {
        "room": "0a1b2c3d",
        "precedence": "flash",
        "count": 2,
        "step": 1,
        "drill": False,
    }


@pytest.mark.parametrize(
    ("statuses", "posts", "detail"),
    [
        ([503, 429, 200], 3, None),
        ([500, 500, 500, 500], 4, "status 500"),
        ([404], 1, "status 404"),
        ([302], 1, "status 302"),
    ],
)
def test_a_webhook_is_posted_again_where_that_may_help(
    statuses: list[int], posts: int, detail: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "PAUSES_S", (0.01, 0.01, 0.01))

    async def main() -> tuple[Failure | None, int]:
        async with Receiver(statuses=statuses).running() as site:
            hook = Webhook(url=f"http://127.0.0.1:{site.port}/", host="127.0.0.1")
            return (await run_hooks((hook,), NOTICE, ROTA))[0], len(site.posted)

    failure, count = asyncio.run(main())
    assert (None if failure is None else failure.detail, count) == (detail, posts)
    assert failure is None or failure.trouble is Trouble.REFUSED


def test_a_webhook_that_nobody_answers_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "PAUSES_S", (0.01,))
    (failure,) = run(Webhook(url=f"http://127.0.0.1:{free_port()}/", host="127.0.0.1"))
    assert failure is not None
    assert (failure.hook, failure.trouble) == ("webhook at 127.0.0.1", Trouble.UNREACHABLE)


@asynccontextmanager
async def mail_server(received: list[str], *, refuses: bool = False) -> AsyncIterator[int]:
    """As little of SMTP as it takes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode():
            received.append(line.rstrip())
            verb = line[:4].upper()
            if verb == "DATA":
                writer.write(b"354 go on\r\n")
                while (text := (await reader.readline()).decode()) != ".\r\n":
                    received.append(text.rstrip())
            writer.write(
                b"550 no\r\n" if verb == "RCPT" and refuses else b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n"
            )
            if verb == "QUIT":
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def mail(*, refuses: bool = False) -> tuple[Failure | None, list[str]]:
    received: list[str] = []

    async def main() -> Failure | None:
        async with mail_server(received, refuses=refuses) as port:
            rota = structs.replace(ROTA, mail_via=f"smtp:{port}")
            return (await run_hooks((Mail(to="night@cert.example.tn"),), NOTICE, rota))[0]

    return asyncio.run(main()), received


def test_a_mail_goes_through_the_machines_own_server_and_says_no_more_than_four_values() -> None:
    failure, received = mail()
    assert failure is None
    assert received[0] == "ehlo localhost"
    assert "Subject: Amanah: flash, 2 waiting" in received
    assert "To: night@cert.example.tn" in received
    assert any("waits in room 0a1b2c3d; step 1" in line for line in received)


def test_a_mail_that_is_refused_or_finds_no_server_says_so() -> None:
    refused, _ = mail(refuses=True)
    assert refused is not None
    assert (refused.hook, refused.trouble) == ("mail to night@cert.example.tn", Trouble.REFUSED)
    (away,) = run(Mail(to="night@cert.example.tn"), rota=structs.replace(ROTA, mail_via=f"smtp:{free_port()}"))
    assert away is not None
    assert away.trouble is Trouble.UNREACHABLE


def test_a_mail_goes_through_a_program_like_sendmail(tmp_path: Path) -> None:
    out = tmp_path / "out"
    program = script(tmp_path, f'{{ echo "$@"; cat; }} > {out}')
    assert run(Mail(to="night@cert.example.tn"), rota=structs.replace(ROTA, mail_via=program)) == (None,)
    lines = out.read_text().splitlines()
    assert lines[0] == "-oi -t"
    assert "To: night@cert.example.tn" in lines


def test_a_fault_of_a_hook_is_a_failure_and_all_others_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("what was sealed")

    monkeypatch.setattr(hooks, "_webhook", broken)
    outcomes = run(Webhook(url="https://example.org/", host="example.org"), Command(argv=(script(tmp_path, ":"),)))
    assert outcomes == (Failure(hook="webhook at example.org", trouble=Trouble.FAULT, detail="RuntimeError"), None)


def test_a_rota_with_webhooks_says_at_once_that_their_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = Webhook(url="https://example.org/", host="example.org")
    rota = Rota(backup=Duty(name="Backup team", hooks=(hook,)))
    check_hooks(rota)
    monkeypatch.setitem(sys.modules, "httpx2", None)
    check_hooks(Rota())
    with pytest.raises(UsageError, match="httpx2") as refused:
        check_hooks(rota)
    assert refused.value.code is Code.CONFIG


def test_every_trouble_has_an_advice() -> None:
    assert all(Failure(hook="", trouble=trouble, detail="").hint for trouble in Trouble)
