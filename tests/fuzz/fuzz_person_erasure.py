"""Fuzz `decode_person_erasure` and its verification."""

from __future__ import annotations

from typing import Final

from amanah_protocol.custody import erasures
from tests.fuzz.targets import known
from tests.vectors import examples as x

SEEDS: Final = known("person_erasure")


def run(data: bytes) -> None:
    """Decode and verify."""
    erasures.verify_person_erasure(erasures.decode_person_erasure(data), x.nation(x.TN).enrolment_key.public)
