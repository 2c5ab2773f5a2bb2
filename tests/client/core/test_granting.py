"""History for who came later: what is given, what proves it, and what a granter cannot make up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from amanah_client import actions, model
from amanah_client import effects as e
from amanah_client.core import granting, ways
from amanah_protocol import frames, kinds
from amanah_protocol.content.history import Grant, Granted
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId, RoomId
from tests.client.core.forge import delivery, message, push
from tests.client.core.granting import do, grant, late
from tests.client.core.rooms import create, invite
from tests.client.core.world import MA, SN, TN, Client, Stage, keep

DONE, FAILED, QUEUED = model.IntentState.DONE, model.IntentState.FAILED, model.IntentState.QUEUED
STORED, UNREADABLE, ERASED = model.MessageState.STORED, model.MessageState.UNREADABLE, model.MessageState.ERASED


def test_a_newcomer_reads_what_a_member_grants_and_sees_who_did(stage: Stage) -> None:
    a, b, c, room, said = late(stage, Label.AMBER, Label.GREEN, Label.AMBER)
    intent = do(stage, b, grant(b, room, said[:2], c))
    assert intent.state is DONE, intent
    assert c.texts(room) == ["message 0", "message 1"]
    # Whether it became that is the store's to say, and who commits tells it.
    assert not [one for one in c.effects if isinstance(one, e.MessageChanged) and one.row.envelope in said]
    for envelope in said[:2]:
        theirs, ours = c.store.messages[room, envelope], a.store.messages[room, envelope]
        assert theirs.granted_by == b.device.id
        # What is granted together goes under the strictest label of it; `Room.granting` gives each label its own grant.
        assert theirs.label is Label.AMBER
        assert replace(theirs, granted_by=None, label=ours.label) == ours
    row = a.rows(room, Kind.GRANT)[0]
    header = decode_envelope(row.encoded).header
    assert header.specific == kinds.Grant(
        from_seq=a.store.messages[room, said[0]].room_seq or 0,
        to_seq=a.store.messages[room, said[1]].room_seq or 0,
        addressees=(c.device.id,),
    )
    assert header.label is Label.AMBER
    # Others' words stand in their own rows alone: kept with the grant, they would outlive an erasure.
    assert [client.rows(room, Kind.GRANT)[0].content for client in (a, b, c)] == [b"", b"", b""]
    assert a.store.alarms == b.store.alarms == c.store.alarms == []


@pytest.mark.parametrize(("sent", "changed"), [(Label.GREEN, Label.AMBER), (Label.AMBER, Label.GREEN)])
def test_a_label_that_was_changed_before_somebody_came_is_never_a_laxer_one_for_them(
    stage: Stage, sent: Label, changed: Label
) -> None:
    a, b = stage.online("A", of=TN), stage.online("B", of=MA)
    room = create(a, Label.RED)
    invite(a, room, b)
    envelope = a.say(room, "message 0", sent).envelope
    assert envelope is not None
    assert do(stage, a, actions.Relabel(room=room, envelope=envelope, old=sent, new=changed)).state is DONE
    c = stage.online("C", of=SN)
    invite(a, room, c)
    stage.wait(1_000)
    assert do(stage, b, grant(b, room, [envelope], c)).state is DONE
    assert c.texts(room) == ["message 0"]
    assert c.store.messages[room, envelope].label is Label.AMBER
    assert c.store.alarms == []


def test_what_was_granted_can_be_disclosed_and_granted_on(stage: Stage) -> None:
    a, b, c, room, said = late(stage, Label.AMBER)
    assert do(stage, b, grant(b, room, said, c)).state is DONE
    d = stage.online("D", of=SN)
    invite(a, room, d)
    stage.wait(1_000)
    assert do(stage, c, grant(c, room, said, d)).state is DONE
    assert d.texts(room) == ["message 0"]
    intent = d.ask(actions.Disclose(room=room, envelope=said[0], recipient="a court"))
    stage.wait(3_000)
    assert d.intent(intent).state is DONE


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize(
    ("label", "by", "allowed"),
    [
        (Label.AMBER, "b", True),
        (Label.AMBER_STRICT, "a", False),  # to another organisation
        (Label.AMBER_STRICT, "b", False),
        (Label.RED, "a", True),
        (Label.RED, "b", False),  # by another than its author
    ],
)
def test_a_grant_goes_by_labels(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    label: Label,
    by: str,
    allowed: bool,  # noqa: FBT001 - what is expected
    checked: bool,  # noqa: FBT001 - with the check, and the control without
) -> None:
    a, b, c, room, said = late(stage, label)
    client = a if by == "a" else b
    if not checked:
        monkeypatch.setattr(ways, "check_way", lambda *_, **__: None)
    intent = do(stage, client, grant(client, room, said, c))
    assert intent.state is (DONE if allowed or not checked else FAILED)
    assert intent.code == ("" if allowed or not checked else "LABEL")
    assert c.texts(room) == (["message 0"] if allowed or not checked else [])


def test_a_newcomer_refuses_what_another_client_grants_against_its_label(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _a, b, c, room, said = late(stage, Label.AMBER_STRICT, Label.AMBER)
    monkeypatch.setattr(ways, "_check_grant", lambda *_: None)
    assert do(stage, b, grant(b, room, said, c)).state is DONE
    assert c.texts(room) == ["message 1"]
    assert c.codes() == ["LABEL"]
    monkeypatch.setattr(ways, "check_granted", lambda *_, **__: None)  # control
    assert do(stage, b, grant(b, room, said, c)).state is DONE
    assert c.texts(room) == ["message 0", "message 1"]


def test_the_label_that_counts_now_counts(stage: Stage) -> None:
    a, b, c, room, said = late(stage, Label.AMBER)
    raised = a.do(actions.Relabel(room=room, envelope=said[0], old=Label.AMBER, new=Label.RED))
    assert raised.state is DONE
    intent = do(stage, b, grant(b, room, said, c))
    assert (intent.state, intent.code) == (FAILED, "LABEL")


def test_what_was_erased_does_not_come_back_by_a_grant(stage: Stage) -> None:
    a, b, c, room, said = late(stage, Label.AMBER)
    assert do(stage, b, grant(b, room, said, c)).state is DONE
    held: list[frames.Frame] = []
    b.toward = keep(held, frames.Delivery)
    intent = b.ask(grant(b, room, said, c))
    assert a.do(actions.EraseMessages(room=room, envelopes=(said[0],))).state is DONE
    stage.wait(4_000)
    b.toward = None
    push(b, *held)
    stage.wait(4_000)
    assert b.intent(intent).state is DONE
    assert c.store.messages[room, said[0]].state is ERASED
    assert c.texts(room) == []


@pytest.mark.parametrize("by", ["author", "owner", "another"])
def test_what_was_erased_before_it_was_granted_comes_as_a_tombstone(stage: Stage, by: str) -> None:
    """The control is who may not erase it: then it comes."""
    a, b = stage.online("A", of=TN), stage.online("B", of=MA)
    room = create(a, Label.RED)
    invite(a, room, b)
    envelope = (a if by == "another" else b).say(room, "message 0", Label.AMBER).envelope
    c, d = stage.online("C", of=SN), stage.online("D", of=MA)
    invite(a, room, c, d)
    stage.wait(1_000)
    assert envelope is not None
    erase = actions.EraseMessages(room=room, envelopes=(envelope,))
    held: list[frames.Frame] = []
    asked: list[frames.Frame] = []
    # Its granter does not know yet that it is erased.
    granter = a if by == "author" else b
    granter.toward, granter.outward = keep(held, frames.Delivery), keep(asked, frames.GetInclusion)
    intent = granter.ask(grant(granter, room, [envelope], c))
    assert {"author": b, "owner": a, "another": d}[by].do(erase).state is DONE
    stage.wait(1_000)
    assert (room, envelope) not in c.store.messages
    granter.outward = None
    for frame in asked:
        granter._give_relay(frames.encode_frame(frame))  # noqa: SLF001 - it was late
    stage.wait(4_000)
    granter.toward = None
    push(granter, *held)
    stage.run()
    assert granter.intent(intent).state is DONE
    row = c.store.messages[room, envelope]
    if by == "another":
        assert (row.state, c.texts(room)) == (STORED, ["message 0"])
    else:
        assert (row.state, row.content, row.key) == (ERASED, b"", b"")


@pytest.mark.parametrize("which", ["nobody", "a stranger", "unknown", "unreadable"])
def test_what_cannot_be_granted_is_refused(stage: Stage, which: str) -> None:
    a, b, c, room, said = late(stage, Label.AMBER)
    to = [c]
    if which == "nobody":
        to = []
    elif which == "a stranger":
        to = [stage.online("D", of=SN)]
    elif which == "unknown":
        intent = do(stage, b, replace(grant(b, room, said, c), envelopes=(EnvelopeId(bytes(32)),)))
        assert (intent.state, intent.code) == (FAILED, "NOT_FOUND")
        return
    else:
        assert a.do(actions.EraseMessages(room=room, envelopes=(said[0],))).state is DONE
    intent = do(stage, b, grant(b, room, said, *to))
    assert intent.state is FAILED
    assert intent.code in ("NOT_MEMBER", "NOT_FOUND")
    assert b.rows(room, Kind.GRANT) == []


def test_a_grant_goes_on_after_a_restart(stage: Stage) -> None:
    _a, b, c, room, said = late(stage, Label.AMBER, Label.AMBER)
    b.outward = lambda frame: [] if isinstance(frame, frames.GetInclusion | frames.GetCheckpoint) else [frame]
    intent = b.ask(grant(b, room, said, c))
    stage.wait(2_000)
    assert b.intent(intent).state is QUEUED
    b.outward = None
    b.restart()
    b.connect()
    stage.wait(4_000)
    assert b.intent(intent).state is DONE
    assert c.texts(room) == ["message 0", "message 1"]


def test_a_path_that_is_refused_is_asked_for_again_and_one_that_does_not_hold_is_an_alarm(stage: Stage) -> None:
    _a, b, c, room, said = late(stage, Label.AMBER)
    once: list[frames.Frame] = []

    def refuse(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Path) and frame.leaf is not None and not once:
            once.append(frame)
            return [frames.Refused(frame.request, "STORE", "later")]
        return [frame]

    b.toward = refuse
    assert do(stage, b, grant(b, room, said, c)).state is DONE
    b.toward = lambda frame: (
        [frames.Path(frame.request, frame.leaf, ())]
        if isinstance(frame, frames.Path) and frame.leaf is not None
        else [frame]
    )
    intent = do(stage, b, grant(b, room, said, c))
    assert (intent.state, intent.code) == (FAILED, "PROOF")
    assert b.codes() == ["PROOF"]


def test_messages_behind_a_grant_do_not_wait_for_its_proofs(stage: Stage) -> None:
    _a, b, c, room, said = late(stage, Label.AMBER)
    b.outward = lambda frame: [] if isinstance(frame, frames.GetInclusion) else [frame]
    b.ask(grant(b, room, said, c))
    assert b.say(room, "meanwhile").state is DONE


# ---- what a granter makes up


def made(stage: Stage, holder: Client, room: RoomId, said: list[EnvelopeId]) -> Grant:
    """What an honest client would send."""
    intent_id = holder.ask(grant(holder, room, said, stage.clients[-1]))
    ctx = holder.core._ctx  # noqa: SLF001 - as it makes it
    holder.outward = lambda frame: [] if isinstance(frame, frames.Publish) else [frame]
    for _ in range(8):
        if intent_id in ctx.granting and granting.is_proven(ctx, ctx.outbox[intent_id]):
            break
        stage.tick()
    holder.outward = None
    return granting.make(ctx, ctx.outbox[intent_id])[0]


def changed(item: Granted, **fields: Any) -> Granted:  # noqa: ANN401 - fields of an item
    return replace(item, **fields)


LIES: list[tuple[Callable[[Granted], Granted], str]] = [
    (lambda item: changed(item, content=item.content.replace(b"message 0", b"message 9")), "COMMITMENT"),
    (lambda item: changed(item, k=bytes(32)), "COMMITMENT"),
    (lambda item: changed(item, path=item.path[:-1]), "PROOF"),
    (lambda item: changed(item, index=item.index + 1), "PROOF"),
    (lambda item: changed(item, entry=item.entry[:-1] + b"x"), "PROOF"),
    (lambda item: changed(item, entry=b"x"), "MALFORMED"),
]


@pytest.mark.parametrize(("lie", "code"), LIES)
def test_what_was_not_logged_so_is_not_shown(stage: Stage, lie: Callable[[Granted], Granted], code: str) -> None:
    _a, b, c, room, said = late(stage, Label.AMBER)
    honest = made(stage, b, room, said)
    places = {"from_seq": 1, "to_seq": b.row(room).head_seq}
    specific = kinds.Grant(**places, addressees=(c.device.id,))
    lying = replace(honest, items=tuple(map(lie, honest.items)))
    push(c, delivery(c, *message(b, room, lying, specific=specific, counter=b.row(room).counter + 1)))
    assert c.texts(room) == []
    assert c.codes() == [code]


@pytest.mark.parametrize("which", ["honest", "elsewhere", "another signature"])
def test_a_grant_made_by_hand(stage: Stage, which: str) -> None:
    _a, b, c, room, said = late(stage, Label.AMBER)
    body = made(stage, b, room, said)
    places = {"from_seq": 1, "to_seq": 1} if which == "elsewhere" else {"from_seq": 1, "to_seq": b.row(room).head_seq}
    if which == "another signature":
        body = replace(body, log_signature=bytes(64))
    specific = kinds.Grant(**places, addressees=(c.device.id,))
    push(c, delivery(c, *message(b, room, body, specific=specific, counter=b.row(room).counter + 1)))
    assert c.texts(room) == (["message 0"] if which == "honest" else [])
    assert c.codes() == {"honest": [], "elsewhere": ["BINDING"], "another signature": ["SIGNATURE"]}[which]


def test_an_author_whose_certificate_is_not_in_the_log_before_it_wrote_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _a, b, c, room, said = late(stage, Label.AMBER)
    directory = c.core._ctx.directory  # noqa: SLF001 - what it knows
    real = directory.standing
    for nobody, code in ((True, "CERTIFICATE"), (False, "EXPIRED")):

        def unknown(device: Any, before: int | None = None, *, nobody: bool = nobody) -> Any:  # noqa: ANN401 - as the real one
            found = real(device, before)
            if before is None or found is None or device == b.device.id:
                return found
            return None if nobody else replace(found, revoked=True)

        monkeypatch.setattr(type(directory), "standing", lambda _, device, before=None: unknown(device, before))
        assert do(stage, b, grant(b, room, said, c)).state is DONE
        assert c.texts(room) == []
        assert c.codes()[-1] == code
