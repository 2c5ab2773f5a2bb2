"""The table of attacks: every one is played with all defences, and again without one, and every switch is used."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import FunctionType

import pytest

from tests.adversary.defences import DEFENCES, Defence, switched_off, without
from tests.adversary.outcomes import ATTACKS, TABLE, Outcome, Played, lines, played_by

HERE = Path(__file__).resolve().parent


def everything_played() -> set[Played]:
    """What the tests of this folder play."""
    modules = (importlib.import_module(f"tests.adversary.{path.stem}") for path in sorted(HERE.glob("test_*.py")))
    played = (played_by(value) for module in modules for value in vars(module).values())
    return {found for found in played if found is not None}


def test_every_attack_is_played_and_has_its_positive_control() -> None:
    played = everything_played()
    assert {found.attack for found in played if not found.defence} == set(ATTACKS)
    assert {found.attack for found in played if found.defence} == set(ATTACKS)


def test_every_switch_is_used_by_the_attacks_that_it_says_to_stop() -> None:
    used: dict[str, set[int]] = {}
    for found in everything_played():
        if found.defence:
            used.setdefault(found.defence, set()).add(found.attack)
    assert used == {name: set(defence.attacks) for name, defence in DEFENCES.items()}


@pytest.mark.parametrize("name", DEFENCES)
def test_a_switch_puts_back_what_it_took(name: str) -> None:
    def now() -> object:
        defence = DEFENCES[name]
        found = defence.function if isinstance(defence, Defence) else getattr(defence.module, defence.name)
        return found.__code__ if isinstance(defence, Defence) else found

    before = now()
    with switched_off(name):
        assert now() is not before
    assert now() is before


def test_a_switch_whose_check_is_gone_says_so() -> None:
    assert isinstance(everything_played, FunctionType)
    with pytest.raises(LookupError, match="once each"):
        without(everything_played, {"found.attack == 99": "False"})


def test_the_table_shows_what_came_of_each() -> None:
    """The rows of this run so far, or of the one before it; the file is whole when the run has ended."""
    table = json.loads(TABLE.read_text()) if TABLE.exists() else {"rows": {}}
    classes = {str(outcome) for outcome in Outcome}
    for row in table["rows"].values():
        assert set(row) == {"attack", "name", "class", "defended", "control"}
        assert row["name"] == ATTACKS[row["attack"]].name
        assert set(row["class"].split("/")) <= classes
    print("\n".join(lines(table)))  # noqa: T201 - the table is what this is for
