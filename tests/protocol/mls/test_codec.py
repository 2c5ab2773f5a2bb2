from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.mls import codec
from amanah_protocol.mls.codec import Reader, decode
from tests.protocol.refusal import refused

LENGTHS: Final = (0, 1, 63, 64, 16_383, 16_384, 70_000)


@pytest.mark.parametrize("size", LENGTHS)
def test_a_vector_of_each_form_of_length_comes_back(size: int) -> None:
    data = bytes(size)
    assert decode(codec.opaque(data), Reader.opaque) == data
    assert len(codec.length(size)) == (1 if size < 64 else 2 if size < 16_384 else 4)


@given(st.integers(0, (1 << 30) - 1))
def test_a_length_has_one_form_and_comes_back(size: int) -> None:
    assert decode(codec.length(size), Reader.length) == size


@pytest.mark.parametrize(
    "encoded", ["4000", "403f", "80000000", "8000003f", "80003fff", "c000000000000000", "ff"], ids=str
)
def test_a_length_in_another_form_than_the_shortest_is_refused(encoded: str) -> None:
    with refused(Code.MALFORMED, DecodeError):
        decode(bytes.fromhex(encoded), Reader.length)


def test_a_length_of_two_to_the_thirty_is_not_written() -> None:
    with refused(Code.TOO_LARGE, UsageError):
        codec.length(1 << 30)


READERS: Final[dict[str, Callable[[Reader], object]]] = {
    "take": lambda reader: reader.take(3),
    "uint": lambda reader: reader.uint(4),
    "length": Reader.length,
    "opaque": Reader.opaque,
    "vector": lambda reader: reader.vector(codec.read_u16),
    "optional": lambda reader: reader.optional(codec.read_u32),
    "choice": lambda reader: reader.choice(2, {1: "one"}, "a number"),
    "exactly": lambda reader: reader.exactly(2, "a pair"),
}


@pytest.mark.parametrize("name", READERS)
def test_nothing_is_read_past_the_end(name: str) -> None:
    with refused(Code.MALFORMED, DecodeError):
        decode(b"", READERS[name])


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("length", "80"),  # a length that is cut off
        ("opaque", "bfffffff"),  # claims a gibibyte
        ("opaque", "0201"),
        ("vector", "bfffffff"),
        ("vector", "0500"),
        ("vector", "03000102"),  # ends in the middle of its last value
        ("optional", "0200000001"),
        ("optional", "01000000"),
        ("choice", "0002"),
        ("exactly", "0100"),
        ("exactly", "03000000"),
        ("uint", "0000000100"),  # bytes are left
    ],
)
def test_what_has_another_form_is_refused(name: str, encoded: str) -> None:
    with refused(Code.MALFORMED, DecodeError):
        decode(bytes.fromhex(encoded), READERS[name])


def test_values_inside_a_vector_do_not_read_what_stands_behind_it() -> None:
    reader = Reader(bytes.fromhex("01000102"))
    with refused(Code.MALFORMED, DecodeError):
        reader.vector(codec.read_u16)


def test_a_reader_knows_what_it_read() -> None:
    reader = Reader(b"abcdef", 1, 5)
    assert reader.take(2) == b"bc"
    assert (reader.at, reader.more, reader.since(1)) == (3, True, b"bc")
    assert reader.uint(2) == int.from_bytes(b"de", "big")
    assert not reader.more
    reader.finish()


@given(st.lists(st.integers(0, 0xFFFF), max_size=99), st.none() | st.binary(max_size=99), st.integers(0, (1 << 64) - 1))
def test_vectors_optional_values_and_integers_come_back(numbers: list[int], maybe: bytes | None, number: int) -> None:
    encoded = codec.vector(codec.u16(item) for item in numbers)
    encoded += codec.optional(None if maybe is None else codec.opaque(maybe)) + codec.u64(number)
    reader = Reader(encoded)
    assert reader.vector(codec.read_u16) == tuple(numbers)
    assert reader.optional(Reader.opaque) == maybe
    assert reader.uint(8) == number
    reader.finish()


@given(st.binary(max_size=64))
def test_what_is_accepted_encodes_to_the_same_bytes(data: bytes) -> None:
    try:
        items = decode(data, lambda reader: reader.vector(Reader.opaque))
    except DecodeError:
        return
    assert codec.vector(codec.opaque(item) for item in items) == data


def test_integers_have_their_lengths() -> None:
    assert (codec.u8(1), codec.u16(1), codec.u32(1), codec.u64(1)) == tuple(
        bytes(size - 1) + b"\x01" for size in (1, 2, 4, 8)
    )
    assert decode(codec.u32(7), codec.read_u32) == 7
