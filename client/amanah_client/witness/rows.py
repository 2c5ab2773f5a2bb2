"""The rows of a witness's memory, and what reads and writes them inside one transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from amanah_protocol.crypto import sha256
from amanah_protocol.log.checkpoint import Checkpoint
from amanah_protocol.log.note_keys import NoteVerifier, decode_vkey
from amanah_protocol.log.witnessing import Finding

MAX_KEPT: Final = 64
"""Checkpoints kept as evidence for each log and finding; what comes on top is counted."""

SCHEMA: Final = """
CREATE TABLE own (vkey TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE logs (origin TEXT, vkey TEXT, PRIMARY KEY (origin, vkey)) STRICT, WITHOUT ROWID;
CREATE TABLE newest (
    origin TEXT PRIMARY KEY, origin_hash TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, root BLOB NOT NULL,
    note BLOB NOT NULL, cosigned_at_s INTEGER NOT NULL
) STRICT;
CREATE TABLE evidence (
    origin TEXT, finding TEXT, size INTEGER, root BLOB, note BLOB NOT NULL, known BLOB NOT NULL,
    first_seen_s INTEGER NOT NULL, times INTEGER NOT NULL, PRIMARY KEY (origin, finding, size, root)
) STRICT;
CREATE TABLE beyond (origin TEXT, finding TEXT, times INTEGER NOT NULL, PRIMARY KEY (origin, finding)) STRICT;
PRAGMA user_version = 1;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The newest checkpoint that was cosigned for a log.

    Attributes:
        checkpoint: What it says.
        note: The signed note, with the log's signatures and this witness's.
        cosigned_at_s: When, seconds of Unix time.
    """

    checkpoint: Checkpoint
    note: bytes
    cosigned_at_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A checkpoint that its log signed, and that was refused.

    Attributes:
        finding: What it says about the log.
        checkpoint: What it says.
        note: The signed note, with the log's signatures.
        known: The note that it does not fit to, as it was cosigned.
        first_seen_s: When it came for the first time, seconds of Unix time.
        times: How often it came.
    """

    finding: Finding
    checkpoint: Checkpoint
    note: bytes
    known: bytes
    first_seen_s: int
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """All that is known of one log.

    Attributes:
        origin: Its origin.
        keys: Keys that are trusted for it.
        newest: What was cosigned last; None for nothing yet.
        evidence: What speaks against it, conflicts first.
        beyond: Finding -> how often something came for which there was no room any more.
    """

    origin: str
    keys: tuple[NoteVerifier, ...]
    newest: Newest | None
    evidence: tuple[Evidence, ...]
    beyond: dict[Finding, int]

    def count(self, finding: Finding) -> int:
        """How many checkpoints there are of a finding, kept or not."""
        return sum(item.finding is finding for item in self.evidence) + self.beyond.get(finding, 0)


class Transaction:
    """Reads and writes of one transaction, made by `State`."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def origins(self) -> list[str]:
        """The logs that are witnessed."""
        return [origin for (origin,) in self._connection.execute("SELECT DISTINCT origin FROM logs ORDER BY origin")]

    def keys(self, origin: str) -> tuple[NoteVerifier, ...]:
        """The keys that are trusted for a log; none for an unknown one."""
        rows = self._connection.execute("SELECT vkey FROM logs WHERE origin = ? ORDER BY vkey", (origin,))
        return tuple(decode_vkey(vkey) for (vkey,) in rows)

    def add_key(self, origin: str, key: NoteVerifier) -> None:
        """Trust a key for a log; it is not there yet."""
        self._connection.execute("INSERT INTO logs VALUES (?, ?)", (origin, key.vkey))

    def newest(self, origin: str) -> Newest | None:
        """What was cosigned last for a log."""
        row = self._connection.execute(
            "SELECT size, root, note, cosigned_at_s FROM newest WHERE origin = ?", (origin,)
        ).fetchone()
        if row is None:
            return None
        size, root, note, cosigned_at_s = row
        return Newest(
            checkpoint=Checkpoint(origin=origin, size=size, root=root), note=note, cosigned_at_s=cosigned_at_s
        )

    def put_newest(self, newest: Newest) -> None:
        """Remember what is cosigned now, in place of what was before.

        A checkpoint that came once without its proof, and has it now, is no evidence any more.
        """
        head = newest.checkpoint
        self._connection.execute(
            "INSERT OR REPLACE INTO newest VALUES (?, ?, ?, ?, ?, ?)",
            (head.origin, origin_hash(head.origin), head.size, head.root, newest.note, newest.cosigned_at_s),
        )
        self._connection.execute(
            "DELETE FROM evidence WHERE (origin, finding, size, root) = (?, ?, ?, ?)",
            (head.origin, Finding.UNPROVEN, head.size, head.root),
        )

    def put_evidence(self, evidence: Evidence) -> None:
        """Keep a checkpoint that speaks against its log; where there is no room for another, count it."""
        head = evidence.checkpoint
        key = (head.origin, evidence.finding, head.size, head.root)
        seen = self._connection.execute(
            "UPDATE evidence SET times = times + 1 WHERE (origin, finding, size, root) = (?, ?, ?, ?)", key
        ).rowcount
        if seen:
            return
        (kept,) = self._connection.execute(
            "SELECT count(*) FROM evidence WHERE (origin, finding) = (?, ?)", key[:2]
        ).fetchone()
        if kept < MAX_KEPT:
            values = (*key, evidence.note, evidence.known, evidence.first_seen_s, evidence.times)
            self._connection.execute("INSERT INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        else:
            self._connection.execute(
                "INSERT INTO beyond VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET times = times + 1", key[:2]
            )

    def log(self, origin: str) -> LogState:
        """All that is known of a log."""
        rows = self._connection.execute(
            "SELECT finding, size, root, note, known, first_seen_s, times FROM evidence WHERE origin = ?"
            " ORDER BY finding, first_seen_s, size",
            (origin,),
        )
        evidence = tuple(
            Evidence(
                finding=Finding(finding),
                checkpoint=Checkpoint(origin=origin, size=size, root=root),
                note=note,
                known=known,
                first_seen_s=first_seen_s,
                times=times,
            )
            for finding, size, root, note, known, first_seen_s, times in rows
        )
        beyond = self._connection.execute("SELECT finding, times FROM beyond WHERE origin = ?", (origin,))
        return LogState(
            origin=origin,
            keys=self.keys(origin),
            newest=self.newest(origin),
            evidence=evidence,
            beyond={Finding(finding): times for finding, times in beyond},
        )


def origin_hash(origin: str) -> str:
    """How an origin stands in the address of its newest checkpoint: SHA-256 in lower-case hex."""
    return sha256(origin.encode()).hex()
