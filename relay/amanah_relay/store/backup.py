"""A copy of the store while it is in use: one state of it, whole and durable, or no file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amanah_protocol.errors import Code, UsageError
from amanah_relay.store.engine import Database, raw_connection
from amanah_relay.store.failures import store_errors
from amanah_relay.store.sqlite import sync_folder

_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What was copied.

    Attributes:
        path: The copy, a database file of its own.
        size: Leaves in its log.
        root: Root of its log.
    """

    path: Path
    size: int
    root: bytes


def make_backup(database: Database, path: Path) -> Backup:
    """Copy the store into a new file; appends go on meanwhile.

    The copy is of one moment. It takes its name when it is whole and synced; a crash before leaves
    an empty file of this name and a `.partial` beside it.

    Args:
        database: The store.
        path: The file to make; it must not exist.

    Raises:
        UsageError: `USAGE` when there is such a file; it was not touched.
        OperationalError: `DISK_FULL`, `STORE` or `DAMAGED`; there is no file.
    """
    partial = path.with_name(path.name + ".partial")
    with store_errors():
        try:
            # Taking the name first: nothing that somebody else puts there meanwhile is overwritten.
            _make_empty(path)
        except FileExistsError:
            raise UsageError(Code.USAGE, f"{path} exists; a backup never overwrites a file") from None
        try:
            partial.unlink(missing_ok=True)
            _make_empty(partial)
            size, root = _copy(database, partial)
            _sync(partial)
            partial.replace(path)
            sync_folder(path.parent)
        except BaseException:
            for leftover in (partial, path):
                with contextlib.suppress(OSError):
                    leftover.unlink()
            raise
    return Backup(path=path, size=size, root=root)


def _copy(database: Database, path: Path) -> tuple[int, bytes]:
    connection = database.connect_reader()
    target = sqlite3.connect(path, isolation_level=None)
    try:
        # All in one step, under one lock: in several, an append between them would start it over.
        raw_connection(connection).backup(target)
        # Out of WAL mode, the file is complete without a second one beside it.
        target.execute("PRAGMA journal_mode = DELETE").close()
        size, root = target.execute("SELECT size, root FROM head").fetchone()
    finally:
        target.close()
        connection.close()
    return size, root


def _make_empty(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
