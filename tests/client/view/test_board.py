"""The board, who can read, how the log stands: in words that people act on."""

from __future__ import annotations

import pytest
from msgspec import structs

from amanah_client.language import Language, speaking
from amanah_client.log_rows import LogView, Quorum, WitnessedRow
from amanah_client.model import Alarm
from amanah_client.standing import Standing
from amanah_client.view import words
from amanah_client.view.board import BoardView, board_view
from amanah_client.view.people import chips, nations_of
from amanah_client.view.readers import readers
from amanah_client.view.trust import line, trust, warnings
from amanah_client.view.zones import local_times
from amanah_protocol import kinds
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.errors import Code, OperationalError
from amanah_protocol.kinds import Grade, Outcome
from amanah_protocol.types import OrgName
from tests.client.view.test_conversation import bare
from tests.client.view.told import A_MA, A_SN, A_TN, BOT, MA, MINUTE_MS, NOW_MS, ROOM, SN, TN, Told, party, seat

IDS = [bytes((number,)) * 16 for number in range(4)]


def board_of(told: Told, now_ms: int = NOW_MS) -> BoardView:
    return board_view(told.board, seat(now_ms=now_ms), (MA, SN, TN))


def test_tasks_say_whose_they_are_and_how_late() -> None:
    told = Told()
    for number, until_ms in enumerate((NOW_MS + 60 * MINUTE_MS, NOW_MS - 12 * MINUTE_MS, None, NOW_MS - MINUTE_MS)):
        told.say(A_TN, Task(id=IDS[number], what=f"task {number}", nation=MA if number else TN, until_ms=until_ms))
    told.say(A_MA, TaskMoved(id=IDS[2], state=TaskState.REFUSED, reason="outside our mandate"))
    told.say(A_MA, TaskMoved(id=IDS[3], state=TaskState.TAKEN))
    late, taken, ours, refused = board_of(told).tasks
    assert (late.chip, late.words, late.late, late.due) == ("MA", "late by 12 min", True, bare_time("00:28 UTC"))
    assert (taken.words, taken.late) == ("late by 1 min, in progress", True)
    assert (ours.chip, ours.mine, ours.words, ours.late) == ("TN", True, "not taken yet", False)
    assert (bare(refused.words), refused.state, refused.due) == ("refused: outside our mandate", "refused", "")


def test_a_task_of_who_is_not_in_the_room_says_so_until_it_is_over_or_they_come() -> None:
    told = Told()
    told.say(A_TN, Task(id=IDS[0], what="image it", nation=MA))

    def seen(*nations: OrgName) -> tuple[bool, str]:
        (task,) = board_view(told.board, seat(), nations).tasks
        return task.absent, task.words

    assert seen(TN, MA) == (False, "not taken yet")
    assert seen(TN, SN) == (True, "not taken yet, its nation is not in this room")
    assert seen() == (False, "not taken yet")  # who is in it is not known here
    told.say(A_MA, TaskMoved(id=IDS[0], state=TaskState.DONE))
    assert seen(TN, SN)[0] is False


def bare_time(text: str) -> str:
    return words.value(text)


def test_a_proposal_says_who_agrees_who_objects_and_until_when() -> None:
    told = Told()
    until_ms = NOW_MS + MINUTE_MS
    asked = told.say(
        A_TN, Proposal(ordinal=1, what="Sinkhole", object_until_ms=until_ms, quorum=2, nations=(MA, SN, TN))
    )
    told.say(A_TN, Position(proposal=asked, agrees=True))
    (found,) = board_of(told).decisions
    assert bare(found.words) == "TN agrees. MA and SN have until 00:41 UTC to object. 2 of 3 have to agree."
    assert (found.mine, found.open, found.closable, found.waiting) == ("agree", True, False, ("MA", "SN"))
    told.say(A_MA, Position(proposal=asked, agrees=False, reason="not yet"))
    (found,) = board_of(told, until_ms + 1).decisions
    assert bare(found.words) == (
        "TN agrees. MA objects: not yet. The window for objections closed at 00:41 UTC. 2 of 3 have to agree."
    )
    assert (found.open, found.closable, found.object) == (False, True, (("MA", "not yet"),))


def test_a_decision_says_how_it_ended() -> None:
    told = Told()
    asked = told.say(A_TN, Proposal(ordinal=3, what="x", object_until_ms=NOW_MS, quorum=1, nations=(MA,)))
    told.say(A_MA, Position(proposal=asked, agrees=True))
    told.show(A_TN, kinds.Decision(ordinal=3, outcome=Outcome.ADOPTED, nations=(MA,)))
    (found,) = board_of(told).decisions
    assert (bare(found.words), found.outcome, found.mine) == ("Adopted. MA agrees.", "adopted", "")


def test_a_joint_time_stands_at_every_party_s_place_and_says_who_acknowledged_it() -> None:
    told = Told()
    entry = told.say(A_TN, Clock(id=IDS[0], nature=Nature.ACTION, what="Sinkhole", at_ms=NOW_MS + MINUTE_MS))
    told.say(A_TN, Clock(id=IDS[1], nature=Nature.EMBARGO, what="off", at_ms=NOW_MS, stands=False))
    told.show(A_MA, kinds.Ack(grade=Grade.UNDERSTOOD, envelope=entry))
    (clock,) = board_of(told).clocks
    assert (clock.title, bare(clock.utc), clock.past) == ("Act together", "00:41 UTC", False)
    assert (clock.acknowledged, clock.waiting, clock.words) == (("MA", "TN"), ("SN",), "acknowledged by 2 of 3")
    assert [(local.place, local.text) for local in clock.zones] == [
        ("Casablanca", "01:41"), ("Dakar", "00:41"), ("Tunis", "01:41"),
    ]  # fmt: skip


def test_a_place_that_is_not_known_has_no_time_of_its_own() -> None:
    assert local_times(NOW_MS, ("cert.example", "cert.example.zz")) == ()
    assert local_times(2**62, (TN,)) == ()


def test_the_clock_of_notification_runs_from_when_it_was_first_known() -> None:
    told = Told()
    aware = NOW_MS - 25 * 60 * MINUTE_MS
    told.say(A_TN, Incident(title="t", severity=Severity.CRITICAL, status=Status.CONTAINING, aware_at_ms=aware))
    told.say(A_MA, Handover(text="quiet"))
    board = board_of(told)
    assert [(duty.title, bare(duty.words), duty.late, duty.share) for duty in board.duties] == [
        ("24 h early warning", "over since 1 h 0 min", True, 100),
        ("72 h notification", "due 2026-11-30 23:40 UTC, 1 d 23 h left", False, 34),
        ("One month final report", "due 2026-12-30 23:40 UTC, 31 d 23 h left", False, 3),
    ]
    assert (board.severity_words, board.status_words, board.is_incident) == ("Critical", "Containing", True)
    assert len(board.handovers) == 1


def test_in_a_closed_incident_nothing_presses_until_it_is_taken_up_again() -> None:
    told = Told()
    told.say(A_TN, Incident(status=Status.CONTAINING, aware_at_ms=NOW_MS - 25 * 60 * MINUTE_MS))
    told.say(A_TN, Task(id=IDS[0], what="look", nation=MA, until_ms=NOW_MS - MINUTE_MS))
    for number, at_ms in enumerate((NOW_MS + MINUTE_MS, NOW_MS - MINUTE_MS)):
        told.say(A_TN, Clock(id=IDS[number], nature=Nature.ACTION, what="now", at_ms=at_ms))

    def presses() -> tuple[bool, list[tuple[bool, bool]], list[bool], list[bool]]:
        board = board_of(told)
        clocks = [(clock.past, clock.ended) for clock in board.clocks]
        return board.closed, clocks, [task.late for task in board.tasks], [duty.late for duty in board.duties]

    pressing = (False, [(False, False), (True, False)], [True], [True, False, False])
    assert presses() == pressing
    told.say(A_MA, Incident(status=Status.CLOSED))
    assert presses() == (True, [(False, True), (True, False)], [False], [False, False, False])
    board = board_of(told)
    assert [bare(duty.words) for duty in board.duties][:2] == [
        "was due 2026-11-28 23:40 UTC",
        "due 2026-11-30 23:40 UTC, 1 d 23 h left",
    ]
    assert board.tasks[0].words == "not taken yet"
    told.say(A_TN, Incident(status=Status.RECOVERING))
    assert presses() == pressing


def test_a_room_where_nobody_said_anything_is_no_incident() -> None:
    board = board_of(Told())
    assert (board.is_incident, board.severity_words, board.status_words, board.duties) == (False, "", "", ())


def test_nations_are_two_letters_unless_two_would_share_them() -> None:
    assert chips((TN, MA, "")) == {TN: "TN", MA: "MA"}
    assert chips((TN, "soc.example.tn", "cert.example")) == {
        TN: TN, "soc.example.tn": "soc.example.tn", "cert.example": "cert.example",
    }  # fmt: skip


def test_who_can_read_is_told_by_nation_and_device() -> None:
    found = readers((A_TN, A_MA, BOT, party(TN, 0)), seat())
    assert (
        bare(found.compose) == "Readable by TN and MA: 4 devices. Nobody else, now or later, without a recorded grant."
    )
    assert found.head == "4 devices can read this room"
    ours, theirs = found.nations
    assert (ours.mine, ours.devices, [(one.who.name, len(one.devices), bare(one.counted)) for one in ours.people]) == (
        True, 3, [("officer 0 of TN", 2, "2 devices"), ("Sensor gateway", 1, "1 device")],
    )  # fmt: skip
    assert theirs.people[0].who.me is False
    assert readers((), seat()).devices == 0


def test_a_device_that_was_revoked_is_counted_as_not_sure() -> None:
    revoked = party(SN, 1, revoked=True)
    (nation,) = nations_of((revoked, A_SN), seat(parties=(revoked, A_SN)))
    assert (nation.unsure, nation.devices) == (1, 2)


def test_whoever_has_a_revoked_device_is_said_to_have_one_whichever_it_is() -> None:
    revoked = structs.replace(party(SN, 1, revoked=True), subject=A_SN.subject)
    for both in ((revoked, A_SN), (A_SN, revoked)):
        ((person,),) = [nation.people for nation in nations_of(both, seat(parties=both))]
        assert (person.who.note, set(person.devices)) == ("device revoked", {revoked.device.hex(), A_SN.device.hex()})


def test_each_other_device_of_the_reader_stands_by_itself_and_of_nobody_else_any() -> None:
    lost, field = (structs.replace(party(TN, 40 + n), subject=A_TN.subject) for n in (1, 2))
    theirs = structs.replace(party(SN, 1), subject=A_SN.subject)
    members = (A_TN, lost, structs.replace(field, revoked=True), A_SN, theirs)
    ours, others = nations_of(members, seat(parties=members))
    (me,) = ours.people
    assert [(bare(one.who.note), one.devices, bare(one.counted)) for one in me.others] == [
        (f"device {lost.device.hex()[:8]}", (lost.device.hex(),), "1 device"),
        (f"device {field.device.hex()[:8]}, device revoked", (field.device.hex(),), "1 device"),
    ]
    assert [(len(one.devices), one.others) for one in others.people] == [(2, ())]


def standing(**changes: object) -> Standing:
    log = LogView(size=10_482, root=bytes(32), checkpoint=b"", seen_at_ms=0)
    seen = WitnessedRow(
        size=10_482, root=bytes(32), note=b"", cosignatures=(("a", 1), ("b", 2), ("c", 3)), witnesses=4,
        state=Quorum.SEEN, since_ms=0,
    )  # fmt: skip
    fields: dict[str, object] = {"log": log, "witnessed": seen, "quorum": 3, "conflicts": 0}
    return Standing(**(fields | changes))  # type: ignore[arg-type]  # fields by name


def test_the_log_is_told_in_one_line_while_all_is_well() -> None:
    found = trust(standing())
    assert (found.line, found.tone, found.alarm) == ("Log verified to 10,482, cosigned by 3 of 4 witnesses", "ok", "")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"log": None}, "No checkpoint of the log was seen yet"),
        ({"quorum": 0}, "Log verified to 10,482; the roster asks for no witnesses"),
        ({"witnessed": None}, "Log verified to 10,482, not cosigned by the witnesses yet"),
    ],
)
def test_what_is_not_cosigned_is_not_called_so(changes: dict[str, object], said: str) -> None:
    assert trust(standing(**changes)).line == said


def test_late_witnesses_are_named() -> None:
    seen = standing().witnessed
    assert seen is not None
    late = structs.replace(seen, state=Quorum.LATE)
    found = trust(standing(witnessed=late))
    assert (found.tone, found.line.endswith("The witnesses are late.")) == ("late", True)


def test_a_broken_log_takes_over_and_says_what_to_do() -> None:
    found = trust(standing(conflicts=2))
    assert found.tone == "broken"
    assert "2 contradictions are kept as evidence" in found.alarm
    assert "amanah audit evidence FILE" in found.steps


def test_the_connection_is_told_with_what_waits() -> None:
    problem = OperationalError(Code.OFFLINE, "the relay does not answer")
    offline = line(problem, online=False, following=False, waiting=2)
    assert (bare(offline.text), offline.online) == ("Offline: the relay does not answer; 2 messages wait", False)
    with speaking(Language(code="fr")):
        french = line(problem, online=False, following=False, waiting=2)
    assert "the relay" not in french.text + french.hint
    assert offline.hint == "What you write is kept and goes out by itself."
    hinted = OperationalError(Code.OFFLINE, "the relay does not answer", hint="Look at the cable.")
    said = line(hinted, online=False, following=False, waiting=2).hint
    assert said == "Look at the cable. What you write is kept and goes out by itself."
    assert line(None, online=True, following=False, waiting=0).text == "Relay connected, nothing waiting"
    assert line(None, online=False, following=True, waiting=1).online
    assert line(None, online=False, following=False, waiting=0).text == "Connecting, nothing waiting"


def test_alarms_are_told_newest_first() -> None:
    alarms = [Alarm(at_ms=at, code="FORK", room=ROOM if at else None, detail=f"x\u202e{at}") for at in range(3)]
    found = warnings(alarms, newest=2)
    assert [(warned.text, warned.room) for warned in found] == [("x<202E>2", ROOM.hex()), ("x<202E>1", ROOM.hex())]


@pytest.mark.parametrize(
    ("ms", "said"), [(30_000, "0 min"), (MINUTE_MS * 61, "1 h 1 min"), (MINUTE_MS * 1_500, "1 d 1 h")]
)
def test_a_stretch_of_time_is_told_in_two_units(ms: int, said: str) -> None:
    assert words.span(ms) == said


def test_times_beyond_any_calendar_end_nothing() -> None:
    assert words.when(2**62, NOW_MS) == "beyond any calendar"
    assert words.day(2**62) == "beyond any calendar"
    assert words.time_of_day(2**62) == "--:--"
