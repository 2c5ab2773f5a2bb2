"""Labels bind in the core: what may not go there is refused when it is sealed, and when it is opened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from amanah_client import actions, inputs, model
from amanah_client.core import ways
from amanah_client.incident.labelled import matter_of
from amanah_client.labels import NOBODY, somebody
from amanah_client.log_rows import Nations
from amanah_client.saying import saying
from amanah_protocol import frames, kinds
from amanah_protocol.content.forwarded import Forwarded, Origin
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.kinds import Egress, Kind
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import EnvelopeId, OrgName, RoomId
from tests.client.core.forge import delivery, message, push
from tests.client.core.granting import do, grant
from tests.client.core.rooms import create, invite, two
from tests.client.core.test_machine import alert
from tests.client.core.world import MA, SN, TN, Client, Stage, certify, keep

DONE, FAILED, QUEUED = model.IntentState.DONE, model.IntentState.FAILED, model.IntentState.QUEUED
STORED, UNREADABLE = model.MessageState.STORED, model.MessageState.UNREADABLE


def red_room(stage: Stage, ceiling: Label = Label.RED) -> tuple[Client, Client, RoomId]:
    """Officers of two nations in a room that takes everything."""
    a, b = stage.online("A", of=TN), stage.online("B", of=MA)
    room = create(a, ceiling)
    invite(a, room, b)
    return a, b, room


def said(client: Client, room: RoomId, text: str, label: Label) -> EnvelopeId:
    intent = client.say(room, text, label)
    assert intent.state is DONE, intent
    assert intent.envelope is not None
    return intent.envelope


def relabel(client: Client, room: RoomId, envelope: EnvelopeId, old: Label, new: Label) -> model.Intent:
    return client.do(actions.Relabel(room=room, envelope=envelope, old=old, new=new))


def label_now(client: Client, room: RoomId, envelope: EnvelopeId) -> Label:
    """The label that counts, as a client has it stored."""
    directory = client.core._ctx.directory  # noqa: SLF001 - who they are
    found = matter_of(
        client.store.messages[room, envelope],
        client.labelling(room, envelope),
        None,
        lambda device: somebody(known.certificate) if (known := directory.standing(device)) else NOBODY,
    )
    return found.label


def specific_of(row: model.MessageRow) -> Any:  # noqa: ANN401 - of the kind that a test looks at
    return decode_envelope(row.encoded).header.specific


def cleared(stage: Stage, client: Client, ceiling: Label) -> None:
    """Its certificate is renewed, with another ceiling."""
    stage.wait(2_000)
    nation = stage.relay.nations[client.device.certificate.organisation]
    device, _ = certify(nation, client.name, client.device.certificate.role, now_ms=stage.relay.now_ms, ceiling=ceiling)
    client.disconnect()
    client.device = device
    client.store.base = replace(client.store.base, certificate=device.certificate.encoded)
    client.restart()
    client.connect()
    stage.run()


# ---- ceilings


def test_nothing_is_sent_above_what_a_member_is_cleared_for_since_its_certificate_was_renewed(stage: Stage) -> None:
    a, b, room = red_room(stage)
    assert a.say(room, "for both", Label.RED).state is DONE
    cleared(stage, b, Label.GREEN)
    intent = a.say(room, "not for B", Label.AMBER)
    assert (intent.state, intent.code) == (FAILED, "LABEL")
    assert "TLP:AMBER is above a device's ceiling TLP:GREEN" in intent.detail
    assert a.say(room, "for both", Label.GREEN).state is DONE
    assert b.texts(room) == ["for both", "for both"]


@pytest.mark.parametrize("checked", [True, False])
def test_what_is_above_the_own_clearance_is_not_shown_whoever_sent_it(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    checked: bool,  # noqa: FBT001 - with the check, and the control without
) -> None:
    a, b, room = red_room(stage)
    cleared(stage, b, Label.GREEN)
    if not checked:
        monkeypatch.setattr(ways, "check_ceiling", lambda *_: None)
    push(b, delivery(b, *message(a, room, label=Label.AMBER)))
    row = b.rows(room)[-1]
    if checked:
        assert (row.state, row.cause, row.code, row.content) == (UNREADABLE, model.Cause.LABEL_BROKEN, "LABEL", b"")
        assert b.codes() == ["LABEL"]
    else:
        assert (row.state, b.codes()) == (STORED, [])


def test_alerts_are_held_against_the_same_ceilings(stage: Stage) -> None:
    a, b, room = red_room(stage)
    cleared(stage, b, Label.GREEN)
    action = actions.PostAlerts(room=room, source_name="eve", alerts=(alert(),), label=Label.AMBER)
    intent = a.do(action)
    assert (intent.state, intent.code) == (FAILED, "LABEL")
    assert a.do(replace(action, label=Label.GREEN)).state is DONE


# ---- answers


@pytest.mark.parametrize("make", [lambda e: Text(text="re", reply_to=e), lambda e: Correction(message=e, text="re")])
def test_an_answer_is_not_sent_under_a_lower_label_than_what_it_answers(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    make: Any,  # noqa: ANN401 - a parameter of the test
) -> None:
    a, _b, room = red_room(stage)
    first = said(a, room, "for your eyes", Label.RED)
    intent = a.do(saying(room, make(first), label=Label.AMBER))
    assert (intent.state, intent.code) == (FAILED, "LABEL")
    assert a.do(saying(room, make(first), label=Label.RED)).state is DONE
    monkeypatch.setattr(ways, "check_way", lambda *_, **__: None)
    assert a.do(saying(room, make(first), label=Label.AMBER)).state is DONE  # control


def test_an_answer_keeps_its_place_among_what_is_said(stage: Stage) -> None:
    a, b, room = red_room(stage)
    first = said(a, room, "0", Label.AMBER)
    a.disconnect()
    a.ask(saying(room, Text(text="1"), label=Label.AMBER))
    a.ask(saying(room, Text(text="2", reply_to=first), label=Label.AMBER))
    a.ask(saying(room, Text(text="3"), label=Label.AMBER))
    a.connect()
    stage.wait(3_000)
    assert b.texts(room) == ["0", "1", "2", "3"]


def test_an_answer_to_what_is_not_here_is_sent(stage: Stage) -> None:
    a, _b, room = red_room(stage)
    assert a.do(saying(room, Text(text="re", reply_to=EnvelopeId(bytes(32))), label=Label.CLEAR)).state is DONE


# ---- changes of a label


def test_a_label_is_raised_by_any_officer_and_lowered_by_its_authors_side(stage: Stage) -> None:
    a, b, room = red_room(stage)
    a2 = stage.online("A2", of=TN)
    invite(a, room, a2)
    first = said(a, room, "one", Label.AMBER)
    assert relabel(b, room, first, Label.AMBER, Label.RED).state is DONE
    assert {label_now(client, room, first) for client in (a, a2, b)} == {Label.RED}
    refused = relabel(b, room, first, Label.RED, Label.AMBER)
    assert (refused.state, refused.code) == (FAILED, "ROLE")
    assert relabel(a2, room, first, Label.RED, Label.GREEN).state is DONE
    assert {label_now(client, room, first) for client in (a, a2, b)} == {Label.GREEN}
    assert a.store.alarms == b.store.alarms == []


def test_a_change_of_a_label_says_from_what_it_is_and_a_lowering_of_what_was_not_seen_fails(stage: Stage) -> None:
    a, b, room = red_room(stage)
    first = said(a, room, "one", Label.GREEN)
    assert relabel(b, room, first, Label.GREEN, Label.AMBER).state is DONE
    # He saw GREEN and raises it further: from AMBER, which it is meanwhile.
    assert relabel(a, room, first, Label.GREEN, Label.RED).state is DONE
    assert specific_of(a.rows(room, Kind.RELABEL)[-1]) == kinds.Relabel(envelope=first, old=Label.AMBER, new=Label.RED)
    unseen = relabel(a, room, first, Label.AMBER, Label.GREEN)
    assert (unseen.state, unseen.code) == (FAILED, "LABEL")
    same = relabel(a, room, first, Label.RED, Label.RED)
    assert (same.state, same.code) == (FAILED, "USAGE")
    nowhere = relabel(a, room, EnvelopeId(bytes(32)), Label.RED, Label.GREEN)
    assert (nowhere.state, nowhere.code) == (FAILED, "NOT_FOUND")


def test_a_lowering_by_who_may_not_is_without_effect_for_those_who_receive_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, room = red_room(stage)
    first = said(a, room, "one", Label.AMBER_STRICT)
    monkeypatch.setattr(ways, "check_relabel", lambda **_: None)  # B's client is another
    assert relabel(b, room, first, Label.AMBER_STRICT, Label.CLEAR).state is DONE
    monkeypatch.undo()
    for client in (a, b):
        assert label_now(client, room, first) is Label.AMBER_STRICT
        intent = client.do(actions.Disclose(room=room, envelope=first, recipient="a court"))
        assert (intent.state, intent.code) == (FAILED, "LABEL")


def test_what_is_asked_behind_an_own_change_of_a_label_waits_for_its_place(stage: Stage) -> None:
    a, _b, room = red_room(stage)
    first = said(a, room, "one", Label.RED)
    stage.wait(1_000)
    held: list[frames.Frame] = []
    a.toward = keep(held, frames.Delivery)
    assert relabel(a, room, first, Label.RED, Label.AMBER).state is DONE
    intent = a.ask(actions.Disclose(room=room, envelope=first, recipient="a court"))
    stage.run()
    assert a.intent(intent).state is QUEUED
    assert a.say(room, "others go on", Label.AMBER).state is DONE
    a.toward = None
    push(a, *held)
    stage.wait(3_000)
    assert a.intent(intent).state is DONE


def test_a_change_of_a_label_that_was_refused_is_not_waited_for(stage: Stage) -> None:
    a, _b, room = red_room(stage)
    first = said(a, room, "one", Label.AMBER)
    stage.wait(1_000)
    a.outward = lambda frame: [] if isinstance(frame, frames.Publish) else [frame]
    raised = a.ask(actions.Relabel(room=room, envelope=first, old=Label.AMBER, new=Label.RED))
    intent = a.ask(actions.Disclose(room=room, envelope=first, recipient="a court"))
    a.give(inputs.MessageRead(
        room=room, envelope=first, row=a.store.messages[room, first], labelling=a.labelling(room, first)
    ))  # fmt: skip
    assert a.row(room).in_flight is not None
    number = a.core._ctx.session.last_request  # noqa: SLF001 - that of the publish
    a.outward = None
    push(a, frames.Refused(request=number, code="LABEL", detail="no"))
    stage.wait(4_000)
    assert a.intent(raised).state is FAILED
    assert a.intent(intent).state is DONE


# ---- disclosures


@pytest.mark.parametrize("label", [Label.AMBER_STRICT, Label.RED])
def test_what_is_strict_is_not_disclosed_until_its_author_lowers_it(
    stage: Stage, label: Label, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, room = red_room(stage)
    first = said(a, room, "one", label)
    stage.wait(1_000)
    action = actions.Disclose(room=room, envelope=first, recipient="a court")
    for client in (a, b):
        intent = client.do(action)
        assert (intent.state, intent.code) == (FAILED, "LABEL")
        assert client.rows(room, Kind.EGRESS) == []
    assert relabel(a, room, first, label, Label.AMBER).state is DONE
    stage.wait(1_000)
    assert b.do(action).state is DONE
    # Control: without the check it leaves.
    second = said(a, room, "two", label)
    stage.wait(1_000)
    monkeypatch.setattr(ways, "check_way", lambda *_, **__: None)
    assert b.do(replace(action, envelope=second)).state is DONE


def test_a_label_that_is_raised_while_a_disclosure_waits_stops_it(stage: Stage) -> None:
    a, b, room = red_room(stage)
    first = said(a, room, "one", Label.AMBER)
    stage.wait(1_000)
    b.outward = lambda frame: [] if isinstance(frame, frames.Publish) else [frame]
    b.ask(saying(room, Text(text="stands in the way"), label=Label.AMBER))
    intent = b.ask(actions.Disclose(room=room, envelope=first, recipient="a court"))
    b.give(inputs.MessageRead(room=room, envelope=first, row=b.store.messages[room, first]))
    assert relabel(a, room, first, Label.AMBER, Label.RED).state is DONE
    b.outward = None
    b.disconnect()
    b.connect()
    stage.wait(5_000)
    assert (b.intent(intent).state, b.intent(intent).code) == (FAILED, "LABEL")
    assert b.rows(room, Kind.EGRESS) == []


# ---- forwarding


def other_room(stage: Stage, a: Client, *others: Client, ceiling: Label = Label.RED) -> RoomId:
    room = create(a, ceiling)
    invite(a, room, *others)
    return room


def forward(stage: Stage, client: Client, room: RoomId, envelope: EnvelopeId, to: RoomId, label: Label) -> model.Intent:
    intent = client.ask(actions.Forward(room=room, envelope=envelope, to=to, label=label, note="seen?"))
    stage.wait(3_000)
    return client.intent(intent)


def quoted(client: Client, room: RoomId) -> list[Forwarded]:
    bodies = [decode_content(row.content).body for row in client.rooms_content(room)]
    return [body for body in bodies if isinstance(body, Forwarded)]


def test_a_message_is_forwarded_with_its_origin_and_its_room_sees_that(stage: Stage) -> None:
    a, b, room = red_room(stage)
    c = stage.online("C", of=SN)
    there = other_room(stage, a, c)
    first = said(a, room, "one", Label.AMBER)
    intent = forward(stage, a, room, first, there, Label.AMBER)
    assert intent.state is DONE, intent
    assert intent.room == there
    row = a.store.messages[room, first]
    origin = Origin(
        nation=OrgName(TN), room=room, message=first, accepted_at_ms=row.accepted_at_ms or 0, label=Label.AMBER
    )
    assert quoted(c, there) == quoted(a, there) == [Forwarded(text="one", origin=origin, note="seen?")]
    assert decode_content(c.rooms_content(there)[-1].content).pap is Pap.AMBER
    egress = b.rows(room, Kind.EGRESS)
    assert [specific_of(one) for one in egress] == [Egress(envelope=first, form="forward", recipient=there.hex())]
    assert a.store.alarms == b.store.alarms == c.store.alarms == []


def test_what_was_forwarded_goes_on_as_its_first_authors(stage: Stage) -> None:
    a, b, room = red_room(stage)
    c = stage.online("C", of=SN)
    second, third = other_room(stage, b, a), other_room(stage, b, c)
    first = said(a, room, "one", Label.AMBER)
    assert forward(stage, b, room, first, second, Label.AMBER).state is DONE
    there = b.rooms_content(second)[-1].envelope
    intent = forward(stage, b, second, there, third, Label.AMBER)
    assert (intent.state, intent.code) == (FAILED, "LABEL"), "B made it its own by forwarding it"
    # Its author's organisation may, and it says whose it is, and when it was first accepted.
    fourth = other_room(stage, a, c)
    assert forward(stage, a, second, there, fourth, Label.AMBER).state is DONE
    (found,) = quoted(c, fourth)
    assert (found.origin.nation, found.origin.room) == (OrgName(TN), second)
    assert found.origin.accepted_at_ms == a.store.messages[room, first].accepted_at_ms


REFUSED: list[tuple[str, Label, Label, Label]] = [
    ("a", Label.AMBER, Label.GREEN, Label.RED),  # under a lower label
    ("a", Label.AMBER, Label.AMBER, Label.GREEN),  # above the other room's ceiling
    ("b", Label.AMBER, Label.AMBER, Label.RED),  # to an organisation that its author's has not told
    ("a", Label.AMBER_STRICT, Label.AMBER_STRICT, Label.RED),  # out of its organisation
    ("a", Label.RED, Label.RED, Label.RED),  # to who is not in its room
    ("b", Label.RED, Label.RED, Label.RED),  # by another than its author
]


@pytest.mark.parametrize(("by", "label", "there", "ceiling"), REFUSED)
@pytest.mark.parametrize("checked", [True, False])
def test_what_may_not_reach_a_room_is_not_forwarded_there(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    by: str,
    label: Label,
    there: Label,
    ceiling: Label,
    checked: bool,  # noqa: FBT001 - with the check, and the control without
) -> None:
    a, b, room = red_room(stage)
    c = stage.online("C", of=SN)
    client = a if by == "a" else b
    to = other_room(stage, client, c, ceiling=ceiling)
    first = said(a, room, "one", label)
    if not checked:
        monkeypatch.setattr(ways, "check_way", lambda *_, **__: None)
    intent = forward(stage, client, room, first, to, there)
    shown = [body.text for body in quoted(c, to)]
    if checked:
        assert (intent.state, intent.code) == (FAILED, "LABEL")
        assert client.rows(room, Kind.EGRESS) == []
    # The ceiling of a room has a second check, which every client and the relay hold to.
    above = there > ceiling
    assert shown == ([] if checked or above else ["one"])


@pytest.mark.parametrize("checked", [True, False])
def test_what_is_red_is_quoted_into_no_other_room_for_whoever_is_in_both(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    checked: bool,  # noqa: FBT001 - with the check, and the control without
) -> None:
    a, b, room = red_room(stage)
    c = stage.online("C", of=SN)
    to = other_room(stage, a, b, c)
    first = said(a, room, "one", Label.RED)
    intent = forward(stage, a, room, first, to, Label.RED)
    assert (intent.state, intent.code) == (FAILED, "LABEL")
    if not checked:
        monkeypatch.setattr(ways, "check_way", lambda *_, **__: None)
    origin = Origin(nation=OrgName(TN), room=room, message=first, accepted_at_ms=1, label=Label.RED)
    made = message(a, to, Forwarded(text="one", origin=origin), label=Label.RED)
    for reader in (b, c):  # who is in the first room judges it as who is not
        push(reader, delivery(reader, *made))
        row = reader.rows(to)[-1]
        assert (row.cause, row.content == b"") == ((model.Cause.LABEL_BROKEN, True) if checked else (None, False))


@pytest.mark.parametrize("checked", [True, False])
def test_what_was_forwarded_is_judged_by_who_was_there_then_whoever_comes_later(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    checked: bool,  # noqa: FBT001 - by the record, and the control by who is there now
) -> None:
    a, a2 = stage.online("A", of=TN), stage.online("A2", of=TN)
    home, to = create(a, Label.RED), create(a, Label.RED)
    invite(a, to, a2)
    first = said(a, home, "one", Label.AMBER_STRICT)
    assert forward(stage, a, home, first, to, Label.AMBER_STRICT).state is DONE
    quote = a2.rooms_content(to)[-1].envelope
    b, a3 = stage.online("B", of=MA), stage.online("A3", of=TN)
    invite(a, to, b, a3)
    stage.wait(1_000)
    if not checked:
        now = frozenset((OrgName(TN), OrgName(MA)))
        monkeypatch.setattr(Nations, "inside", lambda *_: now)
    assert do(stage, a, grant(a, to, [quote], a3)).state is DONE
    assert [body.text for body in quoted(a3, to)] == (["one"] if checked else [])
    assert a3.codes() == ([] if checked else ["LABEL"])


@pytest.mark.parametrize("which", ["unknown", "its own room", "unknown room", "no text", "left"])
def test_what_cannot_be_forwarded_is_refused(stage: Stage, which: str) -> None:
    a, b, room = red_room(stage)
    to = other_room(stage, a, b)
    first = said(a, room, "one", Label.AMBER)
    if which == "no text":
        first = a.rooms_content(room)[0].envelope
    if which == "unknown":
        first = EnvelopeId(bytes(32))
    if which == "its own room":
        to = room
    if which == "unknown room":
        to = RoomId(bytes(15) + b"1")
    if which == "left":
        assert a.do(actions.Remove(room=room, devices=(b.device.id,))).state is DONE
        assert forward(stage, b, room, first, to, Label.AMBER).state is FAILED
        return
    intent = forward(stage, a, room, first, to, Label.AMBER)
    assert intent.state is FAILED
    assert intent.code in ("NOT_FOUND", "UNKNOWN_ROOM", "USAGE")
    assert a.rows(room, Kind.EGRESS) == []


def test_a_forward_goes_on_after_a_restart_between_its_two_steps(stage: Stage) -> None:
    a, b, room = red_room(stage)
    to = other_room(stage, a, b)
    first = said(a, room, "one", Label.AMBER)
    a.toward = lambda frame: [] if isinstance(frame, frames.Stored) else [frame]
    intent = a.ask(actions.Forward(room=room, envelope=first, to=to, label=Label.AMBER))
    stage.run()
    a.toward = None
    a.restart()
    a.connect()
    stage.wait(4_000)
    assert a.intent(intent).state is DONE
    assert len(a.rows(room, Kind.EGRESS)) == 1
    assert [body.text for body in quoted(b, to)] == ["one"]


@pytest.mark.parametrize("shown", ["nobody", "those who were there"])
def test_what_is_forwarded_is_held_where_others_came_than_its_author_was_shown(stage: Stage, shown: str) -> None:
    a, b, room = red_room(stage)
    to = other_room(stage, a, b)
    first = said(a, room, "one", Label.AMBER)
    circle = tuple(sorted((a.device.id, b.device.id)))
    c = stage.online("C", of=SN)
    invite(a, to, c)
    stage.run()
    action = actions.Forward(room=room, envelope=first, to=to, label=Label.AMBER)
    intent = a.ask(action if shown == "nobody" else replace(action, circle=circle))
    stage.wait(3_000)
    # Without what was shown nothing is known of it, and it goes to whoever is there.
    assert [body.text for body in quoted(c, to)] == (["one"] if shown == "nobody" else [])
    if shown != "nobody":
        assert (a.intent(intent).state, SN in a.intent(intent).detail) == (model.IntentState.HELD, True)
        a.give(inputs.Asked(intent=a.intent(intent)))  # the officer releases it
        stage.wait(3_000)
        assert [body.text for body in quoted(c, to)] == ["one"]


def test_a_label_that_is_raised_between_the_two_steps_stops_the_second(stage: Stage) -> None:
    a, b, room = red_room(stage)
    c = stage.online("C", of=SN)
    to = other_room(stage, a, c)
    first = said(a, room, "one", Label.AMBER)
    a.outward = lambda frame: [] if isinstance(frame, frames.Publish) and frame_room(frame) == to else [frame]
    intent = a.ask(actions.Forward(room=room, envelope=first, to=to, label=Label.AMBER))
    a.ask(saying(to, Text(text="stands in the way"), label=Label.AMBER))
    stage.wait(3_000)
    assert len(a.rows(room, Kind.EGRESS)) == 1
    assert a.intent(intent).state is QUEUED
    assert relabel(b, room, first, Label.AMBER, Label.RED).state is DONE
    a.outward = None
    a.disconnect()
    a.connect()
    stage.wait(4_000)
    assert (a.intent(intent).state, a.intent(intent).code) == (FAILED, "LABEL")
    assert quoted(c, to) == []


def frame_room(frame: frames.Publish) -> RoomId:
    return decode_envelope(frame.items[0].envelope).header.room


# ---- what others made by hand


def hand_made(room: RoomId, *, nation: str = TN, label: Label = Label.RED) -> Forwarded:
    origin = Origin(nation=OrgName(nation), room=room, message=EnvelopeId(bytes(32)), accepted_at_ms=1, label=label)
    return Forwarded(text="leaked", origin=origin)


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize(
    ("nation", "label", "outside"),
    [
        (TN, Label.RED, Label.GREEN),  # RED quoted into a GREEN room
        (TN, Label.AMBER, Label.GREEN),
        (TN, Label.AMBER_STRICT, Label.AMBER_STRICT),  # out of its organisation
        (MA, Label.AMBER_STRICT, Label.AMBER_STRICT),  # by its own organisation, to others
        (TN, Label.RED, Label.RED),  # by another than its author
        (MA, Label.RED, Label.RED),  # to who is not in the room that it was written in
    ],
)
def test_what_a_member_quotes_by_hand_is_not_shown(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    nation: str,
    label: Label,
    outside: Label,
    checked: bool,  # noqa: FBT001 - with the check, and the control without
) -> None:
    a, b, room = red_room(stage, max(outside, Label.GREEN))
    body = hand_made(RoomId(bytes(16)), nation=nation, label=label)
    if not checked:
        monkeypatch.setattr(ways, "check_way", lambda *_, **__: None)
    push(a, delivery(a, *message(b, room, body, label=outside)))
    row = a.rows(room)[-1]
    if checked:
        assert (row.state, row.cause, row.code, row.content) == (UNREADABLE, model.Cause.LABEL_BROKEN, "LABEL", b"")
        assert a.codes() == ["LABEL"]
    else:
        assert (row.state, a.codes()) == (STORED, [])


def test_a_quotation_that_is_not_what_stands_there_is_not_sealed(stage: Stage) -> None:
    a, b, room = red_room(stage)
    to = other_room(stage, a, b)
    first = said(b, room, "one", Label.AMBER)
    origin = Origin(nation=OrgName(MA), room=room, message=first, accepted_at_ms=1, label=Label.AMBER)
    for body in (
        Forwarded(text="two", origin=origin),
        Forwarded(text="one", origin=replace(origin, nation=OrgName(TN))),
    ):
        intent = a.do(saying(to, body, label=Label.AMBER))
        assert (intent.state, intent.code) == (FAILED, "USAGE")
    missing = Forwarded(text="one", origin=replace(origin, message=EnvelopeId(bytes(32))))
    intent = a.do(saying(to, missing, label=Label.AMBER))
    assert (intent.state, intent.code) == (FAILED, "NOT_FOUND")
    assert a.do(saying(to, Forwarded(text="one", origin=origin), label=Label.AMBER)).state is DONE


def test_what_is_repaired_is_held_against_its_header_too(stage: Stage) -> None:
    """A colleague sends again what its author sealed under another label than it signed."""
    from tests.client.core.mending import three  # noqa: PLC0415 - one use

    a, _a2, b, room = three(stage)
    made = message(b, room, label=Label.GREEN, content={"label_number": int(Label.AMBER)})
    push(a, delivery(a, *made))
    assert a.rows(room)[-1].cause is model.Cause.LABEL_BROKEN
    assert a.rows(room)[-1].mending is None, "nobody is asked for what nobody may show"


def test_two_members_of_one_nation_and_nobody_else_may_have_what_is_strict(stage: Stage) -> None:
    a, a2, room = two(stage, of=TN)
    c = stage.online("C", of=SN)
    wide = other_room(stage, a, a2, ceiling=Label.AMBER)
    del c
    assert a.say(room, "one", Label.AMBER).state is DONE
    first = a.rooms_content(room)[-1].envelope
    assert relabel(a, room, first, Label.AMBER, Label.AMBER_STRICT).state is DONE
    intent = forward(stage, a, room, first, wide, Label.AMBER_STRICT)
    assert (intent.state, intent.code) == (FAILED, "LABEL"), "above the ceiling of that room"
    high = other_room(stage, a, a2)
    assert forward(stage, a2, room, first, high, Label.AMBER_STRICT).state is DONE
