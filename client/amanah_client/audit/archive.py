r"""The archive of an evidence bundle: a ZIP of stored members in one encoding (`docs/protocol.md` section 12).

Two programs that read one ZIP in two ways see two records: by a local header that differs from the directory,
an extra field, a comment, bytes between members. Here a header is nothing but what follows from name, checksum
and size; a reader makes all of them again and compares.

    local header = "PK\3\4", 20, 0, 0, 0, 0x21, crc, size, size, length of the name, 0; then the name
    directory    = for each: "PK\1\2", 0x0314, 20, 0, 0, 0, 0x21, crc, size, size, length of the name, 0, 0, 0, 0,
                   0x01800000, offset; then the name
    end          = "PK\5\6", 0, 0, members, members, size of the directory, its offset, 0
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, Final, NamedTuple

from amanah_protocol.errors import Code, DecodeError, UsageError

MAX_ARCHIVE_BYTES: Final = 2**32 - 1
"""What a ZIP without its 64-bit form can say."""
PIECE_BYTES: Final = 1024 * 1024

_LOCAL: Final = struct.Struct("<4s5H3L2H")
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_VERSION: Final = 20
_MADE_BY: Final = 0x0314
_DATE: Final = 0x21
_MODE: Final = 0o600 << 16
_CRC_AT: Final = 16
"""Of checksum and size in an entry of the directory."""


class Member(NamedTuple):
    """One member.

    Attributes:
        name: Its name, ASCII.
        crc: CRC-32 of its bytes.
        size: How many there are.
    """

    name: str
    crc: int
    size: int


def local_header(member: Member) -> bytes:
    """What stands before the bytes of a member."""
    fields = (_VERSION, 0, 0, 0, _DATE, member.crc, member.size, member.size, len(member.name), 0)
    return _LOCAL.pack(b"PK\3\4", *fields) + member.name.encode("ascii")


def directory(members: Iterable[Member]) -> bytes:
    """What stands behind the last member."""
    entries: list[bytes] = []
    offset = 0
    for name, crc, size in members:
        fields = (_MADE_BY, _VERSION, 0, 0, 0, _DATE, crc, size, size, len(name), 0, 0, 0, 0, _MODE, offset)
        entries.append(_ENTRY.pack(b"PK\1\2", *fields) + name.encode("ascii"))
        offset += _LOCAL.size + len(name) + size
    count, length = len(entries), sum(map(len, entries))
    return b"".join([*entries, _END.pack(b"PK\5\6", 0, 0, count, count, length, offset, 0)])


def write_archive(members: Sequence[Member], contents: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
    """The archive, piece by piece.

    Args:
        members: All members, in order.
        contents: The bytes of each, in pieces.

    Raises:
        UsageError: `TOO_LARGE` at 4 GiB and more.
    """
    total = sum(_LOCAL.size + _ENTRY.size + 2 * len(member.name) + member.size for member in members) + _END.size
    if total > MAX_ARCHIVE_BYTES:
        hint = "Export fewer rooms or a shorter time: what is left out is a bare hash each."
        raise UsageError(Code.TOO_LARGE, "the bundle would not be smaller than 4 GiB", hint=hint)
    for member, content in zip(members, contents, strict=True):
        yield local_header(member)
        yield from content
    yield directory(members)


class Part:
    """The bytes of one member, read from its beginning."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        """Read from a file that other parts move about in."""
        self._file = file
        self._start = start
        self.size = size
        self.at = 0

    def seek(self, at: int) -> None:
        """Go on from this place."""
        self.at = at

    def read(self, count: int) -> bytes:
        """The next bytes, fewer at the end."""
        self._file.seek(self._start + self.at)
        data = self._file.read(min(count, self.size - self.at))
        self.at += len(data)
        return data

    def pieces(self) -> Iterator[bytes]:
        """All bytes, in pieces."""
        self.seek(0)
        while piece := self.read(PIECE_BYTES):
            yield piece


class Archive:
    """An archive that was read as far as its headers, which are those of its members and of nothing else."""

    def __init__(self, file: BinaryIO, limits: Mapping[str, int]) -> None:
        """Read the headers; of the members themselves nothing is read.

        Args:
            file: Open for reading and seeking.
            limits: Name -> most bytes of each member that has to be there, in order.

        Raises:
            DecodeError: `MALFORMED` when it is no archive of just these members in just this form, `TOO_LARGE`.
        """
        self._file = file
        length = file.seek(0, 2)
        if length > MAX_ARCHIVE_BYTES:
            raise DecodeError(Code.TOO_LARGE, "the bundle is not smaller than 4 GiB")
        size = sum(_ENTRY.size + len(name) for name in limits) + _END.size
        file.seek(max(0, length - size))
        found = file.read(size)
        if len(found) != size or found[-_END.size :][:4] != b"PK\5\6":
            raise DecodeError(Code.MALFORMED, "the bundle is cut off, or is another file")
        self.members: dict[str, Member] = {}
        self._starts: dict[str, int] = {}
        place = offset = 0
        for name in limits:
            crc, stored = struct.unpack_from("<2L", found, place + _CRC_AT)
            self.members[name] = Member(name, crc, stored)
            self._starts[name] = offset + _LOCAL.size + len(name)
            place += _ENTRY.size + len(name)
            offset = self._starts[name] + stored
        if offset + size != length or directory(self.members.values()) != found:
            raise DecodeError(Code.MALFORMED, "the bundle's members are not those of its form, and no others")
        for name, member in self.members.items():
            if member.size > limits[name]:
                raise DecodeError(Code.TOO_LARGE, f"{name} has {member.size} bytes where {limits[name]} are allowed")
            header = local_header(member)
            file.seek(self._starts[name] - len(header))
            if file.read(len(header)) != header:
                raise DecodeError(Code.MALFORMED, f"the header of {name} is not that of the directory")

    def part(self, name: str) -> Part:
        """The bytes of a member."""
        return Part(self._file, self._starts[name], self.members[name].size)

    def read(self, name: str) -> bytes:
        """All bytes of a member, whose limit is one that fits the memory."""
        return self.part(name).read(self.members[name].size)


def checksum(pieces: Iterable[bytes]) -> int:
    """CRC-32, as archives have it."""
    crc = 0
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
    return crc
