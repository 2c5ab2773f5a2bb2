"""The console as its users have it: the program itself, and a real Chromium in front of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request, expect, sync_playwright

from amanah_client.log_rows import AuditRow
from tests.client.console.told import TOLD, auditor, tampered

HERE: Final = Path(__file__).resolve().parent
SHOTS: Final = HERE.parent.parent / "build" / "screenshots"
NAMES: Final = (
    "MAP rebound.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE *.localhost, EXCLUDE localhost, EXCLUDE 127.0.0.1"
)
FLAGS: Final = (
    "--no-sandbox",  # the tests may run as root, where Chromium has none
    "--disable-background-networking", "--disable-component-update", "--disable-domain-reliability", "--disable-sync",
    "--no-default-browser-check", "--no-first-run", "--no-proxy-server",
    # A name that another site has its own server answer with this machine's address: what DNS rebinding comes to.
    f"--host-resolver-rules={NAMES}",
)  # fmt: skip
WAIT_MS: Final = 20_000
# Its own five seconds are short for a machine that does much else.
expect.set_options(timeout=WAIT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One Chromium at a time, also where tests run in parallel."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("browser"))
            item.add_marker(pytest.mark.slow)


@dataclass(frozen=True, kw_only=True)
class Served:
    """A console that runs.

    Attributes:
        link: As its terminal showed it.
        home: The profile's folder.
    """

    link: str
    home: Path
    process: subprocess.Popen[str]

    @property
    def origin(self) -> str:
        return self.link.partition("/#")[0]


Serve = Callable[..., Served]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts `amanah audit console` over a copy."""
    running: list[subprocess.Popen[str]] = []

    def start(rows: list[AuditRow] | None = None) -> Served:
        home = tmp_path_factory.mktemp("auditor") / "home"
        auditor(home, TOLD, rows).close()
        command = [
            sys.executable, "-c", "import sys; from amanah_client.cli.main import run; sys.exit(run())",
            "audit", "console", "--no-browser", "--json", "--home", str(home),
        ]  # fmt: skip
        # No language is chosen for the program: the browser is asked.
        chosen = {name: value for name, value in os.environ.items() if name != "AMANAH_LANG"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=chosen)
        running.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate(timeout=10)[1]
        return Served(link=json.loads(line)["link"], home=home, process=process)

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or the one that is installed.

    No longer than a module: while it lives, playwright runs an event loop in this thread, and no other test can.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield opened
        opened.close()


@dataclass(kw_only=True)
class Visit:
    """A browser that has come in, and what it met on its way.

    Attributes:
        context: Its cookies.
        page: Its page.
        origin: Where the console is.
        asked: Every address that was asked for.
        complaints: What pages or the browser complained of.
    """

    context: BrowserContext
    page: Page
    origin: str
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        """Go to a page of the console."""
        self.page.goto(self.origin + path)
        return self.page

    @property
    def beyond(self) -> list[str]:
        """Addresses that are not the console's own."""
        return [address for address in self.asked if not address.startswith(f"{self.origin}/")]


@contextmanager
def visiting(
    browser: Browser, served: Served, cookies: list[dict[str, object]] | None = None, **options: object
) -> Iterator[Visit]:
    """A browser that comes in through the link, or with the cookie of one that did."""
    visit = watched(browser, served.origin, **options)
    context = visit.context
    try:
        if cookies is None:
            visit.page.goto(served.link)
            visit.page.wait_for_selector("body.console")
        elif not cookies:
            yield visit
            return
        else:
            context.add_cookies(cookies)  # type: ignore[arg-type]  # as Chromium gave them
            visit.go("/")
        for _ in range(50):
            if visit.page.locator(".verdict").count():
                break
            visit.page.wait_for_timeout(200)
            visit.go("/")
        yield visit
    finally:
        context.close()


def watched(browser: Browser, origin: str, **options: object) -> Visit:
    """A browser that has not come in yet; what it asks for and complains of is kept."""
    context = browser.new_context(**options)  # type: ignore[arg-type]  # options by name
    context.set_default_timeout(WAIT_MS)
    visit = Visit(context=context, page=context.new_page(), origin=origin)

    def asked(request: Request) -> None:
        visit.asked.append(request.url)

    def said(message: ConsoleMessage) -> None:
        # A page that is refused, or not there, is no complaint of a page.
        if message.type in {"error", "warning"} and "the server responded with a status of" not in message.text:
            visit.complaints.append(message.text)

    def spoke(dialog: Dialog) -> None:
        visit.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    context.on("request", asked)
    context.on("console", said)
    context.on("weberror", lambda error: visit.complaints.append(str(error.error)))
    context.on("dialog", spoke)
    return visit


@dataclass(frozen=True, kw_only=True)
class Open:
    """A console that somebody came in to: its link is used, its cookie is at hand."""

    served: Served
    cookies: list[dict[str, object]]


def _entered(browser: Browser, served: Served) -> Open:
    with visiting(browser, served) as visit:
        found = [dict(cookie) for cookie in visit.context.cookies(visit.origin)]
    return Open(served=served, cookies=found)


@pytest.fixture(scope="module")
def honest(browser: Browser, serve: Serve) -> Open:
    return _entered(browser, serve())


@pytest.fixture(scope="module")
def broken(browser: Browser, serve: Serve) -> Open:
    return _entered(browser, serve(tampered(TOLD.rows(), TOLD.message)))


@pytest.fixture
def visit(browser: Browser, honest: Open) -> Iterator[Visit]:
    """In the console of an honest copy."""
    with visiting(browser, honest.served, honest.cookies) as made:
        yield made
