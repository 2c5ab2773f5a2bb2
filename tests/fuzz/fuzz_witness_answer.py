"""Fuzz `decode_answer` and `decode_size` (C2SP tlog-witness)."""

from __future__ import annotations

from typing import Final

from amanah_protocol.errors import PeerError
from amanah_protocol.log.checkpoint import Checkpoint, encode_body
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.log.witnessing import decode_answer, decode_size, encode_answer, encode_size
from tests.vectors import examples as x

_WITNESS: Final = NoteSigner(name="witness.example", key=x.key("witness"), kind=SignatureType.COSIGNATURE)
_TEXT: Final = encode_body(Checkpoint(origin=x.ORIGIN, size=7, root=bytes(32)))
_LINES: Final = tuple(_WITNESS.sign(_TEXT, time_s=time_s) for time_s in (1, 2**40))

SEEDS: Final = (encode_answer(_LINES), encode_answer(_LINES[:1]), encode_size(0), encode_size(20_852_014))


def run(data: bytes) -> None:
    """What is accepted has one form: lines, or a size."""
    try:
        assert encode_size(decode_size(data)) == data
    except PeerError:
        assert encode_answer(decode_answer(data)) == data
