"""Receipts: one relay signature per committed batch, a promise that the batch is in the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanah_protocol import cbor, cose
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.types import LeafHash
from amanah_protocol.verified import Verified

_MAX_BATCH: Final = 4_096
_MAX_BYTES: Final = 192 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The relay's promise about a batch.

    Attributes:
        first_index: Log index of the batch's first leaf.
        size: Tree size after the batch.
        root: Root at that size.
        accepted_at_ms: The relay's time of acceptance.
        leaves: Leaf hashes of the batch in log order.
    """

    first_index: int
    size: int
    root: bytes
    accepted_at_ms: int
    leaves: tuple[LeafHash, ...]


def sign_receipt(receipt: Receipt, key: SigningKey) -> bytes:
    """Sign a receipt by the relay's key; only after the batch is durable."""
    body = [receipt.first_index, receipt.size, receipt.root, receipt.accepted_at_ms, list(receipt.leaves)]
    return cose.sign(cose.Typ.RECEIPT, body, key)


def verify_receipt(data: bytes, relay_key: bytes) -> Verified[Receipt]:
    """Verify a receipt by the relay's key of the roster.

    Raises:
        DecodeError: It does not parse.
        VerifyError: `KEY_ID`, `SIGNATURE`, or `RECEIPT` when its numbers contradict each other.
    """
    opened = cose.decode(data, cose.Typ.RECEIPT, max_bytes=_MAX_BYTES)
    f = cbor.Fields(opened.payload, 5, "receipt")
    receipt = Receipt(
        first_index=f.uint(),
        size=f.uint(),
        root=f.fixed(32),
        accepted_at_ms=f.uint(),
        leaves=tuple(LeafHash(leaf) for leaf in f.fixed_array(32, _MAX_BATCH)),
    )
    cose.verify_opened(opened, relay_key)
    if receipt.first_index + len(receipt.leaves) != receipt.size:
        raise VerifyError(Code.RECEIPT, "the receipt's indices do not add up")
    return Verified(receipt)


def check_in_receipt(receipt: Verified[Receipt], leaf: LeafHash, index: int) -> None:
    """The leaf stands in the batch at its index.

    Raises:
        VerifyError: `RECEIPT`.
    """
    at = index - receipt.value.first_index
    if not 0 <= at < len(receipt.value.leaves) or receipt.value.leaves[at] != leaf:
        raise VerifyError(Code.RECEIPT, "the receipt does not name this leaf at this index")
