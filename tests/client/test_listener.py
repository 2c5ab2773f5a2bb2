"""A websocket on the small server: the bounds on strangers' requests do not end it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from amanah_client.listener import serve

HEAD_S = 0.2


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[int]:
    opened, ready = socket.create_server(("127.0.0.1", 0)), asyncio.Event()
    app = Starlette(routes=[WebSocketRoute("/live", echo)])
    task = asyncio.create_task(
        serve(app, [opened], ready=ready.set, head_s=HEAD_S, websockets="websockets-sansio", max_message_bytes=100)
    )
    try:
        await ready.wait()
        yield opened.getsockname()[1]
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_websocket_outlives_the_time_that_a_request_has_for_its_head() -> None:
    async with serving() as port, connect(f"ws://127.0.0.1:{port}/live") as websocket:
        for _ in range(3):
            await asyncio.sleep(HEAD_S)
            await websocket.send("x")
            assert await websocket.recv() == "x"


async def test_a_message_above_the_limit_ends_its_websocket() -> None:
    async with serving() as port, connect(f"ws://127.0.0.1:{port}/live") as websocket:
        await websocket.send("x" * 100)
        assert len(await websocket.recv()) == 100
        await websocket.send("x" * 101)
        with pytest.raises(ConnectionClosed):
            await websocket.recv()


async def test_no_answer_waits_for_the_acknowledgement_of_the_one_before() -> None:
    async with serving() as port, connect(f"ws://127.0.0.1:{port}/live") as websocket:
        with accepted(websocket.local_address) as ours:
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def accepted(peer: object) -> socket.socket:
    """The server's end of a connection, which is open in this process as well."""
    for entry in Path("/proc/self/fd").iterdir():
        if entry.is_symlink() and str(entry.readlink()).startswith("socket:"):
            found = socket.socket(fileno=os.dup(int(entry.name)))
            with contextlib.suppress(OSError):  # one that listens has no peer
                if found.getpeername() == peer:
                    return found
            found.close()
    raise AssertionError("nobody has taken the connection")
