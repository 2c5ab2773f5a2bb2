"""Fixtures of an auditor's work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from amanah_client.cli.main import main
from amanah_client.home import Profile
from tests.client.audit.auditor import TOLD, enrol, home_at
from tests.client.audit.world import (
    bundle,
)


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    made = home_at(tmp_path / "home")
    enrol(made)
    yield made
    made.close()


@pytest.fixture
def audit(profile: Profile, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `amanah audit` in the profile: exit code, standard output, standard error."""

    def call(*arguments: object, home: Path | None = None) -> tuple[int, str, str]:
        code = main(["audit", *map(str, arguments), "--home", str(home or profile.home.path)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    path = tmp_path / "record.bundle"
    path.write_bytes(bundle(TOLD))
    return path
