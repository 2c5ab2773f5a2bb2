"""What a relay may answer to a newcomer that asks for the commits before its own."""

from __future__ import annotations

from amanah_client import actions, model
from amanah_protocol import frames
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Commit
from tests.client.core.forge import delivery, header_of, push, room_of, signed
from tests.client.core.newcomer import (
    JOINING,
    OPEN,
    altered,
    bend,
    check_not_joined,
    note_asked,
)
from tests.client.core.rooms import create, invite, two
from tests.client.core.world import MA, TN, Client, Stage
from tests.relay.people import key_of

# ---- what the relay may answer


def answer(client: Client, code: Code, times: int) -> list[int]:
    """Refuse what a client asks for about the membership, some times; gives when it asked."""
    asked: list[int] = []

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Membership):
            asked.append(frame.request)
            if len(asked) <= times:
                return [frames.Refused(request=frame.request, code=str(code), detail="not now")]
        return [frame]

    client.toward = hook
    return asked


def test_a_relay_that_is_busy_is_asked_again_later(stage: Stage) -> None:
    a, _b, room = two(stage)
    c = stage.online("C", of=TN)
    asked = answer(c, Code.RATE, 2)
    invite(a, room, c)
    assert c.row(room).status is JOINING
    stage.wait(5_000)
    assert len(asked) == 3
    assert c.row(room).status is OPEN
    assert c.store.alarms == []


def test_a_relay_that_denies_the_room_is_asked_once_more_and_then_it_is_a_gap(stage: Stage) -> None:
    a, _b, room = two(stage)
    c = stage.online("C", of=TN)
    asked = answer(c, Code.UNKNOWN_ROOM, 9)
    a.do(actions.Invite(room=room, device=c.device.id))
    assert len(asked) == 2
    check_not_joined(c, room, "GAP")


def test_commits_behind_the_newcomers_own_are_left_for_their_time(stage: Stage) -> None:
    """Who is added again while it asks is given more than it asked for."""
    a, _b, room = two(stage)
    c = stage.online("C", of=TN)
    bend(c, lambda entries: (*entries, altered(entries[-1], room_seq=10**6, envelope=b"\xd2")))
    invite(a, room, c)
    assert c.row(room).status is OPEN
    assert c.store.alarms == []


def test_an_adding_commit_with_a_broken_signature_is_refused_like_any_entry(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)
    b.core._ctx.packages.clear()  # noqa: SLF001 - it stays a newcomer
    a.do(actions.Invite(room=room, device=b.device.id))
    assert b.codes() == ["OPEN", "STATE_LOST"]
    room_of(b, room).change(status=model.RoomStatus.JOINING)
    head = b.row(room).head_seq
    header = header_of(a, room, Commit(added=(b.device.id,)))
    asked = note_asked(b)
    push(b, delivery(b, signed(header, b"sealed", key_of("thief")), b"sealed"))
    assert b.codes() == ["OPEN", "STATE_LOST", "SIGNATURE"]
    assert asked == []
    assert b.row(room).head_seq == head + 1


def test_a_control_stream_that_is_late_is_waited_for(stage: Stage) -> None:
    a, _b, room = two(stage)
    d, c = stage.client("D", of=TN), stage.online("C", of=TN)
    late: list[frames.Frame] = []

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.ControlEntry) and not late:
            late.append(frame)
            return []
        return [frame]

    c.toward = hook
    d.connect()
    stage.run()
    assert late
    invite(a, room, d)
    invite(a, room, c)
    assert c.row(room).status is OPEN
    assert c.store.alarms == []


def test_an_answer_or_a_refusal_when_nothing_waits_is_passed_over(stage: Stage) -> None:
    a, _b, room = two(stage)
    c = stage.online("C", of=TN)
    held: list[frames.Frame] = []

    def hold(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Membership):
            held.append(frame)
            return []
        return [frame]

    c.toward = hold
    for made in ("an answer", "a refusal"):
        a.do(actions.Invite(room=room, device=c.device.id))
        room_of(c, room).link.replay = None
        (frame,) = held
        assert isinstance(frame, frames.Membership)
        refusal = frames.Refused(request=frame.request, code="RATE", detail="")
        push(c, frame if made == "an answer" else refusal)
        held.clear()
        c.disconnect()
        c.connect()
        stage.run()
    assert c.store.alarms == []
    c.tick()
