"""Proofs of single entries from an examined copy, in milliseconds: no tree is rebuilt.

The register keeps the roots of complete subtrees of 256, 65,536 ... leaves; what lies between is folded
from at most 255 of the hashes below.
"""

from __future__ import annotations

from typing import Final

from amanah_client.audit.register import NODE_LEVELS
from amanah_client.store.copy import AuditCopy
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.leaf import Leaf, decode_leaf
from amanah_protocol.log.merkle import Frontier, inclusion_path, leaf_hash, node_hash, verify_inclusion
from amanah_protocol.log.policy import Policy, Witnessed
from amanah_protocol.log.proof_file import LogProof, verify_witnessed_proof
from amanah_protocol.types import LeafHash

_BLOCK: Final = 256
_LEAVES: Final = 'SELECT "index", hash FROM leaf WHERE "index" >= ? AND "index" < ? ORDER BY "index"'
_NODES: Final = "SELECT place, root FROM node WHERE level = ? AND place >= ? AND place < ? ORDER BY place"
_KEPT: Final = (0, *sorted(NODE_LEVELS))


class Nodes:
    """The subtrees of a copy as far as it was examined."""

    def __init__(self, copy: AuditCopy) -> None:
        """Read from a copy; what was read once is kept."""
        self._copy = copy
        self._blocks: dict[tuple[int, int], dict[int, bytes]] = {}

    def read(self, level: int, place: int) -> bytes:
        """The root of a complete subtree (`merkle.ReadNode`).

        Raises:
            UsageError: `NOT_FOUND` when the copy was not examined so far.
        """
        base = max(kept for kept in _KEPT if kept <= level)
        first, end = place << (level - base), (place + 1) << (level - base)
        block = self._block(base, first // _BLOCK)
        try:
            roots = [block[at] for at in range(first, end)]
        except KeyError:
            hint = "`amanah audit verify` says how far the copy holds."
            raise UsageError(
                Code.NOT_FOUND, "the copy was not examined as far as this proof needs", hint=hint
            ) from None
        while len(roots) > 1:
            roots = [node_hash(left, right) for left, right in zip(roots[::2], roots[1::2], strict=True)]
        return roots[0]

    def _block(self, level: int, number: int) -> dict[int, bytes]:
        found = self._blocks.get((level, number))
        if found is None:
            first, end = number * _BLOCK, (number + 1) * _BLOCK
            with self._copy.reading() as connection:
                rows = (
                    connection.execute(_NODES, (level, first, end))
                    if level
                    else connection.execute(_LEAVES, (first, end))
                )
                found = self._blocks[level, number] = {place: bytes(root) for place, root in rows.fetchall()}
        return found

    def root(self, size: int) -> bytes:
        """The root of the first `size` leaves.

        Raises:
            UsageError: `NOT_FOUND` as `read`.
        """
        return Frontier.load(self.read, size).root()


def prove_entry(copy: AuditCopy, index: int, checkpoint: bytes) -> LogProof:
    """The proof that an entry stands in the log, under a checkpoint.

    Args:
        copy: The examined copy.
        index: The entry's log index.
        checkpoint: The signed note.

    Returns:
        The proof; its extra data are the entry's bytes where the copy has them: enough for `check_proof`.

    Raises:
        DecodeError: The note is no checkpoint.
        UsageError: `NOT_FOUND` when there is no such entry, or the copy was not examined so far.
        VerifyError: `PROOF` when the copy does not lead to the checkpoint.
    """
    head = decode_checkpoint(checkpoint)[0]
    row = copy.row(index)
    if row is None or not 0 <= index < head.size:
        hint = f"The checkpoint covers the entries 0 to {head.size - 1}."
        raise UsageError(Code.NOT_FOUND, f"the copy has no entry {index}", hint=hint)
    path = inclusion_path(Nodes(copy).read, index, head.size)
    verify_inclusion(LeafHash(row.hash), index, head.size, path, head.root)
    if row.entry is not None and leaf_hash(row.entry) != row.hash:
        raise VerifyError(Code.PROOF, "the entry is not the one whose hash stands in the log")
    return LogProof(index=index, path=path, checkpoint=checkpoint, extra=row.entry or b"")


def check_proof(proof: LogProof, policy: Policy) -> tuple[Leaf, Witnessed]:
    """Verify a proof that carries its entry.

    Returns:
        The entry, whose own signature was not verified, and the checkpoint.

    Raises:
        DecodeError: The entry is none.
        UsageError: `NOT_FOUND` when the proof carries no entry.
        VerifyError: As `verify_witnessed_proof`.
    """
    if not proof.extra:
        hint = "It is of a bare hash: whoever has the entry holds it against the proof."
        raise UsageError(Code.NOT_FOUND, "the proof carries no entry", hint=hint)
    witnessed = verify_witnessed_proof(proof, leaf_hash(proof.extra), policy)
    return decode_leaf(proof.extra), witnessed
