"""An auditor's reading order: what is read is itself a leaf of the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanah_protocol import cbor, cose
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.types import DeviceId, GrantId, OrgName, RoomId
from amanah_protocol.verified import Verified

_MAX_BYTES: Final = 1_024
_GRANTED_FIELDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOrder:
    """A signed order to read metadata.

    Attributes:
        first: First log index.
        until: Index behind the last.
        ordered_at_ms: The auditor's time.
        nonce: 16 random bytes.
        grant: Id of the audit grant that it reads under; None for what the own organisation is in.
    """

    first: int
    until: int
    ordered_at_ms: int
    nonce: bytes
    grant: GrantId | None = None


def sign_order(order: ReadingOrder, key: SigningKey) -> bytes:
    """Sign by the auditor's device key."""
    body: list[int | bytes] = [order.first, order.until, order.ordered_at_ms, order.nonce]
    return cose.sign(cose.Typ.AUDIT_READ, body if order.grant is None else [*body, order.grant], key)


def verify_order(data: bytes, device_key: bytes) -> Verified[ReadingOrder]:
    """Verify an order by the auditor's device key.

    Raises:
        DecodeError: It does not parse.
        VerifyError: `KEY_ID` or `SIGNATURE`.
    """
    opened = cose.decode(data, cose.Typ.AUDIT_READ, max_bytes=_MAX_BYTES)
    cose.verify_opened(opened, device_key)
    return Verified(_read_order(opened.payload))


def decode_order(data: bytes) -> ReadingOrder:
    """What an order says; not verified.

    Raises:
        DecodeError: It does not parse.
    """
    return _read_order(cose.decode(data, cose.Typ.AUDIT_READ, max_bytes=_MAX_BYTES).payload)


def _read_order(payload: cbor.Value) -> ReadingOrder:
    # One form for each: an order without a grant has no fifth field at all.
    granted = isinstance(payload, list) and len(payload) == _GRANTED_FIELDS
    f = cbor.Fields(payload, _GRANTED_FIELDS if granted else _GRANTED_FIELDS - 1, "reading order")
    return ReadingOrder(
        first=f.uint(),
        until=f.uint(),
        ordered_at_ms=f.uint(),
        nonce=f.fixed(16),
        grant=GrantId(f.fixed(16)) if granted else None,
    )


def audit_chain(organisation: OrgName) -> RoomId:
    """The reserved room id under which an organisation's audit reads stand in the log."""
    return RoomId(sha256(b"amanah/audit/1" + organisation.encode())[:16])


def order_device(data: bytes) -> DeviceId:
    """The device that is said to have signed an order; not verified.

    Raises:
        DecodeError: It does not parse.
    """
    return DeviceId(cose.decode(data, cose.Typ.AUDIT_READ, max_bytes=_MAX_BYTES).kid)
