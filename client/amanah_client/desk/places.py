"""Where things are on the desk: addresses behind its gate."""

from __future__ import annotations

from typing import Final

LIVE: Final = "/live"
"""The websocket."""
BRING: Final = "/bring/"
TAKE: Final = "/take/"
