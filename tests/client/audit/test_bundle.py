"""The export file: written and read back, streamed, and refused when a piece of it is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pytest

from amanah_client.audit.bundle import MAGIC, MAX_ROWS, BundleHeader, BundleReader, encode_bundle
from amanah_client.model import AuditRow
from amanah_protocol import cbor
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from tests.protocol.refusal import refused

ROWS = [
    AuditRow(index=0, hash=bytes([1]) * 32, entry=b"entry", document=b"document"),
    AuditRow(index=1, hash=bytes([2]) * 32, entry=None, document=None),
    AuditRow(index=2, hash=bytes([3]) * 32, entry=b"e" * 300, document=None),
    AuditRow(index=3, hash=bytes([4]) * 32, entry=b"e" * 65_000, document=b"d" * 70_000),
]
HEADER = BundleHeader(roster=b"roster", checkpoint=b"note", control_head=b"head", rows=len(ROWS))


def written(header: BundleHeader = HEADER, rows: list[AuditRow] | None = None) -> bytes:
    return b"".join(encode_bundle(header, ROWS if rows is None else rows))


def read(data: bytes) -> tuple[BundleHeader, list[AuditRow]]:
    reader = BundleReader(BytesIO(data).read)
    return reader.header, list(reader.rows())


def test_what_is_written_is_read_back() -> None:
    assert read(written()) == (HEADER, ROWS)


def test_a_bundle_without_rows_or_head_is_read_back() -> None:
    empty = BundleHeader(roster=b"r", checkpoint=b"c", control_head=b"", rows=0)
    assert read(written(empty, [])) == (empty, [])


def test_rows_are_read_one_by_one() -> None:
    stream = BytesIO(written())
    rows = BundleReader(stream.read).rows()
    assert next(rows) == ROWS[0]
    assert stream.tell() < 200


def test_rows_are_written_one_by_one() -> None:
    def endless() -> Iterator[AuditRow]:
        while True:
            yield ROWS[1]

    pieces = encode_bundle(BundleHeader(roster=b"", checkpoint=b"", control_head=b"", rows=MAX_ROWS), endless())
    assert next(pieces) == MAGIC
    assert all(len(next(pieces)) < 100 for _ in range(1_000))


def test_another_number_of_rows_than_promised_is_not_written_to_the_end() -> None:
    with refused(Code.USAGE, UsageError):
        written(rows=ROWS[:-1])


def test_too_many_rows_are_not_begun() -> None:
    with refused(Code.TOO_LARGE, UsageError):
        written(BundleHeader(roster=b"", checkpoint=b"", control_head=b"", rows=MAX_ROWS + 1))


@pytest.mark.parametrize("data", [b"", MAGIC[:-1], b"amanah audit bundle 2\n", b"-----BEGIN AMANAH ROSTER-----\n"])
def test_another_file_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        BundleReader(BytesIO(data).read)


@pytest.mark.parametrize("kept", [len(MAGIC), len(MAGIC) + 1, 40, 100, -1, -20, -60])
def test_a_bundle_that_is_cut_off_is_refused(kept: int) -> None:
    with pytest.raises(DecodeError, match="cut off"):
        read(written()[:kept])


def test_bytes_behind_the_end_are_refused() -> None:
    with refused(Code.MALFORMED, DecodeError):
        read(written() + b"\x00")


def item(value: object) -> bytes:
    return cbor.encode(cbor.encode(value))


def assembled(*items: bytes, counts: tuple[int, int, int] = (0, 0, 0)) -> bytes:
    """A bundle of these pieces under a manifest that fits them."""
    before = MAGIC + b"".join(items)
    return before + item([*counts, sha256(before)])


def test_a_manifest_that_fits_other_pieces_too_is_not_asked_for() -> None:
    assert read(assembled(item([b"r", b"c", None, 0])))[1] == []


@pytest.mark.parametrize(
    "header",
    [
        [b"r", b"c", None],
        [b"r", b"c", b"h", 0, 0],
        ["r", b"c", None, 0],
        [b"r", b"c" * (256 * 1024 + 1), None, 0],
        [b"r", b"c", b"h" * 1_025, 0],
        [b"r", b"c", 7, 0],
        [b"r", b"c", None, MAX_ROWS + 1],
        [b"r", b"c", None, -1],
    ],
)
def test_a_wrong_header_is_refused(header: object) -> None:
    with pytest.raises(DecodeError):
        read(assembled(item(header)))


@pytest.mark.parametrize(
    "row",
    [
        [0, bytes(32), None],
        [0, bytes(31), None, None],
        [-1, bytes(32), None, None],
        [0, bytes(32), b"e" * 65_536, None],
        [0, bytes(32), "entry", None],
        [0, bytes(32), None, False],
        {},
    ],
)
def test_a_wrong_row_is_refused(row: object) -> None:
    right = assembled(item([b"r", b"c", None, 1]), item([0, bytes(32), None, None]), counts=(1, 0, 0))
    assert len(read(right)[1]) == 1
    with pytest.raises(DecodeError):
        read(assembled(item([b"r", b"c", None, 1]), item(row), counts=(1, 0, 0)))


@pytest.mark.parametrize("counts", [(2, 1, 0), (1, 0, 0), (1, 1, 1)])
def test_a_manifest_that_counts_otherwise_is_refused(counts: tuple[int, int, int]) -> None:
    pieces = item([b"r", b"c", None, 1]), item([0, bytes(32), b"e", None])
    assert len(read(assembled(*pieces, counts=(1, 1, 0)))[1]) == 1
    with refused(Code.CONTENT_HASH, VerifyError):
        read(assembled(*pieces, counts=counts))


@pytest.mark.parametrize(
    "piece",
    [
        b"\x58\x05" + cbor.encode([0, 0, 0, 0]),
        b"\x59\x00\x05" + cbor.encode([0, 0, 0, 0]),
        b"\x5a\x00\x00\x00\x05" + cbor.encode([0, 0, 0, 0]),
        b"\x5a\xff\xff\xff\xff",
        b"\x5b" + bytes(8),
        b"\x5f\xff",
        cbor.encode([b"r", b"c", None, 0]),
    ],
)
def test_a_piece_with_another_head_than_the_shortest_is_refused(piece: bytes) -> None:
    with refused(Code.MALFORMED, DecodeError):
        BundleReader(BytesIO(MAGIC + piece).read)


def test_a_length_is_refused_before_anything_is_read_for_it() -> None:
    asked: list[int] = []
    stream = BytesIO(MAGIC + b"\x5a\x7f\xff\xff\xff")

    def counted(count: int) -> bytes:
        asked.append(count)
        return stream.read(count)

    with refused(Code.MALFORMED, DecodeError):
        BundleReader(counted)
    assert max(asked) == len(MAGIC)
