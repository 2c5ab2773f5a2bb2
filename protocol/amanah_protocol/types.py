"""Names for what would otherwise all be `bytes` or `int`.

All identifiers are raw bytes of fixed length; `hex()` is their form for people and JSON.
"""

from __future__ import annotations

from typing import Final, NewType

RoomId = NewType("RoomId", bytes)
"""16 bytes: first half of SHA-256 over the room's creation (`rooms.derive_room_id`)."""

DeviceId = NewType("DeviceId", bytes)
"""32 bytes: SHA-256 of the device's raw Ed25519 public key."""

KeyId = NewType("KeyId", bytes)
"""32 bytes: SHA-256 of any other raw Ed25519 public key (root, enrolment, relay)."""

EnvelopeId = NewType("EnvelopeId", bytes)
"""32 bytes: SHA-256 of the envelope's Sig_structure."""

PersonId = NewType("PersonId", bytes)
"""16 random bytes: the pseudonymous subject of a certificate."""

GrantId = NewType("GrantId", bytes)
"""16 random bytes: an audit grant; its end carries the same."""

HoldId = NewType("HoldId", bytes)
"""16 random bytes: a legal hold; its release carries the same."""

OrgName = NewType("OrgName", str)
"""DNS name of an organisation, lower case ASCII (`cert.example.tn`)."""

LeafHash = NewType("LeafHash", bytes)
"""32 bytes: RFC 9162 hash of a log entry."""

Milliseconds = int
"""Unix time in milliseconds, UTC."""

ZERO_16: Final = bytes(16)
ZERO_32: Final = bytes(32)
CONTROL: Final = RoomId(ZERO_16)
"""The control stream stands in log leaves under this reserved room id."""
