"""Fuzz `decode_vkey`: verifier keys stand in rosters and policies."""

from __future__ import annotations

from typing import Final

from amanah_protocol.log.mldsa import mldsa44_public
from amanah_protocol.log.note_keys import NoteVerifier, SignatureType, decode_vkey
from tests.vectors import examples as x

_ML_DSA: Final = NoteVerifier(name="witness", public=mldsa44_public(bytes(32)), kind=SignatureType.ML_DSA_44)
SEEDS: Final = (x.LOG_SIGNER.verifier.vkey.encode(), _ML_DSA.vkey.encode())


def run(data: bytes) -> None:
    """What is accepted has one form."""
    text = data.decode("utf-8", "replace")
    assert decode_vkey(text).vkey == text
