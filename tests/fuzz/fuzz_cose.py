"""Fuzz `cose.decode` for every `typ`: what is accepted is of that one `typ`."""

from __future__ import annotations

from typing import Final

from amanah_protocol import cose
from amanah_protocol.cose import Typ
from amanah_protocol.errors import PeerError
from tests.fuzz.targets import known

SEEDS: Final = known("certificate", "request", "profile", "revocation", "endorsement", "control_head", "receipt")


def run(data: bytes) -> None:
    """Take apart, then try every purpose."""
    parts = cose.decode_sign1(data, max_bytes=1 << 16)
    assert parts.encode() == data
    accepted = []
    for typ in Typ:
        try:
            cose.decode(data, typ, max_bytes=1 << 16)
        except PeerError:
            continue
        accepted.append(typ)
    assert len(accepted) <= 1
