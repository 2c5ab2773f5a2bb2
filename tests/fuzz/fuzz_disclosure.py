"""Fuzz `decode_disclosure` and `verify_disclosure`."""

from __future__ import annotations

from typing import Final

from amanah_protocol.log.disclosure import decode_disclosure, verify_disclosure
from tests.protocol.log.test_disclosure import ROSTER, Record

SEEDS: Final = (Record().disclosure().encode(),)


def run(data: bytes) -> None:
    """What is accepted has one form."""
    disclosure = decode_disclosure(data)
    assert disclosure.encode() == data
    verify_disclosure(disclosure, roster=ROSTER)
