"""Brings a store's schema up to date when it is opened; `PRAGMA user_version` counts the steps that were taken."""

from __future__ import annotations

from sqlcipher3 import dbapi2 as sqlcipher

from amanah_client.store.schema import STEPS
from amanah_protocol.errors import Code, UsageError


def upgrade(connection: sqlcipher.Connection) -> None:
    """Take the steps that are missing, all in one transaction.

    Raises:
        UsageError: `UNKNOWN_VERSION` when a newer program wrote the store.
    """
    if _version(connection) == len(STEPS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _take_steps(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _take_steps(connection: sqlcipher.Connection) -> None:
    # Asked again: another process may have taken them while this one waited.
    current = _version(connection)
    if current > len(STEPS):
        raise UsageError(Code.UNKNOWN_VERSION, "a newer version of this program wrote the local store")
    for step in STEPS[current:]:
        for statement in step:
            if isinstance(statement, str):
                connection.execute(statement)
            else:
                statement(connection)
    connection.execute(f"PRAGMA user_version = {len(STEPS)}")


def _version(connection: sqlcipher.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        # A store that counts nothing and has the first step's tables noted its step in a table of its own.
        (made,) = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        return int(made)
    return int(version)
