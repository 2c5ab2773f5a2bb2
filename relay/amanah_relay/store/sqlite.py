"""SQLite: how a connection has to be so that "committed" means "survives a power cut".

Everything that is SQLite's own stands in this file; the statements elsewhere are portable.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, PoolProxiedConnection, Table, create_engine
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.pool import NullPool

from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_relay.store.failures import store_errors
from amanah_relay.store.schema import Cells

BUSY_TIMEOUT_MS: Final = 5_000
"""How long to wait for another process that holds the lock."""

_FULL: Final = 2
_PRIVATE: Final = 0o600
_SETTINGS: Final = (
    "journal_mode = WAL",
    # FULL syncs the WAL on each commit. NORMAL, the common advice for WAL, loses what was
    # acknowledged when the power is cut (measured: 500 of 500).
    "synchronous = FULL",
    "foreign_keys = ON",
    # Erased content is overwritten, not only unlinked.
    "secure_delete = ON",
    # Checkpoints run after a commit was answered, not inside one (`writer`).
    "wal_autocheckpoint = 0",
    "journal_size_limit = 67108864",
    "cache_size = -16384",
    "cell_size_check = ON",
    "trusted_schema = OFF",
)


class SqliteFile:
    """The file of a store, and what makes connections to it."""

    __slots__ = ("path",)

    def __init__(self, url: URL) -> None:
        """Take the path out of `sqlite:///PATH`.

        Raises:
            UsageError: `CONFIG` for a URL with options, or of a database in memory.
        """
        if not url.database or url.database == ":memory:" or url.query or url.host:
            raise UsageError(Code.CONFIG, "the store is named by a file: sqlite:///PATH")
        self.path = Path(url.database)

    def create(self) -> None:
        """Make an empty file that its owner alone may read, unless there is one."""
        with store_errors():
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE))
            sync_folder(self.path.parent)

    def check(self) -> None:
        """The file is there, private, and has one name.

        Raises:
            UsageError: `CONFIG`.
        """
        try:
            found = self.path.stat()
        except FileNotFoundError:
            raise UsageError(Code.CONFIG, f"no store at {self.path}; `amanah-relay init` makes one") from None
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise UsageError(Code.CONFIG, f"others may read {self.path}; `chmod 600` it")
        # By each name there would be another WAL ("How To Corrupt An SQLite Database File") and another lock.
        if found.st_nlink > 1:
            detail = f"{self.path} has another name as well, a hard link: by two names a store is damaged"
            hint = "Remove the other name (`find / -xdev -samefile`); a copy is made by `amanah-relay backup`."
            raise UsageError(Code.CONFIG, detail, hint=hint)

    def connect(self) -> sqlite3.Connection:
        """A durable connection; one thread at a time may use it.

        Raises:
            OperationalError: `STORE` when a setting does not hold, `DAMAGED` or `DISK_FULL`.
        """
        with store_errors():
            # mode=rw: a wrong path must not become an empty store.
            uri = f"file:{quote(str(self.path.absolute()))}?mode=rw"
            # isolation_level None: the driver begins no transactions by itself; the engine does.
            raw = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            try:
                # First: the settings themselves may have to wait.
                for setting in (f"busy_timeout = {BUSY_TIMEOUT_MS}", *_SETTINGS):
                    raw.execute(f"PRAGMA {setting}").close()
                check_durable(raw)
            except BaseException:
                raw.close()
                raise
            # A damaged text is found by its checksum; the driver must not fail on it first.
            raw.text_factory = _text
            return raw

    def engine(self, begin: str) -> Engine:
        """An engine whose transactions start with `begin`: `BEGIN`, or `BEGIN IMMEDIATE` to write.

        A transaction that reads first and writes later could otherwise fail half-way as busy.
        """
        engine = create_engine("sqlite+pysqlite://", creator=self.connect, poolclass=NullPool)

        def begin_explicitly(dbapi_connection: PoolProxiedConnection) -> None:
            dbapi_connection.cursor().execute(begin)

        # The engine's event `begin` would do as well, and slow every statement down by a sixth.
        engine.dialect.do_begin = begin_explicitly  # type: ignore[method-assign]  # the dialect is this engine's own
        return engine


def check_durable(raw: sqlite3.Connection) -> None:
    """The settings that durability rests on are in force: some file systems and builds ignore them.

    Raises:
        OperationalError: `STORE`.
    """
    journal, synchronous = _pragma(raw, "journal_mode"), _pragma(raw, "synchronous")
    if journal != "wal" or synchronous != _FULL or not _pragma(raw, "foreign_keys"):
        raise OperationalError(
            Code.STORE,
            f"the store would not survive a power cut here: journal_mode={journal}, synchronous={synchronous}",
        )


def checkpoint(raw: sqlite3.Connection, *, truncate: bool, wait_ms: int) -> bool:
    """Move the WAL into the database file and sync that.

    Args:
        raw: A connection outside any transaction.
        truncate: Empty the WAL too, which needs a moment without any reader.
        wait_ms: How long to wait for such a moment.

    Returns:
        Whether all of the WAL was moved (and emptied); False when a reader was in the way.
    """
    with store_errors():
        raw.execute(f"PRAGMA busy_timeout = {wait_ms}").close()
        try:
            mode = "TRUNCATE" if truncate else "PASSIVE"
            busy, frames, moved = raw.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        finally:
            raw.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}").close()
    return not busy and frames == moved


class PutMany:
    """Puts many rows: all columns of a table, whose values go to the driver as they are.

    `Connection.execute` looks every value of every row up by name first: a quarter of an append.
    """

    __slots__ = ("_cells", "_sql")

    def __init__(self, table: Table, replaced: Sequence[str] = ()) -> None:
        """Compile the statement.

        Args:
            table: Of these rows.
            replaced: The key by which a row that is there is set anew; without one it is an error.
        """
        statement = insert(table)
        if replaced:
            others = {column.name: statement.excluded[column.name] for column in table.columns}
            for name in replaced:
                del others[name]
            statement = statement.on_conflict_do_update(index_elements=list(replaced), set_=others)
        self._sql = str(statement.compile(dialect=sqlite.dialect()))
        self._cells = itemgetter(*(column.name for column in table.columns))

    def execute(self, connection: Connection, rows: Sequence[Cells]) -> None:
        """Put at least one row."""
        connection.exec_driver_sql(self._sql, [self._cells(row) for row in rows])


def insert_missing(table: Table) -> Insert:
    """Insert rows, passing over those that are there."""
    return insert(table).on_conflict_do_nothing()


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _pragma(raw: sqlite3.Connection, name: str) -> object:
    return raw.execute(f"PRAGMA {name}").fetchone()[0]


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
