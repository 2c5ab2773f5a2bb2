"""Parts of the core on their own: what no run between two honest machines reaches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from amanah_client import actions, model
from amanah_client.core import answers, commits, invite, monitor, outbox
from amanah_client.core.batch import Batch, message_id_of
from amanah_client.core.conflicts import claim_of
from amanah_client.core.context import Context, known_code, room_of
from amanah_client.core.directory import Directory
from amanah_client.core.entry import read_entry
from amanah_client.core.gate import revoked_members
from amanah_client.core.requests import Advance, Claim, Compare
from amanah_client.core.room import MAX_KNOWN, MAX_SEEN, Known, Room, load_room
from amanah_client.core.senders import follow
from amanah_protocol import frames
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.group.seam import Credential
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.conflict import Way
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.log.statement import Form
from amanah_protocol.types import CONTROL, ZERO_32, DeviceId, EnvelopeId, KeyId, LeafHash, RoomId
from tests.client.core.forge import delivery, header_of, message, push
from tests.client.core.forge import room_of as held
from tests.client.core.rooms import create, two
from tests.client.core.test_control import newcomer
from tests.client.core.world import MA, SN, TN, Client, Stage, keep
from tests.engines import ENGINES
from tests.relay.people import ORIGIN, key_of

DONE, QUEUED, FAILED, SENT = (
    model.IntentState.DONE,
    model.IntentState.QUEUED,
    model.IntentState.FAILED,
    model.IntentState.SENT,
)
NOBODY = DeviceId(bytes(32))
EMPTY = Room(row=model.RoomRow(room=RoomId(bytes(16)), status=model.RoomStatus.JOINING))


def ctx_of(client: Client) -> Context:
    """A core's memory."""
    return client.core._ctx  # noqa: SLF001 - its parts are what is tested


# ---- senders


def sender_room(stage: Stage, added_seq: int, **row: Any) -> tuple[Client, Room, Any]:  # noqa: ANN401 - fields of a row
    """A room with a record of one sender, and a header of that sender to change."""
    a, b, room = two(stage)
    base = header_of(b, room, message(b, room)[0].header.specific, commitment=bytes(range(32)))
    held_room = Room(row=replace(a.row(room), added_seq=added_seq))
    if row:
        held_room.senders[b.device.id] = model.SenderRow(device=b.device.id, **row)
    return a, held_room, base


@pytest.mark.parametrize(
    ("added_seq", "counter", "previous", "flaw"),
    [
        (1, 1, ZERO_32, None),
        (1, 2, ZERO_32, Code.GAP),
        (1, 1, bytes(range(32)), Code.FORK),
        (5, 9, bytes(range(32)), None),
    ],
)
def test_the_first_envelope_of_a_sender(
    stage: Stage, added_seq: int, counter: int, previous: bytes, flaw: Code | None
) -> None:
    _a, room, base = sender_room(stage, added_seq)
    header = structs.replace(base, counter=counter, previous=EnvelopeId(previous))
    following = follow(room, header, EnvelopeId(bytes(32)))
    assert (None if following.flaw is None else following.flaw.code) is flaw
    assert following.row.counter == counter


@pytest.mark.parametrize(
    ("counter", "voids", "previous", "flaw"),
    [
        (6, (), b"\1" * 32, None),
        (8, (6, 7), b"\1" * 32, None),
        (8, (7,), b"\1" * 32, Code.GAP),
        (7, (), b"\1" * 32, Code.GAP),
        (7, (5, 6), b"\1" * 32, Code.VOIDED_APPEARED),
        (6, (), b"\2" * 32, Code.FORK),
        (5, (), b"\1" * 32, Code.REPLAY),
        (4, (), b"\1" * 32, Code.REPLAY),
        (3, (), b"\1" * 32, Code.VOIDED_APPEARED),
    ],
)
def test_an_envelope_continues_its_senders_record(
    stage: Stage, counter: int, voids: tuple[int, ...], previous: bytes, flaw: Code | None
) -> None:
    _a, room, base = sender_room(stage, 1, counter=5, last_id=EnvelopeId(b"\1" * 32), voided=(3,))
    header = structs.replace(base, counter=counter, voids=voids, previous=EnvelopeId(previous))
    following = follow(room, header, EnvelopeId(b"\3" * 32))
    assert (None if following.flaw is None else following.flaw.code) is flaw
    assert following.row.counter == max(5, counter)
    assert following.row.last_id == (b"\3" * 32 if counter > 5 else b"\1" * 32)


# ---- directory


def test_an_unknown_enrolment_key_certifies_nothing() -> None:
    with pytest.raises(VerifyError) as caught:
        Directory().enrolment(KeyId(bytes(32)))
    assert caught.value.code is Code.CERTIFICATE
    assert Directory().standing(NOBODY) is None
    assert Directory().organisation(NOBODY) == ""


def test_only_what_lies_before_counts(stage: Stage) -> None:
    a, b, _room = two(stage)
    directory = ctx_of(a).directory
    index = directory.devices[b.device.id].certificates[0].index
    assert directory.standing(b.device.id, before=index) is None
    assert directory.standing(b.device.id, before=index + 1) is not None
    directory.revoke_device(b.device.id, 50)
    directory.revoke_device(b.device.id, 60)
    assert [directory.standings([b.device.id], before)[b.device.id].revoked for before in (50, 51)] == [False, True]
    key = b.device.enrolment.key_id
    directory.revoke_enrolment(key, 40)
    directory.revoke_enrolment(key, 45)
    assert directory.enrolments[key].revoked_index == 40


def test_a_chain_with_another_enrolment_key_is_no_credential(stage: Stage) -> None:
    a, b, _room = two(stage)
    check = ctx_of(a).directory.credential_check()
    right = ctx_of(b).credential
    assert check(right) == b.device.id
    with pytest.raises(VerifyError) as caught:
        check(Credential(certificate=right.certificate, enrolment=ctx_of(a).credential.enrolment))
    assert caught.value.code is Code.CERTIFICATE
    with pytest.raises(VerifyError):
        ctx_of(a).directory.credential_check(before=0)(right)


def test_a_certificate_that_comes_twice_is_one_device(stage: Stage) -> None:
    a, b, _room = two(stage)
    directory = ctx_of(a).directory
    directory.add_certificate(b.device.certificate, 99)
    assert directory.devices_of(b.device.certificate.organisation, b.device.certificate.subject) == (b.device.id,)


# ---- rooms without keys


def test_a_room_without_keys_seals_nothing_and_changes_nothing(stage: Stage) -> None:
    a = stage.online("A")
    ctx = ctx_of(a)
    with pytest.raises(UsageError):
        Batch(ctx, EMPTY)
    with pytest.raises(UsageError):
        commits.commit(ctx, EMPTY, packages={}, removes=(), intent=None)
    intent = model.Intent(id="0" * 32, action=actions.AuditSync(), created_at_ms=0)
    assert not commits.remove(ctx, EMPTY, intent, actions.Remove(room=EMPTY.id, devices=()))
    assert not invite.advance(ctx, EMPTY, intent, actions.Invite(room=EMPTY.id))
    assert revoked_members(ctx, EMPTY) == ()
    assert commits.is_removed(EMPTY, actions.Remove(room=EMPTY.id, devices=(NOBODY,)), ())
    with pytest.raises(VerifyError):
        EMPTY.audience()
    with pytest.raises(VerifyError):
        _ = EMPTY.spec
    with pytest.raises(VerifyError):
        invite.check_package(ctx, EMPTY, NOBODY, b"")


def test_what_is_kept_for_comparison_is_bounded() -> None:
    room = Room(row=EMPTY.row)
    for seq in range(MAX_KNOWN + 5):
        room.remember(seq, Known(leaf=LeafHash(ZERO_32), index=seq, accepted_at_ms=0))
    assert min(room.known) == 5
    for number in range(MAX_SEEN + 5):
        assert room.note_message(NOBODY, sha256(number.to_bytes(4, "big"))[:16])
    assert len(room.seen) == MAX_SEEN
    assert not room.note_message(NOBODY, sha256((MAX_SEEN).to_bytes(4, "big"))[:16])


def test_a_stored_room_without_creation_loads(stage: Stage) -> None:
    a = stage.online("A")
    row = model.RoomRow(room=RoomId(bytes(16)), status=model.RoomStatus.OPENING)
    assert load_room(row, [], a.device.key, ENGINES).create is None


def test_ids_of_messages_follow_from_their_intents() -> None:
    def intent(identity: str) -> model.Intent:
        return model.Intent(id=identity, action=actions.AuditSync(), created_at_ms=0)

    assert message_id_of(intent("ab" * 16)) == b"\xab" * 16
    assert message_id_of(intent("not hex")) == sha256(b"not hex")[:16]
    assert len(message_id_of(intent("abcd"))) == 16


def test_an_unknown_code_counts_as_a_fault_of_the_relay() -> None:
    assert known_code("ROLE") is Code.ROLE
    assert known_code("NEWER") is Code.FRAME


def test_actions_that_are_about_no_room() -> None:
    assert room_of(actions.AuditSync()) is None
    assert room_of(actions.Finished(name="Say")) is None
    assert room_of(actions.Invite(room=EMPTY.id)) == EMPTY.id


# ---- control objects


def test_a_control_object_is_submitted_and_gets_its_place(stage: Stage) -> None:
    a, _b = stage.online("A"), stage.online("B", of=MA)
    intent = stage.submit(a, LeafType.CERTIFICATE, newcomer(stage))
    assert intent.state is DONE
    assert intent.index == a.store.control[-1].index
    again = stage.submit(a, LeafType.CERTIFICATE, newcomer(stage))
    assert again.state is DONE


def test_a_control_object_that_says_nothing_new_is_done(stage: Stage) -> None:
    a = stage.online("A")
    intent = stage.submit(a, LeafType.ROSTER, stage.relay.roster.endorsed.encode())
    assert (intent.state, intent.index) == (DONE, None)


def test_a_control_object_that_is_refused_fails(stage: Stage) -> None:
    a = stage.online("A")
    intent = stage.submit(a, LeafType.CERTIFICATE, b"x")
    assert intent.state is FAILED
    assert intent.code


def test_a_control_object_is_submitted_again_after_a_reconnect(stage: Stage) -> None:
    a, _b = stage.online("A"), stage.online("B", of=MA)
    a.outward = lambda frame: [] if isinstance(frame, frames.Submit) else [frame]
    intent = a.ask(actions.SubmitControl(type=LeafType.CERTIFICATE, object=newcomer(stage)))
    stage.tick()
    assert a.intent(intent).state is SENT
    a.outward = None
    a.disconnect()
    a.connect()
    stage.run()
    assert a.intent(intent).state is DONE


def test_an_answer_to_an_intent_that_is_gone_is_passed_over(stage: Stage) -> None:
    a, _b = stage.online("A"), stage.online("B", of=MA)
    held_back: list[frames.Frame] = []
    a.toward = keep(held_back, frames.Stored)
    a.ask(actions.SubmitControl(type=LeafType.CERTIFICATE, object=newcomer(stage)))
    stage.run()
    ctx_of(a).outbox.clear()
    ctx_of(a).apart.clear()
    a.toward = None
    push(a, *held_back)
    assert a.store.alarms == []
    ctx_of(a).refuse("gone", frames.Refused(1, "ROLE", ""))


def test_a_finished_intent_that_still_stands_there_is_ended(stage: Stage) -> None:
    a = stage.online("A")
    intent = a.do(actions.Finished(name="Say"))
    assert (intent.state, intent.code) == (FAILED, "UNKNOWN_ROOM")
    assert CONTROL.hex() in intent.detail


# ---- answers that fit nothing


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: frames.Checkpoint(request, b""),
        lambda request: frames.Path(request, None, ()),
        frames.Done,
        lambda request: frames.KeyPackages(request, ()),
    ],
)
def test_an_answer_of_another_kind_ends_the_connection(stage: Stage, answer: Any) -> None:  # noqa: ANN401 - a function of the request
    a, _b, room = two(stage)
    a.toward = lambda frame: [answer(frame.request)] if isinstance(frame, frames.PageEnd) else [frame]
    push(a, frames.Lagging(room=room))
    stage.run()
    assert a.codes() == ["FRAME"]
    assert a.peer is None


def test_a_lagging_room_is_asked_for_again(stage: Stage) -> None:
    a, b, room = two(stage)
    lost: list[frames.Frame] = []
    a.toward = keep(lost, frames.Delivery)
    b.say(room, "missed")
    a.toward = None
    push(a, frames.Lagging(room=room), frames.Lagging(room=b"r" * 16))
    stage.run()
    assert a.texts(room) == ["missed"]
    assert a.store.alarms == []


def test_a_late_answer_to_a_publish_that_is_over_is_passed_over(stage: Stage) -> None:
    a, _b, room = two(stage)
    ctx = ctx_of(a)
    answers.receive_refused(ctx, held(a, room), frames.Refused(1, "ROLE", ""))
    assert a.row(room).voids == ()


@pytest.mark.parametrize(
    ("code", "alarms"), [("UNKNOWN_ROOM", ["GAP"]), ("NOT_FOUND", ["GAP"]), ("STORE", []), ("RATE", [])]
)
def test_a_refused_page_of_a_room(stage: Stage, code: str, alarms: list[str]) -> None:
    a, b, room = two(stage)
    a.disconnect()
    b.say(room, "missed")
    refused: list[frames.Frame] = []

    def refuse(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.PageEnd) and frame.room == room and not refused:
            refused.append(frame)
            return [frames.Refused(frame.request, code, "no")]
        return [] if isinstance(frame, frames.Delivery) and not refused else [frame]

    a.toward = refuse
    a.connect()
    stage.wait(3_000)
    assert a.codes() == alarms
    assert a.texts(room) == ([] if alarms else ["missed"])
    assert a.online()


def test_a_refused_page_of_a_room_that_was_never_read(stage: Stage) -> None:
    a = stage.online("A")
    push(a, frames.RoomState(room=b"r" * 16, head=1, added_seq=1, removed_seq=None, counter=0, last=bytes(32)))
    stage.run()
    assert a.store.alarms == []
    assert a.peer is not None


@pytest.mark.parametrize("changes", [{"room": b"r" * 16}, {"head": b""}, {"live": False}])
def test_an_end_of_a_page_that_cannot_be(stage: Stage, changes: dict[str, Any]) -> None:
    a, _b, room = two(stage)

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.PageEnd) and frame.room == room:
            values = {name: getattr(frame, name) for name in frame.__struct_fields__}
            return [frames.PageEnd(**(values | changes))]
        return [frame]

    a.toward = hook
    push(a, frames.Lagging(room=room))
    stage.run()
    assert a.codes() == ["FRAME"]
    assert a.peer is None


def test_a_page_that_claims_more_than_it_gave_is_asked_for_again(stage: Stage) -> None:
    a, b, room = two(stage)
    a.disconnect()
    b.say(room, "withheld")

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.PageEnd) and frame.room == room:
            values = {name: getattr(frame, name) for name in frame.__struct_fields__}
            return [frames.PageEnd(**(values | {"live": False}))]
        return [] if isinstance(frame, frames.Delivery) else [frame]

    a.toward = hook
    a.connect()
    stage.run()
    assert a.codes() == ["GAP"]
    assert a.row(room).status is model.RoomStatus.HALTED


def test_the_end_of_a_page_that_was_asked_for_before_changes_nothing(stage: Stage) -> None:
    a, _b, room = two(stage)
    ends: list[frames.Frame] = []
    a.toward = keep(ends, frames.PageEnd)
    push(a, frames.Lagging(room=room))
    stage.run()
    link = held(a, room).link
    link.page = -1
    push(a, *ends)
    assert link.page == -1
    assert a.store.alarms == []


def test_a_relay_that_claims_a_removal_it_does_not_show(stage: Stage) -> None:
    a, _b, room = two(stage)
    head = a.row(room).head_seq
    push(a, frames.RoomState(room=room, head=head, added_seq=1, removed_seq=head, counter=0, last=bytes(32)))

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.PageEnd) and frame.room == room:
            return [frames.PageEnd(frame.request, frame.room, frame.next, live=False, head=b"")]
        return [frame]

    a.toward = hook
    push(a, frames.Lagging(room=room))
    stage.run()
    assert a.codes() == ["GAP"]
    assert a.row(room).status is model.RoomStatus.HALTED


def test_a_removed_device_reads_up_to_its_removal_after_a_reconnect(stage: Stage) -> None:
    a, b, room = two(stage)
    b.disconnect()
    a.say(room, "last words")
    a.do(actions.Remove(room=room, devices=(b.device.id,)))
    a.say(room, "among us")
    b.connect()
    stage.run()
    assert b.texts(room) == ["last words"]
    assert b.row(room).status is model.RoomStatus.REMOVED
    b.restart()
    b.connect()
    stage.run()
    assert b.online()
    assert b.store.alarms == []


# ---- the monitor without a view


def test_proofs_without_a_view_change_nothing(stage: Stage) -> None:
    a = stage.online("A")
    ctx = ctx_of(a)
    ctx.log = None
    path = frames.Path(1, None, ())
    monitor.receive_advance(ctx, Advance(note=b"", checkpoint=None, root_signature=b""), path)  # type: ignore[arg-type]  # not read
    monitor.receive_comparison(ctx, Compare(claim=claim_in(ctx, 2, bytes(32))), path)
    assert ctx.log is None
    assert ctx.halted == ""
    assert monitor.view_of(ctx) is None


def claim_in(ctx: Context, size: int, root: bytes) -> Claim:
    """The word of a control head."""
    return claim_of(ctx, size, root, Form.HEAD, b"head", Way.HEAD)


def test_a_claim_that_was_proven_meanwhile_needs_no_request(stage: Stage) -> None:
    a = stage.online("A")
    ctx = ctx_of(a)
    asked: list[frames.Frame] = []
    a.outward = keep(asked, frames.GetConsistency)
    ctx.watch.claims[b"x"] = structs.replace(claim_in(ctx, 1, b"\1" * 32), line=b"x")
    ctx.watch.proven[1] = b"\1" * 32
    a.tick()
    assert (asked, ctx.watch.claims, a.codes()) == ([], {}, [])


def test_the_relays_own_word_ahead_of_its_checkpoint_waits_for_the_next_and_not_for_ever(stage: Stage) -> None:
    a = stage.online("A")
    ctx = ctx_of(a)
    monitor.note_claim(ctx, claim_in(ctx, 99, bytes(32)))
    stage.wait(30_000)
    assert 99 in [claim.size for claim in ctx.watch.claims.values()]
    assert a.store.alarms == []
    stage.wait(40_000)
    assert a.codes() == ["LOG_ROLLBACK"]
    assert not a.disconnects[-1].again


def test_a_checkpoint_of_a_key_that_the_roster_no_longer_names_is_passed_on_to_nobody(stage: Stage) -> None:
    a = stage.online("A")
    ctx = ctx_of(a)
    assert ctx.log is not None
    assert monitor.view_of(ctx) is not None
    stranger = NoteSigner(name=ORIGIN, key=key_of("another log"))
    note = sign_checkpoint(Checkpoint(origin=ORIGIN, size=ctx.log.size, root=ctx.log.root), stranger)
    ctx.log = structs.replace(ctx.log, checkpoint=note)
    assert monitor.view_of(ctx) is None


# ---- the rest


def test_an_entry_reads_its_own_leaf(stage: Stage) -> None:
    a, b, room = two(stage)
    entry = read_entry(delivery(a, *message(b, room)), None)
    with pytest.raises(VerifyError):
        entry.sealed()
    assert entry.leaf_hash == entry.leaf.hash


def test_refusals_that_may_not_be_sent_are_dropped(stage: Stage) -> None:
    a, _b, room = two(stage)
    ctx, held_room = ctx_of(a), held(a, room)
    from amanah_protocol.kinds import Refuse  # noqa: PLC0415 - one use

    held_room.refusals.append(Refuse(commit=EnvelopeId(bytes(32)), code="x" * 99))
    outbox._tell_refusals(ctx, held_room)  # noqa: SLF001 - what is tested
    assert held_room.refusals == []
    assert held_room.row.in_flight is None


def test_profiles_of_others_are_known_after_a_restart(stage: Stage) -> None:
    a, b, _room = two(stage)
    a.restart()
    assert b.store.base.profile in ctx_of(a).profiles.values()


def test_a_joiner_that_never_said_who_it_is_says_it_after_a_restart(stage: Stage) -> None:
    a, b = stage.online("A", of=TN), stage.online("B", of=MA)
    room = create(a)
    b.outward = lambda frame: [] if isinstance(frame, frames.Publish) else [frame]
    b.store.fails = 0
    a.do(actions.Invite(room=room, device=b.device.id))
    b.outward = None
    row = b.row(room)
    b.store.rooms[room] = replace(row, counter=0, in_flight=None)
    b.store.messages = {key: message_row for key, message_row in b.store.messages.items() if message_row.room_seq}
    b.restart()
    b.connect()
    stage.run()
    assert b.store.base.profile in a.store.profiles


def test_an_officer_is_told_why_a_room_waits_and_that_it_no_longer_does(stage: Stage) -> None:
    a, b, room = two(stage)
    ctx_of(a).control.fresh_at_ms = 0
    first, second = a.say(room, "one"), a.say(room, "two")
    assert (a.intent(first.id).code, a.intent(second.id).code) == ("STALE_HEAD", "STALE_HEAD")
    ctx_of(a).control.fresh_at_ms = stage.relay.now_ms
    stage.tick()
    assert b.texts(room) == ["one", "two"]
    assert (a.intent(first.id).code, a.intent(second.id).code) == ("", "")


def test_every_row_of_a_room_tells_its_kind(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    a.do(actions.Invite(room=room, device=c.device.id))
    for row in b.rows(room):
        assert row.kind == decode_envelope(row.encoded).header.kind
    assert {Kind(row.kind) for row in b.rows(room)} >= {Kind.CREATE, Kind.COMMIT, Kind.WELCOME, Kind.MESSAGE}
    assert a.say(room, "x", Label.GREEN).state is DONE
