"""What stands before every page; for each check the request that passes, and the attack that works without it."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from amanah_client.web.gate import COOKIE, HEADERS, POLICY, SESSION, Gate
from amanah_client.web.sessions import Sessions
from tests.client.web.asked import AUTHORITY, ORIGIN, OWN, ask
from tests.vectors import examples as x

SECRET = "who told whom"


async def page(_: Request) -> Response:
    return PlainTextResponse(SECRET)


async def live(websocket: WebSocket) -> None:
    await websocket.accept()


PAGES: ASGIApp = Starlette(
    routes=[
        Route("/", page, methods=["GET", "POST"]),
        Route(SESSION, page, methods=["POST"]),
        Route("/static/{name}", page),
        WebSocketRoute("/live", live),
    ]
)


class In:
    """A gate, and a browser that has come in."""

    def __init__(self) -> None:
        self.sessions = Sessions(lambda: 0.0, lambda length: x.fixed("cookie", length))
        self.gate = Gate(PAGES, authority=AUTHORITY, sessions=self.sessions, door=PlainTextResponse("locked", 403))
        cookie = self.sessions.take_up(self.sessions.offer())
        self.cookie = {"Cookie": f"{COOKIE}={cookie}"}


@pytest.fixture
def inside() -> In:
    return In()


async def test_whoever_is_in_sees_the_page(inside: In) -> None:
    reply = await ask(inside.gate, headers=inside.cookie)
    assert (reply.status, reply.text) == (200, SECRET)


async def test_every_answer_says_what_the_browser_may_do(inside: In) -> None:
    for reply in (
        await ask(inside.gate, headers=inside.cookie),
        await ask(inside.gate),
        await ask(inside.gate, host="evil.example"),
        await ask(inside.gate, "/nothing", headers=inside.cookie),
    ):
        assert {name: reply.headers[name.lower()] for name in HEADERS} == HEADERS


def test_the_policy_lets_nothing_in_but_what_is_our_own() -> None:
    assert POLICY == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    )


# ---- another name for this address (DNS rebinding)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:4000", "127.0.0.1:4000", "localhost:4000", "[::1]:4000", AUTHORITY.partition(":")[0],
        AUTHORITY.replace("4000", "4001"), f"x.{AUTHORITY}", AUTHORITY.upper(), "", None,
    ],
)  # fmt: skip
async def test_another_host_is_answered_with_nothing(inside: In, host: str | None) -> None:
    reply = await ask(inside.gate, headers={**inside.cookie, **OWN}, host=host)
    assert reply.status == 421
    assert SECRET not in reply.text


async def test_two_hosts_are_none(inside: In) -> None:
    assert (await ask(inside.gate, headers={**inside.cookie, "Host": "evil.example"})).status == 421


async def test_without_the_gate_another_host_would_see_it() -> None:
    assert (await ask(PAGES, host="evil.example")).text == SECRET


# ---- another site


@pytest.mark.parametrize(
    "changed",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ORIGIN.replace("4000", "4001")},
        {"Origin": ORIGIN.replace("http", "https")},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_what_changes_something_comes_from_our_own_pages(inside: In, changed: dict[str, str]) -> None:
    right = {**inside.cookie, **OWN}
    assert (await ask(inside.gate, method="POST", headers=right)).status == 200
    assert (await ask(inside.gate, method="POST", headers={**right, **changed})).status == 403
    assert (await ask(PAGES, method="POST", headers={**right, **changed})).status == 200


@pytest.mark.parametrize(
    "changed", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Mode": "cors"}]
)
async def test_a_form_of_ours_has_no_origin_and_the_browsers_word(inside: In, changed: dict[str, str]) -> None:
    form = {**inside.cookie, "Origin": "null", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
    assert (await ask(inside.gate, method="POST", headers=form)).status == 200
    assert (await ask(inside.gate, method="POST", headers={**form, **changed})).status == 403


@pytest.mark.parametrize("missing", ["Origin", "Sec-Fetch-Site"])
async def test_what_changes_something_says_where_it_comes_from(inside: In, missing: str) -> None:
    said = {name: value for name, value in {**inside.cookie, **OWN}.items() if name != missing}
    assert (await ask(inside.gate, method="POST", headers=said)).status == 403


@pytest.mark.parametrize("path", ["/", "/static/frame.css"])
async def test_another_site_takes_nothing_into_its_own_page(inside: In, path: str) -> None:
    for destination in ("image", "script", "empty"):
        there = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": destination}
        assert (await ask(inside.gate, path, headers={**inside.cookie, **there})).status == 403
        assert (await ask(PAGES, path, headers={**inside.cookie, **there})).status == 200


async def test_another_site_does_not_frame_a_page(inside: In) -> None:
    there = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    assert (await ask(inside.gate, headers={**inside.cookie, **there})).status == 403


async def test_a_link_from_elsewhere_leads_here(inside: In) -> None:
    there = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert (await ask(inside.gate, headers={**inside.cookie, **there})).status == 200


# ---- nobody in particular


@pytest.mark.parametrize("cookie", [None, f"{COOKIE}=x", f"{COOKIE}=", "other=x", "\x00", f'{COOKIE}="a'])
async def test_nobody_else_gets_beyond_the_door(inside: In, cookie: str | None) -> None:
    headers = {} if cookie is None else {"Cookie": cookie}
    for path in ("/", "/nothing", SESSION):
        reply = await ask(inside.gate, path, headers=headers)
        assert (reply.status, reply.text) == (403, "locked")
    reply = await ask(inside.gate, method="POST", headers={**headers, **OWN})
    assert (reply.status, reply.text) == (403, "locked")


async def test_the_cookie_of_another_process_does_not_count(inside: In) -> None:
    other = Sessions(lambda: 0.0, lambda length: x.fixed("another process", length))
    cookie = other.take_up(other.offer())
    assert (await ask(inside.gate, headers={"Cookie": f"{COOKIE}={cookie}"})).status == 403


async def test_the_way_in_and_files_need_no_cookie(inside: In) -> None:
    assert (await ask(inside.gate, SESSION, method="POST", headers=OWN)).status == 200
    assert (await ask(inside.gate, "/static/frame.css")).status == 200


# ---- a websocket


async def test_a_websocket_is_held_to_the_same(inside: In) -> None:
    right = {**inside.cookie, **OWN}
    assert (await ask(inside.gate, "/live", headers=right, websocket=True)).status == 101
    for wrong in (
        {**right, "Origin": "http://evil.example"},
        {**right, "Sec-Fetch-Site": "cross-site"},
        {**right, "Cookie": ""},
    ):
        assert (await ask(inside.gate, "/live", headers=wrong, websocket=True)).status == 1008
        assert (await ask(PAGES, "/live", headers=wrong, websocket=True)).status == 101
    assert (await ask(inside.gate, "/live", headers=right, websocket=True, host="evil.example")).status == 1008
    assert (await ask(inside.gate, "/static/live", headers=OWN, websocket=True)).status == 1008


@pytest.mark.parametrize(
    ("mode", "path", "is_use"),
    [
        ("navigate", "/", True),
        (None, "/", True),
        ("cors", "/", False),
        ("same-origin", "/", False),
        ("navigate", "/take/a", False),
        (None, "/take/a", False),
    ],
)
async def test_what_a_page_fetches_by_itself_keeps_nobody_in(mode: str | None, path: str, *, is_use: bool) -> None:
    now_s = [0.0]
    sessions = Sessions(lambda: now_s[0], lambda length: x.fixed("cookie", length), idle_s=10)
    door = PlainTextResponse("locked", 403)
    gate = Gate(PAGES, authority=AUTHORITY, sessions=sessions, door=door, led=("/take/",))
    cookie = {"Cookie": f"{COOKIE}={sessions.take_up(sessions.offer())}"}
    now_s[0] = 8
    named = {} if mode is None else {"Sec-Fetch-Mode": mode}
    assert (await ask(gate, path, headers=cookie | named)).status != 403
    now_s[0] = 12
    assert (await ask(gate, headers=cookie)).status == (200 if is_use else 403)
