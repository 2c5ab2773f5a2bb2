"""An auditor reads the log: the order is a leaf of the log before the first entry is served."""

from __future__ import annotations

from typing import Final

from amanah_protocol import frames
from amanah_protocol.audit import ReadingOrder, audit_chain, order_device, verify_order
from amanah_protocol.errors import Code, RefusedError, VerifyError
from amanah_protocol.identity import Role
from amanah_protocol.limits import MAX_FRAME_BYTES, MAX_PAGE
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.types import CONTROL, OrgName, RoomId
from amanah_protocol.verified import Verified
from amanah_relay.core.checks import check_clock, check_valid
from amanah_relay.core.clients import Client
from amanah_relay.core.control import charge_submission
from amanah_relay.core.fetch import check_pace
from amanah_relay.core.ledger import Ledger
from amanah_relay.core.parts import Parts
from amanah_relay.core.pending import OrderRead
from amanah_relay.core.replies import Reader
from amanah_relay.core.sequencer import Draft, Unit, object_key
from amanah_relay.effects import Entry, ReadLog

_PAGE_BYTES: Final = MAX_FRAME_BYTES - 1_024
_WHOLE: Final = 2**63 - 1
_ENTRY_BYTES: Final = 64
"""Index, hash and lengths of an entry in the answer."""


def order(parts: Parts, client: Client, frame: frames.AuditRead, now_ms: int) -> None:
    """Take a reading order, log it if it is new, then serve the page.

    Raises:
        AmanahError: `ROLE`, `KEY_ID`, `SIGNATURE`, `CLOCK`, `NOT_FOUND` or `RATE`, or why the device
            may do nothing now.
    """
    parts.check_open()
    check_pace(parts, client)
    books = parts.loaded()
    at_ms = books.at_ms(now_ms)
    certificate = check_valid(books.state, client.device, at_ms)
    if certificate.role is not Role.AUDITOR:
        raise RefusedError(Code.ROLE, "only auditors read the log")
    if order_device(frame.order) != client.device:
        raise VerifyError(Code.KEY_ID, "the order was not signed by the device that logged in")
    verified = verify_order(frame.order, client.public_key)
    if not verified.value.first <= frame.start < verified.value.until:
        raise RefusedError(Code.NOT_FOUND, "the page begins outside the order")
    key = object_key(frame.order)
    if key in books.ledger.recent:
        serve(parts, client, frame.request, verified, frame.start)
        return
    reader = Reader(session=client.session, request=frame.request, order=verified, start=frame.start)
    place = books.sequencer.pending.get(key)
    if place is None:
        check_clock(verified.value.ordered_at_ms, at_ms)
        unit = _log(parts, client, frame.order, certificate.not_after_ms, now_ms)
        unit.waiters.append(reader)
        books.enqueue(unit)
    else:
        place[0].waiters.append(reader)


def serve(parts: Parts, client: Client, request: int, verified: Verified[ReadingOrder], start: int) -> None:
    """Read a page for an order that is durable."""
    size = parts.loaded().ledger.size
    until = min(verified.value.until, size, start + MAX_PAGE)
    if until <= start:
        parts.out.send(client.session, frames.LogEntries(request=request, entries=(), size=size))
        return
    try:
        token = parts.ask(OrderRead(client=client, request=request, order=verified, size=size))
    except RefusedError as error:
        parts.out.refuse(client.session, request, error)
        return
    parts.out.add(ReadLog(token=token, first=start, until=until))


def answer(parts: Parts, question: OrderRead, entries: tuple[Entry, ...]) -> None:
    """The store has read the leaves: whole where they are in scope, as bare hashes elsewhere."""
    client = question.client
    if not parts.knows(client):
        return
    ledger = parts.loaded().ledger
    scope: dict[RoomId, int] = {}
    page: list[frames.LogEntry] = []
    size = 0
    for entry in entries:
        if entry.room not in scope:
            scope[entry.room] = _last_in_scope(ledger, client.organisation, entry.room)
        shown = _show(entry, whole=entry.room_seq <= scope[entry.room])
        size += _ENTRY_BYTES + len(shown.entry or b"") + len(shown.document or b"")
        if size > _PAGE_BYTES:
            break
        page.append(shown)
    answered = frames.LogEntries(request=question.request, entries=tuple(page), size=question.size)
    parts.out.send(client.session, answered)


def _log(parts: Parts, client: Client, signed: bytes, until_ms: int, now_ms: int) -> Unit:
    books = parts.loaded()
    charges = charge_submission(parts, client, now_ms)
    room = audit_chain(client.organisation)
    chain = books.sequencer.chain(room)
    chain.head_seq += 1
    draft = Draft(key=object_key(signed), type=LeafType.AUDIT_READ, room=room, room_seq=chain.head_seq, object=signed)
    return Unit(at_ms=books.at_ms(now_ms), until_ms=until_ms, charges=charges, drafts=[draft])


def _last_in_scope(ledger: Ledger, organisation: OrgName, room: RoomId) -> int:
    """The last place that the organisation's auditors see of a room or chain; 0 when they see nothing of it.

    They see the control stream, the organisation's own audit reads, and the rooms that it is in. Of a room
    that it has left they see what stood there until its last device was removed: who is out learns nothing
    of how it goes on.
    """
    if room == CONTROL or room == audit_chain(organisation):
        return _WHOLE
    kept = ledger.rooms.get(room)
    members = () if kept is None else kept.members.values()
    last = [member.removed_seq for member in members if member.organisation == organisation]
    return max((_WHOLE if seq is None else seq for seq in last), default=0)


def _show(entry: Entry, *, whole: bool) -> frames.LogEntry:
    if not whole:
        return frames.LogEntry(index=entry.index, hash=entry.hash, entry=None, document=None)
    leaf = Leaf(
        type=entry.type,
        accepted_at_ms=entry.accepted_at_ms,
        room=entry.room,
        room_seq=entry.room_seq,
        previous=entry.previous,
        object=entry.object,
    )
    return frames.LogEntry(index=entry.index, hash=entry.hash, entry=leaf.encode(), document=entry.document)
