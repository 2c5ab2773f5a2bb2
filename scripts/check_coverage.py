"""Hold a coverage report against the project's gates: `check_coverage.py build/coverage.json`.

Lines and branches count alike. A core whose every refusal matters has to be whole; the shells
around it are measured together, package by package. A gate over no code at all fails too, so that
a renamed folder cannot pass by vanishing.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MAX_MISSING_CHARS: Final = 400
CORE: Final = ("core", "admission", "quotas", "sequencer", "inputs", "effects")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A share of lines and branches that a set of files has to reach.

    Attributes:
        name: What the gate is called in the report.
        percent: The least share, 0 to 100.
        prefixes: Path prefixes, relative to the root of the project; the first gate that fits takes a file.
    """

    name: str
    percent: float
    prefixes: tuple[str, ...]

    def covers(self, path: str) -> bool:
        """Whether the file belongs to this gate."""
        return path.startswith(self.prefixes)


GATES: Final = (
    Gate(name="protocol", percent=100, prefixes=("protocol/amanah_protocol/",)),
    Gate(
        name="relay core",
        percent=100,
        prefixes=tuple(f"relay/amanah_relay/{name}{end}" for name in CORE for end in (".py", "/")),
    ),
    Gate(name="relay", percent=95, prefixes=("relay/amanah_relay/",)),
    Gate(name="client", percent=95, prefixes=("client/amanah_client/",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What was reached in one file.

    Attributes:
        path: Relative to the root of the project, with `/`.
        reached: Lines and branches that ran.
        total: Lines and branches there are.
        missing: For people: line numbers, and branches as `from->to`.
    """

    path: str
    reached: int
    total: int
    missing: str


def decode_report(report: dict[str, Any]) -> list[FileReport]:
    """Read coverage.py's JSON report (format 3), with branches.

    Raises:
        KeyError: The report was made without branch coverage.
    """
    files = []
    for path, entry in sorted(report["files"].items()):
        summary = entry["summary"]
        lines = [str(line) for line in entry["missing_lines"]]
        branches = [f"{start}->{end if end > 0 else 'exit'}" for start, end in entry["missing_branches"]]
        files.append(
            FileReport(
                path=path.replace("\\", "/"),
                reached=summary["covered_lines"] + summary["covered_branches"],
                total=summary["num_statements"] + summary["num_branches"],
                missing=", ".join(lines + branches),
            )
        )
    return files


def judge(files: list[FileReport], gates: tuple[Gate, ...] = GATES) -> tuple[bool, list[str]]:
    """Hold files against gates.

    Returns:
        Whether every gate holds, and the lines that say so: one for each gate, and under a gate
        that failed one for each of its files that is not whole.
    """
    passed = True
    lines = []
    left = list(files)
    for gate in gates:
        mine = [file for file in left if gate.covers(file.path)]
        left = [file for file in left if not gate.covers(file.path)]
        total = sum(file.total for file in mine)
        if not total:
            passed = False
            lines.append(f"coverage of {gate.name}: no code was measured: FAILED")
            continue
        share = 100 * sum(file.reached for file in mine) / total
        holds = share >= gate.percent
        passed &= holds
        verdict = "ok" if holds else "FAILED"
        lines.append(f"coverage of {gate.name}: {share:.2f} % of at least {gate.percent:g} %: {verdict}")
        if not holds:
            lines += [f"  {file.path}: {shortened(file.missing)}" for file in mine if file.reached < file.total]
    return passed, lines


def shortened(missing: str) -> str:
    """The start of a long list; the report itself has the rest."""
    return missing if len(missing) <= MAX_MISSING_CHARS else missing[:MAX_MISSING_CHARS] + " ..."


def main(arguments: list[str]) -> int:
    """Print the verdict; 0 when every gate holds."""
    passed, lines = judge(decode_report(json.loads(Path(arguments[0]).read_text(encoding="utf-8"))))
    print("\n".join(lines))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
