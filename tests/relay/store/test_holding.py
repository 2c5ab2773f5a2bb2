"""The lock beside a store: whose it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amanah_relay.store.holding import held_alone


@pytest.mark.skipif(os.geteuid() != 0, reason="a start as root takes root")
def test_a_start_as_root_leaves_the_lock_to_whom_the_store_is(tmp_path: Path) -> None:
    store = tmp_path / "relay.db"
    store.touch(mode=0o600)
    os.chown(store, 65534, 65534)
    with held_alone(f"sqlite:///{store}"):
        owner = (tmp_path / "relay.db.lock").stat()
    assert (owner.st_uid, owner.st_gid) == (65534, 65534)
