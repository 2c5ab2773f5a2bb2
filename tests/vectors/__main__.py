"""Hold the protocol against vector files in the MLS working group's formats: `python -m tests.vectors PATH...`.

Files and folders; only `.json` files are read. A family is recognised by the file's name, else by what a case
holds. Cases of suites that are not built here are counted as skipped. Fails when a case does, or when none ran.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.vectors import mls_passive, mls_units
from tests.vectors.mls_units import SUITES, Case

Check = Callable[[Case], None]

FAMILIES: Final[dict[str, tuple[Check, frozenset[str]]]] = {
    "crypto-basics": (mls_units.check_crypto_basics, frozenset({"ref_hash", "encrypt_with_label"})),
    "deserialization": (mls_units.check_deserialization, frozenset({"vlbytes_header"})),
    "hpke-xwing": (mls_units.check_hpke_xwing, frozenset({"kem_id", "ikmR"})),
    "key-schedule": (mls_units.check_key_schedule, frozenset({"initial_init_secret"})),
    "message-protection": (mls_units.check_message_protection, frozenset({"membership_key", "commit_priv"})),
    "messages": (mls_units.check_messages, frozenset({"mls_welcome", "private_message"})),
    "passive-client": (mls_passive.check_passive_client, frozenset({"initial_epoch_authenticator"})),
    "psk_secret": (mls_units.check_psk_secret, frozenset({"psks", "psk_secret"})),
    "secret-tree": (mls_units.check_secret_tree, frozenset({"sender_data", "leaves"})),
    "transcript-hashes": (mls_units.check_transcript_hashes, frozenset({"authenticated_content"})),
    "tree-math": (mls_units.check_tree_math, frozenset({"n_leaves", "sibling"})),
    "tree-operations": (mls_units.check_tree_operations, frozenset({"tree_before", "proposal_sender"})),
    "tree-validation": (mls_units.check_tree_validation, frozenset({"resolutions"})),
    "treekem": (mls_units.check_treekem, frozenset({"update_paths"})),
    "welcome": (mls_units.check_welcome, frozenset({"signer_pub", "welcome"})),
}
"""By name: the check, and fields that no other family's cases have together."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What came of one family's cases."""

    passed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Cases that ran."""
        return self.passed + len(self.failures)


def files_of(paths: Sequence[str]) -> Iterator[Path]:
    """The `.json` files among these files and below these folders."""
    for path in map(Path, paths):
        yield from sorted(path.rglob("*.json")) if path.is_dir() else [path] if path.suffix == ".json" else []


def family_of(path: Path, cases: list[Case]) -> str | None:
    """Which family a file is of; None if it is of none."""
    if path.stem in FAMILIES:
        return path.stem
    first = cases[0].keys() if cases else set()
    return next((name for name, (_, fields) in FAMILIES.items() if fields <= first), None)


def read_cases(path: Path) -> list[Case]:
    """The cases of a file; none if it is no list of objects."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return found if isinstance(found, list) and all(isinstance(case, dict) for case in found) else []


def run_case(check: Check, case: Case) -> str | None:
    """Why a case fails, or None; whatever a case brings out, the others still run."""
    try:
        check(case)
    except Exception as error:  # noqa: BLE001 - a vector may bring out anything; it is shown
        return traceback.format_exception_only(error)[-1].strip() or repr(error)
    return None


def run_file(path: Path, label: str, tallies: dict[str, Tally]) -> None:
    """Run a file's cases into its family's tally."""
    cases = read_cases(path)
    family = family_of(path, cases)
    if family is None:
        print(f"{label}: no family of vectors is recognised", file=sys.stderr)
        return
    check, _ = FAMILIES[family]
    tally = tallies.setdefault(label, Tally())
    for number, case in enumerate(cases):
        if case.get("cipher_suite", 1) not in SUITES:
            tally.skipped += 1
            continue
        reason = run_case(check, case)
        if reason is None:
            tally.passed += 1
        else:
            tally.failures.append(f"{label}[{number}]: {reason}")


def label_of(path: Path) -> str:
    """How a file's family is printed: the transcripts of several folders are told apart."""
    return path.stem if path.stem in FAMILIES or path.parent.name == "mls" else f"{path.parent.name}/{path.stem}"


def main(arguments: Sequence[str]) -> int:
    """Run all files; 0 when every case passed and there was at least one."""
    tallies: dict[str, Tally] = {}
    for path in files_of(arguments):
        run_file(path, label_of(path), tallies)
    for label, tally in tallies.items():
        skipped = f" skipped {tally.skipped}" if tally.skipped else ""
        print(f"{label} {tally.passed}/{tally.total}{skipped}")
        for failure in tally.failures:
            print(f"  {failure}")
    ran = sum(tally.total for tally in tallies.values())
    failed = sum(len(tally.failures) for tally in tallies.values())
    if not ran:
        print("no case ran", file=sys.stderr)
    return 0 if ran and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
