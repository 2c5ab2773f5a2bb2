"""Fuzz `decode_enrolment` and its verification against the roster."""

from __future__ import annotations

from typing import Final

from amanah_protocol import identity, roster
from tests.fuzz.targets import known
from tests.vectors import examples as x

SEEDS: Final = known("enrolment")
ROSTER: Final = roster.verify_roster(x.roster_of(), None, now_ms=x.NOW_MS)


def run(data: bytes) -> None:
    """Decode and verify."""
    enrolment = identity.decode_enrolment(data)
    assert enrolment.endorsed.encode() == data
    roster.verify_enrolment(enrolment, ROSTER, at_ms=x.NOW_MS)
