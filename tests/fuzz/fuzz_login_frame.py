"""Fuzz `decode_login_frame`: what anybody may send before login."""

from __future__ import annotations

from typing import Final

from amanah_protocol import frames
from tests.fuzz.targets import known

SEEDS: Final = known("client_frame")[:2]


def run(data: bytes) -> None:
    """Decode; what was decoded survives its own encoding."""
    frame = frames.decode_login_frame(data)
    assert frames.decode_login_frame(frames.encode_frame(frame)) == frame
