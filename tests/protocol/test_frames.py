from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any, Final

import msgspec
import pytest

from amanah_protocol import frames, limits
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.frames import Frame
from tests.protocol.refusal import refused
from tests.vectors import examples as x
from tests.vectors import frame_examples as fx

LOGIN: Final = fx.CLIENT[:2]

CLIENT_NAMES: Final = """
    Hello Proof Publish Stage Subscribe FetchContent OfferKeyPackages TakeKeyPackages SubscribeControl Submit
    GetInclusion GetConsistency GetCheckpoint AuditRead
    GetMembership GetCheckpoints GetCustody GetStamps
    FindAttachment PutAttachment FetchAttachment
"""
RELAY_NAMES: Final = """
    Challenge RoomState Ready Refused Stored Done Delivery PageEnd Lagging ContentPiece KeyPackages Stock ControlEntry
    Head Path Checkpoint LogEntries Closing Membership Flash Checkpoints Custody CustodyGrown Stamps
    AttachmentState AttachmentPiece
"""
TAGS: Final = {
    **{name: tag for tag, name in enumerate(CLIENT_NAMES.split(), start=1)},
    **{name: tag for tag, name in enumerate(RELAY_NAMES.split(), start=64)},
}
"""Tags that were given out: never reused, never changed."""


def row(frame: Frame) -> list[Any]:
    """The frame as any MessagePack reader sees it."""
    decoded = msgspec.msgpack.decode(frames.encode_frame(frame))
    assert isinstance(decoded, list)
    return decoded


def pack(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


@pytest.mark.parametrize("frame", fx.CLIENT, ids=lambda frame: type(frame).__name__)
def test_a_clients_frame_is_read_back_by_a_relay_alone(frame: Frame) -> None:
    data = frames.encode_frame(frame)
    assert frames.decode_client_frame(data) == frame
    with refused(Code.FRAME, DecodeError):
        frames.decode_relay_frame(data)


@pytest.mark.parametrize("frame", fx.RELAY, ids=lambda frame: type(frame).__name__)
def test_a_relays_frame_is_read_back_by_a_client_alone(frame: Frame) -> None:
    data = frames.encode_frame(frame)
    assert frames.decode_relay_frame(data) == frame
    with refused(Code.FRAME, DecodeError):
        frames.decode_client_frame(data)


@pytest.mark.parametrize("frame", fx.CLIENT, ids=lambda frame: type(frame).__name__)
def test_before_login_two_frames_alone_are_read(frame: Frame) -> None:
    data = frames.encode_frame(frame)
    if frame in LOGIN:
        assert frames.decode_login_frame(data) == frame
        return
    with refused(Code.FRAME, DecodeError):
        frames.decode_login_frame(data)


def test_every_frame_has_an_example_and_its_own_tag() -> None:
    unions = (*typing.get_args(frames.ClientFrame), *typing.get_args(frames.RelayFrame))
    assert {cls.__name__: cls.__struct_config__.tag for cls in unions} == TAGS
    assert [type(frame).__name__ for frame in fx.FRAMES] == list(TAGS)
    assert all(row(frame)[0] == TAGS[type(frame).__name__] for frame in fx.FRAMES)


@pytest.mark.parametrize("frame", fx.FRAMES, ids=lambda frame: type(frame).__name__)
def test_a_field_more_or_a_truncated_frame_is_refused(frame: Frame) -> None:
    decode = frames.decode_client_frame if frame in fx.CLIENT else frames.decode_relay_frame
    data = frames.encode_frame(frame)
    for wrong in (pack([*row(frame), 0]), data + b"\0", data[:-1], data[:1], b""):
        with refused(Code.FRAME, DecodeError):
            decode(wrong)


@pytest.mark.parametrize("frame", fx.FRAMES, ids=lambda frame: type(frame).__name__)
def test_a_field_of_another_type_is_refused(frame: Frame) -> None:
    decode = frames.decode_client_frame if frame in fx.CLIENT else frames.decode_relay_frame
    fields = row(frame)
    for place in range(1, len(fields)):
        values: list[object] = [-1, 1.5, {}, [[]]]
        for wrong in values:
            with refused(Code.FRAME, DecodeError):
                decode(pack([*fields[:place], wrong, *fields[place + 1 :]]))


WRONG: Final[dict[str, bytes]] = {
    "nil": b"\xc0",
    "number": b"\x01",
    "map": pack({"frame": 13, "request": 1}),
    "empty array": b"\x90",
    "text": pack("Hello"),
    "unknown tag": pack([63, 1]),
    "tag 0": pack([0, 1]),
    "tag true": pack([True, 1]),
    "tag as text": pack(["GetCheckpoint", 1]),
    "extension type": b"\xc7\x00\x05",
    "timestamp": b"\xd6\xff\x00\x00\x00\x00",
    "number true": pack([13, True]),
    "number as text": pack([13, "1"]),
    "number of 64 bits": pack([13, 2**63]),
    "array of 2^32-1": b"\xdd\xff\xff\xff\xff\x0d",
    "items of 2^32-1": b"\x93\x03\x01\xdd\xff\xff\xff\xff",
    "bytes of 2^32-1": b"\x93\x05\x01\xc6\xff\xff\xff\xff",
    "room of 15 bytes": pack([5, 1, bytes(15), 0]),
    "room of 17 bytes": pack([5, 1, bytes(17), 0]),
    "room as text": pack([5, 1, "x" * 16, 0]),
    "no items": pack([3, 1, []]),
    "seventeen items": pack([3, 1, [[b"", b""]] * 17]),
    "envelope above its limit": pack([3, 1, [[bytes(limits.MAX_ENVELOPE_BYTES + 1), b""]]]),
    "content above its limit": pack([3, 1, [[b"", bytes(limits.MAX_CONTENT_BYTES + 1)]]]),
    "piece above its limit": pack([4, 1, bytes(32), 9, 0, bytes(limits.STAGE_CHUNK_BYTES + 1)]),
    "empty piece": pack([4, 1, bytes(32), 9, 0, b""]),
    "total of nothing": pack([4, 1, bytes(32), 0, 0, b"x"]),
    "total above the largest tree": pack([4, 1, bytes(32), limits.MAX_TREE_BYTES + 1, 0, b"x"]),
    "key packages of no device": pack([8, 1, 1, []]),
    "key packages of 97 devices": pack([8, 1, 1, [bytes(32)] * 97]),
    "seventeen versions": pack([1, [1] * 17, bytes(32), bytes(32), bytes(32), "a:1"]),
    "address of 254 characters": pack([1, [1], bytes(32), bytes(32), bytes(32), "a" * 254]),
    "address that is not UTF-8": pack([1, [1], bytes(32), bytes(32), bytes(32), "aaa"])[:-3] + b"\xed\xa0\x80",
    "a thousand levels": b"\x92\x0d" + b"\x91" * 1_000 + b"\x00",
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
def test_something_else_is_no_frame(data: bytes) -> None:
    with refused(Code.FRAME, DecodeError):
        frames.decode_client_frame(data)


RIGHT: Final[dict[str, bytes]] = {
    "sixteen items": pack([3, 1, [[bytes(limits.MAX_ENVELOPE_BYTES), None]] * 16]),
    "the largest content": pack([3, 1, [[b"", bytes(limits.MAX_CONTENT_BYTES)]]]),
    "the largest piece": pack([4, 1, bytes(32), limits.MAX_TREE_BYTES, 0, bytes(limits.STAGE_CHUNK_BYTES)]),
    "96 devices": pack([8, 1, 1, [bytes(32)] * 96]),
    "the largest number": pack([13, 2**63 - 1]),
    "a number in more bytes than it needs": b"\x92\x0d\xcd\x00\x01",
}


@pytest.mark.parametrize("data", RIGHT.values(), ids=RIGHT)
def test_what_is_at_its_bound_is_accepted(data: bytes) -> None:
    frames.decode_client_frame(data)


def of(name: str, place: int, value: object) -> bytes:
    """The example of a frame with one field replaced."""
    frame = next(frame for frame in fx.FRAMES if type(frame).__name__ == name)
    fields = row(frame)
    return pack([*fields[:place], value, *fields[place + 1 :]])


KIB: Final = limits.KIB
ENTRY: Final = [0, bytes(32), None, None]

BOUNDS: Final[list[tuple[str, int, object, object]]] = [
    ("Hello", 2, bytes(32), bytes(31)),
    ("Hello", 2, bytes(32), bytes(33)),
    ("Proof", 1, bytes(64), bytes(63)),
    ("Proof", 1, bytes(64), bytes(65)),
    ("Proof", 2, bytes(2 * KIB), bytes(2 * KIB + 1)),
    ("Proof", 3, bytes(2 * KIB), bytes(2 * KIB + 1)),
    ("Stage", 3, 1, 0),
    ("Stage", 5, b"x", b""),
    ("PutAttachment", 4, limits.MAX_SEALED_BYTES, limits.MAX_SEALED_BYTES + 1),
    ("PutAttachment", 4, 1, 0),
    ("PutAttachment", 6, bytes(limits.SEALED_CHUNK_BYTES), bytes(limits.SEALED_CHUNK_BYTES + 1)),
    ("PutAttachment", 6, b"x", b""),
    ("AttachmentPiece", 4, bytes(limits.SEALED_CHUNK_BYTES), bytes(limits.SEALED_CHUNK_BYTES + 1)),
    ("OfferKeyPackages", 3, [b""] * 100, [b""] * 101),
    ("OfferKeyPackages", 4, bytes(16 * KIB), bytes(16 * KIB + 1)),
    ("TakeKeyPackages", 3, [bytes(32)], []),
    ("Submit", 3, bytes(128 * KIB), bytes(128 * KIB + 1)),
    ("AuditRead", 2, bytes(32 * KIB), bytes(32 * KIB + 1)),
    ("Challenge", 3, "x" * 253, "x" * 254),
    ("Refused", 3, "x" * 1_024, "x" * 1_025),
    ("Stored", 1, bytes(192 * KIB), bytes(192 * KIB + 1)),
    ("Delivery", 6, bytes(limits.MAX_ENVELOPE_BYTES), bytes(limits.MAX_ENVELOPE_BYTES + 1)),
    ("ContentPiece", 4, bytes(128 * KIB), bytes(128 * KIB + 1)),
    ("ControlEntry", 6, bytes(32 * KIB), bytes(32 * KIB + 1)),
    ("ControlEntry", 7, bytes(128 * KIB), bytes(128 * KIB + 1)),
    ("Path", 3, [bytes(32)] * 128, [bytes(32)] * 129),
    ("LogEntries", 2, [[*ENTRY[:2], bytes(65_535), None]], [[*ENTRY[:2], bytes(65_536), None]]),
    ("LogEntries", 2, [[*ENTRY[:3], bytes(128 * KIB)]], [[*ENTRY[:3], bytes(128 * KIB + 1)]]),
]


@pytest.mark.parametrize(("name", "place", "right", "wrong"), BOUNDS)
def test_each_length_has_its_bound(name: str, place: int, right: object, wrong: object) -> None:
    decode = frames.decode_client_frame if TAGS[name] < 64 else frames.decode_relay_frame
    assert type(decode(of(name, place, right))).__name__ == name
    with refused(Code.FRAME, DecodeError):
        decode(of(name, place, wrong))


@pytest.mark.parametrize(
    ("decode", "most"),
    [
        (frames.decode_login_frame, limits.MAX_PRE_AUTH_FRAME_BYTES),
        (frames.decode_client_frame, limits.MAX_FRAME_BYTES),
        (frames.decode_relay_frame, limits.MAX_FRAME_BYTES),
    ],
)
def test_size_is_checked_before_anything_is_parsed(decode: Callable[[bytes], object], most: int) -> None:
    with refused(Code.TOO_LARGE, DecodeError):
        decode(bytes(most + 1))
    with refused(Code.FRAME, DecodeError):
        decode(bytes(most))


def test_a_whole_chain_fits_into_a_frame_before_login() -> None:
    assert len(frames.encode_frame(fx.CLIENT[1])) <= limits.MAX_PRE_AUTH_FRAME_BYTES


def test_a_frame_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        fx.CLIENT[0].dialled = "other.example:443"  # type: ignore[misc, union-attr]  # the type says so too


def test_fields_with_defaults_may_be_left_out_at_the_end() -> None:
    refusal = frames.Refused(request=1, code="CLOCK", detail="late")
    assert frames.decode_relay_frame(pack([67, 1, "CLOCK", "late"])) == refusal
    assert (refusal.retry_after_ms, refusal.position, refusal.time_ms) == (None, 0, None)


def test_bytes_travel_unchanged() -> None:
    publish = frames.decode_client_frame(frames.encode_frame(fx.CLIENT[2]))
    assert isinstance(publish, frames.Publish)
    assert publish.items[0].envelope == x.message().encoded
