"""The guard of `conftest.py`: tests reach this machine's loopback and nothing else."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.conftest import NotLoopbackError, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", b"localhost", None])
def test_loopback_is_reached(host: str | bytes | None) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0.0", "::", "2001:db8::1", "", "relay.example", b"\xff"])
def test_anything_else_is_not_loopback(host: str | bytes) -> None:
    assert not is_loopback(host)


def test_connecting_beyond_this_machine_is_refused() -> None:
    with socket.socket() as opened, pytest.raises(NotLoopbackError):
        opened.connect(("192.0.2.1", 9))


def test_listening_on_every_interface_is_refused() -> None:
    with socket.socket() as opened, pytest.raises(NotLoopbackError):
        opened.bind(("0.0.0.0", 0))


def test_resolving_a_name_is_refused() -> None:
    with pytest.raises(NotLoopbackError):
        socket.getaddrinfo("relay.example", 443)


async def test_asyncio_is_refused_as_well() -> None:
    with pytest.raises(NotLoopbackError):
        await asyncio.open_connection("192.0.2.1", 9)


async def test_a_server_on_loopback_is_reached() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"ok")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("localhost", port, family=socket.AF_INET)
        assert await reader.read() == b"ok"
        writer.close()
        await writer.wait_closed()
