"""Fuzz the payload of an auditor's reading order under the auditor's own signature."""

from __future__ import annotations

from typing import Final

from amanah_protocol import audit, cose
from amanah_protocol.identity import Role
from tests.vectors import examples as x

AUDITOR: Final = x.device_key(Role.AUDITOR)
SEEDS: Final = tuple(
    cose.decode_sign1(audit.sign_order(order, AUDITOR), max_bytes=1_024).payload
    for order in (x.reading_order(), x.granted_order())
)


def run(data: bytes) -> None:
    """Verify as the relay does before it serves."""
    signed = x.signed_bytes(cose.Typ.AUDIT_READ, data, AUDITOR)
    order = audit.verify_order(signed, AUDITOR.public).value
    assert audit.sign_order(order, AUDITOR) == signed
    assert audit.order_device(signed) == AUDITOR.key_id
