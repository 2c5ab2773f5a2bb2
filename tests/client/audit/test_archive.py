"""The archive of a bundle: a ZIP that any program reads, in one encoding that ours alone accepts."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import pytest

from amanah_client.audit.archive import MAX_ARCHIVE_BYTES, Archive, Member, checksum, directory, write_archive
from amanah_protocol.errors import Code, DecodeError, UsageError
from tests.protocol.refusal import refused

CONTENTS = {"first": b"one", "empty": b"", "last": bytes(range(256)) * 20}
LIMITS = dict.fromkeys(CONTENTS, 10_000)
MEMBERS = [Member(name, checksum([data]), len(data)) for name, data in CONTENTS.items()]


def written(contents: dict[str, bytes] | None = None) -> bytes:
    chosen = CONTENTS if contents is None else contents
    members = [Member(name, checksum([data]), len(data)) for name, data in chosen.items()]
    return b"".join(write_archive(members, [[data] for data in chosen.values()]))


def zipped(contents: dict[str, bytes] | None = None, *, comment: bytes = b"", **fields: object) -> bytes:
    """The same by Python's own library."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.comment = comment
        for name, data in (contents or CONTENTS).items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o600 << 16
            for field, value in fields.items():
                setattr(info, field, value)
            archive.writestr(info, data)
    return file.getvalue()


def test_it_is_byte_for_byte_what_pythons_own_library_writes() -> None:
    assert written() == zipped()
    with zipfile.ZipFile(io.BytesIO(written())) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == CONTENTS


def test_what_is_written_is_read_back() -> None:
    archive = Archive(io.BytesIO(written()), LIMITS)
    assert {name: archive.read(name) for name in CONTENTS} == CONTENTS
    assert list(archive.members.values()) == MEMBERS
    part = archive.part("last")
    assert (part.read(2), part.at) == (b"\0\1", 2)
    assert b"".join(part.pieces()) == CONTENTS["last"]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: b"\0" + data,
        lambda data: data[:3],
        lambda _: b"",
        lambda _: zipped(comment=b"hello"),
        lambda _: zipped(date_time=(2026, 1, 1, 0, 0, 0)),
        lambda _: zipped(external_attr=0o644 << 16),
        lambda _: zipped(extra=struct.pack("<HHL", 0x7777, 4, 0)),
        lambda _: zipped(compress_type=zipfile.ZIP_DEFLATED),
        lambda _: zipped(create_system=0),
        lambda _: zipped(dict(reversed(CONTENTS.items()))),
        lambda _: zipped({**CONTENTS, "more": b""}),
        lambda _: zipped({name: data for name, data in CONTENTS.items() if name != "empty"}),
        lambda _: zipped({"FIRST" if name == "first" else name: data for name, data in CONTENTS.items()}),
    ],
)
def test_another_form_or_other_members_are_refused(change: Callable[[bytes], bytes]) -> None:
    data = change(written())
    assert data != written()
    with refused(Code.MALFORMED, DecodeError):
        Archive(io.BytesIO(data), LIMITS)


def test_every_bit_of_every_header_counts() -> None:
    data = written()
    ends = data.index(b"PK\1\2")
    starts = [data.index(b"PK\3\4" + data[4:10]), *(data.index(name.encode()) - 30 for name in CONTENTS)]
    places = {place for start in starts for place in range(start, start + 30 + 4)} | set(range(ends, len(data)))
    for place in sorted(places):
        for bit in range(8):
            turned = bytearray(data)
            turned[place] ^= 1 << bit
            try:
                archive = Archive(io.BytesIO(bytes(turned)), LIMITS)
            except DecodeError:
                continue
            assert {name: archive.read(name) for name in CONTENTS} != CONTENTS, (place, bit)


def test_a_member_that_is_too_large_is_refused_before_it_is_read() -> None:
    class Counting(io.BytesIO):
        most = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.most = max(self.most, size or 0)
            return super().read(size)

    file = Counting(written())
    with refused(Code.TOO_LARGE, DecodeError):
        Archive(file, LIMITS | {"last": len(CONTENTS["last"]) - 1})
    assert file.most < 500


def test_two_members_cannot_share_bytes() -> None:
    """The bomb of ZIP files: many names over one body."""
    body = b"x" * 1_000
    member = Member("first", checksum([body]), len(body))
    data = b"".join(write_archive([member], [[body]]))
    twice = data[: data.index(b"PK\1\2")] + directory([member, Member("last", member.crc, member.size)])
    with refused(Code.MALFORMED, DecodeError):
        Archive(io.BytesIO(twice), {"first": 1_000, "last": 1_000})


def test_four_gibibytes_are_not_begun() -> None:
    members = [Member("first", 0, MAX_ARCHIVE_BYTES - 200), Member("last", 0, 200)]
    pieces = write_archive(members, [[], []])
    with refused(Code.TOO_LARGE, UsageError):
        next(pieces)

    class Endless(io.BytesIO):
        def seek(self, _offset: int, _whence: int = 0, /) -> int:
            return MAX_ARCHIVE_BYTES + 1

    with refused(Code.TOO_LARGE, DecodeError):
        Archive(Endless(), LIMITS)
