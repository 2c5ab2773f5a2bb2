"""Files at the desk, as hostile peers and slow lines have them: what they are called gets them nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FilePayload, expect

from amanah_client.files import Announced
from amanah_client.sdk import Client
from amanah_protocol.labels import Label
from tests.browser.desks import Desks, desks, sitting
from tests.browser.test_incident import saved
from tests.client.test_sdk import until

TN, MA = "cert.example.tn", "cert.example.ma"
NAMES: Final = {
    "\u202egnp.exe": "gnp.exe",
    "../../../etc/passwd": "passwd",
    "..\\..\\start\\a.lnk": "a.lnk",
    "<img src=//beacon.example/a onerror=alert(1)>.html": "a onerror=alert(1)_.html",
    "a\u0000\u001b]0;b\u0007.txt": "a]0;b.txt",
    'x.txt"; filename="y.exe': "x.txt_; filename=_y.exe",
    "\u0645\u0644\u062d\u0642\u2066.pdf": "\u0645\u0644\u062d\u0642.pdf",
    "%2e%2e%2fautorun.inf": "%2e%2e%2fautorun.inf",
    ".bashrc": "bashrc",
    "y" * 250 + ".html": None,
}
HARMFUL: Final = "<script>document.title = 'ran'</script>"
MOST_BYTES: Final = 200
FOLDER: Final = """
    ([selector, name]) => {
        const carried = new DataTransfer();
        carried.items.add(new File(["x"], name));
        const event = new DragEvent("drop", {dataTransfer: carried, bubbles: true, cancelable: true});
        DataTransferItem.prototype.webkitGetAsEntry = () => ({isDirectory: true});
        document.querySelector(selector).dispatchEvent(event);
    }"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    with desks(tmp_path_factory.mktemp("files")) as made:
        yield made


async def hand_over(home: Path, whom: str) -> None:
    """Hand over a file under each of the names, as a program of an enemy's would."""
    async with await Client.open(home) as client:
        await client.online()
        room = await client.create_room("Names", label=Label.GREEN)
        await room.invite(whom)
        for name in NAMES:
            async with room.incoming(Announced(name=name, text=HARMFUL), len(HARMFUL)) as file:
                await file.feed(HARMFUL.encode())
                await file.finish()
        await until(lambda: client.outbox() == (), timeout_s=60)


def test_what_a_file_is_called_gets_it_nothing(browser: Browser, site: Desks, tmp_path: Path) -> None:
    victim, hostile = site.nations.enrol("Victim", TN), site.nations.enrol("hostile", MA)
    with sitting(browser, site.start(victim), accept_downloads=True) as ours:
        page = ours.page
        # The browser's own loop runs in this thread.
        with ThreadPoolExecutor() as pool:
            pool.submit(asyncio.run, hand_over(hostile, TN)).result()
        page.locator(".room", has_text="Names").click()
        cards = page.locator("#flow .file")
        expect(cards).to_have_count(len(NAMES))
        shown = [one.locator("h3 bdi").inner_text() for one in cards.all()]
        wanted = [safe for safe in NAMES.values() if safe]
        assert shown[: len(wanted)] == wanted
        assert shown[-1].endswith("y.html")
        assert len(shown[-1].encode()) <= MOST_BYTES
        assert "<202E>gnp.exe" in cards.first.inner_text()
        for name in ("gnp.exe", "passwd", "y.html"):
            kept = saved(ours, cards.filter(has_text=name).last.locator(".btn.go"), tmp_path)
            assert kept[0].endswith(name)
            assert not set(kept[0]) & set("/\\<>\u202e")
            assert kept[1] == HARMFUL.encode()
        ours.button("Files").click()
        expect(page.locator("dialog .files li")).to_have_count(len(NAMES))
        ours.shoot("files-hostile-light")
        text = page.locator("body").inner_text()
        assert not re.search(
            "[\u202a-\u202e\u2066-\u2069\u0000-\u0008\u001b]", text.replace("\u2068", "").replace("\u2069", "")
        )
        assert page.title().endswith("Amanah desk")
        assert page.locator("#flow img, #flow script, dialog img, dialog script").count() == 0
        assert (ours.visit.beyond, ours.visit.complaints) == ([], [])


def test_a_slow_file_shows_how_far_it_is_and_can_be_taken_off(browser: Browser, site: Desks) -> None:
    home = site.nations.enrol("Patient", TN)
    with sitting(browser, site.start(home)) as ours:
        page = ours.page
        ours.open_room("Slow", "TLP:GREEN")
        slow = page.context.new_cdp_session(page)
        line = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 100_000}
        slow.send("Network.enable")
        slow.send("Network.emulateNetworkConditions", line)
        large: FilePayload = {"name": "disk.img", "mimeType": "text/plain", "buffer": bytes(3_000_000)}
        small: FilePayload = {"name": "also.img", "mimeType": "text/plain", "buffer": b"small"}
        choose = page.locator("form.compose input[type=file]")
        choose.set_input_files([large, small])
        ours.button("Send").click()
        bar = page.get_by_role("progressbar", name="Sealing disk.img")
        expect(bar).to_have_attribute("aria-valuenow", re.compile("[1-9]"))
        ours.shoot("sealing-light")
        results = Axe().run(page)
        assert not results.violations_count, results.generate_report()
        assert list((home / "files").glob("*.sealing"))
        # The one that waits behind it is taken off before its turn comes.
        ours.page.get_by_role("button", name="Take also.img off").click()
        ours.page.get_by_role("button", name="Take disk.img off").click()
        expect(page.locator(".tray li")).to_have_count(0)
        # A line that is fast again before the browser has given up would carry the rest in that instant.
        for _ in range(400):
            if list((home / "files").glob("*.sealing")):
                page.wait_for_timeout(50)
        slow.send("Network.emulateNetworkConditions", line | {"uploadThroughput": -1})
        # Nothing of it was sent or kept, and what comes behind it goes.
        other: FilePayload = {**large, "name": "other.img"}
        choose.set_input_files([other])
        ours.button("Send").click()
        ours.hears("other.img").get_by_role("button", name="Save: other.img").wait_for()
        assert page.locator("#flow .file").count() == 1
        assert [path.suffix for path in (home / "files").glob("*.sealing")] == []
        assert ours.visit.complaints == []


def test_what_cannot_be_sent_says_why_and_stays(browser: Browser, site: Desks) -> None:
    home = site.nations.enrol("Careful", TN)
    with sitting(browser, site.start(home)) as ours:
        page = ours.page
        ours.open_room("Refused", "TLP:GREEN")
        page.evaluate(FOLDER, ["#flow", "reports"])
        page.locator(".toast.trouble", has_text="reports is a folder").wait_for()
        assert page.locator(".tray li").count() == 0
        note: FilePayload = {"name": "note.txt", "mimeType": "text/plain", "buffer": b"x"}
        page.locator("form.compose input[type=file]").set_input_files([note])
        row = page.locator(".tray li")
        # A label that another page of this profile would refuse: the program judges, whatever the page asks.
        page.evaluate("document.querySelector('select.tlp.pick').append(new Option('TLP:RED', 'TLP:RED'))")
        page.get_by_label("Label", exact=True).select_option("TLP:RED")
        ours.button("Send").click()
        row.get_by_role("alert").get_by_text("ceiling").wait_for()
        ours.shoot("refused-light")
        page.get_by_label("Label", exact=True).select_option("TLP:GREEN")
        ours.button("Lower it").click()
        ours.button("Send").click()
        expect(row).to_have_count(0)
        card = ours.hears("note.txt")
        card.hover()
        card.get_by_role("button", name="Erase", exact=True).click()
        page.locator("dialog .go").click()
        page.locator("#flow article", has_text="Erased. That it was there").wait_for()
        assert page.locator("#flow .file").count() == 0
        ours.button("Files").click()
        page.locator("dialog .files li", has_text="erased").wait_for()
        ours.shoot("files-erased-light")


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_what_was_withdrawn_is_erased_by_its_author_from_where_it_stood(
    browser: Browser, site: Desks, lang: str
) -> None:
    home = site.nations.enrol(f"Hasty, {lang}", TN)
    with sitting(browser, site.start(home), lang=lang) as ours:
        page = ours.page
        ours.open_room("Regretted")
        ours.say("the password is in clear")
        said = ours.hears("the password is in clear")
        said.hover()
        said.get_by_role("button", name=ours.word("Withdraw"), exact=True).click()
        page.locator("dialog .go").click()
        gone = page.locator("#flow article", has=page.locator(".gone.withdrawn"))
        gone.hover()
        ours.shoot(f"withdrawn-erase-{lang}")
        gone.get_by_role("button", name=ours.word("Erase"), exact=True).click()
        page.locator("dialog .go").click()
        page.locator("#flow article .gone.erased").wait_for()
        expect(page.locator("#flow")).not_to_contain_text("the password is in clear")
        assert ours.visit.complaints == []
