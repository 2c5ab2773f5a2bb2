"""Switches a control's defence off, and notes what each attack came to."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.adversary.defences import switched_off
from tests.adversary.outcomes import note, played_by
from tests.adversary.stage import Stage

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


@pytest.fixture
def play(_without_the_defence: None, tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Sets stages, and closes them."""
    stages: list[Stage] = []

    def make(*arguments: Any, **options: Any) -> Stage:  # noqa: ANN401 - as `Stage` takes them
        stages.append(Stage(tmp_path, *arguments, **options))
        return stages[-1]

    yield make
    for stage in stages:
        stage.close()
