"""The commits before a newcomer: each check of them, one that breaks only that, and what interrupts them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from msgspec import structs

from amanah_client import actions, model
from amanah_client.core.senders import later_flaw
from amanah_protocol import frames, kinds
from amanah_protocol.envelope import Envelope, audience_digest, decode_envelope
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Commit, Kind, Message
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId
from tests.client.core.forge import header_of, push, room_of, signed
from tests.client.core.newcomer import (
    OPEN,
    REMOVED,
    altered,
    bend,
    check_not_joined,
    group_in,
    note_asked,
)
from tests.client.core.rooms import create, invite, two
from tests.client.core.world import MA, SN, TN, Client, Stage
from tests.relay.people import DAY_MS, key_of

# ---- the honest case


def test_a_newcomer_follows_every_commit_and_joins(stage: Stage) -> None:
    a, b, room = two(stage)
    invite(a, room, stage.online("D", of=TN))
    c = stage.online("C", of=MA)
    asked = note_asked(c)
    invite(b, room, c)
    assert asked == [0]
    assert c.row(room).status is OPEN
    assert c.row(room).circle is None
    assert set(group_in(c, room).members) == set(group_in(a, room).members)
    a.say(room, "welcome")
    assert c.texts(room) == ["welcome"]
    assert c.store.alarms == []


def test_nothing_is_opened_before_the_last_of_them_has_come(stage: Stage) -> None:
    a, _b, room = two(stage)
    c = stage.online("C", of=TN)
    held: list[frames.Frame] = []

    def hold(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Membership):
            held.append(frame)
            return []
        return [frame]

    c.toward = hold
    invite(a, room, c)
    a.say(room, "meanwhile")
    assert [row.kind for row in c.rows(room)] == [Kind.CREATE]
    assert room_of(c, room).group is None
    assert room_of(c, room).link.waits
    c.toward = None
    push(c, *held)
    stage.run()
    assert c.texts(room) == ["meanwhile"]
    assert c.store.alarms == []


def test_what_was_followed_survives_a_restart_and_is_not_asked_for_again(stage: Stage) -> None:
    a, _b, room = two(stage)
    for name in ("D", "E"):
        invite(a, room, stage.online(name, of=TN))
    c = stage.online("C", of=TN)
    bend(c, lambda entries: entries[:1])
    asked: list[int] = []

    def die_at_the_third(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.GetMembership):
            asked.append(frame.after)
            if len(asked) == 3:
                c.outward = None
                return []
        return [frame]

    c.outward = die_at_the_third
    invite(a, room, c)
    kept = c.row(room).circle
    assert kept is not None
    assert (kept.epoch, kept.room_seq) == (1, asked[-1])
    c.restart()
    again = note_asked(c)
    c.connect()
    stage.run()
    assert again[0] == kept.room_seq
    assert len(again) == 2
    assert c.row(room).status is OPEN
    assert c.store.alarms == []
    c.restart()
    last = note_asked(c)
    c.connect()
    stage.run()
    assert last == []


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("step", range(1, 10))
def test_a_crash_at_any_step_of_joining_loses_nothing(stage: Stage, step: int, *, kept: bool) -> None:
    a, _b, room = two(stage)
    c = stage.online("C", of=TN)
    bend(c, lambda entries: entries[:1])
    c.store.fails, c.store.kept = step, kept
    a.do(actions.Invite(room=room, device=c.device.id))
    c.store.fails = 0
    if c.peer is None:
        c.connect()
        stage.run()
    a.say(room, "welcome")
    assert c.texts(room) == ["welcome"]
    assert c.store.alarms == []


def test_who_is_added_again_goes_on_from_what_it_had_verified(stage: Stage) -> None:
    a, b, room = two(stage)
    assert a.do(actions.Remove(room=room, devices=(b.device.id,))).state is model.IntentState.DONE
    circle = b.row(room).circle
    assert circle is not None
    assert (circle.epoch, circle.members) == (2, (a.device.id,))
    assert circle.room_seq == b.row(room).head_seq
    invite(a, room, stage.online("D", of=TN))
    asked = note_asked(b)
    invite(a, room, b)
    assert asked == [circle.room_seq]
    a.say(room, "back again")
    assert b.texts(room) == ["back again"]
    assert b.store.alarms == []


def test_who_missed_its_own_removal_follows_it_before_it_gives_its_keys_up(stage: Stage) -> None:
    a, b, room = two(stage)
    head = b.row(room).head_seq
    b.disconnect()
    a.do(actions.Remove(room=room, devices=(b.device.id,)))
    a.do(actions.Invite(room=room, device=b.device.id))
    asked = note_asked(b)
    b.connect()
    stage.run()
    assert asked == [head]
    a.say(room, "back again")
    assert b.texts(room) == ["back again"]
    assert b.store.alarms == []


def test_a_member_keeps_its_keys_where_the_commits_do_not_lead_to_its_adding(stage: Stage) -> None:
    a, b, room = two(stage)
    b.disconnect()
    a.do(actions.Remove(room=room, devices=(b.device.id,)))
    a.do(actions.Invite(room=room, device=b.device.id))
    before = b.row(room)
    bend(b, lambda _: ())
    b.connect()
    stage.run()
    assert b.codes() == ["GAP"]
    assert (b.row(room).status, b.row(room).group) == (model.RoomStatus.HALTED, before.group)


def test_one_who_halted_the_room_follows_it_from_the_creation(stage: Stage) -> None:
    a, b, room = two(stage)
    room_of(b, room).change(status=model.RoomStatus.HALTED)
    a.do(actions.Remove(room=room, devices=(b.device.id,)))
    assert b.row(room).status is REMOVED
    assert b.row(room).circle is None
    asked = note_asked(b)
    invite(a, room, b)
    assert asked == [0]
    assert b.row(room).status is OPEN


# ---- one check, and one that breaks only that


def with_a_forged_commit(
    stage: Stage,
    how: Callable[[Client, Client, Client, RoomId], Envelope],
    *,
    revoked: int | None = None,
    **place: Any,  # noqa: ANN401 - frame fields
) -> tuple[Client, RoomId]:
    """A adds B, then D, then the newcomer; it is shown another commit in the place of the second.

    Args:
        stage: The stage.
        how: Makes the other commit.
        revoked: Where the revocation of B stands in the log, counted from that commit.
        place: Fields of its place that change.
    """
    a, b, room = two(stage)
    d, c = stage.online("D", of=MA), stage.online("C", of=TN)
    for name, nation in (("outsider", MA), ("guest", SN)):
        stage.online(name, of=nation)  # in the log before what they do
    invite(a, room, d)
    real = a.rows(room, Kind.COMMIT)[1].encoded
    forged = how(a, b, d, room)
    bend(
        c,
        lambda entries: tuple(
            altered(entry, **({"envelope": forged.encoded} | place)) if entry.envelope == real else entry
            for entry in entries
        ),
    )
    if revoked is not None:
        places = [row.index for row in a.rows(room, Kind.COMMIT) if row.index is not None]
        c.core._ctx.directory.revoke_device(b.device.id, places[1] + revoked)  # noqa: SLF001 - as its entry would
    a.do(actions.Invite(room=room, device=c.device.id))
    stage.run()
    return c, room


def second(sender: Client, d: Client, at: RoomId, /, **changes: Any) -> Envelope:  # noqa: ANN401 - header fields
    """A commit of epoch 1 by somebody, that adds D; right in all that is not changed."""
    specific = changes.pop("specific", Commit(added=(d.device.id,)))
    key = changes.pop("key", sender.device.key)
    members = set(group_in(d, at).members)
    fields: dict[str, Any] = {"epoch": 1, "audience": audience_digest(members), "label": Label.CLEAR}
    return signed(structs.replace(header_of(sender, at, specific), **(fields | changes)), b"sealed", key)


def called(stage: Stage, name: str) -> Client:
    """A client by its name."""
    return next(client for client in stage.clients if client.name == name)


def test_a_commit_that_is_right_in_everything_is_followed(stage: Stage) -> None:
    """The case in which everything is right: it is that of a member, whose fork others will see."""
    c, room = with_a_forged_commit(stage, lambda _a, b, d, room: second(b, d, room))
    assert c.row(room).status is OPEN
    assert c.store.alarms == []


WRONG: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "another epoch": ({"epoch": 2}, "GAP"),
    "an earlier epoch": ({"epoch": 0}, "GAP"),
    "another audience": ({"audience": bytes(32)}, "AUDIENCE"),
    "another signature": ({"key": key_of("thief")}, "SIGNATURE"),
    "another room": ({"room": RoomId(b"another room ...")}, "BINDING"),
    "a message": (
        {"specific": Message(), "commitment": b"k" * 32, "size_class": 1},
        "BINDING",
    ),
    "a label above the ceiling": ({"label": Label.RED}, "LABEL"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_commit_that_is_wrong_in_one_thing_ends_the_joining(stage: Stage, wrong: str) -> None:
    changes, code = WRONG[wrong]
    c, room = with_a_forged_commit(stage, lambda _a, b, d, room: second(b, d, room, **changes))
    check_not_joined(c, room, code)


def test_a_commit_by_one_who_is_not_in(stage: Stage) -> None:
    c, room = with_a_forged_commit(stage, lambda a, _b, d, room: by_another(stage, a, d, room))
    check_not_joined(c, room, "NOT_MEMBER")


def by_another(stage: Stage, member: Client, d: Client, room: RoomId) -> Envelope:
    """The same commit, signed by an officer who never was in."""
    outsider = called(stage, "outsider")
    header = structs.replace(
        second(member, d, room).header, kid=outsider.device.id, counter=1, previous=EnvelopeId(bytes(32))
    )
    return signed(header, b"sealed", outsider.device.key)


def test_a_commit_by_a_device_that_was_revoked_before(stage: Stage) -> None:
    c, room = with_a_forged_commit(stage, lambda _a, b, d, room: second(b, d, room), revoked=-1)
    check_not_joined(c, room, "REVOKED")


def test_a_commit_by_a_device_that_is_revoked_later_is_followed(stage: Stage) -> None:
    c, room = with_a_forged_commit(stage, lambda _a, b, d, room: second(b, d, room), revoked=1)
    assert room_of(c, room).group is not None


def test_a_commit_after_the_end_of_its_signers_certificate(stage: Stage) -> None:
    late = stage.relay.now_ms + 91 * DAY_MS
    c, room = with_a_forged_commit(stage, lambda _a, b, d, room: second(b, d, room), accepted_at_ms=late)
    check_not_joined(c, room, "EXPIRED")


def test_a_commit_that_the_policy_does_not_allow(stage: Stage) -> None:
    def forge(_a: Client, b: Client, d: Client, room: RoomId) -> Envelope:
        guest = called(stage, "guest")
        members = (set(group_in(d, room).members) - {d.device.id}) | {guest.device.id}
        return second(b, d, room, specific=Commit(added=(guest.device.id,)), audience=audience_digest(members))

    c, room = with_a_forged_commit(stage, forge)
    check_not_joined(c, room, "MEMBERSHIP")


def test_a_commit_that_adds_a_device_that_is_not_in_the_log(stage: Stage) -> None:
    def forge(_a: Client, b: Client, d: Client, room: RoomId) -> Envelope:
        ghost = stage.client("ghost", of=MA)
        members = (set(group_in(d, room).members) - {d.device.id}) | {ghost.device.id}
        return second(b, d, room, specific=Commit(added=(ghost.device.id,)), audience=audience_digest(members))

    c, room = with_a_forged_commit(stage, forge)
    check_not_joined(c, room, "CERTIFICATE")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"counter": 1}, "REPLAY"),
        ({"previous": EnvelopeId(b"p" * 32), "adjacent": True}, "FORK"),
        ({"voids": (1,), "counter": 90}, "VOIDED_APPEARED"),
    ],
)
def test_a_commit_that_its_senders_earlier_one_excludes(stage: Stage, changes: dict[str, Any], code: str) -> None:
    def forge(a: Client, _b: Client, d: Client, room: RoomId) -> Envelope:
        first = next(row for row in a.rows(room, Kind.COMMIT))
        fields = dict(changes)
        if fields.pop("adjacent", False):
            fields["counter"] = decode_envelope(first.encoded).header.counter + 1
        return second(a, d, room, **fields)

    c, room = with_a_forged_commit(stage, forge)
    check_not_joined(c, room, code)


def test_what_a_sender_declared_void_does_not_come_later() -> None:
    before = model.SenderRow(device=DeviceId(b"d" * 32), counter=5, last_id=EnvelopeId(b"i" * 32), voided=(7,))
    header = header_with(counter=7)
    flaw = later_flaw(before, header)
    assert flaw is not None
    assert flaw.code is Code.VOIDED_APPEARED
    assert later_flaw(before, header_with(counter=8)) is None


def header_with(**changes: Any) -> Any:  # noqa: ANN401 - a header, as far as it is looked at
    """A header of which only counter, voids and previous count."""
    from tests.vectors import examples as x  # noqa: PLC0415 - one use

    return x.header(kinds.Message(), **({"voids": ()} | changes))


@pytest.mark.parametrize(
    "place",
    [{"room_seq": 1}, {"index": 0}, {"accepted_at_ms": 0}],
)
def test_a_commit_that_does_not_stand_behind_the_one_before_it(stage: Stage, place: dict[str, int]) -> None:
    c, room = with_a_forged_commit(stage, lambda _a, b, d, room: second(b, d, room), **place)
    check_not_joined(c, room, "FORK")


def test_a_commit_that_stands_behind_the_newcomers_own(stage: Stage) -> None:
    c, room = with_a_forged_commit(stage, lambda _a, b, d, room: second(b, d, room), room_seq=10**6, index=10**6)
    check_not_joined(c, room, "FORK")


def test_what_is_no_envelope_at_all(stage: Stage) -> None:
    c, room = with_a_forged_commit(stage, lambda _a, b, d, room: second(b, d, room), envelope=b"\xd2")
    check_not_joined(c, room, "MALFORMED")


def test_neighbours_have_to_be_linked(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)
    c = stage.online("C", of=TN)
    invite(a, room, b)
    bend(c, lambda entries: (entries[0], *(altered(entry, room_seq=2, previous=b"x" * 32) for entry in entries[1:])))
    a.do(actions.Invite(room=room, device=c.device.id))
    check_not_joined(c, room, "FORK")


def test_a_place_that_is_known_is_the_one_that_is_known(stage: Stage) -> None:
    a, _b, room = two(stage)
    c = stage.online("C", of=TN)
    bend(c, lambda entries: (altered(entries[0], accepted_at_ms=1), *entries[1:]))
    a.do(actions.Invite(room=room, device=c.device.id))
    check_not_joined(c, room, "FORK")


def test_it_begins_with_the_creation(stage: Stage) -> None:
    a, _b, room = two(stage)
    c = stage.online("C", of=TN)
    bend(c, lambda entries: entries[1:])
    a.do(actions.Invite(room=room, device=c.device.id))
    check_not_joined(c, room, "GAP")


def test_a_room_has_one_creation(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)
    b.core._ctx.packages.clear()  # noqa: SLF001 - it stays a newcomer
    a.do(actions.Invite(room=room, device=b.device.id))
    assert b.codes() == ["OPEN", "STATE_LOST"]
    b.store.rooms[room] = replace(b.row(room), status=model.RoomStatus.JOINING)
    known = decode_envelope(b.row(room).create)
    other = signed(structs.replace(known.header, sent_at_ms=1), b"", a.device.key)

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Delivery) and frame.room_seq == 1:
            values = {name: getattr(frame, name) for name in frame.__struct_fields__}
            return [frames.Delivery(**(values | {"envelope": other.encoded}))]
        return [frame]

    b.restart()
    b.toward = hook
    b.connect()
    stage.run()
    assert "FORK" in b.codes()
    assert b.row(room).create == known.encoded


# ---- the newcomer's own commits of an earlier time


def taken_back(stage: Stage, **changes: Any) -> tuple[Client, RoomId]:  # noqa: ANN401 - fields of the row
    """B makes a commit, is removed while it is away, and is added again; its store is as before the commit."""
    a, b, room = two(stage)
    before = copy.deepcopy(b.store)
    invite(b, room, stage.online("D", of=MA))
    counter = b.row(room).counter
    b.disconnect()
    a.do(actions.Remove(room=room, devices=(b.device.id,)))
    a.do(actions.Invite(room=room, device=b.device.id))
    fields = {"counter": counter, **changes}
    before.rooms[room] = replace(before.rooms[room], **fields)
    b.store = before
    b.restart()
    b.connect()
    stage.run()
    return b, room


def test_an_own_commit_of_an_earlier_time_is_followed(stage: Stage) -> None:
    b, room = taken_back(stage)
    assert b.codes() == []
    assert room_of(b, room).group is not None


def test_an_own_commit_that_this_profile_never_signed_shows_that_it_was_copied(stage: Stage) -> None:
    b, room = taken_back(stage, counter=1)
    assert b.codes() == ["FORK"]
    assert b.row(room).status is model.RoomStatus.HALTED


def test_an_own_commit_that_was_refused_does_not_appear(stage: Stage) -> None:
    b, room = taken_back(stage, voids=tuple(range(1, 10)))
    assert b.codes() == ["VOIDED_APPEARED"]
    assert b.row(room).status is model.RoomStatus.HALTED
