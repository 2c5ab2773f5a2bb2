"""`amanah report`: the file is made whatever stands in the way, and the room is told of it where that can be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from amanah_client.cli import terminal
from tests.client.test_cli_chat import MA, TN, Circle, in_a_room

ROOM = "Reported"


@pytest.fixture
def circle(tmp_path: Path) -> Iterator[Circle]:
    with in_a_room(tmp_path, ROOM, invited=(MA, TN)) as made:
        for who in ("b", "bot", "a"):
            assert made.run(who, "room", "list") == 0
        yield made


def egresses(circle: Circle, who: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What members read of files that were taken out."""
    capsys.readouterr()
    assert circle.run(who, "read", ROOM, "--json", "--all") == 0
    found = [entry for entry in json.loads(capsys.readouterr().out) if entry["kind"] == "egress"]
    assert circle.run(who, "read", ROOM) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "takes out" in line]
    assert len(lines) == len(found)
    return lines


def test_a_report_is_seen_by_all_its_room_and_reading_is_not(
    circle: Circle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert circle.run("a", "send", ROOM, "Netflow is asked for", "--label", "green") == 0
    for words in (("read", ROOM), ("board", ROOM), ("search", "netflow")):
        assert circle.run("a", *words) == 0
    assert egresses(circle, "b", capsys) == []  # who reads on his own device takes nothing out
    file = tmp_path / "report.html"
    assert circle.run("a", "report", ROOM, "--form", "html", "--label", "green", "--to", str(file)) == 0
    assert "is recorded in the room, for all its members" in capsys.readouterr().err
    assert b"Netflow" in file.read_bytes()
    assert circle.run("a", "report", ROOM, "--notice", "24h") == 0
    report, notice = egresses(circle, "b", capsys)
    assert "a report of the room up to" in report
    assert f"for {TN} (TLP:GREEN, html)" in report
    assert "the draft of a notice, made of the room up to" in notice
    assert f"for the authority of {TN}" in notice


def test_without_the_relay_the_report_is_made_and_the_room_is_told_later(
    circle: Circle, capsys: pytest.CaptureFixture[str]
) -> None:
    circle.nations.relay.stop()
    for words, ended in ((("--offline",), 0), ((), terminal.EXIT_OFFLINE)):
        capsys.readouterr()
        assert circle.run("a", "report", ROOM, *words) == ended
        out, err = capsys.readouterr()
        assert "# " in out
        assert "as soon as the relay has taken it" in err
    circle.nations.relay.start()
    assert circle.run("a", "tail", "--until-idle", "0.5") == 0
    assert len(egresses(circle, "b", capsys)) == 2


def test_who_can_tell_the_room_nothing_makes_the_report_and_is_told_so(
    circle: Circle, capsys: pytest.CaptureFixture[str]
) -> None:
    def reports(who: str) -> str:
        capsys.readouterr()
        assert circle.run(who, "report", ROOM) == 0
        out, err = capsys.readouterr()
        assert "# " in out
        return err

    assert "NOT recorded in the room: a bot does not record it" in reports("bot")
    assert circle.run("a", "room", "remove", ROOM, MA, "--yes") == 0
    assert circle.run("b", "room", "list") == 0
    assert "NOT recorded in the room: this device is not in the room any more" in reports("b")
    assert circle.run("b", "outbox", "list", "--json") == 0
    assert capsys.readouterr().out.strip() in ("", "[]")
    assert egresses(circle, "a", capsys) == []
    assert "is recorded in the room" in reports("a")
    assert len(egresses(circle, "a", capsys)) == 1


def test_no_report_is_recorded_that_was_not_written(
    circle: Circle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there.md").write_text("mine")
    assert circle.run("a", "report", ROOM, "--to", str(tmp_path / "there.md")) != 0
    assert egresses(circle, "a", capsys) == []
