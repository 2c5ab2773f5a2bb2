"""What an audit found in words that several faces say: the verdict, whose time it is, what was disclosed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from amanah_client.audit.record import Report
from amanah_client.audit.report import UNBOUNDED, Bounds, Severity, Stamped
from amanah_client.audit.table import counted
from amanah_client.moments import moment
from amanah_client.said import said
from amanah_protocol.content.bodies import AlertBatch, RoomInfo, Said, body_name
from amanah_protocol.content.sealed import Content
from amanah_protocol.envelope import Header
from amanah_protocol.log.policy import by_witness

DRILL: Final = "DRILL: this was said in an exercise, it is not real."

UNANCHORED: Final = "consistent, but anchored in nothing"


def verdict(report: Report) -> str:
    """The one line that counts."""
    bad = report.first_bad
    if bad is not None:
        where = "THE WHOLE RECORD" if bad.index is None else f"FIRST BAD ENTRY: {bad.index}"
        return f"DOES NOT HOLD. {where} ({bad.code})"
    if not report.anchor:
        return UNANCHORED
    return (
        "HOLDS: every hash, link, signature, certificate, counter and right in scope was recomputed; "
        f"anchored in {report.anchor}"
    )


def sound_before(report: Report) -> int | None:
    """The entry before which a record that does not hold can be relied on; None where nothing can be."""
    faults = [found for found in report.findings if found.severity is Severity.FAULT]
    # A fault without a place spoils what stands before the first bad entry too; what is not named may be one.
    whole = report.faults > len(faults) or any(found.index is None for found in faults)
    return None if whole or report.first_bad is None else report.first_bad.index


def claimed(content: Content, header: Header) -> str:
    """When a disclosed message was sent, by its sender's clock; what its content says, where that is another time."""
    sent, written = moment(header.sent_at_ms), moment(content.written_at_ms)
    return sent if sent == written else f"{sent} (its content says {written})"


def between(witnessed: Bounds) -> str:
    """What witnesses say of the time of a leaf."""
    if witnessed == UNBOUNDED:
        return "witnessed by nobody"
    not_before = "the beginning" if witnessed.not_before_ms is None else moment(witnessed.not_before_ms)
    not_after = "an open end" if witnessed.not_after_ms is None else moment(witnessed.not_after_ms)
    return f"witnessed between {not_before} and {not_after}"


def stamped(stamps: Iterable[Stamped]) -> str:
    """What time-stamping authorities say of the time of a leaf; "" for nothing."""
    said = ", ".join(f"{moment(one.not_after_ms)} by {one.authority}" for one in stamps)
    return f"; stamped not after {said}" if said else ""


def cosigned(witnesses: tuple[tuple[str, int], ...]) -> str:
    """Who cosigned a checkpoint, and when."""
    named = ", ".join(f"{name} ({moment(time_s * 1000)})" for name, time_s in by_witness(witnesses))
    return named or "no witness whose key the roster or the policy names"


def content_lines(content: Content) -> list[str]:
    """What a message says, line by line, as it was written: a face makes it safe to show."""
    return [*([DRILL] if content.drill else []), *_said_lines(content)]


def _said_lines(content: Content) -> list[str]:
    match content.body:
        case body if isinstance(body, Said):
            return said(body).split("\n")
        case AlertBatch(source=source, alerts=alerts):
            return [
                f"{counted(len(alerts), 'alert')} from {source}",
                *(
                    f"{moment(alert.observed_at_ms)} {alert.severity.name.lower()} {alert.title} "
                    f"[{alert.signature_id}] {alert.source_address or '-'} to {alert.destination_address or '-'}"
                    for alert in alerts
                ),
            ]
        case RoomInfo(title=title):
            return [f"the room is called {title}"]
        case body:
            return [f"[{body_name(body)}]"]
