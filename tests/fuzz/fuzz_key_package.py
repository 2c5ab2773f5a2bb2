"""Fuzz `key_package_info`: what an adder is handed by a relay."""

from __future__ import annotations

from typing import Final

from amanah_protocol.errors import PeerError
from amanah_protocol.group.suites import SUPPORTED
from tests.protocol.group.circle import ENGINES, key_package

SEEDS: Final = tuple(
    key_package(number, suite=suite, last_resort=number == 2).public for suite in SUPPORTED for number in (1, 2)
)


def run(data: bytes) -> None:
    """What is accepted is a signed key package of one suite, and the other engine refuses it."""
    refusals = []
    for suite in SUPPORTED:
        try:
            info = ENGINES[suite].key_package_info(data)
        except PeerError as error:
            refusals.append(error)
        else:
            assert info.suite == suite
            assert info.not_before_ms < info.not_after_ms
    if len(refusals) == len(SUPPORTED):
        raise refusals[-1]
    assert len(refusals) == len(SUPPORTED) - 1
