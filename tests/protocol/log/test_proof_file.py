from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_client.mldsa import MlDsaKey
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.merkle import MAX_PATH, MAX_TREE_SIZE, inclusion_path, leaf_hash
from amanah_protocol.log.note import decode_note
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.log.policy import decode_policy
from amanah_protocol.log.proof_file import (
    MAX_EXTRA_BYTES,
    MAX_PROOF_BYTES,
    LogProof,
    decode_proof,
    encode_proof,
    verify_proof,
    verify_witnessed_proof,
)
from amanah_protocol.types import LeafHash
from tests.protocol.log import published
from tests.protocol.log.trees import StoredTree, entries

ORIGIN = "log.example/incidents"
LOG = NoteSigner(name=ORIGIN, key=SigningKey.from_seed(bytes(32)))
STORED = StoredTree(entries(7))
HEAD = Checkpoint(origin=ORIGIN, size=7, root=STORED.frontier.root())
SIGNED = sign_checkpoint(HEAD, LOG)
PROOF = LogProof(index=5, path=inclusion_path(STORED.read, 5, 7), checkpoint=SIGNED)
LEAF = leaf_hash(entries(7)[5])
FILE = encode_proof(PROOF)


def refusal(proof: LogProof, leaf: LeafHash = LEAF, vkey: str = LOG.verifier.vkey, origin: str = ORIGIN) -> Code:
    assert verify_proof(PROOF, LEAF, LOG.verifier.vkey, ORIGIN).value == HEAD
    with pytest.raises(VerifyError) as caught:
        verify_proof(proof, leaf, vkey, origin)
    return caught.value.code


def damage(data: bytes) -> Code:
    assert decode_proof(FILE) == PROOF
    assert data != FILE
    with pytest.raises(DecodeError) as caught:
        decode_proof(data)
    return caught.value.code


def test_a_proof_file_is_the_text_of_the_specification() -> None:
    hashes = "".join(base64.b64encode(node).decode() + "\n" for node in PROOF.path)
    text = f"c2sp.org/tlog-proof@v1\nindex 5\n{hashes}\n{SIGNED.decode()}"
    assert FILE.decode() == text
    with_extra = replace(PROOF, extra=b"context")
    assert encode_proof(with_extra).decode() == text.replace("index", "extra Y29udGV4dA==\nindex", 1)
    assert decode_proof(encode_proof(with_extra)) == with_extra


def test_a_proof_without_path_is_read_back() -> None:
    alone = LogProof(index=0, path=(), checkpoint=SIGNED)
    assert encode_proof(alone) == b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + SIGNED
    assert decode_proof(encode_proof(alone)) == alone


@given(
    st.builds(
        LogProof,
        index=st.integers(0, MAX_TREE_SIZE - 1),
        path=st.lists(st.binary(min_size=32, max_size=32), max_size=MAX_PATH).map(tuple),
        checkpoint=st.just(SIGNED) | st.just(published.CHECKPOINT.encode()),
        extra=st.binary(max_size=60),
    )
)
def test_every_proof_is_read_back(proof: LogProof) -> None:
    assert decode_proof(encode_proof(proof)) == proof


def test_a_right_proof_verifies_for_every_entry() -> None:
    for index, entry in enumerate(entries(7)):
        proof = decode_proof(encode_proof(replace(PROOF, index=index, path=inclusion_path(STORED.read, index, 7))))
        assert verify_proof(proof, leaf_hash(entry), LOG.verifier, ORIGIN).value == HEAD


def test_a_proof_of_another_entry_index_or_path_is_refused() -> None:
    assert refusal(PROOF, leaf=leaf_hash(b"another")) is Code.PROOF
    assert refusal(replace(PROOF, index=4)) is Code.PROOF
    assert refusal(replace(PROOF, index=7)) is Code.PROOF
    assert refusal(replace(PROOF, path=PROOF.path[:-1])) is Code.PROOF
    assert refusal(replace(PROOF, path=(*PROOF.path, bytes(32)))) is Code.PROOF


def test_a_proof_under_another_head_key_or_origin_is_refused() -> None:
    other_root = sign_checkpoint(replace(HEAD, root=bytes(32)), LOG)
    assert refusal(replace(PROOF, checkpoint=other_root)) is Code.PROOF
    other_key = NoteSigner(name=ORIGIN, key=SigningKey.from_seed(b"k" * 32))
    assert refusal(replace(PROOF, checkpoint=sign_checkpoint(HEAD, other_key))) is Code.CHECKPOINT
    assert refusal(PROOF, vkey=other_key.verifier.vkey) is Code.CHECKPOINT
    assert refusal(PROOF, origin="log.example/other") is Code.CHECKPOINT


WITNESSES = tuple(
    NoteSigner(name=f"w{number}.example", key=SigningKey(bytes([number]) * 32), kind=SignatureType.COSIGNATURE)
    for number in (1, 2, 3)
)
PQ = NoteSigner(name="w1.example", key=MlDsaKey(bytes(32)), kind=SignatureType.ML_DSA_44)
POLICY = decode_policy(
    "".join(
        [
            f"log {LOG.verifier.vkey}\n",
            f"witness w1-pq {PQ.verifier.vkey}\n",
            *(f"witness w{number} {signer.verifier.vkey}\n" for number, signer in enumerate(WITNESSES, start=1)),
            "group one any w1 w1-pq\ngroup q 2 one w2 w3\nquorum q\n",
        ]
    ).encode()
)


def cosigned(*signers: NoteSigner, time_s: int = 7) -> LogProof:
    """The proof with a checkpoint that these cosigned, as a file that was written and read."""
    note = decode_note(SIGNED)
    lines = [signer.sign(note.text, time_s=time_s) for signer in signers]
    return decode_proof(
        encode_proof(replace(PROOF, checkpoint=replace(note, signatures=(*note.signatures, *lines)).encode()))
    )


def witnessed_refusal(proof: LogProof, leaf: LeafHash = LEAF) -> Code:
    assert verify_witnessed_proof(cosigned(*WITNESSES), LEAF, POLICY).checkpoint == HEAD
    with pytest.raises(VerifyError) as caught:
        verify_witnessed_proof(proof, leaf, POLICY)
    return caught.value.code


def test_a_proof_holds_under_a_policy_whose_quorum_cosigned_its_checkpoint() -> None:
    found = verify_witnessed_proof(cosigned(PQ, WITNESSES[2]), LEAF, POLICY)
    assert (found.checkpoint, found.cosignatures) == (HEAD, (("w1-pq", 7), ("w3", 7)))


def test_a_proof_whose_checkpoint_too_few_cosigned_is_refused() -> None:
    assert witnessed_refusal(PROOF) is Code.THRESHOLD
    assert witnessed_refusal(cosigned(WITNESSES[1])) is Code.THRESHOLD
    assert witnessed_refusal(cosigned(WITNESSES[1], WITNESSES[1])) is Code.THRESHOLD
    # Both keys of one witness, which the log's key alone would not notice.
    assert witnessed_refusal(cosigned(WITNESSES[0], PQ)) is Code.THRESHOLD
    assert verify_proof(cosigned(WITNESSES[0], PQ), LEAF, LOG.verifier, ORIGIN).value == HEAD


def test_a_witnessed_proof_of_another_entry_index_or_log_is_refused() -> None:
    whole = cosigned(*WITNESSES)
    assert witnessed_refusal(whole, leaf_hash(b"another")) is Code.PROOF
    assert witnessed_refusal(replace(whole, index=4)) is Code.PROOF
    assert witnessed_refusal(replace(whole, path=whole.path[:-1])) is Code.PROOF
    other = NoteSigner(name="other.example/log", key=SigningKey.from_seed(bytes(32)))
    elsewhere = sign_checkpoint(replace(HEAD, origin=other.name), other)
    assert witnessed_refusal(replace(whole, checkpoint=elsewhere)) is Code.CHECKPOINT


def test_extra_data_is_authenticated_by_nothing() -> None:
    assert verify_proof(replace(PROOF, extra=b"any"), LEAF, LOG.verifier, ORIGIN).value == HEAD


INDEX = b"index 5\n"
FIRST = base64.b64encode(PROOF.path[0])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", Code.UNKNOWN_VERSION),
        (FILE.replace(b"@v1", b"@v2"), Code.UNKNOWN_VERSION),
        (b"\n" + FILE, Code.UNKNOWN_VERSION),
        (FILE.replace(b"@v1", b"@v\xc3\xa9"), Code.MALFORMED),
        (FILE.replace(INDEX, b""), Code.MALFORMED),
        (FILE.replace(INDEX, b"index 05\n"), Code.MALFORMED),
        (FILE.replace(INDEX, b"index -5\n"), Code.MALFORMED),
        (FILE.replace(INDEX, b"index  5\n"), Code.MALFORMED),
        (FILE.replace(INDEX, b"index 5 \n"), Code.MALFORMED),
        (FILE.replace(INDEX, b"index 5\r\n"), Code.MALFORMED),
        (FILE.replace(INDEX, b"Index 5\n"), Code.MALFORMED),
        (FILE.replace(INDEX, b"index %d\n" % MAX_TREE_SIZE), Code.MALFORMED),
        (FILE.replace(INDEX, INDEX + INDEX), Code.MALFORMED),
        (FILE.replace(INDEX, b"extra \n" + INDEX), Code.NOT_CANONICAL),
        (FILE.replace(INDEX, b"extra !\n" + INDEX), Code.MALFORMED),
        (FILE.replace(INDEX, b"extra AA==\nextra AA==\n" + INDEX), Code.MALFORMED),
        (FILE.replace(INDEX, INDEX + b"extra AA==\n"), Code.MALFORMED),
        (FILE.replace(INDEX, b"extra " + base64.b64encode(bytes(MAX_EXTRA_BYTES + 1)) + b"\n" + INDEX), Code.TOO_LARGE),
        (FILE.replace(FIRST, FIRST[:-1]), Code.MALFORMED),
        (FILE.replace(FIRST, FIRST[4:]), Code.MALFORMED),
        (FILE.replace(INDEX, INDEX + (FIRST + b"\n") * MAX_PATH), Code.MALFORMED),
        (FILE.removesuffix(SIGNED), Code.MALFORMED),
        (FILE.removesuffix(b"\n" + SIGNED), Code.MALFORMED),
        (FILE.replace(SIGNED, SIGNED + b"\n"), Code.MALFORMED),
        (FILE.replace(SIGNED, b"\n" + SIGNED), Code.MALFORMED),
        (FILE + b"x" * MAX_PROOF_BYTES, Code.TOO_LARGE),
        (b"x" * MAX_PROOF_BYTES, Code.UNKNOWN_VERSION),
        (b"x" * (MAX_PROOF_BYTES + 1), Code.TOO_LARGE),
    ],
)
def test_a_file_that_is_changed_in_one_place_is_refused(data: bytes, code: Code) -> None:
    assert damage(data) is code


def test_no_proof_is_made_of_values_out_of_range() -> None:
    largest = replace(PROOF, index=MAX_TREE_SIZE - 1, path=(bytes(32),) * MAX_PATH, extra=bytes(MAX_EXTRA_BYTES))
    assert decode_proof(encode_proof(largest)) == largest
    for changed, code in (
        ({"index": -1}, Code.MALFORMED),
        ({"index": MAX_TREE_SIZE}, Code.MALFORMED),
        ({"path": (bytes(32),) * (MAX_PATH + 1)}, Code.MALFORMED),
        ({"path": (bytes(31),)}, Code.MALFORMED),
        ({"extra": bytes(MAX_EXTRA_BYTES + 1)}, Code.TOO_LARGE),
    ):
        with pytest.raises(UsageError) as caught:
            replace(PROOF, **changed)
        assert caught.value.code is code


def test_no_proof_is_made_with_a_checkpoint_that_is_none() -> None:
    note = replace(decode_note(SIGNED), text="not a checkpoint\n").encode()
    with pytest.raises(DecodeError):
        replace(PROOF, checkpoint=note)
