"""The room suites that exist (`protocol.md` section 5)."""

from __future__ import annotations

from typing import Final

POST_QUANTUM: Final = 0xF001
"""X-Wing, AES-128-GCM, SHA-256, Ed25519. Experimental: the number is a private one until one is assigned."""

CLASSICAL: Final = 0x0003
"""X25519, ChaCha20-Poly1305, SHA-256, Ed25519."""

SUPPORTED: Final = (CLASSICAL, POST_QUANTUM)
"""Suites that a device of this version names in its certificate, ascending."""
