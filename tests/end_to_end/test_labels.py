"""Labels on the command line: changed, asked for before they are lowered, and in the way where they have to be."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amanah_client.cli.terminal import EXIT_AUTH, EXIT_NOT_FOUND, EXIT_OK, EXIT_USAGE
from tests.end_to_end.nations import Nations, amanah

TN, MA = "cert.example.tn", "cert.example.ma"
ROOM, OTHER, OWN = "Phishing wave", "Payment portals", "Our desk"


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
    """An officer of the other nation, in two of the rooms."""
    home = nations.enrol("rabat", MA)
    assert amanah(home, "doctor").code == EXIT_OK
    for room, label in ((ROOM, "red"), (OTHER, "amber"), (OWN, "red")):
        assert amanah(tunis, "room", "create", room, "--label", label).code == EXIT_OK
        if room != OWN:
            assert amanah(tunis, "room", "invite", room, MA).code == EXIT_OK
    return home


def entries(home: Path, room: str) -> Any:  # noqa: ANN401 - JSON it is
    ran = amanah(home, "read", room, "--json")
    assert ran.code == EXIT_OK, ran.err
    return json.loads(ran.out)


def devices(home: Path) -> set[str]:
    """The devices of the room's members."""
    ran = amanah(home, "room", "show", ROOM, "--json")
    assert ran.code == EXIT_OK, ran.err
    return {party["device"] for party in json.loads(ran.out)["members"]}


def send(home: Path, text: str, label: str) -> str:
    ran = amanah(home, "send", ROOM, text, "--label", label, "--json")
    assert ran.code == EXIT_OK, ran.err
    return str(json.loads(ran.out)["id"])


def test_a_label_is_raised_by_another_nation_and_lowered_by_its_author_who_is_asked(tunis: Path, rabat: Path) -> None:
    message = send(tunis, "Seen at your side?", "amber")
    end = time.monotonic() + 60
    while message not in [entry["id"] for entry in entries(rabat, ROOM)]:
        assert time.monotonic() < end
    raised = amanah(rabat, "relabel", ROOM, message[:12], "TLP:AMBER+STRICT")
    assert raised.code == EXIT_OK, raised.err
    assert raised.out.startswith("done  ")
    theirs = amanah(rabat, "relabel", ROOM, message, "green", "--yes")
    assert theirs.code == EXIT_AUTH
    assert "lowered by its author or an officer of cert.example.tn alone" in theirs.err
    assert entries(tunis, ROOM)
    refused = amanah(tunis, "disclose", message, "--to", "a court")
    assert (refused.code, refused.out) == (EXIT_USAGE, "")
    assert "TLP:AMBER+STRICT of cert.example.tn does not leave cert.example.tn" in refused.err
    unasked = amanah(tunis, "relabel", ROOM, message, "green")
    assert unasked.code == EXIT_USAGE
    assert "is not done unasked" in unasked.err
    assert amanah(tunis, "relabel", ROOM, message, "green", "--yes").code == EXIT_OK
    shown = amanah(tunis, "read", ROOM).out
    assert f"changes the label of {message[:12]} from TLP:AMBER+STRICT to TLP:GREEN" in shown.replace("\n", " ")


def test_a_message_is_forwarded_where_its_label_lets_it_go(tunis: Path, rabat: Path) -> None:
    message, red = send(tunis, "Two portals", "amber"), send(tunis, "Their names", "red")
    forwarded = amanah(tunis, "forward", ROOM, message[:12], "--to", OTHER, "--note", "the same sender?")
    assert forwarded.code == EXIT_OK, forwarded.err
    end = time.monotonic() + 60
    while not (found := [entry for entry in entries(rabat, OTHER) if entry["type"] == "forwarded"]):
        assert time.monotonic() < end
    assert "Two portals" in json.dumps(found)
    assert f"forwards {message[:12]} into room" in amanah(rabat, "read", ROOM).out.replace("\n", " ")
    above = amanah(tunis, "forward", ROOM, red, "--to", OTHER)
    assert (above.code, above.out) == (EXIT_USAGE, "")
    assert "TLP:RED is above the room's ceiling TLP:AMBER" in above.err
    elsewhere = amanah(tunis, "forward", OTHER, message, "--to", OWN)
    assert elsewhere.code == EXIT_NOT_FOUND
    assert "stands in another room" in elsewhere.err


def test_history_is_granted_to_who_came_later(nations: Nations, tunis: Path, rabat: Path) -> None:
    message, red = send(tunis, "Since this morning", "amber"), send(rabat, "Only for you", "red")
    before = devices(tunis)
    home = nations.enrol("sfax", TN)
    assert amanah(home, "doctor").code == EXIT_OK
    assert amanah(tunis, "room", "invite", ROOM, TN).code == EXIT_OK
    (device,) = devices(tunis) - before
    given = amanah(tunis, "grant", ROOM, "--to", device, "--since", message)
    assert given.code == EXIT_OK, given.err
    assert given.out.startswith("done  ")
    assert f"left out: {red[:12]}, its label keeps it back: TLP:RED: only its author passes it on" in given.err
    end = time.monotonic() + 60
    while message not in (found := {entry["id"]: entry for entry in entries(home, ROOM)}):
        assert time.monotonic() < end
    assert found[message]["text"] == "Since this morning"
    assert found[message]["granted_by"]["organisation"] == TN
    assert red not in found
    assert "grants what was said from" in amanah(rabat, "read", ROOM).out.replace("\n", " ")
    nothing = amanah(tunis, "grant", ROOM, "--to", device, "--since", red, "--until", red)
    assert (nothing.code, nothing.out) == (EXIT_NOT_FOUND, "")
