"""A passphrase at a terminal: Ctrl-C at the question and after it, and what is typed while the key is made."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from amanah_client.home import Home, create_profile
from amanah_client.keystore import Passphrase
from amanah_client.keystore.unlock import FLOOR_COST

PASSPHRASE: Final = "ether ribbon canal saddle motto plum grain"
WAIT_S: Final = 60
RUN: Final = "import sys; from amanah_client.cli.main import run; sys.exit(run())"
WAITING: Final = """
import argon2.low_level, pathlib, sys, time
made = argon2.low_level.hash_secret_raw
def wait(**given):
    while not pathlib.Path(sys.argv[-1], "go").exists(): time.sleep(0.05)
    return made(**given)
argon2.low_level.hash_secret_raw = wait
"""
"""The key is made when the test says so."""
HEARD: Final = """
import signal
for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    if signal.getsignal(number) is signal.SIG_IGN: signal.signal(number, signal.SIG_DFL)
"""
"""Whoever runs the tests may ignore what a person's shell does not."""
ENDLESS: Final = """
import argon2.low_level
made = argon2.low_level.hash_secret_raw
argon2.low_level.hash_secret_raw = lambda **given: made(**given | {"time_cost": 10_000})
"""
"""The key takes minutes, in one call that Python does not interrupt."""


@dataclass
class Terminal:
    """A person's terminal, in which a shell runs the program and then reads a line."""

    home: Path
    ours: int
    theirs: int
    seen: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self, *verb: str, before: str = "") -> None:
        # A session's first terminal that is opened becomes the one that it is run from.
        shell = 'exec <"$0" >"$0" 2>&1; trap : INT; "$@"; '
        shell += 'printf "ended %s\\n" "$?"; IFS= read -r line; printf "left [%s]\\n" "$line"'
        command = [sys.executable, "-c", HEARD + before + RUN, *verb, "--home", str(self.home)]
        self.process = subprocess.Popen(
            ["sh", "-c", shell, os.ttyname(self.theirs), *command],
            env=os.environ | {"AMANAH_LANG": "en"},
            start_new_session=True,
        )

    def types(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def reads(self, until: str) -> str:
        """What is shown up to `until`, at the latest; what follows stays for the next call."""
        deadline = time.monotonic() + WAIT_S
        while until not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.ours], [], [], 0.2)[0]:
                self.seen += os.read(self.ours, 4096).decode(errors="replace")
        shown, found, self.seen = self.seen.partition(until)
        return shown + found

    def signals(self, number: signal.Signals) -> None:
        """To the program, as from elsewhere."""
        assert self.process is not None
        shell = self.process.pid
        (program,) = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        os.kill(int(program), number)

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.theirs)[3] & termios.ECHO)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    (home := Home(tmp_path / "home")).make_folder()
    create_profile(home, Passphrase(text=PASSPHRASE, cost=FLOOR_COST)).close()
    ours, theirs = os.openpty()
    made = Terminal(home.path, ours, theirs)
    try:
        yield made
    finally:
        if made.process is not None:
            made.process.kill()
            made.process.wait()
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("verb", [("send", "Port authority", "Hello"), ("room", "list"), ("outbox", "list")])
def test_the_first_ctrl_c_at_the_question_ends_the_program(terminal: Terminal, verb: tuple[str, ...]) -> None:
    terminal.start(*verb)
    terminal.reads("Passphrase: ")
    terminal.types("\x03")
    assert "interrupted" in terminal.reads("ended 130")
    assert terminal.echoes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_program_that_is_ended_at_the_question_gives_the_terminal_back(
    terminal: Terminal, number: signal.Signals
) -> None:
    terminal.start("room", "list", "--offline")
    terminal.reads("Passphrase: ")
    terminal.signals(number)
    assert "interrupted" in terminal.reads("ended 130")
    assert terminal.echoes()


def test_a_program_that_is_ended_while_the_key_is_made_gives_the_terminal_back(terminal: Terminal) -> None:
    terminal.start("room", "list", "--offline", before=ENDLESS)
    terminal.reads("Passphrase: ")
    terminal.types(f"{PASSPHRASE}\n")
    terminal.reads("Unlocking…")
    terminal.signals(signal.SIGTERM)
    assert "interrupted" in terminal.reads("ended 130")
    assert terminal.echoes()


def test_a_program_that_is_ended_at_the_question_for_a_new_passphrase_gives_the_terminal_back(
    terminal: Terminal,
) -> None:
    terminal.home = terminal.home.with_name("new")
    terminal.start("org", "init", "cert.example.tn")
    terminal.reads("New passphrase")
    terminal.signals(signal.SIGTERM)
    assert "interrupted" in terminal.reads("ended 130")
    assert terminal.echoes()


def test_a_signal_that_is_ignored_stays_so_at_the_question(terminal: Terminal) -> None:
    terminal.start("room", "list", "--offline", before="import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n")
    terminal.reads("Passphrase: ")
    terminal.signals(signal.SIGHUP)
    terminal.types(f"{PASSPHRASE}\n")
    terminal.reads("ended 0")


def test_ctrl_c_while_the_key_is_made_ends_the_program(terminal: Terminal) -> None:
    terminal.start("room", "list", "--offline", before=ENDLESS)
    terminal.reads("Passphrase: ")
    terminal.types(f"{PASSPHRASE}\n")
    terminal.reads("Unlocking…")
    terminal.types("\x03")
    assert "interrupted" in terminal.reads("ended 130")
    assert terminal.echoes()


def test_what_is_typed_while_the_key_is_made_is_neither_shown_nor_left_for_the_shell(terminal: Terminal) -> None:
    terminal.start("room", "list", "--offline", before=WAITING)
    terminal.reads("Passphrase: ")
    terminal.types(f"{PASSPHRASE}\n")
    terminal.reads("Unlocking…")
    assert not terminal.echoes()
    terminal.types("typed meanwhile\n")
    (terminal.home / "go").touch()
    assert "typed meanwhile" not in terminal.reads("ended 0")
    assert terminal.echoes()
    terminal.types("after it\n")
    assert "left [after it]" in terminal.reads("]")


def test_a_wrong_passphrase_is_asked_for_again_and_the_right_one_opens(terminal: Terminal) -> None:
    terminal.start("room", "list", "--offline")
    terminal.reads("Passphrase: ")
    terminal.types("not this one\n")
    assert "try again" in terminal.reads("Passphrase: ")
    terminal.types(f"{PASSPHRASE}\n")
    terminal.reads("ended 0")
