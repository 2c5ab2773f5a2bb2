"""The tree's hashes in the store: leaf by leaf, and as full tiles (C2SP tlog-tiles).

A tile is written in the transaction that fills it. Of the newest leaves, which fill none yet, the
hashes are read from their rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, insert, select

from amanah_protocol.log.merkle import HASH_BYTES, node_hash
from amanah_protocol.log.tiles import TILE_HEIGHT, TILE_WIDTH, full_tiles
from amanah_relay.store import schema
from amanah_relay.store.damage import check_row, checksum, damaged, only, split
from amanah_relay.store.rows import check_hash_row
from amanah_relay.store.schema import Cells

_leaf, _tile = schema.leaf.c, schema.tile.c
_SELECT_HASHES: Final[Select[Any]] = (
    select(_leaf.log_index, _leaf.hash, _leaf.envelope, _leaf.kid, _leaf.checksum)
    .where(_leaf.log_index >= bindparam("start"), _leaf.log_index < bindparam("end"))
    .order_by(_leaf.log_index)
)
_SELECT_ROOTS: Final[Select[Any]] = (
    select(_tile.place, _tile.root, _tile.checksum)
    .where(_tile.level == bindparam("at"), _tile.place >= bindparam("start"), _tile.place < bindparam("end"))
    .order_by(_tile.place)
)
_SELECT_TILE: Final[Select[Any]] = select(_tile.root, _tile.checksum, _tile.hashes).where(
    _tile.level == bindparam("at"), _tile.place == bindparam("start")
)
_INSERT_TILE: Final = insert(schema.tile)


def write_full_tiles(connection: Connection, first: int, fresh: Sequence[bytes]) -> None:
    """Store the tiles that become full when the leaves `fresh` follow the first `first`; those are stored already.

    Raises:
        OperationalError: `DAMAGED`.
    """
    for tile in full_tiles(first, first + len(fresh)):
        start = tile.index * TILE_WIDTH
        hashes = _hashes(connection, tile.level, start, start + TILE_WIDTH)
        connection.execute(_INSERT_TILE, tile_cells(tile.level, tile.index, hashes))


def tile_cells(level: int, place: int, hashes: Sequence[bytes]) -> Cells:
    """The row of a full tile."""
    root = subtree_root(hashes)
    return {
        "level": level,
        "place": place,
        "root": root,
        "checksum": checksum(level, place, root),
        "hashes": b"".join(hashes),
    }


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of hashes."""
    nodes = list(hashes)
    while len(nodes) > 1:
        nodes = [node_hash(left, right) for left, right in zip(nodes[::2], nodes[1::2], strict=True)]
    return nodes[0]


def read_leaf_hashes(connection: Connection, start: int, end: int) -> list[bytes]:
    """The hashes of leaves `start` to `end`, excluded.

    Raises:
        OperationalError: `DAMAGED`, also when one is missing.
    """
    hashes: list[bytes] = []
    for row in connection.execute(_SELECT_HASHES, {"start": start, "end": end}):
        check_hash_row(*row)
        if row[0] != start + len(hashes):
            break
        hashes.append(row[1])
    if len(hashes) != end - start:
        raise damaged(f"leaf {start + len(hashes)} is missing")
    return hashes


def read_tile(connection: Connection, level: int, place: int, size: int) -> bytes:
    """The hashes of a tile as they are in a tree of `size` leaves, concatenated.

    Raises:
        OperationalError: `DAMAGED`.
    """
    start = place * TILE_WIDTH
    end = min(start + TILE_WIDTH, size >> TILE_HEIGHT * level)
    if end - start < TILE_WIDTH:
        return b"".join(_hashes(connection, level, start, end))
    what = f"tile {level}/{place}"
    row = only(connection.execute(_SELECT_TILE, {"at": level, "start": place}).first(), what)
    check_row(row.checksum, level, place, row.root, what=what)
    if type(row.hashes) is not bytes or len(row.hashes) != TILE_WIDTH * HASH_BYTES:
        raise damaged(what)
    if subtree_root(split(row.hashes, HASH_BYTES, what, bytes)) != row.root:
        raise damaged(what)
    return row.hashes


def _hashes(connection: Connection, level: int, start: int, end: int) -> list[bytes]:
    """Hashes `start` to `end` of a tile level: of leaves, or the roots of the full tiles one level below."""
    if level == 0:
        return read_leaf_hashes(connection, start, end)
    roots: list[bytes] = []
    for row in connection.execute(_SELECT_ROOTS, {"at": level - 1, "start": start, "end": end}):
        check_row(row.checksum, level - 1, row.place, row.root, what=f"tile {level - 1}/{row.place}")
        if row.place != start + len(roots):
            break
        roots.append(row.root)
    if len(roots) != end - start:
        raise damaged(f"tile {level - 1}/{start + len(roots)} is missing")
    return roots
