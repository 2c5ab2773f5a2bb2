"""Random histories that our engine shares with others; and some of ours alone, which run everywhere.

`python -m tests.oracles` runs more of them and prints what happened.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

import pytest

from tests.oracles.cast import CASTS, OWN_CASTS, absent
from tests.oracles.history import run_history

HISTORIES: Final = 40
OWN_HISTORIES: Final = 6
ABSENT: Final = absent()


@pytest.mark.slow
@pytest.mark.skipif(ABSENT is not None, reason=str(ABSENT))
@pytest.mark.parametrize("seed", range(HISTORIES))
def test_members_of_several_engines_agree_through_a_history(seed: int) -> None:
    tally: Counter[str] = Counter()
    run_history(seed, CASTS, now_s=int(time.time()), tally=tally)
    assert tally["histories"] == 1
    assert tally["epochs"] >= 6


@pytest.mark.parametrize("seed", range(OWN_HISTORIES))
def test_members_of_our_engine_agree_through_a_history(seed: int) -> None:
    tally: Counter[str] = Counter()
    run_history(seed, OWN_CASTS, now_s=int(time.time()), tally=tally)
    assert tally["epochs"] >= 6
