"""The relay as its peers meet it: real sockets on loopback, a real store, real logins."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from amanah_protocol import frames
from amanah_protocol.envelope import check_content, decode_envelope, verify_envelope
from amanah_protocol.errors import Code, OperationalError, VerifyError
from amanah_protocol.limits import MAX_FRAME_BYTES, MAX_PRE_AUTH_FRAME_BYTES
from amanah_protocol.log.checkpoint import verify_checkpoint
from amanah_protocol.log.receipt import check_in_receipt, verify_receipt
from amanah_protocol.session import SUBPROTOCOL
from amanah_relay.config import Tls
from amanah_relay.core import RelayCore
from amanah_relay.effects import Effect
from amanah_relay.gate import Gate
from amanah_relay.inputs import Input, Tick
from amanah_relay.quotas import RelayLimits
from amanah_relay.service import loop_factory, serve
from amanah_relay.store import Store
from amanah_relay.tls import load_server_tls
from bench.link import Link, log_in, publish
from tests.relay.serving import Site, get, items, make_site, open_for, write_certificate

AMANAH: Final = [Subprotocol(SUBPROTOCOL)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


@pytest.fixture
async def port(site: Site) -> AsyncIterator[int]:
    async with site.running() as found:
        yield found


# ---- what it is for


async def test_a_message_reaches_the_other_member_with_a_receipt_for_its_sender(site: Site, port: int) -> None:
    devices = [organisation.certify() for organisation in site.organisations]
    links = [await site.enter(device, port) for device in devices]
    opening, authors = await open_for(site, links, devices)
    links[1].send(frames.Subscribe(request=5, room=opening.room, after=3))
    assert (await links[1].expect(frames.PageEnd)).live
    message = authors[0].message(b"sealed", epoch=1, audience=opening.members, now_ms=site.now_ms)
    stored = await publish(links[0], 7, items((message,)))
    receipt = verify_receipt(stored.receipt, site.relay.key)
    (accepted,) = stored.accepted
    assert accepted.request == 7
    delivery = await links[1].expect(frames.Delivery)
    assert (delivery.room_seq, delivery.index) == (accepted.sequences[0], accepted.indices[0])
    envelope = decode_envelope(delivery.envelope)
    check_content(envelope, delivery.content or b"")
    verify_envelope(envelope, devices[0].key.public)
    assert envelope.id == message[0].id
    check_in_receipt(receipt, receipt.value.leaves[0], accepted.indices[0])


async def test_messages_of_many_senders_at_once_all_arrive_in_one_order(site: Site, port: int) -> None:
    devices = [site.organisations[number % 2].certify() for number in range(6)]
    links = [await site.enter(device, port) for device in devices]
    opening, authors = await open_for(site, links, devices)
    by_id = {author.device.id: author for author in authors}
    readers = links[3:]
    for link in readers:
        link.send(frames.Subscribe(request=5, room=opening.room, after=3))
        assert (await link.expect(frames.PageEnd)).live
    wanted = 3 * 20
    for device, link in zip(devices[:3], links[:3], strict=True):
        for request in range(20):
            message = by_id[device.id].message(b"x" * 100, epoch=1, audience=opening.members, now_ms=site.now_ms)
            link.send(frames.Publish(request=request, items=items((message,))))
    seen = [await collect(link, wanted) for link in readers]
    assert [entry.room_seq for entry in seen[0]] == list(range(4, 4 + wanted))
    assert seen[0] == seen[1] == seen[2]


async def collect(link: Link, count: int) -> list[frames.Delivery]:
    """The next deliveries of a link."""
    return [await link.expect(frames.Delivery) for _ in range(count)]


async def test_what_was_acknowledged_is_there_after_a_restart(site: Site) -> None:
    devices = [site.organisations[0].certify()]
    async with site.running() as port:
        link = await site.enter(devices[0], port)
        opening, (author,) = await open_for(site, [link], devices)
        message = author.message(b"sealed", epoch=0, audience=opening.members, now_ms=site.now_ms)
        await publish(link, 1, items((message,)))
    async with site.running() as port:
        link = await site.enter(devices[0], port)
        link.send(frames.Subscribe(request=5, room=opening.room, after=0))
        found = await collect(link, 2)
    assert decode_envelope(found[-1].envelope).id == message[0].id
    store = Store.open(site.config.store.url)
    assert store.verify_log().envelopes == 2
    store.close()


async def test_a_newer_login_of_the_same_device_ends_the_older_one_with_the_reason(site: Site, port: int) -> None:
    device = site.organisations[0].certify()
    older = await site.enter(device, port)
    await site.enter(device, port)
    assert (await older.expect(frames.Closing)).code == Code.REPLACED
    await older.lost


# ---- readers of all kinds


LARGE: Final = 128 * 1024
FAST: Final = RelayLimits(officer_per_second=10_000, officer_burst=10_000, room_per_second=10_000, room_burst=10_000)


async def test_a_reader_that_pauses_is_told_and_gets_everything_from_the_store(tmp_path: Path) -> None:
    site = make_site(tmp_path, limits=FAST)
    devices = [organisation.certify() for organisation in site.organisations]
    async with site.running() as port:
        sender, reader = [await site.enter(device, port) for device in devices]
        opening, (author, _) = await open_for(site, [sender, reader], devices)
        reader.send(frames.Subscribe(request=1, room=opening.room, after=3))
        assert (await reader.expect(frames.PageEnd)).live
        reader.transport.pause_reading()
        count = 160  # 20 MiB: more than the kernel's buffers and ours together
        for request in range(count):
            message = author.message(secrets.token_bytes(LARGE), epoch=1, audience=opening.members, now_ms=site.now_ms)
            await publish(sender, request, items((message,)))
        reader.transport.resume_reading()
        seen: list[int] = []
        while len(seen) < count:
            frame = await reader.next()
            if isinstance(frame, frames.Delivery):
                seen.append(frame.room_seq)
            elif isinstance(frame, frames.Lagging) or (isinstance(frame, frames.PageEnd) and not frame.live):
                after = seen[-1] if seen else 3
                reader.send(frames.Subscribe(request=2, room=opening.room, after=after))
        assert seen == list(range(4, 4 + count))


async def test_a_reader_that_takes_nothing_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("amanah_relay.sessions.PROGRESS_SECONDS", 1)
    monkeypatch.setattr("amanah_relay.server.CLOSE_SECONDS", 0.2)
    site = make_site(tmp_path, limits=FAST)
    devices = [organisation.certify() for organisation in site.organisations]
    async with site.running() as port:
        sender, reader = [await site.enter(device, port) for device in devices]
        opening, (author, _) = await open_for(site, [sender, reader], devices)
        reader.send(frames.Subscribe(request=1, room=opening.room, after=3))
        assert (await reader.expect(frames.PageEnd)).live
        reader.transport.pause_reading()
        for request in range(160):
            message = author.message(bytes(LARGE), epoch=1, audience=opening.members, now_ms=site.now_ms)
            await publish(sender, request, items((message,)))
        await asyncio.sleep(3)
        reader.transport.resume_reading()
        await reader.lost
        # Whoever reads is not touched by it.
        sender.send(frames.GetCheckpoint(request=1))
        await sender.expect(frames.Checkpoint)


async def test_a_buffer_is_never_let_grow_beyond_the_hard_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amanah_relay.turns.HARD_BYTES", LARGE)
    monkeypatch.setattr("amanah_relay.server.CLOSE_SECONDS", 0.2)
    site = make_site(tmp_path, limits=FAST)
    devices = [organisation.certify() for organisation in site.organisations]
    async with site.running() as port:
        sender, reader = [await site.enter(device, port) for device in devices]
        opening, (author, _) = await open_for(site, [sender, reader], devices)
        reader.send(frames.Subscribe(request=1, room=opening.room, after=3))
        assert (await reader.expect(frames.PageEnd)).live
        reader.transport.pause_reading()
        for request in range(160):
            message = author.message(bytes(LARGE), epoch=1, audience=opening.members, now_ms=site.now_ms)
            await publish(sender, request, items((message,)))
        await asyncio.sleep(0.5)
        reader.transport.resume_reading()
        await reader.lost


# ---- what the store does


async def test_a_full_disk_is_refused_and_logged_and_service_goes_on_when_there_is_room(
    site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    device = site.organisations[0].certify()
    async with site.running() as port:
        link = await site.enter(device, port)
        opening, (author,) = await open_for(site, [link], [device])
        message = author.message(b"sealed", epoch=0, audience=opening.members, now_ms=site.now_ms)

        def fail(*_: object) -> None:
            raise OperationalError(Code.DISK_FULL, "the store cannot grow")

        with monkeypatch.context() as full:
            full.setattr(Store, "append", fail)
            link.send(frames.Publish(request=1, items=items((message,))))
            assert (await link.expect(frames.Refused)).code == Code.DISK_FULL
        stored = None
        while stored is None:
            link.send(frames.Publish(request=2, items=items((message,))))
            frame = await link.next()
            stored = frame if isinstance(frame, frames.Stored) else None
    assert "ERROR store DISK_FULL the store cannot grow" in capfd.readouterr().err


async def test_a_fault_of_the_stores_interface_ends_the_relay(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async with site.running() as port:
        monkeypatch.setattr(Store, "count_key_packages", fail)
        with pytest.raises(ConnectionError):
            await site.enter(site.organisations[0].certify(), port)
        with pytest.raises(OperationalError) as caught:
            await site.ended()
    assert caught.value.code is Code.INTERNAL


# ---- what a stranger sends


async def close_code(stranger: ClientConnection) -> int:
    """Read until the relay closes; the code of its close frame."""
    try:
        while True:
            await stranger.recv()
    except ConnectionClosed as closed:
        return 0 if closed.rcvd is None else closed.rcvd.code


@pytest.mark.parametrize(("size", "code"), [(MAX_PRE_AUTH_FRAME_BYTES, 1002), (MAX_PRE_AUTH_FRAME_BYTES + 1, 1009)])
async def test_a_large_message_before_the_login_is_refused_unread(port: int, size: int, code: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}", subprotocols=AMANAH) as stranger:
        await stranger.send(bytes(size))
        assert await close_code(stranger) == code


@pytest.mark.parametrize(("size", "code"), [(MAX_FRAME_BYTES, 1002), (MAX_FRAME_BYTES + 1, 1009)])
async def test_a_message_above_256_kib_is_refused_after_the_login_too(
    site: Site, port: int, size: int, code: int
) -> None:
    link = await site.enter(site.organisations[0].certify(), port)
    link.transport.write(Frame(Opcode.BINARY, bytes(size)).serialize(mask=True))
    await link.lost
    assert link.close_code == code


async def test_text_is_refused(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}", subprotocols=AMANAH) as stranger:
        await stranger.send("text")
        assert await close_code(stranger) == 1003


async def test_compression_is_never_negotiated(port: int) -> None:
    offer = [ClientPerMessageDeflateFactory()]
    async with connect(f"ws://127.0.0.1:{port}", subprotocols=AMANAH, extensions=offer) as stranger:
        assert stranger.request is not None
        assert "permessage-deflate" in stranger.request.headers["Sec-WebSocket-Extensions"]
        assert stranger.response is not None
        assert "Sec-WebSocket-Extensions" not in stranger.response.headers
        assert stranger.protocol.extensions == []


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"subprotocols": None}, 400),
        ({"subprotocols": [Subprotocol("amanah.v0")]}, 400),
        ({"subprotocols": AMANAH, "origin": "https://elsewhere.example"}, 403),
    ],
)
async def test_a_websocket_of_something_else_is_refused(port: int, options: dict[str, Any], status: int) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"ws://127.0.0.1:{port}", **options):
            pass
    assert caught.value.response.status_code == status


async def test_a_connection_that_does_not_upgrade_in_time_is_cut(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n")
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


async def test_a_connection_that_does_not_log_in_is_closed_with_the_reason(tmp_path: Path) -> None:
    site = make_site(tmp_path, limits=RelayLimits(login_ms=500))
    async with site.running() as port, connect(f"ws://127.0.0.1:{port}", subprotocols=AMANAH) as stranger:
        async with asyncio.timeout(10):
            closing = frames.decode_relay_frame(await stranger.recv(decode=False))
            assert isinstance(closing, frames.Closing)
            assert closing.code == Code.TIMEOUT
            assert await close_code(stranger) == 1008


async def test_one_network_opens_only_so_many_connections_at_a_time(tmp_path: Path) -> None:
    site = make_site(tmp_path, limits=RelayLimits(unauthenticated_per_network=3))
    async with site.running() as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        await asyncio.sleep(0.1)
        assert not await is_answered(port)
        for _, other in held:
            other.close()
        for _, other in held:
            await other.wait_closed()
        await asyncio.sleep(0.1)
        assert await is_answered(port)


async def is_answered(port: int) -> bool:
    """Whether a new connection gets a page."""
    try:
        return (await get(port, "GET /healthz HTTP/1.1"))[0] == 200
    except (ConnectionError, IndexError):
        return False


def test_the_gate_counts_by_network_and_in_all() -> None:
    gate = Gate(total=3, each=2)
    assert [gate.enter("a"), gate.enter("a"), gate.enter("a")] == [True, True, False]
    assert [gate.enter("b"), gate.enter("c")] == [True, False]
    gate.leave("a")
    assert gate.enter("c")
    for network in ("a", "b", "c"):
        gate.leave(network)
    assert not gate.opening


# ---- pages


async def test_a_monitor_sees_that_it_lives_and_takes_messages(port: int) -> None:
    assert [(await get(port, f"GET {path} HTTP/1.1"))[::2] for path in ("/healthz", "/readyz")] == [
        (200, b"ok\n"),
        (200, b"ready\n"),
    ]


async def test_a_relay_that_reads_its_store_anew_lives_and_is_not_ready(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RelayCore, "ready", False)
    monkeypatch.setattr(RelayCore, "checkpoint", lambda *_: None)
    pages = ("/healthz", "/readyz", "/log/checkpoint")
    assert [(await get(port, f"GET {path} HTTP/1.1"))[0] for path in pages] == [200, 503, 503]


async def test_the_checkpoint_is_signed_by_the_log_of_the_roster(site: Site, port: int) -> None:
    status, head, body = await get(port, "GET /log/checkpoint HTTP/1.1")
    assert (status, "no-store" in head) == (200, True)
    assert verify_checkpoint(body, site.relay.log_vkey, site.relay.origin).value.size == 1


@pytest.mark.parametrize(
    "request_line",
    [
        "GET / HTTP/1.1",
        "GET /log/tile/0/000.p/0 HTTP/1.1",
        "GET /log/tile/0/0 HTTP/1.1",
        "GET /log/tile/00/000 HTTP/1.1",
        "GET /log/tile/64/000 HTTP/1.1",
        "GET /log/tile/0/x000/001 HTTP/1.1",
        "GET /log/tile/0/000.p/256 HTTP/1.1",
        "GET /healthz/ HTTP/1.1",
        "GET /../healthz HTTP/1.1",
        "GET /log HTTP/1.1",
        "GET /metrics HTTP/1.1",
        "POST /healthz HTTP/1.1",
        "HEAD /healthz HTTP/1.1",
        "GET /socket HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade",
    ],
)
async def test_anything_else_is_not_found(port: int, request_line: str) -> None:
    assert (await get(port, request_line))[::2] == (404, b"not found\n")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/log/checkpoint", "/nothing"])
async def test_no_page_tells_which_software_answers(port: int, path: str) -> None:
    _, head, _ = await get(port, f"GET {path} HTTP/1.1")
    assert "server:" not in head.lower()
    assert "python" not in head.lower()


# ---- beginning and end


async def test_a_port_in_use_is_said(site: Site) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = site.listening_on("127.0.0.1", other.getsockname()[1])
        with pytest.raises(OperationalError) as caught:
            async with taken.running():
                pass
    assert caught.value.code is Code.ADDRESS_IN_USE


@pytest.mark.parametrize("make_loop", sorted({asyncio.new_event_loop, loop_factory()}, key=repr))
def test_a_port_that_another_program_takes_after_it_was_bound_is_said(
    site: Site, make_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        taken, listening = site.listening_on("127.0.0.1", other.getsockname()[1]), list[str]()
        with pytest.raises(OperationalError) as caught, asyncio.Runner(loop_factory=make_loop) as runner:
            # The warning of a port that is not the roster's comes between the two steps.
            runner.run(serve(taken.config, taken.keys, listening.append, lambda _: other.listen()))
        assert other.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    assert (caught.value.code, listening) == (Code.ADDRESS_IN_USE, [])


async def test_a_relay_that_the_roster_does_not_name_does_not_start(site: Site, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = make_site(tmp_path / "other")
    with pytest.raises(VerifyError) as caught:
        async with site.with_keys(other).running():
            pass
    assert caught.value.code is Code.LOGIN


async def test_a_stop_lets_what_is_in_hand_be_acknowledged_and_says_goodbye(tmp_path: Path) -> None:
    site = make_site(tmp_path, limits=FAST)
    devices = [site.organisations[0].certify()]
    async with site.running() as port:
        link = await site.enter(devices[0], port)
        opening, (author,) = await open_for(site, [link], devices)
        for request in range(50):
            message = author.message(bytes(1_000), epoch=0, audience=opening.members, now_ms=site.now_ms)
            link.send(frames.Publish(request=request, items=items((message,))))
        answered: set[int] = set()
        site.stop()
        while len(answered) < 50:
            frame = await link.next()
            if isinstance(frame, frames.Stored):
                answered |= {accepted.request for accepted in frame.accepted}
            elif isinstance(frame, frames.Refused):
                assert frame.code == Code.STOPPING
                answered.add(frame.request)
            elif isinstance(frame, frames.Closing):
                assert frame.code == Code.STOPPING
                break
        await link.lost
        assert link.close_code == 1001


async def test_connections_that_do_not_end_by_themselves_are_cut_at_the_bound(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site = replace(site, config=replace(site.config, listen=replace(site.config.listen, stop_seconds=0.3)))
    async with site.running() as port:
        link = await site.enter(site.organisations[0].certify(), port)
        link.transport.pause_reading()  # so that it never answers the close frame
        site.stop()
        async with asyncio.timeout(4):
            await site.ended()
    link.transport.abort()


async def test_no_page_and_no_connection_is_served_after_a_stop(site: Site) -> None:
    async with site.running() as port:
        site.stop()
        await site.ended()
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_a_fault_of_the_core_ends_the_relay_and_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site.running() as port:
        link = await site.enter(site.organisations[0].certify(), port)

        def fail(*_: object) -> list[Effect]:
            raise ZeroDivisionError

        monkeypatch.setattr(RelayCore, "handle", fail)
        link.send(frames.GetCheckpoint(request=1))
        await link.lost
        with pytest.raises(OperationalError) as caught:
            await site.ended()
    assert caught.value.code is Code.INTERNAL


async def test_a_store_that_lost_acknowledged_leaves_ends_the_relay(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = RelayCore.handle

    def lose(core: RelayCore, what: Input, now_ms: int) -> list[Effect]:
        if isinstance(what, Tick):
            raise OperationalError(Code.LOG_ROLLBACK, "the store has lost leaves")
        return before(core, what, now_ms)

    monkeypatch.setattr(RelayCore, "handle", lose)
    async with site.running():
        with pytest.raises(OperationalError) as caught:
            await site.ended()
    assert caught.value.code is Code.LOG_ROLLBACK


# ---- TLS


async def test_a_login_over_tls_is_bound_to_the_certificate(tmp_path: Path) -> None:
    certificate, key, authority = write_certificate(tmp_path)
    tls_hash = load_server_tls(certificate, key).certificate_hash
    site = make_site(tmp_path, tls=Tls(certificate=certificate, key=key), tls_hashes=(tls_hash,))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    device = site.organisations[0].certify()
    async with site.running() as port:
        link, ready = await log_in(device, site.relay, port, tls=context)
        assert ready.rooms == ()
        link.transport.abort()
        # What a thief of the channel would show: the same login under another certificate.
        with pytest.raises(VerifyError) as caught:
            await log_in(device, site.relay, port, tls=context, tls_hash=bytes(32))
    assert caught.value.code is Code.LOGIN


async def test_a_stranger_that_speaks_no_tls_is_cut_and_others_are_served(tmp_path: Path) -> None:
    certificate, key, authority = write_certificate(tmp_path)
    site = make_site(tmp_path, tls=Tls(certificate=certificate, key=key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    async with site.running() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                assert b"200" not in await reader.read()
        writer.close()
        await log_in(site.organisations[0].certify(), site.relay, port, tls=context)
