"""What a cosigner signs with ML-DSA-44: a subtree of a log, by name (C2SP tlog-cosignature).

A checkpoint is the subtree from the first leaf on. Unlike the text that Ed25519 cosigns, the message
binds the cosigner's name, and it has no place for extension lines.
"""

from __future__ import annotations

from typing import Final

from amanah_protocol.errors import Code, UsageError
from amanah_protocol.log.fields import MAX_DECIMAL
from amanah_protocol.log.merkle import HASH_BYTES, is_subtree

MAX_OPAQUE_BYTES: Final = 255
"""Of the cosigner's name, and of the log's origin."""

_LABEL: Final = b"subtree/v1\n\0"


def cosigned_message(*, name: str, time_s: int, origin: str, start: int, end: int, root: bytes) -> bytes:
    """The TLS encoding of `cosigned_message` (C2SP tlog-cosignature, section ML-DSA-44 signed message).

    Args:
        name: The cosigner's, 1 to 255 bytes.
        time_s: Seconds of Unix time; 0 where the cosigner does not say that this is the largest tree it knows.
        origin: The log's, 1 to 255 bytes.
        start: Index of the first leaf; 0 for a checkpoint.
        end: Index after the last leaf; the size of a checkpoint.
        root: Hash of the subtree, 32 bytes.

    Raises:
        UsageError: `MALFORMED` for what the structure cannot hold, `USAGE` for a time where `start` is not 0.
    """
    if not (is_subtree(start, end) and 0 <= time_s <= MAX_DECIMAL and len(root) == HASH_BYTES):
        raise UsageError(Code.MALFORMED, "what is cosigned is a subtree with a hash of 32 bytes, at a time of 63 bits")
    # "If `start` is not zero, `timestamp` MUST be zero": a part of a log is never the largest tree.
    if start and time_s:
        raise UsageError(Code.USAGE, "a cosignature of a subtree that does not start at the first leaf has no time")
    return b"".join(
        (
            _LABEL,
            _opaque(name),
            time_s.to_bytes(8, "big"),
            _opaque(origin),
            start.to_bytes(8, "big"),
            end.to_bytes(8, "big"),
            root,
        )
    )


def _opaque(text: str) -> bytes:
    data = text.encode()
    if not 1 <= len(data) <= MAX_OPAQUE_BYTES:
        raise UsageError(Code.MALFORMED, f"a cosigned name or origin has 1 to {MAX_OPAQUE_BYTES} bytes")
    return bytes([len(data)]) + data
