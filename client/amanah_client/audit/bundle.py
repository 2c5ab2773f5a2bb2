"""The evidence bundle: one file that anybody verifies offline (`docs/protocol.md` section 12).

Members are read strictly and, where they may be large, item by item: what is in memory is one row.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final, TypeVar

from amanah_client.audit.archive import MAX_ARCHIVE_BYTES, Archive, Part
from amanah_client.audit.manifest import MAX_MANIFEST_BYTES, Manifest, decode_manifest
from amanah_client.log_rows import AuditRow
from amanah_protocol import cbor, limits
from amanah_protocol.errors import Code, DecodeError, PeerError, UsageError, VerifyError
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint
from amanah_protocol.log.export import MAX_SIGNATURE_BYTES
from amanah_protocol.log.leaf import MAX_ENTRY_BYTES
from amanah_protocol.log.merkle import MAX_TREE_SIZE
from amanah_protocol.log.note import MAX_NOTE_BYTES
from amanah_protocol.log.policy import MAX_POLICY_BYTES, Policy, decode_policy
from amanah_protocol.roster import decode_roster
from amanah_protocol.types import EnvelopeId

MAGIC: Final = b"PK\3\4"
"""How the file begins; a disclosure is text."""
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
VERIFIER: Final = "amanah-verify.py"
MAX_DOCUMENT_BYTES: Final = 2 * limits.MAX_ROSTER_BYTES
MAX_HEAD_BYTES: Final = 1_024
MAX_TOKEN_BYTES: Final = 64 * limits.KIB
MAX_AUTHORITY: Final = 253
"""Characters of a DNS name."""
MAX_DISCLOSURES: Final = 10_000

LIMITS: Final = {
    MANIFEST: MAX_MANIFEST_BYTES,
    SIGNATURE: MAX_SIGNATURE_BYTES,
    "policy": MAX_POLICY_BYTES,
    "rosters": 16 * MAX_DOCUMENT_BYTES,
    "leaves": MAX_ARCHIVE_BYTES,
    "checkpoint": MAX_NOTE_BYTES,
    "checkpoints": MAX_ARCHIVE_BYTES,
    "control-head": MAX_HEAD_BYTES,
    "timestamps": MAX_ARCHIVE_BYTES,
    "disclosures": MAX_ARCHIVE_BYTES,
    "entries.csv": MAX_ARCHIVE_BYTES,
    "entries.jsonl": MAX_ARCHIVE_BYTES,
    "report.html": MAX_ARCHIVE_BYTES,
    "report.pdf": MAX_ARCHIVE_BYTES,
    VERIFIER: limits.MIB,
}
"""Each member, in order, and the most bytes that it may have."""

_ROW_BYTES: Final = MAX_ENTRY_BYTES + MAX_DOCUMENT_BYTES + 128
_DISCLOSURE_BYTES: Final = limits.MAX_PLAINTEXT_BYTES + 128
# Heads of byte strings (RFC 8949 section 3): initial byte -> bytes of length, and the least length that needs them.
_HEADS: Final = {0x58: (1, 24), 0x59: (2, 2**8), 0x5A: (4, 2**16)}
_SHORT_HEADS: Final = range(0x40, 0x58)
_STRIDE: Final = 500
T = TypeVar("T")

Disclosed = tuple[EnvelopeId, bytes, bytes]
"""Envelope id, disclosure key k, canonical content."""


def encode_item(value: object) -> bytes:
    """One item of a sequence: a byte string that holds a canonical value."""
    return cbor.encode(cbor.encode(value))


def encode_row(row: AuditRow) -> bytes:
    """One row of `leaves`."""
    return encode_item([row.index, row.hash, row.entry, row.document])


class Bundle:
    """A bundle that was read as far as its headers, its manifest and its small members."""

    def __init__(self, file: BinaryIO) -> None:
        """Read what is small; the file stays in use.

        Raises:
            DecodeError: It is no bundle, or one of these members does not parse.
        """
        self._archive = Archive(file, LIMITS)
        self.encoded: bytes = self._archive.read(MANIFEST)
        self.manifest: Manifest = decode_manifest(self.encoded)
        if list(self.manifest.files) != sorted(name for name in LIMITS if name not in (MANIFEST, SIGNATURE)):
            raise DecodeError(Code.MALFORMED, "the manifest names other files than a bundle has")
        self.signature: bytes = self._archive.read(SIGNATURE)
        self.checkpoint: bytes = self._archive.read("checkpoint")
        self.head: Checkpoint = decode_checkpoint(self.checkpoint)[0]
        self.control_head: bytes = self._archive.read("control-head")
        self.policy: Policy = _decode_policy(self._archive.read("policy"))
        self.rosters: tuple[bytes, ...] = self._read_rosters()
        self._places: list[int] = []

    def part(self, name: str) -> Part:
        """The bytes of a member."""
        return self._archive.part(name)

    def broken(self) -> Iterator[PeerError]:
        """Members that are not those of the manifest, or of the archive's own checksum."""
        for name, member in self._archive.members.items():
            digest, crc = hashlib.sha256(), 0
            for piece in self.part(name).pieces():
                digest.update(piece)
                crc = zlib.crc32(piece, crc)
            wanted = self.manifest.files.get(name)
            if crc != member.crc:
                # Who forges makes this one anew: most likely the file was damaged on its way.
                detail = f"{name} is damaged, by the archive's own checksum: get the file again before you judge it"
                yield DecodeError(Code.MALFORMED, detail)
            elif wanted is not None and wanted != digest.hexdigest():
                yield VerifyError(Code.CONTENT_HASH, f"{name} is not the file that the manifest was made for")

    def rows(self) -> Iterator[AuditRow]:
        """The rows, in order as they stand there.

        Raises:
            DecodeError: One of them is damaged, cut off, or not canonical.
        """
        self._places = []
        part = self.part("leaves")
        for number, data in enumerate(_items(part, _ROW_BYTES)):
            if not number % _STRIDE:
                self._places.append(part.at - len(cbor.encode(data)))
            yield _decode_row(data)

    def row(self, index: int) -> AuditRow | None:
        """One row; the rows were read before.

        Raises:
            DecodeError: As `rows`.
        """
        stride = index // _STRIDE
        if stride >= len(self._places):
            return None
        part = self.part("leaves")
        part.seek(self._places[stride])
        for number, data in enumerate(_items(part, _ROW_BYTES), start=stride * _STRIDE):
            if number == index:
                return _decode_row(data)
        return None

    def checkpoints(self) -> Iterator[bytes]:
        """Signed notes of smaller published checkpoints.

        Raises:
            DecodeError: One of them is none.
            VerifyError: `CHECKPOINT` when they do not ascend to the bundle's own.
        """
        last = -1
        for note in _items(self.part("checkpoints"), MAX_NOTE_BYTES):
            size = decode_checkpoint(note)[0].size
            if not last < size < self.head.size:
                raise VerifyError(Code.CHECKPOINT, f"the checkpoint of size {size} does not stand in its place")
            last = size
            yield note

    def timestamps(self) -> Iterator[tuple[int, str, bytes]]:
        """(size, authority, token) of each time stamp: what is in a token is not read here.

        Raises:
            DecodeError: One of them is damaged.
        """
        for data in _items(self.part("timestamps"), MAX_TOKEN_BYTES):
            f = cbor.Fields(cbor.decode(data, max_bytes=MAX_TOKEN_BYTES), 3, "time stamp")
            yield f.uint(MAX_TREE_SIZE), f.text(MAX_AUTHORITY), f.blob(MAX_TOKEN_BYTES)

    def disclosures(self) -> Iterator[Disclosed]:
        """What a member added of single messages.

        Raises:
            DecodeError: One of them is damaged, or there are too many.
        """
        for number, data in enumerate(_items(self.part("disclosures"), _DISCLOSURE_BYTES)):
            if number == MAX_DISCLOSURES:
                raise DecodeError(Code.TOO_LARGE, f"a bundle discloses at most {MAX_DISCLOSURES} messages")
            f = cbor.Fields(cbor.decode(data, max_bytes=_DISCLOSURE_BYTES), 3, "disclosure")
            yield EnvelopeId(f.fixed(32)), f.fixed(32), f.blob(limits.MAX_PLAINTEXT_BYTES)

    def _read_rosters(self) -> tuple[bytes, ...]:
        rosters = tuple(_items(self.part("rosters"), MAX_DOCUMENT_BYTES))
        versions = [decode_roster(data).version for data in rosters]
        if not versions or versions != sorted(set(versions)):
            raise DecodeError(Code.MALFORMED, "the rosters of the bundle do not ascend by version")
        return rosters


def _decode_policy(data: bytes) -> Policy:
    try:
        return decode_policy(data)
    except UsageError as error:
        raise DecodeError(Code.MALFORMED, f"the policy in the bundle does not parse: {error.detail}") from error


def _decode_row(data: bytes) -> AuditRow:
    f = cbor.Fields(cbor.decode(data, max_bytes=_ROW_BYTES), 4, "bundle row")
    return AuditRow(
        index=f.uint(MAX_TREE_SIZE),
        hash=f.fixed(32),
        entry=_optional_blob(f, MAX_ENTRY_BYTES),
        document=_optional_blob(f, MAX_DOCUMENT_BYTES),
    )


def _optional_blob(f: cbor.Fields, maximum: int) -> bytes | None:
    value = f.next()
    if value is None:
        return None
    if type(value) is not bytes or len(value) > maximum:
        raise DecodeError(Code.BAD_TYPE, f"a byte string of at most {maximum} bytes, or null, is wanted")
    return value


def _items(part: Part, maximum: int) -> Iterator[bytes]:
    """The byte strings that a member is a sequence of."""
    while part.at < part.size:
        length = _length(part, maximum)
        data = part.read(length)
        if len(data) != length:
            raise DecodeError(Code.MALFORMED, "a piece of the bundle is cut off")
        yield data


def _length(part: Part, maximum: int) -> int:
    first = part.read(1)[0]
    length = first - _SHORT_HEADS.start
    least = 0
    if first not in _SHORT_HEADS:
        width, least = _HEADS.get(first, (0, maximum + 1))
        length = int.from_bytes(part.read(width), "big")
    # Before anything is read into memory; and one length has one head.
    if not least <= length <= maximum:
        raise DecodeError(Code.MALFORMED, "a piece of the bundle has a wrong length")
    return length
