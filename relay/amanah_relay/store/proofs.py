"""Proofs out of the stored tiles and the newest leaves."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, select

from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.log import merkle
from amanah_protocol.log.tiles import TileReader
from amanah_protocol.types import LeafHash
from amanah_relay.effects import ReadProof
from amanah_relay.inputs import ProofRead
from amanah_relay.store import schema
from amanah_relay.store.damage import damaged, only
from amanah_relay.store.hashes import read_leaf_hashes, read_tile
from amanah_relay.store.reads import read_batch

_SIZE: Final = select(schema.head.c.size).where(schema.head.c.id == 1)


def read_proof(connection: Connection, wanted: ReadProof) -> ProofRead:
    """An inclusion or consistency proof for any size up to that of the log.

    Where the sizes are those of batches, whose roots are known, the proof is verified before it is
    given out.

    Raises:
        UsageError: `NOT_FOUND` when the log has no such leaf or size.
        OperationalError: `DAMAGED`.
    """
    size, place = wanted.size, wanted.old_or_index
    if size > only(connection.execute(_SIZE).scalar_one_or_none(), "the head of the log"):
        raise UsageError(Code.NOT_FOUND, f"the log has no size {size} yet")
    tiles = TileReader(lambda level, index: read_tile(connection, level, index, size), size)
    if not wanted.inclusion:
        hashes = merkle.consistency_path(tiles.read, place, size)
        _verify_consistency(connection, place, size, hashes)
        return ProofRead(token=wanted.token, leaf=None, hashes=hashes)
    hashes = merkle.inclusion_path(tiles.read, place, size)
    leaf = LeafHash(read_leaf_hashes(connection, place, place + 1)[0])
    root = _root(connection, size)
    if root is not None:
        try:
            merkle.verify_inclusion(leaf, place, size, hashes, root)
        except VerifyError as error:
            raise damaged(f"the proof of leaf {place}") from error
    return ProofRead(token=wanted.token, leaf=leaf, hashes=hashes)


def _verify_consistency(connection: Connection, old: int, new: int, hashes: tuple[bytes, ...]) -> None:
    old_root, new_root = _root(connection, old), _root(connection, new)
    if old_root is None or new_root is None:
        return
    try:
        merkle.verify_consistency(old, old_root, new, new_root, hashes)
    except VerifyError as error:
        raise damaged(f"the proof from size {old} to size {new}") from error


def _root(connection: Connection, size: int) -> bytes | None:
    """The root at a size, where a batch ended there."""
    batch = read_batch(connection, size - 1)
    root: bytes = batch.root
    return root if batch.size == size else None
