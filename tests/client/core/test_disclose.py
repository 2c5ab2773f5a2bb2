"""Disclosure: egress first, then one proof that anybody can check, and no other message with it."""

from __future__ import annotations

import pytest

from amanah_client import actions, inputs, model
from amanah_client import effects as e
from amanah_client.core import matter
from amanah_client.core.context import Place
from amanah_protocol import frames
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.kinds import Egress, Kind
from amanah_protocol.labels import Label
from amanah_protocol.log.disclosure import decode_disclosure, verify_disclosure
from amanah_protocol.roster import decode_roster, verify_roster
from amanah_protocol.types import EnvelopeId
from tests.client.core.rooms import two
from tests.client.core.world import Client, Stage, keep

DONE, QUEUED, FAILED, SENT = (
    model.IntentState.DONE,
    model.IntentState.QUEUED,
    model.IntentState.FAILED,
    model.IntentState.SENT,
)


def told(stage: Stage) -> tuple[Client, Client, actions.Disclose]:
    """Two members, and what one of them discloses of the other."""
    a, b, room = two(stage)
    for text in ("one", "two", "three"):
        a.say(room, text)
    envelope = b.rooms_content(room)[-2].envelope
    return a, b, actions.Disclose(room=room, envelope=envelope, recipient="court of example")


def test_a_disclosure_is_verified_by_the_roster_alone(stage: Stage) -> None:
    a, b, action = told(stage)
    stage.wait(1_000)
    intent = b.do(action)
    assert intent.state is DONE
    roster = decode_roster(b.store.base.roster)
    verified = verify_disclosure(
        decode_disclosure(intent.result), roster=verify_roster(roster, None, now_ms=stage.relay.now_ms)
    ).value
    assert verified.content.body == Text(text="two")
    assert verified.certificate.device_id == a.device.id
    assert a.store.alarms == b.store.alarms == []


def test_the_egress_is_in_the_log_before_the_proof_and_all_members_see_it(stage: Stage) -> None:
    a, b, action = told(stage)
    stage.wait(1_000)
    intent = b.do(action)
    row = a.rows(action.room, Kind.EGRESS)[0]
    assert decode_envelope(row.encoded).header.specific == Egress(
        envelope=action.envelope, form="disclosure", recipient="court of example"
    )
    assert (intent.envelope, intent.index) == (row.envelope, row.index)
    assert decode_disclosure(intent.result).size > (row.index or 0)


@pytest.mark.parametrize("which", ["unknown", "without content", "erased"])
def test_what_cannot_be_read_cannot_be_disclosed(stage: Stage, which: str) -> None:
    a, b, action = told(stage)
    envelope = action.envelope
    if which == "unknown":
        envelope = EnvelopeId(bytes(32))
    elif which == "without content":
        envelope = b.rows(action.room, Kind.CREATE)[0].envelope
    else:
        a.do(actions.EraseMessages(room=action.room, envelopes=(envelope,)))
    intent = b.do(actions.Disclose(room=action.room, envelope=envelope, recipient="x"))
    assert (intent.state, intent.code) == (FAILED, "NOT_FOUND")
    assert b.rows(action.room, Kind.EGRESS) == []


def test_a_disclosure_goes_on_after_a_restart(stage: Stage) -> None:
    _a, b, action = told(stage)
    b.outward = lambda frame: [] if isinstance(frame, frames.GetInclusion | frames.GetCheckpoint) else [frame]
    intent = b.ask(action)
    stage.run()
    assert b.intent(intent).state is SENT
    b.outward = None
    b.restart()
    b.connect()
    stage.wait(3_000)
    assert b.intent(intent).state is DONE
    assert len(b.rows(action.room, Kind.EGRESS)) == 1


@pytest.mark.parametrize("restarted", [False, True])
def test_what_was_raised_after_its_egress_is_not_proven(stage: Stage, *, restarted: bool) -> None:
    a, b, action = told(stage)
    b.outward = lambda frame: [] if isinstance(frame, frames.GetInclusion | frames.GetCheckpoint) else [frame]
    intent = b.ask(action)
    stage.run()
    assert b.intent(intent).state is SENT
    label = b.store.messages[action.room, action.envelope].label
    a.do(actions.Relabel(room=action.room, envelope=action.envelope, old=label, new=Label.AMBER_STRICT))
    b.outward = None
    if restarted:
        b.restart()
    b.connect()
    stage.wait(5_000)
    assert (b.intent(intent).state, b.intent(intent).code, b.intent(intent).result) == (FAILED, "LABEL", b"")


@pytest.mark.parametrize("checked", [True, False])
def test_what_was_erased_after_its_egress_is_not_proven(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    checked: bool,  # noqa: FBT001 - with the check, and the control without
) -> None:
    a, b, action = told(stage)
    held: list[frames.Frame] = []
    b.outward = keep(held, frames.GetInclusion, frames.GetCheckpoint)
    intent = b.ask(action)
    stage.run()
    assert b.intent(intent).state is SENT
    if not checked:
        monkeypatch.setattr(matter, "forget", lambda *_: None)
    assert a.do(actions.EraseMessages(room=action.room, envelopes=(action.envelope,))).state is DONE
    b.outward = None
    for frame in held:
        b._give_relay(frames.encode_frame(frame))  # noqa: SLF001 - it was late
    stage.wait(5_000)
    found = b.intent(intent)
    assert (found.state, found.code, bool(found.result)) == (
        (FAILED, "NOT_FOUND", False) if checked else (DONE, "", True)
    )


def test_what_is_raised_is_not_disclosed_in_the_same_breath(stage: Stage) -> None:
    _a, b, action = told(stage)
    label = b.store.messages[action.room, action.envelope].label
    b.disconnect()
    b.ask(actions.Relabel(room=action.room, envelope=action.envelope, old=label, new=Label.AMBER_STRICT))
    intent = b.ask(action)
    b.connect()
    stage.wait(5_000)
    assert (b.intent(intent).state, b.intent(intent).code) == (FAILED, "LABEL")
    assert b.rows(action.room, Kind.EGRESS) == []


@pytest.mark.parametrize("hashes", [(), (bytes(32),)])
def test_a_path_that_does_not_lead_to_the_checkpoint_is_an_alarm(stage: Stage, hashes: tuple[bytes, ...]) -> None:
    _a, b, action = told(stage)
    b.toward = lambda frame: (
        [frames.Path(frame.request, frame.leaf, hashes)]
        if isinstance(frame, frames.Path) and frame.leaf is not None
        else [frame]
    )
    intent = b.ask(action)
    stage.wait(3_000)
    assert (b.intent(intent).state, b.intent(intent).code) == (FAILED, "PROOF")
    assert b.codes() == ["PROOF"]


@pytest.mark.parametrize(("code", "state"), [("STORE", DONE), ("NOT_FOUND", FAILED)])
def test_a_refused_path(stage: Stage, code: str, state: model.IntentState) -> None:
    _a, b, action = told(stage)
    refused: list[frames.Frame] = []

    def refuse(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Path) and frame.leaf is not None and not refused:
            refused.append(frame)
            return [frames.Refused(frame.request, code, "no")]
        return [frame]

    b.toward = refuse
    intent = b.ask(action)
    stage.wait(5_000)
    assert b.intent(intent).state is state


def test_two_disclosures_of_one_message(stage: Stage) -> None:
    _a, b, action = told(stage)
    first, second = b.ask(action), b.ask(action)
    stage.wait(3_000)
    assert b.intent(first).state is b.intent(second).state is DONE
    assert len(b.rows(action.room, Kind.EGRESS)) == 2


def test_messages_behind_a_disclosure_do_not_wait_for_it(stage: Stage) -> None:
    _a, b, action = told(stage)
    step = b.core.handle(
        inputs.Asked(intent=model.Intent(id="0" * 32, action=action, created_at_ms=0)), stage.relay.now_ms
    )
    assert [effect for effect in step.effects if isinstance(effect, e.ReadMessage)]
    assert b.say(action.room, "meanwhile").state is DONE


def test_an_answer_of_the_store_to_nothing_is_passed_over(stage: Stage) -> None:
    _a, b, action = told(stage)
    b.give(inputs.MessageRead(room=action.room, envelope=action.envelope, row=None))
    ctx = b.core._ctx  # noqa: SLF001 - a disclosure that was withdrawn meanwhile
    ctx.reading["withdrawn", Place(action.room, action.envelope)] = None
    b.give(inputs.MessageRead(room=action.room, envelope=action.envelope, row=None))
    assert ctx.reading == {}


def test_a_path_for_a_disclosure_that_is_gone_is_passed_over(stage: Stage) -> None:
    _a, b, action = told(stage)
    held: list[frames.Frame] = []

    def keep_proof(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Path) and frame.leaf is not None:
            held.append(frame)
            return []
        return [frame]

    b.toward = keep_proof
    intent = b.ask(action)
    stage.wait(3_000)
    assert held
    b.core._ctx.spoken.clear()  # noqa: SLF001 - as if it were gone
    from tests.client.core.forge import push  # noqa: PLC0415 - one use

    b.toward = None
    push(b, held[0])
    stage.wait(3_000)
    assert b.intent(intent).state is DONE
    assert b.store.alarms == []
