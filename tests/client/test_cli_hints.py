"""What a slip of the hand is answered with: what was meant, and nothing that leads elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from cyclopts import App

from amanah_client import effects, model
from amanah_client.cli import terminal
from amanah_client.cli.main import app as amanah
from amanah_client.cli.main import main
from amanah_client.home import Home, open_profile
from amanah_protocol.cards import Armour, armour, encode_relay_card
from amanah_protocol.errors import MEANINGS, Code, RefusedError, UsageError
from amanah_protocol.types import RoomId
from amanah_relay.cli import app as relay
from amanah_relay.keys import create_relay_keys
from tests.end_to_end.nations import Nations

TN: Final = "cert.example.tn"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An officer's profile; its relay is not there."""
    nations = Nations(tmp_path, (TN,))
    made = nations.enrol("officer", TN)
    nations.close()
    return made


def refused(capsys: pytest.CaptureFixture[str], *words: str, code: int = terminal.EXIT_USAGE) -> str:
    """The one line that a command says which fails so."""
    capsys.readouterr()
    assert main([*words]) == code
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize("words", [("room", "create", "x"), ("send", "x", "y"), ("alert", "x")])
def test_a_mistyped_label_is_answered_with_the_labels_and_not_with_ceilings(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, *words, "--label", "GREN")
    known = "TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT, TLP:RED"
    assert said == f"amanah: there is no label 'GREN'; nothing was done. The labels are {known}. [LABEL]\n"


def test_a_text_without_quotes_is_answered_with_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "send", "room", "hello", "wide", "world")
    assert "nothing takes what stands at the end: wide world. A text of several words stands in quotes." in said
    assert "amanah send --help" in said


@pytest.mark.parametrize(
    ("cards", "threshold", "said"),
    [
        (1, 5, "--threshold 5: 1 organisation's card was given. Name the card of each organisation"),
        (1, 0, "--threshold 0: 1 organisation's card was given"),
        (0, 1, "--threshold 1: 0 organisations' cards were given"),
    ],
)
def test_a_threshold_that_nobody_can_reach_is_named_and_no_roster_is_made(
    tmp_path: Path, cards: int, threshold: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    organisation = ("--home", str(tmp_path / "org"))
    card, relay, out = tmp_path / "tn.card", tmp_path / "relay.card", tmp_path / "roster.txt"
    assert main(["org", "init", TN, "--key-file", "--card", str(card), *organisation]) == 0
    made = create_relay_keys(tmp_path / "relay.keys", "relay.example.org/log").card(("wss://relay.example.org:8443",))
    relay.write_text(armour(Armour.RELAY, encode_relay_card(made)))
    others = ("--community", "c", "--relay", str(relay), "--out", str(out))
    assert said in refused(capsys, "roster", "new", *cards * [str(card)], "--threshold", str(threshold), *others)
    assert not out.exists()
    assert main(["roster", "new", str(card), "--threshold", "1", *others]) == 0


def test_a_title_names_one_room_unless_two_are_meant(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = model.RoomRow(room=RoomId(b"r" * 16), status=model.RoomStatus.OPEN, title="Déjà")
    with open_profile(Home(home), str) as profile:
        profile.store.commit((effects.PutRoom(row=row),))
    create = ("--label", "green", "--timeout", "1", "--home", str(home))
    said = refused(capsys, "room", "create", " De\u0301ja\u0300 ", *create)
    assert f"room {row.room.hex()[:12]} is called 'Déjà' already" in said
    assert "--same-title" in said
    assert main(["room", "create", "Déjà", "--same-title", *create]) == terminal.EXIT_OFFLINE
    assert main(["room", "create", "Asked for", *create]) == terminal.EXIT_OFFLINE
    assert "of the outbox is called 'Asked for' already" in refused(capsys, "room", "create", "Asked for", *create)
    assert main(["outbox", "list", "--json", "--home", str(home)]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RefusedError(Code.REVOKED, "the device was revoked"), MEANINGS[Code.REVOKED].hint),
        (RefusedError(Code.STATE_LOST, "this device's keys of the room are gone."), MEANINGS[Code.STATE_LOST].hint),
        (RefusedError(Code.REVOKED, "certificate 7 is void"), f"certificate 7 is void. {MEANINGS[Code.REVOKED].hint}"),
        (RefusedError(Code.REVOKED, ""), f". {MEANINGS[Code.REVOKED].hint}"),
    ],
)
def test_what_the_hint_says_anyway_is_not_said_before_it(
    error: RefusedError, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.report(error)
    assert capsys.readouterr().err == f"amanah: {said} [{error.code}]\n"


# ---- help


def commands(group: App, name: str) -> Iterator[tuple[str, App]]:
    """Every verb below, with its full name."""
    below = [word for word in group if not word.startswith("-")]
    if not below:
        yield name, group
    for word in below:
        yield from commands(group[word], f"{name} {word}")


def test_every_verb_is_described_where_verbs_are_listed() -> None:
    groups = [name for name in amanah if not name.startswith("-") and len([*commands(amanah[name], name)]) > 1]
    assert {"room", "task", "audit"} <= set(groups)
    # In a process of its own: a verb that was loaded brings its docstring along, one that was not is described or bare.
    asked = "import sys; from amanah_client.cli.main import main\nfor one in sys.argv[1:]: main([one, '--help'])"
    ran = subprocess.run([sys.executable, "-c", asked, *groups], capture_output=True, text=True, check=True)
    listed = re.findall(r"^│ ([a-z][a-z-]*)(.*)│$", ran.stdout, re.MULTILINE)
    assert len(listed) > 40
    assert [name for name, about in listed if not about.strip()] == []


@pytest.mark.parametrize("program", [amanah, relay], ids=["amanah", "amanah-relay"])
def test_every_argument_is_described(program: App) -> None:
    found = [
        (name, argument.name)
        for name, command in commands(program, program.name[0])
        for argument in command.assemble_argument_collection(parse_docstring=True)
        if argument.name != "*" and not argument.parameter.help
    ]
    assert found == []


@pytest.mark.parametrize("verb", ["audit check", "audit export", "org grant-audit"])
def test_no_list_has_an_option_that_empties_it(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert ("--remembered" if verb == "audit check" else "--room") in out
    assert "--empty" not in out


@pytest.mark.parametrize("verb", ["roster show", "room create", "read", "tail", "audit list"])
def test_help_shows_defaults_that_say_something_alone(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert "[default: 15.0]" in out
    assert all(nothing not in out for nothing in ("default: False", "default: None", 'default: ""', "default: ]"))
    assert ("[default: 0]" in out) == (verb == "tail")


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("--home", "{}"), " --home {}"),
        (("--home={}",), " --home {}"),
        (("--home", "elsewhere", "--home", "{}"), " --home {}"),
        ((), ""),
        (("--", "--home", "{}"), ""),
    ],
)
def test_a_command_in_a_hint_is_for_the_profile_of_the_command_that_says_it(
    words: tuple[str, ...], option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "two words"
    terminal.prepare([word.format(folder) for word in words])
    hint = "`amanah audit sync` makes one; `amanah org card` none."
    terminal.report(UsageError(Code.NOT_FOUND, "no copy", hint=hint))
    quoted = option.format(f"'{folder}'")
    said = f"`amanah audit sync{quoted}` makes one; `amanah org card` none."
    assert capsys.readouterr().err == f"amanah: no copy. {said} [NOT_FOUND]\n"
