"""The auditor's copy of the log: a database of its own beside the profile's store, under the same key.

It holds leaves as they came, published checkpoints, and in further tables what an examination of the
leaves made of them (`amanah_client.audit.register`). It can be forgotten as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlcipher3 import dbapi2 as sqlcipher

from amanah_client.keystore.durable import operational_errors
from amanah_client.log_rows import AuditRow, StampRow
from amanah_client.store.copy_schema import ASKED, REGISTER, STEPS
from amanah_client.store.database import Database

_FILE_MODE: Final = 0o600
_COLUMNS: Final = 'SELECT "index", hash, entry, document FROM leaf'
_PUT: Final = 'INSERT INTO leaf ("index", hash, entry, document) VALUES (?, ?, ?, ?)'
_PUT_ALONE: Final = 'INSERT INTO leaf ("index", hash, entry) VALUES (?, ?, ?)'
_PAGE: Final = 2_000
_SETTLED: Final = "settled"
_CACHE_KIB: Final = 64 * 1024
_PUT_STAMP: Final = "INSERT INTO stamp (own, number, size, authority, token) VALUES (?, ?, ?, ?, ?)"
_GROW_CHECKPOINT: Final = """
    INSERT INTO checkpoint (size, note) VALUES (?, ?) ON CONFLICT (size) DO UPDATE SET note = excluded.note
    WHERE length(excluded.note) > length(note) AND substr(excluded.note, 1, length(note)) = note"""


class AuditCopy:
    """A copy, open. Synchronous; threads may share it and wait for each other."""

    def __init__(self, database: Database) -> None:
        """Use `open` or `in_memory`."""
        self._database = database
        # Each page that is read again is decrypted and authenticated again: what fits into memory is not.
        with database.reading() as connection:
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")

    @classmethod
    def open(cls, path: Path, key: bytes) -> AuditCopy:
        """Open the file, and make it if it is not there.

        Raises:
            UsageError: `PASSPHRASE` when the key is another's; `UNKNOWN_VERSION`.
            OperationalError: `STORE` or `DISK_FULL`.
        """
        with operational_errors(path):
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, _FILE_MODE))
        return cls(Database(path, key, STEPS))

    @classmethod
    def in_memory(cls) -> AuditCopy:
        """An empty one that ends with the process: for what others handed on."""
        return cls(Database.in_memory(STEPS))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def writing(self) -> Iterator[sqlcipher.Connection]:
        """A transaction (`Database.writing`)."""
        with self._database.writing() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlcipher.Connection]:
        """For reading (`Database.reading`)."""
        with self._database.reading() as connection:
            yield connection

    @property
    def size(self) -> int:
        """How many leaves it holds."""
        with self.reading() as connection:
            (newest,) = connection.execute('SELECT max("index") FROM leaf').fetchone()
        return 0 if newest is None else int(newest) + 1

    def append(self, rows: Iterable[AuditRow]) -> None:
        """Add leaves, durably, behind those that are there.

        Raises:
            OperationalError: `STORE`, also for an index that is there already, or `DISK_FULL`.
        """
        given = tuple(rows)
        with self.writing() as connection:
            connection.executemany(_PUT, [(*_cells(row), row.document) for row in given if row.document is not None])
            connection.executemany(_PUT_ALONE, [_cells(row) for row in given if row.document is None])

    def rows(self, first: int = 0, until: int | None = None, *, control_alone: bool = False) -> Iterator[AuditRow]:
        """Leaves in log order, read a page at a time.

        Args:
            first: Index of the first.
            until: Index behind the last; None for all.
            control_alone: Only entries that are no envelopes.
        """
        # The third byte of an entry is its type: 1 is an envelope (`copy_schema`).
        chosen = " AND substr(entry, 3, 1) <> x'01'" if control_alone else ""
        query = f'{_COLUMNS} WHERE "index" >= ? AND "index" < ?{chosen} ORDER BY "index" LIMIT {_PAGE}'
        end = 2**62 if until is None else until
        while True:
            with self.reading() as connection:
                found = connection.execute(query, (first, end)).fetchall()
            yield from (AuditRow(index=row[0], hash=row[1], entry=row[2], document=row[3]) for row in found)
            if len(found) < _PAGE:
                return
            first = found[-1][0] + 1

    def row(self, index: int) -> AuditRow | None:
        """One leaf."""
        return next(self.rows(index, index + 1), None)

    def put_checkpoints(self, notes: Iterable[tuple[int, bytes]], *, settled: int = 0) -> None:
        """Keep published checkpoints, by size; one of the same size is replaced.

        Args:
            notes: (size, signed note).
            settled: Up to which size none has to be asked for again.
        """
        with self.writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO checkpoint (size, note) VALUES (?, ?)", list(notes))
            put = "INSERT OR REPLACE INTO value (name, data) VALUES (?, ?)"
            connection.execute(put, (_SETTLED, settled.to_bytes(8, "big")))

    @property
    def settled(self) -> int:
        """Up to which size no published checkpoint has to be asked for again."""
        return int.from_bytes(self.value(_SETTLED) or b"", "big")

    def checkpoints(self, until: int | None = None) -> Iterator[bytes]:
        """Signed notes of published checkpoints, ascending by size, read a page at a time; those below `until`."""
        query = "SELECT size, note FROM checkpoint WHERE size > ? AND size < ? ORDER BY size LIMIT ?"
        last, end = -1, 2**62 if until is None else until
        while True:
            with self.reading() as connection:
                found = connection.execute(query, (last, end, _PAGE)).fetchall()
            yield from (bytes(note) for _, note in found)
            if len(found) < _PAGE:
                return
            last = found[-1][0]

    def prepare_questions(self) -> None:
        """Make the indices that questions need, if they are not there: once, some seconds for a million entries."""
        with self.reading() as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
        if not names.issuperset(ASKED):
            with self.writing() as connection:
                for name, columns in ASKED.items():
                    connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {columns}")

    def put_stamps(self, stamps: Iterable[StampRow]) -> None:
        """Keep time stamps of the log's relay, durably, and of their checkpoints what is not here yet.

        Raises:
            OperationalError: `STORE`, also for a number that is there already, or `DISK_FULL`.
        """
        with self.writing() as connection:
            for stamp in stamps:
                # A note grows by lines at its end: the longer one holds what was stamped, whichever came first.
                connection.execute(_GROW_CHECKPOINT, (stamp.size, stamp.note))
                connection.execute(_PUT_STAMP, (0, stamp.number, stamp.size, stamp.authority, stamp.token))

    def add_stamp(self, size: int, authority: str, token: bytes) -> None:
        """Add a time stamp of one's own behind all others of a checkpoint, durably."""
        with self.writing() as connection:
            (newest,) = connection.execute("SELECT coalesce(max(number), 0) FROM stamp WHERE own = 1").fetchone()
            connection.execute(_PUT_STAMP, (1, newest + 1, size, authority, token))

    @property
    def newest_stamp(self) -> int:
        """Number of the newest time stamp of the log's relay; 0 for none."""
        with self.reading() as connection:
            (newest,) = connection.execute("SELECT coalesce(max(number), 0) FROM stamp WHERE own = 0").fetchone()
        return int(newest)

    def stamps(self) -> Iterator[tuple[int, str, bytes]]:
        """Time stamps as (size, authority, token): ascending by size, of one size in order; read a page at a time."""
        query = (
            "SELECT size, own, number, authority, token FROM stamp "
            "WHERE (size, own, number) > (?, ?, ?) ORDER BY size, own, number LIMIT ?"
        )
        last = (0, 0, 0)
        while True:
            with self.reading() as connection:
                found = connection.execute(query, (*last, _PAGE)).fetchall()
            yield from ((size, authority, bytes(token)) for size, _, _, authority, token in found)
            if len(found) < _PAGE:
                return
            last = found[-1][:3]

    def stamps_of(self, size: int) -> tuple[tuple[str, bytes], ...]:
        """Time stamps of one checkpoint as (authority, token), in order."""
        query = "SELECT authority, token FROM stamp WHERE size = ? ORDER BY own, number"
        with self.reading() as connection:
            found = connection.execute(query, (size,)).fetchall()
        return tuple((authority, bytes(token)) for authority, token in found)

    def checkpoint(self, size: int) -> bytes | None:
        """The signed note of the published checkpoint of a size, or None."""
        with self.reading() as connection:
            found = connection.execute("SELECT note FROM checkpoint WHERE size = ?", (size,)).fetchone()
        return None if found is None else bytes(found[0])

    def value(self, name: str) -> bytes | None:
        """A single value, or None."""
        with self.reading() as connection:
            found = connection.execute("SELECT data FROM value WHERE name = ?", (name,)).fetchone()
        return None if found is None else bytes(found[0])

    def put_value(self, name: str, data: bytes) -> None:
        """Keep a single value."""
        self.put_values({name: data})

    def put_values(self, values: Mapping[str, bytes]) -> None:
        """Keep values that belong together: all of them, or none."""
        with self.writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO value (name, data) VALUES (?, ?)", list(values.items()))

    def forget_register(self) -> None:
        """Forget what was made of the leaves, with the indices of questions; the next examination begins anew."""
        with self.writing() as connection:
            for name in ASKED:
                connection.execute(f"DROP INDEX IF EXISTS {name}")
            for name in REGISTER:
                connection.execute(f"DELETE FROM {name}")  # noqa: S608 - a table of ours

    def forget(self) -> None:
        """Forget everything but time stamps of one's own; the next copy begins anew.

        What was renewed here could not be renewed again: the certificates may have ended since.
        """
        with self.writing() as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (name,) in names:
                kept = " WHERE own = 0" if name == "stamp" else ""
                connection.execute(f'DELETE FROM "{name}"{kept}')  # noqa: S608 - a table of ours


def _cells(row: AuditRow) -> tuple[int, bytearray, bytearray | None]:
    """For the driver, which takes longer to ask who adapts `bytes` than to write them; bytearrays are as they are."""
    return row.index, bytearray(row.hash), None if row.entry is None else bytearray(row.entry)
