"""The demonstration's stage: what is expected is checked, and what was started is ended."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from scripts.demo_stage import Stage, StepFailedError


@pytest.fixture
def told() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def stage(tmp_path: Path, told: io.StringIO) -> Iterator[Stage]:
    made = Stage(tmp_path, Console(file=told, soft_wrap=True))
    made.scene("One", "About it.")
    yield made
    made.stop_all()


def test_a_command_is_shown_as_it_is_given_with_what_it_says(stage: Stage, told: io.StringIO) -> None:
    ran = stage.run("tunis", "amanah", "room", "list", code=4)
    assert "NO_PROFILE" in ran.err
    assert "1. One" in told.getvalue()
    assert "tunis$ amanah room list\n      amanah: there is no profile" in told.getvalue()


def test_another_exit_code_than_expected_ends_the_story(stage: Stage) -> None:
    with pytest.raises(StepFailedError, match=r"tunis\$ amanah room list: exit code 4, not 0"):
        stage.run("tunis", "amanah", "room", "list", quiet=True)
    assert stage.title == "step 1, One"


def test_what_is_not_as_expected_ends_the_story(stage: Stage) -> None:
    sky = "blue"
    stage.expect(sky == "blue", "never said")
    with pytest.raises(StepFailedError, match="the sky is blue"):
        stage.expect(sky != "blue", "the sky is blue")


def test_a_program_that_ends_by_itself_is_noticed_and_says_why(stage: Stage) -> None:
    running = stage.start("relay", "amanah-relay", "serve", "--home", "relay")
    with pytest.raises(StepFailedError, match="NOT_INITIALISED"):
        running.said("listening")
    assert running.stop() != 0


def test_a_program_that_says_nothing_is_not_waited_for_for_ever(stage: Stage) -> None:
    running = stage.start("tunis", "amanah", "room", "list")
    with pytest.raises(StepFailedError, match="0 of 1 lines"):
        running.lines(1, timeout_s=0.1)


def test_a_long_output_is_cut_and_says_so(stage: Stage, told: io.StringIO) -> None:
    stage.run("tunis", "amanah", "--help")
    assert "lines more" in told.getvalue()


def test_on_a_terminal_lines_are_folded_between_words(
    tmp_path: Path, told: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    narrow = Stage(tmp_path, Console(file=told, soft_wrap=True, force_terminal=True, color_system=None, width=40))
    words = ("amanah", "roster", "show", "--home", "نقطة-واحدة", "a-file-whose-name-is-never-cut-in-the-middle")
    narrow.run("tunis", *words, code=4, quiet=True)
    lines = told.getvalue().splitlines()
    assert len(lines) > 1
    assert max(len(line) for line in lines if words[-1] not in line) <= 40
    assert all(word in told.getvalue().split() for word in words[1:4])
    assert all(line.startswith("        ") for line in lines[1:])


def test_without_a_terminal_a_line_stays_one(stage: Stage, told: io.StringIO) -> None:
    stage.note("word " * 100)
    assert told.getvalue().splitlines()[-1].count("word") == 100
