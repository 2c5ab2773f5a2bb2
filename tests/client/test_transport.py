"""How a relay is dialled: which addresses are taken, what TLS must be, and what a failure says."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from amanah_client.transport import dial, roster_address
from amanah_protocol.addresses import parse_address
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.roster import Relay
from amanah_protocol.session import NO_TLS, SUBPROTOCOL

WAIT_S: Final = 20


def relay(*tls_hashes: bytes) -> Relay:
    return Relay(key=bytes(32), log_vkey="", origin="o", addresses=(), tls_hashes=tls_hashes)


@contextlib.asynccontextmanager
async def websocket(
    *, tls: ssl.SSLContext | None = None, subprotocol: str = SUBPROTOCOL
) -> AsyncIterator[tuple[str, int]]:
    """Something that speaks websocket; gives scheme and port."""

    async def wait(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(wait, "127.0.0.1", 0, ssl=tls, subprotocols=[Subprotocol(subprotocol)]) as server:
        yield ("ws" if tls is None else "wss"), next(iter(server.sockets)).getsockname()[1]


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(made)
    return made


async def refused(attempt: Callable[[], Awaitable[object]]) -> str:
    """What an attempt says that finds no relay."""
    with pytest.raises(OperationalError) as caught:
        await attempt()
    assert caught.value.code is Code.OFFLINE
    return caught.value.detail


def test_an_address_that_is_none_is_said_to_stand_in_the_roster() -> None:
    with pytest.raises(UsageError) as caught:
        roster_address(relay(), "127.0.0.1:80")
    assert (
        caught.value.detail
        == "the roster's address of relay o: '127.0.0.1:80' is not a relay's address (wss://host:port)"
    )
    assert "new roster" in caught.value.hint
    assert roster_address(relay(), "wss://relay.example.org:8443").secure


async def test_on_loopback_without_tls_the_hash_is_none() -> None:
    async with websocket() as (scheme, port):
        link = await dial(relay(), parse_address(f"{scheme}://127.0.0.1:{port}"))
        await link.socket.close()
    assert (link.dialled, link.tls_hash) == (f"127.0.0.1:{port}", NO_TLS)


async def test_a_pinned_relay_is_reached_whoever_issued_its_certificate_and_its_hash_is_told(
    context: ssl.SSLContext,
) -> None:
    async with websocket(tls=context) as (scheme, port):
        link = await dial(relay(bytes(32)), parse_address(f"{scheme}://127.0.0.1:{port}"))
        certificate = link.socket.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        await link.socket.close()
    # Whether it is the pinned one is decided inside the signed login, by the core.
    assert link.tls_hash == hashlib.sha256(certificate).digest()
    assert link.tls_hash != NO_TLS


async def test_a_relay_that_is_not_pinned_needs_an_authority_that_this_system_trusts(
    context: ssl.SSLContext, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with websocket(tls=context) as (scheme, port):
        address = parse_address(f"{scheme}://127.0.0.1:{port}")
        assert "TLS failed" in await refused(lambda: dial(relay(), address))
        trusted = tmp_path / "authorities.pem"
        authority.cert_pem.write_to_path(str(trusted))
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        link = await dial(relay(), address)
        await link.socket.close()
        assert link.tls_hash != NO_TLS


async def test_session_keys_are_not_written_out_though_the_environment_asks_for_it(
    context: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    async with websocket(tls=context) as (scheme, port):
        link = await dial(relay(bytes(32)), parse_address(f"{scheme}://127.0.0.1:{port}"))
        await link.socket.close()
    assert not keys.exists()
    assert os.environ["SSLKEYLOGFILE"] == str(keys)


async def test_a_relay_of_tls_1_2_is_not_spoken_to(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with websocket(tls=context) as (scheme, port):
        address = parse_address(f"{scheme}://127.0.0.1:{port}")
        await refused(lambda: dial(relay(bytes(32)), address))
        context.maximum_version = ssl.TLSVersion.TLSv1_3
        await (await dial(relay(bytes(32)), address)).socket.close()


async def test_where_nothing_listens_it_is_said() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = parse_address(f"ws://127.0.0.1:{free.getsockname()[1]}")
        assert await refused(lambda: dial(relay(), address)) == (
            f"no connection to {address.dialled}: nothing listens there"
        )


async def test_what_speaks_another_protocol_is_no_relay() -> None:
    async with websocket(subprotocol="another.v1") as (scheme, port):
        address = parse_address(f"{scheme}://127.0.0.1:{port}")
        assert "is no relay" in await refused(lambda: dial(relay(), address))


async def test_what_does_not_even_speak_websocket_is_no_relay() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ready\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        address = parse_address(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        assert "is no relay" in await refused(lambda: dial(relay(), address))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimeoutError(), "no answer in time"),
        (socket.gaierror(-2, "Name or service not known"), "the name is not known"),
        (OSError(113, "No route to host"), "no route to host"),
    ],
)
async def test_a_network_that_fails_is_told_in_words(
    error: OSError, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    # No test reaches beyond loopback, where none of these happens.
    monkeypatch.setattr("amanah_client.transport.connect", fail)
    assert (await refused(lambda: dial(relay(), parse_address("wss://relay.example.org")))).endswith(said)
