"""The report of a room: what it says and by which entry, what it counts as left out, and that no form widens it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from html import unescape
from itertools import pairwise
from pathlib import Path
from shutil import which
from zoneinfo import ZoneInfo

import pytest
from fpdf import FPDF
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from amanah_client.incident import board as rules
from amanah_client.incident.board import Fold
from amanah_client.incident.duties import Duty
from amanah_client.language import Language, speaking
from amanah_client.message import event_of
from amanah_client.model import Cause, MessageState
from amanah_client.prints import is_rtl, visual_runs
from amanah_client.report import outward
from amanah_client.report.markdown import render_markdown
from amanah_client.report.notice import notice
from amanah_client.report.outward import ABOVE, audience_of, may_stand
from amanah_client.report.page import render_page
from amanah_client.report.report import DRILL, Fact, Item, Report, times
from amanah_client.report.room import room_report
from amanah_client.report.sheet import render_sheet
from amanah_protocol import kinds
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.bodies import Profile, RoomInfo, Said, Unknown
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.file import File
from amanah_protocol.content.forwarded import Forwarded, Origin
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Text
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Grade, Outcome
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import DeviceId, EnvelopeId, PersonId, RoomId
from amanah_protocol.ways import Outside, Somebody, Way
from tests.client.report.told import MA, START_MS, TN, A, B, Talk, id_of

NAME = bytes(16)
needs_pdftotext = pytest.mark.skipif(which("pdftotext") is None, reason="pdftotext is not installed")


def made(talk: Talk, asked: Label = Label.RED) -> Report:
    return room_report(talk.given, asked=asked, zone=UTC)


def section(report: Report, heading: str) -> list[Item]:
    return next(list(one.items) for one in report.sections if one.heading == heading)


def facts(report: Report, heading: str) -> dict[str, Fact]:
    return {fact.name: fact for item in section(report, heading) for fact in item.facts}


def line(report: Report, seq: int) -> Item:
    return next(one for one in section(report, "Timeline") if one.source and one.source.room_seq == seq)


def named(item: Item) -> dict[str, str]:
    return {fact.name: fact.value for fact in item.facts}


@pytest.fixture
def worked() -> Talk:
    """An incident from its beginning to a decision."""
    talk = Talk(ceiling=Label.AMBER)
    talk.show(A, kinds.Create(origin="o", nonce=NAME, suite=3, ceiling=Label.AMBER, owner=TN))
    talk.say(A, RoomInfo(title=talk.title, description=""))
    talk.say(A, Incident(title="Mailboxes", severity=Severity.HIGH, status=Status.TRIAGE, aware_at_ms=START_MS))
    asked = talk.say(A, Text(text="Who sees this?", asks=Grade.ACTING))
    talk.say(B, Text(text="We do, since six", reply_to=asked))
    talk.show(B, kinds.Ack(grade=Grade.ACTING, envelope=asked))
    talk.say(B, Correction(message=id_of(5), text="We do, since 06:40"))
    talk.say(A, Task(id=NAME, what="Block the host", nation=MA))
    talk.say(B, TaskMoved(id=NAME, state=TaskState.REFUSED, reason="no mandate"))
    proposed = talk.say(
        A, Proposal(ordinal=1, what="Sinkhole it", object_until_ms=2 * START_MS, quorum=1, nations=(MA, TN))
    )
    talk.say(A, Clock(id=NAME, nature=Nature.ACTION, what="All at once", at_ms=START_MS))
    talk.say(B, Position(proposal=proposed, agrees=False, reason="too early"))
    talk.say(A, Text(text="wrong room"))
    talk.say(A, Withdrawal(message=id_of(13), reason="mistyped"))
    return talk


TASK = Task(id=NAME, what="Blockall", nation=MA)


def test_the_head_says_where_the_incident_stands_and_by_which_entry(worked: Talk) -> None:
    head = facts(made(worked), "The incident")
    assert (head["incident"].value, head["severity"].value, head["status"].value) == ("Mailboxes", "high", "triage")
    assert head["aware since"].value == "2026-11-18 11:06:40Z"
    source = head["aware since"].source
    assert source is not None
    assert source.text == "entry 3, envelope 0003000300030003, log index 1003"
    assert (head["type"].value, head["type"].missing) == ("not said in the room", True)
    assert head["drill or real"].value == "real"
    assert head["nations (devices)"].value == f"{MA} (1), {TN} (1)"


def test_what_was_decided_asked_for_and_agreed_on_stands_with_who_said_it(worked: Talk) -> None:
    report = made(worked)
    decision = facts(report, "Decisions")
    assert (decision["proposal 1"].value, decision["outcome"].value) == ("Sinkhole it", "open")
    assert decision[MA].value == "objects: too early"
    task = facts(report, "Tasks")
    assert (task["task"].value, task["for"].value, task["state"].value) == (
        "Block the host", MA, "refused: no mandate",
    )  # fmt: skip
    clock = facts(report, "Joint times")
    assert (clock["joint time"].value, clock["when"].value) == ("All at once", "act together 2026-11-18 11:06:40Z")


def test_a_decision_names_the_entry_that_records_it(worked: Talk) -> None:
    worked.say(A, Proposal(ordinal=2, what="Publish", object_until_ms=START_MS, quorum=1, nations=(TN,)))
    # The window is closed before anybody agreed.
    worked.show(A, kinds.Decision(ordinal=2, outcome=Outcome.REFUSED, nations=()))
    outcome = facts(made(worked), "Decisions")["outcome"]
    assert outcome.value == "refused"
    assert outcome.source is not None
    assert outcome.source.room_seq == 16


def test_each_line_is_in_the_order_of_the_room_and_names_its_entry(worked: Talk) -> None:
    lines = section(made(worked), "Timeline")
    places = [one.source.room_seq for one in lines if one.source]
    assert places == [1, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14]
    assert all(before < after for before, after in pairwise(places))
    assert named(lines[0])["does"] == f"opens the room for {TN}, up to TLP:AMBER"
    assert named(lines[0])["at"] == "2026-11-18 11:07:40Z"


def test_who_acknowledged_stands_at_what_was_acknowledged(worked: Talk) -> None:
    found = named(line(made(worked), 4))
    assert (found["acknowledged"], found["asks to acknowledge"]) == (f"{MA} acting", "acting")


def test_a_bots_acknowledgement_is_no_source_of_its_nations(worked: Talk) -> None:
    bot = structs.replace(B, device=DeviceId(b"b" * 32), role=Role.BOT)
    asked = worked.say(A, Text(text="Who acts?", asks=Grade.ACTING))
    of_bot = worked.show(bot, kinds.Ack(grade=Grade.ACTING, envelope=asked))
    place = len(worked.messages) - 1
    assert "acknowledged" not in named(line(made(worked), place))
    of_officer = worked.show(B, kinds.Ack(grade=Grade.ACTING, envelope=asked))
    sources = {
        fact.source.id for fact in line(made(worked), place).facts if fact.name == "acknowledged" and fact.source
    }
    assert sources == {of_officer}
    assert named(line(made(worked), place + 1))["has no effect"] == rules.NO_OFFICER
    assert of_bot != of_officer


def test_a_correction_is_shown_with_what_was_said_first(worked: Talk) -> None:
    found = line(made(worked), 5)
    assert [(quote.caption, quote.text) for quote in found.quotes] == [
        ("", "We do, since 06:40"),
        ("first said", "We do, since six"),
    ]
    corrected = next(fact for fact in found.facts if fact.name == "corrected")
    assert corrected.source is not None
    assert corrected.source.room_seq == 7


def test_what_was_withdrawn_is_named_and_its_words_are_not_repeated(worked: Talk) -> None:
    report = made(worked)
    found = line(report, 13)
    assert found.quotes == ()
    assert named(found)["withdrawn by its author"] == "2026-11-18 11:20:40Z: mistyped"
    assert "wrong room" not in render_markdown(report)


def test_a_task_a_proposal_and_a_time_that_were_withdrawn_are_named_as_that_and_no_words_of_them(worked: Talk) -> None:
    other = replace(TASK, id=b"\1" * 16)
    said = [
        worked.say(A, other),
        worked.say(A, Proposal(ordinal=2, what="Blockall", object_until_ms=2 * START_MS, quorum=1, nations=(TN,))),
        worked.say(A, Clock(id=b"\1" * 16, nature=Nature.ACTION, what="Blockall", at_ms=START_MS)),
    ]
    assert render_markdown(made(worked)).count("Blockall") == 6
    for one in said:
        worked.say(A, Withdrawal(message=one, reason="wrong nation"))
    report = made(worked)
    assert "Blockall" not in render_markdown(report)
    for heading, name in (("Tasks", "task"), ("Decisions", "proposal 2"), ("Joint times", "joint time")):
        item = section(report, heading)[-1]
        assert named(item)[name] == "withdrawn"
        assert named(item)["withdrawn by its author"].endswith("Z: wrong nation")


def test_a_correction_of_what_is_no_text_is_named_as_what_has_no_effect(worked: Talk) -> None:
    task = id_of(8)
    worked.say(A, Correction(message=task, text="another"))
    report = made(worked)
    assert named(line(report, 15))["has no effect"].startswith("only a text is corrected")
    assert "corrected" not in named(line(report, 8))


def test_what_had_no_effect_says_why(worked: Talk) -> None:
    worked.say(B, Withdrawal(message=id_of(4), reason=""))
    assert named(line(made(worked), 15))["has no effect"] == "only its author may do that"


def test_what_cannot_be_read_is_counted_by_cause_and_has_its_line() -> None:
    talk = Talk(ceiling=Label.AMBER, first=3)
    talk.say(A, Text(text="seen"))
    talk.say(B, None, state=MessageState.UNREADABLE, cause=Cause.CORRUPTED)
    talk.say(B, None, state=MessageState.ERASED)
    talk.say(B, Unknown(type=999, raw=b"\x01"))
    talk.say(B, Profile(encoded=b"x"))
    report = made(talk)
    counts = facts(report, "What is not in the timeline")
    assert counts["not here"].value.startswith("2 (entries 1-2): from before")
    assert counts["cannot be read"].value.startswith("1 (entries 4): corrupted: ")
    assert counts["erased"].value.startswith("1 (entries 5)")
    assert counts["of a later version"].value.startswith("1 (entries 6)")
    assert counts["no line of their own"].value.startswith("1 (entries 7)")
    assert counts["left out"].value == "none"
    assert line(report, 4).alarm
    assert named(line(report, 4))["cannot be read"].startswith("corrupted (OPEN). ")
    assert named(line(report, 6))["of a later version"] == "type 999; it cannot be shown"


def test_where_author_and_relay_differ_about_the_time_both_stand_there() -> None:
    talk = Talk(ceiling=Label.AMBER)
    talk.say(A, Text(text="x"), late_ms=3_600_000)
    found = named(line(made(talk), 1))
    assert (found["at"], found["its author's clock"]) == ("2026-11-18 11:07:40Z", "2026-11-18 10:07:40Z")


def test_a_time_stands_in_utc_and_in_the_readers_zone_of_that_day() -> None:
    zone = ZoneInfo("Europe/Brussels")
    assert times(START_MS, zone) == "2026-11-18 11:06:40Z (2026-11-18 12:06:40 CET)"
    assert times(1_784_000_000_000, zone) == "2026-07-14 03:33:20Z (2026-07-14 05:33:20 CEST)"
    assert times(START_MS, UTC) == "2026-11-18 11:06:40Z"
    assert times(None, zone) == "-"
    assert times(2**62, zone) == "beyond the year 9999"


def test_no_nation_s_name_is_taken_for_a_link(worked: Talk) -> None:
    assert f"- `{MA}`: `objects: too early`" in render_markdown(made(worked))


# ---- labels


STAYS = (
    "TLP:RED: it does not leave its room. Ask its author, who can lower the label, which is recorded, or say it anew "
    "to whom it is for."
)


@pytest.mark.parametrize(
    ("label", "asked", "own", "why"),
    [
        (Label.AMBER, Label.AMBER, False, None),
        (Label.AMBER, Label.GREEN, True, ABOVE),
        (Label.AMBER_STRICT, Label.AMBER, True, ABOVE),
        (Label.AMBER_STRICT, Label.RED, False, None),
        (Label.RED, Label.RED, True, STAYS),
        (Label.RED, Label.RED, False, STAYS),
        (Label.RED, Label.AMBER_STRICT, True, ABOVE),
    ],
)
def test_what_may_stand(label: Label, asked: Label, own: bool, why: str | None) -> None:  # noqa: FBT001 - a parameter of the test
    reader = Somebody(organisation=TN, person=PersonId(bytes(16)))
    source = reader if own else Somebody(organisation=MA, person=PersonId(bytes(16)))
    to = Outside(organisation=TN)
    assert may_stand(label, asked=asked, source=source, by=reader, way=Way.REPORT, to=to) == why
    # An authority is told what is strict by its source, and by nobody else; nothing that is red.
    told = may_stand(label, asked=label, source=source, by=reader, way=Way.NOTICE, to=Outside()) is None
    assert told is (label <= Label.AMBER or (label is Label.AMBER_STRICT and own))


def test_the_report_has_the_highest_label_of_what_is_in_it() -> None:
    talk = Talk()
    talk.say(A, Text(text="strict"), label=Label.AMBER_STRICT)
    assert made(talk, Label.AMBER).label is Label.AMBER
    report = made(talk, Label.RED)
    assert (report.label, report.audience) == (Label.AMBER_STRICT, audience_of(Label.AMBER_STRICT, Pap.AMBER))


def test_a_report_says_how_far_its_readers_may_act_on_what_is_in_it() -> None:
    talk = Talk()
    talk.say(A, Text(text="the panel at 192.0.2.7"), pap=Pap.RED)
    talk.say(A, Text(text="as usual"))
    report = made(talk)
    assert report.audience.endswith("do nothing that anybody else could notice.")
    assert [named(line(report, seq)).get("PAP") for seq in (1, 2)] == ["PAP:RED", None]
    # What was left out limits nothing.
    talk.say(B, Text(text="theirs"), label=Label.RED, pap=Pap.RED)
    talk.messages.pop(0)
    assert "PAP:AMBER" in made(talk, Label.AMBER).audience


def test_an_item_stands_under_the_strictest_of_the_entries_that_are_in_it() -> None:
    talk = Talk()
    asked = Proposal(ordinal=1, what="Sinkhole it", object_until_ms=2 * START_MS, quorum=1, nations=(MA, TN))
    proposal = talk.say(A, asked, label=Label.GREEN)

    def item(label: Label) -> tuple[Label | None, str | None]:
        (found,) = next(one for one in made(talk, label).sections if one.heading == "Decisions").items
        return found.label, named(found).get("PAP")

    assert item(Label.AMBER) == (Label.GREEN, None)
    talk.say(A, Position(proposal=proposal, agrees=False, reason="our ministry"), label=Label.AMBER, pap=Pap.RED)
    assert item(Label.AMBER) == (Label.AMBER, "PAP:RED")
    # What was left out of it makes nothing stricter.
    assert item(Label.GREEN) == (Label.GREEN, None)


def test_what_is_left_out_is_counted_with_its_places_and_the_rest_stays() -> None:
    talk = Talk()
    talk.say(A, Text(text="amber"))
    talk.say(B, Text(text="theirs"), label=Label.RED)
    talk.say(A, Text(text="ours"), label=Label.RED)
    low, high = made(talk, Label.AMBER), made(talk, Label.RED)
    assert facts(low, "What is not in the timeline")["left out"].value == f"2 (entries 2-3): {ABOVE}"
    assert facts(high, "What is not in the timeline")["left out"].value == f"2 (entries 2-3): {STAYS}"
    assert [[quote.text for quote in one.quotes] for one in section(high, "Timeline")] == [["amber"], [], []]
    assert (low.label, high.label) == (Label.AMBER, Label.AMBER)


def test_below_the_label_of_the_circle_nobody_is_named_and_the_title_is_left_out() -> None:
    talk = Talk(ceiling=Label.AMBER, title="Ministry of examples")
    talk.say(A, Text(text="for all"), label=Label.GREEN)
    talk.show(B, kinds.Ack(grade=Grade.READ, envelope=id_of(1)))
    report = made(talk, Label.GREEN)
    text = render_markdown(report)
    assert report.label is Label.GREEN
    assert "for all" in text
    assert not any(hidden in text for hidden in ("Ministry", A.name, B.name, MA))
    assert all(shown in render_markdown(made(talk, Label.AMBER)) for shown in ("Ministry", A.name, MA))


def test_a_label_that_its_author_raised_counts() -> None:
    talk = Talk()
    talk.say(A, Text(text="raised"))
    assert "raised" in render_markdown(made(talk, Label.AMBER))
    talk.show(A, kinds.Relabel(envelope=id_of(1), old=Label.AMBER, new=Label.RED))
    assert "raised" not in render_markdown(made(talk, Label.AMBER))


def test_what_was_corrected_in_stricter_words_stands_with_them_or_not_at_all() -> None:
    talk = Talk()
    talk.say(A, Text(text="amber words"))
    talk.say(A, Correction(message=id_of(1), text="strict words"), label=Label.AMBER_STRICT)
    assert line(made(talk, Label.AMBER), 1).quotes == ()
    found = line(made(talk, Label.AMBER_STRICT), 1)
    assert [quote.text for quote in found.quotes] == ["strict words", "amber words"]
    assert named(found)["corrected"] == "by its author"


LABELS = st.sampled_from(Label)
IDS = st.integers(1, 8).map(id_of)
PARTIES = st.sampled_from((A, B))
_MARK = re.compile(r"mark(\d+)q")


DIGEST = bytes(range(32))
ORIGINS = st.builds(
    Origin,
    nation=st.sampled_from((TN, MA)),
    room=st.just(RoomId(bytes(16))),
    message=st.just(EnvelopeId(DIGEST)),
    accepted_at_ms=st.just(START_MS),
    label=st.sampled_from(Label),
)


@st.composite
def talks(draw: st.DrawFn) -> Talk:
    """A room in which each entry's words hold its own mark."""
    talk = Talk(ceiling=draw(LABELS), title="")
    for seq in range(1, 1 + draw(st.integers(1, 8))):
        mark = f"mark{seq}q"
        bodies: st.SearchStrategy[Said] = st.one_of(
            st.builds(Text, text=st.just(mark), reply_to=st.none() | IDS),
            st.builds(Correction, message=IDS, text=st.just(mark)),
            st.builds(Withdrawal, message=IDS, reason=st.just(mark)),
            st.builds(Reaction, message=IDS, sign=st.just(mark)),
            st.builds(Incident, title=st.just(mark), severity=st.none() | st.sampled_from(Severity)),
            st.builds(Task, id=st.just(NAME), what=st.just(mark), nation=st.just(MA)),
            st.builds(TaskMoved, id=st.just(NAME), state=st.sampled_from(TaskState), reason=st.just(mark)),
            st.just(Proposal(ordinal=1, what=mark, object_until_ms=0, quorum=1, nations=(MA, TN))),
            st.builds(Position, proposal=IDS, agrees=st.booleans(), reason=st.just(mark)),
            st.just(Clock(id=NAME, nature=Nature.ACTION, what=mark, at_ms=0)),
            st.just(Handover(text=mark)),
            st.just(File(name=mark, size=1, digest=DIGEST, key=DIGEST, attachment=DIGEST, text=mark)),
            st.builds(Forwarded, text=st.just(mark), origin=ORIGINS, note=st.just(mark)),
        )
        if draw(st.integers(0, 4)):
            talk.say(draw(PARTIES), draw(bodies), label=draw(LABELS), pap=draw(st.sampled_from(Pap)))
        else:
            talk.show(draw(PARTIES), kinds.Relabel(envelope=draw(IDS), old=draw(LABELS), new=draw(LABELS)))
    return talk


@settings(max_examples=200 * int(os.environ.get("AMANAH_SCALE", "1")), deadline=None)
@given(talks(), LABELS)
def test_no_form_of_a_report_holds_words_above_its_label(talk: Talk, asked: Label) -> None:
    board, report = Fold(map(event_of, talk.messages)).board, made(talk, asked)
    notices = (notice(talk.given, duty, asked=asked, zone=UTC) for duty in Duty)
    for file in (report, *notices):
        assert file.label <= min(asked, Label.AMBER_STRICT)
        for text in (render_markdown(file), render_page(file)):
            for seq in {int(found) for found in _MARK.findall(text)}:
                assert board.label_of(id_of(seq)) <= file.label
                pap = board.pap_of(id_of(seq))
                assert any(limit.text in file.audience for limit in Pap if limit >= pap) or pap is Pap.CLEAR
    # What may stand does: a report that shows nothing would widen nothing either.
    shown = {int(found) for found in _MARK.findall(render_markdown(report))}
    for message in talk.messages:
        spoken = board.messages[message.id]
        hidden = board.label_of(message.id) > min(asked, Label.AMBER_STRICT)
        if message.body is not None and not hidden and spoken.withdrawn is None:
            assert message.room_seq in shown


@settings(max_examples=200 * int(os.environ.get("AMANAH_SCALE", "1")), deadline=None)
@given(talks(), LABELS)
def test_no_draft_of_a_notice_tells_an_authority_what_is_strict_of_others(talk: Talk, asked: Label) -> None:
    assert not strict_of_others(talk, asked)


def strict_of_others(talk: Talk, asked: Label) -> set[int]:
    """Entries whose words a draft holds although they are another nation's, above TLP:AMBER."""
    board, found = Fold(map(event_of, talk.messages)).board, set[int]()
    for duty in Duty:
        for seq in map(int, _MARK.findall(render_markdown(notice(talk.given, duty, asked=asked, zone=UTC)))):
            if board.label_of(id_of(seq)) > Label.AMBER and board.messages[id_of(seq)].source.organisation != TN:
                found.add(seq)
    return found


def test_without_the_rule_a_draft_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk(title="")
    talk.say(B, Incident(title="mark1q"), label=Label.AMBER_STRICT)
    assert strict_of_others(talk, Label.RED) == set()
    monkeypatch.setattr(outward, "check_way", lambda *_, **__: None)
    assert strict_of_others(talk, Label.RED) == {1}


# ---- forms


def strings(report: Report) -> Iterator[str]:
    """All that a report says."""
    yield report.title
    yield report.label.text
    yield report.audience
    for one in report.sections:
        yield one.heading
        yield one.note
        for item in one.items:
            yield "" if item.source is None else item.source.text
            yield "" if item.label is None else item.label.text
            for fact in item.facts:
                yield from (fact.name, fact.value, "" if fact.source is None else fact.source.text)
            for quote in item.quotes:
                yield from (quote.caption, *quote.text.split("\n"))


def test_markdown_and_page_say_each_fact(worked: Talk) -> None:
    report = made(worked)
    for form in (render_markdown(report), unescape(render_page(report))):
        assert [said for said in strings(report) if said not in form] == []


@needs_pdftotext
def test_the_print_says_each_fact(worked: Talk, tmp_path: Path) -> None:
    report = made(worked)
    (tmp_path / "report.pdf").write_bytes(render_sheet(report, START_MS))
    ran = subprocess.run(["pdftotext", "-layout", "report.pdf", "-"], cwd=tmp_path, capture_output=True, check=True)
    # Lines are folded and Arabic letters printed in the forms that they take in a word.
    printed = re.sub(r"\s+", "", ran.stdout.decode())
    said = [re.sub(r"\s+", "", one) for one in strings(report) if one.isascii()]
    assert [one for one in said if one not in printed] == []


@pytest.mark.parametrize("drill", [True, False])
def test_a_drill_says_so_at_its_head_and_at_each_line(worked: Talk, *, drill: bool) -> None:
    worked.drill = drill
    worked.say(A, Text(text="first\n\nsecond, and it is real"))
    report = made(worked)
    lines = len(section(report, "Timeline"))
    markdown, page = render_markdown(report), render_page(report)
    assert (DRILL in markdown, DRILL in page) == (drill, drill)
    assert (markdown.count("### DRILL entry") >= lines) is drill
    assert (page.count('<span class="mark">DRILL</span>') >= lines) is drill
    assert ("DRILL" in markdown) is drill
    mark = "DRILL  " if drill else ""
    assert f"~~~\n{mark}first\n{mark}\n{mark}second, and it is real\n~~~" in markdown


@pytest.mark.parametrize(
    ("line", "runs"),
    [
        ("plain", [("plain", False)]),
        ("", []),
        ("Block حجب 192.0.2.7 at", [("Block ", False), ("192.0.2.7", False), ("حجب ", True), (" at", False)]),
        ("في 06:40 UTC", [("UTC", False), (" ", True), ("06:40", False), ("في ", True)]),
    ],
)
def test_runs_of_a_mixed_line_stand_from_left_to_right(line: str, runs: list[tuple[str, bool]]) -> None:
    assert visual_runs(line, rtl_base=is_rtl(line)) == runs


def test_a_folded_line_keeps_the_direction_of_its_paragraph() -> None:
    assert visual_runs("عربي then", rtl_base=False) == [("عربي", True), (" then", False)]
    assert visual_runs("عربي then", rtl_base=True) == [("then", False), ("عربي ", True)]


@needs_pdftotext
def test_a_long_arabic_text_is_folded_and_nothing_of_it_is_lost(tmp_path: Path) -> None:
    talk = Talk(ceiling=Label.AMBER)
    words = [f"كلمة{number}" for number in range(400)]
    talk.say(B, Text(text=" ".join(words) + "\n" + "ب" * 600))
    (tmp_path / "report.pdf").write_bytes(render_sheet(made(talk), START_MS))
    ran = subprocess.run(["pdftotext", "-raw", "report.pdf", "-"], cwd=tmp_path, capture_output=True, check=True)
    printed = ran.stdout.decode()
    assert sorted(map(int, re.findall(r"(?<!\d)\d{3}(?!\d)", printed)))[-300:] == list(range(100, 400))
    assert sum(printed.count(letter) for letter in "\u0628\ufe8f\ufe90\ufe91\ufe92") >= 600


def test_a_word_without_an_end_is_folded_by_few_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    """One letter less at a time, a message of a few thousand letters kept a report from being made for minutes."""
    measured, width = list[str](), FPDF.get_string_width

    def measure(pdf: FPDF, text: str) -> float:
        measured.append(text)
        return float(width(pdf, text))

    monkeypatch.setattr(FPDF, "get_string_width", measure)
    talk = Talk(ceiling=Label.AMBER)
    talk.say(B, Text(text="\u0628" * 1_200))
    render_sheet(made(talk), START_MS)
    assert 8 < len(measured) < 600


def test_a_report_is_in_one_language_whoever_writes_it() -> None:
    talk = Talk()
    talk.say(A, Reaction(message=id_of(1), sign="x"))
    with speaking(Language(code="ar")):
        elsewhere = made(talk, Label.AMBER)
    assert elsewhere == made(talk, Label.AMBER)
