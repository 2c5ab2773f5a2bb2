"""An officer at a desk, in one room with another who has none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.client.desk.serving import Page, Served, serving
from tests.client.test_sdk import Two, officers
from tests.end_to_end.nations import Nations


@dataclass(kw_only=True)
class Sitting:
    """What a test has of it: both officers, the desk of the first, and the page that looks at their room."""

    two: Two
    served: Served
    page: Page
    cookie: str

    @property
    def room(self) -> str:
        return self.two.ours.id.hex()

    async def entry(self, text: str) -> str:
        """Wait until something stands in the conversation; gives its id."""
        return str(
            await self.page.until(
                lambda: next((one["id"] for one in self.page.entries("prose") if one["seq"] and text in _text(one)), "")
            )
        )


S = TypeVar("S", bound=Sitting)


@asynccontextmanager
async def at_the_desk(nations: Nations, name: str, kind: type[S]) -> AsyncIterator[S]:
    """Two officers in a room of this name, shown by the page of the first."""
    async with officers(nations, name) as two, serving(two.a) as served:
        cookie = await served.enter()
        page, room = Page(await served.dial(cookie)), two.ours.id.hex()
        await page.until(lambda: [one for one in page.told.get("rooms", ()) if one["id"] == room])
        await page.ask("look", room=room)
        await page.until(lambda: {"head", "board", "transfers"} <= page.told.keys() and page.order)
        yield kind(two=two, served=served, page=page, cookie=cookie)
        await page.socket.close()


def _text(entry: dict[str, Any]) -> str:
    return str([run["text"] for block in entry["content"]["blocks"] for line in block["lines"] for run in line])
