"""How `amanah-relay` speaks to a person: nothing that drives a terminal, folded between words alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amanah_relay import terminal
from tests.screen import Screen


def test_what_drives_a_terminal_is_shown_and_not_done(capfd: pytest.CaptureFixture[str]) -> None:
    terminal.say("a\x1b[2Jb\u202e [red]c")
    assert capfd.readouterr().err == "a<001B>[2Jb<202E> [red]c\n"


def test_on_a_terminal_talk_is_folded_between_words_and_a_key_stays_whole(screen: Callable[[], Screen]) -> None:
    shown, key = screen(), "3fa9c1d2" * 8
    terminal.say(f"{'word ' * 15}{key} wss://relay.example.org:8443")
    lines = shown.getvalue().splitlines()
    assert [line for line in lines if len(line) > 60] == [f"  {key}"]
    assert all(line.startswith("  ") for line in lines[1:])
    assert " ".join(shown.getvalue().split()) == f"{'word ' * 15}{key} wss://relay.example.org:8443"


def test_on_a_terminal_the_last_column_of_a_table_is_folded_below_itself(screen: Callable[[], Screen]) -> None:
    shown = screen()
    terminal.show_table([("ok", "store", "word " * 20), ("FAILED", "port", "in use")])
    first, second, *_, last = shown.getvalue().splitlines()
    assert first.startswith("ok      store  word")
    assert second.startswith("               word")
    assert last == "FAILED  port   in use"


def test_no_line_is_folded_where_no_person_looks(capfd: pytest.CaptureFixture[str]) -> None:
    terminal.say("word " * 100)
    terminal.show_table([("a", "word " * 100)])
    shown = capfd.readouterr()
    assert (shown.out.count("\n"), shown.err.count("\n")) == (1, 1)
