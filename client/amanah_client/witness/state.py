"""What a witness remembers, in one SQLite file.

Contract of `State.deciding`: what is read and what is written inside the block is one transaction that
holds the file's write lock from its first statement on (`BEGIN IMMEDIATE`), in whatever thread or
process. When the block is left, what it wrote survives a power cut (`synchronous = FULL`); when it
raises, nothing was written. So whoever answers after the block has never cosigned what was forgotten, and
two that decide at once are one after the other.

The journal is a write-ahead log: one flush for each commit, and `amanah witness status` reads beside it
without holding it up.

A state that is gone is not made anew: a witness without memory cosigns any history.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from amanah_client.keystore.durable import operational_errors
from amanah_client.witness.rows import SCHEMA, LogState, Transaction
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.log.checkpoint import Checkpoint
from amanah_protocol.log.note_keys import NoteVerifier, decode_vkey

MAX_LOGS: Final = 1_024
MAX_KEYS: Final = 8
"""Of one log."""

_VERSION: Final = 1
_BUSY_S: Final = 10
_ROOM_BYTES: Final = 128 * 1024
"""What the files beside the database take at the least."""
_GONE: Final = (
    "A witness that has forgotten what it cosigned may cosign another history. Make a new one under a new name in "
    "another folder, and have the old one taken out of rosters and policies."
)


class State:
    """An open state file; threads may share it and wait for each other.

    Attributes:
        own: The public keys of the witness.
    """

    def __init__(self, path: Path, own: Sequence[NoteVerifier] | None = None) -> None:
        """Open the state of a witness.

        Args:
            path: The file.
            own: The witness's own keys, by which a state is told from that of another witness; None for whoever
                cosigns nothing.

        Raises:
            UsageError: `NO_PROFILE` when there is no state, `CONFIG` when it is that of other keys,
                `UNKNOWN_VERSION`.
            OperationalError: `STORE` or `DISK_FULL`.
        """
        if not path.exists():
            raise UsageError(Code.NO_PROFILE, f"the witness's memory {path} is gone", hint=_GONE)
        self._path = path
        self._turn = Lock()
        with _typed_errors(path):
            self._connection = _connect(path)
            try:
                self.own = self._check(own)
            except BaseException:
                self._connection.close()
                raise

    @classmethod
    def create(cls, path: Path, own: Sequence[NoteVerifier]) -> State:
        """Make the state of a new witness, which has cosigned nothing; durable on return.

        Raises:
            UsageError: `USAGE` when there is one already.
            OperationalError: `STORE` or `DISK_FULL`.
        """
        with operational_errors(path):
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            except FileExistsError:
                raise UsageError(Code.USAGE, f"{path} is there already and is not overwritten") from None
        with _typed_errors(path), contextlib.closing(_connect(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA.split(";"):
                connection.execute(statement)
            connection.executemany("INSERT INTO own VALUES (?)", [(key.vkey,) for key in own])
            connection.execute("COMMIT")
        return cls(path, own)

    @contextlib.contextmanager
    def deciding(self) -> Iterator[Transaction]:
        """A transaction that holds the write lock; see the module's contract.

        Raises:
            OperationalError: `STORE` or `DISK_FULL`; what was written is durable or not at all, and nobody may
                be told which.
        """
        with self._turn, _typed_errors(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself where the disk failed it.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def logs(self) -> list[LogState]:
        """All that is known of each log, as of one moment.

        Raises:
            OperationalError: `STORE`.
        """
        with self._turn, _typed_errors(self._path):
            self._connection.execute("BEGIN")
            try:
                state = Transaction(self._connection)
                return [state.log(origin) for origin in state.origins()]
            finally:
                self._connection.execute("ROLLBACK")

    def newest_note(self, wanted: str) -> bytes | None:
        """The newest cosigned checkpoint of the log whose origin has this hash; None for none.

        Raises:
            OperationalError: `STORE`.
        """
        with self._turn, _typed_errors(self._path):
            row = self._connection.execute("SELECT note FROM newest WHERE origin_hash = ?", (wanted,)).fetchone()
        return None if row is None else bytes(row[0])

    def add_log(self, origin: str, key: NoteVerifier) -> bool:
        """Trust a key for a log from now on; False when it is trusted already.

        Raises:
            UsageError: `USAGE` for one of this witness's own keys, for a key that another of the log cannot be told
                from, and for too many; `MALFORMED` for what is no origin.
            OperationalError: `STORE` or `DISK_FULL`.
        """
        Checkpoint(origin=origin, size=1, root=bytes(32))
        if any(key.public == own.public for own in self.own):
            # Its cosignature would then count as the log's own signature.
            raise UsageError(Code.USAGE, "a witness's own key is not the key of a log")
        with self.deciding() as state:
            keys, origins = state.keys(origin), state.origins()
            if key in keys:
                return False
            if any((key.name, key.key_id) == (known.name, known.key_id) for known in keys):
                raise UsageError(Code.USAGE, f"another key of {origin} has this name and key id")
            if len(keys) == MAX_KEYS or (not keys and len(origins) == MAX_LOGS):
                raise UsageError(Code.USAGE, f"at most {MAX_LOGS} logs are witnessed, with {MAX_KEYS} keys each")
            state.add_key(origin, key)
        return True

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _check(self, wanted: Sequence[NoteVerifier] | None) -> tuple[NoteVerifier, ...]:
        """The keys that the state was made with."""
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise UsageError(Code.UNKNOWN_VERSION, f"a newer version of this program wrote {self._path}")
        if version != _VERSION:
            raise UsageError(Code.NO_PROFILE, f"the witness's memory {self._path} is empty", hint=_GONE)
        own = tuple(decode_vkey(vkey) for (vkey,) in self._connection.execute("SELECT vkey FROM own"))
        if wanted is not None and set(own) != set(wanted):
            hint = "Put each state back beside the keys it was made with; do not copy one over another."
            raise UsageError(Code.CONFIG, f"{self._path} is the memory of a witness with other keys", hint=hint)
        return tuple(sorted(own, key=lambda key: key.kind))


def _connect(path: Path) -> sqlite3.Connection:
    # Not created here: a state that is gone must not come back empty.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_S, check_same_thread=False, isolation_level=None
    )
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("PRAGMA synchronous = FULL")
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
        _check_safe(path, mode, synchronous)
        connection.execute("PRAGMA trusted_schema = OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_safe(path: Path, mode: str, synchronous: int) -> None:
    if (mode, synchronous) != ("wal", 2):
        raise OperationalError(Code.STORE, f"{path}: what is written at this place does not survive a power cut")


@contextlib.contextmanager
def _typed_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        # SQLite says "disk I/O error" where it has no room for the files beside the database.
        if "full" in str(error) or _is_full(path.parent):
            raise OperationalError(Code.DISK_FULL, f"the disk that holds {path} is full") from error
        raise OperationalError(Code.STORE, f"{path}: {error}") from error


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _ROOM_BYTES
    except OSError:
        return False
