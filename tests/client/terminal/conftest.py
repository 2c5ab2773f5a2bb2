"""A relay and the three nations that share it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.terminal.officers import MA, SN, TN
from tests.end_to_end.nations import Nations


@pytest.fixture(scope="module")
def nations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    made = Nations(tmp_path_factory.mktemp("nations"), (TN, MA, SN))
    made.relay.start()
    yield made
    made.close()
