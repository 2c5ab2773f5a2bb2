"""Reports of a room on the command line, at a real relay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from amanah_client.cli.terminal import EXIT_OK, EXIT_USAGE
from tests.end_to_end.nations import Nations, amanah

TN, MA = "cert.example.tn", "cert.example.ma"
ROOM: Final = "Phishing wave"


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


def test_what_another_sent_as_red_is_left_out_whatever_is_asked_for(tunis: Path, rabat: Path, worked: str) -> None:
    ours, theirs = (done(home, "report", worked, "--label", "red") for home in (tunis, rabat))
    assert "The name of the victim" in theirs
    assert "The name of the victim" not in ours
    assert "TLP:RED, which only its author may hand on" in ours


def test_a_zone_that_is_not_known_is_refused(tunis: Path) -> None:
    ran = amanah(tunis, "report", ROOM, "--zone", "Mars/Olympus")
    assert (ran.code, ran.out) == (EXIT_USAGE, "")
    assert "is no time zone" in ran.err
