"""What has a usual shape, decoded in both ways: as everybody does, and by the long way alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from amanah_protocol import cose, envelope
from amanah_protocol.cose import Sign1
from amanah_protocol.envelope import EMPTY_HASH, Envelope, Header
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.kinds import MediaType
from amanah_protocol.limits import MAX_ENVELOPE_BYTES
from amanah_protocol.log import leaf
from amanah_protocol.log.leaf import Leaf

PATTERNS: Final = (envelope._USUAL, envelope._FEW, leaf._USUAL)


class Refusal(NamedTuple):
    """What a decoder raised."""

    error: type[DecodeError]
    code: Code
    detail: str


def verdict(decode: Callable[[bytes], object], data: bytes) -> object:
    """The object, or the refusal with all that it says."""
    try:
        return decode(data)
    except DecodeError as error:
        return Refusal(type(error), error.code, error.detail)


def sign1(data: bytes) -> Sign1:
    """A COSE_Sign1 of at most an envelope's size."""
    return cose.decode_sign1(data, max_bytes=MAX_ENVELOPE_BYTES)


def long_sign1(data: bytes) -> Sign1:
    """The same by the long way."""
    if len(data) > MAX_ENVELOPE_BYTES:
        raise DecodeError(Code.TOO_LARGE, f"{len(data)} bytes where at most {MAX_ENVELOPE_BYTES} are allowed")
    return cose._decode_sign1(data, MAX_ENVELOPE_BYTES)


def long_header(data: bytes) -> Header:
    """A header by the long way."""
    header = envelope._decode_header(data)
    envelope.check_header(header)
    return header


def long_envelope(data: bytes) -> Envelope:
    """An envelope by the long way; the steps of `decode_envelope`, written once more."""
    parts = long_sign1(data)
    if len(parts.payload) != len(EMPTY_HASH):
        raise DecodeError(Code.BAD_TYPE, "an envelope's payload is a SHA-256")
    header = long_header(parts.protected)
    if header.media_type is MediaType.NONE and parts.payload != EMPTY_HASH:
        raise DecodeError(Code.CONTENT_HASH, "a header-only kind names the hash of nothing")
    return Envelope(header=header, payload=parts.payload, encoded=data, parts=parts)


def long_leaf(data: bytes) -> Leaf:
    """An entry of the log by the long way."""
    found = leaf._decode_leaf(data)
    leaf._check_place(found)
    return found


WAYS: Final[dict[str, tuple[Callable[[bytes], object], Callable[[bytes], object]]]] = {
    "sign1": (sign1, long_sign1),
    "header": (envelope.decode_header, long_header),
    "envelope": (envelope.decode_envelope, long_envelope),
    "leaf": (leaf.decode_leaf, long_leaf),
}
USUAL: Final[dict[str, Callable[[bytes], object]]] = {
    "sign1": cose._usual_sign1,
    "header": envelope._usual_header,
    "leaf": leaf._usual_leaf,
}
"""Without an answer where the shape is not the usual one."""


def agreed(what: str, data: bytes) -> object:
    """The verdict on these bytes, which is the same in both ways."""
    everybody, long = (verdict(decode, data) for decode in WAYS[what])
    assert everybody == long
    assert type(everybody) is type(long)
    return everybody
