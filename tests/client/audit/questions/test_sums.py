"""Completeness, automation, acknowledgements and decisions: sums over the record, and what does not add up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from amanah_protocol import kinds
from amanah_protocol.audit import audit_chain
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import MachineLimits, Role
from amanah_protocol.kinds import Grade, Kind, Outcome
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId
from tests.client.audit.asking import answered, at, case_of, cells, said, text
from tests.client.audit.world import (
    BOT_TN,
    MA,
    OFFICER_MA,
    OFFICER_SN,
    OFFICER_TN,
    SECOND_TN,
    SN,
    TN,
    Log,
    certified,
    community,
    incident,
)
from tests.vectors import examples as x

# ---- completeness


def test_a_whole_record_is_said_to_be_whole_room_by_room_and_sender_by_sender() -> None:
    told = incident()
    answer = answered(case_of(told.log, told.rows()), "completeness", room=told.room.hex())
    assert cells(answer, "sender", "entries", "last", "missing", "voided", "between", "faults", "proof") == [
        (None, 13, 13, 0, None, 5, 0, (11, 34)),
        (text(OFFICER_TN), 7, 7, 0, 0, None, 0, (11, 32)),
        (text(OFFICER_MA), 2, 2, 0, 0, None, 0, (21, 31)),
        (text(OFFICER_SN), 2, 4, 0, 2, None, 0, (23, 24)),
        (text(BOT_TN), 2, 2, 0, 0, None, 0, (20, 34)),
    ]
    assert "Nothing is missing, twice or in another order in 1 room" in said(answer)
    assert "sent anew: 2" in said(answer)
    assert "whole up to its entry 12, which the relay signed" in said(answer)
    assert cells(answer, "words")[3] == ("every counter from 1 on is there once, or declared void",)


def test_a_missing_entry_is_found_in_its_room_and_at_its_sender() -> None:
    told = incident()
    rows = told.log.rows()
    rows[19] = structs.replace(rows[19], entry=None)
    case = case_of(told.log, rows)
    answer = answered(case, "completeness", room=told.room.hex())
    room, sender = cells(answer, "missing", "words")[:2]
    assert room[0] == 1
    assert room[1].startswith("1 place missing; DOES NOT HOLD: entry 20: entry 7 of its room follows entry 5")
    assert sender[0] == 1
    assert sender[1].startswith("1 counter missing")
    assert said(answer).startswith("The record is NOT whole")
    assert answer.trouble.startswith("THE RECORD DOES NOT HOLD")


def test_a_place_that_two_entries_have_is_found() -> None:
    log = community()
    room = log.open(OFFICER_TN)
    log.post(OFFICER_TN, room, kinds.Message())
    log.post(OFFICER_TN, room, kinds.Message(), leaf_room_seq=2)
    answer = answered(case_of(log), "completeness")
    assert "1 place taken twice" in cells(answer, "words")[0][0]


def test_what_is_not_whole_comes_before_what_is_where_not_all_is_shown() -> None:
    told = incident()
    told.log.post(SECOND_TN, told.small, kinds.Message(), counter=9)
    answer = answered(case_of(told.log, limit=2), "completeness")
    assert [row[0] for row in cells(answer, "faults")] == [1, 1]
    assert answer.found.left_out > 0


def test_an_empty_record_has_nothing_missing_and_says_what_it_reaches() -> None:
    answer = answered(case_of(Log(), checkpoint=Log().checkpoint()), "completeness")
    assert answer.found.rows == ()
    assert "in no rooms in scope" in said(answer)
    assert answer.range.endswith("in which nothing is in scope.")


# ---- automation


def test_what_a_machine_posted_and_what_it_counted_add_up() -> None:
    told = incident()
    answer = answered(case_of(told.log), "automation")
    columns = ("who", "envelopes", "alerts", "accepted", "merged", "dropped", "other", "adds_up", "proof")
    assert cells(answer, *columns) == [(text(BOT_TN), 1, 37, 37, 1, 0, None, "adds up", (20, 34))]
    assert "1 envelope with 37 alerts; counted by their senders: 37 accepted, 1 merged, 0 dropped" in said(answer)
    assert "Every sum adds up" in said(answer)


@pytest.mark.parametrize(
    ("posted", "counted", "words"),
    [
        (5, 3, "2 more in envelopes than it counted"),
        (5, 9, "4 counted as accepted that are in no envelope of this record"),
        (5, None, "5 alerts posted and never counted"),
    ],
)
def test_sums_that_do_not_add_up_are_said(posted: int, counted: int | None, words: str) -> None:
    log = community()
    room = log.open(OFFICER_TN)
    log.add(OFFICER_TN, room, BOT_TN)
    log.post(BOT_TN, room, kinds.Alert(count=posted))
    if counted is not None:
        log.post(BOT_TN, room, kinds.Counts(accepted=counted, merged=0, dropped=0))
    answer = answered(case_of(log), "automation", room=room.hex())
    assert cells(answer, "adds_up") == [(words,)]
    assert "Sums that do not add up: 1" in said(answer)


def test_what_a_machine_may_not_send_is_not_counted() -> None:
    log = community()
    limits = MachineLimits(kinds=(Kind.MESSAGE,), per_second=1)
    bot = certified("bot of messages", role=Role.BOT, ceiling=Label.AMBER, machine=limits)
    log.certify(bot)
    room = log.open(OFFICER_TN)
    log.add(OFFICER_TN, room, bot)
    log.post(bot, room, kinds.Message())
    log.post(bot, room, kinds.Alert(count=5))
    answer = answered(case_of(log), "automation")
    assert cells(answer, "alerts", "other", "adds_up") == [
        (0, "1 message", "nothing to count; entries of it that do not hold: 1"),
    ]


def test_counts_of_one_who_may_not_count_are_not_counted() -> None:
    log = community()
    room = log.open(OFFICER_TN)
    log.add(OFFICER_TN, room, BOT_TN)
    log.post(BOT_TN, room, kinds.Alert(count=5))
    log.post(BOT_TN, room, kinds.Counts(accepted=5, merged=0, dropped=0))
    log.remove(OFFICER_TN, room, BOT_TN)
    log.post(BOT_TN, room, kinds.Counts(accepted=5, merged=0, dropped=7))
    answer = answered(case_of(log), "automation")
    assert cells(answer, "accepted", "dropped", "adds_up") == [
        (5, 0, "adds up; entries of it that do not hold: 1"),
    ]


# ---- acknowledgements


def asked() -> tuple[Log, RoomId]:
    """A room of three nations; TN asks at entry 16, place 6."""
    log = community()
    room = log.open(OFFICER_TN)
    log.add(OFFICER_TN, room, OFFICER_MA, SECOND_TN)
    log.add(OFFICER_TN, room, OFFICER_SN)
    log.post(OFFICER_TN, room, kinds.Message())
    return log, room


def test_of_one_message_each_nation_has_its_grade_and_its_delay_or_has_not() -> None:
    log, room = asked()
    message = log.rooms[room].sent[-1]
    log.post(OFFICER_MA, room, kinds.Ack(grade=Grade.READ, envelope=message))
    log.post(OFFICER_MA, room, kinds.Ack(grade=Grade.ACTING, envelope=message))
    log.post(SECOND_TN, room, kinds.Ack(grade=Grade.READ, envelope=message))
    answer = answered(case_of(log), "acknowledgements", message=16)
    assert cells(answer, "message", "nation", "acknowledged", "not_yet", "grade", "fastest_ms", "proof") == [
        (16, MA, 1, 0, "acting", 1_000, (12, 16, 17)),
        (16, SN, 0, 1, None, None, (14, 16)),
    ]
    assert said(answer) == "Not everything was acknowledged by cert.example.sn."
    assert cells(answered(case_of(log), "acknowledgements", message=16, nation=SN), "nation") == [(SN,)]


def test_of_a_room_each_nation_has_its_sums_and_its_delays() -> None:
    log, room = asked()
    first = log.rooms[room].sent[-1]
    log.post(OFFICER_MA, room, kinds.Ack(grade=Grade.READ, envelope=first))
    log.post(OFFICER_SN, room, kinds.Message())
    second = log.rooms[room].sent[-1]
    log.post(OFFICER_TN, room, kinds.Ack(grade=Grade.UNDERSTOOD, envelope=second))
    log.post(OFFICER_TN, room, kinds.Message())
    log.post(OFFICER_MA, room, kinds.Ack(grade=Grade.RECEIVED, envelope=second))
    answer = answered(case_of(log), "acknowledgements")
    columns = ("nation", "could_read", "acknowledged", "not_yet", "grade", "fastest_ms", "median_ms", "slowest_ms")
    assert cells(answer, *columns) == [
        (MA, 3, 2, 1, "read", 1_000, 2_000, 3_000),
        (SN, 2, 0, 2, None, None, None, None),
        (TN, 1, 1, 0, "understood", 1_000, 1_000, 1_000),
    ]
    only = answered(case_of(log), "acknowledgements", nation=TN)
    assert said(only) == "Everything was acknowledged."


def test_of_a_room_and_a_nation_what_is_not_acknowledged_comes_first() -> None:
    log, room = asked()
    first = log.rooms[room].sent[-1]
    log.post(OFFICER_SN, room, kinds.Message())
    log.post(OFFICER_MA, room, kinds.Message())
    log.post(OFFICER_MA, room, kinds.Ack(grade=Grade.READ, envelope=first))
    case = case_of(log)
    answer = answered(case, "acknowledgements", room=room.hex(), nation=MA)
    assert cells(answer, "message", "not_yet", "proof") == [(17, 1, (17,)), (16, 0, (16, 19))]
    assert answered(replace(case, limit=1), "acknowledgements", room=room.hex(), nation=MA).found.left_out == 1


def test_a_false_acknowledgement_is_said_and_not_counted() -> None:
    log, room = asked()
    log.post(OFFICER_MA, room, kinds.Ack(grade=Grade.READ, envelope=x.ENVELOPES[0]))
    answer = answered(case_of(log), "acknowledgements")
    assert cells(answer, "nation", "acknowledged") == [(MA, 0), (SN, 0)]
    assert "Acknowledgements of nothing that is in the record, and not counted: 1" in said(answer)


def test_a_bots_acknowledgement_counts_for_no_nation_and_is_said() -> None:
    log, room = asked()
    bot = certified("bot ma", MA, Role.BOT)
    log.certify(bot)
    log.add(OFFICER_TN, room, bot)
    log.post(OFFICER_TN, room, kinds.Message())
    message, place = log.rooms[room].sent[-1], log.size - 1
    log.post(bot, room, kinds.Ack(grade=Grade.ACTING, envelope=message))
    told = "Acknowledgements by bots, which count for no nation: 1."
    case = case_of(log)
    for answer in (answered(case, "acknowledgements", message=place), answered(case, "acknowledgements")):
        assert [(nation, grade) for nation, grade in cells(answer, "nation", "grade") if nation == MA] == [(MA, None)]
        assert told in said(answer)
    assert cells(answered(case, "acknowledgements", room=room.hex(), nation=MA), "acknowledged") == [(0,), (0,)]
    # Its nation does by an officer, and by what a bot said while its device was an officer's.
    log.post(OFFICER_MA, room, kinds.Ack(grade=Grade.READ, envelope=message))
    log.certify(certified("officer ma", MA, Role.BOT, key=OFFICER_MA.key, now_ms=log.now_ms))
    answer = answered(case_of(log), "acknowledgements", message=place)
    assert cells(answer, "nation", "acknowledged", "grade")[0] == (MA, 1, "read")


def test_the_word_of_who_came_later_does_not_count_for_its_nation() -> None:
    log = community()
    room = log.open(OFFICER_TN)
    log.post(OFFICER_TN, room, kinds.Message())
    message = log.rooms[room].sent[-1]
    log.add(OFFICER_TN, room, OFFICER_MA)
    log.post(OFFICER_MA, room, kinds.Ack(grade=Grade.READ, envelope=message))
    case = case_of(log)
    assert answered(case, "acknowledgements").found.rows == ()
    assert answered(case, "acknowledgements", message=12).found.rows == ()
    assert said(answered(case, "acknowledgements")) == "There is nothing to acknowledge."


def test_a_message_names_its_room_itself() -> None:
    log, room = asked()
    with pytest.raises(UsageError) as raised:
        answered(case_of(log), "acknowledgements", message=16, room=room.hex())
    assert raised.value.code is Code.USAGE


# ---- decisions


def test_decisions_name_their_nations_and_who_recorded_them() -> None:
    log, room = asked()
    log.post(OFFICER_TN, room, kinds.Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=(MA, TN)))
    log.post(OFFICER_TN, room, kinds.Decision(ordinal=2, outcome=Outcome.REFUSED, nations=()))
    answer = answered(case_of(log), "decisions")
    assert cells(answer, "ordinal", "outcome", "nations", "recorded_by", "accepted_ms", "state", "proof") == [
        (1, "adopted", f"{MA}, {TN}", text(OFFICER_TN), at(17), "holds", (17,)),
        (2, "refused", "nobody", text(OFFICER_TN), at(18), "holds", (18,)),
    ]
    assert said(answer) == "Proposals that were adopted: 1; refused: 1."
    assert cells(answered(case_of(log), "decisions", nation=MA), "ordinal") == [(1,)]


def test_a_decision_that_binds_a_nation_outside_of_the_room_is_marked_and_not_counted() -> None:
    log, room = asked()
    log.remove(OFFICER_TN, room, OFFICER_SN)
    log.post(OFFICER_TN, room, kinds.Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=(SN, TN)))
    answer = answered(case_of(log), "decisions")
    assert cells(answer, "nations", "state") == [
        (f"{SN} (not in the room), {TN}", "a decision names a nation that is not in the room [MEMBERSHIP]")
    ]
    assert said(answer).startswith("Proposals that were adopted: 0; refused: 0. Records of a decision that do not hold")


def test_a_proposal_that_was_recorded_twice_is_said() -> None:
    log, room = asked()
    log.post(OFFICER_TN, room, kinds.Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=(TN,)))
    log.post(OFFICER_MA, room, kinds.Decision(ordinal=1, outcome=Outcome.REFUSED, nations=(MA,)))
    answer = answered(case_of(log), "decisions", room=room.hex())
    assert cells(answer, "again") == [("recorded 2 times",), ("recorded 2 times",)]
    assert "recorded more than once" in said(answer)


def test_a_room_out_of_scope_is_not_known_and_the_hint_says_why() -> None:
    told = incident()
    case = case_of(told.log, told.log.rows(hidden=(told.hidden, audit_chain(MA))))
    with pytest.raises(UsageError) as raised:
        answered(case, "decisions", room=told.hidden.hex())
    assert raised.value.code is Code.UNKNOWN_ROOM
    assert "bare hashes" in raised.value.hint
