"""When leaves existed, by the clocks of witnesses (`docs/protocol.md` section 12, "Times").

A checkpoint that was cosigned bounds the leaves on both sides of it: those under it existed *not after*
its cosignatures, those behind it had been shown to no witness *not before* them. Up to a third of the
witnesses may lie, so neither the first nor the last time of a checkpoint is believed alone.

The bounds are a table of checkpoints; which leaves lie outside of theirs is one pass over the times that
the relay gave, from the first leaf on whose bounds are new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgspec
from sqlcipher3 import dbapi2 as sqlcipher

from amanah_client.audit.report import Findings
from amanah_client.store.copy import AuditCopy
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.limits import CLOCK_REMARK_MS
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint
from amanah_protocol.log.merkle import Frontier, node_hash
from amanah_protocol.log.policy import Policy

_PUT_BOUND: Final = "INSERT OR REPLACE INTO bound VALUES (?, ?, ?, ?)"
_OUTSIDE: Final = """
    INSERT OR REPLACE INTO misdated SELECT "index", accepted_ms, ? FROM accepted
    WHERE "index" >= ? AND "index" < ? AND accepted_ms """
_SETTLED: Final = "settled"


class Published(NamedTuple):
    """A published checkpoint that is to be held against the rows.

    Attributes:
        checkpoint: What it says.
        note: As signed.
        digest: SHA-256 of the note: one that was held against them before is not again.
    """

    checkpoint: Checkpoint
    note: bytes
    digest: bytes


class Timeline:
    """Published checkpoints, ascending, while leaves are examined."""

    def __init__(
        self, notes: Iterable[bytes], head: bytes, policy: Policy, copy: AuditCopy, findings: Findings
    ) -> None:
        """Begin before the first.

        Args:
            notes: Signed notes, ascending by size; those that are not smaller than the head are passed over.
            head: The checkpoint that the rows lead to, last of all.
            policy: Whose signatures count; no quorum is asked for, every witness has its own clock.
            copy: Where the bounds are kept.
            findings: What is said of checkpoints.
        """
        self._policy = replace(policy, quorum=None)
        self._copy = copy
        self._findings = findings
        self._head = decode_checkpoint(head)[0]
        self._ahead = self._decoded(notes, head)
        self._first_new: int | None = None
        self._fresh: list[tuple[int, bytes, int | None, int | None]] = []
        self._next: Published | None = next(self._ahead, None)

    @property
    def wanted(self) -> int:
        """The size at which `reached` is to be told the root; -1 for none."""
        return -1 if self._next is None else self._next.checkpoint.size

    def pass_examined(self, size: int) -> None:
        """Take in what lies inside of leaves that were examined before: what is new there is held against the copy."""
        while self._next is not None and self._next.checkpoint.size <= size:
            published = self._next
            known = self._select("SELECT note FROM bound WHERE size = ?", published.checkpoint.size)
            if known and known[0][0] == published.digest:
                self._next = next(self._ahead, None)
            else:
                self.reached(prefix_root(self._copy, published.checkpoint.size))

    def reached(self, root: bytes) -> None:
        """The leaves are those of the next checkpoint's size, and have this root."""
        published = self._next
        assert published is not None  # noqa: S101 - narrows for mypy: `wanted` named it
        self._next = next(self._ahead, None)
        checkpoint = published.checkpoint
        try:
            witnessed = self._policy.verify_note(published.note)
            if checkpoint.root != root:
                raise VerifyError(Code.PROOF, "the leaves do not lead to its root")
        except PeerError as error:
            # Of the head itself the examination says so.
            if checkpoint.size < self._head.size:
                text = f"the checkpoint of size {checkpoint.size} does not hold: {error.detail}"
                self._findings.fault(None, error.code, text)
            return
        earliest, latest = bounds_of(self._policy, witnessed.cosignatures) or (None, None)
        self._fresh.append((checkpoint.size, published.digest, earliest, latest))
        if self._first_new is None:
            self._first_new = checkpoint.size

    def settle(self, size: int) -> None:
        """Write the bounds, and which of the leaves lie outside of theirs.

        Args:
            size: Leaves that were examined.

        Raises:
            OperationalError: `STORE` or `DISK_FULL`.
        """
        with self._copy.writing() as connection:
            connection.executemany(_PUT_BOUND, self._fresh)
            row = connection.execute("SELECT data FROM progress WHERE name = ?", (_SETTLED,)).fetchone()
            since: int = 0 if row is None else msgspec.msgpack.decode(row[0], type=int)
            if self._first_new is not None:
                before = "SELECT coalesce(max(size), 0) FROM bound WHERE size < ? AND latest_ms IS NOT NULL"
                since = min(since, *connection.execute(before, (self._first_new,)).fetchone())
            connection.execute('DELETE FROM misdated WHERE "index" >= ?', (since,))
            query = (
                "SELECT size, earliest_ms, latest_ms FROM bound WHERE latest_ms IS NOT NULL AND size >= ? ORDER BY size"
            )
            low, earliest = since, None
            for high, its_earliest, latest in connection.execute(query, (since,)).fetchall():
                _put_misdated(connection, low, high, earliest, latest)
                low, earliest = high, its_earliest
            _put_misdated(connection, low, size, earliest, None)
            settled = msgspec.msgpack.encode(low)
            connection.execute("INSERT OR REPLACE INTO progress (name, data) VALUES (?, ?)", (_SETTLED, settled))
        self._fresh, self._first_new = [], None
        self._say_unbounded(size)

    def _say_unbounded(self, size: int) -> None:
        ((newest,),) = self._select("SELECT max(size) FROM bound WHERE latest_ms IS NOT NULL")
        if newest is None:
            text = "no witness has dated this record: of its times there is the word of senders and of the relay alone"
        elif newest < size:
            text = (
                f"no witness has dated the leaves from {newest} on: when they existed at the latest is the relay's word"
            )
        else:
            return
        self._findings.remark(None, Code.CLOCK, text)

    def _decoded(self, notes: Iterable[bytes], head: bytes) -> Iterator[Published]:
        last = self._head
        for note in notes:
            try:
                checkpoint = decode_checkpoint(note)[0]
            except PeerError as error:
                self._findings.fault(None, error.code, f"a published checkpoint does not parse: {error.detail}")
                continue
            if checkpoint.size < last.size:
                yield Published(checkpoint, note, sha256(note))
        if last.size:
            yield Published(last, head, sha256(head))

    def _select(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._copy.reading() as connection:
            found: list[tuple[Any, ...]] = connection.execute(query, values).fetchall()
        return found


def _put_misdated(
    connection: sqlcipher.Connection, low: int, high: int, earliest: int | None, latest: int | None
) -> None:
    """Find what was accepted, as the relay says, outside of the bounds of some leaves (attack 40)."""
    if latest is not None:
        connection.execute(_OUTSIDE + "> ?", (latest, low, high, latest + CLOCK_REMARK_MS))
    if earliest is not None:
        connection.execute(_OUTSIDE + "< ?", (earliest, low, high, earliest - CLOCK_REMARK_MS))


def bounds_of(policy: Policy, cosignatures: Iterable[tuple[str, int]]) -> tuple[int, int] | None:
    """What the cosignatures of one checkpoint say of time; None without any.

    Args:
        policy: Names witnesses. Two keys of one witness, a group of `any` of them, are one witness.
        cosignatures: (name in the policy, seconds of Unix time).

    Returns:
        (earliest, latest) in milliseconds: what follows the checkpoint was shown to no witness before the
        first, and what it covers existed at the second.
    """
    party = {
        member: name
        for name, group in policy.groups.items()
        if group.threshold == 1 and all(member in policy.witnesses for member in group.members)
        for member in group.members
    }
    times: defaultdict[str, list[int]] = defaultdict(list)
    for name, time_s in cosignatures:
        times[party.get(name, name)].append(time_s * 1000)
    if not times:
        return None
    liars = (len(times) - 1) // 3
    latest = sorted(map(min, times.values()))[liars]
    earliest = sorted(map(max, times.values()), reverse=True)[liars]
    return earliest, latest


def prefix_root(copy: AuditCopy, size: int) -> bytes:
    """The root of the first leaves of a copy, from the subtrees that were kept and the leaves between them."""

    def read(level: int, place: int) -> bytes:
        with copy.reading() as connection:
            if not level:
                (leaf,) = connection.execute('SELECT hash FROM leaf WHERE "index" = ?', (place,)).fetchone()
                return bytes(leaf)
            query = "SELECT root FROM node WHERE level = ? AND place = ?"
            found = connection.execute(query, (level, place)).fetchone()
        if found is not None:
            return bytes(found[0])
        return node_hash(read(level - 1, 2 * place), read(level - 1, 2 * place + 1))

    return Frontier.load(read, size).root()
