from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.log.fields import MAX_DECIMAL, decode_base64, decode_decimal, decode_hash, encode_base64


@given(st.binary(max_size=80))
def test_base64_is_read_back(data: bytes) -> None:
    assert decode_base64(encode_base64(data), "it") == data


@pytest.mark.parametrize(
    "text", ["AQ=", "AQ", "A===", "AQ==\n", " AQ==", "A-__", "AQ==AQ==", "\N{ARABIC-INDIC DIGIT THREE}" * 4, "!"]
)
def test_what_is_not_base64_is_refused(text: str) -> None:
    assert decode_base64("AQ==", "it") == b"\x01"
    with pytest.raises(DecodeError) as caught:
        decode_base64(text, "it")
    assert caught.value.code in {Code.MALFORMED, Code.NOT_CANONICAL}
    assert text not in caught.value.detail


def test_unused_bits_that_are_set_are_refused() -> None:
    with pytest.raises(DecodeError) as caught:
        decode_base64("AR==", "it")
    assert caught.value.code is Code.NOT_CANONICAL


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_hash_of_another_length_is_refused(length: int) -> None:
    assert decode_hash(encode_base64(bytes(32)), "it") == bytes(32)
    with pytest.raises(DecodeError) as caught:
        decode_hash(encode_base64(bytes(length)), "it")
    assert caught.value.code is Code.MALFORMED


@given(st.integers(0, MAX_DECIMAL))
def test_a_decimal_is_read_back(number: int) -> None:
    assert decode_decimal(str(number), "it") == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        "01",
        "+1",
        "-1",
        " 1",
        "1 ",
        "1\n",
        "1_0",
        "0x1",
        "1.0",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "9223372036854775808",
        "1" * 5_000,
    ],
)
def test_every_other_spelling_of_a_number_is_refused(text: str) -> None:
    assert decode_decimal("9223372036854775807", "it") == MAX_DECIMAL
    with pytest.raises(DecodeError) as caught:
        decode_decimal(text, "it")
    assert caught.value.code is Code.MALFORMED
