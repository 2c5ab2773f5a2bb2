"""The presentation language of RFC 9420 section 2.1: integers, optional values, vectors.

A vector is prefixed by its length in the fewest of 1, 2 or 4 bytes (section 2.1.2). Decoding is strict:
a length has one form, nothing stands behind the last field, so that what was decoded encodes to the
same bytes, and a signature over one form is a signature over the only one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from amanah_protocol.errors import Code, DecodeError, UsageError

_ONE_BYTE: Final = 1 << 6
_TWO_BYTES: Final = 1 << 14
_FOUR_BYTES: Final = 1 << 30
_FORMS: Final = ((1, 0x3F, 0), (2, 0x3FFF, _ONE_BYTE), (4, 0x3FFF_FFFF, _TWO_BYTES))
"""By the two high bits: bytes of the length, mask, and the least length that may stand in them."""

T = TypeVar("T")


class Reader:
    """Reads values one behind the other out of bytes; every method raises `DecodeError` (`MALFORMED`)."""

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        """Read `data[at:end]`."""
        self._data = data
        self._at = at
        self._end = len(data) if end is None else end

    @property
    def at(self) -> int:
        """Where the next value begins."""
        return self._at

    @property
    def more(self) -> bool:
        """Whether anything is left."""
        return self._at < self._end

    def since(self, at: int) -> bytes:
        """The bytes read from a place on."""
        return self._data[at : self._at]

    def take(self, count: int) -> bytes:
        """The next bytes."""
        at, end = self._at, self._at + count
        if end > self._end:
            raise DecodeError(Code.MALFORMED, "a value goes past the end")
        self._at = end
        return self._data[at:end]

    def uint(self, size: int) -> int:
        """An unsigned integer of that many bytes, big endian."""
        return int.from_bytes(self.take(size), "big")

    def length(self) -> int:
        """The length in front of a vector (section 2.1.2)."""
        if self._at >= self._end:
            raise DecodeError(Code.MALFORMED, "a value goes past the end")
        first = self._data[self._at]
        if first < _ONE_BYTE:
            self._at += 1
            return first
        if first >= 0xC0:
            raise DecodeError(Code.MALFORMED, "a vector's length has no such form")
        size, mask, least = _FORMS[first >> 6]
        length = self.uint(size) & mask
        if length < least:
            raise DecodeError(Code.MALFORMED, "a vector's length is not in its shortest form")
        return length

    def opaque(self) -> bytes:
        """A vector of bytes, `opaque<V>`."""
        return self.take(self.length())

    def exactly(self, count: int, name: str) -> bytes:
        """A vector of bytes whose length is known."""
        value = self.opaque()
        if len(value) != count:
            raise DecodeError(Code.MALFORMED, f"{name} has {count} bytes")
        return value

    def vector(self, read: Callable[[Reader], T]) -> tuple[T, ...]:
        """A vector of values."""
        length = self.length()
        end = self._at + length
        if end > self._end:
            raise DecodeError(Code.MALFORMED, "a value goes past the end")
        items = Reader(self._data, self._at, end)
        self._at = end
        found = []
        while items.more:
            found.append(read(items))
        return tuple(found)

    def optional(self, read: Callable[[Reader], T]) -> T | None:
        """A value that may be absent (section 2.1.1)."""
        present = self.uint(1)
        if present > 1:
            raise DecodeError(Code.MALFORMED, "an optional value is there or it is not")
        return read(self) if present else None

    def choice(self, size: int, kinds: dict[int, T], name: str) -> T:
        """One of a closed list, by its number."""
        number = self.uint(size)
        try:
            return kinds[number]
        except KeyError:
            raise DecodeError(Code.MALFORMED, f"{name}: {number} is not one") from None

    def finish(self) -> None:
        """Nothing may be left."""
        if self.more:
            raise DecodeError(Code.MALFORMED, "bytes are left behind the last value")


def decode(data: bytes, read: Callable[[Reader], T]) -> T:
    """Decode one whole value.

    Raises:
        DecodeError: `MALFORMED`, also when bytes are left.
    """
    reader = Reader(data)
    value = read(reader)
    reader.finish()
    return value


def u8(value: int) -> bytes:
    """`uint8`."""
    return value.to_bytes(1, "big")


def u16(value: int) -> bytes:
    """`uint16`."""
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    """`uint32`."""
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    """`uint64`."""
    return value.to_bytes(8, "big")


def length(value: int) -> bytes:
    """The length in front of a vector.

    Raises:
        UsageError: `TOO_LARGE` from 2^30 on.
    """
    if value < _ONE_BYTE:
        return value.to_bytes(1, "big")
    if value < _TWO_BYTES:
        return (value | 0x4000).to_bytes(2, "big")
    if value < _FOUR_BYTES:
        return (value | 0x8000_0000).to_bytes(4, "big")
    raise UsageError(Code.TOO_LARGE, "no vector holds so much")


def opaque(data: bytes) -> bytes:
    """`opaque<V>`."""
    return length(len(data)) + data


def vector(items: Iterable[bytes]) -> bytes:
    """A vector of encoded values."""
    return opaque(b"".join(items))


def optional(encoded: bytes | None) -> bytes:
    """An encoded value, or its absence."""
    return b"\x00" if encoded is None else b"\x01" + encoded


def read_u16(reader: Reader) -> int:
    """`uint16`."""
    return reader.uint(2)


def read_u32(reader: Reader) -> int:
    """`uint32`."""
    return reader.uint(4)
