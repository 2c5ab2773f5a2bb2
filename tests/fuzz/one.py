"""Run one target under libFuzzer: `python -m tests.fuzz.one NAME [libFuzzer's own arguments]`.

The package is imported inside `instrument_imports`, or the fuzzer would be blind to its branches.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["amanah_protocol", "tests.fuzz"]):
    from tests.fuzz.targets import load

    TARGET = load(sys.argv[1])


def main() -> None:
    """Hand over to libFuzzer, which does not return."""
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGET.attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
