"""Messages that verbs of the command line name, and that were not read here before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import pytest

from amanah_client.cli import terminal
from tests.client.test_cli_chat import MA, TN, Circle, in_a_room

ROOM: Final = "Named"


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Circle]:
    with in_a_room(tmp_path_factory.mktemp("nations"), ROOM, invited=(MA,)) as made:
        assert made.run("b", "read", ROOM) == 0
        yield made


@pytest.mark.parametrize(
    "words",
    [
        ("ack", ROOM, "{id}"),
        ("react", ROOM, "{id}", "+1"),
        ("send", ROOM, "re", "--reply", "{id}"),
        ("send", ROOM, "under it", "--thread", "{id}"),
        ("relabel", ROOM, "{id}", "TLP:AMBER"),
        ("grant", ROOM, "--to", TN, "--since", "{id}", "--until", "{id}"),
        ("disclose", "{id}", "--to", "a court"),
    ],
    ids=lambda words: " ".join(words[:1] + words[3:4]),
)
def test_a_message_that_nobody_has_read_here_yet_can_be_named(
    circle: Circle, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert circle.run("a", "send", ROOM, "not read yet", "--label", "green", "--json") == 0
    sent = json.loads(capsys.readouterr().out)["id"]
    assert circle.run("b", *(word.format(id=sent[:16]) for word in words)) == 0, capsys.readouterr().err


def test_that_a_message_may_be_known_to_a_relay_that_is_not_reached_is_said(
    circle: Circle, capsys: pytest.CaptureFixture[str]
) -> None:
    circle.nations.relay.stop()
    try:
        assert circle.run("b", "ack", ROOM, "ffffffffffff") == terminal.EXIT_NOT_FOUND
    finally:
        circle.nations.relay.start()
    said = capsys.readouterr().err
    assert "nothing listens there" in said
    assert said.endswith("nothing was sent. [NOT_FOUND]\n")
