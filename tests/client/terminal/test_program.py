"""`amanah chat` as its users start it: a process of its own, on a terminal of its own."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from amanah_client import Client
from amanah_protocol.labels import Label
from tests.client.terminal.officers import TN, joined, until
from tests.client.test_sdk import invited
from tests.end_to_end.nations import Nations, amanah

RUN = "import sys; from amanah_client.cli.main import run; sys.exit(run())"
COLOURS = re.compile(rb"\x1b\[[0-9;]*?(?:3[0-7]|4[0-7]|9[0-7]|10[0-7]|38;|48;)[0-9;]*m")
HOSTILE = "\x1b]0;owned\x07 \x1b[6n \u202egpj.exe [link=https://203.0.113.54]x[/link]"


class Screen:
    """A process behind a terminal of 80 columns and 24 lines."""

    def __init__(self, home: Path, room: str, **environment: str) -> None:
        self.said = bytearray()
        self._own, other = pty.openpty()
        termios.tcsetwinsize(other, (24, 80))
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, "chat", room, "--home", str(home)],
            stdin=other, stdout=other, stderr=other, start_new_session=True,
            env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", "AMANAH_LANG": "en", **environment},
        )  # fmt: skip
        os.close(other)

    def until(self, truth: Callable[[bytes], object], timeout_s: float = 30) -> None:
        """Read on until something is so."""
        deadline = time.monotonic() + timeout_s
        while not truth(bytes(self.said)):
            assert time.monotonic() < deadline, self.said[-2000:]
            if select.select([self._own], [], [], 0.1)[0]:
                try:
                    self.said += os.read(self._own, 65_536)
                except OSError:  # the other end is closed: the process has ended
                    assert truth(bytes(self.said)), self.said[-2000:]
                    return

    def press(self, keys: str) -> None:
        os.write(self._own, keys.encode())

    def close(self) -> int:
        self.process.terminate()
        code = self.process.wait(20)
        os.close(self._own)
        return code


@pytest.mark.slow
@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}])
async def test_on_a_terminal_of_sixteen_colours_and_without_any(nations: Nations, environment: dict[str, str]) -> None:
    title = "Coloured" if not environment else "Plain"
    home = nations.enrol(f"officer of {title}", TN, called="Analyst on duty")
    second = nations.enrol(f"second of {title}", TN, called="Second desk")
    async with await Client.open(second) as other:
        await other.online()
        async with await Client.open(home) as own:
            await own.online()
            await invited(await own.create_room(title, label=Label.AMBER), other.me)
        room = await joined(other, title)
        await room.send(HOSTILE)
        screen = Screen(home, title, **environment)
        try:
            await asyncio.to_thread(screen.until, lambda said: b"Relay connected" in said and b"<202E>gpj.exe" in said)
            screen.press("said by hand\x1b\rand a line below\r")
            await until(lambda: "said by hand\nand a line below" in [one.text for one in room.messages()])
            await room.send("and answered")
            await asyncio.to_thread(screen.until, lambda said: b"and answered" in said)
            screen.press("\x11")
            await asyncio.to_thread(screen.until, lambda said: b"\x1b[?1049l" in said)
            assert screen.process.wait(20) == 0
        finally:
            screen.close()
        said = bytes(screen.said)
        assert b"]0;owned" in said
        for obeyed in (b"\x1b]0;owned", b"\x1b[6n", "\u202e".encode(), b"\x1b]8;"):
            assert obeyed not in said
        assert bool(COLOURS.search(said)) is not bool(environment)


def test_a_program_is_sent_to_the_verbs_for_programs(nations: Nations) -> None:
    ran = amanah(nations.enrol("no terminal", TN), "chat")
    assert ran.code == 2
    assert "amanah tail --json" in ran.err


def test_without_its_extra_it_says_what_to_install(tmp_path: Path) -> None:
    hidden = (
        "import sys; sys.modules['textual'] = None; from amanah_client.cli.main import main; sys.exit(main(['chat']))"
    )
    ran = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 2
    assert "pip install 'amanah[terminal]'" in ran.stderr
