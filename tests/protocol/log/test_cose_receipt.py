from __future__ import annotations

from dataclasses import replace
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import VerifyKey

from amanah_protocol import cose
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.errors import Code, DecodeError, PeerError, UsageError, VerifyError
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from amanah_protocol.log.cose_receipt import (
    MAX_RECEIPT_BYTES,
    CoseReceipt,
    decode_receipt,
    encode_receipt,
    sign_root,
    split_root_line,
    verify_receipt,
    with_root_line,
)
from amanah_protocol.log.merkle import MAX_PATH, MAX_TREE_SIZE, inclusion_path, leaf_hash
from amanah_protocol.log.note import Note, decode_note
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.types import LeafHash
from tests.protocol.log.reference import RecursiveTree
from tests.protocol.log.trees import StoredTree, entries
from tests.protocol.refusal import refused

KEY = SigningKey(bytes(range(32)))
SIZE = 21
STORED = StoredTree(entries(SIZE))
ROOT = RecursiveTree(entries(SIZE)).mth(0, SIZE)
SIGNATURE = sign_root(ROOT, KEY)


def receipt_of(index: int, size: int = SIZE, signature: bytes = SIGNATURE) -> CoseReceipt:
    path = inclusion_path(STORED.read, index, size)
    return CoseReceipt(kid=KEY.key_id, size=size, index=index, path=path, signature=signature)


RECEIPT = receipt_of(17)
LEAF = STORED.leaves[17]
DATA = encode_receipt(RECEIPT)
PROOF = [SIZE, 17, list(RECEIPT.path)]


def test_a_receipt_is_the_structure_of_the_rfc() -> None:
    """Taken apart, and its signature verified, without ours."""
    tagged = cbor2.loads(DATA)
    assert tagged.tag == 18
    protected, unprotected, payload, signature = tagged.value
    assert cbor2.loads(protected) == {1: -19, 4: sha256(KEY.public), 16: "application/amanah-inclusion+cose", 395: 1}
    assert list(unprotected) == [396]
    assert list(unprotected[396]) == [-1]
    (proof,) = unprotected[396][-1]
    assert cbor2.loads(proof) == PROOF
    assert payload is None
    VerifyKey(KEY.public).verify(cbor2.dumps(["Signature1", protected, b"", ROOT]), signature)


def test_one_signature_of_the_root_makes_the_receipt_of_every_leaf() -> None:
    for index, entry in enumerate(entries(SIZE)):
        receipt = decode_receipt(encode_receipt(receipt_of(index)))
        assert receipt == receipt_of(index)
        assert verify_receipt(receipt, leaf_hash(entry), KEY.public) == ROOT


def test_the_only_leaf_of_a_log_has_a_receipt_without_a_path() -> None:
    alone = receipt_of(0, 1, sign_root(STORED.leaves[0], KEY))
    assert alone.path == ()
    assert verify_receipt(decode_receipt(encode_receipt(alone)), STORED.leaves[0], KEY.public) == STORED.leaves[0]


@given(
    st.builds(
        CoseReceipt,
        kid=st.binary(min_size=32, max_size=32),
        size=st.just(MAX_TREE_SIZE),
        index=st.integers(0, MAX_TREE_SIZE - 1),
        path=st.lists(st.binary(min_size=32, max_size=32), max_size=MAX_PATH).map(tuple),
        signature=st.binary(min_size=64, max_size=64),
    )
)
def test_every_receipt_is_read_back(receipt: CoseReceipt) -> None:
    encoded = encode_receipt(receipt)
    assert len(encoded) < MAX_RECEIPT_BYTES
    assert decode_receipt(encoded) == receipt


def refusal(receipt: CoseReceipt, leaf: LeafHash = LEAF, public: bytes = KEY.public) -> Code:
    assert verify_receipt(RECEIPT, LEAF, KEY.public) == ROOT
    with pytest.raises(VerifyError) as caught:
        verify_receipt(receipt, leaf, public)
    return caught.value.code


def test_a_receipt_for_another_leaf_key_root_or_path_is_refused() -> None:
    assert refusal(RECEIPT, leaf=STORED.leaves[16]) is Code.SIGNATURE
    assert refusal(RECEIPT, public=SigningKey(bytes(32)).public) is Code.KEY_ID
    assert refusal(replace(RECEIPT, kid=SigningKey(bytes(32)).key_id)) is Code.KEY_ID
    assert refusal(replace(RECEIPT, signature=sign_root(bytes(32), KEY))) is Code.SIGNATURE
    assert refusal(replace(RECEIPT, signature=bytes(64))) is Code.SIGNATURE
    assert refusal(replace(RECEIPT, index=16)) is Code.SIGNATURE
    assert refusal(replace(RECEIPT, path=(*RECEIPT.path[:-1], bytes(32)))) is Code.SIGNATURE
    assert refusal(replace(RECEIPT, path=RECEIPT.path[:-1])) is Code.PROOF
    assert refusal(replace(RECEIPT, path=(*RECEIPT.path, bytes(32)))) is Code.PROOF
    assert refusal(RECEIPT, leaf=LeafHash(bytes(31))) is Code.PROOF


def test_a_receipt_by_a_key_of_the_right_id_needs_its_signature() -> None:
    other = SigningKey(bytes(32))
    claimed = replace(RECEIPT, kid=other.key_id)
    assert refusal(claimed, public=other.public) is Code.SIGNATURE
    own = replace(claimed, signature=sign_root(ROOT, other))
    assert verify_receipt(own, LEAF, other.public) == ROOT


def test_a_receipt_with_any_bit_flipped_is_refused_or_says_the_same_of_the_same_root() -> None:
    """RFC 9942 signs the root alone: a size with a path of the same turns leads there too, and nothing else does."""
    sizes = set()
    for bit in range(len(DATA) * 8):
        flipped = bytearray(DATA)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            found = decode_receipt(bytes(flipped))
            root = verify_receipt(found, LEAF, KEY.public)
        except PeerError:
            continue
        assert root == ROOT
        assert replace(found, size=SIZE) == RECEIPT
        sizes.add(found.size)
    # What the docstring warns of does happen: a checkpoint of this root says which size is the true one.
    assert sizes
    assert SIZE not in sizes


def rebuilt(**parts: object) -> bytes:
    """The receipt put together anew, with some parts replaced."""
    protected, unprotected, payload, signature = cbor2.loads(DATA).value
    given = {"protected": protected, "unprotected": unprotected, "payload": payload, "signature": signature} | parts
    return cose.TAG + cbor2.dumps(list(given.values()))


def header(**changes: object) -> bytes:
    """The protected header with some fields replaced; None takes one away."""
    fields: dict[int, object] = {1: -19, 4: KEY.key_id, 16: str(Typ.INCLUSION), 395: 1}
    fields |= {int(name.removeprefix("l")): value for name, value in changes.items()}
    return cbor2.dumps({label: value for label, value in fields.items() if value is not None})


def with_proof(*row: object) -> bytes:
    return rebuilt(unprotected={396: {-1: [cbor2.dumps(list(row))]}})


PROVEN = cbor2.dumps(PROOF)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", Code.MALFORMED),
        (DATA[1:], Code.MALFORMED),
        (b"\xd1" + DATA[1:], Code.MALFORMED),
        (DATA + b"\x00", Code.NOT_CANONICAL),
        (DATA[:-1], Code.MALFORMED),
        (DATA + bytes(MAX_RECEIPT_BYTES), Code.TOO_LARGE),
        (cose.TAG + cbor2.dumps([1, 2, 3]), Code.BAD_TYPE),
        (rebuilt(protected=7), Code.BAD_TYPE),
        (rebuilt(protected=cbor2.dumps([1])), Code.BAD_HEADER),
        (rebuilt(protected=header(l1=-8)), Code.BAD_HEADER),
        (rebuilt(protected=header(l1=-7)), Code.BAD_HEADER),
        (rebuilt(protected=header(l4=None)), Code.BAD_HEADER),
        (rebuilt(protected=header(l4="text")), Code.BAD_HEADER),
        (rebuilt(protected=header(l4=bytes(31))), Code.BAD_HEADER),
        (rebuilt(protected=header(l16=None)), Code.BAD_HEADER),
        (rebuilt(protected=header(l16=str(Typ.RECEIPT))), Code.BAD_HEADER),
        (rebuilt(protected=header(l395=None)), Code.BAD_HEADER),
        (rebuilt(protected=header(l395=2)), Code.BAD_HEADER),
        (rebuilt(protected=header(l395=True)), Code.BAD_HEADER),
        (rebuilt(protected=header(l396=1)), Code.BAD_HEADER),
        (rebuilt(unprotected={}), Code.BAD_TYPE),
        (rebuilt(unprotected=[]), Code.BAD_TYPE),
        (rebuilt(unprotected={396: []}), Code.BAD_TYPE),
        (rebuilt(unprotected={396: {}}), Code.BAD_TYPE),
        (rebuilt(unprotected={396: {-2: [PROVEN]}}), Code.BAD_TYPE),
        (rebuilt(unprotected={396: {-1: [PROVEN], -2: []}}), Code.BAD_TYPE),
        (rebuilt(unprotected={4: KEY.key_id, 396: {-1: [PROVEN]}}), Code.BAD_TYPE),
        (rebuilt(unprotected={396: {-1: []}}), Code.BAD_TYPE),
        (rebuilt(unprotected={396: {-1: [PROVEN, PROVEN]}}), Code.BAD_TYPE),
        (rebuilt(unprotected={396: {-1: PROVEN}}), Code.BAD_TYPE),
        (rebuilt(unprotected={396: {-1: [PROOF]}}), Code.MALFORMED),
        (rebuilt(payload=ROOT), Code.BAD_TYPE),
        (rebuilt(payload=b""), Code.BAD_TYPE),
        (rebuilt(signature=bytes(63)), Code.BAD_TYPE),
        (with_proof(SIZE, 17), Code.BAD_TYPE),
        (with_proof(SIZE, 17, [], []), Code.BAD_TYPE),
        (with_proof(SIZE, -1, []), Code.BAD_TYPE),
        (with_proof(SIZE, SIZE, []), Code.MALFORMED),
        (with_proof(0, 0, []), Code.MALFORMED),
        (with_proof(2**63, 0, []), Code.BAD_TYPE),
        (with_proof(SIZE, 17, [bytes(31)]), Code.BAD_TYPE),
        (with_proof(SIZE, 17, [bytes(32)] * (MAX_PATH + 1)), Code.BAD_TYPE),
        (rebuilt(unprotected={396: {-1: [b"\x83\x18\x05\x00\x80"]}}), Code.NOT_CANONICAL),
    ],
)
def test_a_receipt_of_another_form_is_refused(data: bytes, code: Code) -> None:
    assert decode_receipt(rebuilt()) == RECEIPT
    with refused(code, DecodeError):
        decode_receipt(data)


@pytest.mark.parametrize(
    "changed",
    [
        {"index": -1}, {"index": SIZE}, {"size": 0}, {"size": MAX_TREE_SIZE + 1}, {"path": (bytes(31),)},
        {"path": (bytes(32),) * (MAX_PATH + 1)}, {"kid": bytes(31)}, {"signature": bytes(63)},
    ],
)  # fmt: skip
def test_no_receipt_is_made_of_values_out_of_range(changed: dict[str, Any]) -> None:
    with refused(Code.MALFORMED, UsageError):
        replace(RECEIPT, **changed)


def test_what_is_no_root_is_not_signed() -> None:
    with refused(Code.BAD_TYPE, UsageError):
        sign_root(bytes(33), KEY)


def test_no_other_signature_of_the_relay_makes_a_receipt() -> None:
    """Whatever its payload: the relay never signs a bare root under another purpose, and here it did (attack 33)."""
    for typ in Typ:
        parts = cose.decode_sign1(cose.sign(typ, ROOT, KEY), max_bytes=512)
        assert refusal(replace(RECEIPT, signature=parts.signature)) is Code.SIGNATURE
    raw = KEY.sign(ROOT)
    assert refusal(replace(RECEIPT, signature=raw)) is Code.SIGNATURE
    with refused(Code.MALFORMED, DecodeError):
        cose.decode(DATA, Typ.INCLUSION, max_bytes=MAX_RECEIPT_BYTES)


# ---- around the signature line of a checkpoint


LOG = NoteSigner(name="relay.example.org/log", key=SigningKey(bytes(32)))
BARE = sign_checkpoint(Checkpoint(origin=LOG.name, size=SIZE, root=ROOT), LOG)
SIGNED = with_root_line(BARE, KEY)


def test_the_line_has_the_key_id_of_a_type_without_number() -> None:
    line = decode_note(SIGNED).signatures[-1]
    named = b"relay.example.org/log\n\xffamanah/cose-receipt/1" + KEY.public
    assert (line.name, line.key_id) == (LOG.name, sha256(named)[:4])


def test_who_knows_no_such_line_verifies_the_checkpoint_as_ever() -> None:
    assert verify_checkpoint(SIGNED, LOG.verifier, LOG.name).value.root == ROOT


def changed(**changes: Any) -> bytes:  # noqa: ANN401 - fields of a line
    note = decode_note(SIGNED)
    return Note(text=note.text, signatures=(note.signatures[0], replace(note.signatures[1], **changes))).encode()


def test_the_line_is_taken_out_with_its_signature() -> None:
    assert split_root_line(SIGNED, KEY.public) == (BARE, SIGNATURE)


@pytest.mark.parametrize(
    "note",
    [
        BARE,
        with_root_line(BARE, SigningKey(bytes(range(1, 33)))),
        changed(name="another.example/log"),
        Note(text=decode_note(SIGNED).text, signatures=decode_note(SIGNED).signatures[1:]).encode(),
    ],
    ids=["none", "of another key", "of another log", "no other line"],
)
def test_where_there_is_no_such_line_nothing_is_taken_out(note: bytes) -> None:
    assert split_root_line(note, KEY.public) == (note, b"")


def test_where_no_line_is_left_none_is_added() -> None:
    full = Note(text=decode_note(BARE).text, signatures=decode_note(BARE).signatures * 64).encode()
    assert with_root_line(full, KEY) == full


@pytest.mark.parametrize("signature", [sign_root(bytes(32), KEY), SIGNATURE[:-1]], ids=["of another root", "cut"])
def test_a_line_that_does_not_hold_is_refused(signature: bytes) -> None:
    with refused(Code.SIGNATURE):
        split_root_line(changed(signature=signature), KEY.public)
