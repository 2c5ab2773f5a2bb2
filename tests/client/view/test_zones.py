"""A joint time on the clock of whoever reads it: right when it comes, whatever the clock says now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from types import SimpleNamespace
from typing import cast
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from amanah_client.cli.board import board_json, board_lines
from amanah_client.language import Language, speaking
from amanah_client.log_rows import Nations
from amanah_client.room import Room
from amanah_client.terminal import drawing
from amanah_client.view.board import ClockLine, board_view
from amanah_client.view.zones import own_time
from amanah_protocol.content.clock import Clock, Nature
from tests.client.view.told import A_TN, MA, TN, Told, seat

PARIS = ZoneInfo("Europe/Paris")
AROUND_A_CHANGE = [
    ("2026-03-29T00:59", "01:59 on your clock (UTC+1)"),
    ("2026-03-29T01:00", "03:00 on your clock (UTC+2)"),
    ("2026-10-25T00:30", "02:30 on your clock (UTC+2)"),
    ("2026-10-25T01:30", "02:30 on your clock (UTC+1)"),
]


def ms(moment: str) -> int:
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1_000)


def bare(text: str) -> str:
    return text.replace("\u2068", "").replace("\u2069", "")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts the clock of this machine into a zone."""

    def put(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    return put


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    time.tzset()


@pytest.mark.parametrize(("moment", "said"), AROUND_A_CHANGE)
def test_a_time_around_a_change_of_summer_time_is_told_as_the_clock_will_stand_then(moment: str, said: str) -> None:
    assert bare(own_time(ms(moment), PARIS)) == said


@pytest.mark.parametrize(("moment", "said"), AROUND_A_CHANGE)
def test_so_it_is_by_the_clock_of_this_machine(moment: str, said: str, machine: Callable[[str], None]) -> None:
    machine("Europe/Paris")
    assert bare(own_time(ms(moment), None)) == said


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        (UTC, ""),
        (ZoneInfo("Africa/Dakar"), ""),
        (ZoneInfo("Asia/Kolkata"), "2026-11-29 04:30 on your clock (UTC+5:30)"),
        (ZoneInfo("America/Bogota"), "18:00 on your clock (UTC-5)"),
    ],
)
def test_a_clock_that_shows_utc_says_nothing_and_another_day_is_told(zone: tzinfo, said: str) -> None:
    assert bare(own_time(ms("2026-11-28T23:00"), zone)) == said


def test_times_beyond_any_calendar_are_on_no_clock() -> None:
    assert own_time(2**62, PARIS) == ""


def told() -> Told:
    made = Told()
    for number, moment in enumerate(("2027-01-10T12:00", "2027-07-10T12:00")):
        body = Clock(id=bytes(15) + bytes((number,)), nature=Nature.EMBARGO, what="Publish", at_ms=ms(moment))
        made.say(A_TN, body)
    return made


def clocks(zone: tzinfo | None) -> tuple[ClockLine, ...]:
    return board_view(told().board, structs.replace(seat(), zone=zone), (TN, MA)).clocks


def test_the_board_tells_utc_the_reader_s_own_time_and_each_party_s(machine: Callable[[str], None]) -> None:
    machine("Europe/Paris")
    for found in (clocks(PARIS), clocks(None)):
        assert [bare(one.utc) for one in found] == ["2027-01-10 12:00 UTC", "2027-07-10 12:00 UTC"]
        assert [bare(one.own) for one in found] == ["13:00 on your clock (UTC+1)", "14:00 on your clock (UTC+2)"]
        assert [zone.place for zone in found[0].zones] == ["Casablanca", "Tunis"]


def test_the_terminal_draws_the_reader_s_own_time_behind_utc() -> None:
    def lines(zone: tzinfo | None) -> list[str]:
        return [bare("".join(part.text for part in parts)) for parts in drawing.clock(clocks(zone)[0])]

    head, own, *rest = lines(PARIS)
    assert head.endswith("2027-01-10 12:00 UTC")
    assert own == "13:00 on your clock (UTC+1)"
    assert lines(UTC) == [head, *rest]


def test_the_command_line_says_both_and_json_keeps_utc() -> None:
    names = SimpleNamespace(directory=lambda: SimpleNamespace(profile=None))
    row = SimpleNamespace(nations=Nations())
    room = cast("Room", SimpleNamespace(nations=lambda: frozenset((TN, MA)), row=row, client=names))
    board = told().board
    lines = [bare(line).partition("  ")[2] for line in board_lines(board, room, 0, PARIS) if line.startswith("time")]
    assert lines == [
        "embargo until 2027-01-10 12:00:00Z, 13:00 on your clock (UTC+1): Publish",
        "embargo until 2027-07-10 12:00:00Z, 14:00 on your clock (UTC+2): Publish",
    ]
    (winter, summer) = cast("list[dict[str, object]]", board_json(board, room, PARIS)["clocks"])
    assert (winter["at"], winter["at_local"]) == ("2027-01-10T12:00:00.000Z", "2027-01-10T13:00:00.000+01:00")
    assert (summer["at"], summer["at_local"]) == ("2027-07-10T12:00:00.000Z", "2027-07-10T14:00:00.000+02:00")


@pytest.mark.parametrize(("code", "said"), [("fr", "13:00 à votre horloge (UTC+1)"), ("ar", "13:00 على ساعتك (UTC+1)")])
def test_a_reader_s_own_time_is_told_in_his_language(code: str, said: str) -> None:
    with speaking(Language(code=code)):
        assert bare(own_time(ms("2027-01-10T12:00"), PARIS)) == said
