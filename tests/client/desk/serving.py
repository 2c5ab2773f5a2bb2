"""A desk that serves over a real client, and a page's side of its websocket."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from amanah_client.desk import wire
from amanah_client.desk.serving import run
from amanah_client.sdk import Client
from amanah_client.web.launch import offered

PATIENCE_S = 20
OF_CLOSING = {"type", "sign_off", "record_closing"}
SEALING = {cls.__struct_config__.tag for kind in (wire.Sealing, wire.Marked) for cls in kind.__subclasses__()} - {
    wire.Marked.__struct_config__.tag
}


@dataclass(kw_only=True)
class Served:
    """A desk that serves, and what it said."""

    client: Client
    said: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    leading: list[str] = field(default_factory=list)

    @property
    def authority(self) -> str:
        return self.links[-1].removeprefix("http://").partition("/")[0]

    @property
    def port(self) -> int:
        return int(self.authority.rpartition(":")[2])

    @property
    def own(self) -> dict[str, str]:
        """What a browser says of a request of our own page."""
        return {"Host": self.authority, "Origin": f"http://{self.authority}", "Sec-Fetch-Site": "same-origin"}

    async def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str, str]:
        """Status, cookie and body of one request."""

        def asked() -> tuple[int, str, str]:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
            with contextlib.closing(connection):
                connection.request(method, path, body, self.own | headers)
                reply = connection.getresponse()
                return reply.status, reply.headers.get("Set-Cookie", ""), reply.read().decode()

        return await asyncio.to_thread(asked)

    async def enter(self) -> str:
        """Take up the link; gives the cookie as a browser sends it back."""
        status, cookie, _ = await self.ask("POST", "/session", self.links[-1].partition("#")[2])
        assert status == 204
        return cookie.partition(";")[0]

    async def dial(self, cookie: str, **headers: str) -> ClientConnection:
        """Open the page's websocket."""
        named = {"Host": self.authority, "Origin": f"http://{self.authority}", "Cookie": cookie} | headers
        named = {name: value for name, value in named.items() if value}
        host = named.pop("Host", self.authority)
        uri = f"ws://{host}/live"
        return await connect(
            uri, host="127.0.0.1", port=self.port, additional_headers=named, open_timeout=PATIENCE_S,
            user_agent_header=None,
        )  # fmt: skip


@contextlib.asynccontextmanager
async def serving(
    client: Client, *, lock_minutes: int = 15, bell: Callable[[], None] = lambda: None
) -> AsyncIterator[Served]:
    served = Served(client=client)
    with offered("desk", client.profile.home.path, served.said.append, idle_s=60 * lock_minutes) as launch:
        served.links.append(launch.offer())
        served.leading.append(launch.leading)
        task = asyncio.create_task(
            run(client.profile.home, lambda: contextlib.nullcontext(client), launch, served.said.append, bell=bell)
        )
        try:
            yield served
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


class Page:
    """What a page does over its websocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.told: dict[str, Any] = {}
        self.items: dict[str, Any] = {}
        self.order: list[str] = []
        self.answers: dict[int, Any] = {}
        self._next = 0

    async def take(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(PATIENCE_S):
            message: dict[str, Any] = json.loads(await self.socket.recv())
        match message["kind"]:
            case "entries":
                self.order = message["order"]
                self.items = {key: message["items"].get(key, self.items.get(key)) for key in self.order}
                self.told["entries"] = message
            case "answer":
                self.answers[message["n"]] = message
            case kind:
                self.told[kind] = message.get("value", message)
        return message

    async def ask(self, what: str, /, **fields: object) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        self._next += 1
        if what in SEALING and "head" in self.told:
            # As the page does: with whom it has shown as readers.
            fields.setdefault("readers", self.told["head"]["readers"]["digest"])
        if what in OF_CLOSING and (shown := self.told.get("board", {}).get("closing")):
            fields = {"closing": shown["entry"], "signed": shown["agreeing"]} | fields
        await self.socket.send(json.dumps({"do": what, "n": self._next, **fields}))
        while self._next not in self.answers:
            await self.take()
        answer: dict[str, Any] = self.answers.pop(self._next)
        return answer

    async def until(self, truth: Any) -> Any:  # noqa: ANN401 - whatever the test waits for
        """Take messages until something is so; gives it."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := truth()):
                await self.take()
            return found

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """Entries of a kind of content."""
        items = [item for item in self.items.values() if item and item["kind"] == "entry"]
        return [item for item in items if item["content"]["kind"] == kind]

    def said(self) -> list[str]:
        """What stands in the conversation as text."""
        return ["\n".join(map(text_of, item["content"]["blocks"])) for item in self.entries("prose")]

    async def closed(self) -> int:
        """Wait until the program closes the socket; gives the code."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while True:
                    await self.take()
            except ConnectionClosed:
                return self.socket.close_code or 0


def text_of(block: dict[str, Any]) -> str:
    return "\n".join("".join(run["text"] for run in line) for line in block["lines"])
