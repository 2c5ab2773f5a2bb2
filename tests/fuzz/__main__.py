"""Run fuzz targets for a while: `python -m tests.fuzz --seconds 60 [TARGET ...]`.

Prints one line for each target. What a target finds is kept in `build/fuzz/NAME/corpus` and read
again next time; an input that crashes it stays in `build/fuzz/NAME/crash-...`.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Final

from tests.fuzz.targets import load, names

ROOT: Final = Path(__file__).resolve().parent.parent.parent
EXECUTED: Final = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


def write_seeds(name: str, folder: Path) -> None:
    """Put a target's seeds where libFuzzer reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in load(name).seeds:
        (folder / sha256(seed).hexdigest()).write_bytes(seed)


def fuzz(name: str, seconds: int) -> bool:
    """Run one target, print its line, and say whether nothing crashed."""
    kept = ROOT / "build" / "fuzz" / name
    corpus, seeds = kept / "corpus", kept / "seeds"
    corpus.mkdir(parents=True, exist_ok=True)
    write_seeds(name, seeds)
    before = set(kept.glob("*-*"))
    limits = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"]
    arguments = [*limits, f"-artifact_prefix={kept}/", str(corpus), str(seeds)]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.one", name, *arguments], cwd=ROOT, capture_output=True, check=False
    )
    output = ran.stderr.decode(errors="replace")
    found = EXECUTED.search(output)
    crashes = set(kept.glob("*-*")) - before
    fine = ran.returncode == 0 and not crashes
    executions = int(found.group(1)) if found else 0
    print(f"fuzz {name}: {executions} executions, {len(crashes)} crashes", flush=True)  # noqa: T201 - the line is the result
    if not fine:
        print("\n".join(output.splitlines()[-40:]), file=sys.stderr, flush=True)  # noqa: T201 - what libFuzzer said of the crash
    return fine


def main() -> int:
    """Run the named targets, or all; 0 when none crashed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Run fuzz targets for a while.")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time (default: 1)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(names())} (default: all)")
    options = parser.parse_args()
    unknown = set(options.targets) - set(names())
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if importlib.util.find_spec("atheris") is None:
        sys.exit("fuzz: atheris is not installed (it has wheels for CPython 3.11 on Linux): nothing was fuzzed")
    with ThreadPoolExecutor(options.jobs) as pool:
        fine = list(pool.map(lambda name: fuzz(name, options.seconds), options.targets or names()))
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
