"""The stage of the demonstration: folders, programs, what they say, and what is expected of them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from amanah_client.cli import terminal

_PROGRAMS: Final = Path(sys.executable).parent
_STOP_S: Final = 10
_COMMAND_S: Final = 120
_MAX_LINES: Final = 14
_HANG: Final = 8
"""Columns before what is folded."""


class StepFailedError(Exception):
    """Something did not come out as it was expected to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One command, as one party gives it.

    Attributes:
        who: The party: the name of its home folder.
        words: Program and arguments.
        code: The exit code that is expected.
        quiet: Do not show what it prints.
    """

    who: str
    words: tuple[str, ...]
    code: int = 0
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:  # noqa: ANN401 - the reader of a document knows its shape
        """Its one JSON document."""
        return json.loads(self.out)

    def json_lines(self) -> list[Any]:
        """Its lines of JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


class Running:
    """A program that runs beside the others; it is always ended by its own number."""

    def __init__(self, process: subprocess.Popen[str], out: Path, err: Path) -> None:
        self._process = process
        self._out = out
        self._err = err

    def said(self, word: str, *, timeout_s: float = 20) -> str:
        """Wait until it has said something on standard error; gives that line.

        Raises:
            StepFailedError: It ended, or did not say it in time.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for line in self._err.read_text(encoding="utf-8").splitlines():
                if word in line:
                    return line
            if self._process.poll() is not None:
                raise StepFailedError(f"a program ended by itself: {self._err.read_text(encoding='utf-8').strip()}")
            time.sleep(0.02)
        raise StepFailedError(f"nobody said {word!r} within {timeout_s:.0f} s")

    def lines(self, count: int, *, timeout_s: float = 20) -> list[str]:
        """Wait for so many lines of result.

        Raises:
            StepFailedError: They did not come in time.
        """
        deadline = time.monotonic() + timeout_s
        while len(lines := self._out.read_text(encoding="utf-8").splitlines()) < count:
            if time.monotonic() > deadline:
                raise StepFailedError(f"{len(lines)} of {count} lines came within {timeout_s:.0f} s")
            time.sleep(0.02)
        return lines

    def stop(self) -> int:
        """End it as a service manager does; gives its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()


class Stage:
    """Runs commands, shows them, and checks what was expected."""

    def __init__(self, folder: Path, console: Console) -> None:
        """Set it up.

        Args:
            folder: Everybody's homes and the files that they hand to each other.
            console: Where the story is told.
        """
        self.folder = folder
        self._console = console
        self._running: list[Running] = []
        self._commands: set[subprocess.Popen[str]] = set()
        self._ending = False
        self.title = "the beginning"
        self._number = 0

    def scene(self, title: str, about: str) -> None:
        """Begin the next step of the story."""
        self._number += 1
        self.title = f"step {self._number}, {title}"
        self._console.print()
        self._console.print(Text(f"{self._number}. {title}", style="bold cyan"))
        self._tell(f"   {about}", "italic")

    def run(self, who: str, *words: str, code: int = 0, quiet: bool = False) -> Ran:
        """Run one command, show it with what it says, and hold its exit code against what is expected.

        Raises:
            StepFailedError: Another exit code.
        """
        return self.together(Call(who=who, words=words, code=code, quiet=quiet))[0]

    def together(self, *calls: Call) -> list[Ran]:
        """Run several commands of different parties side by side; shown in order.

        Raises:
            StepFailedError: Another exit code than expected of one of them.
        """
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            try:
                results = list(pool.map(self._execute, calls))
            except BaseException:
                self._end_commands()
                raise
        for call, ran in zip(calls, results, strict=True):
            self._show(call, ran)
            self.expect(ran.code == call.code, f"{_shown(call)}: exit code {ran.code}, not {call.code}")
        return results

    def start(self, who: str, *words: str) -> Running:
        """Start a program that goes on."""
        call = Call(who=who, words=words)
        self._prompt(call)
        out, err = (self.folder / f"{who}.{len(self._running)}.{name}" for name in ("out", "err"))
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = subprocess.Popen(
                _command(call),
                cwd=self.folder,
                env=self._environment(who),
                stdin=subprocess.DEVNULL,
                stdout=out_file,
                stderr=err_file,
                text=True,
            )
        running = Running(process, out, err)
        self._running.append(running)
        return running

    def stop_all(self) -> None:
        """End everything that still runs."""
        for running in reversed(self._running):
            running.stop()

    def expect(self, truth: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
        """Hold something against what is expected.

        Raises:
            StepFailedError: It is not so.
        """
        if not truth:
            raise StepFailedError(otherwise)

    def note(self, text: str) -> None:
        """Say what was checked."""
        self._tell(f"   ✓ {text}", "green")

    def _tell(self, line: str, style: str = "", *, bold: int = 0) -> None:
        """Print a line, the first characters bold; a person's terminal gets it as the programs fold theirs."""
        text = Text(terminal.folded(line, _HANG) if self._console.is_terminal else line, style=style)
        text.stylize("bold", 0, bold)
        self._console.print(text)

    def _prompt(self, call: Call) -> None:
        who = f"   {call.who}$ "
        self._tell(who + shlex.join(call.words), bold=len(who))

    def _execute(self, call: Call) -> Ran:
        if self._ending:
            raise StepFailedError("the story has ended")
        with subprocess.Popen(
            _command(call),
            cwd=self.folder,
            env=self._environment(call.who),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            self._commands.add(process)
            try:
                out, err = process.communicate(timeout=_COMMAND_S)
            finally:
                self._commands.discard(process)
                process.kill()  # of no effect on one that has ended
        return Ran(code=process.returncode, out=out, err=err)

    def _end_commands(self) -> None:
        """End the commands that run now; those that wait for their turn do not begin."""
        self._ending = True
        for process in tuple(self._commands):
            process.terminate()

    def _environment(self, who: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AMANAH_")}
        return {**kept, "AMANAH_HOME": str(self.folder / who)}

    def _show(self, call: Call, ran: Ran) -> None:
        self._prompt(call)
        failed = ran.code != call.code
        if call.quiet and not failed:
            return
        for text, style in ((ran.out, ""), (ran.err, "dim")):
            lines = text.splitlines()
            for line in lines if failed else _cut(lines):
                self._tell(f"      {line}", style)


def _command(call: Call) -> Sequence[str]:
    return [str(_PROGRAMS / call.words[0]), *call.words[1:]]


def _shown(call: Call) -> str:
    return f"{call.who}$ {shlex.join(call.words)}"


def _cut(lines: list[str]) -> Iterator[str]:
    yield from lines[:_MAX_LINES]
    if len(lines) > _MAX_LINES:
        yield f"... and {len(lines) - _MAX_LINES} lines more"
