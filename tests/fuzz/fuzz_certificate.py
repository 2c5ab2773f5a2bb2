"""Fuzz `decode_certificate` and the verification of its signatures."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from amanah_protocol import cose, identity, roster
from amanah_protocol.errors import PeerError
from amanah_protocol.verified import Verified
from tests.fuzz.targets import known
from tests.vectors import examples as x

SEEDS: Final = known("certificate")
ROSTER: Final[Verified[roster.Roster]] = roster.verify_roster(x.roster_of(), None, now_ms=x.NOW_MS)


def run(data: bytes) -> None:
    """Verify the input's payload under the enrolment key's signature, then the input."""
    parts = cose.decode_sign1(data, max_bytes=4_096)
    with suppress(PeerError):
        verify(x.signed_bytes(cose.Typ.CERTIFICATE, parts.payload, x.nation(x.TN).enrolment_key))
    verify(data)


def verify(data: bytes) -> None:
    """Decode and verify the whole chain."""
    certificate = identity.decode_certificate(data)
    roster.verify_certificate(certificate, x.nation(x.TN).enrolment, ROSTER, at_ms=x.NOW_MS)
