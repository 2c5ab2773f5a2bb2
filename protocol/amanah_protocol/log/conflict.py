"""Evidence against a log: two statements that it signed and that cannot both be true, for anybody to check.

Nothing is believed of whoever hands it on: both statements carry signatures by the keys of the roster, and a path,
where there is one, is folded anew. How each was learnt is its finder's word, and said as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

from amanah_protocol import cbor, endorse, limits
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.log.checkpoint import Checkpoint
from amanah_protocol.log.merkle import MAX_PATH, node_hash, verify_consistency, verify_inclusion
from amanah_protocol.log.note import MAX_NOTE_BYTES
from amanah_protocol.log.receipt import verify_receipt
from amanah_protocol.log.statement import Form, Statement, verify_statement
from amanah_protocol.roster import Relay
from amanah_protocol.types import LeafHash

PURPOSE: Final = "amanah/log-evidence/1"
MAX_CONFLICTS: Final = 16
MAX_EVIDENCE_BYTES: Final = 16 * limits.MIB
_DEVICE_BYTES: Final = 32
_ROOM_BYTES: Final = 16


class Way(IntEnum):
    """How a statement came to whoever found the conflict."""

    OWN = 1
    """It is the checkpoint that the finder had followed."""
    MEMBER = 2
    """A member had seen it: its sealed message named it."""
    HEAD = 3
    """A head of the control stream, from the relay."""
    RECEIPT = 4
    """The relay acknowledged the finder's own envelope with it."""
    WITNESSED = 5
    """The relay gave it as the newest that a quorum of witnesses has cosigned."""
    SHOWN = 6
    """The relay gave it as its newest checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A statement, and how it was learnt: the finder's word.

    Attributes:
        statement: What was signed.
        way: How it came.
        at_ms: When, by the finder's clock.
        device: The member's device; b"" for other ways.
        room: The room of its message; b"" for other ways.
    """

    statement: Statement
    way: Way
    at_ms: int
    device: bytes = b""
    room: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherPrefix:
    """The larger tree has another root at the smaller size.

    Attributes:
        root: That root, 32 bytes.
        path: The consistency proof from it to the larger tree (RFC 9162 section 2.1.4).
    """

    root: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherLeaf:
    """Where a receipt promises a leaf, the tree of the other statement holds another.

    Attributes:
        index: The place.
        leaf: Hash of the leaf that stands there, 32 bytes.
        path: Its inclusion proof (RFC 9162 section 2.1.3).
    """

    index: int
    leaf: bytes
    path: tuple[bytes, ...]


Proof: TypeAlias = OtherPrefix | OtherLeaf


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Two statements of one log.

    Attributes:
        origin: The log.
        first: What was known first; with `OtherLeaf`, the receipt.
        second: What was learnt then.
        proof: What makes two statements of different sizes a contradiction; None where the relay gave no such path.
    """

    origin: str
    first: Sighting
    second: Sighting
    proof: Proof | None = None


class Verdict(StrEnum):
    """What two statements come to."""

    SAME_SIZE = "same-size"
    """Two roots for one size: proof by itself."""
    OTHER_PREFIX = "other-prefix"
    """The larger log holds other leaves than the smaller one: proof by itself."""
    OTHER_LEAF = "other-leaf"
    """What a receipt promised is not in the log: proof by itself."""
    UNEXPLAINED = "unexplained"
    """Two sizes and no path: the log has to show that one continues the other. No proof by itself."""

    @property
    def is_proof(self) -> bool:
        """Whether nothing that the log might show later makes both statements true."""
        return self is not Verdict.UNEXPLAINED


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A conflict that was verified.

    Attributes:
        verdict: What it comes to.
        first: What the first statement says.
        second: What the second says.
    """

    verdict: Verdict
    first: Checkpoint
    second: Checkpoint


def verify_conflict(conflict: Conflict, relay: Relay) -> Judged:
    """Verify a conflict by the keys of a roster's relay, offline.

    Raises:
        DecodeError: A statement does not parse.
        VerifyError: `CHECKPOINT` for another log; `CHECKPOINT`, `KEY_ID`, `SIGNATURE` or `RECEIPT` when a statement
            is not the log's; `PROOF` when the path shows no contradiction, or both statements say the same.
    """
    if conflict.origin != relay.origin:
        raise VerifyError(Code.CHECKPOINT, f"this is not about the log {relay.origin}")
    first = verify_statement(conflict.first.statement, relay).value
    second = verify_statement(conflict.second.statement, relay).value
    if isinstance(conflict.proof, OtherLeaf):
        _verify_other_leaf(conflict.first.statement, conflict.proof, second, relay)
        return Judged(verdict=Verdict.OTHER_LEAF, first=first, second=second)
    if first == second:
        raise VerifyError(Code.PROOF, "both statements say the same")
    older, newer = sorted((first, second), key=lambda checkpoint: checkpoint.size)
    if conflict.proof is None:
        verdict = Verdict.SAME_SIZE if older.size == newer.size else Verdict.UNEXPLAINED
        return Judged(verdict=verdict, first=first, second=second)
    if conflict.proof.root == older.root:
        raise VerifyError(Code.PROOF, "the path shows that one continues the other")
    verify_consistency(older.size, conflict.proof.root, newer.size, newer.root, conflict.proof.path)
    return Judged(verdict=Verdict.OTHER_PREFIX, first=first, second=second)


def _verify_other_leaf(statement: Statement, proof: OtherLeaf, tree: Checkpoint, relay: Relay) -> None:
    if statement.form is not Form.RECEIPT:
        raise VerifyError(Code.PROOF, "only a receipt promises a leaf")
    receipt = verify_receipt(statement.data, relay.key).value
    at = proof.index - receipt.first_index
    if not 0 <= at < len(receipt.leaves) or receipt.leaves[at] == proof.leaf:
        raise VerifyError(Code.PROOF, "the receipt promises no other leaf at this place")
    verify_inclusion(LeafHash(proof.leaf), proof.index, tree.size, proof.path, tree.root)


def other_prefix(older: Checkpoint, newer: Checkpoint, path: Sequence[bytes]) -> OtherPrefix | None:
    """What a path that does not lead from the older to the newer tree shows instead.

    Args:
        older: The statement of the smaller size.
        newer: That of the larger.
        path: The answer to a question for the consistency proof between these sizes.

    Returns:
        None where it leads nowhere, where it does lead from the one to the other, and where it cannot say: the
        proof of a size that is a power of two does not hold the root of that size.
    """
    try:
        root = _root_in_path(older.size, newer.size, path)
        verify_consistency(older.size, root, newer.size, newer.root, path)
    except VerifyError:
        return None
    return None if root == older.root else OtherPrefix(root=root, path=tuple(path))


def _root_in_path(old: int, new: int, path: Sequence[bytes]) -> bytes:
    """The root at the old size as a path has it (RFC 9162 section 2.1.4.2, `fr`); the new one is not looked at."""
    if old < 1 or old & (old - 1) == 0 or not path or len(path) > MAX_PATH:
        raise VerifyError(Code.PROOF, "no root of this size stands in the path")
    # Behind the trailing ones of the last leaf's index lies the largest complete subtree that ends there.
    level = (old & -old).bit_length() - 1
    index, last = (old - 1) >> level, (new - 1) >> level
    part, *rest = path
    for sibling in rest:
        if index & 1 or index == last:
            part = node_hash(sibling, part)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        index, last = index >> 1, last >> 1
    return part


# ---- as bytes


def encode_evidence(conflicts: Sequence[Conflict]) -> bytes:
    """Canonical CBOR of 1 to 16 conflicts."""
    return cbor.encode([PURPOSE, [_encode(conflict) for conflict in conflicts]])


def _encode(conflict: Conflict) -> list[object]:
    proof: list[object] = []
    match conflict.proof:
        case OtherPrefix(root=root, path=path):
            proof = [root, list(path)]
        case OtherLeaf(index=index, leaf=leaf, path=path):
            proof = [index, leaf, list(path)]
    sightings = [
        [int(s.statement.form), s.statement.data, int(s.way), s.at_ms, s.device, s.room]
        for s in (conflict.first, conflict.second)
    ]
    return [conflict.origin, *sightings, proof]


def decode_evidence(data: bytes) -> tuple[Conflict, ...]:
    """Decode evidence; nothing is verified yet.

    Raises:
        DecodeError: It does not parse.
    """
    f = cbor.Fields(cbor.decode(data, max_bytes=MAX_EVIDENCE_BYTES), 2, "log evidence")
    endorse.check_purpose(f, PURPOSE)
    found = f.array(MAX_CONFLICTS)
    if not found:
        raise DecodeError(Code.BAD_TYPE, "evidence holds at least one conflict")
    return tuple(_decode(item) for item in found)


def _decode(value: cbor.Value) -> Conflict:
    f = cbor.Fields(value, 4, "conflict")
    return Conflict(
        origin=f.text(limits.MAX_NAME_CHARS),
        first=_decode_sighting(f.next()),
        second=_decode_sighting(f.next()),
        proof=_decode_proof(f.array(3)),
    )


def _decode_sighting(value: cbor.Value) -> Sighting:
    f = cbor.Fields(value, 6, "sighting")
    form, data = f.uint(max(Form)), f.blob(MAX_NOTE_BYTES)
    way, at_ms, device, room = f.uint(max(Way)), f.uint(), f.blob(_DEVICE_BYTES), f.blob(_ROOM_BYTES)
    # A device and a room, both or neither.
    if not form or not way or (len(device), len(room)) not in {(0, 0), (_DEVICE_BYTES, _ROOM_BYTES)}:
        raise DecodeError(Code.BAD_TYPE, "a sighting of no known form")
    statement = Statement(form=Form(form), data=data)
    return Sighting(statement=statement, way=Way(way), at_ms=at_ms, device=device, room=room)


def _decode_proof(items: list[cbor.Value]) -> Proof | None:
    if not items:
        return None
    f = cbor.Fields(items, None, "proof")
    if len(items) == len(("root", "path")):
        return OtherPrefix(root=f.fixed(32), path=f.fixed_array(32, MAX_PATH))
    return OtherLeaf(index=f.uint(), leaf=f.fixed(32), path=f.fixed_array(32, MAX_PATH))
