"""One request to an ASGI application, as a server would hand it over."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Scope

AUTHORITY = "audit-0123456789.localhost:4000"
ORIGIN = f"http://{AUTHORITY}"
OWN: Mapping[str, str] = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
"""What a browser says of a request that one of our own pages makes."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def cookie(self) -> str:
        """The cookie that was set, as a request brings it back."""
        return self.headers["set-cookie"].partition(";")[0]


async def ask(
    app: ASGIApp,
    path: str = "/",
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    host: str | None = AUTHORITY,
    query: str = "",
    websocket: bool = False,
) -> Reply:
    """Ask; a websocket that is let in answers with the status 101, one that is closed with its code."""
    sent = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    if host is not None:
        sent.append((b"host", host.encode()))
    scope: Scope = {
        "type": "websocket" if websocket else "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": sent,
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 4000),
        "subprotocols": [],
    }
    said: list[Message] = []
    coming: list[Message] = [{"type": "websocket.connect"} if websocket else {"type": "http.request", "body": body}]

    async def receive() -> Message:
        if not coming:  # whoever asks has said all, and stays
            await asyncio.Event().wait()
        return coming.pop()

    async def send(message: Message) -> None:
        said.append(message)

    await app(scope, receive, send)
    if websocket:
        return Reply(status=101 if said[0]["type"] == "websocket.accept" else said[0]["code"], headers={}, body=b"")
    heads = {name.decode(): value.decode() for name, value in said[0]["headers"]}
    return Reply(status=said[0]["status"], headers=heads, body=b"".join(m.get("body", b"") for m in said[1:]))
