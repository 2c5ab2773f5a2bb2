from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol import cbor, limits
from amanah_protocol.content.alert import Alert, Severity
from amanah_protocol.content.bodies import (
    AlertBatch,
    Body,
    PastMessage,
    Profile,
    Repair,
    RoomInfo,
    Unknown,
    decode_body,
    encode_body,
)
from amanah_protocol.content.history import Grant, Granted
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.types import EnvelopeId

ITEM = PastMessage(envelope=EnvelopeId(bytes(32)), content=b"content", k=bytes(32))
GRANTED = Granted(entry=b"entry", index=3, path=(bytes(32), bytes(range(32))), content=b"content", k=bytes(32))
GRANT = Grant(log_size=7, log_root=bytes(32), log_signature=bytes(64), items=(GRANTED,))
ALERT = Alert(
    source="suricata",
    dedupe_id="1",
    observed_at_ms=1,
    severity=Severity.HIGH,
    title="a title",
    category="",
    signature_id="2100498",
    original=b"{}",
    original_hash=sha256(b"{}"),
)
NESTED: object = 1
for _ in range(7):
    NESTED = [NESTED]

BODIES: list[tuple[int, Body]] = [
    (1, Text(text="")),
    (1, Text(text="حادث — incident — e\u0301")),
    (2, AlertBatch(source="sensor room", alerts=(ALERT, ALERT))),
    (3, Profile(encoded=b"profile")),
    (4, RoomInfo(title="title", description="")),
    (5, GRANT),
    (5, replace(GRANT, items=(replace(GRANTED, path=()), GRANTED))),
    (6, Repair(items=(ITEM, ITEM))),
    (10, Unknown(type=10, raw=cbor.encode([2, "newer"]))),
    (22, Unknown(type=22, raw=cbor.encode({1: ["newer"]}))),
    (1, Text(text="a text")),
    (17, Unknown(type=17, raw=cbor.encode([2, "newer"]))),
    (65_535, Unknown(type=65_535, raw=b"\xf6")),
]


def through_the_wire(body: Body) -> Body:
    number, value = encode_body(body)
    return decode_body(number, cbor.decode(cbor.encode(value), max_bytes=limits.MIB))


@pytest.mark.parametrize(("number", "body"), BODIES)
def test_a_body_has_its_number_and_comes_back_as_it_was(number: int, body: Body) -> None:
    assert encode_body(body)[0] == number
    assert through_the_wire(body) == body


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_a_text_keeps_every_character(text: str) -> None:
    assert through_the_wire(Text(text=text)) == Text(text=text)


@given(
    st.lists(
        st.builds(
            PastMessage,
            envelope=st.binary(min_size=32, max_size=32).map(EnvelopeId),
            content=st.binary(max_size=50),
            k=st.binary(min_size=32, max_size=32),
        ),
        min_size=1,
        max_size=96,
    )
)
def test_past_messages_come_back_in_order(items: list[PastMessage]) -> None:
    body = Repair(items=tuple(items))
    assert through_the_wire(body) == body


@given(st.integers(64, 65_535), st.recursive(st.integers(0, 9) | st.text("ab"), st.lists, max_leaves=8))
def test_a_body_of_a_newer_version_is_kept_byte_for_byte(number: int, value: cbor.Value) -> None:
    found = decode_body(number, value)
    assert found == Unknown(type=number, raw=cbor.encode(value))
    assert cbor.encode(encode_body(found)[1]) == cbor.encode(value)


LARGEST: list[Callable[[int], Body]] = [
    lambda more: AlertBatch(source="a" * (253 + more), alerts=(ALERT,)),
    lambda more: AlertBatch(source="", alerts=(ALERT,) * (100 + more)),
    lambda more: AlertBatch(source="", alerts=(ALERT,) * (1 - more)),
    lambda more: Profile(encoded=bytes(2_048 + more)),
    lambda more: RoomInfo(title="a" * (253 + more), description=""),
    lambda more: RoomInfo(title="", description="a" * (1_024 + more)),
    lambda more: replace(GRANT, items=(replace(GRANTED, content=bytes(131_000 + more * 73)),)),
    lambda more: replace(GRANT, items=(replace(GRANTED, entry=bytes(4_480 + more)),)),
    lambda more: replace(GRANT, items=(replace(GRANTED, path=(bytes(32),) * (64 + more)),)),
    lambda more: replace(GRANT, items=(GRANTED,) * (96 + more)),
    lambda more: replace(GRANT, items=(GRANTED,) * (1 - more)),
    lambda more: Repair(items=(replace(ITEM, content=bytes(131_000 + more * 73)),)),
    lambda more: Repair(items=(ITEM,) * (96 + more)),
    lambda more: Repair(items=(ITEM,) * (1 - more)),
]


@pytest.mark.parametrize("make", LARGEST)
def test_a_body_at_its_bound_is_made_and_one_beyond_is_not(make: Callable[[int], Body]) -> None:
    assert through_the_wire(make(0)) == make(0)
    with pytest.raises(UsageError) as refused:
        make(1)
    assert refused.value.code is Code.TOO_LARGE


@pytest.mark.parametrize(("envelope", "k"), [(bytes(31), bytes(32)), (bytes(32), bytes(33))])
def test_a_past_message_has_an_id_and_a_key_of_32_bytes(envelope: bytes, k: bytes) -> None:
    with pytest.raises(UsageError) as refused:
        PastMessage(envelope=EnvelopeId(envelope), content=b"", k=k)
    assert refused.value.code is Code.BAD_TYPE


@pytest.mark.parametrize(
    "make",
    [
        lambda: replace(GRANT, log_root=bytes(31)),
        lambda: replace(GRANT, log_signature=bytes(63)),
        lambda: replace(GRANTED, path=(bytes(31),)),
        lambda: replace(GRANTED, k=bytes(33)),
    ],
)
def test_what_proves_a_granted_message_has_its_lengths(make: Callable[[], object]) -> None:
    with pytest.raises(UsageError) as refused:
        make()
    assert refused.value.code is Code.BAD_TYPE


@pytest.mark.parametrize(("number", "code"), [(0, Code.USAGE), (1, Code.USAGE), (6, Code.USAGE), (65_536, Code.USAGE)])
def test_an_unknown_body_has_a_number_that_is_free(number: int, code: Code) -> None:
    assert Unknown(type=64, raw=b"\x01").type == 64
    with pytest.raises(UsageError) as refused:
        Unknown(type=number, raw=b"\x01")
    assert refused.value.code is code


@pytest.mark.parametrize("raw", [b"", b"\x18\x01", cbor.encode([NESTED])])
def test_an_unknown_body_is_canonical_and_fits_the_depth_of_content(raw: bytes) -> None:
    assert Unknown(type=64, raw=cbor.encode(NESTED)).raw
    with pytest.raises(UsageError) as refused:
        Unknown(type=64, raw=raw)
    assert refused.value.code is Code.MALFORMED


@pytest.mark.parametrize(
    ("number", "value", "code"),
    [
        (0, [], Code.USAGE),
        (1, "text", Code.BAD_TYPE),
        (1, ["text", "more"], Code.BAD_TYPE),
        (1, [1, "text", None, None, [], 0], Code.BAD_TYPE),
        (1, [b"text"], Code.BAD_TYPE),
        (1, ["a" * 65_537], Code.BAD_TYPE),
        (2, ["source", []], Code.BAD_TYPE),
        (2, ["source"], Code.BAD_TYPE),
        (3, ["profile"], Code.BAD_TYPE),
        (3, [bytes(2_049)], Code.BAD_TYPE),
        (4, ["title"], Code.BAD_TYPE),
        (5, [1, bytes(32), bytes(64), []], Code.TOO_LARGE),
        (5, [1, bytes(31), bytes(64), [[b"", 0, [], b"", bytes(32)]]], Code.BAD_TYPE),
        (5, [1, bytes(32), bytes(64), [[b"", 0, [], b"", bytes(31)]]], Code.BAD_TYPE),
        (5, [1, bytes(32), bytes(64), [[b"", 0, [bytes(31)], b"", bytes(32)]]], Code.BAD_TYPE),
        (6, [[[bytes(31), b"", bytes(32)]]], Code.BAD_TYPE),
        (6, [[[bytes(32), b"", bytes(31)]]], Code.BAD_TYPE),
        (6, [[]], Code.TOO_LARGE),
        (6, [[1] * 97], Code.BAD_TYPE),
    ],
)
def test_a_body_that_does_not_fit_its_number_is_refused(number: int, value: cbor.Value, code: Code) -> None:
    with pytest.raises(DecodeError) as refused:
        decode_body(number, value)
    assert refused.value.code is code


@pytest.mark.parametrize("body", [body for _, body in BODIES])
def test_no_repr_shows_what_was_sealed(body: Body) -> None:
    for word in ("incident", "a text", "a title", "sensor room", "profile'", "title'", "content'", "newer", "\\x00"):
        assert word not in repr(body).replace("b'" + "\\x00" * 32 + "'", "")
