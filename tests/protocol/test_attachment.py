"""Attachments in chunks: what was sealed opens; what was moved, cut, repeated or taken from elsewhere does not."""

from __future__ import annotations

import json
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amanah_protocol import attachment as a
from amanah_protocol import limits
from amanah_protocol.content.file import File
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.crypto import TAG_BYTES, long_aead_open, long_aead_seal, sha256
from amanah_protocol.errors import Code, UsageError, VerifyError
from tests.fuzz.targets import VECTORS
from tests.protocol.refusal import refused

KEY: Final = bytes(range(32))
MESSAGE: Final = bytes(range(16))
CHUNK: Final = limits.ATTACHMENT_CHUNK_BYTES


def plaintext(size: int) -> bytes:
    """Bytes that differ from chunk to chunk."""
    return b"".join(sha256(b"%d" % block) for block in range(-(-size // 32)))[:size]


def sealed(data: bytes, key: bytes = KEY, message: bytes = MESSAGE) -> list[bytes]:
    """Its chunks."""
    size = len(data)
    return [
        a.seal_chunk(key, message, size, index, data[index * CHUNK : (index + 1) * CHUNK])
        for index in range(a.chunk_count(size))
    ]


def opened(chunks: list[bytes], size: int) -> bytes:
    """What a receiver gets who was promised so many bytes."""
    return b"".join(a.open_chunk(KEY, MESSAGE, size, index, chunks[index]) for index in range(a.chunk_count(size)))


SIZES = st.sampled_from([0, 1, 16, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7, 3 * CHUNK])


@given(SIZES)
def test_what_was_sealed_opens_and_has_the_length_that_was_said(size: int) -> None:
    data = plaintext(size)
    chunks = sealed(data)
    assert opened(chunks, size) == data
    assert len(b"".join(chunks)) == a.sealed_bytes(size)
    whole = b"".join(chunks)
    for index, chunk in enumerate(chunks):
        begin = a.sealed_offset(index)
        assert whole[begin : begin + limits.SEALED_CHUNK_BYTES] == chunk
        assert len(chunk) == a.chunk_bytes(size, index) + TAG_BYTES


@given(st.integers(0, limits.MAX_ATTACHMENT_BYTES))
@example(limits.MAX_ATTACHMENT_BYTES)
def test_the_lengths_of_chunks_add_up_for_every_size(size: int) -> None:
    count = a.chunk_count(size)
    full = CHUNK * (count - 1)
    assert a.chunk_bytes(size, count - 1) == size - full
    assert (0 < size - full <= CHUNK) or (size, count) == (0, 1)
    assert a.sealed_bytes(size) == a.sealed_offset(count - 1) + a.chunk_bytes(size, count - 1) + TAG_BYTES
    assert a.sealed_bytes(size) <= limits.MAX_SEALED_BYTES


@given(st.data())
def test_a_chunk_opens_in_its_own_place_of_its_own_attachment_alone(data: st.DataObject) -> None:
    """Any other index, size, key or message, and any bit."""
    size = data.draw(SIZES.filter(lambda one: one > 0))
    index = data.draw(st.integers(0, a.chunk_count(size) - 1))
    chunk = sealed(plaintext(size))[index]
    key, message = KEY, MESSAGE
    what = data.draw(st.sampled_from(["bit", "key", "message", "index", "size"]))
    if what == "bit":
        bit = data.draw(st.integers(0, 8 * len(chunk) - 1))
        changed = bytearray(chunk)
        changed[bit // 8] ^= 1 << bit % 8
        chunk = bytes(changed)
    elif what == "key":
        key = data.draw(st.binary(min_size=32, max_size=32).filter(lambda one: one != KEY))
    elif what == "message":
        message = data.draw(st.binary(min_size=16, max_size=16).filter(lambda one: one != MESSAGE))
    else:
        # Where all chunks are full only the nonce tells them apart.
        size, index = 3 * CHUNK, 1
        chunk = sealed(plaintext(size))[index]
        if what == "index":
            index = data.draw(st.sampled_from([0, 2]))
        else:
            size = 2 * CHUNK  # the second of three, passed off as the last of two
    with refused(Code.OPEN, VerifyError):
        a.open_chunk(key, message, size, index, chunk)


@pytest.mark.parametrize("size", [CHUNK, CHUNK + 5, 2 * CHUNK])
def test_a_prefix_is_never_the_whole(size: int) -> None:
    """Cut at each border of a chunk, under each size that such a prefix could be promised for."""
    chunks = sealed(plaintext(size))
    for kept in range(1, len(chunks)):
        with refused(Code.OPEN, VerifyError):
            opened(chunks[:kept], kept * CHUNK)
    with refused(Code.OPEN, VerifyError):
        opened([chunks[0], *chunks], size + CHUNK)  # and a chunk more is not a longer one


def test_a_chunk_of_another_length_is_refused_before_it_is_opened() -> None:
    chunk = sealed(plaintext(40))[0]
    for other in (chunk[:-1], chunk + b"\0", chunk[:TAG_BYTES], b""):
        with refused(Code.OPEN, VerifyError):
            a.open_chunk(KEY, MESSAGE, 40, 0, other)


def test_what_cannot_be_is_refused_when_it_is_asked_for() -> None:
    with refused(Code.TOO_LARGE, UsageError):
        a.chunk_count(limits.MAX_ATTACHMENT_BYTES + 1)
    with refused(Code.TOO_LARGE, UsageError):
        a.chunk_count(-1)
    with refused(Code.USAGE, UsageError):
        a.chunk_bytes(5, 1)
    with refused(Code.TOO_LARGE, UsageError):
        a.seal_chunk(KEY, MESSAGE, 5, 0, b"four")
    for key, message in ((KEY[1:], MESSAGE), (KEY, MESSAGE[1:])):
        with refused(Code.BAD_TYPE, UsageError):
            a.seal_chunk(key, message, 1, 0, b"a")
        with refused(Code.BAD_TYPE, UsageError):
            a.open_chunk(key, message, 1, 0, bytes(17))


def test_the_known_attachment_opens_with_what_its_message_says() -> None:
    answers = json.loads(VECTORS.read_text(encoding="utf-8"))["answers"]
    known = next(answer for answer in answers if answer["name"] == "content: a file")
    content = decode_content(bytes.fromhex(known["hex"]))
    file, whole = content.body, bytes.fromhex(known["attachment"])
    assert isinstance(file, File)
    assert sha256(whole) == file.attachment
    assert len(whole) == file.sealed_size
    data = a.open_chunk(file.key, content.message_id, file.size, 0, whole)
    assert (len(data), sha256(data)) == (file.size, file.digest)


def test_the_aead_with_long_nonces_is_the_published_one() -> None:
    """The vector of draft-irtf-cfrg-xchacha-03, appendix A.3.1."""
    words = (
        "Ladies and Gentlemen of the class of '99: "
        "If I could offer you only one tip for the future, sunscreen would be it."
    )
    key = bytes(range(0x80, 0xA0))
    nonce = bytes(range(0x40, 0x58))
    aad = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    made = long_aead_seal(key, nonce, words.encode(), aad)
    assert made[-16:].hex() == "c0875924c1c7987947deafd8780acf49"
    assert long_aead_open(key, nonce, made, aad) == words.encode()
    for short in (made[:15], b""):
        with refused(Code.OPEN, VerifyError):
            long_aead_open(key, nonce, short, aad)
    with refused(Code.OPEN, VerifyError):
        long_aead_open(key, nonce, made, aad + b"\0")
