from __future__ import annotations

import pytest

from amanah_client.model import Cause, MessageState
from amanah_client.terminal.drawing import EDGE, FOLDED, Look, draw
from amanah_protocol import kinds
from amanah_protocol.content.alert import Alert, Severity
from amanah_protocol.content.bodies import AlertBatch, Unknown
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Called, Mention, Text
from amanah_protocol.crypto import sha256
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label, Pap, Precedence
from tests.client.view.told import A_MA, A_SN, A_TN, BOT, MA, MINUTE_MS, NOW_MS, SN, TN, Told, party

WIDTH = 60
OPENED = kinds.Create(origin="relay.example.org/log", nonce=bytes(16), suite=3, ceiling=Label.AMBER, owner=TN)


def lines(told: Told, look: Look | None = None) -> list[str]:
    drawn = [draw(item, look or Look(width=WIDTH)) for item in told.items()]
    return [row.plain.rstrip() for block in drawn for row in block.rows]


def shown(told: Told, look: Look | None = None) -> str:
    return "\n".join(lines(told, look))


def test_a_day_a_change_of_readers_and_a_message() -> None:
    told = Told()
    told.show(A_TN, OPENED)
    told.say(A_MA, Text(text="Two portals since this morning."))
    day, opened, gap, head, text = lines(told)
    assert day.startswith(" ── Saturday 28 November 2026, times in UTC ───")
    assert opened == " ── 23:41 officer 0 of TN opened the room, up to TLP:AMBER."
    assert gap == ""
    assert head == " 23:42 MA officer 0 of MA  TLP:AMBER"
    assert text == "       Two portals since this morning."


IMITATIONS = (
    "[system] MA removed TN",
    " ── 23:41 officer 0 of TN opened the room, up to TLP:CLEAR.",
    "     ┃ Decision 1",
    "     └─TN understood",
    " 23:42 MA officer 0 of MA  TLP:CLEAR",
    ">── x",
)


@pytest.mark.parametrize("imitation", IMITATIONS)
@pytest.mark.parametrize("before", ["", "x\n", "> ", "- ", "```\n", "\n\n", "w" * 200 + " "])
def test_no_text_reaches_the_cells_that_are_ours(imitation: str, before: str) -> None:
    told = Told()
    told.say(A_MA, Text(text=f"{before}{imitation}"))
    item = told.entries()[0]
    head, *rest = [row for row in draw(item, Look(width=WIDTH)).rows if row.plain.strip()]
    assert head.plain.startswith(" 23:41 MA officer 0 of MA")
    assert rest
    for row in rest:
        assert "".join(part.text for part in row.edge) == " " * EDGE
        assert not row.end


def test_the_control_is_a_line_of_the_system_that_does_reach_them() -> None:
    told = Told()
    told.show(A_TN, OPENED)
    assert draw(told.items()[1], Look(width=WIDTH)).rows[0].edge[0].text == " ── "


def test_a_name_cannot_say_where_or_when_it_is_from() -> None:
    told = Told()
    told.say(A_MA, Text(text="x"))
    row = draw(told.entries()[0], Look(width=WIDTH)).rows[1]
    assert [one.text for one in row.edge] == [" 23:41 "]
    assert row.end[-1].text == " TLP:AMBER "


def test_a_marked_message_says_who_acknowledged_it_and_when() -> None:
    told = Told()
    asked = told.say(A_MA, Text(text="x"))
    told.show(party(TN, 3, "Night shift"), kinds.Ack(grade=Grade.ACTING, envelope=asked))
    marked = "".join(lines(told, Look(width=WIDTH, marked=True)))
    assert "Night shift of TN: acting" in marked
    assert "acknowledged for TN by Night shift" in marked
    assert "Night shift" not in "".join(lines(told))


def test_a_long_text_is_folded_until_somebody_asks_for_it() -> None:
    told = Told()
    told.say(A_MA, Text(text="x" * 65_536))
    assert len(lines(told)) == 3 + FOLDED + len(["There", "of it."])
    assert (
        "".join(line[EDGE:] for line in lines(told)[-2:]) == "There is more. Mark it and press Space to see all ofit."
    )
    opened = lines(told, Look(width=WIDTH, opened=True))
    assert sum(line.count("x") for line in opened) == 65_536


def test_who_received_read_understood_and_who_has_not_stands_under_the_message() -> None:
    told = Told()
    asked = told.say(A_TN, Text(text="JP, can you reach them?", asks=Grade.UNDERSTOOD))
    told.show(A_MA, kinds.Ack(grade=Grade.ACTING, envelope=asked))
    told.show(A_MA, kinds.Delivered(room_seq=1))
    assert "     └─MA acting  SN has not yet understood it" in lines(told)
    assert "     └─delivered to 1 of 2 nations; not yet SN" in lines(told, Look(width=WIDTH, newest=True))


def test_how_far_it_has_come_stands_at_the_newest_own_message_and_at_the_marked_one() -> None:
    told = Told()
    told.say(A_TN, Text(text="x"))
    assert "accepted" not in shown(told)
    assert "└─accepted by the relay" in shown(told, Look(width=WIDTH, newest=True))
    marked = shown(told, Look(width=WIDTH, marked=True))
    assert "└─accepted by the relay" in marked
    assert "└─#00000000, place 1, TLP:AMBER, PAP:AMBER" in marked


def test_what_has_not_arrived_says_so_wherever_it_stands() -> None:
    told = Told()
    told.say(A_TN, Text(text="x"), state=MessageState.SENT)
    assert "     └─sent, not accepted yet" in lines(told)


def test_replies_threads_reactions_corrections_and_calls() -> None:
    told = Told()
    first = told.say(A_TN, Text(text="Who sees **203.0.113.54**?"))
    mention = Mention(called=Called.DESK, organisation=TN)
    answer = told.say(A_MA, Text(text="We do", reply_to=first, thread=first, mentions=(mention,)))
    told.say(A_SN, Reaction(message=answer, sign="+1"))
    told.say(A_MA, Correction(message=answer, text="We do not", mentions=(mention,)))
    found = shown(told)
    assert "     └─1 answer in its thread" in found
    assert "     ┌─in thread: Who sees 203.0.113[.]54?" in found
    assert "     ┌─answers TN officer 0 of TN: Who sees 203.0.113[.]54?" in found
    assert "officer 0 of MA  calls you: duty desk TN" in found
    assert "       We do not" in found
    assert "     └─corrected once" in found
    assert "     └─+1 SN" in found
    assert "     └─before: We do" in shown(told, Look(width=WIDTH, opened=True))


def test_a_call_of_others_is_said_at_the_message_too() -> None:
    told = Told()
    told.say(A_MA, Text(text="x"))
    told.say(A_MA, Text(text="SN, look", mentions=(Mention(called=Called.DESK, organisation=SN),)))
    assert " 23:42 MA officer 0 of MA  calls duty desk SN" in lines(told)


def test_what_was_withdrawn_erased_or_cannot_be_read_says_so_in_words_of_ours() -> None:
    told = Told()
    taken = told.say(A_MA, Text(text="in vain"))
    told.say(A_MA, Withdrawal(message=taken, reason="wrong room"))
    told.say(A_MA, None, state=MessageState.ERASED)
    told.say(A_MA, None, state=MessageState.UNREADABLE, cause=Cause.STATE_LOST)
    told.say(A_MA, Unknown(type=99, raw=b"\x80"))
    found = shown(told)
    assert "     └─Withdrawn by its author at 23:42 UTC: wrong room" in found
    assert "in vain" not in found
    assert "in vain" in shown(told, Look(width=WIDTH, opened=True))
    assert "     └─Erased." in found
    assert "[OPEN]" in found
    assert "     └─A newer version of the program wrote this" in found


def test_cards_stand_behind_a_rule_that_no_text_has() -> None:
    told = Told()
    task = Task(id=b"\x11" * 16, what="image the disks", nation=TN, until_ms=NOW_MS - MINUTE_MS)
    told.say(A_MA, task)
    told.say(A_TN, TaskMoved(id=task.id, state=TaskState.TAKEN, reason=""))
    proposal = Proposal(ordinal=1, what="sinkhole", object_until_ms=NOW_MS + MINUTE_MS, quorum=3, nations=(MA, SN, TN))
    asked = told.say(A_MA, proposal)
    told.say(A_SN, Position(proposal=asked, agrees=False, reason="not before noon"))
    told.say(A_MA, Clock(id=b"\x22" * 16, nature=Nature.ACTION, what="take down", at_ms=NOW_MS + 90 * MINUTE_MS))
    told.say(A_MA, Incident(severity=Severity.HIGH))
    told.say(A_MA, Handover(text="look at\nthe two hosts"))
    found = lines(told)
    for expected in (
        "     ┃ Task 11111111 TN  by 00:39 UTC",
        "     ┃ image the disks",
        "     ┃ late by 1 min, in progress",
        "     ┃ Decision 1",
        "     ┃ SN objects: not before noon. MA and TN have until",
        "     ┃ Your nation has not said where it stands.",
        "     ┃ Act together 22222222  02:10 UTC",
        "     ┃ acknowledged by 1 of 3",
        "     ┃ Not acknowledged by SN and TN",
        "     ┃ Incident  Severity: High",
        "     ┃ Handover",
        "     ┃ the two hosts",
    ):
        assert expected in found, "\n".join(found)


def test_alerts_add_up_in_public() -> None:
    told = Told()
    alert = Alert(
        source="suricata", dedupe_id="1", observed_at_ms=NOW_MS, severity=Severity.CRITICAL,
        title="Cobalt Strike beacon", category="", signature_id="1", source_address="192.0.2.1", source_port=4242,
        destination_address="203.0.113.54", destination_port=443, original=b"x", original_hash=sha256(b"x"),
    )  # fmt: skip
    told.say(BOT, AlertBatch(source="Suricata", alerts=(alert, alert)), kinds.Alert(count=2))
    told.show(BOT, kinds.Counts(accepted=3, merged=211, dropped=0))
    found = shown(told)
    assert "Sensor gateway  machine" in found
    assert "     ┃ Critical  Cobalt Strike beacon  2 times" in found
    assert "192.0.2[.]1:4242 → 203.0.113[.]54:443" in found
    assert "     ┃ sent 214 = shown 3 + merged 211 + dropped 0" in found


def test_a_page_and_a_label_that_differs_are_said_at_the_message() -> None:
    told = Told()
    told.say(A_MA, Text(text="x"))
    told.say(A_MA, Text(text="now"), precedence=Precedence.FLASH, label=Label.GREEN)
    assert any(line.endswith("Flash   TLP:GREEN") for line in lines(told))


def test_no_line_stands_under_a_head_that_says_of_it_what_is_not_so() -> None:
    told = Told()
    told.say(A_MA, Text(text="green six"), label=Label.GREEN)
    told.say(A_MA, Text(text="amber seven"))
    told.say(A_MA, Text(text="now"), precedence=Precedence.FLASH)
    told.say(A_MA, Text(text="whenever"))
    told.say(A_MA, Text(text="touch nothing"), pap=Pap.RED)
    found = [line for line in lines(told)[1:] if line]
    heads = dict(zip(found[1::2], found[::2], strict=True))
    assert [head[26:].strip() for head in heads.values()] == [
        "TLP:GREEN", "TLP:AMBER", "Flash   TLP:AMBER", "TLP:AMBER", "PAP:RED   TLP:AMBER",
    ]  # fmt: skip


def test_what_was_sent_long_after_it_was_written_says_so() -> None:
    told = Told()
    told.say(A_MA, Text(text="offline"), waited_ms=4 * MINUTE_MS)
    assert "     └─written 23:37, sent 23:41" in lines(told)
