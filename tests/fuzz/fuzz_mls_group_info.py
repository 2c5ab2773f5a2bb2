"""Fuzz a group info, with which somebody joins by a commit."""

from __future__ import annotations

from typing import Final

from amanah_protocol.mls.codec import decode
from amanah_protocol.mls.group_context import GroupInfo
from amanah_protocol.mls.joining import Request, external_pub, join_by_commit, ratchet_tree
from tests.protocol.mls.forged_commit import welcome_to
from tests.protocol.mls.stage import make_stage

_STAGE: Final = make_stage()
_ALICE: Final = _STAGE["alice"]
_REQUEST: Final = Request(suite=_STAGE.suite, identity=_STAGE.identity("erin"))
_FORM: Final = welcome_to(
    _STAGE,
    tree=_ALICE.tree,
    info_extensions=lambda tree: (tree, external_pub(_ALICE._state.epoch)),
)
SEEDS: Final = (
    _FORM.info(_FORM.entry(bytes(32))).encode(),
    _ALICE.group_info((ratchet_tree(_ALICE.tree), external_pub(_ALICE._state.epoch)))[4:],
)


def run(data: bytes) -> None:
    """As it came, and once more with a signature that holds: the checks behind it are reached too."""
    info = decode(data, GroupInfo.read)
    assert info.encode() == data
    signed = decode(info.sign(_STAGE.identity("alice").key), GroupInfo.read)
    join_by_commit(signed, None, _REQUEST, authenticate=lambda *_: None, random=_STAGE.random)
