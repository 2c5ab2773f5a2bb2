"""Who gets to the desk: each way in that must be closed, beside the one that is open."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from starlette.types import ASGIApp
from websockets.exceptions import InvalidStatus

from amanah_client.cli.main import main
from amanah_client.desk.app import make_app
from amanah_client.desk.live import LOCKED, WATCH_S
from amanah_client.desk.unlocking import FIRST_PAUSE_S, UNLOCK
from amanah_client.home import Home, check_passphrase, create_profile, has_passphrase
from amanah_client.keystore import FLOOR_COST, Passphrase
from amanah_client.report.gate import Given
from amanah_client.report.reading import read_room
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_client.web.gate import SESSION
from amanah_client.web.launch import Launch
from amanah_client.web.place import Place
from amanah_client.web.sessions import Sessions
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.labels import Label
from tests.client.desk.serving import PATIENCE_S, Page, Served, serving
from tests.client.test_sdk import TN
from tests.client.web.asked import AUTHORITY, OWN, Reply, ask
from tests.end_to_end.nations import Nations
from tests.vectors import examples as x


@pytest.fixture
async def served(nations: Nations, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    async with await Client.open(nations.enrol(request.node.name, TN)) as client, serving(client) as made:
        yield made


async def test_the_link_lets_one_browser_in_once(served: Served) -> None:
    token = served.links[-1].partition("#")[2]
    cookie = await served.enter()
    assert (await served.ask("GET", "/", Cookie=cookie))[0] == 200
    assert (await served.ask("POST", SESSION, token))[0] == 403
    assert (await served.ask("GET", "/"))[0] == 403
    assert served.said == [
        "a link was followed that is not the one offered last, or was used before: nobody was let in"
    ]


async def test_the_page_holds_nothing_before_its_websocket_is_open(served: Served) -> None:
    status, _, page = await served.ask("GET", "/", Cookie=await served.enter())
    assert status == 200
    assert "cert.example" not in page


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost"])
async def test_another_host_is_told_nothing(served: Served, host: str) -> None:
    cookie = await served.enter()
    for named in (host, f"{host}:{served.port}"):
        assert (await served.ask("GET", "/", Cookie=cookie, Host=named))[0] == 421
        assert (await served.ask("POST", SESSION, "x", Host=named))[0] == 421
    with pytest.raises(InvalidStatus):
        await served.dial(cookie, Host=f"{host}:{served.port}")
    await (await served.dial(cookie)).close()


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example", "null", "http://localhost", "https://{own}", "ws://{own}", "", "{own}", "http://{name}",
        "http://{name}:1", "http://{name}.:{port}", "http://{upper}", "HTTP://{own}", "http://{own}/",
        "http://{own}.evil.example", "http://x@{own}", "http://127.0.0.1:{port}", "http://[::1]:{port}",
        "http://localhost:{port}", "http://{own} http://evil.example", "file://",
    ],
)  # fmt: skip
async def test_a_websocket_of_another_site_is_refused(served: Served, origin: str) -> None:
    """Browsers write an origin in one way; whatever is not exactly that is somebody else's."""
    cookie = await served.enter()
    name, _, port = served.authority.partition(":")
    named = {"own": served.authority, "name": name, "port": port, "upper": served.authority.upper()}
    with pytest.raises(InvalidStatus):
        await served.dial(cookie, Origin=origin.format_map(named))
    await (await served.dial(cookie)).close()


UPGRADE = (
    "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip


async def raw(served: Served, *headers: str, host: str = "127.0.0.1", line: str = "GET /live HTTP/1.1") -> str:
    """The status of a request with exactly these headers; of an upgrade with those that every one has, too."""
    reader, writer = await asyncio.open_connection(host, served.port)
    upgrade = UPGRADE if line.startswith("GET") else ()
    writer.write("\r\n".join([line, *upgrade, *headers, "", ""]).encode())
    async with asyncio.timeout(20):
        status = await reader.readline()
    writer.close()
    return status.decode().split()[1]


async def test_a_websocket_has_one_origin_and_one_host(served: Served) -> None:
    cookie = f"Cookie: {await served.enter()}"
    host, origin = f"Host: {served.authority}", f"Origin: http://{served.authority}"
    evil = "Origin: http://evil.example"
    assert await raw(served, host, cookie, origin) == "101"
    for headers in ((origin, evil), (evil, origin), (origin, origin), ()):
        assert await raw(served, host, cookie, *headers) in {"400", "403"}
    assert await raw(served, host, host, cookie, origin) != "101"


async def test_a_form_has_one_origin(served: Served) -> None:
    cookie = await served.enter()
    origin = f"Origin: http://{served.authority}"
    good = (f"Host: {served.authority}", f"Cookie: {cookie}", "Sec-Fetch-Site: same-origin", "Content-Length: 0")
    for origins in ((origin, "Origin: http://evil.example"), ("Origin: http://evil.example", origin), ()):
        assert await raw(served, *good, *origins, line="POST /lock HTTP/1.1") == "403"
    assert (await served.ask("GET", "/", Cookie=cookie))[0] == 200
    assert await raw(served, *good, origin, line="POST /lock HTTP/1.1") == "303"


@pytest.mark.parametrize(
    "host", ["{upper}", "{name}.:{port}", "{name}", "[::1]:{port}", "x@{own}", "{own},evil.example"]
)
async def test_a_websocket_by_another_name_of_this_place_is_refused(served: Served, host: str) -> None:
    cookie = f"Cookie: {await served.enter()}"
    name, _, port = served.authority.partition(":")
    wrong = host.format(own=served.authority, name=name, port=port, upper=served.authority.upper())
    for origin in (wrong, served.authority):
        assert await raw(served, f"Host: {wrong}", cookie, f"Origin: http://{origin}") == "403"
    assert await raw(served, f"Host: {served.authority}", cookie, f"Origin: http://{served.authority}") == "101"


async def test_both_loopback_addresses_are_the_desk_s(served: Served) -> None:
    """Whoever held the other at this port would be shown what is meant for it."""
    cookie = f"Cookie: {await served.enter()}"
    good = (f"Host: {served.authority}", cookie, f"Origin: http://{served.authority}")
    try:
        assert await raw(served, *good, host="::1") == "101"
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert await raw(served, *good[:2], "Origin: http://evil.example", host="::1") == "403"


async def test_a_websocket_that_the_browser_calls_cross_site_is_refused(served: Served) -> None:
    cookie = await served.enter()
    with pytest.raises(InvalidStatus):
        await served.dial(cookie, **{"Sec-Fetch-Site": "cross-site"})
    await (await served.dial(cookie, **{"Sec-Fetch-Site": "same-origin"})).close()


async def test_a_websocket_without_the_cookie_is_refused(served: Served) -> None:
    cookie = await served.enter()
    for wrong in ("", "amanah=guessed", f"{cookie}x"):
        with pytest.raises(InvalidStatus):
            await served.dial(wrong)
    await (await served.dial(cookie)).close()


@pytest.mark.parametrize("path", ["/lock", SESSION])
async def test_what_changes_something_comes_from_our_own_page(served: Served, path: str) -> None:
    cookie = await served.enter()
    assert (await served.ask("POST", path, "x", Cookie=cookie, Origin="http://evil.example"))[0] == 403
    cross = {"Cookie": cookie, "Sec-Fetch-Site": "cross-site"}
    assert (await served.ask("POST", path, "x", **cross))[0] == 403
    assert (await served.ask("GET", "/", Cookie=cookie))[0] == 200
    assert (await served.ask("POST", "/lock", "", Cookie=cookie))[0] == 303
    assert (await served.ask("GET", "/", Cookie=cookie))[0] == 403


async def test_a_page_that_locks_is_closed_and_its_cookie_is_worth_nothing(served: Served) -> None:
    cookie = await served.enter()
    page = Page(await served.dial(cookie))
    await page.until(lambda: "line" in page.told)
    await page.socket.send('{"do":"lock","n":1}')
    assert await page.closed() == LOCKED
    with pytest.raises(InvalidStatus):
        await served.dial(cookie)
    assert (await served.ask("GET", "/", Cookie=cookie))[0] == 403


async def test_a_lock_does_not_wait_for_a_report_that_is_being_made(
    nations: Nations, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def slow(client: Client, room: Room) -> Given:
        begun.set()
        assert goes_on.wait(PATIENCE_S)
        return read_room(client, room)

    monkeypatch.setattr("amanah_client.report.taking.read_room", slow)
    async with await Client.open(nations.enrol("in a hurry", TN)) as client, serving(client) as served:
        await client.online()
        room = await client.create_room("Long", label=Label.GREEN)
        cookie = await served.enter()
        page = Page(await served.dial(cookie))
        await page.until(lambda: "line" in page.told)
        asked = {"do": "report", "n": 1, "room": room.id.hex(), "form": "markdown", "label": "TLP:GREEN"}
        await page.socket.send(json.dumps(asked))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        await page.socket.send('{"do":"lock","n":2}')
        assert await page.closed() == LOCKED
        goes_on.set()
        # Nothing of what was made behind the lock is told, or handed out.
        assert page.answers == {}
        assert (await served.ask("GET", "/", Cookie=cookie))[0] == 403


async def test_a_page_is_told_nothing_more_when_another_browser_has_come_in(
    nations: Nations, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter: list[Callable[[], None]] = []

    def asked(offer: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        enter.append(offer)
        return contextlib.nullcontext()

    monkeypatch.setattr("amanah_client.desk.serving.asked_by_enter", asked)
    async with await Client.open(nations.enrol("moved", TN)) as client, serving(client) as served:
        page = Page(await served.dial(await served.enter()))
        await page.until(lambda: "line" in page.told)
        enter[0]()
        served.links.append(served.said[-1].rpartition(" ")[2])
        other = Page(await served.dial(await served.enter()))
        assert await page.closed() == LOCKED
        await other.until(lambda: "line" in other.told)
        await other.socket.close()


@pytest.mark.parametrize(
    ("frame", "stays"),
    [("active", True), ("seen", False), ("look", False), ("files", False), ("save", False), ("draft", False)],
)
async def test_a_page_that_nobody_uses_is_locked_and_what_it_does_by_itself_is_no_use(
    nations: Nations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frame: str, *, stays: bool
) -> None:
    now_s = [1000.0]
    monkeypatch.setattr("amanah_client.web.launch.running_s", lambda: now_s[0])
    async with await Client.open(nations.enrol(f"idle {frame}", TN)) as client:
        await client.online()
        room = await client.create_room("Idle", label=Label.GREEN)
        (tmp_path / "log.txt").write_text("x")
        sent = await client.outcome((await room.attach(tmp_path / "log.txt")).id)
        assert sent.envelope is not None
        card = sent.envelope.hex()
        async with serving(client, lock_minutes=15) as served:
            page = Page(await served.dial(await served.enter()))
            await page.until(lambda: "line" in page.told)
            now_s[0] += 10 * 60
            fields = {} if frame == "active" else {"room": room.id.hex()}
            more: dict[str, dict[str, object]] = {
                "seen": {"seq": 1},
                "save": {"entry": card},
                "draft": {"text": "begun"},
            }
            assert (await page.ask(frame, **fields, **more.get(frame, {})))["ok"]
            now_s[0] += 10 * 60
            if stays:
                await asyncio.sleep(2 * WATCH_S)
                assert (await page.ask("active"))["ok"]
                await page.socket.close()
            else:
                assert await page.closed() == LOCKED


# ---- back in by the passphrase


PASSPHRASE = "correct horse battery staple"


class Face:
    """A desk's application whose clock a test moves."""

    def __init__(self, tmp_path: Path, *, passphrase: bool) -> None:
        count = iter(range(100))
        self.now_s = 100.0
        self.said: list[str] = []
        self.checked: list[str] = []
        self.sessions = Sessions(lambda: self.now_s, lambda length: x.fixed(f"secret {next(count)}", length))
        name, _, port = AUTHORITY.partition(":")
        place = Place(name=name, port=int(port), sockets=())
        launch = Launch(place, self.sessions, tmp_path / "launch.html", self.said.append)
        # The pages before anybody is in need no rooms.
        rooms: asyncio.Future[ASGIApp] = asyncio.get_running_loop().create_future()
        self.app = make_app(
            rooms, launch, self._check if passphrase else None, None,
            now_s=lambda: self.now_s, tell=self.said.append,
        )  # fmt: skip

    def _check(self, passphrase: str) -> None:
        self.checked.append(passphrase)
        if passphrase == "disk":
            raise OperationalError(Code.STORE, "the disk failed")
        if passphrase != PASSPHRASE:
            raise UsageError(Code.PASSPHRASE, "the passphrase is wrong")

    async def unlock(self, passphrase: str, **headers: str) -> Reply:
        body = f"passphrase={passphrase.replace(' ', '+')}".encode()
        return await ask(self.app, UNLOCK, method="POST", headers={**OWN, **headers}, body=body)


async def test_the_passphrase_lets_its_officer_in_again(tmp_path: Path) -> None:
    face = Face(tmp_path, passphrase=True)
    assert 'name="passphrase"' in (await ask(face.app)).text
    entered = await face.unlock(PASSPHRASE)
    assert entered.status == 303
    assert "httponly" in entered.headers["set-cookie"].lower()
    assert "samesite=strict" in entered.headers["set-cookie"].lower()
    assert (await ask(face.app, headers={"Cookie": entered.cookie})).status == 200


async def test_each_wrong_passphrase_doubles_the_wait_and_too_early_a_try_is_not_looked_at(tmp_path: Path) -> None:
    face = Face(tmp_path, passphrase=True)
    refused = await face.unlock("wrong")
    assert refused.status == 403
    assert "does not open the profile" in refused.text
    # Too early, even the right one is not looked at: nobody learns anything by hurrying.
    assert (await face.unlock(PASSPHRASE)).status == 403
    assert face.checked == ["wrong"]
    face.now_s += FIRST_PAUSE_S
    await face.unlock("wrong again")
    face.now_s += FIRST_PAUSE_S
    assert (await face.unlock(PASSPHRASE)).status == 403
    face.now_s += FIRST_PAUSE_S
    assert (await face.unlock(PASSPHRASE)).status == 303
    assert face.checked == ["wrong", "wrong again", PASSPHRASE]
    assert len(face.said) == 2


async def test_many_tries_at_once_are_one_try(tmp_path: Path) -> None:
    face = Face(tmp_path, passphrase=True)
    await asyncio.gather(*(face.unlock(f"guess {number}") for number in range(8)))
    assert len(face.checked) == 1


async def test_a_passphrase_from_another_site_is_not_looked_at(tmp_path: Path) -> None:
    face = Face(tmp_path, passphrase=True)
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await face.unlock(PASSPHRASE, **headers)).status == 403
    assert face.checked == []
    assert (await face.unlock(PASSPHRASE)).status == 303


async def test_a_profile_without_a_passphrase_has_no_such_way_in(tmp_path: Path) -> None:
    face = Face(tmp_path, passphrase=False)
    assert 'name="passphrase"' not in (await ask(face.app)).text
    assert (await face.unlock(PASSPHRASE)).status == 403
    assert face.checked == []


async def test_what_fails_otherwise_counts_as_no_wrong_passphrase(tmp_path: Path) -> None:
    face = Face(tmp_path, passphrase=True)
    with pytest.raises(OperationalError):
        await face.unlock("disk")
    assert (await face.unlock(PASSPHRASE)).status == 303


def test_the_passphrase_that_opens_the_profile_is_the_one_that_unlocks_its_desk(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make_folder()
    create_profile(home, Passphrase(text=PASSPHRASE, cost=FLOOR_COST)).close()
    assert has_passphrase(home)
    check_passphrase(home, PASSPHRASE)
    with pytest.raises(UsageError) as refused:
        check_passphrase(home, PASSPHRASE + "r")
    assert refused.value.code is Code.PASSPHRASE


def test_a_profile_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["desk", "--no-browser", "--home", str(tmp_path / "none")]) == 4
    assert "there is no profile" in capsys.readouterr().err
