"""COSE Receipts of inclusion (RFC 9942) in a tree of RFC 9162: a log proof for tools that know no C2SP.

The relay signs the root of each checkpoint that it gives a client, in a signature line that readers of C2SP pass over;
whoever holds the leaf and its inclusion path puts the receipt together around that signature. The payload is
detached, so that a verifier computes the root from the proof.

Only the root is signed. One path can lead to one root under several sizes, so a receipt proves that the log holds
the leaf; its index and the size are what the exporter says until they are held against a checkpoint of this root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cbor2

from amanah_protocol import cbor, cose
from amanah_protocol.crypto import KEY_BYTES, SIGNATURE_BYTES, SigningKey, sha256, verify_signature
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.merkle import HASH_BYTES, MAX_PATH, MAX_TREE_SIZE, inclusion_root
from amanah_protocol.log.note import KEY_ID_BYTES, MAX_NOTE_SIGNATURES, Note, NoteSignature
from amanah_protocol.types import LeafHash

MAX_RECEIPT_BYTES: Final = 4_096
"""More than the longest path needs."""

_VDS: Final = 395
"""Which verifiable data structure; 1 is RFC9162_SHA256."""
_RFC9162_SHA256: Final = 1
_VDP: Final = 396
"""Its proofs, by type; -1 are those of inclusion."""
_INCLUSION: Final = -1
_LINE_TYPE: Final = b"amanah/cose-receipt/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoseReceipt:
    """A receipt, not verified.

    Attributes:
        kid: SHA-256 of the key that is said to have signed the root.
        size: Size of the tree.
        index: The leaf's place, from 0.
        path: The inclusion path, at most 64 hashes of 32 bytes, sibling of the leaf first. The CDDL of the RFC wants
            one at least, which the only leaf of a log has not.
        signature: What `sign_root` gave, 64 bytes.

    Raises:
        UsageError: `MALFORMED`.
    """

    kid: bytes
    size: int
    index: int
    path: tuple[bytes, ...]
    signature: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.size <= MAX_TREE_SIZE:
            raise UsageError(Code.MALFORMED, f"a tree of size {self.size} has no leaf {self.index}")
        if len(self.path) > MAX_PATH or any(len(node) != HASH_BYTES for node in self.path):
            raise UsageError(Code.MALFORMED, f"a path is at most {MAX_PATH} hashes of 32 bytes")
        if len(self.kid) != KEY_BYTES or len(self.signature) != SIGNATURE_BYTES:
            raise UsageError(Code.MALFORMED, "a receipt has a key id of 32 bytes and a signature of 64")


def sign_root(root: bytes, key: SigningKey) -> bytes:
    """Sign the root of a checkpoint for receipts, 64 bytes; only of a tree that is durable.

    Raises:
        UsageError: `BAD_TYPE` for a root that is not 32 bytes.
    """
    if len(root) != HASH_BYTES:
        raise UsageError(Code.BAD_TYPE, "a root has 32 bytes")
    return key.sign(cose.signed_bytes(_protected(key.key_id), root))


def with_root_line(note: bytes, key: SigningKey) -> bytes:
    """A checkpoint with its root signed for receipts in a further line; only of a tree that is durable.

    The line is by the log's name, of a type without number (C2SP signed-note, section Signature types: 0xFF and a
    longer identifier), so that whoever does not know it passes it over.

    Raises:
        DecodeError: The note is no checkpoint.
    """
    checkpoint, decoded = decode_checkpoint(note)
    if len(decoded.signatures) >= MAX_NOTE_SIGNATURES:
        return note  # cosignatures come before what is for convenience
    name, signature = checkpoint.origin, sign_root(checkpoint.root, key)
    line = NoteSignature(name=name, key_id=_line_id(name, key.public), signature=signature)
    return Note(text=decoded.text, signatures=(*decoded.signatures, line)).encode()


def split_root_line(note: bytes, public: bytes) -> tuple[bytes, bytes]:
    """Take that line of this key out of a checkpoint.

    Returns:
        The note without it, and the signature that it holds, verified; b"" where there is no such line.

    Raises:
        DecodeError: The note is no checkpoint.
        VerifyError: `SIGNATURE` when the line does not hold.
    """
    checkpoint, decoded = decode_checkpoint(note)
    wanted = checkpoint.origin, _line_id(checkpoint.origin, public)
    found = [line for line in decoded.signatures if (line.name, line.key_id) == wanted]
    if not found or len(found) == len(decoded.signatures):
        return note, b""
    for line in found:
        _verify_root(checkpoint.root, line.signature, public)
    left = tuple(line for line in decoded.signatures if line not in found)
    return Note(text=decoded.text, signatures=left).encode(), found[0].signature


def _verify_root(root: bytes, signature: bytes, public: bytes) -> None:
    verify_signature(public, signature, cose.signed_bytes(_protected(sha256(public)), root))


def encode_receipt(receipt: CoseReceipt) -> bytes:
    """The tagged COSE_Sign1."""
    proof = cbor.encode([receipt.size, receipt.index, list(receipt.path)])
    unprotected = {_VDP: {_INCLUSION: [proof]}}
    return cose.TAG + cbor2.dumps([_protected(receipt.kid), unprotected, None, receipt.signature])


def decode_receipt(data: bytes) -> CoseReceipt:
    """Decode a receipt of one inclusion proof by a relay of ours; nothing is verified yet.

    Raises:
        DecodeError: `TOO_LARGE`, `MALFORMED`, `NOT_CANONICAL`; `BAD_TYPE` for another structure, an attached payload
            or other proofs; `BAD_HEADER` for another algorithm, `typ` or header field.
    """
    if data[:1] != cose.TAG:
        raise DecodeError(Code.MALFORMED, "not a tagged COSE_Sign1")
    f = cbor.Fields(cbor.decode(data[1:], max_bytes=MAX_RECEIPT_BYTES, max_depth=4), 4, "receipt")
    protected = f.blob(MAX_RECEIPT_BYTES)
    header = cbor.decode(protected, max_bytes=MAX_RECEIPT_BYTES)
    kid = header.get(cose.KID) if isinstance(header, dict) else None
    if type(kid) is not bytes or len(kid) != KEY_BYTES or protected != _protected(kid):
        raise DecodeError(Code.BAD_HEADER, "the protected header holds exactly alg, kid, typ and the kind of tree")
    proofs = cbor.Fields(_sole(_sole(f.next(), _VDP), _INCLUSION), 1, "proofs of inclusion")
    inclusion = proofs.blob(MAX_RECEIPT_BYTES)
    if f.next() is not None:
        raise DecodeError(Code.BAD_TYPE, "the root is not in the receipt, so that it is computed from the proof")
    signature = f.fixed(SIGNATURE_BYTES)
    p = cbor.Fields(cbor.decode(inclusion, max_bytes=MAX_RECEIPT_BYTES, max_depth=2), 3, "inclusion proof")
    size, index, path = p.uint(), p.uint(), p.fixed_array(HASH_BYTES, MAX_PATH)
    try:
        return CoseReceipt(kid=kid, size=size, index=index, path=path, signature=signature)
    except UsageError as error:
        raise DecodeError(error.code, error.detail) from error


def verify_receipt(receipt: CoseReceipt, leaf: LeafHash, public: bytes) -> bytes:
    """Verify that a relay signed the root of a tree that holds a leaf (RFC 9942, Receipt of Inclusion).

    Args:
        receipt: The decoded receipt.
        leaf: `merkle.leaf_hash` of the entry, made by the verifier from the entry itself.
        public: The relay's key, from the roster.

    Returns:
        The root, 32 bytes. Size and index hold where a checkpoint gives this root that size.

    Raises:
        VerifyError: `KEY_ID`, `PROOF` when the path is none, `SIGNATURE` when the relay did not sign what it leads to.
    """
    if sha256(public) != receipt.kid:
        raise VerifyError(Code.KEY_ID, "the signer named is not the key given")
    root = inclusion_root(leaf, receipt.index, receipt.size, receipt.path)
    _verify_root(root, receipt.signature, public)
    return root


def _sole(value: cbor.Value, label: int) -> cbor.Value:
    if not isinstance(value, dict) or set(value) != {label}:
        raise DecodeError(Code.BAD_TYPE, "the unprotected header holds exactly one proof of inclusion")
    return value[label]


def _line_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n\xff" + _LINE_TYPE + public)[:KEY_ID_BYTES]


def _protected(kid: bytes) -> bytes:
    # RFC 9942 advises a profile to demand `typ`: with it no other signature of the relay's key fits (attack 33).
    return cbor.encode(
        {cose.ALG: cose.ALG_ED25519, cose.KID: kid, cose.TYP: str(cose.Typ.INCLUSION), _VDS: _RFC9162_SHA256}
    )
