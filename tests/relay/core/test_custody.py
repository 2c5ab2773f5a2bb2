"""Grants, holds and forgotten persons on their way into the log; custody chains on their way to members."""

from __future__ import annotations

from typing import Any

import pytest

from amanah_protocol import frames
from amanah_protocol.audit import audit_chain
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.grants import decode_grant, ending_document, grant_document
from amanah_protocol.custody.holds import decode_hold, hold_document, release_document
from amanah_protocol.custody.parties import verify_two_parties
from amanah_protocol.errors import Code
from amanah_protocol.heads import verify_room_head
from amanah_protocol.kinds import Message
from amanah_protocol.limits import CLOCK_WINDOW_MS, MAX_FRAME_BYTES
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.types import GrantId, LeafHash, OrgName, PersonId, RoomId
from tests.relay.core.test_granted_reading import Granting
from tests.relay.people import RELAY_KEY, key_of, make_roster
from tests.relay.world import MA, SN, TN, Peer, RoomModel, code_of, device_of

SUBJECT = PersonId(b"p" * 16)


class Custody(Granting):
    """The same log, with what may be submitted to it."""

    def hold(self, of: str = TN, **changes: Any) -> bytes:  # noqa: ANN401 - fields of a hold
        """A hold of the room, by two parties of the nation."""
        return self.world.nations[of].hold(self.room.id, now_ms=self.world.now_ms, **changes)

    def release(self, hold: bytes, of: str = TN) -> bytes:
        """Its release."""
        document = release_document(decode_hold(hold), now_ms=self.world.now_ms)
        return self.world.nations[of].two_party(document, Typ.LEGAL_HOLD)

    def bring(self, leaf_type: LeafType, data: bytes, *, by: Peer | None = None) -> Code | None:
        """Submit; gives the code of the refusal, with which nothing is logged."""
        peer, leaves = by or self.officer, len(self.world.store.entries)
        peer.send(frames.Submit(request=peer.next_request(), type=int(leaf_type), object=data))
        if peer.take(frames.Stored):
            return None
        assert len(self.world.store.entries) == leaves
        return code_of(peer.refused())

    def done(self, leaf_type: LeafType, data: bytes) -> bool:
        """Whether it says nothing new."""
        self.officer.send(frames.Submit(request=self.officer.next_request(), type=int(leaf_type), object=data))
        return bool(self.officer.take(frames.Done))

    def chains(self, leaf_type: LeafType) -> list[RoomId]:
        """The chains in which something of a type stands."""
        return [entry.room for entry in self.world.store.entries if entry.type is leaf_type]

    def asked(self, room: RoomModel, after: int = 0, *, by: Peer | None = None) -> Peer:
        """Ask for a room's custody chain."""
        peer = by or self.guest
        peer.send(frames.GetCustody(request=peer.next_request(), room=room.id, after=after))
        return peer


@pytest.fixture
def custody() -> Custody:
    """The log as it stands at first."""
    return Custody()


GRANT, HOLD = LeafType.AUDIT_GRANT, LeafType.LEGAL_HOLD


def test_a_grant_stands_with_both_organisations_and_in_each_room(custody: Custody) -> None:
    custody.grant(rooms=(custody.room.id, custody.second.id))
    chains = {custody_chain(room.id) for room in (custody.room, custody.second)}
    assert set(custody.chains(GRANT)) == {audit_chain(OrgName(SN)), audit_chain(OrgName(TN)), *chains}
    assert custody.chains(GRANT)[0] == audit_chain(OrgName(SN))


def test_a_grant_to_the_own_auditors_stands_there_once(custody: Custody) -> None:
    custody.grant(auditor=OrgName(TN), rooms=())
    assert custody.chains(GRANT) == [audit_chain(OrgName(TN))]


def test_what_is_logged_says_nothing_new(custody: Custody) -> None:
    made, hold = custody.grant(), custody.hold()
    assert custody.bring(HOLD, hold) is None
    custody.world.restart()
    custody.officer = custody.world.login(device_of(custody.officer))
    assert custody.done(GRANT, made)
    assert custody.done(HOLD, hold)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_root_that_endorsed_the_key_once_stays_no_second_party(custody: Custody, stopped: bool) -> None:  # noqa: FBT001 - a parameter of the test
    nation = custody.world.nations[TN]
    renewed = nation.renew_enrolment(now_ms=custody.world.now_ms, by=nation.custodian)
    document = hold_document(
        hold=b"h" * 16,
        organisation=OrgName(TN),
        rooms=(custody.room.id,),
        since_ms=0,
        reference=b"r" * 16,
        issued_ms=custody.world.now_ms,
    )
    made = nation.two_party(document, Typ.LEGAL_HOLD, nation.enrolment_key, nation.root)
    # A control: of the new record alone one would say that two parties signed.
    verify_two_parties(decode_hold(made).endorsed, Typ.LEGAL_HOLD, enrolment=renewed, organisation=nation.member)
    assert custody.bring(LeafType.ENROLMENT, renewed.endorsed.encode()) is None
    if stopped:
        custody.world.restart()
        custody.officer = custody.world.login(device_of(custody.officer))
    assert custody.bring(HOLD, made) is Code.THRESHOLD


def test_a_grant_that_is_repeated_at_once_gets_the_same_receipt(custody: Custody) -> None:
    made = custody.world.nations[TN].grant(custody.terms())
    custody.world.holding = True
    for _ in range(2):
        custody.submit(made)
    custody.world.release()
    accepted = [one for stored in custody.officer.take(frames.Stored) for one in stored.accepted]
    assert len(accepted) == 2
    custody.submit(made)
    again = custody.officer.one(frames.Stored).accepted[0]
    assert {one.indices for one in accepted} == {again.indices}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"rooms": (RoomId(bytes(16)),)}, Code.UNKNOWN_ROOM),
        ({"auditor": OrgName("cert.example.org")}, Code.CERTIFICATE),
        ({"not_after_ms": 0, "not_before_ms": 0}, Code.EXPIRED),
        ({"granting": OrgName("cert.example.org")}, Code.CERTIFICATE),
        ({"granting": OrgName(MA)}, Code.CERTIFICATE),
    ],
    ids=["room", "auditor", "over", "stranger", "another's signature"],
)
def test_a_grant_that_nobody_may_give_is_refused(custody: Custody, changes: dict[str, Any], code: Code) -> None:
    assert custody.bring(GRANT, custody.world.nations[TN].grant(custody.terms(**changes))) is code
    assert custody.bring(GRANT, custody.world.nations[TN].grant(custody.terms())) is None


def test_a_room_is_granted_by_its_owner_alone(custody: Custody) -> None:
    theirs = custody.terms(granting=OrgName(MA))
    assert custody.bring(GRANT, custody.world.nations[MA].grant(theirs), by=custody.guest) is Code.MEMBERSHIP
    shared = custody.community(TN, MA, id=GrantId(bytes(16)), rooms=(custody.room.id,))
    assert custody.bring(GRANT, shared, by=custody.guest) is None


def test_one_party_grants_nothing(custody: Custody) -> None:
    nation = custody.world.nations[TN]
    document = grant_document(custody.terms())
    for signers in ((nation.enrolment_key,), (nation.custodian,), (nation.enrolment_key, nation.root)):
        code = custody.bring(GRANT, nation.two_party(document, Typ.AUDIT_GRANT, *signers))
        assert code in (Code.THRESHOLD, Code.CERTIFICATE)
    assert custody.bring(GRANT, nation.grant(custody.terms())) is None


@pytest.mark.parametrize(("ahead_ms", "code"), [(CLOCK_WINDOW_MS, None), (CLOCK_WINDOW_MS + 1, Code.CLOCK)])
def test_a_document_was_not_made_later_than_now(custody: Custody, ahead_ms: int, code: Code | None) -> None:
    issued_ms = custody.world.now_ms + ahead_ms
    assert custody.bring(GRANT, custody.world.nations[TN].grant(custody.terms(issued_ms=issued_ms))) is code
    assert custody.bring(HOLD, custody.hold(issued_ms=issued_ms)) is code


def test_an_enrolment_key_that_was_withdrawn_grants_and_holds_no_more(custody: Custody) -> None:
    nation = custody.world.nations[TN]
    assert custody.bring(LeafType.REVOCATION, nation.withdraw_enrolment(), by=custody.guest) is None
    assert custody.bring(GRANT, nation.grant(custody.terms()), by=custody.guest) is Code.REVOKED
    assert custody.bring(HOLD, custody.hold(), by=custody.guest) is Code.REVOKED
    assert custody.bring(ERASURE, forgotten(custody), by=custody.guest) is Code.REVOKED


def test_a_second_grant_of_an_id_is_its_end_or_nothing(custody: Custody) -> None:
    made = custody.grant()
    nation = custody.world.nations[TN]
    wider = nation.grant(custody.terms(issued_ms=custody.world.now_ms + 1, rooms=(custody.second.id,)))
    assert custody.bring(GRANT, wider) is Code.ROLLBACK
    ending = nation.two_party(ending_document(decode_grant(made), now_ms=custody.world.now_ms), Typ.AUDIT_GRANT)
    assert custody.bring(GRANT, ending) is None
    assert custody.bring(GRANT, made) in (None, Code.ROLLBACK)
    custody.world.restart()
    custody.officer = custody.world.login(device_of(custody.officer))
    assert custody.bring(GRANT, made) is Code.ROLLBACK


# ---- holds


def test_a_hold_stands_in_each_room_until_it_is_released(custody: Custody) -> None:
    hold = custody.hold(rooms=(custody.room.id, custody.second.id))
    assert custody.bring(HOLD, hold) is None
    chains = {custody_chain(room.id) for room in (custody.room, custody.second)}
    assert set(custody.chains(HOLD)) == {audit_chain(OrgName(TN)), *chains}
    assert custody.bring(HOLD, custody.release(hold)) is None
    assert len(custody.chains(HOLD)) == 6
    assert custody.bring(HOLD, custody.release(hold)) is None  # the same receipt again
    assert len(custody.chains(HOLD)) == 6


def test_whoever_is_in_a_room_may_hold_it_and_nobody_else(custody: Custody) -> None:
    assert custody.bring(HOLD, custody.hold(MA)) is None
    assert custody.bring(HOLD, custody.hold(SN, hold=bytes(16))) is Code.UNKNOWN_ROOM
    both = custody.hold(hold=bytes(16), rooms=(custody.room.id, custody.other.id))
    assert custody.bring(HOLD, both) is Code.UNKNOWN_ROOM
    assert custody.bring(HOLD, custody.hold(hold=bytes(16), rooms=(RoomId(bytes(16)),))) is Code.UNKNOWN_ROOM


def test_who_has_left_a_room_holds_it_no_more_and_still_releases(custody: Custody) -> None:
    hold = custody.hold(MA)
    assert custody.bring(HOLD, hold) is None
    custody.world.commit(custody.officer, custody.room, removed=(device_of(custody.guest),))
    assert custody.bring(HOLD, custody.hold(MA, hold=bytes(16))) is Code.UNKNOWN_ROOM
    assert custody.bring(HOLD, custody.release(hold, MA)) is None


def test_one_party_neither_holds_nor_releases(custody: Custody) -> None:
    nation, hold = custody.world.nations[TN], custody.hold()
    document = decode_hold(hold).endorsed.document
    both_by_one = nation.two_party(document, Typ.LEGAL_HOLD, nation.enrolment_key, nation.root)
    assert custody.bring(HOLD, both_by_one) is Code.THRESHOLD
    assert custody.bring(HOLD, hold) is None
    release = release_document(decode_hold(hold), now_ms=custody.world.now_ms)
    assert custody.bring(HOLD, nation.two_party(release, Typ.LEGAL_HOLD, nation.enrolment_key)) is Code.THRESHOLD
    assert custody.bring(HOLD, custody.release(hold)) is None


def without(custody: Custody, *gone: str) -> bytes:
    """A roster of the nations but for these."""
    nations = custody.world.nations
    left = tuple(nation for name, nation in nations.items() if name not in gone)
    signers = (nations[TN], nations[SN])
    made = make_roster(left, version=2, signers=signers, now_ms=custody.world.now_ms)
    return made.endorsed.encode()


def test_the_hold_of_an_organisation_ends_when_a_roster_does_not_name_it_any_more(custody: Custody) -> None:
    state, statement = custody.world.core._parts.loaded().state, forgotten(custody, subject=person(custody.officer))  # noqa: SLF001 - what the relay keeps to
    hold = custody.hold(MA)
    assert custody.bring(HOLD, hold) is None
    assert state.held_rooms() == {custody.room.id: 0}
    assert custody.bring(ERASURE, statement) is Code.MEMBERSHIP
    assert custody.bring(LeafType.ROSTER, without(custody, MA)) is None
    assert state.held_rooms() == {}
    assert custody.bring(HOLD, custody.release(hold, MA)) is Code.CERTIFICATE
    assert custody.bring(ERASURE, statement) is None
    custody.world.restart()
    assert custody.world.core._parts.loaded().state.held_rooms() == {}  # noqa: SLF001 - as above


def test_a_hold_of_who_is_still_in_the_roster_outlives_another_that_ends(custody: Custody) -> None:
    state = custody.world.core._parts.loaded().state  # noqa: SLF001 - what the relay keeps to
    assert custody.bring(HOLD, custody.hold(MA)) is None
    assert custody.bring(HOLD, custody.hold(hold=bytes(16), since_ms=5)) is None
    assert state.held_rooms() == {custody.room.id: 0}
    assert custody.bring(LeafType.ROSTER, without(custody, MA)) is None
    assert state.held_rooms() == {custody.room.id: 5}


def test_nothing_is_released_that_was_never_held(custody: Custody) -> None:
    assert custody.bring(HOLD, custody.release(custody.hold())) is Code.NOT_FOUND


def test_a_second_hold_of_an_id_is_its_release_or_nothing(custody: Custody) -> None:
    assert custody.bring(HOLD, custody.hold()) is None
    assert custody.bring(HOLD, custody.hold(since_ms=5)) is Code.ROLLBACK


# ---- persons


ERASURE = LeafType.ERASURE


def forgotten(custody: Custody, *signers: SigningKey, subject: PersonId = SUBJECT, of: str = TN) -> bytes:
    """TN has forgotten a person; signed by two parties of a nation."""
    nation = custody.world.nations[of]
    return nation.forget(subject, *signers, organisation=OrgName(TN), now_ms=custody.world.now_ms)


def person(peer: Peer) -> PersonId:
    """Who is behind a device."""
    return device_of(peer).certificate.subject


def test_a_forgotten_person_stands_in_the_control_stream_once(custody: Custody) -> None:
    assert custody.bring(ERASURE, forgotten(custody)) is None
    entry = custody.world.store.entries[-1]
    assert (entry.type, entry.room) == (ERASURE, RoomId(bytes(16)))
    custody.world.now_ms += 1
    assert custody.done(ERASURE, forgotten(custody))
    custody.world.restart()
    custody.officer = custody.world.login(device_of(custody.officer))
    custody.world.now_ms += 1
    assert custody.done(ERASURE, forgotten(custody))


def test_one_party_forgets_nobody(custody: Custody) -> None:
    nation = custody.world.nations[TN]
    for signers in ((nation.enrolment_key,), (nation.enrolment_key, nation.root)):
        assert custody.bring(ERASURE, forgotten(custody, *signers)) is Code.THRESHOLD
    assert custody.bring(ERASURE, forgotten(custody, nation.custodian)) is Code.CERTIFICATE
    assert custody.bring(ERASURE, forgotten(custody)) is None


def test_an_organisation_forgets_its_own_people_alone(custody: Custody) -> None:
    assert custody.bring(ERASURE, forgotten(custody, of=MA)) is Code.CERTIFICATE
    assert custody.bring(ERASURE, forgotten(custody, key_of("nobody"))) is Code.CERTIFICATE
    damaged = forgotten(custody)[:-1] + b"\0"
    assert custody.bring(ERASURE, damaged) is Code.SIGNATURE
    assert custody.bring(ERASURE, forgotten(custody)) is None


def test_a_statement_about_a_person_was_not_made_later_than_now(custody: Custody) -> None:
    nation = custody.world.nations[TN]
    late = nation.forget(SUBJECT, now_ms=custody.world.now_ms + CLOCK_WINDOW_MS + 1)
    assert custody.bring(ERASURE, late) is Code.CLOCK
    assert custody.bring(ERASURE, nation.forget(SUBJECT, now_ms=custody.world.now_ms + CLOCK_WINDOW_MS)) is None


def test_while_a_room_is_held_nobody_who_wrote_in_it_is_forgotten(custody: Custody) -> None:
    """Also by a hold of another nation; whoever never wrote in a held room is."""
    statement = forgotten(custody, subject=person(custody.officer))
    hold = custody.hold(MA)
    assert custody.bring(HOLD, hold) is None
    assert custody.bring(ERASURE, statement) is Code.MEMBERSHIP
    assert custody.bring(ERASURE, forgotten(custody)) is None
    assert custody.bring(HOLD, custody.release(hold, MA)) is None
    assert custody.bring(ERASURE, statement) is None


def test_who_wrote_in_a_held_room_and_was_removed_is_not_forgotten_either(custody: Custody) -> None:
    guest = device_of(custody.guest)
    custody.guest.publish(custody.world.envelope(guest, custody.room, Message()))
    custody.world.commit(custody.officer, custody.room, removed=(guest,))
    statement = custody.world.nations[MA].forget(person(custody.guest), now_ms=custody.world.now_ms)
    hold = custody.hold()
    assert custody.bring(HOLD, hold) is None
    assert custody.bring(ERASURE, statement) is Code.MEMBERSHIP
    assert custody.bring(HOLD, custody.release(hold)) is None
    assert custody.bring(ERASURE, statement) is None


def test_who_wrote_in_a_held_room_is_not_forgotten_under_another_pseudonym_either(custody: Custody) -> None:
    """The device would be somebody else's, and nobody would have written what is held."""
    world, writer = custody.world, device_of(custody.guest)
    custody.guest.publish(world.envelope(writer, custody.room, Message()))
    assert custody.bring(HOLD, custody.hold()) is None
    renamed = world.nations[MA].certify("guest", now_ms=world.now_ms + 1, subject=PersonId(bytes(16)))
    assert renamed.id == writer.id
    assert custody.bring(LeafType.CERTIFICATE, renamed.certificate.encoded) is Code.FOREIGN_DEVICE
    statement = world.nations[MA].forget(writer.certificate.subject, now_ms=world.now_ms)
    assert custody.bring(ERASURE, statement) is Code.MEMBERSHIP
    state = world.core._parts.loaded().state  # noqa: SLF001 - the control: had it been taken
    state.devices[writer.id].certificate = renamed.certificate
    assert custody.bring(ERASURE, statement) is None


def test_who_was_in_a_held_room_and_wrote_nothing_is_forgotten(custody: Custody) -> None:
    assert custody.bring(HOLD, custody.hold()) is None
    statement = custody.world.nations[MA].forget(person(custody.guest), now_ms=custody.world.now_ms)
    assert custody.bring(ERASURE, statement) is None


# ---- what members are shown


def test_a_member_reads_the_custody_of_its_room_as_a_chain_under_a_signed_head(custody: Custody) -> None:
    custody.grant()
    assert custody.bring(HOLD, custody.hold()) is None
    answer = custody.asked(custody.room).one(frames.Custody)
    chain, previous = custody_chain(custody.room.id), LeafHash(bytes(32))
    for number, entry in enumerate(answer.entries, 1):
        leaf = Leaf(
            type=LeafType(entry.type),
            accepted_at_ms=entry.accepted_at_ms,
            room=chain,
            room_seq=entry.sequence,
            previous=LeafHash(entry.previous),
            object=entry.object,
        )
        assert (entry.sequence, leaf.previous) == (number, previous)
        assert leaf.hash == custody.world.store.entries[entry.index].hash
        previous = leaf.hash
    head = verify_room_head(answer.head, RELAY_KEY.public).value
    assert (head.room, head.room_seq, head.leaf) == (chain, 2, previous)
    assert [entry.type for entry in answer.entries] == [GRANT, HOLD]


def test_an_empty_chain_has_a_head_too(custody: Custody) -> None:
    answer = custody.asked(custody.room).one(frames.Custody)
    head = verify_room_head(answer.head, RELAY_KEY.public).value
    assert (answer.entries, head.room_seq, head.leaf) == ((), 0, bytes(32))
    custody.grant()
    assert [entry.sequence for entry in custody.asked(custody.room).one(frames.Custody).entries] == [1]
    rest = custody.asked(custody.room, 1).one(frames.Custody)
    assert (rest.entries, verify_room_head(rest.head, RELAY_KEY.public).value.room_seq) == ((), 1)


def test_only_who_is_in_reads_it(custody: Custody) -> None:
    custody.grant()
    assert code_of(custody.asked(custody.room, by=custody.stranger).refused()) is Code.UNKNOWN_ROOM
    unknown = RoomModel(id=RoomId(bytes(16)), members=set())
    assert code_of(custody.asked(unknown).refused()) is Code.UNKNOWN_ROOM
    assert code_of(custody.asked(custody.room, 2).refused()) is Code.NOT_FOUND
    custody.asked(custody.room).one(frames.Custody)
    custody.world.commit(custody.officer, custody.room, removed=(device_of(custody.guest),))
    custody.guest.frames.clear()
    assert code_of(custody.asked(custody.room).refused()) is Code.UNKNOWN_ROOM


def test_a_long_chain_is_given_up_to_its_head(custody: Custody) -> None:
    for number in range(60):
        custody.world.now_ms += 60_000
        custody.grant(id=GrantId(bytes([number]) * 16), purpose="x" * 253, issued_ms=custody.world.now_ms)
    chain = custody_chain(custody.room.id)
    assert [entry.room for entry in custody.world.store.entries].count(chain) == 60
    first = custody.asked(custody.room).one(frames.Custody)
    assert len(frames.encode_frame(first)) <= MAX_FRAME_BYTES
    assert verify_room_head(first.head, RELAY_KEY.public).value.room_seq == len(first.entries) == 60


def test_a_page_fits_a_frame(custody: Custody, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amanah_relay.core.custody._PAGE_BYTES", 1_000)
    custody.grant()
    custody.grant(id=GrantId(bytes(16)))
    first = custody.asked(custody.room).one(frames.Custody)
    assert ([entry.sequence for entry in first.entries], first.head) == ([1], b"")
    rest = custody.asked(custody.room, 1).one(frames.Custody)
    assert [entry.sequence for entry in rest.entries] == [2]
    assert rest.head


def test_members_who_are_live_are_told_that_a_chain_has_grown(custody: Custody) -> None:
    custody.guest.subscribe(custody.room.id, 1)
    custody.guest.frames.clear()
    custody.grant()
    assert custody.guest.one(frames.CustodyGrown) == frames.CustodyGrown(room=custody.room.id, sequence=1)
    assert not custody.officer.take(frames.CustodyGrown)
    custody.grant(id=GrantId(bytes(16)), rooms=())
    assert not custody.guest.take(frames.CustodyGrown)


@pytest.mark.parametrize("stage", ["asked", "failed"])
def test_a_page_for_somebody_who_left_comes_to_nothing(custody: Custody, stage: str) -> None:
    custody.world.holding = True
    custody.asked(custody.room)
    if stage == "failed":
        custody.world.store.reads_fail = True
    else:
        custody.world.drop(custody.guest)
    custody.world.release()
    if stage == "failed":
        assert code_of(custody.guest.refused()) is Code.STORE
    else:
        assert not custody.guest.frames


def test_who_does_not_read_asks_for_nothing_more(custody: Custody) -> None:
    custody.world.congest(custody.guest)
    assert code_of(custody.asked(custody.room).refused()) is Code.SLOW
