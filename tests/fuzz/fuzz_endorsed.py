"""Fuzz `decode_endorsed` and the counting of signers."""

from __future__ import annotations

from typing import Final

from amanah_protocol import endorse
from tests.fuzz.targets import known
from tests.vectors import examples as x

SEEDS: Final = known("enrolment", "roster", "enrolment_revocation")
KEYS: Final = tuple(key for name in x.NAMES for key in x.nation(name).member.roots)


def run(data: bytes) -> None:
    """Decode; no input makes more signers than it has signatures."""
    endorsed = endorse.decode_endorsed(data)
    assert endorsed.encode() == data
    assert len(endorse.verified_signers(endorsed, KEYS)) <= len(endorsed.signatures)
