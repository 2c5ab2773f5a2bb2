"""Fuzz `decode_reply`: what an organisation hands back to a device."""

from __future__ import annotations

from typing import Final

from amanah_protocol.cards import Reply, decode_reply

SEEDS: Final = (Reply(certificate=b"c", enrolment=b"e", profile=b"p", roster=b"r").encode(),)


def run(data: bytes) -> None:
    """What is accepted has one form."""
    assert decode_reply(data).encode() == data
