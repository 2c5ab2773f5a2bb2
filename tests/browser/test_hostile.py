"""What hostile peers write, wherever a desk shows it: nothing of it runs, asks for anything, or is markup."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect

from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident
from amanah_protocol.content.proposal import Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task
from amanah_protocol.content.text import Text
from amanah_protocol.identity import parse_organisation
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId
from tests.browser.conftest import Visit
from tests.browser.desks import Desks, Officer, desks, sitting
from tests.browser.hostile_bodies import COUNT, aimed, bodies
from tests.client.test_sdk import joined, until
from tests.end_to_end.nations import now_ms

TN, MA = "cert.example.tn", "cert.example.ma"
NAMES: Final = (
    "<img src=x onerror=pwn(1)>\u202egnp.exe",
    '"><script>pwn(1)</script>TLP:CLEAR',
    "__proto__",
)
TITLE: Final = "<svg onload=pwn(1)>\u2028</title><script>pwn(1)</script>"
SPOKEN: Final = "</b><img src=THERE onerror=RAN>\u202e{{RAN}}"

PLANTED: Final = """
    globalThis.ran = [];
    globalThis.pwn = (what) => ran.push(String(what));
    globalThis.broken = [];
    globalThis.notified = [];
    globalThis.away = false;
    Object.defineProperty(Document.prototype, "hidden", { get: () => away });
    addEventListener("securitypolicyviolation", (event) => broken.push(event.violatedDirective));
    globalThis.Notification = class {
        static permission = "granted";
        constructor(...told) { notified.push(JSON.stringify(told)); }
    };
"""
"""What notices that something ran or was stopped, before anything of the page does."""

ELEMENTS: Final = (
    "ARTICLE B BDI BLOCKQUOTE BUTTON CODE DETAILS DIALOG DIV EM H1 H2 H3 HEADER I LI OL P PRE SECTION SPAN STRONG "
    "SUMMARY TIME UL"
)
ATTRIBUTES: Final = (
    "^(class|dir|lang|title|datetime|role|tabindex|hidden|type|open|data-(id|seq|new|room|at|attachment)|aria-[a-z]+"
    "|id=(flow|found|people|decision-[0-9]+)|style=inline-size: [0-9]+%;)(=|$)"
)
HIDDEN: Final = "[\u202a-\u202e\u2066\u2067\x01-\x08\x0b-\x1f\x7f-\x9f]"
SURVEY: Final = """([ELEMENTS, ATTRIBUTES, HIDDEN]) => {
    const elements = new Set(ELEMENTS.split(" "));
    const attributes = new RegExp(ATTRIBUTES, "s");
    const foreign = [];
    for (const place of document.querySelectorAll("#flow, .board, .lists, .head, dialog, .toast")) {
        for (const one of [place, ...place.querySelectorAll("*")]) {
            if (one.matches("dialog > input.search")) continue;
            const told = [...one.attributes].map(({ name, value }) => `${name}=${value}`);
            const isOurs = elements.has(one.tagName) && told.every((attribute) => attributes.test(attribute));
            if (!isOurs) foreign.push(`${one.tagName} ${told}`.slice(0, 200));
        }
    }
    const labels = [...document.querySelectorAll(".said .tlp, .said .chip, .said .nat, .said .sys")].length;
    const hidden = new RegExp(HIDDEN).exec(document.body.innerText);
    return {
        ran: [...globalThis.ran ?? []],
        broken: [...globalThis.broken ?? []],
        foreign,
        labels,
        hidden: hidden ? hidden[0].codePointAt(0).toString(16) : "",
        polluted: "polluted" in {} || Object.keys(Object.prototype).length > 0 || document.title.includes("title"),
        wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    };
}"""
CLEAN: Final = {"ran": [], "broken": [], "foreign": [], "labels": 0, "hidden": "", "polluted": False, "wide": 0}


class Canary:
    """Something else on this machine that would be asked if anything were; it keeps what it is asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[str] = []


@contextmanager
def canary() -> Iterator[Canary]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kept.asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - as the base class names it

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - as the base class has it
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept = Canary(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    with desks(tmp_path_factory.mktemp("hostile")) as made:
        yield made


async def attack(homes: list[Path], folder: Path, port: int) -> list[str]:
    """A hostile nation fills a room of its own; gives the entries of its bodies, in their order."""
    spoken = aimed(SPOKEN, port)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(await Client.open(home)) for home in homes]
        for client in clients:
            await client.online()
        room = await clients[0].create_room(TITLE, label=Label.GREEN)
        await room.invite(TN)
        await room.invite(MA)
        others = [await joined(client, TITLE) for client in clients[1:]]
        for other in others:
            await other.send(Text(text=spoken))
        asked = [await clients[0].ask(room.compose(Text(text=text))) for text in bodies(port)]
        await until(lambda: not clients[0].outbox(), 60)
        said = [await clients[0].outcome(one.id) for one in asked]
        last = said[-1].envelope
        assert last is not None
        await fill_board(room, last, spoken)
        name = folder / spoken.replace("/", "\\")
        name.write_bytes(b"MZ")
        await room.attach(name, text=spoken)
        return [one.envelope.hex() for one in said if one.envelope is not None]


async def fill_board(room: Room, last: EnvelopeId, spoken: str) -> None:
    """Whatever a board, a card or a notice shows."""
    until_ms = now_ms() + 3_600_000
    nations = (parse_organisation(MA), parse_organisation(TN))
    told: list[Said] = [
        Incident(title=spoken),
        Task(id=bytes(16), what=spoken, nation=nations[1]),
        Proposal(ordinal=1, what=spoken, object_until_ms=until_ms, quorum=2, nations=nations),
        Clock(id=bytes(range(16)), nature=Nature.ACTION, what=spoken, at_ms=until_ms),
        Handover(text=spoken),
        Reaction(message=last, sign="<b onclick=pwn>"),
        Correction(message=last, text=spoken),
        Text(text=spoken, reply_to=last),
    ]
    for body in told:
        await room.send(body)
    gone = await room.send(Text(text=spoken))
    assert gone.envelope is not None
    await room.send(Withdrawal(message=gone.envelope, reason=spoken))


def found(page: Page) -> dict[str, object]:
    """What the page holds that none of ours made."""
    survey: dict[str, object] = page.evaluate(SURVEY, [ELEMENTS, ATTRIBUTES, HIDDEN])
    return survey


def planted(context: BrowserContext) -> None:
    context.add_init_script(PLANTED)


def quiet(visit: Visit, other: Canary) -> None:
    """Nobody but the desk itself was asked for anything, and nothing complained."""
    assert visit.beyond == []
    assert other.asked == []
    assert visit.complaints == []


def through(officer: Officer, wanted: list[str]) -> None:
    """Scroll through all of a room, and look at what each window of it holds."""
    page = officer.page
    left = set(wanted)
    for _ in range(40):
        shown = page.evaluate("[...document.querySelectorAll('#flow article')].map((one) => one.dataset.id)")
        left -= set(shown)
        assert found(page) == CLEAN
        if not left:
            return
        page.locator("#flow").evaluate("flow => flow.scrollTop = 0")
        page.wait_for_timeout(200)
    pytest.fail(f"{len(left)} bodies were never shown")


def test_two_hundred_hostile_bodies_run_nothing_and_ask_for_nothing(
    browser: Browser, site: Desks, tmp_path: Path
) -> None:
    victim = site.nations.enrol("Victim", TN)
    hostile = [site.nations.enrol(f"hostile {at}", MA, called=name) for at, name in enumerate(NAMES)]
    with canary() as other, sitting(browser, site.start(victim), before=planted) as ours:
        page = ours.page
        page.evaluate("away = true")
        with ThreadPoolExecutor() as pool:
            said = pool.submit(lambda: asyncio.run(attack(hostile, tmp_path, other.port))).result()
        assert len(set(said)) == COUNT
        page.evaluate("away = false")
        page.locator(".room").first.click()
        # The file came last, and with it all is there.
        page.locator("#flow article", has_text="SHA-256").hover()
        # What was said before is shown when somebody opens it.
        page.locator("#flow details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
        page.locator("#flow .before").first.wait_for()
        assert found(page) == CLEAN
        ours.shoot("hostile-bodies-light")
        through(ours, said)
        find(page)
        speak(ours)
        assert found(page) == CLEAN
        notified = page.evaluate("notified")
        assert notified
        assert [told for told in notified if "pwn" in told or "<" in told] == []
        quiet(ours.visit, other)
        # The control of the listener: what the policy stops is noticed.
        page.evaluate("try { document.body.innerHTML = '<b>x</b>'; } catch {}")
        assert found(page)["broken"]


def find(page: Page) -> None:
    """What is found is shown as harmlessly."""
    page.keyboard.press("Control+k")
    for words in ("onerror", "TLP", "proto", "img"):
        page.locator("dialog.palette input").fill(words)
        page.locator(".finds li", has_text=words).first.wait_for()
        assert found(page) == CLEAN
    page.keyboard.press("Escape")
    page.locator(".board").get_by_role("button", name="Timeline").click()
    page.locator(".timeline li").first.wait_for()
    assert found(page) == CLEAN
    page.keyboard.press("Escape")


def speak(officer: Officer) -> None:
    """The page still works: what is written goes out, and a form does what it says."""
    officer.page.locator("button.jump").click()
    officer.say("still here")
    officer.hears("still here")
    agree = officer.page.locator(".board").get_by_role("button", name="Agree for TN")
    agree.click()
    expect(agree).to_have_count(0)


UNSAFE: Final = """(texts) => {
    const flow = document.body.appendChild(document.createElement("section"));
    flow.id = "flow";
    for (const text of texts) {
        const made = flow.appendChild(document.createElement("article"));
        made.innerHTML = text;
    }
}"""


def test_a_renderer_that_takes_them_for_markup_is_noticed_in_each_way(browser: Browser) -> None:
    """The control: the same bodies, the same survey, and a page without a policy that writes `innerHTML`."""
    context = browser.new_context()
    planted(context)
    said: list[str] = []

    def spoke(dialog: Dialog) -> None:
        said.append(dialog.message)
        dialog.dismiss()

    context.on("dialog", spoke)
    with canary() as other:
        page = context.new_page()
        page.evaluate(UNSAFE, bodies(other.port))
        page.wait_for_function("ran.length > 5")
        survey = found(page)
        assert survey["foreign"]
        assert survey["hidden"]
        for _ in range(50):
            if other.asked:
                break
            page.wait_for_timeout(100)
        assert "/c" in other.asked
        page.evaluate("alert(1)")
        assert said == ["1"]
    context.close()
