"""The process beside the relay that verifies signatures: `python -m amanah_relay.verification`.

Standard input: the length (4 bytes, big-endian) of a MessagePack array of claims, then the array;
again and again. Standard output: `READY`, then one byte for each claim, in order. It ends with its input.
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
HOLDS: Final = 1

_LENGTH: Final = struct.Struct(">I")
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[SignatureClaim])


def encode(claims: Sequence[SignatureClaim]) -> bytes:
    """What the process reads."""
    body = _encoder.encode(claims)
    return _LENGTH.pack(len(body)) + body


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the questions end."""
    answers.write(READY)
    answers.flush()
    while len(head := questions.read(_LENGTH.size)) == _LENGTH.size:
        body = questions.read(*_LENGTH.unpack(head))
        answers.write(bytes(claim.holds for claim in _decoder.decode(body)))
        answers.flush()


if __name__ == "__main__":
    # Both reach the whole group. The relay still needs answers while it stops, and closes our input then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)
