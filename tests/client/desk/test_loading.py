"""A desk whose rooms are not there yet: its page is served already, and what it asks of them waits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.exceptions import WebSocketException

from amanah_client.desk.serving import run
from amanah_client.sdk import Client
from amanah_client.web.launch import offered
from amanah_protocol.errors import Code, OperationalError
from tests.client.desk.serving import PATIENCE_S, Page, Served
from tests.client.test_sdk import TN
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
