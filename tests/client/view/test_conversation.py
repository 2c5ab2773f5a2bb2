"""A window of a conversation: what stands where, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from amanah_client.incident.on_board import ClosingOnBoard
from amanah_client.message import author_of
from amanah_client.model import Cause, Intent, IntentState, MessageState, Retitled
from amanah_client.saying import saying
from amanah_client.view.board import ClockLine, DecisionLine, TaskLine
from amanah_client.view.closing import closing_words
from amanah_client.view.conversation import Kept, conversation, is_page, is_told
from amanah_client.view.entries import AlertCard, DayBreak, Entry, FileCard, Gone, Notice, Prose, StandingCard
from amanah_client.view.runs import plain
from amanah_protocol import kinds
from amanah_protocol.content.alert import Alert, Severity
from amanah_protocol.content.bodies import AlertBatch, RoomInfo, Unknown
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.closing import Closing, ClosingRecorded, SignOff
from amanah_protocol.content.file import File
from amanah_protocol.content.forwarded import Forwarded, Origin
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.page import Page, Result
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Called, Mention, Text
from amanah_protocol.crypto import sha256
from amanah_protocol.kinds import Outcome
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import EnvelopeId, RoomId
from tests.client.view.told import A_MA, A_SN, A_TN, BOT, MA, MINUTE_MS, NOW_MS, ROOM, SN, TN, Told, party

NAME = bytes(16)


def bare(text: str) -> str:
    """Without what isolates values in a sentence."""
    return text.replace("\u2068", "").replace("\u2069", "")


def said(entry: Entry) -> str:
    assert isinstance(entry.content, Prose)
    return plain(entry.content.blocks)


def test_a_day_begins_with_its_date_and_one_author_s_messages_stand_together() -> None:
    told = Told()
    for who in (A_TN, A_TN, A_MA, A_TN):
        told.say(who, Text(text="x"))
    day, *entries = told.items()
    assert isinstance(day, DayBreak)
    assert day.text.endswith("2026, times in UTC")
    assert [item.first for item in entries if isinstance(item, Entry)] == [True, False, True, True]


def test_a_label_stands_at_the_first_of_a_run_and_where_it_is_not_the_rooms() -> None:
    told = Told()
    for label in (Label.AMBER, Label.AMBER, Label.GREEN):
        told.say(A_TN, Text(text="x"), label=label)
    assert [entry.label for entry in told.entries()] == ["TLP:AMBER", "", "TLP:GREEN"]
    assert [entry.the_label for entry in told.entries()] == ["TLP:AMBER", "TLP:AMBER", "TLP:GREEN"]


def test_what_has_another_label_than_the_line_above_stands_under_a_head_of_its_own() -> None:
    told = Told()
    for label in (Label.GREEN, Label.AMBER, Label.AMBER):
        told.say(A_TN, Text(text="x"), label=label)
    assert [entry.label for entry in told.entries()] == ["TLP:GREEN", "TLP:AMBER", ""]
    assert [entry.first for entry in told.entries()] == [True, True, False]


def test_what_has_another_pap_than_the_line_above_stands_under_a_head_of_its_own() -> None:
    told = Told()
    for pap in (Pap.AMBER, Pap.RED, Pap.RED, Pap.AMBER):
        told.say(A_TN, Text(text="x"), pap=pap)
    assert [entry.pap for entry in told.entries()] == ["", "PAP:RED", "", ""]
    assert [entry.first for entry in told.entries()] == [True, True, False, True]
    assert [entry.the_pap for entry in told.entries()] == ["PAP:AMBER", "PAP:RED", "PAP:RED", "PAP:AMBER"]


def test_what_was_corrected_under_a_stricter_pap_stands_under_that() -> None:
    told = Told()
    first = told.say(A_TN, Text(text="the panel"))
    told.say(A_TN, Correction(message=first, text="the panel at 192.0.2.7"), pap=Pap.RED)
    (entry,) = told.entries()
    assert (entry.pap, entry.the_pap) == ("PAP:RED", "PAP:RED")


def test_what_is_urgent_says_so_itself_and_nothing_routine_stands_under_it() -> None:
    told = Told()
    for precedence in (Precedence.FLASH, Precedence.FLASH, Precedence.ROUTINE):
        told.say(A_TN, Text(text="x"), precedence=precedence)
    assert [entry.urgent for entry in told.entries()] == ["Flash", "Flash", ""]
    assert [entry.first for entry in told.entries()] == [True, False, True]


def test_what_stands_under_a_message_that_got_another_label_says_its_own() -> None:
    told = Told()
    first = told.say(A_TN, Text(text="x"))
    told.say(A_TN, Text(text="y"))
    kept = Kept()
    before = conversation(told.messages, told.room(), kept=kept)
    assert [item.label for item in before if isinstance(item, Entry)] == ["TLP:AMBER", ""]
    told.show(A_TN, kinds.Relabel(envelope=first, old=Label.AMBER, new=Label.RED))
    kept.forget([first])
    after = conversation(told.messages, told.room(), kept=kept)
    assert [item.label for item in after if isinstance(item, Entry)] == ["TLP:RED", "TLP:AMBER"]


def test_a_message_is_shown_under_the_strictest_label_of_it_and_its_corrections() -> None:
    told = Told()
    first = told.say(A_TN, Text(text="at 14:00"))
    told.say(A_TN, Correction(message=first, text="in the ministry"), label=Label.AMBER_STRICT)
    assert [entry.the_label for entry in told.entries()] == ["TLP:AMBER+STRICT"]


def test_an_author_is_a_nation_s_chip_and_words() -> None:
    told = Told()
    told.say(A_MA, Text(text="x"))
    told.say(party(TN, 7, "nobody\u202ex\ny", revoked=True), Text(text="x"))
    first, second = (entry.who for entry in told.entries())
    assert (first.chip, first.name, first.mine, first.me) == ("MA", "officer 0 of MA", False, False)
    assert (second.chip, second.name, second.note, second.mine) == ("TN", "nobody<202E>x y", "device revoked", True)


def test_a_message_says_what_it_answers_whom_it_calls_and_how_many_answers_its_thread_has() -> None:
    told = Told()
    asked = told.say(A_MA, Text(text="Who **sees** this?"))
    calls = (
        Mention(called=Called.NATION, organisation=SN),
        Mention(called=Called.DESK, organisation=TN),
        Mention(called=Called.PERSON, organisation=MA, person=A_MA.subject),
    )
    told.say(A_TN, Text(text="We do.", reply_to=asked, thread=asked, mentions=calls))
    told.say(A_TN, Text(text="gone", reply_to=EnvelopeId(bytes(32))))
    first, second = told.entries()
    assert (first.threads, second.thread) == (1, asked.hex())
    assert second.reply is not None
    assert (second.reply.chip, second.reply.text) == ("MA", "Who sees this?")
    assert [bare(name) for name in second.calls] == ["SN", "duty desk TN", "officer 0 of MA of MA"]
    assert second.calls_me
    # What answers nothing that is here has no effect, and says so.
    assert [bare(item.text) for item in told.items() if isinstance(item, Notice)] == [
        "officer 0 of TN said something without effect (text): what it speaks of is not here before it."
    ]


def test_an_own_message_says_how_far_it_has_come() -> None:
    told = Told()
    told.say(A_TN, Text(text="x"))
    told.say(A_TN, Text(text="y"), state=MessageState.SENT)
    assert [(entry.delivery and entry.delivery.state) for entry in told.entries()] == ["accepted", "sent"]
    told.show(A_MA, kinds.Delivered(room_seq=1))
    delivery = told.entries()[0].delivery
    assert delivery is not None
    assert (delivery.state, delivery.text, delivery.waiting) == ("delivered", "delivered to 1 of 2 nations", ("SN",))
    assert told.entries(A_MA)[0].delivery is None


def test_an_own_message_in_a_room_of_one_nation_is_delivered_to_nobody() -> None:
    told = Told()
    told.say(A_TN, Text(text="x"))
    (_, entry) = conversation(told.messages, told.room(members=(A_TN,)))
    assert isinstance(entry, Entry)
    assert entry.delivery is not None
    assert entry.delivery.text == "accepted by the relay; no other nation is here"


def test_what_waits_in_the_outbox_stands_last_with_its_state() -> None:
    told = Told()
    told.say(A_MA, Text(text="x"))
    kept = saying(ROOM, Text(text="later"), label=Label.GREEN)
    waiting = [
        Intent(id="aa", action=kept, created_at_ms=NOW_MS),
        Intent(id="bb", action=kept, created_at_ms=NOW_MS, state=IntentState.HELD, detail="MA joined."),
    ]
    _, _, queued, held = conversation(told.messages, told.room(), waiting)
    assert isinstance(queued, Entry)
    assert isinstance(held, Entry)
    assert (queued.id, said(queued), queued.label) == ("aa", "later", "TLP:GREEN")
    assert queued.delivery is not None
    assert held.delivery is not None
    assert queued.delivery.state == "queued"
    assert bare(held.delivery.text) == "held: MA joined. Release it or drop it."


def test_a_correction_shows_what_it_says_now_and_keeps_what_it_said() -> None:
    told = Told()
    first = told.say(A_TN, Text(text="one"))
    told.say(A_TN, Correction(message=first, text="two"))
    told.say(A_TN, Correction(message=first, text="three"))
    (entry,) = told.entries()
    assert isinstance(entry.content, Prose)
    assert plain(entry.content.blocks) == "three"
    assert [plain(blocks) for blocks in entry.content.before] == ["one", "two"]


def test_a_corrected_message_calls_whom_it_names_now() -> None:
    told = Told()
    calls = (Mention(called=Called.NATION, organisation=SN),)
    first = told.say(A_TN, Text(text="one", mentions=calls))
    told.say(A_TN, Correction(message=first, text="two"))
    second = told.say(A_TN, Text(text="three"))
    told.say(A_TN, Correction(message=second, text="four", mentions=calls))
    assert [[bare(name) for name in entry.calls] for entry in told.entries()] == [[], ["SN"]]


def test_of_what_has_no_end_a_face_may_ask_for_little() -> None:
    told = Told()
    first = told.say(A_TN, Text(text="one " * 5_000))
    for number in range(20):
        told.say(A_MA, Reaction(message=first, sign=f"s{number}"))
    told.say(A_TN, Correction(message=first, text="two " * 5_000))
    told.say(A_MA, Handover(text="three " * 5_000))
    room = structs.replace(told.room(), most=100)
    entry, note = [item for item in conversation(told.messages, room) if isinstance(item, Entry)]
    assert isinstance(entry.content, Prose)
    assert (entry.content.corrections, entry.content.before, entry.content.left_out) == (1, (), 19_900)
    assert (len(entry.reactions), entry.more_reactions) == (12, 8)
    assert isinstance(note.content, StandingCard)
    assert note.content.left_out == 29_900


def test_a_correction_of_somebody_else_s_words_is_named_and_changes_nothing() -> None:
    told = Told()
    first = told.say(A_TN, Text(text="one"))
    told.say(A_MA, Correction(message=first, text="{who} {0}"))
    _, entry, notice = told.items()
    assert isinstance(entry, Entry)
    assert said(entry) == "one"
    assert isinstance(notice, Notice)
    assert "only its author may do that" in notice.text


def test_what_is_withdrawn_erased_or_of_a_newer_version_says_so() -> None:
    told = Told()
    first = told.say(A_TN, Text(text="one"))
    told.say(A_TN, Withdrawal(message=first, reason="wrong host"))
    told.say(A_MA, None, state=MessageState.ERASED)
    told.say(A_MA, Unknown(type=99, raw=b"\x80"))
    contents = [entry.content for entry in told.entries()]
    assert [content.why for content in contents if isinstance(content, Gone)] == ["withdrawn", "erased", "unknown"]
    assert isinstance(contents[0], Gone)
    assert bare(contents[0].text) == "Withdrawn by its author at 23:42 UTC: wrong host"
    assert isinstance(contents[0].was, Prose)
    assert plain(contents[0].was.blocks) == "one"


def test_an_address_in_a_reason_or_a_note_is_shown_as_one_in_a_message() -> None:
    told, why = Told(), "see http://evil.example/a"
    first = told.say(A_TN, Text(text="one"))
    told.say(A_TN, Withdrawal(message=first, reason=why))
    told.say(A_TN, Task(id=NAME, what="look", nation=MA))
    told.say(A_MA, TaskMoved(id=NAME, state=TaskState.REFUSED, reason=why))
    asked = told.say(A_TN, Proposal(ordinal=1, what="Sinkhole", object_until_ms=NOW_MS + 1, quorum=1, nations=(MA, TN)))
    told.say(A_MA, Position(proposal=asked, agrees=False, reason=why))
    shown = repr([entry.content for entry in told.entries()])
    assert "http://" not in shown
    # Withdrawn; refused as the task stands and as it moved; objected as the proposal stands, in words too, and as said.
    assert shown.count("hxxp://evil[.]example/a") == 6


def test_what_cannot_be_read_says_why_and_what_happens() -> None:
    told = Told()
    told.say(A_MA, None, state=MessageState.UNREADABLE, cause=Cause.NOT_MEMBER_THEN)
    (entry,) = told.entries()
    assert isinstance(entry.content, Gone)
    assert entry.content.text.startswith("This device was not in the room when it was sent. A member")
    assert entry.content.code == "OPEN"


def test_signs_stand_at_their_message_by_nation() -> None:
    told = Told()
    first = told.say(A_TN, Text(text="x"))
    told.say(A_MA, Reaction(message=first, sign="\U0001f440"))
    told.say(A_TN, Reaction(message=first, sign="\U0001f440"))
    (entry,) = told.entries()
    (sign,) = entry.reactions
    assert (sign.chips, sign.mine) == (("MA", "TN"), True)


def alert(title: str, severity: Severity, number: int = 0) -> Alert:
    record = bytes((number,))
    return Alert(
        source="suricata", dedupe_id=str(number), observed_at_ms=NOW_MS, severity=severity, title=title, category="",
        signature_id="1", source_address="198.51.100.7", source_port=4242, destination_address="203.0.113.54",
        destination_port=443, protocol="TCP", original=record, original_hash=sha256(record),
    )  # fmt: skip


def test_alerts_are_folded_and_their_numbers_add_up_in_public() -> None:
    told = Told()
    alerts = (alert("a", Severity.LOW, 0), alert("b", Severity.CRITICAL, 1), alert("b", Severity.CRITICAL, 2))
    told.say(BOT, AlertBatch(source="Suricata", alerts=alerts), kinds.Alert(count=3))
    told.show(BOT, kinds.Counts(accepted=3, merged=211, dropped=1))
    _, entry, notice = told.items()
    assert isinstance(entry, Entry)
    card = entry.content
    assert isinstance(card, AlertCard)
    assert bare(card.title) == "Suricata: 3 alerts in 2 groups"
    assert [(group.severity, group.title, group.count) for group in card.groups] == [
        ("critical", "b", 2),
        ("low", "a", 1),
    ]
    assert card.groups[0].flows == ("198.51.100[.]7:4242 \u2192 203.0.113[.]54:443",)
    assert (card.sum, card.adds_up) == ("sent 215 = shown 3 + merged 211 + dropped 1", False)
    assert isinstance(notice, Notice)
    assert entry.who.machine


def test_a_room_that_is_called_otherwise_is_a_line_to_be_looked_at_and_a_title_told_anew_is_none() -> None:
    told = Told()
    for retitled in (None, Retitled(before="Wave", holds=True), Retitled(before="Wave\u202e", holds=False)):
        told.say(A_TN, RoomInfo(title="198.51.100.7", description=""), retitled=retitled)
    notices = [item for item in told.items() if isinstance(item, Notice)]
    assert [(bare(one.text), one.tone) for one in notices] == [
        ("officer 0 of TN renamed the room from “Wave” to “198.51.100[.]7”.", "alarm"),
        ("officer 0 of TN called the room “198.51.100[.]7” without effect: it is still called “Wave<202E>”.", "alarm"),
    ]


def test_tasks_decisions_and_times_are_cards_where_they_were_begun_and_lines_where_they_moved() -> None:
    told = Told()
    told.say(A_TN, Task(id=NAME, what="Block the host", nation=MA))
    told.say(A_MA, TaskMoved(id=NAME, state=TaskState.REFUSED, reason="outside our mandate"))
    asked = told.say(A_TN, Proposal(ordinal=1, what="Sinkhole", object_until_ms=NOW_MS + 1, quorum=1, nations=(MA, TN)))
    told.say(A_MA, Position(proposal=asked, agrees=True))
    told.say(A_TN, Position(proposal=asked, agrees=False, reason="not yet"))
    told.say(A_TN, Clock(id=NAME, nature=Nature.ACTION, what="Sinkhole", at_ms=NOW_MS + 1))
    told.say(A_TN, Clock(id=NAME, nature=Nature.ACTION, what="Sinkhole", at_ms=NOW_MS + 2))
    told.say(A_TN, Handover(text="all **quiet**"))
    told.say(
        A_TN,
        Incident(title="t", severity=Severity.HIGH, status=Status.TRIAGE, type="fraud/phishing", aware_at_ms=NOW_MS),
    )
    told.say(A_TN, RoomInfo(title="t", description=""))
    kinds_of = [type(entry.content) for entry in told.entries()]
    assert kinds_of == [
        TaskLine, StandingCard, DecisionLine, StandingCard, StandingCard, StandingCard,
        ClockLine, StandingCard, StandingCard,
    ]  # fmt: skip
    lines = [list(map(bare, e.content.lines)) for e in told.entries() if isinstance(e.content, StandingCard)]
    assert lines == [
        ["MA, Block the host: refused. outside our mandate"],
        ["agrees: Sinkhole"],
        ["objects: Sinkhole", "not yet"],
        ["Sinkhole: 00:40 UTC"],
        [],
        ["Title: t", "Severity: High", "Status: Triage", "Type: fraud/phishing", "First known: 00:40 UTC"],
    ]


def test_a_file_is_a_card_with_its_hash_and_says_when_it_may_be_harmful() -> None:
    told = Told()
    file = File(name="inv\u202egnp.exe", size=5_000, digest=NAME * 2, key=NAME * 2, attachment=NAME * 2, text="a **b**")
    told.say(A_TN, file)
    told.say(A_TN, replace(file, sample=True, text=""))
    first, second = (entry.content for entry in told.entries())
    assert isinstance(first, FileCard)
    assert isinstance(second, FileCard)
    assert (first.name, first.called, first.sample, second.sample) == ("invgnp.exe", "inv<202E>gnp.exe", False, True)
    assert [bare(line) for line in first.lines] == ["inv<202E>gnp.exe, 5,000 bytes", f"SHA-256 {(NAME * 2).hex()}"]
    assert first.blocks
    assert second.lines[:2] == first.lines
    assert "harmful" in second.lines[2]


def test_a_change_of_readers_is_a_line() -> None:
    told = Told()
    told.show(A_TN, kinds.Create(origin="o", nonce=NAME, suite=1, ceiling=Label.AMBER, owner=TN, agreement="2026-{11}"))
    told.show(A_TN, kinds.Commit(added=(A_MA.device, A_SN.device)))
    told.show(A_TN, kinds.Commit(added=(A_MA.device,), removed=(A_SN.device,)))
    told.show(A_TN, kinds.Commit(removed=(A_SN.device,)))
    told.show(A_TN, kinds.Commit())
    told.show(A_TN, kinds.Egress(envelope=EnvelopeId(NAME * 2), form="f", recipient="a court {who}"))
    told.show(A_TN, kinds.Egress(envelope=EnvelopeId(NAME * 2), form="report, TLP:GREEN, pdf", recipient="{who}"))
    told.show(A_TN, kinds.Egress(envelope=EnvelopeId(NAME * 2), form="notice, TLP:AMBER, pdf", recipient=TN))
    told.show(A_MA, kinds.Grant(from_seq=1, to_seq=2, addressees=(A_SN.device,)))
    told.show(A_MA, kinds.Refuse(commit=EnvelopeId(NAME * 2), code="REFUSED_COMMIT"))
    told.show(A_MA, kinds.Refuse(commit=EnvelopeId(NAME * 2), code="FORK"))
    told.show(A_MA, kinds.Erase(envelopes=(EnvelopeId(NAME * 2),)))
    told.show(A_MA, kinds.Delivered(room_seq=1))
    notices = [item for item in told.items() if isinstance(item, Notice)]
    assert [bare(notice.text) for notice in notices] == [
        "officer 0 of TN opened the room, up to TLP:AMBER. Agreement: 2026-{11}.",
        "officer 0 of TN added MA officer 0 of MA (1 device) and SN officer 0 of SN (1 device).",
        "officer 0 of TN added MA officer 0 of MA (1 device) and removed SN officer 0 of SN (1 device).",
        "officer 0 of TN removed SN officer 0 of SN (1 device).",
        "officer 0 of TN disclosed message 00000000 to a court {who}.",
        "officer 0 of TN took out a report of the room, for {who} (TLP:GREEN, pdf).",
        f"officer 0 of TN took out the draft of a notice made of the room, for the authority of {TN} (TLP:AMBER, pdf).",
        "officer 0 of MA granted the record from 1 to 2 to 1 device.",
        "officer 0 of MA refuses the change 00000000 of the room.",
        "officer 0 of MA asks for new keys: its profile is an old copy.",
        "officer 0 of MA asked to erase what is not here.",
    ]
    assert [notice.tone for notice in notices[7:10]] == ["readers", "alarm", "quiet"]


def test_a_decision_that_is_borne_out_and_a_new_label_are_lines() -> None:
    told = Told()
    told.say(A_TN, Proposal(ordinal=1, what="x", object_until_ms=0, quorum=1, nations=(MA, TN)))
    told.show(A_TN, kinds.Decision(ordinal=1, outcome=Outcome.REFUSED, nations=()))
    told.show(A_TN, kinds.Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=()))
    first = told.say(A_TN, Text(text="x"))
    told.show(A_TN, kinds.Relabel(envelope=first, old=Label.AMBER, new=Label.GREEN))
    notices = [bare(item.text) for item in told.items() if isinstance(item, Notice)]
    assert notices == [
        "officer 0 of TN recorded: proposal 1 is not adopted.",
        "officer 0 of TN said something without effect (decision): it was decided before.",
        "officer 0 of TN changed the label of message 00000000 from TLP:AMBER to TLP:GREEN.",
    ]
    assert told.entries()[-1].the_label == "TLP:GREEN"


def test_who_was_paged_and_whether_that_reached_anybody_are_lines() -> None:
    told = Told()
    asked = told.say(A_TN, Text(text="Who is there?"), precedence=Precedence.FLASH)
    for result in Result:
        told.say(A_MA, Page(message=asked, step=0, whom="shift lead", result=result, at_ms=NOW_MS))
    notices = [item for item in told.items() if isinstance(item, Notice)]
    assert [bare(notice.text).rpartition(": ")[2] for notice in notices] == [
        "a device rang.", "the page was taken over.", "it reached nobody.",
    ]  # fmt: skip
    assert bare(notices[0].text).startswith("MA paged shift lead for message 00000000")
    assert [notice.tone for notice in notices] == ["quiet", "quiet", "alarm"]


def test_a_sign_off_stands_in_the_conversation_in_words() -> None:
    told = Told()
    facts = (NAME * 2,) * 6
    asked = told.say(A_TN, Closing(first=1, last=1, facts=facts, sign_until_ms=NOW_MS, nations=(MA, TN)))
    told.say(A_MA, SignOff(closing=asked, first=1, facts=facts))
    told.say(A_TN, ClosingRecorded(closing=asked, nations=(MA,)))
    # What others do not come to has no effect, and is shown all the same.
    _, asks, signs, records = told.items()
    assert isinstance(signs, Entry)
    assert isinstance(signs.content, StandingCard)
    assert (signs.content.title, signs.content.lines) == ("Sign-off", ("Signs off the entries from 1 to 1.",))
    assert all(isinstance(item, Notice) and "without effect" in item.text for item in (asks, records))


def test_what_an_entry_does_for_the_end_of_an_incident_is_told_in_plain_words() -> None:
    told = Told()
    facts = (NAME * 2,) * 6
    closing = Closing(first=1, last=7, facts=facts, sign_until_ms=NOW_MS + 90 * MINUTE_MS, nations=(MA, TN))
    board = told.board
    asked = EnvelopeId(NAME * 2)
    board.closings[asked] = ClosingOnBoard(closing=closing, by=author_of(A_TN), id=asked)
    signed = SignOff(closing=EnvelopeId(NAME * 2), first=4, facts=facts)
    for body, said_of_it in (
        (closing, "Asks MA and TN to sign off the entries up to 7 until 02:10 UTC."),
        (signed, "Signs off the entries from 4 to 7."),
        (ClosingRecorded(closing=EnvelopeId(NAME * 2), nations=(MA,)), "Records the end, signed off by MA."),
        (ClosingRecorded(closing=EnvelopeId(NAME * 2), nations=()), "Records the end; nobody has signed off."),
    ):
        assert bare(closing_words(body, board, told.room().seat)) == said_of_it


def test_of_many_that_come_at_once_the_nations_are_told() -> None:
    told = Told()
    many = [party(MA, number) for number in range(7)]
    for one in many:
        told.say(one, Text(text="x"))
    told.show(A_TN, kinds.Commit(added=tuple(one.device for one in many)))
    notices = [bare(item.text) for item in told.items() if isinstance(item, Notice)]
    assert notices == ["officer 0 of TN added MA (7 devices)."]


def test_what_was_written_long_before_it_was_sent_says_both() -> None:
    told = Told()
    told.say(A_TN, Text(text="x"), waited_ms=MINUTE_MS)
    told.say(A_TN, Text(text="offline"), waited_ms=4 * MINUTE_MS)
    told.say(A_TN, Text(text="yesterday"), waited_ms=24 * 60 * MINUTE_MS)
    assert [bare(entry.sent) for entry in told.entries()] == [
        "",
        "written 23:38, sent 23:42",
        "written 2026-11-27 23:43 UTC, sent 2026-11-28 23:43 UTC",
    ]


def test_what_stands_in_a_thread_says_how_that_begins() -> None:
    told = Told()
    first = told.say(A_MA, Text(text="Who sees 203.0.113.54?"))
    told.say(A_TN, Text(text="We do", thread=first))
    root, answer = told.entries()
    assert root.root is None
    assert answer.root is not None
    assert answer.root.text == "Who sees 203.0.113[.]54?"


def test_addresses_in_what_is_to_be_done_decided_or_met_are_defanged_as_in_a_message() -> None:
    told = Told()
    what = "Block **now** evil.example.com"
    told.say(A_TN, Task(id=NAME, what=what, nation=MA))
    told.say(A_MA, TaskMoved(id=NAME, state=TaskState.DONE))
    told.say(A_TN, Proposal(ordinal=1, what="block http://a.example/x", object_until_ms=0, quorum=1, nations=(MA, TN)))
    told.say(A_TN, Clock(id=NAME, nature=Nature.ACTION, what="block 203.0.113.54", at_ms=NOW_MS))
    task, moved, decision, clock = [entry.content for entry in told.entries()]
    assert isinstance(task, TaskLine)
    assert isinstance(moved, StandingCard)
    assert isinstance(decision, DecisionLine)
    assert isinstance(clock, ClockLine)
    assert task.what == "Block **now** evil.example[.]com"
    assert "example[.]com" in moved.lines[0]
    assert [(run.text, run.indicator) for run in decision.runs] == [
        ("block ", False), ("hxxp://a[.]example/x", True),
    ]  # fmt: skip
    assert clock.what == "block 203.0.113[.]54"


def test_where_clocks_differ_the_relay_s_time_stands_as_its_word() -> None:
    told = Told()
    told.say(A_TN, Text(text="x"), late_ms=5 * MINUTE_MS)
    assert told.entries()[0].relay_time.startswith("the relay says ")


@pytest.mark.parametrize(("precedence", "pages"), [(Precedence.PRIORITY, False), (Precedence.IMMEDIATE, True)])
def test_a_page_is_what_is_urgent_and_told(precedence: Precedence, *, pages: bool) -> None:
    told = Told()
    told.say(A_TN, Text(text="x"), precedence=precedence)
    told.say(A_TN, Reaction(message=EnvelopeId(NAME * 2), sign="a"), precedence=precedence)
    assert [is_page(message, message.precedence) for message in told.messages] == [pages, False]
    assert [is_told(message) for message in told.messages] == [True, False]
    assert told.entries()[0].urgent == precedence.name.capitalize()


def test_what_is_forwarded_says_whose_it_is_and_where_it_is_from() -> None:
    told = Told()
    origin = Origin(
        nation=SN, room=RoomId(NAME), message=EnvelopeId(bytes(32)), accepted_at_ms=NOW_MS, label=Label.AMBER
    )
    told.say(A_TN, Forwarded(text="two **portals**", origin=origin, note="seen?"))
    told.say(A_TN, Forwarded(text="two", origin=origin))
    first, second = (entry.content for entry in told.entries())
    assert isinstance(first, StandingCard)
    assert isinstance(second, StandingCard)
    assert (bare(first.title), plain(first.blocks)) == (f"Forwarded: TLP:AMBER of {SN}", "two portals")
    assert bare(first.lines[0]).startswith("From room 00000000, accepted ")
    assert list(map(bare, first.lines[1:])) == ["Note: seen?"]
    assert len(second.lines) == 1


def test_what_was_forwarded_elsewhere_is_told_as_that() -> None:
    told = Told()
    told.show(A_TN, kinds.Egress(envelope=EnvelopeId(NAME * 2), form="forward", recipient="ab" * 16))
    ((notice,),) = [[bare(item.text)] for item in told.items() if isinstance(item, Notice)]
    assert "forwarded message 00000000 into room abababab" in notice


@pytest.mark.parametrize("drill", [True, False])
def test_what_was_said_in_an_exercise_is_marked_as_that(*, drill: bool) -> None:
    told = Told()
    told.say(A_TN, Text(text="x"))
    told.messages[:] = [replace(message, drill=drill) for message in told.messages]
    assert [entry.drill for entry in told.entries()] == [drill]
