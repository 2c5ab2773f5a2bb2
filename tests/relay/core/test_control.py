from __future__ import annotations

import pytest

from amanah_protocol import frames
from amanah_protocol.errors import Code
from amanah_protocol.identity import Role, decode_enrolment
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.receipt import check_in_receipt, verify_receipt
from amanah_protocol.roster import decode_roster, roster_document
from amanah_protocol.types import CONTROL, PersonId
from amanah_relay.quotas import RelayLimits
from tests.relay.people import DAY_MS, RELAY_KEY, Nation, endorsed_by, key_of, make_roster
from tests.relay.world import MA, SN, TN, Peer, World, code_of, device_of


def submit(peer: Peer, leaf_type: int, data: bytes) -> int:
    """Submit an object; gives the request's number."""
    request = peer.next_request()
    peer.send(frames.Submit(request=request, type=leaf_type, object=data))
    return request


def refusal(world: World, peer: Peer, leaf_type: int, data: bytes) -> Code:
    """Submit what must be refused without a trace; gives the code."""
    before = world.store.state()
    request = submit(peer, leaf_type, data)
    refused = peer.refused()
    assert refused.request == request
    assert world.store.state() == before
    return code_of(refused)


def logged(world: World, peer: Peer, leaf_type: int, data: bytes) -> None:
    """Submit what must be logged, and look at receipt and leaf."""
    before = len(world.store.entries)
    request = submit(peer, leaf_type, data)
    stored = peer.one(frames.Stored)
    (accepted,) = stored.accepted
    entry = world.store.entries[before]
    assert (accepted.request, accepted.indices, accepted.sequences) == (request, (before,), (entry.room_seq,))
    check_in_receipt(verify_receipt(stored.receipt, RELAY_KEY.public), entry.hash, before)
    assert (entry.type, entry.room) == (leaf_type, CONTROL)
    assert data in (entry.object, entry.document)


def unchanged(world: World, peer: Peer, leaf_type: int, data: bytes) -> None:
    """Submit what says nothing new: done, and nothing is logged."""
    leaves = len(world.store.entries)
    request = submit(peer, leaf_type, data)
    assert peer.one(frames.Done).request == request
    assert len(world.store.entries) == leaves


@pytest.fixture
def world() -> World:
    """A world of three nations."""
    return World()


@pytest.fixture
def officer(world: World) -> Peer:
    """An officer of the first."""
    return world.officer("a")


def test_a_certificate_is_logged_before_its_device_ever_connects(world: World, officer: Peer) -> None:
    device = world.certify("b")
    logged(world, officer, LeafType.CERTIFICATE, device.certificate.encoded)
    world.login(device)
    assert len(world.store.entries) == 3


def test_a_repeated_submission_gets_the_same_receipt(world: World, officer: Peer) -> None:
    data = world.certify("b").certificate.encoded
    submit(officer, LeafType.CERTIFICATE, data)
    first = officer.one(frames.Stored)
    submit(officer, LeafType.CERTIFICATE, data)
    assert officer.one(frames.Stored).receipt == first.receipt
    world.restart()
    unchanged(world, world.login(device_of(officer)), LeafType.CERTIFICATE, data)


def test_a_submission_repeated_while_the_first_is_on_its_way_waits_with_it(world: World, officer: Peer) -> None:
    data = world.certify("b").certificate.encoded
    world.holding = True
    requests = [submit(officer, LeafType.CERTIFICATE, data) for _ in range(2)]
    world.release()
    assert [accepted.request for accepted in officer.one(frames.Stored).accepted] == requests
    assert len(world.store.entries) == 3


@pytest.mark.parametrize("leaf_type", [0, LeafType.ENVELOPE, LeafType.AUDIT_READ, 10, 77])
def test_only_what_stands_in_the_control_stream_is_submitted(world: World, officer: Peer, leaf_type: int) -> None:
    assert refusal(world, officer, leaf_type, b"") is Code.BAD_TYPE


@pytest.mark.parametrize("leaf_type", [LeafType.CERTIFICATE, LeafType.ENROLMENT, LeafType.REVOCATION, LeafType.ROSTER])
def test_what_does_not_decode_is_refused_and_the_session_stays(
    world: World, officer: Peer, leaf_type: LeafType
) -> None:
    assert refusal(world, officer, leaf_type, b"\xa0") is not Code.INTERNAL
    assert officer.is_open


def test_a_device_cannot_fill_the_log_nor_keep_its_organisation_from_revoking_it() -> None:
    world = World(RelayLimits(submissions_burst=2, submissions_per_minute=1))
    officer, stolen = world.officer("a"), world.officer("stolen")
    logged(world, stolen, LeafType.CERTIFICATE, world.certify("b").certificate.encoded)
    assert refusal(world, stolen, LeafType.CERTIFICATE, b"") is Code.MALFORMED
    assert refusal(world, stolen, LeafType.CERTIFICATE, world.certify("c").certificate.encoded) is Code.RATE
    logged(world, officer, LeafType.REVOCATION, world.nations[TN].revoke(device_of(stolen).id))
    assert not stolen.is_open


@pytest.mark.parametrize(
    ("leaf_type", "most"),
    [(LeafType.CERTIFICATE, 2_048), (LeafType.ENROLMENT, 2_048), (LeafType.REVOCATION, 4_096)],
)
def test_what_all_clients_are_sent_is_bounded(world: World, officer: Peer, leaf_type: LeafType, most: int) -> None:
    assert refusal(world, officer, leaf_type, bytes(most)) is not Code.TOO_LARGE
    assert refusal(world, officer, leaf_type, bytes(most + 1)) is Code.TOO_LARGE


# ---- certificates


def test_a_certificate_by_a_key_that_is_not_logged_is_refused(world: World, officer: Peer) -> None:
    stranger = world.certify("b", of=MA)
    assert refusal(world, officer, LeafType.CERTIFICATE, stranger.certificate.encoded) is Code.CERTIFICATE
    logged(world, officer, LeafType.ENROLMENT, world.nations[MA].enrolment.endorsed.encode())
    logged(world, officer, LeafType.CERTIFICATE, stranger.certificate.encoded)


def test_a_certificate_with_another_signature_is_refused(world: World, officer: Peer) -> None:
    encoded = bytearray(world.certify("b").certificate.encoded)
    encoded[-1] ^= 1
    assert refusal(world, officer, LeafType.CERTIFICATE, bytes(encoded)) is Code.SIGNATURE


def test_an_older_certificate_does_not_take_the_place_of_a_newer(world: World, officer: Peer) -> None:
    older = world.certify("b").certificate.encoded
    world.now_ms += DAY_MS
    newer = world.certify("b").certificate.encoded
    logged(world, officer, LeafType.CERTIFICATE, newer)
    assert refusal(world, officer, LeafType.CERTIFICATE, older) is Code.ROLLBACK


def test_a_device_of_another_organisation_is_not_certified_again(world: World, officer: Peer) -> None:
    world.officer("b", of=MA)
    stolen = world.certify("b", of=TN).certificate.encoded
    assert refusal(world, officer, LeafType.CERTIFICATE, stolen) is Code.FOREIGN_DEVICE


def test_a_device_is_not_certified_for_another_person(world: World, officer: Peer) -> None:
    """Nor logged in; for its own person it is."""
    known = device_of(world.officer("b"))
    world.now_ms += DAY_MS
    renamed = world.nations[TN].certify("b", now_ms=world.now_ms, subject=PersonId(bytes(16)))
    assert renamed.id == known.id
    assert refusal(world, officer, LeafType.CERTIFICATE, renamed.certificate.encoded) is Code.FOREIGN_DEVICE
    assert world.begin_login(renamed).closed == (1008, Code.FOREIGN_DEVICE)
    logged(world, officer, LeafType.CERTIFICATE, world.certify("b").certificate.encoded)


def test_a_revoked_device_is_not_certified_again(world: World, officer: Peer) -> None:
    device = device_of(world.officer("b"))
    submit(officer, LeafType.REVOCATION, world.nations[TN].revoke(device.id))
    officer.one(frames.Stored)
    world.now_ms += DAY_MS
    assert refusal(world, officer, LeafType.CERTIFICATE, world.certify("b").certificate.encoded) is Code.REVOKED


# ---- enrolment keys


def test_an_enrolment_key_is_logged_once_for_a_time(world: World, officer: Peer) -> None:
    nation = world.nations[MA]
    logged(world, officer, LeafType.ENROLMENT, nation.enrolment.endorsed.encode())
    world.restart()
    officer = world.login(device_of(officer))
    unchanged(world, officer, LeafType.ENROLMENT, nation.enrolment.endorsed.encode())
    logged(world, officer, LeafType.ENROLMENT, nation.renew_enrolment(now_ms=world.now_ms).endorsed.encode())
    world.restart()
    officer = world.login(device_of(officer))
    unchanged(world, officer, LeafType.ENROLMENT, nation.enrolment.endorsed.encode())


def test_an_enrolment_key_that_the_root_did_not_endorse_is_refused(world: World, officer: Peer) -> None:
    document = world.nations[MA].enrolment.endorsed.document
    forged = endorsed_by(document, key_of("thief")).encode()
    assert refusal(world, officer, LeafType.ENROLMENT, forged) is Code.THRESHOLD


def test_the_enrolment_key_of_an_organisation_outside_is_refused(world: World, officer: Peer) -> None:
    outside = Nation.make("cert.example.dz").enrolment.endorsed.encode()
    assert refusal(world, officer, LeafType.ENROLMENT, outside) is Code.CERTIFICATE


def test_a_withdrawn_enrolment_key_does_not_come_back(world: World, officer: Peer) -> None:
    nation = world.nations[MA]
    submit(officer, LeafType.ENROLMENT, nation.enrolment.endorsed.encode())
    submit(officer, LeafType.REVOCATION, nation.withdraw_enrolment())
    renewed = nation.renew_enrolment(now_ms=world.now_ms).endorsed.encode()
    assert refusal(world, officer, LeafType.ENROLMENT, renewed) is Code.REVOKED


# ---- revocations


def test_a_revocation_is_logged_once(world: World, officer: Peer) -> None:
    device = device_of(world.officer("b"))
    revocation = world.nations[TN].revoke(device.id)
    logged(world, officer, LeafType.REVOCATION, revocation)
    assert world.store.state().devices[device.id].revoked_index == 3
    unchanged(world, officer, LeafType.REVOCATION, world.nations[TN].revoke(device.id, now_ms=world.now_ms + 1))


def test_since_when_a_device_was_in_wrong_hands_may_be_said_later(world: World, officer: Peer) -> None:
    device = device_of(world.officer("b"))
    submit(officer, LeafType.REVOCATION, world.nations[TN].revoke(device.id))
    officer.one(frames.Stored)
    later = world.nations[TN].revoke(device.id, compromised_since_ms=5)
    logged(world, officer, LeafType.REVOCATION, later)
    assert world.store.state().devices[device.id].revoked_index == 3


def test_a_revocation_may_be_brought_by_anybody(world: World) -> None:
    device = device_of(world.officer("b"))
    bot = world.login(world.certify("bot", Role.BOT, of=MA))
    logged(world, bot, LeafType.REVOCATION, world.nations[TN].revoke(device.id))


def test_a_device_that_is_not_logged_is_not_revoked(world: World, officer: Peer) -> None:
    revocation = world.nations[TN].revoke(world.certify("b").id)
    assert refusal(world, officer, LeafType.REVOCATION, revocation) is Code.NOT_FOUND


def test_an_organisation_revokes_its_own_devices_only(world: World, officer: Peer) -> None:
    theirs = device_of(world.officer("b", of=MA))
    assert refusal(world, officer, LeafType.REVOCATION, world.nations[TN].revoke(theirs.id)) is Code.CERTIFICATE
    own = device_of(world.officer("c"))
    assert refusal(world, officer, LeafType.REVOCATION, world.nations[SN].revoke(own.id)) is Code.CERTIFICATE
    disguised = world.nations[TN].revoke(theirs.id).replace(TN.encode(), MA.encode())
    assert refusal(world, officer, LeafType.REVOCATION, disguised) is Code.CERTIFICATE


def test_a_revocation_with_another_signature_is_refused(world: World, officer: Peer) -> None:
    device = device_of(world.officer("b"))
    encoded = bytearray(world.nations[TN].revoke(device.id))
    encoded[-1] ^= 1
    assert refusal(world, officer, LeafType.REVOCATION, bytes(encoded)) is Code.SIGNATURE


def test_a_withdrawn_enrolment_key_revokes_nobody(world: World) -> None:
    device, guest = device_of(world.officer("b")), world.officer("c", of=MA)
    submit(guest, LeafType.REVOCATION, world.nations[TN].withdraw_enrolment())
    guest.one(frames.Stored)
    assert refusal(world, guest, LeafType.REVOCATION, world.nations[TN].revoke(device.id)) is Code.REVOKED


def test_an_enrolment_key_that_has_ended_revokes_nobody(world: World, officer: Peer) -> None:
    device = device_of(world.officer("b"))
    world.now_ms += 366 * DAY_MS
    assert refusal(world, officer, LeafType.REVOCATION, world.nations[TN].revoke(device.id)) is Code.EXPIRED


def test_the_root_withdraws_an_enrolment_key_once(world: World, officer: Peer) -> None:
    guest = world.officer("b", of=MA)
    withdrawal = world.nations[MA].withdraw_enrolment()
    logged(world, officer, LeafType.REVOCATION, withdrawal)
    assert not guest.is_open
    assert world.nations[MA].enrolment.key_id in world.store.state().revoked_enrolments
    unchanged(world, officer, LeafType.REVOCATION, world.nations[MA].withdraw_enrolment(now_ms=world.now_ms + 1))


def test_a_withdrawal_names_a_logged_key_of_its_own_organisation(world: World, officer: Peer) -> None:
    unlogged = world.nations[MA].withdraw_enrolment()
    assert refusal(world, officer, LeafType.REVOCATION, unlogged) is Code.NOT_FOUND
    thief = Nation.make(MA)
    thief.enrolment = world.nations[TN].enrolment
    assert refusal(world, officer, LeafType.REVOCATION, thief.withdraw_enrolment()) is Code.NOT_FOUND
    outside = Nation.make("cert.example.dz").withdraw_enrolment()
    assert refusal(world, officer, LeafType.REVOCATION, outside) is Code.CERTIFICATE


def test_a_withdrawal_that_the_root_did_not_sign_is_refused(world: World, officer: Peer) -> None:
    thief = Nation.make(TN)
    thief.root = key_of("thief")
    assert refusal(world, officer, LeafType.REVOCATION, thief.withdraw_enrolment()) is Code.THRESHOLD


# ---- roster


def test_a_roster_with_the_threshold_of_old_and_new_is_logged_once(world: World, officer: Peer) -> None:
    fourth = Nation.make("cert.example.dz")
    grown = make_roster((*world.nations.values(), fourth), version=2, signers=tuple(world.nations.values())[:2])
    # the old threshold is two of three, the new one two of four
    data = grown.endorsed.encode()
    logged(world, officer, LeafType.ROSTER, data)
    world.login(fourth.certify("x"))
    world.restart()
    unchanged(world, world.login(device_of(officer)), LeafType.ROSTER, data)


def test_the_roster_that_stands_is_not_logged_again(world: World, officer: Peer) -> None:
    unchanged(world, officer, LeafType.ROSTER, world.roster.endorsed.encode())


@pytest.mark.parametrize(
    ("role", "allowed"),
    [(Role.OPERATOR, True), (Role.OFFICER, True), (Role.BOT, False), (Role.AUDITOR, False)],
)
def test_officers_and_operators_bring_rosters(world: World, role: Role, *, allowed: bool) -> None:
    peer = world.login(world.certify("x", role))
    data = make_roster(tuple(world.nations.values()), version=2).endorsed.encode()
    if allowed:
        logged(world, peer, LeafType.ROSTER, data)
    else:
        assert refusal(world, peer, LeafType.ROSTER, data) is Code.ROLE


def test_a_roster_signed_by_too_few_is_refused(world: World, officer: Peer) -> None:
    few = make_roster(tuple(world.nations.values()), version=2, signers=(world.nations[TN],))
    assert refusal(world, officer, LeafType.ROSTER, few.endorsed.encode()) is Code.THRESHOLD


def test_a_roster_of_an_older_or_the_same_version_is_refused(world: World, officer: Peer) -> None:
    nations = tuple(world.nations.values())
    logged(world, officer, LeafType.ROSTER, make_roster(nations, version=3).endorsed.encode())
    assert refusal(world, officer, LeafType.ROSTER, make_roster(nations, version=2).endorsed.encode()) is Code.ROLLBACK
    other = make_roster((world.nations[TN], world.nations[MA]), version=3).endorsed.encode()
    assert refusal(world, officer, LeafType.ROSTER, other) is Code.ROLLBACK


def test_an_expired_roster_is_refused(world: World, officer: Peer) -> None:
    document = roster_document(
        version=2,
        community="test",
        issued_ms=world.now_ms - 10,
        threshold=1,
        organisations=tuple(nation.member for nation in world.nations.values()),
        relays=world.roster.relays,
        lifetime_ms=5,
    )
    roots = [nation.root for nation in world.nations.values()]
    expired = decode_roster(endorsed_by(document, *roots).encode())
    assert refusal(world, officer, LeafType.ROSTER, expired.endorsed.encode()) is Code.EXPIRED


def test_an_enrolment_decodes_from_what_is_logged_beside_its_leaf(world: World, officer: Peer) -> None:
    assert officer.is_open
    document = world.store.entries[0].document
    assert document is not None
    assert decode_enrolment(document).organisation == TN
