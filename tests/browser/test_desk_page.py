"""The desk's page as it is seen: its language, what covers what, and which way each text runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, expect

from amanah_client.effects import PutAlarm
from amanah_client.home import Home, open_profile
from amanah_client.model import Alarm
from amanah_client.refusals import refusal
from tests.browser.desks import PHONE, WIDE, Desks, Officer, desks, sitting
from tests.end_to_end.nations import now_ms


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    with desks(tmp_path_factory.mktemp("desks")) as made:
        yield made


def box(of: Locator) -> tuple[float, float, float, float]:
    """Left, top, right and bottom."""
    found = of.bounding_box()
    assert found is not None
    return found["x"], found["y"], found["x"] + found["width"], found["y"] + found["height"]


def covers(one: Locator, other: Locator) -> bool:
    left, top, right, bottom = box(one)
    x, y, x_end, y_end = box(other)
    return left < x_end and x < right and top < y_end and y < bottom


def test_a_desk_speaks_as_it_was_started_until_its_page_chooses_another_language(
    browser: Browser, site: Desks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMANAH_LANG", "ar")
    link = site.start(site.nations.enrol("Speaker", "cert.example.tn"))
    with sitting(browser, link, lang="", locale="en-GB") as ours:
        page = ours.page
        expect(page.locator("html")).to_have_attribute("lang", "ar")
        page.locator(".rail .tongue", has_text="Fran").click()
        expect(page.locator("html")).to_have_attribute("lang", "fr")
        page.locator(".rail .find", has_text="Tout chercher").or_(page.locator(".rail .me b")).first.wait_for()
        assert page.locator('.rail .tongue[aria-current="true"]').all_inner_texts() == ["Fran\u00e7ais"]


def test_a_browser_that_comes_in_is_refused_nothing(browser: Browser, site: Desks) -> None:
    refused: list[str] = []

    def listen(context: BrowserContext) -> None:
        context.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)

    with sitting(browser, site.start(site.nations.enrol("Visitor", "cert.example.tn")), listen) as ours:
        ours.open_room("Quiet")
        assert refused == []


def test_send_stands_beside_what_is_added_and_a_word_of_the_desk_covers_nothing(browser: Browser, site: Desks) -> None:
    link = site.start(site.nations.enrol("Sender", "cert.example.tn"))
    with sitting(browser, link, viewport={"width": 1366, "height": 768}) as ours:
        page = ours.page
        ours.open_room("Port authority ransomware")
        ours.say("/task cert.example.tn Look at http://evil.example/a")
        send, attach = page.locator(".compose .go"), page.locator(".compose .foot .btn").first
        assert box(send)[1] < box(attach)[3]
        assert box(send)[3] > box(attach)[1]
        ours.shoot("1366")
        page.locator("textarea.box").fill("/incidnt close")
        page.keyboard.press("Enter")
        for size in (None, PHONE):
            if size:
                page.set_viewport_size(size)
                page.locator("textarea.box").press("Enter")
                page.locator(".paneback").first.wait_for()
            page.locator(".toast").wait_for()
            ours.shoot("toast" if size is None else "toast-phone")
            for other in ("h1 .title", "h1 .tlp", ".compose", "#flow"):
                assert not covers(page.locator(".toast"), page.locator(other))


def test_the_press_that_lets_a_page_sound_does_what_is_pressed(browser: Browser, site: Desks) -> None:
    with sitting(browser, site.start(site.nations.enrol("Presser", "cert.example.tn"))) as ours:
        page, silent = ours.page, ours.page.locator(".silent")
        expect(silent).to_be_visible()
        left, top, right, bottom = box(ours.button("New room"))
        page.mouse.move((left + right) / 2, (top + bottom) / 2)
        page.mouse.down()
        page.wait_for_function("navigator.userActivation.hasBeenActive")
        page.wait_for_timeout(500)
        assert box(ours.button("New room"))[1] == top
        page.mouse.up()
        page.locator("#f-title").wait_for()
        expect(silent).to_be_hidden()


def test_what_others_call_something_stands_where_the_page_s_text_does(browser: Browser, site: Desks) -> None:
    with sitting(browser, site.start(site.nations.enrol("Caller", "cert.example.tn")), lang="ar") as ours:
        page = ours.page
        ours.open_room("Port authority ransomware")
        ours.say("/clock action +3d Sinkhole www.evil.example")
        title = page.locator(".board .clockline bdi", has_text="Sinkhole").first
        title.wait_for()
        ours.shoot("rtl-board")
        right = box(page.locator(".board .clockline .clock").first)[2]
        assert abs(box(title)[2] - right) < 2
        expect(title.locator("code.ioc")).to_have_text("www.evil[.]example")
        assert "\u064a" in page.locator(".board .clockline .clock").first.inner_text()
        # Of a long name the beginning is kept, at the side where the page's text begins.
        name = page.locator(".rail .room b").first
        name.evaluate("(one) => (one.textContent = 'Begins here '.repeat(20))")
        assert name.evaluate("(one) => getComputedStyle(one).direction") == "ltr"
        assert name.evaluate("(one) => getComputedStyle(one).textAlign") in {"right", "end"}


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_the_first_note_of_a_room_is_left_from_its_board_where_the_composer_has_no_room_for_it(
    browser: Browser, site: Desks, lang: str
) -> None:
    home = site.nations.enrol(f"Night shift, {lang}", "cert.example.tn")
    with sitting(browser, site.start(home), lang=lang, viewport=PHONE) as ours:
        page = ours.page
        ours.open_room("Harbour")
        expect(page.locator(".compose .adds")).to_be_hidden()
        page.locator(".head .toboard").click()
        part = page.locator(".board section", has=page.get_by_role("heading", name=ours.word("Handover")))
        expect(part).to_contain_text(ours.word("No note for the next shift"))
        ours.shoot(f"note-none-phone-{lang}")
        part.get_by_role("button").click()
        page.locator("#f-text").fill("The sinkhole is agreed")
        page.locator("dialog .go").click()
        expect(part).to_contain_text("The sinkhole is agreed")
        ours.shoot(f"note-left-phone-{lang}")
        assert ours.visit.complaints == []


def _use(ours: Officer, text: str, button: str) -> None:
    said = ours.hears(text)
    said.focus()
    said.get_by_role("button", name=ours.word(button), exact=True).click()


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_a_find_tells_what_was_taken_back_without_its_words_and_leads_to_what_was_corrected(
    browser: Browser, site: Desks, lang: str
) -> None:
    home = site.nations.enrol(f"Searcher, {lang}", "cert.example.tn")
    with sitting(browser, site.start(home), lang=lang) as ours:
        page = ours.page
        ours.open_room("Night")
        ours.say("The loader's password is hunter2")
        ours.say("The loader is signed by a company in Casablanca")
        _use(ours, "hunter2", "Withdraw")
        page.locator("#f-reason").fill("wrong room")
        page.locator("dialog .go").click()
        gone = page.locator("#flow .gone.withdrawn > span")
        gone.wait_for()
        _use(ours, "is signed", "Correct")
        expect(page.locator("textarea.box")).to_have_value("The loader is signed by a company in Casablanca")
        ours.say("The loader is signed twice")
        page.locator("#flow article summary", has_text=ours.word("corrected")).wait_for()
        finds = page.locator(".finds li", has=page.locator(".tlp"))
        for name, size in (("phone", PHONE), ("wide", WIDE)):
            page.set_viewport_size(size)
            page.keyboard.press("Control+k")
            page.locator("dialog.palette input").fill("loader ")
            expect(finds).to_have_count(3)
            expect(finds.nth(0).locator("bdi").last).to_have_text("The loader is signed twice")
            expect(finds.nth(0)).not_to_contain_text(ours.word("corrected"))
            expect(finds.nth(1)).to_contain_text(ours.word("corrected"))
            expect(finds.nth(2).locator(".gone")).to_have_text(gone.inner_text())
            expect(page.locator("dialog.palette")).not_to_contain_text("hunter2")
            ours.shoot(f"found-{name}-{lang}")
            finds.nth(0).click()
            expect(page.locator("#flow article:focus")).to_contain_text("The loader is signed twice")
        assert ours.visit.complaints == []


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_what_this_device_was_refused_stands_apart_from_the_alarms_with_its_room(
    browser: Browser, site: Desks, lang: str
) -> None:
    home = site.nations.enrol(f"Refused, {lang}", "cert.example.tn")
    with sitting(browser, site.start(home), lang=lang) as ours, open_profile(Home(home), str) as profile:
        page, store = ours.page, profile.store
        ours.open_room("Night")
        (room,) = (row.room for row in store.rooms())
        heads, rows = page.locator("dialog h2"), page.locator("dialog li")
        store.add_alarm(refusal(now_ms(), "LABEL", "TLP:RED is above TLP:AMBER", room=room, what="a message"))
        ours.say("All calm")
        ours.button("Refused here").click()
        expect(heads).to_have_text([ours.word("Refused here")])
        expect(rows).to_have_count(1)
        expect(rows.locator("b")).to_have_text("Night")
        page.keyboard.press("Escape")
        alarm = Alarm(at_ms=now_ms(), code="GAP", room=room, detail="the relay withheld an entry")
        store.commit((PutAlarm(alarm=alarm),))
        ours.say("Not calm any more")
        alarms = page.locator(".rail button", has_text=ours.word("Alarms"))
        expect(alarms).to_have_text(f"{ours.word('Alarms')} (1)")
        alarms.click()
        expect(heads).to_have_text([ours.word("Alarms"), ours.word("Refused here")])
        expect(rows).to_contain_text(["withheld an entry", "TLP:RED is above"])
        for name, size in (("wide", WIDE), ("phone", PHONE)):
            page.set_viewport_size(size)
            ours.shoot(f"alarms-{name}-{lang}")
        assert ours.visit.complaints == []
