"""Fuzz `key_package_info`: what an adder is handed by a relay."""

from __future__ import annotations

from typing import Final

from tests.protocol.group.circle import ENGINE, key_package

SEEDS: Final = (key_package(1).public, key_package(2, last_resort=True).public)


def run(data: bytes) -> None:
    """What is accepted is a signed key package of this suite."""
    assert ENGINE.key_package_info(data).suite == ENGINE.suite
