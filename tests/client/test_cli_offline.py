"""The command line without its relay, and several programs of one profile: nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from amanah_client.cli import terminal
from amanah_client.cli.main import main
from amanah_client.home import Home, open_profile
from tests.end_to_end.nations import PROGRAMS, Nations

TN, MA = "cert.example.tn", "cert.example.ma"
ROOM: Final = "Phishing wave"
EVE: Final = '{"timestamp":"2026-11-20T05:42:10Z","event_type":"alert","alert":{"signature_id":9}}\n'
WAIT_S: Final = 30


class Pair:
    """Two nations in one room, whose relay comes and goes."""

    def __init__(self, folder: Path) -> None:
        self.nations = Nations(folder)
        self.nations.relay.start()
        self.homes = {"a": self.nations.enrol("a", TN), "b": self.nations.enrol("b", MA)}

    def run(self, who: str, *words: str) -> int:
        return main([*words, "--home", str(self.homes[who])])


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    assert made.run("b", "doctor") == 0
    assert made.run("a", "room", "create", ROOM, "--label", "amber") == 0
    assert made.run("a", "room", "invite", ROOM, MA) == 0
    assert made.run("b", "room", "list") == 0
    yield made
    made.nations.close()


@pytest.fixture
def result(capsys: pytest.CaptureFixture[str]) -> Callable[[], Any]:
    """The JSON document on standard output, the last line of it where there are several."""
    capsys.readouterr()
    return lambda: json.loads(capsys.readouterr().out)


def wait_for(truth: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not truth():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def tailing(home: Path, folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], Path, Path]]:
    """A `tail` as its own process, with what it prints and what it says."""
    out, err = folder / "tail.out", folder / "tail.err"
    with out.open("wb") as out_file, err.open("wb") as err_file:
        process = subprocess.Popen(
            [str(PROGRAMS / "amanah"), "tail", "--json", *words],
            env={**os.environ, "AMANAH_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=out_file,
            stderr=err_file,
        )
    try:
        yield process, out, err
    finally:
        process.kill()
        process.wait()


def said(path: Path) -> list[str]:
    """The texts that a `tail` has printed."""
    return [json.loads(line).get("text") for line in path.read_text().splitlines()]


def test_a_message_without_the_relay_is_queued_and_goes_out_with_the_next_command(
    pair: Pair, result: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    pair.nations.relay.stop()
    assert pair.run("a", "send", ROOM, "kept") == terminal.EXIT_OFFLINE
    shown = capsys.readouterr()
    assert shown.out.startswith("queued  ")
    assert shown.err.count("\n") == 1
    assert "nothing listens there" in shown.err
    assert shown.err.endswith("[OFFLINE]\n")
    assert pair.run("a", "outbox", "list", "--json") == 0
    (entry,) = result()
    assert (entry["state"], entry["action"]) == ("queued", "Say")
    assert pair.run("a", "outbox", "list") == 0
    assert f"message to {ROOM}: kept" in capsys.readouterr().out
    pair.nations.relay.start()
    assert pair.run("a", "send", ROOM, "after it") == 0
    capsys.readouterr()
    assert pair.run("b", "read", ROOM, "--json", "--limit", "2") == 0
    assert [message["text"] for message in result()] == ["kept", "after it"]


def test_everything_that_is_asked_for_without_the_relay_is_kept(
    pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str], result: Callable[[], Any]
) -> None:
    pair.nations.relay.stop()
    eve = tmp_path / "eve.json"
    eve.write_text(EVE * 3)
    asked = (
        ("room", "create", "Second", "--label", "red"),
        ("room", "remove", ROOM, MA, "--yes"),
        ("alert", ROOM, str(eve)),
        ("send", ROOM, "x" * 60),
    )
    for words in asked:
        assert pair.run("a", *words) == terminal.EXIT_OFFLINE
    capsys.readouterr()
    assert pair.run("a", "outbox", "list") == 0
    shown = capsys.readouterr().out
    assert [what for what in ("open room Second", "Remove to", "3 alerts to", "ReportCounts to") if what in shown]
    assert "x" * 39 + "\N{HORIZONTAL ELLIPSIS}" in shown
    pair.nations.relay.start()
    wait_for(lambda: pair.run("a", "tail", "--until-idle", "0.5") == 0 and _outbox(pair, capsys) == [])


def _outbox(pair: Pair, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert pair.run("a", "outbox", "list", "--json") == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_reading_without_the_relay_shows_what_is_stored_and_says_that_it_may_be_old(
    pair: Pair, capsys: pytest.CaptureFixture[str], result: Callable[[], Any]
) -> None:
    assert pair.run("a", "send", ROOM, "before the outage") == 0
    assert pair.run("b", "read", ROOM) == 0
    pair.nations.relay.stop()
    capsys.readouterr()
    assert pair.run("b", "read", ROOM, "--json") == terminal.EXIT_OFFLINE
    shown = capsys.readouterr()
    assert json.loads(shown.out)[-1]["text"] == "before the outage"
    assert shown.err.endswith("[OFFLINE]\n")
    assert pair.run("b", "read", ROOM, "--offline") == 0
    assert capsys.readouterr().err == ""
    assert pair.run("b", "tail", ROOM, "--until-idle", "0.2", "--timeout", "3") == terminal.EXIT_OFFLINE
    assert "offline: no connection" in capsys.readouterr().err


def test_a_room_that_is_not_known_here_may_be_known_to_a_relay_that_is_not_reached(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.nations.relay.stop()
    capsys.readouterr()
    assert pair.run("a", "send", "Another room", "x") == terminal.EXIT_NOT_FOUND
    said = capsys.readouterr().err
    assert "nothing listens there" in said
    assert said.endswith("[UNKNOWN_ROOM]\n")


def test_a_queued_message_is_dropped_and_never_sent(
    pair: Pair, capsys: pytest.CaptureFixture[str], result: Callable[[], Any]
) -> None:
    pair.nations.relay.stop()
    assert pair.run("a", "send", ROOM, "regretted", "--json") == terminal.EXIT_OFFLINE
    queued = result()
    assert queued["state"] == "queued"
    assert pair.run("a", "outbox", "drop", queued["intent"][:8]) == terminal.EXIT_USAGE
    assert pair.run("a", "outbox", "release", queued["intent"][:8]) == terminal.EXIT_USAGE
    capsys.readouterr()
    assert pair.run("a", "outbox", "drop", queued["intent"][:8], "--yes") == 0
    assert capsys.readouterr().err == "dropped\n"
    assert _outbox(pair, capsys) == []
    pair.nations.relay.start()
    assert pair.run("a", "send", ROOM, "meant") == 0
    capsys.readouterr()
    assert pair.run("b", "read", ROOM, "--json") == 0
    assert "regretted" not in [message.get("text") for message in result()]


def test_tail_follows_across_an_outage_and_says_so_and_other_commands_work_beside_it(
    pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with tailing(pair.homes["b"], tmp_path, ROOM) as (process, out, err):
        wait_for(lambda: "online" in err.read_text())
        assert pair.run("a", "send", ROOM, "one") == 0
        wait_for(lambda: said(out) == ["one"])
        # The second program of the profile works through its store.
        assert pair.run("b", "send", ROOM, "two") == 0
        wait_for(lambda: said(out) == ["one", "two"])
        capsys.readouterr()
        assert pair.run("b", "read", ROOM, "--limit", "1") == 0
        shown = capsys.readouterr()
        assert "two" in shown.out
        assert "another program of this profile" in shown.err
        pair.nations.relay.stop()
        wait_for(lambda: "offline: " in err.read_text())
        pair.nations.relay.start()
        assert pair.run("a", "send", ROOM, "three") == 0
        wait_for(lambda: said(out) == ["one", "two", "three"])
        wait_for(lambda: "online again" in err.read_text())
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_S) == terminal.EXIT_INTERRUPTED
        assert err.read_text().endswith("online again\namanah: interrupted\n")


def test_a_tail_whose_device_is_revoked_says_so_and_ends(pair: Pair, tmp_path: Path) -> None:
    organisation = pair.nations.folder / MA
    revocation = tmp_path / "revocation"
    with tailing(pair.homes["b"], tmp_path) as (process, _, err):
        wait_for(lambda: "online" in err.read_text())
        revoke = ["org", "revoke", "b", "--reason", "lost", "--out", str(revocation), "--home", str(organisation)]
        assert main(revoke) == 0
        assert pair.run("a", "device", "submit", str(revocation)) == 0
        assert process.wait(WAIT_S) == terminal.EXIT_AUTH
    shown = err.read_text()
    assert "ALARM REVOKED: " in shown
    assert "offline: " in shown
    assert "trying again" not in shown
    assert shown.endswith("[REVOKED]\n")


def test_a_second_tail_follows_the_first_and_takes_the_connection_over(pair: Pair, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with tailing(pair.homes["b"], first) as (leader, out, err), tailing(pair.homes["b"], second) as (_, out2, err2):
        wait_for(lambda: "online" in err.read_text() or "online" in err2.read_text())
        wait_for(lambda: "another program" in err.read_text() + err2.read_text())
        assert pair.run("a", "send", ROOM, "to both") == 0
        wait_for(lambda: said(out) == ["to both"] and said(out2) == ["to both"])
        leader.terminate()
        leader.wait(WAIT_S)
        wait_for(lambda: "online" in err2.read_text())
        assert pair.run("a", "send", ROOM, "to the one that is left") == 0
        wait_for(lambda: said(out2) == ["to both", "to the one that is left"])


def test_an_entry_is_dropped_beside_a_program_that_holds_the_connection(
    pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str], result: Callable[[], Any]
) -> None:
    pair.nations.relay.stop()
    with tailing(pair.homes["a"], tmp_path) as (_, _, err):
        wait_for(lambda: "offline" in err.read_text())
        capsys.readouterr()
        assert pair.run("a", "send", ROOM, "regretted", "--json", "--timeout", "0.5") != 0
        queued = result()
        assert pair.run("a", "outbox", "drop", queued["intent"], "--yes") == 0
    assert _outbox(pair, capsys) == []


def test_a_disclosure_that_was_asked_for_without_the_relay_is_not_recorded_twice(
    pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str], result: Callable[[], Any]
) -> None:
    assert pair.run("a", "send", ROOM, "evidence", "--json") == 0
    sent = result()
    assert pair.run("a", "room", "list") == 0
    pair.nations.relay.stop()
    disclose = ("disclose", sent["id"], "--to", "Court", "--out", str(tmp_path / "evidence.txt"))
    for _ in range(2):
        assert pair.run("a", *disclose) == terminal.EXIT_OFFLINE
    assert not (tmp_path / "evidence.txt").exists()
    assert len(_outbox(pair, capsys)) == 1
    pair.nations.relay.start()
    assert pair.run("a", *disclose) == 0
    capsys.readouterr()
    assert pair.run("a", "read", ROOM, "--json") == 0
    assert [entry["kind"] for entry in result()].count("egress") == 1


def test_a_message_for_a_smaller_circle_is_held_until_its_writer_decides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = Pair(tmp_path)
    pair.homes["a2"] = pair.nations.enrol("a2", TN)
    try:
        for who in ("a2", "b"):
            assert pair.run(who, "doctor") == 0
        assert pair.run("a", "room", "create", ROOM, "--label", "amber") == 0
        assert pair.run("a", "room", "invite", ROOM, TN) == 0
        assert pair.run("a2", "room", "list") == 0
        pair.nations.relay.stop()
        for text in ("for our own eyes", "for everybody"):
            assert pair.run("a", "send", ROOM, text) == terminal.EXIT_OFFLINE
        pair.nations.relay.start()
        assert pair.run("a2", "room", "invite", ROOM, MA) == 0
        assert pair.run("a", "tail", "--until-idle", "0.5") == 0
        first, second = _outbox(pair, capsys)
        assert (first["state"], second["state"]) == ("held", "held")
        assert MA in first["detail"]
        assert pair.run("a", "doctor") == 0
        assert "2 of them held" in capsys.readouterr().out
        assert pair.run("a", "outbox", "drop", first["intent"], "--yes") == 0
        assert pair.run("a", "outbox", "release", second["intent"]) == 0
        assert pair.run("b", "room", "list") == 0
        capsys.readouterr()
        assert pair.run("b", "read", ROOM, "--json") == 0
        texts = [message.get("text") for message in json.loads(capsys.readouterr().out)]
        assert "for everybody" in texts
        assert "for our own eyes" not in texts
    finally:
        pair.nations.close()


def test_another_relay_at_the_address_is_one_alarm_and_a_plain_word(
    pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair.nations.relay.stop()
    (tmp_path / "other").mkdir()
    other = Nations(tmp_path / "other")
    try:
        other.relay.port = pair.nations.relay.port
        (tmp_path / "other" / "relay" / "relay.toml").write_text(f"[listen]\nport = {other.relay.port}\n")
        other.relay.start()
        for _ in range(2):
            capsys.readouterr()
            assert pair.run("a", "room", "list") == terminal.EXIT_AUTH
            said = capsys.readouterr().err
            assert "another relay answers at 127.0.0.1:" in said
            assert "ask its operator what listens there" in said
        assert pair.run("a", "room", "show", ROOM, "--offline", "--json") == 0
        with open_profile(Home(pair.homes["a"]), lambda: "") as profile:
            assert [alarm.code for alarm in profile.store.alarms()] == ["LOGIN"]
    finally:
        other.close()
