"""The lock beside a store: whose it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_relay.store import Store
from amanah_relay.store.holding import held_alone
from amanah_relay.store.sqlite import SqliteFile


@pytest.mark.skipif(os.geteuid() != 0, reason="a start as root takes root")
def test_a_start_as_root_leaves_the_lock_to_whom_the_store_is(tmp_path: Path) -> None:
    store = tmp_path / "relay.db"
    store.touch(mode=0o600)
    os.chown(store, 65534, 65534)
    with held_alone(f"sqlite:///{store}"):
        owner = (tmp_path / "relay.db.lock").stat()
    assert (owner.st_uid, owner.st_gid) == (65534, 65534)


def _url(path: Path) -> str:
    path.touch(mode=0o600)
    return f"sqlite:///{path}"


def test_a_store_is_held_once_by_whichever_link_leads_to_it(tmp_path: Path) -> None:
    url, linked = _url(tmp_path / "relay.db"), tmp_path / "linked.db"
    linked.symlink_to(tmp_path / "relay.db")
    with (
        held_alone(url),
        pytest.raises(OperationalError, match="running already"),
        held_alone(f"sqlite:///{linked}"),
    ):
        pass
    with held_alone(f"sqlite:///{linked}"):
        pass


def test_a_store_of_two_names_is_refused_by_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = [_url(tmp_path / "relay.db"), f"sqlite:///{tmp_path / 'other.db'}"]
    with held_alone(urls[0]):
        (tmp_path / "other.db").hardlink_to(tmp_path / "relay.db")
        for url in urls:
            with pytest.raises(UsageError, match="another name") as refused, held_alone(url):
                pass
            assert (refused.value.code, "backup" in refused.value.hint) == (Code.CONFIG, True)
            with pytest.raises(UsageError, match="another name"):
                Store.open(url)
    with monkeypatch.context() as unchecked:
        # What the check stops: the lock stands beside a name, and there are two.
        unchecked.setattr(SqliteFile, "check", lambda _file: None)
        with held_alone(urls[0]), held_alone(urls[1]):
            pass
    (tmp_path / "other.db").unlink()
    with held_alone(urls[0]):
        pass
