"""The console's pages in this process: asked for as a browser that is in would ask."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path

from amanah_client.audit.report import Entry
from amanah_client.console.app import Owner, make_app
from amanah_client.console.state import Console, Examined
from amanah_client.home import Profile
from amanah_client.web.launch import Launch
from amanah_client.web.place import Place
from amanah_client.web.sessions import Sessions
from tests.client.web.asked import AUTHORITY, OWN, Reply, ask
from tests.vectors import examples as x

NOW_MS = x.NOW_MS + 86_400_000


class Site:
    """A console whose copy is verified when it is first asked for something."""

    def __init__(self, profile: Profile, path: Path) -> None:
        self.console = Console(profile, lambda: NOW_MS)
        sessions = Sessions(lambda: 0.0, lambda length: x.fixed("random", length))
        name, _, port = AUTHORITY.partition(":")
        place = Place(name=name, port=int(port), sockets=())
        launch = Launch(place, sessions, path / "launch.html", lambda _: None)
        owner = Owner(organisation="cert.example.tn", home=" --home auditor")
        self.app = make_app(self.console, owner, launch)
        self.cookie = f"amanah={sessions.take_up(sessions.offer())}"

    @property
    def examined(self) -> Examined:
        """The copy, verified."""
        state = self.console.state
        assert isinstance(state, Examined), state
        return state

    def entries(self, wanted: Callable[[Entry], bool] = lambda _: True) -> list[int]:
        """Indices of the entries that are wanted, in log order."""
        return [entry.index for entry in self.examined.record.entries() if wanted(entry)]

    async def ask(self, path: str, *, method: str = "GET") -> Reply:
        """A page by its address."""
        where, _, query = path.partition("?")
        headers = {**(OWN if method == "POST" else {}), "Cookie": self.cookie}
        return await ask(self.app, where, method=method, headers=headers, query=query)

    async def said(self, path: str, status: int = 200) -> str:
        """What a page says to whoever reads it: its text, in one line."""
        reply = await self.ask(path)
        assert reply.status == status, (path, reply.status, reply.text[-2_000:])
        return text_of(reply.text)


def text_of(page: str) -> str:
    """The text of a page, in one line."""
    body = page[page.index("<body") :]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())
