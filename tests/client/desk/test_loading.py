"""A desk whose rooms are not there yet: its page is served already, and what it asks of them waits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.exceptions import WebSocketException

from amanah_client.desk.app import HERE
from amanah_client.desk.desk import Desk
from amanah_client.desk.serving import run
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_client.view.entries import Item
from amanah_client.web.launch import offered
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, OperationalError
from tests.client.desk.serving import PATIENCE_S, Page, Served, serving
from tests.client.desk.sitting import Sitting, at_the_desk
from tests.client.test_sdk import TN, officers, until
from tests.end_to_end.nations import Nations

A_WHILE_S = 0.3


class Loading:
    """A client that is opened when a test says so, or fails to be."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.may = asyncio.Event()
        self.fault: Exception | None = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Client]:
        await self.may.wait()
        if self.fault is not None:
            raise self.fault
        yield self.client


@contextlib.asynccontextmanager
async def loading(home: Path) -> AsyncIterator[tuple[Loading, Served, asyncio.Task[None]]]:
    async with await Client.open(home, connect=False) as client:
        opening, served = Loading(client), Served(client=client)
        with offered("desk", home, served.said.append) as launch:
            served.links.append(launch.offer())
            task = asyncio.create_task(run(client.profile.home, opening.open, launch, served.said.append))
            try:
                yield opening, served, task
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, OperationalError):
                    await task


def has(room: Room, text: str) -> bool:
    return any(isinstance(one.body, Text) and one.body.text == text for one in room.messages())


async def test_the_page_comes_before_its_rooms_and_who_asks_for_those_waits(nations: Nations) -> None:
    async with loading(nations.enrol("early", TN)) as (opening, served, _):
        cookie = await served.enter()
        status, _, text = await served.ask("GET", "/", Cookie=cookie)
        assert status == 200
        assert "desk." in text
        given_up, dialled = (asyncio.create_task(served.dial(cookie)) for _ in range(2))
        assert (await served.ask("GET", "/take/nothing", Cookie=cookie))[0] == 503
        done, _ = await asyncio.wait((given_up, dialled), timeout=A_WHILE_S)
        assert not done
        # Who goes away while it waits takes nothing from the others.
        given_up.cancel()
        await asyncio.wait((given_up,))
        opening.may.set()
        page = Page(await dialled)
        await page.until(lambda: "rooms" in page.told)
        assert (await served.ask("GET", "/take/nothing", Cookie=cookie))[0] == 404
        await page.socket.close()


async def test_the_door_names_all_that_the_page_consists_of_for_who_follows_a_link(nations: Nations) -> None:
    async with loading(nations.enrol("at the door", TN)) as (_, served, _):
        _, _, door = await served.ask("GET", "/")
        _, _, page = await served.ask("GET", "/", Cookie=await served.enter())
        head, ahead = door.split('<template id="next">')
        ahead = ahead.split("</template>")[0]
        named = set(re.findall('(?:src|href)="(/static/[^"]+[.](?:js|css))"', page))
        assert named
        assert named <= {*re.findall('href="([^"]+)"', ahead)}
        place = next(iter(named)).rpartition("/")[0]
        for module in (path.name for path in (HERE / "static").glob("*.js")):
            assert f'<link rel="modulepreload" href="{place}/{module}">' in ahead
        # Whoever follows none loads nothing of it.
        assert "modulepreload" not in head


async def test_a_room_that_is_opened_waits_for_no_push_and_what_arrives_does(
    nations: Nations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amanah_client.desk.live.GATHER_S", 3_600.0)
    # To be there at all, the room was shown behind the list of rooms, which was a push.
    async with at_the_desk(nations, "Hurried", Sitting) as here:
        await here.two.theirs.send("gathered")
        await until(lambda: has(here.two.ours, "gathered"))
        await here.page.ask("timeline", room=here.room)
        assert "gathered" not in here.page.said()


async def test_a_room_that_cannot_be_shown_is_tried_again_no_faster_than_what_arrives_is_pushed(
    nations: Nations, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> tuple[Item, ...]:
        raise OperationalError(Code.STORE, "the disk fails")

    monkeypatch.setattr("amanah_client.desk.live.GATHER_S", 3_600.0)
    monkeypatch.setattr(Desk, "items", broken)
    async with officers(nations, "Broken") as two, serving(two.a) as served:
        page = Page(await served.dial(await served.enter()))
        await page.until(lambda: "rooms" in page.told)
        await page.ask("look", room=two.ours.id.hex())
        await page.until(lambda: "trouble" in page.told)
        del page.told["trouble"]
        await two.theirs.send("gathered")
        await until(lambda: has(two.ours, "gathered"))
        await page.ask("timeline", room=two.ours.id.hex())
        assert "trouble" not in page.told
        await page.socket.close()


async def test_a_desk_that_is_ended_while_its_rooms_are_loaded_sends_its_page_away_and_complains_of_nothing(
    nations: Nations, caplog: pytest.LogCaptureFixture
) -> None:
    async with loading(nations.enrol("ended", TN)) as (_, served, task):
        waits = asyncio.create_task(served.dial(await served.enter()))
        await asyncio.wait((waits,), timeout=A_WHILE_S)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(WebSocketException):
                await waits
            await task
    assert caplog.records == []


async def test_a_stranger_is_refused_at_once_and_does_not_wait_for_rooms(nations: Nations) -> None:
    async with loading(nations.enrol("stranger", TN)) as (_, served, _task):
        assert (await served.ask("GET", "/take/nothing"))[0] == 403
        assert (await served.ask("GET", "/take/nothing", Cookie="amanah=guessed"))[0] == 403


async def test_rooms_that_cannot_be_loaded_end_the_desk_with_their_error(nations: Nations) -> None:
    async with loading(nations.enrol("failing", TN)) as (opening, _, task):
        opening.fault = OperationalError(Code.STORE, "the store is damaged")
        opening.may.set()
        with pytest.raises(OperationalError, match="damaged"):
            await task
