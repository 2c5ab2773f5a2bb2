"""`make bench`, shortly: it runs, checks what it receives, and writes its figures in the agreed form."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Final

import pytest

from amanah_relay.quotas import RelayLimits
from bench.relay import LIMITS

ROOT: Final = Path(__file__).resolve().parent.parent.parent
RATES: Final = ("_per_second", "_burst", "_per_minute")


def test_the_limits_of_the_benchmark_raise_rates_and_nothing_else() -> None:
    raised = tomllib.loads(LIMITS.read_text(encoding="utf-8"))
    assert set(raised) == {"limits"}
    defaults = {limit.name: getattr(RelayLimits(), limit.name) for limit in fields(RelayLimits)}
    for name, value in raised["limits"].items():
        assert name.endswith(RATES)
        assert value > defaults[name]


@pytest.mark.slow
def test_the_benchmark_writes_its_figures_in_the_agreed_form(tmp_path: Path) -> None:
    result = tmp_path / "bench.json"
    program = [sys.executable, str(ROOT / "bench" / "run.py"), "--seconds", "2", "--json", str(result)]
    ended = subprocess.run(
        [*program, "--recipients", "0", "2"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stderr
    written = json.loads(result.read_text())
    assert set(written) == {"limits", "runs"}
    assert set(written["limits"]) == {"ed25519_verify_per_s", "commits_per_s"}
    assert [run["recipients"] for run in written["runs"]] == [0, 2]
    for run in written["runs"]:
        assert set(run) == {"recipients", "acked_per_s", "deliveries_per_s", "p50_ms", "p99_ms", "rss_mib"}
        assert run["acked_per_s"] > 0
        assert run["p99_ms"] >= run["p50_ms"] > 0
        assert (run["deliveries_per_s"] > 0) == (run["recipients"] > 0)
