"""Fuzz `decode_roster` and `verify_roster`, also with any document under nobody's signature."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from amanah_protocol import endorse, roster
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import PeerError
from tests.fuzz.targets import known
from tests.vectors import examples as x

SEEDS: Final = known("roster")
FIRST: Final = roster.verify_roster(x.roster_of(1), None, now_ms=x.NOW_MS)


def run(data: bytes) -> None:
    """Decode the document alone, then verify the whole as successor of version 1."""
    document = endorse.decode_endorsed(data).document
    with suppress(PeerError):
        roster.decode_roster(Endorsed(document=document, signatures=()).encode())
    decoded = roster.decode_roster(data)
    assert decoded.endorsed.encode() == data
    roster.verify_roster(decoded, FIRST, now_ms=x.NOW_MS)
