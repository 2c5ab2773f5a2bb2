"""The shell around the core when the program itself has a fault: it says so, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NoReturn

from amanah_client import effects as e
from amanah_client import inputs, model
from amanah_client.engine import Engine, Event, Offline
from amanah_client.home import Home, open_profile
from amanah_client.saying import saying
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId
from tests.client.store.test_store import ROOM, message
from tests.end_to_end.nations import Nations


async def test_what_was_granted_is_told_as_the_store_has_it(tmp_path: Path) -> None:
    nations = Nations(tmp_path)
    with open_profile(Home(nations.enrol("a", "cert.example.tn")), str) as profile:
        engine = Engine(profile, lambda _: None)
        erase = e.EraseContent(room=ROOM, envelopes=tuple(message(number).envelope for number in (1, 2)), by=None)
        engine._commit((e.PutMessage(row=message(1, room_seq=1)), e.PutMessage(row=message(3, room_seq=3)), erase))  # noqa: SLF001 - what it tells follows from this
        told = engine._commit(tuple(e.PutGranted(row=message(number, room_seq=number)) for number in (1, 2, 3, 4)))  # noqa: SLF001 - as above
        # Of the first the store has a tombstone, of the second it gets one, the third it has; none of these is a text.
        assert [(row.envelope[0], row.state, row.content) for row in told] == [
            (2, model.MessageState.ERASED, b""),
            (4, model.MessageState.STORED, b"content"),
        ]
    nations.close()


class Broken:
    """A core with a fault whose text quotes what nobody else may read."""

    def handle(self, event: inputs.Input, now_ms: int) -> NoReturn:
        raise RuntimeError(f"sealed words {event} {now_ms}")


async def test_a_fault_of_the_program_is_told_without_its_text_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    nations = Nations(tmp_path)
    heard: asyncio.Queue[Event] = asyncio.Queue()
    with open_profile(Home(nations.enrol("a", "cert.example.tn")), str) as profile:
        engine = Engine(profile, heard.put_nowait)
        await engine.start()
        engine._core = Broken()  # type: ignore[assignment]  # noqa: SLF001 - no fault is known that could be used
        try:
            async with asyncio.timeout(20):
                for number in range(600):
                    action = saying(RoomId(bytes(16)), Text(text="x"), label=Label.GREEN)
                    await engine.ask(model.Intent(id=f"{number:032x}", action=action, created_at_ms=1))
                event = await heard.get()
                while not (isinstance(event, Offline) and event.final):
                    event = await heard.get()
        finally:
            await engine.stop()
    assert (event.problem.code, "sealed" in str(event.problem)) == (Code.INTERNAL, False)
    nations.close()
