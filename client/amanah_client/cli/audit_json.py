"""What an audit found, as JSON for programs; `audit_words` is for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from amanah_client.audit.bundle_check import Checked
from amanah_client.audit.disclosed import Proven
from amanah_client.audit.export_entries import line_json, nations_json, times_json, who_json
from amanah_client.audit.local import Cosigned
from amanah_client.audit.record import Report
from amanah_client.audit.report import Change, Finding, RoomSummary
from amanah_client.audit.stamps import Stamps
from amanah_client.audit.table import Line
from amanah_client.audit.words import verdict
from amanah_client.cli.audit_words import verdict_of_proven
from amanah_client.moments import iso
from amanah_client.said import said_json
from amanah_protocol.content.bodies import AlertBatch, Body, RoomInfo, Said, body_name
from amanah_protocol.content.text import Text as TextBody

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
        "first_bad": None if bad is None else finding_json(bad),
        "faults": report.faults,
        "findings": [finding_json(finding) for finding in report.findings],
        "log": {
            "origin": report.origin,
            "size": report.size,
            "root": report.root.hex(),
            "witnesses": witnesses_json(report.witnesses),
        },
        "scope": {
            "leaves": scope.leaves,
            "bare": scope.bare,
            "control": scope.control,
            "envelopes": scope.envelopes,
            "reads": scope.reads,
            "first": iso(scope.first_ms),
            "last": iso(scope.last_ms),
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
        "cosignatures": witnesses_json(row.cosignatures),
        "witnesses": row.witnesses,
    }


def stamps_json(stamps: Stamps) -> dict[str, object]:
    """What time-stamping authorities say of the record."""
    return {
        "checkpoints": stamps.checkpoints,
        "size": stamps.size,
        "tokens": [
            {"authority": authority, "state": str(state), "count": count} for authority, state, count in stamps.counts
        ],
    }


def finding_json(finding: Finding) -> dict[str, object]:
    """One thing that was found."""
    return {
        "severity": str(finding.severity),
        "log_index": finding.index,
        "code": str(finding.code),
        "text": finding.text,
    }


def witnesses_json(witnesses: tuple[tuple[str, int], ...]) -> list[dict[str, object]]:
    """Who cosigned a checkpoint, and when."""
    return [{"name": name, "at": iso(time_s * 1000)} for name, time_s in witnesses]


def _room_json(room: RoomSummary) -> dict[str, object]:
    return {
        "room": room.room.hex(),
        "opened_by": None if room.opened_by is None else who_json(room.opened_by),
        "ceiling": None if room.create is None else room.create.ceiling.text,
        "agreement": None if room.create is None else room.create.agreement,
        "drill": room.create is not None and room.create.drill,
        "entries": room.entries,
        "first": iso(room.first_ms),
        "last": iso(room.last_ms),
        "changes": [_change_json(change) for change in room.changes],
        "members": nations_json(room.members),
    }


def _change_json(change: Change) -> dict[str, object]:
    return {
        "log_index": change.index,
        "accepted": iso(change.accepted_at_ms),
        "epoch": change.epoch,
        "by": who_json(change.by),
        "added": [who_json(who) for who in change.added],
        "removed": [who_json(who) for who in change.removed],
        "members": nations_json(change.members),
    }


def lines_json(report: Report, lines: Iterable[Line]) -> dict[str, object]:
    """The entries that were asked for, under the verdict on the whole record."""
    bad = report.first_bad
    return {
        "format": FORMAT,
        "holds": not report.faults,
        "first_bad": None if bad is None else finding_json(bad),
        "entries": [line_json(line) for line in lines],
    }


def checked_json(checked: Checked) -> dict[str, object]:
    """A bundle: the report on its record, what it claims, and what was disclosed in it."""
    manifest, record = checked.manifest, checked.report.record
    return report_json(checked.report) | {
        "bundle": {
            "exported": iso(manifest.exported_ms),
            "exporter": {
                "device": manifest.device.hex(),
                "organisation": manifest.organisation,
                "log_index": manifest.certificate,
            },
            "rooms": [{"room": one.room.hex(), "first": one.first, "last": one.last} for one in manifest.rooms],
        },
        "continues": list(checked.remembered),
        "stamps": stamps_json(checked.stamps),
        "not_checked": [] if checked.stamps.all_checked else ["RFC 3161 time stamps"],
        "disclosed": [
            {
                "log_index": one.index,
                "id": one.envelope.id.hex(),
                "envelope": one.envelope.id.hex(),
                "room": one.leaf.room.hex(),
                "room_seq": one.leaf.room_seq,
                "from": who_json(one.sender),
                "label": one.content.label.text,
                "label_differs": one.content.differs_from(one.envelope.header.label),
                "pap": one.content.pap.text,
                "written": iso(one.content.written_at_ms),
                "times": times_json(
                    one.envelope.header.sent_at_ms,
                    one.leaf.accepted_at_ms,
                    record.bounds(one.index),
                    record.stamped(one.index),
                ),
                **_body_json(one.content.body),
            }
            for one in checked.opened
        ],
    }


def _body_json(body: Body) -> dict[str, object]:
    from amanah_client.cli.showing import alert_json  # noqa: PLC0415 - it needs the SDK, which offline verbs do without

    match body:
        case TextBody(text=text):
            return {"text": text, "said": said_json(body)}
        case _ if isinstance(body, Said):
            return {"type": body_name(body), "said": said_json(body)}
        case AlertBatch(source=source, alerts=alerts):
            return {"source": source, "alerts": [alert_json(alert) for alert in alerts]}
        case RoomInfo(title=title):
            return {"title": title}
        case _:
            return {"type": body_name(body)}


def proven_json(proven: Proven) -> dict[str, object]:
    """A disclosure."""
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
        "written": iso(content.written_at_ms),
        "sent": iso(header.sent_at_ms),
        "accepted": iso(disclosed.leaf.accepted_at_ms),
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
            "witnesses": witnesses_json(proven.witnesses),
        },
    }
    return value | _body_json(content.body)
