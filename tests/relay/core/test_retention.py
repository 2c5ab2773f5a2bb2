"""What an organisation may have standing in the store, and when the store is told that its time is over."""

from __future__ import annotations

import pytest

from amanah_protocol import frames
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Delivered, Erase, Message
from amanah_protocol.types import DeviceId, LeafHash, OrgName
from amanah_relay.core import retention
from amanah_relay.core.ledger import Kept
from amanah_relay.effects import Confirm, Purge, Survey
from amanah_relay.inputs import Tick
from amanah_relay.quotas import RelayLimits
from amanah_relay.state import Member
from tests.relay.core.circle import Circle, device_of
from tests.relay.world import SEALED, TN, Peer, code_of

DAY_MS = 86_400_000
LIMIT = 4_000
TUNIS = OrgName(TN)
ID = DeviceId(bytes(32))


@pytest.fixture
def circle() -> Circle:
    return Circle(RelayLimits(held_bytes_per_organisation=LIMIT))


def held(circle: Circle) -> int:
    return circle.world.store.held().get(TUNIS, 0)


def send(circle: Circle, size: int) -> None:
    content = bytes(size)
    circle.accept(circle.officer, (circle.make(circle.officer, Message(), content), content))


def fill(circle: Circle, left: int) -> None:
    """Leave so many bytes."""
    send(circle, LIMIT - held(circle) - left)


def confirm(circle: Circle, *peers: Peer) -> None:
    """All these report that they have everything; half a minute passes before it and a tick behind it."""
    circle.world.now_ms += 60_000
    for peer in peers:
        circle.accept(peer, circle.make(peer, Delivered(room_seq=circle.world.store.rooms[circle.room.id].head_seq)))
    circle.world.tick(1)


def everybody(circle: Circle) -> tuple[Peer, ...]:
    return circle.officer, circle.guest, circle.bot


# ---- the quota


def test_an_organisation_holds_as_much_as_it_may_and_no_byte_more(circle: Circle) -> None:
    fill(circle, left=len(SEALED) + 1)
    circle.accept(circle.officer, circle.make(circle.officer, Message()))
    one_left = LIMIT - held(circle)
    over = circle.make(circle.officer, Message(), bytes(one_left + 1))
    refused = circle.refusal(circle.officer, (over, bytes(one_left + 1)))
    assert (code_of(refused), refused.retry_after_ms) == (Code.QUOTA, 30_000)
    assert str(LIMIT - one_left) in refused.detail
    send(circle, one_left)
    assert held(circle) == LIMIT


def test_the_quota_is_that_of_all_devices_of_one_organisation(circle: Circle) -> None:
    fill(circle, left=0)
    assert circle.code(circle.bot, circle.make(circle.bot, Message())) is Code.QUOTA
    circle.accept(circle.guest, circle.make(circle.guest, Message()))


def test_a_list_counts_as_a_whole(circle: Circle) -> None:
    fill(circle, left=2 * len(SEALED))
    made = [circle.make(circle.officer, Message()) for _ in range(3)]
    refused = circle.refusal(circle.officer, *made)
    assert (code_of(refused), refused.position) == (Code.QUOTA, 2)
    circle.accept(circle.officer, *made[:2])


def test_what_every_member_has_confirmed_makes_room(circle: Circle) -> None:
    fill(circle, left=0)
    over = circle.make(circle.officer, Message())
    circle.refusal(circle.officer, over)
    confirm(circle, circle.officer, circle.guest)
    circle.refusal(circle.officer, circle.make(circle.officer, Message()))
    confirm(circle, circle.bot)
    assert held(circle) == 0
    circle.accept(circle.officer, circle.make(circle.officer, Message()))


def test_an_erasure_makes_room(circle: Circle) -> None:
    content = bytes(LIMIT - held(circle))
    large = circle.make(circle.officer, Message(), content)
    circle.accept(circle.officer, (large, content))
    circle.refusal(circle.officer, circle.make(circle.officer, Message()))
    circle.accept(circle.officer, circle.make(circle.officer, Erase(envelopes=(large.id,))))
    send(circle, len(content))


def test_a_removal_passes_and_the_removed_need_not_confirm(circle: Circle) -> None:
    fill(circle, left=0)
    confirm(circle, circle.officer, circle.guest)
    world = circle.world
    circle.refusal(circle.officer, circle.make(circle.officer, Message()))
    world.commit(circle.officer, circle.room, removed=(device_of(circle.bot),))
    world.tick(1)
    assert held(circle) == len(SEALED)  # the commit, which nobody has confirmed
    circle.accept(circle.officer, circle.make(circle.officer, Message()))


def test_a_commit_that_adds_is_no_way_around_the_quota(circle: Circle) -> None:
    fill(circle, left=0)
    outsider = device_of(circle.outsider)
    change = circle.world.change(circle.officer, circle.room, added=(outsider,), removed=(device_of(circle.bot),))
    assert circle.code(circle.officer, *change) is Code.QUOTA


def test_the_quota_outlives_the_process(circle: Circle) -> None:
    fill(circle, left=0)
    circle.world.restart()
    officer = circle.world.login(device_of(circle.officer))
    assert circle.code(officer, circle.make(officer, Message())) is Code.QUOTA


def test_the_quota_outlives_a_failed_append(circle: Circle) -> None:
    fill(circle, left=10)
    circle.world.store.append_fails = "kept"
    content = bytes(10)
    circle.officer.publish((circle.make(circle.officer, Message(), content), content))
    assert code_of(circle.officer.refused()) is Code.STORE
    circle.recall(circle.officer)
    assert circle.code(circle.officer, circle.make(circle.officer, Message())) is Code.QUOTA


# ---- the marks


def test_a_newcomer_need_not_confirm_what_stood_before_it(circle: Circle) -> None:
    world = circle.world
    fill(circle, left=2 * len(SEALED))
    world.commit(circle.officer, circle.room, added=(device_of(circle.outsider),))
    confirm(circle, *everybody(circle))
    assert held(circle) == 2 * len(SEALED)  # the commit that added it, and its welcome


def test_a_room_in_which_nobody_is_left_is_confirmed_to_its_end() -> None:
    kept = Kept(head_seq=7, head_leaf=LeafHash(bytes(32)))
    kept.members[ID] = Member(device=ID, organisation=TUNIS, added_seq=1, removed_seq=6)
    assert retention.confirmed_by_all(kept) == 7


def marks(circle: Circle) -> list[int]:
    """Places of the circle's room that the store was told, in order."""
    steps = [step for step in circle.world.steps if isinstance(step, Confirm)]
    assert all(step.marks for step in steps)
    return [mark.room_seq for step in steps for mark in step.marks if mark.room == circle.room.id]


def test_marks_move_in_steps_that_are_bounded(circle: Circle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "STEP_PLACES", 1)
    world = circle.world
    other = world.open_room(circle.officer, nonce=bytes([1]) * 16)
    assert circle.officer.device is not None
    circle.officer.publish(world.envelope(circle.officer.device, other, Delivered(room_seq=1)))
    circle.officer.one(frames.Stored)
    for _ in range(5):
        send(circle, 10)
    confirm(circle, *everybody(circle))
    assert held(circle) == 0
    assert marks(circle) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_under_load_a_step_waits_for_the_next_tick(circle: Circle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "STEP_PLACES", 3)
    world = circle.world
    for peer in everybody(circle):
        circle.accept(peer, circle.make(peer, Delivered(room_seq=3)))
    send(circle, 10)
    world.holding = True
    world.handle(Tick())
    circle.officer.publish(circle.make(circle.officer, Message()))
    world.step()  # the marks: another batch is on its way, so nothing is asked for behind them
    assert [type(effect).__name__ for effect in world.waiting] == ["Append"]
    world.handle(Tick())
    assert [type(effect).__name__ for effect in world.waiting] == ["Append", "Survey"]
    world.handle(Tick())
    assert len(world.waiting) == 2  # one at a time
    world.release()


def test_a_step_that_fails_is_taken_again(circle: Circle) -> None:
    world = circle.world
    for peer in everybody(circle):
        circle.accept(peer, circle.make(peer, Delivered(room_seq=3)))
    world.store.reads_fail = True
    world.tick(1)
    assert held(circle) > 0
    world.store.reads_fail = False
    world.tick(1)
    assert held(circle) == 0
    assert marks(circle) == [3, 3]


def test_a_step_that_a_failed_append_overtakes_is_taken_again(circle: Circle) -> None:
    world = circle.world
    for peer in everybody(circle):
        circle.accept(peer, circle.make(peer, Delivered(room_seq=3)))
    world.store.append_fails = "lost"
    world.holding = True
    circle.officer.publish(circle.make(circle.officer, Message()))
    world.handle(Tick())
    world.release()
    assert held(circle) == 0
    world.tick(1)
    assert world.core._parts.loaded().state.held.get(TUNIS, 0) == 0  # noqa: SLF001 - what the core counts


def test_a_stopping_relay_takes_no_step(circle: Circle) -> None:
    world = circle.world
    world.holding = True
    circle.officer.publish(circle.make(circle.officer, Message()))
    world.stop()
    world.handle(Tick())
    assert world.steps == []


def test_a_step_that_ends_behind_a_stop_changes_nothing_any_more(circle: Circle) -> None:
    world = circle.world
    world.holding = True
    circle.officer.publish(circle.make(circle.officer, Message()))
    world.handle(Tick())
    assert isinstance(world.steps[-1], Survey)
    world.stop()
    world.release()
    assert len(world.steps) == 1
    assert circle.officer.closed == (1001, "STOPPING")


def test_a_relay_without_its_state_takes_no_step(circle: Circle) -> None:
    world = circle.world
    world.store.append_fails = "lost"
    world.holding = True
    circle.officer.publish(circle.make(circle.officer, Message()))
    world.step()
    world.handle(Tick())
    assert world.steps == []


# ---- the purge


def test_confirmed_content_is_dropped_after_its_days_and_not_a_moment_before() -> None:
    circle = Circle(RelayLimits(retention_days=2))
    message = circle.make(circle.officer, Message())
    circle.accept(circle.officer, message)
    accepted_ms = circle.world.now_ms
    confirm(circle, *everybody(circle))
    for late_ms, gone in ((2 * DAY_MS - 1, False), (2 * DAY_MS, True)):
        circle.world.now_ms = accepted_ms + late_ms
        circle.world.open_room(circle.guest, nonce=late_ms.to_bytes(16, "big"))
        circle.world.core._parts.purging.due_ms = 0  # noqa: SLF001 - the next pass comes at once
        circle.world.tick()
        assert is_gone(circle) is gone


def is_gone(circle: Circle) -> bool:
    """Whether the room's first message has lost its content, as a member is shown it."""
    circle.guest.take(frames.Delivery)
    circle.guest.subscribe(circle.room.id, 3)
    shown = circle.guest.take(frames.Delivery)[0]
    assert (shown.content is None) == shown.erased
    return shown.erased


def test_dropped_content_is_not_given_from_memory() -> None:
    circle = Circle(RelayLimits(retention_days=1))
    circle.accept(circle.officer, circle.make(circle.officer, Message()))
    ask = frames.FetchContent(request=90, room=circle.room.id, payload_hash=sha256(SEALED), offset=0)
    circle.guest.send(ask)
    assert circle.guest.one(frames.ContentPiece).data == SEALED
    confirm(circle, *everybody(circle))
    circle.world.now_ms += DAY_MS
    circle.world.open_room(circle.guest, nonce=bytes([1]) * 16)
    circle.world.tick(3_600_000)
    circle.guest.send(ask)
    assert code_of(circle.guest.refused()) is Code.NOT_FOUND


def test_a_clock_that_leaps_forward_drops_nothing(circle: Circle) -> None:
    confirm(circle, *everybody(circle))
    circle.world.tick(1_000 * DAY_MS)
    newest = [step for step in circle.world.steps if isinstance(step, Survey)][-1]
    assert newest.terms.delivered_ms == circle.world.appends[-1].accepted_at_ms - 30 * DAY_MS
    assert newest.terms.handshake_ms == circle.world.appends[-1].accepted_at_ms - 90 * DAY_MS


def test_a_pass_goes_on_step_by_step_and_then_rests(circle: Circle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "STEP_CONTENTS", 1)
    limits = RelayLimits(retention_days=1)
    circle = Circle(limits)
    confirm(circle, *everybody(circle))
    circle.world.now_ms += 2 * DAY_MS
    circle.world.open_room(circle.guest, nonce=bytes([1]) * 16)
    circle.world.steps.clear()
    circle.world.tick(0)
    passed = [step.after for step in circle.world.steps if isinstance(step, Survey)]
    assert len(passed) == len(circle.world.store.erased) + 1
    assert passed == sorted(passed)
    assert isinstance(circle.world.steps[-1], Purge)
    circle.world.tick(limits.purge_interval_ms - 1)
    assert len(circle.world.steps) == len(passed) + 1
    circle.world.tick(1)
    begun = circle.world.steps[len(passed) + 1]
    assert isinstance(begun, Survey)
    assert begun.after == -1
