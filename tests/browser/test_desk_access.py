"""The desk enlarged, without motion, and read aloud: WCAG 2.2, 1.3.1, 1.3.2, 1.4.4, 1.4.10 and 2.3.3, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.desks import WIDE, Desks, Officer, desks, sitting

TN: Final = "cert.example.tn"
NARROW: Final[ViewportSize] = {"width": 320, "height": 640}
"""A window of 1280 at 400 %: what nothing may be lost in, and what scrolls in one direction (1.4.10)."""
TWICE: Final[ViewportSize] = {"width": 640, "height": 360}
"""A window of 1280 x 720 at 200 % (1.4.4); pixels are doubled beside it, which is what a browser's zoom does."""
SAID: Final = (
    "The terminal system is encrypted at two berths. Beacon to http://cdn-update.example/" + "a" * 120,
    "نرى 203.0.113.54 أيضا في شبكتنا. هل هو عندكم؟",
    f"Hash `{'d41d8cd98f' * 6}`, and:\n- one\n- two",
    "/incident severity critical",
    f"/task {TN} by +2h Revoke the signing certificate of the terminal system, and say so to the port authority",
    "/decide by +1h Sinkhole the three domains, not before the joint time",
    "/clock action +5h Sinkhole the domains",
    "/handover Netflow is asked for, its deadline is on the board.",
)

LOST: Final = """
    (within) => {
        const lost = [], ARROW_PX = 16;
        const name = (one) => (one.getAttribute('aria-label') || one.textContent || one.className).trim().slice(0, 40);
        const root = document.querySelector(within);
        const reached = 'a[href],button,input:not([type=file]),select,textarea,summary';
        for (const one of root.querySelectorAll(reached)) {
            if (one.disabled || !one.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
            if (one.matches('.skip')) continue;  // beside the page until it has the focus
            one.scrollIntoView({block: 'center', inline: 'nearest'});
            const box = one.getBoundingClientRect();
            if (box.left < -1 || box.right > innerWidth + 1) lost.push(`${name(one)}: beside the window`);
            const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
            const top = document.elementFromPoint(x, y);
            if (!top || !(one.contains(top) || top.contains(one) || top.closest('label')?.control === one))
                lost.push(`${name(one)}: under ${top ? top.tagName + '.' + top.className : 'the edge'}`);
            const chosen = one.selectedOptions?.[0].textContent;
            if (chosen?.startsWith('TLP:')) {
                const style = getComputedStyle(one), pen = document.createElement('canvas').getContext('2d');
                pen.font = style.font;
                const takes = pen.measureText(chosen).width + parseFloat(style.paddingInlineStart) + ARROW_PX;
                if (takes > one.clientWidth) lost.push(`${chosen}: cut off`);
            }
            if (one.matches('button') && one.scrollWidth > one.clientWidth + 1) lost.push(`${name(one)}: cut off`);
        }
        for (const one of [document.documentElement, root, ...root.querySelectorAll('*')]) {
            const how = getComputedStyle(one).overflowX;
            if (one.matches('pre, textarea, .code') || !['auto', 'scroll', 'visible'].includes(how)) continue;
            if (how === 'visible' && one !== document.documentElement) continue;
            if (one.scrollWidth > one.clientWidth + 1) lost.push(`${name(one)}: scrolls sideways`);
        }
        return lost;
    }"""
"""What of a part of the page cannot be reached, or is read by scrolling in two directions.

Lines of code keep their places in a box of their own, as 1.4.10 lets them.
"""
MOVES: Final = """
    () => {
        const still = (one, part) => {
            const style = getComputedStyle(one, part);
            const none = (text) => text.split(',').every((of) => parseFloat(of) === 0);
            return style.animationName === 'none' && none(style.transitionDuration);
        };
        const moving = (one) => [null, '::before', '::after'].some((part) => !still(one, part));
        return [...document.querySelectorAll('*')].filter(moving).map((one) => `${one.tagName}.${one.className}`);
    }"""
RUNS: Final = "document.getAnimations().length"
URGENT: Final = """
    () => {
        const badge = Object.assign(document.createElement('span'), {className: 'badge page', textContent: '1'});
        document.querySelector('.rail .room').append(badge);
    }"""
"""What moves most while something rings, without anything that rings."""


@dataclass(frozen=True, kw_only=True)
class Worked:
    """A desk with an incident in it: a new link comes in for each language.

    Attributes:
        site: Its programs.
        home: Its profile.
    """

    site: Desks
    home: Path

    def link(self) -> str:
        return self.site.new_link(self.home)


@pytest.fixture(scope="module")
def worked(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worked]:
    with desks(tmp_path_factory.mktemp("access")) as site:
        home = site.nations.enrol("Analyst on duty", TN)
        with sitting(browser, site.start(home)) as ours:
            ours.open_room("Port authority ransomware")
            for line in SAID:
                ours.say(line)
            ours.hears("Netflow")
        yield Worked(site=site, home=home)


def settled(officer: Officer) -> Page:
    """The page with its room open."""
    page = officer.page
    page.set_viewport_size(WIDE)
    page.locator(".rail .room").first.click()
    officer.hears("Netflow")
    page.locator(".board .task").first.wait_for()
    return page


# ---- enlarged


@pytest.mark.parametrize("lang", ["en", "ar"])
@pytest.mark.parametrize(("size", "ratio"), [(NARROW, 1), (TWICE, 2)], ids=["narrow", "twice"])
def test_enlarged_nothing_is_lost_and_nothing_scrolls_both_ways(
    browser: Browser, worked: Worked, size: ViewportSize, ratio: int, lang: str
) -> None:
    with sitting(browser, worked.link(), lang=lang, device_scale_factor=ratio) as ours:
        page, found = settled(ours), dict[str, list[str]]()
        page.set_viewport_size(size)
        for pane, part in (("rooms", ".rail"), ("room", "main"), ("board", ".board")):
            page.evaluate("(pane) => { document.body.dataset.pane = pane; }", pane)
            found[pane] = page.evaluate(LOST, part)
            ours.shoot(f"access-{pane}-{lang}-{size['width']}")
        # What is read is read in a part of the window that is worth it.
        page.evaluate("document.body.dataset.pane = 'room'")
        assert page.locator("#flow").evaluate("(flow) => flow.clientHeight") >= 64
        ours.say("/help")
        found["/help"] = _dialog(page)
        page.keyboard.press("Control+k")
        page.locator("dialog.palette input").fill("terminal")
        page.locator(".finds li time").first.wait_for()
        found["palette"] = _dialog(page)
        for name in ("Invite", "Report", "Timeline", "Files"):
            page.evaluate("document.body.dataset.pane = 'board'")
            ours.button(name).first.click()
            found[name] = _dialog(page)
        page.evaluate("document.body.dataset.pane = 'rooms'")
        for name in ("New room", "Keys"):
            ours.button(name).first.click()
            if name == "New room":
                page.locator("#f-template").select_option("ransomware")
                page.locator(".preview .made").first.wait_for()
            ours.shoot(f"access-{name.lower().replace(' ', '-')}-{lang}-{size['width']}")
            found[name] = _dialog(page)
        assert {name: lost for name, lost in found.items() if lost} == {}


def _dialog(page: Page) -> list[str]:
    page.locator("dialog[open]").wait_for()
    lost: list[str] = page.evaluate(LOST, "dialog[open]")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    return lost


@pytest.mark.parametrize(
    ("spoilt", "says"),
    [
        (".board{inline-size:480px!important}", "beside the window"),
        ("select.tlp{flex:none!important;inline-size:90px!important;min-inline-size:0!important}", "cut off"),
        (".flow{white-space:nowrap} .flow *{white-space:nowrap!important}", "scrolls sideways"),
        (".head{position:fixed;inset:0;z-index:9}", "under"),
    ],
)
def test_a_page_that_loses_something_is_noticed(browser: Browser, worked: Worked, spoilt: str, says: str) -> None:
    with sitting(browser, worked.link()) as ours:
        page = settled(ours)
        page.set_viewport_size(NARROW)
        pane, part = ("board", ".board") if ".board" in spoilt else ("room", "main")
        page.evaluate("(pane) => { document.body.dataset.pane = pane; }", pane)
        page.evaluate("(text) => document.adoptedStyleSheets.push(sheet(text))".replace("sheet(text)", _SHEET), spoilt)
        assert any(says in one for one in page.evaluate(LOST, part))


_SHEET: Final = "(() => { const made = new CSSStyleSheet(); made.replaceSync(text); return made; })()"


# ---- without motion


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves_for_who_wants_no_motion(browser: Browser, worked: Worked, motion: str) -> None:
    with sitting(browser, worked.link(), reduced_motion=motion) as ours:
        page = settled(ours)
        page.evaluate(URGENT)
        page.evaluate("document.body.dataset.sounding = ''")
        page.locator(".rail .room").first.hover()
        moves, runs = page.evaluate(MOVES), page.evaluate(RUNS)
        if motion == "reduce":
            assert (moves, runs) == ([], 0)
        else:  # the control: there is something that would move
            assert any("badge" in one for one in moves)
            assert any("BUTTON" in one for one in moves)
            assert runs > 0


# ---- read aloud


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a screen reader is told of, one after the other."""

    role: str
    name: str
    level: int = 0
    depth: int = 0


def heard(page: Page) -> list[Heard]:
    """The tree of accessibility, from its root, as it is read."""
    session = page.context.new_cdp_session(page)
    nodes: list[dict[str, Any]] = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    known = {node["nodeId"]: node for node in nodes}

    def read(node: dict[str, Any], depth: int) -> Iterator[Heard]:
        if not node.get("ignored"):
            level = next((one["value"]["value"] for one in node.get("properties", ()) if one["name"] == "level"), 0)
            name = node.get("name", {}).get("value", "")
            yield Heard(role=node["role"]["value"], name=name, level=level, depth=depth)
        for child in node.get("childIds", ()):
            if child in known:
                yield from read(known[child], depth + 1)

    return list(read(nodes[0], 0))


@pytest.mark.parametrize("lang", ["en", "ar"])
def test_it_is_read_in_the_order_in_which_it_is_seen(browser: Browser, worked: Worked, lang: str) -> None:
    with sitting(browser, worked.link(), lang=lang) as ours:
        page = settled(ours)
        told = heard(page)
        landmarks = [one for one in told if one.role in {"navigation", "main", "complementary"}]
        assert [one.role for one in landmarks] == ["navigation", "main", "complementary"]
        assert all(one.name for one in landmarks if one.role != "main")
        # Side by side, from where the language begins; and below each other in the middle.
        lefts = [_box(page, part)["x"] for part in (".rail", "main", ".board")]
        assert lefts == sorted(lefts, reverse=lang == "ar")
        tops = [_box(page, part)["y"] for part in (".head", "#flow", ".compose")]
        assert tops == sorted(tops)
        _entries_in_order(page, told)
        _headings_in_order(told, landmarks)


def _box(page: Page, part: str) -> Any:  # noqa: ANN401 - of its own type in playwright
    found = page.locator(part).first.bounding_box()
    assert found is not None
    return found


def _entries_in_order(page: Page, told: list[Heard]) -> None:
    """Entries are read as they stand below each other, which is the order of the room."""
    seen = page.locator("#flow article").evaluate_all(
        "(all) => all.map((one) => [one.getBoundingClientRect().top, +one.dataset.seq, one.getAttribute('aria-label')])"
    )
    assert len(seen) == len(SAID)
    assert seen == sorted(seen)
    assert [place for _top, place, _name in seen] == sorted(place for _top, place, _name in seen)
    assert [one.name for one in told if one.role == "article"] == [name for _top, _place, name in seen]


def _headings_in_order(told: list[Heard], landmarks: list[Heard]) -> None:
    """Each landmark begins with a heading, and none of them skips a level."""
    for at, landmark in enumerate(landmarks):
        begins = told.index(landmark)
        ends = told.index(landmarks[at + 1]) if at + 1 < len(landmarks) else len(told)
        levels = [one.level for one in told[begins:ends] if one.role == "heading"]
        assert levels, landmark
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(levels)), levels
        assert all(one.name for one in told[begins:ends] if one.role in {"heading", "button", "textbox", "combobox"})
