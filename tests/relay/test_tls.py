from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import trustme

from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, UsageError
from amanah_relay.tls import ServerTls, check_server_tls, load_server_tls
from tests.relay.serving import write_certificate

ENCRYPTED_KEY: Final = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"


@contextlib.asynccontextmanager
async def listening(tls: ServerTls) -> AsyncIterator[int]:
    """A server with this TLS on a free port of loopback."""

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(close, "127.0.0.1", 0, ssl=tls.context) as server:
        yield server.sockets[0].getsockname()[1]


def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


async def handshake(port: int, context: ssl.SSLContext) -> ssl.SSLObject:
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    found = writer.get_extra_info("ssl_object")
    assert isinstance(found, ssl.SSLObject)
    writer.close()
    return found


async def test_a_client_gets_tls_1_3_and_the_certificate_whose_hash_is_told(tmp_path: Path) -> None:
    certificate, key, authority = write_certificate(tmp_path)
    tls = load_server_tls(certificate, key)
    async with listening(tls) as port:
        found = await handshake(port, client_context(authority))
    assert found.version() == "TLSv1.3"
    assert sha256(found.getpeercert(binary_form=True) or b"") == tls.certificate_hash


async def test_a_client_of_tls_1_2_gets_no_connection(tmp_path: Path) -> None:
    certificate, key, authority = write_certificate(tmp_path)
    context = client_context(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with listening(load_server_tls(certificate, key)) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await handshake(port, context)


async def test_no_session_can_be_resumed(tmp_path: Path) -> None:
    certificate, key, authority = write_certificate(tmp_path)
    async with listening(load_server_tls(certificate, key)) as port:
        context = client_context(authority)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        await reader.read()  # tickets would have come by now
        session = writer.get_extra_info("ssl_object").session
        writer.close()
    assert session is None or not session.has_ticket


async def test_session_keys_are_written_to_no_file_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", os.fspath(tmp_path / "keys.log"))
    certificate, key, authority = write_certificate(tmp_path)
    async with listening(load_server_tls(certificate, key)) as port:
        await handshake(port, client_context(authority))
    assert not (tmp_path / "keys.log").exists()


def test_a_good_certificate_passes_its_own_test_and_says_when_it_expires(tmp_path: Path) -> None:
    end = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)
    certificate, key, _ = write_certificate(tmp_path, not_after=end)
    expires_s = check_server_tls(load_server_tls(certificate, key))
    assert abs(expires_s - (time.time() + 3 * 86_400)) < 3_600


def test_an_expired_certificate_is_found_before_a_client_finds_it(tmp_path: Path) -> None:
    end = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    certificate, key, _ = write_certificate(tmp_path, not_after=end)
    with pytest.raises(UsageError, match="expired") as caught:
        check_server_tls(load_server_tls(certificate, key))
    assert caught.value.code is Code.CONFIG


def test_a_context_that_cannot_shake_hands_is_found(tmp_path: Path) -> None:
    certificate, key, _ = write_certificate(tmp_path)
    tls = load_server_tls(certificate, key)
    without_key = ServerTls(
        context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        certificate_hash=tls.certificate_hash,
        certificate_pem=tls.certificate_pem,
    )
    with pytest.raises(UsageError) as caught:
        check_server_tls(without_key)
    assert caught.value.code is Code.CONFIG


@pytest.mark.parametrize("missing", ["relay.crt", "relay.key"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    certificate, key, _ = write_certificate(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(UsageError, match=missing) as caught:
        load_server_tls(certificate, key)
    assert caught.value.code is Code.CONFIG


def test_the_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    certificate, key, _ = write_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, other_key, _ = write_certificate(tmp_path / "other")
    assert other_key.read_bytes() != key.read_bytes()
    with pytest.raises(UsageError) as caught:
        load_server_tls(certificate, other_key)
    assert caught.value.code is Code.CONFIG


def test_a_file_without_a_certificate_is_refused(tmp_path: Path) -> None:
    certificate, key, _ = write_certificate(tmp_path)
    with pytest.raises(UsageError, match="no PEM certificate"):
        load_server_tls(key, certificate)


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_passphrase(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - comes with trustme, for this test

    certificate, key, _ = write_certificate(tmp_path)
    plain = serialization.load_pem_private_key(key.read_bytes(), password=None)
    key.write_bytes(
        plain.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )
    assert key.read_text().startswith(ENCRYPTED_KEY)
    with pytest.raises(UsageError) as caught:
        load_server_tls(certificate, key)
    assert caught.value.code is Code.CONFIG
