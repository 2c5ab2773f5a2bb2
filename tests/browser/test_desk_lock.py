"""After the lock nothing of a room is left in the browser, and who comes back is where they were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocket

from amanah_client.sdk import Client
from amanah_protocol.labels import Label
from tests.browser.desks import Desks, Officer, desks, sitting
from tests.browser.test_desk_typing import aside
from tests.browser.test_security import neighbour
from tests.client.test_sdk import joined

TITLE, SAID, HALF, LATER = "Quarantine9471", "Sinkhole6620 at noon", "halfway8813", "afterwards3307"
MARKS: Final = ("Quarantine9471", "Sinkhole6620", "halfway8813", "afterwards3307")
PASSPHRASE: Final = "correct horse battery staple"
IDLE_S: Final = 16 * 60


@dataclass(kw_only=True)
class Locked:
    """A desk whose clock a test moves, and another officer in its rooms."""

    site: Desks
    home: Path
    other: Path
    clock: Path
    ahead_s: int = 0

    def open(self) -> str:
        """Start it; gives its link."""
        self.clock.write_text("0")
        return self.site.start(self.home, "tests.browser.clocked", str(self.clock), PASSPHRASE)

    def idle(self, seconds: int = IDLE_S) -> None:
        """Nobody was there for a while."""
        self.ahead_s += seconds
        self.clock.write_text(str(self.ahead_s))

    def say(self, text: str, title: str = TITLE) -> None:
        """The other officer says something."""

        async def said() -> None:
            async with await Client.open(self.other) as client:
                await client.online()
                await client.room(title).send(text)

        aside(said)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Locked]:
    with desks(tmp_path) as site:
        home = site.nations.enrol("Locked out", "cert.example.tn")
        other = site.nations.enrol("Other", "cert.example.ma")

        async def rooms() -> None:
            async with await Client.open(home) as ours, await Client.open(other) as theirs:
                await ours.online()
                await theirs.online()
                for title in ("Another", TITLE):
                    await (await theirs.create_room(title, label=Label.GREEN)).invite("cert.example.tn")
                await theirs.room(TITLE).send(SAID)
                await joined(ours, TITLE)

        aside(rooms)
        yield Locked(site=site, home=home, other=other, clock=tmp_path / "clock")


def in_memory(page: Page) -> set[str]:
    """Which of the marks stand in what the page's scripts hold."""
    session = page.context.new_cdp_session(page)
    chunks: list[str] = []
    session.on("HeapProfiler.addHeapSnapshotChunk", lambda told: chunks.append(told["chunk"]))
    session.send("HeapProfiler.enable")
    session.send("HeapProfiler.collectGarbage")
    session.send("HeapProfiler.takeHeapSnapshot", {"reportProgress": False})
    session.detach()
    heap = "".join(chunks)
    assert "addEventListener" in heap
    return {mark for mark in MARKS if mark in heap}


def is_bare(page: Page) -> None:
    """A locked page, and nothing of a room anywhere in it."""
    page.get_by_role("heading", name="Locked").wait_for()
    assert [mark for mark in MARKS if mark in page.content()] == []
    assert in_memory(page) == set()
    kept = "(async () => [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length])()"
    assert page.evaluate(kept) == [0, 0, 0]
    page.go_back()
    assert [mark for mark in MARKS if mark in page.content()] == []


def test_an_idle_desk_locks_keeps_nothing_and_comes_back_to_the_same_room_and_draft(
    browser: Browser, locked: Locked
) -> None:
    sockets: list[WebSocket] = []
    frames: list[str] = []

    def watch(context: BrowserContext) -> None:
        def opened(socket: WebSocket) -> None:
            sockets.append(socket)
            socket.on("framereceived", lambda told: frames.append(str(told)))

        context.pages[0].on("websocket", opened)

    with sitting(browser, locked.open(), before=watch) as officer:
        page = officer.page
        page.locator(".room", has_text=TITLE).click()
        officer.hears(SAID)
        page.locator("textarea.box").fill(HALF)
        page.wait_for_timeout(800)
        # The control: while it is open, its memory does hold it.
        assert in_memory(page) >= {TITLE, "Sinkhole6620", HALF}
        locked.idle()
        page.get_by_role("heading", name="Locked").wait_for()
        frames.clear()
        locked.say(LATER)
        page.wait_for_timeout(500)
        assert frames == []
        assert all(socket.is_closed() for socket in sockets)
        is_bare(page)
        page.goto(officer.visit.origin)
        page.get_by_label("Passphrase of this profile").fill("guessed")
        page.get_by_role("button", name="Unlock").click()
        page.get_by_text("does not open the profile").wait_for()
        locked.idle(5)
        page.get_by_label("Passphrase of this profile").fill(PASSPHRASE)
        page.get_by_role("button", name="Unlock").click()
        page.locator("h1 .title", has_text=TITLE).wait_for()
        officer.hears(LATER)
        assert page.locator("textarea.box").input_value() == HALF
        _left_open(officer, locked)


def _left_open(officer: Officer, locked: Locked) -> None:
    """A page that was left for another, and locked meanwhile, does not come back out of the browser's memory."""
    page = officer.page
    with neighbour() as other:
        page.goto(f"http://127.0.0.1:{other.port}/")
        locked.idle()
        page.go_back()
        page.get_by_role("heading", name="Locked").wait_for()
        assert [mark for mark in MARKS if mark in page.content()] == []
        assert in_memory(page) == set()


def test_what_was_typed_a_moment_before_the_lock_is_kept(browser: Browser, locked: Locked) -> None:
    with sitting(browser, locked.open()) as officer:
        page = officer.page
        page.locator(".room", has_text=TITLE).click()
        officer.hears(SAID)
        page.locator("textarea.box").fill(HALF)
        page.keyboard.press("Control+Shift+L")
        page.get_by_role("heading", name="Locked").wait_for()
        assert in_memory(page) == set()
        # Another room has what nobody has read: who comes back is in theirs all the same.
        locked.say("elsewhere", "Another")
        page.get_by_label("Passphrase of this profile").fill(PASSPHRASE)
        page.get_by_role("button", name="Unlock").click()
        officer.hears(SAID)
        assert page.locator("textarea.box").input_value() == HALF
