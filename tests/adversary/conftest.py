"""Switches a control's defence off, and notes what each attack came to."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.adversary.attack import Attack
from tests.adversary.defences import switched_off
from tests.adversary.outcomes import note, played_by
from tests.adversary.stage import Setting, Stage

RUN = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """All processes of one test run share its name."""
    config.stash[RUN] = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note the result of every test that plays an attack."""
    report = yield
    played = played_by(getattr(item, "function", None))
    if played is not None and report.when == "call" and not report.skipped:
        note(item.config.stash[RUN], played, held=report.passed)
    return report


@pytest.fixture(autouse=True)
def _without_the_defence(request: pytest.FixtureRequest) -> Iterator[None]:
    """A control is played without the defence that it names, from its setting up to its end."""
    played = played_by(request.function)
    with switched_off(played.defence) if played is not None and played.defence else contextlib.nullcontext():
        yield


@pytest.fixture(scope="session")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    """A stage that was set with all defences."""
    return Setting(tmp_path_factory.mktemp("setting"))


@pytest.fixture
def play(setting: Setting, _without_the_defence: None, tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Gives stages that are set, and closes them."""
    with contextlib.ExitStack() as stack:

        def make(attack: Attack | None = None, **options: Any) -> Stage:  # noqa: ANN401 - as `Stage` takes them
            folder = tmp_path / f"stage-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            # With witnesses it is another community: that one is set up for itself.
            stage = Stage(folder, attack, **options) if options else setting.copy(folder, attack)
            stack.callback(stage.close)
            return stage

        yield make
