"""Strict CBOR: one value, one encoding (RFC 8949 section 4.2.1).

`cbor2` parses; this module refuses everything that a second implementation could read in another
way: trailing bytes, non-minimal heads, indefinite lengths, duplicate or unordered keys, tags,
floats, simple values other than false, true and null, integers above 64 bits. The last gate is
`encode(decode(x)) == x`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Final, NoReturn, TypeAlias, TypeVar, cast

import cbor2

from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.limits import MAX_DEPTH, MAX_HEADS, MAX_ITEMS

Value: TypeAlias = "int | bytes | str | bool | list[Value] | dict[int | str, Value] | None"

T = TypeVar("T")

U64: Final = 2**64 - 1
MAX_UINT: Final = 2**63 - 1
"""Sizes, indices, counters and times: what every store and every language holds in a signed integer."""

# cbor2 decodes these tags by itself: 35 compiles a regular expression, 28 and 29 build cycles,
# 4 makes numbers of a billion digits. None may run before we have refused it.
_LIVE_TAGS: Final = (
    *range(6), 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799,
)  # fmt: skip


def _refuse_tag(*_: object) -> NoReturn:
    raise DecodeError(Code.MALFORMED, "a CBOR tag stands where none is allowed")


_REFUSED_TAGS: Final = dict.fromkeys(_LIVE_TAGS, _refuse_tag)

# Heads (RFC 8949 section 3): the bytes that follow each value of the five low bits, and major types.
_WIDTHS: Final = {**dict.fromkeys(range(24), 0), 24: 1, 25: 2, 26: 4, 27: 8}
_STRINGS: Final = (2, 3)
_MAP: Final = 5

_PLAIN: Final = frozenset({bytes, str, bool, type(None)})
_LEAST: Final = -U64 - 1


def encode(value: object) -> bytes:
    """Encode canonically: minimal heads, map keys sorted bytewise by their encoding.

    Args:
        value: Nested ints (64 bits), bytes, str, bool, None, lists or tuples, and dicts whose keys
            are ints or strings.

    Raises:
        UsageError: `MALFORMED` for any other type, a larger integer, or text that has no UTF-8.
    """
    try:
        return cbor2.dumps(_ordered(value))
    except UnicodeEncodeError as error:
        raise UsageError(Code.MALFORMED, "a text holds a lone surrogate, which UTF-8 cannot") from error


def encode_plain(values: list[int | bytes]) -> bytes:
    """The same encoding of a list of integers (64 bits) and byte strings, which alone have one without being ordered.

    Nothing is checked: for what is made, or compared by its hash, a million times.
    """
    return cbor2.dumps(values)


def _ordered(value: object) -> object:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, int) and _LEAST <= value <= U64:
        return int(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_ordered(item) for item in value]
    if isinstance(value, dict):
        # cbor2's canonical=True sorts length-first (RFC 7049), which is another order.
        keys = sorted((_key(key) for key in value), key=_place)
        return {key: _ordered(value[key]) for key in keys}
    raise UsageError(Code.MALFORMED, f"{kind.__name__} has no canonical encoding here")


def _key(key: object) -> int | str:
    if type(key) is str or (type(key) is int and _LEAST <= key <= U64):
        return key
    raise UsageError(Code.MALFORMED, f"this {type(key).__name__} cannot be a map key here")


def _place(key: int | str) -> tuple[int, int, bytes]:
    """Sorts keys as their encodings sort bytewise: by major type, then value; texts by length first."""
    if isinstance(key, str):
        text = key.encode()
        return 3, len(text), text
    return (0, key, b"") if key >= 0 else (1, -1 - key, b"")


def decode(data: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> Value:
    """Decode one canonical value.

    Args:
        data: The bytes, all of which must be used.
        max_bytes: The cap, checked before anything is parsed.
        max_depth: Levels of arrays and maps; an empty one adds none.

    Raises:
        DecodeError: `TOO_LARGE`, `MALFORMED` or `NOT_CANONICAL`.
    """
    if len(data) > max_bytes:
        raise DecodeError(Code.TOO_LARGE, f"{len(data)} bytes where at most {max_bytes} are allowed")
    if len(data) > MAX_HEADS:
        _check_heads(data)
    try:
        value = cbor2.loads(
            data,
            tag_hook=_refuse_tag,
            semantic_decoders=_REFUSED_TAGS,
            max_depth=max_depth,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
        _check_items((value,))
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise DecodeError(Code.MALFORMED, "the bytes are not strict CBOR") from error
    # Decoding keeps the order of keys and `_check_keys` has compared it, so this plain encoding is
    # the canonical one; it differs from the input for trailing bytes and non-minimal heads.
    if cbor2.dumps(value) != data:
        raise DecodeError(Code.NOT_CANONICAL, "the bytes are not the canonical encoding of their value")
    return cast("Value", value)


def _check_heads(data: bytes) -> None:
    """Count items before any is made: a byte of input can become 64 bytes of memory (attack 48).

    Shorter input cannot hold more heads than are allowed and never gets here. What does not parse
    ends the count: `cbor2` stops at the same byte.
    """
    at = heads = 0
    while at < len(data):
        heads += 1
        major, info = divmod(data[at], 32)
        width = _WIDTHS.get(info)
        if width is None:
            return
        argument = int.from_bytes(data[at + 1 : at + 1 + width], "big") if width else info
        if heads > MAX_HEADS or (major == _MAP and argument > MAX_ITEMS):
            raise DecodeError(Code.TOO_LARGE, f"more than {MAX_HEADS} items, or {MAX_ITEMS} in a map")
        at += 1 + width + (argument if major in _STRINGS else 0)


def _check_items(items: Iterable[object]) -> None:
    """All items, at any depth, are of types that are allowed here."""
    for item in items:
        # A larger integer has the encoding of a tag, so the comparison of encodings would not find it.
        if type(item) in _PLAIN or (type(item) is int and _LEAST <= item <= U64):
            continue
        if isinstance(item, list):
            _check_items(item)
        elif isinstance(item, dict) and len(item) <= MAX_ITEMS:
            _check_items(item.values())
            _check_keys(item)
        else:
            raise DecodeError(Code.MALFORMED, "a value of a type or size that is not allowed")


def _check_keys(keys: Iterable[object]) -> None:
    places = []
    for key in keys:
        if type(key) is not int and type(key) is not str:
            raise DecodeError(Code.MALFORMED, "a map key is neither integer nor text")
        places.append(_place(key))
    if places != sorted(places):
        raise DecodeError(Code.NOT_CANONICAL, "the keys of a map are not in bytewise order")


class Fields:
    """Reads a decoded array field by field and checks each; the only way from `Value` to types.

    Every method raises `DecodeError` (`BAD_TYPE`) that names the structure and the position.
    """

    __slots__ = ("_at", "_items", "_what")

    def __init__(self, value: Value, length: int | None, what: str) -> None:
        self._what = what
        if not isinstance(value, list) or (length is not None and len(value) != length):
            raise DecodeError(Code.BAD_TYPE, f"{what}: an array of {length} is wanted")
        self._items = value
        self._at = 0

    def _wrong(self, wanted: str) -> DecodeError:
        return DecodeError(Code.BAD_TYPE, f"{self._what}, field {self._at}: {wanted} is wanted")

    @property
    def at_end(self) -> bool:
        """Whether no field is left."""
        return self._at == len(self._items)

    def next(self) -> Value:
        """The next field, whatever it is."""
        try:
            value = self._items[self._at]
        except IndexError:
            raise self._wrong("one more field") from None
        self._at += 1
        return value

    def uint(self, maximum: int = MAX_UINT) -> int:
        """An unsigned integer up to `maximum`, 63 bits by default."""
        value = self.next()
        if type(value) is not int or not 0 <= value <= maximum:
            raise self._wrong(f"an integer from 0 to {maximum}")
        return value

    def optional_uint(self) -> int | None:
        """An unsigned integer or null."""
        return self._optional(self.uint)

    def boolean(self) -> bool:
        """True or false."""
        value = self.next()
        if type(value) is not bool:
            raise self._wrong("true or false")
        return value

    def fixed(self, length: int) -> bytes:
        """A byte string of exactly `length` bytes."""
        value = self.next()
        if type(value) is not bytes or len(value) != length:
            raise self._wrong(f"{length} bytes")
        return value

    def optional_fixed(self, length: int) -> bytes | None:
        """A byte string of exactly `length` bytes, or null."""
        return self._optional(lambda: self.fixed(length))

    def blob(self, maximum: int) -> bytes:
        """A byte string of up to `maximum` bytes."""
        value = self.next()
        if type(value) is not bytes or len(value) > maximum:
            raise self._wrong(f"at most {maximum} bytes")
        return value

    def text(self, maximum: int) -> str:
        """A text of up to `maximum` characters."""
        value = self.next()
        if type(value) is not str or len(value) > maximum:
            raise self._wrong(f"a text of at most {maximum} characters")
        return value

    def optional_text(self, maximum: int) -> str | None:
        """A text of up to `maximum` characters, or null."""
        return self._optional(lambda: self.text(maximum))

    def array(self, maximum: int) -> list[Value]:
        """An array of up to `maximum` items."""
        value = self.next()
        if not isinstance(value, list) or len(value) > maximum:
            raise self._wrong(f"an array of at most {maximum}")
        return value

    def fixed_array(self, length: int, maximum: int) -> tuple[bytes, ...]:
        """Up to `maximum` byte strings of exactly `length` bytes each."""
        items = Fields(list(self.array(maximum)), None, self._what)
        return tuple(items.fixed(length) for _ in items._items)

    def sorted_array(self, length: int, maximum: int) -> tuple[bytes, ...]:
        """As `fixed_array`, strictly ascending: sets have one encoding and no doubles."""
        items = self.fixed_array(length, maximum)
        if any(left >= right for left, right in pairwise(items)):
            raise self._wrong("a strictly ascending array")
        return items

    def texts(self, characters: int, maximum: int) -> tuple[str, ...]:
        """Up to `maximum` texts of up to `characters` each."""
        items = Fields(list(self.array(maximum)), None, self._what)
        return tuple(items.text(characters) for _ in items._items)

    def _optional(self, read: Callable[[], T]) -> T | None:
        if self._at < len(self._items) and self._items[self._at] is None:
            self._at += 1
            return None
        return read()
