"""What the verifier keeps of a message are 40 bytes, its id and its time; of other rows, nothing."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from amanah_client.log_rows import AuditRow
from amanah_protocol.types import LeafHash
from tests.client.audit.world import incident
from tests.vectors import examples as x
from tests.verify.bundles import ROSTER, VERIFIER, checkpoint_at, honest

ROOM_FOR_NOISE = 128 * 1024


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in pieces of a mebibyte, which would hide what a small one takes."""
    monkeypatch.setattr(VERIFIER, "MIB", 64 * 1024)


def peak(path: Path, data: bytes) -> int:
    """Bytes that verifying a file takes at the most."""
    path.write_bytes(data)
    trusted = VERIFIER.Roster(VERIFIER.Endorsed(ROSTER))
    tracemalloc.start()
    with path.open("rb") as file:
        bundle = VERIFIER.Bundle(file, len(data))
        bundle.verify(None, [trusted])
        _, found = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert bundle.faults == []
    return found


@pytest.mark.slow
def test_seven_times_the_messages_take_little_more_memory(tmp_path: Path) -> None:
    few, many = (peak(tmp_path / "bundle", honest(incident(more=number)).encode()) for number in (200, 1_500))
    assert many < few + ROOM_FOR_NOISE


@pytest.mark.slow
def test_bare_hashes_take_none(tmp_path: Path) -> None:
    told = incident()
    rows = told.rows()

    def with_bare(number: int) -> bytes:
        hashes = [LeafHash(x.fixed(f"{n}")) for n in range(number)]
        bare = [AuditRow(index=len(rows) + n, hash=one, entry=None, document=None) for n, one in enumerate(hashes)]
        longer = [*rows, *bare]
        return honest(told, rows=longer, checkpoint=checkpoint_at(longer, len(longer))).encode()

    few, many = (peak(tmp_path / "bundle", with_bare(number)) for number in (500, 5_000))
    assert many < few + ROOM_FOR_NOISE
