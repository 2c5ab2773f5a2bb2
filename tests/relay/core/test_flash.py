"""A `flash` is announced to whoever is online, before anything else of its batch and of any backlog."""

from __future__ import annotations

import pytest

from amanah_protocol import frames
from amanah_protocol.kinds import Message
from amanah_protocol.labels import Precedence
from amanah_relay.quotas import RelayLimits
from tests.relay.core.circle import Circle, device_of
from tests.relay.world import Peer


@pytest.fixture
def circle() -> Circle:
    return Circle()


def flash(circle: Circle, sender: Peer | None = None) -> None:
    peer = circle.officer if sender is None else sender
    circle.accept(peer, circle.make(peer, Message(), precedence=Precedence.FLASH))


def kinds(peer: Peer) -> list[str]:
    return [type(frame).__name__ for frame in peer.frames]


def test_a_flash_is_announced_to_every_member_online_but_its_sender(circle: Circle) -> None:
    flash(circle)
    notice = frames.Flash(room=circle.room.id, room_seq=4)
    assert (circle.guest.one(frames.Flash), circle.bot.one(frames.Flash)) == (notice, notice)
    assert circle.officer.take(frames.Flash) == []
    assert circle.outsider.frames == []


@pytest.mark.parametrize("precedence", [one for one in Precedence if one is not Precedence.FLASH])
def test_nothing_else_is_announced(circle: Circle, precedence: Precedence) -> None:
    circle.accept(circle.officer, circle.make(circle.officer, Message(), precedence=precedence))
    assert circle.guest.frames == []


def test_the_notice_comes_before_the_entry_and_before_others_of_its_batch(circle: Circle) -> None:
    circle.guest.subscribe(circle.room.id, 3)
    circle.guest.frames.clear()
    made = [circle.make(circle.officer, Message(), precedence=one) for one in (Precedence.ROUTINE, Precedence.FLASH)]
    circle.accept(circle.officer, *made)
    assert kinds(circle.guest) == ["Flash", "Delivery", "Delivery"]
    assert circle.guest.one(frames.Flash).room_seq == 5


def test_the_notice_comes_while_pages_are_on_their_way_and_while_the_session_is_congested(circle: Circle) -> None:
    circle.world.holding = True
    circle.guest.subscribe(circle.room.id, 0)
    circle.world.congest(circle.guest)
    circle.officer.publish(circle.make(circle.officer, Message(), precedence=Precedence.FLASH))
    while not circle.officer.take(frames.Stored):
        circle.world.step()
    assert kinds(circle.guest) == ["Flash"]


def test_the_room_of_a_flash_is_read_before_rooms_that_were_asked_for_earlier() -> None:
    circle = Circle(RelayLimits(pages_in_flight=1))
    world, guest = circle.world, device_of(circle.guest)
    rooms = [world.open_room(circle.officer, guest, nonce=bytes([number]) * 16) for number in range(1, 4)]
    circle.guest.frames.clear()
    world.holding = True
    for room in rooms:
        circle.guest.subscribe(room.id, 1)
    device = device_of(circle.officer)
    circle.officer.publish(world.envelope(device, rooms[2], Message(), precedence=Precedence.FLASH))
    world.waiting.rotate(1)  # the batch is durable while the first page is still being read
    world.release()
    assert [end.room for end in circle.guest.take(frames.PageEnd)] == [rooms[0].id, rooms[2].id, rooms[1].id]


def test_who_was_removed_hears_of_no_flash(circle: Circle) -> None:
    circle.world.commit(circle.officer, circle.room, removed=(device_of(circle.bot),))
    circle.bot.frames.clear()
    flash(circle)
    assert circle.bot.frames == []


def test_who_is_offline_is_passed_over(circle: Circle) -> None:
    circle.world.drop(circle.guest)
    circle.world.drop(circle.bot)
    flash(circle)
    assert circle.bot.frames == []


def test_a_flash_that_is_not_durable_is_not_announced(circle: Circle) -> None:
    circle.world.store.append_fails = "lost"
    circle.officer.publish(circle.make(circle.officer, Message(), precedence=Precedence.FLASH))
    assert circle.guest.take(frames.Flash) == []
