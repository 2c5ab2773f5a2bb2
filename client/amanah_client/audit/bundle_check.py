"""The check of an evidence bundle: its files, the examination of its rows, then what its manifest claims.

Everything that does not hold is a finding, also a file that is not the manifest's: whoever checks a forged
bundle wants to know which row it is, not only that there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, TypeVar

from amanah_client.audit.anchors import anchor_of_rosters
from amanah_client.audit.bundle import Bundle, Disclosed
from amanah_client.audit.examination import Anchor, examine
from amanah_client.audit.manifest import Manifest, RoomRange
from amanah_client.audit.record import Record, Report
from amanah_client.audit.register import ENVELOPE_IS
from amanah_client.audit.report import Finding, Findings, Severity, Who
from amanah_client.audit.stamps import NO_AUTHORITY, Stamps, Trust, examine_stamps
from amanah_client.log_rows import AuditRow
from amanah_protocol.content.sealed import Content, check_commitment, check_drill, decode_content
from amanah_protocol.envelope import Envelope, decode_envelope
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.identity import Certificate, decode_certificate
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint
from amanah_protocol.log.export import exporting_device, verify_manifest
from amanah_protocol.log.leaf import Leaf, LeafType, decode_leaf
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.log.policy import Policy
from amanah_protocol.types import EnvelopeId, LeafHash, RoomId

T = TypeVar("T")

_DISCLOSED: Final = f'SELECT "index", sender FROM entry WHERE {ENVELOPE_IS} AND held = 1'  # noqa: S608 - a condition of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A message of the record whose content was disclosed, and is what was committed to.

    Attributes:
        index: Its log index.
        leaf: Its entry.
        envelope: The envelope.
        sender: Who sent it.
        content: What it says; its label is the one that counts.
    """

    index: int
    leaf: Leaf
    envelope: Envelope
    sender: Who
    content: Content = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A bundle and what was found.

    Attributes:
        bundle: The file, open: rows can be read of it.
        report: What the examination found, and what is wrong with files and claims; its record answers questions.
        opened: Messages that are disclosed.
        stamps: What its time stamps are worth.
        remembered: Sizes of the checkpoints, seen before, that the rows continue.
    """

    bundle: Bundle
    report: Report
    opened: tuple[Opened, ...]
    stamps: Stamps
    remembered: tuple[int, ...]

    @property
    def manifest(self) -> Manifest:
        """What the bundle claims."""
        return self.bundle.manifest


def own_anchor(bundle: Bundle) -> Anchor:
    """What a bundle says of itself, for whoever trusts nothing yet.

    Raises:
        DecodeError, VerifyError: A roster in it is not signed by its own organisations.
    """
    return replace(anchor_of_rosters(bundle.rosters, ""), policy=bundle.policy)


def check_bundle(
    bundle: Bundle, anchor: Anchor, remembered: Sequence[bytes] = (), trust: Trust = NO_AUTHORITY
) -> Checked:
    """Verify all of a bundle.

    Args:
        bundle: The file.
        anchor: What it is held against.
        remembered: Checkpoints that whoever checks has seen before: the rows continue each.
        trust: What its time stamps are held against.

    Raises:
        OperationalError: `INTERNAL`.
    """
    before: list[Finding] = []
    files = Findings(before.append)
    for error in bundle.broken():
        files.refused(None, error)
    published = _until_refused(bundle.checkpoints(), files)
    report = examine(
        bundle.rows(),
        checkpoint=bundle.checkpoint,
        anchor=anchor,
        control_head=bundle.control_head,
        published=published,
    )
    after: list[Finding] = []
    claims = Findings(after.append)
    dated, stamps = examine_stamps(report, _until_refused(bundle.timestamps(), claims), Notes(bundle), trust)
    disclosures = list(_until_refused(bundle.disclosures(), claims))
    opened = tuple(open_disclosures(disclosures, report.record, bundle.row, claims))
    for check in (_check_log, _check_complete, _check_exporter):
        try:
            check(bundle, report)
        except PeerError as error:
            claims.refused(None, error)
    continued: list[int] = []
    for note in remembered:
        try:
            continued.append(_check_continued(bundle, note, anchor.policy))
        except PeerError as error:
            claims.refused(None, error)
    if list(bundle.manifest.disclosed) != [envelope for envelope, _, _ in disclosures]:
        claims.fault(None, Code.RECORD, "the manifest names other disclosed messages than there are")
    return Checked(
        bundle=bundle,
        report=replace(
            dated,
            findings=(*before, *dated.findings, *after),
            faults=dated.faults + files.faults + claims.faults,
        ),
        opened=opened,
        stamps=stamps,
        remembered=tuple(continued),
    )


class Notes:
    """The checkpoints of a bundle by size, asked for in ascending order."""

    def __init__(self, bundle: Bundle) -> None:
        """Begin before the first; where they are damaged is found elsewhere."""
        self._bundle = bundle
        self._left = _until_refused(bundle.checkpoints(), Findings(lambda _: None))
        self._size, self._note = 0, b""

    def __call__(self, size: int) -> bytes | None:
        """The checkpoint of a size, as signed; None where there is none."""
        if size == self._bundle.head.size:
            return self._bundle.checkpoint
        while self._size < size and (note := next(self._left, None)) is not None:
            self._size, self._note = decode_checkpoint(note)[0].size, note
        return self._note if self._size == size else None


def open_disclosures(
    disclosures: Iterable[Disclosed], record: Record, row: Callable[[int], AuditRow | None], findings: Findings
) -> Iterator[Opened]:
    """Hold each disclosed content against the commitment in the signed and logged header."""
    seen: set[EnvelopeId] = set()
    for envelope, k, content in disclosures:
        found = record.select(_DISCLOSED, envelope)
        index = found[0][0] if found else None
        try:
            if index is None or envelope in seen:
                raise VerifyError(Code.NOT_FOUND, f"the disclosed {envelope.hex()[:8]} stands nowhere, or twice")
            seen.add(envelope)
            leaf = _entry(row(index))
            signed = decode_envelope(leaf.object)
            check_commitment(signed.header, k, content)
            said = decode_content(content)
            room = record.room(signed.header.room)
            if room is not None and room.create is not None:
                check_drill(said, drill=room.create.drill)
        except PeerError as error:
            findings.refused(index, error)
            continue
        yield Opened(index=index, leaf=leaf, envelope=signed, sender=record.who(found[0][1]), content=said)


def room_ranges(record: Record) -> tuple[RoomRange, ...]:
    """Which rooms a record shows, and from where to where."""
    query = "SELECT room.room, min(seq), max(seq) FROM entry JOIN room ON room.number = entry.room GROUP BY room.room"
    rows = record.select(query + " ORDER BY room.room")
    return tuple(RoomRange(room=RoomId(room), first=first, last=last) for room, first, last in rows)


def _until_refused(items: Iterator[T], findings: Findings) -> Iterator[T]:
    try:
        yield from items
    except PeerError as error:
        findings.refused(None, error)


def _entry(row: AuditRow | None) -> Leaf:
    if row is None or row.entry is None:
        raise VerifyError(Code.NOT_FOUND, "the entry is not in the bundle")
    return decode_leaf(row.entry)


def verify_remembered(note: bytes, policy: Policy) -> Checkpoint:
    """A checkpoint that somebody kept: a log of the policy signed it, whoever cosigned.

    Raises:
        DecodeError: It is no checkpoint.
        VerifyError: `CHECKPOINT` or `SIGNATURE`: anybody could have written it, and it would speak against any bundle.
    """
    try:
        return replace(policy, quorum=None).verify_note(note).checkpoint
    except VerifyError as error:
        raise VerifyError(error.code, f"the remembered checkpoint: {error.detail}") from error


def _check_continued(bundle: Bundle, note: bytes, policy: Policy) -> int:
    seen, here = verify_remembered(note, policy), decode_checkpoint(bundle.checkpoint)[0]
    if seen.origin != here.origin:
        raise VerifyError(Code.RECORD, f"the remembered checkpoint is of another log, {seen.origin}")
    if seen.size > here.size:
        text = f"the log had {seen.size} leaves when its checkpoint was remembered, and {here.size} here"
        raise VerifyError(Code.LOG_ROLLBACK, text)
    frontier = Frontier()
    for row in islice(bundle.rows(), seen.size):
        frontier.append(LeafHash(row.hash))
    if frontier.root() != seen.root:
        raise VerifyError(Code.PROOF, f"the first {seen.size} leaves are not those of the remembered checkpoint")
    return seen.size


def _check_log(bundle: Bundle, report: Report) -> None:
    manifest = bundle.manifest
    if (manifest.origin, manifest.size, manifest.root) != (report.origin, report.size, report.root):
        raise VerifyError(Code.RECORD, "the manifest names another log than the checkpoint is of")


def _check_complete(bundle: Bundle, report: Report) -> None:
    manifest = bundle.manifest
    if manifest.control != report.scope.control:
        raise VerifyError(Code.RECORD, f"the manifest names {manifest.control} entries of the control stream")
    here = {found.room: found for found in room_ranges(report.record)}
    named = [claimed.room for claimed in manifest.rooms]
    if named != sorted(set(named)):
        raise VerifyError(Code.RECORD, "the manifest names rooms twice, or not ascending")
    for claimed in manifest.rooms:
        found = here.get(claimed.room)
        # Less than is here may be claimed: it is true all the same.
        if found is None or not found.first <= claimed.first <= claimed.last <= found.last:
            text = f"room {claimed.room.hex()[:8]} is not here from place {claimed.first} to {claimed.last}"
            raise VerifyError(Code.RECORD, f"{text}, as the manifest says")


def _check_exporter(bundle: Bundle, report: Report) -> None:
    manifest = bundle.manifest
    if exporting_device(bundle.signature) != manifest.device:
        raise VerifyError(Code.KEY_ID, "another device signed the manifest than it names")
    certificate = _certificate(bundle, report)
    verify_manifest(bundle.signature, bundle.encoded, certificate.public_key)
    if not certificate.not_before_ms <= manifest.exported_ms <= certificate.not_after_ms:
        raise VerifyError(Code.EXPIRED, "the exporter's certificate is not valid at the time of the export")
    query = "SELECT revoked FROM device WHERE device = ? AND certified IS NOT NULL"
    standing = report.record.select(query, manifest.device)
    if not standing:
        raise VerifyError(Code.CERTIFICATE, "the exporter's certificate does not hold")
    if standing[0][0] is not None or (certificate.organisation, certificate.issuer) in report.withdrawn:
        raise VerifyError(Code.REVOKED, "the exporter's device, or the key that certified it, was revoked before")


def _certificate(bundle: Bundle, report: Report) -> Certificate:
    manifest = bundle.manifest
    leaf = _entry(bundle.row(manifest.certificate))
    if leaf.type is not LeafType.CERTIFICATE:
        raise VerifyError(Code.CERTIFICATE, "the exporter's certificate does not stand where the manifest says")
    certificate = decode_certificate(leaf.object)
    if (certificate.device_id, certificate.organisation) != (manifest.device, manifest.organisation):
        raise VerifyError(Code.CERTIFICATE, "the exporter's certificate is another's")
    faults = (found.index for found in report.findings if found.severity is Severity.FAULT)
    if manifest.certificate in faults:
        raise VerifyError(Code.CERTIFICATE, "the exporter's certificate does not hold")
    return certificate
