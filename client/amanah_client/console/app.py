"""The console's pages over HTTP. What reads the record runs in one thread, one page after the other."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from amanah_client import terms
from amanah_client.audit.table import NO_LABEL, NO_PLAINTEXT, short, size_words
from amanah_client.cli.terminal import iso
from amanah_client.commands import at_home
from amanah_client.console import views
from amanah_client.console.chart import Chart
from amanah_client.console.places import nations
from amanah_client.console.state import Console, Examined, Verifying
from amanah_client.console.views import View
from amanah_client.language import Language
from amanah_client.language.errors import found, happened
from amanah_client.moments import moment
from amanah_client.web import reader
from amanah_client.web.files import Files
from amanah_client.web.gate import Gate, door_status
from amanah_client.web.launch import Launch
from amanah_client.web.pages import HERE as FRAME
from amanah_client.web.pages import Pages
from amanah_protocol.errors import AmanahError, OperationalError, PeerError

HERE: Final = Path(__file__).resolve().parent
REFRESH_S: Final = 2
"""While a copy is being verified, a page asks again after so long."""

_LISTS: Final[Mapping[str, Callable[[Examined, views.Query], View]]] = {
    "/": views.overview,
    "/entries": views.entry_list,
    "/rooms": views.room_list,
    "/nations": views.nation_list,
    "/devices": views.device_list,
    "/findings": views.findings,
    "/plots": views.plot_page,
    "/retention": views.retention_page,
    "/questions": views.question_list,
    "/search": views.find,
}
_THINGS: Final[Mapping[str, Callable[[Examined, str], View]]] = {
    "/entry": views.entry,
    "/room": views.room,
    "/nation": views.nation,
    "/device": views.device,
}
_UNKNOWN: Final = frozenset({"NOT_FOUND", "UNKNOWN_ROOM"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose console it is.

    Attributes:
        organisation: Of the profile's certificate.
        home: What a command needs to find this profile: ` --home FOLDER`, or "" for the usual place.
    """

    organisation: str
    home: str


def make_app(
    console: Console,
    owner: Owner,
    launch: Launch,
    usual: Language | None = None,
) -> ASGIApp:
    """The application, behind its gate; `usual` is the language of whoever has chosen none there."""
    files = Files(FRAME / "static", HERE / "static")
    filters: dict[str, Callable[..., object]] = {
        "moment": moment, "iso": iso, "duration": terms.duration, "short": short, "size": size_words,
        "kind": terms.kind, "role": terms.role, "precedence": terms.precedence, "leaf": terms.leaf,
        "happened": happened, "found": found, "quoted": shlex.quote, "at_home": partial(at_home, option=owner.home),
    }  # fmt: skip
    pages = Pages(HERE / "templates", files, filters)
    routes = _Routes(console, owner, pages)
    app = Starlette(
        routes=[
            *(Route(path, partial(routes.listed, view), methods=["GET"]) for path, view in _LISTS.items()),
            *(Route(path + "/{name}", partial(routes.thing, view), methods=["GET"]) for path, view in _THINGS.items()),
            Route("/question/{name}", routes.question, methods=["GET"]),
            Route("/verify", routes.verify, methods=["POST"]),
            files.route,
            reader.route(),
            *launch.routes,
        ],
        exception_handlers={HTTPException: routes.refusal},
    )
    app.router.redirect_slashes = False

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        page = pages.render("door.html", door_status(scope), minutes=round(launch.sessions.idle_s / 60), here="/")
        await page(scope, receive, send)

    gate = Gate(app, authority=launch.place.authority, sessions=launch.sessions, door=door)
    return reader.Reader(gate, usual)


class _Routes:
    def __init__(self, console: Console, owner: Owner, pages: Pages) -> None:
        self._console = console
        self._owner = owner
        self._pages = pages
        # One: what the record keeps between two queries is not made for several.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="console")

    async def listed(self, view: Callable[[Examined, views.Query], View], request: Request) -> Response:
        return await self._page(request, lambda examined: view(examined, request.query_params))

    async def thing(self, view: Callable[[Examined, str], View], request: Request) -> Response:
        return await self._page(request, lambda examined: view(examined, request.path_params["name"]))

    async def question(self, request: Request) -> Response:
        name = request.path_params["name"]
        return await self._page(request, lambda examined: views.question(examined, name, request.query_params))

    async def verify(self, _: Request) -> Response:
        self._console.verify()
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)

    async def refusal(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - narrows for mypy: it is called for these alone
        state = self._console.state
        context = self._context(request, state if isinstance(state, Examined) else None)
        shown = self._pages.render("missing.html", error.status_code, **context)
        shown.headers.update(error.headers or {})
        return shown

    async def _page(self, request: Request, view: Callable[[Examined], View]) -> Response:
        state = self._console.state
        match state:
            case Verifying():
                shown = self._pages.render("verifying.html", 200, **self._context(request, None), progress=state)
                # Without a script: the browser itself asks again.
                shown.headers["Refresh"] = str(REFRESH_S)
                return shown
            case AmanahError():
                return self._trouble(request, None, state, HTTPStatus.OK)
            case Examined():
                return await self._examined(request, state, view)

    async def _examined(self, request: Request, examined: Examined, view: Callable[[Examined], View]) -> Response:
        def drawn() -> Response:
            found = view(examined)
            if found.location:
                return RedirectResponse(found.location, HTTPStatus.SEE_OTHER)
            context = {**self._context(request, examined), **found.context}
            return self._pages.render(found.template, found.status, **context)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, copy_context().run, drawn)
        except AmanahError as error:
            status = HTTPStatus.NOT_FOUND if error.code in _UNKNOWN else HTTPStatus.BAD_REQUEST
            broken = isinstance(error, OperationalError | PeerError)
            return self._trouble(request, examined, error, HTTPStatus.INTERNAL_SERVER_ERROR if broken else status)

    def _trouble(self, request: Request, examined: Examined | None, error: AmanahError, status: int) -> Response:
        return self._pages.render("trouble.html", status, **self._context(request, examined), error=error)

    def _context(self, request: Request, examined: Examined | None) -> dict[str, object]:
        chips = {} if examined is None else examined.once("chips", lambda: _chips(examined))
        return {
            "examined": examined,
            "head": None if examined is None else examined.head,
            "report": None if examined is None else examined.report,
            "owner": self._owner,
            "path": request.url.path,
            "here": _here(request),
            "q": "",
            "chips": chips,
            "chart": Chart,
            "no_label": NO_LABEL,
            "no_plaintext": NO_PLAINTEXT,
        }


def _here(request: Request) -> str:
    """The page that is shown, to come back to; what was no page leads to the first one."""
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


def _chips(examined: Examined) -> dict[str, str]:
    """Organisation -> two letters of its nation, or its whole name where two would share them."""
    names = [line.name for line in nations(examined) if line.name]
    ends = {name: name.rpartition(".")[2].upper() for name in names}
    told = list(ends.values())
    return {name: end if len(end) == 2 and told.count(end) == 1 else name for name, end in ends.items()}
