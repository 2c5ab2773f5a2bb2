"""Attacks on the console from the same machine and from other sites, in a real browser; each with its control."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import Request as Asked
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import Open, Serve, Visit, visiting
from tests.browser.test_console import PAGES
from tests.client.console.told import HOSTILE

SHOWN: Final = HOSTILE.replace("\u202e", "<202E>")


class Neighbour:
    """What another user of this machine, or another site, serves on loopback; it keeps what it is sent."""

    def __init__(self, port: int, cookies: list[str], pages: dict[str, str]) -> None:
        self.port = port
        self.cookies = cookies
        self.pages = pages


@contextmanager
def neighbour(*, sets: str = "") -> Iterator[Neighbour]:
    cookies: list[str] = []
    pages: dict[str, str] = {"/": "<!doctype html><title>neighbour</title>"}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            cookies.append(self.headers.get("Cookie", ""))
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            if sets:
                self.send_header("Set-Cookie", sets)
            self.end_headers()
            self.wfile.write(pages.get(self.path, "").encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - as the base class has it
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Neighbour(server.server_address[1], cookies, pages)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_link_works_once(browser: Browser, serve: Serve) -> None:
    served = serve()
    with visiting(browser, served) as visit:
        assert "#" not in visit.page.url
    with visiting(browser, served, []) as second:
        second.page.goto(served.link)
        second.page.get_by_text("Nobody was let in").wait_for()
        assert second.page.locator("body.console").count() == 0
        assert second.context.cookies() == []


def test_a_link_is_opened_where_a_locked_page_stands(browser: Browser, serve: Serve) -> None:
    served = serve()
    with visiting(browser, served, []) as visit:
        assert visit.go("/").title() == "Locked"
        visit.page.goto(served.link)
        visit.page.wait_for_selector("body.console")


def test_the_token_leaves_the_address_and_the_history(browser: Browser, serve: Serve) -> None:
    served = serve()
    token = served.link.partition("#")[2]
    with visiting(browser, served) as visit:
        assert token not in visit.page.url
        visit.page.go_back()
        assert token not in visit.page.url
        assert all(token not in address for address in visit.asked)


def test_the_file_leads_a_browser_in_and_is_gone(browser: Browser, serve: Serve) -> None:
    served = serve()
    file = served.home / "console.html"
    assert file.stat().st_mode & 0o777 == 0o600
    with visiting(browser, served, []) as visit:
        visit.page.goto(file.as_uri())
        visit.page.wait_for_selector("body.console")
    assert not file.exists()


def test_the_token_stands_in_no_command_line(serve: Serve) -> None:
    served = serve()
    started = Path(f"/proc/{served.process.pid}/cmdline").read_bytes()
    assert served.link.partition("#")[2].encode() not in started


def test_without_the_cookie_there_is_nothing(browser: Browser, honest: Open) -> None:
    with visiting(browser, honest.served, honest.cookies) as visit:
        visit.context.clear_cookies()
        for path in PAGES.values():
            page = visit.go(path)
            assert page.title() == "Locked"
            assert "cert.example" not in page.content()


def test_no_script_reads_the_cookie(visit: Visit) -> None:
    assert visit.page.evaluate("document.cookie") == ""
    (cookie,) = visit.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")


def test_a_rebound_name_is_answered_with_nothing(visit: Visit) -> None:
    port = visit.origin.rpartition(":")[2]
    answer = visit.page.goto(f"http://rebound.example:{port}/")
    assert answer is not None
    assert answer.status == 421
    assert answer.text() == "misdirected request\n"


def test_a_rebound_name_does_lead_to_a_server_that_asks_for_no_host(visit: Visit) -> None:
    with neighbour() as other:
        visit.page.goto(f"http://rebound.example:{other.port}/")
        assert visit.page.title() == "neighbour"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_address_alone_is_not_enough(visit: Visit, host: str) -> None:
    port = visit.origin.rpartition(":")[2]
    answer = visit.page.goto(f"http://{host}:{port}/")
    assert answer is not None
    assert answer.status == 421


def test_another_port_never_gets_the_cookie(visit: Visit) -> None:
    with neighbour() as other:
        for host in ("127.0.0.1", "localhost", "other.localhost"):
            visit.page.goto(f"http://{host}:{other.port}/")
        assert set(other.cookies) == {""}


def test_another_port_does_get_the_cookie_of_an_address(visit: Visit) -> None:
    """The control: cookies know no ports, and `SameSite=Strict` no sites by port."""
    with neighbour(sets="amanah=secret; HttpOnly; SameSite=Strict; Path=/") as first, neighbour() as other:
        visit.page.goto(f"http://127.0.0.1:{first.port}/")
        visit.page.goto(f"http://127.0.0.1:{other.port}/")
        assert "amanah=secret" in other.cookies


FORM: Final = (
    '<!doctype html>{referrer}<title>form</title><form id="f" method="post" action="{target}/lock"></form>'
    "<script>f.submit()</script>"
)


@pytest.mark.parametrize("referrer", ["", '<meta name="referrer" content="no-referrer">'], ids=["origin", "null"])
@pytest.mark.parametrize("host", ["127.0.0.1", "rebound.example", "own"])
def test_another_site_locks_nothing(visit: Visit, host: str, referrer: str) -> None:
    """The host `own` is the console's own name at another port: the same site, and another origin."""
    name = visit.origin.removeprefix("http://").partition(":")[0] if host == "own" else host
    with neighbour() as other:
        other.pages["/form"] = FORM.format(target=visit.origin, referrer=referrer)
        visit.page.goto(f"http://{name}:{other.port}/form")
        visit.page.wait_for_url(f"{visit.origin}/lock")
        assert visit.page.inner_text("body").strip() == "this comes from another site"
    assert visit.go("/").title() != "Locked"


def test_another_sites_script_reads_nothing(visit: Visit) -> None:
    with neighbour() as other:
        visit.page.goto(f"http://127.0.0.1:{other.port}/")
        read = visit.page.evaluate(
            "async (there) => { try { const r = await fetch(there, {credentials: 'include'}); return await r.text(); }"
            " catch (error) { return 'refused'; } }",
            visit.origin + "/",
        )
        assert read == "refused"
        embedded = visit.page.evaluate(
            "(there) => new Promise((done) => { const s = document.createElement('script'); s.src = there;"
            " s.onload = () => done('loaded'); s.onerror = () => done('refused'); document.head.append(s); })",
            visit.origin + "/",
        )
        assert embedded == "refused"


def test_another_site_frames_nothing(visit: Visit) -> None:
    with neighbour() as other:
        other.pages["/frame"] = f'<!doctype html><iframe src="{visit.origin}/"></iframe>'
        visit.page.goto(f"http://127.0.0.1:{other.port}/frame")
        visit.page.wait_for_timeout(500)
        assert all("Audit console" not in frame.content() for frame in visit.page.frames)


def test_what_others_wrote_runs_nowhere(visit: Visit) -> None:
    shown = 0
    for path in PAGES.values():
        page = visit.go(path)
        shown += SHOWN in page.inner_text("body").replace("\n", "")
        assert page.evaluate("document.querySelectorAll('img[src=x], main script').length") == 0
        assert "\u202e" not in page.content()
    assert shown >= 2
    assert visit.complaints == []


def test_the_browser_itself_refuses_what_pages_never_do(visit: Visit) -> None:
    page = visit.go("/")
    refused = page.evaluate(
        "() => { try { document.body.innerHTML = '<b>x</b>'; return ''; } catch (error) { return error.name; } }"
    )
    assert refused == "TypeError"
    styled = page.evaluate(
        "() => { const s = document.createElement('style'); s.textContent = 'body{display:none}';"
        " document.head.append(s);"
        " return getComputedStyle(document.body).display; }"
    )
    assert styled != "none"


def test_nothing_is_asked_for_anywhere_else(visit: Visit) -> None:
    for path in PAGES.values():
        visit.go(path)
    assert len(visit.asked) > len(PAGES)
    assert visit.beyond == []


def test_locking_shows_nothing_any_more(browser: Browser, serve: Serve) -> None:
    served = serve()
    with visiting(browser, served) as visit:
        cookies = visit.context.cookies()
        visit.page.get_by_role("button", name="Lock").click()
        visit.page.get_by_role("heading", name="Locked").wait_for()
        visit.context.add_cookies(cookies)  # type: ignore[arg-type]  # as Chromium gave them
        assert visit.go("/entries").title() == "Locked"


def test_another_program_of_this_machine_gets_nothing(honest: Open) -> None:
    """Without a browser: who knows the port, and even the name, has no cookie."""
    authority = honest.served.origin.removeprefix("http://")
    port = authority.rpartition(":")[2]
    asked = Asked(f"http://127.0.0.1:{port}/entries", headers={"Host": authority})
    with pytest.raises(OSError, match="403"):
        urlopen(asked, timeout=10)  # noqa: S310 - the same
