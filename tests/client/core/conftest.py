"""Fixtures of the core's tests."""

from __future__ import annotations

import pytest

from tests.client.core.world import Stage


@pytest.fixture
def stage() -> Stage:
    """A relay and nobody there yet."""
    return Stage()
