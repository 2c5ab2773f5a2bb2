from __future__ import annotations

import json
from collections.abc import Callable
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any, Final

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol import cbor, limits
from amanah_protocol.cbor import Fields, Value
from amanah_protocol.errors import Code, DecodeError, UsageError
from tests.protocol.refusal import refused

SCALARS: Final = (
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=80) | st.text(max_size=80)
)
VALUES: Final[st.SearchStrategy[Any]] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.integers(-(2**64), 2**64 - 1) | st.text(max_size=9), inner, max_size=6)
    ),
    max_leaves=12,
).filter(lambda value: depth(value) <= limits.MAX_DEPTH)


def depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner)) if inner else 0


def decode(data: bytes) -> Value:
    return cbor.decode(data, max_bytes=1 << 20)


@given(VALUES)
def test_a_value_is_read_back_and_has_one_encoding(value: Value) -> None:
    data = cbor.encode(value)
    assert decode(data) == value
    assert cbor.encode(decode(data)) == data
    assert cbor2.loads(data) == value


@given(st.binary(max_size=40))
def test_whatever_is_accepted_is_the_encoding_of_its_value(data: bytes) -> None:
    try:
        value = decode(data)
    except DecodeError:
        return
    assert cbor.encode(value) == data


def test_map_keys_are_in_the_bytewise_order_of_rfc_8949() -> None:
    # Section 4.2.1's own example, as far as its keys are allowed here.
    keys = [10, 100, -1, "z", "aa"]
    assert cbor.encode(dict.fromkeys(reversed(keys), 0)) == bytes.fromhex("a5 0a00 186400 2000 617a00 62616100")
    assert decode(bytes.fromhex("a5 0a00 186400 2000 617a00 62616100")) == dict.fromkeys(keys, 0)


def test_the_length_first_order_of_rfc_7049_is_refused() -> None:
    with refused(Code.NOT_CANONICAL, DecodeError):
        decode(cbor2.dumps(dict.fromkeys([10, 100, -1, "z", "aa"], 0), canonical=True))


def test_keys_at_the_ends_of_their_range_are_encoded() -> None:
    ends: Value = {2**64 - 1: 0, -(2**64): 0}
    assert decode(cbor.encode(ends)) == ends


def test_enumerations_and_tuples_are_encoded_as_what_they_stand_for() -> None:
    numbers = IntEnum("numbers", {"ONE": 1})
    texts = StrEnum("texts", {"A": "a"})
    assert cbor.encode((numbers.ONE, texts.A)) == cbor.encode([1, "a"])


@pytest.mark.parametrize(
    "value",
    [
        2**64,
        -(2**64) - 1,
        1.0,
        bytearray(b"x"),
        {1, 2},
        object(),
        "\ud800",
        [["\ud800"]],
        {True: 1},
        {None: 1},
        {b"": 1},
        {(): 1},
        {2**64: 1},
        {-(2**64) - 1: 1},
        {"\ud800": 1},
    ],
)
def test_what_has_no_canonical_encoding_is_the_callers_mistake(value: object) -> None:
    with refused(Code.MALFORMED, UsageError):
        cbor.encode(value)


def test_the_cap_is_checked_before_anything_is_parsed() -> None:
    data = cbor.encode([b"x" * 100])
    assert cbor.decode(data, max_bytes=len(data)) == [b"x" * 100]
    with refused(Code.TOO_LARGE, DecodeError):
        cbor.decode(data, max_bytes=len(data) - 1)
    with refused(Code.TOO_LARGE, DecodeError):
        cbor.decode(b"\xff" * 9, max_bytes=8)


def test_depth_is_bounded() -> None:
    assert decode(b"\x81" * 8 + b"\x00") is not None
    with refused(Code.MALFORMED, DecodeError):
        decode(b"\x81" * 9 + b"\x00")
    assert cbor.decode(b"\x81\x81\x80", max_bytes=9, max_depth=2) == [[[]]]
    with refused(Code.MALFORMED, DecodeError):
        cbor.decode(b"\x81\x81\x81\x00", max_bytes=9, max_depth=2)


def test_the_entries_of_a_map_are_bounded() -> None:
    most: Value = dict.fromkeys(range(limits.MAX_ITEMS), 0)
    assert decode(cbor.encode(most)) == most
    with refused(Code.MALFORMED, DecodeError):
        decode(cbor.encode(dict.fromkeys(range(limits.MAX_ITEMS + 1), 0)))


@pytest.mark.parametrize(
    "item", ["00", "80", "60", "1818", "190100", "1a00010000", "1b0000000100000000", "4100", "6161"]
)
def test_items_are_counted_before_they_are_made(item: str) -> None:
    most = limits.MAX_HEADS - 1
    value = decode(b"\x99" + most.to_bytes(2, "big") + bytes.fromhex(item) * most)
    assert isinstance(value, list)
    assert len(value) == most
    with refused(Code.TOO_LARGE, DecodeError):
        decode(b"\x99" + (most + 1).to_bytes(2, "big") + bytes.fromhex(item) * (most + 1))


def test_a_large_string_is_one_item() -> None:
    assert decode(cbor.encode(["é" * 30_000, bytes(60_000), 1000])) == ["é" * 30_000, bytes(60_000), 1000]


def test_items_behind_a_large_string_are_counted() -> None:
    items = b"\x99" + limits.MAX_HEADS.to_bytes(2, "big") + bytes(limits.MAX_HEADS)
    for string in (bytes(60_000), "x" * 60_000, bytes(70_000)):
        with refused(Code.TOO_LARGE, DecodeError):
            decode(b"\x82" + cbor.encode(string) + items)


def test_a_map_of_the_largest_size_may_be_long() -> None:
    most: Value = dict.fromkeys(range(limits.MAX_ITEMS), bytes(40))
    assert decode(cbor.encode(most)) == most


def test_a_large_map_is_refused_before_its_keys_can_collide() -> None:
    keys = b"".join(b"\x1b" + (number << 40).to_bytes(8, "big") + b"\x00" for number in range(5_000))
    with refused(Code.TOO_LARGE, DecodeError):
        decode(b"\xb9" + (5_000).to_bytes(2, "big") + keys)


def test_large_input_that_does_not_parse_is_refused_as_malformed() -> None:
    with refused(Code.MALFORMED, DecodeError):
        decode(b"\x82\x9f" + bytes(limits.MAX_HEADS))


READERS: Final[list[tuple[Callable[[Fields], object], Value, Value]]] = [
    (lambda f: f.uint(9), 9, 10),
    (lambda f: f.uint(9), 0, -1),
    (lambda f: f.uint(9), 1, True),
    (lambda f: f.uint(), 2**63 - 1, 2**63),
    (lambda f: f.uint(2**64 - 1), 2**64 - 1, "1"),
    (lambda f: f.optional_uint(), 7, b""),
    (lambda f: f.optional_uint(), None, False),
    (lambda f: f.fixed(2), b"ab", b"abc"),
    (lambda f: f.fixed(2), b"ab", "ab"),
    (lambda f: f.optional_fixed(2), b"ab", b"a"),
    (lambda f: f.optional_fixed(2), None, 0),
    (lambda f: f.blob(2), b"ab", b"abc"),
    (lambda f: f.blob(2), b"", ""),
    (lambda f: f.text(2), "éé", "ééé"),
    (lambda f: f.text(2), "", b""),
    (lambda f: f.optional_text(2), "ab", "abc"),
    (lambda f: f.optional_text(2), None, 1),
    (lambda f: f.array(1), [7], [7, 7]),
    (lambda f: f.array(1), [], {}),
    (lambda f: f.fixed_array(1, 2), [b"b", b"a"], [b"b", b"a", b"c"]),
    (lambda f: f.fixed_array(1, 2), [b"b"], [b"bb"]),
    (lambda f: f.sorted_array(1, 2), [b"a", b"b"], [b"b", b"a"]),
    (lambda f: f.sorted_array(1, 2), [], [b"a", b"a"]),
    (lambda f: f.texts(1, 2), ["b", "a"], ["b", "a", "c"]),
    (lambda f: f.texts(1, 2), ["b"], ["bb"]),
]


@pytest.mark.parametrize(("read", "right", "wrong"), READERS)
def test_a_field_is_read_or_refused(read: Callable[[Fields], object], right: Value, wrong: Value) -> None:
    found = read(Fields([right], 1, "it"))
    assert list(found) == right if isinstance(found, tuple) else found == right
    with refused(Code.BAD_TYPE, DecodeError):
        read(Fields([wrong], None, "it"))


@pytest.mark.parametrize("read", [Fields.next, *(reader for reader, _, _ in READERS)])
def test_a_missing_field_is_refused(read: Callable[[Fields], object]) -> None:
    with refused(Code.BAD_TYPE, DecodeError):
        read(Fields([], None, "it"))


def test_fields_are_read_in_order_and_errors_name_the_place() -> None:
    fields = Fields([1, None, 2, "x"], 4, "structure")
    assert (fields.uint(), fields.optional_uint(), fields.uint()) == (1, None, 2)
    with pytest.raises(DecodeError, match="structure, field 4"):
        fields.uint()


@pytest.mark.parametrize("value", [[1, 2], [], {}, None, b"\x00"])
def test_an_array_of_another_length_is_refused(value: Value) -> None:
    Fields([1], 1, "it")
    with refused(Code.BAD_TYPE, DecodeError):
        Fields(value, 1, "it")


def test_the_examples_of_rfc_8949_are_accepted_exactly_where_they_are_in_the_subset(data_dir: Path) -> None:
    examples = json.loads((data_dir / "vectors" / "cbor" / "rfc7049-appendix_a.json").read_text(encoding="utf-8"))
    accepted = 0
    for example in examples:
        data = bytes.fromhex(example["hex"])
        indefinite = not example["roundtrip"]
        tagged, floating = data[0] >> 5 == 6, data[0] in (0xF9, 0xFA, 0xFB)
        if indefinite or tagged or floating or data[0] in (0xF0, 0xF7, 0xF8):
            with refused(Code.MALFORMED, DecodeError):
                decode(data)
            continue
        accepted += 1
        value = decode(data)
        assert cbor.encode(value) == data
        if "decoded" in example:
            assert value == example["decoded"]
    assert accepted == 37
    assert len(examples) == 82
