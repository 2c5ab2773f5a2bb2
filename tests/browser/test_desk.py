"""A desk in a real browser: worked by keys, over a long room, and what its policy stops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.desks import Desks, Officer, desks, sitting

REACHED: Final = (
    "Reached. Revocation is under way:\n```\nrule loader { condition: true }\n```\n"
    "- hash `d41d8cd98f00b204e9800998ecf8427e`"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    with desks(tmp_path_factory.mktemp("desks")) as made:
        yield made


def test_a_desk_is_worked_by_keys(browser: Browser, site: Desks) -> None:
    homes = [
        site.nations.enrol("Analyst on duty", "cert.example.tn"),
        site.nations.enrol("Malware lead", "cert.example.ma"),
    ]
    with sitting(browser, site.start(homes[0])) as ours, sitting(browser, site.start(homes[1])) as theirs:
        ours.open_room("Port authority ransomware")
        ours.invite("cert.example.ma")
        theirs.page.locator("h1 .title", has_text="Port authority").wait_for()
        _answer(ours, theirs)
        _by_keys(ours)
        for officer in (ours, theirs):
            assert officer.visit.beyond == []
            assert officer.visit.complaints == []


def _answer(ours: Officer, theirs: Officer) -> None:
    ours.say("The loader is signed for a company in Casablanca. Its page: http://cdn-update.example/a")
    assert theirs.hears("hxxp://cdn-update[.]example/a").locator("a").count() == 0
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


def _by_keys(ours: Officer) -> None:
    page = ours.page
    page.keyboard.press("Control+k")
    page.locator("dialog.palette input").fill("loader")
    page.locator(".finds li", has_text="The loader is signed").wait_for()
    page.keyboard.press("Enter")
    page.locator("dialog").wait_for(state="detached")
    page.keyboard.press("Control+/")
    page.locator("table.keys").wait_for()
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
