"""What the relay acknowledged is in the log within a minute, or it is an alarm with the receipt (attack 38)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanah_client.core import pledge
from amanah_client.core.context import Context
from amanah_client.core.requests import Pledge, Pledged
from amanah_client.model import RoomStatus
from amanah_protocol import cbor, frames
from amanah_protocol.log.conflict import OtherLeaf, Verdict, Way
from amanah_protocol.log.receipt import Receipt, sign_receipt, verify_receipt
from amanah_protocol.types import LeafHash, RoomId
from tests.client.core.rooms import two
from tests.client.core.test_monitor import kept
from tests.client.core.world import Client, Stage, keep
from tests.relay.people import RELAY_KEY


def ctx_of(client: Client) -> Context:
    return client.core._ctx  # noqa: SLF001 - what is tested


def asked_for(client: Client) -> list[frames.GetInclusion]:
    """What a client asks the relay to prove, from now on."""
    asked: list[frames.GetInclusion] = []

    def outward(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.GetInclusion):
            asked.append(frame)
        return [frame]

    client.outward = outward
    return asked


def settled(stage: Stage) -> tuple[Client, Client, RoomId]:
    """Two who are in a room, with nothing left to prove."""
    a, b, room = two(stage)
    stage.wait(56_000)
    assert ctx_of(a).rooms[room].pledge is None
    return a, b, room


def test_own_envelopes_are_proven_together_and_soon(stage: Stage) -> None:
    a, _b, room = settled(stage)
    asked = asked_for(a)
    for number in range(5):
        a.say(room, f"text {number}")
        stage.wait(2_000)
    assert asked == []
    stage.wait(20_000)
    (proof,) = asked
    last = [row.index for row in a.rows(room) if row.sender == a.device.id and row.content][-1]
    assert proof.index == last
    assert ctx_of(a).rooms[room].pledge is None
    assert a.store.alarms == []


def test_what_is_acknowledged_meanwhile_is_proven_after_it(stage: Stage) -> None:
    a, _b, room = settled(stage)
    held: list[frames.Frame] = []
    a.say(room, "first")
    a.toward = keep(held, frames.Path)
    stage.wait(20_000)
    a.say(room, "second")
    a.toward = None
    asked = asked_for(a)
    assert a.peer is not None
    a.peer.frames += held
    stage.wait(30_000)
    assert len(asked) == 1
    assert ctx_of(a).rooms[room].pledge is None
    assert a.store.alarms == []


def put_off(client: Client) -> None:
    """The relay refuses for now to prove that anything is in the log, each time."""
    numbers: list[int] = []

    def outward(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.GetInclusion):
            numbers.append(frame.request)
        return [frame]

    client.outward = outward
    client.toward = lambda frame: (
        [frames.Refused(request=frame.request, code="STORE", detail="later")]
        if isinstance(frame, frames.Path) and frame.request in numbers
        else [frame]
    )


def test_what_is_never_proven_is_an_alarm_with_the_receipt(stage: Stage) -> None:
    a, _b, room = settled(stage)
    put_off(a)
    a.say(room, "is it there")
    stage.wait(55_000)
    assert a.codes() == []
    stage.wait(10_000)
    assert a.codes() == ["RECEIPT"]
    receipt, _note = evidence(a)
    assert verify_receipt(receipt, RELAY_KEY.public).value.leaves
    assert a.row(room).status is RoomStatus.OPEN


def test_whoever_writes_a_lot_puts_the_alarm_off_by_nothing(stage: Stage) -> None:
    a, _b, room = settled(stage)
    put_off(a)
    for number in range(7):
        a.say(room, f"text {number}")
        stage.wait(10_000)
    assert a.codes() == ["RECEIPT"]


def test_what_was_acknowledged_since_is_proven_after_the_alarm_too(stage: Stage) -> None:
    a, _b, room = settled(stage)
    put_off(a)
    a.say(room, "first")
    stage.wait(50_000)
    a.say(room, "second")
    stage.wait(10_000)
    assert a.codes() == ["RECEIPT"]
    a.toward, asked = None, asked_for(a)
    stage.wait(10_000)
    assert [proof.index for proof in asked] == [a.rooms_content(room)[-1].index]
    assert a.codes() == ["RECEIPT"]


def evidence(client: Client) -> list[bytes]:
    found = cbor.decode(client.store.alarms[-1].evidence, max_bytes=1 << 20)
    assert isinstance(found, list)
    return [part for part in found if isinstance(part, bytes)]


def lie_in_receipts(client: Client, leaf: bytes) -> None:
    """Receipts that promise another leaf than is logged."""

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        if not isinstance(frame, frames.Stored):
            return [frame]
        true = verify_receipt(frame.receipt, RELAY_KEY.public).value
        false = replace(true, leaves=(*true.leaves[:-1], LeafHash(leaf)))
        return [frames.Stored(receipt=sign_receipt(false, RELAY_KEY), accepted=frame.accepted)]

    client.toward = toward


def test_another_leaf_where_the_receipt_promises_ours_is_evidence_by_itself(stage: Stage) -> None:
    a, _b, room = settled(stage)
    lie_in_receipts(a, bytes(32))
    a.say(room, "is it there")
    stage.wait(30_000)
    # Already the delivery shows another entry than was promised; the log proves it to everybody.
    assert a.codes() == ["RECEIPT", "RECEIPT"]
    (conflict,), judged = kept(a)
    assert judged.verdict is Verdict.OTHER_LEAF
    assert (conflict.first.way, conflict.second.way) == (Way.RECEIPT, Way.SHOWN)
    assert isinstance(conflict.proof, OtherLeaf)
    assert not a.disconnects[-1].again


def test_a_path_that_leads_nowhere_is_an_alarm_and_no_proof(stage: Stage) -> None:
    a, _b, room = settled(stage)
    a.say(room, "is it there")
    a.toward = lambda frame: (
        [frames.Path(request=frame.request, leaf=frame.leaf, hashes=())]
        if isinstance(frame, frames.Path) and frame.leaf is not None
        else [frame]
    )
    stage.wait(30_000)
    assert a.codes() == ["RECEIPT"]
    assert a.store.conflicts == {}
    assert ctx_of(a).rooms[room].pledge is None


def test_an_acknowledged_entry_that_is_not_delivered_is_an_alarm(stage: Stage) -> None:
    a, _b, room = settled(stage)
    a.toward = keep([], frames.Delivery, frames.Head)
    a.say(room, "is it there")
    stage.wait(65_000)
    assert [alarm.detail for alarm in a.store.alarms if alarm.code == "RECEIPT"] == [
        f"entry {a.row(room).head_seq + 1} was acknowledged and is not delivered"
    ]
    assert evidence_of(a, "RECEIPT")


def evidence_of(client: Client, code: str) -> bytes:
    return next(alarm.evidence for alarm in client.store.alarms if alarm.code == code)


def test_the_root_of_a_receipt_is_held_against_the_log(stage: Stage) -> None:
    a, _b, room = settled(stage)

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        if not isinstance(frame, frames.Stored):
            return [frame]
        true = verify_receipt(frame.receipt, RELAY_KEY.public).value
        return [frames.Stored(receipt=sign_receipt(other_root(true), RELAY_KEY), accepted=frame.accepted)]

    a.toward = toward
    a.say(room, "which log is it in")
    stage.wait(30_000)
    assert a.codes() == ["FORK"]
    (conflict,), judged = kept(a)
    assert conflict.second.way is Way.RECEIPT
    assert judged.second.root == bytes(32)


def other_root(receipt: Receipt) -> Receipt:
    return replace(receipt, root=bytes(32))


def test_a_refusal_of_what_is_settled_changes_nothing(stage: Stage) -> None:
    a, _b, room = settled(stage)
    ctx = ctx_of(a)
    assert ctx.log is not None
    waiting = Pledge(leaf=LeafHash(bytes(32)), index=1, receipt=b"", again_at_ms=0)
    purpose = Pledged(room=room, pledge=waiting, size=ctx.log.size, root=ctx.log.root, note=b"")
    pledge.refused(ctx, purpose)
    assert ctx.rooms[room].pledge is None


@pytest.mark.parametrize("state", [RoomStatus.HALTED, RoomStatus.REMOVED])
def test_a_room_that_rests_is_not_waited_for(stage: Stage, state: RoomStatus) -> None:
    a, _b, room = settled(stage)
    a.toward = keep([], frames.Delivery, frames.Head)
    a.say(room, "is it there")
    held = ctx_of(a).rooms[room]
    assert held.promised
    held.change(status=state)
    stage.wait(65_000)
    assert "RECEIPT" not in a.codes()
