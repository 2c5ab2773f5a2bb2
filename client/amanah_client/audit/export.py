"""The export of a copy as an evidence bundle: what is shown, what is a bare hash, and the file itself.

The manifest stands first and names the hash of all that follows, so each member is written to a folder of
its own before the archive is begun; what is in memory is one row. The same copy under the same scope gives
the same bytes, but for the time of the export and its signature.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amanah_client.audit.archive import PIECE_BYTES, Member, write_archive
from amanah_client.audit.bundle import LIMITS, MANIFEST, SIGNATURE, VERIFIER, Disclosed, encode_item, encode_row
from amanah_client.audit.bundle_check import Opened, room_ranges
from amanah_client.audit.manifest import Manifest
from amanah_client.audit.record import Record, Report
from amanah_client.log_rows import AuditRow
from amanah_protocol import cbor
from amanah_protocol.crypto import SigningKey
from amanah_protocol.custody.grants import AuditGrant
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import Certificate
from amanah_protocol.log.export import sign_manifest
from amanah_protocol.log.leaf import LeafType, decode_leaf
from amanah_protocol.types import CONTROL, DeviceId, OrgName, RoomId

VERIFIER_PATH: Final = Path(__file__).with_name("verify") / VERIFIER
"""The verifier that goes into every bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What of a record is shown as entries.

    Attributes:
        rooms: First digits of the ids of the rooms; none for all.
        since_ms: Rooms in which nothing was accepted from then on are left out.
        until_ms: What was accepted later is left out; None for nothing.
    """

    rooms: tuple[str, ...] = ()
    since_ms: int = 0
    until_ms: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return self == Span()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """Who makes the bundle.

    Attributes:
        key: The device's key.
        organisation: Its organisation.
        certificate: Log index of its certificate.
        now_ms: The time.
    """

    key: SigningKey
    organisation: OrgName
    certificate: int
    now_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What goes into a bundle as it is.

    Attributes:
        rows: Gives the rows.
        checkpoint: The signed note that they lead to.
        published: Gives the notes of smaller checkpoints, ascending.
        control_head: A signed head of the control stream, b"" for none.
        policy: The policy under which it was verified.
        rosters: Encoded rosters that are trusted, ascending by version.
        timestamps: Gives the time stamps as (size, authority, token), ascending by size, of one in order.
        disclosures: What is disclosed.
        opened: The same, verified.
    """

    rows: Callable[[], Iterator[AuditRow]]
    checkpoint: bytes
    published: Callable[[], Iterator[bytes]]
    control_head: bytes
    policy: bytes
    rosters: tuple[bytes, ...]
    timestamps: Callable[[], Iterator[tuple[int, str, bytes]]] = lambda: iter(())
    disclosures: tuple[Disclosed, ...] = ()
    opened: tuple[Opened, ...] = ()


def exporter_of(record: Record, key: SigningKey, certificate: Certificate, now_ms: int) -> Exporter:
    """Who exports, by the certificate that stands in the record.

    Raises:
        UsageError: `NOT_FOUND` when none does; `EXPIRED` or `REVOKED` when nobody would take its signature.
    """
    query = "SELECT certified, revoked FROM device WHERE device = ? AND certified IS NOT NULL"
    found = record.select(query, key.key_id)
    if not found:
        hint = "`amanah audit sync` copies the log up to its newest entry; then try again."
        raise UsageError(Code.NOT_FOUND, "this device's certificate does not stand in the record", hint=hint)
    ((index, revoked),) = found
    if revoked is not None:
        raise UsageError(Code.REVOKED, "this device was revoked: its signature is worth nothing under an export")
    if not certificate.not_before_ms <= now_ms <= certificate.not_after_ms:
        raise UsageError(Code.EXPIRED, "this device's certificate is not valid now: nobody would take its signature")
    return Exporter(key=key, organisation=certificate.organisation, certificate=index, now_ms=now_ms)


def chosen_rooms(record: Record, span: Span) -> frozenset[RoomId]:
    """The rooms that a span shows.

    Raises:
        UsageError: `NOT_FOUND` when digits name no room of the record.
    """
    known = [row[0] for row in record.select("SELECT room FROM room")]
    for digits in span.rooms:
        if not any(room.hex().startswith(digits) for room in known):
            raise UsageError(Code.NOT_FOUND, f"no room of the record begins with {digits}")
    query = """SELECT DISTINCT room.room FROM entry JOIN room ON room.number = entry.room
        WHERE accepted_ms >= ? AND accepted_ms <= ?"""
    until = 2**62 if span.until_ms is None else span.until_ms
    found = [RoomId(row[0]) for row in record.select(query, span.since_ms, until)]
    return frozenset(room for room in found if not span.rooms or room.hex().startswith(span.rooms))


def selected_rooms(record: Record, grant: AuditGrant | None) -> frozenset[RoomId]:
    """The rooms of which a grant may have left out entries: nobody who gets a bundle could tell that from a lie.

    Args:
        record: What was read under it.
        grant: The grant; None for none.
    """
    # What is missing of a room of one's own is no selection, and whoever gets the bundle has to see it.
    return record.selected_rooms(grant)


def shown_rows(
    rows: Iterable[AuditRow], rooms: frozenset[RoomId], hidden: frozenset[RoomId], until_ms: int | None
) -> Iterator[AuditRow]:
    """Rows with the entries of these rooms; all of the control stream, since who is who follows from it alone.

    A room is shown from its beginning: who was in it at a place follows from what stands before.

    Args:
        rows: All rows.
        rooms: The rooms.
        hidden: Custody chains of others, of which nothing is known without their rooms.
        until_ms: What was accepted later is left out; None for nothing.
    """
    for row in rows:
        if row.entry is None:
            yield row
            continue
        leaf = decode_leaf(row.entry)
        late = until_ms is not None and leaf.accepted_at_ms > until_ms
        other = leaf.room in hidden or (leaf.type is LeafType.ENVELOPE and leaf.room not in rooms)
        if (late or other) and leaf.room != CONTROL:
            yield AuditRow(index=row.index, hash=row.hash, entry=None, document=None)
        else:
            yield row


class Spool:
    """Members of an archive that is not begun, each a file of one folder."""

    def __init__(self, folder: Path) -> None:
        """Write to a folder that is there and empty."""
        self._folder = folder
        self.members: dict[str, Member] = {}
        self.hashes: dict[str, str] = {}

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a member.

        Raises:
            OSError: The disk is full.
        """
        digest, crc, size = hashlib.sha256(), 0, 0
        with self.path(name).open("xb") as file:
            for piece in pieces:
                digest.update(piece)
                crc = zlib.crc32(piece, crc)
                size += len(piece)
                file.write(piece)
        self.members[name] = Member(name, crc, size)
        self.hashes[name] = digest.hexdigest()

    def path(self, name: str) -> Path:
        """Where a member lies."""
        return self._folder / name

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a member."""
        with self.path(name).open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece


Views = dict[str, Callable[[], Iterable[bytes]]]
"""Name of a member -> makes its bytes."""


def write_bundle(sources: Sources, report: Report, exporter: Exporter, views: Views, folder: Path) -> Iterator[bytes]:
    """The bundle, piece by piece; the first one comes when all of it lies in the folder.

    Args:
        sources: What goes in as it is.
        report: What an examination of these rows found.
        exporter: Who makes it.
        views: Makes the files for people and for analysis.
        folder: For what is written on the way; it is empty.

    Raises:
        UsageError: `TOO_LARGE`; `NOT_FOUND` when this installation has no verifier.
        OSError: The folder cannot be written.
    """
    spool = Spool(folder)
    plain: dict[str, Iterable[bytes]] = {
        "policy": (sources.policy,),
        "rosters": (cbor.encode(roster) for roster in sources.rosters),
        "leaves": (encode_row(row) for row in sources.rows()),
        "checkpoint": (sources.checkpoint,),
        "checkpoints": (cbor.encode(note) for note in sources.published()),
        "control-head": (sources.control_head,),
        "timestamps": (encode_item([size, authority, token]) for size, authority, token in sources.timestamps()),
        "disclosures": (encode_item(list(disclosed)) for disclosed in sources.disclosures),
    }
    for name, pieces in plain.items():
        spool.put(name, pieces)
    for name, view in views.items():
        spool.put(name, view())
    spool.put(VERIFIER, (read_verifier(),))
    manifest = Manifest(
        origin=report.origin,
        size=report.size,
        root=report.root,
        rooms=room_ranges(report.record),
        control=report.scope.control,
        disclosed=tuple(envelope for envelope, _, _ in sources.disclosures),
        exported_ms=exporter.now_ms,
        device=DeviceId(exporter.key.key_id),
        organisation=exporter.organisation,
        certificate=exporter.certificate,
        files=spool.hashes,
    ).encode()
    spool.put(MANIFEST, (manifest,))
    spool.put(SIGNATURE, (sign_manifest(manifest, exporter.key),))
    yield from write_archive([spool.members[name] for name in LIMITS], [spool.pieces(name) for name in LIMITS])


def read_verifier() -> bytes:
    """The verifier that this installation has.

    Raises:
        UsageError: `NOT_FOUND`.
    """
    try:
        return VERIFIER_PATH.read_bytes()
    except OSError as error:
        hint = "Install Amanah again, whole; a bundle always brings the verifier that checks it."
        raise UsageError(Code.NOT_FOUND, f"this installation has no {VERIFIER}", hint=hint) from error
