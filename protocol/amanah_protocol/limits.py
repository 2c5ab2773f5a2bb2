"""Every bound on what a peer can send (threat model, section 5), in one place.

Rates are the relay's configuration (`amanah_relay.config`); these are the sizes and counts that
both sides check and that never depend on an operator.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

MAX_HEADER_BYTES: Final = 4 * KIB
MAX_ENVELOPE_BYTES: Final = MAX_HEADER_BYTES + 128
MAX_CONTENT_BYTES: Final = 192 * KIB
MAX_HANDSHAKE_BYTES: Final = 2 * MIB
"""Content of the kinds commit and welcome."""
MAX_TREE_BYTES: Final = 8 * MIB
STAGE_CHUNK_BYTES: Final = 128 * KIB
MAX_ATTACHMENT_BYTES: Final = 2 * 1024 * MIB
"""Of its plaintext."""
ATTACHMENT_CHUNK_BYTES: Final = 128 * KIB
"""Plaintext of a chunk."""
SEALED_CHUNK_BYTES: Final = ATTACHMENT_CHUNK_BYTES + 16
MAX_SEALED_BYTES: Final = MAX_ATTACHMENT_BYTES // ATTACHMENT_CHUNK_BYTES * SEALED_CHUNK_BYTES
MAX_FRAME_BYTES: Final = 256 * KIB
MAX_PRE_AUTH_FRAME_BYTES: Final = 4 * KIB
MAX_PLAINTEXT_BYTES: Final = 128 * KIB
SIZE_CLASSES: Final = (512, 2 * KIB, 8 * KIB, 32 * KIB, 128 * KIB)
"""Padded lengths of the sealed plaintext; the header names them 1 to 5, 0 is "none"."""

MAX_VOIDS: Final = 16
MAX_NAMED_DEVICES: Final = 96
"""Devices that one commit adds or removes, and addressees of one welcome or grant."""
MAX_MEMBERS: Final = 1_000
MAX_PUBLISH: Final = 16
"""Envelopes in one `publish`."""
MAX_PAGE: Final = 500
MAX_MEMBERSHIP: Final = 256
"""Entries of one answer about a room's membership."""
MAX_MEMBERSHIP_BYTES: Final = 192 * KIB
"""Envelopes of such an answer together, so that it fits a frame."""
MAX_ALERTS: Final = 100
MAX_ALERT_ORIGINAL_BYTES: Final = 64 * KIB
MAX_KEY_PACKAGES: Final = 100
MAX_KEY_PACKAGE_BYTES: Final = 16 * KIB
MAX_CONTROL_BYTES: Final = 32 * KIB
MAX_ROSTER_BYTES: Final = 1 * MIB
MAX_SIGNATURES: Final = 256
MAX_NAME_CHARS: Final = 253
MAX_TEXT_CHARS: Final = 1_024
MAX_VKEY_CHARS: Final = 2_048
"""A verifier key of ML-DSA-44 under the longest name."""

MAX_TOKEN_BYTES: Final = 16 * KIB
"""A time-stamp token with its certificates; most have 1 to 8 KiB."""

MAX_DEPTH: Final = 8
MAX_ITEMS: Final = 1_000
"""Entries of one map; arrays are bounded by `MAX_HEADS`."""
MAX_HEADS: Final = 32 * KIB
"""Items of one CBOR value, all levels together: the largest are rosters and receipts."""

MAX_FORWARD_GENERATIONS: Final = 1_000
MAX_SKIPPED_KEYS: Final = 32

CERTIFICATE_MS: Final = 90 * 86_400_000
ENROLMENT_MS: Final = 366 * 86_400_000
ROSTER_MS: Final = 366 * 86_400_000
GRANT_MS: Final = 366 * 86_400_000
MAX_GRANTED_ROOMS: Final = 64
"""Rooms that one audit grant or legal hold names."""
MAX_CUSTODY: Final = 256
"""Entries of one answer about a room's custody chain."""
MAX_CUSTODY_BYTES: Final = 4 * KIB
"""An audit grant or legal hold with its signatures."""
MAX_ERASED_PLACES: Final = 256
"""Places of a room that one statement of erasure names."""
KEY_PACKAGE_MS: Final = 84 * 86_400_000
KEY_PACKAGE_BACKDATE_MS: Final = 3_600_000
CLOCK_WINDOW_MS: Final = 600_000
CLOCK_REMARK_MS: Final = 120_000
HEAD_FRESHNESS_MS: Final = 86_400_000
HEAD_INTERVAL_MS: Final = 60_000
LOGIN_MS: Final = 10_000
STAGE_MS: Final = 60_000
DELIVERED_INTERVAL_MS: Final = 30_000
