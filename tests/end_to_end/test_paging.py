"""A flash pages the other nation: its desk, who is on duty, the backup team, until a person of it acknowledges."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from amanah_client.cli.terminal import EXIT_OK
from tests.end_to_end.nations import PROGRAMS, Nations, amanah

TN, MA = "cert.example.tn", "cert.example.ma"
CANARY: Final = "CANARY"
"""Stands in everything that is sealed: title, text, names."""
ROOM: Final = f"{CANARY} portals"
TEXT: Final = f"{CANARY} is being read out"
WAIT_S: Final = 60


class Webhook:
    """A webhook's server on loopback."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                head = f"{self.requestline}\n{self.headers}".encode()
                bodies.append(head + self.rfile.read(int(self.headers["content-length"])))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/page"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Watch:
    """`amanah watch` as its own process."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [str(PROGRAMS / "amanah"), "watch", "--json"],
            env={**os.environ, "AMANAH_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._talk)]
        self.said: list[str] = []
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(json.loads(line))

    def _talk(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            self.said.extend(lines)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """What it tells, up to what is wanted."""
        heard: list[dict[str, Any]] = []
        while not heard or not wanted(heard[-1]):
            try:
                heard.append(self._lines.get(timeout=WAIT_S))
            except queue.Empty:
                pytest.fail(f"heard {heard}; said {self.said}")
        return heard

    def kill(self) -> None:
        self._process.kill()
        self._end()

    def stop(self) -> int:
        self._process.terminate()
        return self._end()

    def _end(self) -> int:
        code = self._process.wait(WAIT_S)
        for reader in self._readers:
            reader.join()
        return code


@pytest.fixture(scope="module")
def nations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    made = Nations(tmp_path_factory.mktemp("nations"), (TN, MA))
    made.relay.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def tunis(nations: Nations) -> Path:
    return nations.enrol("tunis", TN, called=f"{CANARY} one")


@pytest.fixture(scope="module")
def rabat(nations: Nations, tunis: Path) -> Path:
    home = nations.enrol("rabat", MA, called=f"{CANARY} two")
    assert amanah(home, "doctor").code == EXIT_OK
    assert amanah(tunis, "room", "create", ROOM, "--label", "amber").code == EXIT_OK
    assert amanah(tunis, "room", "invite", ROOM, MA).code == EXIT_OK
    return home


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    made = Webhook()
    yield made
    made.close()


def program(path: Path, captured: Path) -> Path:
    """A hook that keeps all that it can see: words, environment, what is piped to it."""
    path.write_text(f'#!/bin/sh\n{{ echo "$0" "$@"; env; cat; }} >> {captured}\n')
    path.chmod(0o700)
    return path


def send(home: Path, text: str, *words: str) -> str:
    ran = amanah(home, "send", ROOM, text, *words, "--json")
    assert ran.code == EXIT_OK, ran.err
    return str(json.loads(ran.out)["envelope"])


def pages(home: Path, message: str) -> list[dict[str, Any]]:
    """What the room's board says of who was paged for a message."""
    ran = amanah(home, "board", ROOM, "--json")
    assert ran.code == EXIT_OK, ran.err
    return [page for page in json.loads(ran.out)["pages"] if page["message"] == message]


def until_told(home: Path, message: str, step: int) -> list[dict[str, Any]]:
    """The same, when it names a step."""
    end = time.monotonic() + WAIT_S
    while step not in {page["step"] for page in pages(home, message)}:
        assert time.monotonic() < end, pages(home, message)
    return pages(home, message)


def of(event: str, message: str, **wanted: object) -> Callable[[dict[str, Any]], bool]:
    return lambda heard: (
        heard["event"] == event
        and heard["envelope"] == message
        and all(heard[name] == value for name, value in wanted.items())
    )


def write_rota(home: Path, folder: Path, captured: Path, webhook: Webhook) -> None:
    """A rota whose second person cannot be reached, with waits of fractions of a second."""
    hook, mailer = program(folder / "hook", captured), program(folder / "mailer", captured)
    (home / "paging.toml").write_text(f"""
        [waits]
        desk_seconds = 0.2
        step_seconds = 0.5
        repeat_seconds = 0.5
        [mail]
        sender = "amanah@{MA}"
        via = "{mailer}"
        [[person]]
        name = "Analyst on duty"
        hooks = [{{ command = ["{hook}", "CONTROL"] }}, {{ mail = "duty@{MA}" }}]
        [[person]]
        name = "Nobody's telephone"
        hooks = [{{ command = ["{folder}/nothing"] }}]
        [backup]
        name = "Backup team"
        hooks = [{{ webhook = "{webhook.url}" }}]
        """)


@pytest.mark.slow
def test_a_flash_rings_goes_on_to_others_through_a_kill_and_ends_by_an_answer_of_the_paged_nation_alone(
    tmp_path: Path, tunis: Path, rabat: Path, webhook: Webhook
) -> None:
    captured = tmp_path / "captured"
    write_rota(rabat, tmp_path, captured, webhook)
    watch = Watch(rabat)
    try:
        message = send(tunis, TEXT, "--precedence", "flash")
        watch.until(of("rings", message, step=0))
        watch.until(of("paged", message, step=1, whom="Analyst on duty", result="reached"))
        failed = watch.until(of("paged", message, step=2))[-1]
        assert failed["result"] == "failed"
        assert [one["trouble"] for one in failed["failures"]] == ["missing"]
        until_told(tunis, message, 2)
    finally:
        watch.kill()

    once = captured.read_text()
    watch = Watch(rabat)
    try:
        # Nobody answered: it rings again, and goes on where the record ends.
        watch.until(of("rings", message))
        watch.until(of("paged", message, step=3, whom="Backup team", result="reached"))
        # The nation that sent it answers nothing for the one that is paged.
        assert amanah(tunis, "ack", ROOM, message, "acting").code == EXIT_OK
        # That a program received it, neither.
        assert amanah(rabat, "ack", ROOM, message, "received").code == EXIT_OK
        watch.until(of("paged", message, step=3))
        watch.until(of("paged", message, step=3))
        assert amanah(rabat, "ack", ROOM, message, "acting").code == EXIT_OK
        assert watch.until(lambda heard: heard["event"] == "quiet")[-1]["answered"] is True
    finally:
        assert watch.stop() in {EXIT_OK, 130}
    assert captured.read_text() == once
    assert webhook.bodies

    told = until_told(tunis, message, 3)
    assert {(page["step"], page["whom"], page["result"]) for page in told} == {
        (0, "the desk", "rang"),
        (1, "Analyst on duty", "reached"),
        (2, "Nobody's telephone", "failed"),
        (3, "Backup team", "reached"),
    }
    assert {page["nation"] for page in told} == {MA}
    assert told[0]["acknowledged"] == {MA: "acting", TN: "acting"}
    shown = amanah(tunis, "read", ROOM).out
    assert f"[pages for {message[:12]}, step 1: the page was taken over: Analyst on duty]" in " ".join(shown.split())
    assert f"paged {message[:12]}" in amanah(tunis, "board", ROOM).out

    # Nothing that was sealed left by a hook; what did leave is found by the same look, and the canary where it belongs.
    left = captured.read_text() + b"".join(webhook.bodies).decode()
    assert CANARY not in left
    for word in ("CONTROL", "AMANAH_STEP=1", f"duty@{MA}", '"step":3', '"precedence":"flash"'):
        assert word in left
    for word in (ROOM, TEXT, f"{CANARY} one"):
        assert word in shown + amanah(tunis, "room", "list").out


@pytest.mark.slow
def test_a_mention_of_the_duty_desk_rings_whatever_its_precedence_and_only_there(tunis: Path, rabat: Path) -> None:
    (rabat / "paging.toml").unlink(missing_ok=True)
    watches = [Watch(rabat), Watch(tunis)]
    try:
        quiet = send(tunis, "all quiet")
        called = send(tunis, f"Your portal, @{MA}/duty")
        assert [heard["envelope"] for heard in watches[0].until(of("rings", called))] == [called]
        assert quiet != called
        answer = send(rabat, "at once", "--precedence", "immediate")
        # What rings at the one was sent by the other.
        assert [heard["envelope"] for heard in watches[1].until(of("rings", answer))] == [answer]
        assert amanah(rabat, "ack", ROOM, called).code == EXIT_OK
        heard = watches[0].until(lambda heard: heard["event"] == "quiet")
        assert heard[-1]["envelope"] == called
        assert all(one["envelope"] == called for one in heard)
        assert amanah(tunis, "ack", ROOM, answer).code == EXIT_OK
        watches[1].until(of("quiet", answer))
    finally:
        with contextlib.ExitStack() as stack:
            for watch in watches:
                stack.callback(watch.stop)
    assert any("nobody is named in paging.toml" in line for line in watches[0].said)
    assert pages(tunis, called) == []
