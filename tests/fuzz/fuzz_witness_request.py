"""Fuzz `decode_request` and `decide` (C2SP tlog-witness)."""

from __future__ import annotations

from typing import Final

from amanah_protocol.log.witnessing import Accepted, decide, decode_request, encode_request
from tests.fuzz.fuzz_note import SEEDS as NOTES
from tests.vectors import examples as x

SEEDS: Final = (
    encode_request(0, (), NOTES[0]),
    encode_request(3, (bytes(32), b"x" * 32), NOTES[1]),
    encode_request(0, (), NOTES[1]),
)


def run(data: bytes) -> None:
    """What is accepted has one form, and a witness that knows nothing cosigns no other checkpoint than it."""
    request = decode_request(data)
    assert encode_request(request.old_size, request.proof, request.note.encode()) == data
    found = decide(request, (x.LOG_SIGNER.verifier,), None)
    assert not isinstance(found, Accepted) or found.checkpoint.value == request.checkpoint
