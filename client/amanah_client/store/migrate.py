"""Alembic migrations of the local store, run when it is opened and not up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from amanah_protocol.errors import Code, UsageError

HEAD: Final = "0001"
"""The newest revision; known here, because importing Alembic takes longer than most commands."""

SCRIPTS: Final = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> None:
    """Bring the schema up to date in one transaction.

    Raises:
        UsageError: `UNKNOWN_VERSION` when a newer program wrote the store.
    """
    with engine.begin() as connection:
        current = _revision(connection)
        if current != HEAD:
            _migrate(connection, current)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(connection: Connection, current: str | None) -> None:
    from alembic import command  # noqa: PLC0415 - a third of a second, needed once in a profile's life
    from alembic.config import Config  # noqa: PLC0415 - the same
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - the same

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise UsageError(Code.UNKNOWN_VERSION, "a newer version of this program wrote the local store")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
