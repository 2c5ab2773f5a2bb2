"""The console in its other languages: whole pages in a real browser, from right to left too, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from amanah_client.language import LANGUAGES, Language, gettext, speaking
from tests.browser.conftest import Open, Serve, Served, Visit, visiting
from tests.browser.test_console import PAGES, overflow, shoot

OTHERS: Final = [code for code in LANGUAGES if code != "en"]
WIDE: Final = {"width": 1440, "height": 900}
PHONE: Final = {"width": 390, "height": 844}
ENGLISH: Final = frozenset({"the", "of", "was", "which", "who", "not"})
"""Words of English sentences that no other language has."""
LEFT: Final = """
    () => {
        const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
        while (walk.nextNode()) {
            const held = walk.currentNode.parentElement.closest("[lang],code,script,bdi,title");
            if (held === null && walk.currentNode.textContent.trim()) found.push(walk.currentNode.textContent);
        }
        return found;
    }"""
"""Text that is not marked as anything else than the language of the page."""


def choose(visit: Visit, code: str) -> Page:
    """Choose a language as its reader does; gives the page."""
    visit.page.locator(f'.tongue[value="{code}"]').first.click()
    visit.page.wait_for_selector(f'html[lang="{code}"]')
    return visit.page


@pytest.fixture(params=OTHERS)
def code(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def translated(browser: Browser, honest: Open, code: str) -> Iterator[Visit]:
    with visiting(browser, honest.served, honest.cookies, viewport=WIDE) as made:
        choose(made, code)
        yield made


def test_no_page_in_another_language_has_a_finding_of_axe(translated: Visit, code: str) -> None:
    found, english = {}, {}
    for name, path in PAGES.items():
        page = translated.go(path)
        shoot(translated, f"{name}-{code}")
        assert page.locator("html").get_attribute("lang") == code
        assert page.locator("html").get_attribute("dir") == Language(code=code).direction
        results = Axe().run(page)
        if results.violations_count:
            found[name] = results.generate_report()
        left = [text for text in page.evaluate(LEFT) if ENGLISH & set(text.lower().split())]
        if left:
            english[name] = left
        assert overflow(translated) == 0, name
    assert found == {}
    assert english == {}
    assert translated.complaints == []


def test_a_broken_record_is_told_in_every_language(browser: Browser, broken: Open, code: str) -> None:
    with visiting(browser, broken.served, broken.cookies, viewport=WIDE) as visit:
        choose(visit, code)
        for name in ("overview", "findings", "entries"):
            visit.go(PAGES[name])
            shoot(visit, f"broken-{name}-{code}")
            assert not Axe().run(visit.page).violations_count
        with speaking(Language(code=code)):
            assert visit.page.locator(".verdict h1").inner_text() == gettext("THE RECORD DOES NOT HOLD")


def test_on_a_phone_nothing_is_cut_off(browser: Browser, honest: Open, code: str) -> None:
    with visiting(browser, honest.served, honest.cookies, viewport=PHONE) as visit:
        choose(visit, code)
        for name, path in PAGES.items():
            visit.go(path)
            shoot(visit, f"{name}-{code}-phone")
            assert overflow(visit) == 0, name


def test_a_language_is_chosen_on_the_page_that_is_read(browser: Browser, honest: Open) -> None:
    with visiting(browser, honest.served, honest.cookies) as visit:
        visit.go(PAGES["entries-filtered"])
        before = visit.page.url
        for code in ("ar", "fr", "en"):
            assert choose(visit, code).url == before
            # The one that is spoken is told as such, and cannot be chosen again.
            assert visit.page.locator('.tongue[aria-current="true"]').all_inner_texts() == [LANGUAGES[code]]


def test_without_a_choice_the_browser_is_asked(browser: Browser, honest: Open) -> None:
    with visiting(browser, honest.served, honest.cookies, locale="ar-TN") as visit:
        assert visit.page.locator("html").get_attribute("lang") == "ar-TN"


def test_the_door_speaks_too(browser: Browser, serve: Serve) -> None:
    served: Served = serve()
    with visiting(browser, served, [], locale="fr-FR", viewport=PHONE) as visit:
        visit.go("/")
        assert visit.page.locator("h1").inner_text() == "Verrouillé"
        choose(visit, "ar")
        shoot(visit, "door-ar")
        assert visit.page.locator("h1").inner_text() == "مقفل"
        assert not Axe().run(visit.page).violations_count


def test_labels_and_names_keep_their_own_direction(browser: Browser, honest: Open) -> None:
    with visiting(browser, honest.served, honest.cookies) as visit:
        page = choose(visit, "ar")
        visit.go("/entries")
        labels = page.locator("main .tlp")
        assert set(labels.all_inner_texts()) <= {"TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"}
        assert labels.first.evaluate("one => getComputedStyle(one).direction") == "ltr"
        assert page.locator("main time").first.evaluate("one => getComputedStyle(one).unicodeBidi") == "isolate"
