"""Drafts of notices: by when they are due, what is filled from which entry, and that a gap stays a gap."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import pytest

from amanah_client.incident.duties import Duty, due_ms
from amanah_client.report.markdown import render_markdown
from amanah_client.report.notice import notice
from amanah_client.report.report import Fact, Report
from amanah_client.report.room import room_report
from amanah_client.report.sheet import render_sheet
from amanah_protocol import kinds
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.bodies import AlertBatch
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Outcome
from amanah_protocol.labels import Label
from tests.client.report.test_room_report import needs_pdftotext
from tests.client.report.told import MA, START_MS, TN, A, B, Talk
from tests.client.test_cli_showing import alert

UNSAID = "not said in the room"


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def draft(talk: Talk, duty: Duty, asked: Label = Label.AMBER) -> Report:
    return notice(talk.given, duty, asked=asked, zone=UTC)


def facts(report: Report) -> list[Fact]:
    return [fact for section in report.sections[:-1] for item in section.items for fact in item.facts]


def value(report: Report, name: str) -> Fact:
    return next(fact for fact in facts(report) if fact.name == name)


@pytest.mark.parametrize(
    ("duty", "aware", "due"),
    [
        (Duty.EARLY_WARNING, "2026-11-20T06:40", "2026-11-21T06:40"),
        (Duty.NOTIFICATION, "2026-11-20T06:40", "2026-11-23T06:40"),
        (Duty.FINAL_REPORT, "2026-11-20T06:40", "2026-12-23T06:40"),
        (Duty.FINAL_REPORT, "2027-01-28T06:40", "2027-02-28T06:40"),
        (Duty.FINAL_REPORT, "2028-01-28T06:40", "2028-02-29T06:40"),
        (Duty.FINAL_REPORT, "2026-12-15T00:00", "2027-01-18T00:00"),
    ],
)
def test_a_notice_is_due_by_the_directives_clocks(duty: Duty, aware: str, due: str) -> None:
    assert due_ms(duty, ms(aware)) == ms(due)


@pytest.mark.parametrize("duty", Duty)
@pytest.mark.parametrize("back_ms", [0, 24 * 3_600_000, 5 * 24 * 3_600_000])
def test_a_time_at_the_end_of_the_calendar_ends_nothing(duty: Duty, back_ms: int) -> None:
    end = 253_402_300_799_999
    assert end - back_ms <= due_ms(duty, end - back_ms) <= end


def worked() -> Talk:
    talk = Talk(ceiling=Label.AMBER)
    talk.say(A, Incident(title="Mailboxes", severity=Severity.HIGH, status=Status.TRIAGE, aware_at_ms=START_MS))
    talk.say(B, AlertBatch(source="suricata", alerts=(alert("beacon"),)))
    talk.say(A, Task(id=bytes(16), what="Block the host", nation=MA))
    talk.say(B, TaskMoved(id=bytes(16), state=TaskState.DONE))
    talk.say(A, Task(id=bytes([1]) * 16, what="Warn the banks", nation=TN))
    proposed = talk.say(
        A, Proposal(ordinal=1, what="Sinkhole it", object_until_ms=4 * START_MS, quorum=1, nations=(MA,))
    )
    talk.say(B, Position(proposal=proposed, agrees=True))
    talk.show(A, kinds.Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=(MA,)))
    talk.say(A, Incident(status=Status.CONTAINING, type="fraud/phishing"))
    return talk


def test_an_early_warning_says_when_it_is_due_and_what_is_a_gap() -> None:
    report = draft(worked(), Duty.EARLY_WARNING)
    due = value(report, "due")
    assert due.value == "2026-11-19 11:06:40Z"
    assert due.source is not None
    assert due.source.room_seq == 1
    assert value(report, "type").value == "fraud/phishing"
    assert {fact.name for fact in facts(report) if fact.value == UNSAID} == {
        "suspected unlawful or malicious acts", "root cause", "impact across borders",
    }  # fmt: skip


def test_a_notification_brings_severity_and_indicators_from_their_entries() -> None:
    report = draft(worked(), Duty.NOTIFICATION)
    alerts = value(report, "alerts")
    assert alerts.value == "1 alert (1 high): 1 x beacon by suricata; from 192.0.2.1"
    assert alerts.source is not None
    assert alerts.source.room_seq == 2
    assert (value(report, "severity").value, value(report, "status").value) == ("high", "containing")


def test_a_final_report_brings_the_course_and_the_measures() -> None:
    report = draft(worked(), Duty.FINAL_REPORT)
    said = [fact for fact in facts(report) if fact.name.startswith("said at ")]
    assert [fact.source.room_seq for fact in said if fact.source] == [1, 9]
    assert value(report, "applied").value == f"Block the host ({MA})"
    assert value(report, "asked for").value == f"Warn the banks ({TN})"
    assert value(report, "decided together").value == "Sinkhole it"
    assert value(report, "due").value.startswith("2026-12-21 11:06:40Z, at the latest")


@pytest.mark.parametrize("duty", Duty)
def test_of_a_room_in_which_nothing_was_said_everything_is_a_gap(duty: Duty) -> None:
    talk = Talk(ceiling=Label.AMBER)
    talk.say(A, Text(text="a malicious act with impact across borders, severity high"))
    report = draft(talk, duty)
    assert value(report, "due").missing
    filled = {fact.name for fact in facts(report) if not fact.missing}
    # Words of people are read by people: nothing is made a statement of by us.
    assert filled <= {"drill or real", "nations in the room"}
    assert "malicious act with" not in render_markdown(report)


@pytest.mark.parametrize("duty", Duty)
def test_every_filled_line_names_its_entry(duty: Duty) -> None:
    for fact in facts(draft(worked(), duty)):
        assert fact.missing or fact.source is not None or fact.name in {"drill or real", "nations in the room"}


@pytest.mark.parametrize("duty", Duty)
def test_what_is_above_its_label_is_left_out_and_counted(duty: Duty) -> None:
    talk = Talk(ceiling=Label.RED)
    talk.say(B, Incident(title="The victim", severity=Severity.HIGH, aware_at_ms=START_MS), label=Label.RED)
    talk.say(B, Task(id=bytes(16), what="Call the victim", nation=MA), label=Label.RED)
    report = draft(talk, duty)
    text = render_markdown(report)
    assert "victim" not in text
    assert "2026-11-19" not in text
    assert "left out" in text
    assert report.label <= Label.AMBER


# ---- what a nation tells its authority

STRICT = Label.AMBER_STRICT


@pytest.mark.parametrize("duty", Duty)
def test_a_nation_tells_its_authority_what_it_said_itself(duty: Duty) -> None:
    talk = Talk(ceiling=Label.RED)
    first = Incident(title="The port", severity=Severity.HIGH, type="fraud/phishing", aware_at_ms=START_MS)
    talk.say(A, first, label=STRICT)
    talk.say(A, Task(id=bytes(16), what="Block the host", nation=TN), label=STRICT)
    report = draft(talk, duty, STRICT)
    text = render_markdown(report)
    assert "The port" in text
    assert value(report, "due").value.startswith(("2026-11-19", "2026-11-21", "2026-12-21"))
    assert ("Block the host" in text) is (duty is Duty.FINAL_REPORT)
    assert report.label is STRICT
    assert report.audience.startswith("It is for the authority that the own nation has to notify. ")
    # Under the label that is asked for, as ever.
    assert "The port" not in render_markdown(draft(talk, duty, Label.AMBER))


@pytest.mark.parametrize("duty", Duty)
def test_what_others_said_in_confidence_is_in_the_own_report_and_in_no_notice(duty: Duty) -> None:
    talk = Talk(ceiling=Label.RED)
    talk.say(B, Incident(title="The victim", severity=Severity.HIGH, aware_at_ms=START_MS), label=STRICT)
    assert "The victim" in render_markdown(room_report(talk.given, asked=STRICT, zone=UTC))
    report = draft(talk, duty, STRICT)
    assert "The victim" not in render_markdown(report)
    assert (value(report, "incident").value, value(report, "due").missing) == ("left out", True)
    assert "2026-" not in value(report, "due").value
    said = next(fact.value for fact in report.sections[-1].items[0].facts if fact.name == "left out")
    assert said == (
        f"1 (entries 1): TLP:AMBER+STRICT of {MA} does not leave {MA}. Ask its author, or another officer of {MA}: "
        "they can lower the label, which is recorded."
    )


def test_once_its_author_lowers_it_a_notice_says_it() -> None:
    talk = Talk(ceiling=Label.RED)
    theirs = talk.say(B, Incident(title="The victim", aware_at_ms=START_MS), label=STRICT)
    talk.show(B, kinds.Relabel(envelope=theirs, old=STRICT, new=Label.AMBER))
    assert value(draft(talk, Duty.EARLY_WARNING, STRICT), "incident").value == "The victim"


def test_a_nation_tells_what_it_knows_itself_where_others_said_more_since() -> None:
    talk = Talk(ceiling=Label.RED)
    talk.say(A, Incident(title="The port", severity=Severity.LOW, aware_at_ms=START_MS), label=STRICT)
    talk.say(B, Incident(title="The victim", severity=Severity.HIGH, aware_at_ms=START_MS - 9), label=STRICT)
    talk.say(A, Incident(status=Status.CONTAINING), label=STRICT)
    report = draft(talk, Duty.NOTIFICATION, STRICT)
    for name, own in (("incident", "The port"), ("severity", "low"), ("aware since", "2026-11-18 11:06:40Z")):
        assert value(report, name).value == own
        since = value(report, f"{name}, said since")
        assert (since.value, since.source is not None and since.source.room_seq) == ("left out", 2)
    assert value(report, "status").value == "containing"
    assert not any(fact.name == "status, said since" for fact in facts(report))
    due = value(report, "due")
    assert due.source is not None
    assert due.source.room_seq == 1


@pytest.mark.parametrize("state", TaskState)
def test_how_a_task_went_is_told_by_its_nation_alone(state: TaskState) -> None:
    talk = Talk(ceiling=Label.RED)
    talk.say(A, Task(id=bytes(16), what="Block the host", nation=MA), label=STRICT)
    talk.say(B, TaskMoved(id=bytes(16), state=state, reason="x"), label=STRICT)
    report = draft(talk, Duty.FINAL_REPORT, STRICT)
    assert value(report, "asked for").value == f"Block the host ({MA})"
    assert value(report, "asked for, said since").value == "left out"
    assert not any(fact.name in {"applied", "ongoing"} for fact in facts(report))


def test_nothing_that_is_red_is_told_to_an_authority_the_own_words_neither() -> None:
    talk = Talk(ceiling=Label.RED)
    talk.say(A, Incident(title="The victim"), label=Label.RED)
    assert "The victim" not in render_markdown(draft(talk, Duty.EARLY_WARNING, Label.RED))


def boxes(bounds: str) -> Iterator[list[tuple[float, float, float, float, str]]]:
    """The words of each page, with the boxes in which they stand."""
    for page in bounds.split("<page ")[1:]:
        found = re.findall(r'xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">(.*?)</word>', page)
        yield [(*map(float, one[:4]), one[4]) for one in found]


@needs_pdftotext
@pytest.mark.parametrize("duty", list(Duty))
def test_no_text_of_a_print_stands_over_another(duty: Duty, tmp_path: Path) -> None:
    (tmp_path / "notice.pdf").write_bytes(render_sheet(draft(worked(), duty), START_MS))
    ran = subprocess.run(["pdftotext", "-bbox", "notice.pdf", "-"], cwd=tmp_path, capture_output=True, check=True)
    pages = list(boxes(ran.stdout.decode()))
    assert sum(map(len, pages)) > 50
    # A letter's box is higher than its line: what counts is text beside text.
    over = [
        (one[4], other[4])
        for page in pages
        for one, other in combinations(page, 2)
        if min(one[2], other[2]) - max(one[0], other[0]) > 0.5 and abs(one[1] - other[1]) < 4
    ]
    assert over == []
