"""A profile that goes on from an old copy (attack 23): no key twice over both of its lives, and it heals by itself."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from random import Random

import pytest

from amanah_client import actions, model
from amanah_client.core import restored
from amanah_client.core.batch import Batch
from amanah_client.saying import saying
from amanah_protocol import frames
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code, RefusedError
from amanah_protocol.kinds import Kind, Refuse
from amanah_protocol.labels import Label
from amanah_protocol.mls.secret_tree import MessageKey
from amanah_protocol.types import RoomId
from tests.client.core.copies import check_no_key_twice, heal, hold_commits, kinds_of, put_back, renew, three
from tests.client.core.forge import room_of
from tests.client.core.rooms import create, invite
from tests.client.core.test_duty import committers
from tests.client.core.test_outbox import refuse
from tests.client.core.world import MA, TN, Client, Stage, keep

OPEN, HALTED, BEHIND = model.RoomStatus.OPEN, model.RoomStatus.HALTED, model.RoomStatus.BEHIND
DONE, QUEUED = model.IntentState.DONE, model.IntentState.QUEUED
LIVES = 6
"""Restored profiles in the short form."""


def test_a_copy_from_before_a_message_renews_its_keys_before_it_sends(stage: Stage, keys: list[MessageKey]) -> None:
    a, b, c, room = three(stage)
    copy = deepcopy(b.store)
    for text in ("one", "two", "three"):
        assert b.say(room, text).state is DONE
    before = len(kinds_of(b, room))
    waits = copy.intents
    put_back(b, copy)
    intent = b.ask(saying(room, Text(text="by the copy"), label=Label.AMBER))
    heal(stage)
    assert b.intent(intent).state is DONE
    assert waits is b.store.intents
    request, commit, *_, message = [kind for kind in kinds_of(b, room)[before:] if kind != Kind.DELIVERED]
    assert (request, commit, message) == (Kind.REFUSE, Kind.COMMIT, Kind.MESSAGE)
    assert committers(a, room)[-2][0] == a.device.id  # the first in rank began an epoch; then the copy's own commit
    assert committers(a, room)[-1][0] == b.device.id
    assert a.texts(room) == c.texts(room) == ["one", "two", "three", "by the copy"]
    assert b.codes() == ["FORK"]
    assert a.store.alarms == c.store.alarms == []
    assert (b.row(room).status, b.row(room).rekey) == (OPEN, model.Rekey.NONE)
    check_no_key_twice(keys)


def test_without_the_look_at_own_envelopes_a_key_is_used_twice(
    stage: Stage, keys: list[MessageKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the same attack, and nobody looks."""
    monkeypatch.setattr(restored, "is_foreign", lambda *_: False)
    _a, b, _c, room = three(stage)
    copy = deepcopy(b.store)
    b.say(room, "one")
    put_back(b, copy)
    b.say(room, "by the copy")
    with pytest.raises(AssertionError, match="used twice"):
        check_no_key_twice(keys)


def test_without_an_epoch_of_another_the_own_commit_uses_a_key_twice(
    stage: Stage, keys: list[MessageKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the rule that the copy's epoch is never used: the earlier life had a commit refused in it."""
    a, b, _c, room = three(stage)
    copy = deepcopy(b.store)
    b.say(room, "one")
    refuse(b, "QUOTA")
    renew(b, room)
    monkeypatch.setattr(restored, "notice", _commit_at_once(restored.notice))
    put_back(b, copy)
    heal(stage)
    assert b.device.id in [kid for kid, _ in committers(a, room)]
    with pytest.raises(AssertionError, match="used twice"):
        check_no_key_twice(keys)


def _commit_at_once(notice: Callable[..., object]) -> Callable[..., object]:
    def hasty(ctx: object, room: object, envelope: object) -> object:
        error = notice(ctx, room, envelope)
        room.change(rekey=model.Rekey.KEYS)  # type: ignore[attr-defined]  # it is a room
        return error

    return hasty


def test_a_copy_whose_earlier_life_had_a_commit_refused_uses_no_key_of_it(stage: Stage, keys: list[MessageKey]) -> None:
    a, b, _c, room = three(stage)
    copy = deepcopy(b.store)
    b.say(room, "one")
    refuse(b, "QUOTA")
    renew(b, room)
    put_back(b, copy)
    heal(stage)
    assert b.say(room, "on").state is DONE
    assert a.texts(room) == ["one", "on"]
    check_no_key_twice(keys)


def test_a_copy_from_before_anothers_commit_does_not_trust_that_epoch(stage: Stage, keys: list[MessageKey]) -> None:
    a, b, _c, room = three(stage)
    copy = deepcopy(b.store)
    renew(a, room)
    b.say(room, "in the new epoch")
    a.disconnect()
    put_back(b, copy)
    assert room_of(b, room).group.epoch == room_of(a, room).group.epoch  # type: ignore[union-attr]  # both are in
    assert b.row(room).rekey is model.Rekey.EPOCH
    a.connect()
    heal(stage)
    assert b.say(room, "healed").state is DONE
    assert a.texts(room) == ["in the new epoch", "healed"]
    check_no_key_twice(keys)


def test_a_copy_that_is_put_back_again_and_again_heals_each_time(stage: Stage, keys: list[MessageKey]) -> None:
    a, b, c, room = three(stage)
    copy = deepcopy(b.store)
    b.say(room, "first life")
    for other in (a, c):
        other.disconnect()
    for _ in range(3):  # each time its request is in the log, and it dies before it is answered
        put_back(b, deepcopy(copy))
        assert b.row(room).rekey is model.Rekey.EPOCH
    for other in (a, c):
        other.connect()
    heal(stage)
    assert b.say(room, "healed").state is DONE
    assert a.texts(room)[-1] == "healed"
    check_no_key_twice(keys)


def test_counters_go_on_behind_the_highest_one_in_the_log(stage: Stage) -> None:
    a, b, _c, room = three(stage)
    copy = deepcopy(b.store)
    for number in range(5):
        b.say(room, f"text {number}")
    highest = b.row(room).counter
    put_back(b, copy)
    (request,) = [row for row in a.rows(room, Kind.REFUSE) if row.sender == b.device.id]
    header = decode_envelope(request.encoded).header
    assert (header.counter, header.voids) == (highest + 1, ())
    assert header.specific == Refuse(commit=header.previous, code="FORK")


def test_what_was_in_flight_when_the_copy_was_made_is_neither_lost_nor_sent_twice(
    stage: Stage, keys: list[MessageKey]
) -> None:
    a, b, _c, room = three(stage)
    b.toward = lambda frame: [] if isinstance(frame, frames.Refused) else [frame]
    refuse(b, "LABEL")
    intent = b.ask(saying(room, Text(text="in flight"), label=Label.AMBER))
    stage.run()
    copy = deepcopy(b.store)
    assert copy.rooms[room].in_flight is not None
    b.toward = b.outward = None
    b.disconnect()
    b.restart()
    refuse(b, "LABEL")
    b.connect()
    stage.run()
    b.outward = None
    assert b.say(room, "instead").state is DONE
    put_back(b, copy)
    heal(stage)
    assert b.intent(intent).state is DONE
    assert a.texts(room) == ["instead", "in flight"]
    assert a.store.alarms == []
    check_no_key_twice(keys)


def test_a_copy_that_was_accepted_meanwhile_keeps_the_newest_place(stage: Stage, keys: list[MessageKey]) -> None:
    a, b, _c, room = three(stage)
    held: list[frames.Frame] = []
    b.toward = keep(held, frames.Stored, frames.Delivery)
    intent = b.ask(saying(room, Text(text="accepted"), label=Label.AMBER))
    stage.run()
    copy = deepcopy(b.store)
    b.toward = None
    b.disconnect()
    b.connect()
    stage.run()
    b.say(room, "and more")
    put_back(b, copy)
    heal(stage)
    assert held
    assert b.intent(intent).state is DONE
    assert b.say(room, "healed").state is DONE
    assert a.texts(room) == ["accepted", "and more", "healed"]
    assert a.store.alarms == []
    check_no_key_twice(keys)


# ---- where the earlier life changed the room


def test_a_copy_from_before_an_own_commit_waits_to_be_added_again(stage: Stage, keys: list[MessageKey]) -> None:
    a, b, _c, room = three(stage)
    b2 = stage.online("B2", of=MA)
    invite(a, room, b2)
    copy = deepcopy(b.store)
    renew(b, room)
    b.say(room, "behind it")
    put_back(b, copy)
    assert b.row(room).status is BEHIND
    assert set(b.codes()) == {"FORK", "BEHIND"}
    assert "waits to be removed and added again" in b.store.alarms[1].detail
    waits = b.say(room, "later")
    assert waits.state is QUEUED
    b2.do(actions.Remove(room=room, devices=(b.device.id,)))
    invite(b2, room, b)
    heal(stage)
    assert b.row(room).status is OPEN
    assert b.say(room, "back").state is DONE
    assert a.texts(room) == ["behind it", "back"]
    check_no_key_twice(keys)


def test_without_a_colleague_it_says_whom_to_ask_and_halts(stage: Stage) -> None:
    _a, b, _c, room = three(stage)
    copy = deepcopy(b.store)
    renew(b, room)
    put_back(b, copy)
    assert b.row(room).status is HALTED
    assert "ask an officer of the owner's" in b.store.alarms[-1].detail
    assert b.say(room, "blocked").state is QUEUED


def test_a_room_of_one_cannot_heal_and_says_so(stage: Stage) -> None:
    a = stage.online("A", of=TN)
    room = create(a)
    copy = deepcopy(a.store)
    a.say(room, "to myself")
    put_back(a, copy)
    stage.wait(5_000)
    assert a.row(room).status is HALTED
    assert "open another room" in a.store.alarms[-1].detail


def test_a_restart_forgets_neither_that_it_is_a_copy_nor_that_its_keys_are_due(
    stage: Stage, keys: list[MessageKey]
) -> None:
    a, b, c, room = three(stage)
    copy = deepcopy(b.store)
    b.say(room, "one")
    for other in (a, c):
        other.disconnect()
    put_back(b, copy)
    b.restart()
    b.connect()
    stage.run()
    assert b.row(room).rekey is model.Rekey.EPOCH
    assert b.say(room, "waits").code == "FORK"
    a.connect()
    hold_commits(b)
    stage.wait(5_000)
    assert b.row(room).rekey is model.Rekey.KEYS
    b.restart()
    b.outward = None
    assert b.row(room).rekey is model.Rekey.KEYS
    b.connect()
    heal(stage)
    assert b.row(room).rekey is model.Rekey.NONE
    assert a.texts(room) == ["one", "waits"]
    check_no_key_twice(keys)


# ---- the others


def test_only_the_first_in_rank_answers_and_a_request_once_a_minute(stage: Stage) -> None:
    a, b, c, room = three(stage)
    copy = deepcopy(b.store)
    b.say(room, "one")
    epoch = room_of(a, room).group.epoch  # type: ignore[union-attr]  # it is in
    put_back(b, deepcopy(copy))
    heal(stage)
    assert room_of(a, room).group.epoch == epoch + 2  # type: ignore[union-attr]  # it is in
    assert c.device.id not in [kid for kid, _ in committers(a, room)]


def test_the_next_in_rank_answers_where_the_first_is_silent(stage: Stage) -> None:
    a, b, c, room = three(stage)
    copy = deepcopy(b.store)
    b.say(room, "one")
    a.disconnect()
    put_back(b, copy)
    heal(stage)
    assert [kid for kid, _ in committers(c, room)][-2:] == [c.device.id, b.device.id]
    assert b.say(room, "healed").state is DONE


def test_a_request_that_another_commit_overtook_is_made_again(stage: Stage, keys: list[MessageKey]) -> None:
    """That commit stands before it in the log, where an earlier life can have read it."""
    a, b, c, room = three(stage)
    copy = deepcopy(b.store)
    b.say(room, "one")
    b.disconnect()
    held: list[frames.Frame] = []
    b.store = copy
    b.restart()
    b.outward = keep(held, frames.Publish)
    b.connect()
    stage.run()
    renew(c, room)
    assert b.row(room).rekey is model.Rekey.EPOCH
    b.outward = None
    (request,) = held
    b.peer.send_bytes(frames.encode_frame(request))  # type: ignore[union-attr]  # it is connected
    heal(stage)
    assert [kid for kid, _ in committers(a, room)][-3:] == [c.device.id, a.device.id, b.device.id]
    assert b.say(room, "healed").state is DONE
    check_no_key_twice(keys)


def test_a_request_that_was_refused_is_made_again(stage: Stage, keys: list[MessageKey]) -> None:
    _a, b, _c, room = three(stage)
    copy = deepcopy(b.store)
    b.say(room, "one")
    b.disconnect()
    b.store = copy
    b.restart()
    refuse(b, "QUOTA", times=1)
    b.connect()
    stage.run()
    assert b.row(room).rekey is model.Rekey.EPOCH
    heal(stage)
    assert b.row(room).rekey is model.Rekey.NONE
    assert b.say(room, "healed").state is DONE
    check_no_key_twice(keys)


def test_who_cannot_even_ask_says_so(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    _a, b, _c, room = three(stage)
    copy = deepcopy(b.store)
    b.say(room, "one")

    class Mute(Batch):
        def add_bare(self, *_: object, **__: object) -> None:
            raise RefusedError(Code.ROLE, "mute")

    monkeypatch.setattr(restored, "Batch", Mute)
    put_back(b, copy)
    assert "mute" in b.store.alarms[-1].detail
    assert b.row(room).rekey is model.Rekey.EPOCH


@pytest.mark.slow
def test_no_key_twice_over_both_lives_at_random_points(keys: list[MessageKey], scale: int) -> None:
    for seed in range(LIVES * scale):
        keys.clear()  # each stage draws the same bytes
        random, stage = Random(seed), Stage()
        a, b, c, room = three(stage)
        b2 = stage.online("B2", of=MA)
        invite(a, room, b2)
        copy = deepcopy(b.store)
        for step in range(random.randint(1, 6)):
            _live(random, stage, (a, b, c), room, f"{seed}.{step}")
            if random.random() < 0.3:
                copy = deepcopy(b.store)
        b.say(room, "last word")
        put_back(b, copy)
        stage.wait(90_000)
        if b.row(room).status is BEHIND:
            b2.do(actions.Remove(room=room, devices=(b.device.id,)))
            invite(b2, room, b)
            stage.wait(90_000)
        assert b.row(room).status is OPEN, seed
        assert b.say(room, f"healed {seed}").state is DONE, seed
        assert c.texts(room)[-1] == f"healed {seed}"
        check_no_key_twice(keys)


def _live(random: Random, stage: Stage, clients: tuple[Client, ...], room: RoomId, name: str) -> None:
    a, b, c = clients
    match random.randrange(6):
        case 0 | 1:
            b.say(room, name)
        case 2:
            random.choice((a, c)).say(room, name)
        case 3:
            renew(random.choice((a, c)), room)
        case 4:
            renew(b, room)
        case _:
            refuse(b, "QUOTA")
            b.say(room, name)
            b.outward = None
            stage.wait(3_000)
