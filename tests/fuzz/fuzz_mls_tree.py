"""Fuzz the ratchet tree that a newcomer is shown."""

from __future__ import annotations

from typing import Final

from amanah_protocol.mls.checks import Ground, check_tree
from amanah_protocol.mls.ratchet_tree import decode_ratchet_tree
from tests.protocol.mls.negative_welcomes import tree_with_unmerged
from tests.protocol.mls.stage import CONTEXT_EXTENSIONS, GROUP_ID, make_stage

_STAGE: Final = make_stage()
_GROUND: Final = Ground(
    suite=_STAGE.suite, group_id=GROUP_ID, extensions=CONTEXT_EXTENSIONS, authenticate=lambda *_: None
)
SEEDS: Final = (_STAGE["alice"].tree.encode(), tree_with_unmerged(_STAGE).encode())


def run(data: bytes) -> None:
    """What is accepted has one form, and every leaf in it can make a path."""
    tree = decode_ratchet_tree(data)
    check_tree(tree, _GROUND)
    assert tree.encode() == data
    for index, _ in tree.members():
        tree.filtered_direct_path(index)
