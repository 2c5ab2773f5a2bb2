"""Two officers at their desks in real browsers: an incident from its room to its lock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.desks import PHONE, WIDE, Desks, Officer, desks, sitting

REACHED: Final = (
    "Reached. Revocation is under way:\n```\nrule loader { condition: true }\n```\n"
    "- hash `d41d8cd98f00b204e9800998ecf8427e`"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    with desks(tmp_path_factory.mktemp("desks")) as made:
        yield made


def calm(page: Page) -> None:
    """No finding of axe."""
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_two_officers_work_an_incident_from_its_room_to_its_lock(browser: Browser, site: Desks) -> None:
    homes = [
        site.nations.enrol("Analyst on duty", "cert.example.tn"),
        site.nations.enrol("Malware lead", "cert.example.ma"),
    ]
    with sitting(browser, site.start(homes[0])) as ours, sitting(browser, site.start(homes[1])) as theirs:
        ours.shoot("empty-light")
        calm(ours.page)
        ours.open_room("Port authority ransomware")
        ours.invite("cert.example.ma")
        theirs.page.locator("h1 .title", has_text="Port authority").wait_for()
        _converse(ours, theirs)
        _work(ours, theirs)
        _pictures(ours, theirs)
        _by_keys(ours, theirs)
        _locked(ours, site, homes[0])
        for officer in (ours, theirs):
            assert officer.visit.beyond == []
            assert officer.visit.complaints == []


def _converse(ours: Officer, theirs: Officer) -> None:
    ours.say("Terminal operating system is encrypted at two berths. Beacon to http://cdn-update.example/a")
    theirs.hears("hxxp://cdn-update[.]example/a")
    assert theirs.page.locator("#flow a").count() == 0
    ours.page.get_by_label("Ask for").select_option("3")
    ours.say("The loader is signed for a company in Casablanca. @Malware lead, can you reach them before markets open?")
    asked = theirs.hears("can you reach them")
    asked.get_by_text("has not yet understood it").wait_for()
    asked.get_by_role("button", name="We act").click()
    ours.hears("can you reach them").get_by_text("acting").wait_for()
    expect(asked.locator(".grades")).to_have_count(0)
    theirs.say(REACHED)
    reached = ours.hears("Reached.")
    reached.hover()
    reached.get_by_role("button", name="Reply").click()
    ours.say("Thank you. **Not before 14:00.**")
    theirs.hears("Not before").locator(".reply", has_text="Reached.").wait_for()
    box = theirs.page.locator("textarea.box")
    box.fill("/incidnt close")
    box.press("Enter")
    theirs.page.locator(".toast", has_text="/incident").wait_for()
    assert box.input_value() == "/incidnt close"
    box.fill("")


def _work(ours: Officer, theirs: Officer) -> None:
    ours.say("/incident severity critical")
    ours.say("/incident status containing")
    ours.say("/incident aware 00:00")
    theirs.page.locator(".head .state.critical").wait_for()
    ours.button("Task").click()
    ours.page.locator("#f-what").fill("Revoke the signing certificate")
    ours.page.locator("#f-nation").select_option("cert.example.ma")
    ours.page.locator("#f-until").fill("+2h")
    ours.page.locator("dialog .go").click()
    task = theirs.page.locator(".board .task", has_text="Revoke the signing")
    task.get_by_role("button", name="Take").click()
    ours.page.locator(".board .task", has_text="in progress").wait_for()
    theirs.button("Decision").click()
    theirs.page.locator("#f-what").fill("Sinkhole the three domains at 14:00 UTC, not before")
    theirs.page.locator("dialog .go").click()
    for officer, nation in ((ours, "TN"), (theirs, "MA")):
        officer.page.locator(".board").get_by_role("button", name=f"Agree for {nation}").click()
    ours.page.locator(".board").get_by_role("button", name="Record the outcome").click()
    theirs.page.locator(".board .card", has_text="Adopted.").wait_for()
    ours.button("Joint time").click()
    ours.page.locator("#f-what").fill("Sinkhole the domains")
    ours.page.locator("#f-at").fill("+5h")
    ours.page.locator("dialog .go").click()
    theirs.page.locator(".board").get_by_role("button", name="Acknowledge for MA").click()
    ours.page.locator(".clockline", has_text="acknowledged by 2 of 2").wait_for()


def _pictures(ours: Officer, theirs: Officer) -> None:
    ours.say("نرى 203.0.113.54 أيضا. هل هو عندكم؟")
    theirs.hears("نرى")
    for theme in ("light", "dark"):
        for officer in (ours, theirs):
            officer.wear(theme)
            calm(officer.page)
        ours.shoot(f"wide-{theme}")
    theirs.page.set_viewport_size(PHONE)
    for theme in ("dark", "light"):
        theirs.wear(theme)
        assert overflow(theirs.page) == 0
        theirs.shoot(f"phone-{theme}")
        calm(theirs.page)
    theirs.button("Board").click()
    theirs.shoot("phone-board-light")
    theirs.button("Conversation").click()
    theirs.button("Rooms").click()
    theirs.page.locator(".room").wait_for()
    theirs.shoot("phone-rooms-light")
    calm(theirs.page)
    theirs.page.locator(".room").click()
    _arabic(theirs)


def _arabic(officer: Officer) -> None:
    page = officer.page
    page.context.add_cookies([{"name": "amanah-language", "value": "ar", "url": officer.visit.origin}])
    for theme, size in (("dark", WIDE), ("light", PHONE)):
        page.set_viewport_size(size)
        officer.wear(theme)
        page.reload()
        if size is PHONE:
            page.locator(".room").first.click()
        officer.hears("نرى")
        assert page.locator("html").get_attribute("dir") == "rtl"
        assert overflow(page) == 0
        # Labels are never translated, in whatever language.
        assert page.locator("h1 .tlp").inner_text() == "TLP:AMBER+STRICT"
        officer.shoot(f"ar-{'phone' if size is PHONE else 'wide'}-{theme}")
        calm(page)
    page.context.clear_cookies(name="amanah-language")


def _by_keys(ours: Officer, theirs: Officer) -> None:
    page = ours.page
    page.keyboard.press("Control+k")
    page.locator("dialog.palette input").fill("loader")
    page.locator(".finds li", has_text="The loader is signed").wait_for()
    ours.shoot("find-dark")
    calm(page)
    page.keyboard.press("Enter")
    page.locator("dialog").wait_for(state="detached")
    page.keyboard.press("Control+/")
    page.locator("table.keys").wait_for()
    ours.shoot("keys-dark")
    page.keyboard.press("Escape")
    page.locator("textarea.box").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("k")
    expect(page.locator("#flow article:focus")).to_have_count(1)
    page.keyboard.press("r")
    page.locator(".ribbon", has_text="Reply to").wait_for()
    page.keyboard.press("Escape")
    expect(page.locator(".ribbon")).to_be_hidden()
    labels = page.get_by_label("Label", exact=True)
    labels.select_option("TLP:GREEN")
    page.locator(".ribbon", has_text="Lower the label").wait_for()
    assert labels.input_value() == "TLP:AMBER+STRICT"
    ours.button("Lower it").click()
    assert labels.input_value() == "TLP:GREEN"
    ours.say("typed by keys")
    page.locator("#flow article", has_text="typed by keys").locator(".tlp.green").wait_for()


def _locked(officer: Officer, site: Desks, home: Path) -> None:
    page = officer.page
    page.locator("textarea.box").fill("half a sentence")
    page.wait_for_timeout(1000)
    page.keyboard.press("Control+Shift+L")
    page.get_by_role("heading", name="Locked").wait_for()
    officer.shoot("locked-dark")
    calm(page)
    assert "Port authority" not in page.content()
    assert "half a sentence" not in page.content()
    page.go_back()
    page.wait_for_timeout(300)
    assert "Port authority" not in page.content()
    assert officer.visit.beyond == []
    # The program's second start has a name of its own.
    link = site.start(home)
    officer.visit.origin = link.partition("/#")[0]
    officer.visit.asked.clear()
    page.goto(link)
    page.locator(".room", has_text="Port authority").wait_for()


def test_a_script_that_got_into_the_page_would_be_stopped(browser: Browser, site: Desks) -> None:
    """Whatever `test_hostile` tries: markup does run in such a browser, and the page's policy stops it."""
    with sitting(browser, site.start(site.nations.enrol("Control", "cert.example.tn"))) as ours:
        refused = ours.page.evaluate("try{document.body.innerHTML='<b>x</b>';'written'}catch(error){error.name}")
        assert refused == "TypeError"
        other = ours.visit.context.new_page()
        other.set_content("<p>x</p>")
        assert other.evaluate("document.body.innerHTML='<b>x</b>';'written'") == "written"


def test_a_long_room_scrolls_through_few_entries(browser: Browser, site: Desks) -> None:
    home = site.nations.enrol("Historian", "cert.example.tn")
    with sitting(browser, site.start(home)) as ours:
        ours.open_room("Long", "TLP:GREEN")
        for number in range(200):
            ours.page.locator("textarea.box").fill(f"entry {number}")
            ours.page.keyboard.press("Enter")
            ours.page.locator("textarea.box:placeholder-shown").wait_for()
        ours.hears("entry 199")
        ours.page.reload()
        ours.hears("entry 199")
        assert ours.page.locator("#flow article").count() < 150
        assert ours.page.locator("#flow article", has_text="entry 0").count() == 0
        for _ in range(100):
            ours.page.locator("#flow").evaluate("flow => flow.scrollTop = 0")
            ours.page.wait_for_timeout(300)
            if ours.page.locator("#flow article", has_text="entry 5").first.is_visible():
                break
        ours.hears("entry 5")
        assert ours.page.locator("#flow article").count() < 150
        ours.page.locator("button.jump").click()
        expect(ours.page.locator("#flow article", has_text="entry 199")).to_be_visible()
