"""A desk with many messages in real Chromium: how long an officer waits for it, from the start of the program on."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from statistics import median
from typing import Final

TIMES: Final = 9
_PATIENCE_MS: Final = 60_000
_ALONE_S: Final = 1.5
_SETTLED_S: Final = 0.5
SCROLLS: Final = 40
# Milliseconds from a change to the frame that shows what it was for.
_SHOWN: Final = """
    window.shown = new Promise(resolve => {
        const here = () => document.querySelector("button.room") && document.querySelector("#flow article");
        const watcher = new MutationObserver(() => {
            if (!here()) return;
            watcher.disconnect();
            requestAnimationFrame(() => resolve(performance.timeOrigin + performance.now()));
        });
        watcher.observe(document, {childList: true, subtree: true});
    });
"""
_FOUND: Final = """
    query => new Promise(resolve => {
        const input = document.querySelector("dialog.palette input");
        const status = document.querySelector("dialog.palette [role=status]");
        status.textContent = "";
        const begun = performance.now();
        const done = () => requestAnimationFrame(() => resolve(performance.now() - begun));
        const watcher = new MutationObserver(() => {
            if (status.textContent) { watcher.disconnect(); done(); }
        });
        watcher.observe(document.querySelector("dialog.palette"), {childList: true, subtree: true});
        input.value = query;
        input.dispatchEvent(new Event("input"));
    })
"""
_OPENED: Final = """
    title => new Promise(resolve => {
        const begun = performance.now();
        const here = () => document.querySelector("h1 .title")?.textContent === title
            && document.querySelector("#flow article");
        const watcher = new MutationObserver(() => {
            if (!here()) return;
            watcher.disconnect();
            requestAnimationFrame(() => resolve(performance.now() - begun));
        });
        watcher.observe(document.body, {childList: true, subtree: true, characterData: true});
        [...document.querySelectorAll("button.room")].find(one => one.textContent.includes(title)).click();
    })
"""
# The longest time between two frames while somebody turns the wheel.
_SCROLLED: Final = """
    async times => {
        const flow = document.getElementById("flow");
        let longest = 0, last = performance.now(), going = true;
        const frame = now => {
            longest = Math.max(longest, now - last);
            last = now;
            if (going) requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
        for (let at = 0; at < times; at++) {
            flow.scrollTop -= 800;
            await new Promise(done => setTimeout(done, 50));
        }
        going = false;
        return longest;
    }
"""


def opened(home: Path, room: str) -> dict[str, tuple[float, float]]:
    """Milliseconds (p50, slowest) of each thing that is waited for; nothing where there is no Chromium.

    Args:
        home: The profile.
        room: The title of its largest room.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        print("Chromium is not installed here, so no page was opened")
        return {}
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where there is a browser

    from bench.desk_keys import desk  # noqa: PLC0415 - it asks for playwright, too

    spent: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(TIMES):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(_PATIENCE_MS)
            page.add_init_script(_SHOWN)
            # What the browser still does for its new window is not the desk's.
            time.sleep(_SETTLED_S)
            begun = time.time()
            with desk(home) as link:
                linked = time.time()
                page.goto(link, wait_until="commit")
                # Each question would cost of the time that is measured: the page tells by its own clock in the end.
                time.sleep(_ALONE_S)
                page.locator("#flow article").last.wait_for()
                shown = float(page.evaluate("window.shown")) / 1_000
                spent.setdefault("page: start to link", []).append(1_000 * (linked - begun))
                spent.setdefault("page: link to rooms and window", []).append(1_000 * (shown - linked))
                spent.setdefault("page: start to rooms and window", []).append(1_000 * (shown - begun))
                spent.setdefault("page: open the largest room", []).append(float(page.evaluate(_OPENED, room)))
                spent.setdefault("page: longest frame in scrolling", []).append(
                    float(page.evaluate(_SCROLLED, SCROLLS))
                )
                page.keyboard.press("Control+k")
                page.locator("dialog.palette").wait_for()
                for what, query in {"frequent": "phishing", "rare": "kerberoasting"}.items():
                    spent.setdefault(f"page: search, {what} word", []).append(float(page.evaluate(_FOUND, query)))
                page.close()
        browser.close()
    return {what: (median(times), max(times)) for what, times in spent.items()}
