"""`make bench-keys`: from a key press at one desk to the other desk's screen, in real Chromium, over a real relay.

A room of MEMBERS (50) devices of ten nations; two of them sit at desks. Each message is typed and sent by Enter; the
time runs from the key event in the one page to the frame that shows the message in the other. Both browsers and all
programs share this machine. The round trip of a datagram on loopback stands beside, for scale. Writes
`build/bench-keys.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # started as a program, it finds its own package too

from amanah_client.enrolment import install_reply, request_device  # noqa: E402 - behind the path
from amanah_client.home import Home, create_profile  # noqa: E402 - behind the path
from amanah_client.keystore import create_key_file  # noqa: E402 - behind the path
from amanah_client.sdk import Client  # noqa: E402 - behind the path
from amanah_protocol.cards import Armour, decode_armour  # noqa: E402 - behind the path
from amanah_protocol.identity import Role  # noqa: E402 - behind the path
from amanah_protocol.labels import Label  # noqa: E402 - behind the path
from bench.community import Organisation  # noqa: E402 - behind the path
from bench.relay import running_relay  # noqa: E402 - behind the path

NATIONS: Final = 10
ROOM: Final = "Key presses"
WARM_UP: Final = 10
PAUSE_S: Final = 0.15
_PRESSED: Final = """
    window.pressed = 0;
    document.addEventListener("keydown", event => {
        if (event.key === "Enter") window.pressed = performance.timeOrigin + performance.now();
    }, true);
"""
# A frame later it is on the screen, as far as a page can know.
_SHOWN: Final = """
    text => new Promise(resolve => {
        const here = () => [...document.querySelectorAll("#flow article")].some(one => one.textContent.includes(text));
        const found = () => requestAnimationFrame(() => resolve(performance.timeOrigin + performance.now()));
        if (here()) return found();
        const watcher = new MutationObserver(() => { if (here()) { watcher.disconnect(); found(); } });
        watcher.observe(document.body, {childList: true, subtree: true, characterData: true});
    })
"""


def main() -> int:
    """Measure, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=50)
    parser.add_argument("--messages", type=int, default=200)
    options = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        print("Chromium is not installed here, so nothing was measured")
        return 0
    (ROOT / "build").mkdir(exist_ok=True)
    with TemporaryDirectory(dir=ROOT / "build") as name, ExitStack() as stack:
        now_ms = time.time_ns() // 1_000_000
        organisations = [Organisation(f"cert.example.n{number}", now_ms=now_ms) for number in range(NATIONS)]
        relay = Path(name) / "relay"
        relay.mkdir(mode=0o700)
        stack.enter_context(running_relay(relay, organisations, now_ms=now_ms))
        roster = decode_armour((relay / "roster").read_text(), Armour.ROSTER)
        homes = [
            enrolled(Path(name) / f"device-{number}", organisations[number % NATIONS], roster)
            for number in range(options.members)
        ]
        asyncio.run(assembled(homes, organisations))
        links = [stack.enter_context(desk(home)) for home in homes[:2]]
        playwright = stack.enter_context(sync_playwright())
        # A browser each, as two officers have.
        ours, theirs = (
            seated(playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]), link) for link in links
        )
        times = measured(ours, theirs, options.messages)
    return told(times, options.members)


def enrolled(path: Path, organisation: Organisation, roster: bytes) -> Path:
    """A profile with a certificate."""
    home = Home(path)
    home.path.mkdir(mode=0o700)
    with create_profile(home, create_key_file(home.key_file)) as profile:
        request = request_device(profile, organisation=organisation.name, role=Role.OFFICER)
        install_reply(profile, organisation.answer(request, roster))
    return path


async def assembled(homes: list[Path], organisations: list[Organisation]) -> None:
    """Have everybody connect once, and the first let all others into a room."""
    for home in homes[1:]:
        async with await Client.open(home) as client:
            await client.online(60)
    async with await Client.open(homes[0]) as client:
        await client.online(60)
        room = await client.create_room(ROOM, label=Label.AMBER)
        for organisation in organisations:
            await room.invite(organisation.name, timeout_s=60)
        if len(room.members()) != len(homes):
            raise RuntimeError(f"{len(room.members())} of {len(homes)} devices are in the room")


@contextmanager
def desk(home: Path) -> Iterator[str]:
    """A desk that runs; gives its link."""
    program = "import sys; from amanah_client.cli.main import run; sys.exit(run())"
    command = [sys.executable, "-c", program, "desk", "--no-browser", "--json", "--home", str(home)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})
    try:
        assert process.stdout is not None  # noqa: S101 - narrows for mypy
        yield str(json.loads(process.stdout.readline())["link"])
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    finally:
        process.kill()
        process.wait()


def seated(browser: Browser, link: str) -> Page:
    """A page that shows the room."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(link)
    page.get_by_text(ROOM).first.click()
    page.locator("h1 .title", has_text=ROOM).wait_for()
    page.evaluate(_PRESSED)
    return page


def measured(ours: Page, theirs: Page, messages: int) -> list[float]:
    """Milliseconds for each message."""
    times = []
    box = ours.locator("textarea.box")
    for number in range(messages + WARM_UP):
        text = f"message {number:05}."
        box.fill(text)
        # Watched before the key is pressed, so that nothing can come before it is looked for.
        theirs.evaluate(f"window.shown = ({_SHOWN})({json.dumps(text)}); null")
        box.press("Enter")
        shown = float(theirs.evaluate("window.shown"))
        times.append(shown - float(ours.evaluate("window.pressed")))
        time.sleep(PAUSE_S)
    return times[WARM_UP:]


def datagram_ms() -> float:
    """The median round trip of a datagram on loopback."""
    times = []
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        for _ in range(1_000):
            begun = time.perf_counter()
            one.sendto(b"x", two.getsockname())
            two.recv(1)
            two.sendto(b"x", one.getsockname())
            one.recv(1)
            times.append(1_000 * (time.perf_counter() - begun))
    return median(times)


def told(times: list[float], members: int) -> int:
    """Print and keep the figures."""
    cuts = quantiles(times, n=100)
    found = {
        "members": members,
        "messages": len(times),
        "p50_ms": median(times),
        "p99_ms": cuts[98],
        "max_ms": max(times),
    }
    found["datagram_ms"] = datagram_ms()
    print(
        f"{len(times)} key presses, {members} members: p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms, "
        f"slowest {found['max_ms']:.1f} ms (a datagram there and back: {found['datagram_ms']:.3f} ms)"
    )
    (ROOT / "build" / "bench-keys.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
