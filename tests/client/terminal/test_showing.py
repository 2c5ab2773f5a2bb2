from __future__ import annotations

import pytest

from amanah_client.terminal.showing import command_for
from amanah_client.view.board import ClockLine, DecisionLine, TaskLine, board_view
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from tests.client.view.told import A_MA, A_SN, A_TN, MA, MINUTE_MS, NOW_MS, SN, TN, Told, seat


def on_board(told: Told) -> ClockLine | TaskLine | DecisionLine:
    view = board_view(told.board, seat(), (MA, SN, TN))
    if view.tasks:
        return view.tasks[0]
    return view.decisions[0] if view.decisions else view.clocks[0]


@pytest.mark.parametrize(
    ("state", "command"),
    [(None, "/task take 11111111"), (TaskState.TAKEN, "/task done 11111111"), (TaskState.DONE, "")],
)
def test_a_task_goes_on_by_the_next_thing_that_its_nation_says_of_it(state: TaskState | None, command: str) -> None:
    told = Told()
    told.say(A_MA, Task(id=b"\x11" * 16, what="image", nation=TN))
    if state is not None:
        told.say(A_TN, TaskMoved(id=b"\x11" * 16, state=state, reason=""))
    assert command_for(on_board(told)) == command


def test_anothers_task_is_not_for_this_nation_to_move() -> None:
    told = Told()
    told.say(A_MA, Task(id=b"\x11" * 16, what="image", nation=SN))
    assert command_for(on_board(told)) == ""


def test_a_decision_is_agreed_to_and_closed_when_all_have_said_where_they_stand() -> None:
    told = Told()
    nations = (MA, SN, TN)
    asked = told.say(A_MA, Proposal(ordinal=1, what="x", object_until_ms=NOW_MS + MINUTE_MS, quorum=3, nations=nations))
    assert command_for(on_board(told)) == "/decide agree 1 "
    for party in (A_TN, A_MA, A_SN):
        told.say(party, Position(proposal=asked, agrees=True, reason=""))
    assert command_for(on_board(told)) == "/decide close 1"


def test_a_joint_time_is_acknowledged() -> None:
    told = Told()
    entry = told.say(A_MA, Clock(id=b"\x22" * 16, nature=Nature.ACTION, what="x", at_ms=NOW_MS + MINUTE_MS))
    assert command_for(on_board(told)) == f"/ack #{entry.hex()[:8]} understood"
