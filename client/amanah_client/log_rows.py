"""What a client remembers of the log itself: how far it is verified, cosigned or contradicted, and rooms' custody."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from amanah_protocol.types import OrgName, RoomId


class LogView(msgspec.Struct, frozen=True, kw_only=True):
    """The newest checkpoint that was verified to continue all earlier ones."""

    size: int
    root: bytes
    checkpoint: bytes
    """The signed note."""
    seen_at_ms: int
    root_signature: bytes = b""
    """The relay's over its root, for COSE receipts; b"" where it gave none."""


class Quorum(StrEnum):
    """How it stands with the quorum of witnesses that the roster asks for."""

    SEEN = "seen"
    LATE = "late"
    """The log has grown since, and what was added is not cosigned in time."""
    MISSING = "missing"
    """No checkpoint with a quorum was ever seen here."""


class WitnessedRow(msgspec.Struct, frozen=True, kw_only=True):
    """The newest checkpoint on our line that a quorum of witnesses has cosigned.

    Attributes:
        size: Its size; 0 while none was seen.
        root: Its root; 32 zeros while none was seen.
        note: The signed note with the cosignatures; b"" while none was seen.
        cosignatures: (name of a witness in the roster, seconds of Unix time).
        witnesses: How many witnesses the roster names.
        state: Whether they are missed.
        since_ms: Since when it is so.
        root_signature: The relay's over its root, for COSE receipts; b"" where it gave none.
    """

    size: int
    root: bytes
    note: bytes
    cosignatures: tuple[tuple[str, int], ...]
    witnesses: int
    state: Quorum
    since_ms: int
    root_signature: bytes = b""


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One leaf of an auditor's copy: the entry where it is in scope, else its bare hash."""

    index: int
    hash: bytes
    entry: bytes | None
    document: bytes | None


class StampRow(msgspec.Struct, frozen=True, kw_only=True):
    """A time stamp on a published checkpoint, for the auditor's copy; not verified.

    Attributes:
        number: In the order in which the log's relay recorded them.
        size: Size of the checkpoint.
        authority: Who made it, as the relay says.
        note: The checkpoint as it was stamped, signed by the log.
        token: The time-stamp token.
    """

    number: int
    size: int
    authority: str
    note: bytes
    token: bytes


class ConflictRow(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence against the log: one `log.conflict.Conflict`, encoded as evidence of its own.

    Attributes:
        key: What it is told from others by: one contradiction, seen twice, is one.
        at_ms: When it was found first.
        evidence: `log.conflict.encode_evidence`.
    """

    key: bytes
    at_ms: int
    evidence: bytes


FLAWED: Final = 0
"""In place of a type: an entry of a custody chain that does not hold."""
LAPSED: Final = -1
"""In place of a type, in rows of an earlier version: a hold whose organisation the roster did not name.

Its signatures were never looked at: it counts as a hold that is not proven, and binds when the organisation is back.
"""


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """A time that an organisation spent in a room, by log index.

    Attributes:
        organisation: The organisation.
        since: Place of the entry that let its first device in.
        until: Place of the commit that removed its last one; None while it is in.
    """

    organisation: OrgName
    since: int
    until: int | None = None


class Nations(msgspec.Struct, frozen=True, kw_only=True):
    """Which organisations were in a room, as far as its record was followed.

    Attributes:
        times: Their times, in the order in which they began or ended last.
        index: Log index of the newest change that was followed; -1 for none.
    """

    times: tuple[Presence, ...] = ()
    index: int = -1

    def inside(self, index: int) -> frozenset[OrgName]:
        """Who was in at a place of the log: the same for all who followed it, whoever comes later."""
        return frozenset(
            one.organisation for one in self.times if one.since <= index and (one.until is None or index < one.until)
        )

    def sealed_for(self, present: Iterable[OrgName], index: int | None) -> tuple[OrgName, ...]:
        """Those of the nations in a room now for which an entry was sealed: who came later can read nothing of it.

        All of them where no times are known, as in a store from before they were kept, or not where the entry stands.

        Args:
            present: Who is in now.
            index: The entry's place in the log.
        """
        if index is None or not self.times:
            return tuple(present)
        then = self.inside(index)
        return tuple(nation for nation in present if nation in then)


class CustodyRow(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a room's custody chain.

    Attributes:
        room: The room.
        sequence: Its place in the chain.
        index: Its place in the log.
        type: `LeafType` as a number, `FLAWED` or `LAPSED`.
        accepted_at_ms: The relay's time.
        hash: Hash of its leaf.
        object: The leaf's object.
        document: The endorsed document beside it, or None.
        unproven: Whether this device does not know the roster that it was made under, and nobody is accused.
    """

    room: RoomId
    sequence: int
    index: int
    type: int
    accepted_at_ms: int
    hash: bytes
    object: bytes
    document: bytes | None
    unproven: bool = False
