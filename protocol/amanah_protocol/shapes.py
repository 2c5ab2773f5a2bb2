"""The usual shape: what nearly all headers and log entries look like, recognised at once.

An auditor decodes a log of a million entries, nearly all of one layout, and a layout has one encoding. A pattern that
is made of the parts below matches that encoding and takes its fields out. It never refuses: what it does not match goes
the long way, through `cbor.decode` and `cbor.Fields`, which know every valid form and say what is wrong with others. So
a pattern may leave out what is valid and rare, and must match nothing that the long way refuses or reads otherwise.

No input makes these patterns slow. They repeat by fixed counts alone, and where there is a choice, no alternative is
the beginning of another: there is one way to match, found or given up in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from amanah_protocol import cbor

UINT: Final = rb"([\x00-\x17]|\x18[\x18-\xff]|\x19[\x01-\xff].|\x1a(?!\x00\x00).{4}|\x1b(?!\x00{4})[\x00-\x7f].{7})"
"""What `cbor.Fields.uint` takes: 0 to 2^63 - 1 with the shortest head; `uint` reads it."""

BYTES_16: Final = rb"\x50(.{16})"
BYTES_32: Final = rb"\x58\x20(.{32})"

BLOB_HEAD: Final = rb"([\x40-\x57]|\x58.|\x59..)"
"""The head of a byte string of up to 65,535 bytes. Its length is not compared: head and bytes must be their `blob`."""


def fixed(*values: object) -> bytes:
    """These values, one after the other."""
    return re.escape(b"".join(map(cbor.encode, values)))


def one_of(encodings: Iterable[bytes]) -> bytes:
    """One of a closed list of encodings."""
    return b"(" + b"|".join(map(re.escape, encodings)) + b")"


def layout(*parts: bytes) -> re.Pattern[bytes]:
    """The pattern of these parts, one after the other."""
    return re.compile(b"".join(parts), re.DOTALL)


def uint(encoded: bytes) -> int:
    """The number that `UINT` matched."""
    return int.from_bytes(encoded[1:] or encoded)


def blob(data: bytes) -> bytes:
    """The encoding of a byte string (RFC 8949 section 3)."""
    length = len(data)
    if length < 24:
        return bytes((0x40 + length,)) + data
    if length < 2**8:
        return bytes((0x58, length)) + data
    if length < 2**16:
        return b"\x59" + length.to_bytes(2) + data
    return b"\x5a" + length.to_bytes(4) + data
