"""Who comes back after what it missed is kept no longer: it says so, alarms nobody else, and is added again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import structs

from amanah_client import model
from amanah_client.core import renewal
from amanah_client.core.behind import KEPT_MS
from amanah_client.saying import saying
from amanah_protocol import frames
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.kinds import Commit, Kind
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId
from tests.client.core.forge import room_of
from tests.client.core.rooms import invite, two
from tests.client.core.test_duty import DAY_MS, HOUR_MS, days, members, no_alarms, removals
from tests.client.core.world import MA, TN, Client, Hook, Stage, denied

BEHIND, OPEN = model.RoomStatus.BEHIND, model.RoomStatus.OPEN
HALTED, REMOVED = model.RoomStatus.HALTED, model.RoomStatus.REMOVED
QUEUED, DONE = model.IntentState.QUEUED, model.IntentState.DONE


def three(stage: Stage) -> tuple[Client, Client, Client, RoomId]:
    """Two officers of one nation and one of another; the second of the first nation then goes away."""
    a, b, room = two(stage)
    a2 = stage.online("A2", of=TN)
    invite(a, room, a2)
    stage.wait(80_000)
    a2.disconnect()
    return a, a2, b, room


def missed(stage: Stage, away_days: int) -> tuple[Client, Client, Client, RoomId]:
    """The same, and the room changes before it comes back."""
    a, a2, b, room = three(stage)
    c = stage.online("C", of=MA)
    invite(a, room, c)
    assert a.say(room, "for the four of us").state is DONE
    days(stage, away_days)
    return a, a2, b, room


def refusals(client: Client, room: RoomId) -> list[model.MessageRow]:
    return client.rows(room, Kind.REFUSE)


def erased(matches: Callable[[frames.Delivery], bool]) -> Hook:
    """A hook by which the relay says that it has dropped the content of some entries."""

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Delivery) and matches(frame):
            return [_bare(frame, erased=True)]
        return [frame]

    return hook


def _bare(frame: frames.Delivery, *, erased: bool = False) -> frames.Delivery:
    return structs.replace(frame, content=None, length=0, erased=erased)


def is_commit(frame: frames.Delivery) -> bool:
    return decode_envelope(frame.envelope).header.kind is Kind.COMMIT


def adds(frame: frames.Delivery) -> bool:
    specific = decode_envelope(frame.envelope).header.specific
    return isinstance(specific, Commit) and bool(specific.added)


def test_a_device_whose_missed_commits_are_gone_says_so_and_is_added_again(stage: Stage) -> None:
    a, a2, b, room = missed(stage, 40)
    assert a2.device.id not in members(a, room)
    intent = a2.ask(saying(room, Text(text="written on the way"), label=Label.AMBER))
    a2.connect()
    stage.run()
    assert a2.row(room).status is REMOVED
    assert a2.codes() == ["BEHIND"]
    assert a2.intent(intent).state is QUEUED
    stage.wait(HOUR_MS, 5_000)
    assert a2.row(room).status is OPEN
    assert a2.intent(intent).state is DONE
    assert b.texts(room)[-1] == "written on the way"
    assert a.say(room, "welcome back").state is DONE
    assert a2.texts(room)[-1] == "welcome back"
    assert refusals(a, room) == refusals(b, room) == []
    assert no_alarms(a, b)
    assert a2.codes() == ["BEHIND"]


def test_a_device_whose_missed_commits_are_kept_follows_to_its_removal_without_an_alarm(stage: Stage) -> None:
    """The control: all is the same, but nothing is dropped yet."""
    a, a2, b, room = missed(stage, 30)
    assert a2.device.id not in members(a, room)
    a2.connect()
    stage.run()
    assert a2.row(room).status is REMOVED
    assert "for the four of us" in a2.texts(room)
    assert no_alarms(a, a2, b)


def test_what_follows_a_commit_that_is_gone_is_kept_with_the_cause(stage: Stage) -> None:
    _a, a2, _b, room = missed(stage, 40)
    seen = a2.row(room).head_seq
    a2.connect()
    stage.run()
    (gone, *rest) = [row for row in a2.rows(room) if row.room_seq is not None and row.room_seq > seen]
    assert (gone.kind, gone.state, gone.code) == (Kind.COMMIT, model.MessageState.UNREADABLE, "BEHIND")
    *between, removal = rest
    assert {(row.state, row.code) for row in between} == {(model.MessageState.UNREADABLE, "BEHIND")}
    assert (removal.kind, removal.state) == (Kind.COMMIT, model.MessageState.STORED)
    assert [row.room_seq for row in (gone, *rest)] == list(range(seen + 1, a2.row(room).head_seq + 1))


def test_a_removal_whose_content_is_gone_is_one_all_the_same(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "RENEW_MS", 10**15)  # no other commit than the removal
    a, a2, b, room = three(stage)
    days(stage, 30)
    assert removals(a, room) == [(a.device.id, (a2.device.id,))]
    days(stage, 33)
    a2.connect()
    stage.run()
    assert a2.row(room).status is REMOVED
    assert no_alarms(a, a2, b)
    stage.wait(HOUR_MS, 5_000)
    assert a2.row(room).status is OPEN
    assert refusals(a, room) == []


# ---- still a member


def behind(stage: Stage) -> tuple[Client, Client, Client, RoomId]:
    """A device that is still in and cannot follow: nobody was there to remove it."""
    a, a2, b, room = three(stage)
    c = stage.online("C", of=MA)
    invite(a, room, c)
    stage.wait(80_000)
    for client in (a, b, c):
        client.disconnect()
    stage.relay.now_ms += 31 * DAY_MS
    a2.toward = erased(adds)
    a2.connect()
    stage.wait(10_000)
    return a, a2, b, room


def test_a_member_that_cannot_follow_sends_nothing_and_is_removed_and_added_again(stage: Stage) -> None:
    a, a2, b, room = behind(stage)
    assert a2.row(room).status is BEHIND
    assert a2.codes() == ["BEHIND"]
    (c,) = (client for client in stage.clients if client.name == "C")
    counter = a2.row(room).counter
    waits = a2.say(room, "later")
    assert (waits.state, waits.code) == (QUEUED, "BEHIND")
    for client in (a, b, c):
        client.connect()
    stage.wait(10 * 60_000, 2_000)
    assert a2.row(room).counter == counter
    assert removals(b, room) == [(a.device.id, (a2.device.id,))]
    assert a2.row(room).status is REMOVED
    a2.toward = None
    stage.wait(HOUR_MS, 5_000)
    assert a2.row(room).status is OPEN
    assert a2.intent(waits.id).state is DONE
    assert "later" in b.texts(room)
    assert refusals(a, room) == refusals(b, room) == []
    assert no_alarms(a, b)


def test_that_a_device_cannot_follow_survives_a_restart(stage: Stage) -> None:
    a, a2, _b, room = behind(stage)
    a2.restart()
    a2.connect()
    stage.run()
    assert a2.row(room).status is BEHIND
    a.connect()
    assert a.say(room, "all this time").state is DONE
    assert a2.rows(room)[-1].code == "BEHIND"
    assert a2.codes() == ["BEHIND"]
    stage.wait(HOUR_MS, 5_000)
    assert a2.row(room).status is OPEN
    assert no_alarms(a)


def test_a_room_that_is_halted_stays_so(stage: Stage) -> None:
    a, a2, _b, room = three(stage)
    c = stage.online("C", of=MA)
    invite(a, room, c)
    stage.relay.now_ms += 31 * DAY_MS
    room_of(a2, room).change(status=HALTED)
    a2.toward = erased(adds)
    a2.connect()
    stage.run()
    assert a2.row(room).status is HALTED
    assert a2.codes() == ["BEHIND"]


@pytest.mark.parametrize(("short_ms", "code"), [(-1_000, "BEHIND"), (1_000, "GAP")])
def test_a_commit_that_is_not_old_enough_is_withheld_whatever_the_relay_says(
    stage: Stage, short_ms: int, code: str
) -> None:
    a, a2, b, room = three(stage)
    c = stage.online("C", of=MA)
    invite(a, room, c)
    (*_, commit) = a.rows(room, Kind.COMMIT)
    for client in (a, b, c):
        client.disconnect()
    stage.relay.now_ms = commit.sent_at_ms + KEPT_MS - short_ms
    a2.toward = erased(adds)
    a2.connect()
    stage.run()
    assert a2.codes() == [code]
    assert a2.row(room).status is (BEHIND if code == "BEHIND" else HALTED)


def test_an_old_commit_that_the_relay_has_and_does_not_give_is_withheld(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    c = stage.online("C", of=MA)
    invite(a, room, c)
    for client in (a, b, c):
        client.disconnect()
    stage.relay.now_ms += 31 * DAY_MS

    def withheld(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Delivery) and is_commit(frame):
            return [_bare(frame)]
        return [denied(frame)] if isinstance(frame, frames.ContentPiece) else [frame]

    a2.toward = withheld
    a2.connect()
    stage.run()
    assert a2.codes() == ["GAP"]
    assert a2.row(room).status is HALTED


# ---- before the welcome


def test_a_device_whose_welcome_is_gone_is_removed_and_added_again(stage: Stage) -> None:
    a, b, room = two(stage)
    a2 = stage.online("A2", of=TN)
    a2.disconnect()
    invite(a, room, a2)
    days(stage, 62)
    assert a2.device.id not in members(a, room)
    a2.connect()
    stage.run()
    assert a2.codes() == ["BEHIND"]
    assert a2.row(room).status is REMOVED
    stage.wait(HOUR_MS, 5_000)
    assert a2.row(room).status is OPEN
    assert a2.say(room, "here at last").state is DONE
    assert b.texts(room)[-1] == "here at last"
    assert no_alarms(a, b)
