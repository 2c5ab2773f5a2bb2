"""Commands of several parties, in one folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from amanah_client.cli.main import main


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a command as one party, in one folder where files are handed over."""
    monkeypatch.chdir(tmp_path)

    def command(who: str, *words: str) -> int:
        return main([*words, "--home", str(tmp_path / who)])

    return command
