from __future__ import annotations

from dataclasses import replace

import pytest

from amanah_protocol import cose, frames, identity
from amanah_protocol.audit import ReadingOrder, sign_order
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Message
from amanah_protocol.limits import MAX_ENVELOPE_BYTES, MIB
from amanah_protocol.log.leaf import LeafType
from amanah_relay.quotas import RelayLimits
from tests.relay.people import Device, Nation, endorsed_by, key_of, make_roster
from tests.relay.world import MA, SN, TN, Peer, World, code_of, device_of


def twin_of(nation: Nation, device: Device, now_ms: int) -> Device:
    """The same device under a second certificate of the same time."""
    request = identity.make_request(
        device.key,
        organisation=nation.name,
        subject=device.certificate.subject,
        role=device.certificate.role,
        nonce=b"another request!",
        suites=device.certificate.suites,
    )
    certificate = identity.issue_certificate(
        request,
        nation.enrolment_key,
        now_ms=now_ms,
        ceiling=device.certificate.ceiling,
        profile_mac=bytes(32),
    )
    return Device(key=device.key, certificate=certificate, enrolment=device.enrolment)


def test_two_certificates_of_one_time_do_not_take_turns_in_the_log() -> None:
    world = World()
    device = world.certify("device")
    twin = twin_of(world.nations[TN], device, world.now_ms)
    assert twin.certificate.not_before_ms == device.certificate.not_before_ms
    world.holding = True
    for who in (device, twin, device, twin):
        world.begin_login(who)
    world.release()
    last = list(world.peers.values())[-1]
    last.one(frames.Ready)
    logged = [entry.object for entry in world.store.entries if entry.type is LeafType.CERTIFICATE]
    assert len(logged) == len(set(logged)) <= 2


def test_a_refused_create_leaves_nothing_behind() -> None:
    world = World(RelayLimits(officer_per_second=0.001, requests_burst=10_000))
    officer = world.officer("officer")
    for number in range(200):
        world.now_ms += 1
        officer.publish(world.new_room(device_of(officer), nonce=number.to_bytes(16, "big")).create)
    rooms = len(world.store.rooms)
    assert 0 < rooms < 200
    books = world.core._parts.books  # noqa: SLF001 - what is kept in memory has no other face
    assert books is not None
    assert len(books.admission._room_claims) == rooms  # noqa: SLF001 - the same


@pytest.mark.parametrize("exists", [True, False])
def test_a_create_does_not_tell_a_stranger_whether_a_room_exists(*, exists: bool) -> None:
    world = World()
    owner, stranger = world.officer("owner"), world.officer("stranger", of=SN)
    foreign = world.new_room(device_of(owner))
    if exists:
        owner.publish(foreign.create)
        owner.one(frames.Stored)
    own = world.new_room(device_of(stranger))
    device_of(stranger).made.clear()
    probe = world.envelope(device_of(stranger), own, own.create.header.specific, room=foreign.id)
    stranger.publish(probe)
    assert code_of(stranger.refused()) is Code.BAD_HEADER


def stage(peer: Peer, number: int, total: int) -> None:
    """Announce a content, and send its first byte."""
    peer.send(
        frames.Stage(
            request=peer.next_request(), payload_hash=sha256(bytes([number])), total=total, offset=0, data=b"x"
        )
    )


def test_one_organisation_cannot_take_all_room_for_staging() -> None:
    world = World()
    for number in range(12):
        stage(world.officer(f"greedy {number}"), number, 8 * MIB)
    other = world.officer("other", of=MA)
    stage(other, 1, 8 * MIB)
    other.one(frames.Done)


def test_an_organisation_has_its_share_of_staging_again_when_a_session_ends() -> None:
    world = World(RelayLimits(staged_bytes_per_organisation=8 * MIB))
    first, second = world.officer("first"), world.officer("second")
    stage(first, 1, 8 * MIB)
    first.one(frames.Done)
    stage(second, 2, 1)
    assert code_of(second.refused()) is Code.QUOTA
    world.drop(first)
    stage(second, 2, 2)
    second.one(frames.Done)


def test_an_auditor_reads_of_a_room_what_stood_there_while_its_organisation_was_in() -> None:
    world = World()
    officer, guest = world.officer("officer"), world.officer("guest", of=MA)
    room = world.open_room(officer, device_of(guest))
    auditor = world.login(world.certify("auditor", Role.AUDITOR, of=MA))
    world.commit(officer, room, removed=(device_of(guest),))
    removal = len(world.store.entries) - 1
    officer.publish(world.envelope(device_of(officer), room, Message()))
    officer.one(frames.Stored)
    order = ReadingOrder(first=0, until=1_000, ordered_at_ms=world.now_ms, nonce=bytes(16))
    signed = sign_order(order, device_of(auditor).key)
    auditor.send(frames.AuditRead(request=auditor.next_request(), order=signed, start=0))
    entries = auditor.one(frames.LogEntries).entries
    assert entries[removal].entry is not None
    assert entries[removal + 1].entry is None
    world.now_ms += 10_000
    world.commit(officer, room, added=(device_of(guest),))
    again = sign_order(replace(order, nonce=bytes([1]) * 16), device_of(auditor).key)
    auditor.send(frames.AuditRead(request=auditor.next_request(), order=again, start=0))
    assert auditor.one(frames.LogEntries).entries[removal + 1].entry is not None


def test_a_publish_counts_as_many_requests_as_it_has_envelopes() -> None:
    world = World(RelayLimits(requests_burst=4, requests_per_second=1))
    officer = world.officer("officer")
    room = world.open_room(officer)
    officer.publish(*[world.envelope(device_of(officer), room, Message()) for _ in range(3)])
    officer.one(frames.Stored)
    officer.send(frames.GetCheckpoint(request=officer.next_request()))
    refused = officer.refused()
    assert code_of(refused) is Code.RATE


def test_a_publish_that_is_longer_than_the_burst_passes_with_a_full_bucket() -> None:
    world = World(RelayLimits(requests_burst=2, requests_per_second=1))
    officer = world.officer("officer")
    room = world.open_room(officer)
    world.now_ms += 10_000
    officer.publish(*[world.envelope(device_of(officer), room, Message()) for _ in range(5)])
    officer.one(frames.Stored)


def renewed_roots(world: World, *, of: str, version: int = 2) -> bytes:
    """A roster in which one nation has another root; the world's nation has it from now on."""
    nation = world.nations[of]
    old = nation.root
    nation.root = key_of(f"new root of {of}")
    made = make_roster(tuple(world.nations.values()), version=version)
    return endorsed_by(made.endorsed.document, old, *[other.root for other in world.nations.values()]).encode()


def submit(peer: Peer, leaf_type: LeafType, data: bytes) -> None:
    """Submit a control object, which must be logged."""
    peer.send(frames.Submit(request=peer.next_request(), type=leaf_type, object=data))
    peer.one(frames.Stored)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_new_root_ends_what_the_old_one_had_endorsed(*, restarted: bool) -> None:
    world = World()
    officer, other = world.officer("officer"), world.officer("other", of=MA)
    device = device_of(officer)
    submit(other, LeafType.ROSTER, renewed_roots(world, of=TN))
    assert officer.closed is not None
    assert officer.closed[1] == Code.CERTIFICATE
    assert other.is_open
    if restarted:
        world.restart()
        other = world.login(device_of(other))
    room = world.open_room(other)
    world.now_ms += 10_000
    other.publish(*world.change(other, room, added=(device,)))
    assert code_of(other.refused()) is Code.MEMBERSHIP
    assert world.begin_login(device).closed is not None


def test_an_enrolment_that_the_new_root_endorses_too_goes_on() -> None:
    world = World()
    officer, other = world.officer("officer"), world.officer("other", of=MA)
    device, nation = device_of(officer), world.nations[TN]
    submit(other, LeafType.ROSTER, renewed_roots(world, of=TN))
    endorsed = endorsed_by(nation.enrolment.endorsed.document, nation.root)
    submit(other, LeafType.ENROLMENT, endorsed.encode())
    device.enrolment = identity.decode_enrolment(endorsed.encode())
    again = world.login(device)
    again.publish(world.new_room(device).create)
    again.one(frames.Stored)


def test_a_root_that_stays_keeps_what_it_had_endorsed() -> None:
    world = World()
    officer, other = world.officer("officer"), world.officer("other", of=MA)
    submit(other, LeafType.ROSTER, renewed_roots(world, of=SN))
    officer.publish(world.new_room(device_of(officer)).create)
    officer.one(frames.Stored)


@pytest.mark.parametrize("durable", [False, True])
def test_what_an_envelope_signed_is_no_object_whose_receipt_a_stranger_gets(*, durable: bool) -> None:
    world = World()
    officer, stranger = world.officer("officer"), world.officer("stranger", of=SN)
    room = world.open_room(officer)
    world.holding = not durable
    envelope = world.envelope(device_of(officer), room, Message())
    officer.publish(envelope)
    parts = cose.decode_sign1(envelope.encoded, max_bytes=MAX_ENVELOPE_BYTES)
    signed = cose.signed_bytes(parts.protected, parts.payload)
    assert sha256(signed) == envelope.id
    stranger.send(frames.Submit(request=stranger.next_request(), type=LeafType.ROSTER, object=signed))
    world.release()
    assert code_of(stranger.refused()) in (Code.BAD_TYPE, Code.MALFORMED, Code.NOT_CANONICAL)
    assert not stranger.take(frames.Stored)
