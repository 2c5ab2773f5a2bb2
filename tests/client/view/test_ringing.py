"""What rings says the first words of what was said, whatever that is."""

from __future__ import annotations

from msgspec import structs

from amanah_client.view.conversation import file_card
from amanah_client.view.entries import Gone
from amanah_client.view.ringing import BEGINS_CHARS, begins
from amanah_protocol import kinds
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.bodies import AlertBatch
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.file import File
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.proposal import Proposal
from amanah_protocol.content.task import Task
from amanah_protocol.content.text import Text
from tests.client.view.test_conversation import alert, bare
from tests.client.view.told import A_TN, BOT, MA, NOW_MS, TN, Told

NAME = bytes(16)


def test_each_kind_begins_with_what_it_is_about() -> None:
    told = Told()
    told.say(A_TN, Text(text="first **line**\n\n- http://evil.example/"))
    told.say(A_TN, Task(id=NAME, what="Block evil.example", nation=MA))
    told.say(A_TN, Proposal(ordinal=1, what="Sinkhole", object_until_ms=NOW_MS + 1, quorum=1, nations=(MA, TN)))
    told.say(A_TN, Clock(id=NAME, nature=Nature.ACTION, what="Together", at_ms=NOW_MS + 1))
    told.say(A_TN, Incident(severity=Severity.HIGH, status=Status.TRIAGE))
    told.say(BOT, AlertBatch(source="ids", alerts=(alert("beacon", Severity.HIGH, 0),)), kinds.Alert(count=1))
    assert [bare(begins(entry.content)) for entry in told.entries()] == [
        "first line hxxp://evil[.]example/",
        "Block evil[.]example",
        "Sinkhole",
        "Together",
        "Incident: Severity: High, Status: Triage",
        "ids: 1 alert in 1 group",
    ]
    file = File(name="a\u202eb.exe", size=1, digest=NAME * 2, key=NAME * 2, attachment=NAME * 2)
    assert bare(begins(file_card(file, None))) == "File: ab.exe"


def test_of_what_is_gone_nothing_is_said_but_that() -> None:
    told = Told()
    told.say(A_TN, Text(text="kept words"))
    (entry,) = told.entries()
    gone = Gone(why="withdrawn", text="Withdrawn by its author.", was=entry.content)
    assert begins(gone) == "Withdrawn by its author."
    assert begins(structs.replace(gone, why="erased", text="Erased.")) == "Erased."


def test_of_a_long_message_its_beginning_is_told() -> None:
    told = Told()
    told.say(A_TN, Text(text="x" * BEGINS_CHARS))
    told.say(A_TN, Text(text="x" * (BEGINS_CHARS + 1)))
    fits, cut = (begins(entry.content) for entry in told.entries())
    assert fits == "x" * BEGINS_CHARS
    assert (len(cut), cut[-1]) == (BEGINS_CHARS, "\N{HORIZONTAL ELLIPSIS}")
