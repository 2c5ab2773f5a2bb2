"""Officers of several nations at their desks: the program itself, a real relay, and a real Chromium before each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, BrowserContext, Locator, Page, ViewportSize

from amanah_client.language import Language, gettext, speaking
from tests.browser.conftest import SHOTS, Visit, watched
from tests.end_to_end.nations import Nations

WIDE: Final[ViewportSize] = {"width": 1440, "height": 900}
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}


@dataclass(kw_only=True)
class Desks:
    """Programs that run, one for each profile."""

    nations: Nations
    running: list[subprocess.Popen[str]] = field(default_factory=list)
    terminals: dict[Path, int] = field(default_factory=dict)

    def start(self, home: Path, program: str = "", *words: str) -> str:
        """Start a desk in a terminal of its own, or a module that does so with further words; gives its link."""
        ours, theirs = os.openpty()
        self.terminals[home] = ours
        command = [
            sys.executable, "-c", "import sys; from amanah_client.cli.main import run; sys.exit(run())",
            "desk", "--no-browser", "--json", "--home", str(home),
        ]  # fmt: skip
        if program:
            command = [sys.executable, "-m", program, str(home), *words]
        process = subprocess.Popen(
            command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
        )
        os.close(theirs)
        self.running.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate(timeout=20)[1]
        return str(json.loads(line)["link"])

    def new_link(self, home: Path) -> str:
        """Press Enter in the terminal of a desk; gives the link that it shows."""
        process = self.running[list(self.terminals).index(home)]
        os.write(self.terminals[home], b"\n")
        assert process.stderr is not None
        while "works once: " not in (line := process.stderr.readline()):
            assert line
        return line.rpartition(" ")[2].strip()

    def close(self) -> None:
        for terminal in self.terminals.values():
            os.close(terminal)
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            process.communicate(timeout=20)
        self.nations.close()


@contextmanager
def desks(folder: Path, *nations: str) -> Iterator[Desks]:
    made = Desks(nations=Nations(folder, nations) if nations else Nations(folder))
    made.nations.relay.start()
    try:
        yield made
    finally:
        made.close()


@dataclass(kw_only=True)
class Officer:
    """Somebody at a desk.

    Attributes:
        visit: Their browser.
        lang: The language that their desk speaks.
    """

    visit: Visit
    lang: str = "en"

    @property
    def page(self) -> Page:
        return self.visit.page

    def wear(self, theme: str) -> None:
        """Light or dark; without motion, so that a picture shows no colour on its way to another."""
        self.page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")

    def shoot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"desk-{name}.png")

    def word(self, english: str) -> str:
        """As their desk says it."""
        with speaking(Language(code=self.lang)):
            return gettext(english)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=self.word(name), exact=True)

    def open_room(self, title: str, label: str = "TLP:AMBER+STRICT") -> None:
        self.button("New room").click()
        self.page.locator("#f-title").fill(title)
        self.page.locator("#f-label").select_option(label)
        self.button("Open the room").click()
        self.page.locator("h1 .title", has_text=title[:5]).wait_for()

    def invite(self, whom: str) -> None:
        self.button("Invite").first.click()
        self.page.locator("#f-whom").fill(whom)
        self.page.locator("dialog .go").click()

    def say(self, text: str) -> None:
        box = self.page.locator("textarea.box")
        box.fill(text)
        box.press("Enter")
        sent = self.page.locator("textarea.box:placeholder-shown")
        changed = self.page.locator(".toast", has_text="Who can read this room has changed")
        sent.or_(changed).first.wait_for()
        if changed.count():
            # Somebody joined while it was written: looked at, and sent.
            box.press("Enter")
            sent.wait_for()

    def hears(self, text: str) -> Locator:
        """Wait until it stands in the conversation."""
        found = self.page.locator("#flow article", has_text=text).first
        found.wait_for()
        return found


@contextmanager
def sitting(
    browser: Browser,
    link: str,
    before: Callable[[BrowserContext], None] | None = None,
    lang: str = "en",
    **options: object,
) -> Iterator[Officer]:
    """A browser that comes in through the link, in a language ("" for none); `before` it does, it may be prepared."""
    # Without motion: a picture that is taken amid a change of colours shows neither.
    given = {"viewport": WIDE, "reduced_motion": "reduce"} | options
    visit = watched(browser, link.partition("/#")[0], **given)
    try:
        if lang:
            visit.context.add_cookies([{"name": "amanah-language", "value": lang, "url": visit.origin}])
        if before is not None:
            before(visit.context)
        visit.page.goto(link)
        visit.page.locator(".rail .me b").wait_for()
        yield Officer(visit=visit, lang=lang)
    finally:
        visit.context.close()
