"""What each attack must come to, and the record of what it came to.

A test says by a decorator which attack it plays: `defended` with all checks in place, `control` with
one defence switched off. Its result goes into one table, `build/adversary.json`, whichever process of
the test run plays it.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

ROOT: Final = Path(__file__).resolve().parent.parent.parent
TABLE: Final = ROOT / "build" / "adversary.json"

Test = TypeVar("Test", bound=Callable[..., Any])


class Outcome(StrEnum):
    """What an attack may come to."""

    PREVENTED = "P"
    """Refused; the state is what it was."""
    DETECTED = "D"
    """A typed alarm within a bound, with evidence where there can be any."""
    SURVIVED = "S"
    """Bounded time and memory; service goes on."""
    BOUNDED = "B"
    """Cannot be prevented; limited in time, and told."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An attack of the threat model.

    Attributes:
        name: What is done.
        outcomes: What it may come to.
    """

    name: str
    outcomes: tuple[Outcome, ...]


_P, _D, _S, _B = Outcome.PREVENTED, Outcome.DETECTED, Outcome.SURVIVED, Outcome.BOUNDED

ATTACKS: Final[dict[int, Listed]] = {
    1: Listed("drop one message", (_D,)),
    2: Listed("drop the tail, go silent", (_B, _D)),
    5: Listed("reorder within a sender", (_P,)),
    7: Listed("replay and reflect", (_P,)),
    8: Listed("duplicate across reconnect, lost ack", (_P,)),
    9: Listed("cross-room splice", (_P,)),
    10: Listed("cross-epoch splice", (_P,)),
    11: Listed("fork: two commits for one epoch", (_D,)),
    12: Listed("withhold a commit from a subset", (_D,)),
    14: Listed("forged external commit, external proposal, reinitialisation", (_P,)),
    15: Listed("ghost member, ghost device", (_P,)),
    16: Listed("forged welcome into a fake room", (_P,)),
    17: Listed("welcome to the wrong or an old epoch", (_P, _D)),
    18: Listed("tampered ratchet tree or group info", (_P,)),
    19: Listed("key package substitution", (_P,)),
    20: Listed("key package reuse, or an expired one", (_P,)),
    21: Listed("key package exhaustion", (_S,)),
    22: Listed("downgrade of suite, version, capability, extension", (_P,)),
    23: Listed("rollback of a client's state", (_D, _P)),
    24: Listed("epoch-skip flood", (_S,)),
    25: Listed("sender-ratchet skip bomb", (_S,)),
    26: Listed("low-order points, malleable or non-canonical signatures", (_P,)),
    27: Listed("truncated history for a new joiner", (_D,)),
    30: Listed("roll back the roster", (_P,)),
    31: Listed("threshold forgery", (_P,)),
    33: Listed("key, id and protocol confusion", (_P,)),
    34: Listed("role confusion", (_P,)),
    35: Listed("login relay, replay, signing oracle", (_P,)),
    36: Listed("split view", (_D,)),
    37: Listed("log rolled back after a restore", (_D,)),
    38: Listed("acknowledged and not logged", (_D,)),
    40: Listed("lying timestamps", (_D,)),
    41: Listed("tampered audit export", (_D,)),
    42: Listed("witness forgery and short quorum", (_P,)),
    44: Listed("strip signature or authenticated part", (_P,)),
    45: Listed("attachment swap, truncation, reorder, cross-message reuse", (_P,)),
    47: Listed("oversized frames, decompression bombs", (_S,)),
    48: Listed("malformed CBOR", (_P, _S)),
    49: Listed("malformed structures of MLS", (_P, _S)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a test plays.

    Attributes:
        attack: The number.
        defence: The one that is switched off; "" with all in place.
    """

    attack: int
    defence: str = ""


def defended(attack: int) -> Callable[[Test], Test]:
    """The test plays an attack and finds that it came to what it must."""
    return _mark(Played(attack=attack))


def control(attack: int, defence: str) -> Callable[[Test], Test]:
    """The test plays an attack without one defence and finds that it succeeds."""
    return _mark(Played(attack=attack, defence=defence))


def _mark(played: Played) -> Callable[[Test], Test]:
    def mark(test: Test) -> Test:
        test.played = played  # type: ignore[attr-defined]  # functions take attributes
        return test

    return mark


def played_by(test: object) -> Played | None:
    """What a test function plays, if it plays anything."""
    found = getattr(test, "played", None)
    return found if isinstance(found, Played) else None


def note(run: str, played: Played, *, held: bool) -> None:
    """Add a result to the table: a row holds when every test of it held."""
    TABLE.parent.mkdir(exist_ok=True)
    with (TABLE.parent / "adversary.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        table = _read(run)
        row = table["rows"].setdefault(str(played.attack), _row(played.attack))
        column = "control" if played.defence else "defended"
        row[column] = held and row[column] is not False
        TABLE.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")


def _row(attack: int) -> dict[str, Any]:
    listed = ATTACKS[attack]
    return {
        "attack": attack,
        "name": listed.name,
        "class": "/".join(listed.outcomes),
        "defended": None,
        "control": None,
    }


def _read(run: str) -> dict[str, Any]:
    """The table of this run; that of an earlier one is begun anew."""
    with suppress(FileNotFoundError, ValueError):
        table: dict[str, Any] = json.loads(TABLE.read_text())
        if table.get("run") == run:
            return table
    return {"run": run, "rows": {}}


def lines(table: dict[str, Any]) -> list[str]:
    """The table for people."""
    shown = {None: "-", True: "yes", False: "NO"}
    rows = sorted(table["rows"].values(), key=lambda row: int(row["attack"]))
    head = f"{'attack':>6}  {'class':<5}  {'defended':<8}  {'control':<7}  name"
    return [
        head,
        *(
            f"{row['attack']:>6}  {row['class']:<5}  {shown[row['defended']]:<8}  "
            f"{shown[row['control']]:<7}  {row['name']}"
            for row in rows
        ),
    ]
