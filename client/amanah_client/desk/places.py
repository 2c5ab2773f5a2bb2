"""Where things are on the desk, behind its gate, and how much may come there."""

from __future__ import annotations

from typing import Final

from amanah_protocol.content.text import MAX_CHARS

LIVE: Final = "/live"
"""The websocket."""
MAX_FRAME_BYTES: Final = 6 * MAX_CHARS
"""Of a frame there: the longest text as JSON may have it."""
BRING: Final = "/bring/"
TAKE: Final = "/take/"
