"""Fuzz `cose_receipt.decode_receipt` (RFC 9942): what an auditor is handed."""

from __future__ import annotations

from typing import Final

from amanah_protocol.log.cose_receipt import decode_receipt, encode_receipt
from tests.fuzz.targets import known

SEEDS: Final = known("cose_receipt")


def run(data: bytes) -> None:
    """What is accepted has one form."""
    assert encode_receipt(decode_receipt(data)) == data
