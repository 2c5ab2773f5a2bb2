"""Old copies to which a part of what their earlier life sent is not shown, or not at first."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
from msgspec import structs

from amanah_client import actions, inputs, model
from amanah_client.core import restored
from amanah_client.core.room import Room
from amanah_protocol import frames
from amanah_protocol.heads import sign_room_head, verify_room_head
from amanah_protocol.mls.secret_tree import MessageKey
from amanah_protocol.types import RoomId
from tests.client.core.copies import check_no_key_twice, heal, hold_commits, put_back, renew, three
from tests.client.core.forge import room_of
from tests.client.core.rooms import create, invite
from tests.client.core.test_outbox import refuse
from tests.client.core.world import MA, SN, TN, Client, Stage
from tests.relay.people import RELAY_KEY

OPEN, HALTED, BEHIND = model.RoomStatus.OPEN, model.RoomStatus.HALTED, model.RoomStatus.BEHIND
DONE, QUEUED = model.IntentState.DONE, model.IntentState.QUEUED


# ---- where the earlier life was in the room before this device was added


def added_again(stage: Stage, *, known: bool) -> tuple[Client, Client, RoomId]:
    """The earlier life spoke, was removed and added again, and what it sealed then never arrived.

    Args:
        stage: Where.
        known: Whether the copy was made while it was in for the first time, or before.
    """
    a, c = stage.online("A", of=TN), stage.online("C", of=SN)
    b2, b = stage.online("B2", of=MA), stage.online("B", of=MA)
    room = create(a)
    invite(a, room, c, b2)
    copy = deepcopy(b.store)
    invite(a, room, b)
    copy = deepcopy(b.store) if known else copy
    b.say(room, "one")
    b2.do(actions.Remove(room=room, devices=(b.device.id,)))
    stage.wait(2_000)
    hold_commits(b)
    b2.ask(actions.Invite(room=room, device=b.device.id))
    stage.wait(5_000)
    assert b.row(room).in_flight is not None
    put_back(b, copy)
    return a, b, room


@pytest.mark.parametrize("known", [False, True])
def test_who_joins_where_another_life_has_been_seals_nothing_with_that_welcome(
    stage: Stage,
    keys: list[MessageKey],
    known: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    a, b, room = added_again(stage, known=known)
    heal(stage)
    stage.wait(5_000)
    assert b.codes() == ["FORK"]
    assert (b.row(room).status, b.row(room).rekey) == (OPEN, model.Rekey.NONE)
    assert b.say(room, "by the copy").state is DONE
    assert a.texts(room) == ["one", "by the copy"]
    assert a.store.alarms == []
    check_no_key_twice(keys)


@pytest.mark.parametrize("known", [False, True])
def test_without_the_relays_word_a_joiner_uses_a_key_twice(
    stage: Stage,
    keys: list[MessageKey],
    monkeypatch: pytest.MonkeyPatch,
    known: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The control."""
    monkeypatch.setattr(restored, "check_joined", lambda *_: None)
    added_again(stage, known=known)
    with pytest.raises(AssertionError, match="used twice"):
        check_no_key_twice(keys)


def test_who_is_added_again_and_is_no_copy_waits_for_nothing(stage: Stage) -> None:
    a, b, _c, room = three(stage)
    b.say(room, "one")
    epoch = room_of(a, room).group.epoch  # type: ignore[union-attr]  # it is in
    a.do(actions.Remove(room=room, devices=(b.device.id,)))
    invite(a, room, b)
    assert b.say(room, "two").state is DONE
    assert (b.codes(), a.codes()) == ([], [])
    assert room_of(a, room).group.epoch == epoch + 2  # type: ignore[union-attr]  # it is in


# ---- a relay that shows the record in two parts


def read_in_parts(stage: Stage) -> tuple[Client, Client, RoomId]:
    """It signs a head where the copy ends, and gives the rest, of the same record, when the copy is live.

    In the rest stand an own message and another's commit; in the epoch that it began, the earlier life had a commit
    refused.
    """
    a, b, _c, room = three(stage)
    stage.wait(40_000)
    copy = deepcopy(b.store)
    b.say(room, "one")
    renew(a, room)
    refuse(b, "QUOTA", times=1_000)
    renew(b, room)
    row, rest, hidden = copy.rooms[room], list[frames.Frame](), [True]

    def hide(frame: frames.Frame) -> list[frames.Frame]:
        match frame:
            case frames.Delivery(room=of, room_seq=place) if hidden and of == room and place > row.head_seq:
                rest.append(frame)
                return []
            case frames.Head() if hidden:
                return []
            case frames.PageEnd(room=of) if hidden and of == room:
                head = verify_room_head(frame.head, RELAY_KEY.public).value
                lie = sign_room_head(replace(head, room_seq=row.head_seq, leaf=row.head_leaf), RELAY_KEY)
                return [structs.replace(frame, head=lie, next=row.head_seq, live=True)]
        return [frame]

    stage.tick(70_000)
    b.toward = hide
    put_back(b, copy)
    assert (b.row(room).head_seq, b.row(room).rekey) == (row.head_seq, model.Rekey.NONE)
    hidden.clear()
    for frame in rest:
        b.give(inputs.Received(data=frames.encode_frame(frame)))
    stage.run()
    return a, b, room


def test_a_commit_that_came_late_on_this_connection_is_not_trusted(stage: Stage, keys: list[MessageKey]) -> None:
    a, b, room = read_in_parts(stage)
    heal(stage)
    assert b.row(room).rekey is model.Rekey.NONE
    assert b.say(room, "healed").state is DONE
    assert a.texts(room) == ["one", "healed"]
    assert any("a head left out entry" in alarm.detail for alarm in b.store.alarms)
    check_no_key_twice(keys)


def test_without_the_request_in_the_log_a_key_is_used_twice(
    stage: Stage, keys: list[MessageKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: what comes when the device is live counts for new."""

    def hasty(room: Room) -> None:
        if room.row.rekey is model.Rekey.EPOCH and room.link.live:
            room.change(rekey=model.Rekey.KEYS)

    monkeypatch.setattr(restored, "follow_commit", hasty)
    read_in_parts(stage)
    heal(stage)
    with pytest.raises(AssertionError, match="used twice"):
        check_no_key_twice(keys)
