"""The schema: made by migrations alone, whole or not at all, and never by a program that is too old."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_relay.effects import Confirm, Mark, ReadContent
from amanah_relay.store import Store, schema
from amanah_relay.store.damage import checksum
from amanah_relay.store.engine import Database
from amanah_relay.store.migrate import migrate, read_revision
from tests.relay.store.asking import membership
from tests.relay.store.full import TREE, Full, make_full
from tests.relay.store.sequence import roster
from tests.vectors import examples as x

KILLED_WITHIN = """
import os, signal, sys
from amanah_relay.store.engine import Database
from amanah_relay.store.migrate import migrate
connection = Database(sys.argv[1]).connect_writer()
with connection.begin():
    migrate(connection)
    os.kill(os.getpid(), signal.SIGKILL)
"""


TREE_OF_OLD = """
CREATE TABLE tree_of_old (room BLOB NOT NULL, hash BLOB NOT NULL, checksum BIGINT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (room, hash));
"""
UNCOUNTED = ("0001", "0002")
"""Schemas that did not count what is held."""
OLD = (*UNCOUNTED, "0003", "0004", "0005", "0006")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Full:
    """As any test's, but for what no older program can have stored."""
    return make_full(tmp_path_factory.mktemp("full") / "relay.db", attached=False)


def make_old(path: Path, revision: str) -> None:
    """Turn a store back into one of an older schema, with all that is in it."""
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DROP TABLE attachment")
        if revision < "0006":
            raw.execute("DROP INDEX leaf_custody")
        if revision < "0005":
            raw.execute("DROP TABLE stamp")
        if revision < "0004":
            raw.execute("DROP TABLE checkpoint")
        if revision < "0003":
            _forget_what_is_held(raw)
        if revision < "0002":
            raw.execute("DROP TABLE membership")
    set_revision(path, revision)


def _forget_what_is_held(raw: sqlite3.Connection) -> None:
    raw.executescript("DROP TABLE held; DROP TABLE confirmed; DROP INDEX content_kept;" + TREE_OF_OLD)
    for room, tree_hash, data in raw.execute("SELECT room, hash, data FROM tree").fetchall():
        row = (room, tree_hash, checksum(room, tree_hash), data)
        raw.execute("INSERT INTO tree_of_old VALUES (?, ?, ?, ?)", row)
    raw.executescript("DROP TABLE tree; ALTER TABLE tree_of_old RENAME TO tree;")


def database(path: Path) -> Database:
    """An empty database."""
    made = Database(f"sqlite:///{path}")
    made.file.create()
    return made


def shape(connection: Connection) -> list[object]:
    """In what the database differs from the tables that the program works with."""
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, schema.metadata))


def test_the_migrations_make_the_tables_that_the_program_works_with(tmp_path: Path) -> None:
    connection = database(tmp_path / "relay.db").connect_writer()
    with connection.begin():
        migrate(connection)
        assert shape(connection) == []
        migrate(connection)
        assert read_revision(connection) == schema.REVISION
    connection.close()


def test_the_tables_are_stored_as_the_program_declares_them(tmp_path: Path) -> None:
    """What a comparison of columns does not see: keys, rows without ids, partial indices."""
    declared, migrated = (database(tmp_path / name).connect_writer() for name in ("declared.db", "migrated.db"))
    with declared.begin(), migrated.begin():
        schema.metadata.create_all(declared)
        migrate(migrated)
        assert statements(declared) == statements(migrated)
    declared.close()
    migrated.close()


def statements(connection: Connection) -> set[str]:
    found = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'alembic%'").scalars()
    return {" ".join(str(sql).split()) for sql in found}


def test_the_newest_migration_is_the_one_that_the_program_asks_for() -> None:
    config = Config()
    config.set_main_option("script_location", "amanah_relay.store:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [schema.REVISION]


def test_a_migration_that_is_taken_back_leaves_an_empty_database(tmp_path: Path) -> None:
    connection = database(tmp_path / "relay.db").connect_writer()
    transaction = connection.begin()
    migrate(connection)
    transaction.rollback()
    with connection.begin():
        assert read_revision(connection) is None
    connection.close()


def test_a_migration_that_is_killed_leaves_a_database_that_can_be_migrated(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    database(path)
    killed = subprocess.run([sys.executable, "-c", KILLED_WITHIN, f"sqlite:///{path}"], check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    Store.init(f"sqlite:///{path}", roster=roster(), origin=x.ORIGIN, now_ms=x.NOW_MS).close()


def test_a_store_of_the_first_schema_is_given_the_places_of_its_changes(full: Full, tmp_path: Path) -> None:
    with full.copy(tmp_path):
        pass
    path = tmp_path / "copy.db"
    make_old(path, "0001")
    with closing(Store.open(f"sqlite:///{path}")) as store:
        assert [entry.room_seq for entry in membership(store)] == [1, 2]
        assert store.verify_log().size == full.size


def test_a_damaged_envelope_is_not_migrated(full: Full, tmp_path: Path) -> None:
    damage = "UPDATE leaf SET object = x'00' WHERE log_index = 7"
    with full.copy(tmp_path, damage):
        pass
    path = tmp_path / "copy.db"
    make_old(path, "0001")
    with pytest.raises(OperationalError, match="leaf 7") as refused:
        Store.open(f"sqlite:///{path}")
    assert refused.value.code is Code.DAMAGED


def set_revision(path: Path, revision: str) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = ?", (revision,))


@pytest.mark.parametrize("revision", UNCOUNTED)
def test_a_store_of_an_older_schema_is_migrated_with_all_that_is_in_it(
    full: Full, tmp_path: Path, revision: str
) -> None:
    with full.copy(tmp_path) as store:
        was = store.verify_log()
    path = tmp_path / "copy.db"
    make_old(path, revision)
    store = Store.open(f"sqlite:///{path}")
    state = store.load()
    assert store.verify_log() == was
    # Nothing counts as confirmed that was not confirmed to a schema that counts it.
    assert {room.confirmed_seq for room in state.rooms.values()} == {0}
    assert sum(state.held.values()) == kept_bytes(path)
    tree = store.read_content(ReadContent(token=1, room=x.ROOM, payload=TREE.hash))
    assert tree.data == TREE.data
    ended = Mark(room=x.ROOM, room_seq=state.rooms[x.ROOM].head_seq)
    assert store.confirm(Confirm(token=1, marks=(ended,))).freed
    assert store.verify_log() == was
    store.close()


def test_a_store_without_published_checkpoints_is_given_none(full: Full, tmp_path: Path) -> None:
    with full.copy(tmp_path) as store:
        was = store.load()
        assert was.checkpoints
    make_old(tmp_path / "copy.db", "0003")
    with closing(Store.open(f"sqlite:///{tmp_path / 'copy.db'}")) as store:
        assert store.load() == replace(was, checkpoints=())


def kept_bytes(path: Path) -> int:
    with closing(sqlite3.connect(path)) as raw:
        contents, trees = (
            raw.execute(f"SELECT sum(length(data)) FROM {table}").fetchone()[0]  # noqa: S608 - names of ours
            for table in ("content", "tree")
        )
    return int(contents) + int(trees)


@pytest.mark.parametrize("revision", OLD)
def test_a_migrated_store_has_the_shape_of_a_new_one(full: Full, tmp_path: Path, revision: str) -> None:
    with full.copy(tmp_path):
        pass
    make_old(tmp_path / "copy.db", revision)
    old = Database(f"sqlite:///{tmp_path / 'copy.db'}").connect_writer()
    new = database(tmp_path / "new.db").connect_writer()
    with old.begin(), new.begin():
        assert read_revision(old) == revision
        migrate(old)
        migrate(new)
        assert statements(old) == statements(new)
    old.close()
    new.close()


def test_a_store_of_a_newer_program_is_refused_and_not_touched(full: Full, tmp_path: Path) -> None:
    with full.copy(tmp_path):
        pass
    path = tmp_path / "copy.db"
    set_revision(path, "0999")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="0999") as refused:
        Store.open(f"sqlite:///{path}")
    assert refused.value.code is Code.UNKNOWN_VERSION
    assert path.read_bytes() == before
    set_revision(path, schema.REVISION)
    Store.open(f"sqlite:///{path}").close()


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    database(path)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE something (number INTEGER)")
    with pytest.raises(UsageError) as refused:
        Store.open(f"sqlite:///{path}")
    assert refused.value.code is Code.CONFIG
    with pytest.raises(UsageError, match="not a store"):
        Store.init(f"sqlite:///{path}", roster=roster(), origin=x.ORIGIN, now_ms=x.NOW_MS)


def test_an_empty_database_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    database(path)
    with pytest.raises(UsageError, match="empty"):
        Store.open(f"sqlite:///{path}")


def test_a_file_that_is_no_database_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    path.write_bytes(b"no database at all, but long enough to look at" * 100)
    path.chmod(0o600)
    with pytest.raises(OperationalError) as refused:
        Store.open(f"sqlite:///{path}")
    assert refused.value.code is Code.DAMAGED
