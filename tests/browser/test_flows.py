"""What takes an officer more than one step, at two real desks: a drill by a template, what rings, goes on and ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from amanah_client.home import Home, ProfileLock
from amanah_protocol.labels import Label
from tests.browser.desks import PHONE, WIDE, Desks, Officer, sitting
from tests.end_to_end.nations import Nations, amanah

NAMES: Final = ("cert.example.tn", "cert.example.ma", "cert.example.sn")
ROTA: Final = """
[waits]
desk_seconds = 600
[[person]]
name = "Analyst by night"
hooks = [{ command = ["/bin/true"] }]
[backup]
name = "Backup team"
hooks = [{ mail = "backup@cert.example.ma" }]
[mail]
sender = "amanah@cert.example.ma"
"""
AWAY: Final = """
window.told = [];
window.Notification = class { static permission = "granted"; constructor(text) { window.told.push(text); } };
Object.defineProperty(document, "hidden", { get: () => window.away === true });
"""
"""A desktop that shows what it is told, and a page that can be looked away from."""


COPY: Final = """
(chosen) => {
    getSelection().selectAllChildren(chosen);
    let given = "";
    addEventListener("copy", (event) => {
        given = event.clipboardData.getData("text/plain") || getSelection().toString();
    }, { once: true });
    document.execCommand("copy");
    getSelection().removeAllRanges();
    return given;
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    made = Desks(nations=Nations(tmp_path_factory.mktemp("flows"), NAMES))
    made.nations.relay.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def homes(site: Desks) -> tuple[Path, Path]:
    """Two officers, who come in; a third one has connected once, and is certified for little."""
    low = site.nations.enrol("Low", "cert.example.sn", ceiling=Label.GREEN)
    found = (
        site.nations.enrol("Analyst on duty", "cert.example.tn"),
        site.nations.enrol("Malware lead", "cert.example.ma"),
    )
    (found[1] / "paging.toml").write_text(ROTA)
    for home in (low, *found):
        assert amanah(home, "room", "list").code == 0
    return found


def calm(page: Page) -> None:
    """No finding of axe."""
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def overflow(page: Page) -> int:
    """How far the page, or what stands over it, is wider than there is room for."""
    return int(
        page.evaluate(
            "Math.max(...[document.documentElement, ...document.querySelectorAll('dialog, .ring, .pending, .head')]"
            ".map((one) => one.scrollWidth - one.clientWidth))"
        )
    )


def pictures(officer: Officer, name: str) -> None:
    """Of what stands over the page or in it: light, dark, and on a telephone."""
    page = officer.page
    for theme, size in (("light", WIDE), ("dark", WIDE), ("dark", PHONE), ("light", PHONE)):
        page.set_viewport_size(size)
        officer.wear(theme)
        officer.shoot(f"{name}-{'phone' if size is PHONE else 'wide'}-{theme}")
        assert overflow(page) == 0
        if (theme == "light") is (size is WIDE):
            calm(page)
    page.set_viewport_size(WIDE)


def in_arabic(officer: Officer) -> None:
    officer.page.context.add_cookies([{"name": "amanah-language", "value": "ar", "url": officer.visit.origin}])
    officer.page.reload()
    officer.page.locator(".rail .me b").wait_for()


def in_english(officer: Officer) -> None:
    officer.page.context.clear_cookies(name="amanah-language")
    officer.page.reload()
    officer.page.locator(".rail .me b").wait_for()


def board(officer: Officer) -> Locator:
    return officer.page.locator(".board")


def test_a_drill_is_opened_by_a_template_rings_and_is_signed_off(
    browser: Browser, site: Desks, homes: tuple[Path, Path]
) -> None:
    with sitting(browser, site.start(homes[0])) as ours, sitting(browser, site.start(homes[1])) as theirs:
        theirs.page.add_init_script(AWAY)
        theirs.page.reload()
        theirs.page.locator(".rail .me b").wait_for()
        _open_by_template(ours)
        _invites(ours)
        _says_that_it_is_a_drill(ours, theirs)
        _rings(ours, theirs, homes[1])
        _goes_on(ours)
        _history(ours)
        _waits(ours)
        _ends(ours, theirs)
        for officer in (ours, theirs):
            assert officer.visit.beyond == []
            assert officer.visit.complaints == []


def _fill(officer: Officer) -> Locator:
    page = officer.page
    officer.button("New room").click()
    dialog = page.locator("dialog")
    page.locator("#f-template").select_option("ransomware")
    assert page.locator("#f-label").input_value() == "TLP:AMBER+STRICT"
    page.locator("#f-title").fill("Hospital group")
    page.locator("#f-nation-MA").check()
    page.locator("#f-nation-MA-role").select_option("affected")
    page.locator("#f-drill").check()
    page.locator(".preview .drill").wait_for()
    return dialog


def _open_by_template(ours: Officer) -> None:
    page = ours.page
    dialog = _fill(ours)
    expect(page.locator("#f-nation-SN")).to_be_disabled()
    expect(dialog.get_by_text("certified up to TLP:GREEN")).to_be_visible()
    expect(page.locator(".preview")).to_contain_text("Say how many systems are hit")
    expect(page.locator(".preview")).to_contain_text("affected: @cert.example.ma")
    pictures(ours, "flows-template")
    page.keyboard.press("Escape")
    expect(ours.button("New room")).to_be_focused()
    in_arabic(ours)
    page.locator("button.new").click()
    page.locator("#f-template").select_option("ransomware")
    page.locator("#f-title").fill("مجموعة المستشفيات")
    page.locator("#f-drill").check()
    page.locator(".preview .drill").wait_for()
    ours.shoot("flows-template-ar")
    calm(page)
    page.keyboard.press("Escape")
    in_english(ours)
    _fill(ours)
    page.locator("#f-title").press("Enter")
    page.locator("h1 .title", has_text="Hospital").wait_for()
    ours.hears("affected: @cert.example.ma (has victims of the same campaign)")


def _invites(ours: Officer) -> None:
    """Nobody is left whom the room may reach: who it may not is named with the reason, and nothing is filled in."""
    page = ours.page
    page.locator("#people li", has_text="cert.example.ma").wait_for()
    ours.button("Invite").click()
    dialog = page.locator("dialog")
    expect(dialog.locator(".whynot")).to_contain_text("cert.example.sn")
    expect(dialog.locator(".whynot")).to_contain_text("certified up to TLP:GREEN")
    expect(dialog.locator("#f-whom")).to_have_value("")
    expect(dialog.locator("datalist option")).to_have_count(0)
    pictures(ours, "flows-invite")
    page.keyboard.press("Escape")


def _says_that_it_is_a_drill(ours: Officer, theirs: Officer) -> None:
    theirs.page.locator(".room", has_text="Hospital").click()
    theirs.page.locator(".board .task", has_text="Say how many systems").wait_for()
    ours.say("All of it is encrypted")
    message = theirs.hears("All of it is encrypted")
    for officer in (ours, theirs):
        page = officer.page
        expect(page.locator(".drillstrip")).to_have_text("DRILL: this room is an exercise. Nothing in it is real.")
        expect(page.locator(".head .drill")).to_have_text("DRILL")
        expect(page.locator(".room .drill")).to_have_text("DRILL")
        assert page.title().startswith("DRILL: ")
        assert page.locator("textarea.box").get_attribute("placeholder") == "DRILL. Write to this room: Hospital group"
    expect(message.locator(".drill")).to_have_text("DRILL")
    for article in theirs.page.locator("#flow article").all():
        expect(article.locator(".drill").first).to_have_text("DRILL")
        assert (article.get_attribute("aria-label") or "").startswith("DRILL, ")
    assert _copies(message.locator(".said")) == "DRILL: All of it is encrypted"
    assert _copies(message).count("DRILL") == 1
    ours.say("THIS IS NOT A DRILL")
    assert _copies(theirs.hears("NOT A DRILL").locator(".said")) == "DRILL: THIS IS NOT A DRILL"
    pictures(theirs, "flows-drill")
    in_arabic(theirs)
    expect(theirs.page.locator(".drillstrip")).to_contain_text("تمرين")
    assert theirs.page.title().startswith("تمرين")
    theirs.shoot("flows-drill-ar")
    calm(theirs.page)
    in_english(theirs)
    theirs.hears("All of it is encrypted")


def _copies(chosen: Locator) -> str:
    """What goes to the clipboard where this is chosen."""
    return str(chosen.evaluate(COPY)).strip()


def _rings(ours: Officer, theirs: Officer, home: Path) -> None:
    page, others = theirs.page, ProfileLock(Home(home), Home(home).sounding_lock)
    page.evaluate("window.away = true")
    ours.page.get_by_label("How urgent it is").select_option("flash")
    ours.page.get_by_label("What readers may do with it").select_option("PAP:RED")
    ours.say("Name what is lost")
    bar = page.locator("#ring")
    bar.get_by_text("Flash from Analyst on duty, in Hospital group").wait_for()
    page.wait_for_function("window.told.length > 0")
    assert set(page.evaluate("window.told")) <= {
        "Amanah: DRILL, an exercise waits for an answer",
        "Amanah: DRILL, something arrived in an exercise",
    }
    page.evaluate("window.away = false")
    expect(bar.locator(".drill")).to_have_text("DRILL")
    expect(bar).to_contain_text("This desk rings. Next: Analyst by night at ")
    expect(bar.locator(".left")).to_contain_text("left")
    expect(bar.locator(".tlp, .pap, .begins")).to_have_text(["TLP:AMBER+STRICT", "PAP:RED", "Name what is lost"])
    expect(ours.page.locator("#ring")).to_be_hidden()
    _sounds_once_it_was_touched(theirs)
    assert not others.acquire()
    bar.get_by_role("button", name="Show the message").click()
    expect(page.locator("#flow article:focus")).to_contain_text("Name what is lost")
    bar.get_by_role("button", name="Mute for 5 minutes").click()
    expect(page.locator("body[data-sounding]")).to_have_count(0)
    _is_given(others)
    bar.get_by_text("Muted for 4:").wait_for()
    ours.page.get_by_label("How urgent it is").select_option("immediate")
    ours.say("And who does it")
    # Whoever muted what rang has not heard of this one.
    page.locator("body[data-sounding]").wait_for()
    assert not others.acquire()
    expect(bar.locator(".rings")).to_have_count(2)
    pictures(theirs, "flows-ringing")
    in_arabic(theirs)
    page.locator("#ring .rings").first.wait_for()
    theirs.shoot("flows-ringing-ar")
    calm(page)
    in_english(theirs)
    bar.locator(".rings").nth(1).wait_for()
    for left in (1, 0):
        bar.get_by_role("button", name="Understood for MA").first.focus()
        page.keyboard.press("Enter")
        expect(bar.locator(".rings")).to_have_count(left)
    expect(bar).to_be_hidden()
    ours.hears("Name what is lost").get_by_text("understood").first.wait_for()
    theirs.button("Duty").click()
    dialog = page.locator("dialog")
    expect(dialog).to_contain_text("On duty: Analyst by night.")
    expect(dialog.locator(".steps")).to_contain_text("mail to backup@cert.example.ma")
    expect(dialog.locator(".timeline li", has_text="this desk: a device rang")).to_have_count(2)
    expect(dialog.locator(".timeline li", has_text="Malware lead answered: understood")).to_have_count(2)
    pictures(theirs, "flows-duty")
    page.keyboard.press("Escape")
    expect(theirs.button("Duty")).to_be_focused()


def _is_given(right: ProfileLock) -> None:
    """A terminal could sound now."""
    until_s = time.monotonic() + 10
    while not right.acquire():
        assert time.monotonic() < until_s, "a page that is mute keeps others silent"
        time.sleep(0.05)
    right.release()


def _sounds_once_it_was_touched(theirs: Officer) -> None:
    page, silent = theirs.page, theirs.page.locator(".silent")
    expect(silent).to_contain_text("This page is silent")
    pictures(theirs, "flows-silent")
    expect(page.locator("body[data-sounding]")).to_have_count(0)
    silent.get_by_role("button", name="Turn sound on").click()
    page.locator("body[data-sounding]").wait_for()
    expect(silent).to_be_hidden()


def _tool(officer: Officer, text: str, name: str) -> None:
    article = officer.hears(text)
    article.hover()
    article.get_by_role("button", name=name, exact=True).click()


def _goes_on(ours: Officer) -> None:
    page = ours.page
    for title, drill in (("Payment portals", False), ("Another exercise", True)):
        ours.button("New room").click()
        page.locator("#f-title").fill(title)
        page.locator("#f-label").select_option("TLP:RED")
        page.locator("#f-drill").set_checked(drill)
        ours.button("Open the room").click()
        page.locator("h1 .title", has_text=title[:5]).wait_for()
        # Nothing is forwarded there until the relay has taken it: the list says so long that it is being opened.
        expect(page.locator(".room", has_text=title)).to_contain_text("1 nation")
    page.locator(".room", has_text="Hospital").click()
    _tool(ours, "All of it is encrypted", "Forward")
    dialog = page.locator("dialog")
    expect(dialog.locator("#f-to option")).to_have_text(["DRILL Another exercise (TLP:RED)"])
    assert dialog.locator("#f-label option").all_inner_texts() == ["TLP:AMBER+STRICT", "TLP:RED"]
    dialog.locator("summary").click()
    expect(dialog.locator(".whynot")).to_contain_text("Payment portals")
    expect(dialog.locator(".whynot")).to_contain_text("in a drill does not go into a room that is real")
    pictures(ours, "flows-forward")
    dialog.locator("#f-note").fill("As we trained it")
    dialog.locator(".go").click()
    page.locator(".room", has_text="Another exercise").click()
    page.locator("#flow article", has_text="As we trained it").wait_for()
    page.locator(".room", has_text="Payment portals").click()
    expect(page.locator(".drillstrip")).to_be_hidden()
    assert not page.title().startswith("DRILL")
    page.locator(".room", has_text="Hospital").click()


def _history(ours: Officer) -> None:
    page = ours.page
    ours.hears("All of it is encrypted")
    board(ours).get_by_role("button", name="Give history").click()
    dialog = page.locator("dialog")
    expect(dialog.locator(".preview")).to_contain_text("messages will be given")
    _names_its_room(dialog)
    pictures(ours, "flows-history")
    page.keyboard.press("Escape")
    expect(board(ours).get_by_role("button", name="Give history")).to_be_focused()


def _waits(ours: Officer) -> None:
    page = ours.page
    board(ours).get_by_role("button", name="Invite").click()
    page.locator("#f-whom").fill("cert.example.nowhere")
    page.locator("dialog .go").click()
    strip = page.locator(".pending", has_text="Invitation of cert.example.nowhere")
    expect(strip).to_contain_text("is not in the community's roster")
    ours.button("To look at (1)").click()
    expect(page.locator("dialog .waits")).to_contain_text("Hospital group")
    pictures(ours, "flows-waiting")
    page.keyboard.press("Escape")
    expect(ours.button("To look at (1)")).to_be_focused()
    strip.get_by_role("button", name="Seen").click()
    expect(page.locator(".pending")).to_be_hidden()
    expect(ours.button("To look at (1)")).to_have_count(0)


def _ends(ours: Officer, theirs: Officer) -> None:
    page = ours.page
    box = page.locator("textarea.box")
    box.fill("/attach")
    with page.expect_file_chooser():
        box.press("Enter")
    for command, shows in (("/export", "Report"), ("/save", "Files")):
        box.fill(command)
        box.press("Enter")
        expect(page.locator("dialog h2")).to_have_text(shows)
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)
    box.fill("/close 3")
    box.press("Enter")
    expect(page.locator("#f-days")).to_have_value("3")
    dialog = page.locator("dialog")
    _names_its_room(dialog)
    expect(dialog.locator(".left li")).to_have_count(8)
    page.set_viewport_size(PHONE)
    expect(dialog.locator(".go")).to_be_in_viewport()
    pictures(ours, "flows-close")
    page.keyboard.press("Escape")
    _shows_what_is_open_before_it_is_closed(ours)
    board(ours).get_by_role("button", name="Close the room, and ask to sign").click()
    page.locator("dialog .go").click()
    for officer, nation in ((ours, "TN"), (theirs, "MA")):
        board(officer).get_by_role("button", name=f"Sign for {nation}").click()
        officer.page.locator("dialog .go").click()
        expect(board(officer).locator(".signers")).to_contain_text(f"{nation} signed")
    pictures(theirs, "flows-signed")
    board(theirs).get_by_role("button", name="Record the closing").click()
    expect(page.locator(".head")).to_contain_text("Closed and signed off by MA and TN.")
    expect(page.locator(".room", has_text="Hospital")).to_contain_text("signed off")
    expect(page.locator(".closednote")).to_contain_text("This room is closed")
    expect(board(ours).locator(".clockline .ended")).to_have_count(3)
    expect(board(ours).locator(".clock")).to_have_count(0)
    pictures(ours, "flows-closed")


def _names_its_room(dialog: Locator) -> None:
    expect(dialog.locator(".ofroom")).to_have_text("DRILLHospital groupTLP:AMBER+STRICT")
    assert (dialog.get_attribute("aria-label") or "").startswith("DRILL, ")


def _shows_what_is_open_before_it_is_closed(ours: Officer) -> None:
    page, dialog = ours.page, ours.page.locator("dialog")
    board(ours).get_by_role("button", name="Change").click()
    expect(dialog.locator(".left")).to_have_count(0)
    page.locator("#f-status").select_option("closed")
    expect(dialog.locator(".left li")).to_have_count(8)
    page.locator("#f-status").select_option("triage")
    expect(dialog.locator(".left")).to_have_count(0)
    page.keyboard.press("Escape")
    box = page.locator("textarea.box")
    box.fill("/incident close")
    box.press("Enter")
    expect(dialog.locator(".left li")).to_have_count(8)
    _names_its_room(dialog)
    pictures(ours, "flows-left-open")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(box).to_have_value("/incident close")
    expect(page.locator(".head")).to_contain_text("Triage")
    box.fill("")
