"""Templates and reports of rooms on the command line, at a real relay."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from amanah_client.cli.terminal import EXIT_NOT_FOUND, EXIT_OFFLINE, EXIT_OK, EXIT_USAGE
from amanah_client.home import Home, open_profile
from amanah_client.templates.template import BUILT_IN
from amanah_protocol.identity import Role, decode_certificate
from tests.end_to_end.nations import Nations, amanah

TN, MA = "cert.example.tn", "cert.example.ma"
ROOM: Final = "Phishing wave"
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
def rabat(nations: Nations) -> Path:
    home = nations.enrol("rabat", MA)
    assert amanah(home, "doctor").code == EXIT_OK
    return home


def done(home: Path, *words: str) -> str:
    ran = amanah(home, *words)
    assert ran.code == EXIT_OK, ran.err
    return ran.out


@pytest.fixture(scope="module")
def worked(tunis: Path, rabat: Path) -> str:
    """A room in which two nations have spoken."""
    done(tunis, "room", "create", ROOM, "--label", "red")
    done(tunis, "room", "invite", ROOM, MA)
    done(tunis, "incident", ROOM, "--title", "Mailboxes", "--severity", "high", "--aware", "2026-11-20T06:40")
    done(tunis, "send", ROOM, "Seen at your side?", "--label", "amber")
    done(rabat, "send", ROOM, "The name of the victim", "--label", "red")
    return ROOM


def test_each_nation_writes_the_report_of_a_room(tunis: Path, worked: str, tmp_path: Path) -> None:
    markdown = done(tunis, "report", worked, "--zone", "Africa/Tunis", "--label", "amber")
    assert "- incident: **`left out`**" in markdown  # said at the room's own label
    assert "Seen at your side?" in markdown
    assert "The name of the victim" not in markdown
    assert "**TLP:AMBER**" in markdown
    for form in ("html", "pdf"):
        written = tmp_path / f"report.{form}"
        done(tunis, "report", worked, "--form", form, "--to", str(written))
        assert written.read_bytes().startswith({"html": b"<!doctype html>", "pdf": b"%PDF-"}[form])
    again = amanah(tunis, "report", worked, "--to", str(tmp_path / "report.pdf"))
    assert (again.code, again.out) == (EXIT_USAGE, "")


def test_a_notice_is_drafted_and_the_board_says_when_it_is_due(rabat: Path, worked: str) -> None:
    draft = done(rabat, "report", worked, "--notice", "24h", "--label", "amber")
    assert draft.startswith("# `Draft: 24 h early warning (NIS2, Article 23(4)(a))`")
    assert "- impact across borders: **`not said in the room`**" in draft
    assert "24 h early warning due 2026-11-21 06:40:00Z" in done(rabat, "board", worked)
    duties = json.loads(done(rabat, "board", worked, "--json"))["duties"]
    assert duties[1] == {"notice": "72h", "due_at": "2026-11-23T06:40:00.000Z"}


def test_what_was_sent_as_red_is_left_out_whatever_is_asked_for(tunis: Path, rabat: Path, worked: str) -> None:
    for home in (tunis, rabat):  # its author's own as well: it does not leave its room
        report = done(home, "report", worked, "--label", "red")
        assert "The name of the victim" not in report
        assert "TLP:RED: it does not leave its room" in report


def test_a_zone_that_is_not_known_is_refused(tunis: Path) -> None:
    ran = amanah(tunis, "report", ROOM, "--zone", "Mars/Olympus")
    assert (ran.code, ran.out) == (EXIT_USAGE, "")
    assert "is no time zone" in ran.err


# ---- templates


def test_a_room_is_opened_with_everything_in_it_by_one_command(tunis: Path, rabat: Path) -> None:
    made = amanah(tunis, "room", "open", "Hospitals", "--template", "ransomware", "--as", f"affected={MA}", "--json")
    assert made.code == EXIT_OK, made.err
    assert "nobody was named as support" in made.err
    found = json.loads(made.out)
    assert {one["state"] for one in found["asked"]} == {"done"}
    board = json.loads(done(rabat, "board", found["room"], "--json"))
    assert (board["incident"]["title"], board["incident"]["severity"]) == ("Hospitals", "high")
    assert [task["nation"] for task in board["tasks"]] == [TN, TN, MA, MA, TN]
    assert len(board["clocks"]) == 3
    for told in (done(rabat, "read", found["room"]), done(rabat, "report", found["room"])):
        assert f"affected: @{MA} (has victims of the same campaign)" in told
    assert amanah(tunis, "room", "open", "Hospitals", "--template", "phishing").code == EXIT_USAGE


def test_without_the_relay_all_of_it_is_kept_at_once_and_goes_out_by_itself(nations: Nations, rabat: Path) -> None:
    home = nations.enrol("sfax", TN)
    done(home, "doctor")
    nations.relay.stop()
    kept = amanah(home, "room", "open", "Kept", "--template", "phishing", "--invite", MA, "--timeout", "2")
    assert kept.code == EXIT_OFFLINE
    assert {line.split()[0] for line in kept.out.splitlines()} == {"queued"}
    waiting = json.loads(amanah(home, "outbox", "list", "--json").out)
    assert len(waiting) == len(kept.out.splitlines()) == 9
    nations.relay.start()
    # A program that stays connected sends all of it; nobody asks again.
    until(
        lambda: json.loads((done(home, "tail", "--until-idle", "3"), done(home, "outbox", "list", "--json"))[1]) == []
    )
    assert len(json.loads(done(home, "board", "Kept", "--json"))["tasks"]) == 4
    until(lambda: "Kept" in done(rabat, "room", "list"))


def test_what_one_of_it_cannot_do_is_named_and_the_rest_is_done(tunis: Path) -> None:
    made = amanah(tunis, "room", "open", "Alone", "--template", "phishing", "--as", "hosting=cert.example.sn")
    assert made.code != EXIT_OK
    assert "invite cert.example.sn: cert.example.sn is not in the community's roster" in made.err
    assert [line.split()[0] for line in made.out.splitlines()] == ["done", "failed", *["done"] * 7]


def until(truth: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not truth():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_templates_are_listed_and_printed_as_they_are_written(tunis: Path, tmp_path: Path) -> None:
    assert [line.split()[0] for line in done(tunis, "template", "list").splitlines()[1:]] == list(BUILT_IN)
    assert {one["name"] for one in json.loads(done(tunis, "template", "list", "--json"))} == set(BUILT_IN)
    printed = done(tunis, "template", "show", "phishing")
    own = tmp_path / "own.toml"
    own.write_text(printed.replace('name = "phishing"', 'name = "own"'))
    assert json.loads(done(tunis, "template", "show", str(own), "--json"))["name"] == "own"
    assert amanah(tunis, "template", "show", "nothing").code == EXIT_NOT_FOUND
    assert amanah(tunis, "room", "open", "x", "--template", "phishing", "--as", "hosting").code == EXIT_USAGE


# ---- drills


def test_a_drill_says_so_on_every_face_to_members_and_auditors(
    nations: Nations, tunis: Path, rabat: Path, worked: str, tmp_path: Path
) -> None:
    made = amanah(tunis, "room", "open", "Exercise", "--template", "phishing", "--invite", MA, "--drill")
    assert made.code == EXIT_OK, made.err
    sent = json.loads(done(rabat, "send", "Exercise", "The bank is down", "--json"))
    note = tmp_path / "note.txt"
    note.write_text("The bank is down")
    done(tunis, "attach", "Exercise", str(note))
    for words in (
        ("read", "Exercise"),
        ("files", "Exercise"),
        ("tail", "Exercise", "--last", "9", "--until-idle", "1"),
        ("board", "Exercise"),
    ):
        lines = done(tunis, *words).splitlines()
        marked = [line for line in lines if "DRILL" in line]
        assert marked == lines if words[0] != "board" else marked == lines[:1]
    assert next(line for line in done(tunis, "room", "list").splitlines() if "DRILL" in line).split()[2] == "Exercise"
    assert done(tunis, "room", "show", "Exercise").startswith("DRILL")
    for words in (("read", "Exercise"), ("files", "Exercise"), ("read", worked)):
        assert {one["drill"] for one in json.loads(done(tunis, *words, "--json"))} == {words[1] == "Exercise"}
    report = done(tunis, "report", "Exercise")
    assert report.splitlines()[2] == "**DRILL DRILL DRILL: an exercise, nothing in this report is real.**"
    assert "DRILL" not in done(tunis, "report", worked)
    disclosed, bundle = tmp_path / "disclosed.txt", tmp_path / "evidence.amanah"
    done(tunis, "disclose", sent["id"], "--to", "an auditor", "--out", str(disclosed))
    auditor = nations.enrol("auditor", MA, role=Role.AUDITOR)
    done(auditor, "audit", "sync")
    listed = json.loads(done(auditor, "audit", "list", "--json"))
    drills = {one["room"] for one in listed["entries"] if one["drill"]}
    assert drills == {sent["room"]}
    assert all(one["said"].startswith("DRILL: ") for one in listed["entries"] if one["room"] in drills)
    assert "DRILL" in done(auditor, "audit", "check", str(disclosed))
    done(auditor, "audit", "export", str(bundle))
    done(auditor, "audit", "add-disclosures", str(bundle), str(disclosed), "--out", str(tmp_path / "with.amanah"))
    assert "DRILL" in done(auditor, "audit", "check", str(tmp_path / "with.amanah"))


# ---- closing


def test_nations_sign_off_and_the_closing_is_recorded(nations: Nations) -> None:
    """Who came later signs from its first entry on; who has other facts is told in which."""
    ours, theirs = nations.enrol("gabes", TN), nations.enrol("fes", MA)
    done(theirs, "doctor")
    done(ours, "room", "create", "Ended", "--label", "amber")
    done(ours, "room", "invite", "Ended", f"{device(theirs)}")
    done(ours, "send", "Ended", "Found and mended")
    done(ours, "task", "add", "Ended", "Image the disks", "--nation", TN)
    for verb in (("incident", "Ended", "--status", "closed"), ("close", "Ended")):
        refused = amanah(ours, *verb)
        assert (refused.code, refused.out) == (EXIT_USAGE, "")
        assert "Image the disks" in refused.err
    assert json.loads(done(ours, "board", "Ended", "--json"))["closings"] == []
    asked = amanah(ours, "incident", "Ended", "--status", "closed", "--yes")
    assert (asked.code, len(asked.out.splitlines())) == (EXIT_OK, 2)
    # What is said before it is done is not said as done: the relay may refuse it, or not be reached.
    assert asked.err.splitlines()[-1] == f"asks to sign off: {MA}, {TN}"
    early = amanah(ours, "close", "Ended")
    assert (early.code, early.out) == (EXIT_USAGE, "")
    assert f"not signed yet: {MA}, {TN}" in early.err
    for home in (ours, theirs):
        done(home, "sign-off", "Ended")
    found = json.loads(done(ours, "board", "Ended", "--json"))["closings"]
    assert [(one["signed"], one["outstanding"], one["differ"]) for one in found] == [([MA, TN], [], {})]
    recorded = amanah(theirs, "close", "Ended")
    assert (recorded.code, recorded.err) == (EXIT_OK, f"records as signed off by: {MA}, {TN}\n")
    until(lambda: "recorded in" in done(ours, "board", "Ended"))
    assert json.loads(done(ours, "board", "Ended", "--json"))["without_effect"] == []
    assert "- stands: `recorded`" in done(ours, "report", "Ended")
    again = amanah(ours, "sign-off", "Ended")
    assert (again.code, again.out) == (EXIT_NOT_FOUND, "")


def device(home: Path) -> str:
    """The digits of a profile's own device."""
    with open_profile(Home(home), lambda: "") as profile:
        certificate = profile.store.value("certificate")
    assert certificate is not None
    return decode_certificate(certificate).device_id.hex()[:16]
