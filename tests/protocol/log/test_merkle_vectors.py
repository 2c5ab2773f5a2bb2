"""The probes of transparency-dev/merkle: good and mutated proofs with the verdict that is due."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from amanah_protocol.errors import VerifyError
from amanah_protocol.log.merkle import verify_consistency, verify_inclusion
from amanah_protocol.types import LeafHash

Vector = dict[str, Any]

NO_HASHES = "sizes-are-equal-one-and-proof-is-empty"
"""Its two roots are equal strings of other lengths than 32, which Amanah refuses as such."""


@pytest.fixture(scope="module")
def vectors(data_dir: Path) -> dict[str, Vector]:
    file = data_dir / "vectors" / "merkle" / "transparency-dev-merkle-testdata.json"
    if not file.is_file():
        pytest.skip("skipped: data absent")
    loaded: dict[str, Vector] = json.loads(file.read_text())
    return loaded


def chosen(vectors: dict[str, Vector], kind: str) -> dict[str, Vector]:
    return {name: vector for name, vector in vectors.items() if name.startswith(kind + "/")}


def path_of(vector: Vector) -> list[bytes]:
    return [base64.b64decode(node) for node in vector["proof"] or []]


def includes(vector: Vector, index: int, size: int) -> bool:
    leaf, root = LeafHash(base64.b64decode(vector["leafHash"])), base64.b64decode(vector["root"])
    try:
        verify_inclusion(leaf, index, size, path_of(vector), root)
    except VerifyError:
        return False
    return True


def continues(vector: Vector, old: int, new: int) -> bool:
    roots = [base64.b64decode(vector[name]) for name in ("root1", "root2")]
    try:
        verify_consistency(old, roots[0], new, roots[1], path_of(vector))
    except VerifyError:
        return False
    return True


def is_aligned(start: int, end: int) -> bool:
    """Whether leaves `start` to `end` are a subtree, whose proofs are those of a tree of their own."""
    return start % (1 << max(end - start - 1, 0).bit_length()) == 0


def test_every_inclusion_probe_gets_its_verdict(vectors: dict[str, Vector]) -> None:
    probes = chosen(vectors, "inclusion")
    assert (len(probes), sum(not probe["wantErr"] for probe in probes.values())) == (98, 6)
    wrong = [name for name, v in probes.items() if includes(v, v["leafIdx"], v["treeSize"]) == v["wantErr"]]
    assert wrong == []


def test_every_consistency_probe_gets_its_verdict(vectors: dict[str, Vector]) -> None:
    probes = chosen(vectors, "consistency")
    assert (len(probes), sum(not probe["wantErr"] for probe in probes.values())) == (98, 6)
    wrong = [name for name, v in probes.items() if continues(v, v["size1"], v["size2"]) == v["wantErr"]]
    assert wrong == ["consistency/additional/" + NO_HASHES]


def test_every_inclusion_probe_of_a_subtree_gets_its_verdict(vectors: dict[str, Vector]) -> None:
    """But for the two whose leaves are no subtree: that is not ours to judge."""
    probes = {n: v for n, v in chosen(vectors, "subtreeinclusion").items() if is_aligned(v["start"], v["end"])}
    assert len(probes) == 202
    wrong = [
        name
        for name, v in probes.items()
        if includes(v, v["leafIdx"] - v["start"], v["end"] - v["start"]) == v["wantErr"]
    ]
    assert wrong == []


def test_every_consistency_probe_of_a_subtree_that_is_a_prefix_gets_its_verdict(vectors: dict[str, Vector]) -> None:
    probes = {n: v for n, v in chosen(vectors, "subtreeconsistency").items() if not v["start"] and v["end"]}
    assert len(probes) == 91
    wrong = [name for name, v in probes.items() if continues(v, v["end"], v["size"]) == v["wantErr"]]
    assert wrong == ["subtreeconsistency/additional/" + NO_HASHES]


def test_the_probe_that_is_refused_against_its_verdict_has_roots_that_are_no_hashes(vectors: dict[str, Vector]) -> None:
    probe = vectors["consistency/additional/" + NO_HASHES]
    assert len(base64.b64decode(probe["root1"])) != 32
    root = base64.b64encode(bytes(32)).decode()
    assert continues({**probe, "root1": root, "root2": root}, 1, 1)
