"""What an audit found, as JSON for programs; `audit_words` is for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from amanah_client.audit.disclosed import Proven
from amanah_client.audit.local import Cosigned
from amanah_client.audit.record import Report
from amanah_client.audit.report import Bounds, Change, Finding, Nations, RoomSummary, Who
from amanah_client.audit.table import Line
from amanah_client.cli import terminal
from amanah_client.cli.audit_words import verdict, verdict_of_proven
from amanah_protocol.content.alert import MAX_OBSERVED_AT_MS
from amanah_protocol.content.bodies import AlertBatch, RoomInfo
from amanah_protocol.content.bodies import Text as TextBody

FORMAT: Final = 1
"""Of these documents: fields may be added, none changes its meaning."""


def report_json(report: Report) -> dict[str, object]:
    """An examined record, without its entries."""
    bad = report.first_bad
    scope = report.scope
    return {
        "format": FORMAT,
        "holds": not report.faults,
        "anchored": bool(report.anchor),
        "verdict": verdict(report),
        "held_against": report.anchor or None,
        "first_bad": None if bad is None else _finding_json(bad),
        "faults": report.faults,
        "findings": [_finding_json(finding) for finding in report.findings],
        "log": {
            "origin": report.origin,
            "size": report.size,
            "root": report.root.hex(),
            "witnesses": _witnesses_json(report.witnesses),
        },
        "scope": {
            "leaves": scope.leaves,
            "bare": scope.bare,
            "control": scope.control,
            "envelopes": scope.envelopes,
            "reads": scope.reads,
            "first": when(scope.first_ms),
            "last": when(scope.last_ms),
            "control_confirmed": report.control_confirmed,
        },
        "rooms": [_room_json(room) for room in report.record.rooms()],
    }


def cosigned_json(cosigned: Cosigned | None) -> dict[str, object] | None:
    """What witnesses say of the copy; None where no quorum was seen."""
    if cosigned is None:
        return None
    row = cosigned.row
    return {
        "size": row.size,
        "root": row.root.hex(),
        "of_copy": cosigned.is_of_copy,
        "cosignatures": _witnesses_json(row.cosignatures),
        "witnesses": row.witnesses,
    }


def _finding_json(finding: Finding) -> dict[str, object]:
    return {
        "severity": str(finding.severity),
        "log_index": finding.index,
        "code": str(finding.code),
        "text": finding.text,
    }


def _witnesses_json(witnesses: tuple[tuple[str, int], ...]) -> list[dict[str, object]]:
    return [{"name": name, "at": when(time_s * 1000)} for name, time_s in witnesses]


def _room_json(room: RoomSummary) -> dict[str, object]:
    return {
        "room": room.room.hex(),
        "opened_by": None if room.opened_by is None else _who_json(room.opened_by),
        "ceiling": None if room.create is None else room.create.ceiling.text,
        "agreement": None if room.create is None else room.create.agreement,
        "entries": room.entries,
        "first": when(room.first_ms),
        "last": when(room.last_ms),
        "changes": [_change_json(change) for change in room.changes],
        "members": _nations_json(room.members),
    }


def _change_json(change: Change) -> dict[str, object]:
    return {
        "log_index": change.index,
        "accepted": when(change.accepted_at_ms),
        "epoch": change.epoch,
        "by": _who_json(change.by),
        "added": [_who_json(who) for who in change.added],
        "removed": [_who_json(who) for who in change.removed],
        "members": _nations_json(change.members),
    }


def times_json(claimed_ms: int, accepted_ms: int, witnessed: Bounds) -> dict[str, object]:
    """The three times, each under the name of whose word it is."""
    between = {"not_before": when(witnessed.not_before_ms), "not_after": when(witnessed.not_after_ms)}
    return {"claimed": when(claimed_ms), "accepted": when(accepted_ms), "witnessed": between}


def _who_json(who: Who) -> dict[str, object]:
    return {
        "organisation": who.organisation or None,
        "subject": None if who.subject is None else who.subject.hex(),
        "role": None if who.role is None else who.role.name.lower(),
        "device": who.device.hex(),
    }


def _nations_json(members: Nations) -> dict[str, int]:
    return {str(name): count for name, count in members}


def lines_json(report: Report, lines: Iterable[Line]) -> dict[str, object]:
    """The entries that were asked for, under the verdict on the whole record."""
    bad = report.first_bad
    return {
        "format": FORMAT,
        "holds": not report.faults,
        "first_bad": None if bad is None else _finding_json(bad),
        "entries": [_line_json(line) for line in lines],
    }


def _line_json(line: Line) -> dict[str, object]:
    from amanah_client.cli.showing import plain  # noqa: PLC0415 - it needs the SDK, which offline verbs do without

    entry = line.entry
    return {
        "log_index": entry.index,
        "accepted": when(entry.accepted_at_ms),
        "sent": when(entry.sent_at_ms),
        "times": times_json(entry.sent_at_ms, entry.accepted_at_ms, entry.witnessed),
        "room": entry.room.hex(),
        "room_seq": entry.room_seq,
        "id": entry.envelope.hex(),
        "envelope": entry.envelope.hex(),
        "from": _who_json(entry.sender),
        "to": _nations_json(entry.readers),
        "kind": entry.kind.name.lower(),
        "header": plain(entry.specific),
        "said": line.said,
        "label": entry.label.text,
        "precedence": entry.precedence.name.lower(),
        "size_class": entry.size_class,
        "epoch": entry.epoch,
        "state": line.state,
    }


def proven_json(proven: Proven) -> dict[str, object]:
    """A disclosure."""
    from amanah_client.cli.showing import alert_json  # noqa: PLC0415 - it needs the SDK, which offline verbs do without

    disclosed = proven.disclosed
    header, content, certificate = disclosed.envelope.header, disclosed.content, disclosed.certificate
    value: dict[str, object] = {
        "format": FORMAT,
        "holds": True,
        "anchored": bool(proven.anchor),
        "verdict": verdict_of_proven(proven),
        "held_against": proven.anchor or None,
        "from": {
            "organisation": certificate.organisation,
            "subject": certificate.subject.hex(),
            "role": certificate.role.name.lower(),
            "device": certificate.device_id.hex(),
        },
        "written": when(content.written_at_ms),
        "sent": when(header.sent_at_ms),
        "accepted": when(disclosed.leaf.accepted_at_ms),
        "room": header.room.hex(),
        "room_seq": disclosed.leaf.room_seq,
        "id": disclosed.envelope.id.hex(),
        "envelope": disclosed.envelope.id.hex(),
        "label": content.label.text,
        "label_differs": content.differs_from(header.label),
        "pap": content.pap.text,
        "log": {
            "origin": disclosed.checkpoint.origin,
            "log_index": disclosed.index,
            "size": disclosed.checkpoint.size,
            "witnesses": _witnesses_json(proven.witnesses),
        },
    }
    match content.body:
        case TextBody(text=text):
            value["text"] = text
        case AlertBatch(source=source, alerts=alerts):
            value |= {"source": source, "alerts": [alert_json(alert) for alert in alerts]}
        case RoomInfo(title=title):
            value["title"] = title
        case body:
            value["type"] = type(body).__name__.lower()
    return value


def when(at_ms: int | None) -> str | None:
    """A time for programs; None also for what lies beyond any calendar."""
    return None if (at_ms or 0) > MAX_OBSERVED_AT_MS else terminal.iso(at_ms)
