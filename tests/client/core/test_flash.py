"""Notices of `flash`: a hint that costs little, and the room that is read first."""

from __future__ import annotations

from amanah_client import effects as e
from amanah_client import inputs
from amanah_client.saying import Say, saying
from amanah_protocol import frames
from amanah_protocol.content.text import Text
from amanah_protocol.labels import Label, Precedence
from amanah_protocol.types import RoomId
from tests.client.core.rooms import create, two
from tests.client.core.world import Client, Stage


def noticed(client: Client) -> list[tuple[RoomId, int]]:
    """What the faces were told, in order."""
    told = [effect for effect in client.effects if isinstance(effect, e.FlashAnnounced)]
    return [(effect.room, effect.room_seq) for effect in told]


def give(client: Client, room: RoomId, room_seq: int) -> None:
    """A notice, as from the relay."""
    data = frames.encode_frame(frames.Flash(room=room, room_seq=room_seq))
    client.give(inputs.Received(data=data))


def flash(room: RoomId) -> Say:
    return saying(room, Text(text="now"), label=Label.AMBER, precedence=Precedence.FLASH)


def test_the_faces_hear_of_a_flash_before_it_is_there() -> None:
    stage = Stage()
    a, b, room = two(stage)
    head = b.row(room).head_seq
    b.effects.clear()
    a.do(flash(room))
    assert noticed(b) == [(room, head + 1)]
    told = [type(effect) for effect in b.effects if isinstance(effect, e.FlashAnnounced | e.MessageChanged)]
    assert told[0] is e.FlashAnnounced
    assert b.texts(room)[-1] == "now"


def test_a_notice_is_told_once_until_the_record_has_come_so_far() -> None:
    stage = Stage()
    a = stage.online("a")
    room = create(a)
    head = a.row(room).head_seq
    for room_seq in (head, head + 1, head + 2, head + 50):
        give(a, room, room_seq)
    assert noticed(a) == [(room, head + 1)]
    a.say(room, "one")
    give(a, room, head + 3)
    assert noticed(a) == [(room, head + 1), (room, head + 3)]


def test_a_notice_of_a_room_that_is_not_ours_leaves_nothing() -> None:
    stage = Stage()
    a = stage.online("a")
    give(a, RoomId(bytes(16)), 7)
    assert noticed(a) == []
    assert a.core._ctx.session.flashes == {}  # noqa: SLF001 - memory that a relay could fill
    assert a.online()
    assert a.disconnects == []


def test_the_room_of_a_flash_is_asked_for_first_after_a_login() -> None:
    stage = Stage()
    a = stage.online("a")
    rooms = [create(a) for _ in range(3)]
    last = max(rooms)
    a.disconnect()
    asked: list[RoomId] = []

    def note(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.SubscribeControl):
            give(a, last, 99)
        if isinstance(frame, frames.Subscribe):
            asked.append(RoomId(frame.room))
        return [frame]

    a.outward = note
    a.connect()
    stage.run()
    assert asked[0] == last
    assert sorted(asked) == sorted(rooms)
    assert noticed(a) == [(last, 99)]


def test_a_room_whose_page_was_refused_is_asked_for_at_once_when_a_flash_is_in_it() -> None:
    stage = Stage()
    a = stage.online("a")
    room = create(a)
    asked: list[frames.Frame] = []

    def note(frame: frames.Frame) -> list[frames.Frame]:
        asked.append(frame)
        return [frame]

    a.disconnect()
    a.toward = lambda frame: (
        [frames.Refused(request=frame.request, code="RATE", detail="later", retry_after_ms=60_000)]
        if isinstance(frame, frames.PageEnd) and frame.room == room
        else [frame]
    )
    a.connect()
    stage.run()
    a.toward, a.outward = None, note
    stage.tick()
    assert asked == []
    give(a, room, a.row(room).head_seq + 1)
    assert [type(frame) for frame in asked] == [frames.Subscribe]
    stage.run()
    assert a.online()


def test_a_notice_before_the_login_is_done_ends_the_connection() -> None:
    stage = Stage()
    a = stage.client("a")
    a.connect()
    give(a, RoomId(bytes(16)), 1)
    assert a.disconnects
