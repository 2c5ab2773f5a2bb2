"""Membership, labels, and what left its circle."""

from __future__ import annotations

from typing import Final

from amanah_protocol import kinds
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId, RoomId
from tests.client.audit.asking import answered, at, case_of, cells, said, text
from tests.client.audit.world import (
    OFFICER_MA,
    OFFICER_SN,
    OFFICER_TN,
    SECOND_TN,
    Log,
    community,
    incident,
)
from tests.vectors import examples as x

MA: Final = "cert.example.ma"


def opened(ceiling: Label = Label.RED) -> tuple[Log, RoomId]:
    """A room of TN and MA with one message at entry 14, place 4."""
    log = community()
    room = log.open(OFFICER_TN, ceiling=ceiling)
    log.add(OFFICER_TN, room, OFFICER_MA)
    log.post(OFFICER_TN, room, kinds.Message())
    return log, room


# ---- membership


def test_each_stay_names_who_invited_on_which_agreement_and_who_removed() -> None:
    told = incident()
    answer = answered(case_of(told.log), "membership", room=told.room.hex(), nation="cert.example.sn")
    assert cells(answer, "who", "joined_ms", "invited_by", "agreement", "left_ms", "removed_by", "state", "proof") == [
        (text(OFFICER_SN), at(14), text(OFFICER_TN), "agreement 7", at(31), text(OFFICER_MA), "holds", (11, 14, 31))
    ]
    assert "Stays of a device in a room: 1; of those shown 1 ended" in said(answer)
    assert "by a member who may" in said(answer)


def test_rooms_that_name_no_agreement_are_counted() -> None:
    told = incident()
    answer = answered(case_of(told.log), "membership", room=told.small.hex())
    assert cells(answer, "who", "agreement") == [(text(OFFICER_TN), None), (text(SECOND_TN), None)]
    assert "In rooms that name no agreement: 2 stays" in said(answer)


def test_a_change_by_one_who_may_not_make_it_is_shown_and_changed_nothing() -> None:
    log, room = opened()
    log.add(OFFICER_MA, room, OFFICER_SN)  # only the owner adds a new organisation
    answer = answered(case_of(log), "membership")
    rows = cells(answer, "who", "invited_by", "state", "proof")
    assert [row[0] for row in rows] == [text(OFFICER_TN), text(OFFICER_MA), None]
    assert rows[-1][1] == text(OFFICER_MA)
    assert rows[-1][2].startswith("DOES NOT HOLD: ")
    assert rows[-1][3] == (15,)
    assert "do not hold, and changed nothing: 1" in said(answer)


def test_an_answer_that_is_cut_says_how_much_is_left_out() -> None:
    told = incident()
    answer = answered(case_of(told.log, limit=2), "membership")
    assert len(answer.found.rows) == 2
    assert answer.found.left_out == 6


# ---- labels


def test_a_lowered_label_names_the_author_and_both_labels() -> None:
    log, room = opened()
    message = log.rooms[room].sent[-1]
    log.post(OFFICER_TN, room, kinds.Relabel(envelope=message, old=Label.AMBER, new=Label.RED))
    log.post(OFFICER_TN, room, kinds.Relabel(envelope=message, old=Label.RED, new=Label.GREEN))
    answer = answered(case_of(log), "labels")
    assert cells(answer, "what", "message", "by", "was", "became", "accepted_ms", "state", "proof") == [
        ("label raised", 14, text(OFFICER_TN), Label.AMBER, Label.RED, at(15), "holds", (14, 15)),
        ("label lowered", 14, text(OFFICER_TN), Label.RED, Label.GREEN, at(16), "holds", (14, 16)),
    ]
    assert said(answer).startswith("Labels lowered: 1")


def test_a_forged_relabelling_counts_for_nothing() -> None:
    log, room = opened()
    message = log.rooms[room].sent[-1]
    log.post(OFFICER_MA, room, kinds.Relabel(envelope=message, old=Label.AMBER, new=Label.CLEAR))
    log.post(OFFICER_TN, room, kinds.Relabel(envelope=message, old=Label.RED, new=Label.CLEAR))
    log.post(OFFICER_TN, room, kinds.Relabel(envelope=x.ENVELOPES[0], old=Label.AMBER, new=Label.CLEAR))
    answer = answered(case_of(log), "labels")
    assert cells(answer, "what", "message") == [
        ("change of a label that counts for nothing", 14),
        ("change of a label that counts for nothing", 14),
        ("change of a label that counts for nothing", None),
    ]
    assert [state.rsplit(" ", 1)[1] for (state,) in cells(answer, "state")] == ["[ROLE]", "[LABEL]", "[NOT_FOUND]"]
    assert said(answer).startswith("No label was lowered. Changes of a label that count for nothing")


def test_a_label_above_the_ceiling_is_shown_with_it() -> None:
    log, room = opened(Label.AMBER)
    index = log.post(OFFICER_TN, room, kinds.Message(), label=Label.RED)
    answer = answered(case_of(log), "labels", room=room.hex())
    assert cells(answer, "what", "message", "was", "became", "proof") == [
        ("label above the ceiling", index, Label.AMBER, Label.RED, (11, index))
    ]
    assert "which no relay may take: 1" in said(answer)
    assert answer.trouble


def test_without_any_change_of_a_label_that_is_said() -> None:
    log, _ = opened()
    assert said(answered(case_of(log), "labels")) == (
        "No label was lowered. No entry had a label above the ceiling of its room or of its sender's certificate."
    )


# ---- left-circle


def test_disclosures_grants_and_repairs_to_others_are_summed_by_label() -> None:
    log, room = opened()
    message = log.rooms[room].sent[-1]
    red = log.post(OFFICER_MA, room, kinds.Message(), label=Label.RED)
    log.add(OFFICER_TN, room, OFFICER_SN)
    disclosed = log.post(OFFICER_TN, room, kinds.Egress(envelope=message, form="paper", recipient="a court"))
    granted = log.post(OFFICER_TN, room, kinds.Grant(from_seq=4, to_seq=6, addressees=(OFFICER_SN.id,)))
    repaired = log.post(OFFICER_TN, room, kinds.Repair(envelopes=(message,), addressees=(OFFICER_SN.id,)))
    answer = answered(case_of(log), "left-circle")
    assert cells(answer, "what", "messages", "label", "to", "outside", "proof") == [
        ("disclosed outside", 1, Label.AMBER, None, "a court (paper)", (14, disclosed)),
        ("sent to one it was not for", 1, Label.AMBER, text(OFFICER_SN), None, (14, repaired)),
        ("history granted", 2, Label.RED, text(OFFICER_SN), None, (granted,)),
    ]
    assert [against for (against,) in cells(answer, "against")] == [
        None, "a repair goes to a device that a message was for", "TLP:RED is granted by its author alone",
    ]  # fmt: skip
    assert "TLP:RED: 1 history granted; TLP:AMBER: 1 disclosed outside, 1 sent to one it was not for" in said(answer)
    assert red == 15


def test_a_report_is_what_may_stand_in_it_under_its_own_label() -> None:
    log, room = opened()
    log.post(OFFICER_MA, room, kinds.Message(), label=Label.AMBER_STRICT)
    newest = log.rooms[room].sent[-1]
    log.post(OFFICER_MA, room, kinds.Message(), label=Label.GREEN)
    for form in ("report, TLP:AMBER, pdf", "report, TLP:AMBER+STRICT, html", "report, TLP:RED, html", "paper"):
        log.post(OFFICER_MA, room, kinds.Egress(envelope=newest, form=form, recipient=MA))
    log.post(OFFICER_MA, room, kinds.Egress(envelope=newest, form="notice, TLP:GREEN, pdf", recipient="a court"))
    log.post(
        OFFICER_MA, room, kinds.Egress(envelope=EnvelopeId(bytes(32)), form="report, TLP:GREEN, pdf", recipient=MA)
    )
    answer = answered(case_of(log), "left-circle")
    assert cells(answer, "what", "messages", "label", "outside", "against", "proof") == [
        ("taken out in a report", 1, Label.AMBER, f"{MA} (report, TLP:AMBER, pdf)", None, (15, 17)),
        # Who read it may report it inside his own organisation, which a single message by itself may not leave for.
        ("taken out in a report", 2, Label.AMBER_STRICT, f"{MA} (report, TLP:AMBER+STRICT, html)", None, (15, 18)),
        ("taken out in a report", 2, Label.RED, f"{MA} (report, TLP:RED, html)",
         "TLP:RED does not leave its room", (15, 19)),
        ("disclosed outside", 1, Label.AMBER_STRICT, f"{MA} (paper)",
         "TLP:AMBER+STRICT does not leave its circle by a single member's act", (15, 20)),
        ("taken out in a report", 0, Label.GREEN, "a court (notice, TLP:GREEN, pdf)",
         "a notice is made for its maker's own organisation", (15, 21)),
        ("taken out in a report", 1, Label.GREEN, f"{MA} (report, TLP:GREEN, pdf)", None, (22,)),
    ]  # fmt: skip
    assert "TLP:AMBER: 1 taken out in a report" in said(answer)


def test_where_not_all_findings_were_kept_every_repair_is_looked_at() -> None:
    log, room = opened()
    message = log.rooms[room].sent[-1]
    log.add(OFFICER_TN, room, OFFICER_SN)
    index = log.post(OFFICER_TN, room, kinds.Repair(envelopes=(message,), addressees=(OFFICER_SN.id,)))
    case = case_of(log)
    with case.record.copy.writing() as connection:
        connection.execute("DELETE FROM finding")
    # Control: what the examination found is what is gone by, as long as it kept all of it.
    assert cells(answered(case_of(log), "left-circle"), "proof") == [((14, index),)]
    assert answered(case, "left-circle").found.rows == ()
    with case.record.copy.writing() as connection:
        row = ("remark", 1, "CLOCK", "one of many")
        connection.executemany('INSERT INTO finding (severity, "index", code, text) VALUES (?, ?, ?, ?)', [row] * 1_000)
    assert cells(answered(case, "left-circle"), "proof") == [((14, index),)]


def test_only_from_a_label_on_is_shown_what_is_that_strict() -> None:
    log, room = opened()
    message = log.rooms[room].sent[-1]
    log.post(OFFICER_TN, room, kinds.Egress(envelope=message, form="paper", recipient="a court"))
    log.post(OFFICER_TN, room, kinds.Relabel(envelope=message, old=Label.AMBER, new=Label.RED))
    index = log.post(OFFICER_TN, room, kinds.Egress(envelope=message, form="paper", recipient="a court"))
    answer = answered(case_of(log), "left-circle", label="TLP:AMBER+STRICT")
    assert cells(answer, "label", "against", "proof") == [
        (Label.RED, "TLP:RED does not leave its circle by a single member's act", (14, index))
    ]


def test_history_is_no_news_to_who_was_in_and_amber_strict_stays_in_its_organisation() -> None:
    log, room = opened()
    log.post(OFFICER_TN, room, kinds.Message(), label=Label.AMBER_STRICT)
    log.add(OFFICER_TN, room, SECOND_TN, OFFICER_SN)
    devices = tuple(sorted(device.id for device in (OFFICER_MA, OFFICER_SN, SECOND_TN)))
    index = log.post(OFFICER_TN, room, kinds.Grant(from_seq=4, to_seq=5, addressees=devices))
    answer = answered(case_of(log), "left-circle")
    assert sorted(cells(answer, "to", "against", "proof")) == sorted([
        (text(OFFICER_SN), "TLP:AMBER+STRICT is granted inside the organisation alone", (index,)),
        (text(SECOND_TN), None, (index,)),
    ], key=str)  # fmt: skip


def test_a_disclosure_by_a_stranger_is_shown_and_not_counted() -> None:
    log, room = opened()
    log.post(OFFICER_SN, room, kinds.Egress(envelope=log.rooms[room].sent[-1], form="paper", recipient="a court"))
    answer = answered(case_of(log), "left-circle")
    assert said(answer).startswith("Nothing is recorded to have left its circle. Entries that claim so")
    assert cells(answer, "state") == [("DOES NOT HOLD: the sender is not in the room [NOT_MEMBER]",)]


def test_nothing_left_a_circle_that_only_asked_for_repair() -> None:
    log, room = opened()
    log.post(OFFICER_MA, room, kinds.Repair(envelopes=(log.rooms[room].sent[-1],), addressees=()))
    assert cells(answered(case_of(log), "left-circle", room=room.hex()), "what") == []
