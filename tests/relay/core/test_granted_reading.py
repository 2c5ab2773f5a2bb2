"""What an auditor reads under a grant, and who is told."""

from __future__ import annotations

from typing import Any

import pytest

from amanah_protocol import frames
from amanah_protocol.audit import ReadingOrder, audit_chain, sign_order
from amanah_protocol.cose import Typ
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.grants import Terms, decode_grant, ending_document, grant_document
from amanah_protocol.custody.holds import hold_document
from amanah_protocol.endorse import Endorsed, endorse
from amanah_protocol.errors import Code
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Message
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import GrantId, OrgName, PersonId, RoomId
from amanah_relay.effects import ReadLog
from amanah_relay.quotas import RelayLimits
from tests.relay.people import DAY_MS, make_roster
from tests.relay.world import MA, SN, TN, Peer, RoomModel, World, code_of, device_of

GRANT = GrantId(b"g" * 16)


class Granting:
    """Two rooms of TN that MA is in, one of SN; and an auditor of SN, who is in neither of TN's."""

    def __init__(self, limits: RelayLimits | None = None) -> None:
        self.world = World(limits)
        self.officer = self.world.officer("officer")
        self.guest = self.world.officer("guest", of=MA)
        self.stranger = self.world.officer("stranger", of=SN)
        self.room = self.world.open_room(self.officer, device_of(self.guest))
        self.second = self.world.open_room(self.officer, device_of(self.guest), nonce=bytes([1]) * 16)
        self.other = self.world.open_room(self.stranger)
        self.auditor = self.world.login(self.world.certify("auditor of sn", Role.AUDITOR, of=SN))
        for room in (self.room, self.second):
            for label in (Label.GREEN, Label.AMBER):
                self.say(room, label)

    def say(self, room: RoomModel, label: Label = Label.AMBER) -> None:
        """The officer sends a message."""
        self.officer.publish(self.world.envelope(device_of(self.officer), room, Message(), label=label))
        self.officer.one(frames.Stored)

    def terms(self, **changes: Any) -> Terms:  # noqa: ANN401 - fields of a grant
        """What TN grants SN."""
        now = self.world.now_ms
        fields: dict[str, Any] = {
            "id": GRANT,
            "granting": OrgName(TN),
            "auditor": OrgName(SN),
            "rooms": (self.room.id,),
            "purpose": "joint review 7",
            "issued_ms": now,
            "not_before_ms": now - 1_000,
            "not_after_ms": now + 30 * DAY_MS,
        }
        return Terms(**(fields | changes))

    def submit(self, grant: bytes, *, by: Peer | None = None) -> Peer:
        """Bring a grant to the relay."""
        peer = by or self.officer
        request = peer.next_request()
        peer.send(frames.Submit(request=request, type=int(LeafType.AUDIT_GRANT), object=grant))
        return peer

    def grant(self, **changes: Any) -> bytes:  # noqa: ANN401 - as `terms`
        """Have a grant of TN logged."""
        made = self.world.nations[TN].grant(self.terms(**changes))
        self.submit(made).one(frames.Stored)
        return made

    def community(self, *names: str, **changes: Any) -> bytes:  # noqa: ANN401 - as `terms`
        """A grant of the community, signed by the roots of these nations."""
        document = grant_document(self.terms(granting=None, **changes))
        roots = [self.world.nations[name].root for name in names]
        signatures = tuple(endorse(document, root, Typ.AUDIT_GRANT) for root in roots)
        return Endorsed(document=document, signatures=signatures).encode()

    def order(
        self, grant: GrantId | None = GRANT, *, by: Peer | None = None, nonce: int = 0, until: int = 1_000
    ) -> bytes:
        """An order for everything, or up to an index, under the grant."""
        made = ReadingOrder(
            first=0, until=until, ordered_at_ms=self.world.now_ms, nonce=bytes([nonce]) * 16, grant=grant
        )
        return sign_order(made, device_of(by or self.auditor).key)

    def ask(self, order: bytes, *, by: Peer | None = None, start: int = 0) -> Peer:
        """Ask for a page."""
        peer = by or self.auditor
        peer.send(frames.AuditRead(request=peer.next_request(), order=order, start=start))
        return peer

    def read(self, **options: Any) -> dict[RoomId, list[int]]:  # noqa: ANN401 - as `order`
        """The places that are shown of each chain."""
        shown = self.ask(self.order(**options), by=options.get("by")).one(frames.LogEntries).entries
        entries = {entry.index: entry for entry in self.world.store.entries}
        found: dict[RoomId, list[int]] = {}
        for one in shown:
            if one.entry is not None:
                found.setdefault(entries[one.index].room, []).append(entries[one.index].room_seq)
        return found

    def custody(self, room: RoomModel) -> list[LeafType]:
        """What stands in the custody chain of a room."""
        chain = custody_chain(room.id)
        return [entry.type for entry in self.world.store.entries if entry.room == chain]


@pytest.fixture
def granting() -> Granting:
    """The log as it stands at first."""
    return Granting()


def test_without_a_grant_an_auditor_sees_nothing_of_rooms_of_others(granting: Granting) -> None:
    granting.grant()
    assert granting.room.id not in granting.read(grant=None)
    assert LeafType.AUDIT_READ not in granting.custody(granting.room)


def test_a_granted_room_is_shown_whole_with_its_custody_and_no_other(granting: Granting) -> None:
    granting.grant()
    shown = granting.read()
    assert shown[granting.room.id] == [1, 2, 3, 4, 5]
    assert shown[custody_chain(granting.room.id)] == [1, 2]
    assert granting.second.id not in shown
    assert shown[granting.other.id] == [1]


def test_the_read_stands_in_the_rooms_custody_before_the_first_entry_is_shown(granting: Granting) -> None:
    granting.grant()
    order = granting.order()
    granting.world.holding = True
    granting.ask(order)
    steps = 0
    while LeafType.AUDIT_READ not in granting.custody(granting.room):
        assert not granting.auditor.frames
        granting.world.step()
        steps += 1
    granting.world.release()
    assert steps >= 3
    granting.auditor.one(frames.LogEntries)
    assert granting.custody(granting.room) == [LeafType.AUDIT_GRANT, LeafType.AUDIT_READ]
    assert granting.custody(granting.second) == granting.custody(granting.other) == []
    logged = [entry for entry in granting.world.store.entries if entry.type is LeafType.AUDIT_READ]
    assert [entry.object for entry in logged] == [order, order]
    assert logged[0].room == audit_chain(OrgName(SN))


def test_the_next_page_of_an_order_tells_nobody_again(granting: Granting) -> None:
    granting.grant()
    order = granting.order()
    granting.ask(order).one(frames.LogEntries)
    leaves = len(granting.world.store.entries)
    granting.ask(order, start=3).one(frames.LogEntries)
    assert len(granting.world.store.entries) == leaves
    granting.ask(granting.order(nonce=1)).one(frames.LogEntries)
    assert granting.custody(granting.room).count(LeafType.AUDIT_READ) == 2


def test_a_relay_that_remembers_nothing_logs_a_read_once_a_page_and_serves_it() -> None:
    granting = Granting(RelayLimits(recent=1))
    granting.grant()
    granting.ask(granting.order()).one(frames.LogEntries)
    assert granting.custody(granting.room).count(LeafType.AUDIT_READ) == 1


def test_two_pages_that_are_asked_for_at_once_wait_for_one_leaf(granting: Granting) -> None:
    granting.grant()
    order = granting.order()
    granting.world.holding = True
    granting.ask(order)
    granting.world.step()
    granting.ask(order, start=1)
    granting.world.release()
    assert len(granting.auditor.take(frames.LogEntries)) == 2
    assert granting.custody(granting.room).count(LeafType.AUDIT_READ) == 1


def test_a_page_waits_for_all_that_it_tells_also_where_others_are_about_to(granting: Granting) -> None:
    """One page tells the second room, the next one the first; the third finds both of it under way."""
    granting.grant(rooms=(granting.room.id, granting.second.id))
    world = granting.world
    chains = {entry.index: entry.room for entry in world.store.entries}
    last = max(index for index, chain in chains.items() if chain == granting.second.id)
    order = granting.order(until=last + 1)
    world.holding = True
    granting.ask(order, start=last)
    world.step()
    for start in (last, 0, 0):
        if start != last:
            granting.ask(order, start=start)
        read_log(world)
    world.step()
    while any(isinstance(effect, ReadLog) for effect in world.waiting):
        read_log(world)
    assert LeafType.AUDIT_READ in granting.custody(granting.second)
    assert LeafType.AUDIT_READ not in granting.custody(granting.room)
    (page,) = granting.auditor.take(frames.LogEntries)
    assert granting.room.id not in {chains.get(entry.index) for entry in page.entries if entry.entry is not None}
    world.release()
    assert len(granting.auditor.take(frames.LogEntries)) == 2
    assert LeafType.AUDIT_READ in granting.custody(granting.room)


def read_log(world: World) -> None:
    """The store reads, which it does beside what it writes."""
    effect = next(effect for effect in world.waiting if isinstance(effect, ReadLog))
    world.waiting.remove(effect)
    world.handle(world.store.perform(effect))


def test_what_is_in_the_own_scope_already_is_told_to_nobody(granting: Granting) -> None:
    granting.submit(granting.community(TN, MA, auditor=OrgName(TN))).one(frames.Stored)
    own = granting.world.login(granting.world.certify("auditor of tn", Role.AUDITOR))
    assert granting.read(by=own)[granting.room.id] == [1, 2, 3, 4, 5]
    assert granting.custody(granting.room) == [LeafType.AUDIT_GRANT]


def test_all_rooms_of_the_granting_organisation_are_those_that_it_owns(granting: Granting) -> None:
    granting.world.commit(granting.stranger, granting.other, added=(device_of(granting.officer),))
    third = granting.world.certify("auditor of ma", Role.AUDITOR, of=MA)
    granting.grant(rooms=(), auditor=OrgName(MA))
    shown = granting.read(by=granting.world.login(third))
    assert {granting.room.id, granting.second.id} <= set(shown)
    assert granting.other.id not in shown


def test_a_grant_that_names_no_room_is_told_to_each_with_the_first_read(granting: Granting) -> None:
    granting.grant(rooms=())
    assert granting.custody(granting.room) == []
    granting.read()
    for room in (granting.room, granting.second):
        assert granting.custody(room) == [LeafType.AUDIT_GRANT, LeafType.AUDIT_READ]
    granting.read(nonce=1)
    assert granting.custody(granting.room) == [LeafType.AUDIT_GRANT, LeafType.AUDIT_READ, LeafType.AUDIT_READ]


def test_a_period_and_labels_select_and_who_is_in_is_always_shown(granting: Granting) -> None:
    granting.grant(labels=(Label.GREEN,))
    assert granting.read()[granting.room.id] == [1, 2, 4]


@pytest.mark.parametrize(("since", "until", "places"), [(1, None, [1, 2, 6]), (None, 1, [1, 2, 3, 4, 5])])
def test_a_period_ends_and_begins(granting: Granting, since: int | None, until: int | None, places: list[int]) -> None:
    begin = granting.world.now_ms
    granting.world.now_ms += 60_000
    granting.say(granting.room)
    granting.grant(since_ms=None if since is None else begin + since, until_ms=None if until is None else begin + until)
    assert granting.read()[granting.room.id] == places


def test_a_grant_reaches_as_far_as_its_organisation_was_in(granting: Granting) -> None:
    granting.grant()
    world, guest, officer = granting.world, granting.guest, device_of(granting.officer)
    revocation = world.nations[TN].revoke(officer.id, now_ms=world.now_ms)
    guest.send(frames.Submit(request=9, type=int(LeafType.REVOCATION), object=revocation))
    guest.one(frames.Stored)
    world.commit(guest, granting.room, removed=(officer,))
    guest.publish(world.envelope(device_of(guest), granting.room, Message()))
    guest.one(frames.Stored)
    hold = world.nations[MA].two_party(
        hold_document(
            hold=bytes(16), organisation=OrgName(MA), rooms=(granting.room.id,), since_ms=0, reference=bytes(16),
            issued_ms=world.now_ms,
        ),
        Typ.LEGAL_HOLD,
    )  # fmt: skip
    guest.send(frames.Submit(request=10, type=int(LeafType.LEGAL_HOLD), object=hold))
    guest.one(frames.Stored)
    places = [entry.room_seq for entry in world.store.entries if entry.room == granting.room.id]
    shown = granting.read()
    assert shown[granting.room.id] == places[:-1]
    assert granting.custody(granting.room)[:2] == [LeafType.AUDIT_GRANT, LeafType.LEGAL_HOLD]
    assert shown[custody_chain(granting.room.id)] == [1], "as far as the organisation itself is shown it"


def test_the_community_grants_any_room_and_the_whole_log(granting: Granting) -> None:
    granting.submit(granting.community(TN, SN, rooms=())).one(frames.Stored)
    shown = granting.read()
    assert {granting.room.id, granting.second.id, granting.other.id, audit_chain(OrgName(SN))} <= set(shown)
    assert LeafType.AUDIT_READ in granting.custody(granting.second)
    granting.submit(granting.community(TN, SN, id=GrantId(bytes(16)), rooms=(granting.second.id,))).one(frames.Stored)
    assert granting.second.id in granting.read(grant=GrantId(bytes(16)))


def test_one_organisation_opens_the_record_of_all_to_nobody(granting: Granting) -> None:
    assert code_of(granting.submit(granting.community(TN)).refused()) is Code.THRESHOLD


# ---- who reads


def test_a_grant_that_is_not_logged_opens_nothing(granting: Granting) -> None:
    assert code_of(granting.ask(granting.order()).refused()) is Code.NOT_FOUND
    assert LeafType.AUDIT_READ not in {entry.type for entry in granting.world.store.entries}


def test_a_grant_is_for_one_organisation_and_where_it_says_so_one_person(granting: Granting) -> None:
    granting.grant(subject=PersonId(bytes(16)))
    assert code_of(granting.ask(granting.order()).refused()) is Code.ROLE
    other = granting.world.login(granting.world.certify("auditor of ma", Role.AUDITOR, of=MA))
    assert code_of(granting.ask(granting.order(by=other), by=other).refused()) is Code.ROLE
    own = device_of(granting.auditor).certificate.subject
    granting.grant(id=GrantId(bytes(16)), subject=own)
    assert granting.room.id in granting.read(grant=GrantId(bytes(16)))


@pytest.mark.parametrize("days", [-1, 31])
def test_a_grant_holds_for_its_time(granting: Granting, days: int) -> None:
    granting.grant()
    granting.world.now_ms += days * DAY_MS
    if days < 0:
        granting.world.now_ms = granting.terms().not_before_ms + DAY_MS
        granting.grant(id=GrantId(bytes(16)), not_before_ms=granting.world.now_ms + DAY_MS)
        assert code_of(granting.ask(granting.order(GrantId(bytes(16)))).refused()) is Code.EXPIRED
        return
    assert code_of(granting.ask(granting.order()).refused()) is Code.EXPIRED


def test_a_grant_that_was_ended_serves_no_further_page(granting: Granting) -> None:
    made = granting.grant()
    order = granting.order()
    granting.ask(order).one(frames.LogEntries)
    ending = ending_document(decode_grant(made), now_ms=granting.world.now_ms)
    granting.submit(granting.world.nations[TN].two_party(ending, Typ.AUDIT_GRANT)).one(frames.Stored)
    assert code_of(granting.ask(order).refused()) is Code.EXPIRED


def test_a_grant_that_ends_while_a_page_is_read_shows_nothing_of_it(granting: Granting) -> None:
    granting.grant()
    order = granting.order()
    granting.ask(order).one(frames.LogEntries)
    granting.world.holding = True
    granting.ask(order)
    granting.world.now_ms += 31 * DAY_MS
    granting.world.release()
    assert code_of(granting.auditor.refused()) is Code.EXPIRED


def test_a_grant_of_an_organisation_that_has_left_the_community_opens_nothing(granting: Granting) -> None:
    granting.grant()
    nations = tuple(nation for name, nation in granting.world.nations.items() if name != TN)
    second = make_roster(nations, version=2, signers=tuple(granting.world.nations.values()))
    granting.stranger.send(
        frames.Submit(request=9, type=int(LeafType.ROSTER), object=second.endorsed.encode())
    )  # fmt: skip
    granting.stranger.one(frames.Stored)
    assert code_of(granting.ask(granting.order()).refused()) is Code.CERTIFICATE


def test_a_restarted_relay_knows_grants_and_their_ends(granting: Granting) -> None:
    made = granting.grant()
    granting.world.restart()
    granting.auditor = granting.world.login(device_of(granting.auditor))
    assert granting.room.id in granting.read()
    granting.officer = granting.world.login(device_of(granting.officer))
    ending = ending_document(decode_grant(made), now_ms=granting.world.now_ms)
    granting.submit(granting.world.nations[TN].two_party(ending, Typ.AUDIT_GRANT)).one(frames.Stored)
    granting.world.restart()
    granting.auditor = granting.world.login(device_of(granting.auditor))
    assert code_of(granting.ask(granting.order(nonce=1)).refused()) is Code.EXPIRED
