"""Two readers of CBOR, by different hands, take the same bytes and refuse the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol import cbor
from amanah_protocol.errors import DecodeError
from tests.verify.bundles import VERIFIER

PLAIN = st.one_of(
    st.integers(-(2**64), 2**64 - 1), st.binary(max_size=300), st.text(max_size=80), st.booleans(), st.none()
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.one_of(st.integers(-(2**64), 2**64 - 1), st.text(max_size=9)), inner, max_size=5),
    ),
    max_leaves=12,
)


def ours(data: bytes) -> object:
    try:
        return "read", cbor.decode(data, max_bytes=1 << 20)
    except DecodeError:
        return "refused"


def theirs(data: bytes) -> object:
    try:
        return "read", VERIFIER.decode(data)
    except ValueError:
        return "refused"


def alike(data: bytes) -> bool:
    """By their texts: Python holds 1 and true for equal."""
    return repr(ours(data)) == repr(theirs(data))


@given(VALUES)
def test_what_is_canonical_is_read_alike(value: object) -> None:
    try:
        data = cbor.encode(value)
    except ValueError:
        return
    assert alike(data)


@given(VALUES, st.data())
def test_one_changed_byte_is_judged_alike(value: object, data: st.DataObject) -> None:
    encoded = bytearray(cbor.encode(value))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] = data.draw(st.integers(0, 255))
    assert alike(bytes(encoded))


@given(st.binary(max_size=40))
def test_any_bytes_are_judged_alike(data: bytes) -> None:
    assert alike(data)


@pytest.mark.parametrize(
    "written",
    [
        "", "00", "17", "18", "1817", "1818", "190018", "1900ff", "190100", "1a0000ffff", "1a00010000",
        "1b00000000ffffffff", "1b0000000100000000", "1bffffffffffffffff", "3bffffffffffffffff", "1c", "1f", "40",
        "4100", "41", "5f4100ff", "60", "61c3", "61ff", "80", "8100", "81", "9fff", "a0", "a10000", "a20000",
        "a200000000", "a201000000", "a1400000", "a1f500", "a16000", "a2600000006000", "bf", "c000", "c2410a",
        "d200", "e0", "f3", "f4", "f5", "f6", "f7", "f814", "f820", "f93c00", "fa3f800000", "fb3ff0000000000000",
        "ff", "0000", "9b0000000100000000", "9bffffffffffffffff", "5bffffffffffffffff", "bbffffffffffffffff",
        "81" * 8 + "00", "81" * 7 + "00", "81" * 8 + "80", "81" * 40, "81" * 5_000 + "00", "a1" * 4 + "00",
    ],
)  # fmt: skip
def test_each_sort_of_bad_bytes_is_judged_alike(written: str) -> None:
    data = bytes.fromhex(written)
    assert alike(data), (ours(data), theirs(data))
