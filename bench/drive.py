"""The load: senders with a window each, recipients that count, and what came of it."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from amanah_protocol import frames
from amanah_protocol.roster import Relay
from amanah_protocol.types import RoomId
from bench.community import Author, Device, Opening, open_room
from bench.link import Link, log_in, publish, wire

SENDERS: Final = 10
WINDOW: Final = 32
MESSAGE_BYTES: Final = 1_024
WARM_UP_SECONDS: Final = 1.0
PACE_SECONDS: Final = 0.004
DRAIN_SECONDS: Final = 30.0


class RefusedLoadError(RuntimeError):
    """The relay refused a part of the load: the figures would mean nothing."""


@dataclass(kw_only=True, eq=False)
class Sender:
    """One sender: envelopes signed beforehand, at most `WINDOW` of them without a receipt."""

    link: Link
    ready: list[bytes]
    sent_at: list[float] = field(default_factory=list)
    acked_at: list[tuple[float, int]] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    acked: int = 0
    windowed: bool = False

    def take_over(self) -> None:
        """From now on receipts are for this sender."""
        self.link.on_frame = self._on_frame

    @property
    def idle(self) -> bool:
        """Whether everything sent was acknowledged."""
        return self.acked == len(self.sent_at)

    @property
    def left(self) -> int:
        """How many are still to be sent."""
        return len(self.ready) - len(self.sent_at)

    def send(self, count: int) -> int:
        """Send the next ones in one write; gives how many there were."""
        first = len(self.sent_at)
        batch = self.ready[first : first + count]
        if batch:
            self.sent_at += [perf_counter()] * len(batch)
            self.link.transport.write(b"".join(batch))
        return len(batch)

    def _on_frame(self, frame: frames.RelayFrame) -> None:
        if isinstance(frame, frames.Stored):
            self.places += [(accepted.sequences[0], accepted.request) for accepted in frame.accepted]
            self.acked += len(frame.accepted)
            self.acked_at.append((perf_counter(), len(frame.accepted)))
            if self.windowed:
                self.send(len(frame.accepted))
        elif isinstance(frame, frames.Refused | frames.Closing):
            self.link.give_up(str(frame))


@dataclass(kw_only=True, eq=False)
class Recipient:
    """One subscriber; asks for the rest when the relay says that it lagged."""

    link: Link
    room: RoomId
    first: int = 0
    lagged: int = 0
    live: asyncio.Event = field(default_factory=asyncio.Event)

    def subscribe(self, after: int) -> None:
        """Ask for everything behind a place."""
        self.link.on_frame = self._on_frame
        self.link.counting = True
        self.link.send(frames.Subscribe(request=0, room=self.room, after=after))

    def begin(self) -> None:
        """What came until now was the room's opening."""
        self.first = self.link.deliveries
        self.link.deliveries = 0
        self.link.arrivals.clear()

    def _on_frame(self, frame: frames.RelayFrame) -> None:
        if isinstance(frame, frames.PageEnd):
            if frame.live:
                self.live.set()
            else:
                self.subscribe(frame.next)
        elif isinstance(frame, frames.Lagging):
            self.lagged += 1
            self.subscribe(self.first + self.link.deliveries)
        elif isinstance(frame, frames.Refused | frames.Closing):
            self.link.give_up(str(frame))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Figures of one phase.

    Attributes:
        acked_per_s: Envelopes acknowledged a second.
        deliveries_per_s: Deliveries a second, to all recipients together.
        latencies_ms: Sorted: from sending to each delivery, or to the receipt where nobody receives.
        verified: Deliveries verified whole.
        lagged: How often a recipient was sent to the store.
    """

    acked_per_s: float
    deliveries_per_s: float
    latencies_ms: list[float]
    verified: int
    lagged: int

    def percentile(self, percent: float) -> float:
        """Of the latencies."""
        if not self.latencies_ms:
            return 0.0
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(len(self.latencies_ms) * percent / 100))]


class Room:
    """One room with its senders and recipients, all logged in."""

    def __init__(self, opening: Opening, senders: list[Sender], recipients: list[Recipient]) -> None:
        """Made by `open_with`."""
        self._opening = opening
        self._senders = senders
        self._recipients = recipients
        self._authors = [opening.creator] + [
            Author(device, opening.room) for device in opening.others[: len(senders) - 1]
        ]

    @classmethod
    async def open_with(cls, devices: list[Device], recipients: int, relay: Relay, port: int, now_ms: int) -> Room:
        """Log all devices in, open a room with all of them, subscribe the last `recipients`."""
        links = []
        for device in devices:
            link, _ = await log_in(device, relay, port)
            links.append(link)
        opening = open_room(devices[0], devices[1:], origin=relay.origin, now_ms=now_ms)
        for request, envelopes in enumerate((opening.create, opening.commit)):
            items = tuple(frames.Item(envelope=envelope.encoded, content=content) for envelope, content in envelopes)
            await publish(links[0], request, items)
        keys = {device.id: device.key.public for device in devices}
        receiving = []
        for link in links[len(links) - recipients :] if recipients else []:
            link.public_keys = keys
            receiving.append(Recipient(link=link, room=opening.room))
            receiving[-1].subscribe(0)
        await asyncio.gather(*(recipient.live.wait() for recipient in receiving))
        for recipient in receiving:
            recipient.begin()
        senders = [Sender(link=link, ready=[]) for link in links[:SENDERS]]
        for sender in senders:
            sender.take_over()
        return cls(opening, senders, receiving)

    async def sign(self, count: int, now_ms: int) -> None:
        """Sign `count` more envelopes of each sender and make them ready for the wire."""
        for _ in range(count):
            for sender, author in zip(self._senders, self._authors, strict=True):
                envelope, content = author.message(
                    secrets.token_bytes(MESSAGE_BYTES), epoch=1, audience=self._opening.members, now_ms=now_ms
                )
                item = frames.Item(envelope=envelope.encoded, content=content)
                sender.ready.append(wire(frames.Publish(request=len(sender.ready), items=(item,))))
            await asyncio.sleep(0)  # on a busy machine this takes longer than the relay waits for the answer to a ping

    async def saturate(self, seconds: float) -> Outcome:
        """Keep every window full."""
        start = perf_counter()
        for sender in self._senders:
            sender.windowed = True
            sender.send(WINDOW)
        # The phase ends with the time, or with the first sender that has nothing left to send.
        while perf_counter() < start + seconds + WARM_UP_SECONDS and all(sender.left for sender in self._senders):
            await self._alive(PACE_SECONDS)
        for sender in self._senders:
            sender.windowed = False
        return await self._outcome(start + WARM_UP_SECONDS, perf_counter())

    async def pace(self, per_s: float, seconds: float) -> Outcome:
        """Send at a fixed rate, whatever comes back."""
        start, sent = perf_counter(), 0
        while (now := perf_counter()) < start + seconds + WARM_UP_SECONDS:
            due = int((now - start) * per_s)
            while sent < due:
                sent += 1
                self._senders[sent % len(self._senders)].send(1)
            await self._alive(PACE_SECONDS)
        return await self._outcome(start + WARM_UP_SECONDS, perf_counter())

    async def close(self) -> None:
        """Cut all connections."""
        for link in [sender.link for sender in self._senders] + [recipient.link for recipient in self._recipients]:
            link.transport.abort()

    async def _alive(self, seconds: float) -> None:
        links = [sender.link for sender in self._senders] + [recipient.link for recipient in self._recipients]
        done, _ = await asyncio.wait(
            [link.lost for link in links], timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if done:
            reasons = {link.reason for link in links if link.lost.done()}
            raise RefusedLoadError("; ".join(sorted(reasons)))

    async def _outcome(self, begin: float, end: float) -> Outcome:
        await self._drain()
        sent_at: dict[int, float] = {}
        for sender in self._senders:
            for sequence, request in sender.places:
                sent_at[sequence] = sender.sent_at[request]
        acked = sum(count for sender in self._senders for at, count in sender.acked_at if begin <= at < end)
        delivered = sum(
            count for recipient in self._recipients for at, count in recipient.link.arrivals if begin <= at < end
        )
        return Outcome(
            acked_per_s=acked / (end - begin),
            deliveries_per_s=delivered / (end - begin),
            latencies_ms=sorted(self._latencies(sent_at, begin) if self._recipients else self._receipts(begin)),
            verified=sum(recipient.link.verified for recipient in self._recipients),
            lagged=sum(recipient.lagged for recipient in self._recipients),
        )

    async def _drain(self) -> None:
        """Everything sent comes back as a receipt and reaches everybody: else the figures are void."""
        deadline = perf_counter() + DRAIN_SECONDS
        while True:
            sent = sum(len(sender.sent_at) for sender in self._senders)
            missing = [recipient for recipient in self._recipients if recipient.link.deliveries < sent]
            if not missing and all(sender.idle for sender in self._senders):
                return
            if perf_counter() > deadline:
                raise RefusedLoadError(f"{len(missing)} recipients and some receipts are incomplete after the load")
            await self._alive(PACE_SECONDS)

    def _latencies(self, sent_at: dict[int, float], begin: float) -> list[float]:
        found = []
        for recipient in self._recipients:
            sequence = recipient.first
            for at, count in recipient.link.arrivals:
                for _ in range(count):
                    sequence += 1
                    if (sent := sent_at[sequence]) >= begin:
                        found.append((at - sent) * 1_000)
        return found

    def _receipts(self, begin: float) -> list[float]:
        found = []
        for sender in self._senders:
            place = 0
            for at, count in sender.acked_at:
                for _, request in sender.places[place : place + count]:
                    if (sent := sender.sent_at[request]) >= begin:
                        found.append((at - sent) * 1_000)
                place += count
        return found
