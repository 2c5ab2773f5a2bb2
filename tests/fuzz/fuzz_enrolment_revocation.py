"""Fuzz `decode_enrolment_revocation` and its verification."""

from __future__ import annotations

from typing import Final

from amanah_protocol import revocation
from tests.fuzz.targets import known
from tests.vectors import examples as x

SEEDS: Final = known("enrolment_revocation")


def run(data: bytes) -> None:
    """Decode and verify."""
    decoded = revocation.decode_enrolment_revocation(data)
    assert decoded.endorsed.encode() == data
    revocation.verify_enrolment_revocation(decoded, x.nation(x.TN).member)
