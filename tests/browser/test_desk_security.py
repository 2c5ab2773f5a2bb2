"""Other pages, other names, other users of the machine: none gets to a desk that is open in a real browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page

from amanah_client.desk.app import HERE as DESK
from amanah_client.web.files import Files
from amanah_client.web.pages import HERE as FRAME
from tests.browser.conftest import watched
from tests.browser.desks import Desks, Officer, desks, sitting
from tests.browser.test_security import FORM, neighbour

TN: Final = "cert.example.tn"
SAID: Final = "nobody else reads this"
STATE: Final = Files(FRAME / "static", DESK / "static").url("state.js")

DIAL: Final = """(there) => new Promise((done) => {
    const socket = new WebSocket(there);
    let heard = "";
    socket.onmessage = (event) => { heard += event.data; done(`heard ${heard.slice(0, 40)}`); };
    socket.onclose = () => done(heard || "refused");
})"""
REACH: Final = """async (there) => {
    const told = {};
    const tried = async (name, does) => {
        try { told[name] = String(await does()); } catch { told[name] = "refused"; }
    };
    const loads = (tag, fields) => new Promise((done, not) => {
        const made = Object.assign(document.createElement(tag), fields);
        made.onload = () => done("loaded");
        made.onerror = not;
        document.body.append(made);
    });
    await tried("fetch", async () => (await fetch(`${there}/`, { credentials: "include" })).text());
    await tried("opaque", async () => (await fetch(`${there}/`, { credentials: "include", mode: "no-cors" })).type);
    await tried("session", async () => (await fetch(`${there}/session`, { method: "POST", body: "x" })).text());
    await tried("lock", async () => (await fetch(`${there}/lock`, { method: "POST", credentials: "include" })).text());
    await tried("unlock", async () => (await fetch(`${there}/unlock`, { method: "POST", body: "passphrase=" })).text());
    await tried("script", () => loads("script", { src: `${there}/` }));
    await tried("module", () => import(`${there}STATE`));
    await tried("image", () => loads("img", { src: `${there}/` }));
    await tried("beacon", () => (navigator.sendBeacon(`${there}/lock`, "") ? "refused" : "refused"));
    await tried("events", () => new Promise((done, not) => {
        const events = new EventSource(`${there}/live`, { withCredentials: true });
        events.onopen = () => done("open");
        events.onerror = not;
    }));
    return told;
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    with desks(tmp_path_factory.mktemp("guarded")) as made:
        yield made


@pytest.fixture(scope="module")
def ours(browser: Browser, site: Desks) -> Iterator[Officer]:
    with sitting(browser, site.start(site.nations.enrol("Guarded", TN))) as officer:
        officer.open_room("Guarded room")
        officer.say(SAID)
        officer.hears(SAID)
        yield officer


def still_open(officer: Officer) -> None:
    """The desk was neither locked nor moved by what was tried."""
    officer.page.locator("#flow article", has_text=SAID).wait_for()
    assert officer.page.evaluate(DIAL, officer.visit.origin.replace("http", "ws", 1) + "/live").startswith("heard")


def beside(officer: Officer) -> Page:
    """Another page in the same browser, with its cookies."""
    return officer.visit.context.new_page()


@pytest.mark.parametrize("host", ["127.0.0.1", "rebound.example", "own"])
def test_a_page_of_another_site_gets_nothing_of_an_open_desk(ours: Officer, host: str) -> None:
    """The host `own` is the desk's own name at another port: the same site, which is sent its cookie."""
    origin = ours.visit.origin
    name = origin.removeprefix("http://").partition(":")[0] if host == "own" else host
    page = beside(ours)
    with neighbour() as other:
        page.goto(f"http://{name}:{other.port}/")
        told = page.evaluate(REACH.replace("STATE", STATE), origin)
        assert page.evaluate(DIAL, origin.replace("http", "ws", 1) + "/live") == "refused"
        assert {what: found for what, found in told.items() if found not in {"refused", "opaque"}} == {}
        other.pages["/frame"] = f'<!doctype html><iframe src="{origin}/"></iframe><iframe src="{origin}/live"></iframe>'
        page.goto(f"http://{name}:{other.port}/frame")
        page.wait_for_timeout(300)
        assert [frame.url for frame in page.frames if SAID in frame.content() or "Amanah desk" in frame.content()] == []
        other.pages["/form"] = FORM.format(target=origin, referrer="")
        page.goto(f"http://{name}:{other.port}/form")
        page.wait_for_url(f"{origin}/lock")
        assert page.inner_text("body").strip() == "this comes from another site"
    page.close()
    still_open(ours)


def test_a_page_that_was_opened_by_another_site_is_not_in_its_hands(ours: Officer) -> None:
    page = beside(ours)
    with neighbour() as other:
        page.goto(f"http://127.0.0.1:{other.port}/")
        with page.expect_popup() as popped:
            page.evaluate("(there) => { globalThis.opened = open(there); }", ours.visit.origin + "/")
        popped.value.wait_for_load_state()
        # As if it had been closed: whoever opened it can neither lead it elsewhere nor tell what it does.
        page.wait_for_function("opened.closed")
        popped.value.close()
    page.close()
    still_open(ours)


def test_a_rebound_name_reaches_no_desk(ours: Officer) -> None:
    port = ours.visit.origin.rpartition(":")[2]
    page = beside(ours)
    answer = page.goto(f"http://rebound.example:{port}/")
    assert answer is not None
    assert (answer.status, answer.text()) == (421, "misdirected request\n")
    assert page.evaluate(DIAL, f"ws://rebound.example:{port}/live") == "refused"
    for host in ("127.0.0.1", "localhost", "other.localhost"):
        found = page.goto(f"http://{host}:{port}/")
        assert found is not None
        assert found.status == 421
        assert page.evaluate(DIAL, f"ws://{host}:{port}/live") == "refused"
    with neighbour() as other:
        # The control: the same name does lead to whoever asks for no host.
        page.goto(f"http://rebound.example:{other.port}/")
        assert page.title() == "neighbour"
    page.close()
    still_open(ours)


def test_no_other_port_is_sent_the_cookie_of_a_desk_and_no_script_reads_it(ours: Officer) -> None:
    page = beside(ours)
    with neighbour() as other:
        for host in ("127.0.0.1", "localhost", "other.localhost"):
            page.goto(f"http://{host}:{other.port}/")
        # The language that was chosen at another address of this machine is no secret, and of no use there.
        assert [one for one in other.cookies if "amanah=" in one] == []
    page.close()
    assert "amanah=" not in ours.page.evaluate("document.cookie")
    (cookie,) = [one for one in ours.visit.context.cookies() if one["name"] == "amanah"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")


def test_the_file_that_leads_to_a_desk_lets_one_browser_in_and_is_gone(browser: Browser, site: Desks) -> None:
    home = site.nations.enrol("Led in", TN)
    link = site.start(home)
    file = home / "desk.html"
    assert file.stat().st_mode & 0o777 == 0o600
    assert link.partition("#")[2].encode() not in Path(f"/proc/{site.running[-1].pid}/cmdline").read_bytes()
    first, second = (watched(browser, link.partition("/#")[0]) for _ in range(2))
    first.page.goto(file.as_uri())
    first.page.locator(".rail .me b").wait_for()
    assert not file.exists()
    assert "#" not in first.page.url
    second.page.goto(link)
    second.page.get_by_text("Nobody was let in").wait_for()
    assert second.context.cookies() == []
    first.context.close()
    second.context.close()


TRIES: Final = """
import http.client, json, os, socket, sys
home, name, port, pid, beside = sys.argv[1:]
import email.parser, encodings.idna
os.setgroups([]); os.setgid(65534); os.setuid(65534)
told = {}
def tries(what, does):
    try: told[what] = does()
    except OSError as error: told[what] = type(error).__name__
def asks(path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
    connection.request("GET", path, headers={"Host": f"{name}:{port}", **headers})
    return connection.getresponse().status
upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": f"http://{name}:{port}"}
tries("file", lambda: len(open(f"{home}/desk.html").read()))
tries("beside", lambda: len(open(beside).read()))
tries("environment", lambda: len(open(f"/proc/{pid}/environ", "rb").read()))
tries("memory", lambda: len(open(f"/proc/{pid}/maps", "rb").read()))
tries("page", lambda: asks("/"))
tries("guess", lambda: asks("/", Cookie="amanah=guessed"))
tries("socket", lambda: asks("/live", **upgrade))
tries("take", lambda: socket.create_server(("127.0.0.1", int(port))) and "taken")
tries("take6", lambda: socket.create_server(("::1", int(port)), family=socket.AF_INET6) and "taken")
print(json.dumps(told))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="takes the rights of root to become another user")
def test_another_user_of_this_machine_reads_no_file_and_is_told_nothing(browser: Browser, site: Desks) -> None:
    """Every folder on the way is opened for all: what stops them is the file's own rights, and the cookie."""
    home = site.nations.enrol("Shared machine", TN)
    link = site.start(home)
    beside = home / "for all.txt"
    beside.write_text("read by all")
    temporary = Path(tempfile.gettempdir())
    for folder in (home, *home.parents):
        if temporary in folder.parents:
            folder.chmod(folder.stat().st_mode | 0o055)
    authority = link.removeprefix("http://").partition("/")[0]
    name, _, port = authority.partition(":")
    ran = subprocess.run(
        [sys.executable, "-c", TRIES, str(home), name, port, str(site.running[-1].pid), str(beside)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    # The control: a file beside it is read.
    assert told.pop("beside") == len("read by all")
    refused = {"file": "PermissionError", "environment": "PermissionError", "memory": "PermissionError"}
    assert told == refused | {"page": 403, "guess": 403, "socket": 403, "take": "OSError", "take6": "OSError"}
    # Nobody was let in, and the link still is whose it was.
    with sitting(browser, link):
        pass
