"""Live delivery: each entry is encoded once and goes to whoever is at the head of its room.

A *watch* is one session in one room (or the control stream). It is either live, which means that
everything up to the newest durable entry was sent to it, or a page is being read for it; entries that
become durable meanwhile are kept as its tail, so that page, tail and live stream join without gap and
without double. A session that is too slow loses its watch, not its entries: it reads them later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from amanah_protocol import frames
from amanah_protocol.limits import MAX_CONTENT_BYTES
from amanah_protocol.types import CONTROL, DeviceId, RoomId
from amanah_relay.core.clients import Client
from amanah_relay.core.output import Output
from amanah_relay.core.sequencer import Draft
from amanah_relay.effects import Entry, SessionId


class Line(NamedTuple):
    """An entry ready to be sent.

    Attributes:
        seq: Its place.
        full: The frame with its content.
        bare: The frame without; the same object where there is nothing to leave out.
        addressees: Who gets `full`; None means everybody.
        removed: Devices for which it is the last one.
    """

    seq: int
    full: bytes
    bare: bytes
    addressees: tuple[DeviceId, ...] | None
    removed: tuple[DeviceId, ...]

    def for_device(self, device: DeviceId) -> bytes:
        """The frame for one device."""
        return self.full if self.addressees is None or device in self.addressees else self.bare


def encode_line(entry: Entry, *, erased: bool = False, removed: tuple[DeviceId, ...] = ()) -> Line:
    """Encode an entry of a room or of the control stream."""
    if entry.room == CONTROL:
        frame = encode_control(entry)
        return Line(entry.room_seq, frame, frame, None, ())
    full = _encode_delivery(entry, entry.content, erased=erased)
    bare = full if entry.addressees is None else _encode_delivery(entry, None, erased=erased)
    return Line(entry.room_seq, full, bare, entry.addressees, removed)


def encode_control(entry: Entry) -> bytes:
    """The frame of an entry of the control stream."""
    return frames.encode_frame(
        frames.ControlEntry(
            sequence=entry.room_seq,
            index=entry.index,
            type=int(entry.type),
            accepted_at_ms=entry.accepted_at_ms,
            previous=entry.previous,
            object=entry.object,
            document=entry.document,
        )
    )


def _encode_delivery(entry: Entry, content: bytes | None, *, erased: bool) -> bytes:
    large = content is not None and len(content) > MAX_CONTENT_BYTES
    return frames.encode_frame(
        frames.Delivery(
            room=entry.room,
            room_seq=entry.room_seq,
            index=entry.index,
            accepted_at_ms=entry.accepted_at_ms,
            previous=entry.previous,
            envelope=entry.object,
            content=None if large else content,
            length=len(content) if large and content is not None else 0,
            erased=erased,
        )
    )


@dataclass(slots=True, kw_only=True, eq=False)
class Page:
    """A page that is being read.

    Attributes:
        client: Who asked.
        request: Number of the request.
        room: Room, or `CONTROL`.
        after: Sequence behind which it begins.
        until: Newest durable sequence when it was begun that this device may see.
        joins: Whether reaching `until` means to be at the head.
        following: What to ask for next, where that is not the last sequence of the page.
        tail: Frames of entries behind `until` that have become durable since.
        tail_seq: Sequence of the last of them.
        tail_bytes: Their size.
        spilt: Whether the tail became too long to keep.
        ended: Whether the last of the tail removed the device.
    """

    client: Client
    request: int
    room: RoomId
    after: int
    until: int
    joins: bool
    following: int | None = None
    tail: list[bytes] = field(default_factory=list)
    tail_seq: int = 0
    tail_bytes: int = 0
    spilt: bool = False
    ended: bool = False

    def keep(self, lines: Sequence[Line], max_bytes: int) -> None:
        """Entries have become durable while the page is read."""
        for line in lines:
            if self.spilt or self.ended or not self.joins:
                return
            frame = line.for_device(self.client.device)
            self.tail_bytes += len(frame)
            if self.tail_bytes > max_bytes:
                self.spilt = True
                self.tail.clear()
                return
            self.tail.append(frame)
            self.tail_seq = line.seq
            self.ended = self.client.device in line.removed


class Watches:
    """All watches, by room."""

    def __init__(self, out: Output, *, tail_bytes: int) -> None:
        """Begin with none.

        Args:
            out: Where frames go.
            tail_bytes: Bound of a page's tail.
        """
        self._out = out
        self._tail_bytes = tail_bytes
        self._live: dict[RoomId, dict[SessionId, Client]] = {}
        self._pages: dict[RoomId, dict[SessionId, Page]] = {}

    def page(self, client: Client, room: RoomId) -> Page | None:
        """The page that is being read for a client in a room."""
        return self._pages.get(room, {}).get(client.session)

    def begin(self, page: Page) -> None:
        """A page is being read for a client that has no watch in its room."""
        self._pages.setdefault(page.room, {})[page.client.session] = page
        page.client.watched.add(page.room)

    def go_live(self, client: Client, room: RoomId) -> None:
        """Everything durable was sent: from now on it is told at once."""
        self.end(client, room)
        self._live.setdefault(room, {})[client.session] = client
        client.watched.add(room)

    def end(self, client: Client, room: RoomId) -> None:
        """Forget a watch, if there is one."""
        if room not in client.watched:
            return
        client.watched.discard(room)
        for watches in (self._live, self._pages):
            here = watches.get(room)
            if here is not None and here.pop(client.session, None) is not None and not here:
                del watches[room]

    def end_all(self, client: Client) -> None:
        """Forget all watches of a client."""
        for room in tuple(client.watched):
            self.end(client, room)

    def live(self, room: RoomId) -> tuple[SessionId, ...]:
        """Sessions that are live in a room."""
        return tuple(self._live.get(room, ()))

    def deliver(self, room: RoomId, stored: Sequence[tuple[Draft, Entry]]) -> None:
        """Entries of one room have become durable, in this order."""
        live, pages = self._live.get(room), self._pages.get(room)
        if not live and not pages:
            return
        lines = [encode_line(entry, removed=draft.removed) for draft, entry in stored]
        for page in tuple((pages or {}).values()):
            page.keep(lines, self._tail_bytes)
        if live:
            self._send(room, live, lines)

    def _send(self, room: RoomId, live: dict[SessionId, Client], lines: list[Line]) -> None:
        for client in [client for client in live.values() if client.congested]:
            client.behind.add(room)
            self.end(client, room)
        if all(line.addressees is None and not line.removed for line in lines):
            if live:
                self._out.fan_out(tuple(live), tuple(line.full for line in lines))
            return
        groups: dict[tuple[bytes, ...], list[SessionId]] = {}
        for client in tuple(live.values()):
            data: list[bytes] = []
            for line in lines:
                data.append(line.for_device(client.device))
                if client.device in line.removed:
                    # Nothing behind its removal is for it, also when the same batch adds it again.
                    self.end(client, room)
                    break
            groups.setdefault(tuple(data), []).append(client.session)
        for frames_of_group, sessions in groups.items():
            self._out.fan_out(tuple(sessions), frames_of_group)
