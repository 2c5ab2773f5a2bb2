"""Attachments: what is too large for a message, sealed in chunks under a key of its own.

    sealed  = chunk-0 || ... || chunk-(n-1)
    chunk-i = XChaCha20-Poly1305(key, nonce-i, aad, 131,072 bytes of plaintext; the last: what is left)
    nonce-i = 19 zero bytes || u32 i || last                     ; last: 0, and 1 for chunk n-1
    aad     = "amanah/attachment/1" || message id

This is the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizar (CRYPTO 2015). Each key seals one stream
and nothing else, so its nonces need no random part. The place of a chunk and whether it is the last stand in its
nonce, the message in its additional data: a chunk that was moved, left out, repeated, taken from another message or
passed off as the end does not open. An empty plaintext is one chunk, as every other stream has a last one.
"""

from __future__ import annotations

from typing import Final

from amanah_protocol.crypto import KEY_BYTES, TAG_BYTES, long_aead_open, long_aead_seal
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.limits import ATTACHMENT_CHUNK_BYTES, MAX_ATTACHMENT_BYTES, SEALED_CHUNK_BYTES

_PURPOSE: Final = b"amanah/attachment/1"
_PREFIX: Final = bytes(19)
MESSAGE_ID_BYTES: Final = 16


def chunk_count(size: int) -> int:
    """Chunks of a plaintext of this many bytes.

    Raises:
        UsageError: `TOO_LARGE` for more than 2 GiB.
    """
    if not 0 <= size <= MAX_ATTACHMENT_BYTES:
        raise UsageError(Code.TOO_LARGE, f"an attachment has at most {MAX_ATTACHMENT_BYTES} bytes")
    return max(1, -(-size // ATTACHMENT_CHUNK_BYTES))


def sealed_bytes(size: int) -> int:
    """Length of the sealed form of a plaintext of this many bytes.

    Raises:
        UsageError: `TOO_LARGE` for more than 2 GiB.
    """
    return size + chunk_count(size) * TAG_BYTES


def chunk_bytes(size: int, index: int) -> int:
    """Plaintext bytes of one chunk.

    Args:
        size: Of the whole plaintext.
        index: Of the chunk, from 0.

    Raises:
        UsageError: `TOO_LARGE` for more than 2 GiB, `USAGE` for a chunk that there is not.
    """
    if not 0 <= index < chunk_count(size):
        raise UsageError(Code.USAGE, "an attachment of this size has no such chunk")
    return min(ATTACHMENT_CHUNK_BYTES, size - index * ATTACHMENT_CHUNK_BYTES)


def seal_chunk(key: bytes, message_id: bytes, size: int, index: int, plaintext: bytes) -> bytes:
    """Seal one chunk.

    Args:
        key: 32 random bytes, of this attachment alone: the same chunk is never sealed twice with other plaintext.
        message_id: The id that its message seals, 16 bytes.
        size: Of the whole plaintext.
        index: Of the chunk, from 0.
        plaintext: Its bytes.

    Raises:
        UsageError: `BAD_TYPE` for a key or id of another length, `TOO_LARGE` for bytes that are not the chunk's.
    """
    if len(plaintext) != chunk_bytes(size, index):
        raise UsageError(Code.TOO_LARGE, "these are not the bytes of this chunk")
    return long_aead_seal(key, _nonce(size, index), plaintext, _aad(key, message_id))


def open_chunk(key: bytes, message_id: bytes, size: int, index: int, sealed: bytes) -> bytes:
    """Open one chunk; arguments as `seal_chunk`, which say what the message says (attack 45).

    Raises:
        VerifyError: `OPEN`: it is another chunk, of another attachment or message, or was altered.
        UsageError: `BAD_TYPE`, `USAGE` or `TOO_LARGE` as above.
    """
    if len(sealed) != chunk_bytes(size, index) + TAG_BYTES:
        raise VerifyError(Code.OPEN, "a chunk of an attachment is of another length")
    return long_aead_open(key, _nonce(size, index), sealed, _aad(key, message_id))


def sealed_offset(index: int) -> int:
    """Where a chunk begins in the sealed form."""
    return index * SEALED_CHUNK_BYTES


def _nonce(size: int, index: int) -> bytes:
    return _PREFIX + index.to_bytes(4, "big") + bytes((index == chunk_count(size) - 1,))


def _aad(key: bytes, message_id: bytes) -> bytes:
    if len(key) != KEY_BYTES or len(message_id) != MESSAGE_ID_BYTES:
        raise UsageError(Code.BAD_TYPE, "an attachment has a key of 32 bytes and a message with an id of 16")
    return _PURPOSE + message_id
