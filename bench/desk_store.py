"""`make bench-desk`: what a desk with many messages waits for, beside one plain scan of the same store.

MESSAGES (100,000) messages are written by the store's own writes, a fifth of them into one room. Times depend on the
machine; a ratio says how many scans of the messages an answer costs. Then a desk with the same messages is opened in
Chromium (`page: ...`, where the second figure is the slowest). Writes `build/bench-desk.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # started as a program, it finds its own package too

if TYPE_CHECKING:
    from amanah_client.room import Room
    from amanah_client.sdk import Client

TIMES: Final = 50
WINDOW: Final = 60
"""Messages that a screen shows."""


def main() -> int:
    """Measure, and say what was found."""
    from bench.desk_page import opened  # noqa: PLC0415 - behind the path
    from bench.desk_rooms import LARGEST, filled_profile  # noqa: PLC0415 - behind the path

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    options = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    with TemporaryDirectory(dir=ROOT / "build") as name:
        begun = time.perf_counter()
        profile = filled_profile(Path(name), options.messages)
        spent = time.perf_counter() - begun
        print(
            f"{options.messages:,} messages written in {spent:.0f} s ({options.messages / spent:,.0f} a second)",
            flush=True,
        )
        size = sum(path.stat().st_size for path in profile.iterdir())
        print(f"{size / 2**20:.0f} MiB on disk")
        results = asyncio.run(measured(profile))
        os.sync()  # An officer's store was written over weeks, and the disk is not at work on it when a desk opens.
        results |= opened(profile, LARGEST)
    scan = results["scan of all messages"][0]
    print(f"{'':<34}{'p50 ms':>9}{'p99 ms':>9}{'of a scan':>11}")
    for what, (p50, p99) in results.items():
        print(f"{what:<34}{p50:>9.2f}{p99:>9.2f}{p50 / scan:>11.3f}")
    (ROOT / "build" / "bench-desk.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


async def measured(home: Path) -> dict[str, tuple[float, float]]:
    """Milliseconds of each question, (p50, p99)."""
    from amanah_client.sdk import Client  # noqa: PLC0415 - behind the path

    opened = []
    for _ in range(5):
        begun = time.perf_counter()
        client = await Client.open(home, connect=False)
        shown = client.rooms()
        shown[-1].messages(newest=True, limit=WINDOW)
        opened.append((time.perf_counter() - begun) * 1_000)
        await client.close()
    client = await Client.open(home, connect=False)
    try:
        results = {"scan of all messages": _times(lambda: _scan(client), times=9)}
        results["open, rooms and first window"] = median(opened), max(opened)
        results["what a connected client loads"] = _times(client.profile.store.snapshot, times=9)
        for what, once in _questions(client):
            results[what] = _times(once)
        results |= _followed(client, home)
        # It reads every entry, as a face does that asks for the whole board.
        results["board of every entry"] = _times(_largest(client).board, times=3)
    finally:
        await client.close()
    return results


def _questions(client: Client) -> Iterator[tuple[str, Callable[[], object]]]:
    from bench.desk_rooms import SEARCHED  # noqa: PLC0415 - behind the path

    room = _largest(client)
    ids = [message.id for message in room.messages(newest=True, limit=WINDOW)]
    middle = room.row.head_seq // 2
    yield "newest window", lambda: room.messages(newest=True, limit=WINDOW)
    yield "window scrolled to the middle", lambda: room.messages(before=middle, limit=WINDOW)
    yield "board of a window", lambda: room.board(about=ids)
    yield "board of the incident alone", lambda: room.board(about=())
    yield "unread of all rooms, nothing read", client.unread
    for what, query in SEARCHED.items():
        yield f"search: {what}", partial(client.search, query)
        yield f"search in a room: {what}", partial(room.search, query)
    yield "search: two words of one nation", partial(client.search, "ph sink from:cert.example.fr")
    yield "search: nothing fits", partial(client.search, "phishing zzzunheardof")


def _followed(client: Client, home: Path) -> dict[str, tuple[float, float]]:
    """What a look costs whose process follows another one's connection: with nothing new, and with one message."""
    from amanah_client import effects as e  # noqa: PLC0415 - behind the path
    from amanah_client.follower import Follower  # noqa: PLC0415 - behind the path
    from amanah_client.home import Home, open_profile  # noqa: PLC0415 - behind the path
    from amanah_protocol.types import EnvelopeId  # noqa: PLC0415 - behind the path

    def no_passphrase() -> str:
        raise AssertionError("the profile has a key file")

    writer = open_profile(Home(home), no_passphrase)
    heard: list[object] = []
    follower = Follower(client.profile.store, heard.append)
    row = _largest(client).messages(newest=True, limit=1)[0].row
    numbers = iter(range(1, 1_000))

    def look_after_one() -> float:
        number = next(numbers)
        again = replace(row, envelope=EnvelopeId(number.to_bytes(32, "big")), room_seq=(row.room_seq or 0) + number)
        writer.store.commit((e.PutMessage(row=again),))
        begun = time.perf_counter()
        follower.look()
        return (time.perf_counter() - begun) * 1_000

    try:
        spent = [look_after_one() for _ in range(TIMES)]
        if len(heard) != TIMES:
            raise RuntimeError(f"{len(heard)} of {TIMES} messages were told")
        return {"look: nothing new": _times(follower.look), "look: one message": _of(spent)}
    finally:
        writer.close()


def _largest(client: Client) -> Room:
    return max(client.rooms(), key=lambda room: room.row.head_seq)


def _scan(client: Client) -> int:
    """Reads every row of the messages, and gives none back."""
    with client.profile.store._database.reading() as connection:  # noqa: SLF001 - what the rest is held against
        (count,) = connection.execute("SELECT count(*) FROM message NOT INDEXED").fetchone()
    return int(count)


def _times(once: Callable[[], object], *, times: int = TIMES) -> tuple[float, float]:
    spent = []
    for _ in range(times):
        begun = time.perf_counter()
        once()
        spent.append((time.perf_counter() - begun) * 1_000)
    return _of(spent)


def _of(spent: list[float]) -> tuple[float, float]:
    return median(spent), quantiles(spent, n=100, method="inclusive")[-1]


if __name__ == "__main__":
    raise SystemExit(main())
