"""A whole incident: three officers of three nations, at three desks in three languages, over one real relay."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
import pyzipper
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from amanah_client.saving import PASSWORD
from tests.browser.desks import PHONE, WIDE, Desks, Officer, desks, sitting

BE, MA, TN = "cert.example.be", "cert.example.ma", "cert.example.tn"
CAPTURE: Final = bytes(range(256)) * 3_000
SAMPLE: Final = b"MZ harmful " * 20_000
HOSTILE: Final = "\u202egnp.<img src=x onerror=alert(1)>.exe"
ENGLISH: Final = "The terminal system is encrypted at two berths. Beacon to http://cdn-update.example/a"
FRENCH: Final = "Le chargeur est signé pour une société de Casablanca. Nous l’avons jointe."
ARABIC: Final = "نرى 203.0.113.54 أيضا في شبكتنا. هل هو عندكم؟"
DEEP: Final = frozenset({"tray", "files", "report", "room", "timeline"})
DROP: Final = """
    ([selector, name, text]) => {
        const carried = new DataTransfer();
        carried.items.add(new File([text], name));
        const at = document.querySelector(selector);
        for (const kind of ["dragover", "drop"])
            at.dispatchEvent(new DragEvent(kind, {dataTransfer: carried, bubbles: true, cancelable: true}));
    }"""
PASTE: Final = """
    ([selector, name, text]) => {
        const carried = new DataTransfer();
        carried.items.add(new File([text], name));
        const at = document.querySelector(selector);
        at.dispatchEvent(new ClipboardEvent("paste", {clipboardData: carried, bubbles: true, cancelable: true}));
    }"""


@dataclass(kw_only=True)
class Incident:
    """Three at their desks.

    Attributes:
        site: Their programs.
        homes: Their profiles.
        en: Brussels, in English.
        fr: Rabat, in French.
        ar: Tunis, in Arabic.
        folder: Where their browsers save.
        found: What axe has found, by picture.
    """

    site: Desks
    homes: list[Path]
    en: Officer
    fr: Officer
    ar: Officer
    folder: Path
    found: dict[str, str] = field(default_factory=dict)

    @property
    def all(self) -> tuple[Officer, ...]:
        return self.en, self.fr, self.ar

    def look(self, officer: Officer, name: str, *, again: bool = False) -> None:
        """Pictures of what stands on a desk, wide and narrow, light and dark; axe has nothing against it.

        Seen `again` in another language, one theme for each size is enough: what differs is how it runs.
        """
        page = officer.page
        for size, kind in ((WIDE, "wide"), (PHONE, "phone")):
            page.set_viewport_size(size)
            for theme in ("light" if kind == "wide" else "dark",) if again else ("light", "dark"):
                officer.wear(theme)
                full = f"incident-{name}-{officer.lang}-{kind}-{theme}"
                assert overflow(page) == 0, full
                officer.shoot(full)
                # Colours differ by theme, and which part is seen by size; all four would take most of the test's time.
                if (kind, theme) == ("wide", "light") or ((kind, theme) == ("phone", "dark") and name in DEEP):
                    results = Axe().run(page)
                    if results.violations_count:
                        self.found[full] = results.generate_report()
        page.set_viewport_size(WIDE)
        officer.wear("light")


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    with desks(tmp_path_factory.mktemp("three"), BE, MA, TN) as made:
        yield made


def test_three_nations_work_an_incident_from_its_room_to_its_report(
    browser: Browser, site: Desks, tmp_path: Path
) -> None:
    names = {"Analyst on duty": BE, "Malware lead": MA, "Watch officer": TN}
    homes = [site.nations.enrol(name, nation) for name, nation in names.items()]
    with contextlib.ExitStack() as stack:
        en, fr, ar = (
            stack.enter_context(sitting(browser, site.start(home), lang=lang, accept_downloads=True))
            for home, lang in zip(homes, ("en", "fr", "ar"), strict=True)
        )
        incident = Incident(site=site, homes=homes, en=en, fr=fr, ar=ar, folder=tmp_path)
        _open(incident)
        _converse(incident)
        _hand_over_files(incident)
        _save_files(incident)
        _work(incident)
        _lose_the_connection(incident)
        _lock_and_unlock(incident)
        _search_and_report(incident)
        _look_at_every_page(incident)
        assert not incident.found, "\n".join(f"{name}: {text}" for name, text in incident.found.items())
        for officer in incident.all:
            assert officer.visit.beyond == []
            assert officer.visit.complaints == []


def _open(incident: Incident) -> None:
    en = incident.en
    incident.look(en, "empty")
    incident.look(incident.ar, "empty")
    en.open_room("Port authority ransomware")
    for nation in (MA, TN):
        en.invite(nation)
    for officer in (incident.fr, incident.ar):
        officer.page.locator("h1 .title", has_text="Port authority").wait_for()
    incident.look(en, "begun")
    incident.look(incident.ar, "begun", again=True)


def _converse(incident: Incident) -> None:
    en, fr, ar = incident.all
    en.say(ENGLISH)
    en.page.get_by_label("Ask for").select_option("3")
    en.say("Who sees the beacon too? @Malware lead, can you reach the company before markets open?")
    asked = ar.hears("Who sees the beacon")
    asked.get_by_role("button", name=ar.word("We act"), exact=True).click()
    en.hears("Who sees the beacon").get_by_text("TN acting").wait_for()
    fr.say(FRENCH)
    ar.say(ARABIC)
    for officer in incident.all:
        officer.hears("hxxp://cdn-update[.]example/a")
        officer.hears("Casablanca")
        officer.hears("نرى")
    # A thread, begun in one language and gone on in another.
    first = fr.hears("cdn-update")
    first.hover()
    first.get_by_role("button", name=fr.word("Thread"), exact=True).click()
    fr.button("Back to the whole room").wait_for()
    fr.say("Deux postes de quai seulement ?")
    fr.button("Back to the whole room").click()
    en.hears("cdn-update").get_by_role("button", name="1 in thread").click()
    en.hears("Deux postes")
    en.say("Two, so far.")
    en.button("Back to the whole room").click()
    expect(fr.hears("cdn-update").get_by_text(fr.word("{count} in thread").format(count=2))).to_be_visible()


def _hand_over_files(incident: Incident) -> None:
    en, fr, ar = incident.all
    page = en.page
    tray = page.locator(".tray li")
    capture: FilePayload = {"name": "quay-2.pcap", "mimeType": "text/html", "buffer": CAPTURE}
    page.locator("form.compose input[type=file]").set_input_files([capture])
    page.evaluate(DROP, ["#flow", HOSTILE, SAMPLE.decode()])
    page.evaluate(PASTE, ["textarea.box", "wrong.txt", "not this one"])
    expect(tray).to_have_count(3)
    assert "BE, MA and TN: 3 devices" in page.locator(".reads").inner_text()
    assert tray.nth(0).locator(".tlp").inner_text() == "TLP:AMBER+STRICT"
    tray.nth(0).get_by_label("What quay-2.pcap is").fill("Mirror port of quay 2, from 04:10")
    tray.nth(1).get_by_label("May be harmful").check()
    incident.look(en, "tray")
    theirs = ar.page.locator(".tray li")
    ar.page.locator("form.compose input[type=file]").set_input_files([capture])
    expect(theirs).to_have_count(1)
    incident.look(ar, "tray", again=True)
    theirs.get_by_text("\u00d7", exact=True).click()
    expect(theirs).to_have_count(0)
    en.page.get_by_role("button", name="Take wrong.txt off").click()
    expect(tray).to_have_count(2)
    # What stands in one room's composer goes into no other.
    assert page.locator("textarea.box").input_value() == ""
    en.say("Capture and loader, both from quay 2.")
    expect(tray).to_have_count(0)
    fr.hears("Capture and loader")
    card = fr.hears("quay-2.pcap")
    assert "Mirror port of quay 2" in card.inner_text()
    sample = fr.hears("gnp._img src=x onerror=alert(1)_.exe")
    assert fr.word("May be harmful") in sample.inner_text()
    assert fr.page.locator("#flow img").count() == 0
    assert "\u202e" not in fr.page.locator("body").inner_text()


def saved(officer: Officer, button: Locator, folder: Path) -> tuple[str, bytes]:
    """Press a button that saves; gives the name and the bytes of what the browser kept."""
    with officer.page.expect_download() as waiting:
        button.click()
    download = waiting.value
    assert download.failure() is None
    download.save_as(folder / "kept")
    return download.suggested_filename, (folder / "kept").read_bytes()


def _save_files(incident: Incident) -> None:
    en, fr, ar = incident.all
    card = fr.hears("quay-2.pcap")
    assert saved(fr, card.locator(".btn.go"), incident.folder) == ("quay-2.pcap", CAPTURE)
    # The page stays where it was, and nothing of the file is shown in it.
    assert fr.page.url == f"{fr.visit.origin}/"
    assert len(fr.visit.context.pages) == 1
    name, data = saved(ar, ar.hears("gnp._img").locator(".btn.go"), incident.folder)
    assert name == "gnp._img src=x onerror=alert(1)_.exe.zip"
    assert SAMPLE[:40] not in data
    with pyzipper.AESZipFile(incident.folder / "kept") as archive:
        archive.setpassword(PASSWORD)
        assert archive.read("gnp._img src=x onerror=alert(1)_.exe") == SAMPLE
    en.button("Files").click()
    expect(en.page.locator("dialog .files li")).to_have_count(2)
    incident.look(en, "files", again=True)
    en.page.keyboard.press("Escape")
    ar.button("Files").click()
    rows = ar.page.locator("dialog .files li")
    expect(rows).to_have_count(2)
    incident.look(ar, "files")
    # Whichever went through first stands first.
    capture = rows.filter(has_text="quay-2.pcap")
    assert saved(ar, capture.locator(".btn"), incident.folder) == ("quay-2.pcap", CAPTURE)
    ar.page.keyboard.press("Escape")


def _work(incident: Incident) -> None:
    en, fr, ar = incident.all
    for line in ("/incident severity critical", "/incident status containing", "/incident aware 00:00"):
        en.say(line)
    fr.page.locator(".head .state.critical").wait_for()
    en.page.locator(".adds").get_by_role("button", name="Task", exact=True).click()
    en.page.locator("#f-what").fill("Revoke the signing certificate")
    en.page.locator("#f-nation").select_option(MA)
    en.page.locator("#f-until").fill("+2h")
    en.page.locator("dialog .go").click()
    task = fr.page.locator(".board .task", has_text="Revoke the signing")
    task.get_by_role("button", name=fr.word("Take"), exact=True).click()
    en.page.locator(".board .task", has_text="in progress").wait_for()
    fr.page.locator(".adds").get_by_role("button", name=fr.word("Decision"), exact=True).click()
    fr.page.locator("#f-what").fill("Neutraliser les trois domaines à 14:00 UTC, pas avant")
    fr.page.locator("dialog .go").click()
    for officer, nation in ((en, "BE"), (fr, "MA"), (ar, "TN")):
        agree = officer.word("Agree for {nation}").format(nation=nation)
        officer.page.locator(".board").get_by_role("button", name=agree, exact=True).click()
    en.page.locator(".board").get_by_role("button", name="Record the outcome").click()
    fr.page.locator(".board .card", has_text=fr.word("Adopted.")).wait_for()
    en.page.locator(".adds").get_by_role("button", name="Joint time", exact=True).click()
    en.page.locator("#f-what").fill("Sinkhole the domains")
    en.page.locator("#f-at").fill("+5h")
    en.page.locator("dialog .go").click()
    for officer, nation in ((fr, "MA"), (ar, "TN")):
        acknowledge = officer.word("Acknowledge for {nation}").format(nation=nation)
        officer.page.locator(".board").get_by_role("button", name=acknowledge, exact=True).click()
    en.page.locator(".clockline", has_text="acknowledged by 3 of 3").wait_for()


def _lose_the_connection(incident: Incident) -> None:
    en, fr, ar = incident.all
    relay = incident.site.nations.relay
    relay.stop()
    for officer in incident.all:
        officer.page.locator(".dot.off").wait_for()
    ar.say("كُتبت من دون المُرحِّل")
    ar.hears("كُتبت").locator(".sent.queued").wait_for()
    note: FilePayload = {"name": "ملاحظات المناوبة.txt", "mimeType": "text/plain", "buffer": "مهم".encode()}
    ar.page.locator("form.compose input[type=file]").set_input_files([note])
    ar.button("Send").click()
    ar.hears("ملاحظات").locator(".sent.queued").wait_for()
    incident.look(ar, "offline")
    incident.look(en, "offline", again=True)
    # What is saved meanwhile waits, and the browser gets it as soon as it has come.
    sample = fr.hears("gnp._img")
    with fr.page.expect_download() as waiting:
        sample.locator(".btn.go").click()
        sample.get_by_text(fr.word("Waits for the connection; goes on by itself.")).wait_for()
        relay.start()
    assert waiting.value.suggested_filename.endswith(".exe.zip")
    for officer in (en, fr):
        officer.hears("كُتبت")
    card = en.hears("ملاحظات المناوبة.txt")
    assert saved(en, card.locator(".btn.go"), incident.folder) == ("ملاحظات المناوبة.txt", "مهم".encode())
    for officer in incident.all:
        expect(officer.page.locator(".dot.off")).to_have_count(0)


def _lock_and_unlock(incident: Incident) -> None:
    officer = incident.en
    page = officer.page
    page.locator("textarea.box").fill("half a sentence")
    page.wait_for_timeout(1000)
    page.keyboard.press("Control+Shift+L")
    page.get_by_text("This profile has no passphrase.").wait_for()
    for held in ("Port authority", "half a sentence", "quay-2"):
        assert held not in page.content()
    incident.look(officer, "locked")
    _speak(officer, "ar")
    page.get_by_role("heading", name=officer.word("This page is locked")).wait_for()
    incident.look(officer, "locked", again=True)
    _speak(officer, "en")
    page.go_back()
    page.wait_for_timeout(300)
    assert "Port authority" not in page.content()
    page.goto(incident.site.new_link(incident.homes[0]))
    page.locator(".room", has_text="Port authority").wait_for()
    expect(page.locator("textarea.box")).to_have_value("half a sentence")
    page.locator("textarea.box").fill("")


def _speak(officer: Officer, lang: str) -> None:
    """A locked page in another language: nothing of a room is lost by loading it anew."""
    officer.lang = lang
    officer.visit.context.add_cookies([{"name": "amanah-language", "value": lang, "url": officer.visit.origin}])
    officer.page.reload()


def _search_and_report(incident: Incident) -> None:
    en, fr, ar = incident.all
    for officer in (en, ar):
        officer.page.keyboard.press("Control+k")
        officer.page.locator("dialog.palette input").fill("Casablanca")
        expect(officer.page.locator(".finds li", has_text="Le chargeur").locator("time")).to_contain_text("UTC")
        incident.look(officer, "find")
        officer.page.keyboard.press("Enter")
        expect(officer.page.locator("#flow article:focus")).to_contain_text("Casablanca")
    fr.button("Report").click()
    incident.look(fr, "report")
    for officer in (en, ar):
        officer.button("Report").click()
        incident.look(officer, "report", again=True)
        officer.page.keyboard.press("Escape")
    fr.page.locator("#f-form").select_option("markdown")
    name, text = saved(fr, fr.page.locator("dialog .go"), incident.folder)
    assert name.startswith("report-")
    for said in ("Revoke the signing certificate", "Casablanca", "كُتبت", "quay-2.pcap"):
        assert said in text.decode()
    en.button("Report").click()
    en.page.locator("#f-notice").select_option("24h")
    name, print_ = saved(en, en.page.locator("dialog .go"), incident.folder)
    assert name.startswith("notice-24h-")
    assert print_.startswith(b"%PDF-")
    # A nation tells its authority what it said itself, also in a room of TLP:AMBER+STRICT; another one does not.
    ours, theirs = (_draft(incident, officer) for officer in (en, fr))
    assert "**TLP:AMBER+STRICT**" in ours
    for known in ("- aware since: `20", "- due: `20"):
        assert (known in ours, known in theirs) == (True, False)
    assert "- aware since: **`left out`**" in theirs
    assert f"TLP:AMBER+STRICT of {BE} does not leave {BE}. Ask its author, or another officer of {BE}" in theirs


def _draft(incident: Incident, officer: Officer) -> str:
    """An early warning as text."""
    officer.button("Report").click()
    officer.page.locator("#f-notice").select_option("24h")
    officer.page.locator("#f-form").select_option("markdown")
    return saved(officer, officer.page.locator("dialog .go"), incident.folder)[1].decode()


def _look_at_every_page(incident: Incident) -> None:
    for officer in (incident.en, incident.ar):
        page = officer.page
        officer.hears("نرى")
        incident.look(officer, "room")
        page.set_viewport_size(PHONE)
        officer.button("Board").click()
        incident.look(officer, "board")
        page.set_viewport_size(PHONE)
        officer.button("Conversation").click()
        page.get_by_role("button", name=officer.word("Rooms"), exact=True).click()
        incident.look(officer, "rooms")
        officer.button("Timeline").click()
        expect(page.locator("dialog .timeline li.when")).not_to_have_count(0)
        task = officer.word("Task of {nation}, due {time}: {what}").partition("{time}")[0]
        line = page.locator("dialog .timeline li", has_text="Revoke the signing").first
        expect(line).to_contain_text(task.format(nation="\u2068MA\u2069"))
        incident.look(officer, "timeline")
        page.keyboard.press("Escape")
        officer.button("Keys").click()
        incident.look(officer, "keys")
        page.keyboard.press("Escape")
