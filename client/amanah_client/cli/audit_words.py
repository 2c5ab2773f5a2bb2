"""What an audit found, as text for people; `audit_json` is for programs."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from amanah_client.audit.bundle_check import Checked, Opened
from amanah_client.audit.disclosed import Proven
from amanah_client.audit.local import Cosigned
from amanah_client.audit.record import Report
from amanah_client.audit.report import Finding, RoomSummary, Severity
from amanah_client.audit.stamps import Stamps
from amanah_client.audit.table import NO_LABEL, NO_PLAINTEXT, Line, changed, counted, nations, short, size_words
from amanah_client.audit.words import (
    UNANCHORED,
    between,
    claimed,
    content_lines,
    cosigned,
    sound_before,
    stamped,
    verdict,
)
from amanah_client.cli import terminal
from amanah_client.moments import moment
from amanah_client.standing import cosigned_words
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.sealed import Content
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.labels import Label

_BAD: Final = "bold white on red"
_KEEP: Final = "Keep it as evidence, tell the other nations over another channel"
_FIELD: Final = len("pseudonym ")


# ---- an examined record, for people


def show_report(report: Report) -> None:
    """What was found; the verdict stands last (`show_verdict`)."""
    for text in _about(report):
        _show(text)
    for room in report.record.rooms():
        for text in _room(room):
            _show(text)
    for finding in report.findings:
        _show(_finding(finding), style="" if finding.severity is Severity.REMARK else _BAD)
    if report.faults > sum(finding.severity is Severity.FAULT for finding in report.findings):
        _show(f"{counted(report.faults, 'fault')} in all", style=_BAD)


def show_verdict(report: Report) -> None:
    """The one line that counts."""
    _show(NO_PLAINTEXT)
    _show(verdict(report), style=_BAD if report.faults else "")


def show_cosigned(cosigned: Cosigned | None) -> None:
    """What witnesses say of the copy."""
    if cosigned is None:
        _show("no checkpoint of this log with a quorum of witnesses was seen by this device")
    elif cosigned.is_of_copy is False:
        _show(f"{cosigned_words(cosigned.row)}: THE COPY HAS ANOTHER ROOT AT THAT SIZE", style=_BAD)
    else:
        beyond = " (beyond this copy: sync again)" if cosigned.is_of_copy is None else ""
        _show(cosigned_words(cosigned.row) + beyond)


def show_stamps(stamps: Stamps) -> None:
    """What time-stamping authorities say of the record."""
    if not stamps.counts:
        _show("no checkpoint of this record carries a time stamp")
        return
    for authority, state, count in stamps.counts:
        _show(f"{counted(count, 'time stamp')} by {authority}: {state}")
    if stamps.size:
        of = counted(stamps.checkpoints, "checkpoint")
        _show(f"the leaves below {stamps.size} are dated by time stamps on {of}")


def verdict_of_proven(proven: Proven) -> str:
    """The one line that counts, of a disclosure that was not refused."""
    if not proven.anchor:
        return UNANCHORED
    return (
        "HOLDS: this device signed it, and it stands in the log; every signature, certificate and proof of the file "
        f"was recomputed; anchored in {proven.anchor}"
    )


def _about(report: Report) -> Iterator[str]:
    scope = report.scope
    size = counted(report.size, "leaf", "leaves")
    yield f"log {report.origin}: {size} under the checkpoint, root {report.root.hex()}"
    yield f"held against {report.anchor or 'nothing but itself'}"
    yield f"cosigned by {cosigned(report.witnesses)}"
    entries, rooms = counted(scope.envelopes, "entry", "entries"), counted(report.record.room_count, "room")
    bare = counted(scope.bare, "bare hash", "bare hashes")
    yield (
        f"in scope: {entries} of {rooms}, {scope.control} of the control stream, "
        f"{counted(scope.reads, 'audit read')}; outside: {bare}"
    )
    if scope.first_ms is not None:
        yield f"accepted between {moment(scope.first_ms)} and {moment(scope.last_ms)}, as the relay says"
    if report.control_confirmed is None:
        yield "the end of the control stream is not confirmed by a signed head"
    else:
        yield f"the control stream is whole up to its entry {report.control_confirmed}"
    yield "what may follow the last entry of a room is not shown by a copy: only the room's members know its head"


def _room(room: RoomSummary) -> Iterator[str]:
    opened = "its creation does not hold"
    if room.create is not None and room.opened_by is not None:
        under = f", under {room.create.agreement}" if room.create.agreement else ""
        under = f"{under}, a DRILL" if room.create.drill else under
        opened = f"opened by {room.opened_by.text}, up to {room.create.ceiling.text}{under}"
    yield f"room {short(room.room)}: {opened}"
    yield f"  {counted(room.entries, 'entry', 'entries')} from {moment(room.first_ms)} to {moment(room.last_ms)}"
    for change in room.changes:
        if change.added or change.removed:
            yield f"  {moment(change.accepted_at_ms)}  {change.by.text} {changed(change.added, change.removed)}"
            yield f"  {'':20}  then in it: {nations(change.members)}"
    yield f"  in it at the end: {nations(room.members) or 'nobody'}"


def _finding(finding: Finding) -> str:
    where = "the whole record" if finding.index is None else f"entry {finding.index}"
    return f"{str(finding.severity).upper()} at {where}: {finding.text} [{finding.code}]"


def show_lines(lines: Iterable[Line]) -> bool:
    """Who told whom what class of thing, when: three lines for each entry, its three times last; whether any."""
    found = unlabelled = False
    for line in lines:
        found, entry = True, line.entry
        unlabelled |= not entry.size_class and entry.label is Label.CLEAR
        _show(
            f"{entry.index:>6}  {moment(entry.accepted_at_ms)}  {entry.label.text}  {entry.sender.text}: {line.said}",
            indent=8,
        )
        about = f"room {short(entry.room)}, {entry.precedence.name.lower()}, {size_words(entry.kind, entry.size_class)}"
        _show(f"{'':8}to {nations(entry.readers) or 'nobody'}; {about}; {line.state}", style=_BAD if line.fault else "")
        _show(
            f"{'':8}claimed {moment(entry.sent_at_ms)} by its sender; accepted {moment(entry.accepted_at_ms)}, "
            f"as the relay says; {between(entry.witnessed)}{stamped(entry.stamped)}",
            indent=8,
        )
    if unlabelled:
        _show(NO_LABEL)
    if found:
        _show(NO_PLAINTEXT)
    return found


# ---- a bundle, for people


def show_checked(checked: Checked) -> None:
    """The report, who exported the file, and what was disclosed in it."""
    manifest = checked.manifest
    _show(
        f"exported {moment(manifest.exported_ms)} by device {short(manifest.device)} of {manifest.organisation}, "
        "as it says"
    )
    for one in checked.opened:
        _show_opened(checked, one)
    show_stamps(checked.stamps)
    show_report(checked.report)
    for size in checked.remembered:
        _show(f"continues the log as you remember it: its first {counted(size, 'entry', 'entries')} are those")
    show_verdict(checked.report)


def _show_opened(checked: Checked, one: Opened) -> None:
    content, header = one.content, one.envelope.header
    _show(f"disclosed: log index {one.index}, by {one.sender.text}, {content.label.text} {content.pap.text}")
    if content.differs_from(header.label):
        _show(f"ALARM: the record shows {header.label.text} for it; the sealed label counts", style=_BAD)
    record = checked.report.record
    _show(
        f"  claimed {claimed(content, header)} by its sender; accepted {moment(one.leaf.accepted_at_ms)}, as the relay "
        f"says; "
        f"{between(record.bounds(one.index))}{stamped(record.stamped(one.index))}",
        indent=2,
    )
    for text in _said(content):
        _show(f"  | {text}", safe=True)


# ---- a disclosure, for people


def show_proven(proven: Proven) -> None:
    """Who said what, when, and where it stands."""
    disclosed = proven.disclosed
    header, content = disclosed.envelope.header, disclosed.content
    certificate = disclosed.certificate
    sender = f"{certificate.role.name.lower()} {certificate.subject.hex()[:8]} of {certificate.organisation}"
    _show(f"from      {sender}, device {short(certificate.device_id)}", indent=_FIELD)
    _show(f"pseudonym {certificate.subject.hex()}: only the organisation knows whose", indent=_FIELD)
    _show(f"claimed   {claimed(content, header)} by its sender", indent=_FIELD)
    _show(f"accepted  {moment(disclosed.leaf.accepted_at_ms)}, as the relay says", indent=_FIELD)
    _show(f"room      {header.room.hex()}, entry {disclosed.leaf.room_seq}", indent=_FIELD)
    _show(f"label     {content.label.text} {content.pap.text}", indent=_FIELD)
    if content.differs_from(header.label):
        _show(f"ALARM: the record shows {header.label.text} for it; the sealed label counts", style=_BAD)
    _show("says")
    for text in _said(content):
        # Each line is marked: what was said must not look like a line of this report.
        _show(f"  | {text}", safe=True)
    _show(
        f"stands in the log {disclosed.checkpoint.origin} at index {disclosed.index}, "
        f"under its checkpoint of size {disclosed.checkpoint.size}"
    )
    _show(f"held against {proven.anchor or 'nothing but itself'}; cosigned by {cosigned(proven.witnesses)}")
    _show("not shown by a disclosure: whether the device was revoked before, and what else was said")
    _show(verdict_of_proven(proven))


def _said(content: Content) -> list[str]:
    found = content_lines(content)
    if isinstance(content.body, Said):
        return terminal.isolated("\n".join(found)).split("\n")
    return [terminal.single(line) for line in found]


# ---- how a verb ends


def raise_for(report: Report) -> None:
    """End a verb for a record that does not hold.

    Raises:
        VerifyError: `RECORD`.
    """
    bad = report.first_bad
    if bad is not None:
        where = "the whole record" if bad.index is None else f"first bad entry {bad.index}"
        before = sound_before(report)
        rely = "and rely on nothing in it" + ("" if before is None else f" from entry {before} on")
        raise VerifyError(
            Code.RECORD, f"the record does not hold: {where}: {bad.text} [{bad.code}]", hint=f"{_KEEP}, {rely}."
        )


def raise_unanchored(anchor: str) -> None:
    """End a verb for what was held against nothing but itself.

    Raises:
        UsageError: `UNANCHORED`.
    """
    if not anchor:
        raise UsageError(Code.UNANCHORED, UNANCHORED)


def check_words(file: Path) -> str:
    """How somebody else checks a file that was written."""
    name = "FILE" if str(file) == "-" else shlex.quote(str(file))
    return f"`amanah audit check {name} --policy POLICY` verifies the file, without this profile"


def milliseconds(at: datetime) -> int:
    """A time that somebody gave, UTC where it names no zone."""
    moment_ = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int(moment_.timestamp() * 1000)


def _show(text: str, *, style: str = "", safe: bool = False, indent: int = 0) -> None:
    line = text if safe else terminal.shown(text).replace("\n", "<000A>")
    terminal.show(terminal.Line(((line, style),), indent=indent))
