"""Fuzz `decode_grant` and its verification."""

from __future__ import annotations

from typing import Final

from amanah_protocol import roster
from amanah_protocol.custody import grants
from tests.fuzz.targets import known
from tests.vectors import examples as x

SEEDS: Final = known("audit_grant")
ROSTER: Final = roster.verify_roster(x.roster_of(), None, now_ms=x.NOW_MS)


def run(data: bytes) -> None:
    """Decode and verify."""
    decoded = grants.decode_grant(data)
    assert decoded.endorsed.encode() == data
    assert grants.grant_document(decoded) == decoded.endorsed.document
    grants.verify_grant(decoded, x.nation(x.TN).enrolment, ROSTER)
