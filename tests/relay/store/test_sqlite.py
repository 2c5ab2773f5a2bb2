"""SQLite as the store needs it: durable settings or none, one private file, and a WAL that stays small."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.kinds import Kind
from amanah_relay.effects import Erasure
from amanah_relay.store import Store, sqlite, writer
from amanah_relay.store.engine import Database
from amanah_relay.store.failures import store_errors
from tests.relay.store.asking import page, size_of, started
from tests.relay.store.sequence import Sequence, roster
from tests.vectors import examples as x

SETTINGS = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "secure_delete": 1,
    "busy_timeout": sqlite.BUSY_TIMEOUT_MS,
    "wal_autocheckpoint": 0,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "relay.db"


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program in the middle of a read."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("BEGIN")
        raw.execute("SELECT count(*) FROM leaf").fetchone()
        yield raw


# ---- settings


def test_every_connection_is_durable(store: Store, path: Path) -> None:
    database = Database(f"sqlite:///{path}")
    for connection in (database.connect_writer(), database.connect_reader()):
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in SETTINGS}
        assert found == SETTINGS
        connection.close()


def test_a_setting_that_does_not_hold_is_refused(path: Path) -> None:
    raw = sqlite3.connect(path)
    for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        raw.execute(f"PRAGMA {setting}")
    sqlite.check_durable(raw)
    raw.execute("PRAGMA synchronous = NORMAL")
    with pytest.raises(OperationalError, match="power cut") as refused:
        sqlite.check_durable(raw)
    assert refused.value.code is Code.STORE
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute("PRAGMA foreign_keys = OFF")
    with pytest.raises(OperationalError, match="power cut"):
        sqlite.check_durable(raw)
    raw.close()


def test_a_database_that_cannot_be_durable_is_not_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_SETTINGS", ("journal_mode = DELETE", "synchronous = FULL", "foreign_keys = ON"))
    with pytest.raises(OperationalError, match="journal_mode=delete"):
        Store.init(f"sqlite:///{path}", roster=roster(), origin=x.ORIGIN, now_ms=x.NOW_MS)


@pytest.mark.parametrize(
    "url",
    ["nonsense", "sqlite://", "sqlite:///:memory:", "sqlite:///relay.db?mode=ro", "sqlite+aiosqlite:///relay.db", "mysql://x/y"],
)  # fmt: skip
def test_a_url_that_names_no_durable_store_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        Store.open(url)
    assert refused.value.code is Code.CONFIG


# ---- the file


def test_the_files_are_readable_by_their_owner_alone(store: Store, path: Path) -> None:
    files = [path, path.with_name("relay.db-wal"), path.with_name("relay.db-shm")]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_file_that_others_may_read_is_refused(store: Store, path: Path) -> None:
    path.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        Store.open(f"sqlite:///{path}")
    path.chmod(0o600)
    Store.open(f"sqlite:///{path}").close()


def test_a_missing_store_is_not_made_by_opening_it(path: Path) -> None:
    with pytest.raises(UsageError, match="amanah-relay init"):
        Store.open(f"sqlite:///{path}")
    assert not path.exists()


def test_a_store_in_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(OperationalError) as refused:
        Store.init(f"sqlite:///{tmp_path / 'no' / 'relay.db'}", roster=roster(), origin=x.ORIGIN, now_ms=x.NOW_MS)
    assert refused.value.code is Code.STORE


def test_a_path_with_signs_of_a_url_names_just_that_file(tmp_path: Path) -> None:
    path = tmp_path / "a %41 # ? folder"
    path.mkdir()
    Store.init(f"sqlite:///{quote(str(path / 'relay.db'))}", roster=roster(), origin=x.ORIGIN, now_ms=x.NOW_MS).close()
    assert [file.name for file in path.iterdir()] == ["relay.db"]


# ---- faults below


def test_a_database_that_cannot_grow_is_a_full_disk() -> None:
    with closing(sqlite3.connect(":memory:")) as raw:
        raw.execute("CREATE TABLE big (data BLOB)")
        raw.execute("PRAGMA max_page_count = 3")
        with pytest.raises(OperationalError) as refused, store_errors():
            raw.execute("INSERT INTO big VALUES (zeroblob(100000))")
    assert refused.value.code is Code.DISK_FULL


def test_a_write_of_another_process_is_waited_for(store: Store, log: Sequence, path: Path) -> None:
    started(store, log)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.2, lambda: raw.execute("ROLLBACK"))
        release.start()
        store.append(log.batch(log.envelope()))
        release.join()
    assert size_of(store) == 7


def test_a_write_that_takes_too_long_is_not_waited_for_and_stops_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 50)
    store = Store.init(f"sqlite:///{path}", roster=roster(), origin=x.ORIGIN, now_ms=x.NOW_MS)
    log = Sequence.behind(store.load())
    batch = log.batch(log.create())
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError) as refused:
            store.append(batch)
        assert refused.value.code is Code.STORE
        raw.execute("ROLLBACK")
    store.append(batch)
    assert size_of(store) == 2
    store.close()


def test_a_store_is_not_loaded_while_a_reader_keeps_old_pages_in_use(
    store: Store, log: Sequence, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BUSY_TIMEOUT_MS", 50)
    started(store, log)
    second = Store.open(f"sqlite:///{path}")
    with reading(path), pytest.raises(OperationalError, match="another program"):
        second.load()
    assert second.load().size == 6
    second.close()


# ---- checkpoints


def canary_files(path: Path, canary: bytes) -> list[str]:
    """The files of the store in which the bytes stand."""
    return [file.name for file in sorted(path.parent.iterdir()) if canary in file.read_bytes()]


def test_what_was_written_moves_into_the_database_file(store: Store, log: Sequence, path: Path) -> None:
    started(store, log)
    store.append(log.batch(log.envelope(content=b"canary" * 20)))
    assert canary_files(path, b"canary" * 20) == ["relay.db-wal"]
    assert store.checkpoint()
    assert "relay.db" in canary_files(path, b"canary" * 20)
    assert store.checkpoint()


def test_after_an_erasure_and_a_checkpoint_the_content_is_in_no_file(store: Store, log: Sequence, path: Path) -> None:
    started(store, log)
    canaries = [b"canary %d" % number * 500 for number in range(3)]
    batch = log.batch(*[log.envelope(content=canary) for canary in canaries])
    store.append(batch)
    store.checkpoint()
    ids = tuple(entry.envelope for entry in batch.entries[:2] if entry.envelope is not None)
    erasure = Erasure(room=x.ROOM, envelopes=ids, by=x.KID)
    store.append(log.batch(log.envelope(x.SPECIFICS[Kind.ERASE]), erasures=(erasure,)))
    assert canary_files(path, canaries[0]) != []
    assert store.checkpoint()
    assert canary_files(path, canaries[0][:900]) == canary_files(path, canaries[1][:900]) == []
    assert canary_files(path, canaries[2][:900]) == ["relay.db"]


def test_a_checkpoint_is_put_off_while_a_reader_is_in_the_way(store: Store, log: Sequence, path: Path) -> None:
    started(store, log)
    with reading(path):
        store.append(log.batch(log.envelope()))
        assert not store.checkpoint()
        assert len(page(store).entries) == 2
    assert store.checkpoint()


def test_much_written_makes_a_checkpoint_due(store: Store, log: Sequence) -> None:
    started(store, log)
    due = [store.checkpoint_due]
    for _ in range(20):
        store.append(log.batch(log.envelope(content=bytes(2_000_000))))
    due.append(store.checkpoint_due)
    assert store.checkpoint()
    due.append(store.checkpoint_due)
    assert due == [False, True, False]


def test_a_store_that_is_closed_takes_nothing(store: Store, log: Sequence) -> None:
    started(store, log)
    store.close()
    assert store.checkpoint()
    with pytest.raises(OperationalError, match="closed"):
        store.append(log.batch(log.envelope()))
