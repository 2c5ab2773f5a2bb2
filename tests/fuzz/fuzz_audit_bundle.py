"""Fuzz the reader of audit bundles and what verifies them."""

from __future__ import annotations

import io
from typing import Final

from amanah_client.audit.bundle import BundleReader
from tests.client.audit.world import bundle, incident

SEEDS: Final = (bundle(incident()),)


def run(data: bytes) -> None:
    """It is read to its end or refused."""
    reader = BundleReader(io.BytesIO(data).read)
    assert sum(1 for _ in reader.rows()) >= 0
