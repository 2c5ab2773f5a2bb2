"""A load that remembers what it was promised, across any number of dead relays.

Senders keep signed bytes until a receipt answers them and send the same bytes again after each
reconnect; a watcher resumes from what it has. `check` then holds the promises against the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass, field

from amanah_protocol import frames
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import MEANINGS, Code
from amanah_protocol.log.receipt import verify_receipt
from amanah_protocol.roster import Relay
from amanah_protocol.types import EnvelopeId, LeafHash
from amanah_relay.effects import ReadEntries
from bench.community import Author, Device, Opening, Organisation, open_room
from bench.link import Link, log_in, publish, wire
from tests.faults.relay_home import RelayHome

SENDERS = 3
WINDOW = 8
MESSAGE_BYTES = 700


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Sender:
    """One device's unanswered publishes, in order."""

    author: Author
    unanswered: dict[int, tuple[EnvelopeId, bytes]] = field(default_factory=dict)
    requests: int = 0


@dataclass(frozen=True)
class Promise:
    """What a receipt said of one envelope."""

    index: int
    room_seq: int
    leaf: LeafHash


@dataclass
class Load:
    """Three senders and a watcher in one room."""

    relay: Relay
    port: int
    opening: Opening
    senders: list[Sender]
    watcher: Device
    promises: dict[EnvelopeId, Promise] = field(default_factory=dict)
    delivered: dict[int, EnvelopeId] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    signed: int = 0

    @classmethod
    async def begin(cls, home: RelayHome, organisation: Organisation) -> Load:
        """Open the room on a running relay."""
        devices = [organisation.certify() for _ in range(SENDERS + 1)]
        links = [(await log_in(device, home.relay, home.port))[0] for device in devices]
        opening = open_room(devices[0], devices[1:], origin=home.relay.origin, now_ms=now_ms())
        for request, envelopes in enumerate((opening.create, opening.commit)):
            items = tuple(frames.Item(envelope=envelope.encoded, content=content) for envelope, content in envelopes)
            await publish(links[0], request, items)
        for link in links:
            link.transport.abort()
        authors = [opening.creator] + [Author(device, opening.room) for device in devices[1:SENDERS]]
        return cls(home.relay, home.port, opening, [Sender(author) for author in authors], devices[SENDERS])

    async def run(self, seconds: float, enough: int | None = None) -> None:
        """Send and watch until the time is over, `enough` more are acknowledged, or the relay dies."""
        start = len(self.promises)
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            links = [tasks.create_task(self._log_in(sender.author.device)) for sender in self.senders]
            watching = tasks.create_task(self._log_in(self.watcher))
        opened = [task.result() for task in (*links, watching)]
        if any(link is None for link in opened):
            return
        alive = [link for link in opened if link is not None]
        for sender, link in zip(self.senders, alive, strict=False):
            self._resume(sender, link)
        self._watch(alive[-1])
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not any(link.lost.done() for link in alive):
            if enough is not None and len(self.promises) - start >= enough:
                break
            await asyncio.sleep(0.01)
        for link in alive:
            link.transport.abort()

    async def settle(self) -> None:
        """With a relay that stays up: every signed envelope is answered, the watcher has everything."""
        for sender in self.senders:
            link = await self._log_in(sender.author.device)
            assert link is not None
            self._take(sender, link, keep_sending=False)
            for _, data in sender.unanswered.values():
                link.transport.write(data)
            async with asyncio.timeout(30):
                while sender.unanswered:  # noqa: ASYNC110 - polled, so that the sender stays a plain record
                    await asyncio.sleep(0.01)
            link.transport.abort()
        link = await self._log_in(self.watcher)
        assert link is not None
        done = self._watch(link)
        async with asyncio.timeout(30):
            await done.wait()
        link.transport.abort()

    async def _log_in(self, device: Device) -> Link | None:
        with contextlib.suppress(ConnectionError):
            return (await log_in(device, self.relay, self.port))[0]
        return None

    def _resume(self, sender: Sender, link: Link) -> None:
        self._take(sender, link, keep_sending=True)
        for _, data in sender.unanswered.values():
            link.transport.write(data)
        while len(sender.unanswered) < WINDOW:
            self._send_one(sender, link)

    def _send_one(self, sender: Sender, link: Link) -> None:
        envelope, content = sender.author.message(
            secrets.token_bytes(MESSAGE_BYTES), epoch=1, audience=self.opening.members, now_ms=now_ms()
        )
        sender.requests += 1
        self.signed += 1
        item = frames.Item(envelope=envelope.encoded, content=content)
        data = wire(frames.Publish(request=sender.requests, items=(item,)))
        sender.unanswered[sender.requests] = (envelope.id, data)
        link.transport.write(data)

    def _take(self, sender: Sender, link: Link, *, keep_sending: bool) -> None:
        def on_frame(frame: frames.RelayFrame) -> None:
            match frame:
                case frames.Stored():
                    self._note(sender, frame)
                    while keep_sending and len(sender.unanswered) < WINDOW:
                        self._send_one(sender, link)
                case frames.Refused() if MEANINGS[Code(frame.code)].final:
                    self.faults.append(f"a final refusal: {frame}")
                case _:
                    pass

        link.on_frame = on_frame

    def _note(self, sender: Sender, frame: frames.Stored) -> None:
        receipt = verify_receipt(frame.receipt, self.relay.key).value
        for accepted in frame.accepted:
            envelope, _ = sender.unanswered.pop(accepted.request)
            leaf = receipt.leaves[accepted.indices[0] - receipt.first_index]
            promise = Promise(accepted.indices[0], accepted.sequences[0], leaf)
            if self.promises.setdefault(envelope, promise) != promise:
                self.faults.append(f"two different receipts for {envelope.hex()}")

    def _watch(self, link: Link) -> asyncio.Event:
        live = asyncio.Event()

        def on_frame(frame: frames.RelayFrame) -> None:
            match frame:
                case frames.Delivery():
                    envelope = decode_envelope(frame.envelope).id
                    if frame.room_seq in self.delivered or frame.room_seq != len(self.delivered) + 1:
                        self.faults.append(f"sequence {frame.room_seq} after {len(self.delivered)} deliveries")
                    self.delivered[frame.room_seq] = envelope
                case frames.PageEnd(live=True):
                    live.set()
                case frames.PageEnd() | frames.Lagging():
                    subscribe()
                case _:
                    pass

        def subscribe() -> None:
            link.send(frames.Subscribe(request=1, room=self.opening.room, after=len(self.delivered)))

        # The watcher was added by the second entry; the relay gives it the create before that.
        link.on_frame = on_frame
        subscribe()
        return live

    def check(self, home: RelayHome) -> None:
        """Nothing acknowledged is lost, nothing is there twice, and everybody saw the same order."""
        assert self.faults == []
        store = home.store()
        try:
            stored = {}
            after = 0
            while True:
                wanted = ReadEntries(token=0, room=self.opening.room, after=after, limit=500, max_bytes=2**24)
                page = store.read_entries(wanted)
                for item in page.entries:
                    assert item.entry.envelope is not None
                    assert item.entry.envelope not in stored, "an envelope is stored twice"
                    stored[item.entry.envelope] = item.entry
                    after = item.entry.room_seq
                if not page.more:
                    break
        finally:
            store.close()
        lost = [envelope for envelope in self.promises if envelope not in stored]
        assert lost == [], f"{len(lost)} of {len(self.promises)} acknowledged envelopes are lost"
        for envelope, promise in self.promises.items():
            entry = stored[envelope]
            assert (entry.index, entry.room_seq, entry.hash) == (promise.index, promise.room_seq, promise.leaf)
        for room_seq, envelope in self.delivered.items():
            assert stored[envelope].room_seq == room_seq
