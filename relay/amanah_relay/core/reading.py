"""An auditor reads the log: the order is a leaf of the log before the first entry is served.

Without a grant the order stands in the chain of the auditor's own organisation alone. What is shown under a
grant of others is also told to those whom it concerns: before a page shows an entry of a room for the grant's
sake, the order, and the grant if it named no rooms, stand in the custody chain of that room.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from amanah_protocol import frames
from amanah_protocol.audit import ReadingOrder, audit_chain, order_device, verify_order
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.grants import AuditGrant, check_reader
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import AmanahError, Code, RefusedError, VerifyError
from amanah_protocol.identity import Certificate, Role
from amanah_protocol.kinds import Commit, Create
from amanah_protocol.labels import Label
from amanah_protocol.limits import MAX_FRAME_BYTES, MAX_PAGE
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.types import CONTROL, GrantId, OrgName, RoomId
from amanah_relay.core.checks import check_clock, check_valid
from amanah_relay.core.clients import Client
from amanah_relay.core.control import charge_submission
from amanah_relay.core.custody import place_key, put
from amanah_relay.core.fetch import check_pace
from amanah_relay.core.ledger import Ledger
from amanah_relay.core.parts import Books, Parts
from amanah_relay.core.pending import OrderRead
from amanah_relay.core.replies import Reader
from amanah_relay.core.sequencer import Unit, object_key
from amanah_relay.effects import Entry, ReadLog
from amanah_relay.state import RelayState

_PAGE_BYTES: Final = MAX_FRAME_BYTES - 1_024
_WHOLE: Final = 2**63 - 1
_ENTRY_BYTES: Final = 64
"""Index, hash and lengths of an entry in the answer."""


class View:
    """What one reader is shown of each room and chain, as of now."""

    def __init__(self, ledger: Ledger, state: RelayState, organisation: OrgName, grant: AuditGrant | None) -> None:
        """Begin a page.

        Args:
            ledger: What is durable.
            state: For who owns a room.
            organisation: The auditor's.
            grant: What it reads under besides.
        """
        self._ledger = ledger
        self._state = state
        self._organisation = organisation
        self._grant = grant
        self._own: dict[RoomId, int] = {}
        self._granted: dict[RoomId, int] = {}

    def shows(self, entry: Entry) -> bool:
        """Whether the organisation's own scope shows an entry."""
        if entry.room not in self._own:
            self._own[entry.room] = self._last_of_own(entry.room)
        return self._place(entry) <= self._own[entry.room]

    def grants(self, entry: Entry) -> bool:
        """Whether the grant shows it."""
        if self._grant is None:
            return False
        if entry.room not in self._granted:
            self._granted[entry.room] = self._last_of_granted(self._grant, entry.room)
        return self._place(entry) <= self._granted[entry.room] and self._grant.shows(
            entry.accepted_at_ms, _label_of(entry) if self._grant.is_selection else None
        )

    def concerned(self, entry: Entry) -> RoomId | None:
        """The room whose members are told that this entry is shown under the grant."""
        room = self._ledger.custody.get(entry.room, entry.room)
        return room if room in self._ledger.rooms else None

    def _last_of_own(self, room: RoomId) -> int:
        """The last place that the organisation's auditors see of a room or chain; 0 when they see nothing of it.

        They see the control stream, the organisation's own audit reads, and the rooms that it is in, with their
        custody. Of a room that it has left they see what stood there, and in its custody, until its last device was
        removed: who is out learns nothing of how it goes on.
        """
        if room in (CONTROL, audit_chain(self._organisation)):
            return _WHOLE
        return self._last_of(self._organisation, room)

    def _last_of(self, organisation: OrgName, room: RoomId) -> int:
        held = self._ledger.custody.get(room)
        kept = self._ledger.rooms.get(room if held is None else held)
        members = () if kept is None else kept.members.values()
        own = [member for member in members if member.organisation == organisation]
        if any(member.removed_seq is None for member in own):
            return _WHOLE
        ends = (member.removed_seq if held is None else member.removed_index for member in own)
        return max((end or 0 for end in ends), default=0)

    def _place(self, entry: Entry) -> int:
        """What its end is counted by: a place of the room says nothing about its custody, which goes on beside it."""
        return entry.index if entry.room in self._ledger.custody else entry.room_seq

    def _last_of_granted(self, grant: AuditGrant, room: RoomId) -> int:
        """An organisation grants rooms that it owns, as far as it sees them itself; the community any."""
        if grant.is_whole_log:
            return _WHOLE
        named = self._ledger.custody.get(room, room)
        known = self._state.rooms.get(named)
        if known is None or (grant.rooms and named not in grant.rooms):
            return 0
        if grant.granting is None:
            return _WHOLE
        return self._last_of(grant.granting, room) if known.create.owner == grant.granting else 0


def order(parts: Parts, client: Client, frame: frames.AuditRead, now_ms: int) -> None:
    """Take a reading order, log it if it is new, then serve the page.

    Raises:
        AmanahError: `ROLE`, `KEY_ID`, `SIGNATURE`, `CLOCK`, `NOT_FOUND`, `EXPIRED` or `RATE`, or why the
            device may do nothing now.
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
    _grant_of(books.state, verified.value, certificate, at_ms)
    if not verified.value.first <= frame.start < verified.value.until:
        raise RefusedError(Code.NOT_FOUND, "the page begins outside the order")
    key = object_key(frame.order)
    reader = Reader(
        session=client.session, request=frame.request, order=verified, signed=frame.order, start=frame.start
    )  # fmt: skip
    if key in books.ledger.recent:
        serve(parts, client, reader)
        return
    place = books.sequencer.pending.get(key)
    if place is None:
        check_clock(verified.value.ordered_at_ms, at_ms)
        unit = _log(parts, client, frame.order, certificate.not_after_ms, now_ms)
        unit.waiters.append(reader)
        books.enqueue(unit)
    else:
        place[0].waiters.append(reader)


def serve(parts: Parts, client: Client, reader: Reader) -> None:
    """Read a page for an order that is durable."""
    size = parts.loaded().ledger.size
    until = min(reader.order.value.until, size, reader.start + MAX_PAGE)
    if until <= reader.start:
        parts.out.send(client.session, frames.LogEntries(request=reader.request, entries=(), size=size))
        return
    try:
        token = parts.ask(OrderRead(client=client, request=reader.request, reader=reader, size=size))
    except RefusedError as error:
        parts.out.refuse(client.session, reader.request, error)
        return
    parts.out.add(ReadLog(token=token, first=reader.start, until=until))


def answer(parts: Parts, question: OrderRead, entries: tuple[Entry, ...], now_ms: int) -> None:
    """The store has read the leaves: whole where they are in scope, as bare hashes elsewhere."""
    client = question.client
    if not parts.knows(client):
        return
    books = parts.loaded()
    try:
        # Asked again for each page: a grant may have ended, and who reads may have been revoked, since the first.
        certificate = check_valid(books.state, client.device, books.at_ms(now_ms))
        grant = _grant_of(books.state, question.reader.order.value, certificate, books.at_ms(now_ms))
    except AmanahError as error:
        parts.out.refuse(client.session, question.request, error)
        return
    view = View(books.ledger, books.state, client.organisation, grant)
    page: list[frames.LogEntry] = []
    concerned: dict[RoomId, None] = {}
    size = 0
    for entry in entries:
        own = view.shows(entry)
        granted = not own and view.grants(entry)
        shown = _show(entry, whole=own or granted)
        size += _ENTRY_BYTES + len(shown.entry or b"") + len(shown.document or b"")
        if size > _PAGE_BYTES:
            break
        page.append(shown)
        if granted and (room := view.concerned(entry)) is not None:
            concerned[room] = None
    if grant is not None and _tell(books, question.reader, grant, concerned, now_ms):
        return
    answered = frames.LogEntries(request=question.request, entries=tuple(page), size=question.size)
    parts.out.send(client.session, answered)


def _grant_of(
    state: RelayState, order: ReadingOrder, certificate: Certificate, at_ms: int
) -> AuditGrant | None:  # fmt: skip
    """The grant that an order names, in force for this reader."""
    if order.grant is None:
        return None
    grant = state.grants.get(GrantId(order.grant))
    if grant is None:
        raise RefusedError(Code.NOT_FOUND, "the audit grant is not logged; submit it first")
    check_reader(grant, certificate.organisation, certificate.subject, at_ms)
    if grant.granting is not None:
        state.roster.value.organisation(grant.granting)
    return grant


def _tell(
    books: Books, reader: Reader, grant: AuditGrant, rooms: dict[RoomId, None], now_ms: int
) -> bool:  # fmt: skip
    """Log the read in the custody of rooms that are shown for the grant's sake; whether the page waits for that.

    Who is in a room can hold against this chain what it was shown of it; nobody else learns that it was read.
    """
    ledger, sequencer = books.ledger, books.sequencer
    document = grant.endorsed.encode()
    wanted = [
        (chain, leaf_type, key)
        for chain in map(custody_chain, rooms)
        for leaf_type, key in (
            (LeafType.AUDIT_GRANT, place_key(document, chain)),
            (LeafType.AUDIT_READ, place_key(reader.signed, chain)),
        )
        # A grant that names rooms was told to them when it was logged.
        if key not in ledger.recent
        and key not in reader.told
        and not (leaf_type is LeafType.AUDIT_GRANT and grant.rooms)
    ]
    if not wanted:
        return False
    # By what it waits for, not by what is still remembered then: else a busy relay would log it again and again.
    waiting = replace(reader, told=reader.told | {key for _, _, key in wanted})
    unit = Unit(at_ms=books.at_ms(now_ms), until_ms=grant.not_after_ms - 1)
    for chain, leaf_type, key in wanted:
        if key in sequencer.pending:
            continue
        if leaf_type is LeafType.AUDIT_GRANT:
            put(books, unit, leaf_type, chain, grant.endorsed.record, document, key=key)
        else:
            put(books, unit, leaf_type, chain, reader.signed, key=key)
    if unit.drafts:
        unit.waiters.append(waiting)
        books.enqueue(unit)
    else:
        # They may be in several units by now, which are stored in the order in which they were admitted.
        keys = {key for _, _, key in wanted}
        newest = next(key for key in reversed(sequencer.pending) if key in keys)
        sequencer.pending[newest][0].waiters.append(waiting)
    return True


def _log(parts: Parts, client: Client, signed: bytes, until_ms: int, now_ms: int) -> Unit:
    books = parts.loaded()
    charges = charge_submission(parts, client, now_ms)
    unit = Unit(at_ms=books.at_ms(now_ms), until_ms=until_ms, charges=charges)
    put(books, unit, LeafType.AUDIT_READ, audit_chain(client.organisation), signed, key=object_key(signed))
    return unit


def _label_of(entry: Entry) -> Label | None:
    """The label by which a grant selects; None for what is no envelope, or changes who is in."""
    if entry.type is not LeafType.ENVELOPE:
        return None
    header = decode_envelope(entry.object).header
    return None if isinstance(header.specific, Create | Commit) else header.label


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
