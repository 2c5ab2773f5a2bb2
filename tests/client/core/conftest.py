"""Fixtures of the core's tests."""

from __future__ import annotations

import pytest

from tests.client.core.wedged import Victims
from tests.client.core.world import Stage


@pytest.fixture
def stage() -> Stage:
    """A relay and nobody there yet."""
    return Stage()


@pytest.fixture
def victims(monkeypatch: pytest.MonkeyPatch) -> Victims:
    """Clients for whom the commits of one member do not open; nobody yet."""
    return Victims(monkeypatch)
