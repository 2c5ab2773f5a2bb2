"""From a machine's lines to envelopes, against a real relay: silence, refusal, a source that breaks."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from amanah_client import Client, Room
from amanah_client.gateway.eve import EveReport
from amanah_client.gateway.intake import Intake, IntakeReport, silences
from amanah_protocol.content.alert import MAX_PACK_BYTES
from amanah_protocol.errors import Code
from amanah_protocol.identity import Role
from amanah_protocol.labels import Label
from tests.client.test_sdk import invited
from tests.end_to_end.nations import Nations

TN: Final = "cert.example.tn"
EVE: Final = b'{"timestamp":"2026-11-20T05:42:10Z","event_type":"alert","alert":{"signature_id":9}}\n'
WAIT_S: Final = 30


@pytest.fixture(scope="module")
def nations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    made = Nations(tmp_path_factory.mktemp("nations"), (TN,))
    made.relay.start()
    yield made
    made.close()


@dataclass(frozen=True)
class Post:
    """A bot in a room that an officer opened."""

    officer: Client
    bot: Client
    room: Room

    def intake(self, progress: Callable[[IntakeReport], None] = lambda _: None) -> Intake:
        return Intake(
            self.bot,
            self.room,
            source_name="sensor 1",
            label=None,
            timeout_s=WAIT_S,
            progress=progress,
        )


@pytest.fixture
async def post(nations: Nations, request: pytest.FixtureRequest) -> AsyncIterator[Post]:
    names = [f"{kind} {request.node.name}"[:200] for kind in ("officer", "bot")]
    officer_home = nations.enrol(names[0], TN)
    bot_home = nations.enrol(names[1], TN, role=Role.BOT)
    async with await Client.open(officer_home) as officer, await Client.open(bot_home) as bot:
        await officer.online(WAIT_S)
        await bot.online(WAIT_S)
        room = await officer.create_room("Alerts", label=Label.AMBER)
        await invited(room, bot.me)
        with bot.hearing() as events:
            async with asyncio.timeout(WAIT_S):
                while not bot.rooms() or bot.room(room.id).row.status != "open":
                    await events.get()
        yield Post(officer, bot, bot.room(room.id))


def counts(room: Room) -> list[object]:
    return [message.specific for message in room.messages(limit=1_000) if message.type == "counts"]


async def test_what_has_gathered_is_posted_when_the_source_falls_silent(post: Post) -> None:
    read_end, write_end = os.pipe()
    said: asyncio.Queue[int] = asyncio.Queue()
    intake = post.intake(lambda report: said.put_nowait(report.delivered))
    with os.fdopen(read_end, "rb") as stream:
        running = asyncio.create_task(intake.run(stream))
        os.write(write_end, EVE * 3)
        assert await asyncio.wait_for(said.get(), WAIT_S) == 3
        os.write(write_end, EVE)
        os.close(write_end)
        report = await running
    assert (report.delivered, report.envelopes, report.dropped, report.problem) == (4, 2, 0, None)


async def test_an_alert_that_fits_no_envelope_is_counted_as_dropped(post: Post, tmp_path: Path) -> None:
    # Each text of an alert is bounded, so only a smaller pack than in earnest can be too small for one.
    path = tmp_path / "eve"
    path.write_bytes(EVE * 2)
    intake = post.intake()
    with path.open("rb") as stream:
        report = await intake.run(stream, max_pack_bytes=16)
    assert (report.too_large, report.delivered, report.dropped) == (2, 0, 2)
    assert MAX_PACK_BYTES > 64 * 1024


async def test_a_bot_that_was_removed_posts_no_further_and_says_what_was_refused(post: Post, tmp_path: Path) -> None:
    await post.officer.room(post.room.id).remove(post.bot.me)
    path = tmp_path / "eve"
    path.write_bytes(EVE * 250)
    with path.open("rb") as stream:
        report = await post.intake().run(stream)
    assert (report.delivered, report.refused, report.kept) == (0, 100, 0)
    assert report.problem is not None
    assert report.problem.code is Code.NOT_MEMBER
    assert post.bot.outbox() == ()


async def test_a_source_that_breaks_loses_nothing_that_was_read(post: Post) -> None:
    class Breaking:
        """A disk that fails behind the third line."""

        def __init__(self) -> None:
            self.left = 3

        def readline(self, size: int, /) -> bytes:
            assert size > len(EVE)
            self.left -= 1
            if self.left < 0:
                raise OSError(5, "Input/output error")
            return EVE

    intake = post.intake()
    with pytest.raises(OSError, match="Input/output error"):
        await intake.run(Breaking())
    assert intake.report.delivered == 3


async def test_a_source_without_anything_reports_nothing(post: Post, tmp_path: Path) -> None:
    path = tmp_path / "eve"
    path.write_bytes(b"\n\n")
    with path.open("rb") as stream:
        report = await post.intake().run(stream)
    assert isinstance(report, IntakeReport)
    assert (report.lines.lines, report.lines.blank, report.delivered) == (2, 2, 0)
    assert counts(post.room) == []


class Slow:
    """A source with a line at once, and what it holds behind that only when it is let."""

    def __init__(self, behind: Callable[[], bytes]) -> None:
        self.goes_on = threading.Event()
        self._behind = behind
        self._begun = False

    def readline(self, size: int, /) -> bytes:
        assert size > len(EVE)
        if not self._begun:
            self._begun = True
            return EVE
        assert self.goes_on.wait(WAIT_S)
        return self._behind()


def closed() -> bytes:
    raise ValueError("I/O operation on closed file.")


@pytest.mark.parametrize("behind", [lambda: EVE, closed])
def test_a_source_that_goes_on_when_nobody_reads_any_more_is_no_fault(
    behind: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal ends the reading in the middle: the loop, and the file, may be closed before the next line."""
    faults: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", faults.append)
    source = Slow(behind)

    async def main() -> None:
        async with aclosing(silences(source, EveReport())) as alerts:
            async for alert in alerts:
                assert alert is not None
                return

    asyncio.run(main())
    (reading,) = [one for one in threading.enumerate() if one.name == "amanah-intake"]
    source.goes_on.set()
    reading.join(WAIT_S)
    assert not reading.is_alive()
    assert faults == []
