"""The way in: a link for the terminal, a file for the browser, one exchange."""

from __future__ import annotations

import asyncio
import html
import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

from amanah_client.web.gate import COOKIE, SESSION, Gate
from amanah_client.web.launch import LOCK, Launch
from amanah_client.web.place import Place
from amanah_client.web.sessions import Sessions
from amanah_protocol.errors import Code, OperationalError
from tests.client.web.asked import AUTHORITY, ORIGIN, OWN, Reply, ask
from tests.protocol.refusal import refused
from tests.vectors import examples as x


class Face:
    """A face with nothing behind its gate but the way in and out."""

    def __init__(self, path: Path) -> None:
        count = iter(range(100))
        self.said: list[str] = []
        self.sessions = Sessions(lambda: 0.0, lambda length: x.fixed(f"secret {next(count)}", length))
        name, _, port = AUTHORITY.partition(":")
        self.launch = Launch(Place(name=name, port=int(port), sockets=()), self.sessions, path, self.said.append)
        self.app = Gate(
            Starlette(routes=self.launch.routes),
            authority=AUTHORITY,
            sessions=self.sessions,
            door=PlainTextResponse("locked", 403),
        )

    async def enter(self, token: str) -> Reply:
        return await ask(self.app, SESSION, method="POST", headers=OWN, body=token.encode())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "launch.html"


@pytest.fixture
def face(path: Path) -> Face:
    return Face(path)


def token_of(link: str) -> str:
    start, _, token = link.partition("#")
    assert start == f"{ORIGIN}/"
    return token


async def test_the_token_of_a_link_is_exchanged_for_a_cookie_that_scripts_and_other_sites_never_get(face: Face) -> None:
    reply = await face.enter(token_of(face.launch.offer()))
    assert reply.status == 204
    assert re.fullmatch(rf"{COOKIE}=[\w-]+; HttpOnly; Path=/; SameSite=strict", reply.headers["set-cookie"])
    assert face.sessions.admits(reply.cookie.partition("=")[2])
    assert face.said == []


async def test_a_replayed_token_lets_nobody_in_and_is_said(face: Face) -> None:
    token = token_of(face.launch.offer())
    assert (await face.enter(token)).status == 204
    again = await face.enter(token)
    assert again.status == 403
    assert "set-cookie" not in again.headers
    assert "nobody was let in" in face.said[0]


async def test_an_overlong_token_is_not_read(face: Face) -> None:
    face.launch.offer()
    assert (await face.enter("x" * 257)).status == 413


async def test_the_token_stands_in_the_fragment_alone(face: Face) -> None:
    link = face.launch.offer()
    assert token_of(link) not in link.partition("#")[0]


def test_a_file_for_this_user_alone_leads_the_browser_in(face: Face, path: Path) -> None:
    link = face.launch.offer()
    assert path.stat().st_mode & 0o777 == 0o600
    page = path.read_text(encoding="utf-8")
    assert f'http-equiv="refresh" content="0;url={html.escape(link)}"' in page


async def test_the_file_is_gone_once_the_link_was_used(face: Face, path: Path) -> None:
    await face.enter(token_of(face.launch.offer()))
    assert not await asyncio.to_thread(path.exists)


def test_a_newer_link_replaces_the_file(face: Face, path: Path) -> None:
    first, second = face.launch.offer(), face.launch.offer()
    page = path.read_text(encoding="utf-8")
    assert second in page
    assert first not in page
    face.launch.withdraw()
    assert not path.exists()


def test_a_link_that_somebody_laid_there_is_not_written_through(face: Face, path: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    path.symlink_to(target)
    face.launch.offer()
    assert not target.exists()
    assert not path.is_symlink()


def test_a_folder_that_cannot_be_written_is_an_error_of_the_machine(tmp_path: Path) -> None:
    face = Face(tmp_path / "nothing" / "launch.html")
    with refused(Code.STORE, OperationalError):
        face.launch.offer()


async def test_locking_needs_to_be_in_and_ends_the_session(face: Face) -> None:
    assert (await ask(face.app, LOCK, method="POST", headers=OWN)).text == "locked"
    reply = await face.enter(token_of(face.launch.offer()))
    inside = {**OWN, "Cookie": reply.cookie}
    out = await ask(face.app, LOCK, method="POST", headers=inside)
    assert (out.status, out.headers["location"]) == (303, "/")
    assert face.sessions.is_locked
