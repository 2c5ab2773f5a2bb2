"""The desk over HTTP: one page, its files, one websocket; behind the gate that all web faces have.

The page and the door do without rooms: a browser takes them while those are still being loaded.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from amanah_client.desk.places import TAKE
from amanah_client.desk.unlocking import UNLOCK, Unlocking
from amanah_client.language import Language
from amanah_client.web import reader
from amanah_client.web.files import Files
from amanah_client.web.gate import Gate, door_status
from amanah_client.web.launch import Launch
from amanah_client.web.pages import HERE as FRAME
from amanah_client.web.pages import Pages

HERE: Final = Path(__file__).resolve().parent


def make_app(
    rooms: asyncio.Future[ASGIApp],
    launch: Launch,
    check: Callable[[str], None] | None,
    usual: Language | None,
    *,
    now_s: Callable[[], float],
    tell: Callable[[str], None],
) -> ASGIApp:
    """The application, behind its gate.

    Args:
        rooms: Answers all that is asked of rooms, as soon as it is there; until then a page's websocket waits.
        launch: The way in.
        check: Raises for a passphrase that does not open the profile; None where it has none.
        usual: The language of whoever has chosen none there.
        now_s: A clock that only goes forward, in seconds.
        tell: Where a line goes that the user should see.
    """
    minutes, sessions = round(launch.sessions.idle_s / 60), launch.sessions
    files = Files(FRAME / "static", HERE / "static")
    pages = Pages(HERE / "templates", files)
    parts = {"sheets": files.urls(".css"), "modules": files.urls(".js")}

    def door(
        wait_s: int = 0,
        wrong: bool = False,  # noqa: FBT001, FBT002 - as `Unlocking` asks for it
        status: HTTPStatus = HTTPStatus.FORBIDDEN,
    ) -> Response:
        context = {"here": "/", "minutes": minutes, "wait_s": wait_s, "wrong": wrong, **parts}
        return pages.render("locked.html", status, passphrase=check is not None, **context)

    async def page(_: Request) -> Response:
        return pages.render("desk.html", idle_s=sessions.idle_s, here="/")

    unlocking = None if check is None else Unlocking(sessions, check, now_s, door, tell)
    app = Starlette(
        routes=[
            Route("/", page, methods=["GET"]),
            files.route,
            reader.route(),
            *launch.routes,
            *([] if unlocking is None else [unlocking.route]),
        ]
    )
    app.router.redirect_slashes = False
    app.router.default = _as_soon_as_there(rooms)

    async def at_the_door(scope: Scope, receive: Receive, send: Send) -> None:
        shown = door(0 if unlocking is None else unlocking.wait_s, status=door_status(scope))
        await shown(scope, receive, send)

    authority, ways_in = launch.place.authority, () if unlocking is None else (UNLOCK,)
    gate = Gate(app, authority=authority, sessions=sessions, door=at_the_door, ways_in=ways_in, led=(TAKE,))
    return reader.Reader(gate, usual)


def _as_soon_as_there(rooms: asyncio.Future[ASGIApp]) -> ASGIApp:
    """What is asked of rooms: a page opens its websocket first, and asks for nothing else before that stands."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            known = rooms.result() if rooms.done() else PlainTextResponse("opening\n", HTTPStatus.SERVICE_UNAVAILABLE)
            await known(scope, receive, send)
            return
        heard = [await receive()]
        gone = asyncio.ensure_future(receive())
        # The program may end while this waits: then nobody waits for this, and a page is to hear of it.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait((rooms, gone), return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not rooms.done():
            await send({"type": "websocket.close", "code": 1001})
            return
        await asyncio.wait((gone,))
        if not gone.cancelled():
            heard.append(gone.result())

        async def again() -> Message:
            return heard.pop(0) if heard else await receive()

        await rooms.result()(scope, again, send)

    return answer
