"""The room suites that exist, and the engine of each."""

from __future__ import annotations

from typing import Final

FLAT: Final = 0xF0FF
"""The first, plain engine: a fresh epoch secret sealed to every member on each commit."""

SUPPORTED: Final = (FLAT,)
"""Suites that a device of this version names in its certificate."""
