"""What binds a nation counts from its officers alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from amanah_client.incident import board
from amanah_client.incident.board import Board
from amanah_client.incident.event import Author
from amanah_protocol import kinds
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.bodies import Body
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.closing import Closing, ClosingRecorded, SignOff
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.page import Page, Result
from amanah_protocol.content.proposal import Position
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Grade, Outcome
from amanah_protocol.types import EnvelopeId
from tests.client.incident.test_board import A_MA, A_TN, BOT_MA, BOT_TN, CLOSES_MS, MA, PROPOSAL, TN, Told, author


@pytest.fixture
def told() -> Told:
    return Told()


BINDING: tuple[Callable[[EnvelopeId], Body | kinds.Specific], ...] = (
    lambda said: kinds.Ack(grade=Grade.ACTING, envelope=said),
    lambda _: TaskMoved(id=bytes(16), state=TaskState.DONE),
    lambda _: PROPOSAL,
    lambda _: Clock(id=bytes(16), nature=Nature.EMBARGO, what="patch", at_ms=5),
    lambda _: Incident(status=Status.CLOSED),
    lambda _: Incident(severity=Severity.LOW, status=Status.TRIAGE),
    lambda _: Handover(text="all quiet"),
    lambda said: Page(message=said, step=0, whom="a", result=Result.REACHED, at_ms=1),
    lambda _: Closing(first=1, last=1, facts=(bytes(32),) * 6, sign_until_ms=CLOSES_MS, nations=(MA, TN)),
)


@pytest.mark.parametrize("said", BINDING)
@pytest.mark.parametrize("who", [BOT_MA, author(MA, 7, role=None)])
def test_what_binds_a_nation_counts_from_its_officers_alone(
    told: Told, who: Author, said: Callable[[EnvelopeId], Body | kinds.Specific]
) -> None:
    first = told.say(A_TN, Text(text="who acts?", asks=Grade.ACTING))
    told.say(A_TN, Task(id=bytes(16), what="block it", nation=MA))
    before, what = told.board, said(first)

    def say(by: Author) -> EnvelopeId:
        return told.show(by, what) if isinstance(what, kinds.Ack) else told.say(by, cast("Body", what))

    refused = say(who)
    assert told.board.without_effect == {refused: board.NO_OFFICER}
    assert what_counts(told.board) == what_counts(before)
    say(A_MA)
    assert what_counts(told.board) != what_counts(before)
    assert told.board.without_effect == {refused: board.NO_OFFICER}


def what_counts(of: Board) -> object:
    said = [(one.acknowledged, one.pages) for one in of.messages.values() if one.asks is not None]
    return of.standing, of.tasks, of.proposals, of.clocks, of.handovers, of.closings, said


def test_a_bot_neither_votes_nor_signs_nor_records_for_its_nation(told: Told) -> None:
    proposed = told.say(A_TN, PROPOSAL)
    asked = Closing(first=1, last=1, facts=(bytes(32),) * 6, sign_until_ms=CLOSES_MS, nations=(MA, TN))
    closing = told.say(A_TN, asked)
    told.say(A_TN, Position(proposal=proposed, agrees=True))
    told.say(A_TN, SignOff(closing=closing, first=1, facts=asked.facts))
    decided = kinds.Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=(MA, TN))
    recorded = ClosingRecorded(closing=closing, nations=(MA, TN))

    def answer(by: Author) -> list[EnvelopeId]:
        return [
            told.say(by, Position(proposal=proposed, agrees=True)),
            told.say(by, SignOff(closing=closing, first=1, facts=asked.facts)),
            told.show(by, decided, at_ms=CLOSES_MS + 1),
            told.say(by, recorded, at_ms=CLOSES_MS + 1),
        ]

    without = dict.fromkeys(answer(BOT_MA), board.NO_OFFICER)
    found = told.board
    assert (found.proposals[1].agreeing, found.proposals[1].outcome) == ((TN,), None)
    assert (found.closings[closing].agreeing, found.closings[closing].recorded) == ((TN,), None)
    position, signed, *_rest = answer(A_MA)
    without |= dict.fromkeys(answer(BOT_MA), board.NO_OFFICER)
    found = told.board
    assert (found.proposals[1].agreeing, found.proposals[1].outcome) == ((MA, TN), Outcome.ADOPTED)
    assert found.proposals[1].positions[MA][1] == position
    assert (found.closings[closing].agreeing, found.closings[closing].signed[MA][1]) == ((MA, TN), signed)
    assert found.closings[closing].recorded is not None
    assert found.without_effect == without


def test_a_bot_says_what_it_is_for(told: Told) -> None:
    first = told.say(BOT_TN, Text(text="beacon seen"))
    told.say(BOT_TN, Correction(message=first, text="beacons seen"))
    told.say(BOT_TN, Reaction(message=first, sign="a"))
    told.say(BOT_TN, Incident(title="Beacons", severity=Severity.HIGH, type="fraud/phishing", aware_at_ms=1))
    told.say(BOT_TN, Task(id=bytes(16), what="block it", nation=MA))
    told.say(A_MA, TaskMoved(id=bytes(16), state=TaskState.DONE))
    assert (told.board.standing.title, told.board.standing.severity) == ("Beacons", Severity.HIGH)
    assert told.board.tasks[bytes(16)].state is TaskState.DONE
    assert told.board.without_effect == {}
