from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_client.composing import orders as o
from amanah_client.composing.commands import COMMANDS
from amanah_client.composing.line import read_line
from amanah_client.desk.telling import told as said_on_the_desk
from amanah_client.language import Language, speaking
from amanah_client.language.errors import SpokenError
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Called, Mention, Text
from amanah_protocol.errors import AmanahError, Code, UsageError
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import OrgName
from tests.client.composing.room import (
    ASKED,
    CLOCK,
    FRESH,
    MA,
    NOW_MS,
    OTHER,
    PROPOSED,
    SN,
    TASK,
    TN,
    situation,
)

HOUR_MS = 3_600_000
NATIONS = tuple(sorted((TN, MA, SN)))


def read(line: str) -> o.Order:
    return read_line(line, situation(), COMMANDS)


def refused(line: str) -> UsageError:
    with pytest.raises(UsageError) as error:
        read(line)
    return error.value


@pytest.mark.parametrize(
    ("line", "order"),
    [
        ("seen here too", o.Saying(body=Text(text="seen here too"))),
        ("  e\u0301tat  ", o.Saying(body=Text(text="\u00e9tat"))),
        ("//etc/passwd was read", o.Saying(body=Text(text="/etc/passwd was read"))),
        (
            "@cert.example.ma look",
            o.Saying(
                body=Text(text="@cert.example.ma look", mentions=(Mention(called=Called.NATION, organisation=MA),))
            ),
        ),
        ("/ack", o.Acknowledging(message=ASKED, grade=Grade.UNDERSTOOD)),
        ("/ack acting", o.Acknowledging(message=ASKED, grade=Grade.ACTING)),
        ("/ack #bbbb READ", o.Acknowledging(message=OTHER, grade=Grade.READ)),
        ("/ACK bbbb", o.Acknowledging(message=OTHER, grade=Grade.UNDERSTOOD)),
        ("/incident severity critical", o.Saying(body=Incident(severity=Severity.CRITICAL))),
        ("/incident status containing", o.Saying(body=Incident(status=Status.CONTAINING))),
        ("/incident close", o.Saying(body=Incident(status=Status.CLOSED))),
        ("/incident title Port authority", o.Saying(body=Incident(title="Port authority"))),
        ("/incident type fraud/phishing", o.Saying(body=Incident(type="fraud/phishing"))),
        ("/incident aware +0m", o.Saying(body=Incident(aware_at_ms=NOW_MS))),
        ("/task ma image them", o.Saying(body=Task(id=FRESH, what="image them", nation=MA))),
        (
            "/task cert.example.de by +1h image them",
            o.Saying(
                body=Task(id=FRESH, what="image them", nation=OrgName("cert.example.de"), until_ms=NOW_MS + HOUR_MS)
            ),
        ),
        ("/task take 1111", o.Saying(body=TaskMoved(id=TASK.id, state=TaskState.TAKEN))),
        ("/task done #1111", o.Saying(body=TaskMoved(id=TASK.id, state=TaskState.DONE))),
        (
            "/task refuse 1111 no mandate",
            o.Saying(body=TaskMoved(id=TASK.id, state=TaskState.REFUSED, reason="no mandate")),
        ),
        (
            "/decide by +1h sinkhole them",
            o.Saying(
                body=Proposal(
                    ordinal=2, what="sinkhole them", object_until_ms=NOW_MS + HOUR_MS, quorum=3, nations=NATIONS
                )
            ),
        ),
        (
            "/decide by +1h quorum 2 sinkhole them",
            o.Saying(
                body=Proposal(
                    ordinal=2, what="sinkhole them", object_until_ms=NOW_MS + HOUR_MS, quorum=2, nations=NATIONS
                )
            ),
        ),
        ("/decide agree 1", o.Saying(body=Position(proposal=PROPOSED, agrees=True))),
        ("/decide object 1 too early", o.Saying(body=Position(proposal=PROPOSED, agrees=False, reason="too early"))),
        ("/decide close 1", o.Concluding(ordinal=1)),
        ("/close", o.AskingToSign(days=7)),
        ("/close 3", o.AskingToSign(days=3)),
        ("/close record", o.RecordingClosing()),
        ("/sign", o.SigningOff(anyway=False)),
        ("/sign anyway", o.SigningOff(anyway=True)),
        ("/clock +1h go", o.Saying(body=Clock(id=FRESH, nature=Nature.ACTION, what="go", at_ms=NOW_MS + HOUR_MS))),
        (
            "/clock embargo +1h no word",
            o.Saying(body=Clock(id=FRESH, nature=Nature.EMBARGO, what="no word", at_ms=NOW_MS + HOUR_MS)),
        ),
        ("/clock move 2222 +1h", o.Saying(body=replace(CLOCK, at_ms=NOW_MS + HOUR_MS))),
        ("/clock off 2222", o.Saying(body=replace(CLOCK, stands=False))),
        ("/handover all quiet", o.Saying(body=Handover(text="all quiet"))),
        ("/reply we do", o.Saying(body=Text(text="we do", reply_to=ASKED))),
        ("/reply #bbbb we do", o.Saying(body=Text(text="we do", reply_to=OTHER))),
        (
            "/reply we do, @cert.example.ma",
            o.Saying(
                body=Text(
                    text="we do, @cert.example.ma",
                    reply_to=ASKED,
                    mentions=(Mention(called=Called.NATION, organisation=MA),),
                )
            ),
        ),
        ("\u200b\ufeff/ack", o.Acknowledging(message=ASKED, grade=Grade.UNDERSTOOD)),
        ("\uff0fack", o.Acknowledging(message=ASKED, grade=Grade.UNDERSTOOD)),
        ("/react \U0001f440", o.Saying(body=Reaction(message=ASKED, sign="\U0001f440"))),
        ("/react off \U0001f440", o.Saying(body=Reaction(message=ASKED, sign="\U0001f440", stands=False))),
        ("/react off #bbbb \U0001f440", o.Saying(body=Reaction(message=OTHER, sign="\U0001f440", stands=False))),
        ("/correct at 15:00", o.Saying(body=Correction(message=ASKED, text="at 15:00"))),
        ("/withdraw", o.Saying(body=Withdrawal(message=ASKED, reason=""))),
        ("/withdraw #bbbb wrong room", o.Saying(body=Withdrawal(message=OTHER, reason="wrong room"))),
        ("/tlp amber+strict", o.Marking(label=Label.AMBER_STRICT)),
        ("/tlp green #bbbb", o.Relabelling(message=OTHER, label=Label.GREEN)),
        ("/pap red", o.Marking(pap=Pap.RED)),
        ("/pap PAP:CLEAR", o.Marking(pap=Pap.CLEAR)),
        ("/precedence flash", o.Marking(precedence=Precedence.FLASH)),
        ("/invite cert.example.fr", o.Inviting(organisation=OrgName("cert.example.fr"))),
        ("/invite fr", o.Inviting(organisation=OrgName("cert.example.fr"))),
        ("/who", o.ShowingMembers()),
        ("/attach", o.Attaching(path="")),
        ("/attach loader one.bin", o.Attaching(path="loader one.bin")),
        ("/save", o.Saving(message=None, folder="")),
        ("/save #bbbb evidence one", o.Saving(message=OTHER, folder="evidence one")),
        ("/search beacon host", o.Searching(query="beacon host")),
        ("/export", o.Exporting(path="")),
        ("/help", o.Helping()),
        ("/help /task", o.Helping(command="task")),
    ],
)
def test_what_a_line_asks_for(line: str, order: o.Order) -> None:
    assert read(line) == order


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "nothing to send"),
        ("   ", "nothing to send"),
        ("/", "no command"),
        ("/tsak ma do it", "Did you mean /task?"),
        ("/xyzzy", "/help lists the commands"),
        ("/ack twice now", "none of received"),
        ("/ack #dddd", "0 messages"),
        ("/incident", "what changes is missing"),
        ("/incident severity", "what follows 'severity' is missing"),
        ("/incident severity awful", "none of low"),
        ("/incident colour red", "nothing that it can say"),
        ("/incident type fraud", "no type of the taxonomy"),
        ("/incident aware yesterday", "not a time"),
        ("/task", "the nation is missing"),
        ("/task ma", "what is to be done is missing"),
        ("/task fr look", "no nation here is called"),
        ("/invite xx", "no nation here is called"),
        ("/invite de", "several nations here are called"),
        ("/task ma by noon look", "not a time"),
        ("/task done 9999", "no task begins"),
        ("/task done", "first digits are missing"),
        ("/decide sinkhole", "until when"),
        ("/decide by +1h", "what is proposed is missing"),
        ("/decide by +1h quorum", "no number of nations from 1 to 3"),
        ("/decide by +1h quorum 0 sinkhole", "no number of nations from 1 to 3"),
        ("/decide by +1h quorum 4 sinkhole", "no number of nations from 1 to 3"),
        ("/decide by +1h quorum two sinkhole", "no number of nations from 1 to 3"),
        ("/decide by +1h quorum 2", "what is proposed is missing"),
        ("/react off", "the sign is missing"),
        ("/decide agree", "number is missing"),
        ("/decide agree 7", "no proposal 7"),
        ("/decide agree " + "7" * 5_000, "number is missing"),
        ("/clock", "the time is missing"),
        ("/clock +1h", "what happens then is missing"),
        ("/clock soon go", "not a time"),
        ("/clock off 9999", "no joint time"),
        ("/tlp", "the label is missing"),
        ("/tlp mauve", "no label 'mauve'"),
        ("/pap mauve", "none of clear"),
        ("/precedence now", "none of routine"),
        ("/reply", "the answer is missing"),
        ("/search", "what to look for is missing"),
        ("/help me", "no command /me"),
        ("/close 0", "no number of days"),
        ("/close soon", "no number of days"),
        ("/close " + "9" * 5_000, "no number of days"),
        ("/sign off", "nothing that it can say"),
    ],
)
def test_a_command_that_does_not_fit_is_refused_and_says_how_it_is_used(line: str, says: str) -> None:
    error = refused(line)
    assert says in f"{error.detail} {error.hint}"
    assert error.hint


@pytest.mark.parametrize("language", ["fr", "ar"])
@pytest.mark.parametrize(
    ("line", "keeps"),
    [
        ("/incidnet", ("/incidnet", "/incident", "/help")),
        ("/task", ("/task", "NATION [by TIME] WHAT")),
        ("/tlp purple", ("'purple'", "TLP:AMBER+STRICT")),
        ("/pap mauve", ("/pap", "'MAUVE'", "amber")),
        ("/clock never embargo", ("'never'", "+90m")),
        ("@cert.example.zz/duty wake up", ("@cert.example.zz/duty", "@@", f"@{MA}/duty")),
    ],
)
def test_what_is_refused_keeps_its_facts_in_every_language(language: str, line: str, keeps: tuple[str, ...]) -> None:
    english = refused(line)
    with speaking(Language(code=language)):
        error = refused(line)
        assert isinstance(error, SpokenError)
        told = f"{error.detail}. {error.hint}"
        assert said_on_the_desk(error) == told
    for fact in keeps:
        assert fact in told
    assert error.detail != english.detail
    assert error.hint != english.hint
    assert "--help" not in told


def test_a_nation_that_is_mistyped_is_told_before_anything_is_sent() -> None:
    error = refused("Wake up @cert.example.zz/duty")
    assert error.code is Code.NOT_FOUND
    assert "nothing was sent" in error.detail
    assert isinstance(read("Wake up @@cert.example.zz/duty"), o.Saying)


def test_a_command_that_names_no_message_where_none_is_marked_says_so() -> None:
    with pytest.raises(UsageError) as error:
        read_line("/ack", situation(answering=None), COMMANDS)
    assert error.value.code is Code.NOT_FOUND


def test_what_is_typed_into_a_thread_stands_in_it_and_may_answer() -> None:
    where = replace(situation(), replies=True, thread=OTHER, asks=Grade.ACTING)
    assert read_line("we do", where, COMMANDS) == o.Saying(
        body=Text(text="we do", reply_to=ASKED, thread=OTHER, asks=Grade.ACTING)
    )


@given(st.text(min_size=1))
def test_a_line_that_begins_with_a_slash_is_never_sent_as_it_stands(rest: str) -> None:
    for name in (*COMMANDS, ""):
        line = f"/{name} {rest}" if name else f"/{rest.lstrip('/')}"
        try:
            order = read(line)
        except AmanahError:
            continue
        if isinstance(order, o.Saying) and isinstance(order.body, Text):
            assert name == "reply"
            assert not order.body.text.startswith(f"/{name}")


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("/media/My Files/net flow.txt", "/media/My Files/net flow.txt"),
        ('"/media/My Files/net flow.txt"', "/media/My Files/net flow.txt"),
        ("'/media/My Files/net flow.txt'", "/media/My Files/net flow.txt"),
        ("/media/My\\ Files/net\\ flow.txt", "/media/My Files/net flow.txt"),
        ("it's.txt", "it's.txt"),
        ("'open.txt", "'open.txt"),
        ("a\\b.txt", "a\\b.txt"),
    ],
)
def test_a_path_is_taken_bare_or_as_a_shell_takes_it(typed: str, path: str) -> None:
    assert read(f"/attach {typed}") == o.Attaching(path=path)
    assert read(f"/save {typed}") == o.Saving(message=None, folder=path)
    assert read(f"/export {typed}") == o.Exporting(path=path)


def test_english_of_any_region_is_shown_the_words_of_the_error_itself() -> None:
    error = UsageError(Code.USAGE, "seven is not allowed", hint="Take eight.")
    with speaking(Language(code="en", region="GB")):
        assert said_on_the_desk(error) == "seven is not allowed. Take eight."
    with speaking(Language(code="fr")):
        assert "seven" not in said_on_the_desk(error)
