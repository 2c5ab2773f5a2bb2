"""Our own transcripts: histories recorded live beside other engines, followed again on every machine."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Final

import pytest

from amanah_protocol.mls.rules import InvalidError
from tests.oracles.record import FOLDER, RECORDED
from tests.vectors.mls_passive import check_passive_client
from tests.vectors.mls_units import Case

FILES: Final = sorted(FOLDER.glob("*.json"))


def read(path: Path) -> Case:
    (case,) = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(case, dict)
    return case


def test_there_is_a_transcript_of_each_recording() -> None:
    assert {path.stem for path in FILES} == set(RECORDED)
    assert {read(path)["cipher_suite"] for path in FILES} == {wanted.suite for wanted in RECORDED.values()}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_history_is_followed_to_its_end(path: Path) -> None:
    check_passive_client(read(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recorded_commit_with_one_bit_changed_is_refused(path: Path) -> None:
    case = copy.deepcopy(read(path))
    raw = bytearray.fromhex(case["epochs"][0]["commit"])
    raw[-1] ^= 1
    case["epochs"][0]["commit"] = raw.hex()
    with pytest.raises(InvalidError):
        check_passive_client(case)
