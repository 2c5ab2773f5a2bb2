"""Migrations: from any older schema to this one, in one transaction, or not at all."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Text, column, inspect, select, table

from amanah_protocol.errors import Code, UsageError
from amanah_relay.store.schema import REVISION

VERSION_TABLE: Final = "alembic_version"
_READ: Final = select(column("version_num", Text)).select_from(table(VERSION_TABLE))


def read_revision(connection: Connection) -> str | None:
    """The revision of a store, None of an empty database.

    Raises:
        UsageError: `CONFIG` for a database of something else.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if VERSION_TABLE not in tables:
        raise UsageError(Code.CONFIG, "this database is not a store of a relay")
    revision: str | None = connection.execute(_READ).scalar_one_or_none()
    return revision


def migrate(connection: Connection) -> None:
    """Bring a store, or an empty database, to the schema of this version; the caller commits.

    All steps and the new version number are in the caller's transaction: a crash leaves the old schema.

    Args:
        connection: A writing connection inside a transaction.

    Raises:
        UsageError: `UNKNOWN_VERSION` for a store of a newer version, `CONFIG` for another database.
    """
    found = read_revision(connection)
    if found == REVISION:
        return
    # Imported late: it takes half a second, and a store is seldom old.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", "amanah_relay.store:migrations")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise UsageError(
            Code.UNKNOWN_VERSION,
            f"the store has the schema {found!r}, this program knows up to {REVISION!r}; update it",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, REVISION)
