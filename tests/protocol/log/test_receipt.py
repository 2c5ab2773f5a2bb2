from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from amanah_protocol import cose
from amanah_protocol.cose import Typ
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.log.receipt import Receipt, check_in_receipt, sign_receipt, verify_receipt
from amanah_protocol.types import LeafHash
from tests.protocol.refusal import refused
from tests.vectors import examples as x

RECEIPT: Final = x.receipt()
SIGNED: Final = sign_receipt(RECEIPT, x.RELAY_KEY)
PUBLIC: Final = x.RELAY_KEY.public
ROW: Final[list[Any]] = [37, 40, RECEIPT.root, x.NOW_MS, list(RECEIPT.leaves)]


def test_a_receipt_is_read_back_and_verified() -> None:
    assert verify_receipt(SIGNED, PUBLIC).value == RECEIPT
    assert cose.sign(Typ.RECEIPT, ROW, x.RELAY_KEY) == SIGNED


def test_each_leaf_of_the_batch_stands_at_its_index() -> None:
    receipt = verify_receipt(SIGNED, PUBLIC)
    for place, leaf in enumerate(RECEIPT.leaves):
        check_in_receipt(receipt, leaf, 37 + place)


@pytest.mark.parametrize("index", [0, 36, 38, 39, 40, -1])
def test_a_leaf_at_another_index_is_refused(index: int) -> None:
    with refused(Code.RECEIPT, VerifyError):
        check_in_receipt(verify_receipt(SIGNED, PUBLIC), RECEIPT.leaves[0], index)


def test_a_leaf_that_is_not_in_the_batch_is_refused() -> None:
    with refused(Code.RECEIPT, VerifyError):
        check_in_receipt(verify_receipt(SIGNED, PUBLIC), LeafHash(x.fixed("another leaf")), 37)


def test_a_receipt_by_another_key_is_refused() -> None:
    with refused(Code.KEY_ID, VerifyError):
        verify_receipt(SIGNED, x.OFFICER.public)


def test_a_receipt_with_any_bit_flipped_is_refused() -> None:
    for bit in range(len(SIGNED) * 8):
        flipped = bytearray(SIGNED)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises((DecodeError, VerifyError)):
            verify_receipt(bytes(flipped), PUBLIC)


@pytest.mark.parametrize(
    "receipt",
    [
        replace(RECEIPT, first_index=36),
        replace(RECEIPT, first_index=38),
        replace(RECEIPT, size=41),
        replace(RECEIPT, leaves=RECEIPT.leaves[:2]),
        replace(RECEIPT, leaves=(*RECEIPT.leaves, RECEIPT.leaves[0])),
    ],
)
def test_a_receipt_whose_indices_do_not_add_up_is_refused(receipt: Receipt) -> None:
    with refused(Code.RECEIPT, VerifyError):
        verify_receipt(sign_receipt(receipt, x.RELAY_KEY), PUBLIC)


@pytest.mark.parametrize(
    ("place", "wrong"),
    [(0, -1), (0, True), (1, 2**63), (2, bytes(31)), (3, None), (4, [bytes(31)]), (4, {}), (4, [bytes(32)] * 4_097)],
)
def test_a_receipt_with_another_field_is_refused_though_its_signature_holds(place: int, wrong: object) -> None:
    row = [*ROW[:place], wrong, *ROW[place + 1 :]]
    with refused(Code.BAD_TYPE, DecodeError):
        verify_receipt(cose.sign(Typ.RECEIPT, row, x.RELAY_KEY), PUBLIC)


@pytest.mark.parametrize("row", [ROW[:4], [*ROW, 0], {}])
def test_a_receipt_of_another_length_is_refused(row: object) -> None:
    with refused(Code.BAD_TYPE, DecodeError):
        verify_receipt(cose.sign(Typ.RECEIPT, row, x.RELAY_KEY), PUBLIC)


def test_the_largest_batch_fits_and_more_does_not() -> None:
    leaves = tuple(LeafHash(bytes(32)) for _ in range(4_096))
    largest = replace(RECEIPT, first_index=0, size=4_096, leaves=leaves)
    assert verify_receipt(sign_receipt(largest, x.RELAY_KEY), PUBLIC).value == largest
    with refused(Code.TOO_LARGE, DecodeError):
        verify_receipt(bytes(192 * 1024 + 1), PUBLIC)
