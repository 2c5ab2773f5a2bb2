"""Who could read a message, and that somebody was not given it."""

from __future__ import annotations

import pytest

from amanah_protocol import kinds
from amanah_protocol.egress import FORWARD, TakenOut
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId
from tests.client.audit.asking import answered, at, case_of, cells, said, text
from tests.client.audit.world import (
    MA,
    OFFICER_MA,
    OFFICER_SN,
    OFFICER_TN,
    SECOND_TN,
    SN,
    TN,
    Log,
    community,
)
from tests.vectors import examples as x

COLUMNS = ("nation", "reader", "outside", "how", "since_ms", "fetched_ms", "grade", "acknowledged_ms", "proof")


def opened() -> tuple[Log, RoomId]:
    """A room of TN and MA with one message at entry 14, place 4; then SN comes at entry 15."""
    log = community()
    room = log.open(OFFICER_TN, ceiling=Label.RED)
    log.add(OFFICER_TN, room, OFFICER_MA)
    log.post(OFFICER_TN, room, kinds.Message())
    log.add(OFFICER_TN, room, OFFICER_SN)
    return log, room


def test_readers_are_who_was_in_and_who_was_handed_it_and_each_row_names_its_entries() -> None:
    log, room = opened()
    message = log.rooms[room].sent[3]
    log.post(OFFICER_MA, room, kinds.Delivered(room_seq=3))
    log.post(OFFICER_MA, room, kinds.Delivered(room_seq=5))
    log.post(OFFICER_MA, room, kinds.Ack(grade=Grade.READ, envelope=message))
    log.post(OFFICER_MA, room, kinds.Ack(grade=Grade.ACTING, envelope=message))
    log.post(OFFICER_TN, room, kinds.Grant(from_seq=4, to_seq=4, addressees=(OFFICER_SN.id,)))
    log.post(OFFICER_TN, room, kinds.Repair(envelopes=(message,), addressees=(OFFICER_MA.id,)))
    log.post(OFFICER_TN, room, kinds.Egress(envelope=message, form="disclosure", recipient="a court"))
    answer = answered(case_of(log), "who-could-read", message=14)
    assert cells(answer, *COLUMNS) == [
        (TN, text(OFFICER_TN), None, "wrote it", at(11), None, None, None, (11,)),
        (MA, text(OFFICER_MA), None, "was in the room", at(12), at(18), "acting", at(19), (12, 18, 19, 20)),
        (SN, text(OFFICER_SN), None, "was granted the history", at(21), None, None, None, (21,)),
        (MA, text(OFFICER_MA), None, "was sent it again", at(22), at(18), "acting", at(19), (18, 19, 20, 22)),
        (None, None, f"a court (disclosure), by {text(OFFICER_TN)}", "was disclosed to, outside", at(23), None, None,
         None, (23,)),
    ]  # fmt: skip
    assert "by 2 devices in the room at its place. Handed on inside: 2 times; disclosed outside: once" in said(answer)
    assert "devices of cert.example.ma have said themselves" in said(answer)


def test_a_grant_of_other_places_and_a_repair_of_another_message_hand_nothing_on() -> None:
    log, room = opened()
    log.post(OFFICER_TN, room, kinds.Message())
    other = log.rooms[room].sent[-1]
    log.post(OFFICER_TN, room, kinds.Grant(from_seq=1, to_seq=3, addressees=(OFFICER_SN.id,)))
    log.post(OFFICER_TN, room, kinds.Repair(envelopes=(other,), addressees=(OFFICER_SN.id,)))
    log.post(OFFICER_TN, room, kinds.Egress(envelope=other, form="paper", recipient="a court"))
    assert cells(answered(case_of(log), "who-could-read", message=14), "how") == [("wrote it",), ("was in the room",)]


def test_a_repair_to_a_stranger_is_marked() -> None:
    log, room = opened()
    message = log.rooms[room].sent[3]
    log.post(OFFICER_TN, room, kinds.Repair(envelopes=(message,), addressees=(OFFICER_SN.id,)))
    rows = cells(answered(case_of(log), "who-could-read", message=14), "nation", "how", "state")
    assert rows[-1] == (SN, "was sent it again", "a message was sent again to a device it was not for [MEMBERSHIP]")


def test_who_acknowledges_what_it_could_not_read_is_shown_as_that() -> None:
    log, room = opened()
    log.post(OFFICER_SN, room, kinds.Ack(grade=Grade.READ, envelope=log.rooms[room].sent[3]))
    answer = answered(case_of(log), "who-could-read", message=14)
    assert cells(answer, "nation", "how", "proof")[-1] == (
        SN, "acknowledged it, though nothing here let it read it", (17,),
    )  # fmt: skip
    assert "devices of cert.example.ma and cert.example.tn" in said(answer)
    assert "claim to have it: 1 device" in said(answer)


def test_a_disclosure_by_a_stranger_does_not_hold_and_says_so() -> None:
    log, room = opened()
    log.rooms[room].members.discard(SECOND_TN.id)
    log.post(SECOND_TN, room, kinds.Egress(envelope=log.rooms[room].sent[3], form="paper", recipient="a court"))
    case = case_of(log)
    answer = answered(case, "who-could-read", message=14)
    assert cells(answer, "how", "state")[-1] == (
        "was disclosed to, outside", "DOES NOT HOLD: the sender is not in the room [NOT_MEMBER]",
    )  # fmt: skip
    assert answer.trouble.startswith("THE RECORD DOES NOT HOLD (first bad entry 17")


def test_a_header_alone_is_said_to_seal_nothing() -> None:
    log, room = opened()
    log.post(OFFICER_MA, room, kinds.Delivered(room_seq=3))
    assert "nothing was sealed in it" in said(answered(case_of(log), "who-could-read", message=17))


# ---- not-given


def test_that_a_nation_was_not_given_a_message_is_said_with_all_who_were() -> None:
    log, _ = opened()
    answer = answered(case_of(log), "not-given", message=14, nation=SN)
    assert said(answer).startswith("As far as this record reaches, message")
    assert "was not given to cert.example.sn by any way that Amanah has" in said(answer)
    assert cells(answer, "nation", "how", "asked", "proof") == [
        (TN, "wrote it", None, (11,)),
        (MA, "was in the room", None, (12,)),
    ]
    assert "entries 0 to 16 of the log relay.example/log" in answer.range
    assert any("room's signed head" in limit for limit in answer.found.limits)


def test_that_a_device_was_not_given_a_message_names_what_ended_its_stay() -> None:
    log, room = opened()
    never = answered(case_of(log), "not-given", message=14, device=OFFICER_SN.id.hex())
    assert "by any way that Amanah has: it was not in the room then, and no grant" in said(never)
    log.remove(OFFICER_TN, room, OFFICER_MA)
    at = log.post(OFFICER_TN, room, kinds.Message())
    left = answered(case_of(log), "not-given", message=at, device=OFFICER_MA.id.hex())
    assert f"it was not in the room then (removed with entry {at - 1}), and no grant" in said(left)
    nation = answered(case_of(log), "not-given", message=at, nation=MA)
    assert f"no device of it was in the room then (removed with entry {at - 1}), and" in said(nation)


def test_a_grant_takes_the_sentence_back() -> None:
    log, room = opened()
    log.post(OFFICER_TN, room, kinds.Grant(from_seq=1, to_seq=9, addressees=(OFFICER_SN.id,)))
    # It reaches beyond what was there: the relay must not take it, and the record says so.
    bad = answered(case_of(log), "not-given", message=14, nation=SN)
    assert said(bad).startswith("It cannot be said, from a record that does not hold")
    assert "speak of giving it away" in said(bad)
    log, room = opened()
    log.post(OFFICER_TN, room, kinds.Grant(from_seq=1, to_seq=4, addressees=(OFFICER_SN.id,)))
    answer = answered(case_of(log), "not-given", message=14, nation=SN)
    assert said(answer).startswith("It CANNOT be said")
    assert cells(answer, "nation", "how", "asked", "proof")[0] == (SN, "was granted the history", "yes", (17,))


def test_a_disclosure_to_one_who_is_called_like_it_is_pointed_at() -> None:
    log, room = opened()
    message = log.rooms[room].sent[3]
    log.post(OFFICER_TN, room, kinds.Egress(envelope=message, form="paper", recipient="desk of cert.example.sn"))
    answer = answered(case_of(log), "not-given", message=14, nation=SN)
    assert "where it went from there is not known" in said(answer).lower()
    assert "One who was disclosed to outside is called like cert.example.sn" in said(answer)
    assert cells(answer, "asked")[0] == ("called so",)


def test_what_a_report_may_hold_was_taken_out_with_it_and_nothing_else() -> None:
    log, room = opened()
    message = log.rooms[room].sent[3]
    later = log.post(OFFICER_TN, room, kinds.Message(), label=Label.AMBER)
    for label in (Label.GREEN, Label.AMBER):
        taken = TakenOut(what="report", label=label, form="pdf")
        log.post(OFFICER_MA, room, kinds.Egress(envelope=message, form=taken.text, recipient=MA))
    case = case_of(log)
    answer = answered(case, "who-could-read", message=14)
    assert [row for row in cells(answer, "how", "outside") if row[1]] == [
        ("may have it in a report that was taken out", f"{MA} (report, TLP:AMBER, pdf), by {text(OFFICER_MA)}")
    ]
    assert "reports were taken out that may hold it: once" in said(answer)
    # What was said behind the newest entry of the report stands in none.
    assert not [row for row in cells(answered(case, "who-could-read", message=later), "outside") if row[0]]
    everybody = answered(case, "not-given", room=room.hex(), nation=SN)
    assert "may have it in a report that was taken out" in {how for (how,) in cells(everybody, "how")}


def test_of_a_room_it_is_told_what_was_forwarded_too() -> None:
    log, room = opened()
    message = log.rooms[room].sent[3]
    log.post(OFFICER_TN, room, kinds.Egress(envelope=message, form=FORWARD, recipient="ab" * 16))
    answer = answered(case_of(log), "not-given", room=room.hex(), nation=SN)
    assert "was disclosed to, outside" in {how for (how,) in cells(answer, "how")}


def test_an_acknowledgement_that_nothing_explains_is_said() -> None:
    log, room = opened()
    log.post(OFFICER_SN, room, kinds.Ack(grade=Grade.READ, envelope=log.rooms[room].sent[3]))
    answer = answered(case_of(log), "not-given", message=14, nation=SN)
    assert "All the same cert.example.sn acknowledged it, once" in said(answer)


def test_of_a_room_only_what_was_said_while_somebody_was_in_counts() -> None:
    log, room = opened()
    answer = answered(case_of(log), "not-given", room=room.hex(), nation=SN)
    assert "was not given to cert.example.sn" in said(answer)
    assert cells(answer, "nation", "messages", "proof") == [(TN, 1, (11,)), (MA, 1, (12,))]
    log.post(OFFICER_MA, room, kinds.Message())
    later = answered(case_of(log), "not-given", room=room.hex(), nation=SN)
    assert said(later).startswith("It CANNOT be said")
    assert cells(later, "nation", "messages", "asked", "proof")[0] == (SN, 1, "yes", (15,))


def test_a_grant_of_a_room_counts_by_the_messages_in_its_range() -> None:
    log, room = opened()
    log.post(OFFICER_TN, room, kinds.Grant(from_seq=1, to_seq=3, addressees=(OFFICER_SN.id,)))
    case = case_of(log)
    # Without a message in its range it gives nothing.
    assert "was not given" in said(answered(case, "not-given", room=room.hex(), nation=SN))
    log.post(OFFICER_TN, room, kinds.Grant(from_seq=1, to_seq=4, addressees=(OFFICER_SN.id,)))
    case = case_of(log)
    answer = answered(case, "not-given", room=room.hex(), nation=SN)
    assert said(answer).startswith("It CANNOT be said that what was said in room")
    assert "it was granted the history (rows: 1)" in said(answer)
    assert "was not given" in said(answered(case, "not-given", label="TLP:RED", nation=SN))


def test_a_disclosure_of_a_message_that_is_not_to_be_found_is_not_left_out() -> None:
    log, room = opened()
    log.post(OFFICER_TN, room, kinds.Egress(envelope=x.ENVELOPES[0], form="paper", recipient="a court"))
    answer = answered(case_of(log), "not-given", label="TLP:RED", nation=SN)
    assert "Disclosed outside: once, to a court (paper)" in said(answer)


def test_a_device_whose_nation_is_not_known_weakens_the_sentence() -> None:
    log, room = opened()
    log.post(OFFICER_TN, room, kinds.Grant(from_seq=4, to_seq=4, addressees=(x.DEVICES[0],)))
    answer = answered(case_of(log), "not-given", message=14, nation=SN)
    assert "given it is not known: 1" in said(answer)
    assert "do not hold and speak of giving it away" not in said(answer)


def test_a_message_that_does_not_hold_is_said_to() -> None:
    log, room = opened()
    index = log.post(SECOND_TN, room, kinds.Message())
    assert "The entry DOES NOT HOLD" in said(answered(case_of(log), "who-could-read", message=index))


def test_of_a_label_all_rooms_count_and_each_message_under_its_strictest_label() -> None:
    log, room = opened()
    log.post(OFFICER_MA, room, kinds.Message())
    message = log.rooms[room].sent[-1]
    case = case_of(log)
    assert "was not given" in said(answered(case, "not-given", label="TLP:RED", nation=SN))
    log.post(OFFICER_MA, room, kinds.Relabel(envelope=message, old=Label.AMBER, new=Label.RED))
    log.post(OFFICER_MA, room, kinds.Relabel(envelope=message, old=Label.RED, new=Label.GREEN))
    assert said(answered(case_of(log), "not-given", label="TLP:RED", nation=SN)).startswith("It CANNOT be said")


def test_of_a_single_device_another_of_its_nation_does_not_count() -> None:
    log, room = opened()
    log.post(OFFICER_SN, room, kinds.Message())
    case = case_of(log)
    assert "was not given" in said(answered(case, "not-given", message=17, device=SECOND_TN.id.hex()[:12]))
    assert "CANNOT" in said(answered(case, "not-given", message=17, device=OFFICER_TN.id.hex()[:12]))


def test_bare_hashes_outside_of_the_scope_are_said() -> None:
    log, _ = opened()
    hidden = log.open(OFFICER_SN, "hidden")
    case = case_of(log, log.rows(hidden=(hidden,)))
    answer = answered(case, "not-given", message=14, nation=SN)
    assert any(limit.startswith("1 of the log's entries are bare hashes") for limit in answer.found.limits)


@pytest.mark.parametrize(
    "given", [{"nation": SN}, {"message": "14"}, {"message": "14", "label": "RED", "nation": SN}], ids=str
)
def test_what_and_to_whom_are_each_named_once(given: dict[str, str]) -> None:
    log, _ = opened()
    with pytest.raises(UsageError) as raised:
        answered(case_of(log), "not-given", **given)
    assert raised.value.code is Code.USAGE
