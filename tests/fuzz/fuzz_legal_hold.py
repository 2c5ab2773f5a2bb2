"""Fuzz `decode_hold` and its verification."""

from __future__ import annotations

from typing import Final

from amanah_protocol import roster
from amanah_protocol.custody import holds
from tests.fuzz.targets import known
from tests.vectors import examples as x

SEEDS: Final = known("legal_hold")
ROSTER: Final = roster.verify_roster(x.roster_of(), None, now_ms=x.NOW_MS)


def run(data: bytes) -> None:
    """Decode and verify."""
    decoded = holds.decode_hold(data)
    assert decoded.endorsed.encode() == data
    holds.verify_hold(decoded, x.nation(x.TN).enrolment, ROSTER)
