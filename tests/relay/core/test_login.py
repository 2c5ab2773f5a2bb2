from __future__ import annotations

import pytest

from amanah_protocol import frames
from amanah_protocol.errors import Code
from amanah_protocol.heads import verify_control_head
from amanah_protocol.identity import Role
from amanah_protocol.log.checkpoint import verify_checkpoint
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.session import sign_as_client, verify_relay_proof
from amanah_relay.effects import SessionId
from amanah_relay.inputs import Received
from amanah_relay.quotas import RelayLimits
from tests.relay.people import DAY_MS, LOG_SIGNER, NOW_MS, ORIGIN, RELAY_KEY, Nation, key_of
from tests.relay.world import MA, SN, TN, Peer, World, code_of, transcript_of


def assert_expelled(peer: Peer, code: Code, close: int) -> None:
    """The connection itself was refused, said so, and closed."""
    refused = peer.one(frames.Refused)
    assert (refused.request, code_of(refused)) == (0, code)
    assert peer.one(frames.Closing).code == str(code)
    assert peer.closed == (close, str(code))


def test_the_relay_signs_first_and_over_what_both_said() -> None:
    world = World()
    device, peer = world.certify("a"), world.connect()
    hello = world.hello(peer, device)
    challenge = peer.one(frames.Challenge)
    transcript = transcript_of(hello, challenge)
    verify_relay_proof(transcript, challenge.signature, RELAY_KEY.public)
    assert (challenge.relay, challenge.origin, challenge.chosen) == (RELAY_KEY.key_id, ORIGIN, 1)
    assert challenge.time_ms == NOW_MS


def test_a_login_ends_with_what_the_relay_can_prove() -> None:
    world = World()
    peer = world.begin_login(world.certify("a"))
    ready = peer.one(frames.Ready)
    head = verify_control_head(ready.control_head, RELAY_KEY.public).value
    checkpoint = verify_checkpoint(ready.checkpoint, LOG_SIGNER.verifier, ORIGIN).value
    assert (head.sequence, head.leaf) == (2, world.store.entries[-1].hash)
    assert (head.size, head.root) == (checkpoint.size, checkpoint.root) == (2, world.appends[-1].root)
    assert (ready.rooms, ready.stock) == ((), ())


def test_an_unknown_chain_is_logged_once() -> None:
    world = World()
    device = world.certify("a")
    world.login(device)
    world.login(device)
    assert [entry.type for entry in world.store.entries] == [LeafType.ENROLMENT, LeafType.CERTIFICATE]
    assert world.store.entries[1].object == device.certificate.encoded
    assert world.store.entries[0].document == device.enrolment.endorsed.encode()
    world.login(world.certify("b"))
    assert world.store.entries[2].type is LeafType.CERTIFICATE


def test_ready_is_sent_only_when_the_certificate_is_durable() -> None:
    world = World()
    world.holding = True
    peer = world.begin_login(world.certify("a"))
    assert not peer.take(frames.Ready)
    world.step()  # the store has appended
    assert not peer.take(frames.Ready)
    world.release()  # and counted key packages
    assert peer.take(frames.Ready)


def test_a_second_login_waits_for_the_same_certificate() -> None:
    world = World()
    world.holding = True
    device = world.certify("a")
    first = world.begin_login(device)
    second = world.begin_login(device)
    assert first.one(frames.Closing).code == Code.REPLACED
    assert not second.take(frames.Ready)
    world.release()
    assert second.take(frames.Ready)
    assert len(world.store.entries) == 2


def test_a_login_whose_certificate_was_not_stored_is_closed_and_may_come_again() -> None:
    world = World()
    world.store.append_fails = "lost"
    device = world.certify("a")
    peer = world.begin_login(device)
    closing = peer.one(frames.Closing)
    assert (closing.code, closing.retry_after_ms) == (Code.STORE, world.limits.retry_ms)
    assert peer.closed == (1011, "STORE")
    world.login(device)


def test_a_login_is_closed_when_its_key_packages_cannot_be_counted() -> None:
    world = World()
    device = world.certify("a")
    world.login(device)
    world.store.reads_fail = True
    assert world.begin_login(device).closed == (1011, "STORE")


def test_stock_and_rooms_stand_in_ready() -> None:
    world = World(RelayLimits(ready_rooms=1))
    creator = world.officer("a")
    device = creator.device
    assert device is not None
    rooms = sorted(world.open_room(creator, nonce=bytes([number]) * 16).id for number in range(3))
    creator.send(frames.OfferKeyPackages(request=9, suite=0x0003, packages=(b"one", b"two"), last_resort=None))
    peer = world.begin_login(device)
    ready = peer.one(frames.Ready)
    assert ready.stock == ((0x0003, 2),)
    named = [*ready.rooms, *peer.take(frames.RoomState)]
    assert [state.room for state in named] == rooms
    assert len(ready.rooms) == 1
    assert all((state.head, state.added_seq, state.removed_seq) == (1, 1, None) for state in named)


def test_the_newest_connection_of_a_device_wins() -> None:
    world = World()
    device = world.certify("a")
    older = world.login(device)
    world.login(device)
    assert older.one(frames.Closing).code == Code.REPLACED
    assert older.closed == (1008, "REPLACED")


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"dialled": "relay.example.net:8443"}, Code.LOGIN), ({"versions": (2, 3)}, Code.UNKNOWN_VERSION)],
)
def test_a_hello_that_is_not_for_this_relay_ends_the_connection(changes: dict[str, object], code: Code) -> None:
    world = World()
    peer = world.connect()
    world.hello(peer, world.certify("a"), **changes)
    assert_expelled(peer, code, 1008)


def test_a_proof_by_another_key_is_refused() -> None:
    world = World()
    device, peer = world.certify("a"), world.connect()
    hello = world.hello(peer, device)
    forged = sign_as_client(transcript_of(hello, peer.frames[0]), key_of("thief"))
    world.prove(peer, device, hello, signature=forged)
    assert_expelled(peer, Code.LOGIN, 1008)


def test_a_proof_of_an_earlier_login_does_not_serve_again() -> None:
    world = World()
    device, first = world.certify("a"), world.connect()
    hello = world.hello(first, device)
    seen = sign_as_client(transcript_of(hello, first.frames[0]), device.key)
    second = world.connect()
    world.prove(second, device, world.hello(second, device), signature=seen)
    assert_expelled(second, Code.LOGIN, 1008)


@pytest.mark.parametrize("field", ["device", "certificate_hash"])
def test_the_certificate_is_the_one_that_hello_named(field: str) -> None:
    world = World()
    device, other, peer = world.certify("a"), world.certify("b"), world.connect()
    value = other.id if field == "device" else other.certificate.hash
    world.prove(peer, device, world.hello(peer, device, **{field: value}))
    assert_expelled(peer, Code.LOGIN, 1008)


def test_a_login_has_its_order() -> None:
    world = World()
    device = world.certify("a")
    early = world.connect()
    proof = frames.Proof(signature=bytes(64), certificate=b"", enrolment=b"")
    early.send(proof)
    assert_expelled(early, Code.FRAME, 1002)
    twice = world.connect()
    world.hello(twice, device)
    twice.take(frames.Challenge)
    world.hello(twice, device)
    assert_expelled(twice, Code.FRAME, 1002)
    world.holding = True
    hasty = world.begin_login(device)
    hasty.send(frames.GetCheckpoint(request=1))
    assert_expelled(hasty, Code.FRAME, 1002)
    world.release()  # what the store had in hand finds nobody
    late = world.login(device)
    late.send(proof)
    assert_expelled(late, Code.FRAME, 1002)


@pytest.mark.parametrize(
    ("data", "code", "close"),
    [
        (b"\xc1", Code.FRAME, 1002),
        (bytes(4097), Code.TOO_LARGE, 1009),
        (frames.encode_frame(frames.GetCheckpoint(request=1)), Code.FRAME, 1002),
    ],
)
def test_whatever_is_no_login_frame_ends_the_connection(data: bytes, code: Code, close: int) -> None:
    world = World()
    peer = world.connect()
    peer.send_bytes(data)
    assert_expelled(peer, code, close)
    peer.closed = None
    peer.send_bytes(data)
    assert not peer.frames


def test_damaged_certificates_end_the_connection() -> None:
    world = World()
    device, peer = world.certify("a"), world.connect()
    world.prove(peer, device, world.hello(peer, device), certificate=b"\xa0")
    assert_expelled(peer, Code.MALFORMED, 1007)


def test_an_organisation_that_is_not_in_the_roster_does_not_get_in() -> None:
    world = World(nations=(TN, MA))
    stranger = Nation.make(SN).certify("x")
    assert_expelled(world.begin_login(stranger), Code.CERTIFICATE, 1008)


def test_an_expired_certificate_that_was_never_logged_does_not_get_in() -> None:
    world = World()
    device = world.certify("a", lifetime_ms=DAY_MS)
    world.now_ms += 2 * DAY_MS
    assert_expelled(world.begin_login(device), Code.EXPIRED, 1008)


@pytest.mark.parametrize(("days", "enters"), [(1, True), (15, True), (16, False)])
def test_a_logged_device_reads_for_fourteen_days_after_its_certificate_has_ended(days: int, *, enters: bool) -> None:
    world = World()
    device = world.certify("a", lifetime_ms=DAY_MS)
    world.login(device)
    world.now_ms += days * DAY_MS - 60_000  # certificates begin a minute back
    if enters:
        world.login(device)
    else:
        assert_expelled(world.begin_login(device), Code.EXPIRED, 1008)


def test_a_revoked_device_does_not_get_in() -> None:
    world = World()
    device, officer = world.certify("a"), world.officer("b")
    world.login(device)
    revocation = world.nations[TN].revoke(device.id)
    officer.send(frames.Submit(request=1, type=LeafType.REVOCATION, object=revocation))
    assert_expelled(world.begin_login(device), Code.REVOKED, 1008)


def test_a_device_certified_by_a_withdrawn_enrolment_key_does_not_get_in() -> None:
    world = World()
    device, officer = world.certify("a"), world.officer("b", of=MA)
    world.login(device)
    withdrawal = world.nations[TN].withdraw_enrolment()
    officer.send(frames.Submit(request=1, type=LeafType.REVOCATION, object=withdrawal))
    assert_expelled(world.begin_login(device), Code.REVOKED, 1008)


def test_a_device_belongs_to_one_organisation_for_ever() -> None:
    world = World()
    world.login(world.certify("a", of=TN))
    assert_expelled(world.begin_login(world.certify("a", of=MA)), Code.FOREIGN_DEVICE, 1008)


def test_an_enrolment_key_belongs_to_one_organisation_for_ever() -> None:
    world = World()
    world.login(world.certify("a", of=TN))
    thief = Nation.make(MA)
    thief.enrolment_key = world.nations[TN].enrolment_key
    thief.enrolment = thief.renew_enrolment(now_ms=world.now_ms)
    assert_expelled(world.begin_login(thief.certify("x")), Code.FOREIGN_DEVICE, 1008)


def test_an_enrolment_key_renewed_for_another_year_is_logged_anew() -> None:
    world = World()
    device = world.certify("a")
    world.login(device)
    renewed = world.nations[TN].renew_enrolment(now_ms=world.now_ms)
    device.enrolment = renewed
    world.login(device)
    assert world.store.entries[-1].type is LeafType.ENROLMENT
    assert world.store.entries[-1].document == renewed.endorsed.encode()


def test_a_newer_certificate_takes_the_place_of_the_older_and_not_the_other_way_round() -> None:
    world = World()
    older = world.certify("a")
    world.now_ms += DAY_MS
    newer = world.certify("a", Role.AUDITOR)
    assert older.id == newer.id
    for device in (older, newer, older):
        world.login(device)
    logged = [entry.object for entry in world.store.entries if entry.type is LeafType.CERTIFICATE]
    assert logged == [older.certificate.encoded, newer.certificate.encoded]
    peer = world.login(older)
    peer.send(frames.TakeKeyPackages(request=1, suite=0x0003, devices=(newer.id,)))
    assert code_of(peer.refused()) is Code.ROLE  # the newest logged certificate counts


def test_ten_seconds_are_given_for_the_login() -> None:
    world = World()
    slow, quick = world.connect(), world.login(world.certify("a"))
    world.tick(9_999)
    assert slow.is_open
    world.tick(1)
    assert slow.one(frames.Closing).code == Code.TIMEOUT
    assert slow.closed == (1008, "TIMEOUT")
    assert quick.is_open


def test_a_clock_set_back_gives_no_time_for_the_login() -> None:
    world = World()
    slow = world.connect()
    world.tick(-3_600_000)
    world.tick(10_000)
    assert slow.closed == (1008, "TIMEOUT")


def test_connections_before_login_are_counted_in_all_and_by_network() -> None:
    world = World(RelayLimits(unauthenticated=4, unauthenticated_per_network=2))
    first, _ = world.connect("one"), world.connect("one")
    assert world.connect("one").closed == (1013, "RATE")
    _, last = world.connect("two"), world.connect("two")
    refused = world.connect("three")
    assert refused.one(frames.Closing).retry_after_ms == world.limits.login_ms
    device = world.certify("a")
    world.prove(first, device, world.hello(first, device))  # whoever is in counts no longer
    assert world.connect("one").is_open
    world.drop(last)
    assert world.connect("three").is_open


def test_sessions_are_counted_by_organisation_and_in_all() -> None:
    world = World(RelayLimits(sessions=3, sessions_per_organisation=2))
    first = world.certify("a")
    world.login(first)
    second = world.officer("b")
    assert_expelled(world.begin_login(world.certify("c")), Code.QUOTA, 1013)
    world.login(first)  # in place of its older session
    world.officer("d", of=MA)
    assert_expelled(world.begin_login(world.certify("e", of=SN)), Code.QUOTA, 1013)
    world.drop(second)
    world.officer("c")


def test_an_organisation_cannot_fill_the_log_with_certificates() -> None:
    world = World(RelayLimits(control_burst=2, control_per_minute=1))
    world.officer("a")
    world.officer("b")
    refused = world.begin_login(world.certify("c"))
    assert refused.one(frames.Closing).retry_after_ms == 60_000
    world.officer("d", of=MA)
    world.now_ms += 60_000
    world.officer("c")


def test_nobody_logs_in_before_the_state_is_loaded() -> None:
    world = World()
    world.core = world.new_core()
    peer = world.connect()
    world.hello(peer, world.certify("a"))
    assert_expelled(peer, Code.STORE, 1011)


def test_somebody_who_left_during_the_login_is_not_missed() -> None:
    world = World()
    device = world.certify("a")
    world.holding = True
    gone = world.begin_login(device)
    world.drop(gone)
    world.release()
    world.holding = True
    gone = world.begin_login(device)
    world.drop(gone)
    world.release()
    world.login(device)


def test_frames_of_a_session_that_never_was_are_passed_over() -> None:
    world = World()
    assert world.core.handle(Received(session=SessionId(77), data=b"x"), NOW_MS) == []
