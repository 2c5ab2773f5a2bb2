"""What cannot be read has a cause, is counted, and is sent again by one of us: each check, and that alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import Any

import pytest
from msgspec import structs

from amanah_client import actions, model
from amanah_client.causes import cause_of
from amanah_client.core import record, repair, resend
from amanah_client.core.batch import Batch
from amanah_client.core.room import Room
from amanah_client.effects import MessageChanged
from amanah_client.model import Cause, Mending
from amanah_protocol import frames, kinds
from amanah_protocol.content.bodies import Profile
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId
from tests.client.core.forge import delivery, header_of, message, push, room_of, signed
from tests.client.core.mending import (
    answers,
    ask,
    lose,
    missing,
    nothing_silent,
    publish,
    repairs,
    spoiled,
    three,
    unread,
)
from tests.client.core.rooms import create, invite
from tests.client.core.test_behind import erased, missed
from tests.client.core.test_duty import HOUR_MS, members, removals
from tests.client.core.wedged import Victims, change
from tests.client.core.world import MA, SN, TN, Client, Stage

OPEN, LOST, REMOVED = model.RoomStatus.OPEN, model.RoomStatus.LOST, model.RoomStatus.REMOVED
UNREADABLE, STORED, ERASED = model.MessageState.UNREADABLE, model.MessageState.STORED, model.MessageState.ERASED


# ---- a device that lost its keys


@pytest.mark.parametrize("state", [b"damaged", b""])
def test_a_device_that_lost_its_keys_gets_everything_back_by_itself(stage: Stage, state: bytes) -> None:
    a, a2, b, room = three(stage)
    b.say(room, "before")
    lose(a2, room, state)
    b.say(room, "said while it was away")
    a2.connect()
    b.say(room, "said while it had no keys")
    assert a2.codes() == ["STATE_LOST"]
    stage.wait(90_000)
    assert removals(b, room) == [(a.device.id, (a2.device.id,))]
    assert a2.device.id in members(a, room)
    assert a2.row(room).status is OPEN
    assert a2.texts(room) == ["before", "said while it was away", "said while it had no keys"]
    assert missing(a2, room) == []
    mended = [row for row in a2.rows(room) if row.mending is Mending.DONE and row.repaired_by == a.device.id]
    assert [row.organisation for row in mended if row.sender == b.device.id] == [MA, MA]
    assert answers(b, room) == [a.device.id]
    assert a2.say(room, "here again").state is model.IntentState.DONE
    assert b.texts(room)[-1] == "here again"
    assert a2.codes() == ["STATE_LOST"]
    assert a.codes() == b.codes() == []
    assert nothing_silent(a2, room)


def test_what_cannot_be_read_meanwhile_says_why_and_that_it_is_waited_for(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    lose(a2, room)
    a.disconnect()
    b.say(room, "unreadable for now")
    a2.connect()
    stage.wait(5_000)
    assert a2.row(room).status is LOST
    (row,) = missing(a2, room)
    assert (row.cause, row.code, row.mending) == (Cause.STATE_LOST, "STATE_LOST", Mending.WAITING)
    stage.relay.now_ms += repair.WAIT_MS
    stage.wait(5_000)
    assert missing(a2, room)[0].mending is Mending.UNANSWERED
    assert nothing_silent(a2, room)
    a.connect()
    stage.wait(120_000)
    assert a2.texts(room) == ["unreadable for now"]
    assert missing(a2, room) == []


def test_where_nobody_else_of_the_organisation_is_in_it_says_so_and_asks_nothing(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    lose(b, room)
    a.say(room, "only for b")
    b.connect()
    stage.wait(60_000)
    (row,) = missing(b, room)
    assert (row.cause, row.mending) == (Cause.STATE_LOST, Mending.NOBODY)
    assert b.codes() == ["STATE_LOST", "STATE_LOST"]
    assert "owner" in b.store.alarms[1].detail
    assert repairs(a, room) == []
    # The owner's officers do what the alarm says.
    assert a.do(actions.Remove(room=room, devices=(b.device.id,))).state is model.IntentState.DONE
    invite(a2, room, b)
    stage.wait(60_000)
    assert b.row(room).status is OPEN
    assert missing(b, room)[0].mending is Mending.NOBODY


def test_a_restart_asks_for_nothing_twice(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    lose(a2, room)
    a.disconnect()
    b.say(room, "unreadable for now")
    for _ in range(3):
        a2.restart()
        a2.connect()
        stage.wait(10_000)
    assert [kid for kid, _ in repairs(b, room)] == [a2.device.id]
    a.connect()
    stage.wait(40_000)
    for _ in range(3):
        a2.restart()
        a2.connect()
        stage.wait(20_000)
    asked = [one for kid, one in repairs(b, room) if kid == a2.device.id and not one.addressees]
    assert len(asked) == 2  # to be added again, and for the message
    assert a2.texts(room) == ["unreadable for now"]


def test_what_is_owed_survives_a_restart_of_who_owes_it(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    a3 = stage.online("A3", of=TN)
    invite(a, room, a3)
    stage.wait(40_000)
    row = unread(stage, a, a2, b, room)
    a.disconnect()
    ask(a2, room, row.envelope)
    assert a3.row(room).owed == (model.Owed(device=a2.device.id, envelopes=(row.envelope,)),)
    a3.restart()
    a3.connect()
    stage.wait(10_000)
    assert answers(b, room) == [a3.device.id]
    assert a3.row(room).owed == ()


def test_a_commit_that_fails_for_one_alone_has_it_removed_and_added_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, a2, b, room = three(stage)
    c = stage.online("C", of=MA)
    group = room_of(a2, room).group
    assert group is not None
    real = type(group).process

    def fails(self: Any, *args: Any, **more: Any) -> None:  # noqa: ANN401 - of the engine
        if self is group:
            raise VerifyError(Code.OPEN, "its own state is damaged")
        real(self, *args, **more)

    monkeypatch.setattr(type(group), "process", fails)
    room_of(a, room).duty_at_ms = 10**15
    invite(a, room, c)
    assert a2.row(room).status is model.RoomStatus.HALTED
    b.say(room, "after that commit")
    assert missing(a2, room)[0].cause is Cause.STATE_LOST
    room_of(a, room).duty_at_ms = 0
    stage.wait(120_000)
    assert removals(b, room) == [(a.device.id, (a2.device.id,))]
    assert a2.row(room).status is OPEN
    assert "after that commit" in a2.texts(room)
    assert missing(a2, room) == []
    assert a2.say(room, "here again").state is model.IntentState.DONE


@pytest.mark.parametrize("going_on", [True, False])
def test_a_few_for_whom_a_commit_fails_are_removed_and_added_again_where_more_go_on(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    going_on: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Its maker may have sealed the path to some and not to others; without those who go on, the room is wedged."""
    victims = Victims(monkeypatch)
    a, a2, b, room = three(stage)
    c, c2, m = stage.online("C", of=SN), stage.online("C2", of=SN), stage.online("M", of=MA)
    invite(a, room, c, c2, m)
    stage.wait(60_000)
    others = (a, b, c)
    victims.of(m, (a2, c2) if going_on else (a2, c2, a), room)
    change(m, room)
    assert {one.row(room).status for one in (a2, c2)} == {model.RoomStatus.HALTED}
    b.say(room, "behind it")
    stage.wait(40_000)
    assert removals(b, room) == []
    victims.devices.clear()
    stage.wait(120_000)
    if going_on:
        assert {one.row(room).status for one in (*others, a2, c2, m)} == {OPEN}
        assert sorted(removals(b, room)) == sorted([(a.device.id, (a2.device.id,)), (c.device.id, (c2.device.id,))])
        assert all("behind it" in one.texts(room) for one in (a2, c2))
    else:
        assert removals(b, room) == []


class Jam(StrEnum):
    """What M, whose commit fails for A2, publishes beside."""

    NOTHING = "nothing"
    OWN = "a refusal of its own commit"
    INVENTED = "refusals of commits that there are not"
    OTHERS = "refusals of messages and of others' commits"


def jammed(stage: Stage, monkeypatch: pytest.MonkeyPatch, jam: Jam) -> tuple[Client, Client, RoomId]:
    """A room of four, in which a commit fails for A2 alone; gives A and A2."""
    a, a2, b, room = three(stage)
    m = stage.online("M", of=MA)
    invite(a, room, m)
    b.say(room, "before it")
    stage.wait(60_000)
    victims = Victims(monkeypatch)
    victims.of(m, (a2,), room)
    change(m, room)
    victims.devices.clear()
    assert a2.row(room).status is model.RoomStatus.HALTED
    commits = [row.envelope for row in a.rows(room, Kind.COMMIT)]
    refused = {
        Jam.NOTHING: [],
        Jam.OWN: commits[-1:],
        Jam.INVENTED: [EnvelopeId(number.to_bytes(32)) for number in range(20)],
        Jam.OTHERS: [*commits[:-1], *(row.envelope for row in b.rows(room, Kind.MESSAGE))],
    }
    for commit in refused[jam]:
        publish(m, room, kinds.Refuse(commit=commit, code="OPEN"))
        stage.wait(200, 200)
    assert len(room_of(a, room).disputes) <= 2
    stage.wait(180_000)
    return a, a2, room


@pytest.mark.parametrize("jam", Jam)
def test_who_made_a_commit_does_not_keep_another_from_being_mended(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, jam: Jam
) -> None:
    _a, a2, room = jammed(stage, monkeypatch, jam)
    assert a2.row(room).status is OPEN


def test_if_its_own_word_counted_it_would(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = replace_sender(resend._examine)  # noqa: SLF001 - what is broken here
    monkeypatch.setattr(resend, "_examine", nobody)
    _a, a2, room = jammed(stage, monkeypatch, Jam.OWN)
    assert a2.row(room).status is not OPEN


def replace_sender(examine: Callable[..., None]) -> Callable[..., None]:
    """The same, for a commit that nobody here has made."""

    def changed(room: Room, commit: EnvelopeId, row: model.MessageRow | None) -> None:
        examine(room, commit, None if row is None else replace(row, sender=DeviceId(bytes(32))))

    return changed


def test_a_refusal_of_what_is_no_commit_here_counts_for_nothing(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    b.say(room, "no commit")
    for envelope in (EnvelopeId(bytes(32)), b.rows(room, Kind.MESSAGE)[-1].envelope):
        publish(a2, room, kinds.Refuse(commit=envelope, code="OPEN"))
        stage.wait(30_000)
        assert room_of(a, room).disputes == {}
    assert removals(b, room) == []


@pytest.mark.parametrize("full", [False, True])
def test_a_fresh_key_package_shows_that_it_is_there_however_many_old_ones_there_are(
    stage: Stage,
    full: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    _a, a2, b, room = three(stage)
    stage.wait(2 * HOUR_MS, 5_000)  # how old a key package is shows when its certificate is older than an hour
    lose(a2, room)
    refused: list[frames.Frame] = []

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if not full or refused or not isinstance(frame, frames.OfferKeyPackages):
            return [frame]
        refused.append(frames.Refused(request=frame.request, code="QUOTA", detail="the stock is full"))
        return []

    a2.outward = hook
    a2.connect()
    stage.wait(2_000)
    push(a2, *refused)
    stage.wait(60_000)
    assert a2.row(room).status is OPEN
    assert len(removals(b, room)) == 1
    assert len(refused) == full


def test_a_device_whose_welcome_does_not_open_is_removed_and_added_again(stage: Stage) -> None:
    a, b, a2 = stage.online("A", of=TN), stage.online("B", of=MA), stage.client("A2", of=TN)
    room = create(a)
    invite(a, room, b)
    stage.wait(2 * HOUR_MS, 5_000)  # how old a key package is shows when its certificate is older than an hour
    a2.connect()
    stage.wait(5_000)
    a2.core._ctx.packages.clear()  # noqa: SLF001 - as if its secrets were lost
    invite(a, room, a2)
    b.say(room, "said meanwhile")
    stage.wait(90_000)
    assert a2.row(room).status is OPEN
    assert removals(b, room) == [(a.device.id, (a2.device.id,))]
    assert a2.texts(room) == ["said meanwhile"]
    assert a2.codes() == ["OPEN"]
    assert nothing_silent(a2, room)


@pytest.mark.parametrize(("who", "removed"), [((1,), 1), ((2,), 0), ((1, 2), 0)])
def test_who_alone_refuses_a_commit_is_removed_by_its_own_organisation_alone(
    stage: Stage, who: tuple[int, ...], removed: int
) -> None:
    """One of us; one of another organisation; and both, for which the room may be wedged."""
    circle = three(stage)
    for number in who:
        refusing = circle[number]
        assert isinstance(refusing, Client)
        commit = refusing.rows(circle[3], Kind.COMMIT)[-1].envelope
        publish(refusing, circle[3], kinds.Refuse(commit=commit, code="OPEN"))
    stage.wait(30_000)
    assert len(removals(circle[2], circle[3])) == removed


def test_who_was_added_again_a_moment_ago_is_not_removed_again(stage: Stage) -> None:
    _a, a2, b, room = three(stage)
    lose(a2, room)
    a2.connect()
    stage.wait(60_000)
    assert a2.row(room).status is OPEN
    create_id = room_of(a2, room).create
    assert create_id is not None
    ask(a2, room, create_id.id)
    stage.wait(60_000)
    assert len(removals(b, room)) == 1
    stage.relay.now_ms += resend.STRAND_MS
    stage.wait(5_000)
    ask(a2, room, create_id.id)
    stage.wait(60_000)
    assert len(removals(b, room)) == 2


def test_what_was_sent_while_it_had_lost_its_keys_again_is_asked_for_anew(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    row = unread(stage, a, a2, b, room)
    a.disconnect()
    ask(a2, room, row.envelope)
    lose(a2, room)
    a.connect()
    stage.wait(5_000)
    assert answers(b, room) == [a.device.id]
    a2.connect()
    stage.wait(120_000)
    assert a2.texts(room) == ["the words"]
    assert missing(a2, room) == []


# ---- what is erased while a device cannot follow


def wedged_alone(stage: Stage, a2: Client, b: Client, room: RoomId, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit of B comes that fails for A2."""
    stage.wait(60_000)
    Victims(monkeypatch).of(b, (a2,), room)
    change(b, room)


def left_behind(stage: Stage, a2: Client, b: Client, room: RoomId, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit of B comes whose content is kept no longer."""
    stage.wait(60_000)
    monkeypatch.setattr(record, "may_be_dropped", lambda *_: True)
    a2.toward = erased(lambda frame: decode_envelope(frame.envelope).header.kind is Kind.COMMIT)
    change(b, room)
    a2.toward = None


@pytest.mark.parametrize("status", [OPEN, LOST, model.RoomStatus.BEHIND, model.RoomStatus.HALTED])
def test_what_is_erased_is_gone_from_a_device_whatever_keys_it_has(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, status: model.RoomStatus
) -> None:
    a, a2, b, room = three(stage)
    b.say(room, "to be erased")
    said = b.rows(room, Kind.MESSAGE)[-1].envelope
    stage.wait(5_000)
    a.disconnect()  # nobody brings it back yet
    if status is LOST:
        lose(a2, room)
        a2.connect()
    elif status is model.RoomStatus.HALTED:
        wedged_alone(stage, a2, b, room, monkeypatch)
    elif status is model.RoomStatus.BEHIND:
        left_behind(stage, a2, b, room, monkeypatch)
    assert a2.row(room).status is status
    b.do(actions.EraseMessages(room=room, envelopes=(said,)))
    stage.wait(5_000)
    assert a2.store.messages[room, said].state is ERASED
    a.connect()
    stage.wait(240_000)
    assert a2.texts(room) == a.texts(room) == []


@pytest.mark.parametrize(("inside", "checked"), [(True, True), (False, True), (False, False)])
def test_a_device_without_keys_drops_nothing_for_who_is_not_in_the_room_any_more(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    inside: bool,  # noqa: FBT001 - a parameter of the test
    checked: bool,  # noqa: FBT001 - the same
) -> None:
    """The last is the control: without the check it would."""
    if not checked:
        monkeypatch.setattr(record, "check_member", lambda *_: None)
    a, a2, b, room = three(stage)
    b.say(room, "said by B")
    said = b.rows(room, Kind.MESSAGE)[-1].envelope
    erase = header_of(b, room, kinds.Erase(envelopes=(said,)))
    room_of(a, room).duty_at_ms = 10**15  # nobody brings it back
    lose(a2, room)
    a2.connect()
    stage.run()
    if not inside:
        a.do(actions.Remove(room=room, devices=(b.device.id,)))
    own = room_of(b, room).row
    erase = structs.replace(erase, counter=own.counter + 1, previous=own.last_id)
    push(a2, delivery(a2, signed(erase, b"", b.device.key)))
    assert a2.row(room).status is LOST
    assert a2.store.messages[room, said].state is (STORED if checked and not inside else ERASED)


def test_what_was_erased_while_nobody_had_keys_is_not_sent_again(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    said = unread(stage, a, a2, b, room).envelope
    a3 = stage.online("A3", of=TN)
    invite(a, room, a3)
    a3.disconnect()
    for client in (a, a2):
        lose(client, room)
        client.connect()
    assert a.row(room).status is a2.row(room).status is LOST
    b.do(actions.EraseMessages(room=room, envelopes=(said,)))
    stage.wait(5_000)
    a3.connect()
    stage.wait(900_000)
    assert a.row(room).status is a2.row(room).status is OPEN
    assert "the words" not in a2.texts(room)
    assert missing(a2, room) == []
    assert {a.store.messages[room, said].state, a2.store.messages[room, said].state} == {ERASED}


@pytest.mark.parametrize("checked", [True, False])
def test_a_name_that_was_forgotten_meanwhile_does_not_come_back_by_a_repair(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    checked: bool,  # noqa: FBT001 - with the check, and the control without
) -> None:
    _a, a2, b, room = three(stage)
    stage.wait(5_000)
    a2.toward = spoiled(decode_envelope)
    room_of(a2, room).change(asked_at_ms=stage.relay.now_ms)
    batch = Batch(b.core._ctx, room_of(b, room))  # noqa: SLF001 - as a device introduces itself
    profile = Profile(encoded=b.store.base.profile)
    batch.add_message(profile, kinds.Message(), message_id=bytes(16), written_at_ms=1, label=Label.AMBER)
    batch.launch()
    stage.tick(1)
    a2.toward = None
    (row,) = missing(a2, room)
    subject = b.device.certificate.subject
    now_ms = stage.relay.now_ms
    made = stage.relay.nations[MA].forget(subject, organisation=OrgName(MA), now_ms=now_ms)
    assert stage.submit(b, LeafType.ERASURE, made).state is model.IntentState.DONE
    a2.store.profiles.clear()
    if not checked:
        monkeypatch.setattr(repair, "is_forgotten", lambda *_: False)
    stage.wait(90_000)
    mended = a2.store.messages[room, row.envelope]
    if checked:
        assert (mended.state, mended.content, mended.cause, mended.mending) == (ERASED, b"", None, None)
        assert (missing(a2, room), a2.store.profiles) == ([], [])
    else:
        assert (mended.state, a2.store.profiles) == (STORED, [b.store.base.profile])


# ---- each cause, and what becomes of it


def epoch_too_old(stage: Stage) -> tuple[Client, RoomId]:
    _a, a2, _b, room = missed(stage, 40)
    a2.connect()
    return a2, room


def state_lost(stage: Stage) -> tuple[Client, RoomId]:
    _a, a2, b, room = three(stage)
    lose(a2, room)
    b.say(room, "the words")
    a2.connect()
    return a2, room


def corrupted(stage: Stage) -> tuple[Client, RoomId]:
    a, a2, b, room = three(stage)
    unread(stage, a, a2, b, room)
    return a2, room


def sender_at_fault(stage: Stage) -> tuple[Client, RoomId]:
    _a, a2, b, room = three(stage)
    push(a2, delivery(a2, *message(b, room, committed=b"something else")))
    a2.disconnect()
    return a2, room


MATRIX = {
    Cause.EPOCH_TOO_OLD: (epoch_too_old, "for the four of us"),
    Cause.STATE_LOST: (state_lost, "the words"),
    Cause.CORRUPTED: (corrupted, "the words"),
    Cause.SENDER_AT_FAULT: (sender_at_fault, None),
}


@pytest.mark.parametrize("cause", MATRIX)
def test_each_cause_is_named_and_counted_and_what_can_be_repaired_is(stage: Stage, cause: Cause) -> None:
    injure, said = MATRIX[cause]
    client, room = injure(stage)
    changed: list[Cause | None] = []
    stage.run()
    stage.wait(2 * HOUR_MS, 5_000)
    changed += [e.row.cause for e in client.effects if isinstance(e, MessageChanged) and e.row.kind == Kind.MESSAGE]
    assert cause in changed
    assert nothing_silent(client, room)
    left = [row.cause for row in missing(client, room)]
    assert left == ([] if said else [cause])
    assert said is None or said in client.texts(room)


@pytest.mark.parametrize(
    ("code", "place", "cause"),
    [
        ("BEHIND", {}, Cause.EPOCH_TOO_OLD),
        ("NOT_MEMBER", {"has_keys": False, "was_in": False}, Cause.NOT_MEMBER_THEN),
        ("NOT_MEMBER", {"has_keys": False}, Cause.STATE_LOST),
        ("NOT_MEMBER", {}, Cause.SENDER_AT_FAULT),
        ("STATE_LOST", {}, Cause.STATE_LOST),
        ("REFUSED_COMMIT", {}, Cause.STATE_LOST),
        ("REFUSED_COMMIT", {"kind": Kind.COMMIT}, Cause.SENDER_AT_FAULT),
        ("GAP", {"has_content": False}, Cause.CORRUPTED),
        ("GAP", {}, Cause.SENDER_AT_FAULT),
        ("CONTENT_HASH", {}, Cause.CORRUPTED),
        ("OPEN", {}, Cause.CORRUPTED),
        ("FORK", {"is_own": True}, Cause.STATE_LOST),
        ("FORK", {}, Cause.SENDER_AT_FAULT),
        *((code, {}, Cause.SENDER_AT_FAULT) for code in ("COMMITMENT", "BINDING", "AUDIENCE", "REVOKED", "MALFORMED")),
    ],
)
def test_a_cause_follows_from_the_error_and_the_place(code: str, place: dict[str, Any], cause: Cause) -> None:
    usual: dict[str, Any] = {"kind": Kind.MESSAGE, "was_in": True, "has_keys": True, "has_content": True}
    assert cause_of(code, **(usual | place)) is cause
