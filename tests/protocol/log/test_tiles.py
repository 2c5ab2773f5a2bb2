from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.log.merkle import (
    MAX_TREE_SIZE,
    Frontier,
    consistency_path,
    inclusion_path,
    verify_consistency,
    verify_inclusion,
)
from amanah_protocol.log.tiles import (
    MAX_BUNDLE_BYTES,
    MAX_ENTRY_BYTES,
    Tile,
    TileReader,
    bundle_path,
    decode_bundle,
    decode_tile_path,
    encode_bundle,
    encode_tile,
    full_tiles,
    partial_tiles,
    tile_path,
)
from tests.protocol.log.trees import StoredTree, entries

LEAVES = 256 * 5 + 40
STORED = StoredTree(entries(LEAVES))
SIZES = (1, 2, 255, 256, 257, 511, 512, 513, 1280, LEAVES)


class Shelf:
    """A server's folder of tiles, of a log that grew from nothing to `size` in steps of `step` leaves."""

    def __init__(self, size: int, step: int = 100) -> None:
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.loads: list[tuple[int, int]] = []
        for old in range(0, size, step):
            for tile in full_tiles(old, min(old + step, size)):
                self.put(tile)
        for tile in partial_tiles(size):
            self.put(tile)

    def put(self, tile: Tile) -> None:
        assert (tile.level, tile.index) not in self.tiles
        self.tiles[tile.level, tile.index] = encode_tile(STORED.read, tile)

    def load(self, level: int, index: int) -> bytes:
        self.loads.append((level, index))
        return self.tiles[level, index]


@pytest.mark.parametrize(
    ("index", "path"), [(0, "000"), (67, "067"), (999, "999"), (1_000, "x001/000"), (1_234_067, "x001/x234/067")]
)
def test_an_index_is_written_in_groups_of_three_digits(index: int, path: str) -> None:
    assert tile_path(0, index) == f"tile/0/{path}"
    assert tile_path(63, index, 255) == f"tile/63/{path}.p/255"
    assert bundle_path(index) == f"tile/entries/{path}"
    assert bundle_path(index, 1) == f"tile/entries/{path}.p/1"
    assert Tile(level=2, index=index, width=7).path == f"tile/2/{path}.p/7"


@pytest.mark.parametrize("level", [0, 7, 63])
@pytest.mark.parametrize("index", [0, 67, 999, 1_000, 1_234_067, 2**55])
@pytest.mark.parametrize("width", [1, 7, 255, 256])
def test_the_path_of_a_tile_names_it(level: int, index: int, width: int) -> None:
    tile = Tile(level=level, index=index, width=width)
    assert decode_tile_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0",
        "tile/0/67",
        "tile/0/0067",
        "tile/0/x000/067",
        "tile/0/001/067",
        "tile/0/x001/x067",
        "tile/00/067",
        "tile/64/067",
        "tile/-1/067",
        "tile/0/067.p/0",
        "tile/0/067.p/07",
        "tile/0/067.p/256",
        "tile/0/067.p/999",
        "tile/0/067.p/",
        "tile/0/067/",
        "tile/0/٠٦٧",
        "tile/entries/067",
        "tile/0/x001/x001/x001/x001/x001/x001/x001/067",
        "/tile/0/067",
        "tile/0/067\n",
    ],
)
def test_any_other_path_names_no_tile(path: str) -> None:
    assert decode_tile_path(path) is None


@pytest.mark.parametrize(
    ("level", "index", "width"), [(-1, 0, 256), (64, 0, 256), (0, -1, 256), (0, 0, 0), (0, 0, 257)]
)
def test_a_tile_that_cannot_be_has_no_path(level: int, index: int, width: int) -> None:
    assert tile_path(0, 0, 256) == "tile/0/000"
    with pytest.raises(UsageError) as caught:
        tile_path(level, index, width)
    assert caught.value.code is Code.BAD_TYPE


def test_a_log_of_70000_leaves_has_the_tiles_of_the_specification() -> None:
    """The example of C2SP tlog-tiles, section Partial Tiles."""
    full = list(full_tiles(0, 70_000))
    assert full == [Tile(level=0, index=index, width=256) for index in range(273)] + [Tile(level=1, index=0, width=256)]
    assert list(partial_tiles(70_000)) == [
        Tile(level=0, index=273, width=112),
        Tile(level=1, index=1, width=17),
        Tile(level=2, index=0, width=1),
    ]
    assert list(partial_tiles(256)) == [Tile(level=1, index=0, width=1)]
    assert list(partial_tiles(0)) == []


@given(st.lists(st.integers(0, 2**18), min_size=1, max_size=6).map(sorted))
def test_growth_in_steps_fills_each_tile_once(sizes: list[int]) -> None:
    steps = [tile for old, new in zip([0, *sizes], sizes, strict=False) for tile in full_tiles(old, new)]
    assert sorted(steps, key=lambda tile: (tile.level, tile.index)) == list(full_tiles(0, sizes[-1]))


@pytest.mark.parametrize(("old", "new"), [(2, 1), (-1, 1), (0, MAX_TREE_SIZE + 1)])
def test_a_log_that_does_not_grow_fills_no_tiles(old: int, new: int) -> None:
    assert list(full_tiles(1, 1)) == []
    with pytest.raises(UsageError) as caught:
        list(full_tiles(old, new))
    assert caught.value.code is Code.BAD_TYPE


@pytest.mark.parametrize("size", [-1, MAX_TREE_SIZE + 1])
def test_a_size_out_of_range_has_no_tiles(size: int) -> None:
    for call in (lambda: list(partial_tiles(size)), lambda: TileReader(Shelf(1).load, size)):
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.code is Code.BAD_TYPE


@pytest.mark.parametrize("size", SIZES)
def test_every_complete_subtree_is_read_out_of_tiles(size: int) -> None:
    reader = TileReader(Shelf(size).load, size)
    for level in range(size.bit_length()):
        for index in range(size >> level):
            assert reader.read(level, index) == STORED.read(level, index)


@pytest.mark.parametrize("size", SIZES)
def test_proofs_made_from_tiles_verify(size: int) -> None:
    read = TileReader(Shelf(size).load, size).read
    root = Frontier.load(read, size).root()
    for index in {0, size // 2, size - 1}:
        path = inclusion_path(read, index, size)
        assert path == inclusion_path(STORED.read, index, size)
        verify_inclusion(STORED.leaves[index], index, size, path, root)
    for old in {1, (size + 1) // 2, size}:
        old_root = Frontier.load(STORED.read, old).root()
        verify_consistency(old, old_root, size, root, consistency_path(read, old, size))


def test_a_tile_that_has_grown_serves_a_smaller_tree() -> None:
    read = TileReader(Shelf(LEAVES).load, 300).read
    assert inclusion_path(read, 299, 300) == inclusion_path(STORED.read, 299, 300)


def test_a_tile_is_loaded_once_while_it_is_among_the_last_sixteen() -> None:
    shelf = Shelf(256 * 5)
    reader = TileReader(shelf.load, 256 * 5)
    for _ in range(2):
        for index in range(5):
            reader.read(0, index * 256)
    assert shelf.loads == [(0, index) for index in range(5)]


def test_at_most_sixteen_tiles_are_kept() -> None:
    loads: list[int] = []

    def load(level: int, index: int) -> bytes:
        loads.append(index)
        return bytes(8_192)

    reader = TileReader(load, 256 * 100)
    for index in (*range(17), 16, 0):
        reader.read(0, index * 256)
    assert loads == [*range(17), 0]


@pytest.mark.parametrize(("level", "index"), [(0, 300), (0, -1), (-1, 0), (8, 1), (9, 0), (63, 0), (64, 0), (10**9, 0)])
def test_a_subtree_that_is_not_whole_in_the_tree_is_not_read(level: int, index: int) -> None:
    shelf = Shelf(300)
    reader = TileReader(shelf.load, 300)
    assert reader.read(0, 299)
    shelf.loads.clear()
    with pytest.raises(UsageError) as caught:
        reader.read(level, index)
    assert caught.value.code is Code.NOT_FOUND
    assert shelf.loads == []


@pytest.mark.parametrize("length", [0, 43 * 32, 44 * 32 - 1, 44 * 32 + 1, 257 * 32])
def test_a_tile_of_a_length_that_the_tree_cannot_have_is_refused(length: int) -> None:
    for right in (44 * 32, 45 * 32, 256 * 32):
        assert TileReader(lambda _level, _index, right=right: bytes(right), 300).read(0, 256) == bytes(32)  # type: ignore[misc]  # a default binds the loop's value
    with pytest.raises(DecodeError) as caught:
        TileReader(lambda _level, _index: bytes(length), 300).read(0, 256)
    assert caught.value.code is Code.MALFORMED


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256))
def test_every_bundle_is_read_back(data: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(data), len(data)) == tuple(data)


def test_a_bundle_has_a_length_of_two_bytes_before_each_entry() -> None:
    assert encode_bundle([b"ab", b""]) == b"\x00\x02ab\x00\x00"


def test_the_largest_bundle_is_read_back() -> None:
    largest = [bytes(MAX_ENTRY_BYTES)] * 256
    data = encode_bundle(largest)
    assert len(data) == MAX_BUNDLE_BYTES
    assert decode_bundle(data, 256) == tuple(largest)
    with pytest.raises(DecodeError) as caught:
        decode_bundle(data + b"\x00", 256)
    assert caught.value.code is Code.TOO_LARGE


@pytest.mark.parametrize("data", [[bytes(MAX_ENTRY_BYTES + 1)], [b""] * 257])
def test_a_bundle_above_its_bounds_is_not_made(data: list[bytes]) -> None:
    with pytest.raises(UsageError) as caught:
        encode_bundle(data)
    assert caught.value.code is Code.TOO_LARGE


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", b"\x00\x02a", b"\x00\x02ab", b"\x00\x02ab\x00", b"\x00\x02ab\x00\x01", b"\x00\x02ab\x00\x00\x00"],
)
def test_a_bundle_that_is_cut_or_goes_on_is_refused(data: bytes) -> None:
    assert decode_bundle(b"\x00\x02ab\x00\x00", 2) == (b"ab", b"")
    with pytest.raises(DecodeError) as caught:
        decode_bundle(data, 2)
    assert caught.value.code is Code.MALFORMED


@pytest.mark.parametrize("width", [0, -1, 257])
def test_a_bundle_is_1_to_256_entries_wide(width: int) -> None:
    with pytest.raises(UsageError) as caught:
        decode_bundle(b"", width)
    assert caught.value.code is Code.BAD_TYPE
