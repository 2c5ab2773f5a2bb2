"""Fuzz `decode_proof` (C2SP tlog-proof)."""

from __future__ import annotations

from typing import Final

from amanah_protocol.log.proof_file import LogProof, decode_proof, encode_proof
from tests.fuzz.fuzz_note import SEEDS as NOTES

SEEDS: Final = (
    encode_proof(LogProof(index=3, path=(bytes(32), b"x" * 32, bytes(32)), checkpoint=NOTES[1])),
    encode_proof(LogProof(index=0, path=(), checkpoint=NOTES[1], extra=b"extra")),
)


def run(data: bytes) -> None:
    """What is accepted has one form."""
    assert encode_proof(decode_proof(data)) == data
