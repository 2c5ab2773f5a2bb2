"""What a hostile relay, or a hostile member, may try against a client that has done nothing wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from amanah_client import actions, inputs, model
from amanah_client.core import packages
from amanah_client.core.subscribe import MAX_NEW_ROOMS
from amanah_client.saying import saying
from amanah_protocol import frames, kinds
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Commit
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId
from tests.client.core.forge import control_head, delivery, header_of, message, push, room_head, room_of, signed
from tests.client.core.rooms import create, invite, two
from tests.client.core.world import MA, SN, TN, Stage
from tests.relay.people import DAY_MS, key_of

STORED = model.MessageState.STORED
ANY, NONE = RoomId(bytes(16)), EnvelopeId(bytes(32))


def test_a_message_that_was_read_is_not_undone_by_a_copy_with_a_broken_signature(stage: Stage) -> None:
    a, b, room = two(stage)
    envelope, sealed = message(b, room)
    push(a, delivery(a, envelope, sealed))
    before = a.store.messages[room, envelope.id]
    push(a, delivery(a, signed(envelope.header, sealed, key_of("thief")), sealed))
    assert "SIGNATURE" in a.codes()
    assert a.store.messages[room, envelope.id] == before
    assert a.texts(room) == ["forged"]


def test_a_message_that_was_read_is_not_undone_by_a_copy_after_its_senders_revocation(stage: Stage) -> None:
    a, b, room = two(stage)
    b.say(room, "before")
    entry = next(row for row in a.rooms_content(room) if row.sender == b.device.id)
    stage.submit(b, LeafType.REVOCATION, stage.relay.nations[MA].revoke(b.device.id))
    push(a, delivery(a, message(b, room)[0], envelope=entry.encoded, index=10_000))
    stage.run()
    assert "REVOKED" in a.codes()
    assert a.store.messages[room, entry.envelope].state is STORED
    assert a.texts(room) == ["before"]


@pytest.mark.parametrize("counter", [2**40, 2**62])
def test_a_huge_counter_costs_nothing(stage: Stage, counter: int) -> None:
    a, b, room = two(stage)
    push(a, delivery(a, *message(b, room, counter=counter)))
    assert a.codes() == ["GAP"]
    assert a.texts(room) == []


@pytest.mark.parametrize("blocks", ["certificate", "clock"])
def test_who_may_not_send_removes_nobody_and_goes_on_reading(stage: Stage, blocks: str) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    invite(a, room, c)
    if blocks == "certificate":
        a.core._ctx.directory.devices[a.device.id].certificates[0] = structs.replace(  # noqa: SLF001 - its time runs out
            a.core._ctx.directory.devices[a.device.id].certificates[0],  # noqa: SLF001 - as above
            certificate=replace(a.device.certificate, not_after_ms=stage.relay.now_ms),
        )
    else:
        a.clock_ms = 3_600_000
    stage.relay.now_ms += 5_000
    push(a, control_head(a))
    counter = a.row(room).counter
    a.core._ctx.directory.revoke_device(c.device.id, a.core._ctx.control.index)  # noqa: SLF001 - as its entry would
    room_of(a, room).revoked = (-1, -1, ())
    for _ in range(10):
        stage.relay.now_ms += 1_000
        a.tick()
    assert a.row(room).counter == counter
    push(a, delivery(a, *message(b, room)))
    assert a.texts(room) == ["forged"]


def commit_that_adds_again(stage: Stage, *, forged: bool) -> tuple[model.RoomRow, model.RoomRow, list[str]]:
    a, b, room = two(stage)
    before = a.row(room)
    header = header_of(b, room, Commit(added=(a.device.id,), removed=()))
    envelope = signed(header, b"x", key_of("thief") if forged else b.device.key)
    push(a, *[delivery(a, envelope, b"x", room_seq=before.head_seq + 3)] * 2)
    return before, a.row(room), a.codes()


def test_a_commit_that_is_not_authentic_does_not_take_a_members_keys(stage: Stage) -> None:
    before, after, codes = commit_that_adds_again(stage, forged=True)
    assert after.group == before.group
    assert after.head_seq == before.head_seq
    assert codes == []  # it is asked for once more first


def test_an_authentic_commit_that_adds_one_who_is_in_does_not_take_its_keys_either(stage: Stage) -> None:
    before, after, codes = commit_that_adds_again(stage, forged=False)
    assert (after.status, after.group) == (model.RoomStatus.HALTED, before.group)
    assert after.head_seq == before.head_seq
    assert codes == ["MEMBERSHIP"]


def test_heads_far_in_the_future_are_not_held_against_later_honest_ones(stage: Stage) -> None:
    a, _b, room = two(stage)
    ahead_ms = stage.relay.now_ms + 3_650 * DAY_MS
    push(a, control_head(a, time_ms=ahead_ms), room_head(a, room, time_ms=ahead_ms))
    a.restart()
    a.connect()
    stage.run()
    stage.relay.now_ms += 5_000
    push(a, control_head(a), room_head(a, room))
    assert a.core._ctx.control.fresh_at_ms == stage.relay.now_ms  # noqa: SLF001 - what bounds sending
    assert a.row(room).confirmed_at_ms == stage.relay.now_ms
    assert a.store.alarms == []


def test_a_head_from_the_future_buys_no_freshness_after_a_restart(stage: Stage) -> None:
    a, _b, _room = two(stage)
    push(a, control_head(a, time_ms=stage.relay.now_ms + 3_650 * DAY_MS))
    a.restart()
    assert a.core._ctx.control.fresh_at_ms <= stage.relay.now_ms  # noqa: SLF001 - what bounds sending


def test_who_has_not_proven_itself_cannot_send_a_client_away_for_ever(stage: Stage) -> None:
    a = stage.client("A", of=TN)
    a.connect()
    a.give(inputs.Received(data=frames.encode_frame(frames.Closing(code="REVOKED", detail="x"))))
    assert a.disconnects[-1].again
    a.connect()
    stage.run()
    assert a.online()


@pytest.mark.parametrize(
    "action",
    [
        actions.Acknowledge(room=ANY, envelope=NONE, grade=99),
        actions.Acknowledge(room=ANY, envelope=EnvelopeId(b""), grade=1),
        actions.ReportCounts(room=ANY, accepted=-1, merged=0, dropped=0),
        actions.ReportCounts(room=ANY, accepted=2**64, merged=0, dropped=0),
        actions.EraseMessages(room=ANY, envelopes=()),
        actions.EraseMessages(room=ANY, envelopes=tuple(EnvelopeId(bytes([i]) * 32) for i in range(200))),
        actions.PostAlerts(room=ANY, source_name="x", alerts=(), label=Label.GREEN),
        saying(ANY, Text(text="\U0001f6a8" * 60_000), label=Label.GREEN),
        saying(ANY, Text(text=""), label=Label.GREEN),
        saying(ANY, Text(text="x"), label=Label.RED),
        actions.Remove(room=ANY, devices=(DeviceId(bytes(31)),)),
        actions.Invite(room=ANY, device=DeviceId(bytes(31))),
        actions.CreateRoom(title="x" * 5_000, ceiling=Label.AMBER, classical=True),
        actions.CreateRoom(title="x", ceiling=Label.AMBER, agreement="x" * 5_000, classical=True),
        actions.SubmitControl(type=2**70, object=b"x"),
        actions.SubmitControl(type=1, object=bytes(300_000)),
        actions.Disclose(room=ANY, envelope=NONE, recipient="x" * 5_000),
    ],
)
def test_what_can_never_be_sent_fails_and_stops_nothing(stage: Stage, action: actions.Action) -> None:
    a, _b, room = two(stage)
    if not isinstance(action, actions.CreateRoom | actions.SubmitControl | actions.AuditSync | actions.Finished):
        action = replace(action, room=room)
    ended = a.do(action)
    stage.wait(3_000)
    ended = a.intent(ended.id)
    assert ended.state in (model.IntentState.FAILED, model.IntentState.DONE), ended
    assert a.say(room, "next").state is model.IntentState.DONE


def test_a_relay_that_says_again_and_again_that_the_stock_is_empty_gets_no_flood(stage: Stage) -> None:
    a = stage.online("A", of=TN)
    offers = 0

    def count(frame: frames.Frame) -> list[frames.Frame]:
        nonlocal offers
        offers += isinstance(frame, frames.OfferKeyPackages)
        return [frame]

    a.outward = count
    for _ in range(90):
        stage.relay.now_ms += 2_000
        push(a, frames.Stock(suite=a.device.certificate.suites[0], left=0))
        stage.run()
    assert packages.MOST_OFFERS < offers <= 5 * packages.MOST_OFFERS
    assert len(a.store.packages) == packages.MAX_SECRETS
    assert len(a.core._ctx.packages) == len(a.store.packages)  # noqa: SLF001 - what takes memory


def test_rooms_without_end_are_not_remembered(stage: Stage) -> None:
    a = stage.online("A", of=TN)
    room = create(a)
    for number in range(MAX_NEW_ROOMS + 10):
        state = frames.RoomState(
            room=number.to_bytes(16, "big"), head=1, added_seq=1, removed_seq=None, counter=0, last=bytes(32)
        )
        push(a, state)
    assert len(a.core._ctx.rooms) <= MAX_NEW_ROOMS + 2  # noqa: SLF001 - what takes memory
    assert str(Code.QUOTA) in a.codes()
    a.disconnect()
    assert list(a.core._ctx.rooms) == [room]  # noqa: SLF001 - as above
    a.connect()
    stage.run()
    assert a.say(room, "x").state is model.IntentState.DONE
    assert kinds.Kind.MESSAGE in {row.kind for row in a.rows(room)}
