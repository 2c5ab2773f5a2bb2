"""What people say besides plain text, in words and as JSON."""

from __future__ import annotations

import pytest

from amanah_client.cli import showing
from amanah_client.said import said, said_json
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.forwarded import Forwarded, Origin
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.page import Page, Result
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Called, Mention, Text
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label
from amanah_protocol.types import OrgName, PersonId, RoomId
from tests.client.test_cli_showing import NOBODY, OTHER, message

TN, MA = OrgName("cert.example.tn"), OrgName("cert.example.ma")
NAME = bytes(range(16))
PERSON = Mention(called=Called.PERSON, organisation=TN, person=PersonId(NAME))
AT_MS, AT = 1_795_000_000_000, "2026-11-18 11:06:40Z"
OF = OTHER.hex()[:12]

OFFICER = "Officer A (Tunis desk), cert.example.tn"
WORDS: list[tuple[Said, str, str]] = [
    (Text(text="two\nlines"), "text", "two\nlines"),
    (Reaction(message=OTHER, sign="👀"), "reaction", f"[puts 👀 on {OF}]"),
    (Reaction(message=OTHER, sign="👀", stands=False), "reaction", f"[takes back 👀 from {OF}]"),
    (Correction(message=OTHER, text="at 15:00"), "correction", f"[corrects {OF}] at 15:00"),
    (Withdrawal(message=OTHER, reason=""), "withdrawal", f"[withdraws {OF}]"),
    (Withdrawal(message=OTHER, reason="wrong host"), "withdrawal", f"[withdraws {OF}: wrong host]"),
    (
        Incident(title="Wave", severity=Severity.HIGH, status=Status.TRIAGE, type="fraud/phishing", aware_at_ms=AT_MS),
        "incident",
        f"[incident: title Wave, severity high, status triage, type fraud/phishing, aware since {AT}]",
    ),
    (Incident(status=Status.CLOSED), "incident", "[incident: status closed]"),
    (Task(id=NAME, what="block it", nation=MA), "task", f"[task 000102030405 for {MA}: block it]"),
    (
        Task(id=NAME, what="block it", nation=MA, until_ms=AT_MS),
        "task",
        f"[task 000102030405 for {MA}, by {AT}: block it]",
    ),
    (TaskMoved(id=NAME, state=TaskState.TAKEN), "task", "[takes task 000102030405]"),
    (
        TaskMoved(id=NAME, state=TaskState.REFUSED, reason="no mandate"),
        "task",
        "[refuses task 000102030405: no mandate]",
    ),
    (
        Proposal(ordinal=3, what="sinkhole it", object_until_ms=AT_MS, quorum=2, nations=(MA, TN)),
        "proposal",
        f"[proposes: sinkhole it; 2 of {MA}, {TN} have to agree, objections until {AT}]",
    ),
    (Position(proposal=OTHER, agrees=True), "position", f"[agrees to {OF}]"),
    (Position(proposal=OTHER, agrees=False, reason="too early"), "position", f"[objects to {OF}: too early]"),
    (Clock(id=NAME, nature=Nature.ACTION, what="sinkhole", at_ms=AT_MS), "clock", f"[act together {AT}: sinkhole]"),
    (
        Clock(id=NAME, nature=Nature.EMBARGO, what="patch", at_ms=AT_MS, stands=False),
        "clock",
        f"[called off: patch, {AT}]",
    ),
    (Handover(text="all quiet"), "handover", "[hands over] all quiet"),
    (
        Page(message=OTHER, step=0, whom="the desk", result=Result.RANG, at_ms=AT_MS),
        "page",
        f"[pages for {OF}, step 0: a device rang: the desk]",
    ),
    (
        Page(message=OTHER, step=2, again=1, whom="Backup team", result=Result.FAILED, at_ms=AT_MS),
        "page",
        f"[pages for {OF}, step 2, time 2: the page reached nobody: Backup team]",
    ),
    (
        Forwarded(
            text="seen here",
            origin=Origin(nation=MA, room=RoomId(NAME), message=OTHER, accepted_at_ms=AT_MS, label=Label.AMBER_STRICT),
            note="you too?",
        ),
        "forwarded",
        f"[forwards TLP:AMBER+STRICT of {MA} in room 00010203, {AT}: you too?] seen here",
    ),
    (Handover(text="all quiet", to=PERSON), "handover", f"[hands over to 000102030405 of {TN}] all quiet"),
    (
        Handover(text="all quiet", to=Mention(called=Called.DESK, organisation=MA)),
        "handover",
        f"[hands over to the duty desk of {MA}] all quiet",
    ),
]


@pytest.mark.parametrize(("body", "word", "words"), WORDS)
def test_what_is_said_stands_there_in_words(body: Said, word: str, words: str) -> None:
    assert said(body) == words
    shown = message(body)
    assert shown.type == word
    line = showing.line(shown, NOBODY, shown.label, shown.pap).plain.replace("\n" + " " * 7, "\n")
    # Behind a colon stands what a person wrote, and nothing else does.
    assert line.endswith(f"{OFFICER}: {words}" if isinstance(body, Text) else f" {words}")
    assert showing.message_json(shown, shown.label, shown.pap)["said"] == said_json(body)


def test_as_json_times_are_those_of_rfc_3339_and_bytes_are_hex() -> None:
    assert said_json(Text(text="x", reply_to=OTHER, mentions=(PERSON,), asks=Grade.ACTING)) == {
        "text": "x",
        "reply_to": OTHER.hex(),
        "thread": None,
        "mentions": [{"called": "person", "organisation": TN, "person": NAME.hex()}],
        "asks": "acting",
    }
    assert said_json(Clock(id=NAME, nature=Nature.EMBARGO, what="patch", at_ms=AT_MS)) == {
        "id": NAME.hex(),
        "nature": "embargo",
        "what": "patch",
        "at": "2026-11-18T11:06:40.000Z",
        "stands": True,
    }


def test_what_others_wrote_is_made_harmless_in_every_kind() -> None:
    bad = "a\x1b[2Jb\u202ec"
    for body in (
        Text(text=bad), Reaction(message=OTHER, sign=bad), Correction(message=OTHER, text=bad),
        Withdrawal(message=OTHER, reason=bad), Incident(title=bad), Task(id=NAME, what=bad, nation=MA),
        TaskMoved(id=NAME, state=TaskState.DONE, reason=bad), Position(proposal=OTHER, agrees=False, reason=bad),
        Proposal(ordinal=3, what=bad, object_until_ms=1, quorum=1, nations=(MA,)),
        Clock(id=NAME, nature=Nature.ACTION, what=bad, at_ms=1), Handover(text=bad),
        Page(message=OTHER, step=1, whom=bad, result=Result.REACHED, at_ms=1),
    ):  # fmt: skip
        shown = message(body)
        line = showing.line(shown, NOBODY, shown.label, shown.pap).plain
        assert "\x1b" not in line
        assert "\u202e" not in line
