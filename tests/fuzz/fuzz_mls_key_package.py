"""Fuzz a key package and its leaf, as whoever adds it checks them."""

from __future__ import annotations

from typing import Final

from amanah_protocol.mls.checks import Ground, check_key_package, check_leaf, check_lifetime
from amanah_protocol.mls.key_package import decode_key_package
from tests.protocol.mls.stage import CONTEXT_EXTENSIONS, GROUP_ID, SUITES, make_stage

_STAGES: Final = [make_stage(suite) for suite in SUITES.values()]
SEEDS: Final = tuple(stage.newcomer.public.encode() for stage in _STAGES)


def run(data: bytes) -> None:
    """What is accepted has one form."""
    package = decode_key_package(data)
    assert package.encode() == data
    suite = next((stage.suite for stage in _STAGES if stage.suite.number == package.suite), _STAGES[0].suite)
    ground = Ground(suite=suite, group_id=GROUP_ID, extensions=CONTEXT_EXTENSIONS, authenticate=lambda *_: None)
    check_leaf(package.leaf_node, ground, 0)
    check_lifetime(package.leaf_node, now_s=5_000, longest_s=9_000)
    check_key_package(package, suite)
