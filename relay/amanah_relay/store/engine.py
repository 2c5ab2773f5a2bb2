"""From a database URL to connections: one that writes, one that reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar, cast

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import ArgumentError

from amanah_protocol.errors import Code, UsageError
from amanah_relay.store.failures import store_errors
from amanah_relay.store.sqlite import SqliteFile

T = TypeVar("T")


class Database:
    """The database of a store. SQLite is the one engine so far; others would be chosen here."""

    __slots__ = ("_reading", "_writing", "file")

    def __init__(self, url: str) -> None:
        """Take a SQLAlchemy URL, `sqlite:///PATH`; nothing is opened yet.

        Raises:
            UsageError: `CONFIG`.
        """
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise UsageError(Code.CONFIG, "the store is named by a URL such as sqlite:///relay.db") from None
        if parsed.drivername not in {"sqlite", "sqlite+pysqlite"}:
            raise UsageError(Code.CONFIG, f"no store on {parsed.drivername}: this version knows sqlite alone")
        self.file = SqliteFile(parsed)
        self._writing = self.file.engine("BEGIN IMMEDIATE")
        self._reading = self.file.engine("BEGIN")

    def connect_writer(self) -> Connection:
        """A connection whose transactions take the write lock at once.

        Raises:
            OperationalError: It cannot be made, or would not be durable.
        """
        with store_errors():
            return self._writing.connect()

    def connect_reader(self) -> Connection:
        """A connection whose transactions each see one state of the store.

        Raises:
            OperationalError: as `connect_writer`.
        """
        with store_errors():
            return self._reading.connect()


def raw_connection(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection, for what SQL has no words for."""
    return cast("sqlite3.Connection", connection.connection.driver_connection)


class Reader:
    """A connection that is kept open for reading, one thread at a time."""

    __slots__ = ("_connection",)

    def __init__(self, database: Database) -> None:
        """Connect.

        Raises:
            OperationalError: as `Database.connect_reader`.
        """
        self._connection = database.connect_reader()

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction, so that all it reads is of one state.

        Raises:
            OperationalError: `STORE` or `DAMAGED`.
        """
        with store_errors(), self._connection.begin():
            return work(self._connection)

    def close(self) -> None:
        """Close the connection."""
        with store_errors():
            self._connection.close()
