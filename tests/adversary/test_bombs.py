"""Attack 47: frames that say to be enormous, and frames that would become it, over real sockets, both ways."""

from __future__ import annotations

import asyncio
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from amanah_client import Client, actions, model
from amanah_protocol import frames
from amanah_protocol.labels import Label
from amanah_protocol.limits import MIB
from bench.link import Link
from tests.adversary.between import AMANAH, GIB, HOST, Raw, head_of
from tests.adversary.outcomes import control, defended
from tests.end_to_end.nations import Nations
from tests.relay.serving import Site, items, make_site, open_for

TN: Final = "cert.example.tn"
MOST_BYTES: Final = 64 * MIB
"""What a bomb may cost in memory."""
FLOOD: Final = bytes(256 * 1024)
RSV1: Final = 0xC2
"""The head of a binary frame that says to be compressed."""


def bomb() -> bytes:
    """128 MiB of nothing, compressed a thousand to one."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(128)) + packer.flush(zlib.Z_SYNC_FLUSH)


BOMB: Final = bomb()


@pytest.fixture
def nations(tmp_path: Path) -> Iterator[Nations]:
    made = Nations(tmp_path)
    yield made
    made.close()


# ---- against the relay


async def stranger(port: int) -> Link:
    """A websocket that has not logged in."""
    _, link = await asyncio.get_running_loop().create_connection(Link, HOST, port)
    await asyncio.sleep(0.1)
    return link


async def flood(link: Link, head: bytes, limit: int) -> int:
    """Write a frame's head and then what belongs to it, until the relay has closed; gives what it has taken."""
    link.transport.write(head)
    taken = 0
    while taken < limit and not link.lost.done():
        link.transport.write(FLOOD)
        taken += len(FLOOD)
        while link.transport.get_write_buffer_size() and not link.lost.done():
            await asyncio.sleep(0.001)
    return taken


def memory_of(nations: Nations) -> int:
    """Resident bytes of the relay's process."""
    process = nations.relay._process
    assert process is not None
    status = Path(f"/proc/{process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("opcode", [0x82, RSV1], ids=["as it is", "compressed, they say"])
@defended(47)
async def test_a_relay_closes_on_the_head_of_a_gibibyte_and_takes_none_of_it(nations: Nations, opcode: int) -> None:
    nations.relay.start()
    path = nations.enrol("a", TN)
    async with await Client.open(path) as client:
        await client.online(20)
        before = memory_of(nations)
        links = [await stranger(nations.relay.port) for _ in range(4)]
        for link in links:
            # The head alone is enough; what follows is not waited for.
            await flood(link, head_of(GIB, opcode=opcode, masked=True), 8 * MIB)
            async with asyncio.timeout(10):
                await link.lost
        assert {link.close_code for link in links} == {1009}
        assert memory_of(nations) - before < MOST_BYTES
        room = await client.create_room("and on", label=Label.AMBER)
        assert (await room.send("still served")).state is model.IntentState.DONE


@defended(47)
async def test_it_does_so_after_the_login_too_and_inflates_nothing(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    device, other = (organisation.certify() for organisation in site.organisations)
    async with site.running() as port:
        tracemalloc.start()
        for head, payload, code in (
            (head_of(GIB, masked=True), b"", 1009),
            (head_of(len(BOMB), opcode=RSV1, masked=True), BOMB, 1002),
        ):
            link = await site.enter(device, port)
            link.transport.write(head + payload)
            async with asyncio.timeout(10):
                await link.lost
            assert link.close_code == code
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MOST_BYTES
        honest = await site.enter(other, port)
        opening, (author,) = await open_for(site, [honest], [other])
        message = author.message(b"sealed", epoch=0, audience=opening.members, now_ms=site.now_ms)
        honest.send(frames.Publish(request=5, items=items((message,))))
        assert (await honest.expect(frames.Stored)).accepted[0].request == 5


@control(47, "bound of a frame")
async def test_without_the_bound_a_stranger_fills_the_relays_memory(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    async with site.running() as port:
        tracemalloc.start()
        link = await stranger(port)
        taken = await flood(link, head_of(GIB, masked=True), 2 * MOST_BYTES)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert not link.lost.done()
        assert taken == 2 * MOST_BYTES
        assert peak > MOST_BYTES
        link.transport.abort()


async def compressed_hello(site: Site, port: int) -> frames.RelayFrame | int:
    """Offer compression and say hello compressed; gives the answer, or the code of the close."""
    device = site.organisations[0].certify()
    hello = frames.Hello(
        versions=(1,),
        client_nonce=bytes(32),
        device=device.id,
        certificate_hash=device.certificate.hash,
        dialled=f"{HOST}:{port}",
    )
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = (packer.compress(frames.encode_frame(hello)) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    offer = [ClientPerMessageDeflateFactory()]
    async with connect(f"ws://{HOST}:{port}", subprotocols=AMANAH, extensions=offer) as peer:
        peer.transport.write(head_of(len(data), opcode=RSV1, masked=True) + data)
        try:
            return frames.decode_relay_frame(await peer.recv(decode=False))
        except ConnectionClosed as closed:
            return 0 if closed.rcvd is None else closed.rcvd.code


@defended(47)
async def test_a_relay_reads_no_compressed_frame_also_when_it_was_offered(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    async with site.running() as port:
        assert await compressed_hello(site, port) == 1002


@control(47, "no compression")
async def test_with_compression_a_compressed_frame_is_inflated(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    async with site.running() as port:
        assert isinstance(await compressed_hello(site, port), frames.Challenge)


# ---- against a client


@pytest.mark.parametrize(
    ("raw", "codes"),
    [
        (Raw(payload=head_of(GIB, masked=False), more=FLOOD), {1009}),
        (Raw(payload=head_of(GIB, opcode=RSV1, masked=False), more=FLOOD), {1009}),
        (Raw(payload=head_of(len(BOMB), opcode=RSV1, masked=False) + BOMB), {1002}),
        (Raw(payload=b"", extensions="permessage-deflate"), set()),
    ],
    ids=["a gibibyte", "a gibibyte, compressed, they say", "a bomb", "compression that nobody offered"],
)
@defended(47)
async def test_a_client_closes_on_it_and_works_as_soon_as_its_relay_is_back(
    nations: Nations, raw: Raw, codes: set[int]
) -> None:
    path = nations.enrol("a", TN)
    async with await Client.open(path, connect=False) as client:
        queued = await client.ask(actions.CreateRoom(title="later", ceiling=Label.AMBER))
    tracemalloc.start()
    async with raw.running(nations.relay.port), await Client.open(path) as client:
        async with asyncio.timeout(20):
            while not raw.codes and not raw.refused:
                await asyncio.sleep(0.02)
        assert not client.is_online
        assert client.alarms() == ()
        assert [intent.id for intent in client.outbox()] == [queued.id]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert set(raw.codes) == codes
    assert raw.taken < MOST_BYTES
    assert peak < MOST_BYTES
    nations.relay.start()
    async with await Client.open(path) as client:
        assert (await client.outcome(queued.id, 20)).state is model.IntentState.DONE
