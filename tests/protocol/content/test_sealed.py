from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from amanah_protocol import cbor, kinds, limits
from amanah_protocol.content.bodies import RoomInfo, Unknown
from amanah_protocol.content.sealed import (
    Content,
    View,
    check_commitment,
    check_drill,
    decode_content,
    encode_content,
    open_plaintext,
    pad,
)
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import hmac_sha256
from amanah_protocol.envelope import Header, derive_commitment
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.kinds import MediaType
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import ZERO_32, DeviceId, EnvelopeId, RoomId

K = bytes(range(32))
VIEW = View(log_size=7, log_root=b"\1" * 32, log_signature=b"\3" * 64, room_seq=3, room_head=b"\2" * 32)
CONTENT = Content(
    message_id=bytes(16),
    written_at_ms=1_800_000_000_000,
    label_number=Label.AMBER,
    pap_number=Pap.GREEN,
    view=VIEW,
    body=Text(text="incident"),
)


def sealed(content: Content = CONTENT) -> tuple[int, bytes]:
    return pad(K, encode_content(content))


def of_length(length: int) -> bytes:
    """Canonical content of exactly this length, from a few hundred bytes on."""
    for chars in range(length - 200, length - 150):
        data = encode_content(replace(CONTENT, body=Unknown(type=22, raw=cbor.encode("a" * chars))))
        if len(data) == length:
            return data
    raise AssertionError(length)


hashes = st.binary(min_size=32, max_size=32)
views = st.integers(0, 2**63 - 1).flatmap(
    lambda size: st.builds(
        View,
        log_size=st.just(size),
        log_root=hashes,
        log_signature=st.binary(min_size=64, max_size=64) if size else st.just(b""),
        room_seq=st.integers(0, 2**63 - 1),
        room_head=hashes,
    )
)
contents = st.builds(
    Content,
    message_id=st.binary(min_size=16, max_size=16),
    written_at_ms=st.integers(0, 2**47),
    label_number=st.integers(0, 255),
    pap_number=st.integers(0, 255),
    view=views,
    body=st.text(max_size=400).map(lambda text: Text(text=text)),
)


@given(st.binary(min_size=32, max_size=32), contents)
def test_what_is_sealed_comes_back_with_its_key_and_committed_bytes(k: bytes, content: Content) -> None:
    data = encode_content(content)
    size_class, plaintext = pad(k, data)
    assert len(plaintext) == limits.SIZE_CLASSES[size_class - 1]
    assert open_plaintext(plaintext, size_class) == (k, data, content)
    assert encode_content(decode_content(data)) == data


@given(st.integers(0, 140_000))
def test_every_length_of_content_takes_the_smallest_class_that_it_fits(length: int) -> None:
    head = next(size for size, end in ((1, 24), (2, 256), (3, 65_536), (5, 2**32)) if length < end)
    needed = 35 + head + length + 1
    fitting = [number for number, size in enumerate(limits.SIZE_CLASSES, start=1) if size >= needed]
    if not fitting:
        with pytest.raises(UsageError) as refused:
            pad(K, bytes(length))
        assert refused.value.code is Code.TOO_LARGE
        return
    size_class, plaintext = pad(K, bytes(length))
    assert size_class == fitting[0]
    assert len(plaintext) == limits.SIZE_CLASSES[size_class - 1]


@pytest.mark.parametrize("size", limits.SIZE_CLASSES)
def test_no_length_near_a_border_is_left_without_padding(size: int) -> None:
    for length in range(max(size - 400, 0), min(size + 10, limits.MAX_PLAINTEXT_BYTES - 40)):
        size_class, plaintext = pad(K, bytes(length))
        assert len(plaintext) == limits.SIZE_CLASSES[size_class - 1]
        assert cbor.decode(plaintext, max_bytes=limits.MIB)


@pytest.mark.parametrize("remainder", [25, 258, 65_539, 65_540])
def test_a_remainder_that_no_byte_string_fills_is_padded_too(remainder: int) -> None:
    data = of_length(limits.MAX_PLAINTEXT_BYTES - 35 - (3 if remainder > 65_536 else 5) - remainder)
    size_class, plaintext = pad(K, data)
    fields = cbor.decode(plaintext, max_bytes=limits.MIB)
    assert isinstance(fields, list)
    assert isinstance(fields[2], list)
    assert fields[2][0] == b""
    assert open_plaintext(plaintext, size_class)[1] == data


def test_the_largest_content_fits_and_one_byte_more_does_not() -> None:
    most = limits.MAX_PLAINTEXT_BYTES - 35 - 5 - 1
    assert pad(K, bytes(most))[0] == 5
    with pytest.raises(UsageError) as refused:
        pad(K, bytes(most + 1))
    assert refused.value.code is Code.TOO_LARGE


def test_a_disclosure_key_of_another_length_is_not_sealed() -> None:
    with pytest.raises(UsageError) as refused:
        pad(K[:-1], b"content")
    assert refused.value.code is Code.BAD_TYPE


@pytest.mark.parametrize("size_class", [0, 2, 5, 6])
def test_a_plaintext_of_another_size_than_its_header_names_is_refused(size_class: int) -> None:
    right, plaintext = sealed()
    assert right == 1
    with pytest.raises(VerifyError) as refused:
        open_plaintext(plaintext, size_class)
    assert refused.value.code is Code.BINDING


def test_a_larger_class_than_needed_opens_too() -> None:
    data = encode_content(CONTENT)
    room = 2_048 - 35 - 2 - len(data)
    plaintext = cbor.encode([K, data, bytes(room - 3)])
    assert open_plaintext(plaintext, 2) == (K, data, CONTENT)


def repadded(padding: Callable[[int], object]) -> bytes:
    data = of_length(300)
    room = 512 - 35 - 3 - len(data)
    plaintext = cbor.encode([K, data, padding(room)])
    assert len(plaintext) == 512
    return plaintext


@pytest.mark.parametrize(
    "padding",
    [
        lambda room: bytes(room - 3) + b"\1",
        lambda room: "\0" * (room - 2),
        lambda room: [b"", bytes(room - 4)],
        lambda room: [bytes(room - 3)],
    ],
)
def test_padding_other_than_zeros_in_the_one_form_is_refused(padding: Callable[[int], object]) -> None:
    assert open_plaintext(repadded(lambda room: bytes(room - 2)), 1)[0] == K
    with pytest.raises(DecodeError) as refused:
        open_plaintext(repadded(padding), 1)
    assert refused.value.code is Code.NOT_CANONICAL


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ([K[:-1], b"", b""], Code.BAD_TYPE),
        ([K, "", b""], Code.BAD_TYPE),
        ([K, b""], Code.BAD_TYPE),
    ],
)
def test_a_plaintext_that_is_not_of_three_parts_is_refused(fields: list[Any], code: Code) -> None:
    fields[-1] = bytes(512 - len(cbor.encode([*fields[:-1], bytes(300)])) + 300)
    plaintext = cbor.encode(fields)
    assert len(plaintext) == 512
    with pytest.raises(DecodeError) as refused:
        open_plaintext(plaintext, 1)
    assert refused.value.code is code


def changed_content(position: int, value: object) -> bytes:
    fields = cbor.decode(encode_content(CONTENT), max_bytes=limits.MIB)
    assert isinstance(fields, list)
    return cbor.encode([value if place == position else field for place, field in enumerate(fields)])


@pytest.mark.parametrize(
    ("position", "value", "code"),
    [
        (0, 3, Code.UNKNOWN_VERSION),
        (1, 65_536, Code.BAD_TYPE),
        (2, bytes(15), Code.BAD_TYPE),
        (3, 253_402_300_800_000, Code.BAD_TYPE),
        (4, 256, Code.BAD_TYPE),
        (5, 256, Code.BAD_TYPE),
        (6, [1, bytes(31), 1, bytes(32)], Code.BAD_TYPE),
        (6, None, Code.BAD_TYPE),
        (7, [b"text"], Code.BAD_TYPE),
    ],
)
def test_content_with_one_field_that_does_not_parse_is_refused(position: int, value: object, code: Code) -> None:
    _, plaintext = pad(K, changed_content(position, value))
    with pytest.raises(DecodeError) as refused:
        open_plaintext(plaintext, 1)
    assert refused.value.code is code


def test_content_of_an_unknown_type_is_kept_and_gives_the_same_bytes_again() -> None:
    data = changed_content(1, 77)
    content = decode_content(data)
    assert content.body == Unknown(type=77, raw=cbor.encode(["incident"]))
    assert encode_content(content) == data


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("message_id", bytes(15), Code.BAD_TYPE),
        ("written_at_ms", -1, Code.BAD_TYPE),
        ("written_at_ms", 253_402_300_800_000, Code.BAD_TYPE),
        ("label_number", 256, Code.LABEL),
        ("label_number", -1, Code.LABEL),
        ("pap_number", 256, Code.LABEL),
    ],
)
def test_content_that_nobody_could_read_is_not_made(field: str, value: object, code: Code) -> None:
    with pytest.raises(UsageError) as refused:
        replace(CONTENT, **{field: value})  # type: ignore[arg-type]  # a field by its name
    assert refused.value.code is code


@pytest.mark.parametrize("field", ["log_root", "room_head"])
def test_a_view_holds_hashes_of_32_bytes(field: str) -> None:
    with pytest.raises(UsageError) as refused:
        replace(VIEW, **{field: bytes(31)})  # type: ignore[arg-type]  # a field by its name
    assert refused.value.code is Code.BAD_TYPE


@pytest.mark.parametrize(("size", "length"), [(7, 0), (7, 63), (0, 64)])
def test_a_view_holds_the_logs_signature_and_none_of_an_empty_log(size: int, length: int) -> None:
    with pytest.raises(UsageError) as refused:
        replace(VIEW, log_size=size, log_signature=bytes(length))
    assert refused.value.code is Code.BAD_TYPE
    view = [size, bytes(32), bytes(length), 3, bytes(32)]
    with pytest.raises(DecodeError) as damaged:
        decode_content(changed_content(6, view))
    assert damaged.value.code is Code.BAD_TYPE


def test_a_short_message_fits_the_smallest_class_with_the_largest_view() -> None:
    view = View(
        log_size=2**63 - 1, log_root=bytes(32), log_signature=bytes(64), room_seq=2**63 - 1, room_head=bytes(32)
    )
    text = (
        "Phishing against two ministries since 06:40; the sender's domain is in the table. Who sees the same? Call us."
    )
    assert sealed(replace(CONTENT, view=view, body=Text(text=text)))[0] == 1


@pytest.mark.parametrize(
    ("number", "label"), [(0, Label.CLEAR), (3, Label.AMBER_STRICT), (4, Label.RED), (5, Label.RED)]
)
def test_a_label_that_is_not_known_counts_as_the_strictest_and_keeps_its_number(number: int, label: Label) -> None:
    content = decode_content(changed_content(4, number))
    assert content.label is label
    assert content.label_number == number


@pytest.mark.parametrize(("number", "pap"), [(0, Pap.CLEAR), (3, Pap.RED), (4, Pap.RED), (255, Pap.RED)])
def test_an_action_that_is_not_known_counts_as_the_strictest_and_keeps_its_number(number: int, pap: Pap) -> None:
    content = decode_content(changed_content(5, number))
    assert content.pap is pap
    assert content.pap_number == number


def test_an_outer_label_that_differs_from_the_sealed_one_is_told() -> None:
    assert not CONTENT.differs_from(Label.AMBER)
    assert CONTENT.differs_from(Label.RED)
    assert CONTENT.differs_from(Label.CLEAR)
    # An unknown one counts as the strictest, which is what its header can say of it.
    assert not replace(CONTENT, label_number=5).differs_from(Label.RED)
    assert replace(CONTENT, label_number=5).differs_from(Label.AMBER)


def test_no_repr_shows_what_was_written() -> None:
    assert "incident" not in repr(CONTENT)
    assert "a room" not in repr(replace(CONTENT, body=RoomInfo(title="a room", description="")))


HEADER = Header(
    kid=DeviceId(b"\3" * 32),
    media_type=MediaType.MLS,
    room=RoomId(b"\4" * 16),
    epoch=1,
    counter=5,
    previous=EnvelopeId(ZERO_32),
    sent_at_ms=1,
    label=Label.AMBER,
    precedence=Precedence.ROUTINE,
    audience=bytes(32),
    size_class=1,
    specific=kinds.Message(),
)


def committed(k: bytes, content: bytes) -> Header:
    return structs.replace(HEADER, commitment=derive_commitment(k, HEADER.room, HEADER.kid, HEADER.counter, content))


@pytest.mark.parametrize("flaw", ["room", "kid", "counter", "k", "content", "commitment"])
def test_content_that_differs_in_anything_from_its_commitment_is_refused(flaw: str) -> None:
    data = encode_content(CONTENT)
    header = committed(K, data)
    check_commitment(header, K, data)
    others: dict[str, Any] = {
        "room": RoomId(bytes(16)),
        "kid": DeviceId(bytes(32)),
        "counter": 6,
        "commitment": bytes(32),
    }
    if flaw in others:
        header = structs.replace(header, **{flaw: others[flaw]})
    with pytest.raises(VerifyError) as refused:
        check_commitment(header, K[::-1] if flaw == "k" else K, data + b"\0" if flaw == "content" else data)
    assert refused.value.code is Code.COMMITMENT


def test_a_key_that_is_the_same_to_hmac_but_of_another_length_is_refused() -> None:
    data = encode_content(CONTENT)
    ends_in_zero = K[:-1] + b"\0"
    header = committed(ends_in_zero, data)
    check_commitment(header, ends_in_zero, data)
    assert hmac_sha256(ends_in_zero[:-1], data) == hmac_sha256(ends_in_zero, data)
    with pytest.raises(VerifyError) as refused:
        check_commitment(header, ends_in_zero[:-1], data)
    assert refused.value.code is Code.COMMITMENT


# ---- drills


def test_what_is_said_in_a_drill_is_of_a_version_of_its_own_and_differs_in_nothing_else() -> None:
    real, drill = encode_content(CONTENT), encode_content(replace(CONTENT, drill=True))
    assert (real[1], drill[1], real[2:] == drill[2:]) == (1, 2, True)
    assert decode_content(drill) == replace(CONTENT, drill=True)
    with pytest.raises(DecodeError) as refused:
        decode_content(changed_content(0, 3))
    assert refused.value.code is Code.UNKNOWN_VERSION


@pytest.mark.parametrize("drill", [True, False])
def test_a_message_whose_mark_is_not_that_of_its_room_is_refused(*, drill: bool) -> None:
    check_drill(replace(CONTENT, drill=drill), drill=drill)
    with pytest.raises(VerifyError) as refused:
        check_drill(replace(CONTENT, drill=not drill), drill=drill)
    assert refused.value.code is Code.DRILL
