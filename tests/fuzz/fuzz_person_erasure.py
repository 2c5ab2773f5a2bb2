"""Fuzz `decode_person_erasure` and its verification."""

from __future__ import annotations

from typing import Final

from amanah_protocol import roster
from amanah_protocol.custody import erasures
from tests.fuzz.targets import known
from tests.vectors import examples as x

SEEDS: Final = known("person_erasure")
ROSTER: Final = roster.verify_roster(x.roster_of(), None, now_ms=x.NOW_MS)


def run(data: bytes) -> None:
    """Decode and verify."""
    decoded = erasures.decode_person_erasure(data)
    assert decoded.endorsed.encode() == data
    erasures.verify_person_erasure(decoded, x.nation(x.TN).enrolment, ROSTER)
