"""Commands of several parties in one folder, and nations around a relay that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from amanah_client.cli.main import main
from tests.end_to_end.nations import Nations


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a command as one party, in one folder where files are handed over."""
    monkeypatch.chdir(tmp_path)

    def command(who: str, *words: str) -> int:
        return main([*words, "--home", str(tmp_path / who)])

    return command


@pytest.fixture(scope="module")
def nations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    """A community whose relay runs while a file of tests does."""
    made = Nations(tmp_path_factory.mktemp("nations"))
    made.relay.start()
    yield made
    made.close()
