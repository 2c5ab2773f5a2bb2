"""The encrypted file under the store: one connection, one transaction at a time, and typed errors."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final, Self

from sqlcipher3 import dbapi2 as sqlcipher

from amanah_client.store import migrate
from amanah_protocol.errors import Code, OperationalError, UsageError

_BUSY_S: Final = 10
_ROOM_BYTES: Final = 128 * 1024
"""What the files beside the database take at the least."""
_HARMLESS: Final = frozenset({
    "attempt to write a readonly database", "database is locked", "disk I/O error", "unable to open database file",
})  # fmt: skip
"""What SQLite says that quotes nothing which is stored."""


class Database:
    """An open SQLCipher file. Threads may share it and wait for each other."""

    def __init__(self, path: Path, key: bytes | None, steps: migrate.Steps) -> None:
        """Open the file, and bring its schema up to date.

        Args:
            path: The file; an empty one gets its tables.
            key: 32 bytes; None for one in memory alone.
            steps: What leads to the newest schema.

        Raises:
            UsageError: `PASSPHRASE` when the key is another's, `UNKNOWN_VERSION`.
            OperationalError: `STORE` or `DISK_FULL`.
        """
        self._path = path
        # There is one connection: a thread that read in between would end another's transaction.
        self._turn = Lock()
        with _typed_errors(path):
            self._connection = _connect(path, key)
            try:
                migrate.upgrade(self._connection, steps)
            except BaseException:
                self._connection.close()
                raise

    @classmethod
    def in_memory(cls, steps: migrate.Steps) -> Self:
        """A database that no disk ever sees, and that ends with its connection."""
        return cls(Path(":memory:"), None, steps)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlcipher.Connection]:
        """A transaction: durable when the block is left, or nothing of it when the block raises.

        Raises:
            OperationalError: `STORE` or `DISK_FULL`.
        """
        with self._turn, _typed_errors(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself where the disk failed it.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlcipher.Connection]:
        """For reading; a caller takes all rows of a query at once.

        A result that is left open would keep this connection at an old state of the file.

        Raises:
            OperationalError: `STORE`.
        """
        with self._turn, _typed_errors(self._path):
            yield self._connection


def _connect(path: Path, key: bytes | None) -> sqlcipher.Connection:
    connection = sqlcipher.connect(str(path), timeout=_BUSY_S, check_same_thread=False, isolation_level=None)
    try:
        connection.execute("PRAGMA cipher_log_level = NONE")
        if key is not None:
            connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _typed_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlcipher.Error as error:
        cause = str(error)
        if "not a database" in cause:
            raise UsageError(Code.PASSPHRASE, "the local store does not open with this profile's key") from error
        # SQLite says "disk I/O error" where it has no room for the files beside the database.
        if "full" in cause or _is_full(path.parent):
            raise OperationalError(Code.DISK_FULL, "the disk that holds the profile is full") from error
        said = cause if cause in _HARMLESS else type(error).__name__
        raise OperationalError(Code.STORE, f"the local store failed: {said}") from error


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _ROOM_BYTES
    except OSError:
        return False
