from __future__ import annotations

import pytest

from amanah_protocol import frames
from amanah_protocol.audit import ReadingOrder, audit_chain, sign_order
from amanah_protocol.errors import Code
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Erase, Message
from amanah_protocol.log.leaf import LeafType, decode_leaf
from amanah_protocol.log.merkle import leaf_hash
from amanah_protocol.types import EnvelopeId, OrgName
from amanah_relay.quotas import RelayLimits
from tests.relay.people import DAY_MS, key_of
from tests.relay.world import MA, SN, TN, Peer, RoomModel, World, code_of, device_of


class Record:
    """A log with two rooms, one of TN and MA, one of SN alone, and TN's auditor."""

    def __init__(self, limits: RelayLimits | None = None) -> None:
        self.world = World(limits)
        self.officer = self.world.officer("officer")
        self.guest = self.world.officer("guest", of=MA)
        self.stranger = self.world.officer("stranger", of=SN)
        self.room = self.world.open_room(self.officer, device_of(self.guest))
        self.other = self.world.open_room(self.stranger)
        self.auditor = self.world.login(self.world.certify("auditor", Role.AUDITOR))
        self.say(self.officer, self.room)

    def say(self, peer: Peer, room: RoomModel, number: int = 1) -> None:
        """Publish messages."""
        for _ in range(number):
            peer.publish(self.world.envelope(device_of(peer), room, Message()))
        peer.take(frames.Stored)

    def order(self, first: int = 0, until: int = 1_000, *, by: Peer | None = None, nonce: int = 0) -> bytes:
        """A signed reading order."""
        order = ReadingOrder(first=first, until=until, ordered_at_ms=self.world.now_ms, nonce=bytes([nonce]) * 16)
        return sign_order(order, device_of(by or self.auditor).key)

    def ask(self, order: bytes, start: int = 0, *, by: Peer | None = None) -> int:
        """Ask for a page; gives the request's number."""
        peer = by or self.auditor
        request = peer.next_request()
        peer.send(frames.AuditRead(request=request, order=order, start=start))
        return request

    def code(self, order: bytes, start: int = 0, *, by: Peer | None = None) -> Code:
        """Ask for what must be refused without a trace; gives the code."""
        leaves = len(self.world.store.entries)
        self.ask(order, start, by=by)
        assert len(self.world.store.entries) == leaves
        return code_of((by or self.auditor).refused())


@pytest.fixture
def record() -> Record:
    """The log as it stands at first."""
    return Record()


def test_leaves_in_scope_are_shown_whole_and_others_as_hashes(record: Record) -> None:
    request = record.ask(record.order())
    answer = record.auditor.one(frames.LogEntries)
    entries = record.world.store.entries
    assert (answer.request, answer.size, len(answer.entries)) == (request, len(entries), len(entries))
    for shown, entry in zip(answer.entries, entries, strict=True):
        assert (shown.index, shown.hash) == (entry.index, entry.hash)
        if entry.room == record.other.id:
            assert (shown.entry, shown.document) == (None, None)
        else:
            assert shown.entry is not None
            assert leaf_hash(shown.entry) == entry.hash
            assert decode_leaf(shown.entry).object == entry.object
            assert shown.document == entry.document
    assert record.other.id in {entry.room for entry in entries}


def test_the_order_is_a_leaf_of_its_organisations_chain_before_it_is_served(record: Record) -> None:
    record.world.holding = True
    order = record.order()
    record.ask(order)
    assert not record.auditor.frames
    record.world.release()
    entry = record.world.store.entries[-1]
    assert (entry.type, entry.room, entry.room_seq) == (LeafType.AUDIT_READ, audit_chain(OrgName(TN)), 1)
    assert entry.object == order
    answer = record.auditor.one(frames.LogEntries)
    assert answer.entries[-1].index == entry.index


def test_the_audit_reads_of_another_organisation_are_bare(record: Record) -> None:
    theirs = record.world.login(record.world.certify("theirs", Role.AUDITOR, of=SN))
    record.ask(record.order(by=theirs), by=theirs)
    index = len(record.world.store.entries) - 1
    record.ask(record.order())
    assert record.auditor.one(frames.LogEntries).entries[index].entry is None
    record.ask(record.order(by=theirs, nonce=1), by=theirs)
    assert theirs.take(frames.LogEntries)[-1].entries[index].entry is not None


def test_a_room_stays_in_scope_after_the_organisation_has_left_it(record: Record) -> None:
    record.world.commit(record.officer, record.room, removed=(device_of(record.guest),))
    auditor = record.world.login(record.world.certify("auditor of ma", Role.AUDITOR, of=MA))
    record.ask(record.order(by=auditor), by=auditor)
    shown = auditor.one(frames.LogEntries).entries
    rooms = {entry.room for entry in record.world.store.entries if shown[entry.index].entry is not None and entry.kid}
    assert rooms == {record.room.id}


def test_a_member_that_is_not_durable_yet_widens_no_scope() -> None:
    record = Record()
    world = record.world
    auditor = world.login(world.certify("auditor of sn", Role.AUDITOR, of=SN))
    order = record.order(by=auditor)
    record.ask(order, by=auditor)
    auditor.take(frames.LogEntries)
    world.holding = True
    record.officer.publish(*world.change(record.officer, record.room, added=(device_of(record.stranger),)))
    record.ask(order, by=auditor)
    append = world.waiting.popleft()
    world.step()
    shown = auditor.one(frames.LogEntries).entries
    assert all(shown[entry.index].entry is None for entry in world.store.entries if entry.room == record.room.id)
    world.waiting.append(append)
    world.release()


def test_pages_of_one_order_are_logged_once(record: Record) -> None:
    order = record.order(until=3)
    record.world.holding = True
    record.ask(order, 0)
    record.ask(order, 1)
    record.world.release()
    record.ask(order, 2)
    pages = [[entry.index for entry in answer.entries] for answer in record.auditor.take(frames.LogEntries)]
    assert pages == [[0, 1, 2], [1, 2], [2]]
    orders = [entry for entry in record.world.store.entries if entry.type is LeafType.AUDIT_READ]
    assert len(orders) == 1


def test_an_order_repeated_after_a_restart_is_logged_again(record: Record) -> None:
    order = record.order()
    record.ask(order)
    record.world.restart()
    record.auditor = record.world.login(device_of(record.auditor))
    record.ask(order)
    record.auditor.one(frames.LogEntries)
    orders = [entry.room_seq for entry in record.world.store.entries if entry.type is LeafType.AUDIT_READ]
    assert orders == [1, 2]


def test_a_page_ends_at_five_hundred_leaves_and_the_next_begins_there() -> None:
    generous = RelayLimits(officer_burst=1_000, organisation_burst=2_000, room_burst=2_000)
    record = Record(generous)
    record.say(record.stranger, record.other, 510)
    order = record.order()
    record.ask(order, 0)
    assert [entry.index for entry in record.auditor.one(frames.LogEntries).entries] == list(range(500))
    record.ask(order, 500)
    answer = record.auditor.one(frames.LogEntries)
    assert answer.entries[-1].index == len(record.world.store.entries) - 1 == answer.size - 1


def test_a_page_fits_a_frame() -> None:
    record = Record(RelayLimits(officer_burst=1_000, organisation_burst=2_000, room_burst=2_000))
    many = tuple(sorted(EnvelopeId(bytes([number]) * 32) for number in range(96)))
    for _ in range(120):
        record.officer.publish(record.world.envelope(device_of(record.officer), record.room, Erase(envelopes=many)))
    order = record.order()
    record.ask(order)
    first = record.auditor.one(frames.LogEntries).entries
    assert 50 < len(first) < len(record.world.store.entries)
    record.ask(order, len(first))
    assert record.auditor.one(frames.LogEntries).entries[0].index == len(first)


def test_behind_the_end_of_the_log_there_is_nothing(record: Record) -> None:
    record.ask(record.order(first=500), 500)
    answer = record.auditor.one(frames.LogEntries)
    assert (answer.entries, answer.size) == ((), len(record.world.store.entries))


@pytest.mark.parametrize("start", [4, 9])
def test_a_page_begins_inside_its_order(record: Record, start: int) -> None:
    assert record.code(record.order(first=5, until=9), start) is Code.NOT_FOUND


@pytest.mark.parametrize("role", [Role.OFFICER, Role.BOT, Role.OPERATOR, Role.WITNESS])
def test_only_auditors_read_the_log(record: Record, role: Role) -> None:
    peer = record.world.login(record.world.certify("other", role))
    assert record.code(record.order(by=peer), by=peer) is Code.ROLE


def test_an_order_is_signed_by_the_device_that_logged_in(record: Record) -> None:
    assert record.code(record.order(by=record.officer)) is Code.KEY_ID
    order = ReadingOrder(first=0, until=5, ordered_at_ms=record.world.now_ms, nonce=bytes(16))
    disguised = bytearray(sign_order(order, device_of(record.auditor).key))
    disguised[-1] ^= 1
    assert record.code(bytes(disguised)) is Code.SIGNATURE
    assert record.code(sign_order(order, key_of("thief"))) is Code.KEY_ID
    assert record.code(b"\xa0") is Code.MALFORMED


def test_an_order_is_fresh_when_it_is_logged(record: Record) -> None:
    order = record.order()
    record.world.now_ms += 600_001
    assert record.code(order) is Code.CLOCK
    fresh = record.order()
    record.ask(fresh)
    record.world.now_ms += DAY_MS
    record.ask(fresh, 1)
    assert len(record.auditor.take(frames.LogEntries)) == 2


def test_an_expired_auditor_reads_no_more(record: Record) -> None:
    record.world.now_ms += 91 * DAY_MS
    assert record.code(record.order()) is Code.EXPIRED


def test_orders_have_a_rate() -> None:
    record = Record(RelayLimits(submissions_burst=1, submissions_per_minute=1))
    order = record.order()
    record.ask(order)
    record.ask(order, 1)
    assert len(record.auditor.take(frames.LogEntries)) == 2
    assert record.code(record.order(nonce=1)) is Code.RATE


def test_who_does_not_read_asks_for_nothing_more(record: Record) -> None:
    record.world.congest(record.auditor)
    assert record.code(record.order()) is Code.SLOW
    record.world.drain(record.auditor)
    record.ask(record.order())
    record.auditor.one(frames.LogEntries)


def test_so_many_pages_are_read_at_a_time() -> None:
    record = Record(RelayLimits(reads_in_flight=2))
    order = record.order()
    record.world.holding = True
    requests = [record.ask(order, start) for start in range(3)]
    record.world.step()
    refused = record.auditor.refused()
    assert (refused.request, code_of(refused)) == (requests[2], Code.RATE)
    assert refused.retry_after_ms == record.world.limits.retry_ms
    record.world.release()
    assert [answer.request for answer in record.auditor.take(frames.LogEntries)] == requests[:2]
    record.ask(order, 2)
    record.auditor.one(frames.LogEntries)


@pytest.mark.parametrize("stage", ["logging", "reading"])
def test_a_page_for_somebody_who_left_comes_to_nothing(record: Record, stage: str) -> None:
    record.world.holding = True
    record.ask(record.order())
    if stage == "reading":
        record.world.step()
    record.world.drop(record.auditor)
    record.world.release()
    assert not record.auditor.frames


def test_content_is_never_in_a_page(record: Record) -> None:
    record.ask(record.order())
    for shown in record.auditor.one(frames.LogEntries).entries:
        assert b"sealed" not in (shown.entry or b"")
