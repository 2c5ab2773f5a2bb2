from __future__ import annotations

from dataclasses import replace

import pytest

from amanah_protocol import frames
from amanah_protocol.audit import ReadingOrder, sign_order
from amanah_protocol.errors import MEANINGS, Code, OperationalError
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Delivered, Message
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import CONTROL
from amanah_relay.effects import Append, Reload
from amanah_relay.inputs import (
    Checked,
    ContentRead,
    EntriesRead,
    Input,
    KeyPackagesCounted,
    KeyPackagesPut,
    KeyPackagesTaken,
    KnownRead,
    Loaded,
    LogRead,
    ProofRead,
    ReadFailed,
)
from tests.relay.people import NOW_MS, make_roster
from tests.relay.world import MA, SN, TN, Peer, RoomModel, World, code_of, device_of


def pair() -> tuple[World, Peer, Peer, RoomModel]:
    """Two officers who are live in a room and in the control stream."""
    world = World()
    first, second = world.officer("a"), world.officer("b", of=MA)
    room = world.open_room(first, device_of(second))
    for peer in (first, second):
        peer.subscribe(room.id, 3)
        peer.send(frames.SubscribeControl(request=90, after=4))
        assert all(end.live for end in peer.take(frames.PageEnd))
    return world, first, second, room


def say(world: World, peer: Peer, room: RoomModel) -> int:
    """Publish a message."""
    return peer.publish(world.envelope(device_of(peer), room, Message()))


@pytest.mark.parametrize(("full", "code"), [(False, Code.STORE), (True, Code.DISK_FULL)])
@pytest.mark.parametrize("failure", ["lost", "kept"])
def test_whoever_waits_for_a_store_that_failed_is_told_to_try_again(failure: str, code: Code, *, full: bool) -> None:
    world, first, second, room = pair()
    world.holding = True
    world.store.append_fails, world.store.full = failure, full
    requests = [say(world, first, room), say(world, first, room)]
    theirs = say(world, second, room)
    leaves = len(world.store.entries)
    world.step()
    refusals = first.take(frames.Refused)
    assert [refused.request for refused in refusals] == requests
    assert {code_of(refused) for refused in refusals} == {code}
    assert {refused.retry_after_ms for refused in refusals} == {world.limits.retry_ms}
    assert not MEANINGS[code].final
    assert second.refused().request == theirs
    assert not first.take(frames.Stored)
    assert len(world.store.entries) == leaves + (failure == "kept")
    assert [type(effect) for effect in world.waiting] == [Reload]


@pytest.mark.parametrize("failure", ["lost", "kept"])
def test_the_same_bytes_are_accepted_once_whether_or_not_the_failed_store_had_kept_them(failure: str) -> None:
    world, first, _, room = pair()
    world.store.append_fails = failure
    made = world.envelope(device_of(first), room, Message())
    first.publish(made)
    first.refused()
    first.publish(made)
    stored = first.one(frames.Stored)
    assert stored.accepted[0].sequences == (4,)
    assert [entry.envelope for entry in world.store.entries].count(made.id) == 1


def test_work_is_refused_until_the_state_is_loaded_anew() -> None:
    world, first, second, room = pair()
    world.holding = True
    world.store.append_fails = "lost"
    say(world, first, room)
    world.step()
    first.take(frames.Refused)
    assert (world.core.ready, world.core.checkpoint(world.now_ms)) == (False, None)
    say(world, first, room)
    assert (code_of(refused := first.refused()), refused.retry_after_ms) == (Code.STORE, world.limits.retry_ms)
    for request in (
        frames.Subscribe(request=1, room=room.id, after=0),
        frames.SubscribeControl(request=1, after=0),
        frames.GetCheckpoint(request=1),
        frames.FetchContent(request=1, room=room.id, payload_hash=bytes(32), offset=0),
        frames.TakeKeyPackages(request=1, suite=1, devices=(bytes(32),)),
    ):
        second.send(request)
        assert code_of(second.refused()) is Code.STORE
    world.tick(60_000)
    assert not first.take(frames.Head)
    world.release()
    assert world.core.ready
    world.recall(device_of(first), room.id)
    say(world, first, room)
    first.one(frames.Stored)


def test_live_streams_fall_back_to_reading_when_the_store_failed() -> None:
    world, first, second, room = pair()
    world.store.append_fails = "kept"
    say(world, first, room)
    for peer in (first, second):
        assert [lagging.room for lagging in peer.take(frames.Lagging)] == [CONTROL, room.id]
        assert not peer.take(frames.Delivery)
        peer.subscribe(room.id, 3)
        assert [delivery.room_seq for delivery in peer.take(frames.Delivery)] == [4]
        assert peer.one(frames.PageEnd).live


def test_what_a_failed_store_had_kept_of_members_is_told() -> None:
    world, first, _, room = pair()
    newcomer = world.officer("c", of=SN)
    world.store.append_fails = "kept"
    first.publish(*world.change(first, room, added=(device_of(newcomer),)))
    assert newcomer.one(frames.RoomState).added_seq == 4


def test_a_device_that_a_failed_store_had_kept_as_revoked_is_closed() -> None:
    world, first, second, _ = pair()
    world.store.append_fails = "kept"
    revocation = world.nations[MA].revoke(device_of(second).id)
    first.send(frames.Submit(request=9, type=LeafType.REVOCATION, object=revocation))
    assert code_of(first.refused()) is Code.STORE
    assert second.closed == (1008, "REVOKED")


def test_a_page_of_the_log_and_a_login_end_when_the_store_failed() -> None:
    world, first, second, room = pair()
    auditor = world.login(world.certify("auditor", Role.AUDITOR))
    order = sign_order(ReadingOrder(first=0, until=5, ordered_at_ms=NOW_MS, nonce=bytes(16)), device_of(auditor).key)
    auditor.send(frames.AuditRead(request=1, order=order, start=0))
    auditor.one(frames.LogEntries)
    world.holding = True
    world.store.append_fails = "lost"
    say(world, first, room)
    auditor.send(frames.AuditRead(request=7, order=order, start=1))
    newcomer = world.begin_login(device_of(second))
    world.step()
    assert newcomer.closed == (1011, "STORE")
    assert code_of(auditor.refused()) is Code.STORE


def test_every_question_of_a_client_is_refused_when_the_store_failed() -> None:
    world, first, second, room = pair()
    world.holding = True
    world.store.append_fails = "lost"
    say(world, first, room)
    for request in (
        frames.Subscribe(request=1, room=room.id, after=0),
        frames.FetchContent(request=2, room=room.id, payload_hash=bytes(32), offset=0),
        frames.GetInclusion(request=3, index=0, size=1),
        frames.GetConsistency(request=4, old=1, new=2),
        frames.OfferKeyPackages(request=5, suite=0x0003, packages=(b"one",), last_resort=None),
        frames.TakeKeyPackages(request=6, suite=0x0003, devices=(device_of(first).id,)),
    ):
        second.send(request)
    asked = [effect for effect in world.waiting if not isinstance(effect, Append)]
    world.step()
    refusals = second.take(frames.Refused)
    assert [refused.request for refused in refusals] == [1, 2, 3, 4, 5, 6]
    assert {code_of(refused) for refused in refusals} == {Code.STORE}
    world.release()
    second.frames.clear()
    for effect in asked:  # answers that come all the same find nobody
        world.handle(world.store.perform(effect))
    assert not second.frames


def test_questions_of_somebody_who_left_are_refused_to_nobody() -> None:
    world, _, second, room = pair()
    world.holding = True
    for request in (
        frames.FetchContent(request=2, room=room.id, payload_hash=bytes(32), offset=0),
        frames.OfferKeyPackages(request=5, suite=0x0003, packages=(b"one",), last_resort=None),
    ):
        second.send(request)
    world.drop(second)
    waiting = world.begin_login(device_of(second))
    world.drop(waiting)
    world.store.reads_fail = True
    world.release()
    assert not second.frames
    assert not waiting.take(frames.Ready)


def test_a_reading_order_that_was_not_stored_is_refused() -> None:
    world, *_ = pair()
    auditor = world.login(world.certify("auditor", Role.AUDITOR))
    order = sign_order(ReadingOrder(first=0, until=5, ordered_at_ms=NOW_MS, nonce=bytes(16)), device_of(auditor).key)
    world.store.append_fails = "lost"
    auditor.send(frames.AuditRead(request=1, order=order, start=0))
    assert code_of(auditor.refused()) is Code.STORE
    auditor.send(frames.AuditRead(request=2, order=order, start=0))
    assert auditor.one(frames.LogEntries).request == 2


def test_whoever_left_is_neither_acknowledged_nor_refused() -> None:
    world, first, second, room = pair()
    world.holding = True
    say(world, first, room)
    world.drop(first)
    world.step()
    assert not first.frames
    world.store.append_fails = "lost"
    say(world, second, room)
    world.drop(second)
    second.frames.clear()
    world.release()
    assert not second.frames


def test_what_a_failed_publish_had_taken_from_quotas_is_given_back() -> None:
    world, first, _, room = pair()
    world.store.append_fails = "lost"
    made = world.envelope(device_of(first), room, Delivered(room_seq=1))
    first.publish(made)
    assert code_of(first.refused()) is Code.STORE
    first.publish(made)
    first.one(frames.Stored)


@pytest.mark.parametrize(
    "answer",
    [
        ReadFailed(token=99_999),
        Checked(answers=((99_999, (True,)),)),
        KnownRead(token=99_999, known=None),
        EntriesRead(token=99_999, room=CONTROL, entries=(), more=False),
        ContentRead(token=99_999, data=None, addressees=None),
        LogRead(token=99_999, entries=()),
        ProofRead(token=99_999, leaf=None, hashes=()),
        KeyPackagesPut(token=99_999, left=0),
        KeyPackagesTaken(token=99_999, taken=()),
        KeyPackagesCounted(token=99_999, stock=()),
    ],
)
def test_an_answer_for_a_question_that_is_not_open_is_passed_over(answer: Input) -> None:
    world, *_ = pair()
    assert world.core.handle(answer, world.now_ms) == []


def test_an_answer_of_another_kind_than_the_question_is_passed_over() -> None:
    world, first, _, room = pair()
    world.holding = True
    first.subscribe(room.id)
    token = world.waiting[0].token  # type: ignore[union-attr]  # a page is being read
    assert world.core.handle(KnownRead(token=token, known=None), world.now_ms) == []
    world.release()
    assert first.one(frames.PageEnd).live


# ---- revocation and roster


def test_a_revoked_device_is_closed_when_its_revocation_is_durable() -> None:
    world, first, second, room = pair()
    world.holding = True
    revocation = world.nations[MA].revoke(device_of(second).id)
    first.send(frames.Submit(request=9, type=LeafType.REVOCATION, object=revocation))
    assert second.is_open
    world.release()
    assert second.one(frames.Closing).code == Code.REVOKED
    assert second.closed == (1008, "REVOKED")
    assert first.is_open
    say(world, first, room)
    assert not second.take(frames.Delivery)


def test_all_devices_of_a_withdrawn_enrolment_key_are_closed() -> None:
    world, first, second, _ = pair()
    withdrawal = world.nations[MA].withdraw_enrolment()
    first.send(frames.Submit(request=9, type=LeafType.REVOCATION, object=withdrawal))
    assert (second.closed, first.closed) == ((1008, "REVOKED"), None)


def test_devices_of_an_organisation_that_left_the_roster_are_closed() -> None:
    world, first, second, _ = pair()
    left = make_roster((world.nations[TN], world.nations[SN]), version=2)
    first.send(frames.Submit(request=9, type=LeafType.ROSTER, object=left.endorsed.encode()))
    assert (second.closed, first.closed) == ((1008, "CERTIFICATE"), None)


# ---- what was promised


def test_a_relay_whose_store_lost_what_it_acknowledged_stops() -> None:
    world, first, _, room = pair()
    world.holding = True
    world.store.append_fails = "lost"
    say(world, first, room)
    world.step()
    world.store.entries = world.store.entries[:-1]
    with pytest.raises(OperationalError) as caught:
        world.core.handle(Loaded(state=world.store.state()), world.now_ms)
    assert caught.value.code is Code.LOG_ROLLBACK


def test_a_relay_whose_store_changed_what_it_acknowledged_stops() -> None:
    world, first, _, room = pair()
    world.holding = True
    world.store.append_fails = "lost"
    say(world, first, room)
    world.step()
    state = world.store.state()
    state.edge = (*state.edge[:-1], bytes(32))
    with pytest.raises(OperationalError) as caught:
        world.core.handle(Loaded(state=state), world.now_ms)
    assert caught.value.code is Code.LOG_ROLLBACK


def test_a_state_that_nobody_asked_for_changes_nothing() -> None:
    world, first, _, room = pair()
    world.holding = True
    say(world, first, room)
    before = world.store.state()
    assert world.core.handle(Loaded(state=replace(before, size=0, edge=())), world.now_ms) == []
    world.release()
    first.one(frames.Stored)
