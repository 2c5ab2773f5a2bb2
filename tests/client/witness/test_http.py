"""C2SP tlog-witness over real HTTP: uvicorn on loopback, the status rules, and what a stranger cannot hold open."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from amanah_client.listener import MAX_HEAD_BYTES
from amanah_client.witness import limits
from amanah_client.witness.limits import Rate
from amanah_client.witness.rows import origin_hash
from amanah_client.witness.server import Address, listen, load_tls, parse_address
from amanah_client.witness.state import State
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.log.note import Note, decode_note
from amanah_protocol.log.note_keys import verify_note
from amanah_protocol.log.witnessing import MAX_REQUEST_BYTES, SIZE_TYPE, decode_answer, encode_request
from tests.client.witness.logs import FOREIGN, LOG, NOW_S, ORIGIN, TWIN, WITNESS, witness
from tests.client.witness.serving import Site, exchange, serving
from tests.protocol.refusal import refused
from tests.relay.serving import write_certificate

TEXT = "text/plain; charset=utf-8"
NEWEST = f"/{origin_hash(ORIGIN)}/checkpoint"


@pytest.fixture
async def site(state: State) -> AsyncIterator[Site]:
    async with serving(witness(state)) as running:
        yield running


def signed_by_a_stranger() -> bytes:
    text = decode_note(LOG.note(23)).text
    return encode_request(7, (), Note(text=text, signatures=(FOREIGN.signer.sign(text),)).encode())


# ---- the status rules


async def test_200_a_checkpoint_that_continues_the_log_is_cosigned(site: Site) -> None:
    for old, new in ((0, 7), (7, 23), (23, 23)):
        reply = await site.add(LOG.request(old, new))
        assert (reply.status, reply.headers["content-type"]) == (200, TEXT)
        signed = Note(text=decode_note(LOG.note(new)).text, signatures=decode_answer(reply.body))
        assert [known.time_s for known in verify_note(signed, (WITNESS.verifier,))] == [NOW_S]


@pytest.mark.parametrize(
    ("body", "status", "media_type", "said"),
    [
        (b"", 400, TEXT, b"a request is an old size"),
        (LOG.request(0, 7)[:-1], 400, TEXT, b"newline"),
        (LOG.request(24, 23), 400, TEXT, b"the old size is larger"),
        (FOREIGN.request(0, 7), 404, TEXT, b"does not know the log"),
        (signed_by_a_stranger(), 403, TEXT, b"no key that is trusted"),
        (LOG.request(0, 23), 409, SIZE_TYPE, b"7\n"),
        (LOG.request(8, 23), 409, SIZE_TYPE, b"7\n"),
        (TWIN.request(0, 7), 409, SIZE_TYPE, b"7\n"),
        (TWIN.request(7, 7), 409, TEXT, b"another root"),
        (TWIN.request(7, 23), 422, TEXT, b"the consistency proof"),
        (encode_request(7, (), LOG.note(23)), 422, TEXT, b"the consistency proof"),
    ],
)
async def test_each_refusal_has_its_status_and_nothing_is_cosigned(
    site: Site, body: bytes, status: int, media_type: str, said: bytes
) -> None:
    assert (await site.add(LOG.request(0, 7))).status == 200
    before = (await site.ask("GET", NEWEST)).body
    reply = await site.add(body)
    assert (reply.status, reply.headers["content-type"]) == (status, media_type)
    assert said in reply.body
    assert reply.body.endswith(b"\n")
    assert (await site.ask("GET", NEWEST)).body == before
    # What is wrong in none of these ways is cosigned.
    assert (await site.add(LOG.request(7, 23))).status == 200


async def test_a_log_that_lost_the_answer_asks_from_the_size_it_is_told(site: Site) -> None:
    await site.add(LOG.request(0, 7))
    told = await site.add(LOG.request(0, 7))
    assert (told.status, told.body) == (409, b"7\n")
    assert (await site.add(LOG.request(7, 7))).status == 200


async def test_monitors_get_the_newest_checkpoint_with_both_signatures(site: Site) -> None:
    assert (await site.ask("GET", NEWEST)).status == 404
    await site.add(LOG.request(0, 7))
    reply = await site.ask("GET", NEWEST)
    assert (reply.status, reply.headers["content-type"]) == (200, TEXT)
    assert len(verify_note(decode_note(reply.body), (LOG.signer.verifier, WITNESS.verifier))) == 2
    for unknown in (origin_hash(FOREIGN.origin), origin_hash(ORIGIN).upper(), "0"):
        assert (await site.ask("GET", f"/{unknown}/checkpoint")).status == 404


async def test_of_many_at_once_one_history_is_cosigned(site: Site) -> None:
    replies = await asyncio.gather(*(site.add(log.request(0, 7)) for log in (LOG, TWIN) * 20))
    cosigned = [number % 2 for number, reply in enumerate(replies) if reply.status == 200]
    assert len(cosigned) == 1
    assert {reply.status for reply in replies} == {200, 409}


# ---- HTTP


async def test_one_connection_takes_many_requests(site: Site) -> None:
    def work() -> list[int]:
        with contextlib.closing(site.connection()) as connection:
            asked = [exchange(connection, "POST", "/add-checkpoint", LOG.request(0, 7))]
            sockets = {connection.sock}
            for _ in range(3):
                asked.append(exchange(connection, "POST", "/add-checkpoint", LOG.request(7, 7)))
                sockets.add(connection.sock)
            assert len(sockets) == 1
            return [reply.status for reply in asked]

    assert await asyncio.to_thread(work) == [200] * 4


async def test_no_answer_names_the_server_sets_a_cookie_or_leads_elsewhere(site: Site) -> None:
    for method, path, status in (
        ("POST", "/add-checkpoint", 400),
        ("GET", "/add-checkpoint", 405),
        ("POST", NEWEST, 405),
        ("GET", NEWEST + "/", 404),
        ("POST", "/add-checkpoint/", 404),
        ("GET", "/", 404),
        ("GET", "/docs", 404),
        ("GET", f"/../{NEWEST}", 404),
    ):
        reply = await site.ask(method, path, b"" if method == "POST" else None)
        assert (reply.status, reply.headers["content-type"]) == (status, TEXT), path
        names = {name.lower() for name in reply.headers}
        assert names.isdisjoint({"server", "set-cookie", "location", "access-control-allow-origin"})
        assert (reply.headers["cache-control"], reply.headers["x-content-type-options"]) == ("no-store", "nosniff")


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_above_the_limit_is_refused_without_being_taken(site: Site, announced: bool) -> None:  # noqa: FBT001 - a parameter of the test
    length = f"Content-Length: {MAX_REQUEST_BYTES + 1}" if announced else "Transfer-Encoding: chunked"
    piece = b"x" * 4096
    chunk = b"1000\r\n" + piece + b"\r\n"

    def work() -> bytes:
        with site.raw() as raw:
            raw.sendall(f"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n{length}\r\n\r\n".encode())
            if not announced:
                with contextlib.suppress(ConnectionError):
                    for _ in range(MAX_REQUEST_BYTES // 4096 + 1):
                        raw.sendall(chunk)
            return read_all(raw)

    answer = await asyncio.to_thread(work)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    assert (await site.add(LOG.request(0, 7))).status == 200


def read_all(raw: socket.socket) -> bytes:
    """Everything until the other side closes or resets."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while piece := raw.recv(65_536):
            got += piece
    return got


@pytest.mark.parametrize("begun", [b"", b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nX-Slow: "])
async def test_who_never_ends_the_head_of_a_request_is_cut_off(state: State, begun: bytes) -> None:
    async with serving(witness(state), head_s=0.2) as site:

        def work() -> bytes:
            with site.raw() as raw:
                raw.sendall(begun)
                return read_all(raw)

        assert await asyncio.to_thread(work) == b""
        assert (await site.add(LOG.request(0, 7))).status == 200


async def test_a_byte_now_and_then_does_not_prolong_the_head(state: State) -> None:
    async with serving(witness(state), head_s=0.3) as site:

        def work() -> int:
            with site.raw() as raw:
                raw.sendall(b"GET / HTTP/1.1\r\nX: ")
                raw.settimeout(0.05)
                for number in range(400):
                    try:
                        raw.sendall(b"x")
                        if raw.recv(1) == b"":
                            return number
                    except TimeoutError:
                        continue
                    except ConnectionError:
                        return number
            return -1

        assert await asyncio.to_thread(work) >= 0


async def test_who_never_ends_the_body_of_a_request_is_told_and_cut_off(state: State) -> None:
    async with serving(witness(state), body_s=0.2) as site:

        def work() -> bytes:
            with site.raw() as raw:
                raw.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 99\r\n\r\nold")
                return read_all(raw)

        answer = await asyncio.to_thread(work)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert (await site.add(LOG.request(0, 7))).status == 200


async def test_who_hangs_up_in_the_middle_of_a_body_leaves_nothing_behind(site: Site) -> None:
    def work() -> None:
        with site.raw() as raw:
            raw.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 99\r\n\r\nold")

    await asyncio.to_thread(work)
    assert (await site.add(LOG.request(0, 7))).status == 200
    assert site.said == []


async def test_a_head_is_bounded(site: Site) -> None:
    def work() -> bytes:
        with site.raw() as raw:
            with contextlib.suppress(ConnectionError):
                raw.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * (MAX_HEAD_BYTES + 65_536) + b"\r\n\r\n")
            return read_all(raw)

    assert (await asyncio.to_thread(work))[:13] in {b"", b"HTTP/1.1 400 "}
    assert (await site.add(LOG.request(0, 7))).status == 200


async def test_connections_above_the_limit_are_closed_at_once(state: State) -> None:
    async with serving(witness(state), max_connections=2) as site:

        def work() -> bytes:
            with site.raw() as first, site.raw() as second:
                for held in (first, second):
                    held.sendall(b"GET / HTTP/1.1\r\nHost: w\r\n\r\n")
                    assert held.recv(65_536).startswith(b"HTTP/1.1 404 ")
                with site.raw() as third:
                    return read_all(third)

        assert await asyncio.to_thread(work) == b""
        assert (await site.add(LOG.request(0, 7))).status == 200


async def test_a_store_that_fails_is_answered_with_503_and_told_to_the_operator(state: State, site: Site) -> None:
    state._connection.execute("CREATE TRIGGER no BEFORE INSERT ON newest BEGIN SELECT RAISE(ABORT, 'no'); END")
    reply = await site.add(LOG.request(0, 7))
    assert (reply.status, reply.headers["retry-after"]) == (503, "10")
    (said,) = site.said
    assert said.startswith("nothing was answered: ")
    state.close()
    assert (await site.ask("GET", NEWEST)).status == 503


# ---- one address


def rate_of(moments: list[float]) -> Rate:
    """A rate under a clock that a test moves."""
    return Rate(lambda: moments[-1])


def test_an_address_has_a_bucket_that_fills_again() -> None:
    moments = [0.0]
    rate = rate_of(moments)
    assert [rate.take("192.0.2.1") for _ in range(limits.AT_ONCE + 1)] == [True] * limits.AT_ONCE + [False]
    assert rate.take("192.0.2.2")
    moments.append(1.0)
    assert [rate.take("192.0.2.1") for _ in range(limits.PER_SECOND + 1)] == [True] * limits.PER_SECOND + [False]


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_addresses_of_one_network_share_a_bucket(one: str, other: str, together: bool) -> None:  # noqa: FBT001 - a parameter of the test
    rate = rate_of([0.0])
    while rate.take(one):
        pass
    assert rate.take(other) is not together


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_behind_a_proxy_on_this_machine_nobody_is_counted(host: str) -> None:
    rate = rate_of([0.0])
    assert all(rate.take(host) for _ in range(limits.AT_ONCE + 1))


def test_so_many_networks_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_NETWORKS", 2)
    rate = rate_of([0.0])
    for host in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        assert rate.take(host)
    assert list(rate._buckets) == ["192.0.2.2", "192.0.2.3"]


async def test_too_much_from_one_address_is_answered_with_429(state: State) -> None:
    class Never(Rate):
        def take(self, host: str) -> bool:
            assert host == "127.0.0.1"
            return False

    async with serving(witness(state), rate=Never(lambda: 0.0)) as site:
        reply = await site.add(LOG.request(0, 7))
        assert (reply.status, reply.headers["retry-after"]) == (429, "1")
        assert (await site.ask("GET", NEWEST)).status == 429


# ---- TLS and addresses


async def test_tls_1_3_is_spoken_and_nothing_older(state: State, tmp_path: Path) -> None:
    certificate, key, authority = write_certificate(tmp_path)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(trust)
    async with serving(witness(state), tls=load_tls(certificate, key), trust=trust) as site:
        assert (await site.add(LOG.request(0, 7))).status == 200
        trust.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await site.add(LOG.request(7, 23))


def test_what_is_no_certificate_with_its_key_is_refused(tmp_path: Path) -> None:
    certificate, key, _ = write_certificate(tmp_path)
    load_tls(certificate, key)
    encrypted = tmp_path / "encrypted.pem"
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    form, how = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    encrypted.write_bytes(private.private_bytes(serialization.Encoding.PEM, form, how))
    for wrong in ((certificate, certificate), (tmp_path / "none", key), (certificate, encrypted)):
        with refused(Code.CONFIG, UsageError):
            load_tls(*wrong)


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:8088", "127.0.0.1", 8088, True),
        ("localhost:0", "localhost", 0, True),
        ("[::1]:8088", "::1", 8088, True),
        ("0.0.0.0:443", "0.0.0.0", 443, False),
    ],
)
def test_an_address_to_listen_on(text: str, host: str, port: int, loopback: bool) -> None:  # noqa: FBT001 - a parameter of the test
    found = parse_address(text)
    assert (found, found.is_loopback) == (Address(host=host, port=port), loopback)


@pytest.mark.parametrize(
    "text", ["", "8088", ":8088", "127.0.0.1", "127.0.0.1:", "w.example:1", "::1:x", "[::1]:65536"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with refused(Code.CONFIG, UsageError):
        parse_address(text)


def test_a_port_that_is_taken_is_told() -> None:
    with listen(Address(host="127.0.0.1", port=0)) as first:
        port = first.getsockname()[1]
        with refused(Code.ADDRESS_IN_USE, OperationalError):
            listen(Address(host="127.0.0.1", port=port))
    made: Callable[[Address], socket.socket] = listen
    made(Address(host="::1", port=0)).close()
