"""The writing connection: one transaction at a time, and nothing after one that may not have reached the disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import Connection

from amanah_protocol.errors import Code, OperationalError
from amanah_relay.store.engine import Database, raw_connection
from amanah_relay.store.failures import store_errors
from amanah_relay.store.sqlite import BUSY_TIMEOUT_MS, checkpoint

T = TypeVar("T")

MAX_WAL_BYTES: Final = 32 * 1024 * 1024
"""About how much is written before a checkpoint is due even without an idle moment."""


class Writer:
    """Runs transactions that are durable when they return.

    Fail-stop: when a commit or a rollback fails, the system may have thrown away what it could not
    write and still say that a later sync succeeded. So the connection is given up, and no transaction
    begins until `restart` has connected anew and moved everything that is in the WAL into the
    database file, by writes and a sync of its own. A transaction that fails before its commit is
    rolled back and stops nothing.

    One thread at a time may call it.
    """

    __slots__ = ("_connection", "_database", "_failure", "_settled", "_truncate", "_written")

    def __init__(self, database: Database) -> None:
        """Make a writer that is stopped; `restart` starts it."""
        self._database = database
        self._connection: Connection | None = None
        self._failure = OperationalError(Code.STORE, "the store was not loaded yet")
        self._settled = False
        self._truncate = False
        self._written = 0

    def restart(self) -> None:
        """Connect anew and settle what an earlier process or connection left in the WAL.

        After a full disk there is nothing to settle: what was refused was never said to be written. And a
        disk without room for settling is no reason not to read: then the next transaction tries again.

        Raises:
            OperationalError: `STORE` or `DAMAGED`; the writer stays stopped.
        """
        self._settled = self._settled and (self._connection is not None or self._failure.code is Code.DISK_FULL)
        self.close()
        self._connection = self._database.connect_writer()
        try:
            if not self._settled:
                self._settle(self._connection)
        except OperationalError as error:
            if error.code is not Code.DISK_FULL:
                self._stop(error)
                raise

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work`, which only reads, while no other process can write.

        Raises:
            OperationalError: `STORE` or `DAMAGED`.
        """
        connection = self._connected()
        with store_errors(), connection.begin():
            return work(connection)

    def transact(self, work: Callable[[Connection], T], *, bytes_written: int = 0, forget: bool = False) -> T:
        """Run `work` in a transaction; when this returns, what it wrote survives a power cut.

        Args:
            work: Writes through the connection; it neither commits nor rolls back.
            bytes_written: About how much it writes.
            forget: It drops content, so that the WAL should be emptied soon.

        Raises:
            OperationalError: `STORE`, `DISK_FULL` or `DAMAGED`. Nothing was stored, unless the commit
                itself failed: then it may have been, and the writer is stopped.
            UsageError: As `work` raises it; nothing was stored.
        """
        connection = self._connected()
        if not self._settled:
            self._settle(connection)
        with store_errors():
            transaction = connection.begin()
            try:
                result = work(connection)
            except BaseException:
                self._guarded(transaction.rollback)
                raise
            self._guarded(transaction.commit)
        self._written += bytes_written
        self._truncate |= forget
        return result

    @property
    def checkpoint_due(self) -> bool:
        """Whether so much was written that a checkpoint should not wait for an idle moment."""
        return self._written >= MAX_WAL_BYTES

    def checkpoint(self) -> bool:
        """Move the WAL into the database file, if anything was written; to be called between appends.

        A failure stops the writer: the file itself could not be written or synced.

        Returns:
            False when a reader was in the way, so that it has to be tried again.

        Raises:
            OperationalError: `STORE` or `DISK_FULL`; all that was committed is still in the WAL.
        """
        connection = self._connection
        if connection is None or not (self._written or self._truncate):
            return True
        try:
            whole = checkpoint(raw_connection(connection), truncate=self._truncate, wait_ms=0)
        except OperationalError as error:
            self._stop(error)
            raise
        if whole:
            self._truncate = False
            self._written = 0
        else:
            # Under load, not again after each append.
            self._written //= 2
        return whole

    def close(self) -> None:
        """Give the connection up; the writer is stopped."""
        self._stop(OperationalError(Code.STORE, "the store is closed"))

    def _connected(self) -> Connection:
        if self._connection is None:
            raise OperationalError(self._failure.code, self._failure.detail)
        return self._connection

    def _settle(self, connection: Connection) -> None:
        # After a failed sync, frames in the WAL may be in the page cache alone, marked clean. Whatever
        # is committed behind them would be lost with them by a power cut, however often it is synced.
        if not checkpoint(raw_connection(connection), truncate=True, wait_ms=BUSY_TIMEOUT_MS):
            raise OperationalError(Code.STORE, "another program has been reading the store for too long; stop it")
        self._settled = True
        self._written = 0

    def _guarded(self, end: Callable[[], None]) -> None:
        try:
            with store_errors():
                end()
        except OperationalError as error:
            self._stop(error)
            raise

    def _stop(self, failure: OperationalError) -> None:
        self._failure = failure
        connection, self._connection = self._connection, None
        if connection is not None:
            # Not `close` first: that would roll back through a connection that may have failed.
            connection.invalidate()
            connection.close()
