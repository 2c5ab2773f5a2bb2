"""Brings a store's schema up to date when it is opened; `PRAGMA user_version` counts the steps that were taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from sqlcipher3 import dbapi2 as sqlcipher

from amanah_protocol.errors import Code, UsageError

Statement: TypeAlias = str | Callable[[sqlcipher.Connection], None]
"""One of a step: SQL, or what SQL cannot say."""
Steps: TypeAlias = Sequence[Sequence[Statement]]
"""From an empty file to the newest schema. One that was released is never changed, a new one is put behind it."""


def upgrade(connection: sqlcipher.Connection, steps: Steps) -> None:
    """Take the steps that are missing, all in one transaction.

    Args:
        connection: The file, outside any transaction.
        steps: All of them, those that were taken included.

    Raises:
        UsageError: `UNKNOWN_VERSION` when a newer program wrote the store.
    """
    if _version(connection) == len(steps):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _take_steps(connection, steps)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _take_steps(connection: sqlcipher.Connection, steps: Steps) -> None:
    # Asked again: another process may have taken them while this one waited.
    current = _version(connection)
    if current > len(steps):
        raise UsageError(Code.UNKNOWN_VERSION, "a newer version of this program wrote the local store")
    for step in steps[current:]:
        for statement in step:
            if isinstance(statement, str):
                connection.execute(statement)
            else:
                statement(connection)
    connection.execute(f"PRAGMA user_version = {len(steps)}")


def _version(connection: sqlcipher.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        # A store that counts nothing and has the first step's tables noted its step in a table of its own.
        (made,) = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        return int(made)
    return int(version)
