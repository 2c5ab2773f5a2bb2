"""Fuzz the reader of a bundle's manifest."""

from __future__ import annotations

from typing import Final

from amanah_client.audit.manifest import decode_manifest
from tests.client.audit.bundles import manifest_of, members_of
from tests.client.audit.world import incident

TOLD: Final = incident()
SEEDS: Final = (manifest_of(TOLD, members_of(TOLD)).encode(),)


def run(data: bytes) -> None:
    """What is accepted has one encoding."""
    assert decode_manifest(data).encode() == data
