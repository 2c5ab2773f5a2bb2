"""Fuzz `decode_bundle` (C2SP tlog-tiles entry bundles); the first byte gives the width."""

from __future__ import annotations

from typing import Final

from amanah_protocol.log.tiles import decode_bundle, encode_bundle

SEEDS: Final = (b"\x01" + encode_bundle((b"one", b"two")), b"\x00" + encode_bundle((b"",)))


def run(data: bytes) -> None:
    """What is accepted has one form."""
    entries = decode_bundle(data[1:], (data[0] if data else 0) + 1)
    assert encode_bundle(entries) == data[1:]
