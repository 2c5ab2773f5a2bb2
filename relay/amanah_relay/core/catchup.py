"""Pages out of the store, and the way from them into the live stream.

When a page is begun, everything up to `until` is durable and everything behind it will be told. The
store is asked for no more than `until`; what becomes durable meanwhile is the page's tail. So page,
tail and live stream join without gap and without double, in whatever order the answers come.
"""

from __future__ import annotations

from amanah_protocol import frames
from amanah_protocol.errors import AmanahError, Code, RefusedError
from amanah_protocol.types import CONTROL, RoomId
from amanah_relay.core.clients import Client, PageRequest
from amanah_relay.core.fanout import Page, encode_line
from amanah_relay.core.ledger import Ledger
from amanah_relay.core.parts import Parts
from amanah_relay.core.pending import PageRead
from amanah_relay.effects import ReadEntries
from amanah_relay.inputs import StoredEntry


def subscribe(parts: Parts, client: Client, asked: PageRequest, now_ms: int) -> None:
    """Take a request for a page; it begins when the session may have one more read.

    Raises:
        AmanahError: `STOPPING`, `STORE`, `UNKNOWN_ROOM`, `NOT_FOUND` or `RATE`.
    """
    parts.check_open()
    _plan(parts.loaded().ledger, client, asked)
    if asked.room in client.waiting or parts.watches.page(client, asked.room) is not None:
        raise RefusedError(Code.RATE, "a page of this room is on its way", retry_after_ms=parts.limits.retry_ms)
    if len(client.waiting) >= parts.limits.pages_waiting:
        raise RefusedError(Code.RATE, "too many pages are asked for", retry_after_ms=parts.limits.retry_ms)
    # Whatever it missed, it asks for now; and until the page is there, nothing is told twice.
    client.behind.discard(asked.room)
    parts.watches.end(client, asked.room)
    client.waiting[asked.room] = asked
    proceed(parts, client, now_ms)


def proceed(parts: Parts, client: Client, now_ms: int) -> None:
    """Begin as many of the pages asked for as the session may have read at a time."""
    while client.waiting and not client.congested and client.reading < parts.limits.pages_in_flight:
        _, asked = client.waiting.popitem(last=False)
        try:
            page = _plan(parts.loaded().ledger, client, asked)
        except AmanahError as error:
            parts.out.refuse(client.session, asked.request, error)
            continue
        parts.watches.begin(page)
        if page.until > page.after:
            client.reading += 1
            _read(parts, page)
        else:
            _end(parts, page, [], page.after, now_ms)


def answer(parts: Parts, page: Page, entries: tuple[StoredEntry, ...], now_ms: int) -> None:
    """The store gave the entries of a page."""
    client = page.client
    if not parts.knows(client):
        return
    client.reading -= 1
    if client.congested:
        # Read again when its buffer has drained: what waits for a slow reader waits in the store.
        parts.watches.end(client, page.room)
        client.waiting[page.room] = PageRequest(request=page.request, room=page.room, after=page.after)
        return
    data: list[bytes] = []
    last_seq, size = page.after, 0
    for stored in entries:
        frame = encode_line(stored.entry, erased=stored.erased).for_device(client.device)
        size += len(frame)
        # The store does not count documents beside the leaves of the control stream.
        if data and size > parts.limits.page_bytes:
            break
        data.append(frame)
        last_seq = stored.entry.room_seq
    _end(parts, page, data, last_seq, now_ms)
    proceed(parts, client, now_ms)


def fail(parts: Parts, page: Page, error: AmanahError, now_ms: int) -> None:
    """The store could not give the entries."""
    client = page.client
    if not parts.knows(client):
        return
    client.reading -= 1
    parts.watches.end(client, page.room)
    parts.out.refuse(client.session, page.request, error)
    proceed(parts, client, now_ms)


def drained(parts: Parts, client: Client, now_ms: int) -> None:
    """The session reads again: it is told where it fell behind, and gets the pages that waited."""
    client.congested = False
    for room in sorted(client.behind):
        parts.out.send(client.session, frames.Lagging(room=room))
    client.behind.clear()
    proceed(parts, client, now_ms)


def _plan(ledger: Ledger, client: Client, asked: PageRequest) -> Page:
    """What of a room this device may see behind `after`.

    A member sees the room's creation and everything from its own adding on, a removed device up to
    and including its removal.

    Raises:
        RefusedError: `UNKNOWN_ROOM`, or `NOT_FOUND` when `after` lies behind the end.
    """
    if asked.room == CONTROL:
        return _page(client, asked, asked.after, ledger.control.head_seq)
    kept = ledger.rooms.get(asked.room)
    member = None if kept is None else kept.members.get(client.device)
    if kept is None or member is None:
        raise RefusedError(Code.UNKNOWN_ROOM, "there is no such room for this device")
    if asked.after == 0 and member.added_seq > 1:
        page = _page(client, asked, 0, 1, joins=False)
        page.following = member.added_seq - 1
        return page
    joins = member.removed_seq is None
    until = kept.head_seq if member.removed_seq is None else member.removed_seq
    return _page(client, asked, max(asked.after, member.added_seq - 1), until, joins=joins)


def _page(client: Client, asked: PageRequest, after: int, until: int, *, joins: bool = True) -> Page:
    if after > until:
        raise RefusedError(Code.NOT_FOUND, f"there is nothing behind {until}")
    return Page(client=client, request=asked.request, room=asked.room, after=after, until=until, joins=joins)


def _read(parts: Parts, page: Page) -> None:
    token = parts.questions.ask(PageRead(page=page))
    parts.out.add(
        ReadEntries(
            token=token,
            room=page.room,
            after=page.after,
            limit=min(parts.limits.page_entries, page.until - page.after),
            max_bytes=parts.limits.page_bytes,
        )
    )


def _end(parts: Parts, page: Page, data: list[bytes], last_seq: int, now_ms: int) -> None:
    """Send a page, its tail where the page reaches it, and its end."""
    client = page.client
    ledger = parts.loaded().ledger
    live = page.joins and last_seq == page.until and not page.spilt
    if live and page.tail:
        data.extend(page.tail)
        last_seq = page.tail_seq
    live = live and not page.ended
    if live:
        parts.watches.go_live(client, page.room)
    else:
        parts.watches.end(client, page.room)
    data.append(
        frames.encode_frame(
            frames.PageEnd(
                request=page.request,
                room=page.room,
                next=last_seq if page.following is None else page.following,
                live=live,
                head=_head(ledger, client, page.room, now_ms),
            )
        )
    )
    parts.out.fan_out((client.session,), tuple(data))


def _head(ledger: Ledger, client: Client, room: RoomId, now_ms: int) -> bytes:
    if room == CONTROL:
        return ledger.control_head(now_ms)
    # Who is out is given no head: how the room goes on is not for it, and an old head would be a lie.
    is_in = ledger.rooms[room].members[client.device].removed_seq is None
    return ledger.room_head(room, now_ms) if is_in else b""
