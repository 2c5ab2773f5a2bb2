"""When a nation first learned of an incident: each sign of it, and those that are none."""

from __future__ import annotations

from amanah_protocol import kinds
from amanah_protocol.kinds import Grade
from amanah_protocol.types import RoomId
from tests.client.audit.asking import answered, at, case_of, cells, said, text
from tests.client.audit.world import MA, OFFICER_MA, OFFICER_SN, OFFICER_TN, SN, TN, Log, community
from tests.vectors import examples as x

COLUMNS = ("step", "who", "by", "claimed_ms", "accepted_ms", "proof")


def opened() -> tuple[Log, RoomId]:
    """A room of TN with MA in it and one message: entries 11 to 14."""
    log = community()
    room = log.open(OFFICER_TN)
    log.add(OFFICER_TN, room, OFFICER_MA)
    log.post(OFFICER_TN, room, kinds.Message(), sent_at_ms=log.now_ms - 500)
    return log, room


def test_each_sign_of_learning_is_named_with_its_times_and_its_entry() -> None:
    log, room = opened()
    message = log.rooms[room].sent[-1]
    log.post(OFFICER_MA, room, kinds.Delivered(room_seq=4))
    log.post(OFFICER_MA, room, kinds.Ack(grade=Grade.RECEIVED, envelope=message))
    log.post(OFFICER_MA, room, kinds.Ack(grade=Grade.READ, envelope=message), sent_at_ms=at(17) - 700)
    log.post(OFFICER_MA, room, kinds.Message())
    answer = answered(case_of(log), "first-learned", nation=MA, room=room.hex())
    ours, theirs = text(OFFICER_MA), text(OFFICER_TN)
    assert cells(answer, *COLUMNS) == [
        ("let into the room", ours, theirs, at(12), at(12), (12,)),
        ("said that it has stored a message", ours, None, at(15), at(15), (14, 15)),
        ("acknowledged a message (received)", ours, None, at(16), at(16), (14, 16)),
        ("acknowledged a message (read)", ours, None, at(17) - 700, at(17), (14, 17)),
        ("sent a message of its own", ours, None, at(18), at(18), (18,)),
    ]
    assert "from 2026-09-21 14:13:32Z on: let into the room" in said(answer)
    assert "2026-09-21 14:13:35Z: said that it has stored a message" in said(answer)


def test_what_was_stored_before_any_message_is_no_sign() -> None:
    log = community()
    room = log.open(OFFICER_TN)
    log.add(OFFICER_TN, room, OFFICER_MA)
    log.post(OFFICER_MA, room, kinds.Delivered(room_seq=3))
    log.post(OFFICER_TN, room, kinds.Message())
    answer = answered(case_of(log), "first-learned", nation=MA, room=room.hex())
    assert cells(answer, "step") == [("let into the room",)]
    assert "Nothing that it signed shows" in said(answer)


def test_a_false_acknowledgement_is_no_sign() -> None:
    log, room = opened()
    log.post(OFFICER_MA, room, kinds.Ack(grade=Grade.READ, envelope=x.ENVELOPES[0]))
    assert cells(answered(case_of(log), "first-learned", nation=MA, room=room.hex()), "step") == [
        ("let into the room",),
    ]


def test_who_acknowledges_what_it_could_not_read_shows_nothing() -> None:
    log, room = opened()
    message = log.rooms[room].sent[-1]
    log.add(OFFICER_TN, room, OFFICER_SN)
    log.post(OFFICER_SN, room, kinds.Ack(grade=Grade.READ, envelope=message))
    log.post(OFFICER_SN, room, kinds.Delivered(room_seq=6))
    case = case_of(log)
    assert cells(answered(case, "first-learned", nation=SN, room=room.hex()), "step") == [("let into the room",)]


def test_history_and_disclosures_to_a_nation_are_named() -> None:
    log, room = opened()
    message = log.rooms[room].sent[-1]
    # What an officer takes home tells no nation anything that it was not in the room for.
    log.post(OFFICER_TN, room, kinds.Egress(envelope=message, form="report, TLP:AMBER, pdf", recipient=TN))
    log.post(OFFICER_TN, room, kinds.Egress(envelope=message, form="paper", recipient="Duty desk of cert.example.SN"))
    log.add(OFFICER_TN, room, OFFICER_SN)
    log.post(OFFICER_MA, room, kinds.Grant(from_seq=4, to_seq=4, addressees=(OFFICER_SN.id,)))
    answer = answered(case_of(log), "first-learned", nation=SN, room=room.hex())
    assert cells(answer, "step", "by", "proof") == [
        ("disclosed outside to 'Duty desk of cert.example.SN', as its sender calls it", text(OFFICER_TN), (16,)),
        ("let into the room", text(OFFICER_TN), (17,)),
        ("granted earlier history", text(OFFICER_MA), (19,)),
    ]


def test_a_report_for_a_nation_that_is_not_its_maker_s_is_named() -> None:
    log, room = opened()
    message = log.rooms[room].sent[-1]
    log.post(OFFICER_TN, room, kinds.Egress(envelope=message, form="report, TLP:AMBER, pdf", recipient=SN))
    answer = answered(case_of(log), "first-learned", nation=SN, room=room.hex())
    assert cells(answer, "step", "by", "proof") == [
        ("taken out in a report to 'cert.example.sn', as its sender calls it", text(OFFICER_TN), (15,)),
    ]


def test_who_opened_the_room_knew_from_its_first_entry() -> None:
    log, room = opened()
    message = log.rooms[room].sent[-1]
    log.post(OFFICER_TN, room, kinds.Egress(envelope=message, form="report, TLP:AMBER, pdf", recipient=TN))
    answer = answered(case_of(log), "first-learned", nation=TN, room=room.hex())
    assert cells(answer, "step", "by", "proof") == [
        ("opened the room", None, (11,)),
        ("sent a message of its own", None, (14,)),
    ]


def test_of_a_nation_that_was_never_in_nothing_is_shown_and_the_limits_are_said() -> None:
    log, room = opened()
    answer = answered(case_of(log), "first-learned", nation=SN, room=room.hex())
    assert answer.found.rows == ()
    assert said(answer).startswith("Nothing in this record shows that cert.example.sn learned")
    assert any("learned of it elsewhere" in limit for limit in answer.found.limits)
