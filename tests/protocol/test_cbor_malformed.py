"""Malformed CBOR, made by hand: one typed error each, whatever the decoder under it would make of it (attack 48)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import cbor2
import pytest

from amanah_protocol import cbor
from amanah_protocol.errors import Code, DecodeError
from tests.protocol.refusal import refused

MALFORMED: Final = Code.MALFORMED
NOT_CANONICAL: Final = Code.NOT_CANONICAL

CASES: Final[dict[str, tuple[str, Code]]] = {
    # truncated
    "nothing": ("", MALFORMED),
    "integer without its byte": ("18", MALFORMED),
    "integer without its last byte": ("1b00000000000000", MALFORMED),
    "bytes that end early": ("43 0102", MALFORMED),
    "text that ends early": ("63 6161", MALFORMED),
    "array that ends early": ("82 00", MALFORMED),
    "map without its last value": ("a1 00", MALFORMED),
    "tag without an item": ("c0", MALFORMED),
    # lengths beyond the input
    "bytes of 2^64-1": ("5b ffffffffffffffff 00", MALFORMED),
    "text of 2^64-1": ("7b ffffffffffffffff 61", MALFORMED),
    "array of 2^64-1": ("9b ffffffffffffffff", MALFORMED),
    "array of 2^31-1": ("9a 7fffffff 00", MALFORMED),
    "map of 2^64-1": ("bb ffffffffffffffff", MALFORMED),
    "map of 2^32-1": ("ba ffffffff 0000", MALFORMED),
    # reserved additional information (RFC 8949 section 3)
    "reserved 28": ("1c", MALFORMED),
    "reserved 29": ("5d", MALFORMED),
    "reserved 30": ("9e", MALFORMED),
    "reserved 28 as a tag": ("dc00", MALFORMED),
    "reserved 30 as a simple value": ("fe", MALFORMED),
    # indefinite lengths
    "indefinite bytes": ("5f 4101 ff", MALFORMED),
    "indefinite text": ("7f 6161 ff", MALFORMED),
    "indefinite array": ("9f 01 ff", MALFORMED),
    "indefinite map": ("bf 01 02 ff", MALFORMED),
    "indefinite integer": ("1f", MALFORMED),
    "break alone": ("ff", MALFORMED),
    "break inside an array": ("82 00 ff", MALFORMED),
    "break as the value of a map": ("a1 00 ff", MALFORMED),
    "text chunk in bytes": ("5f 6161 ff", MALFORMED),
    # heads that could be shorter
    "23 in two bytes": ("1817", NOT_CANONICAL),
    "255 in three bytes": ("1900ff", NOT_CANONICAL),
    "65535 in five bytes": ("1a0000ffff", NOT_CANONICAL),
    "2^32-1 in nine bytes": ("1b00000000ffffffff", NOT_CANONICAL),
    "-1 in two bytes": ("3800", NOT_CANONICAL),
    "long head of bytes": ("5801 61", NOT_CANONICAL),
    "long head of text": ("7801 61", NOT_CANONICAL),
    "long head of an array": ("9801 00", NOT_CANONICAL),
    "long head of a map": ("b801 00 00", NOT_CANONICAL),
    "long head of a key": ("a1 1801 00", NOT_CANONICAL),
    # maps
    "key twice": ("a2 01 00 01 00", MALFORMED),
    "key twice, once longer": ("a2 01 00 1801 00", MALFORMED),
    "text key twice": ("a2 6161 00 6161 01", MALFORMED),
    "keys descending": ("a2 02 00 01 00", NOT_CANONICAL),
    "keys in length-first order": ("a2 20 00 1864 00", NOT_CANONICAL),
    "keys descending in an array": ("81 a2 02 00 01 00", NOT_CANONICAL),
    "keys descending in a map": ("a1 00 a2 02 00 01 00", NOT_CANONICAL),
    "true as a second 1": ("a2 01 00 f5 00", MALFORMED),
    "true as a key": ("a1 f5 00", MALFORMED),
    "null as a key": ("a1 f6 00", MALFORMED),
    "bytes as a key": ("a1 4161 00", MALFORMED),
    "array as a key": ("a1 80 00", MALFORMED),
    "map as a key": ("a1 a0 00", MALFORMED),
    "float as a key": ("a1 f93c00 00", MALFORMED),
    # numbers that are none of ours
    "1.0": ("f93c00", MALFORMED),
    "-0.0": ("f98000", MALFORMED),
    "infinity": ("f97c00", MALFORMED),
    "NaN": ("f97e00", MALFORMED),
    "NaN with a payload": ("fb7ff8000000000001", MALFORMED),
    "NaN as a key, twice": ("a2 f97e00 00 f97e00 00", MALFORMED),
    "2^64": ("c2 49 010000000000000000", MALFORMED),
    "-2^64-1": ("c3 49 010000000000000000", MALFORMED),
    "7 as a big number": ("c2 41 07", MALFORMED),
    "big number of a kilobyte": ("c2 590400" + "ff" * 1024, MALFORMED),
    "decimal of a billion digits": ("c4 82 1a3b9aca00 01", MALFORMED),
    "big float of exponent 2^64-1": ("c5 82 1bffffffffffffffff 01", MALFORMED),
    "rational with a zero below": ("d81e 82 01 00", MALFORMED),
    # other tags
    "date": ("c0 6a323032362d31312d3233", MALFORMED),
    "epoch time": ("c1 1a514b67b0", MALFORMED),
    "regular expression": ("d823 69 2861612b292b622b24", MALFORMED),
    "MIME message": ("d824 60", MALFORMED),
    "UUID": ("d825 50 00112233445566778899aabbccddeeff", MALFORMED),
    "IP address": ("d90104 44 7f000001", MALFORMED),
    "set": ("d90102 81 01", MALFORMED),
    "list that holds itself": ("d81c 81 d81d 00", MALFORMED),
    "shared reference to nothing": ("d81d 05", MALFORMED),
    "reference to a string": ("d90100 82 63616161 d81900", MALFORMED),
    "embedded CBOR": ("d818 41 00", MALFORMED),
    "self-described CBOR": ("d9d9f7 00", MALFORMED),
    "tag inside an array": ("81 c1 00", MALFORMED),
    "tag as a key": ("a1 c1 00 00", MALFORMED),
    "unknown tag": ("da 7fffffff 00", MALFORMED),
    "COSE_Sign1 where a value is wanted": ("d2 84 40 a0 40 40", MALFORMED),
    # simple values
    "undefined": ("f7", MALFORMED),
    "undefined in an array": ("81 f7", MALFORMED),
    "undefined in a map": ("a1 00 f7", MALFORMED),
    "unassigned simple value": ("f0", MALFORMED),
    "simple value 255": ("f8ff", MALFORMED),
    "false in two bytes": ("f814", MALFORMED),
    # text that is not UTF-8
    "text of a lone byte": ("61 ff", MALFORMED),
    "text with an overlong slash": ("62 c0af", MALFORMED),
    "text with a surrogate": ("63 eda080", MALFORMED),
    "text cut inside a character": ("61 c3", MALFORMED),
    "text beyond U+10FFFF": ("64 f4908080", MALFORMED),
    # around the value
    "second value behind it": ("00 00", NOT_CANONICAL),
    "break behind it": ("00 ff", NOT_CANONICAL),
    "half a value behind it": ("00 18", NOT_CANONICAL),
    "nine levels": ("81" * 9 + "00", MALFORMED),
    "a thousand levels": ("81" * 1000 + "00", MALFORMED),
    "a thousand levels of maps": ("a100" * 1000 + "00", MALFORMED),
    "a thousand tags": ("c1" * 1000 + "00", MALFORMED),
}


@pytest.mark.parametrize(("text", "code"), CASES.values(), ids=CASES)
def test_malformed_cbor_gives_one_typed_error(text: str, code: Code) -> None:
    with refused(code, DecodeError):
        cbor.decode(bytes.fromhex(text), max_bytes=4_096)


def test_there_are_at_least_sixty_cases_and_no_two_are_equal() -> None:
    assert len({bytes.fromhex(text) for text, _ in CASES.values()}) == len(CASES) >= 60


def test_the_decoder_below_would_have_accepted_many_of_them() -> None:
    accepted = 0
    for text, _ in CASES.values():
        with suppress(Exception):
            cbor2.loads(bytes.fromhex(text))
            accepted += 1
    assert accepted > 40


def tagged(number: int, item: bytes) -> bytes:
    """An item under a tag of up to 16 bits."""
    if number < 24:
        return bytes([0xC0 + number]) + item
    return (bytes([0xD8, number]) if number < 256 else b"\xd9" + number.to_bytes(2, "big")) + item


def causes(error: BaseException) -> Iterator[BaseException]:
    """What led to an error, the nearest first."""
    while error.__cause__ is not None:
        error = error.__cause__
        yield error


def test_no_tag_is_acted_upon_before_it_is_refused() -> None:
    # `cbor2` would compile a regular expression for 35 and make a number of a billion digits for 4: it has to be
    # our own refusal that ends the parse, not the type of what came out.
    acted_upon = []
    for number in range(2**16):
        with pytest.raises(DecodeError) as caught:
            cbor.decode(tagged(number, b"\x60"), max_bytes=16)
        if not any(isinstance(cause, DecodeError) for cause in causes(caught.value)):
            acted_upon.append(number)
    assert acted_upon == []
