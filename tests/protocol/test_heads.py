from __future__ import annotations

from typing import Any, Final

import pytest

from amanah_protocol import cbor, cose, heads
from amanah_protocol.cose import Typ
from amanah_protocol.errors import Code, DecodeError, VerifyError
from tests.protocol.refusal import refused
from tests.vectors import examples as x

CONTROL: Final = heads.sign_control_head(x.control_head(), x.RELAY_KEY)
ROOM: Final = heads.sign_room_head(x.room_head(), x.RELAY_KEY)
PUBLIC: Final = x.RELAY_KEY.public
CONTROL_ROW: Final[list[Any]] = [7, x.fixed("leaf"), 40, x.fixed("root"), x.NOW_MS]
ROOM_ROW: Final[list[Any]] = [x.ROOM, 12, x.fixed("leaf"), 40, x.NOW_MS]


def test_heads_are_read_back_and_verified() -> None:
    assert heads.verify_control_head(CONTROL, PUBLIC).value == x.control_head()
    assert heads.verify_room_head(ROOM, PUBLIC).value == x.room_head()


def test_a_head_by_another_key_is_refused() -> None:
    with refused(Code.KEY_ID, VerifyError):
        heads.verify_control_head(CONTROL, x.OFFICER.public)
    with refused(Code.KEY_ID, VerifyError):
        heads.verify_room_head(ROOM, x.OFFICER.public)


@pytest.mark.parametrize("encoded", [CONTROL, ROOM])
def test_a_head_with_any_bit_flipped_is_refused(encoded: bytes) -> None:
    verify = heads.verify_control_head if encoded is CONTROL else heads.verify_room_head
    for bit in range(len(encoded) * 8):
        flipped = bytearray(encoded)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises((DecodeError, VerifyError)):
            verify(bytes(flipped), PUBLIC)


def test_one_head_is_not_the_other() -> None:
    with refused(Code.BAD_HEADER, DecodeError):
        heads.verify_control_head(ROOM, PUBLIC)
    with refused(Code.BAD_HEADER, DecodeError):
        heads.verify_room_head(CONTROL, PUBLIC)


@pytest.mark.parametrize(
    ("place", "wrong"),
    [(0, -1), (0, True), (1, bytes(31)), (2, 2**63), (3, None), (4, "now")],
)
def test_a_control_head_with_another_field_is_refused_though_its_signature_holds(place: int, wrong: object) -> None:
    row = [*CONTROL_ROW[:place], wrong, *CONTROL_ROW[place + 1 :]]
    assert cose.sign(Typ.CONTROL_HEAD, CONTROL_ROW, x.RELAY_KEY) == CONTROL
    with refused(Code.BAD_TYPE, DecodeError):
        heads.verify_control_head(cose.sign(Typ.CONTROL_HEAD, row, x.RELAY_KEY), PUBLIC)


@pytest.mark.parametrize(
    ("place", "wrong"),
    [(0, bytes(15)), (1, -1), (2, bytes(33)), (3, False), (4, 2**63)],
)
def test_a_room_head_with_another_field_is_refused_though_its_signature_holds(place: int, wrong: object) -> None:
    row = [*ROOM_ROW[:place], wrong, *ROOM_ROW[place + 1 :]]
    assert cose.sign(Typ.ROOM_HEAD, ROOM_ROW, x.RELAY_KEY) == ROOM
    with refused(Code.BAD_TYPE, DecodeError):
        heads.verify_room_head(cose.sign(Typ.ROOM_HEAD, row, x.RELAY_KEY), PUBLIC)


@pytest.mark.parametrize("row", [CONTROL_ROW[:4], [*CONTROL_ROW, 0], {}, None])
def test_a_head_of_another_length_is_refused(row: object) -> None:
    with refused(Code.BAD_TYPE, DecodeError):
        heads.verify_control_head(x.signed_bytes(Typ.CONTROL_HEAD, cbor.encode(row), x.RELAY_KEY), PUBLIC)


def test_a_head_is_bounded() -> None:
    for verify in (heads.verify_control_head, heads.verify_room_head):
        with refused(Code.TOO_LARGE, DecodeError):
            verify(bytes(1_025), PUBLIC)
