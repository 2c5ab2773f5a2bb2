"""Proofs of single entries from the register, against the tree that is built leaf by leaf."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from amanah_client.audit.proofs import Nodes, check_proof, prove_entry
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.log.proof_file import decode_proof, encode_proof
from amanah_protocol.types import CONTROL
from tests.client.audit.asking import case_of
from tests.client.audit.world import Log, anchor, incident


def long_log(size: int) -> Log:
    """Leaves that nobody would accept: here only their hashes count."""
    log = Log()
    for number in range(size):
        log.append(LeafType.CERTIFICATE, CONTROL, b"%d" % number)
    return log


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 800])
def test_every_entry_is_proven_under_the_checkpoint(size: int) -> None:
    log = long_log(size)
    case = case_of(log)
    for index in {*range(0, size, 37), size - 1, size // 2}:
        proof = decode_proof(encode_proof(prove_entry(case.record.copy, index, case.checkpoint)))
        leaf, witnessed = check_proof(proof, anchor().policy)
        assert (leaf, witnessed.checkpoint.size) == (log.leaves[index], size)


def test_the_root_of_every_prefix_is_that_of_a_tree_of_those_leaves() -> None:
    log = long_log(600)
    nodes, frontier = Nodes(case_of(log).record.copy), Frontier()
    for size, leaf in enumerate(log.leaves, start=1):
        frontier.append(leaf.hash)
        assert nodes.root(size) == frontier.root()


def test_a_proof_of_a_bare_hash_carries_no_entry_and_says_so() -> None:
    told = incident()
    case = case_of(told.log, told.rows())
    proof = prove_entry(case.record.copy, 16, case.checkpoint)
    assert proof.extra == b""
    with pytest.raises(UsageError) as raised:
        check_proof(proof, anchor().policy)
    assert raised.value.code is Code.NOT_FOUND


def test_an_entry_behind_the_checkpoint_is_not_proven() -> None:
    told = incident()
    case = case_of(told.log)
    with pytest.raises(UsageError) as raised:
        prove_entry(case.record.copy, told.log.size, case.checkpoint)
    assert "0 to 34" in raised.value.hint


def test_a_copy_that_was_tampered_with_proves_nothing() -> None:
    told = incident()
    rows = told.rows()
    rows[16] = structs.replace(rows[16], hash=bytes(32))
    case = case_of(told.log, rows)
    with pytest.raises(VerifyError) as raised:
        prove_entry(case.record.copy, 19, case.checkpoint)
    assert raised.value.code is Code.PROOF
    rows = told.rows()
    rows[19] = structs.replace(rows[19], entry=rows[20].entry)
    case = case_of(told.log, rows)
    with pytest.raises(VerifyError):
        prove_entry(case.record.copy, 19, case.checkpoint)


def test_an_entry_that_was_exchanged_in_the_file_is_refused() -> None:
    told = incident()
    case = case_of(told.log)
    proof = prove_entry(case.record.copy, 19, case.checkpoint)
    with pytest.raises(VerifyError) as raised:
        check_proof(replace(proof, extra=told.log.leaves[20].encode()), anchor().policy)
    assert raised.value.code is Code.PROOF


def test_what_was_not_examined_is_not_there_to_prove_by() -> None:
    log = long_log(300)
    case = case_of(log)
    with case.record.copy.writing() as connection:
        connection.execute("DELETE FROM node")
    with pytest.raises(UsageError) as raised:
        prove_entry(case.record.copy, 290, case.checkpoint)
    assert raised.value.code is Code.NOT_FOUND
