"""Base64, hash and decimal fields of the C2SP text formats, and a checkpoint's lines: one value, one spelling.

Two spellings of one value would give two files that both verify and differ in their bytes; whatever
is not what the encoder would have written is refused.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from amanah_protocol.errors import Code, DecodeError

MAX_DECIMAL: Final = 2**63 - 1
"""Sizes, indices and times are read into signed 64 bits everywhere else (C2SP tlog-cosignature)."""

# [0-9], not \d, which takes the digits of every script; at most 19 of them, so that `int` stays cheap.
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")


def encode_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str, what: str) -> bytes:
    """Decode standard base64 with padding (RFC 4648 section 4).

    Args:
        text: The field.
        what: Its name, for the message.

    Raises:
        DecodeError: `MALFORMED`, or `NOT_CANONICAL` when unused bits are set.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        # Without the cause: the field may be a private key.
        raise DecodeError(Code.MALFORMED, f"{what} is not base64") from None
    if encode_base64(data) != text:
        raise DecodeError(Code.NOT_CANONICAL, f"{what} is not the canonical base64 of its bytes")
    return data


def decode_hash(text: str, what: str) -> bytes:
    """Decode the base64 of a SHA-256 hash.

    Raises:
        DecodeError: `MALFORMED`, also when it is not 32 bytes, or `NOT_CANONICAL`.
    """
    data = decode_base64(text, what)
    if len(data) != 32:
        raise DecodeError(Code.MALFORMED, f"{what} is not 32 bytes long")
    return data


def decode_decimal(text: str, what: str) -> int:
    """Decode an ASCII decimal without sign or leading zeros, at most `MAX_DECIMAL`.

    Raises:
        DecodeError: `MALFORMED`.
    """
    if _DECIMAL.fullmatch(text) is None or int(text) > MAX_DECIMAL:
        raise DecodeError(Code.MALFORMED, f"{what} is not a decimal number of at most 63 bits")
    return int(text)


def decode_head(text: str) -> tuple[str, int, bytes]:
    """Take the body of a checkpoint apart: exactly three lines (C2SP tlog-checkpoint).

    Returns:
        Origin, size and root as they stand there; nothing says yet that they fit together.

    Raises:
        DecodeError: `MALFORMED`, also for extension lines, or `NOT_CANONICAL` (base64).
    """
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise DecodeError(Code.MALFORMED, "a checkpoint has three lines: origin, size and root")
    size = decode_decimal(lines[1], "the size of a checkpoint")
    return lines[0], size, decode_hash(lines[2], "the root of a checkpoint")
