"""Every page of the console in a real browser: seen, enlarged, printed, reached by keys, and without a script."""

from __future__ import annotations

from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from amanah_client.audit.questions.registry import QUESTIONS
from tests.browser.conftest import SHOTS, Open, Visit, visiting
from tests.client.audit.world import OFFICER_SN, SN
from tests.client.console.told import TOLD

BARE: Final = next(row.index for row in TOLD.rows() if row.entry is None)
PAGES: Final = {
    "overview": "/",
    "entries": "/entries",
    "entries-filtered": f"/entries?kind=alert&nation={SN}",
    "entries-refused": "/entries?kind=nonsense",
    "entry": f"/entry/{TOLD.message}",
    "entry-control": "/entry/4",
    "entry-bare": f"/entry/{BARE}",
    "rooms": "/rooms",
    "room": f"/room/{TOLD.room.hex()}",
    "room-hostile": f"/room/{TOLD.hostile.hex()}",
    "nations": "/nations",
    "nation": f"/nation/{SN}",
    "devices": "/devices",
    "device": f"/device/{OFFICER_SN.id.hex()}",
    "findings": "/findings",
    "plots": "/plots",
    "retention": "/retention",
    "questions": "/questions",
    "question": "/question/who-could-read",
    "question-refused": "/question/who-could-read?ask=1",
    "question-refused-groups": "/question/not-given?ask=1",
    "answer-readers": f"/question/who-could-read?ask=1&message={TOLD.message}",
    "answer-acknowledgements": "/question/acknowledgements?ask=1",
    "answer-membership": "/question/membership?ask=1",
    "answer-exposure": f"/question/exposure?ask=1&device={OFFICER_SN.id.hex()[:12]}",
    "search": "/search?q=nothing",
    "search-receipt": "/search?q=" + "ab" * 200,
    "missing": "/nothing",
    "not-shown": "/entry/99999",
}
THEMES: Final = ("light", "dark")


def shoot(visit: Visit, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    visit.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def overflow(visit: Visit) -> int:
    """CSS pixels by which a page is wider than its window."""
    return int(visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("theme", THEMES)
def test_no_page_has_a_finding_of_axe_and_none_complains(browser: Browser, honest: Open, theme: str) -> None:
    with visiting(
        browser, honest.served, honest.cookies, color_scheme=theme, viewport={"width": 1440, "height": 900}
    ) as visit:
        found = {}
        for name, path in PAGES.items():
            page = visit.go(path)
            shoot(visit, f"{name}-{theme}")
            results = Axe().run(page)
            if results.violations_count:
                found[name] = results.generate_report()
        assert found == {}
        assert visit.complaints == []
        assert visit.beyond == []


@pytest.mark.parametrize("theme", THEMES)
def test_a_broken_record_has_no_finding_of_axe(browser: Browser, broken: Open, theme: str) -> None:
    with visiting(
        browser, broken.served, broken.cookies, color_scheme=theme, viewport={"width": 1440, "height": 900}
    ) as visit:
        for name in ("overview", "entry", "findings", "entries-refused", "answer-readers"):
            page = visit.go(PAGES[name])
            shoot(visit, f"broken-{name}-{theme}")
            results = Axe().run(page)
            assert results.violations_count == 0, results.generate_report()


def test_the_door_has_no_finding_of_axe(browser: Browser, honest: Open) -> None:
    with visiting(browser, honest.served, honest.cookies) as visit:
        visit.context.clear_cookies()
        for theme in THEMES:
            visit.page.emulate_media(color_scheme=theme)
            page = visit.go("/")
            shoot(visit, f"door-{theme}")
            results = Axe().run(page)
            assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize(
    ("width", "height", "scale"), [(390, 844, 1), (320, 640, 1), (720, 450, 2)], ids=["phone", "narrow", "twice"]
)
def test_no_page_is_wider_than_its_window(browser: Browser, honest: Open, width: int, height: int, scale: int) -> None:
    options = {"viewport": {"width": width, "height": height}, "device_scale_factor": scale}
    with visiting(browser, honest.served, honest.cookies, **options) as visit:
        wide = {}
        for name, path in PAGES.items():
            visit.go(path)
            shoot(visit, f"{name}-{width}")
            if found := overflow(visit):
                wide[name] = found
        assert wide == {}


def test_everything_behind_the_door_works_without_a_script(browser: Browser, honest: Open) -> None:
    with visiting(browser, honest.served, honest.cookies, java_script_enabled=False) as visit:
        page = visit.page
        page.get_by_role("link", name="Entries", exact=True).click()
        page.get_by_label("Kind").select_option("alert")
        page.get_by_role("button", name="Show these").click()
        assert "kind=alert" in page.url
        page.locator("table.entries tbody th a").first.click()
        page.get_by_role("heading", name="Three times, kept apart").wait_for()
        page.get_by_role("searchbox", name="Find anything").fill(TOLD.room.hex()[:8])
        page.get_by_role("button", name="Find").click()
        assert page.url == f"{visit.origin}/room/{TOLD.room.hex()}"
        page.get_by_role("link", name="Questions", exact=True).click()
        page.get_by_role("link", name=QUESTIONS["who-could-read"].sentence).click()
        page.get_by_label("message").fill(str(TOLD.message))
        page.get_by_role("button", name="Ask").click()
        assert page.get_by_text("could be read by 4 devices").is_visible()
        page.get_by_role("button", name="Verify again").click()
        page.wait_for_selector(".verdict")


def test_the_console_is_used_by_keys_alone(visit: Visit) -> None:
    page = visit.go("/entries")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0  # type: ignore[index]  # it has one while it is focused
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page = visit.go("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type(str(TOLD.message))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/entry/{TOLD.message}")
    assert page.get_by_role("heading", name=f"Entry {TOLD.message}", exact=True).is_visible()


def test_focus_is_seen_on_everything_that_keys_reach(visit: Visit) -> None:
    for path in ("/", "/entries?kind=alert", f"/entry/{TOLD.message}", "/plots"):
        page = visit.go(path)
        count = 0
        for _ in range(60):
            page.keyboard.press("Tab")
            shown = page.evaluate(
                "(() => { const e = document.activeElement; if (e === document.body) return null;"
                " const s = getComputedStyle(e), b = e.getBoundingClientRect();"
                " return [e.outerHTML.slice(0, 80), s.outlineStyle, parseFloat(s.outlineWidth), b.width]; })()"
            )
            if shown is None:
                break
            count += 1
            assert shown[1] != "none", shown
            assert shown[2] >= 1, shown
            assert shown[3] > 0, shown
        assert count > 10


def test_a_printed_page_has_its_verdict_and_no_controls(visit: Visit) -> None:
    page = visit.go(f"/entry/{TOLD.message}")
    page.emulate_media(media="print")
    shoot(visit, "entry-print")
    assert page.locator(".verdict").is_visible()
    assert page.locator("#proof").is_visible()
    assert not page.locator(".rail").is_visible()
    assert page.pdf().startswith(b"%PDF")


def test_a_bar_of_the_histogram_leads_to_its_entries(visit: Visit) -> None:
    page = visit.go("/entries")
    page.locator("svg.bars a").nth(5).click()
    page.wait_for_url("**/entries?*from=*")
    assert page.locator(".pill").count() == 2


def test_a_tampered_entry_is_seen_at_once(browser: Browser, broken: Open) -> None:
    with visiting(browser, broken.served, broken.cookies, viewport={"width": 1280, "height": 720}) as visit:
        page = visit.page
        for name, path in PAGES.items():
            visit.go(path)
            banner = page.get_by_role("heading", name="THE RECORD DOES NOT HOLD")
            box = banner.bounding_box()
            assert box is not None, name
            assert 0 <= box["y"] < 200, name
            assert page.title().startswith("DOES NOT HOLD"), name
        red = page.evaluate("getComputedStyle(document.querySelector('.verdict')).backgroundColor")
        assert red == "rgb(163, 32, 27)"
        page.get_by_role("link", name=str(TOLD.message), exact=True).first.click()
        assert page.get_by_text("THIS ENTRY DOES NOT STAND IN THE LOG AS IT IS HERE.").is_visible()
