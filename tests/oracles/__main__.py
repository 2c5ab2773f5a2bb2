"""Run many histories and print what happened in them: `python -m tests.oracles --histories 500`."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.oracles.cast import CASTS, absent
from tests.oracles.history import run_history


def run(seed: int) -> tuple[int, Counter[str], str | None]:
    """One history: its seed, what happened, and how it failed."""
    tally: Counter[str] = Counter()
    try:
        run_history(seed, CASTS, now_s=int(time.time()), tally=tally)
    except Exception:  # noqa: BLE001 - whatever an engine throws is shown, and the other histories still run
        return seed, tally, traceback.format_exc()
    return seed, tally, None


def main() -> int:
    """Run them; 0 when all went well."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracles", description=__doc__)
    parser.add_argument("--histories", type=int, default=500, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    if (reason := absent()) is not None:
        print(reason, file=sys.stderr)
        return 2
    seeds = range(arguments.first, arguments.first + arguments.histories)
    total: Counter[str] = Counter()
    failed = 0
    with ProcessPoolExecutor() as pool:
        for seed, tally, failure in pool.map(run, seeds):
            total += tally
            if failure is not None:
                failed += 1
                print(f"history {seed} failed\n{failure}", flush=True)
    for what, times in sorted(total.items()):
        print(f"{times:7,}  {what}")
    print(f"{arguments.histories - failed} of {arguments.histories} histories passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
