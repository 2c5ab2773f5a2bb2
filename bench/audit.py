"""`make bench-audit`: an auditor copies a long log from a relay and verifies it, against the machine's Ed25519 rate.

LEAVES (100,000) leaves are signed and stored beforehand. The relay is a process of its own, on the
same machine; what it takes is counted with the copy. Writes `build/bench-audit.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # started as a program, it finds its own package too


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was measured; the names are those of `build/bench-audit.json`.

    Attributes:
        leaves: In the log.
        verify_per_s: Ed25519 verifications a second, on all cores at once; before, between and after the two.
        copied_per_s: Leaves copied a second, each page proven before it is kept.
        examined_per_s: Leaves examined a second.
        ratio_copied: `copied_per_s`, of `verify_per_s`.
        ratio_examined: `examined_per_s`, of the same.
        ratio: Leaves copied and then examined a second, of the same.
        peak_mib: The most memory that the auditor's process and those that verify for it held.
        faults: Faults found; none is there.
    """

    leaves: int
    verify_per_s: float
    copied_per_s: float
    examined_per_s: float
    ratio_copied: float
    ratio_examined: float
    ratio: float
    peak_mib: float
    faults: int


def main() -> int:
    """Measure, and say what was found."""
    from bench.audited import audit, prepare  # noqa: PLC0415 - behind the path

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leaves", type=int, default=100_000)
    parser.add_argument("--rooms", type=int, default=20)
    options = parser.parse_args()
    from bench.machine import verifications_on_all_cores_per_s  # noqa: PLC0415 - behind the path

    (ROOT / "build").mkdir(exist_ok=True)
    with TemporaryDirectory(dir=ROOT / "build") as name:
        begun = time.perf_counter()
        prepared = prepare(Path(name), leaves=options.leaves, rooms=options.rooms)
        print(f"{prepared.size:,} leaves signed and stored in {time.perf_counter() - begun:.0f} s", flush=True)
        rates: list[float] = []
        copied_s, examined_s, faults = asyncio.run(
            audit(prepared, between=lambda: rates.append(verifications_on_all_cores_per_s()))
        )
        rate = mean(rates)
    own, others = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    result = Result(
        leaves=prepared.size,
        verify_per_s=round(rate),
        copied_per_s=round(prepared.size / copied_s),
        examined_per_s=round(prepared.size / examined_s),
        ratio_copied=round(prepared.size / copied_s / rate, 3),
        ratio_examined=round(prepared.size / examined_s / rate, 3),
        ratio=round(prepared.size / (copied_s + examined_s) / rate, 3),
        peak_mib=round((own + len(os.sched_getaffinity(0)) * others) / 1_024),
        faults=faults,
    )
    for key, value in asdict(result).items():
        print(f"{key:>16} {value:>12,}")
    (ROOT / "build" / "bench-audit.json").write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")
    return 0 if not faults else 1


if __name__ == "__main__":
    raise SystemExit(main())
