"""An incident worked by two nations on the command line: what each says, both see on the board."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from amanah_client.cli.terminal import EXIT_NOT_FOUND, EXIT_OK, EXIT_USAGE
from tests.end_to_end.nations import Nations, amanah

TN, MA = "cert.example.tn", "cert.example.ma"
ELSEWHERE = "cert.example.sn"
ROOM: Final = "Phishing wave"
FAR: Final = "2099-01-01T12:00"
WAIT_S: Final = 60


@pytest.fixture(scope="module")
def nations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    made = Nations(tmp_path_factory.mktemp("nations"), (TN, MA))
    made.relay.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def tunis(nations: Nations) -> Path:
    return nations.enrol("tunis", TN)


@pytest.fixture(scope="module")
def rabat(nations: Nations, tunis: Path) -> Path:
    """An officer of the other nation, in the room."""
    home = nations.enrol("rabat", MA)
    assert amanah(home, "doctor").code == EXIT_OK
    assert amanah(tunis, "room", "create", ROOM, "--label", "amber").code == EXIT_OK
    assert amanah(tunis, "room", "invite", ROOM, MA).code == EXIT_OK
    return home


def say(home: Path, *words: str) -> None:
    ran = amanah(home, *words)
    assert ran.code == EXIT_OK, ran.err
    assert ran.out.startswith("done  ")


def board(home: Path) -> Any:  # noqa: ANN401 - what JSON holds
    ran = amanah(home, "board", ROOM, "--json")
    assert ran.code == EXIT_OK, ran.err
    return json.loads(ran.out)


def both(homes: tuple[Path, Path]) -> Any:  # noqa: ANN401 - what JSON holds
    """The board, when both have the same."""
    end = time.monotonic() + WAIT_S
    while True:
        ours, theirs = map(board, homes)
        if ours == theirs or time.monotonic() > end:
            assert ours == theirs
            return ours


def test_two_nations_work_an_incident_to_a_decision(tunis: Path, rabat: Path) -> None:
    homes = tunis, rabat
    assert amanah(tunis, "board", ROOM, "--offline").out.splitlines() == ["nothing is set yet"]
    say(tunis, "send", ROOM, "Who sees it?", "--ask", "acting")
    asked = both(homes)["asked"][0]["envelope"][:12]
    assert f"asks in {asked}: acting; waits for {MA}" in amanah(tunis, "board", ROOM).out
    say(rabat, "ack", ROOM, asked, "acting")
    both(homes)
    assert f"asks in {asked}: acting; acknowledged by {MA} (acting)\n" in amanah(tunis, "board", ROOM).out
    say(tunis, "incident", ROOM, "--title", "Mailboxes", "--severity", "high", "--status", "triage")
    say(tunis, "incident", ROOM, "--status", "containing", "--type", "fraud/phishing", "--aware", "2026-11-20T06:40")
    say(tunis, "task", "add", ROOM, "Block the host", "--nation", MA, "--until", FAR)
    say(tunis, "clock", "set", ROOM, "Sinkhole it", "--at", FAR)
    say(tunis, "clock", "set", ROOM, "Call", "--at", "+2h")
    times = [line for line in amanah(tunis, "board", ROOM).out.splitlines() if line.startswith("time ")]
    assert [line.rpartition(": ")[2] for line in times] == ["Call", "Sinkhole it"]
    found = both(homes)
    assert found["incident"] == {
        "title": "Mailboxes",
        "severity": "high",
        "status": "containing",
        "type": "fraud/phishing",
        "aware_at": "2026-11-20T06:40:00.000Z",
    }
    say(rabat, "task", "move", ROOM, found["tasks"][0]["id"][:8], "refused", "--reason", "no mandate")
    say(rabat, "ack", ROOM, found["clocks"][0]["envelope"][:12])
    say(tunis, "decide", "propose", ROOM, "Sinkhole it", "--until", FAR)
    both(homes)
    say(tunis, "decide", "agree", ROOM, "1")
    say(rabat, "decide", "agree", ROOM, "1")
    both(homes)
    say(rabat, "decide", "close", ROOM, "1")
    say(rabat, "clock", "change", ROOM, found["clocks"][0]["id"][:8])
    found = both(homes)
    assert (found["tasks"][0]["state"], found["tasks"][0]["reason"]) == ("refused", "no mandate")
    assert (found["proposals"][0]["outcome"], found["proposals"][0]["agree"]) == ("adopted", [MA, TN])
    assert not found["clocks"][0]["stands"]
    assert found["without_effect"] == []
    lines = amanah(rabat, "board", ROOM).out.splitlines()
    assert lines[0].split() == ["title", "Mailboxes"]
    assert any(line.startswith("proposal 1  Sinkhole it  [2 of 2 agree; adopted]") for line in lines)
    note = ("handover", ROOM, "The host is blocked; netflow is still to come")
    say(rabat, *note)
    assert [of["text"] for of in both(homes)["handovers"]] == [note[-1]]
    assert any(line.endswith(f": {note[-1]}") for line in amanah(tunis, "board", ROOM).out.splitlines())
    again = amanah(rabat, "decide", "close", ROOM, "1")
    assert (again.code, again.out) == (EXIT_USAGE, "")


def test_what_was_asked_of_the_wrong_nation_is_taken_back(tunis: Path, rabat: Path) -> None:
    homes = tunis, rabat
    say(tunis, "task", "add", ROOM, "Image the wrong disks", "--nation", MA)
    say(tunis, "handover", ROOM, "to nobody")
    asked, note = both(homes)["tasks"][-1], both(homes)["handovers"][-1]["envelope"][:12]
    digits = asked["envelope"][:12]
    theirs = amanah(rabat, "withdraw", ROOM, digits)
    assert (theirs.code, theirs.out) == (EXIT_USAGE, "")
    corrected = amanah(tunis, "correct", ROOM, digits, "Image the disks")
    assert (corrected.code, corrected.out) == (EXIT_USAGE, "")
    assert "only a text is corrected" in corrected.err
    assert "ask anew" in corrected.err
    ran = amanah(tunis, "withdraw", ROOM, digits, "--reason", "wrong nation")
    assert (ran.code, ran.out[:6]) == (EXIT_OK, "done  ")
    assert "takes back: [task " in ran.err
    assert "Image the wrong disks" in ran.err
    say(tunis, "withdraw", ROOM, note)
    found = both(homes)
    assert (found["tasks"][-1]["state"], found["without_effect"]) == ("withdrawn", [])
    assert found["tasks"][-1]["withdrawn"] is not None
    assert all(one["envelope"][:12] != note for one in found["handovers"])
    (line,) = (one for one in amanah(rabat, "board", ROOM).out.splitlines() if "Image the wrong disks" in one)
    assert line.endswith("[withdrawn]")
    (said,) = (one for one in conversation(rabat) if one["id"] == asked["envelope"])
    assert said["withdrawn"]["reason"] == "wrong nation"
    assert said["said"]["what"] == "Image the wrong disks"
    assert said["withdrawn"]["envelope"] == found["tasks"][-1]["withdrawn"]
    shown = [one for one in amanah(rabat, "read", ROOM).out.splitlines() if "[withdrawn by its author: " in one]
    assert [one.split()[1] for one in shown] == [digits, note]
    assert digits in "".join(
        one for one in amanah(rabat, "search", "wrong disks").out.splitlines() if "[withdrawn" in one
    )
    again = amanah(tunis, "withdraw", ROOM, digits)
    assert (again.code, again.out) == (EXIT_USAGE, "")
    assert "takes back" not in again.err


def conversation(home: Path) -> list[dict[str, Any]]:
    ran = amanah(home, "read", ROOM, "--json")
    assert ran.code == EXIT_OK, ran.err
    found: list[dict[str, Any]] = json.loads(ran.out)
    return found


def test_two_nations_converse(tunis: Path, rabat: Path) -> None:
    say(tunis, "send", ROOM, "Who sees this, @cert.example.ma/duty?", "--ask", "acting")
    asked = conversation(rabat)[-1]
    assert asked["said"]["asks"] == "acting"
    assert asked["said"]["mentions"] == [{"called": "desk", "organisation": MA, "person": None}]
    say(rabat, "send", ROOM, "We do", "--reply", asked["id"][:12], "--thread", asked["id"][:12])
    say(rabat, "react", ROOM, asked["id"][:12], "+1")
    say(rabat, "react", ROOM, asked["id"][:12], "+1", "--take-back")
    say(rabat, "ack", ROOM, asked["id"][:12], "acting")
    found = conversation(tunis)
    reply = next(one for one in found if one.get("text") == "We do")
    assert (reply["said"]["reply_to"], reply["said"]["thread"]) == (asked["id"], asked["id"])
    say(rabat, "correct", ROOM, reply["id"][:12], "We do not")
    say(rabat, "withdraw", ROOM, reply["id"][:12], "--reason", "wrong room")
    assert [one["type"] for one in conversation(tunis)[-2:]] == ["correction", "withdrawal"]
    refused = amanah(rabat, "erase", ROOM, reply["id"][:12])
    assert (refused.code, refused.out) == (EXIT_USAGE, "")
    say(rabat, "erase", ROOM, reply["id"][:12], "--yes")
    assert next(one for one in conversation(tunis) if one["id"] == reply["id"])["state"] == "erased"
    elsewhere = amanah(tunis, "send", ROOM, "x", "--reply", "ffffffff")
    assert (elsewhere.code, elsewhere.out) == (EXIT_NOT_FOUND, "")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("incident", ROOM), EXIT_USAGE, "nothing of the incident changes"),
        (("incident", ROOM, "--type", "ddos"), EXIT_USAGE, "is no type of the taxonomy"),
        (("incident", ROOM, "--type", "availability/flood"), EXIT_USAGE, "availability/ddos"),
        (("incident", ROOM, "--aware", "yesterday"), EXIT_USAGE, "is not a time"),
        (("task", "add", ROOM, "x", "--nation", "Tunisia"), EXIT_USAGE, "DNS name"),
        (("task", "move", ROOM, "ffffffff", "done"), EXIT_NOT_FOUND, "no task begins with"),
        (("decide", "agree", ROOM, "99"), EXIT_NOT_FOUND, "there is no proposal 99"),
        (("decide", "close", ROOM, "99"), EXIT_NOT_FOUND, "there is no proposal 99"),
        (("clock", "change", ROOM, "ff"), EXIT_NOT_FOUND, "no joint time begins with"),
        (("close", ROOM, "--yes", "--nation", "Tunisia"), EXIT_USAGE, "DNS name"),
        (("close", ROOM, "--yes", "--nation", TN, "--nation", ELSEWHERE), EXIT_NOT_FOUND, "Those who can be asked are"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_not_said(
    tunis: Path, rabat: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    before = conversation(tunis)
    ran = amanah(tunis, *words)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert conversation(tunis) == before
