"""Two parties, an auditor of another nation, and the members who watch: the real programs against a real relay."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from amanah_client.audit.export import VERIFIER_PATH
from amanah_protocol.identity import Role
from tests.end_to_end.nations import Nations, Ran, amanah

TN, MA = "cert.example.tn", "cert.example.ma"


@pytest.fixture
def nations(tmp_path: Path) -> Iterator[Nations]:
    made = Nations(tmp_path, custodians=True)
    made.relay.start()
    yield made
    made.close()


def done(home: Path, *words: str) -> Ran:
    """Run a command that must succeed."""
    ran = amanah(home, *words)
    assert ran.code == 0, (words, ran)
    return ran


@pytest.mark.slow
def test_what_two_parties_sign_is_read_shown_and_proven(nations: Nations, tmp_path: Path) -> None:
    office, custodian = tmp_path / TN, tmp_path / f"custodian of {TN}"
    a, second = nations.enrol("officer a", TN), nations.enrol("officer second", TN)
    auditor = nations.enrol("auditor", MA, role=Role.AUDITOR)
    done(second, "room", "list")
    room = done(a, "room", "create", "Phishing wave", "--label", "TLP:AMBER").out.strip()
    done(a, "room", "invite", room, TN)
    done(a, "send", room, "Seen at your side?")
    done(second, "send", room, "Not yet")

    done(auditor, "audit", "sync")
    assert json.loads(done(auditor, "audit", "verify", "--json").out)["rooms"] == []

    one, two = str(tmp_path / "one.grant"), str(tmp_path / "two.grant")
    wanted = ("--room", room, "--days", "30", "--purpose", "joint review 7", "--out", one)
    done(office, "org", "grant-audit", MA, *wanted)
    assert amanah(a, "device", "submit", one).code != 0, "one party alone grants nothing"
    done(custodian, "org", "countersign", one, "--out", two)
    done(a, "device", "submit", two)

    again = done(auditor, "audit", "sync", "--grant", two)
    assert "copying anew" in again.err
    report = json.loads(done(auditor, "audit", "verify", "--json").out)
    assert (report["holds"], report["faults"]) == (True, 0)
    assert [found["room"] for found in report["rooms"]] == [room]

    shown = done(second, "room", "show", room).out
    assert "joint review 7" in shown
    assert "audited by" in shown
    custody = json.loads(done(second, "room", "show", room, "--json").out)["custody"]
    assert {entry["type"] for entry in custody} == {"grant", "read"}

    hold_and_forget(tmp_path, room, a, second, auditor)

    end, ended = str(tmp_path / "one.end"), str(tmp_path / "two.end")
    done(office, "org", "end-grant", two, "--out", end)
    done(custodian, "org", "countersign", end, "--out", ended)
    done(a, "device", "submit", ended)
    done(a, "send", room, "After the review")
    refused = amanah(auditor, "audit", "sync")
    assert (refused.code != 0, "EXPIRED" in refused.err) == (True, True)
    done(auditor, "audit", "sync", "--own")
    report = json.loads(done(auditor, "audit", "verify", "--json").out)
    assert (report["holds"], [found["room"] for found in report["rooms"]]) == (True, [room]), "what was shown stays"
    exported = str(tmp_path / "evidence.amanah")
    done(auditor, "audit", "export", exported)
    done(auditor, "audit", "check", exported)
    single_file(exported, nations.roster_file())


def single_file(bundle: str, roster: Path) -> None:
    """The other verifier says the same."""
    words = (sys.executable, str(VERIFIER_PATH), bundle, "--roster", str(roster))
    ran = subprocess.run(words, check=False, capture_output=True)
    assert ran.returncode == 0, ran.stdout
    assert b"HOLDS, anchored in what you gave." in ran.stdout


def hold_and_forget(folder: Path, room: str, a: Path, second: Path, auditor: Path) -> None:
    """While a hold stands no name is forgotten, and then one is; the record verifies as before, and tells of both."""
    office, custodian = folder / TN, folder / f"custodian of {TN}"
    hold, both = str(folder / "one.hold"), str(folder / "two.hold")
    done(office, "org", "hold", "place", room, "--reference", "0c" * 16, "--out", hold)
    done(custodian, "org", "countersign", hold, "--out", both)
    done(a, "device", "submit", both)
    listed = json.loads(done(office, "org", "show", "--json").out)
    subject = next(item["subject"] for item in listed if item["name"] == "officer a")
    one, gone = str(folder / "one.gone"), str(folder / "gone")
    done(office, "org", "forget-person", subject, "--yes", "--out", one)
    done(custodian, "org", "countersign", one, "--out", gone)
    refused = amanah(second, "device", "submit", gone)
    assert refused.code != 0
    assert "a legal hold of" in refused.err
    released, both = str(folder / "one.release"), str(folder / "two.release")
    done(office, "org", "hold", "release", hold, "--out", released)
    done(custodian, "org", "countersign", released, "--out", both)
    done(a, "device", "submit", both)
    done(second, "device", "submit", gone)
    done(office, "org", "drop-name", gone)
    assert "officer a" not in done(office, "org", "show").out
    assert "officer a" not in done(second, "room", "show", room).out
    assert "officer a" not in done(second, "read", room).out

    done(auditor, "audit", "sync")
    report = json.loads(done(auditor, "audit", "verify", "--json").out)
    assert (report["holds"], report["faults"]) == (True, 0)
    kept = json.loads(done(auditor, "audit", "retention", "--json").out)
    assert [held["reference"] for held in kept["legal_holds"]] == ["0c" * 16]
    assert [person["subject"] for person in kept["forgotten"]] == [subject]
    assert "legal hold of" in done(auditor, "audit", "retention").out


@pytest.mark.slow
def test_a_room_that_was_left_and_joined_again_accuses_nobody(nations: Nations, tmp_path: Path) -> None:
    office, custodian = tmp_path / MA, tmp_path / f"custodian of {MA}"
    a, guest = nations.enrol("officer a", TN), nations.enrol("officer of ma", MA)
    auditor = nations.enrol("auditor", MA, role=Role.AUDITOR)
    done(guest, "room", "list")
    room = done(a, "room", "create", "Phishing wave", "--label", "TLP:AMBER").out.strip()
    done(a, "room", "invite", room, MA)
    done(guest, "room", "list")
    hold, both = str(tmp_path / "one.hold"), str(tmp_path / "two.hold")
    done(office, "org", "hold", "place", room, "--reference", "0c" * 16, "--out", hold)
    done(custodian, "org", "countersign", hold, "--out", both)
    done(guest, "device", "submit", both)
    done(a, "room", "remove", room, MA, "--yes")
    # The custody of a room that was left is shown to a copy that is begun then, by a relay that was restarted too.
    nations.relay.stop()
    nations.relay.start()
    done(auditor, "audit", "sync")
    scope = json.loads(done(auditor, "audit", "verify", "--json").out)["scope"]
    assert (scope["bare"], scope["envelopes"] > 0) == (0, True)

    done(a, "send", room, "Without them")
    released, both = str(tmp_path / "one.release"), str(tmp_path / "two.release")
    done(office, "org", "hold", "release", hold, "--out", released)
    done(custodian, "org", "countersign", released, "--out", both)
    done(guest, "device", "submit", both)
    assert "copying anew" not in done(auditor, "audit", "sync").err
    done(guest, "room", "list")
    done(a, "room", "invite", room, MA)
    again = done(auditor, "audit", "sync")
    assert "something of room" in again.err
    assert "copying anew" in again.err
    assert "copying anew" not in done(auditor, "audit", "sync").err
    report = json.loads(done(auditor, "audit", "verify", "--json").out)
    assert (report["holds"], report["faults"]) == (True, 0)
