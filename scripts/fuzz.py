"""Install the pinned fuzzer where it has a wheel, then run `python -m tests.fuzz` with the same arguments."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
REQUIREMENTS: Final = ROOT / "requirements" / "fuzz.txt"


def install_atheris() -> bool:
    """Install the pinned fuzzer into the running environment, where it has a wheel for it."""
    if importlib.util.find_spec("atheris") is not None:
        return True
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(REQUIREMENTS)], check=False)
    importlib.invalidate_caches()
    return importlib.util.find_spec("atheris") is not None


def main() -> int:
    """Fuzz; 0 when nothing crashed, 1 when something did or nothing could be fuzzed."""
    if not install_atheris():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        print(
            f"fuzz: atheris cannot be installed here (Python {version} on {sys.platform}); its wheels exist for "
            "CPython 3.11 on Linux: nothing was fuzzed",
            file=sys.stderr,
        )
        return 1
    return subprocess.run([sys.executable, "-m", "tests.fuzz", *sys.argv[1:]], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
