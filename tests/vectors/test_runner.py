from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.vectors.__main__ import FAMILIES, main

RIGHT: Final[dict[str, Any]] = {
    "n_leaves": 2,
    "n_nodes": 3,
    "root": 1,
    "left": [None, 0, None],
    "right": [None, 2, None],
    "parent": [1, None, 1],
    "sibling": [2, None, 0],
}
WRONG: Final = {**RIGHT, "root": 0}
OF_ANOTHER_SUITE: Final = {"cipher_suite": 2, "psks": [], "psk_secret": "00" * 32}


def write(folder: Path, name: str, *cases: object) -> str:
    """Write a vector file."""
    path = folder / name
    path.write_text(json.dumps(cases), encoding="utf-8")
    return str(path)


def test_cases_that_hold_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "tree-math.json", RIGHT, RIGHT)
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "tree-math 2/2\n"


def test_a_case_that_fails_is_named_and_the_others_still_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([write(tmp_path, "tree-math.json", WRONG, RIGHT, {})]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tree-math 1/3"
    assert [line.partition(":")[0] for line in lines[1:]] == ["  tree-math[0]", "  tree-math[2]"]
    assert "AssertionError" in lines[1]
    assert "KeyError" in lines[2]


def test_a_suite_that_is_not_here_is_skipped_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = {**OF_ANOTHER_SUITE, "cipher_suite": 1}
    assert main([write(tmp_path, "psk_secret.json", here, OF_ANOTHER_SUITE)]) == 0
    assert capsys.readouterr().out == "psk_secret 1/1 skipped 1\n"


def test_it_fails_when_every_case_was_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([write(tmp_path, "psk_secret.json", OF_ANOTHER_SUITE)]) == 1
    assert "no case ran" in capsys.readouterr().err


def test_a_family_is_recognised_by_what_its_cases_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    write(folder, "arithmetic.json", RIGHT)
    assert main([str(folder)]) == 0
    assert capsys.readouterr().out == "elsewhere/arithmetic 1/1\n"


@pytest.mark.parametrize("case", [{"what": "nobody knows"}, "no object", None])
def test_a_file_of_no_family_is_named_and_counts_for_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: object
) -> None:
    assert main([write(tmp_path, "unknown.json", case)]) == 1
    said = capsys.readouterr().err
    assert "unknown: no family of vectors is recognised" in said
    assert "no case ran" in said


def test_it_fails_when_there_is_nothing_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.md").write_text("no vectors", encoding="utf-8")
    assert main([str(tmp_path), str(tmp_path / "README.md")]) == 1
    assert "no case ran" in capsys.readouterr().err


def test_each_file_of_vectors_that_is_here_holds(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = data_dir / "vectors" / "mls"
    if not folder.is_dir():
        pytest.skip("skipped: data absent (no vectors of the MLS working group)")
    assert main([str(folder)]) == 0, capsys.readouterr().out
    found = {line.split()[0].rpartition("/")[2] for line in capsys.readouterr().out.splitlines()}
    assert found & set(FAMILIES)
