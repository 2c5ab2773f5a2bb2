"""Fuzz `decode_evidence` and `verify_conflict`: a file by which somebody accuses a log."""

from __future__ import annotations

from typing import Final

from amanah_protocol.log.conflict import decode_evidence, encode_evidence, verify_conflict
from tests.vectors import examples as x
from tests.vectors import log_examples as log

_RELAY: Final = x.relay()
SEEDS: Final = (
    *(encode_evidence((conflict,)) for conflict in log.conflicts()),
    encode_evidence(log.conflicts()),
)


def run(data: bytes) -> None:
    """What is read is written the same; what holds has two statements that differ."""
    conflicts = decode_evidence(data)
    assert encode_evidence(conflicts) == data
    for conflict in conflicts:
        judged = verify_conflict(conflict, _RELAY)
        assert judged.first != judged.second or conflict.proof is not None
