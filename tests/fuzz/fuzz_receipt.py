"""Fuzz the payload of a receipt under the relay's own signature: a hostile relay."""

from __future__ import annotations

from typing import Final

from amanah_protocol import cose
from amanah_protocol.log.receipt import verify_receipt
from tests.fuzz.targets import known
from tests.vectors import examples as x

SEEDS: Final = tuple(cose.decode_sign1(data, max_bytes=4_096).payload for data in known("receipt"))


def run(data: bytes) -> None:
    """Verify; what holds has indices that add up."""
    receipt = verify_receipt(x.signed_bytes(cose.Typ.RECEIPT, data, x.RELAY_KEY), x.RELAY_KEY.public).value
    assert receipt.first_index + len(receipt.leaves) == receipt.size
