"""The relay as its peers meet it: real sockets on loopback, a real store, real logins."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from amanah_protocol import frames
from amanah_protocol.envelope import check_content, decode_envelope, verify_envelope
from amanah_protocol.errors import Code, OperationalError, UsageError, VerifyError
from amanah_protocol.limits import MAX_FRAME_BYTES, MAX_PRE_AUTH_FRAME_BYTES
from amanah_protocol.log.checkpoint import verify_checkpoint
from amanah_protocol.log.receipt import check_in_receipt, verify_receipt
from amanah_protocol.session import SUBPROTOCOL
from amanah_relay.quotas import RelayLimits
from amanah_relay.server import Gate
from amanah_relay.store import Store
from bench.link import Link, log_in, publish
from tests.relay.serving import Site, items, make_site, open_for

AMANAH: Final = [Subprotocol(SUBPROTOCOL)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


@pytest.fixture
async def port(site: Site) -> AsyncIterator[int]:
    async with site.running() as found:
        yield found


async def get(port: int, request: str) -> tuple[int, str, bytes]:
    """One HTTP request; status, head, body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{request}\r\nHost: relay.example.org\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), head.decode(), body


# ---- what it is for


async def test_a_message_reaches_the_other_member_with_a_receipt_for_its_sender(site: Site, port: int) -> None:
    devices = [organisation.certify() for organisation in site.organisations]
    links = [await site.enter(device, port) for device in devices]
    opening, authors = await open_for(site, links, devices)
    links[1].send(frames.Subscribe(request=5, room=opening.room, after=3))
    assert (await links[1].expect(frames.PageEnd)).live
    delivered: asyncio.Queue[frames.RelayFrame] = asyncio.Queue()
    links[1].on_frame = delivered.put_nowait
    links[1].on_delivery = delivered.put_nowait
    message = authors[0].message(b"sealed", epoch=1, audience=opening.members, now_ms=site.now_ms)
    stored = await publish(links[0], 7, items((message,)))
    receipt = verify_receipt(stored.receipt, site.relay.key)
    (accepted,) = stored.accepted
    assert accepted.request == 7
    delivery = await delivered.get()
    assert isinstance(delivery, frames.Delivery)
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
        message = author.message(b"sealed", epoch=1, audience=opening.members, now_ms=site.now_ms)
        await publish(link, 1, items((message,)))
    async with site.running() as port:
        link = await site.enter(devices[0], port)
        link.send(frames.Subscribe(request=5, room=opening.room, after=0))
        found = await collect(link, 4)
    assert decode_envelope(found[-1].envelope).id == message[0].id
    store = Store.open(site.config.store.url)
    assert store.verify_log().envelopes == 4
    store.close()
