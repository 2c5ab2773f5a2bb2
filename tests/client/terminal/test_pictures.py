"""What officers read at the main steps of an incident is what was looked at, in every language."""

from __future__ import annotations

import pytest

from tests.client.terminal.pictures import FOLDER, LANGUAGES, picture


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_terminal_says_what_was_looked_at(code: str) -> None:
    # Where it is meant to differ: `python -m tests.client.terminal.pictures`, and look at the difference.
    assert picture(code) == (FOLDER / f"{code}.txt").read_text(encoding="utf-8")
