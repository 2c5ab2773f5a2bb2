"""Every test of groups that asks for a suite runs once for each that rooms may have."""

from __future__ import annotations

import pytest

from amanah_protocol.group.suites import SUPPORTED


@pytest.fixture(params=SUPPORTED, ids="0x{:04X}".format)
def suite(request: pytest.FixtureRequest) -> int:
    """The number of a room suite."""
    number = request.param
    assert isinstance(number, int)
    return number
