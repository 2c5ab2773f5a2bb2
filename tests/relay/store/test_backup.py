"""A backup is a whole store of one moment, or no file."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_relay.store import Store
from tests.relay.store.asking import page, started
from tests.relay.store.sequence import Sequence


def test_a_backup_is_a_store_with_the_same_log(store: Store, log: Sequence, tmp_path: Path) -> None:
    started(store, log)
    path = tmp_path / "backup.db"
    made = store.backup(path)
    assert (made.path, made.size, made.root) == (path, log.frontier.size, log.frontier.root())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    copy = Store.open(f"sqlite:///{path}")
    assert copy.verify_log() == store.verify_log()
    assert page(copy) == page(store)
    assert copy.load() == store.load()
    copy.close()


def test_a_backup_is_one_file(store: Store, log: Sequence, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    store.backup(folder / "backup.db")
    assert [file.name for file in folder.iterdir()] == ["backup.db"]


def test_appends_go_on_while_a_backup_is_made(store: Store, log: Sequence, tmp_path: Path) -> None:
    started(store, log)

    def append() -> None:
        for _ in range(40):
            store.append(log.batch(*log.messages(5)))

    appending = threading.Thread(target=append)
    appending.start()
    backups = [store.backup(tmp_path / f"backup {number}.db") for number in range(3)]
    appending.join()
    for made in backups:
        copy = Store.open(f"sqlite:///{made.path}")
        report = copy.verify_log()
        assert (report.size, report.root) == (made.size, made.root)
        copy.close()
    assert store.verify_log().size == 206


def test_a_backup_overwrites_nothing(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "backup.db"
    path.write_bytes(b"something of value")
    with pytest.raises(UsageError) as refused:
        store.backup(path)
    assert refused.value.code is Code.USAGE
    assert path.read_bytes() == b"something of value"


def test_what_an_interrupted_backup_left_is_no_hindrance(store: Store, tmp_path: Path) -> None:
    (tmp_path / "backup.db.partial").write_bytes(b"half a backup")
    assert store.backup(tmp_path / "backup.db").size == 1
    assert not (tmp_path / "backup.db.partial").exists()


def test_a_backup_that_fails_leaves_no_file(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "backup.db.partial").mkdir()
    with pytest.raises(OperationalError) as refused:
        store.backup(folder / "backup.db")
    assert refused.value.code is Code.STORE
    assert [file.name for file in folder.iterdir()] == ["backup.db.partial"]


def test_a_backup_into_a_folder_that_is_not_there_fails(store: Store, tmp_path: Path) -> None:
    with pytest.raises(OperationalError):
        store.backup(tmp_path / "no" / "backup.db")
