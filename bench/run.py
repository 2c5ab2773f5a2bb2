"""`make bench`: envelopes acknowledged, deliveries, latency and memory, against what the machine can do.

The relay runs in its own process with `bench/limits.toml`, which raises rates and switches nothing
off: every envelope is verified, stored durably and logged before its receipt. Load and relay share
this machine. Writes `build/bench.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # started as a program, it finds its own package too

from bench.community import Organisation  # noqa: E402 - behind the path
from bench.drive import SENDERS, Outcome, Room  # noqa: E402 - behind the path
from bench.machine import commits_per_s, verifications_per_s  # noqa: E402 - behind the path
from bench.relay import running_relay  # noqa: E402 - behind the path

RECIPIENTS: Final = (0, 10, 50)
MAX_PER_S: Final = 12_000
"""For how many envelopes a second the load signs beforehand; a faster relay ends the phase sooner."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One line of the result; the names are those of `build/bench.json`."""

    recipients: int
    acked_per_s: float
    deliveries_per_s: float
    p50_ms: float
    p99_ms: float
    rss_mib: float


async def measure(recipients: int, seconds: float, scratch: Path) -> tuple[Run, list[Outcome]]:
    """One fresh relay, one room, first saturated, then at half of that."""
    now_ms = time.time_ns() // 1_000_000
    organisations = [Organisation(f"cert.example.{land}", now_ms=now_ms) for land in ("de", "fr", "tn")]
    devices = [organisations[number % 3].certify() for number in range(SENDERS + recipients)]
    with TemporaryDirectory(dir=scratch) as name, running_relay(Path(name), organisations, now_ms=now_ms) as running:
        room = await Room.open_with(devices, recipients, running.relay, running.port, now_ms)
        await room.sign(int(MAX_PER_S * seconds / SENDERS), now_ms)
        full = await room.saturate(seconds)
        half_per_s = full.acked_per_s / 2
        await room.sign(int(half_per_s * (seconds + 2) / SENDERS), now_ms)
        half = await room.pace(half_per_s, seconds)
        peak_mib = running.peak_mib
        await room.close()
    run = Run(
        recipients=recipients,
        acked_per_s=round(full.acked_per_s, 1),
        deliveries_per_s=round(full.deliveries_per_s, 1),
        p50_ms=round(half.percentile(50), 2),
        p99_ms=round(half.percentile(99), 2),
        rss_mib=round(peak_mib, 1),
    )
    return run, [full, half]


def show(run: Run, phases: list[Outcome], verify_per_s: float) -> None:
    """One line for people."""
    checked, lagged = sum(phase.verified for phase in phases), sum(phase.lagged for phase in phases)
    print(
        f"{run.recipients:>10} {run.acked_per_s:>9,.0f} {run.acked_per_s / verify_per_s:>8.2f} "
        f"{run.deliveries_per_s:>13,.0f} {run.p50_ms:>8.1f} {run.p99_ms:>8.1f} {run.rss_mib:>9.0f} "
        f"{checked:>9,} {lagged:>7}",
        flush=True,
    )


def main() -> int:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each phase, after one second of warm-up")
    parser.add_argument("--recipients", type=int, nargs="*", default=list(RECIPIENTS))
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench.json", help="where the result is written")
    options = parser.parse_args()
    scratch = ROOT / "build"
    scratch.mkdir(exist_ok=True)
    limits = {"ed25519_verify_per_s": round(verifications_per_s()), "commits_per_s": round(commits_per_s(scratch))}
    print(
        f"this machine: {limits['ed25519_verify_per_s']:,} Ed25519 verifications/s on one core, "
        f"{limits['commits_per_s']:,} durable SQLite commits/s"
    )
    print(f"{SENDERS} senders, 1 KiB of sealed content, every check on; latency at half of saturation")
    print("recipients   acked/s  /verify  deliveries/s   p50 ms   p99 ms  peak MiB   checked  lagged", flush=True)
    runs = []
    gc.disable()  # the load's own pauses are not the relay's
    for recipients in options.recipients:
        run, phases = asyncio.run(measure(recipients, options.seconds, scratch))
        show(run, phases, limits["ed25519_verify_per_s"])
        runs.append(asdict(run))
        gc.collect()
    print("With 0 recipients the latency is that of the receipt.")
    options.json.write_text(json.dumps({"limits": limits, "runs": runs}, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
