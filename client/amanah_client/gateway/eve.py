"""Suricata EVE: one JSON object a line, of which those with `event_type` "alert" become alerts.

Nothing is dropped in silence: other events are counted by type, unusable lines by number and
reason, and reading goes on with the next line. Field names are those of Suricata's "EVE JSON
Format" (section "Event type: Alert").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import msgspec

from amanah_protocol import cbor, limits
from amanah_protocol.content.alert import MAX_OBSERVED_AT_MS, Alert, Severity, plain_text
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError

SOURCE: Final = "suricata"
MAX_LINE_BYTES: Final = limits.MIB
"""Without the line's end; a longer one is refused unparsed."""
MAX_NAMED_LINES: Final = 100
"""Malformed lines that a report names; the rest are counted."""
MAX_NAMED_TYPES: Final = 64
"""Event types that a report names; a hostile file could make a new one on each line."""
OTHER_TYPES: Final = "(other types)"

_CHUNK_BYTES: Final = 64 * limits.KIB
_MAX_TYPE_CHARS: Final = 64
_MAX_TIMESTAMP_CHARS: Final = 40
_MAX_PORT: Final = 65_535
_DEFAULT_GENERATOR: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
# Suricata counts downwards from 1; beyond 3 there is only "even less important".
_SEVERITIES: Final = {1: Severity.HIGH, 2: Severity.MEDIUM}


class LineSource(Protocol):
    """What `bounded_lines` reads from: any binary file."""

    def readline(self, size: int, /) -> bytes:
        """Up to `size` bytes, ending at a newline, at the size or at the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedLine:
    """A line that could not be used.

    Attributes:
        number: Its number, from 1.
        reason: Why; never the line's content.
    """

    number: int
    reason: str


@dataclass(slots=True, kw_only=True)
class EveReport:
    """What became of the lines: `lines` is the sum of all the other counts.

    Attributes:
        lines: Lines read.
        blank: Lines without anything on them.
        alerts: Lines that became alerts.
        others: Events that are not alerts, by `event_type`; past 64 types, under `OTHER_TYPES`.
        malformed: The first 100 unusable lines.
        malformed_total: All unusable lines.
    """

    lines: int = 0
    blank: int = 0
    alerts: int = 0
    others: dict[str, int] = field(default_factory=dict)
    malformed: list[MalformedLine] = field(default_factory=list)
    malformed_total: int = 0

    @property
    def is_foreign(self) -> bool:
        """Whether there were lines, and not one of them is an event: another file than was meant."""
        return self.malformed_total > 0 and not self.alerts and not self.others

    def count_other(self, event_type: str) -> None:
        """Count an event that is not an alert."""
        named = event_type in self.others or len(self.others) < MAX_NAMED_TYPES
        key = event_type if named else OTHER_TYPES
        self.others[key] = self.others.get(key, 0) + 1

    def count_malformed(self, reason: str) -> None:
        """Count the current line as unusable."""
        self.malformed_total += 1
        if len(self.malformed) < MAX_NAMED_LINES:
            self.malformed.append(MalformedLine(number=self.lines, reason=reason))


class _EventKind(msgspec.Struct):
    event_type: str


class _Signature(msgspec.Struct):
    """The object `alert`. `object` marks what may be missing or odd without spoiling the alert."""

    signature_id: int
    gid: object = None
    signature: object = None
    category: object = None
    severity: object = None


class _AlertEvent(msgspec.Struct):
    timestamp: str
    alert: _Signature
    flow_id: object = None
    src_ip: object = None
    src_port: object = None
    dest_ip: object = None
    dest_port: object = None
    proto: object = None


_KIND_DECODER: Final = msgspec.json.Decoder(_EventKind)
_ALERT_DECODER: Final = msgspec.json.Decoder(_AlertEvent)


def bounded_lines(stream: LineSource) -> Iterator[bytes]:
    """The lines of a stream in bounded memory: of a longer one only its beginning is given.

    That beginning is above `MAX_LINE_BYTES`, so `read_eve` refuses it; its rest is skipped.
    """
    while line := stream.readline(MAX_LINE_BYTES + len(b"\r\n")):
        yield line
        while line and not line.endswith(b"\n"):
            line = stream.readline(_CHUNK_BYTES)


def read_eve(lines: Iterable[bytes], report: EveReport) -> Iterator[Alert]:
    """Turn EVE lines into alerts, one by one, and count everything else.

    Args:
        lines: Lines with or without their end; `bounded_lines` makes them from a file.
        report: Filled while reading; complete when the iterator is exhausted.

    Yields:
        One alert for each usable alert line, in the order of the lines.
    """
    for line in lines:
        report.lines += 1
        if len(line) <= MAX_LINE_BYTES and not line.strip():
            report.blank += 1
            continue
        try:
            event = decode_event(line)
        except DecodeError as error:
            report.count_malformed(error.detail)
            continue
        if isinstance(event, str):
            report.count_other(event)
            continue
        report.alerts += 1
        yield event


def decode_event(line: bytes) -> Alert | str:
    """Read one line: an alert, or the `event_type` of an event that is none.

    Raises:
        DecodeError: `TOO_LARGE`, or `MALFORMED` when it is not JSON, has no event type, or is an
            alert without a signature id or a time with its offset.
    """
    record = line.rstrip(b"\r\n")
    if len(record) > MAX_LINE_BYTES:
        raise DecodeError(Code.TOO_LARGE, "the line is longer than 1 MiB")
    try:
        event_type = _KIND_DECODER.decode(record).event_type
        if event_type != "alert":
            return plain_text(event_type, _MAX_TYPE_CHARS)
        event = _ALERT_DECODER.decode(record)
    except RecursionError as error:
        raise DecodeError(Code.MALFORMED, "the JSON is nested too deeply") from error
    except ValueError as error:  # msgspec's errors and broken UTF-8; their texts quote no content
        raise DecodeError(Code.MALFORMED, f"not an EVE event: {error}") from error
    return _alert(event, record)


def _alert(event: _AlertEvent, record: bytes) -> Alert:
    signature = event.alert
    number = _integer(signature.signature_id, cbor.U64)
    if number is None:
        raise DecodeError(Code.MALFORMED, "the signature id is out of range")
    keep = len(record) <= limits.MAX_ALERT_ORIGINAL_BYTES
    record_hash = sha256(record)
    return Alert(
        source=SOURCE,
        dedupe_id=_dedupe_id(event, record_hash),
        observed_at_ms=_time_ms(event.timestamp),
        severity=_severity(signature.severity),
        title=_text(signature.signature) or f"signature {number}",
        category=_text(signature.category),
        signature_id=str(number),
        source_address=_name(event.src_ip),
        source_port=_integer(event.src_port, _MAX_PORT),
        destination_address=_name(event.dest_ip),
        destination_port=_integer(event.dest_port, _MAX_PORT),
        protocol=_name(event.proto),
        original=record if keep else b"",
        original_hash=record_hash,
    )


def _dedupe_id(event: _AlertEvent, record_hash: bytes) -> str:
    """`flow_id:gid:signature_id:timestamp`; without a flow, the record itself is the event."""
    flow = _integer(event.flow_id, cbor.U64)
    generator = _integer(event.alert.gid, cbor.U64)
    # Packets that cannot be decoded belong to no flow; they would all share one id.
    first = record_hash.hex() if flow is None else str(flow)
    second = _DEFAULT_GENERATOR if generator is None else generator
    timestamp = plain_text(event.timestamp, _MAX_TIMESTAMP_CHARS)
    return f"{first}:{second}:{event.alert.signature_id}:{timestamp}"


def _time_ms(timestamp: str) -> int:
    if len(timestamp) > _MAX_TIMESTAMP_CHARS:
        raise DecodeError(Code.MALFORMED, "the timestamp is too long")
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError as error:
        raise DecodeError(Code.MALFORMED, "the timestamp is not ISO 8601") from error
    # Guessing a zone would move the alert by hours in a timeline that three nations share.
    if moment.tzinfo is None:
        raise DecodeError(Code.MALFORMED, "the timestamp has no offset from UTC")
    time_ms = (moment - _EPOCH) // _MILLISECOND
    if not 0 <= time_ms <= MAX_OBSERVED_AT_MS:
        raise DecodeError(Code.MALFORMED, "the timestamp is not between the years 1970 and 9999")
    return time_ms


def _severity(value: object) -> Severity:
    number = _integer(value, cbor.U64)
    # An unknown severity is not low: nobody would look at it.
    if not number:
        return Severity.MEDIUM
    return _SEVERITIES.get(number, Severity.LOW)


def _text(value: object) -> str:
    return plain_text(value, limits.MAX_TEXT_CHARS) if isinstance(value, str) else ""


def _name(value: object) -> str | None:
    return plain_text(value, limits.MAX_NAME_CHARS) if isinstance(value, str) else None


def _integer(value: object, maximum: int) -> int | None:
    return value if type(value) is int and 0 <= value <= maximum else None
