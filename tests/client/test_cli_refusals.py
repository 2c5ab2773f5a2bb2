"""What somebody tried to pass beyond its label, on the command line: refused, kept, and listed without its words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client.test_cli_chat import EVE, MA, TN, Circle, in_a_room

ROOM, OTHER, WORDS = "Refused", "Another", "the victim is berth 4"


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Circle]:
    with in_a_room(tmp_path_factory.mktemp("nations"), ROOM, invited=(MA, TN)) as made:
        assert made.run("a", "room", "create", OTHER, "--label", "green") == 0
        for who in ("b", "bot", "a"):
            assert made.run(who, "room", "list") == 0
        yield made


def shown(circle: Circle, who: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert circle.run(who, "room", "show", ROOM, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_each_way_that_a_label_shuts_is_kept_once(
    circle: Circle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, eve = tmp_path / "notes.txt", tmp_path / "eve.json"
    file.write_text(WORDS)
    eve.write_text(EVE)
    capsys.readouterr()
    assert circle.run("a", "send", ROOM, WORDS, "--label", "amber", "--json") == 0
    sent = json.loads(capsys.readouterr().out)["id"]
    assert circle.run("a", "send", ROOM, "for all", "--label", "green") == 0
    assert shown(circle, "a", capsys)["refused"] == []  # what goes out is no event
    tries = {
        "a message": ("send", ROOM, WORDS, "--label", "red"),
        "a file": ("attach", ROOM, str(file), "--label", "red"),
        f"a forward of {sent[:12]}": ("forward", ROOM, sent, "--to", OTHER),
    }
    for words in (*tries.values(), tries["a message"]):  # the same once more is the same event
        assert circle.run("a", *words) != 0
    assert circle.run("a", "relabel", ROOM, sent, "amber+strict") == 0
    assert circle.run("a", "disclose", sent, "--to", "Court", "--out", str(tmp_path / "proof")) != 0
    assert circle.run("bot", "alert", ROOM, str(eve), "--label", "red") != 0
    found = shown(circle, "a", capsys)
    assert [one["detail"].split(": ")[0] for one in found["refused"]] == [*tries, f"a disclosure of {sent[:12]}"]
    assert {(one["code"], one["room"]) for one in found["refused"]} == {("LABEL", found["room"])}
    assert WORDS not in json.dumps(found)
    assert found["alarms"] == []  # nobody else did anything
    assert [one["detail"] for one in shown(circle, "bot", capsys)["refused"]] == [
        "alerts: TLP:RED is above the room's ceiling TLP:AMBER"
    ]
    assert shown(circle, "b", capsys)["refused"] == []  # it goes to nobody
    assert circle.run("a", "doctor") == 0
    assert "alarms          none" in capsys.readouterr().out
    assert circle.run("a", "room", "show", ROOM) == 0
    assert "refused on this device, and not sent: 4" in capsys.readouterr().out
