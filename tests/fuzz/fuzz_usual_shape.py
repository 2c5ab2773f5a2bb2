"""Fuzz whatever has a usual shape in both ways: the same object or the same refusal, word for word."""

from __future__ import annotations

from typing import Final

from amanah_protocol.errors import DecodeError
from tests.fuzz.targets import known
from tests.fuzz.two_ways import WAYS, Refusal, agreed
from tests.vectors import examples as x

WITHOUT_VOIDS: Final = [x.signed(specific, voids=()) for specific in x.SPECIFICS.values()]
SEEDS: Final = (
    *known("envelope", "leaf"),
    *(made.encoded for made in WITHOUT_VOIDS),
    *(made.parts.protected for made in WITHOUT_VOIDS),
)


def run(data: bytes) -> None:
    """Decode as each of them; what all refuse is refused."""
    refusals = [found for found in (agreed(what, data) for what in WAYS) if isinstance(found, Refusal)]
    if len(refusals) == len(WAYS):
        _, code, detail = refusals[0]
        raise DecodeError(code, detail)
