"""Tiles and entry bundles: the log as static files (C2SP tlog-tiles).

A tile holds up to 256 consecutive hashes of every eighth level of the tree; 256 of them are one
complete subtree, whose root stands in a tile one tile level above. A full tile never changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.log.merkle import HASH_BYTES, MAX_TREE_SIZE, ReadNode, node_hash

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 256
MAX_TILE_LEVEL: Final = 63
MAX_ENTRY_BYTES: Final = 65_535
"""Of one log entry: bundles prefix each with a uint16."""
MAX_BUNDLE_BYTES: Final = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)

LoadTile: TypeAlias = Callable[[int, int], bytes]
"""`load(tile_level, tile_index)`: the tile's hashes, concatenated; a partial tile or the full one."""

_CACHED_TILES: Final = 16
# At most 21 digits: more is no index of 64 bits.
_TILE_PATH: Final = re.compile(r"tile/([0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The name of a tile.

    Attributes:
        level: Tile level; its hashes are roots of subtrees of 2**(8 * level) leaves.
        index: Place within the level, from 0.
        width: Number of hashes, 1 to 256; 256 is a full tile.
    """

    level: int
    index: int
    width: int

    @property
    def path(self) -> str:
        """The tile's path below the log's prefix, for example `tile/0/x001/x234/067.p/8`."""
        return tile_path(self.level, self.index, self.width)


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """The path of a tile below the log's prefix, for example `tile/0/x001/x234/067`.

    Raises:
        UsageError: `BAD_TYPE` when level, index or width is out of range.
    """
    if not 0 <= level <= MAX_TILE_LEVEL:
        raise UsageError(Code.BAD_TYPE, f"no tile has the level {level}")
    return f"tile/{level}/{_index_path(index, width)}"


def bundle_path(index: int, width: int = TILE_WIDTH) -> str:
    """The path of an entry bundle below the log's prefix, for example `tile/entries/067.p/8`.

    Raises:
        UsageError: `BAD_TYPE` when index or width is out of range.
    """
    return f"tile/entries/{_index_path(index, width)}"


def decode_tile_path(path: str) -> Tile | None:
    """The tile that a path below the log's prefix names, as `Tile.path` writes it; None for any other path.

    Entry bundles are no tiles.
    """
    found = _TILE_PATH.fullmatch(path)
    if found is None:
        return None
    level, groups, width = found.groups()
    index = int("".join(group.lstrip("x") for group in groups.split("/")))
    tile = Tile(level=int(level), index=index, width=int(width or TILE_WIDTH))
    # One tile has one path: a cache must not be filled with others that mean the same.
    in_range = tile.level <= MAX_TILE_LEVEL and tile.width <= TILE_WIDTH
    return tile if in_range and tile.path == path else None


def full_tiles(old: int, new: int) -> Iterator[Tile]:
    """The tiles that become full while a log grows from `old` to `new` leaves, lower levels first.

    Those of level 0 are also the indices of the entry bundles that become full.

    Raises:
        UsageError: `BAD_TYPE` on the first step, unless 0 <= old <= new.
    """
    if not 0 <= old <= new <= MAX_TREE_SIZE:
        raise UsageError(Code.BAD_TYPE, f"a log does not grow from {old} to {new}")
    level = 0
    while complete := new >> TILE_HEIGHT * (level + 1):
        for index in range(old >> TILE_HEIGHT * (level + 1), complete):
            yield Tile(level=level, index=index, width=TILE_WIDTH)
        level += 1


def partial_tiles(size: int) -> Iterator[Tile]:
    """The partial tiles of a log of `size` leaves, which its checkpoint needs beside the full ones.

    Raises:
        UsageError: `BAD_TYPE` on the first step, for a size out of range.
    """
    if not 0 <= size <= MAX_TREE_SIZE:
        raise UsageError(Code.BAD_TYPE, f"no tree has the size {size}")
    level = 0
    while hashes := size >> TILE_HEIGHT * level:
        index, width = divmod(hashes, TILE_WIDTH)
        if width:
            yield Tile(level=level, index=index, width=width)
        level += 1


def encode_tile(read: ReadNode, tile: Tile) -> bytes:
    """The bytes of a tile, 32 for each hash, from stored subtrees."""
    first = tile.index * TILE_WIDTH
    return b"".join(read(TILE_HEIGHT * tile.level, first + place) for place in range(tile.width))


class TileReader:
    """Reads the hashes of complete subtrees out of tiles, as proofs want them.

    Tiles may come from a peer: their lengths are checked, their hashes are not. Whoever uses a proof made
    of them verifies it against a checkpoint.
    """

    __slots__ = ("_cache", "_load", "_size")

    def __init__(self, load: LoadTile, size: int) -> None:
        """Read the tree of the first `size` leaves.

        Raises:
            UsageError: `BAD_TYPE` for a size out of range.
        """
        if not 0 <= size <= MAX_TREE_SIZE:
            raise UsageError(Code.BAD_TYPE, f"no tree has the size {size}")
        self._load = load
        self._size = size
        self._cache: dict[tuple[int, int], bytes] = {}

    def read(self, level: int, index: int) -> bytes:
        """The root of the complete subtree with 2**level leaves at place `index`: a `ReadNode`.

        Raises:
            UsageError: `NOT_FOUND` when the subtree does not lie whole inside the tree.
            DecodeError: `MALFORMED` when the tile is not of a length that this tree can have.
        """
        if level < 0 or not 0 <= index < self._size >> level:
            raise UsageError(Code.NOT_FOUND, f"a tree of size {self._size} has no complete subtree {level}/{index}")
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile_index, place = divmod(index << height, TILE_WIDTH)
        tile = self._tile(tile_level, tile_index)
        nodes = [
            tile[at : at + HASH_BYTES]
            for at in range(place * HASH_BYTES, (place + (1 << height)) * HASH_BYTES, HASH_BYTES)
        ]
        while len(nodes) > 1:
            nodes = [node_hash(left, right) for left, right in zip(nodes[::2], nodes[1::2], strict=True)]
        return nodes[0]

    def _tile(self, level: int, index: int) -> bytes:
        key = (level, index)
        if key not in self._cache:
            tile = self._load(level, index)
            self._check_length(tile, level, index)
            if len(self._cache) == _CACHED_TILES:
                del self._cache[next(iter(self._cache))]
            self._cache[key] = tile
        return self._cache[key]

    def _check_length(self, tile: bytes, level: int, index: int) -> None:
        # More than this tree's width is right: the log may have grown since, and the partial tile be gone.
        width = min((self._size >> TILE_HEIGHT * level) - index * TILE_WIDTH, TILE_WIDTH)
        if len(tile) % HASH_BYTES or not width <= len(tile) // HASH_BYTES <= TILE_WIDTH:
            raise DecodeError(Code.MALFORMED, f"tile {level}/{index} has {len(tile)} bytes; {width} hashes were due")


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Encode up to 256 consecutive log entries, each behind its length as a uint16.

    Raises:
        UsageError: `TOO_LARGE` for more entries or an entry above 65,535 bytes.
    """
    if len(entries) > TILE_WIDTH or any(len(entry) > MAX_ENTRY_BYTES for entry in entries):
        raise UsageError(Code.TOO_LARGE, "a bundle holds at most 256 entries of at most 65,535 bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes, width: int) -> tuple[bytes, ...]:
    """Decode an entry bundle of which `width` entries are due.

    The entries are a peer's word until their `leaf_hash`es are proven under a checkpoint.

    Args:
        data: The bundle.
        width: 1 to 256, from the verified size of the log.

    Raises:
        UsageError: `BAD_TYPE` for a width out of range.
        DecodeError: `TOO_LARGE`, or `MALFORMED` when it does not hold exactly `width` entries.
    """
    _check_width(width)
    if len(data) > MAX_BUNDLE_BYTES:
        raise DecodeError(Code.TOO_LARGE, f"{len(data)} bytes where at most {MAX_BUNDLE_BYTES} are allowed")
    entries: list[bytes] = []
    at = 0
    for _ in range(width):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        entries.append(data[start:at])
    if at != len(data):
        raise DecodeError(Code.MALFORMED, f"the bundle does not hold exactly {width} entries")
    return tuple(entries)


def _index_path(index: int, width: int) -> str:
    if index < 0:
        raise UsageError(Code.BAD_TYPE, f"no tile has the index {index}")
    _check_width(width)
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups)) + (f".p/{width}" if width < TILE_WIDTH else "")


def _check_width(width: int) -> None:
    if not 1 <= width <= TILE_WIDTH:
        raise UsageError(Code.BAD_TYPE, f"a tile is 1 to 256 wide, not {width}")
