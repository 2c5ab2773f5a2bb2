"""Fuzz `decode_revocation` and `verify_revocation`."""

from __future__ import annotations

from typing import Final

from amanah_protocol import revocation
from tests.fuzz.targets import known
from tests.vectors import examples as x

SEEDS: Final = known("revocation")


def run(data: bytes) -> None:
    """Decode and verify."""
    revocation.verify_revocation(revocation.decode_revocation(data), x.nation(x.TN).enrolment_key.public)
