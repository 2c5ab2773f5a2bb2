from __future__ import annotations

import sys

import pytest

from amanah_client.cli import progress as module
from amanah_client.cli.progress import progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def test_a_person_who_looks_on_sees_how_far_it_is_and_how_long_it_takes(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress("leaves verified", 4_000) as shown:
        shown.advance(0)
        clock[0] = 2.0
        shown.advance(1_000)
        clock[0] = 2.1
        shown.advance(1_001)
    err = capsys.readouterr().err
    assert "1,000 of 4,000 leaves verified, 500/s, 6 s left" in err
    assert "1,001" not in err
    assert err.endswith("\x1b[K")


def test_a_total_that_is_learnt_on_the_way_is_shown_from_then_on(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress("leaves copied") as shown:
        for moment, done, total in ((1.0, 10, None), (2.0, 20, 100)):
            clock[0] = moment
            shown.advance(done, total)
    err = capsys.readouterr().err
    assert "10 leaves copied" in err
    assert "20 of 100 leaves copied" in err


def test_a_file_is_told_nothing_of_it(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress("leaves verified", 4_000) as shown:
        clock[0] = 2.0
        shown.advance(1_000)
    assert capsys.readouterr().err == ""
