"""Fuzz `decode_relay_frame`: what a relay sends."""

from __future__ import annotations

from typing import Final

from amanah_protocol import frames
from tests.fuzz.targets import known

SEEDS: Final = known("relay_frame")


def run(data: bytes) -> None:
    """Decode; what was decoded survives its own encoding."""
    frame = frames.decode_relay_frame(data)
    assert frames.decode_relay_frame(frames.encode_frame(frame)) == frame
