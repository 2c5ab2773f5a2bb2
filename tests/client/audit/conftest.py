"""Fixtures of an auditor's work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from amanah_client.audit import export
from amanah_client.cli import audit_bundle
from amanah_client.cli.main import main
from amanah_client.home import Profile
from tests.client.audit.auditor import TOLD, enrol, home_at
from tests.client.audit.bundles import EXPORTED_MS, bundle


@pytest.fixture(autouse=True)
def verifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What goes into every export, which is made at one time: the verifier is only carried, and tested by itself."""
    path = tmp_path / "amanah-verify.py"
    path.write_bytes(b"# stands for the verifier\n")
    monkeypatch.setattr(export, "VERIFIER_PATH", path)
    monkeypatch.setattr(audit_bundle, "now_ms", lambda: EXPORTED_MS)
    return path.read_bytes()


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
    path = tmp_path / "record.amanah"
    path.write_bytes(bundle(TOLD))
    return path
