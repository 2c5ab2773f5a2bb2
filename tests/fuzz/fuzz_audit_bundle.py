"""Fuzz the reader of evidence bundles."""

from __future__ import annotations

import io
from typing import Final

from amanah_client.audit.bundle import Bundle
from amanah_client.audit.manifest import decode_manifest
from tests.client.audit.bundles import bundle, disclosed, members_of
from tests.client.audit.world import incident

TOLD: Final = incident()
SEEDS: Final = (bundle(TOLD), bundle(TOLD, disclosures=disclosed((bytes(32), TOLD.k, TOLD.content))))


def run(data: bytes) -> None:
    """It is read to its end or refused; what is read has one encoding."""
    found = Bundle(io.BytesIO(data))
    assert decode_manifest(found.encoded).encode() == found.encoded
    rows = sum(1 for _ in found.rows())
    assert found.row(rows) is None
    for items in (found.checkpoints(), found.timestamps(), found.disclosures()):
        assert sum(1 for _ in items) >= 0
    assert len(list(found.broken())) <= len(members_of(TOLD)) + 2
