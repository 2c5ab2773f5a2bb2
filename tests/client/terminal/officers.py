"""Officers of three nations in one room of a real relay, one of them at the terminal."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from textual.pilot import Pilot

from amanah_client import Client, Room
from amanah_client.terminal.app import Terminal
from amanah_client.terminal.sheet import Plate, Sheet
from amanah_protocol.errors import UsageError
from amanah_protocol.labels import Label
from tests.client.test_sdk import invited
from tests.end_to_end.nations import Nations

TN, MA, SN = "cert.example.tn", "cert.example.ma", "cert.example.sn"
PARTS = ["alarm", "ringing", "rooms", "head", "conversation", "moving", "told", "above", "choices", "board", "foot"]
_TEXT = re.compile(r"<text[^>]*>([^<]*)</text>")
SHOTS = Path(__file__).resolve().parents[3] / "build" / "screenshots" / "terminal"


async def until(truth: Callable[[], object], timeout_s: float = 12) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(timeout_s):
        while True:
            if truth():
                return
            await asyncio.sleep(0.05)


async def joined(client: Client, title: str) -> Room:
    """A room of a title, as soon as it is there and can be written to."""
    found: list[Room] = []

    def is_there() -> bool:
        try:
            found[:] = [client.room(title)]
        except UsageError:
            return False
        return bool(found[0].members())

    await until(is_there)
    return found[0]


@dataclass(frozen=True)
class Desk:
    """The terminal of one of them, and the clients of the others."""

    app: Terminal
    pilot: Pilot[None]
    malware: Client
    shift: Client

    async def type(self, line: str) -> None:
        """Write a line and send it."""
        self.app.composer.fill(line)
        await self.pilot.press("enter")
        await self.pilot.pause()

    def told(self, *names: str) -> str:
        """What stands on some parts of the screen, all of it by default."""
        parts = names or (
            "alarm",
            "ringing",
            "moving",
            "rooms",
            "head",
            "conversation",
            "told",
            "above",
            "choices",
            "board",
            "foot",
        )
        return "\n".join(self._told(name) for name in parts)

    def _told(self, name: str) -> str:
        found = self.app.screen_stack[0].query_one(f"#{name}")
        if isinstance(found, Sheet):
            return "\n".join(row.plain for block in found.blocks for row in block.rows)
        assert isinstance(found, Plate)
        return "\n".join(row.plain for row in found.rows(found.size.width or 80)) if found.display else ""

    async def sees(self, text: str, *names: str) -> None:
        """Wait until something stands on the screen."""
        try:
            await until(lambda: text in self.told(*names) or text in _flowing(self.told(*names)))
        except TimeoutError:
            raise AssertionError(f"{text!r} is not in\n{self.told(*names)}") from None
        await self.pilot.pause()

    def drawn(self) -> str:
        """All characters of the whole screen, as they go out."""
        return "".join(html.unescape(text) for text in _TEXT.findall(self.app.export_screenshot())).replace("\xa0", " ")

    def shoot(self, name: str) -> None:
        """Keep a picture of it."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        (SHOTS / f"{name}.svg").write_text(self.app.export_screenshot(title="amanah chat"), encoding="utf-8")


def _flowing(told: str) -> str:
    """What stands there, whatever width it was folded to."""
    return " ".join(re.sub("[\N{BOX DRAWINGS HEAVY VERTICAL}\N{LEFT HALF BLOCK}]", " ", told).split())


@asynccontextmanager
async def at_the_terminal(
    nations: Nations,
    name: str,
    size: tuple[int, int] = (140, 40),
    *,
    room: str | None = None,
    says: str = "3 devices can read",
    rota: str = "",
    drill: bool = False,
) -> AsyncIterator[Desk]:
    """An officer of Tunisia at the terminal, two others with clients of their own."""
    homes = [
        nations.enrol(f"{number} of {name}", nation, called=called)
        for number, (nation, called) in enumerate(
            ((TN, "Analyst on duty"), (MA, "Malware lead"), (SN, "Shift lead"))
        )
    ]  # fmt: skip
    if rota:
        (homes[0] / "paging.toml").write_text(rota)
    async with (
        await Client.open(homes[0]) as own,
        await Client.open(homes[1]) as malware,
        await Client.open(homes[2]) as shift,
    ):
        for client in (own, malware, shift):
            await client.online()
        if room is not None:
            made = await own.create_room(room, label=Label.AMBER, drill=drill)
            await invited(made, malware.me)
            await invited(made, shift.me)
            for client in (malware, shift):
                await joined(client, room)
        app = Terminal(own, room)
        async with app.run_test(size=size) as pilot:
            desk = Desk(app, pilot, malware, shift)
            if room is not None:
                await until(lambda: says in desk.told("head") and "TLP:AMBER" in desk.told("head"))
            yield desk
