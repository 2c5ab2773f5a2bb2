"""What is taken back is marked wherever it stands, its words kept; nothing is asked, late or to be done of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanah_client.incident.board import Board
from amanah_client.language import Language, speaking
from amanah_client.view.board import BoardView, board_view
from amanah_client.view.closing import left_open
from amanah_client.view.entries import Entry, FileCard, Gone, Notice, Prose, StandingCard
from amanah_client.view.runs import plain
from amanah_protocol import kinds
from amanah_protocol.content.bodies import Body
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.file import File
from amanah_protocol.content.forwarded import Forwarded, Origin
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Grade, Outcome
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId, RoomId
from tests.client.view.test_conversation import bare
from tests.client.view.told import A_MA, A_TN, MA, MINUTE_MS, NOW_MS, TN, Told, seat

NAME = bytes(16)
TASK = Task(id=NAME, what="image the disks", nation=MA, until_ms=NOW_MS - 10 * MINUTE_MS)
PROPOSAL = Proposal(ordinal=1, what="sinkhole", object_until_ms=NOW_MS + MINUTE_MS, quorum=1, nations=(MA, TN))
CLOCK = Clock(id=NAME, nature=Nature.ACTION, what="patch", at_ms=NOW_MS + 60 * MINUTE_MS)
FILE = File(name="a.txt", size=1, digest=bytes(32), key=bytes(32), attachment=bytes(32), text="the log")
ORIGIN = Origin(nation=MA, room=RoomId(bytes(16)), message=EnvelopeId(bytes(32)), accepted_at_ms=1, label=Label.AMBER)


def board_of(told: Told) -> BoardView:
    board: Board = told.board
    return board_view(board, seat(), (MA, TN))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (TASK, "Task MA, by 00:30 UTC image the disks"),
        (PROPOSAL, "Decision 1 sinkhole"),
        (CLOCK, "Joint time patch: 01:40 UTC"),
        (Handover(text="all quiet"), "Handover all quiet"),
        (Forwarded(text="seen at 4", origin=ORIGIN), "seen at 4"),
        (FILE, "a.txt, 1 bytes"),
        (TaskMoved(id=NAME, state=TaskState.TAKEN, reason=""), "Task"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_whatever_is_withdrawn_says_by_whom_when_and_why_and_keeps_its_words(body: Body, words: str) -> None:
    told = Told()
    said = told.say(A_TN, body)
    if isinstance(body, TaskMoved):
        told.messages.clear()
        told.say(A_MA, replace(TASK, nation=TN))
        said = told.say(A_TN, body)
    before = told.entries()[-1]
    assert before.own
    told.say(A_TN, Withdrawal(message=said, reason="wrong nation"))
    entry = told.entries()[-1]
    gone = entry.content
    assert isinstance(gone, Gone)
    assert gone.why == "withdrawn"
    assert bare(gone.text).startswith("Withdrawn by its author at 23:4")
    assert bare(gone.text).endswith(" UTC: wrong nation")
    assert isinstance(gone.was, StandingCard | FileCard)
    assert words in bare(" ".join((gone.was.title, *gone.was.lines, plain(gone.was.blocks))))
    assert (entry.own, entry.id) == (False, said.hex())


def test_a_text_that_was_corrected_and_withdrawn_keeps_what_it_said_last() -> None:
    told = Told()
    said = told.say(A_TN, Text(text="at 14:00", asks=Grade.READ))
    told.say(A_TN, Correction(message=said, text="at 15:00"))
    (asking,) = told.entries()
    assert asking.acks is not None
    assert asking.acks.waiting
    told.say(A_TN, Withdrawal(message=said, reason=""))
    (entry,) = told.entries()
    assert isinstance(entry.content, Gone)
    assert bare(entry.content.text) == "Withdrawn by its author at 23:43 UTC."
    assert isinstance(entry.content.was, Prose)
    assert (plain(entry.content.was.blocks), entry.content.was.corrections) == ("at 15:00", 1)
    # Nobody is asked to acknowledge it any more.
    assert entry.acks is None


def test_an_answer_and_a_thread_quote_no_word_of_what_was_withdrawn() -> None:
    told = Told()
    said = told.say(A_TN, Text(text="the password is hunter2"))
    told.say(A_MA, Text(text="not here, please", reply_to=said, thread=said))
    _said, before = told.entries()
    told.say(A_TN, Withdrawal(message=said, reason="wrong room"))
    gone, after = told.entries()
    assert isinstance(gone.content, Gone)
    for quote, now in ((before.reply, after.reply), (before.root, after.root)):
        assert quote is not None
        assert now is not None
        assert quote.text == "the password is hunter2"
        assert now.text == gone.content.text


@pytest.mark.parametrize("lang", ["en", "fr", "ar"])
def test_a_withdrawal_that_gives_no_reason_leaves_no_place_for_one(lang: str) -> None:
    told = Told()
    said = told.say(A_TN, Text(text="at 14:00"))
    told.say(A_TN, Withdrawal(message=said, reason=""))
    with speaking(Language(code=lang)):
        (entry,) = told.entries()
    assert isinstance(entry.content, Gone)
    assert bare(entry.content.text).endswith("UTC.")


def test_its_author_alone_is_offered_to_withdraw_it_and_only_while_that_counts() -> None:
    told = Told()
    told.say(A_MA, Text(text="theirs"))
    told.say(A_TN, TASK)
    asked = told.say(A_TN, PROPOSAL)
    assert [entry.own for entry in told.entries()] == [False, True, True]
    told.say(A_TN, Position(proposal=asked, agrees=True))
    told.say(A_MA, Position(proposal=asked, agrees=True))
    told.say(A_TN, None, kinds.Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=(MA, TN)))
    told.say(A_MA, TaskMoved(id=NAME, state=TaskState.DONE, reason=""))
    assert not any(entry.own for entry in told.entries())


def test_a_withdrawn_task_is_neither_asked_nor_late_nor_left_open() -> None:
    told = Told()
    said = told.say(A_TN, TASK)
    (line,) = board_of(told).tasks
    assert (line.state, line.late) == ("open", True)
    assert left_open(told.board, NOW_MS)
    told.say(A_TN, Withdrawal(message=said, reason=""))
    told.say(A_TN, replace(TASK, id=b"\1" * 16))
    still, line = board_of(told).tasks
    assert (line.state, line.late, line.words, line.absent) == ("withdrawn", False, "withdrawn", False)
    assert still.state == "open"  # what is over stands last
    assert len(left_open(told.board, NOW_MS)) == 1
    (absent,) = board_view(told.board, seat(), (TN,)).tasks[1:]
    assert not absent.absent


def test_a_withdrawn_proposal_asks_nobody_and_is_not_to_be_closed() -> None:
    told = Told()
    said = told.say(A_TN, PROPOSAL)
    (line,) = board_of(told).decisions
    assert (line.open, line.outcome) == (True, "")
    told.say(A_TN, Withdrawal(message=said, reason=""))
    (line,) = board_view(told.board, seat(now_ms=NOW_MS + 2 * MINUTE_MS), (MA, TN)).decisions
    assert (line.open, line.closable, line.outcome) == (False, False, "withdrawn")
    assert line.words == "Withdrawn: nothing is decided."
    assert left_open(told.board, NOW_MS) == ()


def test_a_withdrawn_joint_time_and_note_stand_on_the_board_no_more() -> None:
    told = Told()
    said = [told.say(A_TN, CLOCK), told.say(A_TN, Handover(text="all quiet"))]
    assert (len(board_of(told).clocks), len(board_of(told).handovers), len(left_open(told.board, NOW_MS))) == (1, 1, 1)
    for one in said:
        told.say(A_TN, Withdrawal(message=one, reason=""))
    assert (board_of(told).clocks, board_of(told).handovers, left_open(told.board, NOW_MS)) == ((), (), ())


def test_a_withdrawal_that_comes_too_late_is_shown_as_what_does_not_count() -> None:
    told = Told()
    asked = told.say(A_TN, PROPOSAL)
    told.say(A_MA, Position(proposal=asked, agrees=True))
    told.say(A_TN, Position(proposal=asked, agrees=True))
    told.say(A_TN, None, kinds.Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=(MA, TN)))
    told.say(A_TN, Withdrawal(message=asked, reason=""))
    *_, notice = told.items()
    assert isinstance(notice, Notice)
    assert "without effect (withdrawal): it was decided before" in bare(notice.text)
    (line,) = board_of(told).decisions
    assert (line.outcome, line.words.split()[0]) == ("adopted", "Adopted.")


def test_a_correction_of_what_is_no_text_is_shown_as_what_does_not_count() -> None:
    told = Told()
    said = told.say(A_TN, Handover(text="all quiet"))
    told.say(A_TN, Correction(message=said, text="not quiet"))
    *_, entry, notice = told.items()
    assert isinstance(entry, Entry)
    assert isinstance(entry.content, StandingCard)
    assert plain(entry.content.blocks) == "all quiet"
    assert isinstance(notice, Notice)
    assert "without effect (correction): only a text is corrected" in bare(notice.text)


def test_what_had_no_effect_is_marked_too_when_it_is_withdrawn() -> None:
    told = Told()
    told.say(A_TN, TASK)
    taken = told.say(A_TN, TASK)
    told.say(A_TN, Withdrawal(message=taken, reason=""))
    *_, notice = told.items()
    assert isinstance(notice, Notice)
    assert bare(notice.text).endswith("something else has its number. Withdrawn by its author.")
