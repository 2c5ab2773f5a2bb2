"""The one module that goes beside the interface of `websockets`, held against the installed version."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, cast

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.frames import Frame, Opcode

from amanah_relay.wire import JoinedWriter, MessageWriter, RelayConnection, Writer, choose_writer

MESSAGES: Final = (b"", b"a", b"b" * 125, b"c" * 126, b"d" * 65_535, b"e" * 65_536)
WRITERS: Final = [JoinedWriter(), MessageWriter()]


@contextlib.asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[tuple[RelayConnection, ClientConnection]]:  # noqa: ANN401 - of `serve`
    """Both ends of a connection over loopback, as the relay makes it."""
    accepted: asyncio.Future[RelayConnection] = asyncio.get_running_loop().create_future()

    async def hold(connection: ServerConnection) -> None:
        accepted.set_result(cast("RelayConnection", connection))
        await connection.wait_closed()

    options = {"compression": None, "close_timeout": 1, **options}
    async with serve(hold, "127.0.0.1", 0, create_connection=RelayConnection, **options) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", max_size=None) as client:
            yield await accepted, client


def test_the_installed_version_is_written_to_in_one_write() -> None:
    assert isinstance(choose_writer(), JoinedWriter)


@pytest.mark.parametrize(
    "serialise",
    [
        lambda data: b"\x82\x86" + bytes(4) + data,
        lambda data: data.no_such_name,
        lambda data: Frame(Opcode.BINARY, data).serialize(mask=False, more=True),  # type: ignore[call-arg]  # the point
    ],
)
def test_a_version_that_serialises_otherwise_is_written_to_by_its_own_interface(
    serialise: Callable[[bytes], bytes],
) -> None:
    assert isinstance(choose_writer(serialise), MessageWriter)


@pytest.mark.parametrize("writer", WRITERS)
async def test_messages_arrive_whole_and_in_order(writer: Writer) -> None:
    async with connected() as (connection, client):
        chunks = [writer.prepare(MESSAGES), writer.prepare((b"last",))]
        assert writer.write(connection, chunks) >= sum(len(message) for message in MESSAGES)
        assert [await client.recv() for _ in range(len(MESSAGES) + 1)] == [*MESSAGES, b"last"]


@pytest.mark.parametrize("writer", WRITERS)
async def test_one_preparation_serves_many_recipients(writer: Writer) -> None:
    async with connected() as (first, one), connected() as (second, two):
        chunk = writer.prepare((b"for both",))
        for connection in (first, second):
            writer.write(connection, [chunk])
        assert [await one.recv(), await two.recv()] == [b"for both", b"for both"]


@pytest.mark.parametrize("writer", WRITERS)
async def test_messages_mix_with_those_of_the_library(writer: Writer) -> None:
    async with connected() as (connection, client):
        writer.write(connection, [writer.prepare((b"1",))])
        await connection.send(b"2")
        pong = await connection.ping()
        writer.write(connection, [writer.prepare((b"3",))])
        assert [await client.recv() for _ in range(3)] == [b"1", b"2", b"3"]
        await pong


@pytest.mark.parametrize("writer", WRITERS)
async def test_nothing_is_written_behind_a_close_frame(writer: Writer) -> None:
    async with connected() as (connection, client):
        closing = asyncio.create_task(connection.close(1001, "going"))
        await asyncio.sleep(0)
        writer.write(connection, [writer.prepare((b"too late",))])
        with pytest.raises(ConnectionClosed) as caught:
            await client.recv()
        await closing
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1001


async def test_a_buffer_that_fills_and_drains_is_told_once_each() -> None:
    async with connected(write_limit=(64 * 1024, 1024)) as (connection, client):
        told: list[bool] = []
        drained = asyncio.Event()

        def tell(high: bool) -> None:  # noqa: FBT001 - as it is called
            told.append(high)
            if not high:
                drained.set()

        connection.pressed = tell
        writer = JoinedWriter()
        chunk = writer.prepare((bytes(256 * 1024),))
        messages = 0
        while not told:
            writer.write(connection, [chunk])
            messages += 1
            await asyncio.sleep(0)
        assert told == [True]
        assert connection.buffered_bytes > 64 * 1024
        for _ in range(messages):
            await client.recv()
        await drained.wait()
        assert told == [True, False]
        assert connection.buffered_bytes <= 1024


async def test_a_buffer_that_nobody_watches_fills_all_the_same() -> None:
    async with connected(write_limit=1024) as (connection, client):
        JoinedWriter().write(connection, [JoinedWriter().prepare((bytes(8 * 1024 * 1024),))])
        assert len(await client.recv()) == 8 * 1024 * 1024


@pytest.mark.parametrize(("size", "passes"), [(4_095, True), (4_096, True), (4_097, False)])
async def test_a_limit_on_messages_holds_from_when_it_is_set(size: int, passes: bool) -> None:  # noqa: FBT001 - of a table
    async with connected(max_size=256 * 1024) as (connection, client):
        connection.limit_message(4_096)
        await client.send(bytes(size))
        if passes:
            assert len(await connection.recv()) == size
        else:
            with pytest.raises(ConnectionClosedError) as caught:
                await client.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1009


async def test_a_limit_is_lifted_again() -> None:
    async with connected(max_size=4_096) as (connection, client):
        connection.limit_message(256 * 1024)
        await client.send(bytes(256 * 1024))
        assert len(await connection.recv()) == 256 * 1024
