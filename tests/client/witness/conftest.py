"""A witness's memory in a folder of its own, with one log in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from amanah_client.witness.state import State
from tests.client.witness.logs import LOG, ORIGIN, WITNESS


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = State.create(tmp_path / "witness.db", (WITNESS.verifier,))
    made.add_log(ORIGIN, LOG.signer.verifier)
    yield made
    made.close()
