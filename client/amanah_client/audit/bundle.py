"""The export: one file that a third party holds against a roster or a policy, offline.

    file     = %s"amanah audit bundle 1" LF, then a CBOR sequence (RFC 8742) of byte strings, each
               holding one canonical item: header, rows in log order, manifest
    header   = [ roster: bstr, checkpoint: bstr, control head: bstr / null, rows: uint ]
    row      = [ index: uint, hash: bstr .size 32, entry: bstr / null, document: bstr / null ]
    manifest = [ rows: uint, entries: uint, documents: uint, sha256 of all bytes before: bstr .size 32 ]

It is not signed: everything in it proves itself, and a signature would only say who copied it. The
manifest finds damage and names nobody. Both ways the file is streamed: a row is at most a few MiB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from amanah_client.model import AuditRow
from amanah_protocol import cbor, limits
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.log.leaf import MAX_ENTRY_BYTES
from amanah_protocol.log.note import MAX_NOTE_BYTES

MAGIC: Final = b"amanah audit bundle 1\n"
MAX_ROWS: Final = 2_000_000
_MAX_DOCUMENT_BYTES: Final = 2 * limits.MAX_ROSTER_BYTES
_MAX_HEAD_BYTES: Final = 1_024
_MAX_ITEM_BYTES: Final = _MAX_DOCUMENT_BYTES + MAX_NOTE_BYTES + MAX_ENTRY_BYTES
# Heads of byte strings (RFC 8949 section 3): initial byte -> bytes of length, and the least length that needs them.
_HEADS: Final = {0x58: (1, 24), 0x59: (2, 2**8), 0x5A: (4, 2**16)}
_SHORT_HEADS: Final = range(0x40, 0x58)

Read = Callable[[int], bytes]
"""Gives that many bytes of the file, or what is left of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleHeader:
    """What stands before the rows.

    Attributes:
        roster: The encoded roster that the exporter trusted.
        checkpoint: The signed note.
        control_head: A signed head of the control stream, b"" for none.
        rows: How many rows follow.
    """

    roster: bytes
    checkpoint: bytes
    control_head: bytes
    rows: int


def encode_bundle(header: BundleHeader, rows: Iterable[AuditRow]) -> Iterator[bytes]:
    """The file, piece by piece.

    Raises:
        UsageError: `TOO_LARGE` above two million rows; `USAGE` when there are not as many rows as the
            header says.
    """
    if header.rows > MAX_ROWS:
        raise UsageError(Code.TOO_LARGE, f"a bundle has at most {MAX_ROWS} rows")
    digest = hashlib.sha256()
    count = entries = documents = 0

    def hashed(piece: bytes) -> bytes:
        digest.update(piece)
        return piece

    yield hashed(MAGIC)
    head = header.control_head or None
    yield hashed(_item([header.roster, header.checkpoint, head, header.rows]))
    for row in rows:
        count += 1
        entries += row.entry is not None
        documents += row.document is not None
        yield hashed(_item([row.index, row.hash, row.entry, row.document]))
    if count != header.rows:
        raise UsageError(Code.USAGE, f"{count} rows where {header.rows} were promised")
    yield _item([count, entries, documents, digest.digest()])


def _item(value: object) -> bytes:
    return cbor.encode(cbor.encode(value))


class BundleReader:
    """Reads a file strictly, once, row by row."""

    def __init__(self, read: Read) -> None:
        """Read what stands before the rows.

        Raises:
            DecodeError: It is not a bundle of this version, or its header is damaged.
        """
        self._read = read
        self._digest = hashlib.sha256()
        self._entries = self._documents = 0
        if self._take(len(MAGIC)) != MAGIC:
            raise DecodeError(Code.BAD_TYPE, "this is not an audit bundle of version 1")
        f = cbor.Fields(self._next(), 4, "bundle header")
        self.header: BundleHeader = BundleHeader(
            roster=f.blob(_MAX_DOCUMENT_BYTES),
            checkpoint=f.blob(MAX_NOTE_BYTES),
            control_head=_optional_blob(f, _MAX_HEAD_BYTES) or b"",
            rows=f.uint(MAX_ROWS),
        )

    def rows(self) -> Iterator[AuditRow]:
        """The rows; what stands behind them is checked when the last one was taken.

        Raises:
            DecodeError: A row, or the manifest, is damaged, cut off, or not canonical.
            VerifyError: `CONTENT_HASH` when the manifest is of other bytes.
        """
        for _ in range(self.header.rows):
            yield self._row()
        self._check_manifest()

    def _row(self) -> AuditRow:
        f = cbor.Fields(self._next(), 4, "bundle row")
        row = AuditRow(
            index=f.uint(),
            hash=f.fixed(32),
            entry=_optional_blob(f, MAX_ENTRY_BYTES),
            document=_optional_blob(f, _MAX_DOCUMENT_BYTES),
        )
        self._entries += row.entry is not None
        self._documents += row.document is not None
        return row

    def _check_manifest(self) -> None:
        digest = self._digest.digest()
        f = cbor.Fields(self._next(), 4, "bundle manifest")
        found = (f.uint(), f.uint(), f.uint(), f.fixed(32))
        if found != (self.header.rows, self._entries, self._documents, digest):
            raise VerifyError(Code.CONTENT_HASH, "the bundle is not the one that its manifest was made for")
        if self._read(1):
            raise DecodeError(Code.MALFORMED, "bytes follow the end of the bundle")

    def _next(self) -> cbor.Value:
        return cbor.decode(self._take(self._length()), max_bytes=_MAX_ITEM_BYTES)

    def _length(self) -> int:
        first = self._take(1)[0]
        if first in _SHORT_HEADS:
            return first - _SHORT_HEADS.start
        width, least = _HEADS.get(first, (0, 0))
        length = int.from_bytes(self._take(width), "big")
        # Before anything is read into memory; and one length has one head.
        if not width or not least <= length <= _MAX_ITEM_BYTES:
            raise DecodeError(Code.MALFORMED, "a piece of the bundle has a wrong length")
        return length

    def _take(self, count: int) -> bytes:
        data = self._read(count)
        if len(data) != count:
            raise DecodeError(Code.MALFORMED, "the bundle is cut off")
        self._digest.update(data)
        return data


def _optional_blob(f: cbor.Fields, maximum: int) -> bytes | None:
    value = f.next()
    if value is None:
        return None
    if type(value) is not bytes or len(value) > maximum:
        raise DecodeError(Code.BAD_TYPE, f"a byte string of at most {maximum} bytes, or null, is wanted")
    return value
