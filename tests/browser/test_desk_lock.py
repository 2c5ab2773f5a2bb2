"""After the lock nothing of a room is left in the browser, and who comes back is where they were."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, WebSocket, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from amanah_client.sdk import Client
from amanah_protocol.labels import Label
from tests.browser.conftest import watched
from tests.browser.desks import Desks, Officer, desks, sitting
from tests.browser.test_desk_typing import aside
from tests.browser.test_security import neighbour
from tests.client.test_sdk import joined

TITLE, SAID, HALF, LATER = "Quarantine9471", "Sinkhole6620 at noon", "halfway8813", "afterwards3307"
MARKS: Final = ("Quarantine9471", "Sinkhole6620", "halfway8813", "afterwards3307")
PASSPHRASE: Final = "correct horse battery staple"
IDLE_S: Final = 16 * 60
GONE_S: Final = 50
"""After which a page knows that its program has ended."""


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

    def hold(self, what: str) -> Path:
        """Until this file is taken away, no rooms are loaded, or no reports made."""
        held = self.clock.with_name(what)
        held.touch()
        return held

    def send(self, number: signal.Signals) -> None:
        """Stop the program, have it go on, or kill it."""
        os.kill(self.site.running[-1].pid, number)

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
        for held in ("rooms", "reports"):
            (tmp_path / held).unlink(missing_ok=True)
        for process in site.running:
            process.send_signal(signal.SIGCONT)


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


def at_the_door(page: Page) -> None:
    """Wait for the program's own page of one that is locked."""
    page.get_by_label("Passphrase of this profile").wait_for()


def shows_nothing(page: Page) -> None:
    """Nothing of a room stands anywhere in the page, or in what its scripts hold."""
    assert [mark for mark in MARKS if mark in page.content() + page.title()] == []
    assert in_memory(page) == set()


def is_bare(page: Page) -> None:
    """A locked page, and nothing of a room anywhere in it."""
    at_the_door(page)
    shows_nothing(page)
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
        at_the_door(page)
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
        at_the_door(page)
        shows_nothing(page)


def test_what_was_typed_a_moment_before_the_lock_is_kept(browser: Browser, locked: Locked) -> None:
    with sitting(browser, locked.open()) as officer:
        page = officer.page
        page.locator(".room", has_text=TITLE).click()
        officer.hears(SAID)
        page.locator("textarea.box").fill(HALF)
        page.keyboard.press("Control+Shift+L")
        at_the_door(page)
        shows_nothing(page)
        # Another room has what nobody has read: who comes back is in theirs all the same.
        locked.say("elsewhere", "Another")
        page.get_by_label("Passphrase of this profile").fill(PASSPHRASE)
        page.get_by_role("button", name="Unlock").click()
        officer.hears(SAID)
        assert page.locator("textarea.box").input_value() == HALF


def in_the_room(officer: Officer) -> Page:
    """Their page, with the room open and something begun."""
    page = officer.page
    page.locator(".room", has_text=TITLE).click()
    officer.hears(SAID)
    page.locator("textarea.box").fill(HALF)
    page.wait_for_timeout(800)
    # The control: while it is open, its memory does hold it.
    assert in_memory(page) >= {TITLE, "Sinkhole6620", HALF}
    return page


def back_in(page: Page) -> None:
    """What was begun stands where it stood."""
    at_the_door(page)
    page.get_by_label("Passphrase of this profile").fill(PASSPHRASE)
    page.get_by_role("button", name="Unlock").click()
    page.locator("#flow article", has_text=SAID).wait_for()
    expect(page.locator("textarea.box")).to_have_value(HALF)


def clock_of_page(context: BrowserContext) -> None:
    context.clock.install()


@pytest.mark.parametrize("how", ["idle", "button"])
def test_a_file_that_waits_in_the_composer_holds_no_lock(browser: Browser, locked: Locked, how: str) -> None:
    with sitting(browser, locked.open()) as officer:
        page = in_the_room(officer)
        given = FilePayload(name=f"{LATER}.txt", mimeType="text/plain", buffer=b"x")
        page.locator("form.compose input[type=file]").set_input_files(given)
        page.locator(".tray li", has_text=LATER).wait_for()
        # The control: whoever leaves the page for another is asked, and stays.
        page.evaluate("location.assign('/static/none')")
        page.wait_for_timeout(300)
        assert [one for one in officer.visit.complaints if one.startswith("dialog")]
        page.locator(".tray li", has_text=LATER).wait_for()
        officer.visit.complaints.clear()
        if how == "idle":
            locked.idle()
        else:
            officer.button("Lock this page").click()
        is_bare(page)
        assert officer.visit.complaints == []


@pytest.mark.parametrize("how", ["button", "keys", "idle"])
def test_a_page_locks_while_its_program_is_stopped_and_tells_it_when_it_goes_on(
    browser: Browser, locked: Locked, how: str
) -> None:
    # The clock that a test moves remembers who called it: only where it is moved.
    with sitting(browser, locked.open(), before=clock_of_page if how == "idle" else None) as officer:
        page = in_the_room(officer)
        locked.send(signal.SIGSTOP)
        if how == "button":
            officer.button("Lock this page").click()
        elif how == "keys":
            # Also out of a form that stands over the page.
            page.get_by_role("button", name="Handover").click()
            page.locator("#f-text").fill(LATER)
            page.keyboard.press("Control+Shift+L")
        else:
            page.clock.fast_forward(1000 * 14 * 60)
            page.wait_for_timeout(300)
            assert SAID in page.content()
            page.clock.fast_forward(1000 * 2 * 60)
        page.get_by_role("heading", name="This page is locked").wait_for()
        shows_nothing(page)
        page.get_by_role("alert").get_by_text("does not answer").wait_for()
        # Keys that open something on a desk open nothing here.
        for key in ("Control+k", "Control+/", "j", "Enter"):
            page.keyboard.press(key)
        assert page.locator("dialog").count() == 0
        shows_nothing(page)
        locked.send(signal.SIGCONT)
        back_in(page)


def test_a_page_that_is_used_is_kept_and_whoever_comes_late_does_not_come_in_by_a_key(
    browser: Browser, locked: Locked
) -> None:
    with sitting(browser, locked.open(), before=clock_of_page) as officer:
        page = in_the_room(officer)
        other = officer.visit.context.new_page()
        other.goto(officer.visit.origin)
        other.locator("#flow article", has_text=SAID).wait_for()
        locked.send(signal.SIGSTOP)
        # One session: who uses one of its pages is there for the other.
        for _ in range(2):
            page.clock.fast_forward(1000 * 10 * 60)
            page.keyboard.press("Shift")
            page.wait_for_timeout(300)
            assert SAID in page.content()
            assert SAID in other.content()
        # Time asleep: the clock has gone on, and no timer has run yet.
        page.clock.set_system_time(page.evaluate(f"Date.now() + 1000 * {IDLE_S}"))
        page.keyboard.press("x")
        for one in (page, other):
            one.get_by_role("heading", name="This page is locked").wait_for()
            shows_nothing(one)


def test_a_lock_waits_for_nothing_that_the_program_does(browser: Browser, locked: Locked) -> None:
    with sitting(browser, locked.open()) as officer:
        page = in_the_room(officer)
        held = locked.hold("reports")
        page.get_by_role("button", name="Report").click()
        page.get_by_role("button", name="Make it").click()
        page.wait_for_timeout(500)
        page.keyboard.press("Control+Shift+L")
        back_in(page)
        held.unlink()


def test_a_page_without_rooms_has_its_program_lock_all_the_same(browser: Browser, locked: Locked) -> None:
    link = locked.open()
    held = locked.hold("rooms")
    visit = watched(browser, link.partition("/#")[0])
    clock_of_page(visit.context)
    visit.page.goto(link)
    visit.page.get_by_text("Opening the desk.").wait_for()
    visit.page.wait_for_load_state()
    # By the page's clock alone; the program's stands still.
    visit.page.clock.fast_forward(1000 * IDLE_S)
    at_the_door(visit.page)
    at_the_door(visit.go("/"))
    held.unlink()
    visit.context.close()


@pytest.mark.parametrize("language", ["en", "fr", "ar"])
def test_a_page_without_rooms_says_in_its_language_that_it_is_locked_or_its_program_gone(
    browser: Browser, locked: Locked, language: str
) -> None:
    link = locked.open()
    locked.hold("rooms")
    visit = watched(browser, link.partition("/#")[0])
    officer = Officer(visit=visit, lang=language)
    chosen = {"name": "amanah-language", "value": language, "url": visit.origin}
    visit.context.add_cookies([chosen])  # type: ignore[list-item]  # as Playwright has it
    clock_of_page(visit.context)
    page = visit.page
    page.goto(link)
    page.get_by_text(officer.word("Opening the desk.")).wait_for()
    # Its scripts are there, too.
    page.wait_for_load_state()
    locked.send(signal.SIGSTOP)
    page.clock.fast_forward(1000 * IDLE_S)
    page.get_by_role("heading", name=officer.word("This page is locked")).wait_for()
    page.get_by_text(officer.word("Nothing of your rooms is in this page.")).wait_for()
    locked.send(signal.SIGKILL)
    ended = page.get_by_role("heading", name=officer.word("The desk's program has ended"))
    # What it asks of its program fails in real time: its clock runs on in between.
    for _ in range(20):
        page.clock.fast_forward(1000 * GONE_S)
        with contextlib.suppress(PlaywrightTimeoutError):
            ended.wait_for(timeout=500)
            break
    ended.wait_for()
    visit.context.close()


def test_a_page_whose_program_has_ended_keeps_no_form_and_no_question_over_it(browser: Browser, locked: Locked) -> None:
    with sitting(browser, locked.open(), before=clock_of_page) as officer:
        page = in_the_room(officer)
        page.get_by_role("button", name="Handover").click()
        page.locator("#f-text").fill(LATER)
        dialogs = "import(new URL('dialogs.js', document.scripts[0].src))"
        page.evaluate(f"{dialogs}.then((made) => {{ made.sure('Quarantine9471?', 'yes'); }})")
        assert page.locator("dialog[open]").count() == 2
        locked.send(signal.SIGKILL)
        page.get_by_text("does not answer").wait_for()
        page.clock.fast_forward(1000 * GONE_S)
        page.get_by_text("The desk's program has ended").wait_for()
        assert page.locator("dialog").count() == 0
        shows_nothing(page)
