"""Stores to test on. Another engine joins by giving a URL here: the contract's tests take no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from amanah_relay.store import Store
from tests.relay.store.full import Full, make_full
from tests.relay.store.sequence import Sequence, roster
from tests.vectors import examples as x


@pytest.fixture(params=["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may be made."""
    return f"{request.param}:///{tmp_path / 'relay.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A new store, loaded."""
    made = Store.init(url, roster=roster(), origin=x.ORIGIN, now_ms=x.NOW_MS)
    made.load()
    yield made
    made.close()


@pytest.fixture
def log(store: Store) -> Sequence:
    """The end of the store's log."""
    return Sequence.behind(store.load())


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Full:
    """A store with something of everything."""
    return make_full(tmp_path_factory.mktemp("full") / "relay.db")
