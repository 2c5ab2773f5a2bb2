"""The reader's language: chosen on a page, else as this machine has it, else as the browser asks."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from amanah_client.language import Language, spoken
from amanah_client.web import reader
from amanah_client.web.gate import LANGUAGE, Gate
from amanah_client.web.sessions import Sessions
from tests.client.web.asked import AUTHORITY, ORIGIN, OWN, ask
from tests.vectors import examples as x


async def page(_: Request) -> Response:
    return PlainTextResponse(spoken().tag)


PAGES = Starlette(routes=[Route("/", page), reader.route()])
ARABIC = Language(code="ar")


async def told(header: str = "", cookie: str = "", usual: Language | None = None) -> str:
    headers = {"Accept-Language": header, "Cookie": cookie}
    return (await ask(reader.Reader(PAGES, usual), headers=headers)).text


@pytest.mark.parametrize(
    ("header", "cookie", "usual", "tag"),
    [
        ("", "", None, "en"),
        ("fr-CA, ar;q=0.5", "", None, "fr-CA"),
        ("fr", "", ARABIC, "ar"),
        ("fr", "amanah-language=en", ARABIC, "en"),
        ("fr", "amanah-language=de", None, "fr"),
        ("fr", "amanah-language", None, "fr"),
        ("fr", "a[b]=c; amanah-language=ar", None, "fr"),
    ],
)
async def test_a_page_is_in_the_language_of_its_reader(
    header: str, cookie: str, usual: Language | None, tag: str
) -> None:
    assert await told(header, cookie, usual) == tag


async def choose(body: str, path: str = LANGUAGE) -> tuple[int, str, str]:
    reply = await ask(reader.Reader(PAGES, None), path, method="POST", body=body.encode())
    return reply.status, reply.headers["location"], reply.headers.get("set-cookie", "")


async def test_a_choice_is_kept_and_leads_back() -> None:
    status, location, cookie = await choose("language=ar&next=%2Fentries%3Fkind%3Dalert%26nation%3Da")
    assert (status, location) == (303, "/entries?kind=alert&nation=a")
    assert cookie == "amanah-language=ar; HttpOnly; Path=/; SameSite=strict"


async def test_a_language_that_there_is_no_catalogue_of_is_not_kept() -> None:
    assert await choose("language=de") == (303, "/", "")
    assert await choose("") == (303, "/", "")


@pytest.mark.parametrize(
    "place", ["https://evil.example/", "//evil.example/", "/%5Cevil.example/", "/a%0d%0ab", "evil", ""]
)
async def test_a_choice_leads_nowhere_else(place: str) -> None:
    assert (await choose(f"language=ar&next={place}"))[1] == "/"


async def test_a_reader_chooses_before_the_door_too_and_no_other_site_does() -> None:
    sessions = Sessions(lambda: 0.0, lambda length: x.fixed("cookie", length))
    app = Gate(PAGES, authority=AUTHORITY, sessions=sessions, door=PlainTextResponse("locked", 403))
    assert (await ask(app, LANGUAGE, method="POST", headers=OWN, body=b"language=ar")).status == 303
    other = {**OWN, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert (await ask(app, LANGUAGE, method="POST", headers=other, body=b"language=ar")).status == 403
    assert (await ask(app, LANGUAGE, headers={"Origin": ORIGIN})).text == "locked"


async def test_a_server_that_starts_is_asked_nothing() -> None:
    seen = []

    async def app(scope: object, _receive: object, _send: object) -> None:
        seen.append(scope)

    scope = {"type": "lifespan"}
    await reader.Reader(app, None)(scope, None, None)  # type: ignore[arg-type]  # neither is called
    assert seen == [scope]
