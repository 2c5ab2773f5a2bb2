"""What is typed at a desk goes once, to whom it was written for, about what is marked, and is kept apart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from amanah_client.sdk import Client
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label
from amanah_protocol.types import PersonId
from tests.browser.desks import Desks, Officer, desks, sitting
from tests.client.test_sdk import joined

TN, MA = "cert.example.tn", "cert.example.ma"
ANALYST: Final = PersonId(b"analyst on duty.")
T = TypeVar("T")
WRITTEN: Final = "**see** http://a.example/_x_\n- `one`"
LONG: Final = "long " * 2_000 + "the end"

HOOK: Final = """
    globalThis.sent = [];
    globalThis.held = null;
    const { send, addEventListener: listen } = WebSocket.prototype;
    WebSocket.prototype.send = function (data) {
        sent.push(JSON.parse(data));
        return send.call(this, data);
    };
    WebSocket.prototype.addEventListener = function (name, heard) {
        const later = (event) => (held ? held.push(() => heard(event)) : heard(event));
        return listen.call(this, name, name === "message" ? later : heard);
    };
"""
"""Keeps what the page asks for, and holds back what it is told while `held` is a list."""
RELEASE: Final = "(() => { const all = held; held = null; for (const one of all) one(); })()"


def aside(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Do it in a thread: playwright has the loop of this one."""
    with ThreadPoolExecutor() as pool:
        return pool.submit(lambda: asyncio.run(work())).result()


def hook(context: BrowserContext) -> None:
    context.add_init_script(HOOK)


def asked(page: Page, what: str) -> list[dict[str, Any]]:
    """What the page asked for, of one kind."""
    found: list[dict[str, Any]] = page.evaluate("(what) => sent.filter((one) => one.do === what)", what)
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    with desks(tmp_path_factory.mktemp("typing")) as made:
        yield made


@pytest.fixture(scope="module")
def others(site: Desks) -> list[Path]:
    """Two of another nation, without a desk."""
    return [site.nations.enrol(name, MA) for name in ("Malware lead", "Night shift")]


@pytest.fixture(scope="module")
def ours(browser: Browser, site: Desks, others: list[Path]) -> Iterator[Officer]:
    """An officer in two rooms; others have asked for something in the first of them."""
    home = site.nations.enrol("Analyst on duty", TN, subject=ANALYST)
    with sitting(browser, site.start(home), before=hook) as officer:

        async def ask() -> None:
            async with await Client.open(others[0]) as lead, await Client.open(others[1]) as night:
                await lead.online()
                await night.online()
                room = await lead.create_room("Joint", label=Label.AMBER)
                for nation in (TN, MA):
                    await room.invite(nation)
                await joined(night, "Joint")
                for text in ("first question", "second question"):
                    await room.send(Text(text=text, asks=Grade.UNDERSTOOD))
                await room.send(LONG)

        aside(ask)
        officer.page.locator(".room", has_text="Joint").click()
        officer.hears("second question")
        officer.open_room("Other")
        yield officer


def opened(officer: Officer, title: str) -> Page:
    officer.page.locator(".room", has_text=title).click()
    officer.page.locator("h1 .title", has_text=title).wait_for()
    return officer.page


def test_enter_pressed_twice_says_it_once(ours: Officer) -> None:
    page = opened(ours, "Other")
    box = page.locator("textarea.box")
    before = len(asked(page, "type"))
    box.fill("said once")
    page.evaluate("held = []")
    for _ in range(3):
        box.press("Enter")
    # What is typed while it is on its way would be lost with it.
    page.keyboard.type("x")
    assert len(asked(page, "type")) == before + 1
    assert box.input_value() == "said once"
    page.evaluate(RELEASE)
    page.locator("textarea.box:placeholder-shown").wait_for()
    ours.hears("said once")
    expect(page.locator("#flow article", has_text="said once")).to_have_count(1)
    ours.say("and after it")


def test_what_was_chosen_for_one_room_holds_in_no_other(ours: Officer) -> None:
    page = opened(ours, "Other")
    chosen = {"What readers may do with it": "PAP:RED", "How urgent it is": "flash", "Ask for": "3"}
    for name, value in chosen.items():
        page.get_by_label(name).select_option(value)
    usual = {"What readers may do with it": "PAP:AMBER", "How urgent it is": "routine", "Ask for": "0"}
    for title in ("Joint", "Other"):
        opened(ours, title)
        for name, value in usual.items():
            expect(page.get_by_label(name)).to_have_value(value)


def test_a_correction_begins_with_what_was_written_and_leaves_the_draft_alone(ours: Officer) -> None:
    page = opened(ours, "Other")
    ours.say(WRITTEN)
    said = ours.hears("hxxp://a[.]example")
    box = page.locator("textarea.box")
    box.fill("half a draft")

    def correct() -> None:
        said.hover()
        said.get_by_role("button", name="Correct", exact=True).click()
        page.locator(".ribbon", has_text="Correct your message").wait_for()

    correct()
    assert box.input_value() == WRITTEN
    box.fill(f"{WRITTEN} too")
    opened(ours, "Joint")
    assert box.input_value() == ""
    opened(ours, "Other")
    assert box.input_value() == "half a draft"
    correct()
    assert box.input_value() == f"{WRITTEN} too"
    ours.button("Cancel").click()
    assert box.input_value() == "half a draft"
    correct()
    box.fill("/who")
    box.press("Enter")
    page.locator(".toast", has_text="this is a command").wait_for()
    assert box.input_value() == "/who"
    box.fill("**now** it is corrected")
    box.press("Enter")
    ours.hears("now it is corrected")
    expect(box).to_have_value("half a draft")
    kept = {one["text"] for one in asked(page, "draft")}
    assert {text for text in kept if "see" in text or "corrected" in text or "who" in text} == set()
    box.fill("")


def test_a_bare_command_is_about_the_message_that_is_marked_and_says_so(ours: Officer) -> None:
    page = opened(ours, "Joint")
    first, second = ours.hears("first question"), ours.hears("second question")
    box = page.locator("textarea.box")
    box.fill("/ack read")
    # Nothing is marked: the one that asked last.
    page.locator(".ribbon", has_text="second question").wait_for()
    first.locator(".said").click()
    box.focus()
    page.locator(".ribbon", has_text="first question").wait_for()
    ours.shoot("marked-light")
    box.press("Enter")
    first.locator(".acks", has_text="read").wait_for()
    (answered,) = [one["answering"] for one in asked(page, "type") if one["text"] == "/ack read"]
    assert answered == first.get_attribute("data-id") != second.get_attribute("data-id")
    expect(second.locator(".acks .ok")).to_have_count(0)
    expect(page.locator("#flow .marked")).to_have_count(0)
    first.locator(".given summary").click()
    expect(first.locator(".given")).to_contain_text("You: read, ")
    ours.shoot("acknowledged-light")


def test_what_was_begun_for_other_readers_is_looked_at_again(ours: Officer, others: list[Path]) -> None:
    page = opened(ours, "Joint")
    box = page.locator("textarea.box")
    box.fill("for those who read now")
    expect(page.locator(".reads")).to_contain_text("3 devices")

    async def leave() -> None:
        async with await Client.open(others[0]) as lead:
            await lead.online()
            room = lead.room("Joint")
            await room.remove(*room.find_members("Night shift"))

    aside(leave)
    page.locator(".reads.changed", has_text="Changed while you wrote").wait_for()
    ours.shoot("readers-changed-light")
    box.press("Enter")
    page.locator(".toast", has_text="Who can read this room has changed").wait_for()
    assert box.input_value() == "for those who read now"
    expect(page.locator("#flow article", has_text="for those who read now")).to_have_count(0)
    box.press("Enter")
    ours.hears("for those who read now")


def test_a_form_shows_under_what_it_is_sealed_and_who_can_read_it_and_goes_so(ours: Officer) -> None:
    page = opened(ours, "Other")
    page.get_by_label("Label").select_option("TLP:GREEN")
    page.locator(".ribbon .go").click()
    page.get_by_label("What readers may do with it").select_option("PAP:RED")
    page.locator(".adds button", has_text="Task").click()
    dialog = page.locator("dialog")
    expect(dialog.locator(".ofroom")).to_have_text("OtherTLP:GREENPAP:RED")
    expect(dialog.locator(".reads")).to_have_text(page.locator(".compose .reads").inner_text())
    expect(dialog.locator(".reads")).to_contain_text("Readable by")
    ours.shoot("form-light")
    dialog.locator("#f-what").fill("image the disks")
    dialog.locator(".go").click()
    expect(dialog).to_have_count(0)
    (task,) = asked(page, "add_task")
    assert (task["label"], task["pap"]) == ("TLP:GREEN", "PAP:RED")
    card = page.locator("#flow article", has_text="image the disks")
    expect(card).to_contain_text("TLP:GREEN")
    expect(card).to_contain_text("PAP:RED")
    # A word that answers to what is there is sealed as the room is, and its dialog says so.
    card.get_by_role("button", name="Refuse").click()
    expect(dialog.locator(".ofroom")).to_have_text("OtherTLP:AMBER+STRICT")
    expect(dialog.locator(".reads")).to_have_count(0)
    page.keyboard.press("Escape")


def test_whoever_is_removed_is_removed_with_as_many_devices_as_the_question_says(ours: Officer, site: Desks) -> None:
    person = PersonId(bytes(range(16)))
    homes = [site.nations.enrol(f"Field officer {n}", MA, called="Field officer", subject=person) for n in (1, 2)]

    async def connect() -> list[str]:
        async with await Client.open(homes[0]) as one, await Client.open(homes[1]) as other:
            await one.online()
            await other.online()
            return [one.me.hex(), other.me.hex()]

    devices = aside(connect)
    ours.open_room("Field")
    for device in devices:
        ours.invite(device)
    page, people = ours.page, ours.page.locator("#people")
    page.locator("#people .person", has_text="2 devices").wait_for()
    people.get_by_role("button", name="Remove:").click()
    question = page.locator("dialog")
    expect(question).to_contain_text("with 2 devices?")
    ours.shoot("remove-light")
    question.locator(".go").click()
    expect(people.locator(".person")).to_have_count(1)
    (removed,) = asked(page, "remove")
    assert sorted(removed["devices"]) == sorted(devices)


def test_a_device_that_its_officer_lost_is_removed_from_another_one_by_its_digits(ours: Officer, site: Desks) -> None:
    home = site.nations.enrol("Lost laptop", TN, called="Analyst on duty", subject=ANALYST)

    async def connect() -> str:
        async with await Client.open(home) as lost:
            await lost.online()
            return lost.me.hex()

    device = aside(connect)
    ours.open_room("Lost")
    ours.invite(device)
    own = ours.page.locator("#people .person", has_text=f"device {device[:8]}")
    own.hover()
    ours.shoot("lost-device")
    own.get_by_role("button", name="Remove").click()
    question = ours.page.locator("dialog")
    expect(question).to_contain_text(f"device {device[:8]}, with 1 device?")
    question.locator(".go").click()
    expect(ours.page.locator("#people .person")).to_have_count(1)


def test_a_long_text_is_shown_whole_when_it_is_asked_for(ours: Officer) -> None:
    opened(ours, "Joint")
    said = ours.hears("long long")
    expect(said).not_to_contain_text("the end")
    said.get_by_role("button", name="Show all").click()
    expect(said).to_contain_text("the end")
    # It stays open when the room is drawn anew.
    ours.say("another")
    expect(said).to_contain_text("the end")
    assert ours.visit.beyond == []
    assert ours.visit.complaints == []


@pytest.mark.parametrize(
    "fails", ["setTimeout(() => { throw new Error('planted'); })", "void Promise.reject(new Error('planted'))"]
)
def test_what_fails_in_the_page_is_told(ours: Officer, fails: str) -> None:
    page = ours.page
    page.locator(".toast").evaluate_all("all => all.forEach((one) => one.remove())")
    page.evaluate(f"() => {{ {fails} }}")
    expect(page.locator(".toast.trouble")).to_contain_text("This page met a fault")


def test_a_duty_desk_that_is_not_in_the_room_is_not_called_in_silence(ours: Officer) -> None:
    page = ours.page
    box = page.locator("textarea.box")
    before = len(asked(page, "type"))
    box.fill("Wake up @cert.example.zz/duty")
    box.press("Enter")
    expect(page.locator(".toast.trouble")).to_contain_text("@cert.example.zz/duty calls nobody in this room")
    assert len(asked(page, "type")) == before + 1
    expect(box).to_have_value("Wake up @cert.example.zz/duty")
    expect(page.locator("#flow article", has_text="cert.example.zz")).to_have_count(0)
    box.fill("")


def test_a_task_is_taken_back_at_its_card_and_stands_there_as_it_was_asked(ours: Officer) -> None:
    page = opened(ours, "Other")
    ours.say(f"/task {TN} by 2020-01-01T00:00 Look at the wrong disks")
    card = ours.hears("Look at the wrong disks")
    page.locator(".board .task .late").first.wait_for()
    card.hover()
    expect(card.get_by_role("button", name="Correct", exact=True)).to_have_count(0)
    card.get_by_role("button", name="Withdraw", exact=True).click()
    page.locator("#f-reason").fill("the disks are not theirs")
    page.locator("dialog .go").click()
    gone = page.locator("#flow article", has_text="Withdrawn by its author at")
    gone.wait_for()
    expect(gone).to_contain_text("the disks are not theirs")
    expect(page.locator(".board .task.over")).to_contain_text("withdrawn")
    expect(page.locator(".board .task.over button, .board .task .late")).to_have_count(0)
    # What it said opens, and nothing is to be done with it.
    gone.locator("summary").click()
    expect(gone.locator(".before")).to_contain_text("Look at the wrong disks")
    expect(gone.locator(".before button")).to_have_count(0)
    gone.hover()
    expect(gone.get_by_role("button", name="Withdraw", exact=True)).to_have_count(0)
    ours.shoot("withdrawn")
