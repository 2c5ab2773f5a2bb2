"""The process beside the relay that verifies signatures: `python -m amanah_relay.verification`.

Standard input: for each question its number and its length (4 bytes each, big-endian), then a MessagePack
array of claims. Standard output: `READY`, then for each question its number, the number of its claims, and
one byte for each claim, 1 where it holds. It ends with its input.
"""

from __future__ import annotations

import signal
import struct
import sys
from collections.abc import Sequence
from typing import BinaryIO, Final

import msgspec

from amanah_protocol.crypto import SignatureClaim

READY: Final = b"+"

_HEAD: Final = struct.Struct(">II")
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[SignatureClaim])


def encode(number: int, claims: Sequence[SignatureClaim]) -> bytes:
    """A question."""
    body = _encoder.encode(claims)
    return _HEAD.pack(number, len(body)) + body


def take(answers: bytearray, number: int, count: int) -> tuple[bool, ...] | None:
    """Take the answer to a question off the front; None while it is not whole.

    Raises:
        ValueError: What is there is no answer to this question.
    """
    head = _HEAD.pack(number, count)
    if not head.startswith(answers[: len(head)]) or any(byte > 1 for byte in answers[len(head) : len(head) + count]):
        raise ValueError("another answer than was asked for")
    if len(answers) < len(head) + count:
        return None
    holds = tuple(map(bool, answers[len(head) : len(head) + count]))
    del answers[: len(head) + count]
    return holds


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the questions end."""
    answers.write(READY)
    answers.flush()
    while len(head := questions.read(_HEAD.size)) == _HEAD.size:
        number, length = _HEAD.unpack(head)
        holds = bytes(claim.holds for claim in _decoder.decode(questions.read(length)))
        answers.write(_HEAD.pack(number, len(holds)) + holds)
        answers.flush()


if __name__ == "__main__":
    # Both reach the whole group. The relay still needs answers while it stops, and closes our input then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)
