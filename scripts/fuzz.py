"""Run every fuzz target for a while: `fuzz.py --seconds 60 [NAME ...]`.

A target is a program `tests/fuzz/fuzz_NAME.py` that hands its own arguments to libFuzzer through
`atheris.Setup(sys.argv, ...)`. What it finds is kept in `build/fuzz/NAME`; seeds are read from
`tests/fuzz/corpus/NAME` where that is there. The first crash of a target ends it, and its input
stays in `build/fuzz/NAME/crash-...`.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
TARGETS: Final = ROOT / "tests" / "fuzz"
REQUIREMENTS: Final = ROOT / "requirements" / "fuzz.txt"


def install_atheris() -> bool:
    """Install the pinned fuzzer into the running environment, where it has a wheel for it."""
    if importlib.util.find_spec("atheris") is not None:
        return True
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(REQUIREMENTS)], check=False)
    importlib.invalidate_caches()
    return importlib.util.find_spec("atheris") is not None


def run_target(target: Path, seconds: int) -> bool:
    """Run one target; whether it came to its end without a crash."""
    name = target.stem.removeprefix("fuzz_")
    kept = ROOT / "build" / "fuzz" / name
    kept.mkdir(parents=True, exist_ok=True)
    corpus = TARGETS / "corpus" / name
    folders = [str(kept), *([str(corpus)] if corpus.is_dir() else [])]
    limits = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=1024", f"-artifact_prefix={kept}/"]
    print(f"fuzz {name}: {seconds} s", flush=True)
    return subprocess.run([sys.executable, str(target), *limits, *folders], cwd=ROOT, check=False).returncode == 0


def main() -> int:
    """Run the named targets, or all; 0 when none crashed."""
    parser = argparse.ArgumentParser(description="Run every fuzz target for a while.")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("names", nargs="*", help="targets without their 'fuzz_' (default: all)")
    options = parser.parse_args()
    targets = sorted(TARGETS.glob("fuzz_*.py"))
    if options.names:
        targets = [target for target in targets if target.stem.removeprefix("fuzz_") in options.names]
    if not targets:
        print("fuzz: no such target in tests/fuzz", file=sys.stderr)
        return 1
    if not install_atheris():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        print(
            f"fuzz: atheris cannot be installed here (Python {version} on {sys.platform}); its wheels exist for "
            "CPython 3.11 on Linux: nothing was fuzzed",
            file=sys.stderr,
        )
        return 1
    crashed = [target.stem for target in targets if not run_target(target, options.seconds)]
    print(f"fuzz: {len(targets) - len(crashed)} passed, {len(crashed)} failed {' '.join(crashed)}".rstrip())
    return 1 if crashed else 0


if __name__ == "__main__":
    sys.exit(main())
