from __future__ import annotations

from amanah_client.terminal import panels
from amanah_client.terminal.lines import STYLES
from amanah_client.view.board import board_view
from amanah_client.view.readers import readers
from amanah_client.view.rooms import RoomLine
from amanah_client.view.trust import Line, Trust
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.task import Task
from amanah_protocol.labels import Label, Pap, Precedence
from tests.client.view.told import A_MA, A_SN, A_TN, MA, MINUTE_MS, NOW_MS, SN, TN, Told, party, seat

MEMBERS = (A_TN, A_MA, A_SN, party(SN, 7, "Former desk", revoked=True))


def line(title: str, **more: object) -> RoomLine:
    known = {"id": title.lower(), "label": "TLP:AMBER", "group": "standing", "severity": "", "words": "2 nations"}
    return RoomLine(title=title, nations=2, **(known | more))  # type: ignore[arg-type]  # each test says what differs


def plain(rows: object) -> list[str]:
    return [row.plain.rstrip() for row in rows]  # type: ignore[attr-defined]  # rows of whatever made them


def test_a_broken_log_takes_over_the_head_and_says_what_to_do() -> None:
    alarm = Trust(line="The log is broken", tone="broken", alarm="The relay's log contradicts itself.", steps="Tell.")
    rows = panels.alarm(alarm, 50)
    assert plain(rows) == [" The relay's log contradicts itself.", " Tell."]
    assert {part.style for row in rows for part in (*row.edge, *row.parts)} == {"page"}
    assert panels.alarm(Trust(line="Log verified to 4", tone="ok"), 50) == ()


def test_a_broken_log_is_no_green_point_however_well_the_relay_is_reached() -> None:
    connected = Line(text="Relay connected, nothing waiting", online=True, waiting=0)
    for tone, mark, style in (("ok", "\N{BLACK CIRCLE} ", "good"), ("broken", "! ", "worst")):
        (first, *_more) = panels.foot(connected, Trust(line="The log", tone=tone), 80)  # type: ignore[arg-type]  # as it is
        assert [(part.text, part.style) for part in first.edge][1:] == [(mark, style)]


def test_nothing_of_a_drill_looks_like_what_is_urgent() -> None:
    (drawn, *_more) = panels.rooms((line("Berths", drill=True, pages=1),), 40, "")
    rows = [*drawn.rows, *_more[0].rows]
    styles = {part.text.strip(): part.style for row in rows for part in (*row.parts, *row.end) if part.text.strip()}
    assert styles["Drill"] == "drill"
    assert styles["1 urgent"] == "page"
    assert STYLES["drill"].color != STYLES["page"].color


def test_rooms_show_what_was_not_read_pages_severity_and_trouble_in_words() -> None:
    lines = (
        line("Berths", group="incident", severity="critical", pages=1, unread=3),
        line("DNS", group="incident", severity="high", unread=7),
        line("Drill room", drill=True, closed=True),
        line("Lost", trouble="This device was removed.", words="This device was removed."),
    )
    drawn = panels.rooms(lines, 30, "dns")
    told = [text for block in drawn for text in plain(block.rows)]
    assert told[:6] == [
        "  Incidents", "▌ Berths  1 urgent", "▌ Critical, 2 nations",
        "▌ DNS  7", "▌ High, 2 nations", "",
    ]  # fmt: skip
    assert "  Standing" in told
    assert "▌ Drill Drill room" in told
    assert "▌ This device was removed." in told
    assert [block.id for block in drawn if block.id] == ["berths", "dns", "drill room", "lost"]


def test_the_head_says_which_room_where_it_stands_and_who_reads_it() -> None:
    told = Told()
    told.say(A_TN, Incident(title="Port authority", severity=Severity.HIGH))
    view = board_view(told.board, seat(), (MA, SN, TN))
    rows = panels.head(line("Berths", drill=True), view, readers(MEMBERS, seat(parties=MEMBERS)), 70)
    assert plain(rows)[0].startswith(" Drill: nothing here is real  Port authority")
    assert plain(rows)[1] == " High  TN MA SN  4 devices can read this room"


def test_the_board_in_one_column() -> None:
    told = Told()
    told.say(A_TN, Incident(aware_at_ms=NOW_MS - 25 * 60 * MINUTE_MS))
    told.say(A_MA, Clock(id=b"\x22" * 16, nature=Nature.ACTION, what="take down", at_ms=NOW_MS + 90 * MINUTE_MS))
    told.say(A_MA, Clock(id=b"\x23" * 16, nature=Nature.DEADLINE, what="report", at_ms=NOW_MS - 5 * MINUTE_MS))
    told.say(A_MA, Task(id=b"\x11" * 16, what="image", nation=TN))
    told.say(A_MA, Handover(text="two\nlines"))
    view = board_view(told.board, seat(), (MA, SN, TN))
    drawn = panels.board(view, readers(MEMBERS, seat(parties=MEMBERS)).nations, NOW_MS, 60)
    found = [text for block in drawn for text in plain(block.rows)]
    for expected in (
        "┃ in 1 h 30 min", "┃ 5 min ago", "┃ 24 h early warning  over since 1 h 0 min", "┃ image", "┃ lines",
        "  TN you", "  SN Former desk (device revoked), officer 0 of SN",
    ):  # fmt: skip
        assert expected in found, "\n".join(found)
    assert [block.id for block in drawn if block.id] == [
        "clock " + "22" * 16,
        "clock " + "23" * 16,
        "task " + "11" * 16,
    ]


def test_nobody_waits_for_a_joint_time_that_the_incident_was_closed_before() -> None:
    told = Told()
    told.say(A_MA, Clock(id=b"\x22" * 16, nature=Nature.ACTION, what="take down", at_ms=NOW_MS + 90 * MINUTE_MS))
    asked = "\N{BOX DRAWINGS HEAVY VERTICAL} Not acknowledged by SN and TN"

    def on_board() -> list[str]:
        drawn = panels.board(board_view(told.board, seat(), (MA, SN, TN)), (), NOW_MS, 60)
        (clock,) = (block for block in drawn if block.id)
        return plain(clock.rows)

    assert on_board()[0].endswith("in 1 h 30 min")
    assert on_board()[-1] == asked
    told.say(A_TN, Incident(status=Status.CLOSED))
    assert on_board()[0].endswith("The incident was closed before this time")
    assert asked not in on_board()


def test_an_empty_board_says_how_something_comes_onto_it() -> None:
    drawn = panels.board(board_view(Told().board, seat(), ()), (), NOW_MS, 60)
    assert plain(drawn[0].rows)[0] == "  Nothing is on the board. /task, /decide, /clock and"


def test_the_line_above_the_composer_says_with_what_it_goes_out_and_who_reads_it() -> None:
    rows = panels.composing(Label.GREEN, Pap.AMBER, Precedence.FLASH, readers(MEMBERS, seat(parties=MEMBERS)), "", 120)
    assert plain(rows)[0].startswith(
        "  TLP:GREEN   PAP:AMBER  Flash  Readable by TN, MA and SN: 4 devices. Nobody else"
    )
    assert [part.style for row in rows for part in row.parts if part.text == "Flash"] == ["page"]


def test_the_foot_is_one_line_where_it_fits_and_else_one_below_the_other() -> None:
    log = Trust(line="Log verified to 10,482, cosigned by 3 of 4 witnesses", tone="ok")
    online = Line(text="Relay connected, nothing waiting", online=True, waiting=0)
    assert len(panels.foot(online, log, 120)) == 1
    assert plain(panels.foot(online, log, 80))[1] == "   Log verified to 10,482, cosigned by 3 of 4 witnesses"
    offline = Line(text="Offline: nothing listens there; 1 message waits", online=False, waiting=1, hint="It is kept.")
    assert plain(panels.foot(offline, log, 60))[-1] == "   It is kept."
