"""Fuzz `decode_client_frame`: what a logged-in client sends."""

from __future__ import annotations

from typing import Final

from amanah_protocol import frames
from tests.fuzz.targets import known

SEEDS: Final = known("client_frame")


def run(data: bytes) -> None:
    """Decode; what was decoded survives its own encoding."""
    frame = frames.decode_client_frame(data)
    assert frames.decode_client_frame(frames.encode_frame(frame)) == frame
