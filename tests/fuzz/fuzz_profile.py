"""Fuzz `decode_profile` and `verify_profile`."""

from __future__ import annotations

from typing import Final

from amanah_protocol import identity
from tests.fuzz.targets import known
from tests.vectors import examples as x

SEEDS: Final = known("profile")


def run(data: bytes) -> None:
    """Decode and hold it against the officer's certificate."""
    profile = identity.decode_profile(data)
    identity.verify_profile(profile, x.certificate(), x.nation(x.TN).enrolment_key.public)
