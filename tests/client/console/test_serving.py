"""`amanah audit console` without a browser: what it offers, what it serves, and that it is gone at its end."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import json
import os
import pty
import re
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import pytest

from amanah_client.cli import audit_console
from amanah_client.cli import terminal as faces
from amanah_client.cli.main import main
from amanah_client.commands import home_option
from amanah_client.console.app import Owner
from amanah_client.console.serving import run
from amanah_client.console.state import Console
from amanah_client.home import Profile
from amanah_client.language import Language
from amanah_client.web.launch import Launch, offered
from tests.client.console.told import TOLD, auditor


@dataclass(kw_only=True)
class Running:
    """A console that serves, and what it said."""

    home: Path
    said: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    leading: list[str] = field(default_factory=list)
    spoke: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, line: str) -> None:
        self.said.append(line)
        self.spoke.set()

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str, str]:
        """Status, cookie and body of one request under the console's own name."""
        authority = self.links[-1].removeprefix("http://").partition("/")[0]
        connection = http.client.HTTPConnection("127.0.0.1", int(authority.rpartition(":")[2]), timeout=30)
        with contextlib.closing(connection):
            own = {"Host": authority, "Origin": f"http://{authority}", "Sec-Fetch-Site": "same-origin"}
            connection.request(method, path, body, {**own, **headers})
            reply = connection.getresponse()
            return reply.status, reply.headers.get("Set-Cookie", ""), reply.read().decode()


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    made = auditor(tmp_path / "home", TOLD)
    yield made
    made.close()


@contextlib.asynccontextmanager
async def serving(profile: Profile) -> AsyncIterator[Running]:
    running, console = Running(home=profile.home.path), Console(profile, lambda: 0)
    owner = Owner(organisation="cert.example.tn", home="")
    with offered("console", profile.home.path, running.tell) as launch:
        running.links.append(launch.offer())
        running.leading.append(launch.leading)
        task = asyncio.create_task(run(console, owner, launch, running.tell))
        try:
            yield running
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await asyncio.to_thread(console.wait)


async def test_a_link_leads_in_and_the_copy_is_verified(profile: Profile) -> None:
    async with serving(profile) as running:
        file = running.home / "console.html"
        assert running.leading == [file.as_uri()]
        assert await asyncio.to_thread(file.exists)
        token = running.links[0].partition("#")[2]
        status, cookie, _ = await asyncio.to_thread(running.ask, "POST", "/session", token)
        assert status == 204
        body = ""
        for _ in range(200):
            status, _, body = await asyncio.to_thread(running.ask, "GET", "/", Cookie=cookie.partition(";")[0])
            if "Log verified to" in body:
                break
            assert status == 200
            await asyncio.sleep(0.05)
        assert f"Log verified to {TOLD.log.size}" in body
        assert not await asyncio.to_thread(file.exists)
        status, _, _ = await asyncio.to_thread(running.ask, "POST", "/session", token)
        assert (status, len(running.said)) == (403, 1)


async def test_the_file_goes_with_the_program(profile: Profile) -> None:
    async with serving(profile) as running:
        file = running.home / "console.html"
        assert await asyncio.to_thread(file.exists)
    assert not await asyncio.to_thread(file.exists)


async def test_enter_in_the_terminal_makes_a_new_link(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    primary, secondary = pty.openpty()
    with os.fdopen(secondary, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        async with serving(profile) as running:
            os.write(primary, b"\n")
            await running.spoke.wait()
            assert running.said[0].startswith("a new link, which works once: http://console-")
            old, new = running.links[0].partition("#")[2], running.said[0].partition("#")[2]
            assert (await asyncio.to_thread(running.ask, "POST", "/session", old))[0] == 403
            assert (await asyncio.to_thread(running.ask, "POST", "/session", new))[0] == 204
            # The end of input is no wish for another link.
            os.write(primary, b"\x04")
            await asyncio.sleep(0.05)
            assert len(running.said) == 2
    os.close(primary)


async def test_a_pasted_receipt_fits_into_an_address(profile: Profile) -> None:
    async with serving(profile) as running:
        token = running.links[0].partition("#")[2]
        _, cookie, _ = await asyncio.to_thread(running.ask, "POST", "/session", token)
        long = "/search?q=" + "ab" * 25_000
        status, _, _ = await asyncio.to_thread(running.ask, "GET", long, Cookie=cookie.partition(";")[0])
        assert status == 200


# ---- the verb


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The verb, with a server that ends at once."""
    visited: SimpleQueue[str] = SimpleQueue()
    seen: dict[str, object] = {"browser": visited}

    async def end(
        console: Console, owner: Owner, launch: Launch, _tell: Callable[[str], None], usual: Language | None
    ) -> None:
        seen["owner"] = owner
        seen["usual"] = usual
        seen["origin"] = launch.place.origin

    monkeypatch.setattr(audit_console, "run", end)
    monkeypatch.setattr("webbrowser.open", visited.put)
    return seen


@pytest.mark.parametrize(
    ("environment", "settings", "tag"),
    [("", "", None), ("ar-TN", 'language = "fr"', "ar-TN"), ("", 'language = "fr"', "fr")],
)
def test_pages_are_in_the_language_that_was_chosen_for_the_profile(
    profile: Profile,
    started: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    environment: str,
    settings: str,
    tag: str | None,
) -> None:
    monkeypatch.setenv("AMANAH_LANG", environment)
    profile.home.config.write_text(settings)
    profile.close()
    assert main(["audit", "console", "--home", str(profile.home.path)]) == 0
    usual = started["usual"]
    assert (usual.tag if isinstance(usual, Language) else usual) == tag


def test_the_link_is_the_result(
    profile: Profile, started: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    home = profile.home.path
    assert main(["audit", "console", "--home", str(home)]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(rf"{started['origin']}/#[\w-]{{43}}\n", out)
    assert "Ctrl-C ends the console" in err
    assert started["owner"] == Owner(organisation="cert.example.tn", home=f" --home {home}")
    assert isinstance(started["browser"], SimpleQueue)
    assert started["browser"].empty()


def test_the_link_is_one_line_of_json(
    profile: Profile, started: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "console", "--json", "--home", str(profile.home.path)]) == 0
    out, _ = capsys.readouterr()
    shown = json.loads(out)
    assert shown == {"format": 1, "link": shown["link"]}
    assert shown["link"].startswith(f"{started['origin']}/#")


def test_a_browser_is_led_by_the_file_and_never_by_the_token(profile: Profile, started: dict[str, object]) -> None:
    assert main(["audit", "console", "--browser", "--home", str(profile.home.path)]) == 0
    assert isinstance(started["browser"], SimpleQueue)
    assert started["browser"].get(timeout=30) == (profile.home.path / "console.html").as_uri()


def test_a_browser_that_stays_on_the_console_does_not_keep_the_face_from_being_served(
    profile: Profile, started: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, served, waited = threading.Event(), threading.Event(), list[bool]()

    async def serve(*_: object) -> None:
        assert await asyncio.to_thread(opened.wait, 30)
        served.set()

    def stay(_: str) -> None:
        opened.set()
        waited.append(served.wait(20))

    monkeypatch.setattr(audit_console, "run", serve)
    monkeypatch.setattr("webbrowser.open", stay)
    assert main(["audit", "console", "--browser", "--home", str(profile.home.path)]) == 0
    assert waited != [False]


@pytest.mark.parametrize(
    ("terminal", "display", "opens"), [(True, ":0", True), (True, "", False), (False, ":0", False)]
)
def test_a_browser_is_opened_where_there_is_a_desktop(
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,  # noqa: FBT001 - a column of the cases above
    display: str,
    opens: bool,  # noqa: FBT001 - a column of the cases above
) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    monkeypatch.setattr(sys, "stdout", Stream())
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert faces.has_desktop() is opens


def test_a_command_names_the_profile_where_it_is_not_the_usual_one() -> None:
    assert home_option(Path("/a"), Path("/a")) == ""
    assert home_option(Path("/a b"), Path("/a")) == " --home '/a b'"
