"""A whole relay on loopback inside a test: real sockets, real store, real signatures."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import trustme

from amanah_protocol import frames
from amanah_protocol.envelope import Envelope
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.roster import Relay
from amanah_relay.config import Config, Keys, Listen, Log, StoreSection, Tls
from amanah_relay.keys import RelayKeys, create_relay_keys
from amanah_relay.quotas import RelayLimits
from amanah_relay.service import serve
from amanah_relay.store import Store
from bench.community import Author, Device, Opening, Organisation, make_roster, open_room
from bench.link import Link, log_in, publish

ORIGIN = "relay.example.org/test"


@dataclass(frozen=True, kw_only=True)
class Site:
    """A relay that was made and may be started, any number of times.

    Attributes:
        config: Its configuration; port 0.
        keys: Its keys.
        relay: What the roster says of it.
        organisations: Those that signed the roster.
        now_ms: When all this was made.
        services: The services that were started.
    """

    config: Config
    keys: RelayKeys
    relay: Relay
    organisations: list[Organisation]
    now_ms: int
    services: list[asyncio.Task[None]] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Serve; gives the port. Ends it by cancelling, unless it ended by itself."""
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        service = asyncio.create_task(serve(self.config, self.keys, address.set_result, lambda _: None))
        self.services.append(service)
        try:
            await asyncio.wait((service, address), return_when=asyncio.FIRST_COMPLETED)
            if service.done():
                await service
            yield int(address.result().rpartition(":")[2])
        finally:
            service.cancel()
            await asyncio.wait((service,))

    async def ended(self) -> None:
        """Wait until the service that was started last has ended by itself; raises what it raised."""
        await self.services[-1]

    @staticmethod
    def stop() -> None:
        """What an operator does; the running service takes the signal."""
        signal.raise_signal(signal.SIGTERM)

    def listening_on(self, host: str, port: int) -> Site:
        """The same relay elsewhere."""
        return replace(self, config=replace(self.config, listen=replace(self.config.listen, host=host, port=port)))

    def with_keys(self, other: Site) -> Site:
        """The same store with another relay's keys."""
        return replace(self, keys=other.keys)

    async def enter(self, device: Device, port: int) -> Link:
        """Log a device in."""
        link, _ = await log_in(device, self.relay, port)
        return link


def make_site(
    folder: Path,
    *,
    limits: RelayLimits | None = None,
    tls: Tls | None = None,
    tls_hashes: tuple[bytes, ...] = (),
    witnesses: tuple[NoteSigner, ...] = (),
) -> Site:
    """Keys, roster and store of a relay."""
    now_ms = time.time_ns() // 1_000_000
    organisations = [Organisation("cert.example.fr", now_ms=now_ms), Organisation("cert.example.tn", now_ms=now_ms)]
    keys = create_relay_keys(folder / "relay.keys", ORIGIN)
    relay = keys.card(("wss://relay.example.org:8443",), tls_hashes)
    config = Config(
        listen=Listen(port=0, stop_seconds=5),
        keys=Keys(file=folder / "relay.keys"),
        store=StoreSection(url=f"sqlite:///{folder / 'relay.db'}"),
        limits=limits or RelayLimits(),
        log=Log(level="info"),
    )
    if tls is not None:
        config = replace(config, tls=tls)
    roster = make_roster(organisations, relay, now_ms=now_ms, witnesses=witnesses)
    Store.init(config.store.url, roster=roster, origin=ORIGIN, now_ms=now_ms).close()
    return Site(config=config, keys=keys, relay=relay, organisations=organisations, now_ms=now_ms)


async def get(port: int, request: str) -> tuple[int, str, bytes]:
    """One HTTP request; status, head, body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{request}\r\nHost: relay.example.org\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), head.decode(), body


def write_certificate(folder: Path, *, not_after: dt.datetime | None = None) -> tuple[Path, Path, trustme.CA]:
    """A certificate for localhost behind a certificate authority of its own, with its chain."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1", not_after=not_after)
    certificate, key = folder / "relay.crt", folder / "relay.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in [*issued.cert_chain_pems, authority.cert_pem]))
    key.write_bytes(issued.private_key_pem.bytes())
    return certificate, key, authority


def items(envelopes: tuple[tuple[Envelope, bytes], ...]) -> tuple[frames.Item, ...]:
    """What a publish carries."""
    return tuple(frames.Item(envelope=envelope.encoded, content=content) for envelope, content in envelopes)


async def open_for(site: Site, links: list[Link], devices: list[Device]) -> tuple[Opening, list[Author]]:
    """Open a room in which all devices are; gives who may write there."""
    opening = open_room(devices[0], devices[1:], origin=ORIGIN, now_ms=site.now_ms)
    await publish(links[0], 1, items(opening.create))
    if opening.commit:
        await publish(links[0], 2, items(opening.commit))
    return opening, [opening.creator, *(Author(device, opening.room) for device in opening.others)]
